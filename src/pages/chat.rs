//! The chat page, with the recent history already in its HTML; all of it works without scripts too.

use super::Visit;
use super::history::SEARCH_PAGE;
use crate::error::Result;
use crate::http::{Reply, Response};
use crate::i18n;
use crate::store::Message;
use crate::templates::Values;
use crate::views::{hue, readable_time};
use crate::visitor::session::LIFETIME;

/// Messages in the page as it opens.
const SHOWN: usize = 50;

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let Some(session) = &visit.session else { return Ok(Response::redirect(302, "/lobby/").into()) };
    let app = visit.app;
    let before = visit.request.query_number("before")?;
    let recent = app.store.recent_messages(if before.is_some() { 0 } else { SHOWN })?;
    let messages = match before {
        Some(before) => app.store.messages_before(before, SHOWN)?,
        None => recent.messages,
    };
    let older = match messages.first() {
        Some(oldest) if messages.len() == SHOWN => oldest.id.to_string(),
        _ => String::new(),
    };
    let messages = messages.iter().map(|each| message(visit, each, &session.name)).collect::<String>();
    let blank = Message { author: session.name.as_str().into(), ..Message::default() };
    let (people, count) = app.live.presence.online();
    let people = people.iter().map(|name| person(visit, name, &session.name)).collect::<String>();
    let (edit, edit_content) = edited_message(visit, &session.name)?.unwrap_or_default();
    let (q, results) = search_results(visit)?;
    let values = Values::new()
        .set("me", session.name.as_str())
        .set("head", recent.head.to_string())
        .set("epoch", app.store.epoch())
        .set("heartbeat_ms", app.config.heartbeat.as_millis().to_string())
        .set("messages", messages)
        .set("blank", message(visit, &blank, &session.name))
        .set("older", older)
        .set("newer", if before.is_some() { "yes" } else { "" })
        .set("online", people)
        .set("online_count", count.to_string())
        .set("edit", edit)
        .set("edit_content", edit_content)
        .set("q", q)
        .set("results", results)
        .set("texts", i18n::scripts_json(visit.manner.language));
    let page = visit.page(200, &app.views.chat, values);
    // Each look at the page gives the cookie its two weeks again.
    let token = visit.request.cookie("sessionid").unwrap_or_default();
    Ok(visit.request.with_cookie(page, "sessionid", token, LIFETIME).into())
}

/// One message, as `reader` sees it.
fn message(visit: &Visit<'_>, message: &Message<'_>, reader: &str) -> String {
    let values = Values::new()
        .set("id", message.id.to_string())
        .set("name", message.author.as_ref())
        .set("hue", hue(&message.author).to_string())
        .set("content", message.content.as_ref())
        .set("created_at", message.created_at.as_ref())
        .set("time_text", readable_time(&message.created_at))
        .set("edited", if message.edited { "yes" } else { "" })
        .set("mine", if message.author == reader { "yes" } else { "" });
    visit.piece(&visit.app.views.message, values)
}

/// One of those who are here.
fn person(visit: &Visit<'_>, name: &str, reader: &str) -> String {
    let values = Values::new()
        .set("name", name)
        .set("hue", hue(name).to_string())
        .set("me", if name == reader { "yes" } else { "" });
    visit.piece(&visit.app.views.person, values)
}

/// The reader's own message that `?edit=` names, for a page without scripts: its id and its text.
fn edited_message(visit: &Visit<'_>, reader: &str) -> Result<Option<(String, String)>> {
    let Some(id) = visit.request.query_number("edit")? else { return Ok(None) };
    let message = visit.app.store.message(id)?.filter(|message| message.author == reader);
    Ok(message.map(|message| (message.id.to_string(), message.content.into_owned())))
}

/// What `?q=` finds, for a page without scripts.
fn search_results(visit: &Visit<'_>) -> Result<(String, String)> {
    let q = visit.request.query("q").unwrap_or_default();
    if q.trim().is_empty() {
        return Ok(Default::default());
    }
    let found = visit.app.store.search_messages(q.trim(), i64::MAX, SEARCH_PAGE)?;
    let results = found.iter().map(|message| {
        let values = Values::new()
            .set("id", message.id.to_string())
            .set("name", message.author.as_ref())
            .set("created_at", message.created_at.as_ref())
            .set("content", message.content.as_ref())
            .set("link", format!("/?before={}#m{}", message.id.saturating_add(1), message.id));
        visit.piece(&visit.app.views.result, values)
    });
    Ok((q, results.collect()))
}
