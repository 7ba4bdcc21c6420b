//! A disk that is full, a file that is locked, a machine that loses power: said plainly, and over when it is over.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::support::{Answer, Launch, TempDir, TestServer, program, until, within};

/// What a post may take to be refused while another process holds the lock: the page gives up after twenty seconds.
const REFUSED_WITHIN: Duration = Duration::from_secs(18);

/// Fails unless this is a refusal that says what is wrong and when to come back: the application in JSON, the door,
/// which knows nothing of it, in plain text.
#[track_caller]
fn expect_come_back_later(answer: Answer) {
    assert!(matches!(answer.status, 503 | 507), "{}{}", answer.head, answer.text());
    assert!(answer.header("retry-after").is_some(), "when? {}", answer.head);
    let json = answer.header("content-type") == Some("application/json");
    let sentence = if json {
        answer.json()["error"].as_str().unwrap_or_default().to_owned()
    } else {
        answer.text().to_owned()
    };
    assert!(sentence.len() > 10, "not a sentence: {sentence:?}");
}

#[test]
fn while_another_process_holds_the_write_lock_posts_wait_and_everything_else_goes_on() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("before");
    let mut stream = alice.open_stream();
    stream.expect_message("before");
    stream.expect_live();

    let other = server.sqlite();
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock is to be had");
    thread::scope(|scope| {
        for n in 0..60 {
            let mut tab = alice.tab();
            scope.spawn(move || {
                let started = Instant::now();
                expect_come_back_later(tab.try_send(&format!("{n}")));
                assert!(started.elapsed() < REFUSED_WITHIN, "refused after {:?}", started.elapsed());
            });
        }
        for _ in 0..20 {
            let started = Instant::now();
            assert!(alice.get("/").expect(200).text().contains("before"));
            alice.messages("q=before");
            alice.resume_stream(0).expect_message("before");
            server.visitor().get("/healthz").expect(200);
            assert!(started.elapsed() < Duration::from_secs(2), "pages took {:?}", started.elapsed());
        }
    });
    other.execute_batch("ROLLBACK").expect("the lock can be given back");
    alice.send("after");
    stream.expect_message("after");
}

#[test]
fn a_short_lock_is_waited_for() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let other = server.sqlite();
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock is to be had");
    thread::scope(|scope| {
        let mut tab = alice.tab();
        let post = scope.spawn(move || tab.try_send("patient").status);
        let page = server.visitor().get("/lobby/");
        page.expect(200);
        other.execute_batch("COMMIT").expect("the lock can be given back");
        assert_eq!(post.join().unwrap(), 201);
    });
    alice.open_stream().expect_message("patient");
}

// ---- A machine that sleeps ----

#[test]
fn being_stopped_and_continued_is_noticed_by_nobody() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let mut streams: Vec<_> = (0..5).map(|_| alice.open_stream()).collect();
    streams.iter_mut().for_each(|stream| stream.expect_live());
    let mut idle = server.connect();
    let mut half = server.connect();
    half.send("GET /healthz HT");
    thread::scope(|scope| {
        let mut tab = alice.tab();
        let posts = scope.spawn(move || (0..200).map(|n| tab.send(&format!("{n}"))).collect::<Vec<_>>());
        while !posts.is_finished() {
            server.signal(Signal::STOP);
            server.signal(Signal::CONT);
            // The next stop comes when something has happened in between.
            server.visitor().get("/healthz").expect(200);
        }
    });
    for stream in &mut streams {
        (0..200).for_each(|n| drop(stream.expect_message(&format!("{n}"))));
    }
    half.send("TP/1.1\r\nHost: localhost\r\n\r\n").answer().expect(200);
    idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().expect(200);
}

// ---- A disk that is full ----

/// A small file system of its own, gone when dropped.
struct SmallDisk(PathBuf, TempDir);

impl SmallDisk {
    /// `None`, with the reason printed, where no file system can be mounted.
    fn mount(size: &str) -> Option<SmallDisk> {
        let dir = TempDir::new();
        let path = dir.join("disk");
        fs::create_dir(&path).expect("a directory can be made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path).stderr(Stdio::null());
        if !geteuid().is_root() || !mount.status().is_ok_and(|status| status.success()) {
            eprintln!("ignored: no small disk can be mounted here");
            return None;
        }
        Some(SmallDisk(path, dir))
    }

    fn file(&self) -> PathBuf {
        self.0.join("chat.db")
    }

    /// Writes until nothing more fits.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = File::create(&filler).expect("a file can be made");
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = &self.1;
    }
}

#[test]
fn a_full_disk_refuses_posts_and_serves_readers_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount("4m") else { return };
    let mut server = Launch::new().db(&disk.file()).start();
    let mut alice = server.sign_in("Alice");
    let before = alice.send("before");
    let mut stream = alice.open_stream();
    stream.expect_message("before");
    stream.expect_live();

    let filler = disk.fill();
    let long = "x".repeat(16_000);
    let refused = until("the disk to be full", || {
        let answer = alice.try_send(&long);
        (answer.status != 201).then_some(answer)
    });
    expect_come_back_later(refused);
    assert!(alice.get("/").expect(200).text().contains("before"));
    assert_eq!(alice.messages("q=before").len(), 1);
    alice.resume_stream(0).expect_message("before");
    assert!(server.is_running());

    fs::remove_file(filler).expect("room can be made");
    let after = within(Duration::from_secs(5), "the server to store again", || {
        let answer = alice.try_send("after");
        (answer.status == 201).then(|| answer.id())
    });
    let ids: Vec<i64> =
        alice.messages("limit=100").iter().map(|message| message["id"].as_i64().unwrap()).collect();
    while stream.next_revision().message_id() != after {}
    assert!(ids.contains(&before) && ids.contains(&after));
    server.restart();
    assert_eq!(alice.messages("q=after").len(), 1);
}

