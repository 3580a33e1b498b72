//! The HTTP suite: what clients see, at the wire, of a real server on every store that a server can have. Files are
//! named after the words of the paths; what holds of all routes is in `bodies`, `order_of_checks` and `public`.
//!
//! The contract of the answers is Rocket.Chat's; bodies that are longer than a line are kept under `snapshots`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

use support::server::{Start, TestServer};
use support::stores::Backend;

/// Makes a test on every store of each function named, on a server with an administrator; or, with the name of a group
/// and a variable, on one with that variable in its environment.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => { on_every_store!(@ []; $($name),*); };
    ($group:ident, $($variable:literal = $value:literal),+; $($name:ident),* $(,)?) => {
        mod $group {
            use super::*;
            on_every_store!(@ [$(($variable, $value)),+]; $($name),*);
        }
    };
    (@ $environment:expr; $($name:ident),*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                crate::run(crate::support::stores::Backend::SqliteFile, &$environment, super::$name).await;
            })*
        }
        mod mongo {
            $(#[tokio::test]
            async fn $name() {
                crate::run(crate::support::stores::Backend::Mongo, &$environment, super::$name).await;
            })*
        }
    };
}

mod audit;
mod authorization;
mod authorization_organizations;
mod bodies;
mod channels;
mod clock_steps;
mod described_answers;
mod description;
mod drop_in;
mod examples;
mod facts;
mod headers;
mod holders;
mod hostile;
mod idempotency;
mod idempotency_cut;
mod idempotency_routes;
mod login;
mod login_blocks;
mod me;
mod member_lists;
mod old_names;
mod order_of_checks;
mod organizations;
mod organizations_access;
mod organizations_idempotency;
mod organizations_race;
mod organizations_samples;
mod outage;
mod permissions;
mod public;
mod race;
mod rate_limit;
mod record;
mod register;
mod restart;
mod roles;
mod roles_delete;
mod room_changes;
mod room_lists;
mod room_membership;
mod room_roles;
mod rooms;
mod second_factor;
mod second_factor_calls;
mod settings;
mod sizes;
mod tokens;
mod users;
mod users_delete;
mod users_list;
mod users_update;
mod workspace;

/// Runs a test on a server that has its default roles and an administrator, nothing else.
async fn run(backend: Backend, environment: &[(&str, &str)], body: impl AsyncFn(&TestServer)) {
    let mut start = Start::fresh(backend).await;
    for (variable, value) in environment {
        start = start.set(variable, value);
    }
    let server = start.go().await;
    body(&server).await;
    server.finish().await;
}
