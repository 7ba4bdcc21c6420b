//! Who is here, as each process on this file says it: presence and names hold across all of them.

use super::{Store, rows};
use crate::error::Result;

/// One session that is present: its name and its fingerprint.
pub type Attendee = (String, String);

impl Store {
    /// Says who is present at `process`, and for how long that may be believed, in seconds since 1970. What
    /// processes said that are gone is forgotten.
    pub fn attend(&self, process: &str, attendees: &[Attendee], now: i64, until: i64) -> Result<()> {
        self.write(|transaction| {
            let old = "DELETE FROM attendance WHERE process = ?1 OR until <= ?2";
            transaction.execute(old, (process, now))?;
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO attendance (process, name, fingerprint, until)
                 VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (name, fingerprint) in attendees {
                insert.execute((process, name, fingerprint, until))?;
            }
            Ok(())
        })
    }

    /// Who is present at the other processes. One whose session was ended is not, even if the process that said so fell
    /// over before it could take that back.
    pub fn attendees_elsewhere(&self, process: &str, now: i64) -> Result<Vec<Attendee>> {
        let select = "
            SELECT a.name, a.fingerprint
            FROM attendance a
            JOIN session s ON s.fingerprint = a.fingerprint AND s.name = a.name
            WHERE a.process <> ?1 AND a.until > ?2";
        self.read(|connection| rows(connection, select, (process, now), |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// Which of those present at `process` have no session any more, or one under another name.
    pub fn attendees_without_session(&self, process: &str) -> Result<Vec<String>> {
        let select = "
            SELECT a.fingerprint
            FROM attendance a
            LEFT JOIN session s ON s.fingerprint = a.fingerprint AND s.name = a.name
            WHERE a.process = ?1 AND s.fingerprint IS NULL";
        self.read(|connection| rows(connection, select, [process], |row| row.get(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;

    #[test]
    fn each_process_hears_of_the_others_until_they_fall_silent() {
        let store = &Scratch::new("attend").store;
        let puck = ("Puck".to_owned(), "f".to_owned());
        store.insert_session("f", "Puck", 0).unwrap();
        store.attend("a", std::slice::from_ref(&puck), 0, 60).unwrap();
        assert_eq!(store.attendees_elsewhere("b", 59).unwrap(), [puck]);
        assert_eq!(store.attendees_elsewhere("b", 60).unwrap(), []);
        assert_eq!(store.attendees_elsewhere("a", 0).unwrap(), []);
        store.delete_session("f").unwrap();
        assert_eq!(store.attendees_elsewhere("b", 0).unwrap(), []);
    }

    #[test]
    fn one_whose_session_was_ended_or_renamed_elsewhere_is_found() {
        let store = &Scratch::new("without").store;
        let lost = || store.attendees_without_session("a").unwrap();
        store.attend("a", &[("Puck".to_owned(), "f".to_owned())], 0, 60).unwrap();
        assert_eq!(lost(), ["f"]);
        store.insert_session("f", "Puck", 0).unwrap();
        assert!(lost().is_empty());
        store.delete_session("f").unwrap();
        store.insert_session("f", "Robin", 0).unwrap();
        assert_eq!(lost(), ["f"]);
    }
}
