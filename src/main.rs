//! Parlor: a browser chat in one small binary.

fn main() {}
