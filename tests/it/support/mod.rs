//! What every test stands on: a server of its own, people who talk to it, and streams to read.

mod client;
mod dir;
mod facts;
mod raw;
mod server;
mod stream;

pub use client::{Answer, Client, Request, exchange};
pub use dir::TempDir;
pub use facts::{percentile, until, within};
pub use raw::Raw;
pub use server::{Launch, TestServer, program};
pub use stream::{EventReader, Outcome};
