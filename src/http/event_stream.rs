//! An event as bytes, and the head that an event stream begins with.

/// The head of a stream that ends with its connection; what lies between is asked not to hold it back.
pub fn head(content_type: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\n\
         Content-Type: {content_type}; charset=utf-8\r\n\
         Cache-Control: no-store, no-transform\r\n\
         X-Accel-Buffering: no\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\
         \r\n"
    )
}

/// Appends one event. `data` is JSON, so it is one line and never empty: an event without data is not dispatched.
pub fn push_event(out: &mut Vec<u8>, id: Option<i64>, name: Option<&str>, data: &[u8]) {
    debug_assert!(!data.is_empty() && !data.contains(&b'\n') && !data.contains(&b'\r'));
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.to_string().as_bytes());
        out.push(b'\n');
    }
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_lines_and_an_empty_one() {
        let mut out = Vec::new();
        push_event(&mut out, Some(12), None, b"{\"id\":7}");
        push_event(&mut out, None, Some("ping"), b"{}");
        assert_eq!(out, b"id: 12\ndata: {\"id\":7}\n\nevent: ping\ndata: {}\n\n");
    }
}
