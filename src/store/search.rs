//! Search: messages whose text contains another, newest first, whatever the script and the case.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::Store;
use super::messages::{Message, SELECT_MESSAGE, message};
use crate::error::Result;

impl Store {
    /// Up to `limit` messages older than the message `before` whose content contains `wanted`, newest first.
    pub fn search_messages(&self, wanted: &str, before: i64, limit: usize) -> Result<Vec<Message>> {
        let wanted = wanted.to_lowercase();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT_MESSAGE}
                 WHERE m.id < ?1 AND contains(m.content, ?2)
                 ORDER BY m.id DESC
                 LIMIT ?3"
            ))?;
            let messages = statement.query_map((before, wanted, limit as i64), message)?;
            Ok(messages.collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// SQLite's own LIKE folds the case of ASCII alone, and its trigram index finds no single Chinese character; a scan
/// with a function of ours does both, and costs nothing when a message is stored.
pub fn add_function(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("contains", 2, flags, |context| {
        let wanted = context.get_raw(1).as_str()?;
        Ok(context.get_raw(0).as_str().is_ok_and(|text| contains(text, wanted)))
    })
}

/// Whether `text` contains `wanted`, which is in lower case, in any case.
fn contains(text: &str, wanted: &str) -> bool {
    if wanted.is_ascii() {
        return contains_ascii(text.as_bytes(), wanted.as_bytes());
    }
    text.contains(wanted) || text.to_lowercase().contains(wanted)
}

fn contains_ascii(text: &[u8], wanted: &[u8]) -> bool {
    let Some((&first, rest)) = wanted.split_first() else { return true };
    let starts = text.len().saturating_sub(rest.len());
    (0..starts).any(|start| {
        text[start].eq_ignore_ascii_case(&first)
            && text[start + 1..start + 1 + rest.len()].eq_ignore_ascii_case(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;

    #[test]
    fn case_does_not_matter_in_any_script() {
        let cases = [
            ("Hello, world", "WORLD", true),
            ("Hello", "hellow", false),
            ("", "a", false),
            ("a", "", true),
            ("今天天气很好", "气", true),
            ("Привет", "ПРИВЕТ", true),
            ("ÉTÉ", "été", true),
            ("100%", "%", true),
            ("abc", "_", false),
        ];
        for (text, wanted, found) in cases {
            assert_eq!(contains(text, &wanted.to_lowercase()), found, "{wanted} in {text}");
        }
    }

    #[test]
    fn the_newest_match_comes_first_and_a_page_goes_on_before_it() {
        let scratch = Scratch::new("search");
        let fill = "
            INSERT INTO author (name) VALUES ('Puck');
            INSERT INTO message (author_id, content) VALUES (1, '好 one'), (1, 'two'), (1, '好 three');";
        scratch.store.write(|transaction| Ok(transaction.execute_batch(fill)?)).unwrap();
        let found = |before| -> Vec<i64> {
            let messages = scratch.store.search_messages("好", before, 10).unwrap();
            messages.iter().map(|message| message.id).collect()
        };
        assert_eq!(found(i64::MAX), [3, 1]);
        assert_eq!(found(3), [1]);
    }
}
