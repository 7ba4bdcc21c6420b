//! Older messages and search, as JSON.

use super::Visit;
use crate::error::{Error, Result};
use crate::http::{Reply, Response};
use crate::i18n;
use crate::live::push_message;
use crate::store::Message;

/// Messages in a page of history unless the client asks for fewer or more.
const PAGE: i64 = 40;

/// And at most.
const LONGEST_PAGE: i64 = 200;

/// Results in a page of search.
pub const SEARCH_PAGE: usize = 40;

/// `?before=` and `?around=`: newest last; `?q=`: newest first.
pub fn list(visit: &Visit<'_>) -> Result<Reply> {
    visit.session()?;
    let (request, store) = (visit.request, &visit.app.store);
    let before = request.query_number("before")?.unwrap_or(i64::MAX);
    let limit = request.query_number("limit")?.unwrap_or(PAGE).min(LONGEST_PAGE) as usize;
    let messages = match (request.query("q"), request.query_number("around")?) {
        (Some(q), _) if q.trim().is_empty() => Vec::new(),
        (Some(q), _) if q.len() > 1_000 => return Err(Error::told(400, i18n::ERR_TOO_LARGE)),
        (Some(q), _) => store.search_messages(q.trim(), before, limit.min(SEARCH_PAGE))?,
        (None, Some(id)) => store.messages_around(id, limit)?,
        (None, None) => store.messages_before(before, limit)?,
    };
    Ok(Response::json(200, array(&messages)).into())
}

fn array(messages: &[Message<'_>]) -> Vec<u8> {
    let mut json = vec![b'['];
    for (n, message) in messages.iter().enumerate() {
        if n > 0 {
            json.push(b',');
        }
        push_message(&mut json, message);
    }
    json.push(b']');
    json
}
