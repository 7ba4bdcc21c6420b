//! The door: it owns the listener, gives each connection a thread, and lets only clean, whole, bounded requests
//! through to the library behind. It knows bytes and deadlines; no route, no session, no cookie.

mod bridge;
mod framing;
mod limits;
mod listener;

pub use bridge::Bridge;
pub use limits::Limits;
pub use listener::{inherit, listen};

use bridge::Answer;
use framing::{Inbox, Refusal, Request, Unread, Wire};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Connections the system keeps for us until they are accepted: after a restart every stream comes back within a
/// second or two. The standard library asks for 128.
const BACKLOG: i32 = 4096;
/// A connection's stack. Its own work needs a tenth; but the thread may go on to read SQLite as a stream.
const STACK: usize = 256 * 1024;
/// How long a client may take none of its answer.
const STALL_TIME: Duration = Duration::from_secs(20);
/// How long a client may take for an answer, or for each piece of a long one: 1 MiB at 140 kbit/s.
const SEND_TIME: Duration = Duration::from_secs(60);
/// How long a closing connection is still read, so that the client gets the answer and not a reset.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// The same while the whole door closes.
const SHORT_LINGER_TIME: Duration = Duration::from_millis(200);
/// And how many bytes of it are read and dropped.
const LINGER_BYTES: usize = 8 * 1024 * 1024;
/// How long one who has just come may take to begin a request while the door closes: most send it as they come.
const FIRST_WORD_TIME: Duration = Duration::from_millis(200);
/// How long a connection must have been idle to be closed in favour of a new one.
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
    opened: Instant,
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
    /// Idle connections closed in favour of new ones.
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
            opened: Instant::now(),
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
        for connection in inside.values().filter(|connection| !connection.is_fresh()) {
            connection.close_if_idle();
        }
        let some_are_fresh =
            |inside: &mut HashMap<u64, Arc<Connection>>| inside.values().any(|one| one.is_fresh());
        let waited = self.somebody_left.wait_timeout_while(inside, FIRST_WORD_TIME, some_are_fresh);
        for connection in waited.unwrap_or_else(PoisonError::into_inner).0.values() {
            connection.close_if_idle();
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
        let mut spares: Vec<File> = Vec::new();
        let mut refused = VecDeque::new();
        for id in 0.. {
            while spares.len() < SPARES
                && let Ok(spare) = File::open("/dev/null")
            {
                spares.push(spare);
            }
            let accepted = listener.accept();
            // Read before the client is let in: one who was taken from the queue has to be answered by this program.
            let is_last = self.is_closing();
            match accepted {
                Ok((client, peer)) => {
                    if let Err(client) = self.let_in(id, client, peer) {
                        self.refuse(client, &mut refused);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    bump(&self.counts.accept_errors);
                    // Out of descriptors, the client still waits in the queue: a spare lets us tell it.
                    let told = is_out_of_descriptors(&error)
                        && spares.pop().is_some()
                        && listener.accept().map(|(client, _)| self.refuse(client, &mut refused)).is_ok();
                    refused.clear();
                    if !told {
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
    fn let_in(self: &Arc<Self>, id: u64, client: TcpStream, peer: SocketAddr) -> Result<(), TcpStream> {
        if self.connections() >= self.limits.connections && !self.shed_one() {
            return Err(client);
        }
        let connection = Arc::new(Connection::new(client, self.opened.elapsed()));
        lock(&self.inside).insert(id, Arc::clone(&connection));
        let door = Arc::clone(self);
        let thread = thread::Builder::new().name("conn".into()).stack_size(STACK);
        match thread.spawn(move || door.attend(id, connection, peer)) {
            Ok(_) => {
                bump(&self.counts.accepted);
                Ok(())
            }
            Err(_) => match self.leave(id).and_then(Arc::into_inner) {
                Some(connection) => Err(connection.client),
                None => Ok(()),
            },
        }
    }

    /// Closes the connection that has been idle for longest, if it has been for long enough.
    fn shed_one(&self) -> bool {
        let idle_before = self.opened.elapsed().saturating_sub(SHED_AFTER).as_millis() as u64;
        let inside = lock(&self.inside);
        let idle = inside.values().filter_map(|connection| Some((connection.idle_since()?, connection)));
        let longest = idle.filter(|(since, _)| *since <= idle_before).min_by_key(|(since, _)| *since);
        let shed = longest.is_some_and(|(_, connection)| connection.close_if_idle());
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
        if refused.len() > REFUSED_KEPT
            && let Some(mut oldest) = refused.pop_front()
        {
            let _ = oldest.read(&mut [0; 8192]);
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
            connection.rest(self.opened.elapsed());
            if self.is_closing() && !connection.is_fresh()
                || inbox.wait(&mut socket).is_err()
                || !connection.begin()
            {
                return None;
            }
            match inbox.read_request(&mut socket, &peer, &mut request) {
                Ok(()) => bump(&self.counts.requests),
                Err(Unread::Gone) => return None,
                Err(Unread::Refused(refusal)) => {
                    bump(&self.counts.malformed);
                    socket.send(&answer_to(refusal, false)).ok()?;
                    break;
                }
            }
            let mut keep_alive = request.keep_alive;
            let ending = || {
                keep_alive &= !self.is_closing();
                match keep_alive {
                    false => "Connection: close\r\n",
                    true if request.is_old => "Connection: keep-alive\r\n",
                    true => "",
                }
            };
            match self.bridge.cross(&request, ending, &mut answer) {
                Ok(Answer::Whole) => socket.send(&answer).ok()?,
                Ok(Answer::Ticket(ticket)) => return Some(ticket),
                Ok(Answer::Long(mut rest)) => {
                    while !answer.is_empty() {
                        socket.send(&answer).ok()?;
                        rest.next_piece(&mut answer).ok()?;
                    }
                }
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

/// A client's connection, and whether it may be closed from outside: only while it is idle.
struct Connection {
    client: TcpStream,
    state: AtomicU8,
    /// Milliseconds since the door was opened.
    idle_since: AtomicU64,
}

const IDLE: u8 = 0;
const BUSY: u8 = 1;
const CLOSED: u8 = 2;
/// Idle, and never anything else.
const FRESH: u8 = 3;

impl Connection {
    fn new(client: TcpStream, now: Duration) -> Connection {
        let idle_since = AtomicU64::new(now.as_millis() as u64);
        Connection { client, state: AtomicU8::new(FRESH), idle_since }
    }

    fn rest(&self, now: Duration) {
        self.idle_since.store(now.as_millis() as u64, Ordering::SeqCst);
        let _ = self.state.compare_exchange(BUSY, IDLE, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// A request has begun; false when the connection has been closed first.
    fn begin(&self) -> bool {
        self.leave_idleness(BUSY)
    }

    fn is_fresh(&self) -> bool {
        self.state.load(Ordering::SeqCst) == FRESH
    }

    fn leave_idleness(&self, to: u8) -> bool {
        let from = |from| self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        from(IDLE) || from(FRESH)
    }

    fn idle_since(&self) -> Option<u64> {
        matches!(self.state.load(Ordering::SeqCst), IDLE | FRESH)
            .then(|| self.idle_since.load(Ordering::SeqCst))
    }

    /// Wakes the connection's thread with an end of its input.
    fn close_if_idle(&self) -> bool {
        let idle = self.leave_idleness(CLOSED);
        if idle {
            let _ = self.client.shutdown(Shutdown::Read);
        }
        idle
    }
}

/// A client's socket under deadlines.
struct Socket<'a> {
    client: &'a TcpStream,
    /// The read timeout it has; setting it again would be a system call for nothing.
    timeout: Duration,
}

impl<'a> Socket<'a> {
    fn new(client: &'a TcpStream) -> io::Result<Socket<'a>> {
        client.set_nodelay(true)?;
        client.set_write_timeout(Some(STALL_TIME))?;
        Ok(Socket { client, timeout: Duration::ZERO })
    }

    /// Sends all of `bytes`, in one go when the client takes them.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = write_some(self.client, bytes)?;
        if sent == bytes.len() {
            return Ok(());
        }
        let deadline = Instant::now() + SEND_TIME;
        while sent < bytes.len() {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sent += write_some(self.client, &bytes[sent..])?;
        }
        Ok(())
    }

    /// Says that nothing more will come, and reads what is still under way: a socket closed with unread bytes sends a
    /// reset, and the reset overtakes the answer.
    fn linger(&mut self, time: Duration) {
        let _ = self.client.shutdown(Shutdown::Write);
        let deadline = Instant::now() + time;
        let mut left = LINGER_BYTES;
        let mut dropped = [0; 8192];
        while left > 0 {
            match self.read(&mut dropped, deadline) {
                Ok(0) | Err(_) => return,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
    }
}

impl Wire for Socket<'_> {
    fn read(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let timeout = rounded(left);
            if timeout != self.timeout {
                self.client.set_read_timeout(Some(timeout))?;
                self.timeout = timeout;
            }
            match self.client.read(into) {
                Err(error) if is_for_another_try(&error) => {}
                result => return result,
            }
        }
    }

    fn go_on(&mut self) -> io::Result<()> {
        self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

fn write_some(mut client: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match client.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Up to the next whole second, so that the same wait has the same timeout each time; short ones stay as they are.
fn rounded(left: Duration) -> Duration {
    if left < Duration::from_secs(1) {
        return left.max(Duration::from_millis(1));
    }
    Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

/// A timeout ran out, perhaps a little early, or a signal came: the deadline decides.
fn is_for_another_try(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
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
fn reachable(mut address: SocketAddr) -> SocketAddr {
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

/// No lock here is held over anything that can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
