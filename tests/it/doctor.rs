//! `parlor doctor`: what it says of a server alone, and of a proxy in each of its bad habits.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::nginx::{Nginx, replace};
use crate::support::{TestServer, program};

/// What it printed, and whether all was well.
fn examine(url: &str) -> (String, bool) {
    let output = program().args(["doctor", url]).output().expect("the program can be run");
    let printed = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() || said.starts_with("parlor: "), "{said}");
    (printed + &said, output.status.success())
}

#[test]
fn a_server_alone_is_well() {
    let server = TestServer::start_new();
    let (said, well) = examine(&server.url("/"));
    assert!(well, "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("good  ")).count(), 4, "{said}");
}

#[test]
fn the_packaged_nginx_is_well() {
    let server = TestServer::with(&["--trusted-proxy"]);
    let Some(nginx) = Nginx::start(&[&server], |site| site) else { return };
    let (said, well) = examine(&nginx.url());
    assert!(well, "{said}");
}

/// A line of the packaged configuration, what somebody put in its place, and what the doctor says of it.
const HABITS: &[(&str, &str, &str)] = &[
    ("gzip off;", "gzip on; gzip_proxied any; gzip_types text/plain;", "nginx: gzip off;"),
    ("proxy_read_timeout 1h;", "proxy_read_timeout 1s;", "nginx: proxy_read_timeout 1h;"),
    ("Host $http_host;", "Host parlor;", "nginx: proxy_set_header Host $http_host;"),
    ("Host $http_host;", "Host $host:1;", "nginx: proxy_set_header Host $http_host;"),
    ("proxy_pass http://parlor;", "proxy_pass http://127.0.0.1:1;", "does Parlor run"),
    ("proxy_pass http://parlor;", "return 200 hello;", "is the path right?"),
    ("proxy_pass http://parlor;", "return 301 https://$host$request_uri;", "curl -N https://NAME/streaming/"),
];

#[test]
fn each_bad_habit_of_a_proxy_is_named_with_its_cure() {
    let server = TestServer::with(&["--trusted-proxy"]);
    thread::scope(|scope| {
        for (right, wrong, cure) in HABITS {
            let server = &server;
            scope.spawn(move || {
                let change = |mut site: String| {
                    replace(&mut site, right, wrong);
                    site
                };
                let Some(nginx) = Nginx::start(&[server], change) else { return };
                let (said, well) = examine(&nginx.url());
                assert!(!well && said.contains(cure), "with {wrong}:\n{said}");
            });
        }
    });
}

/// A proxy that sends an answer on when it has all of it. (nginx does so only with answers it can read fast.)
fn hoard(server: &TestServer) -> SocketAddr {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let (here, there) = (proxy.local_addr().unwrap(), server.address());
    thread::spawn(move || {
        let (mut browser, _) = proxy.accept().unwrap();
        let mut request = vec![0; 4096];
        let length = browser.read(&mut request).unwrap();
        let mut upstream = TcpStream::connect(there).unwrap();
        upstream.write_all(&request[..length]).unwrap();
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).unwrap();
        browser.write_all(&answer).unwrap();
    });
    here
}

#[test]
fn a_proxy_that_hoards_is_found_out() {
    let server = TestServer::start_new();
    let (said, well) = examine(&format!("http://{}/", hoard(&server)));
    assert!(
        !well && said.contains("something buffers") && said.contains("nginx: proxy_buffering off;"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_examined_is_one_line() {
    for (url, reason) in [
        ("https://chat.example/", "curl -N https://NAME/streaming/"),
        ("chat.example", "only http://"),
        ("http://127.0.0.1:1/", "127.0.0.1:1"),
    ] {
        let (said, well) = examine(url);
        assert!(!well && said.lines().count() == 1 && said.contains(reason), "{said}");
    }
}
