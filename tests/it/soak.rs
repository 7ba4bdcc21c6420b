//! The soak: people come, write, and go for many minutes, with a kill in between, and nothing grows.
//!
//! `PARLOR_SOAK_MINUTES` says for how long; one minute unless it does.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Client, Outcome, TestServer, within};

const POSTERS: usize = 4;
const READERS: usize = 40;

/// SQLite's readers are opened as they are needed, eight at most, and hold two files each.
const READERS_DESCRIPTORS: usize = 16;

/// What a process may hold more after the soak than after its first quarter: the caches fill slowly.
const GROWTH_KIB: usize = 4 * 1024;

/// What the server holds while nobody is there.
#[derive(Debug)]
struct Holding {
    rss_kib: usize,
    threads: usize,
    descriptors: usize,
}

impl Holding {
    fn of(server: &TestServer) -> Holding {
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid().as_raw_nonzero())).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the server runs");
        Holding {
            rss_kib: rss.trim().trim_end_matches(" kB").parse().expect("a number"),
            threads: server.threads(),
            descriptors: server.open_descriptors(),
        }
    }
}

/// Those who write and those who read, signed in once for all; none of them keeps a connection meanwhile.
struct Company {
    posters: Vec<Client>,
    readers: Vec<Client>,
}

/// Writes a little faster than people do, until told to stop; the ids of what was accepted.
fn write(mut tab: Client, stop: &AtomicBool) -> Vec<i64> {
    let mut accepted = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        accepted.push(tab.send(&format!("message {}", "words ".repeat(accepted.len() % 40))));
        thread::sleep(Duration::from_millis(20)); // the pace of the load, not a wait for a fact
    }
    accepted
}

/// Reads a while, goes, and comes back with its cursor, until nobody writes any more and it has heard all.
fn read(tab: &Client, patience: usize, mut last: u64, is_over: &AtomicBool) -> Vec<i64> {
    let mut seen = Vec::new();
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        let mut stream = tab.resume_stream(last);
        for _ in 0..if is_last { usize::MAX } else { patience } {
            match stream.next_revision_within(Duration::from_secs(2)) {
                Outcome::Event(event) => seen.push(event.message_id()),
                _ if is_last => return seen,
                _ => break,
            }
        }
        last = stream.last_event_id().max(last);
    }
}

/// One stretch of coming, writing and going; every reader must see every message once, in order.
fn churn(company: &Company, head: u64, time: Duration) -> usize {
    let (stop, is_over) = (&AtomicBool::new(false), &AtomicBool::new(false));
    thread::scope(|scope| {
        let posters: Vec<_> =
            company.posters.iter().map(|tab| scope.spawn(move || write(tab.tab(), stop))).collect();
        let patience = |n: usize| 1 + n * 13 % 300;
        let readers = company.readers.iter().enumerate();
        let readers: Vec<_> =
            readers.map(|(n, tab)| scope.spawn(move || read(tab, patience(n), head, is_over))).collect();
        thread::sleep(time); // the soak itself
        stop.store(true, Ordering::Relaxed);
        let accepted = posters.into_iter().map(|poster| poster.join());
        let accepted: Vec<_> = accepted.collect();
        is_over.store(true, Ordering::Relaxed);
        let mut accepted: Vec<i64> = accepted.into_iter().flat_map(|poster| poster.unwrap()).collect();
        accepted.sort_unstable();
        for reader in readers {
            assert!(reader.join().unwrap() == accepted, "each message once, in order");
        }
        accepted.len()
    })
}

/// What is held once everyone has gone: what it was at the start, and the readers that have been opened since.
fn settled(server: &TestServer, at_start: &Holding) -> Holding {
    within(Duration::from_secs(20), "streams and connections to be let go", || {
        let holding = Holding::of(server);
        let is_settled = holding.threads <= at_start.threads
            && holding.descriptors <= at_start.descriptors + READERS_DESCRIPTORS;
        is_settled.then_some(holding)
    })
}

#[test]
#[ignore = "takes a minute, or as many as PARLOR_SOAK_MINUTES says"]
fn nothing_grows_while_people_come_and_go() {
    let quarter = Duration::from_secs_f64(minutes_asked_for() * 60.0 / 4.0);
    let mut server = TestServer::with(&["--rate", "0"]);
    let at_start = Holding::of(&server);
    let company = Company {
        posters: (0..POSTERS).map(|n| server.sign_in(&format!("Poster {n}")).tab()).collect(),
        readers: (0..READERS).map(|n| server.sign_in(&format!("Reader {n}")).tab()).collect(),
    };
    let mut messages = 0;
    let mut stretch = |server: &TestServer| {
        messages += churn(&company, messages as u64, quarter);
        let holding = settled(server, &at_start);
        println!("{messages} messages: {holding:?}");
        holding
    };
    println!("at the start: {at_start:?}");
    stretch(&server);
    server.kill();
    server.start();
    let first = stretch(&server);
    stretch(&server);
    let last = stretch(&server);
    assert!(last.rss_kib <= first.rss_kib + GROWTH_KIB, "memory grew: {first:?}, then {last:?}");
}

fn minutes_asked_for() -> f64 {
    std::env::var("PARLOR_SOAK_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(1.0)
}
