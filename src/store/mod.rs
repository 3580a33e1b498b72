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
pub mod room_changes;
pub mod room_members;
pub mod sqlite;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::audit::AuditContext;
use crate::domain::fact::MemoryReport;
use crate::domain::ids::{PermissionId, RoleId, RoleRef, RoomId, UserId};
use crate::domain::login_failure::{AccountKey, FailureCount, Limits, LoginFailure};
use crate::domain::permission::{Grant, Permission, TrashedPermission, default_permissions};
use crate::domain::role::{Assignee, Assignment, DEFAULT_ROLES, NewRole, Role, RoleDefinition, RoleUsage, TrashedRole};
use crate::domain::room::{NewRoom, Room};
use crate::domain::setting::{Setting, setting_permissions};
use crate::domain::time::Timestamp;
use crate::domain::token::{NewPersonalToken, OtherTokens, PersonalToken, Remembered, Token, TokenHash};
use crate::domain::totp::{BackupCodeHash, TotpSecret};
use crate::domain::user::{Activation, Membership, NewUser, PasswordHash, User};

pub use accounts::{UserChangeStore, UserDirectory};
pub use audit::{AuditStore, Period};
pub use check::{CheckStore, Found};
pub use error::{Conflict, Noun, OrganizationConflict, Result, StoreError, Unique};
pub use feed::{Feed, Listener};
pub use organizations::{Order, OrganizationStore, ReceiptStore};
pub use page::{Listing, Page, Position};
pub use room_changes::{JoinCode, RoomChangeStore};
pub use room_members::RoomMemberStore;

pub use crate::domain::rights::{Rights, Roles};

/// An account and a token of it, shared with whoever else asked.
pub type KnownToken = (Arc<User>, Arc<Token>);

/// What changed of a collection since some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<T, R> {
    /// Present documents.
    pub updated: Vec<T>,
    /// Trashed ones.
    pub removed: Vec<R>,
}

/// Roles and who holds them.
#[async_trait]
pub trait RoleStore: Sync {
    /// Every role, in the order in which they were inserted.
    async fn list_roles(&self) -> Result<Vec<Role>>;

    /// The role with that id.
    async fn find_role(&self, id: &RoleId) -> Result<Option<Role>>;

    /// The role with that id, or else the one whose name is exactly that text.
    async fn resolve_role(&self, reference: &RoleRef) -> Result<Option<Role>>;

    /// Roles with `_updatedAt >= since`, in order of insertion, and roles trashed *after* `since`
    /// (`_deletedAt > since`), oldest first. A role that exists again under a trashed id is reported as present only.
    async fn roles_changed_since(&self, since: Timestamp) -> Result<Changes<Role, TrashedRole>>;

    /// Creates a custom role (not protected) and returns it. Audit: `RoleCreated`.
    ///
    /// # Errors
    /// `AlreadyExists(RoleName)` when another role's id is that name, or its name has the same key
    /// (`domain::role::name_key`). Concurrent calls with colliding names: exactly one succeeds.
    async fn create_role(&self, role: NewRole, by: &AuditContext) -> Result<Role>;

    /// Replaces what is defined of a role and returns the new state; id, protection and fields unknown to us stay.
    /// Audit: `RoleUpdated`.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)` (a role that is gone is never created again); `Conflict(RoleProtected)` by
    /// `Role::redefinable`; `AlreadyExists(RoleName)` when another role collides as in `create_role`.
    async fn update_role(&self, id: &RoleId, wanted: RoleDefinition, by: &AuditContext) -> Result<Role>;

    /// Deletes a role: copies it to the trash, removes it, and removes its id from every permission, whose
    /// `_updatedAt` changes when it had the id, and from every setting that names roles (`Kind::Roles`), as far as the
    /// workspace has a value for it. Audit: `RoleDeleted` with the permissions and settings it was removed from.
    ///
    /// Decided against concurrent assignments: after any interleaving with `assign_role`, `update_permissions`,
    /// `grant_permission`, `create_user`, `create_room` and `set_setting`, nothing names a role that is gone.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; by `Role::deletable` `Conflict(RoleProtected)`, `Conflict(RoleInUse)` with the
    /// usage of `role_usage`.
    async fn delete_role(&self, id: &RoleId, by: &AuditContext) -> Result<()>;

