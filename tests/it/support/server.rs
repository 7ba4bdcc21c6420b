//! The real program, started for one test in a directory of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use super::{Client, Raw, TempDir, within};

/// How long the program may take to its first line. Generous, as all tests start at once on a small machine.
const START_WITHIN: Duration = Duration::from_secs(20);

/// What the contract allows between a signal and the exit.
const EXIT_WITHIN: Duration = Duration::from_secs(5);

/// The program as a command, with nothing of the caller's own settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    forget_settings(&mut command);
    command
}

fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PARLOR_") {
            command.env_remove(name);
        }
    }
}

/// How a server is to be started. Posts are not limited unless a test says `--rate`.
pub struct Launch {
    flags: Vec<OsString>,
    settings: Vec<(String, String)>,
    db: Option<PathBuf>,
    /// A shell's command that takes something away before the program starts.
    limit: Option<String>,
    user: Option<u32>,
}

impl Launch {
    pub fn new() -> Launch {
        let settings = vec![("PARLOR_RATE".into(), "0".into())];
        Launch { flags: Vec::new(), settings, db: None, limit: None, user: None }
    }

    pub fn flags<S: AsRef<OsStr>>(mut self, flags: &[S]) -> Launch {
        self.flags.extend(flags.iter().map(|flag| flag.as_ref().to_owned()));
        self
    }

    pub fn setting(mut self, name: &str, value: &str) -> Launch {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Opens this file instead of one in the server's own directory.
    pub fn db(mut self, file: &Path) -> Launch {
        self.db = Some(file.to_owned());
        self
    }

    /// At most so many descriptors, soft and hard.
    pub fn descriptors(mut self, limit: u32) -> Launch {
        self.limit = Some(format!("ulimit -n {limit}"));
        self
    }

    /// Runs as a user of its own who may have at most so many threads; only root can ask for that.
    pub fn threads_of(mut self, user: u32, limit: u32) -> Launch {
        self.user = Some(user);
        // Shells do not agree on the letter.
        self.limit = Some(format!("{{ ulimit -u {limit} || ulimit -p {limit}; }} 2>/dev/null"));
        self
    }

    pub fn start(self) -> TestServer {
        let dir = TempDir::new();
        let db = self.db.clone().unwrap_or_else(|| dir.join("chat.db"));
        if let Some(user) = self.user {
            give_to(user, &dir);
        }
        let mut server = TestServer { launch: self, dir, db, port: 0, child: None, starts: 0 };
        server.start();
        server
    }
}

/// Lets another user run the program: a copy of it in a directory that is theirs.
fn give_to(user: u32, dir: &Path) {
    fs::copy(env!("CARGO_BIN_EXE_parlor"), dir.join("parlor")).expect("the program can be copied");
    std::os::unix::fs::chown(dir, Some(user), Some(user)).expect("root gives the directory away");
}

pub struct TestServer {
    launch: Launch,
    dir: TempDir,
    db: PathBuf,
    port: u16,
    child: Option<Child>,
    starts: u32,
}

impl TestServer {
    pub fn start_new() -> TestServer {
        Launch::new().start()
    }

    pub fn with<S: AsRef<OsStr>>(flags: &[S]) -> TestServer {
        Launch::new().flags(flags).start()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn db(&self) -> &Path {
        &self.db
    }

    /// The database file, opened as the `sqlite3` shell would.
    pub fn sqlite(&self) -> Connection {
        let connection = Connection::open(&self.db).expect("the database file opens");
        connection.busy_timeout(Duration::from_secs(10)).expect("a timeout can be set");
        connection
    }

    /// Somebody at the door who has not signed in.
    pub fn visitor(&self) -> Client {
        Client::new(self.port)
    }

    /// Somebody who has signed in under `name`.
    pub fn sign_in(&self, name: &str) -> Client {
        let mut client = self.visitor();
        client.sign_in(name);
        client
    }

    /// A bare connection, for bytes that no well-bred client sends.
    pub fn connect(&self) -> Raw {
        Raw::connect(self.address())
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("the server runs"))
    }

    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut().expect("the server was started");
        child.try_wait().expect("a child can be asked").is_none()
    }

