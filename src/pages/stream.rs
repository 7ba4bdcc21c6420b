//! Opens an event stream: the page answers with its head, and the connection's thread goes on as the stream.

use std::sync::Arc;

use super::Visit;
use crate::error::Result;
use crate::http::{Method, Reply, Response, accept, number};
use crate::live::{Format, Start, Stream, refuse_full};
use crate::log;

pub fn open(visit: &Visit<'_>) -> Result<Reply> {
    let session = visit.session()?;
    let request = visit.request;
    let format = match accept::wants_plain_text(request.header("Accept")) {
        true => Format::Lines,
        false => Format::Events,
    };
    if *request.method() == Method::Head {
        return Ok(Response::new(200, "text/event-stream; charset=utf-8", Vec::new())
            .with("Cache-Control", "no-store, no-transform")
            .with("X-Accel-Buffering", "no")
            .into());
    }
    let live = Arc::clone(&visit.app.live);
    let Some(place) = live.place() else { return Ok(Reply::Takeover(Box::new(refuse_full))) };
    let start = Start {
        last_event_id: request
            .header("Last-Event-ID")
            .map(|id| id.trim().to_owned())
            .filter(|id| !id.is_empty())
            .or_else(|| request.query("last_event_id")),
        backlog: request.query("backlog").and_then(|count| number(&count)),
    };
    let is_tab = request.query("tab").is_some();
    let present = live.presence.arrive(Arc::clone(session));
    visit.app.metrics.streams.add(1);
    Ok(Reply::Takeover(Box::new(move |socket| {
        match Stream::open(&live, socket, format, &start, present, place, is_tab) {
            Ok(stream) => stream.catch_up(&live),
            // The socket closes without an answer, which an EventSource takes as a reason to come back.
            Err(error) => log::warn("stream not opened", &[("cause", &error)]),
        }
    })))
}