    /// Everything that names the role as held: `users` counts accounts of any kind, active or not, whose own list has
    /// it; `rooms` counts distinct rooms with a subscription that has it, whatever the role's scope says. `names`
    /// holds the usernames of up to ten holders, accounts first, then room holders, each group in alphabetical
    /// order, nobody twice. For a role that does not exist it answers the same question (leftovers of others). Of
    /// accounts and of subscriptions no more than `MAX_COUNTED_HOLDERS` each are looked at, so that the answer takes no
    /// longer the more there are; the first accounts by name are among those.
    async fn role_usage(&self, id: &RoleId) -> Result<RoleUsage>;

    /// Gives a role to a user in the place that `Role::place` says. Audit: `RoleAssigned` (its `room` is set only when
    /// the place is a room).
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; `NotFound(User)`; `Conflict(NotInRoom)` when the place is a room and the user
    /// has no subscription of it; `Conflict(RoleAlreadyHeld)` when he has the role in that place.
    async fn assign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()>;

    /// As `assign_role`, to whoever `find_user_by_username` finds for that name without regard to case. One operation
    /// instead of two, because the way to the store and back costs more than finding him.
    ///
    /// # Errors
    /// In this order: `NotFound(User)` when it finds nobody; those of `assign_role`.
    async fn assign_role_to(&self, assignee: &Assignee, by: &AuditContext) -> Result<()>;

    /// Takes a role from a user in the place that `Role::place` says. Audit: `RoleUnassigned`.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; `NotFound(User)`; `Conflict(RoleNotHeld)`; for a workspace place:
    /// `Conflict(LastAdministrator)` when the role is `admin` and afterwards no account that can act
    /// (`User::can_act`) would hold it; `Conflict(PermissionsLockout)` when afterwards no account that can act would
    /// hold, in its own list, a role that `access-permissions` names.
    async fn unassign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()>;

    /// Accounts that hold the role, sorted by username (byte order, those without one first), then id: those whose own list has it when the scope is
    /// `Users`; otherwise those with a subscription (of `room` when given, of any room when not) that has it, each once.
    /// Items and total are of two moments: what others change between them may be in one and not in the other.
    async fn list_holders(&self, role: &Role, room: Option<&RoomId>, page: Page) -> Result<Listing<User>> {
        let total = self.count_holders(role, room).await?;
        let beyond = page.count == Some(0) || page.offset >= total;
        let items = if beyond { Vec::new() } else { self.page_holders(role, room, None, page).await? };
        Ok(Listing { items, total })
    }

    /// How many accounts hold the role in the sense of `list_holders`. Takes time in proportion to the answer.
    async fn count_holders(&self, role: &Role, room: Option<&RoomId>) -> Result<u64>;

    /// A part of the list of `list_holders`. With `after` it is cut from those who follow that position, and the page begins
    /// there; nobody needs to be at that position any more. However many come before it, the work is that of the page,
    /// but for a role of rooms without a room: then all who have it anywhere are looked at.
    async fn page_holders(
        &self,
        role: &Role,
        room: Option<&RoomId>,
        after: Option<&Position>,
        page: Page,
    ) -> Result<Vec<User>>;

    /// Accounts, active or not, whose own list has any of the roles, each once, sorted by username (byte order).
    async fn list_holders_of_any(&self, roles: &[RoleId]) -> Result<Vec<User>>;
}

/// Permissions and the roles that have them.
#[async_trait]
pub trait PermissionStore {
    /// Every permission, in the order in which they were inserted.
    async fn list_permissions(&self) -> Result<Vec<Permission>>;

    /// The permission with that id.
    async fn find_permission(&self, id: &PermissionId) -> Result<Option<Permission>>;

    /// Permissions with `_updatedAt > since` and permissions trashed after `since`.
    async fn permissions_changed_since(&self, since: Timestamp) -> Result<Changes<Permission, TrashedPermission>>;

    /// Replaces the lists of roles of some permissions, all or none, and returns every permission afterwards. A list
    /// that already is as wanted is left as it is, its `_updatedAt` included; when nothing differs there is no audit
    /// entry. Audit: `PermissionsUpdated` with those that differ.
    ///
    /// # Errors
    /// In this order: `Conflict(UnknownPermission)` when one does not exist or stands twice in `grants`;
    /// `Conflict(UnknownRole)` when a list names a role that does not exist; `Conflict(PermissionsLockout)` when
    /// `access-permissions` is changed so that afterwards no account that can act (`User::can_act`) would hold, in its
    /// own list, a role that it names.
    async fn update_permissions(&self, grants: Vec<Grant>, by: &AuditContext) -> Result<Vec<Permission>>;

