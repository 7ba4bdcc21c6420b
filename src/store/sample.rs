//! The sample: a short conversation in two languages, the same bytes of text each time it is written.

use std::path::Path;
use std::sync::Arc;

use super::Store;
use super::authors::author_id;
use crate::error::{Error, Result};

/// Author, when, what; the clock is the sample's own, so that it reads the same in any year.
const CONVERSATION: &[(&str, &str, &str)] = &[
    ("Viola", "2026-01-02T09:15:04.120Z", "What country, friends, is this?"),
    ("Captain", "2026-01-02T09:15:31.480Z", "This is Illyria, lady. Chat is at the usual address."),
    ("红娘", "2026-01-02T09:16:02.007Z", "早上好！大家昨晚睡得好吗？"),
    ("Feste", "2026-01-02T09:16:40.915Z", "Better a witty fool than a foolish wit. Good morning!"),
    ("Viola", "2026-01-02T09:17:12.300Z", "Does anyone have the notes? https://example.org/notes"),
    (
        "Feste",
        "2026-01-02T09:17:58.641Z",
        "Start it with\n```\ncargo run --release\n```\nand share the link.",
    ),
    ("红娘", "2026-01-02T09:18:20.255Z", "收到，谢谢！晚上七点见。"),
    ("Captain", "2026-01-02T09:18:33.004Z", "(sent twice by mistake)"),
    ("Viola", "2026-01-02T09:19:05.777Z", "🎉"),
];

/// Writes the sample to `path`, which must not exist yet.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_sample(path: &Path) -> Result<()> {
    if path.exists() {
        return Err(Error::internal(format!("{}: there already", path.display())));
    }
    let store = Store::open(path, Arc::default())?;
    store.write(|transaction| {
        for (author, created_at, content) in CONVERSATION {
            let author = author_id(transaction, author)?;
            transaction.execute(
                "INSERT INTO message (author_id, created_at, content) VALUES (?1, ?2, ?3)",
                (author, created_at, content),
            )?;
        }
        transaction.execute_batch(
            "UPDATE message SET content = '收到，谢谢！晚上八点见。' WHERE id = 7;
             DELETE FROM message WHERE id = 8;
             UPDATE meta SET value = '5a3d0c1e7b924f6808c6f2a1d94e7b35' WHERE key = 'epoch';",
        )?;
        Ok(())
    })?;
    store.checkpoint()?;
    // A sample is carried about as one file, so it lies in the plain journal mode until a server opens it.
    let writer = store.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(writer.pragma_update(None, "journal_mode", "DELETE")?)
}
