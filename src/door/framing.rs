//! Takes one request's bytes off a connection and makes a clean request of them: strict, bounded, under a deadline.
//! It knows only a `Wire`, which is a socket and its clock, or a few slices in the tests.

use std::io;
use std::time::{Duration, Instant};

/// The most bytes of a request line and its headers. Browsers send under 2 KiB; a jar full of a neighbour's cookies on
/// `localhost` has been seen at 8.
const HEAD_LIMIT: usize = 16 * 1024;
/// The most bytes of the request line alone, as most servers have it.
const LINE_LIMIT: usize = 8 * 1024;
/// The most headers: browsers send about 20, proxies add a handful.
const HEADER_LIMIT: usize = 100;
/// The longest method, in bytes; the longest registered one has 17.
const METHOD_LIMIT: usize = 20;
/// The most bytes of a body: 64 KiB of text, each byte percent-encoded as three, and the rest of the form. The pages
/// count characters; the door only keeps the memory bounded.
pub const BODY_LIMIT: usize = 256 * 1024;
/// The most hex digits of a chunk's size: more than any body that is let in needs.
const CHUNK_DIGITS: usize = 8;

/// How long a connection may be silent between two requests: a little more than the 60 s after which proxies let go.
const IDLE_TIME: Duration = Duration::from_secs(75);
/// How long a head may take from its first byte, however it drips: a bad telephone line needs 1 or 2 s.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a body may take from the end of its head: 256 KiB at 140 kbit/s.
const BODY_TIME: Duration = Duration::from_secs(15);

/// The bytes an idle connection keeps for reading: most requests fit, and thousands of connections may be idle.
const SMALL_BUFFER: usize = 4 * 1024;
/// The bytes it reads with while a longer request comes in; more than `HEAD_LIMIT`.
const LARGE_BUFFER: usize = 32 * 1024;

/// What the pages use of a request. Everything else stays outside, and so does every private header that a client
/// might forge. A header that comes repeatedly is joined where a joiner is named; else the first one counts.
const HANDED_ON: [(&str, Option<&str>); 15] = [
    ("cookie", Some("; ")),
    ("content-type", None),
    ("accept", None),
    ("accept-language", None),
    ("origin", None),
    ("referer", None),
    ("sec-fetch-site", None),
    ("last-event-id", None),
    ("x-csrftoken", None),
    ("if-none-match", None),
    ("user-agent", None),
    ("x-forwarded-for", Some(", ")),
    ("x-forwarded-proto", None),
    ("x-forwarded-host", None),
    ("authorization", None),
];

/// A client's end of a connection, and the time.
pub trait Wire {
    /// Reads what has come, waiting for it until `deadline` and then failing with `TimedOut`. 0: the client hung up.
    fn read(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize>;
    /// Tells a client that asked with `Expect: 100-continue` that its body is welcome.
    fn go_on(&mut self) -> io::Result<()>;
    fn now(&self) -> Instant;
}

/// A clean request, as it crosses the bridge, and what the door itself needs to know of it.
#[derive(Debug, Default)]
pub struct Request {
    /// Head and body, ready to be written.
    pub bytes: Vec<u8>,
    /// HEAD: its answer has no body, whatever its length says.
    pub is_head: bool,
    /// Neither GET nor HEAD: it may have to wait for a commit.
    pub writes: bool,
    /// The client wants to ask again on this connection.
    pub keep_alive: bool,
    /// HTTP/1.0, where keeping the connection has to be said.
    pub is_old: bool,
}

/// Why there is no request.
#[derive(Debug, PartialEq)]
pub enum Unread {
    /// The client hung up, or was silent for too long between requests: there is nobody to answer.
    Gone,
    Refused(Refusal),
}

/// An answer of the door itself; the connection ends after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// Code and phrase, as in the status line.
    pub status: &'static str,
    /// A sentence for the person.
    pub reason: &'static str,
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Unread {
        Unread::Refused(refusal)
    }
}

const fn malformed(reason: &'static str) -> Refusal {
    Refusal { status: "400 Bad Request", reason }
}

const TOO_SLOW: Refusal =
    Refusal { status: "408 Request Timeout", reason: "the request took too long to arrive" };
