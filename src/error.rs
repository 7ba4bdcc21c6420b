//! What went wrong: a status and a sentence for the person, or something internal with its cause for the log.

use std::fmt;
use std::time::Duration;

use crate::i18n::{Language, Text};

/// The crate's one error. Whoever makes it decides who is meant to hear it.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// For the person: they can mend it, or wait.
    Told { status: u16, text: Text, retry_after: Option<Duration> },
    /// For the log: the person hears only that something failed here.
    Internal(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that is shown to the person as `text`, under `status`.
    pub const fn told(status: u16, text: Text) -> Error {
        Error::Told { status, text, retry_after: None }
    }

    /// The same for one that passes by itself: `after` goes out as `Retry-After`.
    pub fn retry(status: u16, text: Text, after: Duration) -> Error {
        Error::Told { status, text, retry_after: Some(after) }
    }

    pub fn internal(cause: impl fmt::Display) -> Error {
        Error::Internal(cause.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Told { text, .. } => f.write_str(text.in_(Language::English)),
            Error::Internal(cause) => f.write_str(cause),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::internal(error)
    }
}
