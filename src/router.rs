//! The site map: which page answers, and what every request must pass before one does.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::form::Form;
use crate::http::{Method, Reply, Request, Response, number};
use crate::i18n::{self, Language};
use crate::pages::{
    A_YEAR, Manner, Visit, admin, chat, health, history, lobby, messages, metrics, static_files, stream,
    streaming,
};
use crate::visitor::{host, origin, session, token};

type Page = fn(&Visit<'_>) -> Result<Reply>;

/// A known path: what answers each method there, and the number in it.
#[derive(Default)]
struct Route {
    get: Option<Page>,
    post: Option<Page>,
    id: i64,
    for_admins: bool,
}

fn site_map(app: &App, path: &[&str]) -> Option<Route> {
    Some(match path {
        [""] => get(chat::show),
        ["lobby", ""] => get(lobby::show).and_post(lobby::sign_in),
        ["leave", ""] => post(lobby::leave),
        ["create-message", ""] => post(messages::create),
        ["messages", ""] => get(history::list),
        ["messages", id, "edit", ""] => post(messages::edit).of(id)?,
        ["messages", id, "delete", ""] => post(messages::delete).of(id)?,
        ["typing", ""] => post(messages::typing),
        ["stream-chat-messages", ""] => get(stream::open),
        ["streaming", ""] => get(streaming::show),
        ["static", _, ..] => get(static_files::show),
        ["healthz"] => get(health::show),
        ["metrics"] => get(metrics::show),
        ["admin", ""] => get(admin::enter).and_post(admin::sign_in),
        ["admin", "leave", ""] => post(admin::leave),
        ["admin", path @ ..] => Route { for_admins: true, ..admin_map(path)? },
        ["debug", "panic"] if app.config.test_panic => get(health::panic),
        _ => return None,
    })
}

/// What is for administrators alone.
fn admin_map(path: &[&str]) -> Option<Route> {
    Some(match path {
        ["messages", ""] => get(admin::messages::list),
        ["messages", id, "delete", ""] => post(admin::messages::delete).of(id)?,
        ["authors", ""] => get(admin::authors::list),
        ["authors", id, "rename", ""] => post(admin::authors::rename).of(id)?,
        ["authors", id, "delete", ""] => post(admin::authors::delete).of(id)?,
        ["authors", id, "delete-messages", ""] => post(admin::authors::delete_messages).of(id)?,
        ["people", ""] => get(admin::people::list),
        ["people", "kick", ""] => post(admin::people::kick),
        ["people", "block", ""] => post(admin::people::block),
        ["people", "lift", ""] => post(admin::people::lift),
        ["figures", ""] => get(admin::figures::show),
        ["backup", ""] => get(admin::backup::download),
        _ => return None,
    })
}

fn get(page: Page) -> Route {
    Route { get: Some(page), ..Route::default() }
}

fn post(page: Page) -> Route {
    Route { post: Some(page), ..Route::default() }
}

impl Route {
    fn and_post(self, page: Page) -> Route {
        Route { post: Some(page), ..self }
    }

    fn of(self, id: &str) -> Option<Route> {
        let id = number(id)?;
        Some(Route { id, ..self })
    }

    fn page(&self, method: &Method) -> Option<Page> {
        match method {
            Method::Get | Method::Head => self.get,
            Method::Post => self.post,
            _ => None,
        }
    }

    fn allow(&self) -> &'static str {
        match (self.get, self.post) {
            (Some(_), Some(_)) => "GET, HEAD, POST",
            (Some(_), None) => "GET, HEAD",
            _ => "POST",
        }
    }
}

/// Finds the page for the request and has it answer.
///
/// # Errors
/// Why no page answers, or what the page says is wrong.
pub fn route(app: &Arc<App>, request: &Request, manner: Manner) -> Result<Reply> {
    if !host::is_ours(request.host(), &app.own_name, &app.config.hosts) {
        return Err(Error::told(421, i18n::ERR_HOST));
    }
    let path: Vec<&str> = request.path().split('/').skip(1).collect();
    let Some(route) = site_map(app, &path) else { return missing(app, request, path) };
    let Some(page) = route.page(request.method()) else {
        let error = crate::pages::error_response(app, manner, &Error::told(405, i18n::ERR_METHOD));
        return Ok(error.with("Allow", route.allow()).into());
    };
    if let Some(language) = request.query("lang").as_deref().and_then(Language::named) {
        return Ok(switch_language(request, language).into());
    }
    let form = match request.method() {
        Method::Post => read_form(app, request)?,
        _ => Form::default(),
    };
    let session = match request.cookie("sessionid").filter(|token| token::is_well_formed(token)) {
        Some(token) => app.sessions.find(token, session::now())?,
        None => None,
    };
    let visit = Visit { app, request, session, form, manner, id: route.id, fresh_csrf: OnceCell::new() };
    if route.for_admins
        && let Some(reply) = admin::turn_away(&visit)?
    {
        return Ok(reply);
    }
    page(&visit)
}

/// A path that lacks only its last slash is sent there.
fn missing(app: &App, request: &Request, mut path: Vec<&str>) -> Result<Reply> {
    path.push("");
    let is_read = matches!(request.method(), Method::Get | Method::Head);
    if !is_read || path[0] == "static" || site_map(app, &path).is_none() {
        return Err(Error::told(404, i18n::ERR_NOT_FOUND));
    }
    let query = request.raw_query();
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(Response::redirect(301, format!("{}/{mark}{query}", request.path())).into())
}

/// The form of a POST that comes from one of our own pages, or from a program that holds our token.
fn read_form(app: &App, request: &Request) -> Result<Form> {
    let is_ours = |name: &str| app.config.hosts.iter().any(|host| host::same_name(host, name));
    let (from, site) = (request.header("Origin"), request.header("Sec-Fetch-Site"));
    if !origin::same_origin(from, site, request.host(), is_ours) {
        return Err(Error::told(403, i18n::ERR_CROSS_SITE));
    }
    let form = request.form()?;
    let sent = request.header("X-CSRFToken").unwrap_or_else(|| form.get("csrfmiddlewaretoken"));
    match request.cookie("csrftoken") {
        Some(known) if token::matches(sent, known) => Ok(form),
        _ => Err(Error::told(403, i18n::ERR_CSRF)),
    }
}

/// Remembers the language and shows the same page in it, to one who was invited too.
fn switch_language(request: &Request, language: Language) -> Response {
    let invite = request.query("invite").filter(|invite| token::is_well_formed(invite));
    let query = invite.map_or_else(String::new, |invite| format!("?invite={invite}"));
    let page = Response::redirect(303, format!("{}{query}", request.path()));
    request.with_cookie(page, "lang", language.name(), A_YEAR)
}
