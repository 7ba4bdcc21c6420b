//! A bare connection: any bytes out, and whatever comes back taken apart as HTTP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Answer;

/// How long an answer may take where nothing else is said.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub struct Raw {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Raw {
        Raw::try_connect(address).expect("the server takes the connection")
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Raw> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        Ok(Raw { socket, unread: Vec::new() })
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Raw {
        self.try_send(bytes.as_ref()).expect("the server takes the bytes");
        self
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) -> &mut Raw {
        let _ = self.socket.shutdown(Shutdown::Write);
        self
    }

    /// The next answer, which has to come.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The next answer to a request of this method: one to HEAD has no body.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method, ANSWER_WITHIN).expect("an answer comes").expect("an answer before the end")
    }

    /// The next answer, or `None` when the connection ends instead.
    pub fn answer_or_end(&mut self) -> Option<Answer> {
        self.answer_or_end_within(ANSWER_WITHIN)
    }

    pub fn answer_or_end_within(&mut self, limit: Duration) -> Option<Answer> {
        match self.try_answer("GET", limit) {
            Ok(answer) => answer,
            Err(error) if is_reset(&error) => None,
            Err(error) => panic!("neither an answer nor an end within {limit:?}: {error}"),
        }
    }

    pub fn try_answer(&mut self, method: &str, limit: Duration) -> io::Result<Option<Answer>> {
        let deadline = Instant::now() + limit;
        let Some(head) = self.take_head(deadline)? else { return Ok(None) };
        let mut answer = Answer::from_head(&head);
        if method != "HEAD" && answer.may_have_body() {
            answer.body = self.take_body(&answer, deadline)?;
        }
        Ok(Some(answer))
    }

    /// The bytes up to and with the empty line, or `None` when the connection ends before the first.
    pub fn take_head(&mut self, deadline: Instant) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head = self.take(end + 4);
                return Ok(Some(String::from_utf8(head).expect("an answer's head is text")));
            }
            if self.read_more(deadline)? == 0 {
                let nothing = self.unread.is_empty();
                return if nothing { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    fn take_body(&mut self, answer: &Answer, deadline: Instant) -> io::Result<Vec<u8>> {
        if let Some(length) = answer.header("content-length") {
            return self.take_exactly(length.parse().expect("Content-Length is a number"), deadline);
        }
        let mut body = Vec::new();
        if answer.header("transfer-encoding") != Some("chunked") {
            while self.read_more(deadline)? > 0 {}
            body.append(&mut self.unread);
            return Ok(body);
        }
        while let Some(mut chunk) = self.take_chunk(deadline)? {
            body.append(&mut chunk);
        }
        Ok(body)
    }

    /// The next chunk of a chunked body, or `None` after the last.
    pub fn take_chunk(&mut self, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let line = loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                break self.take(end + 2);
            }
            self.read_some(deadline)?;
        };
        let line = std::str::from_utf8(&line).expect("a chunk's size is text").trim();
        let size = usize::from_str_radix(line, 16).unwrap_or_else(|_| panic!("a chunk's size is {line:?}"));
        let mut chunk = self.take_exactly(size + 2, deadline)?;
        assert!(chunk.ends_with(b"\r\n"), "a chunk does not end with its line");
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    fn take_exactly(&mut self, length: usize, deadline: Instant) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.read_some(deadline)?;
        }
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.unread.split_off(length);
        std::mem::replace(&mut self.unread, rest)
    }

    /// Takes whatever has come and not been read.
    pub fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    fn read_some(&mut self, deadline: Instant) -> io::Result<()> {
        if self.read_more(deadline)? == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Reads what is there, waiting for it until the deadline. Zero is the end of the connection.
    pub fn read_more(&mut self, deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 * 1024];
        let count = match self.socket.read(&mut buffer) {
            // A process that was stopped for a moment reads on.
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.read_more(deadline),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            // A machine that is frozen for a moment interrupts a read that has a timeout.
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.read_more(deadline),
            other => other?,
        };
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Fails unless the server ends the connection without another byte.
    pub fn expect_end(&mut self) {
        self.expect_end_within(ANSWER_WITHIN);
    }

    pub fn expect_end_within(&mut self, limit: Duration) {
        if let Some(answer) = self.answer_or_end_within(limit) {
            panic!("the end was expected, not {answer:?}");
        }
    }
}

/// Whether the other side ended the connection, in whichever way the kernel words it.
fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
