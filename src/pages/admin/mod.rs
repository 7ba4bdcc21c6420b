//! The administrator's pages: how one gets in, and the frame around what there is to see and to do.
//!
//! They are plain forms without scripts. What they change, the log tells every open page.

pub mod authors;
pub mod backup;
pub mod figures;
pub mod messages;
pub mod people;

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::Visit;
use crate::error::{Error, Result};
use crate::http::{Method, Reply, Response};
use crate::templates::Values;
use crate::visitor::{admins, rate, session};
use crate::{i18n, log};

/// Messages, or authors, on a page.
const PAGE: usize = 50;

pub fn is_signed_in(visit: &Visit<'_>) -> Result<bool> {
    match visit.request.cookie("adminid") {
        Some(session) => visit.app.admins.is_signed_in(session, session::now()),
        None => Ok(false),
    }
}

/// The answer to one who is no administrator and asks for what is theirs alone.
pub fn turn_away(visit: &Visit<'_>) -> Result<Option<Reply>> {
    if is_signed_in(visit)? {
        return Ok(None);
    }
    match visit.request.method() {
        Method::Post => Err(Error::told(403, i18n::ERR_ADMIN)),
        _ => Ok(Some(Response::redirect(303, "/admin/").into())),
    }
}

/// Follows the link that the server printed; without one, it asks for the token or shows the first page.
pub fn enter(visit: &Visit<'_>) -> Result<Reply> {
    match visit.request.query("token") {
        // A HEAD looks at the link, and must not use it up.
        Some(token) if *visit.request.method() == Method::Get => admit(visit, &token),
        _ if is_signed_in(visit)? => messages::list(visit),
        _ => Ok(sign_in_page(visit, 200, "").into()),
    }
}

pub fn sign_in(visit: &Visit<'_>) -> Result<Reply> {
    admit(visit, visit.form.get("token").trim())
}

fn admit(visit: &Visit<'_>, token: &str) -> Result<Reply> {
    let app = visit.app;
    let peer = rate::peer_key(visit.request.peer());
    let too_many = |wait| Error::retry(429, i18n::ERR_TOO_MANY_SIGN_INS, wait);
    app.rates.admins.take(peer, Instant::now()).map_err(too_many)?;
    if let Some(session) = app.admins.sign_in(token, session::now())? {
        audit(visit, "sign in", &"");
        return Ok(remember(visit, Response::redirect(303, "/admin/"), &session).into());
    }
    if is_signed_in(visit)? {
        return Ok(Response::redirect(303, "/admin/").into()); // the link once more, by the one who used it
    }
    log::warn("admin", &[("action", &"wrong token"), ("peer", &visit.request.peer())]);
    match visit.manner.is_html {
        true => Ok(sign_in_page(visit, 403, i18n::ERR_TOKEN.in_(visit.manner.language)).into()),
        false => Err(Error::told(403, i18n::ERR_TOKEN)),
    }
}

fn sign_in_page(visit: &Visit<'_>, status: u16, error: &str) -> Response {
    let form = visit.piece(&visit.app.views.admin_signin, Values::new());
    let values = Values::new().set("nav", "").set("notice", error).set("body", form);
    visit.page(status, &visit.app.views.admin, values)
}

pub fn leave(visit: &Visit<'_>) -> Result<Reply> {
    if let Some(session) = visit.request.cookie("adminid") {
        visit.app.admins.leave(session)?;
    }
    let door = Response::redirect(303, "/admin/");
    Ok(visit.request.with_cookie(door, "adminid", "", Duration::ZERO).into())
}

fn remember(visit: &Visit<'_>, response: Response, session: &str) -> Response {
    visit.request.with_cookie(response, "adminid", session, admins::LIFETIME)
}

/// One line in the log for everything an administrator does; `target` is an id or a name, never a text.
fn audit(visit: &Visit<'_>, action: &str, target: &dyn Display) {
    log::info("admin", &[("action", &action), ("target", target), ("peer", &visit.request.peer())]);
}

/// Back to a page, with word of what was done: `to` is its path and `?done=`.
fn done(to: &'static str) -> Result<Reply> {
    Ok(Response::redirect(303, to).into())
}

/// A page for those who are signed in, at the place in the navigation that `at` names.
fn page(visit: &Visit<'_>, status: u16, at: &'static str, notice: &str, body: String) -> Reply {
    let values = Values::new().set("nav", "yes").set(at, "yes").set("notice", notice).set("body", body);
    let session = visit.request.cookie("adminid").unwrap_or_default();
    remember(visit, visit.page(status, &visit.app.views.admin, values), session).into()
}

/// A page on which everything is well; it says what was just done.
fn plain_page(visit: &Visit<'_>, at: &'static str, body: String) -> Reply {
    let text = match visit.request.query("done").as_deref() {
        Some("deleted") => i18n::DONE_DELETED,
        Some("renamed") => i18n::DONE_RENAMED,
        Some("kicked") => i18n::DONE_KICKED,
        Some("blocked") => i18n::DONE_BLOCKED,
        Some("lifted") => i18n::DONE_LIFTED,
        _ => return page(visit, 200, at, "", body),
    };
    page(visit, 200, at, text.in_(visit.manner.language), body)
}
