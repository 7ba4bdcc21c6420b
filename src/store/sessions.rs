//! Sessions as they lie in the file, so that they outlive a restart; `visitor/session.rs` keeps those in use.

use rusqlite::OptionalExtension;

use super::Store;
use crate::error::Result;

#[derive(Clone, Debug, PartialEq)]
pub struct StoredSession {
    pub name: String,
    /// Seconds since 1970.
    pub seen_at: i64,
}

impl Store {
    pub fn insert_session(&self, fingerprint: &str, session: &StoredSession) -> Result<()> {
        self.write(|transaction| {
            let insert = "INSERT INTO session (fingerprint, name, seen_at) VALUES (?1, ?2, ?3)";
            Ok(transaction.execute(insert, (fingerprint, &session.name, session.seen_at)).map(drop)?)
        })
    }

    pub fn find_session(&self, fingerprint: &str) -> Result<Option<StoredSession>> {
        self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT name, seen_at FROM session WHERE fingerprint = ?1")?;
            let session = select.query_row([fingerprint], |row| {
                Ok(StoredSession { name: row.get(0)?, seen_at: row.get(1)? })
            });
            Ok(session.optional()?)
        })
    }

    /// Slides a session's two weeks; a session that was ended meanwhile stays ended.
    pub fn touch_session(&self, fingerprint: &str, seen_at: i64) -> Result<()> {
        self.write(|transaction| {
            let update = "UPDATE session SET seen_at = ?2 WHERE fingerprint = ?1";
            Ok(transaction.execute(update, (fingerprint, seen_at)).map(drop)?)
        })
    }

    pub fn delete_session(&self, fingerprint: &str) -> Result<()> {
        self.write(|transaction| {
            Ok(transaction.execute("DELETE FROM session WHERE fingerprint = ?1", [fingerprint]).map(drop)?)
        })
    }

    /// Ends all sessions of a name, and gives back their fingerprints.
    pub fn delete_sessions_of(&self, name: &str) -> Result<Vec<String>> {
        self.write(|transaction| {
            let mut delete =
                transaction.prepare("DELETE FROM session WHERE name = ?1 RETURNING fingerprint")?;
            let fingerprints = delete.query_map([name], |row| row.get(0))?;
            Ok(fingerprints.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Forgets the sessions that were last seen before `oldest`, in seconds since 1970.
    pub fn delete_sessions_before(&self, oldest: i64) -> Result<()> {
        self.write(|transaction| {
            Ok(transaction.execute("DELETE FROM session WHERE seen_at < ?1", [oldest]).map(drop)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;

    #[test]
    fn a_session_is_there_until_it_is_deleted_or_too_old() {
        let scratch = Scratch::new("sessions");
        let store = &scratch.store;
        let session = StoredSession { name: "Puck".to_owned(), seen_at: 100 };
        store.insert_session("a", &session).unwrap();
        store.insert_session("b", &session).unwrap();
        store.touch_session("b", 200).unwrap();
        store.delete_sessions_before(150).unwrap();
        assert_eq!(store.find_session("a").unwrap(), None);
        assert_eq!(store.find_session("b").unwrap().unwrap().seen_at, 200);
        store.delete_session("b").unwrap();
        assert_eq!(store.find_session("b").unwrap(), None);
    }
}
