//! Rolekeeper: a role and permission server for chat workspaces.
//!
//! Data flows one way, `http -> service -> store -> domain`; `tests/architecture.rs` holds the imports to it. The modules
//! in the order in which they depend on each other:
//!
//! * [`domain`]: what roles and permissions are; pure
//! * [`clock`]: the only source of time, randomness and ids
//! * [`secret`]: texts that must not be shown
//! * [`config`]: the settings and their layers
//! * [`cli`]: the command line
//! * [`telemetry`]: the log
//! * [`metrics`]: what is counted and timed
//! * [`store`]: where the facts live
//! * [`service`]: the use cases
//! * [`http`]: the HTTP surfaces
//! * [`port`]: taking the port and letting go of it
//! * [`health`]: asks a running server whether it is ready
//! * [`app`]: wires everything and runs it
//! * [`operator`]: what is done on a store without a server

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod health;
pub mod http;
pub mod metrics;
pub mod operator;
pub mod port;
pub mod secret;
pub mod service;
pub mod store;
pub mod telemetry;
