//! Rolekeeper: a role and permission server for chat workspaces.
//!
//! Data flows one way, `http -> service -> store -> domain`; `tests/architecture.rs` holds the imports to it. The modules
//! in the order in which they depend on each other:
//!
//! * [`domain`]: what roles and permissions are; pure
//! * [`clock`]: the only source of time, randomness and ids
//! * [`store`]: where the facts live
//! * [`service`]: the use cases

pub mod clock;
pub mod domain;
pub mod service;
pub mod store;
