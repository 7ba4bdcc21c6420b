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

const HOST_CURE: &str =
    "nginx: proxy_set_header Host $http_host; and start Parlor with --host NAME, as browsers say it";

/// What was found out, and how to mend it where it is bad.
type Finding = (String, Option<&'static str>);

fn good(what: impl Into<String>) -> Finding {
    (what.into(), None)
}

fn bad(what: impl Into<String>, cure: &'static str) -> Finding {
    (what.into(), Some(cure))
}

/// Examines the server behind `url` and prints what it finds.
///
/// # Errors
/// The URL is not one to examine, or there is something to mend.
pub fn examine(url: &str) -> Result<()> {
    let place = Place::parse(url)?;
    for examination in [pieces, silence, forms] {
        let findings = examination(&place).map_err(|error| Error::internal(format!("{url}: {error}")))?;
        for (what, cure) in &findings {
            super::say(&match cure {
                None => format!("good  {what}\n"),
                Some(cure) => format!("bad   {what}\n      {cure}\n"),
            });
        }
        if findings.iter().any(|(_, cure)| cure.is_some()) {
            // What follows would only say the same in other words.
            return Err(Error::internal(format!("{url}: something to mend")));
        }
    }
    Ok(())
}

/// Do the pieces of a stream arrive as they are sent, and as they are?
fn pieces(place: &Place) -> io::Result<Vec<Finding>> {
    let answer = place.get_stream(PIECES, PAUSE)?;
    let encoding = answer.header("Content-Encoding").filter(|coding| *coding != "identity");
    if let Some(finding) = no_stream(&answer) {
        return Ok(vec![finding]);
    }
    let gaps: Vec<Duration> = answer.came.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let apart: Vec<String> = gaps.iter().map(|gap| format!("{:.2}", gap.as_secs_f64())).collect();
    let (apart, sent, count) = (apart.join(" "), PAUSE.as_secs_f64(), answer.came.len());
    let came = if count < PIECES && encoding.is_none() {
        bad(
            format!("only {count} of {PIECES} pieces came, {apart} s apart; then the stream was cut"),
            "nginx: proxy_read_timeout 1h; and look into its error log",
        )
    } else if gaps.iter().any(|gap| *gap < PAUSE / 3) {
        bad(
            format!("pieces sent {sent:.2} s apart came {apart} s apart: something buffers"),
            "nginx: proxy_buffering off; and no proxy_ignore_headers X-Accel-Buffering; with it",
        )
    } else {
        good(format!("streams arrive as they are sent ({apart} s apart)"))
    };
    let whole = match encoding {
        Some(coding) => bad(
            format!("streams are compressed ({coding}), which holds them back"),
            "nginx: gzip off; for this location. Caddy: no encode for it. A CDN: no compression for text/event-stream",
        ),
        None => good("streams are not compressed"),
    };
    Ok(vec![came, whole])
}

/// Why there is no stream to look at.
fn no_stream(answer: &Answer) -> Option<Finding> {
    let location = answer.header("Location").unwrap_or_default();
    Some(match answer.status {
        200 if answer.pieces().next() == Some(b"0\n") || answer.header("Content-Encoding").is_some() => {
            return None;
        }
        200 => bad("something answers that is not Parlor", "is the path right?"),
        421 => bad("the server does not know itself by the Host it is given", HOST_CURE),
        301..=308 if location.starts_with("https:") => bad(
            "it wants https, which is not spoken here",
            "examine Parlor's own address, and the proxy with: curl -N https://NAME/streaming/ (a number each second)",
        ),
        502..=504 => bad(
            format!("a proxy answers, but finds no server behind it ({})", answer.status),
            "does Parlor run, and is proxy_pass its address? If it says 503 itself, it is full",
        ),
        status => bad(format!("it answers {status}"), "is it Parlor's address?"),
    })
}

/// Does a stream survive that nobody writes to for a while?
fn silence(place: &Place) -> io::Result<Vec<Finding>> {
    Ok(vec![match place.get_stream(2, LONG_PAUSE)?.came.len() {
        0 | 1 => bad(
            "a stream is cut when it is silent for 5 s",
            "nginx: proxy_read_timeout 1h; a load balancer: an idle timeout well above 15 s, the heartbeat",
        ),
        _ => good("a stream may be silent for 5 s"),
    }])
}

/// Would a form sent by a browser be taken? `/leave/` does nothing to one who has no session.
fn forms(place: &Place) -> io::Result<Vec<Finding>> {
    let lobby = place.ask(&format!("GET {}lobby/ HTTP/1.1\r\n", place.path), 0, Duration::ZERO)?;
    let token = lobby.header("Set-Cookie").and_then(|cookie| cookie.strip_prefix("csrftoken="));
    let token = token.and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
    let Place { host, path } = place;
    let form = format!(
        "POST {path}leave/ HTTP/1.1\r\nOrigin: http://{host}\r\nCookie: csrftoken={token}\r\n\
         X-CSRFToken: {token}\r\nContent-Length: 0\r\n"
    );
    Ok(vec![match place.ask(&form, 0, Duration::ZERO)?.status {
        302 => good("forms arrive with their Host, Origin and cookie"),
        status => bad(
            format!("a form is refused ({status}): its Host, Origin or cookie does not arrive"),
            HOST_CURE,
        ),
    }])
}

/// Where the server is to be found.
struct Place {
    /// As it stands in the URL, with the port if it has one.
    host: String,
    /// Ends with a slash.
    path: String,
}

impl Place {
    fn parse(url: &str) -> Result<Place> {
        let refuse = |why: &str| Err(Error::internal(format!("{url}: {why}")));
        let Some(rest) = url.strip_prefix("http://") else {
            return refuse(
                "only http:// is spoken here; for https, look with: curl -N https://NAME/streaming/",
            );
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let odd = |c: char| c.is_whitespace() || c.is_control() || "?#@".contains(c);
        if host.is_empty() || rest.contains(odd) {
            return refuse("not an address such as http://NAME:8000/");
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = if path.is_empty() { "/".to_owned() } else { format!("/{path}/") };
        Ok(Place { host: host.to_owned(), path })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let has_port = self.host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { self.host.clone() } else { format!("{}:80", self.host) };
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn get_stream(&self, pieces: usize, pause: Duration) -> io::Result<Answer> {
        let (path, ms) = (&self.path, pause.as_millis());
        self.ask(&format!("GET {path}streaming/?interval_ms={ms} HTTP/1.1\r\n"), pieces, pause)
    }

    /// Asks as a browser would, and notes when each of so many `pieces` of the answer comes; then it hangs up.
    fn ask(&self, request: &str, pieces: usize, pause: Duration) -> io::Result<Answer> {
        let request = format!(
            "{request}Host: {}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: close\r\n\r\n",
            self.host
        );
        let mut socket = self.connect()?;
        socket.write_all(request.as_bytes())?;
        let (mut answer, mut buffer) = (Answer::default(), [0; 16 * 1024]);
        let deadline = Instant::now() + pause * pieces as u32 + PATIENCE;
        while answer.status == 0 || answer.came.len() < pieces {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.read(&mut buffer) {
                Ok(0) | Err(_) => break, // a cut stream is something to report, not a failure
                Ok(count) => answer.take(&buffer[..count], Instant::now()),
            }
        }
        match answer.status {
            0 => Err(io::Error::new(io::ErrorKind::InvalidData, "no answer, or none in HTTP")),
            _ => Ok(answer),
        }
    }
}

/// An answer as far as it has come.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    /// Empty, and the status 0, until it is whole.
    head: String,
    status: u16,
    /// Where the body begins.
    body: usize,
    /// When each piece came.
    came: Vec<Instant>,
}

impl Answer {
    fn take(&mut self, bytes: &[u8], now: Instant) {
        self.bytes.extend_from_slice(bytes);
        let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return };
        self.body = end + 4;
        self.head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        self.status = self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let pieces = self.pieces().count().min(PIECES);
        self.came.resize(pieces.max(self.came.len()), now);
    }

    /// The lines of the body: they end with a line feed alone, where those around a chunk end with CR LF.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.bytes[self.body..].split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| line.ends_with(b"\n") && !line.ends_with(b"\r\n"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place() {
        let place = |url| Place::parse(url).ok().map(|place| format!("{} {}", place.host, place.path));
        assert_eq!(place("http://localhost:8000").as_deref(), Some("localhost:8000 /"));
        assert_eq!(place("http://[::1]:80/chat").as_deref(), Some("[::1]:80 /chat/"));
        assert_eq!(["http:///", "http://a b/", "http://x/?q"].map(place), [None, None, None]);
    }

    #[test]
    fn pieces_are_told_from_the_chunks_around_them() {
        let mut answer = Answer::default();
        answer.take(b"HTTP/1.1 200 OK\r\ncontent-encoding: x\r\n", Instant::now());
        assert_eq!(answer.status, 0);
        answer.take(b"\r\n2\r\n0\n\r\n4\r\n1\n2\n\r\n2\r\n3", Instant::now());
        assert_eq!((answer.status, answer.header("Content-Encoding")), (200, Some("x")));
        assert_eq!(answer.pieces().collect::<Vec<_>>(), [b"0\n", b"1\n", b"2\n"]);
    }
}
