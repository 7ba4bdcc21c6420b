//! The lobby: where a visitor takes a name.

use std::time::{Duration, Instant};

use super::{Visit, error_response};
use crate::error::{Error, Result};
use crate::http::{Reply, Response};
use crate::i18n;
use crate::templates::Values;
use crate::visitor::session::{self, LIFETIME};
use crate::visitor::{names, rate, token};

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let name = visit.session.as_ref().map_or("", |session| &session.name);
    Ok(page(visit, 200, name, "").into())
}

/// Gives the visitor a session under the name they ask for, or one that is made up.
pub fn sign_in(visit: &Visit<'_>) -> Result<Reply> {
    match admit(visit) {
        Ok(response) => Ok(response.into()),
        Err(error) if visit.manner.is_html => Ok(again(visit, &error)),
        Err(error) => Err(error),
    }
}

fn admit(visit: &Visit<'_>) -> Result<Response> {
    let app = visit.app;
    let (peer, now) = (rate::peer_key(visit.request.peer()), Instant::now());
    let too_many = |wait| Error::retry(429, i18n::ERR_TOO_MANY_SIGN_INS, wait);
    if let Some(sign_ins) = &app.rates.sign_ins {
        sign_ins.take(peer, now).map_err(too_many)?;
    }
    if let Some(passphrase) = &app.config.passphrase
        && invitation(visit).is_none()
    {
        app.rates.guesses.take(peer, now).map_err(too_many)?;
        if !token::matches(visit.form.get("passphrase"), passphrase) {
            return Err(Error::told(403, i18n::ERR_PASSPHRASE));
        }
    }
    let before = visit.session.as_deref();
    let own = before.map(|session| session.fingerprint.as_str());
    let is_taken = |name: &str| app.live.presence.is_in_use(name, own);
    let name = match wanted_name(visit) {
        "" => names::invent(is_taken),
        wanted => names::check(wanted)?,
    };
    if app.store.is_blocked(&name, session::now())? {
        return Err(Error::told(403, i18n::ERR_NAME_BLOCKED));
    }
    if is_taken(&name) {
        return Err(Error::told(409, i18n::ERR_NAME_IN_USE));
    }
    // A new token at every sign-in: one that somebody else planted or saw before is worth nothing.
    let token = app.sessions.sign_in(&name, session::now())?;
    if let Some(before) = before {
        app.end_session(before)?;
    }
    Ok(visit.request.with_cookie(Response::redirect(302, "/"), "sessionid", &token, LIFETIME))
}

/// The name in the box, unless one of the two buttons beside it was pressed.
fn wanted_name<'a>(visit: &'a Visit<'_>) -> &'a str {
    let form = &visit.form;
    let wanted = match (form.get("surprise"), form.get("suggestion")) {
        ("", "") => form.get("username"),
        ("", suggestion) => suggestion,
        _ => "",
    };
    wanted.trim()
}

/// The page once more, with what was wrong beside the field.
fn again(visit: &Visit<'_>, error: &Error) -> Reply {
    let Error::Told { status, text, .. } = error else {
        return error_response(visit.app, visit.manner, error).into();
    };
    page(visit, *status, wanted_name(visit), text.in_(visit.manner.language)).into()
}

/// The invitation that the visitor came with, if it is a good one. To try one costs no guess at the passphrase: it is
/// as long as a session's token.
fn invitation<'a>(visit: &'a Visit<'_>) -> Option<&'a str> {
    let shown = match visit.form.get("invite") {
        "" => visit.request.query("invite").unwrap_or_default(),
        sent => sent.to_owned(),
    };
    visit.app.invite.as_deref().filter(|invite| token::matches(&shown, invite))
}

fn page(visit: &Visit<'_>, status: u16, username: &str, error: &str) -> Response {
    let app = visit.app;
    let invite = invitation(visit);
    let suggestion = match status {
        409 => names::variant(username, |name| app.live.presence.is_in_use(name, None)),
        _ => String::new(),
    };
    let values = Values::new()
        .set("passphrase", if app.config.passphrase.is_some() && invite.is_none() { "yes" } else { "" })
        .set("invite", invite.unwrap_or_default())
        .set("username", username)
        .set("suggestion", suggestion)
        .set("error", error);
    visit.page(status, &app.views.lobby, values)
}

/// Ends the session.
pub fn leave(visit: &Visit<'_>) -> Result<Reply> {
    if let Some(session) = &visit.session {
        visit.app.end_session(session)?;
    }
    let lobby = Response::redirect(302, "/lobby/");
    Ok(visit.request.with_cookie(lobby, "sessionid", "", Duration::ZERO).into())
}
