//! What the suites under `tests/` share: a real MongoDB server, a clock and ids that a test decides on, and fresh
//! stores on every backend. Nothing here asserts anything about Rolekeeper; the suites do. Start with `stores`.

#![allow(dead_code, reason = "each suite is a program of its own and uses the part it needs")]

pub mod clock;
pub mod dump;
pub mod mongod;
pub mod process;
pub mod profile;
pub mod raw;
pub mod server;
pub mod soundness;
pub mod stores;
pub mod wheel;
