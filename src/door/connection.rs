//! One client's connection: a socket under deadlines, which others may close while its client keeps us waiting.

use super::framing::Wire;
use super::lock;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a client may take none of its answer.
const STALL_TIME: Duration = Duration::from_secs(20);
/// How long a client may take for an answer, or for each piece of a long one: 1 MiB at 140 kbit/s.
const SEND_TIME: Duration = Duration::from_secs(60);
/// How many bytes of a closing connection are still read and dropped.
const LINGER_BYTES: usize = 8 * 1024 * 1024;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Nothing has come yet.
    Fresh,
    /// Between two requests.
    Idle,
    /// A request is coming in.
    Asking,
    /// The request is whole: the client waits for us.
    Crossing,
    /// The answer goes out.
    Answered,
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
        Connection { client, at: Mutex::new((Phase::Fresh, Instant::now())) }
    }

    /// The connection's thread goes on to `phase`; `None` when the connection has been closed meanwhile.
    pub fn go_on_to(&self, phase: Phase) -> Option<()> {
        let mut at = lock(&self.at);
        if at.0 == Phase::Closed {
            return None;
        }
        *at = (phase, Instant::now());
        Some(())
    }

    pub fn is_at(&self, phase: Phase) -> bool {
        lock(&self.at).0 == phase
    }

    /// Since when its client has kept us waiting, if it does.
    pub fn waits_since(&self) -> Option<Instant> {
        let (phase, since) = *lock(&self.at);
        (!matches!(phase, Phase::Crossing | Phase::Closed)).then_some(since)
    }

    /// Closes it if it is at one of `phases`; its thread wakes with an end of its input, or of its output.
    pub fn close_if(&self, phases: &[Phase]) -> bool {
        let mut at = lock(&self.at);
        let closes = phases.contains(&at.0);
        if closes {
            at.0 = Phase::Closed;
            let _ = self.client.shutdown(Shutdown::Both);
        }
        closes
    }
}

/// A client's socket under deadlines.
pub struct Socket<'a> {
    client: &'a TcpStream,
    /// The read timeout it has; setting it again would be a system call for nothing.
    timeout: Duration,
}

impl<'a> Socket<'a> {
    pub fn new(client: &'a TcpStream) -> io::Result<Socket<'a>> {
        client.set_nodelay(true)?;
        client.set_write_timeout(Some(STALL_TIME))?;
        Ok(Socket { client, timeout: Duration::ZERO })
    }

    /// Sends all of `bytes`, in one go when the client takes them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = write_some(self.client, bytes)?;
        if sent == bytes.len() {
            return Ok(());
        }
        let deadline = Instant::now() + SEND_TIME;
        while sent < bytes.len() {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sent += write_some(self.client, &bytes[sent..])?;
        }
        Ok(())
    }

    /// Says that nothing more will come, and reads what is still under way: a socket closed with unread bytes sends a
    /// reset, and the reset overtakes the answer.
    pub fn linger(&mut self, time: Duration) {
        let _ = self.client.shutdown(Shutdown::Write);
        let deadline = Instant::now() + time;
        let mut left = LINGER_BYTES;
        let mut dropped = [0; 8192];
        while left > 0 {
            match self.read(&mut dropped, deadline) {
                Ok(0) | Err(_) => return,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
    }
}

impl Wire for Socket<'_> {
    fn read(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let timeout = rounded(left);
            if timeout != self.timeout {
                self.client.set_read_timeout(Some(timeout))?;
                self.timeout = timeout;
            }
            match self.client.read(into) {
                Err(error) if is_for_another_try(&error) => {}
                result => return result,
            }
        }
    }

    fn go_on(&mut self) -> io::Result<()> {
        self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

fn write_some(mut client: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match client.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Up to the next whole second, so that the same wait has the same timeout each time; short ones stay as they are.
fn rounded(left: Duration) -> Duration {
    if left < Duration::from_secs(1) {
        return left.max(Duration::from_millis(1));
    }
    Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

/// A timeout ran out, perhaps a little early, or a signal came: the deadline decides.
fn is_for_another_try(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
