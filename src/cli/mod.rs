//! What a person at a terminal is told and can ask for, besides the server itself.

mod doctor;
mod export;
mod join;
mod qr;

pub use doctor::examine;
pub use export::export;
pub use join::announce;
