//! One client's connection, on its own thread: one request after another, each under its deadlines.

use super::framing::{Inbox, Wire};
use super::head::Request;
use super::{Door, lock};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a client may take none of its answer.
const STALL_TIME: Duration = Duration::from_secs(20);
/// The slowest that a client may take all of it, in bytes a second: 260 kbit/s.
const SLOWEST: usize = 32 * 1024;
/// How long a closing connection is still read, so that the client gets the answer and not a reset.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// What an idle connection's buffers may keep.
const KEPT_BUFFER: usize = 8 * 1024;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Before the first or the next request.
    Idle,
    /// A request comes in, or an answer goes out: the client's pace decides.
    Talking,
    /// The request is whole: the client waits for us.
    Crossing,
    /// Closed from outside.
    Closed,
}

/// A connection as its own thread and the door see it.
pub struct Connection {
    pub client: TcpStream,
    /// What it is at, and since when.
    at: Mutex<(Phase, Instant)>,
}

impl Connection {
    pub fn new(client: TcpStream) -> Connection {
        Connection { client, at: Mutex::new((Phase::Idle, Instant::now())) }
    }

    /// What it is at, and since when.
    pub fn at(&self) -> (Phase, Instant) {
        *lock(&self.at)
    }

    /// Since when its client has kept us waiting, if it does.
    pub fn waits_since(&self) -> Option<Instant> {
        let (phase, since) = self.at();
        matches!(phase, Phase::Idle | Phase::Talking).then_some(since)
    }

    /// Closes it if it has been at one of `phases` for `time`; its thread wakes with an end of its input, or of its
    /// output.
    pub fn close_if(&self, phases: &[Phase], time: Duration) -> bool {
        let mut at = lock(&self.at);
        let closes = phases.contains(&at.0) && at.1.elapsed() >= time;
        if closes {
            at.0 = Phase::Closed;
            let _ = self.client.shutdown(Shutdown::Both);
        }
        closes
    }

    /// Answers one request after another; the ticket, if one of them had one.
    pub fn converse(&self, door: &Door, peer: SocketAddr) -> Option<u64> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string();
        let mut inbox = Inbox::new(Socket::new(&self.client).ok()?);
        let mut request = Request::default();
        let mut answer = Vec::new();
        while inbox.wait() {
            self.go_on_to(Phase::Talking)?;
            let read = inbox.read_request(&peer, &mut request).inspect_err(|_| door.counts.malformed.add(1));
            self.go_on_to(Phase::Crossing)?;
            let mut keep_alive = read.is_ok() && request.keep_alive;
            let ending = || {
                keep_alive &= !door.is_closing();
                if keep_alive { "Connection: keep-alive\r\n" } else { "Connection: close\r\n" }
            };
            let crossed = read.and_then(|()| {
                let crossed = door.bridge.cross(&request, ending, &mut answer);
                crossed.inspect_err(|_| door.counts.unanswered.add(1))
            });
            if let Ok(Some(ticket)) = crossed.as_ref().map(|answer| answer.ticket) {
                return Some(ticket);
            }
            self.go_on_to(Phase::Talking)?;
            if let Err(refusal) = &crossed {
                answer = refusal.answer(request.is_head);
                keep_alive = false;
            }
            inbox.wire.send(&answer).ok()?;
            if !keep_alive {
                inbox.wire.linger();
                return None;
            }
            for buffer in [&mut request.bytes, &mut answer] {
                buffer.clear();
                buffer.shrink_to(KEPT_BUFFER);
            }
            self.go_on_to(Phase::Idle)?;
            if door.is_closing() {
                return None;
            }
        }
        None
    }

    /// Its thread goes on to `phase`; `None` when it has been closed meanwhile.
    fn go_on_to(&self, phase: Phase) -> Option<()> {
        let mut at = lock(&self.at);
        if at.0 == Phase::Closed {
            return None;
        }
        *at = (phase, Instant::now());
        Some(())
    }
}

/// A client's socket under deadlines.
struct Socket<'a> {
    client: &'a TcpStream,
    /// The read timeout it has; setting it again would be a system call for nothing.
    timeout: Duration,
}

impl<'a> Socket<'a> {
    fn new(client: &'a TcpStream) -> io::Result<Socket<'a>> {
        client.set_nodelay(true)?;
        client.set_write_timeout(Some(STALL_TIME))?;
        Ok(Socket { client, timeout: Duration::ZERO })
    }

    /// Says that nothing more will come, and reads what is still under way: a socket closed with unread bytes sends a
    /// reset, and the reset overtakes the answer.
    fn linger(&mut self) {
        let _ = self.client.shutdown(Shutdown::Write);
        let deadline = Instant::now() + LINGER_TIME;
        let mut dropped = Vec::with_capacity(KEPT_BUFFER);
        while matches!(self.read(&mut dropped, deadline), Ok(1..)) {
            dropped.clear();
        }
    }
}

impl Wire for Socket<'_> {
    fn read(&mut self, into: &mut Vec<u8>, deadline: Instant) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // Up to the next second, so that the same wait has the same timeout each time.
            let timeout = Duration::from_secs(left.as_secs() + 1);
            if timeout != self.timeout {
                self.client.set_read_timeout(Some(timeout))?;
                self.timeout = timeout;
            }
            match rustix::io::read(self.client, spare_capacity(into)) {
                // The deadline decides whether there is another try.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Sends all of `bytes`, in one go when the client takes them.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let deadline = Instant::now() + STALL_TIME + Duration::from_secs((bytes.len() / SLOWEST) as u64);
        let mut sent = 0;
        while sent < bytes.len() {
            match (&*self.client).write(&bytes[sent..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => sent += result?,
            }
            if sent < bytes.len() && Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}
