//! The suites that need only a running server: each returns its figures, the one that matters most first.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::crowd::{Book, Crowd};
use crate::event_stream::Mark;
use crate::http::Visitor;
use crate::plan::Suite;
use crate::rush::{Rush, rush};
use crate::server::{Kind, Programs, Server};

pub type Figures = Vec<(&'static str, f64)>;

/// Wrong deliveries and refused posts: zero, or the run has failed.
pub const WRONG: [&str; 2] = ["lost, doubled, reordered", "posts refused"];

pub const CPU_PER_DELIVERY: &str = "server CPU per delivery, µs";
pub const DELIVERIES: &str = "deliveries/s";

/// Content of a usual message, in bytes, and of one that fills a slow reader's buffers soon.
const USUAL: usize = 96;
const LONG: usize = 16_000;

/// People who are signed in; streams and posters are shared among them.
const VISITORS: usize = 16;

/// A fan-out that brings nothing new for so long has brought all it will.
const STALLED: Duration = Duration::from_secs(5);

/// No posting goes on for longer than this.
const LONGEST: Duration = Duration::from_secs(40);

/// Between opening streams and using them: greetings and presence have gone out by then.
const SETTLING: Duration = Duration::from_millis(1500);

pub fn run(suite: &Suite, server: &Server) -> Result<Figures> {
    match *suite {
        Suite::FanOut { streams, messages, per_second } => {
            fan_out(server, streams, 0, Posting { messages, pace: Some(per_second), length: USUAL })
        }
        Suite::SlowReaders { streams, messages, per_second } => {
            fan_out(server, streams, 10, Posting { messages, pace: Some(per_second), length: LONG })
        }
        Suite::Saturated { streams, messages } => {
            fan_out(server, streams, 0, Posting { messages, pace: None, length: USUAL })
        }
        Suite::Posts { posters, seconds } => posts(server, posters, Duration::from_secs(seconds)),
        Suite::Replay { messages } => replay(server, messages),
        Suite::Idle { streams, seconds } => idle(server, streams, Duration::from_secs(seconds)),
        Suite::Pages { .. } | Suite::Growth { .. } => unreachable!("these start their servers themselves"),
    }
}

/// What is posted: at a pace in posts a second by one poster, or without one by many as fast as accepted.
#[derive(Clone, Copy)]
struct Posting {
    messages: u32,
    pace: Option<f64>,
    length: usize,
}

fn fan_out(server: &Server, streams: usize, silent: usize, posting: Posting) -> Result<Figures> {
    let start = Instant::now();
    let visitors = server.sign_in(VISITORS)?;
    post_first(server, &visitors[0], start)?;
    let posters = if posting.pace.is_some() { 1 } else { VISITORS };
    let mut crowd = Crowd::new(posting.messages as usize, posters, start)?;
    crowd.open(streams, server.address, &visitors)?;
    let _silent = silent_streams(server, &visitors[0], silent)?;
    crowd.attend_for(SETTLING)?;
    let before = server.usage();
    let posted = while_reading(&mut crowd, streams, || post_all(server, &visitors, posting, start))?;
    let cpu = server.usage().cpu_since(&before);
    let lost = crowd.missing(&posted.accepted);
    let Book { delivered, doubled, reordered, closed, .. } = crowd.book;
    if lost + doubled + reordered + posted.refused > 0 {
        let refused = posted.refused;
        eprintln!(
            "{lost} lost, {doubled} doubled, {reordered} reordered, {closed} closed, {refused} refused"
        );
    }
    let last = crowd.book.last_delivery.ok_or("nothing was delivered")?;
    let took = (last - posted.begun).as_secs_f64();
    let mut slowest = crowd.book.slowest.split_off(1);
    let speed = (DELIVERIES, delivered as f64 / took);
    let cost = (CPU_PER_DELIVERY, cpu / delivered as f64);
    let mut figures = if posting.pace.is_some() { vec![cost] } else { vec![speed, cost] };
    figures.extend([
        ("delivery p50, µs", quantile(&mut crowd.book.latencies, 0.5)),
        ("delivery p99, µs", quantile(&mut crowd.book.latencies, 0.99)),
        ("last stream has it after, µs", quantile(&mut slowest, 0.5)),
        ("post p50, µs", quantile(&mut posted.latencies.clone(), 0.5)),
        (WRONG[0], (lost + doubled + reordered) as f64),
        (WRONG[1], posted.refused as f64),
    ]);
    Ok(figures)
}

/// Message 0, which tells a stream that it is ready.
fn post_first(server: &Server, visitor: &Visitor, start: Instant) -> Result<()> {
    let first = visitor.post_message(&Mark::content(0, start, USUAL));
    match server.client()?.call(&first)?.is_success() {
        true => Ok(()),
        false => Err("the first post was refused".into()),
    }
}

/// Streams that are asked for and never read.
fn silent_streams(server: &Server, visitor: &Visitor, count: usize) -> Result<Vec<TcpStream>> {
    let open = |_| {
        let mut client = server.client()?;
        std::io::Write::write_all(&mut client.socket, &visitor.get_stream(""))?;
        Ok(client.socket)
    };
    (0..count).map(open).collect()
}

/// Posts on a thread of its own while the crowd reads, until everything accepted has come or nothing more does.
fn while_reading(
    crowd: &mut Crowd,
    streams: usize,
    post: impl FnOnce() -> Result<Rush> + Send,
) -> Result<Rush> {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let poster = scope.spawn(|| {
            let posted = post();
            is_done.store(true, Ordering::Release);
            posted
        });
        while !is_done.load(Ordering::Acquire) {
            crowd.attend(Duration::from_millis(20))?;
        }
        let posted = poster.join().map_err(|_| "the poster panicked")??;
        let mut seen = (crowd.book.delivered, Instant::now());
        while crowd.book.delivered < posted.accepted.len() * streams && seen.1.elapsed() < STALLED {
            crowd.attend(Duration::from_millis(20))?;
            if crowd.book.delivered > seen.0 {
                seen = (crowd.book.delivered, Instant::now());
            }
        }
        // What is doubled comes after everything else.
        crowd.attend_for(Duration::from_millis(100))?;
        Ok(posted)
    })
}

