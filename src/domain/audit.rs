//! What is put on record of every change: who, when, from where, why, and what exactly changed.
//!
//! A store receives the [`AuditContext`] with each mutating call, adds the [`Change`] it actually made, and writes both
//! in the same transaction as the change. Nothing secret is ever part of either.

mod effect;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::finding::Finding;
use super::ids::{OrganizationId, PermissionId, RoleId, RoomId, UserId};
use super::organization::OrganizationRole;
use super::permission::Permission;
use super::receipt::Pending;
use super::recovery::RecoveryStep;
use super::role::Role;
use super::room::RoomKind;
use super::room_change::Departure;
use super::setting::Setting;
use super::time::Timestamp;
pub use effect::Effect;

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
    /// The receipt to write with the change. Not for the record.
    #[serde(skip)]
    pub receipt: Option<Pending>,
}

impl Change {
    /// The record of a setting's new value; values of secrets are left out.
    pub fn of_setting(setting: Setting, before: Option<Value>, after: Value) -> Self {
        let shown = |value: Option<Value>| value.filter(|_| !setting.is_secret());
        Self::SettingChanged { setting: setting.id.to_owned(), before: shown(before), after: shown(Some(after)) }
    }
}

impl AuditContext {
    /// A change that the server makes by itself.
    pub fn system(at: Timestamp) -> Self {
        Self { actor: Actor::System, at, request_id: None, address: None, reason: None, receipt: None }
    }

    /// The same, where what comes of the change is a `U`, of which `make` makes what is answered.
    #[must_use]
    pub fn answered_with<U: 'static, T: 'static>(self, make: impl Fn(&U) -> T + Send + Sync + 'static) -> Self {
        Self { receipt: self.receipt.map(|receipt| receipt.made_by(make)), ..self }
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
    /// A role is gone, also from these permissions and settings.
    RoleDeleted {
        role: Role,
        permissions: Vec<PermissionId>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        settings: Vec<String>,
    },
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
    /// Fields of an account were changed; only those that differ are listed. These rooms got another owner.
    UserUpdated {
        user: UserId,
        before: Map<String, Value>,
        after: Map<String, Value>,
        password: bool,
        relinquished: Vec<RoomId>,
    },
    /// An account is gone, and with it these rooms; those got another owner.
    UserDeleted {
        user: UserId,
        username: Option<String>,
        roles: Vec<RoleId>,
        relinquished: Vec<RoomId>,
        deleted_rooms: Vec<RoomId>,
    },
    /// Accounts that nobody used may not log in any more; their tokens ended; these rooms got another owner.
    IdleUsersDeactivated { users: Vec<UserId>, relinquished: Vec<RoomId> },
    /// A log-in issued a token.
    SessionStarted { user: UserId },
    /// A log-out ended a token.
    SessionEnded { user: UserId },
    /// Every token of an account ended, or every one but that of its owner's own session.
    TokensEnded { user: UserId, kept_own: bool, personal: bool },
    /// Somebody made a token for programs.
    PersonalTokenCreated { user: UserId, name: String, bypass_second_factor: bool },
    /// A token for programs got a new text; the old one ended.
    PersonalTokenReplaced { user: UserId, name: String },
    /// A token for programs ended.
    PersonalTokenRemoved { user: UserId, name: String },
    /// Somebody used one of the codes that he keeps for the loss of his authenticator app.
    BackupCodeUsed { user: UserId, left: u64 },
    /// A setting has another value. Of a secret neither is told; `before` is absent also where only the default held.
    SettingChanged {
        setting: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Value>,
    },
    /// A room was made.
    RoomCreated { room: RoomId, name: String, owner: Option<UserId>, members: u64 },
    /// Accounts became members of a room.
    MembersAdded { room: RoomId, users: Vec<UserId> },
    /// Somebody is not a member any more; with that these roles in the room ended.
    MemberRemoved { room: RoomId, user: UserId, departure: Departure, roles: Vec<RoleId> },
    /// A room is gone, with that many memberships.
    RoomDeleted { room: RoomId, name: String, kind: RoomKind, members: u64 },
    /// A room was archived.
    RoomArchived { room: RoomId },
    /// A room is in use again.
    RoomUnarchived { room: RoomId },
    /// A room got another name.
    RoomRenamed { room: RoomId, before: String, after: String },
    /// A channel became a group, or the other way round.
    RoomKindChanged { room: RoomId, before: RoomKind, after: RoomKind },
    /// An organization was made; its first Owner.
    OrganizationCreated { organization: OrganizationId, name: String, user: UserId },
    /// An organization got another name.
    OrganizationRenamed { organization: OrganizationId, before: String, after: String },
    /// An organization is gone with its roles and its last member.
    OrganizationDeleted { organization: OrganizationId, name: String },
    /// A custom role of an organization was made.
    OrganizationRoleCreated { organization: OrganizationId, role: RoleId, after: OrganizationRole },
    /// A custom role of an organization was redefined.
    OrganizationRoleUpdated {
        organization: OrganizationId,
        role: RoleId,
        before: OrganizationRole,
        after: OrganizationRole,
    },
    /// A custom role of an organization is gone.
    OrganizationRoleDeleted { organization: OrganizationId, role: RoleId, before: OrganizationRole },
    /// A member of an organization got a role.
    OrganizationRoleAssigned { organization: OrganizationId, role: RoleId, user: UserId },
    /// A member of an organization lost a role.
    OrganizationRoleUnassigned { organization: OrganizationId, role: RoleId, user: UserId },
    /// Somebody joined an organization.
    OrganizationMemberAdded { organization: OrganizationId, user: UserId },
    /// Somebody left an organization, and lost these roles with it.
    OrganizationMemberRemoved { organization: OrganizationId, user: UserId, roles: Vec<RoleId> },
    /// Something that was not as it should be was put right; the finding as it was then.
    Repaired { repaired: Finding },
    /// An operator made an account an active administrator, by these steps.
    AdministratorRecovered { user: UserId, username: String, steps: Vec<RecoveryStep> },
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