#[test]
fn a_disk_that_is_full_from_the_start_is_one_line() {
    let Some(disk) = SmallDisk::mount("64k") else { return };
    let filler = disk.fill();
    let output = program().args(["--port", "0", "--db"]).arg(disk.file()).output().expect("it can be run");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("parlor: ") && said.lines().count() == 1, "{said:?}");
    fs::remove_file(filler).expect("the filler is there");
}

#[test]
fn a_file_that_may_only_be_read_is_one_line() {
    const SOMEBODY: u32 = 54_322;
    if !geteuid().is_root() {
        return eprintln!("ignored: only root can start the program as somebody else");
    }
    let dir = TempDir::new();
    let file = dir.join("chat.db");
    drop(Launch::new().db(&file).start());
    fs::copy(env!("CARGO_BIN_EXE_parlor"), dir.join("parlor")).expect("the program can be copied");
    let mut command = Command::new(dir.join("parlor"));
    let output = command.args(["--port", "0", "--db"]).arg(&file).uid(SOMEBODY).gid(SOMEBODY).output();
    let output = output.expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("parlor: ") && said.contains("chat.db") && said.lines().count() == 1,
        "{said:?}"
    );
}

// ---- A machine that loses power ----

/// A trace of one server's system calls, written to a file.
struct Trace {
    strace: Child,
    log: PathBuf,
}

impl Trace {
    /// `None`, with the reason printed, where no process can be traced.
    fn of(server: &TestServer) -> Option<Trace> {
        let (log, said) = (server.dir().join("trace"), server.dir().join("strace-said"));
        let mut command = Command::new("strace");
        let calls = "trace=fsync,fdatasync,write,writev,sendto,sendmsg,pwrite64";
        let pid = server.pid().as_raw_nonzero().to_string();
        command.args(["-f", "-s", "9000", "-e", calls, "-p", &pid, "-o"]).arg(&log);
        command.stderr(File::create(&said).expect("the directory can be written"));
        let Ok(mut strace) = command.spawn() else {
            eprintln!("ignored: strace is not here");
            return None;
        };
        let attached = until("strace to attach", || {
            let gone = strace.try_wait().expect("a child can be asked").is_some();
            let attached = fs::read_to_string(&said).expect("it is text").contains("attached");
            (attached || gone).then_some(attached && !gone)
        });
        if !attached {
            eprintln!(
                "ignored: no process can be traced here: {}",
                fs::read_to_string(&said).unwrap_or_default()
            );
            return None;
        }
        Some(Trace { strace, log })
    }

    /// Detaches, and gives the lines of the trace.
    fn finish(mut self) -> Vec<String> {
        kill_process(Pid::from_child(&self.strace), Signal::INT).expect("strace runs");
        self.strace.wait().expect("strace ends");
        fs::read_to_string(&self.log).expect("the trace is text").lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_message_is_on_the_disk_before_it_is_answered() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("warm up");
    let Some(trace) = Trace::of(&server) else { return };
    for n in 0..5 {
        alice.send(&format!("power{n}"));
    }
    let log = trace.log.clone();
    let lines = trace.finish();
    let from = |start: usize, what: &str, found: &dyn Fn(&str) -> bool| {
        let at = lines[start..].iter().position(|line| found(line));
        start + at.unwrap_or_else(|| panic!("no {what} from line {start} on in {}", log.display()))
    };
    let mut at = 0;
    for n in 0..5 {
        let text = format!("power{n}");
        let written = from(at, &text, &|line| line.contains("pwrite64") && line.contains(&text));
        let synced = from(written, "sync", &|line| line.contains("fsync(") || line.contains("fdatasync("));
        let answered = from(at, "answer", &|line| line.contains("201 Created"));
        assert!(
            synced < answered,
            "answered in line {answered}, synced in line {synced} of {}",
            log.display()
        );
        at = answered + 1;
        // The answer crosses from the library to the door, and is seen twice.
        at += lines[at..].iter().take_while(|line| line.contains("201 Created")).count();
    }
}

#[test]
fn a_log_torn_by_a_power_cut_costs_nothing_that_was_answered() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let ids: Vec<i64> = (0..20).map(|n| alice.send(&format!("{n}"))).collect();
    server.kill();
    let log: &Path = &server.db().with_extension("db-wal");
    // What a disk may hold after a cut: pages of a commit that was never synced, and so never answered.
    let torn = File::options().append(true).open(log).and_then(|mut file| file.write_all(&[0x5A; 10_000]));
    torn.expect("the log is there after a kill");
    let _ = fs::remove_file(server.db().with_extension("db-shm"));
    server.start();
    let kept: Vec<i64> =
        alice.messages("limit=100").iter().map(|message| message["id"].as_i64().unwrap()).collect();
    assert_eq!(kept, ids);
    alice.send("and on");
}
