//! The metrics: for the monitoring on this machine, and for administrators.

use std::fs;

use super::{Visit, admin};
use crate::error::{Error, Result};
use crate::http::{Reply, Response};
use crate::i18n;
use crate::metrics::Exposition;

pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    if !visit.request.is_from_this_machine() && !admin::is_signed_in(visit)? {
        return Err(Error::told(403, i18n::ERR_METRICS));
    }
    let app = visit.app;
    let mut text = Exposition::default();
    let build = format!("{{version=\"{}\",sqlite=\"{}\"}}", env!("CARGO_PKG_VERSION"), app.store.sqlite());
    text.family("parlor_build_info", "gauge", "Which program this is.", &[(&build, &1)]);
    text.counter("parlor_messages_total", "Messages stored.", app.metrics.messages.get());
    text.gauge("parlor_streams_open", "Event streams open now.", app.live.open_streams());
    text.counter("parlor_streams_total", "Event streams opened.", app.metrics.streams.get());
    let deliveries = app.metrics.deliveries.get();
    text.counter("parlor_deliveries_total", "Pages of news handed to a live stream.", deliveries);
    let [_, _, success, redirect, refused, failed] = &app.metrics.answers;
    text.family(
        "parlor_requests_total",
        "counter",
        "Requests answered, by the class of their status.",
        &[
            ("{status=\"2xx\"}", &success.get()),
            ("{status=\"3xx\"}", &redirect.get()),
            ("{status=\"4xx\"}", &refused.get()),
            ("{status=\"5xx\"}", &failed.get()),
        ],
    );
    text.counter("parlor_panics_total", "Requests during which a page fell over.", app.metrics.panics.get());
    text.histogram("parlor_commit_seconds", "How long a commit took to reach the disk.", &app.store.commits);
    door(&mut text, visit);
    process(&mut text, visit);
    Ok(Response::new(200, "text/plain; version=0.0.4; charset=utf-8", text.0.into_bytes())
        .with("Cache-Control", "no-store")
        .into())
}

fn door(text: &mut Exposition, visit: &Visit<'_>) {
    let Some(door) = visit.app.door.get() else { return };
    let counts = &door.counts;
    text.gauge("parlor_connections_open", "Connections open now, streams apart.", door.connections());
    for (name, help, count) in [
        ("parlor_connections_total", "Connections let in.", &counts.accepted),
        ("parlor_refused_connections_total", "Connections turned away for want of room.", &counts.refused),
        ("parlor_shed_connections_total", "Idle connections closed to make room.", &counts.shed),
        ("parlor_malformed_requests_total", "Requests refused for their form or size.", &counts.malformed),
        ("parlor_unanswered_requests_total", "Requests for which nobody was free.", &counts.unanswered),
        ("parlor_accept_errors_total", "Connections the system could not give us.", &counts.accept_errors),
    ] {
        text.counter(name, help, count.get());
    }
}

/// What Prometheus knows of every process under these names, as far as the system tells it.
fn process(text: &mut Exposition, visit: &Visit<'_>) {
    let started = visit.app.started_at;
    text.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", started);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    if let Some(kib) = resident.and_then(|kib| kib.parse::<u64>().ok()) {
        text.gauge("process_resident_memory_bytes", "Memory in use.", kib * 1024);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.gauge("process_open_fds", "File descriptors open now.", open.count());
    }
}
