//! The doctor: looks from a browser's side at what lies between it and a server, and says what holds streams back.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The pause between the five pieces of a stream, as it is asked for.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest pause that can be asked for: a proxy that cuts a shorter one cuts streams all the time. A stream that
/// is open is never silent for longer than the heartbeat, 15 s.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// How long anything may take beyond what was asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pieces that are sent.
const PIECES: usize = 5;

/// What was found out, and how to mend it where it is bad.
#[derive(Debug, PartialEq)]
struct Finding {
    what: String,
    cure: Option<&'static str>,
}

impl Finding {
    fn good(what: impl Into<String>) -> Finding {
        Finding { what: what.into(), cure: None }
    }

    fn bad(what: impl Into<String>, cure: &'static str) -> Finding {
        Finding { what: what.into(), cure: Some(cure) }
    }
}

type Examination = fn(&Place) -> io::Result<Vec<Finding>>;

/// Examines the server behind `url` and prints what it finds.
///
/// # Errors
/// The URL is not one to examine, or there is something to mend.
pub fn examine(url: &str) -> Result<()> {
    let place = Place::parse(url)?;
    let mut bad = 0;
    for examine in [pieces, silence, forms] as [Examination; 3] {
        let findings = examine(&place).map_err(|error| Error::internal(format!("{url}: {error}")))?;
        for Finding { what, cure } in &findings {
            bad += usize::from(cure.is_some());
            let _ = match cure {
                None => writeln!(io::stdout(), "good  {what}"),
                Some(cure) => writeln!(io::stdout(), "bad   {what}\n      {cure}"),
            };
        }
        if bad > 0 {
            break; // what follows would only say the same in other words
        }
    }
    if bad > 0 { Err(Error::internal(format!("{url}: something to mend"))) } else { Ok(()) }
}

/// Do the pieces of a stream arrive as they are sent, and as they are?
fn pieces(place: &Place) -> io::Result<Vec<Finding>> {
    let answer = place.get_stream(PAUSE)?;
    if let Some(finding) = no_stream(&answer) {
        return Ok(vec![finding]);
    }
    let apart: Vec<String> = answer.gaps().map(|gap| format!("{:.2}", gap.as_secs_f64())).collect();
    let apart = apart.join(" ");
    let encoding = answer.header("Content-Encoding").filter(|coding| *coding != "identity");
    let compressed = encoding.map(|coding| {
        Finding::bad(
            format!("streams are compressed ({coding}), which holds them back"),
            "nginx: gzip off; for this location. Caddy: no encode for it. A CDN: no compression for text/event-stream",
        )
    });
    let came = if answer.pieces.len() < PIECES && compressed.is_none() {
        Finding::bad(
            format!(
                "only {} of {PIECES} pieces came, {apart} s apart; then the stream was cut",
                answer.pieces.len()
            ),
            "nginx: proxy_read_timeout 1h; and look into its error log",
        )
    } else if answer.gaps().any(|gap| gap < PAUSE / 3) {
        Finding::bad(
            format!("pieces sent {:.2} s apart came {apart} s apart: something buffers", PAUSE.as_secs_f64()),
            "nginx: proxy_buffering off; and no proxy_ignore_headers X-Accel-Buffering; with it",
        )
    } else {
        Finding::good(format!("streams arrive as they are sent ({apart} s apart)"))
    };
    let whole = compressed.unwrap_or_else(|| Finding::good("streams are not compressed"));
    Ok(vec![came, whole])
}

/// Why there is no stream to look at.
fn no_stream(answer: &Answer) -> Option<Finding> {
    let location = answer.header("Location").unwrap_or_default();
    match answer.status {
        200 if answer.body.starts_with(b"0\n") || answer.header("Content-Encoding").is_some() => None,
        200 => Some(Finding::bad("something answers that is not Parlor", "is the path right?")),
        421 => Some(Finding::bad(
            "the server does not know itself by the Host it is given",
            "nginx: proxy_set_header Host $http_host; and start Parlor with --host NAME, as browsers say it",
        )),
        301..=308 if location.starts_with("https:") => Some(Finding::bad(
            "it wants https, which is not spoken here",
            "examine Parlor's own address, and the proxy with: curl -N https://NAME/streaming/ (a number each second)",
        )),
        502..=504 => Some(Finding::bad(
            format!("a proxy answers, but finds no server behind it ({})", answer.status),
            "does Parlor run, and is proxy_pass its address? If it says 503 itself, it is full",
        )),
        status => Some(Finding::bad(format!("it answers {status}"), "is it Parlor's address?")),
    }
}

/// Does a stream survive that nobody writes to for a while?
fn silence(place: &Place) -> io::Result<Vec<Finding>> {
    let answer = place.get(&format!("streaming/?interval_ms={}", LONG_PAUSE.as_millis()), 2, LONG_PAUSE)?;
    Ok(vec![if answer.pieces.len() < 2 {
        Finding::bad(
            "a stream is cut when it is silent for 5 s",
            "nginx: proxy_read_timeout 1h; a load balancer: an idle timeout well above 15 s, the heartbeat",
        )
    } else {
        Finding::good("a stream may be silent for 5 s")
    }])
}

