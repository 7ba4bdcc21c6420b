//! Just enough of an HTTP client: whole answers on kept connections, and the way in through the lobby.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer than this unless the server hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// One connection, one request at a time.
pub struct Client {
    pub socket: TcpStream,
    received: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// What a signed-in person sends with each request; empty for a server that asks for nothing.
#[derive(Clone, Default)]
pub struct Visitor {
    cookies: String,
    csrf: String,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Result<Client> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Client { socket, received: Vec::new() })
    }

    /// Sends a request and waits for the whole answer.
    pub fn call(&mut self, request: &[u8]) -> Result<Answer> {
        self.socket.write_all(request)?;
        loop {
            if let Some(answer) = self.poll()? {
                return Ok(answer);
            }
        }
    }

    /// Reads once; the answer when that completed it.
    pub fn poll(&mut self) -> Result<Option<Answer>> {
        let mut bytes = [0; 65_536];
        let count = self.socket.read(&mut bytes)?;
        if count == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the server hung up before it answered"));
        }
        self.received.extend_from_slice(&bytes[..count]);
        let answer = Answer::parse(&self.received);
        if answer.is_some() {
            self.received.clear();
        }
        Ok(answer)
    }
}

impl Answer {
    /// The answer, once it is complete; nothing may follow it, as requests are not pipelined.
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let bytes = &bytes[end + 4..];
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut body = Vec::new();
        if header(&head, "transfer-encoding").is_some() {
            let mut chunks = Chunks::default();
            chunks.feed(bytes, |piece| body.extend_from_slice(piece));
            return chunks.ended.then_some(Answer { status, head, body });
        }
        let length: usize = header(&head, "content-length").map_or(Some(0), |n| n.parse().ok())?;
        body.extend_from_slice(bytes);
        (body.len() >= length).then_some(Answer { status, head, body })
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the server closes the connection behind this answer.
    pub fn closes(&self) -> bool {
        header(&self.head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Takes the chunk sizes out of a body, in whatever pieces it arrives.
#[derive(Default)]
pub struct Chunks {
    size: Vec<u8>,
    /// Bytes of the present chunk still to come, its CR LF included.
    left: usize,
    last: bool,
    pub ended: bool,
}

impl Chunks {
    pub fn feed(&mut self, mut bytes: &[u8], mut on_data: impl FnMut(&[u8])) {
        while !bytes.is_empty() && !self.ended {
            if self.left > 0 {
                let data = bytes.len().min(self.left.saturating_sub(2));
                let taken = data.max(1);
                on_data(&bytes[..data]);
                bytes = &bytes[taken..];
                self.left -= taken;
                self.ended = self.last && self.left == 0;
                continue;
            }
            if bytes[0] != b'\n' {
                self.size.push(bytes[0]);
            } else {
                let text = String::from_utf8_lossy(&self.size);
                let size = usize::from_str_radix(text.trim(), 16).unwrap_or(0);
                self.last = size == 0;
                self.left = size + 2;
                self.size.clear();
            }
            bytes = &bytes[1..];
        }
    }
}

impl Visitor {
    /// Enters through the lobby: the page for its CSRF token, then the form.
    pub fn sign_in(address: SocketAddr, name: &str) -> crate::Result<Visitor> {
        let mut client = Client::connect(address)?;
        let lobby = client.call(&Visitor::default().get("/lobby/"))?;
        let mut visitor = Visitor::default();
        visitor.keep_cookies(&lobby.head);
        let page = String::from_utf8_lossy(&lobby.body);
        visitor.csrf = hidden_field(&page, "csrfmiddlewaretoken").unwrap_or_default().to_owned();
        let form = format!("username={name}&csrfmiddlewaretoken={}", visitor.csrf);
        let entered = Client::connect(address)?.call(&visitor.post_form("/lobby/", &form))?;
        if entered.status != 302 {
            return Err(
                format!("{name} cannot sign in: {}", entered.head.lines().next().unwrap_or("")).into()
            );
        }
        visitor.keep_cookies(&entered.head);
        Ok(visitor)
    }

    fn keep_cookies(&mut self, head: &str) {
        for (key, value) in head.lines().filter_map(|line| line.split_once(':')) {
            if key.eq_ignore_ascii_case("set-cookie") {
                let pair = value.trim().split(';').next().unwrap_or("");
                self.cookies = [&self.cookies, pair].join(if self.cookies.is_empty() { "" } else { "; " });
            }
        }
    }

    pub fn get(&self, path: &str) -> Vec<u8> {
        self.ask(path, "text/html,*/*")
    }

    /// A request for the event stream, as a browser's EventSource makes it; `query` begins with `?` or is empty.
    pub fn get_stream(&self, query: &str) -> Vec<u8> {
        self.ask(&format!("/stream-chat-messages/{query}"), "text/event-stream")
    }

    fn ask(&self, path: &str, accept: &str) -> Vec<u8> {
        let cookies = &self.cookies;
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nCookie: {cookies}\r\n\r\n")
            .into()
    }

    pub fn post_form(&self, path: &str, form: &str) -> Vec<u8> {
        let Visitor { cookies, csrf } = self;
        let length = form.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\nX-CSRFToken: {csrf}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        )
        .into()
    }

    pub fn post_message(&self, content: &str) -> Vec<u8> {
        self.post_form("/create-message/", &format!("content={content}"))
    }
}

fn hidden_field<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, input) = page.split_once(name)?;
    let (_, value) = input.split_once("value=\"")?;
    value.split('"').next()
}
