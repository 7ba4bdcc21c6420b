//! The whole chat as a file to keep.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use super::audit;
use crate::error::{Error, Result};
use crate::http::{Method, Reply, Response};
use crate::pages::Visit;
use crate::store::Store;
use crate::{i18n, log};

/// A browser that takes nothing for this long has given up.
const NO_PROGRESS: Duration = Duration::from_secs(20);

/// Makes the copy and sends it on the connection's own thread: that may take its time, and is never in memory whole.
pub fn download(visit: &Visit<'_>) -> Result<Reply> {
    if *visit.request.method() == Method::Head {
        return Ok(Response::new(200, SQLITE, Vec::new()).with("Cache-Control", "no-store").into());
    }
    let Some(place) = visit.app.live.place() else { return Err(Error::told(503, i18n::ERR_TOO_BUSY)) };
    audit(visit, "backup", &"");
    let app = std::sync::Arc::clone(visit.app);
    Ok(Reply::Takeover(Box::new(move |socket| {
        let sent = socket.set_write_timeout(Some(NO_PROGRESS)).and_then(|()| send_copy(&app.store, &socket));
        if let Err(cause) = sent {
            log::warn("backup not sent", &[("cause", &cause)]);
        }
        drop(place);
    })))
}

const SQLITE: &str = "application/vnd.sqlite3";

fn send_copy(store: &Store, mut socket: impl Write) -> io::Result<()> {
    let mut copy = match store.copy() {
        Ok(copy) => copy,
        Err(error) => {
            socket.write_all(
                b"HTTP/1.1 503 Service Unavailable\r\n\
                  Content-Type: text/plain; charset=utf-8\r\n\
                  Connection: close\r\n\
                  \r\n\
                  The copy could not be made; is there room on the server's disk?\n",
            )?;
            return Err(io::Error::other(error));
        }
    };
    let day = log::rfc3339(SystemTime::now());
    let head = format!(
        "HTTP/1.1 200 OK\r\n\
         Content-Type: {SQLITE}\r\n\
         Content-Disposition: attachment; filename=\"chat-{}.db\"\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\
         \r\n",
        &day[..10],
        copy.metadata()?.len()
    );
    socket.write_all(head.as_bytes())?;
    io::copy(&mut copy, &mut socket).map(drop)
}
