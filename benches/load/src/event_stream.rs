//! Reads an event stream in whatever pieces it arrives, and finds the mark in each message.

use std::io::BufRead;
use std::time::Instant;

use crate::http::{Chunks, header};

/// What a message's content says of itself: `~number.sent~` and filling.
#[derive(Clone, Copy)]
pub struct Mark {
    pub number: u32,
    /// Nanoseconds on this process's clock at which it was posted.
    pub sent: u64,
}

/// A message event: its id, where that is a number, and its mark, where it has one.
#[derive(Clone, Copy, Default)]
pub struct Event {
    pub id: Option<u64>,
    pub mark: Option<Mark>,
}

impl Mark {
    /// The content of a message, `length` bytes long.
    pub fn content(number: u32, start: Instant, length: usize) -> String {
        let mark = format!("~{number}.{}~", start.elapsed().as_nanos());
        let filling = length.saturating_sub(mark.len());
        mark + &"abcdefghijklmnop".repeat(filling / 16 + 1)[..filling]
    }

    fn find(data: &[u8]) -> Option<Mark> {
        let mut rest = data;
        rest.skip_until(b'~').ok()?;
        let length = { rest }.skip_until(b'~').ok()?.checked_sub(1)?;
        let (number, sent) = str::from_utf8(&rest[..length]).ok()?.split_once('.')?;
        Some(Mark { number: number.parse().ok()?, sent: sent.parse().ok()? })
    }
}

#[derive(Default)]
pub struct EventReader {
    head: Vec<u8>,
    chunks: Option<Chunks>,
    in_body: bool,
    lines: Lines,
}

impl EventReader {
    pub fn feed(&mut self, bytes: &[u8], mut on_message: impl FnMut(Event)) {
        if self.in_body {
            return self.body(bytes, &mut on_message);
        }
        self.head.extend_from_slice(bytes);
        if let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = std::mem::take(&mut self.head);
            let text = String::from_utf8_lossy(&head[..end]);
            self.chunks = header(&text, "transfer-encoding").map(|_| Chunks::default());
            self.in_body = true;
            self.body(&head[end + 4..], &mut on_message);
        }
    }

    fn body(&mut self, bytes: &[u8], on_message: &mut impl FnMut(Event)) {
        match &mut self.chunks {
            Some(chunks) => chunks.feed(bytes, |piece| self.lines.feed(piece, on_message)),
            None => self.lines.feed(bytes, on_message),
        }
    }
}

/// The event being read, and the line that is not whole yet.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
    event: Event,
    has_data: bool,
    is_named: bool,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8], on_message: &mut impl FnMut(Event)) {
        // `skip_until` is the C library's memchr: at millions of events a second the reader must not be the brake.
        while !bytes.is_empty() {
            let mut rest = bytes;
            let taken = rest.skip_until(b'\n').expect("a slice can always be read");
            let (line, is_whole) = match bytes[..taken].strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (bytes, false),
            };
            if !is_whole {
                self.partial.extend_from_slice(line);
            } else if self.partial.is_empty() {
                self.line(line, on_message);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, on_message);
            }
            bytes = rest;
        }
    }

    fn line(&mut self, line: &[u8], on_message: &mut impl FnMut(Event)) {
        if let Some(data) = line.strip_prefix(b"data:") {
            self.has_data = true;
            self.event.mark = self.event.mark.or_else(|| Mark::find(data));
        } else if let Some(id) = line.strip_prefix(b"id: ") {
            self.event.id = str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        } else if line.starts_with(b"event:") {
            self.is_named = true;
        } else if line.is_empty() || line == b"\r" {
            let Lines { event, has_data, is_named, .. } = std::mem::take(self);
            if has_data && !is_named {
                on_message(event);
            }
        }
    }
}
