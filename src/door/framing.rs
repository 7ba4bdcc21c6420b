//! Takes one request's bytes off a connection and makes a clean request of them: strict, bounded, under a deadline.
//! It knows only a `Wire`, which is a socket, or a few slices in the tests.

use super::head::{BODY_LIMIT, BODY_TOO_LARGE, Coming, Request, clean_head, head_len, size};
use super::refusal::Refusal;
use std::io;
use std::time::{Duration, Instant};

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
/// The most bytes of a body that are read at once.
const LARGE_BUFFER: usize = 32 * 1024;

const CUT_OFF: Refusal = Refusal::malformed("the request ended early");
const TOO_SLOW: Refusal = Refusal::new("408 Request Timeout", "the request took too long to arrive");

/// A client's end of a connection.
pub trait Wire {
    /// Adds what has come to `into`, as much as its capacity takes, waiting for it until `deadline` and then failing
    /// with `TimedOut`. 0: the client hung up.
    fn read(&mut self, into: &mut Vec<u8>, deadline: Instant) -> io::Result<usize>;
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// The bytes that have come on a connection and are not used yet. What is pipelined behind a request stays here.
pub struct Inbox<W> {
    pub wire: W,
    bytes: Vec<u8>,
    used: usize,
    deadline: Instant,
}

impl<W: Wire> Inbox<W> {
    pub fn new(wire: W) -> Inbox<W> {
        Inbox { wire, bytes: Vec::with_capacity(SMALL_BUFFER), used: 0, deadline: Instant::now() }
    }

    /// Waits between requests; false when no byte of another one has come.
    pub fn wait(&mut self) -> bool {
        if !self.unread().is_empty() {
            return true;
        }
        self.bytes.clear();
        self.bytes.shrink_to(SMALL_BUFFER);
        self.used = 0;
        self.deadline = Instant::now() + IDLE_TIME;
        self.fill(1).is_ok()
    }

    /// Reads one request, whose first byte has come, into `request`. `peer` is the client's address and port.
    pub fn read_request(&mut self, peer: &str, request: &mut Request) -> Result<(), Refusal> {
        // Its buffer stays; what it was stays nowhere.
        *request = Request { bytes: std::mem::take(&mut request.bytes), ..Request::default() };
        request.bytes.clear();
        self.deadline = Instant::now() + HEAD_TIME;
        let head = self.read_head()?;
        let coming = clean_head(&self.unread()[..head], peer, request)?;
        self.used += head;
        let head_end = request.bytes.len();
        if coming.length != Some(0) {
            self.read_body(coming, &mut request.bytes)?;
        }
        if !request.writes {
            // A GET may carry a body; nobody here has a meaning for it.
            request.bytes.truncate(head_end);
        }
        let last_line = format!("Content-Length: {}\r\n\r\n", request.bytes.len() - head_end);
        request.bytes.splice(head_end..head_end, last_line.into_bytes());
        Ok(())
    }

    /// Reads until a whole head is there; its length.
    fn read_head(&mut self) -> Result<usize, Refusal> {
        let mut seen = 0;
        loop {
            // Old clients send an empty line after a form; RFC 9112 asks to overlook it.
            while self.unread().starts_with(b"\r\n") {
                self.used += 2;
                seen = 0;
            }
            if let Some(length) = head_len(self.unread(), seen)? {
                return Ok(length);
            }
            seen = self.unread().len();
            self.fill(1)?;
        }
    }

    fn read_body(&mut self, coming: Coming, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.deadline = Instant::now() + BODY_TIME;
        if coming.go_on && self.unread().is_empty() {
            self.wire.send(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| CUT_OFF)?;
        }
        match coming.length {
            Some(length) => self.take(length, out),
            None => self.take_chunks(out),
        }
    }

