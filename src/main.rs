//! Parlor: a browser chat in one small binary. The modules are listed in reading order; a file uses only those
//! above it.

mod log;
mod metrics;
mod signals;
mod bell;

mod i18n;
mod templates;
mod error;
mod config;

mod door;
mod http;
mod store;
mod visitor;
mod live;

mod assets;
mod views;
mod app;
mod pages;
mod router;
mod server;

mod keeper;
mod cli;
mod upgrade;
mod life;

use std::process::ExitCode;

use config::Command;

fn main() -> ExitCode {
    let done = match config::from_process() {
        Ok(Command::Serve(config)) => life::serve(config),
        Ok(Command::Backup { db, to }) => store::backup(&db, &to),
        Ok(Command::Export { db, format }) => cli::export(&db, format),
        Ok(Command::Doctor(url)) => cli::examine(&url),
        Ok(Command::Sample(path)) => store::write_sample(&path),
        Ok(Command::Say(text)) => {
            cli::say(&text);
            Ok(())
        }
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
