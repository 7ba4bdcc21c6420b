//! Administrators: the token in the link that the server prints, and the sessions that it opens.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::token;
use crate::error::{Error, Result};
use crate::store::Store;

/// An administrator's session that is not used for this long is over: shorter than a person's, as it may do more.
pub const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// How often the use of a session is written down, in seconds.
const SLIDE_EVERY: i64 = 5 * 60;

/// Characters in a token that somebody chose, at least.
const SHORTEST_TOKEN: usize = 16;

pub struct Admins {
    store: Arc<Store>,
    /// None once the one-time token was used.
    token: Mutex<Option<String>>,
    is_fixed: bool,
}

impl Admins {
    /// With a fresh one-time token, or the one in `file`, which is good for as long as the server runs.
    ///
    /// # Errors
    /// The file cannot be read, or what it holds is too short to be a secret.
    pub fn new(store: Arc<Store>, file: Option<&Path>) -> Result<Admins> {
        let token = file.map(read_token).transpose()?;
        let is_fixed = token.is_some();
        Ok(Admins { store, token: Mutex::new(Some(token.unwrap_or_else(token::new))), is_fixed })
    }

    /// The token for the link to print; a fixed one is known to those who are meant to know it.
    pub fn one_time_token(&self) -> Option<String> {
        if self.is_fixed { None } else { self.token().clone() }
    }

    /// Opens a session for the one who knows the token, and gives the session's own; a one-time token is used up.
    pub fn sign_in(&self, token: &str, now: i64) -> Result<Option<String>> {
        let mut expected = self.token();
        if !expected.as_deref().is_some_and(|expected| token::matches(token, expected)) {
            return Ok(None);
        }
        let session = token::new();
        let fingerprint = token::fingerprint(&session).expect("a token just made is well formed");
        self.store.insert_admin_session(&fingerprint, now, now - LIFETIME.as_secs() as i64)?;
        if !self.is_fixed {
            *expected = None; // only now: had the session not been stored, the link would still be needed
        }
        Ok(Some(session))
    }

    /// Whether this is the token of a session; the session is used now.
    pub fn is_signed_in(&self, session: &str, now: i64) -> Result<bool> {
        let Some(fingerprint) = token::fingerprint(session) else { return Ok(false) };
        match self.store.find_admin_session(&fingerprint)? {
            Some(seen_at) if now - seen_at < LIFETIME.as_secs() as i64 => {
                if now - seen_at >= SLIDE_EVERY {
                    self.store.touch_admin_session(&fingerprint, now)?;
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Ends a session.
    pub fn leave(&self, session: &str) -> Result<()> {
        token::fingerprint(session).map_or(Ok(()), |print| self.store.delete_admin_session(&print))
    }

    fn token(&self) -> MutexGuard<'_, Option<String>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_token(file: &Path) -> Result<String> {
    let refuse = |why: String| Error::internal(format!("{}: {why}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let token = text.trim();
    if token.chars().count() < SHORTEST_TOKEN {
        return Err(refuse(format!("an admin token has at least {SHORTEST_TOKEN} characters")));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Scratch;

    #[test]
    fn a_session_slides_and_is_over_after_twelve_hours_of_silence() {
        const HOUR: i64 = 60 * 60;
        let scratch = Scratch::new("admins");
        let admins = Admins::new(Arc::clone(&scratch.store), None).unwrap();
        let token = admins.one_time_token().unwrap();
        let session = admins.sign_in(&token, 0).unwrap().unwrap();
        assert_eq!(admins.sign_in(&token, 0).unwrap(), None, "it was used up");
        let restarted = Admins::new(Arc::clone(&scratch.store), None).unwrap();
        for (hour, there) in [(11, true), (22, true), (34, false)] {
            assert_eq!(restarted.is_signed_in(&session, hour * HOUR).unwrap(), there, "hour {hour}");
        }
    }
}
