//! The bell: says "look again" to the tail, which says "heard"; it carries nothing else.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts its rings. A waiter that remembers the count it has seen cannot miss one: what it has to look at is in
/// the database, so many rings may be answered with a single look.
#[derive(Default)]
pub struct Bell {
    count: Mutex<Count>,
    rung: Condvar,
    heard: Condvar,
}

#[derive(Default)]
struct Count {
    rings: u64,
    /// Of these the listener has heard this many; none while nobody need wait for it.
    heard: Option<u64>,
}

impl Bell {
    /// There is something new in the log. A listener to whom that matters now is woken; another finds it when it
    /// looks next.
    pub fn ring(&self) {
        let mut count = self.count();
        count.rings += 1;
        if count.heard.is_some() {
            self.rung.notify_one();
        }
    }

    /// Wakes the listener in any case.
    pub fn call(&self) {
        self.count().rings += 1;
        self.rung.notify_one();
    }

    /// The one listener waits until the count has passed `seen`, or `patience` is over, and returns the count as it
    /// is then: it has heard so many, and goes to look. While it is `in_step`, ringers wait for it to hear.
    pub fn listen(&self, seen: u64, in_step: bool, patience: Duration) -> u64 {
        let deadline = Instant::now() + patience;
        let mut count = self.count();
        count.heard = in_step.then_some(seen);
        while count.rings <= seen {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            count = self.rung.wait_timeout(count, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        count.heard = in_step.then_some(count.rings);
        self.heard.notify_all();
        count.rings
    }

    /// Waits until the listener, if there is one in step, has heard all that was rung, or `patience` is over.
    pub fn wait_heard(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut count = self.count();
        let rings = count.rings;
        while count.heard.is_some_and(|heard| heard < rings) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            count = self.heard.wait_timeout(count, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_ring_before_the_wait_is_not_missed() {
        let bell = Bell::default();
        bell.ring();
        assert_eq!(bell.listen(0, true, LONG), 1);
    }

    #[test]
    fn patience_ends() {
        assert_eq!(Bell::default().listen(0, true, Duration::from_millis(1)), 0);
    }

    #[test]
    fn a_ring_wakes_the_listener_on_another_thread_and_is_told_when_it_is_heard() {
        let bell = Arc::new(Bell::default());
        bell.listen(0, true, Duration::ZERO);
        let listener = std::thread::spawn({
            let bell = Arc::clone(&bell);
            move || bell.listen(0, true, LONG)
        });
        bell.ring();
        bell.wait_heard(LONG);
        assert_eq!(listener.join().unwrap(), 1);
    }

    #[test]
    fn nobody_is_waited_for_where_nobody_listens() {
        let bell = Bell::default();
        bell.ring();
        bell.wait_heard(LONG);
    }
}