const BODY_TOO_LARGE: Refusal = Refusal { status: "413 Content Too Large", reason: "the body is too large" };
const LINE_TOO_LONG: Refusal = Refusal { status: "414 URI Too Long", reason: "the address is too long" };
const EXPECTS_TOO_MUCH: Refusal =
    Refusal { status: "417 Expectation Failed", reason: "no expectation but 100-continue can be met" };
const HEAD_TOO_LARGE: Refusal =
    Refusal { status: "431 Request Header Fields Too Large", reason: "the headers are too large" };
const METHOD_TOO_LONG: Refusal = Refusal { status: "501 Not Implemented", reason: "no such method" };
const OTHER_VERSION: Refusal = Refusal {
    status: "505 HTTP Version Not Supported",
    reason: "only HTTP/1.0 and HTTP/1.1 are spoken here",
};

/// The bytes that have come on a connection and are not used yet. What is pipelined behind a request stays here.
pub struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub fn new() -> Inbox {
        Inbox { bytes: vec![0; SMALL_BUFFER], start: 0, end: 0 }
    }

    /// Waits between requests, until the first byte of the next one has come.
    pub fn wait(&mut self, wire: &mut impl Wire) -> Result<(), Unread> {
        if self.start < self.end {
            return Ok(());
        }
        if self.bytes.len() > SMALL_BUFFER {
            *self = Inbox::new();
        }
        self.fill(wire, wire.now() + IDLE_TIME).map_err(|_| Unread::Gone)
    }

    /// Reads one request, whose first byte has come, into `request`. `peer` is the client's address and port.
    pub fn read_request(
        &mut self,
        wire: &mut impl Wire,
        peer: &str,
        request: &mut Request,
    ) -> Result<(), Unread> {
        let head_len = self.read_head(wire)?;
        let head = &self.bytes[self.start..self.start + head_len];
        let Expected { body, go_on } = clean_head(head, peer, request)?;
        self.start += head_len;

        if go_on && !matches!(body, Body::Length(0)) && self.start == self.end {
            wire.go_on().map_err(|_| Unread::Gone)?;
        }
        let head_end = request.bytes.len();
        match body {
            Body::Length(0) => {}
            Body::Length(length) => self.take(wire, wire.now() + BODY_TIME, length, &mut request.bytes)?,
            Body::Chunked => self.take_chunks(wire, &mut request.bytes)?,
        }
        if !request.writes {
            // A GET may carry a body; nobody here has a meaning for it.
            request.bytes.truncate(head_end);
        }
        let length = request.bytes.len() - head_end;
        let end_of_head = format!("Content-Length: {length}\r\n\r\n");
        request.bytes.splice(head_end..head_end, end_of_head.into_bytes());
        Ok(())
    }

    /// Reads until a whole head is there; its length.
    fn read_head(&mut self, wire: &mut impl Wire) -> Result<usize, Unread> {
        let deadline = wire.now() + HEAD_TIME;
        let mut scan = Scan::default();
        let mut may_skip = true;
        loop {
            // Old clients send an empty line after a form; RFC 9112 asks to overlook it.
            if may_skip && self.unread().starts_with(b"\r\n") {
                self.start += 2;
                scan = Scan::default();
                may_skip = false;
            }
            if let Some(length) = scan.advance(self.unread())? {
                return Ok(length);
            }
            self.fill(wire, deadline)?;
        }
    }

    /// Moves exactly `wanted` bytes to the end of `out`.
    fn take(
        &mut self,
        wire: &mut impl Wire,
        deadline: Instant,
        mut wanted: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Unread> {
        loop {
            let here = wanted.min(self.end - self.start);
            out.extend_from_slice(&self.bytes[self.start..self.start + here]);
            self.start += here;
            wanted -= here;
            if wanted == 0 {
                return Ok(());
            }
            if wanted > self.bytes.len() {
                self.bytes.resize(LARGE_BUFFER, 0);
            }
            self.fill(wire, deadline)?;
        }
    }

    /// Decodes a chunked body to the end of `out`.
    fn take_chunks(&mut self, wire: &mut impl Wire, out: &mut Vec<u8>) -> Result<(), Unread> {
        let deadline = wire.now() + BODY_TIME;
        let mut left = BODY_LIMIT;
        loop {
            let size = self.take_chunk_size(wire, deadline)?;
            left = left.checked_sub(size).ok_or(BODY_TOO_LARGE)?;
            self.take(wire, deadline, size, out)?;

            let before_end = out.len();
            self.take(wire, deadline, 2, out)?;
            if &out[before_end..] != b"\r\n" {
                // After the last chunk this is a trailer, for which no page has a use.
                return Err(malformed("a chunk does not end where its size says").into());
            }
            out.truncate(before_end);
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Hex digits and a line end, nothing else: extensions are a place to hide things in, and nobody sends any.
    fn take_chunk_size(&mut self, wire: &mut impl Wire, deadline: Instant) -> Result<usize, Unread> {
        loop {
            let unread = self.unread();
            let digits = unread.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let (number, rest) = unread.split_at(digits);
            if digits > CHUNK_DIGITS || !(rest.starts_with(b"\r\n") || rest == b"\r" || rest.is_empty()) {
                return Err(malformed("a chunk's size is not a plain number").into());
            }
            if rest.len() >= 2 {
                let number = std::str::from_utf8(number).unwrap_or_default();
                let size = usize::from_str_radix(number, 16);
                self.start += digits + 2;
                return size.map_err(|_| malformed("a chunk has no size").into());
            }
            self.fill(wire, deadline)?;
        }
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Reads once, making room first when there is none.
    fn fill(&mut self, wire: &mut impl Wire, deadline: Instant) -> Result<(), Unread> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            self.bytes.resize(LARGE_BUFFER, 0);
        }
        match wire.read(&mut self.bytes[self.end..], deadline) {
            Ok(0) => Err(Unread::Gone),
            Ok(count) => {
                self.end += count;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(TOO_SLOW.into()),
            Err(_) => Err(Unread::Gone),
        }
    }
}

/// Looks for the end of a head, each byte once, and refuses at the first byte that no head has. Only CRLF ends a line:
/// whatever else might be taken for a line end hides headers from somebody.
#[derive(Default)]
struct Scan {
    seen: usize,
    line_start: usize,
}

impl Scan {
    /// `bytes` is the head so far; its length once it is complete.
    fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let end = bytes.len().min(HEAD_LIMIT);
        for at in self.seen..end {
            let byte = bytes[at];
            let after_cr = at > 0 && bytes[at - 1] == b'\r';
            if after_cr != (byte == b'\n') {
                return Err(malformed("a line does not end in CRLF"));
            }
            if byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t') {
                return Err(malformed("a control character in the head"));
            }
            if byte != b'\n' {
                continue;
            }
            let is_first = self.line_start == 0;
            if is_first && at > LINE_LIMIT {
                return Err(LINE_TOO_LONG);
            }
            if self.line_start + 1 == at {
                return if is_first { Err(malformed("no request line")) } else { Ok(Some(at + 1)) };
            }
            self.line_start = at + 1;
        }
        self.seen = end;
        match self.line_start {
            0 if end > LINE_LIMIT => Err(LINE_TOO_LONG),
            _ if end == HEAD_LIMIT => Err(HEAD_TOO_LARGE),
            _ => Ok(None),
        }
    }
}