    /// Puts a role at the end of a permission's list, and of that of the permission of its group (`Permission::group`)
    /// when there is one. A list that has the role already is left as it is, its `_updatedAt` included; when nothing
    /// differs there is no audit entry. Audit: `PermissionsUpdated` with those that differ.
    ///
    /// # Errors
    /// In this order: `Conflict(UnknownPermission)`; `Conflict(UnknownRole)`; `Conflict(PermissionsLockout)` as in
    /// `update_permissions`.
    async fn grant_permission(&self, permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()>;

    /// Takes a role, which need not exist, out of a permission's list and out of that of the permission of its group.
    /// For a list that does not have it the same holds as in `grant_permission`, and so does what is on record.
    ///
    /// # Errors
    /// In this order: `Conflict(UnknownPermission)`; `Conflict(PermissionsLockout)` as in `update_permissions`.
    async fn revoke_permission(&self, permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()>;
}

/// How a username is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsernameMatch {
    /// Letter by letter.
    Exact,
    /// Exactly if there is one, else without regard to case if that leaves exactly one.
    IgnoreCase,
}

/// Accounts.
#[async_trait]
pub trait UserStore {
    /// The account with that id.
    async fn find_user(&self, id: &UserId) -> Result<Option<User>>;

    /// The account with that username.
    async fn find_user_by_username(&self, username: &str, matching: UsernameMatch) -> Result<Option<User>>;

    /// The account with that e-mail address, without regard to case.
    async fn find_user_by_email(&self, address: &str) -> Result<Option<User>>;

    /// The stored password of an account; `None` when it has none or does not exist.
    async fn find_password(&self, id: &UserId) -> Result<Option<PasswordHash>>;

    /// Creates an account, and its subscriptions of the rooms that new accounts join when it wants to.
    /// Audit: `UserCreated`.
    ///
    /// # Errors
    /// In this order: `AlreadyExists(Username)`, `AlreadyExists(EmailAddress)`, both without regard to case;
    /// `Conflict(UnknownRole)`. Concurrent calls with the same name or address: exactly one succeeds.
    async fn create_user(&self, user: NewUser, by: &AuditContext) -> Result<User>;

    /// As `create_user`, but only while no account holds `admin`; `None` when one does. Concurrent calls: exactly one
    /// creates.
    ///
    /// # Errors
    /// As `create_user`.
    async fn create_first_administrator(&self, user: NewUser, by: &AuditContext) -> Result<Option<User>>;

    /// How many accounts of kind `user` there are, counted no further than `limit`.
    async fn count_people(&self, limit: u64) -> Result<u64>;

    /// Activates or deactivates an account and returns it. Deactivation ends every token of it, personal ones
    /// included; roles stay. What others have of direct messages with the account is archived, and comes back when it is
    /// activated. Setting the state that it has already changes nothing (no audit entry), but a deactivation still ends
    /// leftover tokens. Audit: `UserActivated`, `UserDeactivated`.
    ///
    /// # Errors
    /// In this order: `NotFound(User)`; for an active account that is to be deactivated: `Conflict(LastAdministrator)`
    /// when it holds `admin` and no other account that can act does; `Conflict(PermissionsLockout)` as in
    /// `unassign_role`; `Organization(LastOwner)` when it is an Owner of an organization and no other account that can
    /// act is; `Conflict(SoleOwner)` when it is the only owner of a room, unless it relinquishes: then the
    /// member of longest standing whose account is active becomes owner of each room that has one; a room without
    /// such a member stays as it is.
    async fn set_user_active(&self, id: &UserId, activation: Activation, by: &AuditContext) -> Result<User>;

    /// The rooms an account is a member of, sorted by the room's name.
    async fn list_memberships(&self, id: &UserId) -> Result<Vec<Membership>>;
}

/// Access tokens.
#[async_trait]
pub trait TokenStore {
    /// The account with that id and its token with that hash, expired or not, active or not. Both must match.
    async fn find_token(&self, user: &UserId, hash: &TokenHash) -> Result<Option<KnownToken>>;

    /// The account that has the token with that hash.
    async fn find_token_owner(&self, hash: &TokenHash) -> Result<Option<KnownToken>>;

    /// Adds a session token issued at `by.at` and sets the account's last log-in to that time; `_updatedAt` stays. Of
    /// the account's session tokens the newest `keep` stay; personal tokens are not counted and stay.
    /// Audit: `SessionStarted`.
    ///
    /// # Errors
    /// `NotFound(User)`; `Conflict(UserInactive)`: a deactivation that comes first wins, so that no token survives it.
    async fn add_session_token(&self, user: &UserId, hash: &TokenHash, keep: usize, by: &AuditContext) -> Result<()>;

    /// Ends one token; `false` when it was not there (no audit entry). Audit: `SessionEnded`.
    async fn remove_token(&self, user: &UserId, hash: &TokenHash, by: &AuditContext) -> Result<bool>;

