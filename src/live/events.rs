//! What a change, or a word about who is here, looks like on a stream.

use std::io::Write as _;

use crate::http::event_stream::push_event;
use crate::http::json::{push_number, push_string, string};
use crate::store::{Change, Message, Revision};

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// `text/event-stream`, for browsers.
    Events,
    /// `text/plain`, one line for each message, for a person with curl.
    Lines,
}

/// Revisions as bytes, and where each of them ends: a socket may take any part of them, and a stream may join
/// between any two.
pub struct Encoded {
    pub bytes: Vec<u8>,
    format: Format,
    /// The cursor before the first of them.
    start: i64,
    /// Each revision's id and the end of its bytes.
    ends: Vec<(i64, usize)>,
}

impl Encoded {
    /// None yet, of those behind the cursor `start`.
    pub fn new(format: Format, start: i64) -> Encoded {
        Encoded { bytes: Vec::new(), format, start, ends: Vec::new() }
    }

    pub fn push(&mut self, revision: &Revision<'_>) {
        match self.format {
            Format::Events => push_revision(&mut self.bytes, revision),
            Format::Lines => push_line(&mut self.bytes, revision),
        }
        self.ends.push((revision.id, self.bytes.len()));
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cursor behind the last of them.
    pub fn end(&self) -> i64 {
        self.ends.last().map_or(self.start, |(id, _)| *id)
    }

    /// What has to follow when a socket took only the first `sent` bytes: the rest of the event that was cut, and
    /// the cursor behind that event.
    pub fn cut_at(&self, sent: usize) -> (&[u8], i64) {
        let whole = self.ends.partition_point(|(_, end)| *end <= sent);
        let before = whole.checked_sub(1).map_or((self.start, 0), |last| self.ends[last]);
        match self.ends.get(whole) {
            Some((id, end)) if sent > before.1 => (&self.bytes[sent..*end], *id),
            _ => (&[], before.0),
        }
    }
}

fn push_revision(out: &mut Vec<u8>, revision: &Revision<'_>) {
    let id = Some(revision.id);
    match &revision.change {
        Change::Created(message) => push_event(out, id, None, |out| push_message(out, message)),
        Change::Edited(message) => push_event(out, id, Some("edited"), |out| push_edited(out, message)),
        Change::Deleted { id: message } => {
            push_event(out, id, Some("deleted"), |out| push_fmt(out, format_args!("{{\"id\":{message}}}")));
        }
        // The log may have been written by hand: what is not JSON there must not break a stream here.
        Change::Renamed { detail } => {
            if let Ok(detail) = serde_json::from_str::<serde_json::Value>(detail) {
                push_event(out, id, Some("renamed"), |out| push_fmt(out, format_args!("{detail}")));
            }
        }
        Change::Moot => {}
    }
}

fn push_line(out: &mut Vec<u8>, revision: &Revision<'_>) {
    if let Change::Created(message) = &revision.change {
        let content = printable(&message.content).replace('\n', "\n  ");
        let _ = writeln!(out, "{}: {content}", printable(&message.author));
    }
}

/// A terminal obeys control characters; a message must not command it.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

/// A message as the stream and the pages of history tell it.
pub fn push_message(out: &mut Vec<u8>, message: &Message<'_>) {
    out.extend_from_slice(b"{\"id\":");
    push_number(out, message.id);
    out.extend_from_slice(b",\"author__name\":");
    push_string(out, &message.author);
    out.extend_from_slice(b",\"content\":");
    push_string(out, &message.content);
    out.extend_from_slice(b",\"created_at\":");
    push_string(out, &message.created_at);
    out.extend_from_slice(if message.edited { &b",\"edited\":true}"[..] } else { b",\"edited\":false}" });
}

fn push_edited(out: &mut Vec<u8>, message: &Message<'_>) {
    out.extend_from_slice(b"{\"id\":");
    push_number(out, message.id);
    out.extend_from_slice(b",\"content\":");
    push_string(out, &message.content);
    out.extend_from_slice(b",\"edited\":true}");
}

fn push_fmt(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all that is written to it");
}

/// The first event: where the log stands, which database it is, and who the stream is for. `retry` is in the same
/// block, since some clients report a block without data as an empty event.
pub fn push_hello(out: &mut Vec<u8>, retry_ms: u32, head: i64, epoch: &str, name: &str) {
    let _ = writeln!(out, "retry: {retry_ms}");
    let data = format!("{{\"head\":{head},\"epoch\":{},\"you\":{}}}", string(epoch), string(name));
    push_event(out, None, Some("hello"), |out| out.extend_from_slice(data.as_bytes()));
}

/// An event that carries no news of messages: the cursor stays where it is.
pub fn push_word(out: &mut Vec<u8>, name: &str, data: &str) {
    push_event(out, None, Some(name), |out| out.extend_from_slice(data.as_bytes()));
}

pub fn typing_json(name: &str) -> String {
    format!("{{\"name\":{}}}", string(name))
}

pub fn presence_json(names: &[&str], count: usize) -> String {
    let names: Vec<_> = names.iter().map(|name| string(name)).collect();
    format!("{{\"online\":[{}],\"count\":{count}}}", names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(id: i64, content: &str) -> Revision<'_> {
        let message = Message {
            id: 7,
            author: "Puck".into(),
            content: content.into(),
            created_at: "2026-01-02T03:04:05.678Z".into(),
            edited: false,
        };
        Revision { id, change: Change::Created(message) }
    }

    fn encoded(format: Format, start: i64, revisions: &[Revision<'_>]) -> Encoded {
        let mut encoded = Encoded::new(format, start);
        revisions.iter().for_each(|revision| encoded.push(revision));
        encoded
    }

    #[test]
    fn a_message_is_an_unnamed_event_with_the_keys_in_their_order() {
        let bytes = encoded(Format::Events, 0, &[created(12, "a\n\"b\"\r\u{2028}")]).bytes;
        let expected = "id: 12\ndata: {\"id\":7,\"author__name\":\"Puck\",\"content\":\"a\\n\\\"b\\\"\\r\u{2028}\",\
                        \"created_at\":\"2026-01-02T03:04:05.678Z\",\"edited\":false}\n\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn edits_and_deletions_are_named_events() {
        let Change::Created(message) = created(0, "new").change else { unreachable!() };
        let edited = Revision { id: 43, change: Change::Edited(message) };
        let deleted = Revision { id: 44, change: Change::Deleted { id: 7 } };
        let expected = "id: 43\nevent: edited\ndata: {\"id\":7,\"content\":\"new\",\"edited\":true}\n\n\
                        id: 44\nevent: deleted\ndata: {\"id\":7}\n\n";
        assert_eq!(
            String::from_utf8(encoded(Format::Events, 0, &[edited, deleted]).bytes).unwrap(),
            expected
        );
    }

    #[test]
    fn a_renaming_that_is_not_json_is_left_out() {
        let renamed =
            |detail: &'static str| Revision { id: 1, change: Change::Renamed { detail: detail.into() } };
        assert!(encoded(Format::Events, 0, &[renamed("{\n")]).bytes.is_empty());
        assert!(
            encoded(Format::Events, 0, &[renamed("{\"from\":\n\"a\",\"to\":\"b\"}")])
                .bytes
                .starts_with(b"id: 1\nevent: renamed\n")
        );
    }

    #[test]
    fn wherever_a_socket_stops_the_rest_and_the_cursor_make_it_whole() {
        let all = [created(3, "one"), Revision { id: 4, change: Change::Moot }, created(5, "two")];
        let encoded_all = encoded(Format::Events, 0, &all);
        for sent in 0..=encoded_all.bytes.len() {
            let (rest, cursor) = encoded_all.cut_at(sent);
            let later = all.iter().filter(|revision| revision.id > cursor).cloned().collect::<Vec<_>>();
            let again = encoded(Format::Events, cursor, &later).bytes;
            let whole = [&encoded_all.bytes[..sent], rest, &again].concat();
            assert_eq!(whole, encoded_all.bytes, "cut at {sent}");
        }
        assert_eq!(encoded_all.end(), 5);
    }

    #[test]
    fn a_line_for_each_message_is_all_that_curl_gets() {
        let lines = encoded(Format::Lines, 0, &[created(1, "two\n\u{1b}lines")]).bytes;
        assert_eq!(String::from_utf8(lines).unwrap(), "Puck: two\n  \u{fffd}lines\n");
    }
}
