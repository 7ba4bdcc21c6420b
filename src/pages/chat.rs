//! The chat page, with the recent history already in its HTML; all of it works without scripts too.

use super::Visit;
use crate::error::Result;
use crate::http::{Reply, Response};
use crate::i18n;
use crate::pages::history::SEARCH_PAGE;
use crate::store::Message;
use crate::templates::Values;
use crate::visitor::session::LIFETIME;

/// Messages in the page as it opens.
const SHOWN: usize = 50;

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let Some(session) = &visit.session else { return Ok(Response::redirect(302, "/lobby/").into()) };
    let (app, language) = (visit.app, visit.manner.language);
    let csrf = visit.csrf_token();
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
    let fragments = |message: &Message| app.views.message(language, message, &session.name, &csrf.token);
    let messages: String = messages.iter().map(fragments).collect();
    let (people, count) = app.live.presence.online();
    let people: String = people.iter().map(|name| app.views.person(language, name, &session.name)).collect();
    let (edit, edit_content) = edited_message(visit, &session.name)?.unwrap_or_default();
    let (q, results) = search_results(visit)?;
    let blank = Message {
        id: 0,
        author: session.name.clone(),
        content: String::new(),
        created_at: String::new(),
        edited: false,
    };
    let values = Values::new()
        .set("csrf", csrf.token.as_str())
        .set("me", session.name.as_str())
        .set("head", recent.head.to_string())
        .set("epoch", app.store.epoch())
        .set("heartbeat_ms", app.config.heartbeat.as_millis().to_string())
        .set("messages", messages)
        .set("blank", fragments(&blank))
        .set("older", older)
        .set("newer", if before.is_some() { "yes" } else { "" })
        .set("online", people)
        .set("online_count", count.to_string())
        .set("edit", edit)
        .set("edit_content", edit_content)
        .set("q", q)
        .set("results", results)
        .set("texts", i18n::scripts_json(language));
    let html = app.views.page(&app.views.chat, app, language, values);
    let response = csrf.hand_over(visit, Response::html(200, html));
    // Each look at the page gives the cookie its two weeks again.
    let token = visit.request.cookie("sessionid").unwrap_or_default();
    Ok(visit.set_cookie(response, "sessionid", token, LIFETIME, true).into())
}

/// The reader's own message that `?edit=` names, for a page without scripts: its id and its text.
fn edited_message(visit: &Visit<'_>, reader: &str) -> Result<Option<(String, String)>> {
    let Some(id) = visit.request.query_number("edit")? else { return Ok(None) };
    let message = visit.app.store.message(id)?.filter(|message| message.author == reader);
    Ok(message.map(|message| (message.id.to_string(), message.content)))
}

/// What `?q=` finds, for a page without scripts.
fn search_results(visit: &Visit<'_>) -> Result<(String, String)> {
    let q = visit.request.query("q").unwrap_or_default();
    if q.trim().is_empty() {
        return Ok(Default::default());
    }
    let (views, language) = (&visit.app.views, visit.manner.language);
    let found = visit.app.store.search_messages(q.trim(), i64::MAX, SEARCH_PAGE)?;
    let results = found.iter().map(|message| {
        let values = Values::new()
            .set("id", message.id.to_string())
            .set("name", message.author.as_str())
            .set("created_at", message.created_at.as_str())
            .set("content", message.content.as_str())
            .set("link", format!("/?before={}#m{}", message.id.saturating_add(1), message.id));
        views.piece(&views.result, language, values)
    });
    Ok((q, results.collect()))
}
