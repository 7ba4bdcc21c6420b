//! Style sheets and scripts, kept by browsers for as long as their content is the same.

use super::Visit;
use crate::assets::{self, EDITION};
use crate::error::{Error, Result};
use crate::http::{Reply, Response};
use crate::i18n;

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let request = visit.request;
    let Some((file, is_edition)) = assets::find(request.path().trim_start_matches("/static/")) else {
        return Err(Error::told(404, i18n::ERR_NOT_FOUND));
    };
    let tag = format!("\"{}\"", *EDITION);
    let caching = if is_edition { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    let response = match request.header("If-None-Match") {
        Some(known) if known.contains(&tag) => Response::empty(304),
        _ => Response::new(200, file.content_type, file.content().into_bytes()),
    };
    Ok(response.with("Cache-Control", caching).with("ETag", tag).into())
}