/// What comes behind a head.
struct Expected {
    body: Body,
    /// The client waits to be told to send it.
    go_on: bool,
}

enum Body {
    Length(usize),
    Chunked,
}

/// Judges a whole head, and writes the clean one, but for its last line, into `request`.
fn clean_head(head: &[u8], peer: &str, request: &mut Request) -> Result<Expected, Refusal> {
    let line_end = head.iter().position(|byte| *byte == b'\r').unwrap_or(head.len());
    let (line, fields) = head.split_at(line_end);
    let (method, target, is_old) = split_line(line)?;
    let (authority, path) = split_target(target)?;

    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let headers = match httparse::parse_headers(&fields[2..], &mut headers) {
        Ok(httparse::Status::Complete((_, headers))) => Headers(headers),
        Err(httparse::Error::TooManyHeaders) => return Err(HEAD_TOO_LARGE),
        _ => return Err(malformed("a header is not well-formed")),
    };
    let host = headers.only("host")?;
    if host.is_none() && !is_old {
        return Err(malformed("no Host header"));
    }
    let expected = Expected { body: headers.body(is_old)?, go_on: headers.go_on(is_old)? };

    request.is_old = is_old;
    request.is_head = method == b"HEAD";
    request.writes = !request.is_head && method != b"GET";
    request.keep_alive =
        !headers.connection_says("close") && (!is_old || headers.connection_says("keep-alive"));

    let out = &mut request.bytes;
    out.clear();
    out.extend_from_slice(method);
    out.push(b' ');
    if !path.starts_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(path);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(host) = authority.or(host) {
        push_header(out, "host", [host].into_iter(), "");
    }
    for (name, joiner) in HANDED_ON {
        let count = if joiner.is_some() { usize::MAX } else { 1 };
        push_header(out, name, headers.all(name).take(count), joiner.unwrap_or_default());
    }
    push_header(out, "Parlor-Peer", [peer.as_bytes()].into_iter(), "");
    Ok(expected)
}

