//! What Prometheus reads: every line in its form, the names by its conventions, and values that move.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{Client, Request, TestServer, until};

/// Samples by name and labels, read strictly: each belongs to a family that has said its HELP and TYPE before.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut families: Vec<(&str, &str)> = Vec::new();
    let mut helped = "";
    assert!(text.ends_with('\n'), "the last line has no end");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, sentence) = help.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            assert!(is_name(name) && sentence.ends_with('.') && !sentence.contains('\\'), "{line}");
            assert!(families.iter().all(|(family, _)| *family != name), "{name} comes twice");
            helped = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
            assert_eq!(name, helped, "a type without its help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "a counter ends in _total: {line}");
            families.push((name, kind));
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
            let (bare, labels) = name.split_once('{').map_or((name, None), |(bare, rest)| (bare, Some(rest)));
            assert!(is_name(bare), "{line}");
            labels.iter().for_each(|labels| check_labels(labels));
            let (family, kind) = families.last().copied().unwrap_or_else(|| panic!("no family: {line}"));
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(
                suffixes.iter().any(|suffix| bare.strip_suffix(suffix) == Some(family)),
                "{line} in {family}"
            );
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(samples.insert(name.to_owned(), value).is_none(), "{name} comes twice");
        }
    }
    samples
}

fn is_name(name: &str) -> bool {
    let prefix = name.starts_with("parlor_") || name.starts_with("process_");
    prefix && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `name="value",…}` with nothing in the values that would need an escape.
fn check_labels(labels: &str) {
    let inner = labels.strip_suffix('}').unwrap_or_else(|| panic!("labels do not end: {labels}"));
    for label in inner.split(',') {
        let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("no label: {label}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{label}");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        assert!(value.is_some_and(|value| !value.contains(['"', '\\', '\n'])), "{label}");
    }
}

fn metrics(server: &TestServer) -> BTreeMap<String, f64> {
    let answer = server.visitor().get("/metrics").expect(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    parse(answer.text())
}

#[test]
fn every_value_moves_with_what_it_counts() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let before = metrics(&server);
    let mut streams = [alice.open_stream(), alice.open_stream()];
    streams.iter_mut().for_each(|stream| stream.expect_live());
    alice.send("one");
    alice.send("two");
    streams.iter_mut().for_each(|stream| stream.expect_messages(&["one", "two"]));
    alice.get("/nothing/").expect(404);
    server.visitor().get("/").expect(302);
    server.connect().send("nonsense\r\n\r\n").answer().expect(400);
    let after = metrics(&server);
    let grown = |name: &str| {
        let value = |samples: &BTreeMap<String, f64>| {
            *samples.get(name).unwrap_or_else(|| panic!("no {name} in {samples:?}"))
        };
        value(&after) - value(&before)
    };
    for (name, by) in [
        ("parlor_messages_total", 2.0),
        ("parlor_streams_open", 2.0),
        ("parlor_streams_total", 2.0),
        ("parlor_deliveries_total", 4.0),
        ("parlor_requests_total{status=\"3xx\"}", 1.0),
        ("parlor_requests_total{status=\"4xx\"}", 1.0),
        ("parlor_requests_total{status=\"5xx\"}", 0.0),
        ("parlor_malformed_requests_total", 1.0),
        ("parlor_refused_connections_total", 0.0),
        ("parlor_commit_seconds_count", 2.0),
        ("parlor_commit_seconds_bucket{le=\"+Inf\"}", 2.0),
        ("process_start_time_seconds", 0.0),
    ] {
        assert_eq!(grown(name), by, "{name}");
    }
    for name in
        ["parlor_requests_total{status=\"2xx\"}", "parlor_connections_total", "parlor_commit_seconds_sum"]
    {
        assert!(grown(name) > 0.0, "{name}");
    }
    assert!(after["parlor_connections_open"] >= 1.0);
    assert!(after["process_start_time_seconds"] > 1.6e9);
    if cfg!(target_os = "linux") {
        assert!(after["process_resident_memory_bytes"] > 1e6 && after["process_open_fds"] > 10.0);
    }
    let build = after.iter().find(|(name, _)| name.starts_with("parlor_build_info{version="));
    assert_eq!(build.map(|(_, value)| *value), Some(1.0));
    drop(streams);
    until("the streams to be counted out", || {
        (metrics(&server)["parlor_streams_open"] == before["parlor_streams_open"]).then_some(())
    });
}

#[test]
fn who_comes_through_a_proxy_must_be_an_administrator() {
    for flags in [&[][..], &["--trusted-proxy"]] {
        let server = TestServer::with(flags);
        let ask = |client: &mut Client, forwarded: &str| {
            client.request(&Request::get("/metrics").header("X-Forwarded-For", forwarded)).status
        };
        assert_eq!(ask(&mut server.visitor(), "203.0.113.9"), 403);
        assert_eq!(ask(&mut server.visitor(), "127.0.0.1"), 403);
        assert_eq!(ask(&mut server.sign_in("Alice"), "203.0.113.9"), 403);
        let link = until("the admin link", || {
            let printed = server.printed();
            Some(printed.split_once("/admin/?token=")?.1.split_once('\n')?.0.to_owned())
        });
        let mut admin = server.visitor();
        admin.get(&format!("/admin/?token={link}")).expect(303);
        assert_eq!(ask(&mut admin, "203.0.113.9"), 200);
    }
}

#[test]
fn promtool_has_nothing_to_say() {
    let server = TestServer::start_new();
    server.sign_in("Alice").send("hello");
    let text = server.visitor().get("/metrics").expect(200).text().to_owned();
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else { return eprintln!("ignored: promtool is not here") };
    promtool.stdin.take().expect("stdin is piped").write_all(text.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
