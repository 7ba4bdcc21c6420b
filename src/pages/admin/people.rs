//! Who is here: a session is ended, a name blocked for a time.

use std::time::{Duration, SystemTime};

use super::{audit, done, plain_page};
use crate::error::{Error, Result};
use crate::http::Reply;
use crate::pages::Visit;
use crate::templates::Values;
use crate::views::readable_time;
use crate::visitor::{names, session};
use crate::{i18n, log};

/// A year: what is meant for longer is not meant for a time.
const LONGEST_BLOCK_MINUTES: i64 = 525_600;

pub fn list(visit: &Visit<'_>) -> Result<Reply> {
    let app = visit.app;
    let (people, _) = app.live.presence.online();
    let person =
        |name: &String| visit.piece(&app.views.admin_person, Values::new().set("name", name.as_str()));
    let blocks = app.store.blocks(session::now())?;
    let block = |(name, until): &(String, i64)| {
        let values = Values::new().set("name", name.as_str()).set("until", minute(*until));
        visit.piece(&app.views.admin_block, values)
    };
    let values = Values::new()
        .set("rows", people.iter().map(person).collect::<String>())
        .set("blocked", blocks.iter().map(block).collect::<String>());
    Ok(plain_page(visit, "at_people", visit.piece(&app.views.admin_people, values)))
}

/// As the pages show times: UTC, to the minute.
fn minute(second: i64) -> String {
    readable_time(&log::rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(second.unsigned_abs())))
}

/// Ends all sessions of a name; whoever it is may sign in again.
pub fn kick(visit: &Visit<'_>) -> Result<Reply> {
    let name = visit.form.get("name");
    visit.app.sessions_ended(&visit.app.store.delete_sessions_of(name)?);
    audit(visit, "end sessions", &name);
    done("/admin/people/?done=kicked")
}

/// Ends all sessions of a name, and keeps it from signing in for so many minutes.
pub fn block(visit: &Visit<'_>) -> Result<Reply> {
    let (app, name) = (visit.app, names::check(visit.form.get("name"))?);
    let minutes = visit.form.get("minutes").trim().parse().ok();
    let Some(minutes) = minutes.filter(|minutes| (1..=LONGEST_BLOCK_MINUTES).contains(minutes)) else {
        return Err(Error::told(400, i18n::ERR_MINUTES));
    };
    let now = session::now();
    app.store.block(&name, now + minutes * 60, now)?;
    app.sessions_ended(&app.store.delete_sessions_of(&name)?);
    audit(visit, "block name", &format!("{name} for {minutes} min"));
    done("/admin/people/?done=blocked")
}

pub fn lift(visit: &Visit<'_>) -> Result<Reply> {
    let name = visit.form.get("name");
    visit.app.store.lift_block(name)?;
    audit(visit, "lift block", &name);
    done("/admin/people/?done=lifted")
}
