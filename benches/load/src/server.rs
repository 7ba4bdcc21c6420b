//! One server under load: started in a folder of its own, watched through /proc, stopped at the end.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::http::{Client, Visitor};

/// A server that does not answer by then never will.
const START_TIME: Duration = Duration::from_secs(20);

/// A server told to stop is killed after this.
const STOP_TIME: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Parlor,
    Axum,
    AxumGroup,
    Nchan,
    Floor,
}

impl Kind {
    pub const PEERS: [Kind; 4] = [Kind::Axum, Kind::AxumGroup, Kind::Nchan, Kind::Floor];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Parlor => "parlor",
            Kind::Axum => "axum",
            Kind::AxumGroup => "axum-group",
            Kind::Nchan => "nchan",
            Kind::Floor => "floor",
        }
    }

    /// Whether there is a lobby to go through; the others only fan out.
    pub fn is_chat(self) -> bool {
        !matches!(self, Kind::Nchan | Kind::Floor)
    }
}

/// Where the servers' programs are; an empty path means there is none.
#[derive(Default)]
pub struct Programs {
    pub parlor: PathBuf,
    pub axum: PathBuf,
    pub nchan_conf: PathBuf,
}

impl Programs {
    pub fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Parlor => self.parlor.is_file(),
            Kind::Axum | Kind::AxumGroup => self.axum.is_file(),
            Kind::Nchan => self.nchan_conf.is_file(),
            Kind::Floor => true,
        }
    }
}

pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    /// From starting the process to its first line, which it prints when it answers.
    pub started_after: Duration,
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts a server on an empty database.
    pub fn start(kind: Kind, programs: &Programs) -> Result<Server> {
        let folder = new_folder()?;
        Server::start_in(kind, programs, folder, &[])
    }

    /// The same, with whatever database the folder holds and further arguments.
    pub fn start_in(kind: Kind, programs: &Programs, folder: PathBuf, more: &[&str]) -> Result<Server> {
        let mut command = match kind {
            Kind::Parlor => Command::new(&programs.parlor),
            Kind::Axum | Kind::AxumGroup => Command::new(&programs.axum),
            Kind::Nchan => Command::new("nginx"),
            Kind::Floor => Command::new(std::env::current_exe()?),
        };
        let mut port = 0;
        match kind {
            Kind::Parlor => command.args("--port 0 --db chat.db --rate 0 --max-streams 12000".split(' ')),
            Kind::Axum => command.arg("chat.db"),
            Kind::AxumGroup => command.args(["chat.db", "--group"]),
            Kind::Nchan => {
                port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                let conf = fs::read_to_string(&programs.nchan_conf)?.replace("PORT", &port.to_string());
                fs::write(folder.join("nginx.conf"), conf)?;
                command.arg("-p").arg(&folder).args(["-c", "nginx.conf"])
            }
            Kind::Floor => command.arg("floor"),
        };
        command.args(more).current_dir(&folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let begun = Instant::now();
        let mut child =
            command.spawn().map_err(|error| format!("{} does not start: {error}", kind.name()))?;
        let address = match kind {
            Kind::Nchan => answering(SocketAddr::from(([127, 0, 0, 1], port)))?,
            _ => first_line(&mut child)?,
        };
        Ok(Server { kind, address, started_after: begun.elapsed(), child, folder })
    }

    /// Signs in `count` people; a server without a lobby takes anyone.
    pub fn sign_in(&self, count: usize) -> Result<Vec<Visitor>> {
        if !self.kind.is_chat() {
            return Ok(vec![Visitor::default(); count]);
        }
        (0..count).map(|n| Visitor::sign_in(self.address, &format!("guest-{n}"))).collect()
    }

    pub fn client(&self) -> Result<Client> {
        Ok(Client::connect(self.address)?)
    }

    /// Stops the server; its folder stays, for whoever wants the database.
    pub fn stop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_TIME;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        let master = self.child.id();
        let workers =
            fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        usage.add(master);
        workers.split_whitespace().filter_map(|pid| pid.parse().ok()).for_each(|pid| usage.add(pid));
        usage
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn new_folder() -> Result<PathBuf> {
    let unique = std::time::UNIX_EPOCH.elapsed()?.as_nanos();
    let folder = std::env::temp_dir().join(format!("parlor-load-{unique}"));
    fs::create_dir(&folder)?;
    Ok(folder)
}

fn first_line(child: &mut Child) -> Result<SocketAddr> {
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let mut line = String::new();
    let mut lines = BufReader::new(stdout);
    lines.read_line(&mut line)?;
    // Whatever it prints later is read and forgotten: a full pipe would stop it.
    thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    let (_, address) = line.split_once("http://").ok_or("the server ended before it answered")?;
    Ok(address.trim_end().trim_end_matches('/').parse()?)
}

fn answering(address: SocketAddr) -> Result<SocketAddr> {
    let deadline = Instant::now() + START_TIME;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(format!("nothing answers at {address}").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(address)
}

/// What a server's processes hold and have used so far.
#[derive(Default)]
pub struct Usage {
    /// Nanoseconds on a processor, by thread.
    threads: HashMap<u32, u64>,
    /// Nanoseconds of the whole processes, threads that have ended included; known to a tick only.
    ticks: u64,
    pub rss_kib: f64,
    pub descriptors: usize,
}

impl Usage {
    fn add(&mut self, pid: u32) {
        let process = PathBuf::from(format!("/proc/{pid}"));
        for thread in entries(&process.join("task")) {
            let time =
                fs::read_to_string(process.join(format!("task/{thread}/schedstat"))).unwrap_or_default();
            let nanoseconds = time.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            self.threads.insert(thread, nanoseconds);
        }
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        // Behind the name in brackets: user time is the 12th field, system time the 13th.
        let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        self.ticks += ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second();
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        self.rss_kib += rss.and_then(|rss| rss.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0);
        self.descriptors += entries(&process.join("fd")).len();
    }

    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Microseconds of processor time used since `earlier`.
    pub fn cpu_since(&self, earlier: &Usage) -> f64 {
        let used = |(id, now): (&u32, &u64)| now - earlier.threads.get(id).copied().unwrap_or(0).min(*now);
        let by_thread: u64 = self.threads.iter().map(used).sum();
        // Threads that ended in between are missing there; the ticks have them, up to two ticks too many.
        let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
        let by_process = (self.ticks - earlier.ticks).saturating_sub(2 * tick);
        by_thread.max(by_process) as f64 / 1000.0
    }
}

fn entries(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
