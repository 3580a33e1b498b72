//! The real program: how it starts, what it refuses to start with, how it stops, and what is left when it is killed.
//! What its answers look like in detail is the business of the suites that run the server inside the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod backup;
mod client;
mod describe;
mod disk;
mod doctor;
mod durability;
mod facts;
mod logging;
mod read_only;
mod recover_admin;
mod refuse;
mod slow_clients;
mod start;
mod stop;

use support::process::Launch;

/// The password that the tests log in with.
const PASSWORD: &str = "correct-horse-battery-staple";

/// A data directory of its own, removed with the value.
fn data_directory() -> tempfile::TempDir {
    std::fs::create_dir_all(support::wheel::scratch()).unwrap();
    tempfile::tempdir_in(support::wheel::scratch()).unwrap()
}

/// The cheapest server: on SQLite, with an administrator `admin` whose password is [`PASSWORD`].
fn launch(directory: &tempfile::TempDir) -> Launch {
    Launch::on_sqlite(directory.path()).env("ADMIN_PASS", PASSWORD)
}