fn post_all(server: &Server, visitors: &[Visitor], posting: Posting, start: Instant) -> Result<Rush> {
    let Posting { messages, pace, length } = posting;
    let request =
        |poster: usize, number| visitors[poster].post_message(&Mark::content(number, start, length));
    let Some(per_second) = pace else {
        return rush(server.address, visitors.len(), messages, LONGEST, request);
    };
    let mut client = server.client()?;
    let mut posted = Rush::begin();
    for number in 1..=messages {
        let due = posted.begun + Duration::from_secs_f64(f64::from(number - 1) / per_second);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        let answer = client.call(&request(0, number))?;
        posted.enter(&answer, number, sent.elapsed());
        if answer.closes() {
            client = server.client()?;
        }
    }
    Ok(posted)
}

fn posts(server: &Server, posters: usize, time: Duration) -> Result<Figures> {
    let start = Instant::now();
    let visitors = server.sign_in(VISITORS)?;
    let before = server.usage();
    let request = |poster: usize, number| {
        visitors[poster % VISITORS].post_message(&Mark::content(number, start, USUAL))
    };
    let mut posted = rush(server.address, posters, 1_000_000, time, request)?;
    let cpu = server.usage().cpu_since(&before);
    Ok(vec![
        ("durable posts/s", posted.per_second()),
        ("post p50, µs", quantile(&mut posted.latencies, 0.5)),
        ("post p99, µs", quantile(&mut posted.latencies, 0.99)),
        ("server CPU per post, µs", cpu / posted.accepted.len() as f64),
        (WRONG[1], posted.refused as f64),
    ])
}

