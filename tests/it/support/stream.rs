//! An event stream, read as a browser reads it: blocks of lines, each one event.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, Raw, Request};

/// How long the next event may take where nothing else is said.
const EVENT_WITHIN: Duration = Duration::from_secs(10);

/// Events that tell of the moment and not of the log: a test that asks about messages passes over them.
const PASSING: [&str; 5] = ["hello", "presence", "typing", "ping", "parked"];

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The bytes of the block, with the empty line that ends it.
    pub block: String,
    pub id: Option<u64>,
    pub name: String,
    pub data: Value,
}

impl Event {
    fn parse(block: String) -> Event {
        let field = |name: &str| {
            let values = block.lines().filter_map(|line| line.strip_prefix(name));
            values.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>()
        };
        let data = field("data:").join("\n");
        let id = field("id:").first().map(|id| id.parse().expect("an event's id is a number"));
        let name = field("event:").first().map_or("message", |name| name).to_owned();
        let data = if data.is_empty() { Value::Null } else { parse_json(&data, &block) };
        Event { id, name, data, block }
    }

    pub fn content(&self) -> &str {
        self.data["content"].as_str().unwrap_or_else(|| panic!("no content in {self:?}"))
    }

    pub fn author(&self) -> &str {
        self.data["author__name"].as_str().unwrap_or_else(|| panic!("no author in {self:?}"))
    }

    pub fn message_id(&self) -> i64 {
        self.data["id"].as_i64().unwrap_or_else(|| panic!("no message id in {self:?}"))
    }

    fn is_passing(&self) -> bool {
        PASSING.contains(&self.name.as_str())
    }
}

fn parse_json(data: &str, block: &str) -> Value {
    serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {block:?}"))
}

/// What reading on came to.
#[derive(Debug)]
pub enum Outcome {
    Event(Event),
    /// The server ended the stream, after a whole event.
    Ended,
    /// The connection broke, as it does when a process is killed.
    Broken,
    /// Nothing came in time.
    Quiet,
}

pub struct EventReader {
    raw: Raw,
    chunked: bool,
    pub head: Answer,
    text: Vec<u8>,
    last: u64,
}

impl EventReader {
    /// Opens a stream; an answer that is none is an error of kind `Unsupported`.
    pub fn open(port: u16, request: &Request) -> io::Result<EventReader> {
        let mut raw = Raw::try_connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
        raw.try_send(&request.to_bytes("127.0.0.1"))?;
        let head = raw.take_head(Instant::now() + EVENT_WITHIN)?.ok_or(ErrorKind::ConnectionAborted)?;
        let head = Answer::from_head(&head);
        if head.status != 200 {
            return Err(io::Error::new(ErrorKind::Unsupported, head.head));
        }
        let chunked = head.header("transfer-encoding") == Some("chunked");
        Ok(EventReader { raw, chunked, head, text: Vec::new(), last: 0 })
    }

    /// The id of the last event that had one: where a browser would resume.
    pub fn last_event_id(&self) -> u64 {
        self.last
    }

    /// The next event of any kind.
    #[track_caller]
    pub fn next_event(&mut self) -> Event {
        match self.read_on(EVENT_WITHIN) {
            Outcome::Event(event) => event,
            other => panic!("an event was expected: {other:?}, with {:?} unread", self.rest()),
        }
    }

    /// The next event of this name, passing over all others.
    #[track_caller]
    pub fn wait_for(&mut self, name: &str) -> Event {
        loop {
            let event = self.next_event();
            if event.name == name {
                return event;
            }
        }
    }

    /// The next event of the log.
    #[track_caller]
    pub fn next_revision(&mut self) -> Event {
        loop {
            let event = self.next_event();
            if !event.is_passing() {
                assert!(event.id.is_some(), "not an event of the log: {event:?}");
                return event;
            }
        }
    }

