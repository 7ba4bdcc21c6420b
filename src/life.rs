//! The server's life: open, answer until a signal comes, close in order.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::bell::Bell;
use crate::config::{Config, Invocation};
use crate::door::{self, Bridge, Door, Limits};
use crate::error::Result;
use crate::keeper::Keeper;
use crate::live::{self, Live, Pace};
use crate::metrics::Metrics;
use crate::server::Server;
use crate::signals::{Signal, Signals};
use crate::store::Store;
use crate::{cli, log, upgrade};

/// How long streams and posts may take to end once the server is told to.
const SHUTDOWN: Duration = Duration::from_secs(4);

/// The server's life: open, answer until a signal comes, close in order.
pub fn serve(config: Config) -> Result<()> {
    log::start(config.log_format, config.log_level);
    log_panics();
    let mut signals = Signals::catch()?;
    let had_terminal = has_terminal();
    let invocation = Invocation::of_this_process()?;
    let listener = if config.inherits_listener { door::inherit() } else { door::listen(config.address()) }?;
    let kept_listener = OwnedFd::from(listener.try_clone()?);
    let address = listener.local_addr()?;
    let limits = Limits::from_system(config.max_streams);

    let bell = Arc::new(Bell::default());
    let store = Arc::new(Store::open(&config.db, Arc::clone(&bell))?);
    let metrics = Arc::new(Metrics::default());
    let pace = Pace { poll: config.poll, heartbeat: config.heartbeat, max_streams: limits.streams };
    let (live, tail) = Live::start(Arc::clone(&store), bell, Arc::clone(&metrics), pace)?;
    let app = Arc::new(App::new(config, Arc::clone(&store), Arc::clone(&live), metrics)?);
    let attendance = live::attendance::start(Arc::clone(&live), Arc::clone(&app.sessions))?;
    let server = Server::start(&app)?;
    let bridge = Bridge::open(&server.socket(), limits.standing())?;
    let door = Door::open(listener, bridge, limits, Arc::new(server.redeemer()))?;
    let _ = app.door.set(Arc::clone(&door));
    let keeper = app.config.keep.map(|keep| Keeper::start(Arc::clone(&store), keep)).transpose()?;
    announce(&app, address);

    let next = wait_for_the_end(&mut signals, &invocation, had_terminal);
    log::info("closing", &[("signal", &format!("{next:?}"))]);
    let kept_listener = (next == Signal::Upgrade).then_some(kept_listener);
    let deadline = Instant::now() + SHUTDOWN;
    door.close();
    live.close(tail, deadline);
    attendance.thread().unpark();
    let _ = attendance.join();
    door.drain(deadline);
    server.stop();
    if let Some(keeper) = keeper {
        keeper.close();
    }
    let checkpoint = store.checkpoint(); // if it failed, the next program finds the log beside the file
    match kept_listener {
        Some(listener) if !signals.stop_came() => Err(upgrade::become_new(&invocation, listener)),
        _ => checkpoint,
    }
}

/// Says on stdout where it listens, how others get in, and how its administrator does.
fn announce(app: &App, address: SocketAddr) {
    let is_terminal = std::io::stdout().is_terminal();
    let mut text = cli::announcement(address, &app.config, app.invite.as_deref(), is_terminal);
    if let Some(token) = app.admins.one_time_token() {
        text += &format!("parlor: admin at http://{}/admin/?token={token}\n", door::reachable(address));
    }
    cli::say(&text);
}

/// Blocks until the server is to end, or to make way for a program that has been seen to run. One who was started in a
/// terminal ends with its window, which sends the signal of an upgrade too.
fn wait_for_the_end(signals: &mut Signals, invocation: &Invocation, had_terminal: bool) -> Signal {
    loop {
        match signals.next() {
            Signal::Stop => return Signal::Stop,
            Signal::Upgrade if had_terminal && !has_terminal() => return Signal::Stop,
            Signal::Upgrade => match upgrade::rehearse(invocation) {
                Ok(()) => return Signal::Upgrade,
                Err(error) => log::error("no upgrade", &[("cause", &error)]),
            },
        }
    }
}

/// Whether somebody may be watching; a terminal that was closed is none any more.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal()
}

/// A panic is one line in the log like everything else; the server answers 500 for that request and goes on.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        log::error("panic", &[("message", &message), ("place", &place)]);
    }));
}
