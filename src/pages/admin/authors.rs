//! The authors: renamed, or deleted with all they wrote.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{PAGE, audit, done, page, plain_page};
use crate::error::{Error, Result};
use crate::http::Reply;
use crate::i18n::{self, Text};
use crate::pages::Visit;
use crate::store::Author;
use crate::templates::Values;
use crate::visitor::names;

pub fn list(visit: &Visit<'_>) -> Result<Reply> {
    Ok(plain_page(visit, "at_authors", authors(visit)?))
}

fn authors(visit: &Visit<'_>) -> Result<String> {
    let views = &visit.app.views;
    let after = visit.request.query("after").unwrap_or_default();
    let authors = visit.app.store.authors_after(&after, PAGE)?;
    let row = |author: &Author| {
        let values = Values::new()
            .set("id", author.id.to_string())
            .set("name", author.name.as_str())
            .set("message_count", author.messages.to_string());
        visit.piece(&views.admin_author, values)
    };
    let after = match authors.last() {
        Some(last) if authors.len() == PAGE => utf8_percent_encode(&last.name, NON_ALPHANUMERIC).to_string(),
        _ => String::new(),
    };
    let rows: String = authors.iter().map(row).collect();
    Ok(visit.piece(&views.admin_authors, Values::new().set("rows", rows).set("after", after)))
}

/// Gives an author another name. Their sessions go on under it: the streams end, and come back with the same cookie.
pub fn rename(visit: &Visit<'_>) -> Result<Reply> {
    match give_name(visit) {
        Ok((before, name)) => {
            audit(visit, "rename author", &format!("{before} -> {name}"));
            done("/admin/authors/?done=renamed")
        }
        Err(Error::Told { status, text, .. }) if visit.manner.is_html && matches!(status, 400 | 409) => {
            let sentence = text.in_(visit.manner.language);
            Ok(page(visit, status, "at_authors", sentence, authors(visit)?))
        }
        Err(error) => Err(error),
    }
}

fn give_name(visit: &Visit<'_>) -> Result<(String, String)> {
    let (app, name) = (visit.app, names::check(visit.form.get("name"))?);
    let before = app.store.author_name(visit.id)?;
    if before != name && app.live.presence.is_in_use(&name, None) {
        return Err(Error::told(409, i18n::ERR_NAME_IN_USE));
    }
    let sessions = app.store.rename_author(visit.id, &name)?;
    if before != name {
        app.sessions_renamed(&sessions, &name);
    }
    Ok((before, name))
}

pub fn delete(visit: &Visit<'_>) -> Result<Reply> {
    remove(visit, "delete author", i18n::CONFIRM_AUTHOR)
}

pub fn delete_messages(visit: &Visit<'_>) -> Result<Reply> {
    remove(visit, "delete messages", i18n::CONFIRM_MESSAGES)
}

/// Asks first, and deletes when the answer has come.
fn remove(visit: &Visit<'_>, action: &str, question: Text) -> Result<Reply> {
    let app = visit.app;
    if visit.form.get("confirm") == "yes" {
        let name = app.store.remove_all_by(visit.id, question == i18n::CONFIRM_AUTHOR)?;
        audit(visit, action, &name);
        return done("/admin/authors/?done=deleted");
    }
    let name = app.store.author_name(visit.id)?;
    let values = Values::new()
        .set("action", visit.request.path())
        .set("question", question.in_(visit.manner.language).replace("{name}", &name));
    Ok(page(visit, 200, "at_authors", "", visit.piece(&app.views.admin_confirm, values)))
}
