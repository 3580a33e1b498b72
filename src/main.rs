//! The server; nothing to serve yet.

fn main() {}
