//! A request as pages read it: tiny_http's, already checked by the door, with its body read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub use tiny_http::Method;

use super::accept;
use super::cookie::{self, SetCookie};
use super::form::{Form, parse_query};
use super::response::Response;
use crate::error::{Error, Result};
use crate::i18n::{self, Language};

pub struct Request {
    tiny: tiny_http::Request,
    body: Vec<u8>,
    /// Whether the headers of a proxy on this machine are believed.
    trusted_proxy: bool,
}

impl Request {
    /// Takes the request over from tiny_http and reads its body, which the door has bounded.
    pub fn read(mut tiny: tiny_http::Request, trusted_proxy: bool) -> io::Result<Request> {
        let mut body = Vec::with_capacity(tiny.body_length().unwrap_or(0));
        tiny.as_reader().read_to_end(&mut body)?;
        Ok(Request { tiny, body, trusted_proxy })
    }

    /// Sends the answer.
    pub fn answer(self, response: Response) -> io::Result<()> {
        self.tiny.respond(response.into_tiny())
    }

    pub fn method(&self) -> &Method {
        self.tiny.method()
    }

    /// The path alone, as it was sent: it begins with a slash.
    pub fn path(&self) -> &str {
        self.tiny.url().split('?').next().unwrap_or_default()
    }

    /// What stands behind the question mark; empty where there is none.
    pub fn raw_query(&self) -> &str {
        self.tiny.url().split_once('?').map_or("", |(_, query)| query)
    }

    /// A parameter of the query, decoded; the first of that name.
    pub fn query(&self, name: &str) -> Option<String> {
        let parameters = parse_query(self.raw_query());
        parameters.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A parameter that is a number of at least 0.
    ///
    /// # Errors
    /// 400 when it is there and is none.
    pub fn query_number(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.query(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        number(&value).map(Some).ok_or_else(|| Error::told(400, i18n::ERR_BAD_REQUEST))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let of_that_name =
            |header: &&tiny_http::Header| header.field.as_str().as_str().eq_ignore_ascii_case(name);
        self.tiny.headers().iter().find(of_that_name).map(|header| header.value.as_str())
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie::get(self.header("Cookie")?, name)
    }

    /// The answer with a cookie for this visitor, kept from all scripts but those that need the CSRF token. The browser
    /// has it for `max_age`; zero deletes it.
    pub fn with_cookie(&self, answer: Response, name: &str, value: &str, max_age: Duration) -> Response {
        let http_only = name != "csrftoken";
        let cookie = SetCookie { name, value, max_age, http_only, secure: self.is_secure() };
        answer.with_cookie(&cookie)
    }

    /// The form in the body, in either encoding.
    ///
    /// # Errors
    /// 400 or 415 with what is wrong with it.
    pub fn form(&self) -> Result<Form> {
        Form::parse(self.header("Content-Type"), &self.body)
    }

    pub fn host(&self) -> &str {
        self.header("Host").unwrap_or_default()
    }

    /// Who speaks: the socket's other end, or whom a trusted proxy on this machine names.
    pub fn peer(&self) -> IpAddr {
        let direct = self.direct_peer();
        if !(self.trusted_proxy && direct.is_loopback()) {
            return direct;
        }
        // The proxy appends the address it sees; what stands before it, anyone may have written.
        let forwarded = self.header("X-Forwarded-For").and_then(|list| list.rsplit(',').next());
        forwarded.and_then(|address| address.trim().parse().ok()).unwrap_or(direct)
    }

    /// Whether a program on this machine speaks, and not a proxy on it for somebody else.
    pub fn is_from_this_machine(&self) -> bool {
        let is_proxy = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];
        self.direct_peer().is_loopback() && is_proxy.iter().all(|name| self.header(name).is_none())
    }

    fn direct_peer(&self) -> IpAddr {
        self.header("Parlor-Peer")
            .and_then(|peer| peer.parse::<SocketAddr>().ok())
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
    }

    /// Whether the visitor's own connection is HTTPS.
    pub fn is_secure(&self) -> bool {
        self.trusted_proxy && self.header("X-Forwarded-Proto").is_some_and(|proto| proto.trim() == "https")
    }

    /// A browser's form rather than a script: it is answered in HTML.
    pub fn prefers_html(&self) -> bool {
        self.header("X-CSRFToken").is_none() && accept::prefers_html(self.header("Accept"))
    }

    /// The one chosen before, else the first that the browser asks for and we speak.
    pub fn language(&self) -> Language {
        Language::pick(self.cookie("lang"), self.header("Accept-Language"))
    }
}

/// A number as it stands in a path, a query or an event id: digits alone, no sign.
pub fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
