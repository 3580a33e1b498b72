//! Everything a store can answer instead of a result. The list is closed: a driver's own error never leaves `store`.

use crate::domain::capability::Capability;
use crate::domain::ids::{OrganizationId, RoleId};
use crate::domain::role::{RoleUsage, Undeletable};
use crate::domain::room_change::{Kept, LastOwner};
use crate::domain::user::SoleOwnership;

/// What every store method returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a store did not do what was asked. After any of them nothing has changed, except after [`Unavailable`]
/// where the outcome of the last step may be unknown.
///
/// [`Unavailable`]: StoreError::Unavailable
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The thing to change is not there.
    #[error("{0:?} not found")]
    NotFound(Noun),
    /// The new thing's name is taken.
    #[error("{0:?} is taken")]
    AlreadyExists(Unique),
    /// The change would break a rule.
    #[error("refused: {0:?}")]
    Conflict(Conflict),
    /// The store cannot answer now; the same call may succeed later.
    #[error("the store cannot answer: {0}")]
    Unavailable(String),
    /// What is stored cannot be read.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// Anything else; a defect or a misconfiguration.
    #[error("the store failed: {0}")]
    Backend(String),
}

/// Kinds of things that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A role.
    Role,
    /// An account.
    User,
    /// A room.
    Room,
    /// An organization.
    Organization,
    /// Somebody's membership of an organization.
    Member,
}

/// Values that may exist once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// By `name_key`, and against ids.
    RoleName,
    /// Without regard to case.
    Username,
    /// Without regard to case.
    EmailAddress,
    /// Among channels and groups, without regard to case.
    RoomName,
    /// Among the tokens that an account has for programs.
    TokenName,
    /// By `name_key`, within an organization and against the system roles.
    OrganizationRoleName,
    /// One membership for each account in an organization.
    Member,
}

/// Rules that a change can break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A system role stays as it is.
    RoleProtected,
    /// The role is held; by whom.
    RoleInUse(RoleUsage),
    /// The user has the role already, in that place.
    RoleAlreadyHeld,
    /// The account holds other roles by now than whoever allowed the change has seen.
    RolesChanged,
    /// The user does not have the role, in that place.
    RoleNotHeld,
    /// The user is not a member of the room.
    NotInRoom,
    /// No active administrator would be left; usernames of those who hold the role now, at most ten.
    LastAdministrator {
        /// In alphabetical order.
        holders: Vec<String>,
    },
    /// Nobody active could administer permissions afterwards.
    PermissionsLockout,
    /// A permission that does not exist, or the same one twice.
    UnknownPermission,
    /// A role that does not exist.
    UnknownRole(RoleId),
    /// Rooms would be left without an owner.
    SoleOwner(SoleOwnership),
    /// The account is deactivated.
    UserInactive,
    /// The room would be left without an owner.
    LastOwner,
    /// Nothing goes on in an archived room.
    RoomArchived,
    /// Something else hangs on the room.
    RoomKept(Kept),
    /// The account has as many tokens for programs as it may have.
    TooManyTokens,
    /// Something of an organization.
    Organization(OrganizationConflict),
}

/// Rules of organizations that a change can break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationConflict {
    /// The change is meant for another revision than this one.
    OtherRevision(u64),
    /// The role lets its holders do what the giver cannot do himself.
    BeyondOneself(Vec<Capability>),
    /// No Owner who can act would be left.
    LastOwner {
        /// Of which organization; where it is true of several, of the one whose member the account became first.
        organization: OrganizationId,
        /// Its name.
        name: String,
    },
    /// The organization has members besides the one who would go with it; how many in all.
    OtherMembers(u64),
    /// Another request has taken the place of the one that makes this change.
    OutOfTurn,
}

impl From<OrganizationConflict> for StoreError {
    fn from(conflict: OrganizationConflict) -> Self {
        Self::Conflict(Conflict::Organization(conflict))
    }
}

impl From<Conflict> for StoreError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<Undeletable> for StoreError {
    fn from(reason: Undeletable) -> Self {
        match reason {
            Undeletable::Protected => Conflict::RoleProtected.into(),
            Undeletable::InUse(usage) => Conflict::RoleInUse(usage).into(),
        }
    }
}

impl From<LastOwner> for StoreError {
    fn from(_: LastOwner) -> Self {
        Conflict::LastOwner.into()
    }
}

impl From<Kept> for StoreError {
    fn from(reason: Kept) -> Self {
        Conflict::RoomKept(reason).into()
    }
}
