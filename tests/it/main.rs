//! Tests of the program that people run: each starts the real binary on a free port with a file of its own.
//!
//! A part is chosen by its path: `cargo test --test it stream::`, `cargo test --test it browser::`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

// A server, people, streams to read.
mod support;

// How it is started, and what it says when it cannot.
mod cli;
// Letting others in: the network, the link, the invitation.
mod join;
// Every route: who may, who may not, and what else the same path answers.
mod routes;
// Coming in: names given, made up, refused.
mod lobby;
// Staying in: cookies, leaving, restarts.
mod sessions;
// Who may make a browser post.
mod csrf;
// What may stand in a form, and every way to get one wrong.
mod forms;
// Writing: 201, 200, 403, 429, once and only once.
mod messages;
// What was said before: pages of history, search, edits, deletions.
mod history;
// The event stream: its bytes, its order, its end.
mod stream;
// The check that nothing between browser and server buffers a stream.
mod streaming;
// Messages that are kept for a while.
mod keep;
// The file copied and printed.
mod offline;
// Ending in order.
mod shutdown;
// Ending without order, again and again.
mod crash;
// The same for many minutes, and nothing grows.
mod soak;
// What an administrator sees and does.
mod admin;
// What Prometheus reads.
mod metrics;
// Making way for another program without a door shut.
mod in_place;
// Files of earlier days, and the sample.
mod upgrade;
// The documents keep to the program.
mod docs;
// The source keeps its own rules.
mod tidy;

// Requests no well-bred client sends.
mod framing;
// More of everything than there is room for.
mod overload;
// Readers that do not read.
mod slow_readers;
// A disk that is full, a file that is locked, a machine that loses power.
mod faults;
// Two programs on one file.
mod two_processes;
// A real nginx.
mod nginx;
// What a proxy passes on.
mod proxy;
// Several programs behind it.
mod several;
// What the doctor says of it.
mod doctor;
// Text that would like to be more than text.
mod hostile;

// The page itself, in a real browser.
mod browser;