fn replay(server: &Server, messages: u32) -> Result<Figures> {
    let start = Instant::now();
    let visitors = server.sign_in(VISITORS)?;
    post_first(server, &visitors[0], start)?;
    let posting = Posting { messages, pace: None, length: USUAL };
    let posted = post_all(server, &visitors, posting, start)?;
    let (mut times, mut wrong) = (Vec::new(), 0);
    const STREAMS: usize = 5;
    for _ in 0..STREAMS {
        let mut crowd = Crowd::new(messages as usize, VISITORS, start)?;
        let opened = Instant::now();
        crowd.open(1, server.address, &visitors)?;
        while crowd.book.delivered < posted.accepted.len() && opened.elapsed() < STALLED {
            crowd.attend(Duration::from_millis(20))?;
        }
        let last = crowd.book.last_delivery.ok_or("nothing was delivered")?;
        times.push((last - opened).as_secs_f32() * 1000.0);
        wrong += crowd.missing(&posted.accepted) + crowd.book.doubled + crowd.book.reordered;
    }
    Ok(vec![
        ("whole history after, ms", quantile(&mut times, 0.5)),
        (WRONG[0], wrong as f64),
        (WRONG[1], posted.refused as f64),
    ])
}

fn idle(server: &Server, streams: usize, time: Duration) -> Result<Figures> {
    let start = Instant::now();
    let visitors = server.sign_in(VISITORS)?;
    post_first(server, &visitors[0], start)?;
    let before = server.usage();
    let mut crowd = Crowd::new(1, 1, start)?;
    let opening = Instant::now();
    crowd.open(streams, server.address, &visitors)?;
    let opened = opening.elapsed();
    // Threads that only opened a stream are gone by then, and their memory with them.
    crowd.attend_for(SETTLING * 4)?;
    let settled = server.usage();
    crowd.attend_for(time)?;
    let after = server.usage();
    let each = |with: f64, without: f64| (with - without) / streams as f64;
    Ok(vec![
        ("RSS per stream, KiB", each(after.rss_kib, before.rss_kib)),
        ("threads per stream", each(after.threads() as f64, before.threads() as f64).max(0.0)),
        ("descriptors per stream", each(after.descriptors as f64, before.descriptors as f64)),
        ("CPU, % of a core", after.cpu_since(&settled) / time.as_micros() as f64 * 100.0),
        ("all streams open after, ms", opened.as_secs_f64() * 1000.0),
        (WRONG[0], (crowd.book.closed + crowd.book.doubled) as f64),
    ])
}

/// Chat pages with fifty messages in them; a peer's page is filled up to the size of Parlor's.
pub fn pages(kind: Kind, programs: &Programs, clients: usize) -> Result<Figures> {
    const TIME: Duration = Duration::from_secs(2);
    let bytes = page_bytes(&Server::start(Kind::Parlor, programs)?)?.to_string();
    let more: &[&str] = if kind == Kind::Parlor { &[] } else { &["--page-bytes", &bytes] };
    let server = Server::start_in(kind, programs, crate::server::new_folder()?, more)?;
    let bytes = page_bytes(&server)?;
    let visitors = server.sign_in(clients)?;
    let before = server.usage();
    let mut pages = rush(server.address, clients, 1_000_000, TIME, |client, _| visitors[client].get("/"))?;
    let cpu = server.usage().cpu_since(&before);
    Ok(vec![
        ("pages/s", pages.per_second()),
        ("page p50, µs", quantile(&mut pages.latencies, 0.5)),
        ("page p99, µs", quantile(&mut pages.latencies, 0.99)),
        ("server CPU per page, µs", cpu / pages.accepted.len() as f64),
        ("bytes of a page", bytes as f64),
    ])
}

/// Posts fifty messages and returns the size of the page that has them.
fn page_bytes(server: &Server) -> Result<usize> {
    let start = Instant::now();
    let visitor = &server.sign_in(1)?[0];
    let mut client = server.client()?;
    for number in 0..50 {
        client.call(&visitor.post_message(&Mark::content(number, start, USUAL)))?;
    }
    Ok(client.call(&visitor.get("/"))?.body.len())
}

/// The value below which `share` of the values lie; they come back in another order.
pub fn quantile(values: &mut [f32], share: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let at = ((values.len() - 1) as f64 * share).round() as usize;
    f64::from(*values.select_nth_unstable_by(at, f32::total_cmp).1)
}
