//! Live: what happens now, carried to every open stream.
//!
//! A stream is in one of two places: *behind*, on a thread of its own that reads the log until it has caught up, or
//! *live*, on the tail, which sends what is new to all its sockets at once. Both ask the same query with the same
//! cursor, so there is no seam between history and news.

pub mod attendance;
mod events;
mod presence;
mod stream;
mod tail;

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use events::{Format, push_message};
pub use presence::Presence;
pub use stream::{Start, Stream, refuse_full};

use crate::bell::Bell;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::visitor::session::Session;

/// What the streams share.
pub struct Live {
    store: Arc<Store>,
    bell: Arc<Bell>,
    metrics: Arc<Metrics>,
    pub presence: Arc<Presence>,
    pace: Pace,
    inbox: Mutex<Inbox>,
    /// Streams that are open, behind or live.
    open: AtomicUsize,
    closing: AtomicBool,
}

/// How often the tail looks, and how long it may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A write by another process is seen within this time.
    pub poll: Duration,
    /// A stream that has had nothing for this long is sent a ping.
    pub heartbeat: Duration,
    /// Streams open at the same time, at most.
    pub max_streams: usize,
}

/// What waits for the tail to come round. It has a lock of its own, so that nobody waits for a round of writes.
#[derive(Default)]
struct Inbox {
    joiners: Vec<Stream>,
    typing: Vec<String>,
    sweep: bool,
}

impl Live {
    /// Starts the tail on its thread.
    pub fn start(
        store: Arc<Store>,
        bell: Arc<Bell>,
        metrics: Arc<Metrics>,
        pace: Pace,
    ) -> Result<(Arc<Live>, JoinHandle<()>)> {
        let live = Arc::new(Live {
            store,
            bell,
            metrics,
            presence: Arc::default(),
            pace,
            inbox: Mutex::default(),
            open: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let tail = tail::Tail::new(Arc::clone(&live))?;
        let thread =
            std::thread::Builder::new().name("tail".to_owned()).spawn(move || tail.run_for_ever())?;
        Ok((live, thread))
    }

    /// A place for one more stream, unless there are as many as may be.
    pub fn place(self: &Arc<Live>) -> Option<Place> {
        let place = Place(Arc::clone(self)); // counts itself out again when it is dropped
        (self.open.fetch_add(1, Ordering::Relaxed) < self.pace.max_streams).then_some(place)
    }

    pub fn open_streams(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Tells the live streams that someone is writing.
    pub fn tell_typing(&self, session: &Session) {
        self.put(|inbox| inbox.typing.push(session.name.clone()));
    }

    /// Has the streams of ended sessions closed at once, rather than at the next sweep.
    pub fn sweep(&self) {
        self.put(|inbox| inbox.sweep = true);
    }

    /// Ends every stream after a whole event; waits for those that are behind until `deadline`.
    pub fn close(&self, tail: JoinHandle<()>, deadline: Instant) {
        self.closing.store(true, Ordering::Relaxed);
        self.bell.call();
        let _ = tail.join();
        while self.open_streams() > 0 && Instant::now() < deadline {
            drop(self.take_inbox()); // those who wanted to join when the tail had gone
            std::thread::sleep(Duration::from_millis(5)); // each other one looks at `closing` between two writes
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    fn join(&self, stream: Stream) {
        self.put(|inbox| inbox.joiners.push(stream));
    }

    fn put(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.call();
    }

    fn take_inbox(&self) -> Inbox {
        mem::take(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of the streams that may be open at the same time.
pub struct Place(Arc<Live>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
