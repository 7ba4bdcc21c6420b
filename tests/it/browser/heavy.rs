//! Weight: a page that is small, and one with a long past that is as quick as one without.

use crate::support::{TestServer, percentile};
use std::time::Duration;

use super::{Driver, Person, fill};

/// HTML, style sheet and script of the chat page together, in bytes as the browser reads them.
const PAGE_BYTES: usize = 40 * 1024;

/// How long the page may take to be there, with twenty thousand messages behind it. A browser alone on this machine
/// takes a tenth of it; the tests share it with others.
const LOADED_WITHIN: f64 = 3000.0;

/// And how long one new message may hold up the page.
const APPENDED_WITHIN: Duration = Duration::from_millis(50);

#[test]
fn the_chat_page_weighs_less_than_forty_kibibytes() {
    let server = TestServer::start_new();
    let mut viola = server.sign_in("Viola");
    let html = viola.get("/").expect(200).text().to_owned();
    let mut bytes = html.len();
    for part in html.split('"').filter(|part| part.starts_with("/static/")) {
        if !part.ends_with(".svg") {
            bytes += viola.get(part).expect(200).body.len();
        }
    }
    assert!(bytes < PAGE_BYTES, "the page weighs {bytes} bytes");
    assert!(bytes > 20_000, "all of it was weighed");
}

#[test]
fn twenty_thousand_messages_of_history_do_not_slow_the_page() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut orsino = server.sign_in("Orsino");
    fill(&server, 20_000);
    let window = driver.open_window();
    // A received message is put in on the next frame: how long that takes is what a reader feels.
    window.run_first(
        "window.frames = [];
         const inFrame = requestAnimationFrame;
         requestAnimationFrame = (work) => inFrame((now) => {
             const begun = performance.now();
             work(now);
             document.body.offsetHeight;
             frames.push(performance.now() - begun);
         })",
    );
    let viola = Person::enter(window, &server, "Viola");
    let window = &viola.window;
    viola.sees("line 20000");
    let loaded = window.run("return performance.getEntriesByType('navigation')[0].duration", &[]);
    assert!(loaded.as_f64().expect("a time") < LOADED_WITHIN, "the page took {loaded} ms");

    // As many messages in the page as there may be.
    let up = "const history = document.querySelector('#history');
        history.scrollTop = -history.scrollHeight";
    window.wait("a full page", || {
        window.run(up, &[]);
        (window.elements("article") == 300).then_some(())
    });
    window.click("#jump");
    viola.sees("line 20000");
    window.run("window.frames = []", &[]);
    for n in 1..=20 {
        orsino.send(&format!("({n}) appended"));
        viola.sees_once(&format!("({n}) appended"));
    }
    let frames = window.run("return window.frames", &[]);
    let mut frames: Vec<_> = frames
        .as_array()
        .expect("a list")
        .iter()
        .map(|ms| Duration::from_secs_f64(ms.as_f64().expect("a time") / 1000.0))
        .collect();
    let usual = percentile(&mut frames, 50);
    assert!(usual < APPENDED_WITHIN, "a new message holds the page up for {usual:?}");
    assert!(window.elements("article") <= 300);
}
