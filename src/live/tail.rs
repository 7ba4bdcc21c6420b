//! The tail: one thread that follows the log and sends what is new to every live stream.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::events::{Encoded, Format, push_word, typing_json};
use super::stream::Stream;
use super::{Inbox, Live};
use crate::error::Result;
use crate::log;
use crate::store::LogReader;
use crate::visitor::session::Session;

/// A socket whose other end is gone tells it only when it is asked; this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Tabs of one session that may hold a stream: a browser opens six connections to a host at most, and a page needs
/// some for itself.
const TABS: usize = 3;

pub struct Tail {
    live: Arc<Live>,
    log: LogReader,
    /// Every live stream has had all up to here: it is their common cursor.
    cursor: i64,
    /// Their sockets never block.
    streams: Vec<Stream>,
    joiners: Vec<Stream>,
    /// The log has changed since it was last read to its end.
    has_news: bool,
    rings_heard: u64,
    spoke_at: Instant,
    swept_at: Instant,
}

/// What became of a write that must not wait.
enum Sent {
    All,
    /// The socket took no more than this.
    Part(usize),
    Gone,
}

impl Tail {
    pub fn new(live: Arc<Live>) -> Result<Tail> {
        let log = live.store.log_reader()?;
        let (cursor, now) = (log.head()?, Instant::now());
        Ok(Tail {
            live,
            log,
            cursor,
            streams: Vec::new(),
            joiners: Vec::new(),
            has_news: false,
            rings_heard: 0,
            spoke_at: now,
            swept_at: now,
        })
    }

    /// Runs until the server closes. A fault here would silence everybody: the streams of a tail that falls end with
    /// it, and their readers come back to the next one.
    pub fn run_for_ever(self) {
        let live = Arc::clone(&self.live);
        let mut tail = Ok(self);
        loop {
            match tail {
                Ok(tail) => drop(catch_unwind(AssertUnwindSafe(|| tail.run()))),
                Err(_) => std::thread::sleep(live.pace.poll), // the database may answer again
            }
            if live.is_closing() {
                return;
            }
            tail = Tail::new(Arc::clone(&live));
        }
    }

    /// One round after the other until the server closes.
    fn run(mut self) {
        while !self.live.is_closing() {
            // Posts keep step with the streams, as long as there are any.
            let in_step = !self.streams.is_empty();
            self.rings_heard = self.live.bell.listen(self.rings_heard, in_step, self.live.pace.poll);
            let inbox = self.live.take_inbox();
            if let Err(error) = self.round(inbox) {
                log::warn("the log cannot be read", &[("cause", &error)]); // the next round tries again
            }
        }
        for stream in self.streams.iter().chain(&self.joiners) {
            let _ = stream.socket.shutdown(Shutdown::Write);
        }
    }

    fn round(&mut self, mut inbox: Inbox) -> Result<()> {
        self.joiners.append(&mut inbox.joiners);
        self.has_news |= self.log.changed()?;
        if self.has_news || !self.joiners.is_empty() {
            self.follow_log()?; // where that fails, there is still news for the next round
            self.has_news = false;
        }
        // Joiners come last: they are given the presence there is now, of which the others have just been told.
        self.tell(&inbox.typing);
        self.admit_joiners()?;
        let now = Instant::now();
        if inbox.sweep || now.duration_since(self.swept_at) >= SWEEP_EVERY {
            self.sweep(now);
        }
        Ok(())
    }

    /// Sends what is new in the log, page by page, until there is no more.
    fn follow_log(&mut self) -> Result<()> {
        if self.streams.is_empty() {
            self.cursor = self.log.head()?; // what nobody was here to see need not be read
            return Ok(());
        }
        loop {
            let mut events = Encoded::new(Format::Events, self.cursor);
            let mut lines = Encoded::new(Format::Lines, self.cursor);
            let wants_lines = self.streams.iter().any(|stream| stream.format == Format::Lines);
            let is_all = self.log.revisions_after(self.cursor, &mut |revision| {
                events.push(revision);
                if wants_lines {
                    lines.push(revision);
                }
            })?;
            if events.is_empty() {
                return Ok(());
            }
            self.cursor = events.end();
            self.fan_out(&events, &lines);
            self.spoke_at = Instant::now();
            if is_all {
                return Ok(());
            }
        }
    }

    fn fan_out(&mut self, events: &Encoded, lines: &Encoded) {
        self.live.metrics.deliveries.add(self.streams.len() as u64);
        let mut at = 0;
        while let Some(stream) = self.streams.get(at) {
            let encoded = if stream.format == Format::Events { events } else { lines };
            match send(stream, &encoded.bytes) {
                Sent::All => at += 1,
                Sent::Gone => drop(self.streams.swap_remove(at)),
                Sent::Part(sent) => {
                    let mut stream = self.streams.swap_remove(at);
                    let (rest, cursor) = encoded.cut_at(sent);
                    (stream.rest, stream.cursor) = (rest.to_vec(), cursor);
                    stream.fall_behind(&self.live);
                }
            }
        }
    }

