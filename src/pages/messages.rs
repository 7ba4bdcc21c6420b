//! Writing: a new message, and an author's changes to their own.

use std::sync::Arc;
use std::time::Instant;

use super::{Manner, Visit, error_response};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::json::string;
use crate::http::{Reply, Response};
use crate::i18n;
use crate::store::{Created, Draft};
use crate::visitor::session::Session;

/// Characters in a message, counted after its line ends are made `\n`.
const LONGEST: usize = 16_384;

/// Characters in the page's own name for a message.
const LONGEST_CLIENT_ID: usize = 64;

/// Stores a message, and answers once it is on the disk.
pub fn create(visit: &Visit<'_>) -> Result<Reply> {
    let session = visit.session()?;
    let content = content(visit)?;
    if content.trim().is_empty() {
        return Ok(done(visit.manner, 200, "{\"id\":null}".to_owned()).into());
    }
    let client_id = Some(visit.form.get("client_id")).filter(|id| !id.is_empty());
    if client_id.is_some_and(|id| id.chars().count() > LONGEST_CLIENT_ID) {
        return Err(Error::told(400, i18n::ERR_CLIENT_ID));
    }
    take_turn(visit.app, session)?;
    let draft = Draft { author: session.name.clone(), content, client_id: client_id.map(str::to_owned) };
    let (app, manner) = (Arc::clone(visit.app), visit.manner);
    Ok(Reply::Later(Box::new(move |answer| {
        let store = Arc::clone(&app.store);
        store.create_message(draft, move |created| answer(created_response(&app, manner, created)));
    })))
}

fn created_response(app: &App, manner: Manner, created: Result<Created>) -> Response {
    match created {
        Err(error) => error_response(app, manner, &error),
        Ok(created) => {
            let status = if created.repeated { 200 } else { 201 };
            let created_at = string(&created.created_at);
            app.metrics.messages.add(u64::from(!created.repeated));
            done(manner, status, format!("{{\"id\":{},\"created_at\":{created_at}}}", created.id))
        }
    }
}

/// Replaces the text of a message of one's own.
pub fn edit(visit: &Visit<'_>) -> Result<Reply> {
    let session = visit.session()?;
    let content = content(visit)?;
    if content.trim().is_empty() {
        return Err(Error::told(400, i18n::ERR_MESSAGE_EMPTY));
    }
    take_turn(visit.app, session)?;
    visit.app.store.edit_message(visit.id, &session.name, &content)?;
    Ok(done(visit.manner, 200, format!("{{\"id\":{}}}", visit.id)).into())
}

pub fn delete(visit: &Visit<'_>) -> Result<Reply> {
    let session = visit.session()?;
    take_turn(visit.app, session)?;
    visit.app.store.delete_message(visit.id, &session.name)?;
    Ok(done(visit.manner, 200, format!("{{\"id\":{}}}", visit.id)).into())
}

/// Tells the others that the visitor is writing; too often is not an error, only not told.
pub fn typing(visit: &Visit<'_>) -> Result<Reply> {
    let session = visit.session()?;
    if visit.app.rates.typing.take(session.fingerprint.clone(), Instant::now()).is_ok() {
        visit.app.live.tell_typing(session);
    }
    Ok(Response::empty(204).into())
}

/// The text that was sent: one kind of line end, and nothing that SQLite would end a text at.
fn content(visit: &Visit<'_>) -> Result<String> {
    let content = visit.form.get("content").replace("\r\n", "\n").replace('\r', "\n");
    if content.contains('\0') {
        return Err(Error::told(400, i18n::ERR_MESSAGE_CHARACTERS));
    }
    if content.chars().count() > LONGEST {
        return Err(Error::told(413, i18n::ERR_MESSAGE_TOO_LONG));
    }
    Ok(content)
}

fn take_turn(app: &App, session: &Session) -> Result<()> {
    let Some(posts) = &app.rates.posts else { return Ok(()) };
    let too_fast = |wait| Error::retry(429, i18n::ERR_RATE, wait);
    posts.take(session.fingerprint.clone(), Instant::now()).map_err(too_fast)
}

/// A browser's form goes back to the chat, a script reads JSON.
fn done(manner: Manner, status: u16, json: String) -> Response {
    if manner.is_html { Response::redirect(303, "/") } else { Response::json(status, json) }
}
