//! The pages: each takes a visit and gives a reply.

pub mod admin;
pub mod chat;
pub mod health;
pub mod history;
pub mod lobby;
pub mod messages;
pub mod metrics;
pub mod static_files;
pub mod stream;
pub mod streaming;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::form::Form;
use crate::http::json::string;
use crate::http::{Request, Response};
use crate::i18n::{self, Language};
use crate::log;
use crate::templates::{Template, Values};
use crate::visitor::session::Session;
use crate::visitor::token;

/// One request on its way through a page.
pub struct Visit<'a> {
    pub app: &'a Arc<App>,
    pub request: &'a Request,
    /// Who it is, when they are signed in.
    pub session: Option<Arc<Session>>,
    /// What they sent; empty unless it is a POST.
    pub form: Form,
    pub manner: Manner,
    /// The number in the path, where the route has one.
    pub id: i64,
    /// The token for their forms, made when they have none and a page asks.
    pub fresh_csrf: OnceCell<String>,
}

/// How the visitor wants to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub language: Language,
    /// HTML for a browser's form, JSON for a script.
    pub is_html: bool,
}

impl Manner {
    pub fn of(request: &Request) -> Manner {
        Manner { language: request.language(), is_html: request.prefers_html() }
    }
}

impl Visit<'_> {
    /// The session, without which there is nothing here for the visitor.
    pub fn session(&self) -> Result<&Arc<Session>> {
        self.session.as_ref().ok_or_else(|| Error::told(403, i18n::ERR_SIGNED_OUT))
    }

    /// The token that this visitor's forms carry.
    pub fn csrf(&self) -> &str {
        let known = self.request.cookie("csrftoken").filter(|token| token::is_well_formed(token));
        known.unwrap_or_else(|| self.fresh_csrf.get_or_init(token::new))
    }

    /// A page, and beside it the cookie with the token in its forms when the visitor has none yet.
    pub fn page(&self, status: u16, template: &Template, values: Values<'_>) -> Response {
        let values = values.set("csrf", self.csrf());
        let page = Response::html(
            status,
            self.app.views.page(template, &self.app.config.title, self.manner.language, values),
        );
        match self.fresh_csrf.get() {
            Some(token) => self.request.with_cookie(page, "csrftoken", token, A_YEAR),
            None => page,
        }
    }

    /// A piece of a page.
    pub fn piece(&self, template: &Template, values: Values<'_>) -> String {
        template.render(&values.set("csrf", self.csrf()), self.manner.language)
    }
}

/// How long a browser keeps what is no secret.
pub const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The one place where an error becomes an answer: a sentence for the person, the cause for the log.
pub fn error_response(app: &App, manner: Manner, error: &Error) -> Response {
    let (status, text, retry_after) = match error {
        Error::Told { status, text, retry_after } => (*status, *text, *retry_after),
        Error::Internal(cause) => {
            log::error("failed", &[("cause", cause)]);
            (500, i18n::ERR_INTERNAL, None)
        }
    };
    let sentence = text.in_(manner.language);
    let response = if manner.is_html {
        let values = Values::new().set("status", status.to_string()).set("sentence", sentence);
        Response::html(status, app.views.page(&app.views.error, &app.config.title, manner.language, values))
    } else {
        Response::json(status, format!("{{\"error\":{}}}", string(sentence)))
    };
    match retry_after {
        Some(after) => response.with("Retry-After", seconds(after).to_string()),
        None => response,
    }
}

/// Whole seconds, rounded up: who comes back earlier is sent away again.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
