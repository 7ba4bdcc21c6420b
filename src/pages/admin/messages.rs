//! Everybody's messages: found, and deleted one by one.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{PAGE, audit, done, plain_page};
use crate::error::Result;
use crate::http::Reply;
use crate::pages::Visit;
use crate::store::Written;
use crate::templates::Values;
use crate::views::readable_time;

pub fn list(visit: &Visit<'_>) -> Result<Reply> {
    let app = visit.app;
    let q = visit.request.query("q").unwrap_or_default();
    let before = visit.request.query_number("before")?.unwrap_or(i64::MAX);
    let messages = app.store.written_messages(q.trim(), before, PAGE)?;
    let row = |message: &Written| {
        let values = Values::new()
            .set("id", message.id.to_string())
            .set("author_id", message.author_id.to_string())
            .set("name", message.author.as_str())
            .set("created_at", message.created_at.as_str())
            .set("time_text", readable_time(&message.created_at))
            .set("content", message.content.as_str());
        visit.piece(&app.views.admin_message, values)
    };
    let before = match messages.last() {
        Some(oldest) if messages.len() == PAGE => oldest.id.to_string(),
        _ => String::new(),
    };
    let values = Values::new()
        .set("rows", messages.iter().map(row).collect::<String>())
        .set("before", before)
        .set("q_encoded", utf8_percent_encode(&q, NON_ALPHANUMERIC).to_string())
        .set("q", q.as_str());
    Ok(plain_page(visit, "at_messages", visit.piece(&app.views.admin_messages, values)))
}

pub fn delete(visit: &Visit<'_>) -> Result<Reply> {
    visit.app.store.remove_message(visit.id)?;
    audit(visit, "delete message", &visit.id);
    done("/admin/messages/?done=deleted")
}
