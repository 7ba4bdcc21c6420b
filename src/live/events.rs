//! What a change, or a word about who is here, looks like on a stream.

use std::io::Write as _;

use crate::http::event_stream::push_event;
use crate::http::json::{push_string, string};
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
    /// The cursor before the first of them.
    start: i64,
    /// Each revision's id and the end of its bytes.
    ends: Vec<(i64, usize)>,
}

impl Encoded {
    pub fn new(format: Format, start: i64, revisions: &[Revision]) -> Encoded {
        let mut encoded = Encoded { bytes: Vec::new(), start, ends: Vec::with_capacity(revisions.len()) };
        for revision in revisions {
            match format {
                Format::Events => push_revision(&mut encoded.bytes, revision),
                Format::Lines => push_line(&mut encoded.bytes, revision),
            }
            encoded.ends.push((revision.id, encoded.bytes.len()));
        }
        encoded
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

fn push_revision(out: &mut Vec<u8>, revision: &Revision) {
    let id = Some(revision.id);
    match &revision.change {
        Change::Created(message) => push_event(out, id, None, &message_json(message)),
        Change::Edited(message) => push_event(out, id, Some("edited"), &edited_json(message)),
        Change::Deleted { id: message } => {
            push_event(out, id, Some("deleted"), format!("{{\"id\":{message}}}").as_bytes());
        }
        // The log may have been written by hand: what is not JSON there must not break a stream here.
        Change::Renamed { detail } => {
            if let Ok(detail) = serde_json::from_str::<serde_json::Value>(detail) {
                push_event(out, id, Some("renamed"), detail.to_string().as_bytes());
            }
        }
        Change::Moot => {}
    }
}

fn push_line(out: &mut Vec<u8>, revision: &Revision) {
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
pub fn message_json(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.content.len() + message.author.len() + 96);
    let _ = write!(out, "{{\"id\":{},\"author__name\":", message.id);
    push_string(&mut out, &message.author);
    out.extend_from_slice(b",\"content\":");
    push_string(&mut out, &message.content);
    out.extend_from_slice(b",\"created_at\":");
    push_string(&mut out, &message.created_at);
    let _ = write!(out, ",\"edited\":{}}}", message.edited);
    out
}

fn edited_json(message: &Message) -> Vec<u8> {
    format!("{{\"id\":{},\"content\":{},\"edited\":true}}", message.id, string(&message.content)).into_bytes()
}

/// The first event: where the log stands, which database it is, and who the stream is for. `retry` is in the same
/// block, since some clients report a block without data as an empty event.
pub fn push_hello(out: &mut Vec<u8>, retry_ms: u32, head: i64, epoch: &str, name: &str) {
    let _ = writeln!(out, "retry: {retry_ms}");
    let data = format!("{{\"head\":{head},\"epoch\":{},\"you\":{}}}", string(epoch), string(name));
    push_event(out, None, Some("hello"), data.as_bytes());
}

/// An event that carries no news of messages: the cursor stays where it is.
pub fn push_word(out: &mut Vec<u8>, name: &str, data: &str) {
    push_event(out, None, Some(name), data.as_bytes());
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

    fn created(id: i64, content: &str) -> Revision {
        let message = Message {
            id: 7,
            author: "Puck".to_owned(),
            content: content.to_owned(),
            created_at: "2026-01-02T03:04:05.678Z".to_owned(),
            edited: false,
        };
        Revision { id, change: Change::Created(message) }
    }

    fn encoded(revisions: &[Revision]) -> Encoded {
        Encoded::new(Format::Events, 0, revisions)
    }

    #[test]
    fn a_message_is_an_unnamed_event_with_the_keys_in_their_order() {
        let bytes = encoded(&[created(12, "a\n\"b\"\r\u{2028}")]).bytes;
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
        assert_eq!(String::from_utf8(encoded(&[edited, deleted]).bytes).unwrap(), expected);
    }

    #[test]
    fn a_renaming_that_is_not_json_is_left_out() {
        let renamed =
            |detail: &str| Revision { id: 1, change: Change::Renamed { detail: detail.to_owned() } };
        assert!(encoded(&[renamed("{\n")]).bytes.is_empty());
        assert!(
            encoded(&[renamed("{\"from\":\n\"a\",\"to\":\"b\"}")])
                .bytes
                .starts_with(b"id: 1\nevent: renamed\n")
        );
    }

    #[test]
    fn wherever_a_socket_stops_the_rest_and_the_cursor_make_it_whole() {
        let all = [created(3, "one"), Revision { id: 4, change: Change::Moot }, created(5, "two")];
        let encoded = encoded(&all);
        for sent in 0..=encoded.bytes.len() {
            let (rest, cursor) = encoded.cut_at(sent);
            let later = all.iter().filter(|revision| revision.id > cursor).cloned().collect::<Vec<_>>();
            let again = Encoded::new(Format::Events, cursor, &later).bytes;
            let whole = [&encoded.bytes[..sent], rest, &again].concat();
            assert_eq!(whole, encoded.bytes, "cut at {sent}");
        }
        assert_eq!(encoded.end(), 5);
    }

    #[test]
    fn a_line_for_each_message_is_all_that_curl_gets() {
        let lines = Encoded::new(Format::Lines, 0, &[created(1, "two\n\u{1b}lines")]).bytes;
        assert_eq!(String::from_utf8(lines).unwrap(), "Puck: two\n  \u{fffd}lines\n");
    }
}
