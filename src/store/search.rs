//! Search: messages whose text contains another, newest first, whatever the script and the case.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::messages::{Message, SELECT_MESSAGE, kept_message};
use super::{Store, rows};
use crate::error::Result;

impl Store {
    /// Up to `limit` messages older than the message `before` whose content contains `wanted`, newest first.
    pub fn search_messages(&self, wanted: &str, before: i64, limit: usize) -> Result<Vec<Message<'static>>> {
        let newest_first = format!(
            "{SELECT_MESSAGE}
             WHERE m.id < ?1 AND contains(m.content, ?2)
             ORDER BY m.id DESC
             LIMIT ?3"
        );
        let parameters = (before, wanted.to_lowercase(), limit as i64);
        self.read(|connection| rows(connection, &newest_first, parameters, kept_message))
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
}
