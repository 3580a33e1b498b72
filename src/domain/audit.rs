//! What is put on record of every change: who, when, from where, why, and what exactly changed.
//!
//! A store receives the [`AuditContext`] with each mutating call, adds the [`Change`] it actually made, and writes both
//! in the same transaction as the change. Nothing secret is ever part of either.

use serde::{Deserialize, Serialize};

use super::ids::{PermissionId, RoleId, RoomId, UserId};
use super::permission::Permission;
use super::role::Role;
use super::time::Timestamp;

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Somebody logged in.
    User {
        /// Which account.
        id: UserId,
        /// Its username at that time.
        username: String,
    },
    /// The server itself: seeding, the first administrator.
    System,
}

/// The circumstances of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditContext {
    /// Who.
    pub actor: Actor,
    /// When; also the `_updatedAt` of everything that the change touches.
    pub at: Timestamp,
    /// The request that asked for it; absent for the server's own changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the caller gave as reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl AuditContext {
    /// A change that the server makes by itself.
    pub fn system(at: Timestamp) -> Self {
        Self { actor: Actor::System, at, request_id: None, address: None, reason: None }
    }
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each field is what its name and the variant say; they are also the stored form")]
pub enum Change {
    /// Absent defaults were inserted.
    WorkspaceSeeded { roles: Vec<RoleId>, permissions: Vec<PermissionId>, rooms: Vec<RoomId> },
    /// A custom role was made.
    RoleCreated { role: Role },
    /// A role was redefined.
    RoleUpdated { before: Role, after: Role },
    /// A role is gone, also from these permissions.
    RoleDeleted { role: Role, permissions: Vec<PermissionId> },
    /// Somebody got a role.
    RoleAssigned { role: RoleId, user: UserId, room: Option<RoomId> },
    /// Somebody lost a role.
    RoleUnassigned { role: RoleId, user: UserId, room: Option<RoomId> },
    /// Lists of roles of permissions were replaced; only those that differ are listed.
    PermissionsUpdated { before: Vec<Permission>, after: Vec<Permission> },
    /// An account was made.
    UserCreated { user: UserId, username: String, roles: Vec<RoleId> },
    /// An account may log in again.
    UserActivated { user: UserId },
    /// An account may not log in any more; its tokens ended; these rooms got another owner.
    UserDeactivated { user: UserId, relinquished: Vec<RoomId> },
    /// A log-in issued a token.
    SessionStarted { user: UserId },
    /// A log-out ended a token.
    SessionEnded { user: UserId },
    /// A room was made.
    RoomCreated { room: RoomId, name: String, owner: Option<UserId>, members: u64 },
}

/// One line of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// 24 hexadecimal digits.
    #[serde(rename = "_id")]
    pub id: String,
    /// Circumstances.
    #[serde(flatten)]
    pub context: AuditContext,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}
