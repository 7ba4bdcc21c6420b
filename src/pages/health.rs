//! Whether the server is well: it is when its database answers.

use super::{Visit, error_response};
use crate::error::{Error, Result};
use crate::http::{Reply, Response};
use crate::{i18n, log};

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let app = visit.app;
    if let Err(error) = app.store.check() {
        log::error("the database does not answer", &[("cause", &error)]);
        return Ok(error_response(app, visit.manner, &Error::told(503, i18n::ERR_BUSY_DATABASE)).into());
    }
    let health = format!(
        "{{\"status\":\"ok\",\"version\":\"{}\",\"uptime_s\":{},\"streams\":{}}}",
        env!("CARGO_PKG_VERSION"),
        app.started.elapsed().as_secs(),
        app.live.open_streams()
    );
    Ok(Response::json(200, health).into())
}

/// Falls over, so that a test can see that only this request falls with it.
pub fn panic(_: &Visit<'_>) -> Result<Reply> {
    panic!("asked to")
}
