//! Waits for many sockets at once: epoll, level-triggered, with a number in place of each socket.

use std::io::Result;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// How many ready sockets one wait reports at most.
const BATCH: usize = 512;

pub struct Poller {
    epoll: OwnedFd,
    ready: Vec<Event>,
}

impl Poller {
    pub fn new() -> Result<Poller> {
        Ok(Poller { epoll: epoll::create(CreateFlags::CLOEXEC)?, ready: Vec::with_capacity(BATCH) })
    }

    /// Watches a socket for bytes to read until it is closed.
    pub fn watch(&self, socket: &impl AsFd, key: usize) -> Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(key as u64), EventFlags::IN)?)
    }

    /// The keys of the sockets that can be read, after `at_most` none.
    pub fn wait(&mut self, at_most: Duration) -> Result<Vec<usize>> {
        self.ready.clear();
        let timeout = at_most.try_into().ok();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.ready), timeout.as_ref())?;
        Ok(self.ready.iter().map(|event| event.data.u64() as usize).collect())
    }
}
