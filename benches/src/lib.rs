//! What the two programs of this package share: `rolekeeper-bench` measures how fast the server is, `promises` what it
//! keeps when it is killed, cut off and raced. Here is how they start servers and databases on this machine, fill them
//! with accounts and speak to them; what is measured is in `main` and `cases`, what is promised in `promises`.

pub mod circumstances;
pub mod client;
pub mod measure;
pub mod mongod;
pub mod place;
pub mod population;
pub mod process;
pub mod server;
pub mod session;
/// The tests' own way to find or fetch a MongoDB server.
#[path = "../../tests/support/wheel.rs"]
pub mod wheel;
