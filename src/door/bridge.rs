//! The standing connections to tiny_http: a clean request goes over one of them, its answer comes back, one at a time.

use super::head::Request;
use super::lock;
use super::refusal::Refusal;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a request waits for a free standing connection; a person would not wait longer for a page.
const TURN_TIME: Duration = Duration::from_secs(5);
/// How long tiny_http may be silent before an answer or within it: posts wait for another process's lock on the
/// database for some seconds.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// How long a fresh standing connection may take to be answered for the first time.
const OPEN_TIME: Duration = Duration::from_secs(5);
/// The most bytes that an answer's head may need; ours have a few hundred.
const HEAD_LIMIT: usize = 16 * 1024;
/// What is read at first: most answers fit.
const FIRST_READ: usize = 8 * 1024;
/// The most headers of an answer; ours have about ten.
const HEADERS: usize = 32;
/// Above so many bytes an answer is long: only few are held in memory for their clients at the same time.
const LONG: usize = 1024 * 1024;
/// The most bytes of an answer: a page of 200 messages of 16,384 characters, each escaped with six bytes, has 20 MB.
const ANSWER_LIMIT: u64 = 32 * 1024 * 1024;

const BUSY: Refusal = Refusal::busy("too busy, please try again");
const BROKEN: Refusal = Refusal::new("502 Bad Gateway", "the answer did not come");

/// A fixed number of connections, each answering one request at a time: also the measure of how much work is let in.
pub struct Bridge {
    path: PathBuf,
    turn_time: Duration,
    standing: Pool<UnixStream>,
    /// Writes may take three quarters of them: the rest is always there for pages.
    writes: Pool<()>,
    /// Long answers, which stay until their clients have taken them.
    long: Pool<()>,
    /// tiny_http strands connections that arrive together, so they are opened one after the other.
    opening: Mutex<()>,
}

/// What has come back.
pub struct Answer<'a> {
    /// There is nothing for the client: whoever knows the ticket takes its connection over.
    pub ticket: Option<u64>,
    /// The answer's place among the long ones.
    _place: Option<Turn<'a, ()>>,
}

impl Bridge {
    /// Opens `count` standing connections to the Unix socket at `path`, one after the other. Each is answered once,
    /// whatever the answer, before the next is opened: somebody must be serving the socket already.
    pub fn open(path: &Path, count: usize) -> io::Result<Bridge> {
        let standing = (0..count).map(|_| open_standing(path)).collect::<io::Result<Vec<_>>>()?;
        Ok(Bridge {
            path: path.to_owned(),
            turn_time: TURN_TIME,
            standing: Pool::new(standing),
            writes: Pool::new(vec![(); (count * 3 / 4).max(1)]),
            long: Pool::new(vec![(); (count / 4).max(1)]),
            opening: Mutex::new(()),
        })
    }

    /// Carries a request over and its answer back into `answer`, ready to be sent. `ending` is asked last, for a header
    /// line that says whether the client's connection goes on. Only once the result is dropped may `answer` be another.
    pub fn cross(
        &self,
        request: &Request,
        ending: impl FnOnce() -> &'static str,
        answer: &mut Vec<u8>,
    ) -> Result<Answer<'_>, Refusal> {
        let deadline = Instant::now() + self.turn_time;
        let _write = if request.writes { Some(self.writes.take(deadline)?) } else { None };
        let mut turn = self.standing.take(deadline)?;
        // Until it is put back it counts as broken: an early return, or a panic, closes it.
        let mut standing = match turn.thing.take().filter(is_quiet) {
            Some(standing) => standing,
            None => self.open_again()?,
        };
        let (ticket, missing) = ask(&mut standing, request, ending, answer).map_err(|_| BROKEN)?;
        let place = if missing > LONG { Some(self.long.take(Instant::now())?) } else { None };
        read_exactly(&standing, missing, answer).map_err(|_| BROKEN)?;
        turn.thing = Some(standing);
        Ok(Answer { ticket, _place: place })
    }

    fn open_again(&self) -> Result<UnixStream, Refusal> {
        let _one_by_one = lock(&self.opening);
        open_standing(&self.path).map_err(|_| BUSY)
    }
}

