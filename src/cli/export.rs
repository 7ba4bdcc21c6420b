//! Every message on stdout, as lines of JSON or as a table for a spreadsheet.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::config::ExportFormat;
use crate::error::{Error, Result};
use crate::live::message_json;
use crate::store::{self, Message};

const CSV_HEADER: &[u8] = b"id,author__name,content,created_at,edited\r\n";

/// Prints the messages of the database, oldest first. A reader who has seen enough ends it without a word.
///
/// # Errors
/// The file is missing or not ours, or stdout cannot be written.
pub fn export(db: &Path, format: ExportFormat) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match print(db, format, &mut out) {
        Err(Failure::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Failure::Write(error)) => Err(Error::internal(format!("stdout: {error}"))),
        Err(Failure::Read(error)) => Err(error),
        Ok(()) => Ok(()),
    }
}

enum Failure {
    Read(Error),
    Write(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Read(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Write(error)
    }
}

fn print(db: &Path, format: ExportFormat, out: &mut impl Write) -> Result<(), Failure> {
    let messages = store::Messages::open(db)?;
    if format == ExportFormat::Csv {
        out.write_all(CSV_HEADER)?;
    }
    let mut last = 0;
    loop {
        let page = messages.after(last)?;
        for message in &page {
            last = message.id;
            match format {
                ExportFormat::Jsonl => {
                    out.write_all(&message_json(message))?;
                    out.write_all(b"\n")?;
                }
                ExportFormat::Csv => out.write_all(csv_record(message).as_bytes())?,
            }
        }
        if page.is_empty() {
            return Ok(out.flush()?);
        }
    }
}

/// One record as RFC 4180 has it.
fn csv_record(message: &Message) -> String {
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
