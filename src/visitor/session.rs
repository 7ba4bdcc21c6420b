//! Sessions in use: a mutex-guarded map over the table that outlives a restart.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::token;
use crate::error::Result;
use crate::store::{Store, StoredSession};

/// A session that is not used for this long is over.
pub const LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How often the use of a session is written down: each time would be a commit for every request.
const SLIDE_EVERY: i64 = 60 * 60;

/// How long the map is believed before the table is asked again: another process on the same file may have ended
/// the session.
const BELIEVED_FOR: i64 = 5;

/// Sessions kept in memory; what is dropped is found again in the table.
const KEPT: usize = 10_000;

/// One person signed in on one device.
#[derive(Debug)]
pub struct Session {
    /// What the session is known by; its token is known to its holder alone.
    pub fingerprint: String,
    pub name: String,
    seen_at: AtomicI64,
    checked_at: AtomicI64,
    ended: AtomicBool,
}

impl Session {
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

pub struct Sessions {
    store: Arc<Store>,
    map: Mutex<HashMap<String, Arc<Session>>>,
    cleaned_at: AtomicI64,
}

/// The clock that sessions are kept by: seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_secs() as i64
}

impl Sessions {
    pub fn new(store: Arc<Store>) -> Sessions {
        Sessions { store, map: Mutex::default(), cleaned_at: AtomicI64::new(0) }
    }

    /// The token of a new session.
    pub fn sign_in(&self, name: &str, now: i64) -> Result<String> {
        self.clean(now)?;
        let token = token::new();
        let fingerprint = token::fingerprint(&token).expect("a token just made is well formed");
        self.store.insert_session(&fingerprint, name, now)?;
        Ok(token)
    }

    /// The session of that token, used now; none when it is unknown, ended or too old.
    pub fn find(&self, token: &str, now: i64) -> Result<Option<Arc<Session>>> {
        let Some(fingerprint) = token::fingerprint(token) else { return Ok(None) };
        let known = self.map().get(&fingerprint).cloned();
        let session = match known {
            Some(session) if now - session.checked_at.load(Ordering::Relaxed) < BELIEVED_FOR => Some(session),
            _ => self.look_up(&fingerprint, now)?,
        };
        let Some(session) = session else { return Ok(None) };
        let seen_at = session.seen_at.load(Ordering::Relaxed);
        if now - seen_at >= SLIDE_EVERY && session.seen_at.swap(now, Ordering::Relaxed) == seen_at {
            self.store.touch_session(&fingerprint, now)?;
        }
        Ok(Some(session))
    }

    /// Ends a session everywhere; its streams are closed by the tail.
    pub fn end(&self, session: &Session) -> Result<()> {
        session.ended.store(true, Ordering::Relaxed);
        self.map().remove(&session.fingerprint);
        self.store.delete_session(&session.fingerprint)
    }

    /// Ends a session here that is gone from the table, or goes by another name there.
    pub fn forget(&self, fingerprint: &str) {
        if let Some(session) = self.map().remove(fingerprint) {
            session.ended.store(true, Ordering::Relaxed);
        }
    }

    fn look_up(&self, fingerprint: &str, now: i64) -> Result<Option<Arc<Session>>> {
        let stored = self.store.find_session(fingerprint)?;
        match stored.filter(|stored| now - stored.seen_at < LIFETIME.as_secs() as i64) {
            Some(stored) => Ok(Some(self.keep(fingerprint, stored, now))),
            None => {
                self.forget(fingerprint);
                Ok(None)
            }
        }
    }

    /// Puts what the table says into the map, as the one `Session` that everybody shares.
    fn keep(&self, fingerprint: &str, stored: StoredSession, now: i64) -> Arc<Session> {
        let mut map = self.map();
        if let Some(session) = map.get(fingerprint) {
            if session.name == stored.name {
                session.checked_at.store(now, Ordering::Relaxed);
                return Arc::clone(session);
            }
            session.ended.store(true, Ordering::Relaxed); // its streams come back under the new name
        }
        if map.len() >= KEPT {
            map.retain(|_, session| Arc::strong_count(session) > 1); // those with a stream or a request
        }
        let session = Arc::new(Session {
            fingerprint: fingerprint.to_owned(),
            name: stored.name,
            seen_at: AtomicI64::new(stored.seen_at),
            checked_at: AtomicI64::new(now),
            ended: AtomicBool::new(false),
        });
        map.insert(fingerprint.to_owned(), Arc::clone(&session));
        session
    }

    /// Forgets the sessions that are too old, once in a while.
    fn clean(&self, now: i64) -> Result<()> {
        let cleaned_at = self.cleaned_at.swap(now, Ordering::Relaxed);
        if now - cleaned_at < SLIDE_EVERY {
            self.cleaned_at.store(cleaned_at, Ordering::Relaxed);
            return Ok(());
        }
        self.store.delete_sessions_before(now - LIFETIME.as_secs() as i64)
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Scratch;

    const DAY: i64 = 24 * 60 * 60;

    fn sessions(scratch: &Scratch) -> Sessions {
        Sessions::new(Arc::clone(&scratch.store))
    }

    #[test]
    fn a_session_slides_and_outlives_a_restart() {
        let scratch = Scratch::new("slides");
        let first = sessions(&scratch);
        let token = first.sign_in("Puck", 0).unwrap();
        assert!(first.find(&token, 10 * DAY).unwrap().is_some());
        let restarted = sessions(&scratch);
        assert_eq!(restarted.find(&token, 20 * DAY).unwrap().unwrap().name, "Puck");
        assert!(restarted.find(&token, 35 * DAY).unwrap().is_none());
        restarted.sign_in("Feste", 36 * DAY).unwrap();
        let fingerprint = token::fingerprint(&token).unwrap();
        assert!(scratch.store.find_session(&fingerprint).unwrap().is_none(), "it is gone from the table");
    }

    #[test]
    fn an_ended_session_is_over_in_every_process() {
        let scratch = Scratch::new("ends");
        let (here, there) = (sessions(&scratch), sessions(&scratch));
        let token = here.sign_in("Puck", 0).unwrap();
        let seen_there = there.find(&token, 0).unwrap().unwrap();
        here.end(&here.find(&token, 0).unwrap().unwrap()).unwrap();
        assert!(here.find(&token, 0).unwrap().is_none());
        assert!(there.find(&token, BELIEVED_FOR).unwrap().is_none());
        assert!(seen_there.is_ended());
    }

    #[test]
    fn everybody_shares_one_session_for_a_token() {
        let scratch = Scratch::new("shares");
        let sessions = sessions(&scratch);
        assert!(sessions.find("forged", 0).unwrap().is_none());
        let token = sessions.sign_in("Puck", 0).unwrap();
        let session = sessions.find(&token, 0).unwrap().unwrap();
        assert!(Arc::ptr_eq(&session, &sessions.find(&token, 1).unwrap().unwrap()));
        assert!(Arc::ptr_eq(&session, &sessions.find(&token, 100).unwrap().unwrap()));
    }
}
