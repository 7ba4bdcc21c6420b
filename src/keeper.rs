//! The keeper: a thread that removes messages older than they may be, and then sleeps a while.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::log;
use crate::store::Store;
use crate::visitor::session;

/// How often it looks: a tenth of the time that messages are kept, within these.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The pause between two steps, for those who post.
const BREATH: Duration = Duration::from_millis(50);

pub struct Keeper {
    thread: JoinHandle<()>,
    /// Dropping it wakes and ends the thread.
    stop: Sender<()>,
}

impl Keeper {
    /// Keeps messages for `keep`, from now on.
    pub fn start(store: Arc<Store>, keep: Duration) -> Result<Keeper> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("keeper".to_owned());
        let thread = thread.spawn(move || while tidy(&store, keep, &stopped) {})?;
        Ok(Keeper { thread, stop })
    }

    /// Ends it after the step it is in.
    pub fn close(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// Takes one step, rests, and says whether to go on.
fn tidy(store: &Store, keep: Duration, stopped: &Receiver<()>) -> bool {
    let removed = step(store, keep).unwrap_or_else(|error| {
        log::warn("old messages stay for now", &[("cause", &error)]);
        0
    });
    let rest = if removed > 0 { BREATH } else { (keep / 10).clamp(SHORTEST_REST, LONGEST_REST) };
    stopped.recv_timeout(rest) == Err(RecvTimeoutError::Timeout)
}

fn step(store: &Store, keep: Duration) -> Result<usize> {
    let cutoff = SystemTime::now().checked_sub(keep).unwrap_or(SystemTime::UNIX_EPOCH);
    let messages = store.delete_messages_before(&log::rfc3339(cutoff))?;
    if messages > 0 {
        log::info("old messages removed", &[("count", &messages)]);
    }
    Ok(messages + store.prune_log(session::now(), keep)?)
}
