//! Judges a request's head, and writes the clean one that crosses: what is allowed in it is decided here alone.

use super::refusal::Refusal;

/// The most bytes of a request line and its headers. Browsers send under 2 KiB; a jar full of a neighbour's cookies on
/// `localhost` has been seen at 8.
pub const HEAD_LIMIT: usize = 16 * 1024;
/// The most bytes of the request line alone, as most servers have it.
pub const LINE_LIMIT: usize = 8 * 1024;
/// The most headers: browsers send about 20, proxies add a handful.
pub const HEADER_LIMIT: usize = 100;
/// The most bytes of a body: 64 KiB of text, each byte percent-encoded as three, and the rest of the form. The pages
/// count characters; the door only keeps the memory bounded.
pub const BODY_LIMIT: usize = 256 * 1024;

/// What the pages use of a request. Everything else stays outside, and so does every private header that a client
/// might forge.
const HANDED_ON: [&str; 12] = [
    "cookie",
    "content-type",
    "accept",
    "accept-language",
    "origin",
    "sec-fetch-site",
    "last-event-id",
    "x-csrftoken",
    "if-none-match",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
];

pub const BODY_TOO_LARGE: Refusal = Refusal::new("413 Content Too Large", "the body is too large");
const MALFORMED_LINE: Refusal = Refusal::malformed("the request line is not a method, an address, a version");
const LINE_TOO_LONG: Refusal = Refusal::new("414 URI Too Long", "the address is too long");
const OTHER_HOPE: Refusal = Refusal::new("417 Expectation Failed", "only 100-continue can be expected");
const HEAD_TOO_LARGE: Refusal =
    Refusal::new("431 Request Header Fields Too Large", "the headers are too large");
const OTHER_VERSION: Refusal =
    Refusal::new("505 HTTP Version Not Supported", "only HTTP/1.0 and HTTP/1.1 are spoken here");

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
}

/// The length of the head in `bytes` once it is whole. Refuses at the first byte that no head has: only CRLF ends a
/// line, whatever else might be taken for a line end hides headers from somebody. The first `seen` bytes have been
/// looked at before.
pub fn head_len(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    for at in seen..bytes.len() {
        let (before, byte) = (&bytes[..at], bytes[at]);
        if before.ends_with(b"\r") != (byte == b'\n') {
            return Err(Refusal::malformed("a line does not end in CRLF"));
        }
        if byte.is_ascii_control() && !b"\r\n\t".contains(&byte) {
            return Err(Refusal::malformed("a control character in the head"));
        }
        match at {
            LINE_LIMIT if !before.contains(&b'\n') => return Err(LINE_TOO_LONG),
            HEAD_LIMIT => return Err(HEAD_TOO_LARGE),
            _ if byte == b'\n' && before.ends_with(b"\r\n\r") => return Ok(Some(at + 1)),
            _ => {}
        }
    }
    Ok(None)
}

/// Judges a whole head, and writes the clean one, but for its last line, into `request`.
pub fn clean_head(head: &[u8], peer: &str, request: &mut Request) -> Result<Coming, Refusal> {
    let line_end = head.iter().position(|byte| *byte == b'\r').unwrap_or(head.len() - 2);
    let (method, target, is_old) = split_line(&head[..line_end])?;
    let (authority, path) = split_target(target)?;
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let headers = match httparse::parse_headers(&head[line_end + 2..], &mut headers) {
        Ok(httparse::Status::Complete((_, headers))) => Headers(headers),
        Err(httparse::Error::TooManyHeaders) => return Err(HEAD_TOO_LARGE),
        _ => return Err(Refusal::malformed("a header is not well-formed")),
    };
    let host = headers.only("host")?;
    if host.is_none() && !is_old {
        return Err(Refusal::malformed("no Host header"));
    }
    let coming = headers.coming(is_old)?;

    request.is_head = method == b"HEAD";
    request.writes = !request.is_head && method != b"GET";
    request.keep_alive =
        !headers.connection_says("close") && (!is_old || headers.connection_says("keep-alive"));
    let slash: &[u8] = if path.starts_with(b"/") { b" " } else { b" /" };
    let out = &mut request.bytes;
    for piece in [method, slash, path, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(piece);
    }
    push_header(out, "host", authority.or(host));
    for name in HANDED_ON {
        push_header(out, name, headers.all(name));
    }
    push_header(out, "Parlor-Peer", [peer.as_bytes()]);
    Ok(coming)
}