    /// Ends every token of an account, personal ones included; `false` when it had none or does not exist (no audit
    /// entry). Audit: `TokensEnded`.
    async fn remove_all_tokens(&self, user: &UserId, by: &AuditContext) -> Result<bool>;

    /// Ends the tokens of an account but the one with the hash `keep`; `false` when there were no others (no audit
    /// entry). Audit: `TokensEnded`.
    async fn remove_other_tokens(
        &self,
        user: &UserId,
        keep: &TokenHash,
        others: OtherTokens,
        by: &AuditContext,
    ) -> Result<bool>;

    /// The personal tokens of an account that have a name, in the order in which they were made.
    async fn list_personal_tokens(&self, user: &UserId) -> Result<Vec<PersonalToken>>;

    /// Adds a personal token, made at `by.at`. Audit: `PersonalTokenCreated`.
    ///
    /// # Errors
    /// In this order: `NotFound(User)`; `Conflict(UserInactive)` as in `add_session_token`; `AlreadyExists(TokenName)`
    /// when a personal token of the account has exactly that name; `Conflict(TooManyTokens)` when it has `most`
    /// personal tokens. Concurrent calls with one name: one succeeds.
    async fn add_personal_token(
        &self,
        user: &UserId,
        token: NewPersonalToken,
        most: usize,
        by: &AuditContext,
    ) -> Result<()>;

    /// Gives the personal token of that name another text, made at `by.at`; what else is known of it stays. `false` when
    /// there is none (no audit entry). Audit: `PersonalTokenReplaced`.
    async fn replace_personal_token(
        &self,
        user: &UserId,
        name: &str,
        hash: &TokenHash,
        last_part: &str,
        by: &AuditContext,
    ) -> Result<bool>;

    /// Ends the personal token of that name; `false` when there is none (no audit entry). Audit: `PersonalTokenRemoved`.
    async fn remove_personal_token(&self, user: &UserId, name: &str, by: &AuditContext) -> Result<bool>;

    /// Notes with a token that a second factor was shown, in place of what was noted before; nothing when the token is
    /// gone. No audit entry, and `_updatedAt` stays: it says how a session goes on, and changes nothing of the account.
    async fn remember_second_factor(&self, user: &UserId, hash: &TokenHash, shown: &Remembered) -> Result<()>;
}

/// Second factors of accounts, and who tried to guess them. What counts attempts is not a change of anything: only
/// `use_backup_code` leaves an audit entry.
#[async_trait]
pub trait SecondFactorStore {
    /// What an account shares with its authenticator app; `None` when it has none, or one that cannot be read.
    async fn find_totp_secret(&self, user: &UserId) -> Result<Option<TotpSecret>>;

    /// Uses the code of a step up, at `at`. `false` when a code of that step or of a later one was used before, which is
    /// remembered for a day. Concurrent calls with one step: one gets `true`.
    async fn use_totp_step(&self, user: &UserId, step: i64, at: Timestamp) -> Result<bool>;

    /// Removes a backup code of an account; `false` when it has no such code (no audit entry). Concurrent calls with one
    /// code: one gets `true`. Audit: `BackupCodeUsed`.
    async fn use_backup_code(&self, user: &UserId, code: &BackupCodeHash, by: &AuditContext) -> Result<bool>;

    /// Counts an attempt to show a second factor, at `at`, unless there were `most` in the window that the first of them
    /// began and that lasts `millis`: then `false`. Concurrent calls get `true` no more than `most` times together.
    async fn count_second_factor_attempt(&self, user: &UserId, most: u32, millis: i64, at: Timestamp) -> Result<bool>;

    /// Begins counting attempts anew.
    async fn forget_second_factor_attempts(&self, user: &UserId) -> Result<()>;
}

/// Failures to log in. They are a record of their own and leave no audit entries.
#[async_trait]
pub trait LoginFailureStore {
    /// Keeps a failure until `failure.forget_at`.
    async fn record_login_failure(&self, failure: &LoginFailure) -> Result<()>;

    /// Counts the failures of an account and those from an address, each those that its limit counts at `now`, and no
    /// further than the limit. What has no limit, and an address that is not known, counts 0.
    async fn count_login_failures(
        &self,
        account: &AccountKey,
        address: Option<&str>,
        limits: Limits,
        now: Timestamp,
    ) -> Result<FailureCount>;

    /// Forgets the failures of an account, from whatever address.
    async fn forget_login_failures(&self, account: &AccountKey) -> Result<()>;
}

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