/// Things to be used by one at a time, the last one first.
struct Pool<T> {
    /// `None` stands for one that broke: whoever takes it replaces it.
    free: Mutex<Vec<Option<T>>>,
    bell: Condvar,
}

impl<T> Pool<T> {
    fn new(things: Vec<T>) -> Pool<T> {
        Pool { free: Mutex::new(things.into_iter().map(Some).collect()), bell: Condvar::new() }
    }

    fn take(&self, deadline: Instant) -> Result<Turn<'_, T>, Refusal> {
        let left = deadline.saturating_duration_since(Instant::now());
        let free = self.bell.wait_timeout_while(lock(&self.free), left, |free| free.is_empty());
        let thing = free.unwrap_or_else(PoisonError::into_inner).0.pop().ok_or(BUSY)?;
        Ok(Turn { pool: self, thing })
    }
}

/// The use of one of them, given back when dropped.
struct Turn<'a, T> {
    pool: &'a Pool<T>,
    thing: Option<T>,
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut free = lock(&self.pool.free);
        match self.thing.take() {
            // To the bottom: it is replaced only when nothing better is left.
            None => free.insert(0, None),
            thing => free.push(thing),
        }
        drop(free);
        self.pool.bell.notify_one();
    }
}

fn open_standing(path: &Path) -> io::Result<UnixStream> {
    let mut standing = UnixStream::connect(path)?;
    standing.set_write_timeout(Some(ANSWER_TIME))?;
    standing.set_read_timeout(Some(OPEN_TIME))?;
    let bytes = b"GET /.standing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".to_vec();
    let mut answer = Vec::new();
    let (_, missing) = ask(&mut standing, &Request { bytes, ..Request::default() }, || "", &mut answer)?;
    read_exactly(&standing, missing, &mut answer)?;
    standing.set_read_timeout(Some(ANSWER_TIME))?;
    Ok(standing)
}

/// Whether nothing has come unasked: an end, or what is left of somebody else's answer.
fn is_quiet(standing: &UnixStream) -> bool {
    rustix::net::recv(standing, &mut [0; 1], RecvFlags::DONTWAIT).err() == Some(Errno::AGAIN)
}

/// Sends a request and takes the beginning of its answer, with a clean head; the ticket in it, and how many bytes of
/// the body have not come yet.
fn ask(
    standing: &mut UnixStream,
    request: &Request,
    ending: impl FnOnce() -> &'static str,
    answer: &mut Vec<u8>,
) -> io::Result<(Option<u64>, usize)> {
    standing.write_all(&request.bytes)?;
    answer.clear();
    while answer.len() < HEAD_LIMIT {
        read_some(standing, answer)?;
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_len) = head.parse(answer).map_err(io::Error::other)? else {
            continue;
        };
        let has_body = !request.is_head && !is_empty(&head);
        let length = if has_body { number_in(&head, "content-length") } else { Some(0) };
        let length = length.filter(|length| *length <= ANSWER_LIMIT).ok_or_else(|| unreadable("length"))?;
        let here = answer.len() - head_len;
        let missing = (length as usize).checked_sub(here).ok_or_else(|| unreadable("end"))?;
        let ticket = number_in(&head, "parlor-ticket");
        let clean = clean_head(&head, ending());
        answer.splice(..head_len, clean);
        return Ok((ticket, missing));
    }
    Err(unreadable("head"))
}

fn unreadable(part: &str) -> io::Error {
    io::Error::other(format!("an answer without a clear {part}"))
}

/// These have no body. tiny_http says 0 bytes there: a 204 must not, and of a 304 it would be a lie.
fn is_empty(head: &httparse::Response<'_, '_>) -> bool {
    matches!(head.code, Some(100..200 | 204 | 304))
}

fn number_in(head: &httparse::Response<'_, '_>, name: &str) -> Option<u64> {
    let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()?.parse().ok()
}

