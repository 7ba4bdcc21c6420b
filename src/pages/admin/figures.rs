//! How much there is of everything.

use super::plain_page;
use crate::error::Result;
use crate::http::Reply;
use crate::i18n;
use crate::pages::Visit;
use crate::templates::Values;

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let app = visit.app;
    let figures = app.store.figures()?;
    let connections = app.door.get().map_or(0, |door| door.connections());
    let rows: String = [
        (i18n::FIGURE_STREAMS, app.live.open_streams().to_string()),
        (i18n::FIGURE_CONNECTIONS, connections.to_string()),
        (i18n::MESSAGES, figures.messages.to_string()),
        (i18n::AUTHORS, figures.authors.to_string()),
        (i18n::FIGURE_SESSIONS, figures.sessions.to_string()),
        (i18n::FIGURE_SIZE, format!("{:.1} MiB", figures.size as f64 / 1_048_576.0)),
        (i18n::FIGURE_UPTIME, duration(app.started.elapsed().as_secs())),
        (
            i18n::FIGURE_VERSION,
            format!("Parlor {}, SQLite {}", env!("CARGO_PKG_VERSION"), app.store.sqlite()),
        ),
    ]
    .into_iter()
    .map(|(name, value)| {
        let values = Values::new().set("name", name.in_(visit.manner.language)).set("value", value);
        visit.piece(&app.views.admin_figure, values)
    })
    .collect();
    let body = visit.piece(&app.views.admin_figures, Values::new().set("rows", rows));
    Ok(plain_page(visit, "at_figures", body))
}

/// Days, hours, minutes and seconds, as `3 d 04:05:06`.
fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    format!("{days} d {hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_as_a_clock_with_days() {
        assert_eq!(duration(0), "0 d 00:00:00");
        assert_eq!(duration(3 * 86_400 + 4 * 3_600 + 5 * 60 + 6), "3 d 04:05:06");
    }
}
