//! The upgrade in place: this process becomes the program that lies on the disk now, with the same arguments and the
//! listening socket kept, so that nobody who comes meanwhile finds the door shut.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::config::{Invocation, LISTENER};
use crate::error::{Error, Result};

/// Has the program on the disk look at the command line, so that one that cannot be run, or would not take it, is
/// found out while this one still serves.
///
/// # Errors
/// What is wrong with it.
pub fn rehearse(invocation: &Invocation) -> Result<()> {
    let mut command = command(invocation);
    let output = command.arg("--version").env_remove(LISTENER.0).stdin(Stdio::null()).output();
    let output = output.map_err(|error| named(invocation, error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(named(invocation, said.lines().next().unwrap_or("it does not run")));
    }
    Ok(())
}

/// Becomes that program, under the same process id. The socket travels as standard input; everything else that is
/// open closes by itself.
///
/// Returns only if that fails, with the reason.
pub fn become_new(invocation: &Invocation, listener: OwnedFd) -> Error {
    let mut command = command(invocation);
    let error = command.env(LISTENER.0, LISTENER.1).stdin(Stdio::from(listener)).exec();
    named(invocation, error)
}

fn command(invocation: &Invocation) -> Command {
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.arguments);
    command
}

fn named(invocation: &Invocation, cause: impl std::fmt::Display) -> Error {
    Error::internal(format!("{}: {cause}", invocation.program.display()))
}
