//! The door: it owns the listener, gives each connection a thread, and lets only clean, whole, bounded requests
//! through to the library behind. It knows bytes and deadlines; no route, no session, no cookie.

mod bridge;
mod connection;
mod framing;
mod limits;
mod listener;

pub use bridge::Bridge;
pub use limits::Limits;
pub use listener::{inherit, listen};

use bridge::Answer;
use connection::{Connection, Phase, Socket};
use framing::{Inbox, Refusal, Request, Unread};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Connections the system keeps for us until they are accepted: after a restart every stream comes back within a
/// second or two. The standard library asks for 128.
const BACKLOG: i32 = 4096;
/// A connection's stack. Its own work needs a tenth; but the thread may go on to read SQLite as a stream.
const STACK: usize = 256 * 1024;
/// How long a closing connection is still read, so that the client gets the answer and not a reset.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// The same while the whole door closes.
const SHORT_LINGER_TIME: Duration = Duration::from_millis(200);
/// How long one who has just come may take to begin a request while the door closes: most send it as they come.
const FIRST_WORD_TIME: Duration = Duration::from_millis(200);
/// How long a client must have kept us waiting to be let go in favour of a new one.
const SHED_AFTER: Duration = Duration::from_secs(1);
/// Descriptors held back, so that a client can still be told when there are no others.
const SPARES: usize = 4;
/// Refused clients whose sockets are kept until later ones push them out: closed at once, with their request still
/// unread, they would see a reset in place of the answer.
const REFUSED_KEPT: usize = 16;
/// The pause after `accept` failed for want of something that only time brings back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How long closing waits to reach its own acceptor.
const WAKE_TIME: Duration = Duration::from_secs(1);
/// What an idle connection's buffers may keep.
const KEPT_BUFFER: usize = 8 * 1024;

const FULL: Refusal =
    Refusal { status: "503 Service Unavailable", reason: "too many connections, please try again" };

/// What happens with a connection whose answer carried `Parlor-Ticket: N`: it is handed over for good, blocking, with
/// TCP_NODELAY and without timeouts. Runs on the connection's own thread.
pub type Redeem = dyn Fn(u64, TcpStream) + Send + Sync;

/// The door and all that stand in it.
pub struct Door {
    pub counts: Counts,
    bridge: Bridge,
    limits: Limits,
    redeem: Arc<Redeem>,
    address: SocketAddr,
    closing: AtomicBool,
    acceptor: Mutex<Option<JoinHandle<()>>>,
    inside: Mutex<HashMap<u64, Arc<Connection>>>,
    somebody_left: Condvar,
}

/// What the door has done since it was opened.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections that got a thread.
    pub accepted: AtomicU64,
    /// Connections turned away with 503.
    pub refused: AtomicU64,
    /// Connections closed in favour of new ones, since their clients kept us waiting.
    pub shed: AtomicU64,
    /// Requests refused for their form, size or slowness.
    pub malformed: AtomicU64,
    /// Requests handed on.
    pub requests: AtomicU64,
    /// Requests that were handed on in vain: nobody free, no answer, a broken one.
    pub unanswered: AtomicU64,
    /// Connections handed over as streams.
    pub redeemed: AtomicU64,
    /// Errors of `accept`.
    pub accept_errors: AtomicU64,
}

impl Door {
    /// Opens the door: from now on a thread accepts what comes to `listener`.
    pub fn open(
        listener: TcpListener,
        bridge: Bridge,
        limits: Limits,
        redeem: Arc<Redeem>,
    ) -> io::Result<Arc<Door>> {
        listener.set_nonblocking(false)?;
        rustix::net::listen(&listener, BACKLOG)?;
        let door = Arc::new(Door {
            counts: Counts::default(),
            bridge,
            limits,
            redeem,
            address: listener.local_addr()?,
            closing: AtomicBool::new(false),
            acceptor: Mutex::new(None),
            inside: Mutex::new(HashMap::new()),
            somebody_left: Condvar::new(),
        });
        let accepting = Arc::clone(&door);
        let acceptor =
            thread::Builder::new().name("door".into()).spawn(move || accepting.accept(listener))?;
        *lock(&door.acceptor) = Some(acceptor);
        Ok(door)
    }

