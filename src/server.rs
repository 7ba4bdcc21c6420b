//! tiny_http's side: a few threads receive every request, have it routed, and answer it.

use std::collections::HashMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::{Reply, Request, Response, Takeover};
use crate::pages::{Manner, error_response};
use crate::{i18n, log, router};

/// Threads that answer. A new message leaves its worker free while it waits for the disk, but a sign-in or an edit
/// does not; so there are more workers than posts that the door lets in at once, and pages are always answered.
const WORKERS: usize = 28;

/// A worker parses, asks SQLite and fills in templates; in a debug build all of that takes more room. Bytes.
const STACK: usize = 1024 * 1024;

pub struct Server {
    tiny: Arc<tiny_http::Server>,
    workers: Vec<JoinHandle<()>>,
    tickets: Arc<Tickets>,
    directory: PathBuf,
}

impl Server {
    /// Listens on a socket in a private directory, where only the door comes by.
    pub fn start(app: &Arc<App>) -> Result<Server> {
        let directory = private_directory(&app.config.runtime_directories)?;
        let listener = UnixListener::bind(socket_in(&directory))?;
        let tiny = tiny_http::Server::from_listener(listener, None).map_err(Error::internal)?;
        let mut server =
            Server { tiny: Arc::new(tiny), workers: Vec::new(), tickets: Arc::default(), directory };
        for _ in 0..WORKERS {
            let worker = Worker {
                app: Arc::clone(app),
                tiny: Arc::clone(&server.tiny),
                tickets: Arc::clone(&server.tickets),
            };
            let builder = thread::Builder::new().name("worker".to_owned()).stack_size(STACK);
            server.workers.push(builder.spawn(move || worker.work())?);
        }
        Ok(server)
    }

    /// Where the door finds the server.
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }

    /// Hands a connection to the page that wanted to go on with it, by the ticket in its answer.
    pub fn redeemer(&self) -> impl Fn(u64, TcpStream) + Send + Sync + 'static {
        let tickets = Arc::clone(&self.tickets);
        move |ticket, socket| {
            if let Some(takeover) = tickets.redeem(ticket) {
                takeover(socket);
            }
        }
    }

    /// Lets each worker finish what it has, then ends it.
    pub fn stop(self) {
        self.workers.iter().for_each(|_| self.tiny.unblock());
        for worker in self.workers {
            let _ = worker.join();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("http")
}

/// A directory that only this user may enter, in the first of the `parents` that takes it: in a container, or for a
/// service, the usual places may be missing or closed.
fn private_directory(parents: &[PathBuf]) -> Result<PathBuf> {
    let name = format!("parlor-{}-{:08x}", std::process::id(), rand::random::<u32>());
    let mut failure = Error::internal("no directory for a socket");
    for directory in parents.iter().map(|parent| parent.join(&name)) {
        match fs::DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) => failure = Error::internal(format!("{}: {error}", directory.display())),
        }
    }
    Err(failure)
}

struct Worker {
    app: Arc<App>,
    tiny: Arc<tiny_http::Server>,
    tickets: Arc<Tickets>,
}

impl Worker {
    fn work(&self) {
        while let Ok(request) = self.tiny.recv() {
            match Request::read(request, self.app.config.trusted_proxy) {
                Ok(request) => self.serve(request),
                Err(error) => log::warn("request lost", &[("cause", &error)]),
            }
        }
    }

    fn serve(&self, request: Request) {
        let began = Instant::now();
        let manner = Manner::of(&request);
        let app = &self.app;
        let routed = catch_unwind(AssertUnwindSafe(|| router::route(app, &request, manner)));
        let reply = match routed {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => error_response(app, manner, &error).into(),
            Err(_) => {
                app.metrics.panics.add(1); // the panic hook has logged it
                error_response(app, manner, &Error::told(500, i18n::ERR_INTERNAL)).into()
            }
        };
        match reply {
            Reply::Response(response) => answer(app, request, response, began),
            Reply::Takeover(takeover) => {
                let ticket = self.tickets.issue(takeover).to_string();
                answer(app, request, Response::empty(200).with("Parlor-Ticket", ticket), began);
            }
            Reply::Later(then) => {
                let app = Arc::clone(app);
                then(Box::new(move |response| answer(&app, request, response, began)));
            }
        }
    }
}

/// Logs the request and answers it. The door's own greeting is no request of anybody.
fn answer(app: &App, request: Request, response: Response, began: Instant) {
    if request.path() != "/.standing" {
        let ms = format!("{:.3}", began.elapsed().as_secs_f64() * 1_000.0);
        app.metrics.answers[usize::from(response.status / 100).min(5)].add(1);
        log::info(
            "request",
            &[
                ("method", request.method()),
                ("path", &request.path()),
                ("status", &response.status),
                ("bytes", &response.len()),
                ("ms", &ms),
                ("peer", &request.peer()),
            ],
        );
    }
    if let Err(error) = request.answer(response) {
        log::warn("answer lost", &[("cause", &error)]);
    }
}

/// A ticket that nobody has redeemed by then will not be: its connection broke on the way.
const TICKET_LIFETIME: Duration = Duration::from_secs(60);

/// The pages that wait for their connection.
#[derive(Default)]
struct Tickets(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    last: u64,
    takeovers: HashMap<u64, (Instant, Takeover)>,
}

impl Tickets {
    fn issue(&self, takeover: Takeover) -> u64 {
        let now = Instant::now();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.last += 1;
        let ticket = waiting.last;
        waiting.takeovers.retain(|_, (issued, _)| now.duration_since(*issued) < TICKET_LIFETIME);
        waiting.takeovers.insert(ticket, (now, takeover));
        ticket
    }

    fn redeem(&self, ticket: u64) -> Option<Takeover> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.takeovers.remove(&ticket).map(|(_, takeover)| takeover)
    }
}
