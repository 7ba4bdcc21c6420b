//! The wire: what a visitor sends and what we answer, with tiny_http behind it and the parsing by hand.

pub mod accept;
mod cookie;
pub mod event_stream;
pub mod form;
pub mod json;
mod multipart;
mod parameters;
mod request;
mod response;

pub use request::{Method, Request, number};
pub use response::{Reply, Response, Takeover};
