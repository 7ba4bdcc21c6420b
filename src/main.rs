//! Parlor: a browser chat in one small binary. The modules are listed in reading order; a file uses only those
//! above it.

mod bell;
mod log;
mod metrics;
mod signals;

mod config;
mod error;
mod i18n;
mod templates;

mod door;
mod http;
mod live;
mod store;
mod visitor;

mod cli;
mod keeper;
mod upgrade;

mod app;
mod pages;
mod router;
mod server;

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::App;
use config::{Command, Config, Invocation};
use door::{Bridge, Door, Limits};
use error::Result;
use keeper::Keeper;
use live::{Live, Pace};
use signals::{Signal, Signals};
use store::Store;

/// How long streams and posts may take to end once the server is told to.
const SHUTDOWN: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    let done = match config::from_process() {
        Ok(Command::Serve(config)) => serve(config),
        Ok(Command::Backup { db, to }) => store::backup(&db, &to),
        Ok(Command::Export { db, format }) => cli::export(&db, format),
        Ok(Command::Doctor(url)) => cli::examine(&url),
        Ok(Command::Sample(path)) => store::write_sample(&path),
        Ok(Command::Say(text)) => say(&text),
        Err(usage) => {
            eprintln!("parlor: {usage} (--help lists what it knows)");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The server's life: open, answer until a signal comes, close in order.
fn serve(config: Config) -> Result<()> {
    log::start(config.log_format, config.log_level);
    log_panics();
    let mut signals = Signals::catch()?;
    let invocation = Invocation::of_this_process()?;
    let listener = if config.inherits_listener { door::inherit() } else { door::listen(config.address()) }?;
    let kept_listener = OwnedFd::from(listener.try_clone()?);
    let address = listener.local_addr()?;
    let limits = Limits::from_system(config.max_streams);

    let bell = Arc::new(bell::Bell::default());
    let store = Arc::new(Store::open(&config.db, Arc::clone(&bell))?);
    let metrics = Arc::new(metrics::Metrics::default());
    let pace = Pace { poll: config.poll, heartbeat: config.heartbeat, max_streams: limits.streams };
    let (live, tail) = Live::start(Arc::clone(&store), bell, Arc::clone(&metrics), pace)?;
    let app = Arc::new(App::new(config, Arc::clone(&store), Arc::clone(&live), metrics)?);
    let attendance = live::attendance::start(Arc::clone(&live), Arc::clone(&app.sessions))?;
    let server = server::Server::start(&app)?;
    let bridge = Bridge::open(&server.socket(), limits.standing())?;
    let door = Door::open(listener, bridge, limits, Arc::new(server.redeemer()))?;
    let keeper = app.config.keep.map(|keep| Keeper::start(Arc::clone(&store), keep)).transpose()?;
    say(&cli::announce(address, &app.config, app.invite.as_deref(), std::io::stdout().is_terminal()))?;

    let next = wait_for_the_end(&mut signals, &invocation);
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
    store.checkpoint()?;
    match kept_listener {
        Some(listener) if !signals.stop_came() => Err(upgrade::become_new(&invocation, listener)),
        _ => Ok(()),
    }
}

/// Blocks until the server is to end, or to make way for a program that has been seen to run.
fn wait_for_the_end(signals: &mut Signals, invocation: &Invocation) -> Signal {
    loop {
        match signals.next() {
            Signal::Stop => return Signal::Stop,
            Signal::Upgrade => match upgrade::rehearse(invocation) {
                Ok(()) => return Signal::Upgrade,
                Err(error) => log::error("no upgrade", &[("cause", &error)]),
            },
        }
    }
}

/// Prints to stdout; one who has closed it does not want to know.
fn say(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(())
}

/// A panic is one line in the log like everything else; the server answers 500 for that request and goes on.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        log::error("panic", &[("message", &message), ("place", &place)]);
    }));
}
