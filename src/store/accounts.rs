//! The traits for accounts: making, finding and switching one on or off, changing and deleting those that exist, and going
//! through many. The rules of every method are those of the parent module.

use async_trait::async_trait;

use super::{Listing, Page, Position, Result};
use crate::domain::audit::AuditContext;
use crate::domain::ids::{RoomId, UserId};
use crate::domain::user::{Activation, Membership, NewUser, PasswordHash, User};
use crate::domain::user_change::{IdleAccounts, Relinquish, UserPatch};
use crate::domain::user_list::{UserFilter, UserOrder};

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

/// Changes of accounts that exist.
#[async_trait]
pub trait UserChangeStore {
    /// Changes an account as `UserPatch::applied` says and returns it. What the patch does not name stays, fields
    /// unknown to us included. A list of roles is a set: repeated ones count once. Where username or name change, they
    /// change in the account's subscriptions and in the rooms that name it as their creator as well. A deactivation does
    /// what `set_user_active` says, and ends every token whatever the patch says of them. When nothing differs, there is
    /// no audit entry and `_updatedAt` stays. Audit: `UserUpdated` with what differs.
    ///
    /// # Errors
    /// In this order: `NotFound(User)`; `Conflict(RolesChanged)` when the roles are to be replaced and are others than
    /// `RolesChange::from` says, as a set; `AlreadyExists(Username)`, `AlreadyExists(EmailAddress)`, both without regard
    /// to case, when another account has it; `Conflict(UnknownRole)`; `Conflict(LastAdministrator)` when the account
    /// loses `admin`, or is deactivated holding it, and no other account that can act holds it;
    /// `Conflict(PermissionsLockout)` when it loses a role or is deactivated and afterwards nobody who can act would
    /// hold, in his own list, a role that `access-permissions` names; `Organization(LastOwner)` and `Conflict(SoleOwner)`
    /// as in `set_user_active`.
    async fn update_user(&self, id: &UserId, patch: UserPatch, by: &AuditContext) -> Result<User>;

    /// Deletes an account with everything that is its own: its tokens end, its subscriptions go with the roles in them,
    /// direct rooms with at most one other member go altogether, and the rooms it leaves count one member less. Its
    /// memberships of organizations go with their roles. Of the
    /// rooms of which it was the only owner, each gets the active member of longest standing as owner; one without such
    /// a member goes with all that is in it and is returned, in the order of the rooms' names; a default room always
    /// stays. What is deleted is copied to the trash. Audit: `OrganizationMemberRemoved` for each organization that it was
    /// a member of, in the order of their ids, and `UserDeleted`.
    ///
    /// # Errors
    /// In this order: `NotFound(User)`; when the account is active: `Conflict(LastAdministrator)`,
    /// `Conflict(PermissionsLockout)`, `Organization(LastOwner)` as for its deactivation; `Conflict(SoleOwner)` unless it is confirmed that rooms
    /// are relinquished.
    async fn delete_user(&self, id: &UserId, relinquish: Relinquish, by: &AuditContext) -> Result<Vec<RoomId>>;

    /// Deactivates up to `limit` accounts that are idle, those first whose last log-in was longest ago, each as
    /// `set_user_active` does with `DeactivateAndRelinquish`; how many it were. Accounts whose deactivation
    /// `set_user_active` would refuse stay active and are not counted. There may be more until it were 0.
    /// Audit: `IdleUsersDeactivated`, unless there are none.
    async fn deactivate_idle_users(&self, idle: &IdleAccounts, limit: u64, by: &AuditContext) -> Result<u64>;
}

/// Going through accounts.
#[async_trait]
pub trait UserDirectory: Sync {
    /// Every account, of any kind, active or not, in that order. Items and total are of two moments: what others change
    /// between them may be in one and not in the other.
    async fn list_users(&self, order: UserOrder, page: Page) -> Result<Listing<User>> {
        let total = self.count_users().await?;
        let beyond = page.count == Some(0) || page.offset >= total;
        let items = if beyond { Vec::new() } else { self.page_users(order, page).await? };
        Ok(Listing { items, total })
    }

    /// How many accounts there are, of any kind, active or not.
    async fn count_users(&self) -> Result<u64>;

    /// A part of all accounts in that order. What is passed over costs time, but no account is read for it.
    async fn page_users(&self, order: UserOrder, page: Page) -> Result<Vec<User>>;

    /// A part of those accounts that follow `after` in the order of usernames, ascending; the page begins there. Nobody
    /// needs to be at that position any more. However many come before it, the work is that of the page.
    async fn page_users_after(&self, after: &Position, page: Page) -> Result<Vec<User>>;

    /// Accounts that are all that `filter` says, in that order. Unlike for `list_users`, every account may have to be
    /// looked at.
    async fn find_users(&self, filter: &UserFilter, order: UserOrder, page: Page) -> Result<Listing<User>>;

    /// Active accounts whose username begins with `prefix`, without regard to case, at most `limit`, sorted by username
    /// without regard to case; those among `except` (usernames) are left out. `sharing_rooms_with` leaves only accounts
    /// that are members of a room of which that one is a member too, itself included.
    async fn suggest_users(
        &self,
        prefix: &str,
        except: &[String],
        sharing_rooms_with: Option<&UserId>,
        limit: u64,
    ) -> Result<Vec<User>>;
}
