//! A person with a plain HTTP client: one kept connection and a cookie jar.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::{EventReader, Raw};

/// How long a request may take, from its first byte to the last of its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn from_head(head: &str) -> Answer {
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {first:?}"));
        let split =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        let headers =
            lines.map(|line| split(line).unwrap_or_else(|| panic!("not a header: {line:?}"))).collect();
        Answer { status, head: head.into(), headers, body: Vec::new() }
    }

    pub fn may_have_body(&self) -> bool {
        self.status >= 200 && self.status != 204 && self.status != 304
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn cookies(&self) -> Vec<&str> {
        let set = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case("set-cookie"));
        set.map(|(_, value)| value.as_str()).collect()
    }

    /// The whole `Set-Cookie` line of the cookie called `name`.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let start = format!("{name}=");
        self.cookies().into_iter().find(|cookie| cookie.starts_with(&start))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}{}", self.head, String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    pub fn expect_redirect(self, status: u16, to: &str) -> Answer {
        let answer = self.expect(status);
        assert_eq!(answer.header("location"), Some(to), "{}", answer.head);
        answer
    }

    /// The `id` in the JSON that answers a new message.
    #[track_caller]
    pub fn id(&self) -> i64 {
        self.json()["id"].as_i64().unwrap_or_else(|| panic!("no id in {:?}", self.text()))
    }

    /// Fails unless this is a refusal that says in JSON what a person can do.
    #[track_caller]
    pub fn expect_error(self, status: u16) -> Answer {
        let answer = self.expect(status);
        let json = answer.json();
        let sentence = json["error"].as_str().unwrap_or_else(|| panic!("no error in {json}"));
        assert!(sentence.len() > 3, "not a sentence: {sentence:?}");
        answer
    }
}

