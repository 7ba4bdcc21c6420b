//! The door: it owns the listener, gives each connection a thread, and lets only clean, whole, bounded requests
//! through to the library behind. It knows bytes and deadlines; no route, no session, no cookie.

mod bridge;
mod connection;
mod head;
mod framing;
mod limits;
mod listener;
mod refusal;

pub use bridge::Bridge;
pub use limits::Limits;
pub use listener::{inherit, listen, reachable};

use crate::metrics::Counter;
use connection::{Connection, Phase};
use refusal::Refusal;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Connections the system keeps for us until they are accepted: after a restart every stream comes back within a
/// second or two. The standard library asks for 128.
const BACKLOG: i32 = 4096;
/// A connection's stack. Its own work needs a tenth; but the thread may go on to read SQLite as a stream.
const STACK: usize = 256 * 1024;
/// How long a client must have kept us waiting to be let go in favour of a new one.
const SHED_AFTER: Duration = Duration::from_secs(1);
/// How long one who has just come, or just been answered, may take to begin a request while the door closes: most send
/// it as they come.
const LAST_WORD_TIME: Duration = Duration::from_millis(200);
/// The pause after `accept` failed for want of something that only time brings back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How long closing waits to reach its own acceptor.
const WAKE_TIME: Duration = Duration::from_secs(1);