    pub fn threads(&self) -> usize {
        self.count("task")
    }

    pub fn open_descriptors(&self) -> usize {
        self.count("fd")
    }

    fn count(&self, what: &str) -> usize {
        let path = format!("/proc/{}/{what}", self.pid().as_raw_nonzero());
        fs::read_dir(path).expect("the process can be looked at").count()
    }

    /// Everything the program said on stderr so far, over all its starts.
    pub fn said(&self) -> String {
        self.read_logs("stderr")
    }

    /// Everything it printed on stdout so far, over all its starts.
    pub fn printed(&self) -> String {
        self.read_logs("stdout")
    }

    fn read_logs(&self, name: &str) -> String {
        (0..self.starts).map(|start| fs::read_to_string(self.log(name, start)).unwrap_or_default()).collect()
    }

    fn log(&self, name: &str, start: u32) -> PathBuf {
        self.dir.join(format!("{name}-{start}"))
    }

    /// Starts the program; after the first time, on the port it had.
    pub fn start(&mut self) {
        let (stdout, stderr) = (self.log("stdout", self.starts), self.log("stderr", self.starts));
        self.starts += 1;
        let mut command = self.command();
        command.stdout(File::create(&stdout).expect("the test's directory can be written"));
        command.stderr(File::create(&stderr).expect("the test's directory can be written"));
        let mut child = command.stdin(Stdio::null()).spawn().expect("the program can be run");
        let line = within(START_WITHIN, "the first line of the server", || {
            let gone = child.try_wait().expect("a child can be asked");
            let said = fs::read_to_string(&stdout).expect("what it said can be read");
            let line = said.lines().next().filter(|_| said.contains('\n'));
            line.map(str::to_owned).or(gone.map(|status| format!("none: {status}")))
        });
        self.child = Some(child);
        self.port = port_in(&line).unwrap_or_else(|| panic!("the first line was {line:?}\n{}", self.said()));
    }

    fn command(&self) -> Command {
        let program = match self.launch.user {
            Some(_) => self.dir.join("parlor"),
            None => PathBuf::from(env!("CARGO_BIN_EXE_parlor")),
        };
        let mut command = match &self.launch.limit {
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")]).arg(program);
                shell
            }
            None => Command::new(program),
        };
        if let Some(user) = self.launch.user {
            command.uid(user).gid(user);
        }
        forget_settings(&mut command);
        // What a killed server leaves lying about goes with the test, where a socket's path is not too long for that.
        if self.dir.as_os_str().len() < 60 {
            command.env("TMPDIR", &*self.dir);
        }
        command
            .current_dir(&*self.dir)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--db"])
            .arg(&self.db)
            .args(&self.launch.flags)
            .envs(self.launch.settings.iter().cloned());
        command
    }

    /// Ends it with SIGTERM, in order, and starts it again on the same port.
    pub fn restart(&mut self) {
        let status = self.terminate();
        assert!(status.success(), "SIGTERM ended it with {status}");
        self.start();
    }

    /// Ends it as a power cut would: SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("a child can be killed");
        child.wait().expect("a killed child can be waited for");
    }

    /// SIGTERM, and the status it exits with within five seconds.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child can be signalled");
    }

    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        within(EXIT_WITHIN, "the exit of the server", || child.try_wait().expect("a child can be asked"))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("what the server in {} said:\n{}", self.dir.display(), self.said());
        }
    }
}

/// The port in `parlor: listening on http://127.0.0.1:PORT/`.
fn port_in(line: &str) -> Option<u16> {
    line.strip_prefix("parlor: listening on http://127.0.0.1:")?.strip_suffix("/")?.parse().ok()
}
