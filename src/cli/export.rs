//! Every message on stdout, as lines of JSON or as a table for a spreadsheet.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::config::ExportFormat;
use crate::error::{Error, Result};
use crate::live::push_message;
use crate::store::{Message, Messages};

const CSV_HEADER: &[u8] = b"id,author__name,content,created_at,edited\r\n";

/// Prints the messages of the database, oldest first. A reader who has seen enough ends it without a word.
///
/// # Errors
/// The file is missing or not ours, or stdout cannot be written.
pub fn export(db: &Path, format: ExportFormat) -> Result<()> {
    let messages = Messages::open(db)?;
    let mut text = match format {
        ExportFormat::Csv => CSV_HEADER.to_vec(),
        ExportFormat::Jsonl => Vec::new(),
    };
    let mut last = 0;
    loop {
        let page = messages.after(last)?;
        page.iter().for_each(|message| push_record(&mut text, message, format));
        match io::stdout().write_all(&text).and_then(|()| io::stdout().flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(|error| Error::internal(format!("stdout: {error}")))?,
        }
        let Some(newest) = page.last() else { return Ok(()) };
        last = newest.id;
        text.clear();
    }
}

fn push_record(out: &mut Vec<u8>, message: &Message<'_>, format: ExportFormat) {
    match format {
        ExportFormat::Jsonl => {
            push_message(out, message);
            out.push(b'\n');
        }
        ExportFormat::Csv => out.extend_from_slice(csv_record(message).as_bytes()),
    }
}

/// One record as RFC 4180 has it.
fn csv_record(message: &Message<'_>) -> String {
    let Message { id, author, content, created_at, edited } = message;
    format!("{id},{},{},{},{edited}\r\n", csv_field(author), csv_field(content), csv_field(created_at))
}

/// Quoted where a comma, a quote or a line end would be taken for the end of it.
fn csv_field(text: &str) -> String {
    match text.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_field_is_quoted_where_it_has_to_be() {
        for (text, field) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("早上好", "早上好"),
        ] {
            assert_eq!(csv_field(text), field);
        }
    }
}
