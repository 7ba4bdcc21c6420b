//! The visitor: who they are, where they come from, how much they may do.

pub mod host;
pub mod invite;
pub mod names;
pub mod origin;
pub mod rate;
pub mod session;
pub mod token;
