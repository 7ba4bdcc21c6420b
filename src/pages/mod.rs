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
mod view;

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::cookie::SetCookie;
use crate::http::form::{Form, FormError};
use crate::http::json::string;
use crate::http::{Request, Response};
use crate::i18n::{self, Language};
use crate::log;
use crate::templates::Values;
use crate::visitor::names::NameError;
use crate::visitor::session::Session;
use crate::visitor::token;

pub use view::Views;

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

    /// The token that this visitor's forms carry, and the cookie to set when they have none yet.
    pub fn csrf_token(&self) -> CsrfToken {
        match self.request.cookie("csrftoken").filter(|token| token::is_well_formed(token)) {
            Some(token) => CsrfToken { token: token.to_owned(), is_new: false },
            None => CsrfToken { token: token::new(), is_new: true },
        }
    }

    /// Sets a cookie for as long as `max_age`; `http_only` keeps it from scripts.
    pub fn set_cookie(
        &self,
        response: Response,
        name: &'static str,
        value: &str,
        max_age: Duration,
        http_only: bool,
    ) -> Response {
        let secure = self.request.is_secure();
        response.with_cookie(&SetCookie { name, value, max_age: Some(max_age), http_only, secure })
    }
}

/// See [`Visit::csrf_token`].
pub struct CsrfToken {
    pub token: String,
    is_new: bool,
}

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl CsrfToken {
    /// Puts the cookie beside the page whose forms carry the token.
    pub fn hand_over(&self, visit: &Visit<'_>, response: Response) -> Response {
        if !self.is_new {
            return response;
        }
        visit.set_cookie(response, "csrftoken", &self.token, A_YEAR, false)
    }
}

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
        Response::html(status, app.views.page(&app.views.error, app, manner.language, values))
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

impl From<NameError> for Error {
    fn from(error: NameError) -> Error {
        let text = match error {
            NameError::Empty => i18n::ERR_NAME_EMPTY,
            NameError::TooLong => i18n::ERR_NAME_TOO_LONG,
            NameError::Forbidden => i18n::ERR_NAME_CHARACTERS,
        };
        Error::told(400, text)
    }
}

impl From<FormError> for Error {
    fn from(error: FormError) -> Error {
        let (status, text) = match error {
            FormError::Encoding => (400, i18n::ERR_FORM_UTF8),
            FormError::Boundary => (400, i18n::ERR_FORM_BOUNDARY),
            FormError::File => (400, i18n::ERR_FORM_FILE),
            FormError::MediaType => (415, i18n::ERR_MEDIA_TYPE),
            FormError::TooManyFields | FormError::Part => (400, i18n::ERR_FORM),
        };
        Error::told(status, text)
    }
}
