//! SIGTERM, SIGINT and SIGHUP as values that `main` can wait for.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What the world asks of the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// End: finish what is under way and exit.
    Stop,
    /// Make way for the program that lies on the disk now, under the same process id.
    Upgrade,
}

pub struct Signals(signal_hook::iterator::Signals);

impl Signals {
    /// From here on the three signals no longer kill the process; they wait for `next`.
    pub fn catch() -> io::Result<Signals> {
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]).map(Signals)
    }

    /// Blocks until one arrives.
    pub fn next(&mut self) -> Signal {
        match self.0.forever().next() {
            Some(SIGHUP) => Signal::Upgrade,
            _ => Signal::Stop,
        }
    }

    /// Whether one that asks for the end has arrived since.
    pub fn stop_came(&mut self) -> bool {
        self.0.pending().any(|signal| signal != SIGHUP)
    }
}
