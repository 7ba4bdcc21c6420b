//! SIGHUP: the server becomes the program on the disk, and nobody finds the door shut.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Client, Outcome, Raw, Request, TempDir, TestServer, exchange, until, within};

const UPGRADES: usize = 3;
const POSTERS: usize = 3;
const READERS: usize = 4;

/// How often it has said that it listens.
fn starts(server: &TestServer) -> usize {
    server.printed().matches("parlor: listening on").count()
}

/// Posts on a new connection each time until told to stop; gives the ids. One whose connection broke tries the same
/// again; one whose connection is refused has failed.
fn post(address: std::net::SocketAddr, mut client: Client, name: usize, stop: &AtomicBool) -> Vec<i64> {
    let mut ids = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let text = format!("{name}.{n}");
        let form = Request::post("/create-message/").form(&[("content", &text), ("client_id", &text)]);
        let form = client.with_csrf(form);
        ids.push(until("a post to be stored", || {
            let mut connection = Raw::try_connect(address).expect("no connection is refused");
            let answer = exchange(&mut connection, &client.dress(&form), Duration::from_secs(10)).ok()?;
            assert!(matches!(answer.status, 200 | 201 | 503), "{}", answer.head);
            (answer.status != 503).then(|| answer.id())
        }));
    }
    ids
}

/// Reads on over every end of the stream until the message `last` has come.
fn read(client: &Client, last: &dyn Fn() -> Option<i64>) -> Vec<i64> {
    let (mut seen, mut cursor) = (Vec::new(), 0);
    loop {
        let mut stream = match client.try_open_stream(
            Request::get("/stream-chat-messages/").header("Last-Event-ID", &u64::to_string(&cursor)),
        ) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => panic!("refused"),
            Err(_) => continue,
        };
        loop {
            if last().is_some_and(|last| seen.last() >= Some(&last)) {
                return seen;
            }
            match stream.next_revision_within(Duration::from_secs(1)) {
                Outcome::Event(event) => {
                    seen.push(event.message_id());
                    cursor = stream.last_event_id();
                }
                Outcome::Quiet => {}
                Outcome::Ended | Outcome::Broken => break,
            }
        }
    }
}

#[test]
fn an_upgrade_under_load_loses_and_doubles_nothing_and_refuses_nobody() {
    let mut server = TestServer::start_new();
    let stop = AtomicBool::new(false);
    let last = std::sync::OnceLock::new();
    let posters: Vec<_> = (0..POSTERS).map(|n| server.sign_in(&format!("Poster {n}"))).collect();
    let readers: Vec<_> = (0..READERS).map(|n| server.sign_in(&format!("Reader {n}"))).collect();
    let address = server.address();
    let pid = server.pid();
    let (mut sent, seen, asked) = thread::scope(|scope| {
        let (stop, last) = (&stop, &last);
        let posting: Vec<_> = posters
            .into_iter()
            .enumerate()
            .map(|(n, client)| scope.spawn(move || post(address, client, n, stop)))
            .collect();
        let reading: Vec<_> =
            readers.iter().map(|reader| scope.spawn(move || read(reader, &|| last.get().copied()))).collect();
        // One who asks on new connections, and has to be answered on every one of them.
        let asking = scope.spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                let mut connection = Raw::try_connect(address).expect("no connection is refused");
                let answer = exchange(&mut connection, &Request::get("/healthz"), Duration::from_secs(10));
                assert_eq!(answer.expect("an answer on every connection").status, 200);
                count += 1;
            }
            count
        });
        for upgrade in 1..=UPGRADES {
            server.signal(Signal::HUP);
            within(Duration::from_secs(20), "the new program's first line", || {
                (starts(&server) > upgrade).then_some(())
            });
        }
        stop.store(true, Ordering::SeqCst);
        let sent: Vec<i64> = posting.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        last.set(sent.iter().copied().max().unwrap()).unwrap();
        let seen: Vec<Vec<i64>> = reading.into_iter().map(|thread| thread.join().unwrap()).collect();
        (sent, seen, asking.join().unwrap())
    });
    sent.sort_unstable();
    assert!(sent.len() > UPGRADES && asked > UPGRADES, "{} posts, {asked} questions", sent.len());
    for ids in seen {
        assert_eq!(ids, sent, "each once, in order");
    }
    assert!(server.is_running());
    assert_eq!(server.pid(), pid);
    assert!(server.terminate().success(), "and it still ends in order");
    std::net::TcpListener::bind(address).expect("the address is free again");
}