const FULL: Refusal = Refusal::busy("too many connections, please try again");

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
    pub accepted: Counter,
    /// Connections turned away with 503.
    pub refused: Counter,
    /// Connections closed in favour of new ones, since their clients kept us waiting.
    pub shed: Counter,
    /// Requests refused for their form, size or slowness.
    pub malformed: Counter,
    /// Requests that were handed on in vain: nobody free, no answer, a broken one.
    pub unanswered: Counter,
    /// Errors of `accept`.
    pub accept_errors: Counter,
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
            inside: Mutex::default(),
            somebody_left: Condvar::new(),
        });
        let accepting = Arc::clone(&door);
        let acceptor =
            thread::Builder::new().name("door".into()).spawn(move || accepting.accept(&listener))?;
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
        self.close_idle(LAST_WORD_TIME);
        self.wait_while(LAST_WORD_TIME, |connection| connection.at().0 == Phase::Idle);
        self.close_idle(Duration::ZERO);
    }

    /// Waits, once closed, until nobody stands in the door any more; false when that takes beyond `deadline`. Streams
    /// have left it.
    pub fn drain(&self, deadline: Instant) -> bool {
        self.wait_while(deadline.saturating_duration_since(Instant::now()), |_| true);
        self.connections() == 0
    }

    /// Open connections that are not streams.
    pub fn connections(&self) -> usize {
        lock(&self.inside).len()
    }

    fn close_idle(&self, time: Duration) {
        for connection in lock(&self.inside).values() {
            connection.close_if(&[Phase::Idle], time);
        }
    }

    /// Waits while `somebody` is inside, but for no longer than `time`.
    fn wait_while(&self, time: Duration, somebody: impl Fn(&Connection) -> bool) {
        let is_inside = |inside: &mut HashMap<_, Arc<_>>| inside.values().any(|it| somebody(it));
        drop(self.somebody_left.wait_timeout_while(lock(&self.inside), time, is_inside));
    }

    /// The acceptor: no error ends it.
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        // A descriptor held back, so that a client can still be told when there are no others: a copy of this one,
        // for nothing else is there everywhere, not even /dev/null.
        let mut spare = None;
        for id in 0.. {
            let accepted = listener.accept();
            // Read before the client is let in: one who was taken from the queue has to be answered by this program.
            let is_last = self.is_closing();
            match accepted {
                Ok((client, peer)) => {
                    spare = spare.or_else(|| listener.try_clone().ok());
                    if spare.is_some() && self.has_room() {
                        self.let_in(id, client, peer);
                    } else {
                        self.refuse(&client);
                    }
                }
                Err(_) => {
                    self.counts.accept_errors.add(1);
                    if spare.take().is_none() {
                        thread::sleep(ACCEPT_PAUSE);
                    }
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Whether one more may come in. In a full door whoever has kept us waiting for longest is let go for that, silent,
    /// asking drop by drop or not reading: so those who come can come in, however many stand around.
    fn has_room(&self) -> bool {
        let inside = lock(&self.inside);
        if inside.len() < self.limits.connections {
            return true;
        }
        let waiting = inside.values().filter_map(|connection| Some((connection.waits_since()?, connection)));
        let longest = waiting.min_by_key(|(since, _)| *since);
        let waits = [Phase::Idle, Phase::Talking];
        let is_shed = longest.is_some_and(|(_, connection)| connection.close_if(&waits, SHED_AFTER));
        self.counts.shed.add(u64::from(is_shed));
        is_shed
    }

    /// Gives a client its thread.
    fn let_in(self: &Arc<Self>, id: u64, client: TcpStream, peer: SocketAddr) {
        let connection = Arc::new(Connection::new(client));
        lock(&self.inside).insert(id, Arc::clone(&connection));
        let door = Arc::clone(self);
        let thread = thread::Builder::new().name("conn".into()).stack_size(STACK);
        match thread.spawn(move || door.attend(id, connection, peer)) {
            Ok(_) => self.counts.accepted.add(1),
            Err(_) => {
                if let Some(connection) = self.leave(id) {
                    self.refuse(&connection.client);
                }
            }
        }
    }

    /// Turns a client away without ever waiting for it. What it has asked is read: unread, it would cause a reset.
    fn refuse(&self, mut client: &TcpStream) {
        self.counts.refused.add(1);
        if client.set_nonblocking(true).is_ok() {
            let _ = client.write(&FULL.answer(false));
            let _ = client.shutdown(Shutdown::Write);
            let _ = client.read(&mut [0; 8192]);
        }
    }

    /// A connection's thread.
    fn attend(self: Arc<Self>, id: u64, connection: Arc<Connection>, peer: SocketAddr) {
        let place = Place { door: &self, id };
        let ticket = connection.converse(&self, peer);
        drop(place);

        // All others who hold a connection do so under the lock that it has just been taken from.
        let (Some(ticket), Some(connection)) = (ticket, Arc::into_inner(connection)) else { return };
        let client = connection.client;
        if client.set_read_timeout(None).is_ok() && client.set_write_timeout(None).is_ok() {
            (self.redeem)(ticket, client);
        }
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

/// No lock in here is held over anything that a panic can leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::bridge::tests::{page, serve};
    use super::*;
    use std::process::Command;
    use std::sync::mpsc::{Receiver, channel};

    const LIMITS: Limits = Limits { connections: 100, streams: 10, descriptors: 1000 };
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A door before a fake library that echoes requests, and the streams that come out of it.
    fn open(connections: usize) -> (Arc<Door>, Receiver<(u64, TcpStream)>) {
        let (release, held) = channel();
        let held = Mutex::new(held);
        let served = serve(move |request| match request.split(' ').nth(1).unwrap() {
            "/held" => lock(&held).recv().map(|()| page("held")).unwrap(),
            "/release" => release.send(()).map(|()| page("")).unwrap(),
            "/stream" => page("").replacen("\r\n", "\r\nParlor-Ticket: 5\r\n", 1),
            "/panic" => page("").replacen("\r\n", "\r\nParlor-Ticket: 6\r\n", 1),
            "/long" => page(&"x".repeat(20_000_000)),
            "/lost" => String::new(),
            _ => page(request),
        });
        let (redeem, redeemed) = channel();
        let redeem = move |ticket, client| match ticket {
            6 => panic!("a stream that goes wrong"),
            _ => redeem.send((ticket, client)).unwrap(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let bridge = Bridge::open(&served.0, 4).unwrap();
        let limits = Limits { connections, ..LIMITS };
        (Door::open(listener, bridge, limits, Arc::new(redeem)).unwrap(), redeemed)
    }

    /// A client that is never waited for in vain, and has said this.
    fn connect(door: &Door, words: &str) -> TcpStream {
        let client = TcpStream::connect(door.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (&client).write_all(words.as_bytes()).unwrap();
        client
    }

    /// All that comes until the connection ends.
    fn hear(mut client: &TcpStream) -> String {
        let mut text = Vec::new();
        client.read_to_end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn wait_until(fact: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !fact() {
            assert!(Instant::now() < deadline, "it did not come true");
            thread::yield_now();
        }
    }

    fn count_at(door: &Door, phase: Phase) -> usize {
        lock(&door.inside).values().filter(|connection| connection.at().0 == phase).count()
    }

    #[test]
    fn requests_are_answered_in_their_order_until_one_is_the_last() {
        let (door, _redeemed) = open(100);
        let old = GET.replace("1.1\r\n", "1.0\r\nConnection: keep-alive\r\n");
        for (last, end) in [
            ("GET /last HTTP/1.0\r\n\r\n", "GET /last HTTP/1.1\r\n"),
            ("HEAD /lost HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n"),
            ("GET /last", "HTTP/1.1 400 Bad Request\r\n"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\nabc", "HTTP/1.1 413 "),
        ] {
            let client = connect(&door, &format!("{old}{}{last}", GET.replace("/ ", "/2 ")));
            client.shutdown(Shutdown::Write).unwrap();
            let heard = hear(&client);
            let places = ["GET / ", "GET /2 ", end].map(|word| heard.find(word).expect(word));
            assert!(places.is_sorted(), "{heard}");
            assert_eq!(heard.matches("\r\nConnection: keep-alive\r\n").count(), 2, "{heard}");
            assert_eq!(heard.matches("\r\nConnection: close\r\n").count(), 1, "{heard}");
        }
        wait_until(|| door.connections() == 0);
        assert_eq!((door.counts.malformed.get(), door.counts.unanswered.get()), (2, 1));
    }

    #[test]
    fn a_ticket_takes_the_connection_over_and_a_panic_takes_nobodys_place() {
        let (door, redeemed) = open(1);
        let panics = || hear(&connect(&door, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!([panics(), panics(), panics()], ["", "", ""]);
        let client = connect(&door, &format!("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n{GET}"));
        let (ticket, mut stream) = redeemed.recv().unwrap();
        assert_eq!((ticket, door.connections()), (5, 0));
        assert_eq!((stream.read_timeout().unwrap(), stream.write_timeout().unwrap()), (None, None));
        assert!(stream.nodelay().unwrap());
        stream.write_all(b"data: {}\n\n").unwrap();
        drop(stream);
        assert_eq!(hear(&client), "data: {}\n\n");
    }

    #[test]
    fn a_full_door_says_so_and_lets_go_who_keeps_it_waiting() {
        let (door, _redeemed) = open(4);
        let long = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n";
        let slow = ["", &GET[..5], long].map(|words| connect(&door, words));
        wait_until(|| count_at(&door, Phase::Talking) == 2);
        let served = connect(&door, "GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        wait_until(|| count_at(&door, Phase::Crossing) == 1);
        let heard = hear(&connect(&door, ""));
        assert!(heard.starts_with("HTTP/1.1 503 ") && heard.contains("Retry-After: 2\r\n"), "{heard}");
        let waits = |it: &Arc<Connection>| it.waits_since().is_some_and(|it| it.elapsed() > SHED_AFTER);
        wait_until(|| lock(&door.inside).values().filter(|it| waits(it)).count() == 3);
        let last = "GET /release HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let new = [GET, GET, last].map(|words| connect(&door, words));
        assert!(hear(&new[2]).starts_with("HTTP/1.1 200 ") && hear(&served).ends_with("held"));
        assert_eq!((hear(&slow[0]).len(), hear(&slow[1]).len()), (0, 0));
        assert!(hear(&slow[2]).len() < 20_000_000);
        assert_eq!((door.counts.refused.get(), door.counts.shed.get()), (1, 3));
    }

    #[test]
    fn a_closed_door_lets_requests_finish() {
        let (door, _redeemed) = open(100);
        let (idle, asking) = (connect(&door, ""), connect(&door, "GET"));
        wait_until(|| count_at(&door, Phase::Idle) == 1 && count_at(&door, Phase::Talking) == 1);
        door.close();
        assert_eq!(hear(&idle), "");
        assert!(TcpStream::connect(door.address).is_err());
        assert!(!door.drain(Instant::now()));
        (&asking).write_all(&GET.as_bytes()[3..]).unwrap();
        let last = hear(&asking);
        assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("\r\nConnection: close\r\n"), "{last}");
        drop(asking);
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
        use rustix::net::{AddressFamily, SocketType, socket};
        use rustix::process::{Resource, Rlimit, setrlimit};
        let (door, _redeemed) = open(100);
        let last = GET.replace("a\r\n", "a\r\nConnection: close\r\n");
        assert!(hear(&connect(&door, &last)).starts_with("HTTP/1.1 200 "));
        // All that is left is taken, but for this test's own ends.
        let ends: Vec<_> =
            (0..40).map(|_| socket(AddressFamily::INET, SocketType::STREAM, None).unwrap()).collect();
        setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: Some(200) }).unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        assert!(taken.len() > 10);
        let clients = ends.iter().map(|end| {
            rustix::net::connect(end, &door.address).unwrap();
            rustix::io::write(end, last.as_bytes()).unwrap();
            let mut heard = [0; 12];
            rustix::net::recv(end, &mut heard[..], rustix::net::RecvFlags::WAITALL).unwrap();
            String::from_utf8(heard.to_vec()).unwrap()
        });
        // The acceptor was waiting for the first of them before the descriptors were taken.
        let told = clients.filter(|heard| heard == "HTTP/1.1 503").count();
        assert!(told > 35, "{told}");
        drop(taken);
        assert!(hear(&connect(&door, &last)).starts_with("HTTP/1.1 200 "));
        assert!(door.counts.accept_errors.get() > 0);
    }
}