    /// Takes in the streams that have caught up. One that has read further than the tail waits for it; one that the
    /// tail has passed is given what lies between, by the same query.
    fn admit_joiners(&mut self) -> Result<()> {
        if self.joiners.is_empty() {
            return Ok(());
        }
        let mut presence = Vec::new();
        push_word(&mut presence, "presence", &self.live.presence.json());
        for mut stream in std::mem::take(&mut self.joiners) {
            if stream.cursor > self.cursor {
                self.joiners.push(stream);
                continue;
            }
            if stream.cursor < self.cursor {
                let mut missed = Encoded::new(stream.format, stream.cursor);
                self.log.revisions_after(stream.cursor, &mut |revision| missed.push(revision))?;
                (stream.cursor, stream.rest) = (missed.end(), missed.bytes);
            }
            if stream.cursor < self.cursor || !stream.rest.is_empty() && !self.send_rest(&mut stream) {
                stream.fall_behind(&self.live);
                continue;
            }
            // It may have read beyond the tail by now, when someone has just posted: then it waits a round.
            if stream.cursor > self.cursor {
                self.joiners.push(stream);
                continue;
            }
            self.admit(stream, &presence);
        }
        Ok(())
    }

    /// Whether a joiner's socket took all that it had missed.
    fn send_rest(&self, stream: &mut Stream) -> bool {
        match send(stream, &stream.rest) {
            Sent::All => stream.rest.clear(),
            Sent::Part(sent) => drop(stream.rest.drain(..sent)),
            Sent::Gone => {}
        }
        stream.rest.is_empty()
    }

    fn admit(&mut self, stream: Stream, presence: &[u8]) {
        if stream.format == Format::Events && !matches!(send(&stream, presence), Sent::All) {
            return; // a socket that takes nothing right after its backlog is gone, or will come back
        }
        let tab_of = stream.is_tab.then(|| Arc::clone(&stream.present.session));
        self.streams.push(stream);
        if let Some(session) = tab_of {
            self.park_older_tabs(&session);
        }
    }

    /// Asks all but the newest tabs of a session to close their stream while nobody looks at them.
    fn park_older_tabs(&mut self, session: &Session) {
        let is_tab =
            |stream: &Stream| stream.is_tab && stream.present.session.fingerprint == session.fingerprint;
        let tabs = self.streams.iter().filter(|stream| is_tab(stream));
        let mut newest_first: Vec<Instant> = tabs.map(|stream| stream.opened_at).collect();
        newest_first.sort_unstable_by(|one, other| other.cmp(one));
        let Some(&newest_to_go) = newest_first.get(TABS) else { return };
        let mut parked = Vec::new();
        push_word(&mut parked, "parked", "{}");
        self.say(&parked, |stream| is_tab(stream) && stream.opened_at <= newest_to_go);
    }

    /// What is true now and stored nowhere: who is here, who writes, that the line still stands.
    fn tell(&mut self, typing: &[String]) {
        let mut words = Vec::new();
        let now = Instant::now();
        if self.live.presence.is_due(now) {
            push_word(&mut words, "presence", &self.live.presence.json());
        }
        for name in typing {
            push_word(&mut words, "typing", &typing_json(name));
        }
        if words.is_empty() && now.duration_since(self.spoke_at) >= self.live.pace.heartbeat {
            push_word(&mut words, "ping", "{}");
        }
        if words.is_empty() {
            return;
        }
        self.spoke_at = now;
        self.say(&words, |stream| stream.format == Format::Events);
    }

    /// Says `words` to some of the streams. They may be dropped, as long as none of their bytes is out.
    fn say(&mut self, words: &[u8], to: impl Fn(&Stream) -> bool) {
        let mut at = 0;
        while let Some(stream) = self.streams.get(at) {
            let sent = if to(stream) { send(stream, words) } else { Sent::All };
            match sent {
                Sent::All | Sent::Part(0) => at += 1,
                Sent::Gone => drop(self.streams.swap_remove(at)),
                Sent::Part(sent) => {
                    let mut stream = self.streams.swap_remove(at);
                    (stream.rest, stream.cursor) = (words[sent..].to_vec(), self.cursor);
                    stream.fall_behind(&self.live);
                }
            }
        }
    }

    /// Lets go of streams whose socket has closed or whose session has ended.
    fn sweep(&mut self, now: Instant) {
        self.swept_at = now;
        self.streams.retain(|stream| {
            let is_over = stream.present.session.is_ended();
            if is_over {
                let _ = stream.socket.shutdown(Shutdown::Write);
            }
            !is_over && is_open(stream)
        });
    }
}

