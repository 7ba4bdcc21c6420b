//! Tells the other processes on the same file who is here, and hears who is there.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::Live;
use crate::error::Result;
use crate::log;
use crate::store::Attendee;
use crate::visitor::session::{self, Sessions};

/// How soon the processes hear of each other's people, and of sessions that another has ended.
const EVERY: Duration = Duration::from_secs(1);

/// How long a process that falls silent is believed. Seconds.
const BELIEVED_FOR: i64 = 60;

/// How often the same is said again, well before it is no longer believed. Seconds.
const REPEAT_AFTER: i64 = 20;

struct Attendance {
    live: Arc<Live>,
    sessions: Arc<Sessions>,
    /// A name of this process among the others; made anew at each start.
    process: String,
    said: Vec<Attendee>,
    said_at: i64,
}

/// Starts the thread; it ends, and takes back what it said, when it is woken and the streams are closing.
pub fn start(live: Arc<Live>, sessions: Arc<Sessions>) -> Result<JoinHandle<()>> {
    let process = format!("{:016x}", rand::random::<u64>());
    let mut attendance = Attendance { live, sessions, process, said: Vec::new(), said_at: 0 };
    let builder = std::thread::Builder::new().name("attendance".to_owned());
    Ok(builder.spawn(move || {
        while !attendance.live.is_closing() {
            if let Err(error) = attendance.exchange(session::now()) {
                log::warn("attendance not exchanged", &[("cause", &error)]); // tried again in a second
            }
            std::thread::park_timeout(EVERY);
        }
        let _ = attendance.say(Vec::new(), session::now());
    })?)
}

impl Attendance {
    fn exchange(&mut self, now: i64) -> Result<()> {
        let here = self.live.presence.attendees();
        if here != self.said || !here.is_empty() && now - self.said_at >= REPEAT_AFTER {
            self.say(here, now)?;
        }
        let store = &self.live.store;
        self.live.presence.hear(store.attendees_elsewhere(&self.process, now)?);
        let ended = store.attendees_without_session(&self.process)?;
        if !ended.is_empty() {
            ended.iter().for_each(|fingerprint| self.sessions.forget(fingerprint));
            self.live.presence.forget_all(&ended);
            self.live.sweep();
        }
        Ok(())
    }

    fn say(&mut self, here: Vec<Attendee>, now: i64) -> Result<()> {
        if here.is_empty() && self.said.is_empty() {
            return Ok(());
        }
        self.live.store.attend(&self.process, &here, now, now + BELIEVED_FOR)?;
        (self.said, self.said_at) = (here, now);
        Ok(())
    }
}
