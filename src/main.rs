//! Parlor: a browser chat in one small binary.

#[allow(dead_code)]
mod door;

fn main() {}
