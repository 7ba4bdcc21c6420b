//! Many event streams read by one thread, and the book kept on what each of them got.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Result;
use crate::event_stream::{Event, EventReader, Mark};
use crate::http::Visitor;
use crate::poller::Poller;

/// Streams being opened at once: browsers coming back after a restart, not an attack.
const OPENING: usize = 32;

/// All streams have to be open after this.
const OPENING_TIME: Duration = Duration::from_secs(90);

/// One read takes at most this many bytes, so that a busy stream does not starve the others.
const READ_BYTES: usize = 256 * 1024;

struct Stream {
    /// None once the server has closed it.
    socket: Option<TcpStream>,
    reader: EventReader,
    got: Got,
}

/// What one stream has got.
struct Got {
    /// One bit for each message number.
    numbers: Vec<u64>,
    last_id: u64,
    /// The newest number of each poster.
    latest: Vec<u32>,
}

pub struct Crowd {
    poller: Poller,
    streams: Vec<Stream>,
    buffer: Vec<u8>,
    start: Instant,
    messages: usize,
    posters: usize,
    pub book: Book,
}

/// What all streams together have got, but for message 0, which only says that a stream is ready.
#[derive(Default)]
pub struct Book {
    pub ready: usize,
    pub delivered: usize,
    pub doubled: usize,
    pub reordered: usize,
    pub closed: usize,
    /// Microseconds from posting to each delivery.
    pub latencies: Vec<f32>,
    /// For each message, microseconds until the last stream had it.
    pub slowest: Vec<f32>,
    pub last_delivery: Option<Instant>,
}

impl Crowd {
    /// An empty crowd for `messages` messages from `posters` posters, stamped by a clock begun at `start`.
    pub fn new(messages: usize, posters: usize, start: Instant) -> Result<Crowd> {
        let book = Book { slowest: vec![0.0; messages + 1], ..Book::default() };
        let (poller, buffer) = (Poller::new()?, vec![0; READ_BYTES]);
        Ok(Crowd { poller, streams: Vec::new(), buffer, start, messages, posters, book })
    }

    /// Opens `count` streams; returns once each of them has message 0, which must be in the history.
    pub fn open(&mut self, count: usize, address: SocketAddr, visitors: &[Visitor]) -> Result<()> {
        let deadline = Instant::now() + OPENING_TIME;
        while self.book.ready < count {
            while self.streams.len() < count && self.streams.len() - self.book.ready < OPENING {
                let visitor = &visitors[self.streams.len() % visitors.len()];
                self.open_one(address, &visitor.get_stream(""))?;
            }
            self.attend(Duration::from_millis(100))?;
            if Instant::now() > deadline || self.book.closed > 0 {
                let Book { ready, closed, .. } = self.book;
                return Err(format!("{ready} of {count} streams opened, {closed} were closed").into());
            }
        }
        Ok(())
    }

    pub fn open_one(&mut self, address: SocketAddr, request: &[u8]) -> Result<()> {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(request)?;
        socket.set_nonblocking(true)?;
        self.poller.watch(&socket, self.streams.len())?;
        let numbers = vec![0; self.messages / 64 + 1];
        let got = Got { numbers, last_id: 0, latest: vec![0; self.posters] };
        self.streams.push(Stream { socket: Some(socket), reader: EventReader::default(), got });
        Ok(())
    }

    /// Reads what there is, waiting for it at most so long.
    pub fn attend(&mut self, at_most: Duration) -> Result<()> {
        for key in self.poller.wait(at_most)? {
            let Stream { socket, reader, got } = &mut self.streams[key];
            let Some(open) = socket else { continue };
            match open.read(&mut self.buffer) {
                Ok(count) if count > 0 => {
                    let now = Instant::now();
                    let since_start = (now - self.start).as_nanos() as u64;
                    reader.feed(&self.buffer[..count], |event| {
                        if self.book.enter(got, event, since_start) {
                            self.book.last_delivery = Some(now);
                        }
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => {
                    self.book.closed += 1;
                    *socket = None;
                }
            }
        }
        Ok(())
    }

    pub fn attend_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.attend(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// How many deliveries of the accepted messages are still missing, over all streams.
    pub fn missing(&self, accepted: &[u32]) -> usize {
        self.streams.iter().map(|stream| accepted.iter().filter(|n| !stream.got.has(**n)).count()).sum()
    }
}

impl Got {
    fn has(&self, number: u32) -> bool {
        self.numbers[number as usize / 64] & (1 << (number % 64)) != 0
    }
}

impl Book {
    /// Enters one event of a stream; true when it was a new delivery.
    fn enter(&mut self, got: &mut Got, event: Event, now: u64) -> bool {
        let Some(Mark { number, sent }) = event.mark else { return false };
        if number as usize >= self.slowest.len() {
            return false;
        }
        if got.has(number) {
            self.doubled += 1;
            return false;
        }
        got.numbers[number as usize / 64] |= 1 << (number % 64);
        let posters = got.latest.len();
        let latest = &mut got.latest[number as usize % posters];
        let id = event.id.unwrap_or(got.last_id + 1);
        self.reordered += usize::from(id <= got.last_id || number < *latest);
        (*latest, got.last_id) = (number, id);
        if number == 0 {
            self.ready += 1;
            return false;
        }
        let latency = now.saturating_sub(sent) as f32 / 1000.0;
        self.delivered += 1;
        self.latencies.push(latency);
        self.slowest[number as usize] = self.slowest[number as usize].max(latency);
        true
    }
}
