//! Sessions as they lie in the file, people's and administrators', so that they outlive a restart; and blocked names.
//!
//! All times are seconds since 1970. `visitor/` keeps the sessions that are in use.

use super::{Store, first, rows};
use crate::error::Result;

pub struct StoredSession {
    pub name: String,
    pub seen_at: i64,
}

impl Store {
    pub fn insert_session(&self, fingerprint: &str, name: &str, seen_at: i64) -> Result<()> {
        let insert = "INSERT INTO session (fingerprint, name, seen_at) VALUES (?1, ?2, ?3)";
        self.execute(insert, (fingerprint, name, seen_at)).map(drop)
    }

    pub fn find_session(&self, fingerprint: &str) -> Result<Option<StoredSession>> {
        let select = "SELECT name, seen_at FROM session WHERE fingerprint = ?1";
        self.read(|connection| {
            first(connection, select, [fingerprint], |row| {
                Ok(StoredSession { name: row.get(0)?, seen_at: row.get(1)? })
            })
        })
    }

    /// Slides a session's two weeks; a session that was ended meanwhile stays ended.
    pub fn touch_session(&self, fingerprint: &str, seen_at: i64) -> Result<()> {
        let update = "UPDATE session SET seen_at = ?2 WHERE fingerprint = ?1";
        self.execute(update, (fingerprint, seen_at)).map(drop)
    }

    pub fn delete_session(&self, fingerprint: &str) -> Result<()> {
        self.execute("DELETE FROM session WHERE fingerprint = ?1", [fingerprint]).map(drop)
    }

    /// Ends all sessions of a name, and gives back their fingerprints.
    pub fn delete_sessions_of(&self, name: &str) -> Result<Vec<String>> {
        let delete = "DELETE FROM session WHERE name = ?1 RETURNING fingerprint";
        self.write(|transaction| rows(transaction, delete, [name], |row| row.get(0)))
    }

    /// Forgets the sessions that were last seen before `oldest`.
    pub fn delete_sessions_before(&self, oldest: i64) -> Result<()> {
        self.execute("DELETE FROM session WHERE seen_at < ?1", [oldest]).map(drop)
    }

    /// Adds an administrator's session, and forgets those last seen before `oldest`.
    pub fn insert_admin_session(&self, fingerprint: &str, seen_at: i64, oldest: i64) -> Result<()> {
        self.execute("DELETE FROM admin_session WHERE seen_at < ?1", [oldest])?;
        let insert = "INSERT INTO admin_session (fingerprint, seen_at) VALUES (?1, ?2)";
        self.execute(insert, (fingerprint, seen_at)).map(drop)
    }

    /// When an administrator's session was last seen.
    pub fn find_admin_session(&self, fingerprint: &str) -> Result<Option<i64>> {
        let select = "SELECT seen_at FROM admin_session WHERE fingerprint = ?1";
        self.read(|connection| first(connection, select, [fingerprint], |row| row.get(0)))
    }

    pub fn touch_admin_session(&self, fingerprint: &str, seen_at: i64) -> Result<()> {
        let update = "UPDATE admin_session SET seen_at = ?2 WHERE fingerprint = ?1";
        self.execute(update, (fingerprint, seen_at)).map(drop)
    }

    pub fn delete_admin_session(&self, fingerprint: &str) -> Result<()> {
        self.execute("DELETE FROM admin_session WHERE fingerprint = ?1", [fingerprint]).map(drop)
    }

    /// Keeps anybody from signing in under a name until then, and forgets the blocks that are over.
    pub fn block(&self, name: &str, until: i64, now: i64) -> Result<()> {
        self.execute("DELETE FROM block WHERE until <= ?1", [now])?;
        self.execute("INSERT OR REPLACE INTO block (name, until) VALUES (?1, ?2)", (name, until)).map(drop)
    }

    pub fn lift_block(&self, name: &str) -> Result<()> {
        self.execute("DELETE FROM block WHERE name = ?1", [name]).map(drop)
    }

    pub fn is_blocked(&self, name: &str, now: i64) -> Result<bool> {
        let select = "SELECT 1 FROM block WHERE name = ?1 AND until > ?2";
        Ok(self.read(|connection| first(connection, select, (name, now), |_| Ok(())))?.is_some())
    }

    /// The names that are blocked now, and until when.
    pub fn blocks(&self, now: i64) -> Result<Vec<(String, i64)>> {
        let select = "SELECT name, until FROM block WHERE until > ?1 ORDER BY name";
        self.read(|connection| rows(connection, select, [now], |row| Ok((row.get(0)?, row.get(1)?))))
    }
}
