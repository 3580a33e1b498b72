//! The traits for roles, who holds them, and the permissions that they have. The rules of every method are those of the
//! parent module.

use async_trait::async_trait;

use super::{Listing, Page, Position, Result};
use crate::domain::audit::AuditContext;
use crate::domain::ids::{PermissionId, RoleId, RoleRef, RoomId};
use crate::domain::permission::{Grant, Permission, TrashedPermission};
use crate::domain::role::{Assignee, Assignment, NewRole, Role, RoleDefinition, RoleUsage, TrashedRole};
use crate::domain::time::Timestamp;
use crate::domain::user::User;

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