/// The head as the client gets it: without private lines, and with `ending` as its last.
fn clean_head(head: &httparse::Response<'_, '_>, ending: &str) -> Vec<u8> {
    let status = format!("HTTP/1.1 {} {}\r\n", head.code.unwrap_or(0), head.reason.unwrap_or_default());
    let mut clean = status.into_bytes();
    for header in head.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let is_ours = header.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("parlor-"));
        if is_ours || is("connection") || is("content-length") && is_empty(head) {
            continue;
        }
        for piece in [header.name.as_bytes(), b": ", header.value, b"\r\n"] {
            clean.extend_from_slice(piece);
        }
    }
    clean.extend_from_slice(ending.as_bytes());
    clean.extend_from_slice(b"\r\n");
    clean
}

/// Reads once.
fn read_some(standing: &UnixStream, into: &mut Vec<u8>) -> io::Result<()> {
    into.reserve(FIRST_READ);
    loop {
        match rustix::io::read(standing, spare_capacity(into)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_exactly(standing: &UnixStream, count: usize, into: &mut Vec<u8>) -> io::Result<()> {
    into.reserve_exact(count);
    match standing.take(count as u64).read_to_end(into)? {
        came if came == count => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;

    /// Where a fake library answers; gone from the disk when dropped.
    pub struct Served(pub PathBuf);

    impl Drop for Served {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// Answers requests as `respond` says, a thread for each connection; hangs up where it says nothing.
    pub fn serve(respond: impl Fn(&str) -> String + Send + Sync + 'static) -> Served {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("parlor-bridge-{}-{number}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let respond = Arc::new(respond);
        thread::spawn(move || {
            for standing in listener.incoming() {
                let (standing, respond) = (standing.unwrap(), Arc::clone(&respond));
                thread::spawn(move || serve_one(standing, &*respond));
            }
        });
        Served(path)
    }

    fn serve_one(mut standing: UnixStream, respond: &dyn Fn(&str) -> String) {
        let mut bytes = Vec::new();
        while read_some(&standing, &mut bytes).is_ok() {
            let request = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
            let answer = if request.contains(" /.standing ") { page("") } else { respond(&request) };
            let piece = if request.contains(" /in-bytes ") { 1 } else { usize::MAX };
            let mut pieces = answer.as_bytes().chunks(piece);
            if answer.is_empty() || pieces.any(|piece| standing.write_all(piece).is_err()) {
                return;
            }
        }
    }

    pub fn page(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn request(line: &str) -> Request {
        let bytes = format!("{line} HTTP/1.1\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let (is_head, writes) = (line.starts_with("HEAD"), line.starts_with("POST"));
        Request { bytes, is_head, writes, keep_alive: true }
    }

    fn cross(bridge: &Bridge, line: &str) -> Result<String, &'static str> {
        let mut bytes = Vec::new();
        match bridge.cross(&request(line), || "Connection: close\r\n", &mut bytes) {
            Ok(Answer { ticket: Some(ticket), .. }) => Ok(format!("ticket {ticket}")),
            Ok(_) => Ok(String::from_utf8(bytes).unwrap()),
            Err(refusal) => Err(&refusal.status[..3]),
        }
    }

    #[test]
    fn an_answer_comes_back_with_its_private_lines_taken_out() {
        let served = serve(|request| match request.split(' ').nth(1).unwrap() {
            "/empty" => "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "/same" => "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "/head" => "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\n".to_owned(),
            "/stream" => page("").replace("\r\n\r\n", "\r\nparlor-ticket: 17\r\n\r\n"),
            "/long" => page(&"x".repeat(LONG * 2)),
            _ => {
                page("hello").replacen("\r\n", "\r\nParlor-Note: x\r\nA: b\r\nConnection: keep-alive\r\n", 1)
            }
        });
        let bridge = Bridge::open(&served.0, 1).unwrap();
        let ok = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\nConnection: close\r\n\r\n";
        let same = "HTTP/1.1 304 Not Modified\r\nETag: x\r\nConnection: close\r\n\r\n";
        for (line, answer) in [
            ("GET /at-once", ok),
            ("POST /in-bytes", ok),
            ("HEAD /head", not_found),
            ("GET /empty", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
            ("GET /same", same),
            ("GET /stream", "ticket 17"),
            ("GET /at-once", ok),
        ] {
            assert_eq!(cross(&bridge, line).unwrap(), answer);
        }
        assert!(cross(&bridge, "GET /long").unwrap().ends_with(&"x".repeat(LONG * 2)));
        assert!(lock(&bridge.standing.free)[0].is_some());
    }

    #[test]
    fn a_broken_standing_connection_is_replaced() {
        let served = serve(|request| match request.split(' ').nth(1).unwrap() {
            "/hang-up" => String::new(),
            "/too-much" => page("hello") + &page("evil"),
            "/no-length" => "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            "/no-status" => "HTTP/1.1\r\n\r\n".to_owned(),
            "/endless-head" => "HTTP/1.1 200 OK\r\nA: ".to_owned() + &"a".repeat(HEAD_LIMIT * 2),
            "/absurd" => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ANSWER_LIMIT + 1),
            _ => page("well"),
        });
        let bridge = Bridge::open(&served.0, 1).unwrap();
        for broken in ["/hang-up", "/no-length", "/no-status", "/endless-head", "/absurd"] {
            assert_eq!(cross(&bridge, &format!("GET {broken}")), Err("502"), "{broken}");
            assert!(cross(&bridge, "GET /").unwrap().ends_with("well"), "after {broken}");
        }
        // What comes behind an answer is never taken for the next one.
        let _ = cross(&bridge, "GET /too-much");
        while lock(&bridge.standing.free)[0].as_ref().is_some_and(is_quiet) {
            thread::yield_now();
        }
        assert!(cross(&bridge, "GET /").unwrap().ends_with("well"));
        drop(served);
        assert_eq!(cross(&bridge, "GET /hang-up"), Err("502"));
        assert_eq!(cross(&bridge, "GET /"), Err("503"), "nobody is there to open it again");
    }

    #[test]
    fn posts_leave_a_quarter_to_pages_and_no_answer_is_waited_for_in_vain() {
        let (arrived, arrivals) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let served = serve(move |request| match request.contains(" /slow ") {
            true => arrived.send(()).map(|()| lock(&gate).recv()).map(|_| page("done")).unwrap(),
            false => page("done"),
        });
        let bridge = Bridge { turn_time: Duration::from_millis(20), ..Bridge::open(&served.0, 4).unwrap() };
        thread::scope(|scope| {
            let slow = |line: &'static str| {
                let crossing = scope.spawn(|| cross(&bridge, line));
                arrivals.recv().unwrap();
                crossing
            };
            let mut crossings: Vec<_> = (0..3).map(|_| slow("POST /slow")).collect();
            assert_eq!(cross(&bridge, "POST /"), Err("503"));
            assert!(cross(&bridge, "GET /").is_ok());
            let soon = Some(Duration::from_millis(20));
            lock(&bridge.standing.free)[0].as_ref().unwrap().set_read_timeout(soon).unwrap();
            assert_eq!(cross(&bridge, "GET /slow"), Err("502"));
            arrivals.recv().unwrap();
            crossings.push(slow("GET /slow"));
            assert_eq!(cross(&bridge, "GET /"), Err("503"));
            drop(open);
            for crossing in crossings {
                assert!(crossing.join().unwrap().unwrap().ends_with("done"));
            }
        });
        assert!(cross(&bridge, "POST /").is_ok());
    }

    #[test]
    fn few_long_answers_are_held_at_once() {
        let served = serve(|_| page(&"x".repeat(LONG * 2)));
        let bridge = Bridge::open(&served.0, 4).unwrap();
        let first = bridge.cross(&request("GET /"), || "", &mut Vec::new());
        assert!(first.is_ok());
        assert_eq!(cross(&bridge, "GET /"), Err("503"));
        drop(first);
        assert!(cross(&bridge, "GET /").is_ok());
    }
}