/// Would a form sent by a browser be taken? `/leave/` does nothing to one who has no session.
fn forms(place: &Place) -> io::Result<Vec<Finding>> {
    let lobby = place.get("lobby/", 0, Duration::ZERO)?;
    let token = lobby.header("Set-Cookie").and_then(|cookie| cookie.strip_prefix("csrftoken="));
    let token = token.and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
    let form = format!(
        "POST {}leave/ HTTP/1.1\r\nOrigin: http://{}\r\nCookie: csrftoken={token}\r\nX-CSRFToken: {token}\r\n\
         Content-Length: 0\r\n",
        place.path, place.host
    );
    let answer = place.ask(&form, 0, Duration::ZERO)?;
    Ok(vec![match answer.status {
        302 => Finding::good("forms arrive with their Host, Origin and cookie"),
        status => Finding::bad(
            format!("a form is refused ({status}): its Host, Origin or cookie does not arrive"),
            "nginx: proxy_set_header Host $http_host; and start Parlor with --host NAME, as browsers say it",
        ),
    }])
}

/// Where the server is to be found.
#[derive(Debug, PartialEq)]
struct Place {
    /// As it stands in the URL, with the port if it has one.
    host: String,
    /// Ends with a slash.
    path: String,
}

impl Place {
    fn parse(url: &str) -> Result<Place> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(Error::internal(format!(
                "{url}: only http:// is spoken here; for https, look with: curl -N https://NAME/streaming/"
            )));
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = format!("/{path}");
        let path = path.strip_suffix('/').unwrap_or(&path);
        let odd = |c: char| c.is_whitespace() || c.is_control() || "?#@".contains(c);
        if host.is_empty() || rest.contains(odd) {
            return Err(Error::internal(format!("{url}: not an address such as http://NAME:8000/")));
        }
        Ok(Place { host: host.to_owned(), path: format!("{path}/") })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let has_port = self.host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { self.host.clone() } else { format!("{}:80", self.host) };
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn get_stream(&self, pause: Duration) -> io::Result<Answer> {
        self.get(&format!("streaming/?interval_ms={}", pause.as_millis()), PIECES, pause)
    }

    fn get(&self, path: &str, pieces: usize, pause: Duration) -> io::Result<Answer> {
        self.ask(&format!("GET {}{path} HTTP/1.1\r\n", self.path), pieces, pause)
    }

    /// Asks as a browser would, and notes when each of so many `pieces` of the answer comes; then it hangs up.
    fn ask(&self, request: &str, pieces: usize, pause: Duration) -> io::Result<Answer> {
        let mut socket = self.connect()?;
        let request = format!(
            "{request}Host: {}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: close\r\n\r\n",
            self.host
        );
        socket.write_all(request.as_bytes())?;
        let mut received = Vec::new();
        let mut buffer = [0; 16 * 1024];
        let mut answer = Answer::default();
        let deadline = Instant::now() + pause * pieces as u32 + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.read(&mut buffer) {
                Ok(0) | Err(_) => break, // a cut stream is something to report, not a failure
                Ok(count) => received.extend_from_slice(&buffer[..count]),
            }
            let now = Instant::now();
            if !answer.read(&received) {
                continue;
            }
            let lines = answer.body.iter().filter(|byte| **byte == b'\n').count();
            answer.pieces.resize(lines.min(PIECES).max(answer.pieces.len()), now);
            if pieces == 0 || answer.pieces.len() >= pieces {
                break;
            }
        }
        if answer.status == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no answer, or none in HTTP"));
        }
        Ok(answer)
    }
}

#[derive(Debug, Default)]
struct Answer {
    status: u16,
    head: String,
    /// As far as it has come.
    body: Vec<u8>,
    /// When each line of it came.
    pieces: Vec<Instant>,
}

impl Answer {
    /// Takes apart what was received so far; false until the head is whole.
    fn read(&mut self, received: &[u8]) -> bool {
        let Some(end) = find(received, b"\r\n\r\n") else { return false };
        self.head = String::from_utf8_lossy(&received[..end]).into_owned();
        self.status = self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = &received[end + 4..];
        let chunked =
            self.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        self.body = if chunked { unchunked(body) } else { body.to_vec() };
        true
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn gaps(&self) -> impl Iterator<Item = Duration> {
        self.pieces.windows(2).map(|pair| pair[1] - pair[0])
    }
}

/// The contents of the chunks, as far as they have come.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = find(bytes, b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end])
            .ok()
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let Some(chunk) = size.and_then(|size| bytes.get(end + 2..)?.get(..size)) else { break };
        body.extend_from_slice(chunk);
        bytes = bytes.get(end + 2 + chunk.len() + 2..).unwrap_or_default();
    }
    body
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place() {
        for (url, host, path) in [
            ("http://localhost:8000", "localhost:8000", "/"),
            ("http://chat.example/", "chat.example", "/"),
            ("http://[::1]:80/chat", "[::1]:80", "/chat/"),
        ] {
            let place = Place { host: host.to_owned(), path: path.to_owned() };
            assert_eq!(Place::parse(url).unwrap(), place);
        }
        for url in ["https://chat.example/", "chat.example", "http:///", "http://a b/", "http://x/?q"] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_answer_is_read_as_far_as_it_has_come() {
        let mut answer = Answer::default();
        assert!(!answer.read(b"HTTP/1.1 200 OK\r\n"));
        assert!(
            answer.read(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n0\n\r\n4\r\n1\n2\n\r\n2\r\n3"
            )
        );
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"0\n1\n2\n"[..]));
        assert!(answer.read(b"HTTP/1.1 502 Bad Gateway\r\n\r\nsorry"));
        assert_eq!((answer.status, answer.body.as_slice()), (502, &b"sorry"[..]));
    }
}
