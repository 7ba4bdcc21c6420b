//! What is run, on which servers, and how much of it.

use crate::server::Kind;

/// One thing to measure. Counts are chosen so that a run takes a few seconds on two cores.
pub enum Suite {
    /// One poster at a fixed rate, everyone listening.
    FanOut { streams: usize, messages: u32, per_second: f64 },
    /// Sixteen posters, as fast as they are accepted.
    Saturated { streams: usize, messages: u32 },
    /// Nobody listening: what a durable post costs.
    Posts { posters: usize, seconds: u64 },
    /// New streams that read a whole history.
    Replay { messages: u32 },
    /// Streams that hear nothing.
    Idle { streams: usize, seconds: u64 },
    /// A fan-out of long messages while ten streams never read.
    SlowReaders { streams: usize, messages: u32, per_second: f64 },
    /// The chat page.
    Pages { clients: usize },
    /// A database that has grown.
    Growth { messages: u32 },
}

pub struct Run {
    pub name: String,
    pub suite: Suite,
    pub peers: Vec<Kind>,
    /// At most so many rounds, however many are asked for.
    pub rounds: usize,
}

impl Run {
    pub fn streams(&self) -> usize {
        match self.suite {
            Suite::FanOut { streams, .. } | Suite::Saturated { streams, .. } => streams,
            _ => 0,
        }
    }
}

pub fn runs(quick: bool) -> Vec<Run> {
    if quick {
        return vec![
            run("fan-10", Suite::FanOut { streams: 10, messages: 40, per_second: 40.0 }),
            run("fan-1000", Suite::FanOut { streams: 1000, messages: 20, per_second: 10.0 }),
            run("saturated-100", Suite::Saturated { streams: 100, messages: 3000 }),
            run("saturated-1000", Suite::Saturated { streams: 1000, messages: 500 }),
            run("posts-1", Suite::Posts { posters: 1, seconds: 1 }),
            run("posts-16", Suite::Posts { posters: 16, seconds: 1 }),
            run("replay", Suite::Replay { messages: 2000 }),
            run("slow", Suite::SlowReaders { streams: 50, messages: 300, per_second: 60.0 }),
            run("idle-1000", Suite::Idle { streams: 1000, seconds: 2 }),
            run("pages", Suite::Pages { clients: 16 }),
        ];
    }
    let mut runs = vec![
        run("fan-10", Suite::FanOut { streams: 10, messages: 80, per_second: 20.0 }),
        run("fan-100", Suite::FanOut { streams: 100, messages: 80, per_second: 20.0 }),
        run("fan-1000", Suite::FanOut { streams: 1000, messages: 50, per_second: 10.0 }),
        run("fan-10000", Suite::FanOut { streams: 10_000, messages: 12, per_second: 2.0 }),
        run("saturated-10", Suite::Saturated { streams: 10, messages: 10_000 }),
        run("saturated-100", Suite::Saturated { streams: 100, messages: 5000 }),
        run("saturated-1000", Suite::Saturated { streams: 1000, messages: 1000 }),
        run("saturated-10000", Suite::Saturated { streams: 10_000, messages: 100 }),
        run("posts-1", Suite::Posts { posters: 1, seconds: 2 }),
        run("posts-16", Suite::Posts { posters: 16, seconds: 2 }),
        run("posts-64", Suite::Posts { posters: 64, seconds: 2 }),
        run("replay", Suite::Replay { messages: 10_000 }),
        run("slow", Suite::SlowReaders { streams: 100, messages: 400, per_second: 50.0 }),
        run("idle-1000", Suite::Idle { streams: 1000, seconds: 5 }),
        run("idle-10000", Suite::Idle { streams: 10_000, seconds: 5 }),
        run("pages", Suite::Pages { clients: 16 }),
    ];
    runs.extend([1000, 100_000, 1_000_000].map(|messages| Run {
        rounds: 1,
        peers: Vec::new(),
        ..run(&format!("growth-{messages}"), Suite::Growth { messages })
    }));
    runs
}

fn run(name: &str, suite: Suite) -> Run {
    let peers: &[Kind] = match suite {
        // Only a database can group commits, and only a chat has pages.
        Suite::FanOut { .. } | Suite::Replay { .. } | Suite::Idle { .. } => {
            &[Kind::Axum, Kind::Nchan, Kind::Floor]
        }
        Suite::Saturated { .. } => &Kind::PEERS,
        Suite::Posts { .. } => &[Kind::Axum, Kind::AxumGroup],
        Suite::SlowReaders { .. } | Suite::Pages { .. } => &[Kind::Axum],
        Suite::Growth { .. } => &[],
    };
    Run { name: name.to_owned(), suite, peers: peers.to_vec(), rounds: usize::MAX }
}
