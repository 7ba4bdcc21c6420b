//! The standing connections to tiny_http: a clean request goes over one of them, its answer comes back, one at a time.

use super::framing::{Refusal, Request};
use super::lock;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a request waits for a free standing connection; a person would not wait longer for a page.
const TURN_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take: posts wait for another process's lock on the database for some seconds, a backup for
/// the disk.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// How long a fresh standing connection may take to be answered for the first time.
const OPEN_TIME: Duration = Duration::from_secs(5);
/// The most bytes of an answer's head; ours have a few hundred.
const HEAD_LIMIT: usize = 16 * 1024;
/// What is read at first: most answers fit.
const FIRST_READ: usize = 8 * 1024;
/// The most bytes of an answer that are kept here, so that the standing connection is free before a slow client has
/// read it. Only a download is longer.
const WHOLE_LIMIT: usize = 1024 * 1024;
/// The bytes of a longer answer that are carried at a time.
const PIECE: usize = 256 * 1024;

/// A fixed number of connections, each answering one request at a time: also the measure of how much work is let in.
pub struct Bridge {
    path: PathBuf,
    turn_time: Duration,
    pool: Mutex<Pool>,
    for_reads: Condvar,
    for_writes: Condvar,
    /// tiny_http strands connections that arrive together, so they are opened one after the other.
    opening: Mutex<()>,
}

struct Pool {
    /// The connections nobody uses; `None` stands for one that broke and is opened again by whoever takes it.
    free: Vec<Option<UnixStream>>,
    waiting_reads: usize,
    /// What writes may still take: the rest is always there for pages.
    writes_left: usize,
    /// What long answers may still take: their clients decide how long that is.
    long_left: usize,
}

/// What came back.
pub enum Answer<'a> {
    /// All of it is in the buffer.
    Whole,
    /// The buffer has the beginning.
    Long(Rest<'a>),
    /// Nothing for the client: whoever knows the ticket takes its connection over.
    Ticket(u64),
}

const BUSY: Refusal = Refusal { status: "503 Service Unavailable", reason: "too busy, please try again" };
const BROKEN: Refusal = Refusal { status: "502 Bad Gateway", reason: "the answer was lost" };
const LATE: Refusal = Refusal { status: "504 Gateway Timeout", reason: "the answer took too long" };

impl Bridge {
    /// Opens `count` standing connections to the Unix socket at `path`, one after the other. Each is answered once,
    /// whatever the answer, before the next is opened: somebody must be serving the socket already.
    pub fn open(path: &Path, count: usize) -> io::Result<Bridge> {
        let free = (0..count).map(|_| open_standing(path).map(Some)).collect::<io::Result<Vec<_>>>()?;
        let pool = Pool {
            free,
            waiting_reads: 0,
            writes_left: (count * 3 / 4).max(1),
            long_left: (count / 4).max(1),
        };
        Ok(Bridge {
            path: path.to_owned(),
            turn_time: TURN_TIME,
            pool: Mutex::new(pool),
            for_reads: Condvar::new(),
            for_writes: Condvar::new(),
            opening: Mutex::new(()),
        })
    }

