//! Old messages and what the log says of them, removed a little at a time.

use std::time::Duration;

use rusqlite::Connection;

use super::{Store, meta, revisions, rows};
use crate::error::Result;

/// Rows that one transaction removes at most: those who post wait for it, a few milliseconds.
const STEP: usize = 500;

/// The log is kept for this long, however short messages are: a stream that is behind reads it page by page, and must
/// not have it cut off in front of it.
const LEAST_LOG_AGE: Duration = Duration::from_secs(60 * 60);

/// In `meta`: when the log was looked at last, in seconds since 1970, and where it ended then.
const MARK: &str = "log_mark";

/// In `meta`: revisions up to this one may be gone.
const START: &str = "log_start";

impl Store {
    /// Removes a step's worth of messages created before `cutoff`, written as `created_at` is; how many there were.
    /// The triggers tell the streams.
    pub fn delete_messages_before(&self, cutoff: &str) -> Result<usize> {
        // Only the first in the table are looked at, which are the oldest unless somebody wrote the time by hand: so
        // there is no need for an index, nor to read the whole table each minute.
        let among_the_first = "
            SELECT id
            FROM (SELECT id, created_at FROM message ORDER BY id LIMIT ?1)
            WHERE created_at < ?2";
        let old: Vec<i64> = self
            .read(|connection| rows(connection, among_the_first, (STEP as i64, cutoff), |row| row.get(0)))?;
        if old.is_empty() {
            return Ok(0);
        }
        self.write(|transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM message WHERE id = ?1")?;
            old.iter().map(|id| Ok(delete.execute([id])?)).sum()
        })
    }

    /// Removes a step's worth of revisions that tell nothing to anybody any more; how many there were.
    ///
    /// A revision of a message that is gone tells a new reader nothing. But one who saw the message and comes back has
    /// to hear that it was deleted; so such revisions stay until they are older than `age`. Revisions carry no time:
    /// the end of the log is marked, and once the mark is of that age, so is all that lies before it. Who comes
    /// back after even longer, from before [`Store::log_start`], is told to begin again.
    pub fn prune_log(&self, now: i64, age: Duration) -> Result<usize> {
        let age = i64::try_from(age.max(LEAST_LOG_AGE).as_secs()).unwrap_or(i64::MAX);
        self.write(|transaction| {
            let mark = meta::get(transaction, MARK)?.and_then(|mark| {
                let (at, end) = mark.split_once(' ')?;
                Some((at.parse::<i64>().ok()?, end.to_owned()))
            });
            let is_due = mark.as_ref().is_none_or(|(at, _)| now.saturating_sub(*at) >= age);
            if is_due {
                if let Some((_, end)) = mark {
                    meta::set(transaction, START, &end)?;
                }
                meta::set(transaction, MARK, &format!("{now} {}", revisions::head(transaction)?))?;
            }
            let prune = "
                DELETE FROM revision
                WHERE id IN (SELECT r.id
                             FROM revision r
                             WHERE r.id <= ?1
                               AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = r.message_id)
                             ORDER BY r.id
                             LIMIT ?2)";
            Ok(transaction.execute(prune, (log_start(transaction)?, STEP as i64))?)
        })
    }

    /// A reader whose cursor lies before this, and who has seen anything, may have missed what is gone from the log.
    pub fn log_start(&self) -> Result<i64> {
        self.read(log_start)
    }
}

fn log_start(connection: &Connection) -> Result<i64> {
    Ok(meta::get(connection, START)?.and_then(|start| start.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;

    const DAY: i64 = 24 * 60 * 60;
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    fn filled(name: &str, old: usize) -> Scratch {
        let fill = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {old})
             INSERT INTO message (author_id, content, created_at) SELECT 1, i, '2026-01-01T00:00:00.000Z' FROM n;
             INSERT INTO message (author_id, content, created_at) VALUES (1, 'new', '2026-01-09T00:00:00.000Z');"
        );
        Scratch::filled(name, &fill)
    }

    /// What a stream behind `cursor` is told.
    fn told(store: &Store, cursor: i64) -> Vec<String> {
        let mut told = Vec::new();
        store.revisions_after(cursor, &mut |revision| told.push(format!("{:?}", revision.change))).unwrap();
        told
    }

    #[test]
    fn old_messages_go_step_by_step_and_new_ones_stay() {
        let scratch = filled("expiry", 700);
        let step = || scratch.store.delete_messages_before("2026-01-08").unwrap();
        assert_eq!([step(), step(), step()], [500, 200, 0]);
        assert_eq!(scratch.store.recent_messages(9).unwrap().messages[0].content, "new");
        assert_eq!(told(&scratch.store, 701).first(), Some(&"Deleted { id: 1 }".to_owned()));
    }

    #[test]
    fn a_deletion_can_be_heard_of_until_it_is_as_old_as_messages_may_be() {
        let scratch = filled("prune", 2);
        let store = &scratch.store;
        store.delete_messages_before("2026-01-08").unwrap(); // revisions 4 and 5
        assert_eq!(store.prune_log(0, WEEK).unwrap(), 0, "the first look only marks");
        assert_eq!(store.prune_log(6 * DAY, WEEK).unwrap(), 0);
        assert_eq!((store.log_start().unwrap(), told(store, 3).len()), (0, 2));

        store.edit_message(3, "Puck", "newer").unwrap(); // revision 6
        assert_eq!(store.prune_log(7 * DAY, WEEK).unwrap(), 4, "two creations, two deletions");
        assert_eq!((store.log_start().unwrap(), store.head().unwrap()), (5, 6));
        assert_eq!(told(store, 0).len(), 2, "the message that is there, and its edit");
        assert_eq!(store.prune_log(8 * DAY, WEEK).unwrap(), 0);
        assert_eq!(store.log_start().unwrap(), 5, "the next mark is a day old");
    }

    #[test]
    fn the_log_outlives_messages_that_are_kept_for_seconds() {
        let scratch = filled("short", 1);
        scratch.store.delete_messages_before("2026-01-10").unwrap();
        scratch.store.prune_log(0, Duration::from_secs(1)).unwrap();
        assert_eq!(scratch.store.prune_log(60, Duration::from_secs(1)).unwrap(), 0);
        assert_eq!(scratch.store.prune_log(3_600, Duration::from_secs(1)).unwrap(), 4);
    }
}
