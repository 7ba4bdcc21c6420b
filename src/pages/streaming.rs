//! The streaming check: five chunks, one after the other; whatever holds them back between browser and server shows.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::Visit;
use crate::error::{Error, Result};
use crate::http::event_stream::head_with;
use crate::http::{Method, Reply, Response};
use crate::i18n;

const LONGEST_INTERVAL_MS: i64 = 5_000;

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let interval = visit.request.query_number("interval_ms")?.unwrap_or(1_000);
    if interval > LONGEST_INTERVAL_MS {
        return Err(Error::told(400, i18n::ERR_BAD_REQUEST));
    }
    if *visit.request.method() == Method::Head {
        return Ok(Response::new(200, "text/plain; charset=utf-8", Vec::new()).into());
    }
    // It holds a thread for a while, so it takes one of the places for streams.
    let Some(place) = visit.app.live.place() else { return Err(Error::told(503, i18n::ERR_TOO_BUSY)) };
    let interval = Duration::from_millis(interval as u64);
    Ok(Reply::Takeover(Box::new(move |socket| {
        let _ = count(socket, interval); // one who hangs up has seen enough
        drop(place);
    })))
}

fn count(mut socket: TcpStream, interval: Duration) -> std::io::Result<()> {
    socket.set_write_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(head_with("text/plain", "Transfer-Encoding: chunked\r\n").as_bytes())?;
    for n in 0..5 {
        if n > 0 {
            std::thread::sleep(interval);
        }
        socket.write_all(format!("2\r\n{n}\n\r\n").as_bytes())?;
    }
    socket.write_all(b"0\r\n\r\n")?;
    socket.shutdown(Shutdown::Write)
}
