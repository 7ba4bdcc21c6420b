//! An event as bytes, and the head that an event stream begins with.

use std::io::Write as _;

use super::json::push_number;

/// The head of a stream that ends with its connection; what lies between is asked not to hold it back.
pub fn head(content_type: &str) -> String {
    head_with(content_type, "")
}

/// The same with `more` header lines, each with its line end.
pub fn head_with(content_type: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\n\
         Content-Type: {content_type}; charset=utf-8\r\n\
         Cache-Control: no-store, no-transform\r\n\
         X-Accel-Buffering: no\r\n\
         X-Content-Type-Options: nosniff\r\n\
         {more}Connection: close\r\n\
         \r\n"
    )
}

/// Appends one event. `push_data` writes JSON, so that it is one line and never empty: an event without data is not
/// dispatched.
pub fn push_event(
    out: &mut Vec<u8>,
    id: Option<i64>,
    name: Option<&str>,
    push_data: impl FnOnce(&mut Vec<u8>),
) {
    // A vector takes all that is written to it.
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        push_number(out, id);
        out.push(b'\n');
    }
    if let Some(name) = name {
        let _ = writeln!(out, "event: {name}");
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    push_data(out);
    debug_assert!(out.len() > start && !out[start..].contains(&b'\n') && !out[start..].contains(&b'\r'));
    out.extend_from_slice(b"\n\n");
}