/// A server run from a copy of the program that can be replaced.
struct Replaceable {
    dir: TempDir,
    child: Child,
}

impl Replaceable {
    fn start() -> Replaceable {
        let dir = TempDir::new();
        fs::copy(env!("CARGO_BIN_EXE_parlor"), dir.join("parlor")).unwrap();
        let stdout = fs::File::create(dir.join("stdout")).unwrap();
        let stderr = fs::File::create(dir.join("stderr")).unwrap();
        let mut command = Command::new(dir.join("parlor"));
        command.args(["--port", "0", "--db"]).arg(dir.join("chat.db"));
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        Replaceable { dir, child }
    }

    /// Puts another program in the place of this one, as an installer does: beside it, then over it.
    fn replace(&self, write: impl FnOnce(&Path)) {
        let new = self.dir.join("parlor.new");
        write(&new);
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, self.dir.join("parlor")).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn until_said(&self, file: &str, what: &str, times: usize) {
        within(Duration::from_secs(20), what, || {
            let said = fs::read_to_string(self.dir.join(file)).unwrap();
            (said.matches(what).count() == times).then_some(())
        });
    }

    fn runs(&self) -> std::path::PathBuf {
        fs::read_link(format!("/proc/{}/exe", self.child.id())).unwrap()
    }
}

impl Drop for Replaceable {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_on_the_disk_takes_over_and_one_that_does_not_run_is_left_there() {
    let mut server = Replaceable::start();
    server.until_said("stdout", "parlor: listening on", 1);
    server.replace(|path| fs::write(path, "#!/bin/sh\necho no such flag >&2\nexit 2\n").unwrap());
    server.signal(Signal::HUP);
    server.until_said("stderr", "no upgrade", 1);
    assert!(server.runs().to_string_lossy().ends_with("(deleted)"), "the old one goes on");
    assert!(server.child.try_wait().unwrap().is_none());

    server.replace(|path| assert!(fs::copy(env!("CARGO_BIN_EXE_parlor"), path).unwrap() > 0));
    server.signal(Signal::HUP);
    server.until_said("stdout", "parlor: listening on", 2);
    assert_eq!(server.runs(), fs::canonicalize(server.dir.join("parlor")).unwrap());
    server.signal(Signal::TERM);
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn a_window_that_is_closed_ends_it() {
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let window = openpt(flags).unwrap();
    unlockpt(&window).unwrap();
    let terminal = fs::File::from(ioctl_tiocgptpeer(&window, flags).unwrap());
    let dir = TempDir::new();
    let mut command = crate::support::program();
    command.args(["--port", "0", "--db"]).arg(dir.join("chat.db")).stdin(Stdio::null());
    command.stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    drop(command); // our own ends of the terminal
    let mut window = fs::File::from(window);
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("only this machine can join") {
        let mut some = [0; 1024];
        let count = window.read(&mut some).unwrap();
        said.extend_from_slice(&some[..count]);
    }
    drop(window);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    let status = within(Duration::from_secs(5), "the end", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn a_standard_input_that_is_no_listener_is_one_line() {
    let dir = TempDir::new();
    let mut command = crate::support::program();
    command.env("PARLOR_LISTENER", "stdin").arg("--db").arg(dir.join("chat.db")).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("parlor: standard input is no listening socket"), "{said}");
}
