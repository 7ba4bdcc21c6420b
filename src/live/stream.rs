//! A stream that is behind: it reads the log from its cursor until it has caught up, then joins the tail.

use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::events::{Encoded, Format, push_hello, push_word};
use super::presence::Present;
use super::{Live, Place};
use crate::error::Result;
use crate::http::{event_stream, number};
use crate::log;

/// A reader whose socket takes nothing for this long is dropped; it resumes from its cursor when it is back.
const NO_PROGRESS: Duration = Duration::from_secs(20);

/// How long a browser waits before it comes back, at random for each stream: after a restart they do not all come
/// in the same instant. Milliseconds.
const RETRY_MS: std::ops::RangeInclusive<u32> = 1_000..=3_000;

/// How long one waits for whom there was no room.
const RETRY_WHEN_FULL_MS: u32 = 15_000;

/// Where a stream wants to begin.
#[derive(Debug, Default)]
pub struct Start {
    /// The id of the last event it has seen, as it says.
    pub last_event_id: Option<String>,
    /// Only the newest messages, this many.
    pub backlog: Option<i64>,
}

/// One open stream, wherever it is.
pub struct Stream {
    pub(super) socket: TcpStream,
    pub(super) cursor: i64,
    /// What has to be sent before anything else: the head at first, later the rest of an event that was cut.
    pub(super) rest: Vec<u8>,
    pub(super) format: Format,
    pub(super) present: Present,
    /// A browser's tab, which can be asked to let go of its connection.
    pub(super) is_tab: bool,
    pub(super) opened_at: Instant,
    _place: Place,
}

/// Tells one for whom there is no room to come back later. It is a stream all the same: any other status would make
/// an EventSource give up for ever.
pub fn refuse_full(mut socket: TcpStream) {
    let mut answer = event_stream::head("text/event-stream").into_bytes();
    answer.extend_from_slice(format!("retry: {RETRY_WHEN_FULL_MS}\n").as_bytes());
    push_word(&mut answer, "full", "{}");
    let _ = socket.set_write_timeout(Some(NO_PROGRESS));
    let _ = socket.write_all(&answer);
    let _ = socket.shutdown(Shutdown::Write);
}

impl Stream {
    /// Begins a stream on `socket`, at `start`.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn open(
        live: &Live,
        socket: TcpStream,
        format: Format,
        start: &Start,
        present: Present,
        place: Place,
        is_tab: bool,
    ) -> Result<Stream> {
        let head = live.store.head()?;
        let (cursor, is_reset) = match start.last_event_id.as_deref().map(number) {
            Some(Some(0)) => (0, false),
            Some(Some(seen)) if (live.store.log_start()?..=head).contains(&seen) => (seen, false),
            other => {
                let newest = start.backlog.map(|count| live.store.cursor_before_newest(count));
                (newest.transpose()?.unwrap_or(0), other.is_some()) // 0: the whole history
            }
        };
        let mut rest = event_stream::head(match format {
            Format::Events => "text/event-stream",
            Format::Lines => "text/plain",
        })
        .into_bytes();
        if format == Format::Events {
            let retry = rand::random_range(RETRY_MS);
            push_hello(&mut rest, retry, head, live.store.epoch(), &present.session.name);
            if is_reset {
                push_word(&mut rest, "reset", "{}");
            }
        }
        Ok(Stream { socket, cursor, rest, format, present, is_tab, opened_at: Instant::now(), _place: place })
    }

    /// Reads and sends what the stream has not seen, on the calling thread; then the tail has it. A stream that
    /// cannot go on just ends: its reader comes back with the cursor it has got to.
    pub fn catch_up(mut self, live: &Arc<Live>) {
        match self.send_all_there_is(live) {
            Ok(true) => live.join(self),
            Ok(false) => {
                let _ = self.socket.shutdown(Shutdown::Write);
            }
            Err(error) => log::debug("stream ended", &[("cause", &error), ("cursor", &self.cursor)]),
        }
    }

    /// As `catch_up`, on a thread of its own.
    pub(super) fn fall_behind(self, live: &Arc<Live>) {
        let live = Arc::clone(live);
        let builder = std::thread::Builder::new().name("behind".to_owned()).stack_size(STACK);
        if let Err(error) = builder.spawn(move || self.catch_up(&live)) {
            log::warn("no thread for a slow stream", &[("cause", &error)]); // the stream went with the closure
        }
    }

    /// Whether the stream has caught up; if not, it is to end.
    fn send_all_there_is(&mut self, live: &Live) -> Result<bool> {
        self.socket.set_nonblocking(false)?;
        self.socket.set_write_timeout(Some(NO_PROGRESS))?;
        loop {
            self.send_rest()?;
            if live.is_closing() || self.present.session.is_ended() {
                return Ok(false);
            }
            let mut page = Encoded::new(self.format, self.cursor);
            let is_all = live.store.revisions_after(self.cursor, &mut |revision| page.push(revision))?;
            (self.cursor, self.rest) = (page.end(), page.bytes);
            if is_all {
                self.send_rest()?;
                self.socket.set_nonblocking(true)?;
                return Ok(true);
            }
        }
    }

    /// Writes what is due. The socket's own timeout bounds the time without progress, not the whole.
    fn send_rest(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.rest)?;
        self.rest = Vec::new();
        Ok(())
    }
}

/// A thread that reads SQLite and writes to a socket needs no more, and there may be many of them. Bytes.
const STACK: usize = 256 * 1024;