    /// Decodes a chunked body to the end of `out`.
    fn take_chunks(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut left = BODY_LIMIT;
        loop {
            let size = self.take_chunk_size()?;
            left = left.checked_sub(size).ok_or(BODY_TOO_LARGE)?;
            self.take(size, out)?;
            let mut end = Vec::new();
            self.take(2, &mut end)?;
            if end != b"\r\n" {
                // After the last chunk this is a trailer, for which no page has a use.
                return Err(Refusal::malformed("a chunk does not end where its size says"));
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// A number and a line end, nothing else: extensions are a place to hide things in, and nobody sends any.
    fn take_chunk_size(&mut self) -> Result<usize, Refusal> {
        let mut line = Vec::new();
        while line.len() < CHUNK_DIGITS + 2 {
            self.take(1, &mut line)?;
            if let Some(digits) = line.strip_suffix(b"\r\n") {
                return size(digits, 16);
            }
        }
        Err(Refusal::malformed("a chunk's size is not a plain number"))
    }

    /// Moves exactly `wanted` bytes to the end of `out`.
    fn take(&mut self, mut wanted: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
        loop {
            let here = wanted.min(self.unread().len());
            out.extend_from_slice(&self.unread()[..here]);
            self.used += here;
            wanted -= here;
            if wanted == 0 {
                return Ok(());
            }
            self.fill(wanted)?;
        }
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// Reads once, with room for as many bytes as are wanted.
    fn fill(&mut self, wanted: usize) -> Result<(), Refusal> {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.reserve(wanted.min(LARGE_BUFFER));
        match self.wire.read(&mut self.bytes, self.deadline) {
            Ok(1..) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(TOO_SLOW),
            _ => Err(CUT_OFF),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::head::{HEAD_LIMIT, HEADER_LIMIT, LINE_LIMIT};
    use proptest::prelude::*;

    /// A client that sends prepared pieces, and then hangs up.
    #[derive(Default)]
    struct Slices<'a> {
        pieces: Vec<&'a [u8]>,
        sent: Vec<u8>,
        deadlines: Vec<Instant>,
    }

    impl Wire for Slices<'_> {
        fn read(&mut self, into: &mut Vec<u8>, deadline: Instant) -> io::Result<usize> {
            self.deadlines.push(deadline);
            let Some(piece) = self.pieces.pop() else { return Ok(0) };
            let (now, later) = piece.split_at(piece.len().min(into.capacity() - into.len()));
            into.extend_from_slice(now);
            if !later.is_empty() {
                self.pieces.push(later);
            }
            Ok(now.len())
        }

        fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.sent.extend_from_slice(bytes);
            Ok(())
        }
    }

    /// All requests of a connection as they would cross the bridge, and the status that ended it, or "" for none.
    fn read_all(inbox: &mut Inbox<Slices<'_>>) -> (Vec<String>, &'static str) {
        let (mut request, mut requests) = (Request::default(), Vec::new());
        while inbox.wait() {
            match inbox.read_request("[::1]:5", &mut request) {
                Ok(()) => requests.push(String::from_utf8_lossy(&request.bytes).into_owned()),
                Err(CUT_OFF) => return (requests, "cut off"),
                Err(refusal) => return (requests, &refusal.status[..3]),
            }
        }
        (requests, "")
    }

    fn inbox<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Inbox<Slices<'a>> {
        let mut pieces: Vec<_> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        pieces.reverse();
        Inbox::new(Slices { pieces, ..Slices::default() })
    }

    fn all_of(bytes: impl AsRef<[u8]>) -> (Vec<String>, &'static str) {
        read_all(&mut inbox([bytes.as_ref()]))
    }

    const POST: &[u8] =
        b"\r\nPOST /create-message/?a=%20 HTTP/1.1\r\nHost: a:8000\r\nCookie: a=1\r\nX-Other: 1\r\n\
        cookie: b=2; c=\xc3\xa9\r\nAccept: a\r\nAccept:\t b \r\nParlor-Peer: forged\r\nParlor-Ticket: 7\r\n\
        Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\ncontent=aGET /2 HTTP/1.1\r\nHost:b\r\n\r\n";
    const CHUNKED: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
        3\r\ncon\r\n0000000A\r\ntent=GET /\r\n0\r\n\r\nHEAD /2 HTTP/1.1\r\nHost:b\r\n\r\n";

    #[test]
    fn requests_cross_clean_however_their_bytes_are_cut() {
        let cases = [
            (
                POST,
                "POST /create-message/?a=%20 HTTP/1.1\r\nhost: a:8000\r\ncookie: a=1; b=2; c=??\r\naccept: a, b\r\n\
                 Parlor-Peer: [::1]:5\r\nContent-Length: 9\r\n\r\ncontent=a",
                "GET /2 HTTP/1.1\r\nhost: b\r\nParlor-Peer: [::1]:5\r\nContent-Length: 0\r\n\r\n",
            ),
            (
                CHUNKED,
                "POST /a HTTP/1.1\r\nhost: a\r\nParlor-Peer: [::1]:5\r\nContent-Length: 13\r\n\r\ncontent=GET /",
                "HEAD /2 HTTP/1.1\r\nhost: b\r\nParlor-Peer: [::1]:5\r\nContent-Length: 0\r\n\r\n",
            ),
        ];
        for (bytes, first, second) in cases {
            let whole = (vec![first.to_owned(), second.to_owned()], "");
            assert_eq!(all_of(bytes), whole);
            assert_eq!(read_all(&mut inbox(bytes.chunks(1))), whole);
            for at in 0..bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(read_all(&mut inbox([left, right])), whole, "cut at {at}");
                assert!(matches!(all_of(left).1, "" | "cut off"), "hung up at {at}");
            }
        }
    }

    #[test]
    fn what_is_unusual_but_clear_is_let_in() {
        for (bytes, start) in [
            ("GET http://b:80/p?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p?q HTTP/1.1\r\nhost: b:80\r\n"),
            ("GET HTTP://b?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q HTTP/1.1\r\nhost: b\r\n"),
            ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nParlor-Peer"),
            ("BREW / HTTP/1.1\r\nhost:\t a \t\r\n\r\n", "BREW / HTTP/1.1\r\nhost: a\r\n"),
            ("GET / HTTP/1.1\r\nHost:\r\nContent-Length: 01\r\n\r\nx", "GET / HTTP/1.1\r\nhost: \r\n"),
        ] {
            let (requests, end) = all_of(bytes);
            assert_eq!((requests.len(), end), (1, ""), "{bytes:?}");
            assert!(requests[0].starts_with(start), "{requests:?}");
            assert!(requests[0].ends_with("\r\nContent-Length: 0\r\n\r\n"), "{requests:?}");
        }
    }

    /// Over the wire `tests/it/framing.rs` has many more.
    #[test]
    fn what_is_not_clear_is_refused_at_its_first_wrong_byte() {
        let post = "POST / HTTP/1.1\r\nHost: a\r\n";
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (start, rest, status) in [
            ("\x16\x03\x01", "", "400"),
            ("GET / HTTP/1.1\n", "", "400"),
            ("GET / HTTP/1.1\r", "x", "400"),
            ("GET / HTTP/2.0\r\n\r\n", "", "505"),
            ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", "", "400"),
            ("GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "", "400"),
            ("GET http://a/ HTTP/1.1\r\n\r\n", "", "400"),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", "400"),
            (post, "Host: a\r\n\r\n", "400"),
            (post, "Content-Length: 262145\r\n\r\n", "413"),
            (post, "Content-Length: 99999999999999999999999999\r\n\r\n", "413"),
            (post, "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400"),
            (post, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
            (post, "Expect: 200-maybe\r\nContent-Length: 5\r\n\r\nhello", "417"),
            (chunked, "+5\r\nhello\r\n0\r\n\r\n", "400"),
            (chunked, "6\r\nhello\r\n0\r\n\r\n", "400"),
            (chunked, "5\r\nhello\r\n0\r\nTrailer: a\r\n\r\n", "400"),
            (chunked, "40001\r\n", "413"),
            (chunked, &format!("f000\r\n{:061440}\r\n", 0).repeat(5), "413"),
            ("GET /", &"a".repeat(LINE_LIMIT), "414"),
            (post, &"X: y\r\n".repeat(HEADER_LIMIT), "cut off"),
            (post, &format!("{}\r\n", "X: y\r\n".repeat(HEADER_LIMIT)), "431"),
            (post, &"a".repeat(HEAD_LIMIT), "431"),
        ] {
            assert_eq!(all_of(format!("{start}{rest}")), (vec![], status), "{start:?} and {rest:.60?}");
        }
    }

    #[test]
    fn a_client_is_told_to_go_on_only_when_it_waits_and_its_body_is_welcome() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n";
        for (first, second, told, status) in [
            ("Content-Length: 5\r\n\r\n", "hello", true, ""),
            ("Transfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", true, ""),
            ("Content-Length: 5\r\n\r\nhello", "", false, ""),
            ("\r\n", "", false, ""),
            ("Content-Length: 262145\r\n\r\n", "hello", false, "413"),
        ] {
            let mut inbox = inbox([head.as_bytes(), first.as_bytes(), second.as_bytes()]);
            assert_eq!(read_all(&mut inbox).1, status, "{first:?}");
            assert_eq!(!inbox.wire.sent.is_empty(), told, "{first:?}");
        }
    }

    #[test]
    fn deadlines_are_for_the_whole_and_not_for_each_read() {
        let mut inbox = inbox(POST.chunks(1));
        read_all(&mut inbox);
        let mut deadlines = inbox.wire.deadlines;
        deadlines.dedup();
        assert_eq!(deadlines.len(), 6, "one for each wait, two heads, one body, and the last wait");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..200) {
            all_of(&bytes);
            let mut post = POST.to_vec();
            post.splice(at..at + bytes.len() / 50, bytes);
            all_of(&post);
        }

        #[test]
        fn a_body_is_never_read_as_a_request(filler in "[a-z\r\n]{0,40}", size in 1_usize..90, cuts in 1_usize..50) {
            let body = format!("{filler}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
            let chunk = |chunk: &[u8]| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk));
            let chunks: String = body.as_bytes().chunks(size).map(chunk).collect();
            for method in ["GET", "POST"] {
                for framed in [
                    format!("Content-Length: {}\r\n\r\n{body}", body.len()),
                    format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
                ] {
                    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
                    let bytes = format!("{method} /first HTTP/1.1\r\nHost: a\r\n{framed}{next}");
                    let (requests, end) = read_all(&mut inbox(bytes.as_bytes().chunks(cuts)));
                    prop_assert_eq!((requests.len(), end), (2, ""));
                    prop_assert_eq!(requests[0].ends_with(&body), method == "POST");
                    prop_assert!(requests[1].starts_with("GET /next "));
                }
            }
        }
    }
}
