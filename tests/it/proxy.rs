//! Behind a proxy: streams come through, and the proxy's word about the visitor is believed.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use std::io::{Read, Write};

use crate::nginx::{Nginx, replace};
use crate::support::{Client, TestServer};

#[test]
fn nginx_passes_a_stream_on_as_it_comes() {
    let server = TestServer::with(&["--trusted-proxy"]);
    let Some(nginx) = Nginx::start(&[&server], |site| site) else { return };
    let mut alice = Client::new(nginx.port());
    alice.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    for n in 0..5 {
        let sent = Instant::now();
        alice.send(&format!("message {n}"));
        stream.expect_message(&format!("message {n}"));
        assert!(sent.elapsed() < Duration::from_secs(2), "held back for {:?}", sent.elapsed());
    }
}

#[test]
fn the_peer_is_the_one_that_nginx_sees_whatever_it_claims() {
    let server = TestServer::with(&["--trusted-proxy"]);
    let Some(nginx) = Nginx::start(&[&server], |site| site) else { return };
    // A visitor from an address of their own, who pretends to another.
    let visitor = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&visitor, &SocketAddr::from(([127, 0, 0, 77], 0))).unwrap();
    connect(&visitor, &SocketAddr::from(([127, 0, 0, 1], nginx.port()))).unwrap();
    let mut visitor = TcpStream::from(visitor);
    let request = "GET /lobby/?from=afar HTTP/1.0\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    visitor.write_all(request.as_bytes()).unwrap();
    visitor.read_to_end(&mut Vec::new()).unwrap();
    let said = server.said();
    assert!(said.contains("path=/lobby/") && said.contains("peer=127.0.0.77"), "{said}");
    assert!(!said.contains("203.0.113.9"), "{said}");
}

#[test]
fn cookies_are_for_https_alone_where_the_proxy_says_so() {
    let server = TestServer::with(&["--trusted-proxy"]);
    let https = |mut site: String| {
        replace(&mut site, "X-Forwarded-Proto $scheme", "X-Forwarded-Proto https");
        site
    };
    let Some(nginx) = Nginx::start(&[&server], https) else { return };
    let lobby = Client::new(nginx.port()).get("/lobby/").expect(200);
    let cookie = lobby.cookie("csrftoken").expect("the lobby sets it");
    assert!(cookie.contains("; Secure"), "{cookie}");
    let direct = server.visitor().get("/lobby/").expect(200);
    assert!(!direct.cookie("csrftoken").unwrap().contains("Secure"), "{}", direct.head);
}
