//! Letting others in: the network, the link, the QR code, the invitation.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Launch, TempDir, TestServer, program};

/// All that a server with these flags prints on stdout.
fn printed(flags: &[&str]) -> String {
    let dir = TempDir::new();
    let mut command = program();
    command.args(["--port", "0", "--db"]).arg(dir.join("chat.db")).args(flags);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    stdout.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    text
}

/// The path of the link on the join line.
fn invitation(server: &TestServer) -> String {
    let printed = server.printed();
    let link = printed.lines().filter_map(|line| line.strip_prefix("parlor: join at ")).next_back();
    let link = link.unwrap_or_else(|| panic!("no link in {printed}"));
    link.strip_prefix(&server.url("")).expect("it leads here").to_owned()
}

fn token(path: &str) -> &str {
    path.strip_prefix("/lobby/?invite=").unwrap_or_else(|| panic!("no invitation: {path}"))
}

#[test]
fn one_flag_opens_it_to_the_network_and_says_so() {
    let text = printed(&["--lan"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("parlor: listening on http://0.0.0.0:") && lines[0].ends_with('/'),
        "{text}"
    );
    assert!(lines[1].starts_with("parlor: join at http://") && lines[1].ends_with('/'), "{text}");
    assert!(lines.iter().any(|line| line.contains("anyone on the network can join")), "{text}");
}

#[test]
fn alone_it_says_how_to_open_it() {
    for flags in [&[][..], &["--lan", "--bind", "127.0.0.1"]] {
        let text = printed(flags);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "parlor: only this machine can join; --lan opens it to the network", "{text}");
        assert!(!text.contains("join at"), "{text}");
    }
}

#[test]
fn the_link_is_drawn_on_request() {
    let text = printed(&["-q"]);
    assert!(text.lines().filter(|line| line.contains(['█', '▀', '▄'])).count() > 10, "{text}");
    assert!(!text.contains('\x1b'), "no colours where there is no terminal");
}

#[test]
fn an_invitation_spares_the_passphrase() {
    let server = TestServer::with(&["--passphrase", "open sesame"]);
    let link = invitation(&server);
    let mut alice = server.visitor();
    let page = alice.get(&link).expect(200);
    assert!(!page.text().contains("name=\"passphrase\""), "{}", page.text());
    assert!(page.text().contains(&format!("name=\"invite\" value=\"{}\"", token(&link))), "{}", page.text());
    alice.post("/lobby/", &[("username", "Alice"), ("invite", token(&link))]).expect_redirect(302, "/");
    alice.send("I was invited");

    // In another language, and after a mistake, it is still an invitation.
    let mut bob = server.visitor();
    bob.get(&format!("{link}&lang=zh")).expect_redirect(303, &link);
    let again = bob.post_as_browser("/lobby/", &[("username", "a\u{200b}b"), ("invite", token(&link))]);
    assert!(!again.expect(400).text().contains("name=\"passphrase\""));
}

#[test]
fn a_wrong_invitation_leaves_the_passphrase_to_be_given() {
    let server = TestServer::with(&["--passphrase", "open sesame"]);
    let link = invitation(&server);
    let wrong = token(&link).chars().rev().collect::<String>();
    let mut eve = server.visitor();
    for attempt in [wrong.as_str(), "x", ""] {
        let page = eve.get(&format!("/lobby/?invite={attempt}")).expect(200);
        assert!(
            page.text().contains("name=\"passphrase\"") && page.text().contains("name=\"invite\" value=\"\"")
        );
        eve.post("/lobby/", &[("username", "Eve"), ("invite", attempt)]).expect_error(403);
    }
    let both = [("username", "Eve"), ("invite", wrong.as_str()), ("passphrase", "open sesame")];
    eve.post("/lobby/", &both).expect_redirect(302, "/");
}

#[test]
fn the_invited_need_no_guess() {
    let server = TestServer::with(&["--passphrase", "open sesame"]);
    let link = invitation(&server);
    let mut mallory = server.visitor();
    let mut guess =
        |n: u32| mallory.post("/lobby/", &[("username", "Mallory"), ("passphrase", &n.to_string())]).status;
    assert!((0..40).any(|n| guess(n) == 429), "guesses run out");
    let mut alice = server.visitor();
    alice.post("/lobby/", &[("username", "Alice"), ("invite", token(&link))]).expect_redirect(302, "/");
}

#[test]
fn an_invitation_outlives_restarts_and_ends_with_its_passphrase() {
    let mut server = TestServer::with(&["--passphrase", "open sesame"]);
    let link = invitation(&server);
    server.restart();
    assert_eq!(invitation(&server), link);
    let beside = Launch::new().db(server.db()).flags(&["--passphrase", "open sesame"]).start();
    assert_eq!(invitation(&beside), link);
    drop(beside);
    server.terminate();
    let changed = Launch::new().db(server.db()).flags(&["--passphrase", "open barley"]).start();
    assert_ne!(invitation(&changed), link);
    let page = changed.visitor().get(&link).expect(200);
    assert!(page.text().contains("name=\"passphrase\""), "the old one is worth nothing");
}

#[test]
fn without_a_passphrase_there_is_no_invitation() {
    let server = TestServer::start_new();
    assert!(!server.printed().contains("invite"), "{}", server.printed());
    server.visitor().get("/lobby/?invite=x").expect(200);
}