/// Method, target, and whether it is HTTP/1.0. The version comes first: of another one we know no rules.
fn split_line(line: &[u8]) -> Result<(&[u8], &[u8], bool), Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed("the request line is not three words"));
    };
    let is_old = match version.strip_prefix(b"HTTP/") {
        Some(b"1.1") => false,
        Some(b"1.0") => true,
        Some([b'0'..=b'9', rest @ ..]) if rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.')) => {
            return Err(OTHER_VERSION);
        }
        _ => return Err(malformed("no HTTP version")),
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(malformed("the method is not a word"));
    }
    if method.len() > METHOD_LIMIT {
        return Err(METHOD_TOO_LONG);
    }
    Ok((method, target, is_old))
}

/// The authority, where the target has one, and the path with its query. A client that takes us for a proxy sends the
/// absolute form; RFC 9112 asks every server to understand it.
fn split_target(target: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Refusal> {
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(malformed("the address has characters that must be percent-encoded"));
    }
    if target.starts_with(b"/") {
        return Ok((None, target));
    }
    let (scheme, rest) = target.split_at(target.len().min(7));
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return Err(malformed("the address is not a path"));
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || authority.contains(&b'@') {
        return Err(malformed("the address has no plain host"));
    }
    Ok((Some(authority), path))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// The value of a header that two readers must never see differently.
    fn only(&self, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(malformed("a header that may come once came twice")),
        }
    }

    /// How the end of the body is found. In doubt there is none: guessing is how one request becomes two.
    fn body(&self, is_old: bool) -> Result<Body, Refusal> {
        match (self.only("transfer-encoding")?, self.only("content-length")?) {
            (None, None) => Ok(Body::Length(0)),
            (None, Some(length)) => content_length(length).map(Body::Length),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && !is_old => Ok(Body::Chunked),
            (Some(_), None) => Err(malformed("the only transfer coding is chunked, in HTTP/1.1")),
            (Some(_), Some(_)) => Err(malformed("a body has a length or a transfer coding, not both")),
        }
    }

    /// Whether the client waits for 100 Continue; HTTP/1.0 has no such thing.
    fn go_on(&self, is_old: bool) -> Result<bool, Refusal> {
        match self.only("expect")? {
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(!is_old),
            Some(_) => Err(EXPECTS_TOO_MUCH),
            None => Ok(false),
        }
    }

    fn connection_says(&self, word: &str) -> bool {
        self.all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }
}

fn content_length(digits: &[u8]) -> Result<usize, Refusal> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed("Content-Length is not a number"));
    }
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    let length: u64 = digits.parse().map_err(|_| malformed("Content-Length is not a number"))?;
    if length > BODY_LIMIT as u64 {
        return Err(BODY_TOO_LARGE);
    }
    Ok(length as usize)
}