    /// The next event of the log has to be a new message with this content.
    #[track_caller]
    pub fn expect_message(&mut self, content: &str) -> Event {
        let event = self.next_revision();
        assert_eq!(
            (event.name.as_str(), event.data["content"].as_str()),
            ("message", Some(content)),
            "{event:?}"
        );
        event
    }

    /// The next events of the log have to be new messages with these contents.
    #[track_caller]
    pub fn expect_messages(&mut self, contents: &[&str]) {
        for content in contents {
            self.expect_message(content);
        }
    }

    #[track_caller]
    pub fn expect_edit(&mut self, id: i64, content: &str) -> Event {
        let event = self.next_revision();
        assert_eq!((event.name.as_str(), event.message_id(), event.content()), ("edited", id, content));
        event
    }

    #[track_caller]
    pub fn expect_deletion(&mut self, id: i64) -> Event {
        let event = self.next_revision();
        assert_eq!((event.name.as_str(), event.message_id()), ("deleted", id), "{event:?}");
        event
    }

    /// Reads until the stream is live: what is sent from now on comes to it by the tail.
    #[track_caller]
    pub fn expect_live(&mut self) {
        self.wait_for("presence");
    }

    /// The stream has to end, after a whole event; passing events on the way are let go.
    #[track_caller]
    pub fn expect_end(&mut self) {
        loop {
            match self.read_on(EVENT_WITHIN) {
                Outcome::Ended => return,
                Outcome::Event(event) if event.is_passing() => {}
                other => panic!("the end was expected: {other:?}, with {:?} unread", self.rest()),
            }
        }
    }

    /// The next event of the log, or how the stream ended, within `limit`.
    pub fn next_revision_within(&mut self, limit: Duration) -> Outcome {
        let deadline = Instant::now() + limit;
        loop {
            match self.read_on(deadline.saturating_duration_since(Instant::now())) {
                Outcome::Event(event) if event.is_passing() => {}
                other => return other,
            }
        }
    }

    /// Reads for at most `limit` and says what came of it.
    pub fn read_on(&mut self, limit: Duration) -> Outcome {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(event) = self.take_event() {
                self.last = event.id.unwrap_or(self.last);
                return Outcome::Event(event);
            }
            match self.read_more(deadline) {
                Ok(true) => {}
                Ok(false) if self.text.is_empty() => return Outcome::Ended,
                Ok(false) => return Outcome::Broken,
                Err(error) if error.kind() == ErrorKind::TimedOut => return Outcome::Quiet,
                Err(_) => return Outcome::Broken,
            }
        }
    }

    fn take_event(&mut self) -> Option<Event> {
        let end = self.text.windows(2).position(|pair| pair == b"\n\n")? + 2;
        let rest = self.text.split_off(end);
        let block = std::mem::replace(&mut self.text, rest);
        Some(Event::parse(String::from_utf8(block).expect("an event is UTF-8")))
    }

    /// Whether there was more; an end is an end only when the body says so, if it can.
    fn read_more(&mut self, deadline: Instant) -> io::Result<bool> {
        if self.chunked {
            let chunk = self.raw.take_chunk(deadline)?;
            self.text.extend(chunk.as_deref().unwrap_or_default());
            return Ok(chunk.is_some());
        }
        // What came together with the head is there already.
        let mut came = self.raw.take_unread();
        if came.is_empty() {
            self.raw.read_more(deadline)?;
            came = self.raw.take_unread();
        }
        self.text.extend_from_slice(&came);
        Ok(!came.is_empty())
    }

    /// The lines of a `text/plain` stream.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        let deadline = Instant::now() + EVENT_WITHIN;
        loop {
            if let Some(end) = self.text.iter().position(|&byte| byte == b'\n') {
                let rest = self.text.split_off(end + 1);
                let line = std::mem::replace(&mut self.text, rest);
                return String::from_utf8(line).expect("a line is UTF-8").trim_end().to_owned();
            }
            assert!(self.read_more(deadline).expect("a line comes"), "a line before the end");
        }
    }

    fn rest(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}
