//! Clients that each send their next request as soon as the last one is answered, on one thread.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::http::{Answer, Client};
use crate::poller::Poller;

/// How long the last answers may take once the time is up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a rush came to.
pub struct Rush {
    pub begun: Instant,
    /// Microseconds from a request to its whole answer.
    pub latencies: Vec<f32>,
    /// Requests answered with another status than 2xx.
    pub refused: usize,
    /// The numbers of the requests answered with 2xx.
    pub accepted: Vec<u32>,
    pub took: Duration,
}

impl Rush {
    pub fn begin() -> Rush {
        let (latencies, accepted) = (Vec::new(), Vec::new());
        Rush { begun: Instant::now(), latencies, refused: 0, accepted, took: Duration::ZERO }
    }

    pub fn per_second(&self) -> f64 {
        self.accepted.len() as f64 / self.took.as_secs_f64()
    }

    pub fn enter(&mut self, answer: &Answer, number: u32, latency: Duration) {
        if answer.is_success() {
            self.accepted.push(number);
            self.latencies.push(latency.as_secs_f32() * 1e6);
        } else {
            self.refused += 1;
        }
    }
}

/// One client, the number of the request it waits for, and when it sent that.
struct Waiting {
    client: Client,
    number: u32,
    sent: Instant,
}

/// Client `c` of `clients` sends requests c + 1, c + 1 + clients, … up to `requests`, and none after `time`.
pub fn rush(
    address: SocketAddr,
    clients: usize,
    requests: u32,
    time: Duration,
    request: impl Fn(usize, u32) -> Vec<u8>,
) -> Result<Rush> {
    let mut poller = Poller::new()?;
    let mut rush = Rush::begin();
    let begun = rush.begun;
    let mut crew = Vec::new();
    for (c, number) in (0..clients).zip(1..=requests) {
        let mut client = Client::connect(address)?;
        poller.watch(&client.socket, c)?;
        client.socket.write_all(&request(c, number))?;
        crew.push(Waiting { client, number, sent: Instant::now() });
    }
    let mut busy = crew.len();
    while busy > 0 {
        for c in poller.wait(Duration::from_secs(1))? {
            let Waiting { client, number, sent } = &mut crew[c];
            let Some(answer) = client.poll()? else { continue };
            rush.enter(&answer, *number, sent.elapsed());
            if answer.closes() {
                *client = Client::connect(address)?;
                poller.watch(&client.socket, c)?;
            }
            *number += clients as u32;
            if *number > requests || begun.elapsed() > time {
                busy -= 1;
                continue;
            }
            *sent = Instant::now();
            client.socket.write_all(&request(c, *number))?;
        }
        if begun.elapsed() > time + PATIENCE {
            return Err(format!("{busy} requests without an answer").into());
        }
    }
    rush.took = begun.elapsed();
    Ok(rush)
}