/// Method, target, and whether it is HTTP/1.0.
fn split_line(line: &[u8]) -> Result<(&[u8], &[u8], bool), Refusal> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else { return Err(MALFORMED_LINE) };
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    match version {
        _ if method.is_empty() || !method.iter().all(is_token) => Err(MALFORMED_LINE),
        b"HTTP/1.1" => Ok((method, target, false)),
        b"HTTP/1.0" => Ok((method, target, true)),
        _ if version.starts_with(b"HTTP/") => Err(OTHER_VERSION),
        _ => Err(MALFORMED_LINE),
    }
}

/// The authority, where the target has one, and the path with its query. A client that takes us for a proxy sends the
/// absolute form; RFC 9112 asks every server to understand it.
fn split_target(target: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Refusal> {
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::malformed("the address has characters that must be percent-encoded"));
    }
    if target.starts_with(b"/") {
        return Ok((None, target));
    }
    let (scheme, rest) = target.split_at(target.len().min(7));
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"http://") || authority.is_empty() || authority.contains(&b'@') {
        return Err(Refusal::malformed("the address is neither a path nor http://host/path"));
    }
    Ok((Some(authority), path))
}

/// What comes behind a head.
pub struct Coming {
    /// The bytes of the body; `None` when it comes in chunks.
    pub length: Option<usize>,
    /// The client waits to be told to send it.
    pub go_on: bool,
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
            _ => Err(Refusal::malformed("a header that may come once came twice")),
        }
    }

    /// How the end of the body is found. In doubt there is none: guessing is how one request becomes two.
    fn coming(&self, is_old: bool) -> Result<Coming, Refusal> {
        let length = match (self.only("transfer-encoding")?, self.only("content-length")?) {
            (None, None) => Some(0),
            (None, Some(length)) => Some(size(length, 10)?),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && !is_old => None,
            _ => return Err(Refusal::malformed("a body has a length, or is chunked in HTTP/1.1")),
        };
        match self.only("expect")? {
            Some(hope) if !hope.eq_ignore_ascii_case(b"100-continue") => Err(OTHER_HOPE),
            hope => Ok(Coming { length, go_on: hope.is_some() && !is_old }),
        }
    }

    fn connection_says(&self, word: &str) -> bool {
        self.all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// The size of a body or of a part of it, in plain digits: a sign, a blank or a 0x is for others to guess at.
pub fn size(digits: &[u8], radix: u32) -> Result<usize, Refusal> {
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(Refusal::malformed("a size is not a plain number"));
    }
    usize::from_str_radix(digits, radix).ok().filter(|size| *size <= BODY_LIMIT).ok_or(BODY_TOO_LARGE)
}

/// Writes one header, or nothing when it has no value; several are joined, as RFC 9110 has it. tiny_http hangs up on
/// any byte that is not ASCII; a neighbour's cookie must not lock a visitor out.
fn push_header<'a>(out: &mut Vec<u8>, name: &str, values: impl IntoIterator<Item = &'a [u8]>) {
    let start = out.len();
    for value in values {
        out.extend_from_slice(if name == "cookie" { b"; " } else { b", " });
        out.extend(value.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }));
    }
    if out.len() > start {
        // In the place of the first joiner.
        out.splice(start..start + 2, [name.as_bytes(), b": "].concat());
        out.extend_from_slice(b"\r\n");
    }
}