/// Writes one header with its values joined, or nothing when there is none. tiny_http hangs up on any byte that is
/// not ASCII; a neighbour's cookie must not lock a visitor out.
fn push_header<'a>(out: &mut Vec<u8>, name: &str, mut values: impl Iterator<Item = &'a [u8]>, joiner: &str) {
    let Some(first) = values.next() else { return };
    let ascii = |byte: &u8| if byte.is_ascii() { *byte } else { b'?' };
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(first.iter().map(ascii));
    for value in values {
        out.extend_from_slice(joiner.as_bytes());
        out.extend(value.iter().map(ascii));
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A client that sends prepared pieces, each some time after the one before, and then hangs up or falls silent.
    struct Slices<'a> {
        pieces: Vec<&'a [u8]>,
        pause: Duration,
        hangs_up: bool,
        now: Instant,
        told_to_go_on: usize,
    }

    impl<'a> Slices<'a> {
        fn new(mut pieces: Vec<&'a [u8]>) -> Slices<'a> {
            pieces.reverse();
            pieces.retain(|piece| !piece.is_empty());
            Slices { pieces, pause: Duration::ZERO, hangs_up: true, now: Instant::now(), told_to_go_on: 0 }
        }
    }

    impl Wire for Slices<'_> {
        fn read(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
            self.now += self.pause;
            if self.now > deadline || (self.pieces.is_empty() && !self.hangs_up) {
                self.now = deadline;
                return Err(io::ErrorKind::TimedOut.into());
            }
            let Some(mut piece) = self.pieces.pop() else { return Ok(0) };
            let count = io::Read::read(&mut piece, into)?;
            if !piece.is_empty() {
                self.pieces.push(piece);
            }
            Ok(count)
        }

        fn go_on(&mut self) -> io::Result<()> {
            self.told_to_go_on += 1;
            Ok(())
        }

        fn now(&self) -> Instant {
            self.now
        }
    }

    /// All requests of a connection as they would cross the bridge, and the status that ended it, or "gone".
    fn converse(wire: &mut Slices<'_>) -> (Vec<String>, &'static str) {
        let (mut inbox, mut request, mut requests) = (Inbox::new(), Request::default(), Vec::new());
        loop {
            let read = inbox.wait(wire).and_then(|()| inbox.read_request(wire, "[::1]:5", &mut request));
            match read {
                Ok(()) => requests.push(String::from_utf8_lossy(&request.bytes).into_owned()),
                Err(Unread::Gone) => return (requests, "gone"),
                Err(Unread::Refused(refusal)) => return (requests, &refusal.status[..3]),
            }
        }
    }

    fn all_of(bytes: &[u8]) -> (Vec<String>, &'static str) {
        converse(&mut Slices::new(vec![bytes]))
    }

    /// A request with these lines after its Host, and "hello" behind its head.
    fn with_lines(lines: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\nhello")
    }

    const POST: &[u8] =
        b"\r\nPOST /create-message/?a=%20 HTTP/1.1\r\nHost: a:8000\r\nCookie: a=1\r\nX-Other: 1\r\n\
        cookie: b=2; c=\xc3\xa9\r\nAccept: a\r\nAccept: b\r\nParlor-Peer: forged\r\nParlor-Ticket: 7\r\n\
        Connection: upgrade\r\nUpgrade: h2c\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: \t2.2.2.2 \r\n\
        Content-Length: 9\r\n\r\ncontent=aGET /2 HTTP/1.1\r\nHost:b\r\n\r\n";
    const CHUNKED: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
        3\r\ncon\r\n0000000A\r\ntent=GET /\r\n0\r\n\r\nHEAD /2 HTTP/1.1\r\nHost:b\r\n\r\n";

    #[test]
    fn a_request_crosses_clean() {
        let (requests, end) = all_of(POST);
        assert_eq!(
            requests[0],
            "POST /create-message/?a=%20 HTTP/1.1\r\nhost: a:8000\r\ncookie: a=1; b=2; c=??\r\naccept: a\r\n\
             x-forwarded-for: 1.1.1.1, 2.2.2.2\r\nParlor-Peer: [::1]:5\r\nContent-Length: 9\r\n\r\ncontent=a"
        );
        assert_eq!(
            requests[1..],
            ["GET /2 HTTP/1.1\r\nhost: b\r\nParlor-Peer: [::1]:5\r\nContent-Length: 0\r\n\r\n"]
        );
        assert_eq!(end, "gone");
    }

    #[test]
    fn a_chunked_body_crosses_with_its_length() {
        let (requests, end) = all_of(CHUNKED);
        assert_eq!(requests.len(), 2);
        assert!(requests[0].ends_with("Content-Length: 13\r\n\r\ncontent=GET /"), "{requests:?}");
        assert!(requests[1].starts_with("HEAD /2 "), "{requests:?}");
        assert_eq!(end, "gone");
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut() {
        for bytes in [POST, CHUNKED] {
            let whole = all_of(bytes);
            for at in 0..bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(converse(&mut Slices::new(vec![left, right])), whole, "cut at {at}");
                assert_eq!(all_of(left).1, "gone", "hung up at {at}");
            }
            assert_eq!(converse(&mut Slices::new(bytes.chunks(1).collect())), whole);
        }
    }

    #[test]
    fn malformed_requests_are_refused() {
        let cases: &[(&str, &str)] = &[
            // The request line.
            ("GET / HTTP/1.1 junk\r\nHost: a\r\n\r\n", "400"),
            (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400"),
            ("GET  HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GÉT / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1\r\nHost: a\r\n\r\n", "501"),
            ("GET /\r\n\r\n", "400"),
            ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", "505"),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505"),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
            ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET / HTTP/1.1x\r\nHost: a\r\n\r\n", "400"),
            ("GET / HTTP/\r\nHost: a\r\n\r\n", "400"),
            ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("\x16\x03\x01\x02\x00\x01", "400"),
            // The target.
            ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET http:///path HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
            // Lines and headers.
            ("GET / HTTP/1.1\nHost: a\n\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\x0bb\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\x7fb\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
            ("GET http://a/ HTTP/1.1\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\nA(b): x\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\nÄ: x\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "400"),
        ];
        for (bytes, status) in cases {
            assert_eq!(all_of(bytes.as_bytes()), (vec![], *status), "{bytes:?}");
        }
    }

    #[test]
    fn a_body_without_one_clear_end_is_refused() {
        let cases = [
            ("Content-Length: +5\r\n", "400"),
            ("Content-Length: -5\r\n", "400"),
            ("Content-Length: 5, 5\r\n", "400"),
            ("Content-Length: five\r\n", "400"),
            ("Content-Length: 0x5\r\n", "400"),
            ("Content-Length: 5 5\r\n", "400"),
            ("Content-Length: \r\n", "400"),
            ("Content-Length: \u{665}\r\n", "400"),
            ("Content-Length:\r\n 5\r\n", "400"),
            ("Content-Length : 5\r\n", "400"),
            (" Content-Length: 5\r\n", "400"),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", "400"),
            ("Content-Length: 5\r\ncontent-length: 6\r\n", "400"),
            ("Content-Length: 99999999999999999999999999\r\n", "400"),
            ("Content-Length: 9000000000000000000\r\n", "413"),
            ("Content-Length: 18446744073709551615\r\n", "413"),
            ("Content-Length: 262145\r\n", "413"),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "400"),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "400"),
            ("Transfer-Encoding: identity\r\n", "400"),
            ("Transfer-Encoding: xchunked\r\n", "400"),
            ("Transfer-Encoding: chunked, gzip\r\n", "400"),
            ("Transfer-Encoding: gzip, chunked\r\n", "400"),
            ("Transfer-Encoding: \"chunked\"\r\n", "400"),
            ("Transfer-Encoding:\r\n", "400"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "400"),
            ("Expect: 200-maybe\r\nContent-Length: 5\r\n", "417"),
        ];
        for (lines, status) in cases {
            assert_eq!(all_of(with_lines(lines).as_bytes()), (vec![], status), "{lines:?}");
        }
        let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(all_of(old), (vec![], "400"));
    }

    #[test]
    fn chunks_that_are_not_plain_are_refused() {
        let long = "f".repeat(CHUNK_DIGITS + 1);
        let large = format!("{:x}\r\n", BODY_LIMIT + 1);
        let cases = [
            ("+5\r\nhello\r\n0\r\n\r\n", "400"),
            (" 5\r\nhello\r\n0\r\n\r\n", "400"),
            ("5 \r\nhello\r\n0\r\n\r\n", "400"),
            ("0x5\r\nhello\r\n0\r\n\r\n", "400"),
            ("5;a=b\r\nhello\r\n0\r\n\r\n", "400"),
            ("5\nhello\r\n0\r\n\r\n", "400"),
            ("\r\nhello\r\n0\r\n\r\n", "400"),
            ("5\r\nhello world\r\n0\r\n\r\n", "400"),
            ("6\r\nhello\r\n0\r\n\r\n", "400"),
            ("5\r\nhello\r\n0\r\nTrailer: a\r\n\r\n", "400"),
            ("5\r\nhello\r\n-1\r\n\r\n", "400"),
            (&long, "400"),
            (&large, "413"),
            ("ffffffff\r\n", "413"),
            ("3ffff\r\n", "gone"),
        ];
        for (chunks, status) in cases {
            let bytes = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(all_of(bytes.as_bytes()), (vec![], status), "{chunks:?}");
        }
        let many = format!("20000\r\n{}\r\n", "x".repeat(0x20000)).repeat(3);
        let bytes =
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{many}0\r\n\r\n");
        assert_eq!(all_of(bytes.as_bytes()), (vec![], "413"), "the limit is for all chunks together");
    }

    #[test]
    fn what_is_unusual_but_clear_is_let_in() {
        let cases: &[(&str, &str)] = &[
            ("GET http://b:80/path?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /path?q HTTP/1.1\r\nhost: b:80\r\n"),
            ("GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: b\r\n"),
            ("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q HTTP/1.1\r\nhost: b\r\n"),
            ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nParlor-Peer"),
            ("BREW /tea HTTP/1.1\r\nhost:\t a \t\r\n\r\n", "BREW /tea HTTP/1.1\r\nhost: a\r\n"),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nhost: \r\n"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello",
                "GET / HTTP/1.1\r\nhost: a\r\n",
            ),
        ];
        for (bytes, start) in cases {
            let (requests, end) = all_of(bytes.as_bytes());
            assert_eq!((requests.len(), end), (1, "gone"), "{bytes:?}");
            assert!(requests[0].starts_with(start), "{requests:?}");
            assert!(requests[0].ends_with("\r\nContent-Length: 0\r\n\r\n"), "{requests:?}");
        }
    }

    #[test]
    fn heads_and_bodies_are_bounded() {
        let line = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length));
        assert_eq!(all_of(line(LINE_LIMIT - 100).as_bytes()).1, "gone");
        assert_eq!(all_of(line(LINE_LIMIT).as_bytes()), (vec![], "414"));
        assert_eq!(all_of("a".repeat(LINE_LIMIT + 1).as_bytes()), (vec![], "414"));

        let lines = |count: usize, length: usize| {
            let lines = format!("X: {}\r\n", "a".repeat(length)).repeat(count);
            format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
        };
        assert_eq!(all_of(lines(HEADER_LIMIT - 1, 10).as_bytes()).1, "gone");
        assert_eq!(all_of(lines(HEADER_LIMIT, 10).as_bytes()), (vec![], "431"));
        assert_eq!(all_of(lines(1, HEAD_LIMIT).as_bytes()), (vec![], "431"));
        assert_eq!(all_of(lines(2, HEAD_LIMIT / 2 - 100).as_bytes()).1, "gone");

        let body = "x".repeat(BODY_LIMIT);
        let bytes = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY_LIMIT}\r\n\r\n{body}");
        let (requests, _) = all_of(bytes.as_bytes());
        assert!(requests[0].ends_with(&body));

        let long = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nX: {body:.9000}\r\nContent-Length: 6000\r\n\r\n{body:.6000}"
        );
        for size in [1_000, 4_096, 5_000, 40_000] {
            let three = long.repeat(3);
            let (requests, end) = converse(&mut Slices::new(three.as_bytes().chunks(size).collect()));
            assert_eq!((requests.len(), end), (3, "gone"), "in pieces of {size}");
            assert!(requests.iter().all(|request| *request == requests[0]));
        }
    }

    #[test]
    fn a_client_is_told_to_go_on_once_its_body_is_welcome() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n";
        let cases = [
            (vec![head, "Content-Length: 5\r\n\r\n", "hello"], 1, 1),
            (vec![head, "Transfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n"], 1, 1),
            (vec![head, "Content-Length: 5\r\n\r\nhello"], 0, 1),
            (vec![head, "\r\n"], 0, 1),
            (vec![head, "Content-Length: 262145\r\n\r\n", "hello"], 0, 0),
            (vec!["POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "hello"], 0, 1),
        ];
        for (pieces, told, requests) in cases {
            let mut wire = Slices::new(pieces.iter().map(|piece| piece.as_bytes()).collect());
            assert_eq!(converse(&mut wire).0.len(), requests, "{pieces:?}");
            assert_eq!(wire.told_to_go_on, told, "{pieces:?}");
        }
    }

    #[test]
    fn a_connection_lasts_as_long_as_the_client_says() {
        let cases = [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: upgrade, Close\r\n", false),
            ("1.1", "Connection: x\r\nConnection: close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ];
        for (version, line, keep_alive) in cases {
            let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\n{line}\r\n");
            let (mut inbox, mut request) = (Inbox::new(), Request::default());
            let mut wire = Slices::new(vec![bytes.as_bytes()]);
            inbox.read_request(&mut wire, "", &mut request).unwrap();
            assert_eq!(request.keep_alive, keep_alive, "{bytes:?}");
        }
    }

    #[test]
    fn deadlines_are_for_the_whole_and_not_for_each_read() {
        let post = with_lines("Content-Length: 5\r\n");
        let head = &post.as_bytes()[..post.len() - 5];
        // The pieces, the seconds before each, the end, and when it comes.
        let cases = [
            (post.as_bytes().chunks(1).collect(), 1, "408", 1 + 10),
            (vec![], 0, "gone", 75),
            (vec![&head[..5]], 0, "408", 10),
            (vec![head, &b"hel"[..]], 0, "408", 15),
            (vec![head, b"h", b"e", b"l", b"l", b"o"], 4, "408", 4 + 15),
            (vec![&head[..5], &head[5..], b"hell", b"o"], 7, "gone", 4 * 7 + 75),
        ];
        for (pieces, pause, end, seconds) in cases {
            let mut wire = Slices::new(pieces.clone());
            wire.pause = Duration::from_secs(pause);
            wire.hangs_up = false;
            let opened = wire.now;
            assert_eq!(converse(&mut wire).1, end, "{pieces:?}");
            assert_eq!((wire.now - opened).as_secs(), seconds, "{pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
            all_of(&bytes);
            let mut post = POST.to_vec();
            let at = at.min(post.len());
            post.splice(at..(at + bytes.len() / 50).min(post.len()), bytes);
            all_of(&post);
        }

        #[test]
        fn a_body_is_never_read_as_a_request(
            filler in "[a-z\r\n]{0,40}",
            sizes in proptest::collection::vec(1_usize..30, 0..10),
            cuts in 1_usize..50,
        ) {
            let body = format!("{filler}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
            let mut chunks = String::new();
            let mut rest = body.as_str();
            for size in sizes.into_iter().chain([body.len()]) {
                let (chunk, after) = rest.split_at(size.min(rest.len()));
                if !chunk.is_empty() {
                    chunks += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
                }
                rest = after;
            }
            let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
            for method in ["GET", "POST"] {
                for framed in [
                    format!("Content-Length: {}\r\n\r\n{body}", body.len()),
                    format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
                ] {
                    let bytes = format!("{method} /first HTTP/1.1\r\nHost: a\r\n{framed}{next}");
                    let (requests, end) = converse(&mut Slices::new(bytes.as_bytes().chunks(cuts).collect()));
                    prop_assert_eq!((requests.len(), end), (2, "gone"));
                    prop_assert_eq!(requests[0].ends_with(&body), method == "POST");
                    prop_assert!(requests[1].starts_with("GET /next "));
                }
            }
        }

        #[test]
        fn a_length_that_is_not_quite_a_number_is_refused(
            odd in "[^0-9 \t]{1,3}", before in "[0-9]{0,2}", after in "[0-9]{0,2}",
        ) {
            let post = with_lines(&format!("Content-Length: {before}{odd}{after}\r\n"));
            prop_assert_eq!(all_of(post.as_bytes()), (vec![], "400"));
        }
    }
}
