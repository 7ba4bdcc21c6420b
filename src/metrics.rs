//! What is counted where it happens, and the text in which Prometheus reads it.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// Up to how long, in seconds, each bucket of a histogram counts: from a disk that lies to one that is in trouble.
const BOUNDS: [f64; 8] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

/// How long something takes.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one is beyond all bounds.
    buckets: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

impl Histogram {
    pub fn add(&self, time: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < time.as_secs_f64());
        self.buckets[bucket].add(1);
        self.micros.add(time.as_micros() as u64);
    }
}

/// Metrics as text (Prometheus' exposition format 0.0.4), one family after the other.
#[derive(Default)]
pub struct Exposition(pub String);

impl Exposition {
    /// What only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help, &[("", &value)]);
    }

    /// What goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help, &[("", &value)]);
    }

    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut count = 0;
        let buckets = bounds.zip(&histogram.buckets).map(|(bound, bucket)| {
            count += bucket.get();
            (format!("_bucket{{le=\"{bound}\"}}"), count)
        });
        let buckets: Vec<_> = buckets.collect();
        let sum = histogram.micros.get() as f64 / 1e6;
        let mut samples: Vec<(&str, &dyn Display)> = Vec::new();
        samples.extend(buckets.iter().map(|(suffix, count)| (suffix.as_str(), count as &dyn Display)));
        samples.extend([("_sum", &sum as &dyn Display), ("_count", &count)]);
        self.family(name, "histogram", help, &samples);
    }

    /// A family of samples, each with what its name has behind the family's: a suffix, or labels.
    pub fn family(&mut self, name: &str, kind: &str, help: &str, samples: &[(&str, &dyn Display)]) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (suffix, value) in samples {
            let _ = writeln!(self.0, "{name}{suffix} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let histogram = Histogram::default();
        for ms in [1, 3, 3, 2_000] {
            histogram.add(Duration::from_millis(ms));
        }
        let mut text = Exposition::default();
        text.histogram("wait_seconds", "Waiting.", &histogram);
        for line in [
            "# TYPE wait_seconds histogram",
            "wait_seconds_bucket{le=\"0.0005\"} 0",
            "wait_seconds_bucket{le=\"0.001\"} 1",
            "wait_seconds_bucket{le=\"0.005\"} 3",
            "wait_seconds_bucket{le=\"1\"} 3",
            "wait_seconds_bucket{le=\"+Inf\"} 4",
            "wait_seconds_sum 2.007",
            "wait_seconds_count 4",
        ] {
            assert!(text.0.lines().any(|its| its == line), "no {line} in\n{}", text.0);
        }
    }
}
