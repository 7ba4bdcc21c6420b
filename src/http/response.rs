//! An answer as pages make it, with the headers that every answer carries.

use std::borrow::Cow;
use std::io::Cursor;
use std::net::TcpStream;

use super::cookie::SetCookie;

/// What a page gives back.
pub enum Reply {
    Response(Response),
    /// The page goes on by itself on the visitor's socket.
    Takeover(Takeover),
    /// The page answers when it can, on whatever thread.
    Later(Box<dyn FnOnce(Answer) + Send>),
}

/// Runs on the connection's own thread, which is its for as long as it likes.
pub type Takeover = Box<dyn FnOnce(TcpStream) + Send>;

/// Sends the response to the one who waits for it.
pub type Answer = Box<dyn FnOnce(Response) + Send>;

impl From<Response> for Reply {
    fn from(response: Response) -> Reply {
        Reply::Response(response)
    }
}

pub struct Response {
    pub status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Cow<'static, [u8]>,
}

/// Nothing comes from elsewhere and nothing runs that is not one of our files: what a bug in the escaping would let
/// through stays text.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; media-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// On every answer.
const ALWAYS: [(&str, &str); 4] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Server", "parlor"),
];

impl Response {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Response {
        let headers = vec![("Content-Type", content_type.into())];
        Response { status, headers, body: body.into() }
    }

    pub fn html(status: u16, page: String) -> Response {
        Response::new(status, "text/html; charset=utf-8", page.into_bytes()).with("Cache-Control", "no-store")
    }

    pub fn json(status: u16, value: impl Into<Vec<u8>>) -> Response {
        Response::new(status, "application/json", value.into()).with("Cache-Control", "no-store")
    }

    pub fn empty(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: Cow::Borrowed(b"") }.with("Cache-Control", "no-store")
    }

    /// `to` is a path of our own, in ASCII.
    pub fn redirect(status: u16, to: impl Into<Cow<'static, str>>) -> Response {
        Response::empty(status).with("Location", to)
    }

    /// Sets a header, in place of one of that name.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn with_cookie(mut self, cookie: &SetCookie<'_>) -> Response {
        self.headers.push(("Set-Cookie", cookie.to_string().into()));
        self
    }

    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// For the answer to a HEAD or a takeover nothing but the head is sent; tiny_http and the door see to that.
    pub(super) fn into_tiny(self) -> tiny_http::Response<Cursor<Cow<'static, [u8]>>> {
        let always = ALWAYS.iter().map(|(name, value)| header(name, value));
        let own = self.headers.iter().map(|(name, value)| header(name, value));
        let headers = always.chain(own).collect();
        let length = self.body.len();
        tiny_http::Response::new(self.status.into(), headers, Cursor::new(self.body), Some(length), None)
            .with_chunked_threshold(usize::MAX) // the door reads a Content-Length, never chunks
    }
}

fn header(name: &str, value: &str) -> tiny_http::Header {
    tiny_http::Header::from_bytes(name, value).expect("the headers we write are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_set_again_is_there_once() {
        let response = Response::empty(204).with("Cache-Control", "max-age=1");
        assert_eq!(response.headers, [("Cache-Control", Cow::Borrowed("max-age=1"))]);
    }
}
