//! An answer of the door itself: what is wrong, in a sentence, and the connection ends.

/// Why a request is not answered by a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// Code and phrase, as in the status line.
    pub status: &'static str,
    /// A sentence for the person.
    pub reason: &'static str,
}

impl Refusal {
    pub const fn new(status: &'static str, reason: &'static str) -> Refusal {
        Refusal { status, reason }
    }

    pub const fn malformed(reason: &'static str) -> Refusal {
        Refusal::new("400 Bad Request", reason)
    }

    /// Whoever finds us busy may come again.
    pub const fn busy(reason: &'static str) -> Refusal {
        Refusal::new("503 Service Unavailable", reason)
    }

    /// The answer as bytes; to a HEAD without its body.
    pub fn answer(&self, is_head: bool) -> Vec<u8> {
        let Refusal { status, reason } = self;
        let retry = if status.starts_with("503") { "Retry-After: 2\r\n" } else { "" };
        let body = if is_head { String::new() } else { format!("{reason}\n") };
        let length = reason.len() + 1;
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
             {retry}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        answer.into_bytes()
    }
}