    /// Carries a request over and its answer back into `answer`, ready to be sent. `ending` is asked last, for a header
    /// line that says whether the client's connection goes on, or for nothing.
    pub fn cross(
        &self,
        request: &Request,
        ending: impl FnOnce() -> &'static str,
        answer: &mut Vec<u8>,
    ) -> Result<Answer<'_>, Refusal> {
        let mut turn = self.take_turn(request.writes)?;
        // Until it is put back it counts as broken: an early return, or a panic, closes it.
        let mut standing = match turn.standing.take().filter(is_quiet) {
            Some(standing) => standing,
            None => self.open_again()?,
        };
        let head = carry(&mut standing, request, answer).map_err(refusal_for)?;
        if let Some(ticket) = head.ticket {
            turn.standing = Some(standing).filter(|_| head.missing == 0);
            return Ok(Answer::Ticket(ticket));
        }
        clean_head(answer, head.len, &head.private, ending());
        if head.missing == 0 {
            turn.standing = Some(standing);
            return Ok(Answer::Whole);
        }
        self.allow_long()?;
        turn.is_long = true;
        turn.standing = Some(standing);
        Ok(Answer::Long(Rest { turn, missing: head.missing }))
    }

    fn take_turn(&self, writes: bool) -> Result<Turn<'_>, Refusal> {
        let mut pool = lock(&self.pool);
        let mut deadline = None;
        loop {
            if (!writes || pool.writes_left > 0)
                && let Some(standing) = pool.free.pop()
            {
                pool.writes_left -= usize::from(writes);
                return Ok(Turn { bridge: self, standing, writes, is_long: false });
            }
            let now = Instant::now();
            let left = deadline.get_or_insert(now + self.turn_time).saturating_duration_since(now);
            if left.is_zero() {
                return Err(BUSY);
            }
            let bell = if writes { &self.for_writes } else { &self.for_reads };
            pool.waiting_reads += usize::from(!writes);
            pool = bell.wait_timeout(pool, left).unwrap_or_else(PoisonError::into_inner).0;
            pool.waiting_reads -= usize::from(!writes);
        }
    }

    fn open_again(&self) -> Result<UnixStream, Refusal> {
        let _one_by_one = lock(&self.opening);
        open_standing(&self.path).map_err(|_| BUSY)
    }

    fn allow_long(&self) -> Result<(), Refusal> {
        let mut pool = lock(&self.pool);
        pool.long_left = pool.long_left.checked_sub(1).ok_or(BUSY)?;
        Ok(())
    }
}

/// The use of one standing connection, given back when dropped; `None` in it says that it broke.
struct Turn<'a> {
    bridge: &'a Bridge,
    standing: Option<UnixStream>,
    writes: bool,
    is_long: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut pool = lock(&self.bridge.pool);
        match self.standing.take() {
            Some(standing) => pool.free.push(Some(standing)),
            // To the bottom: it is opened again only when nothing better is left.
            None => pool.free.insert(0, None),
        }
        pool.writes_left += usize::from(self.writes);
        pool.long_left += usize::from(self.is_long);
        let reads_first = pool.waiting_reads > 0;
        drop(pool);
        if reads_first {
            self.bridge.for_reads.notify_one();
        } else {
            self.bridge.for_writes.notify_one();
        }
    }
}

/// The rest of an answer that is too long to be kept.
pub struct Rest<'a> {
    turn: Turn<'a>,
    missing: u64,
}

impl Rest<'_> {
    /// Puts the next piece into `piece`; nothing when all has been carried.
    pub fn next_piece(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        piece.clear();
        let Some(standing) = &mut self.turn.standing else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let wanted = self.missing.min(PIECE as u64);
        read_exactly(standing, wanted as usize, piece)?;
        self.missing -= wanted;
        Ok(())
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        if self.missing > 0 {
            self.turn.standing = None;
        }
    }
}

/// What an answer's head says.
#[derive(Debug, Default)]
struct Head {
    len: usize,
    has_body: bool,
    content_length: Option<u64>,
    ticket: Option<u64>,
    /// The lines that are not for the client.
    private: Vec<Range<usize>>,
    /// The bytes of its body that are still on the standing connection.
    missing: u64,
}

fn open_standing(path: &Path) -> io::Result<UnixStream> {
    let mut standing = UnixStream::connect(path)?;
    standing.set_write_timeout(Some(ANSWER_TIME))?;
    standing.set_read_timeout(Some(OPEN_TIME))?;
    let bytes = b"GET /.standing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".to_vec();
    let head = carry(&mut standing, &Request { bytes, ..Request::default() }, &mut Vec::new())?;
    if head.missing > 0 {
        return Err(io::Error::other("the first answer on a standing connection is too long"));
    }
    standing.set_read_timeout(Some(ANSWER_TIME))?;
    Ok(standing)
}

/// Whether nothing has come unasked: an end, or what is left of somebody else's answer.
fn is_quiet(standing: &UnixStream) -> bool {
    rustix::net::recv(standing, &mut [0; 1], RecvFlags::DONTWAIT).err() == Some(Errno::AGAIN)
}

