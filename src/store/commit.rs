//! New messages: one commit for all that wait, so that a hundred people who post at once share one trip to the disk.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::authors::author_id;
use crate::error::{Error, Result};

/// How long the next commit waits until the streams have begun to send what the last one brought: posts are not
/// taken faster than they can be handed out. Bounded, lest a tail in trouble keep people from posting.
const FAN_OUT_PATIENCE: Duration = Duration::from_millis(500);

/// A message before it is stored.
#[derive(Debug)]
pub struct Draft {
    pub author: String,
    pub content: String,
    /// The same author and client id again is a retry, and stored once.
    pub client_id: Option<String>,
}

/// A message that is on the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    pub id: i64,
    pub created_at: String,
    /// It was there already, under the same client id.
    pub repeated: bool,
}

/// Called once the draft is on the disk, or will never be.
type Then = Box<dyn FnOnce(Result<Created>) + Send>;

/// The drafts that wait for the next commit.
#[derive(Default)]
pub struct Waiting(Mutex<Line>);

#[derive(Default)]
struct Line {
    drafts: Vec<(Draft, Then)>,
    /// A thread is committing; it will look at the line again before it leaves.
    committing: bool,
}

impl Store {
    /// Stores the draft and calls `then`, here or on the thread that is just committing: nobody waits for a commit
    /// but the one who makes it.
    pub fn create_message(&self, draft: Draft, then: impl FnOnce(Result<Created>) + Send + 'static) {
        let mut line = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.drafts.push((draft, Box::new(then)));
        if mem::replace(&mut line.committing, true) {
            return;
        }
        drop(line);
        let _committing = Committing(&self.waiting);
        while let Some((drafts, thens)) = self.next_batch() {
            let results = self.commit(&drafts);
            thens.into_iter().zip(results).for_each(|(then, result)| then(result));
        }
    }

    /// When the disk or the lock refused a batch, those who came meanwhile have waited for the same thing in vain:
    /// they hear it too, rather than each batch waiting anew.
    fn refuse_waiting(&self, error: &Error) {
        let mut line = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        let drafts = mem::take(&mut line.drafts);
        drop(line);
        drafts.into_iter().for_each(|(_, then)| then(Err(error.clone())));
    }

    /// All that wait by the time the streams have begun with the last batch; when nobody does, the line is free.
    fn next_batch(&self) -> Option<(Vec<Draft>, Vec<Then>)> {
        self.bell.wait_heard(FAN_OUT_PATIENCE);
        let mut line = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if line.drafts.is_empty() {
            line.committing = false;
            return None;
        }
        Some(mem::take(&mut line.drafts).into_iter().unzip())
    }

    fn commit(&self, drafts: &[Draft]) -> Vec<Result<Created>> {
        let inserted = self.write(|transaction| {
            drafts.iter().map(|draft| insert(transaction, draft)).collect::<Result<Vec<_>>>()
        });
        match inserted {
            Ok(created) => created.into_iter().map(Ok).collect(),
            Err(error) => {
                self.refuse_waiting(&error);
                drafts.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }
}

/// Frees the line even if an answer panics; otherwise nobody could post again.
struct Committing<'a>(&'a Waiting);

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).committing = false;
        }
    }
}

fn insert(connection: &Connection, draft: &Draft) -> Result<Created> {
    let author = author_id(connection, &draft.author)?;
    if let Some(client_id) = &draft.client_id
        && let Some(created) = find_by_client_id(connection, author, client_id)?
    {
        return Ok(created);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO message (author_id, content, client_id)
         VALUES (?1, ?2, ?3)
         RETURNING id, created_at",
    )?;
    Ok(insert.query_row((author, &draft.content, &draft.client_id), |row| {
        Ok(Created { id: row.get(0)?, created_at: row.get(1)?, repeated: false })
    })?)
}

fn find_by_client_id(connection: &Connection, author: i64, client_id: &str) -> Result<Option<Created>> {
    let mut select = connection.prepare_cached(
        "SELECT id, created_at
         FROM message
         WHERE author_id = ?1 AND client_id = ?2",
    )?;
    let created =
        |row: &rusqlite::Row<'_>| Ok(Created { id: row.get(0)?, created_at: row.get(1)?, repeated: true });
    Ok(select.query_row((author, client_id), created).optional()?)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::Scratch;
    use super::*;

    fn draft(content: &str, client_id: Option<&str>) -> Draft {
        let client_id = client_id.map(str::to_owned);
        Draft { author: "Puck".to_owned(), content: content.to_owned(), client_id }
    }

    fn create(store: &Store, draft: Draft) -> Result<Created> {
        let (sender, receiver) = mpsc::channel();
        store.create_message(draft, move |result| sender.send(result).unwrap());
        receiver.recv().unwrap()
    }

    #[test]
    fn a_retry_is_stored_once() {
        let scratch = Scratch::new("retry");
        let first = create(&scratch.store, draft("once", Some("a"))).unwrap();
        let again = create(&scratch.store, draft("once", Some("a"))).unwrap();
        let other = create(&scratch.store, draft("once", None)).unwrap();
        assert_eq!((again.id, again.repeated, first.repeated), (first.id, true, false));
        assert_ne!(other.id, first.id);
    }

    #[test]
    fn everyone_who_posts_at_once_gets_an_id_of_their_own() {
        let scratch = Scratch::new("at-once");
        let ids: Vec<i64> = std::thread::scope(|scope| {
            let posters: Vec<_> = (0..16)
                .map(|n| {
                    let store = &scratch.store;
                    scope.spawn(move || {
                        let one = |k| create(store, draft(&format!("{n}.{k}"), None)).unwrap().id;
                        (0..20).map(one).collect::<Vec<_>>()
                    })
                })
                .collect();
            posters.into_iter().flat_map(|poster| poster.join().unwrap()).collect()
        });
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=320).collect::<Vec<_>>());
    }
}