fn send(stream: &Stream, bytes: &[u8]) -> Sent {
    loop {
        return match (&stream.socket).write(bytes) {
            Ok(sent) if sent == bytes.len() => Sent::All,
            Ok(sent) => Sent::Part(sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Sent::Part(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => Sent::Gone,
        };
    }
}

/// Whether the other end is still there. What it sends on an open stream means nothing, and is read away.
fn is_open(stream: &Stream) -> bool {
    let mut unwanted = [0; 512];
    match (&stream.socket).read(&mut unwanted) {
        Ok(length) => length > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use rand::rngs::ChaCha12Rng;
    use rand::{Rng, RngExt, SeedableRng};

    use super::*;
    use crate::live::{Pace, Start};
    use crate::metrics::Metrics;
    use crate::store::{Draft, Scratch};
    use crate::visitor::session::Sessions;

    const POSTERS: usize = 4;
    const MESSAGES_EACH: usize = 150;
    const READERS: usize = 12;

    /// Opens a stream behind `cursor`, as a page does, and gives the reader's end.
    fn open(live: &Arc<Live>, session: &Arc<Session>, cursor: i64) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = listener.accept().unwrap().0;
        let (live, present) = (Arc::clone(live), live.presence.arrive(Arc::clone(session)));
        std::thread::spawn(move || {
            let start = Start { last_event_id: Some(cursor.to_string()), backlog: None };
            let place = live.place().unwrap();
            Stream::open(&live, socket, Format::Events, &start, present, place, false)
                .unwrap()
                .catch_up(&live);
        });
        reader
    }

    /// Reads whole events until the revision `last`, or until it has had enough; the revisions it was given.
    fn read(mut reader: TcpStream, last: i64, enough: usize, mut pause: impl FnMut()) -> Vec<i64> {
        let (mut text, mut seen) = (Vec::new(), Vec::new());
        let mut piece = [0; 700]; // odd and small, so that events are cut everywhere
        while seen.last() != Some(&last) && seen.len() < enough {
            let length = reader.read(&mut piece).unwrap();
            assert!(length > 0, "the stream ended after {:?}", seen.last());
            text.extend_from_slice(&piece[..length]);
            while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = text.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                seen.extend(
                    event
                        .strip_prefix("id: ")
                        .map(|rest| rest.split('\n').next().unwrap().parse::<i64>().unwrap()),
                );
            }
            pause();
        }
        seen
    }

    /// Streams come, go, resume and read slowly while several post: each must see every revision once, in order.
    #[test]
    fn whoever_joins_whenever_sees_each_revision_once_in_order() {
        let seed: u64 = rand::random();
        eprintln!("seed {seed}"); // shown when the test fails
        let scratch = Scratch::new("stress");
        let pace =
            Pace { poll: Duration::from_millis(50), heartbeat: Duration::from_secs(1), max_streams: 100 };
        let bell = Arc::clone(&scratch.bell);
        let (live, tail) =
            Live::start(Arc::clone(&scratch.store), bell, Arc::new(Metrics::default()), pace).unwrap();
        let sessions = Sessions::new(Arc::clone(&scratch.store));
        let session = sessions.find(&sessions.sign_in("Puck", 0).unwrap(), 0).unwrap().unwrap();
        let last = (POSTERS * MESSAGES_EACH) as i64;
        std::thread::scope(|scope| {
            for poster in 0..POSTERS {
                let store = &scratch.store;
                scope.spawn(move || {
                    let mut random = ChaCha12Rng::seed_from_u64(seed ^ poster as u64);
                    for _ in 0..MESSAGES_EACH {
                        let content = "x".repeat(random.random_range(1..3_000));
                        let draft = Draft { author: "Puck".to_owned(), content, client_id: None };
                        store.create_message(draft, |created| drop(created.unwrap()));
                    }
                });
            }
            for reader in 0..READERS {
                let (live, session) = (&live, &session);
                scope.spawn(move || {
                    let mut random = ChaCha12Rng::seed_from_u64(seed ^ (1_000 + reader as u64));
                    let mut seen = Vec::new();
                    while seen.last() != Some(&last) {
                        let cursor = seen.last().copied().unwrap_or(0);
                        let enough = random.random_range(1..200);
                        let slowness = random.next_u32() % 3;
                        let stream = open(live, session, cursor);
                        seen.extend(read(stream, last, enough, || {
                            if slowness == 0 {
                                std::thread::yield_now();
                            }
                        }));
                    }
                    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
                });
            }
        });
        live.close(tail, Instant::now() + Duration::from_secs(5));
        assert_eq!(live.open_streams(), 0, "every stream has ended");
    }
}