/// Sends a request and reads its answer, whole unless it is very long.
fn carry(standing: &mut UnixStream, request: &Request, answer: &mut Vec<u8>) -> io::Result<Head> {
    standing.write_all(&request.bytes)?;
    answer.clear();
    let mut head = loop {
        read_some(standing, answer)?;
        if let Some(len) = head_len(answer) {
            break read_head(&answer[..len], request.is_head)?;
        }
        if answer.len() > HEAD_LIMIT {
            return Err(unreadable("the head of an answer is too long"));
        }
    };
    let length = match head.content_length {
        _ if !head.has_body => 0,
        Some(length) => length,
        None => return Err(unreadable("an answer without Content-Length")),
    };
    let here = (answer.len() - head.len) as u64;
    head.missing =
        length.checked_sub(here).ok_or_else(|| unreadable("more came than the answer's length"))?;
    if length <= WHOLE_LIMIT as u64 && head.missing > 0 {
        read_exactly(standing, head.missing as usize, answer)?;
        head.missing = 0;
    }
    Ok(head)
}

fn read_some(standing: &mut UnixStream, answer: &mut Vec<u8>) -> io::Result<()> {
    let before = answer.len();
    answer.resize(before + FIRST_READ, 0);
    let count = loop {
        match standing.read(&mut answer[before..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    answer.truncate(before + count);
    if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// Reads `count` bytes to the end of `into`.
fn read_exactly(standing: &mut UnixStream, count: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let before = into.len();
    into.resize(before + count, 0);
    standing.read_exact(&mut into[before..])
}

fn head_len(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn read_head(head: &[u8], is_head: bool) -> io::Result<Head> {
    let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    let Some(status) = status.filter(|_| head.starts_with(b"HTTP/1.")) else {
        return Err(unreadable("an answer without a status"));
    };
    let is_empty = status.starts_with('1') || status == "204" || status == "304";
    let mut found = Head { len: head.len(), has_body: !is_head && !is_empty, ..Head::default() };

    let mut start = 0;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let place = start..start + line.len();
        start = place.end;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) =
            (&line[..colon], std::str::from_utf8(&line[colon + 1..]).unwrap_or_default().trim());
        if name.eq_ignore_ascii_case(b"content-length") {
            found.content_length = value.parse().ok();
            if is_empty {
                // tiny_http says 0 here; a 204 must not, and of a 304 it would be a lie.
                found.private.push(place);
            }
        } else if name.eq_ignore_ascii_case(b"parlor-ticket") {
            found.ticket = Some(value.parse().map_err(|_| unreadable("a ticket that is no number"))?);
        } else if name.eq_ignore_ascii_case(b"connection")
            || name.len() >= 7 && name[..7].eq_ignore_ascii_case(b"parlor-")
        {
            found.private.push(place);
        }
    }
    Ok(found)
}

/// Takes the private lines out of an answer's head and puts `ending` at its end.
fn clean_head(answer: &mut Vec<u8>, head_len: usize, private: &[Range<usize>], ending: &str) {
    if !ending.is_empty() {
        answer.splice(head_len - 2..head_len - 2, ending.bytes());
    }
    for line in private.iter().rev() {
        answer.drain(line.clone());
    }
}

fn unreadable(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn refusal_for(error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => LATE,
        _ => BROKEN,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::ops::Deref;
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;

    /// Where a fake library answers; gone from the disk when dropped.
    pub struct Served(PathBuf);

    impl Deref for Served {
        type Target = Path;
        fn deref(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Served {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// Answers requests on a Unix socket as `respond` says, a thread for each connection; hangs up where it says
    /// nothing.
    pub fn serve(respond: impl Fn(&str) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Served {
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

    fn serve_one(mut standing: UnixStream, respond: &dyn Fn(&str) -> Vec<Vec<u8>>) {
        let mut bytes = Vec::new();
        while read_some(&mut standing, &mut bytes).is_ok() {
            let request = String::from_utf8(bytes.clone()).unwrap();
            let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
            let (_, length) = head.rsplit_once("Content-Length: ").unwrap();
            if body.len() < length.parse().unwrap() {
                continue;
            }
            bytes.clear();
            let pieces = match request.starts_with("GET /.standing ") {
                true => answer("404 Not Found", "", "not found"),
                false => respond(&request),
            };
            if pieces.is_empty() || pieces.iter().any(|piece| standing.write_all(piece).is_err()) {
                return;
            }
        }
    }

    pub fn answer(status: &str, lines: &str, body: &str) -> Vec<Vec<u8>> {
        let length = body.len();
        vec![format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {length}\r\n\r\n{body}").into_bytes()]
    }

    fn request(line: &str) -> Request {
        let bytes = format!("{line} HTTP/1.1\r\nContent-Length: 0\r\n\r\n").into_bytes();
        Request {
            bytes,
            is_head: line.starts_with("HEAD"),
            writes: line.starts_with("POST"),
            ..Request::default()
        }
    }

    fn cross(bridge: &Bridge, line: &str) -> Result<String, &'static str> {
        let mut bytes = Vec::new();
        match bridge.cross(&request(line), || "Connection: close\r\n", &mut bytes) {
            Ok(Answer::Whole) => Ok(String::from_utf8(bytes).unwrap()),
            Ok(Answer::Ticket(ticket)) => Ok(format!("ticket {ticket}")),
            Ok(Answer::Long(mut rest)) => {
                let (mut all, mut piece) = (bytes, vec![0]);
                while !piece.is_empty() {
                    rest.next_piece(&mut piece).map_err(|_| "cut off")?;
                    all.extend_from_slice(&piece);
                }
                Ok(String::from_utf8(all).unwrap())
            }
            Err(refusal) => Err(&refusal.status[..3]),
        }
    }

    #[test]
    fn an_answer_comes_back_with_its_private_lines_taken_out() {
        let path = serve(|request| {
            let all =
                answer("200 OK", "Parlor-Note: x\r\nA: b\r\nConnection: keep-alive\r\n", "hello").concat();
            match request.split(' ').nth(1).unwrap() {
                "/at-once" => vec![all],
                "/in-bytes" => all.chunks(1).map(<[u8]>::to_vec).collect(),
                "/empty" => answer("204 No Content", "", ""),
                "/same" => answer("304 Not Modified", "ETag: x\r\n", ""),
                "/stream" => answer("200 OK", "parlor-ticket: 17\r\n", ""),
                "/long" => answer("200 OK", "", &"x".repeat(WHOLE_LIMIT * 2)),
                _ => vec![b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\n".to_vec()],
            }
        });
        let bridge = Bridge::open(&path, 1).unwrap();
        let ok = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        for _ in 0..2 {
            assert_eq!(cross(&bridge, "GET /at-once").unwrap(), ok);
            assert_eq!(cross(&bridge, "POST /in-bytes").unwrap(), ok);
            assert_eq!(
                cross(&bridge, "HEAD /other").unwrap(),
                "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"
            );
            assert_eq!(
                cross(&bridge, "GET /empty").unwrap(),
                "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
            );
            assert_eq!(
                cross(&bridge, "GET /same").unwrap(),
                "HTTP/1.1 304 Not Modified\r\nETag: x\r\nConnection: close\r\n\r\n"
            );
            assert_eq!(cross(&bridge, "GET /stream").unwrap(), "ticket 17");
            let long = cross(&bridge, "GET /long").unwrap();
            assert!(long.ends_with(&"x".repeat(WHOLE_LIMIT * 2)) && long.contains("Connection: close"));
        }
        assert!(lock(&bridge.pool).free[0].is_some());
    }

    #[test]
    fn a_broken_standing_connection_is_replaced() {
        let path = serve(|request| match request.split(' ').nth(1).unwrap() {
            "/hang-up" => vec![],
            "/too-much" => [answer("200 OK", "", "hello"), answer("200 OK", "", "evil")].concat(),
            "/no-length" => vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()],
            "/chunked" => vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec()],
            "/no-status" => vec![b"HTTP/1.1\r\n\r\n".to_vec()],
            "/endless-head" => vec![vec![b'a'; HEAD_LIMIT * 2]],
            "/odd-ticket" => answer("200 OK", "Parlor-Ticket: a\r\n", ""),
            _ => answer("200 OK", "", "well"),
        });
        let bridge = Bridge::open(&path, 1).unwrap();
        for broken in ["/hang-up", "/no-length", "/chunked", "/no-status", "/endless-head", "/odd-ticket"] {
            assert_eq!(cross(&bridge, &format!("GET {broken}")), Err("502"), "{broken}");
            assert!(cross(&bridge, "GET /").unwrap().ends_with("well"), "after {broken}");
        }
        // What comes behind an answer is never taken for the next one.
        let _ = cross(&bridge, "GET /too-much");
        while lock(&bridge.pool).free[0].as_ref().is_some_and(is_quiet) {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(cross(&bridge, "GET /").unwrap().ends_with("well"));

        drop(path);
        assert_eq!(cross(&bridge, "GET /hang-up"), Err("502"));
        assert_eq!(cross(&bridge, "GET /"), Err("503"), "nobody is there to open it again");
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let (never, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let path = serve(move |_| lock(&wait).recv().map(|()| vec![]).unwrap_or_default());
        let bridge = Bridge::open(&path, 1).unwrap();
        let soon = Some(Duration::from_millis(20));
        lock(&bridge.pool).free[0].as_ref().unwrap().set_read_timeout(soon).unwrap();
        assert_eq!(cross(&bridge, "GET /"), Err("504"));
        assert!(lock(&bridge.pool).free[0].is_none());
        drop(never);
    }

    #[test]
    fn posts_leave_a_quarter_to_pages_and_all_wait_their_turn() {
        let (arrived, arrivals) = mpsc::channel();
        let gate = Arc::new(Mutex::new(()));
        let held = Arc::clone(&gate);
        let path = serve(move |request| {
            if request.contains(" /slow ") {
                arrived.send(()).unwrap();
                drop(lock(&held));
            }
            answer("200 OK", "", "done")
        });
        let bridge = Bridge { turn_time: Duration::from_millis(20), ..Bridge::open(&path, 4).unwrap() };
        let patient = Bridge { turn_time: Duration::from_secs(60), ..Bridge::open(&path, 4).unwrap() };
        thread::scope(|scope| {
            let closed = lock(&gate);
            let slow = |line: &'static str, bridge| {
                let crossing = scope.spawn(move || cross(bridge, line));
                arrivals.recv().unwrap();
                crossing
            };
            let mut crossings: Vec<_> = (0..3).map(|_| slow("POST /slow", &bridge)).collect();
            assert_eq!(cross(&bridge, "POST /"), Err("503"));
            assert!(cross(&bridge, "GET /").is_ok());
            crossings.push(slow("GET /slow", &bridge));
            assert_eq!(cross(&bridge, "GET /"), Err("503"));

            crossings.extend((0..4).map(|_| slow("GET /slow", &patient)));
            let waiting = ["GET /", "POST /"].map(|line| scope.spawn(|| cross(&patient, line)));
            drop(closed);
            for crossing in crossings.into_iter().chain(waiting) {
                assert!(crossing.join().unwrap().unwrap().ends_with("done"));
            }
        });
        assert!(cross(&bridge, "POST /").is_ok());
        assert_eq!(lock(&bridge.pool).writes_left, 3);
    }

    #[test]
    fn few_long_answers_are_carried_at_once() {
        let path = serve(|_| answer("200 OK", "", &"x".repeat(WHOLE_LIMIT + 1)));
        let bridge = Bridge::open(&path, 4).unwrap();
        let first = bridge.cross(&request("GET /"), || "", &mut Vec::new());
        assert!(matches!(first, Ok(Answer::Long(_))));
        assert_eq!(cross(&bridge, "GET /"), Err("503"));
        drop(first);
        assert!(cross(&bridge, "GET /").is_ok());
        assert_eq!(lock(&bridge.pool).free.iter().filter(|standing| standing.is_none()).count(), 2);
    }
}
