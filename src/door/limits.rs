//! How many connections and streams this process can hold, from what the system allows it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The descriptors macOS grants at most where it says "unlimited" (`OPEN_MAX`).
const MACOS_DESCRIPTORS: u64 = 10_240;
/// Descriptors that are never given to clients: SQLite's readers with their files, the listener, logs, and one to say
/// 503 with.
const RESERVE: usize = 128;
/// Descriptors of one standing connection: the door's end, and tiny_http's twice.
const STANDING_DESCRIPTORS: usize = 3;
/// Standing connections when there is room: enough to keep the writer's commits full.
const STANDING: usize = 32;
/// Memory mappings of one thread: stack, signal stack and a guard for each. The process aborts when they run out.
const MAPPINGS_PER_THREAD: usize = 4;
/// Mappings for everything else: the program, its heap, SQLite, the threads that are not a connection's.
const OTHER_MAPPINGS: usize = 4_000;
/// The most connections that are not streams, each a thread: browsers open six at the most, and few at a time.
const CONNECTIONS: usize = 4_096;
/// Fewer connections than this are not worth serving: one browser's.
const FEWEST: usize = 8;

/// What is allowed at the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Open connections that are not streams.
    pub connections: usize,
    /// Event streams.
    pub streams: usize,
    /// File descriptors of the whole process; connections and streams always fit in.
    pub descriptors: usize,
}

impl Limits {
    /// Raises the limit of descriptors as far as it goes, and divides them. Fewer streams than `max_streams` come out
    /// when it is more than fits.
    pub fn from_system(max_streams: Option<usize>) -> Limits {
        let threads = number_in("/proc/sys/kernel/threads-max");
        let mappings = number_in("/proc/sys/vm/max_map_count");
        divide(raise_descriptors(), threads, mappings, max_streams)
    }

    /// Standing connections that fit: 32, or fewer where descriptors are scarce.
    pub fn standing(&self) -> usize {
        (self.descriptors / 16).clamp(4, STANDING)
    }
}

fn divide(
    descriptors: usize,
    threads: Option<usize>,
    mappings: Option<usize>,
    max_streams: Option<usize>,
) -> Limits {
    let bare = Limits { connections: 0, streams: 0, descriptors };
    let reserve = RESERVE.min(descriptors / 2) + bare.standing() * STANDING_DESCRIPTORS;
    // After a restart every stream is behind, on a thread of its own: streams count as threads too. Half of the
    // system's threads are left to others.
    let room = descriptors
        .saturating_sub(reserve)
        .min(threads.map_or(usize::MAX, |threads| threads / 2))
        .min(mappings.map_or(usize::MAX, |all| all.saturating_sub(OTHER_MAPPINGS) / MAPPINGS_PER_THREAD))
        .max(2 * FEWEST);
    let connections = (room / 4).clamp(FEWEST, CONNECTIONS);
    let streams = max_streams.unwrap_or(usize::MAX).min(room - connections);
    // What streams leave is good for connections.
    let connections = (room - streams).min(CONNECTIONS);
    Limits { connections, streams, descriptors }
}

/// The descriptors this process may have, after asking for as many as it can get.
fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    for wanted in [limit.maximum, Some(MACOS_DESCRIPTORS)] {
        let more = limit.current.is_some_and(|current| wanted.is_none_or(|wanted| wanted > current));
        if more && setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: limit.maximum }).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
}

fn number_in(file: &str) -> Option<usize> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_follow_what_is_scarcest() {
        // descriptors, threads, mappings, wanted streams -> connections, streams
        let cases = [
            (20_000, Some(192_730), Some(65_530), None, 3_845, 11_537),
            (1_048_576, Some(2_000), Some(65_530), None, 250, 750),
            (1_048_576, None, None, None, 4_096, 1_044_256),
            (10_240, None, None, None, 2_504, 7_512),
            (1_024, Some(192_730), Some(65_530), None, 200, 600),
            (20, None, None, None, 8, 8),
            (20_000, Some(192_730), Some(65_530), Some(50), 4_096, 50),
            (256, None, None, Some(70), 20, 60),
            (256, None, None, Some(10), 70, 10),
        ];
        for (descriptors, threads, mappings, wanted, connections, streams) in cases {
            let limits = divide(descriptors, threads, mappings, wanted);
            assert_eq!((limits.connections, limits.streams), (connections, streams), "of {descriptors}");
        }
    }

    #[test]
    fn everything_fits_in_the_descriptors() {
        for descriptors in (64..5_000).chain([65_536, 1 << 20]) {
            for wanted in [None, Some(0), Some(100), Some(usize::MAX)] {
                let limits = divide(descriptors, Some(100_000), Some(65_530), wanted);
                let all = limits.connections + limits.streams + 3 * limits.standing();
                assert!(all < descriptors, "{limits:?}");
                assert!(limits.connections >= FEWEST, "{limits:?}");
            }
        }
    }
}
