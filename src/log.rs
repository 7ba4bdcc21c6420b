//! The log: one line on stderr for each event, as text or JSON, never with the text of a message in it.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// How grave an event is; the later, the graver.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// What is said of an event: names and values, in the order they are printed.
pub type Fields<'a> = [(&'a str, &'a dyn Display)];

/// A process has one stderr, so it has one setting for it; `Text` and `Info` until `start` is called.
static SETTING: OnceLock<(Format, Level)> = OnceLock::new();

/// Settles format and threshold for the life of the process; the first call counts.
pub fn start(format: Format, threshold: Level) {
    let _ = SETTING.set((format, threshold));
}

pub fn debug(event: &str, fields: &Fields<'_>) {
    write(Level::Debug, event, fields);
}

pub fn info(event: &str, fields: &Fields<'_>) {
    write(Level::Info, event, fields);
}

pub fn warn(event: &str, fields: &Fields<'_>) {
    write(Level::Warn, event, fields);
}

pub fn error(event: &str, fields: &Fields<'_>) {
    write(Level::Error, event, fields);
}

fn write(level: Level, event: &str, fields: &Fields<'_>) {
    let (format, threshold) = SETTING.get().copied().unwrap_or_default();
    if level < threshold {
        return;
    }
    let line = line(format, SystemTime::now(), level, event, fields);
    // Whole lines in one write: threads do not mix theirs. A closed stderr is no reason to stop serving.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn line(format: Format, at: SystemTime, level: Level, event: &str, fields: &Fields<'_>) -> String {
    let at = rfc3339(at);
    let mut line = match format {
        Format::Text => format!("{at} {:5} {event}", level.name()),
        Format::Json => format!(r#"{{"at":"{at}","level":"{}","event":{}"#, level.name(), json(event)),
    };
    for (name, value) in fields {
        let value = value.to_string();
        let _ = match format {
            Format::Text => write!(line, " {name}={}", quoted_where_needed(&value)),
            Format::Json => write!(line, ",{}:{}", json(name), json(&value)),
        };
    }
    line.push_str(if format == Format::Json { "}\n" } else { "\n" });
    line
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value with blanks, quotes or control characters is quoted, so that a line is always one line.
fn quoted_where_needed(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:[]{}*+,@%&?".contains(c);
    if !value.is_empty() && value.chars().all(plain) { value.to_owned() } else { format!("{value:?}") }
}

/// UTC with milliseconds, as RFC 3339 writes it.
pub fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Days since 1970-01-01 as year, month and day of the Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // counted from 0000-03-01: leap days then fall at the end of a year
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(rfc3339(at(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(at(951_782_400)), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(at(1_798_761_599) + Duration::from_millis(7)), "2026-12-31T23:59:59.007Z");
    }

    #[test]
    fn a_value_cannot_break_its_line() {
        let line = line(Format::Text, at(0), Level::Info, "request", &[("path", &"/a\nb"), ("status", &200)]);
        assert_eq!(line, "1970-01-01T00:00:00.000Z info  request path=\"/a\\nb\" status=200\n");
    }

    #[test]
    fn a_json_line_is_json() {
        let line = line(Format::Json, at(0), Level::Warn, "odd", &[("why", &"a \"b\"\n")]);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["why"], "a \"b\"\n");
        assert_eq!(value["level"], "warn");
    }
}