    /// Stops accepting at once and closes idle connections; those within a request finish it, and those that have just
    /// come have a moment to begin one.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        if let Some(acceptor) = lock(&self.acceptor).take() {
            // It waits in `accept`; a connection of our own wakes it.
            let woken = TcpStream::connect_timeout(&reachable(self.address), WAKE_TIME);
            if woken.is_ok() || acceptor.is_finished() {
                let _ = acceptor.join();
            }
        }
        let inside = lock(&self.inside);
        for connection in inside.values() {
            connection.close_if(&[Phase::Idle]);
        }
        let some_are_fresh = |inside: &mut HashMap<u64, Arc<Connection>>| {
            inside.values().any(|connection| connection.is_at(Phase::Fresh))
        };
        let waited = self.somebody_left.wait_timeout_while(inside, FIRST_WORD_TIME, some_are_fresh);
        for connection in waited.unwrap_or_else(PoisonError::into_inner).0.values() {
            connection.close_if(&[Phase::Fresh, Phase::Idle]);
        }
    }

    /// Waits, once closed, until nobody stands in the door any more; false when that takes beyond `deadline`. Streams
    /// have left it.
    pub fn drain(&self, deadline: Instant) -> bool {
        let inside = lock(&self.inside);
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.somebody_left.wait_timeout_while(inside, left, |inside| !inside.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_empty()
    }

    /// Open connections that are not streams.
    pub fn connections(&self) -> usize {
        lock(&self.inside).len()
    }

    /// The acceptor: no error ends it.
    fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut spares = Spares::default();
        let mut refused = VecDeque::new();
        spares.refill(&listener);
        for id in 0.. {
            let accepted = listener.accept();
            // Read before the client is let in: one who was taken from the queue has to be answered by this program.
            let is_last = self.is_closing();
            match accepted {
                Ok((client, peer)) => {
                    let turned_away =
                        if spares.refill(&listener) { self.let_in(id, client, peer) } else { Some(client) };
                    if let Some(client) = turned_away {
                        self.refuse(client, &mut refused);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    bump(&self.counts.accept_errors);
                    // With a descriptor given up, the next client can be accepted, if only to tell it.
                    let room =
                        is_out_of_descriptors(&error) && (spares.give_one() || forget_one(&mut refused));
                    if !room {
                        thread::sleep(ACCEPT_PAUSE);
                    }
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Gives a client a thread, or the client back when there is no room.
    fn let_in(self: &Arc<Self>, id: u64, client: TcpStream, peer: SocketAddr) -> Option<TcpStream> {
        if self.connections() >= self.limits.connections && !self.shed_one() {
            return Some(client);
        }
        let connection = Arc::new(Connection::new(client));
        lock(&self.inside).insert(id, Arc::clone(&connection));
        let door = Arc::clone(self);
        let thread = thread::Builder::new().name("conn".into()).stack_size(STACK);
        match thread.spawn(move || door.attend(id, connection, peer)) {
            Ok(_) => {
                bump(&self.counts.accepted);
                None
            }
            Err(_) => self.leave(id).and_then(Arc::into_inner).map(|connection| connection.client),
        }
    }

    /// Lets go whoever has kept us waiting for longest, silent, asking drop by drop or not reading; false when nobody
    /// has for long enough. So those who come can always come in, however many stand around.
    fn shed_one(&self) -> bool {
        let waiting = [Phase::Fresh, Phase::Idle, Phase::Asking, Phase::Answered];
        let inside = lock(&self.inside);
        let all = inside.values().filter_map(|connection| Some((connection.waits_since()?, connection)));
        let longest = all.min_by_key(|(since, _)| *since);
        let shed = longest.is_some_and(|(since, connection)| {
            since.elapsed() >= SHED_AFTER && connection.close_if(&waiting)
        });
        if shed {
            bump(&self.counts.shed);
        }
        shed
    }

    /// Turns a client away without ever waiting for it.
    fn refuse(&self, client: TcpStream, refused: &mut VecDeque<TcpStream>) {
        bump(&self.counts.refused);
        if client.set_nonblocking(true).is_err() {
            return;
        }
        let _ = (&client).write(&answer_to(FULL, false));
        let _ = client.shutdown(Shutdown::Write);
        refused.push_back(client);
        if refused.len() > REFUSED_KEPT {
            forget_one(refused);
        }
    }

    /// A connection's thread.
    fn attend(self: Arc<Self>, id: u64, connection: Arc<Connection>, peer: SocketAddr) {
        let place = Place { door: &self, id };
        let ticket = self.converse(&connection, peer);
        drop(place);

        // All others who hold a connection do so under the lock that it has just been taken from.
        let (Some(ticket), Some(connection)) = (ticket, Arc::into_inner(connection)) else { return };
        let client = connection.client;
        if client.set_read_timeout(None).is_ok() && client.set_write_timeout(None).is_ok() {
            bump(&self.counts.redeemed);
            (self.redeem)(ticket, client);
        }
    }

    /// Answers one request after another; the ticket, if one of them had one.
    fn converse(&self, connection: &Connection, peer: SocketAddr) -> Option<u64> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string();
        let mut socket = Socket::new(&connection.client).ok()?;
        let mut inbox = Inbox::new();
        let mut request = Request::default();
        let mut answer = Vec::new();
        loop {
            inbox.wait(&mut socket).ok()?;
            connection.go_on_to(Phase::Asking)?;
            match inbox.read_request(&mut socket, &peer, &mut request) {
                Ok(()) => bump(&self.counts.requests),
                Err(Unread::Gone) => return None,
                Err(Unread::Refused(refusal)) => {
                    bump(&self.counts.malformed);
                    socket.send(&answer_to(refusal, false)).ok()?;
                    break;
                }
            }
            connection.go_on_to(Phase::Crossing)?;
            let mut keep_alive = request.keep_alive;
            let ending = || {
                keep_alive &= !self.is_closing();
                match keep_alive {
                    false => "Connection: close\r\n",
                    true if request.is_old => "Connection: keep-alive\r\n",
                    true => "",
                }
            };
            let crossed = self.bridge.cross(&request, ending, &mut answer);
            if let Ok(Answer::Ticket(ticket)) = crossed {
                return Some(ticket);
            }
            connection.go_on_to(Phase::Answered)?;
            match crossed {
                Ok(Answer::Long(mut rest)) => {
                    while !answer.is_empty() {
                        socket.send(&answer).ok()?;
                        rest.next_piece(&mut answer).ok()?;
                    }
                }
                Ok(_) => socket.send(&answer).ok()?,
                Err(refusal) => {
                    bump(&self.counts.unanswered);
                    socket.send(&answer_to(refusal, request.is_head)).ok()?;
                    break;
                }
            }
            if !keep_alive {
                break;
            }
            for buffer in [&mut request.bytes, &mut answer] {
                buffer.clear();
                buffer.shrink_to(KEPT_BUFFER);
            }
            connection.go_on_to(Phase::Idle)?;
            if self.is_closing() {
                return None;
            }
        }
        socket.linger(if self.is_closing() { SHORT_LINGER_TIME } else { LINGER_TIME });
        None
    }

    fn leave(&self, id: u64) -> Option<Arc<Connection>> {
        let connection = lock(&self.inside).remove(&id);
        self.somebody_left.notify_all();
        connection
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}

/// Descriptors held back for the acceptor. They are copies of its own: nothing else is there everywhere, not even
/// `/dev/null`.
#[derive(Default)]
struct Spares(Vec<TcpListener>);

impl Spares {
    /// False when the process has no descriptors left for them.
    fn refill(&mut self, listener: &TcpListener) -> bool {
        while self.0.len() < SPARES {
            let Ok(spare) = listener.try_clone() else { return false };
            self.0.push(spare);
        }
        true
    }

    fn give_one(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

/// Closes the client that was turned away first. By now its request has come: unread, it would cause a reset.
fn forget_one(refused: &mut VecDeque<TcpStream>) -> bool {
    let Some(mut client) = refused.pop_front() else { return false };
    let _ = client.read(&mut [0; 8192]);
    true
}

/// Somebody stands in the door until this is dropped, by a panic too.
struct Place<'a> {
    door: &'a Door,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.door.leave(self.id);
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(error);
    matches!(code, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
}

/// An answer of the door itself, as bytes.
fn answer_to(refusal: Refusal, is_head: bool) -> Vec<u8> {
    let Refusal { status, reason } = refusal;
    let retry = if status.starts_with("503") { "Retry-After: 2\r\n" } else { "" };
    let length = reason.len() + 1;
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         {retry}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    if !is_head {
        answer += reason;
        answer.push('\n');
    }
    answer.into_bytes()
}

/// Where a listener can be reached from this machine.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn bump(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// No lock in here is held over anything that a panic can leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::bridge::tests::{answer, serve};
    use super::*;
    use std::process::Command;
    use std::sync::mpsc::{Receiver, channel};

    const LIMITS: Limits = Limits { connections: 100, streams: 10, descriptors: 1000 };
    /// The bytes of an answer that no socket's buffers hold.
    const LONG: usize = 20_000_000;
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A door before a fake library that echoes requests, and the streams that come out of it.
    fn open(limits: Limits) -> (Arc<Door>, Receiver<(u64, TcpStream)>) {
        let (release, held) = channel();
        let held = Mutex::new(held);
        let path = serve(move |request| match request.split(' ').nth(1).unwrap() {
            "/held" => lock(&held).recv().map(|()| answer("200 OK", "", "held")).unwrap(),
            "/release" => release.send(()).map(|()| answer("200 OK", "", "")).unwrap(),
            "/stream" => answer("200 OK", "Parlor-Ticket: 5\r\n", ""),
            "/panic" => answer("200 OK", "Parlor-Ticket: 6\r\n", ""),
            "/long" => answer("200 OK", "", &"x".repeat(LONG)),
            "/lost" => vec![],
            _ => answer("200 OK", "", request),
        });
        let (redeem, redeemed) = channel();
        let redeem = move |ticket, client| match ticket {
            6 => panic!("a stream that goes wrong"),
            _ => redeem.send((ticket, client)).unwrap(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let bridge = Bridge::open(&path, 4).unwrap();
        (Door::open(listener, bridge, limits, Arc::new(redeem)).unwrap(), redeemed)
    }

    /// A client that is never waited for in vain.
    fn connect(door: &Door) -> TcpStream {
        let client = TcpStream::connect(door.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client
    }

    fn send(client: &mut TcpStream, bytes: &str) {
        client.write_all(bytes.as_bytes()).unwrap();
    }

    fn read_answer(client: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        let mut byte = [0];
        let mut missing = None;
        while missing != Some(0) {
            if client.read(&mut byte).unwrap() == 0 {
                panic!("the connection ended after {:?}", String::from_utf8_lossy(&bytes));
            }
            bytes.push(byte[0]);
            if let Some(missing) = &mut missing {
                *missing -= 1;
            } else if bytes.ends_with(b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes).into_owned();
                let (_, length) = head.split_once("Content-Length: ").unwrap();
                missing = Some(length.lines().next().unwrap().parse::<usize>().unwrap());
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    fn read_to_end(client: &mut TcpStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    fn wait_until(fact: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !fact() {
            assert!(Instant::now() < deadline, "it did not come true");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn count_at(door: &Door, phase: Phase) -> usize {
        lock(&door.inside).values().filter(|connection| connection.is_at(phase)).count()
    }

    #[test]
    fn a_connection_answers_one_request_after_another() {
        let (door, _redeemed) = open(LIMITS);
        let mut client = connect(&door);
        let peer = client.local_addr().unwrap();
        for _ in 0..2 {
            send(&mut client, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
            let echo =
                format!("POST /a HTTP/1.1\r\nhost: a\r\nParlor-Peer: {peer}\r\nContent-Length: 2\r\n\r\nhi");
            let length = echo.len();
            assert_eq!(
                read_answer(&mut client),
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{echo}")
            );
        }
        let pipelined: String = (0..5).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        send(&mut client, &pipelined);
        for n in 0..5 {
            assert!(read_answer(&mut client).contains(&format!("GET /{n} ")));
        }
        send(&mut client, "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never");
        let last = read_to_end(&mut client);
        assert!(last.contains("\r\nConnection: close\r\n\r\nGET /last "), "{last}");
        drop(client);
        wait_until(|| door.connections() == 0);
    }

    #[test]
    fn an_old_client_is_told_that_its_connection_stays() {
        let (door, _redeemed) = open(LIMITS);
        let mut client = connect(&door);
        send(&mut client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert!(read_answer(&mut client).contains("\r\nConnection: keep-alive\r\n"));
        send(&mut client, "GET / HTTP/1.0\r\n\r\n");
        assert!(read_to_end(&mut client).contains("\r\nConnection: close\r\n"));
    }

    #[test]
    fn a_refused_client_sees_why_before_the_connection_ends() {
        let (door, _redeemed) = open(LIMITS);
        let mut client = connect(&door);
        // Much more than the socket's buffers hold is on its way while the answer comes.
        let mut sending = client.try_clone().unwrap();
        let body = thread::spawn(move || {
            send(&mut sending, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
            sending.write_all(&vec![b'x'; 5_000_000]).unwrap();
            sending.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(
            read_to_end(&mut client),
            "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: 22\r\nConnection: close\r\n\r\n\
             the body is too large\n"
        );
        body.join().unwrap();
        assert_eq!(door.counts.malformed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_answer_that_is_lost_is_said_to_be() {
        let (door, _redeemed) = open(LIMITS);
        let mut client = connect(&door);
        send(&mut client, "HEAD /lost HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = read_to_end(&mut client);
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!(door.counts.unanswered.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_long_answer_is_carried_whole() {
        let (door, _redeemed) = open(LIMITS);
        let mut client = connect(&door);
        send(&mut client, "GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = read_to_end(&mut client);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.len() == LONG && body.bytes().all(|byte| byte == b'x'));
    }

    #[test]
    fn a_ticket_takes_the_connection_over() {
        let (door, redeemed) = open(LIMITS);
        let mut client = connect(&door);
        send(&mut client, &format!("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n{GET}"));
        let (ticket, mut stream) = redeemed.recv().unwrap();
        assert_eq!(ticket, 5);
        assert_eq!(stream.read_timeout().unwrap(), None);
        assert_eq!(stream.write_timeout().unwrap(), None);
        assert!(stream.nodelay().unwrap());
        assert_eq!(door.connections(), 0);

        send(&mut stream, "data: {}\n\n");
        drop(stream);
        assert_eq!(read_to_end(&mut client), "data: {}\n\n");
    }

    #[test]
    fn a_panic_takes_nobody_elses_place() {
        let (door, _redeemed) = open(Limits { connections: 1, ..LIMITS });
        for _ in 0..3 {
            let mut client = connect(&door);
            send(&mut client, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(read_to_end(&mut client), "");
            assert_eq!(door.connections(), 0);
        }
    }

    #[test]
    fn a_full_door_says_so_and_lets_go_who_keeps_it_waiting() {
        let (door, _redeemed) = open(Limits { connections: 5, ..LIMITS });
        let mut slow: Vec<_> = (0..4).map(|_| connect(&door)).collect();
        send(&mut slow[1], GET);
        read_answer(&mut slow[1]);
        send(&mut slow[2], &GET[..5]);
        send(&mut slow[3], "GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut served = connect(&door);
        send(&mut served, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
        for phase in [Phase::Fresh, Phase::Idle, Phase::Asking, Phase::Answered, Phase::Crossing] {
            wait_until(|| count_at(&door, phase) == 1);
        }

        let answer = read_to_end(&mut connect(&door));
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 2\r\n"), "{answer}");
        assert_eq!(door.counts.refused.load(Ordering::Relaxed), 1);

        let all_waited = || {
            let inside = lock(&door.inside);
            inside
                .values()
                .filter_map(|connection| connection.waits_since())
                .all(|it| it.elapsed() > SHED_AFTER)
        };
        wait_until(all_waited);
        let mut new: Vec<_> = (0..4).map(|_| connect(&door)).collect();
        for client in &mut new {
            send(client, GET);
            assert!(read_answer(client).starts_with("HTTP/1.1 200 "));
        }
        assert_eq!(door.counts.shed.load(Ordering::Relaxed), 4);
        for client in &mut slow[..3] {
            assert_eq!(read_to_end(client), "");
        }
        assert!(read_to_end(&mut slow[3]).len() < LONG);
        send(&mut new[0], "GET /release HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(read_answer(&mut served).starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn a_closed_door_lets_requests_finish() {
        let (door, _redeemed) = open(LIMITS);
        let (mut idle, mut asking) = (connect(&door), connect(&door));
        send(&mut idle, GET);
        read_answer(&mut idle);
        send(&mut asking, "GET");
        wait_until(|| count_at(&door, Phase::Idle) == 1 && count_at(&door, Phase::Asking) == 1);

        door.close();
        assert_eq!(read_to_end(&mut idle), "");
        assert!(TcpStream::connect(door.address).is_err());
        assert!(!door.drain(Instant::now()));

        send(&mut asking, &GET[3..]);
        let last = read_to_end(&mut asking);
        assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("\r\nConnection: close\r\n"), "{last}");
        assert!(door.drain(Instant::now() + Duration::from_secs(10)));
        door.close();
    }

    #[test]
    fn without_descriptors_clients_are_told_and_later_served_again() {
        // In a process of its own, for the others need their descriptors.
        let tests = std::env::current_exe().unwrap();
        let name = "door::tests::with_few_descriptors";
        let output = Command::new(tests).args(["--ignored", "--exact", name]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "started by the test above, in a process of its own"]
    fn with_few_descriptors() {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let (door, _redeemed) = open(LIMITS);
        let mut first = connect(&door);
        send(&mut first, GET);
        read_answer(&mut first);

        // All that is left is taken, but for this test's own ends.
        let ends: Vec<_> = (0..40).map(|_| connect_later()).collect();
        setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: Some(200) }).unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        assert!(taken.len() > 10);

        let mut clients = Vec::new();
        for end in ends {
            rustix::net::connect(&end, &door.address).unwrap();
            let mut client = TcpStream::from(end);
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            send(&mut client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = read_to_end(&mut client);
            // The acceptor was waiting for the first of them before the descriptors were taken.
            let expected = if clients.is_empty() { "HTTP/1.1 200 " } else { "HTTP/1.1 503 " };
            assert!(answer.starts_with(expected), "{answer}");
            clients.push(client);
        }
        send(&mut first, GET);
        assert!(read_answer(&mut first).starts_with("HTTP/1.1 200 "));

        drop(taken);
        let mut later = connect(&door);
        send(&mut later, GET);
        assert!(read_answer(&mut later).starts_with("HTTP/1.1 200 "));
        assert!(door.counts.accept_errors.load(Ordering::Relaxed) > 0);
    }

    /// A socket whose descriptor is taken before it is connected.
    fn connect_later() -> std::os::fd::OwnedFd {
        use rustix::net::{AddressFamily, SocketType, socket};
        socket(AddressFamily::INET, SocketType::STREAM, None).unwrap()
    }
}
