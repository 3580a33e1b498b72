//! What roles and permissions *are*: types that cannot hold nonsense and decisions that are plain functions.
//!
//! Nothing here waits, reads, writes or logs, and nothing here knows HTTP or a database; it imports nothing else of
//! this crate. Whoever asks "may he?" or "can this role go?" (an endpoint, a dry run, a test) calls the same function.

pub mod audit;
pub mod audit_chain;
pub mod capability;
pub mod decide;
pub mod fact;
pub mod fields;
pub mod finding;
pub mod ids;
pub mod login_failure;
pub mod organization;
pub mod password_policy;
pub mod permission;
pub mod preferences;
pub mod profile;
pub mod receipt;
pub mod recovery;
pub mod rights;
pub mod role;
pub mod room;
pub mod room_change;
pub mod setting;
pub mod system_role;
pub mod time;
pub mod token;
pub mod totp;
pub mod user;
pub mod user_change;
pub mod user_list;