/// A request to be sent, as plain as the wire.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Request {
        Request { method: method.into(), path: path.into(), headers: Vec::new(), body: None }
    }

    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    pub fn post(path: &str) -> Request {
        Request::new("POST", path)
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self.header("Content-Type", kind)
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Request {
        self.body("application/x-www-form-urlencoded", urlencoded(fields))
    }

    pub fn multipart(self, fields: &[(&str, &str)]) -> Request {
        let mut body = String::new();
        for (name, value) in fields {
            body +=
                &format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        self.body("multipart/form-data; boundary=frontier", body + "--frontier--\r\n")
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    pub fn to_bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.has("Host") {
            head += &format!("Host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.body.is_some() || self.method == "POST" {
            head += &format!("Content-Length: {}\r\n", self.body.as_ref().map_or(0, Vec::len));
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

fn urlencoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        let one = |byte: u8| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        text.bytes().map(one).collect::<String>()
    };
    let pair = |&(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Sends one request on a connection and reads its answer.
pub fn exchange(connection: &mut Raw, request: &Request, limit: Duration) -> io::Result<Answer> {
    connection.try_send(&request.to_bytes("127.0.0.1"))?;
    connection.try_answer(&request.method, limit)?.ok_or_else(|| ErrorKind::ConnectionAborted.into())
}

/// Whether a kept connection turned out to have been ended, so that nobody has read the request.
fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | BrokenPipe)
}

pub struct Client {
    port: u16,
    connection: Option<Raw>,
    cookies: BTreeMap<String, String>,
}

impl Client {
    pub fn new(port: u16) -> Client {
        Client { port, connection: None, cookies: BTreeMap::new() }
    }

    /// A second browser tab: the same cookies, a connection of its own.
    pub fn tab(&self) -> Client {
        Client { port: self.port, connection: None, cookies: self.cookies.clone() }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.request(&Request::get(path))
    }

    pub fn head(&mut self, path: &str) -> Answer {
        self.request(&Request::new("HEAD", path))
    }

    /// A form as the page's script sends it: with the CSRF token in a header.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.with_csrf(Request::post(path).form(fields));
        self.request(&request)
    }

    pub fn post_multipart(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.with_csrf(Request::post(path).multipart(fields));
        self.request(&request)
    }

    /// A form as a browser without JavaScript sends it: with the token in a hidden field.
    pub fn post_as_browser(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.csrf_token();
        let mut fields = fields.to_vec();
        fields.push(("csrfmiddlewaretoken", &token));
        let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        self.request(&Request::post(path).header("Accept", accept).form(&fields))
    }

    pub fn with_csrf(&mut self, request: Request) -> Request {
        let token = self.csrf_token();
        request.header("X-CSRFToken", &token)
    }

    /// The token from the jar; a page is asked for when there is none yet.
    pub fn csrf_token(&mut self) -> String {
        if !self.cookies.contains_key("csrftoken") {
            self.get("/lobby/").expect(200);
        }
        self.cookies.get("csrftoken").expect("the lobby sets the CSRF cookie").clone()
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.into(), value.into());
    }

    pub fn forget_cookie(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    /// What a well-bred client adds to every request.
    pub fn dress(&self, request: &Request) -> Request {
        let jar: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.clone();
        if jar.is_empty() || request.has("Cookie") {
            request
        } else {
            request.header("Cookie", &jar.join("; "))
        }
    }

    #[track_caller]
    pub fn request(&mut self, request: &Request) -> Answer {
        match self.try_request(request) {
            Ok(answer) => answer,
            Err(error) => panic!("{} {}: {error}", request.method, request.path),
        }
    }

    /// Sends on the kept connection, or on a new one when the server has ended it meanwhile.
    pub fn try_request(&mut self, request: &Request) -> io::Result<Answer> {
        let dressed = self.dress(request);
        if let Some(mut kept) = self.connection.take() {
            match exchange(&mut kept, &dressed, ANSWER_WITHIN) {
                Ok(answer) => return Ok(self.keep(kept, answer)),
                Err(error) if !is_end(&error) => return Err(error),
                Err(_) => {}
            }
        }
        let mut connection = Raw::try_connect(SocketAddr::from(([127, 0, 0, 1], self.port)))?;
        let answer = exchange(&mut connection, &dressed, ANSWER_WITHIN)?;
        Ok(self.keep(connection, answer))
    }

    fn keep(&mut self, connection: Raw, answer: Answer) -> Answer {
        if answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        for cookie in answer.cookies() {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("a cookie has a name and a value");
            if value.is_empty() || cookie.contains("Max-Age=0") {
                self.forget_cookie(name);
            } else {
                self.set_cookie(name, value);
            }
        }
        answer
    }

    #[track_caller]
    pub fn sign_in(&mut self, name: &str) {
        let answer = self.post("/lobby/", &[("username", name)]);
        answer.expect_redirect(302, "/");
        assert!(self.cookie("sessionid").is_some(), "signing in gives a session");
    }

    /// Sends a message, which has to be stored. Gives its id.
    #[track_caller]
    pub fn send(&mut self, content: &str) -> i64 {
        self.try_send(content).expect(201).id()
    }

    pub fn try_send(&mut self, content: &str) -> Answer {
        self.post("/create-message/", &[("content", content)])
    }

    #[track_caller]
    pub fn edit(&mut self, id: i64, content: &str) {
        self.post(&format!("/messages/{id}/edit/"), &[("content", content)]).expect(200);
    }

    #[track_caller]
    pub fn delete(&mut self, id: i64) {
        self.post(&format!("/messages/{id}/delete/"), &[]).expect(200);
    }

    /// A page of history or of search results: the messages as JSON has them.
    #[track_caller]
    pub fn messages(&mut self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/messages/?{query}")).expect(200);
        messages_in(&answer.json())
    }

    /// Opens the stream from the beginning, as a client that knows nothing does.
    pub fn open_stream(&self) -> EventReader {
        self.open_stream_with(Request::get("/stream-chat-messages/"))
    }

    /// Opens the stream behind this event, as an EventSource that comes back does.
    pub fn resume_stream(&self, last: u64) -> EventReader {
        self.open_stream_with(
            Request::get("/stream-chat-messages/").header("Last-Event-ID", &last.to_string()),
        )
    }

    pub fn open_stream_with(&self, request: Request) -> EventReader {
        EventReader::open(self.port, &self.dress(&request)).expect("a stream opens")
    }

    pub fn try_open_stream(&self, request: Request) -> io::Result<EventReader> {
        EventReader::open(self.port, &self.dress(&request))
    }
}

/// The list in an answer of `/messages/`, which is the array itself or stands in it as `messages`.
fn messages_in(json: &Value) -> Vec<Value> {
    let list = json.as_array().or_else(|| json["messages"].as_array());
    list.unwrap_or_else(|| panic!("no list of messages in {json}")).clone()
}
