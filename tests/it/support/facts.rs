//! Waiting for facts, and small sums over measured times.

use std::thread;
use std::time::{Duration, Instant};

/// How often a fact that cannot be waited for in any other way is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `fact` is there, or fails after ten seconds saying what was missed.
pub fn until<T>(what: &str, fact: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(10), what, fact)
}

/// Looks until `fact` is there, or fails after `limit` saying what was missed.
pub fn within<T>(limit: Duration, what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = fact() {
            return found;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// The time that `percent` of all the others do not exceed.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    assert!(!times.is_empty(), "nothing was measured");
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}
