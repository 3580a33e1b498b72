//! Where the facts live. The doc comments of these traits *are* the contract of a backend: `tests/store` holds one test
//! per sentence and runs them on every backend.
//!
//! Rules for every method:
//! * A mutating method is one atomic business operation that takes its audit context with it: the change, its trash
//!   copy, its `_updatedAt` (always `by.at`) and exactly one audit entry are durable before it returns, or nothing
//!   happened. There are no transactions across calls.
//! * A change that is put on record and whose context brings a receipt (`by.receipt`) writes the answer made of what the
//!   method returns under that receipt, in the same transaction, or is refused with `Organization(OutOfTurn)` when the
//!   ticket does not count any more. That refusal comes last.
//! * A refusal changes nothing and leaves no audit entry. The refusal with the lowest place in a method's list of
//!   errors wins when several apply.
//! * A decision is made on the data inside the operation, never on what the caller has read before.
//! * Lookups return `None` for what is not there; only mutations answer [`StoreError::NotFound`].
//! * Any method can answer [`StoreError::Unavailable`], [`StoreError::Corrupt`] or [`StoreError::Backend`].
//!
//! What does not belong here: who may do what (`service`), and how it looks on the wire (`http`).

pub mod accounts;
pub mod audit;
pub mod cached;
pub mod check;
pub mod error;
pub mod feed;
pub mod mongo;
pub mod organizations;
pub mod page;
pub mod roles;
pub mod room_changes;
pub mod room_members;
pub mod sqlite;
pub mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::audit::AuditContext;
use crate::domain::fact::MemoryReport;
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::permission::{Permission, default_permissions};
use crate::domain::role::{DEFAULT_ROLES, Role};
use crate::domain::room::{NewRoom, Room};
use crate::domain::setting::{Setting, setting_permissions};
use crate::domain::time::Timestamp;

pub use accounts::{UserChangeStore, UserDirectory, UserStore, UsernameMatch};
pub use audit::{AuditStore, Period};
pub use check::{CheckStore, Found};
pub use error::{Conflict, Noun, OrganizationConflict, Result, StoreError, Unique};
pub use feed::{Feed, Listener};
pub use organizations::{Order, OrganizationStore, ReceiptStore};
pub use page::{Listing, Page, Position};
pub use roles::{Changes, PermissionStore, RoleStore};
pub use room_changes::{JoinCode, RoomChangeStore};
pub use room_members::RoomMemberStore;
pub use tokens::{KnownToken, LoginFailureStore, SecondFactorStore, TokenStore};

pub use crate::domain::rights::{Rights, Roles};

/// Rooms and the roles in them.
#[async_trait]
pub trait RoomStore {
    /// The room with that id.
    async fn find_room(&self, id: &RoomId) -> Result<Option<Room>>;

    /// The channel or group with that name, without regard to case.
    async fn find_room_by_name(&self, name: &str) -> Result<Option<Room>>;

    /// The roles of a member in a room; `None` when he is not a member.
    async fn find_room_roles(&self, room: &RoomId, user: &UserId) -> Result<Option<Vec<RoleId>>>;

    /// Creates a room, the creator's subscription with the role `owner` (unless he stays outside), and one subscription
    /// without roles for each member. Audit: `RoomCreated`.
    ///
    /// # Errors
    /// In this order: `NotFound(User)` when the creator does not exist; `AlreadyExists(RoomName)`. Concurrent calls
    /// with the same name: exactly one succeeds.
    async fn create_room(&self, room: NewRoom, by: &AuditContext) -> Result<Room>;
}

/// Settings of the workspace.
#[async_trait]
pub trait SettingStore {
    /// The stored value of a setting; `None` when the workspace has none and the default holds.
    async fn find_setting(&self, id: &str) -> Result<Option<Value>>;

    /// The stored values of several settings, asked for at once; those that the workspace does not have are left out.
    async fn find_settings(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>>;

    /// Gives a setting a value that it allows (`Setting::check`). Of what the workspace has stored of it only the value
    /// and `_updatedAt` change; where there is nothing, it is stored whole. The value that it has already is left as it
    /// is, and there is no audit entry. Audit: `SettingChanged`, which tells no value of a secret.
    ///
    /// # Errors
    /// `Conflict(UnknownRole)` with the first role that the value names and that does not exist.
    async fn set_setting(&self, setting: Setting, value: &Value, by: &AuditContext) -> Result<()>;
}

/// What every workspace has from the start.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Built-in roles.
    pub roles: Vec<Role>,
    /// Default permissions, those of settings among them.
    pub permissions: Vec<Permission>,
    /// Default rooms.
    pub rooms: Vec<Room>,
}

impl Seed {
    /// The built-in roles, the default permissions and the general room, all as of `at`.
    pub fn defaults(at: Timestamp) -> Self {
        Self {
            roles: DEFAULT_ROLES.into_iter().map(|role| role.into_role(at)).collect(),
            permissions: default_permissions(at).chain(setting_permissions(at)).collect(),
            rooms: vec![Room::general(at)],
        }
    }
}

/// A whole backend.
#[async_trait]
pub trait Store:
    RoleStore
    + PermissionStore
    + UserStore
    + UserChangeStore
    + UserDirectory
    + TokenStore
    + RoomStore
    + RoomMemberStore
    + RoomChangeStore
    + SecondFactorStore
    + LoginFailureStore
    + SettingStore
    + AuditStore
    + OrganizationStore
    + ReceiptStore
    + Send
    + Sync
{
    /// Inserts what is absent, by id, and changes nothing that is there: a role, permission or room with that id, or a
    /// role or room with that name, stays as it is. May be called by several nodes at once. Audit: `WorkspaceSeeded`
    /// when anything was inserted.
    async fn seed(&self, seed: Seed, by: &AuditContext) -> Result<()>;

    /// Answers once the store can read and, as far as can be told without writing, write.
    ///
    /// # Errors
    /// `Unavailable` with a sentence for an operator.
    async fn ping(&self) -> Result<()>;

    /// Every role, in the order in which they were inserted.
    async fn roles(&self) -> Result<Arc<Roles>> {
        Ok(Arc::new(Roles::new(self.list_roles().await?)))
    }

    /// Every permission and setting as they were at one moment, which is not before the call.
    async fn rights(&self) -> Result<Arc<Rights>>;

    /// What `rights` would answer, where it is at hand without asking anybody.
    fn rights_at_hand(&self) -> Option<Arc<Rights>> {
        None
    }

    /// How the memory of facts is doing, where there is one.
    fn memory(&self) -> Option<MemoryReport> {
        None
    }

    /// Tells `listener`, the first one that it is given, of every change from now on: of its own when they are durable
    /// and before their callers hear of it, whether they hear of it or not.
    fn report_to(&self, listener: Arc<dyn Listener>);

    /// Watches what other writers do and tells the listener, until it is dropped. Must run once for a listener to be
    /// ever told that it has caught up. Ends by itself only where there is nothing more to watch.
    async fn follow(&self);

    /// Shows that what was read from this store before this call was not out of date when it was read: no other
    /// server had taken this one's place without its knowledge. That holds for what was read since the listener last
    /// heard `lost`; whoever shares a store with others compares his marks after this call, not before.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be shown in time.
    async fn confirm(&self) -> Result<()>;

    /// What it is, for the log: kind and place, without credentials.
    fn describe(&self) -> String;
}
