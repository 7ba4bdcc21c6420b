//! What a person at a terminal is told and can ask for, besides the server itself.

mod doctor;
mod export;
mod join;
mod qr;

pub use doctor::examine;
pub use export::export;
pub use join::announcement;

use std::io::Write as _;

/// Prints to stdout; one who has closed it does not want to know.
pub fn say(text: &str) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
