//! The conformance suite of the stores: one test per sentence of the traits in `rolekeeper::store`, each on every
//! backend, each on a store of its own. A backend that keeps every promise here keeps the contract.
//!
//! Each file is about one trait and ends with the list of its tests; `fixtures` holds what they are written with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod fixtures;

/// Makes a test on every backend of each function named. `empty:` leaves out the seed, `bare:` the backends with facts in
/// memory.
macro_rules! on_every_backend {
    (empty: $($name:ident),* $(,)?) => { on_every_backend!(@ run_on_empty; $($name),*); };
    (bare: $($name:ident),* $(,)?) => { on_every_backend!(@ bare run; $($name),*); };
    (@ bare $run:ident; $($name:ident),*) => {
        mod sqlite_file {
            $(#[tokio::test]
            async fn $name() {
                crate::fixtures::$run(crate::support::stores::Backend::SqliteFile, super::$name).await;
            })*
        }
        mod sqlite_memory {
            $(#[tokio::test]
            async fn $name() {
                crate::fixtures::$run(crate::support::stores::Backend::SqliteMemory, super::$name).await;
            })*
        }
        mod mongo {
            $(#[tokio::test]
            async fn $name() {
                crate::fixtures::$run(crate::support::stores::Backend::Mongo, super::$name).await;
            })*
        }
    };
    (@ $run:ident; $($name:ident),*) => {
        on_every_backend!(@ bare $run; $($name),*);
        mod cached_sqlite {
            $(#[tokio::test]
            async fn $name() {
                crate::fixtures::$run(crate::support::stores::Backend::CachedSqlite, super::$name).await;
            })*
        }
        mod cached_mongo {
            $(#[tokio::test]
            async fn $name() {
                crate::fixtures::$run(crate::support::stores::Backend::CachedMongo, super::$name).await;
            })*
        }
    };
    ($($name:ident),* $(,)?) => { on_every_backend!(@ run; $($name),*); };
}

mod audit;
mod audit_chain;
mod audit_random_tampering;
mod audit_tampering;
mod cached;
mod changes;
mod check;
mod directory;
mod documents;
mod holders;
mod login_failures;
mod organization_owners;
mod organization_plans;
mod organization_race;
mod organization_scope;
mod organizations;
mod parts;
mod permissions;
mod plans;
mod race;
mod race_admins;
mod receipts;
mod recovery;
mod roles;
mod room_changes;
mod room_members;
mod room_owner_race;
mod room_race;
mod rooms;
mod second_factors;
mod seed;
mod settings;
mod tokens;
mod user_changes;
mod users;
mod users_documents;
