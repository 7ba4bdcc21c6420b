//! Counters that only grow, counted where things happen and printed for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages stored.
    pub messages: Counter,
    /// Pages of the log sent to a live stream.
    pub deliveries: Counter,
    /// Streams opened.
    pub streams: Counter,
    /// Requests answered, by the first digit of the status.
    pub answers: [Counter; 6],
    /// Answers that reported a fault of ours.
    pub panics: Counter,
}
