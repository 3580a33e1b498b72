//! Everything a use case can answer instead of a result, in the field's own words. Statuses, codes and texts of each
//! surface are in one table in `http::error`.

use crate::domain::ids::RoleId;
use crate::domain::role::RoleUsage;
use crate::domain::user::SoleOwnership;
use crate::store::{Conflict, StoreError};

/// What every use case returns.
pub type Result<T, E = ServiceError> = std::result::Result<T, E>;

/// Why a use case did not do what was asked; nothing has changed then, except after `Unavailable`, where the outcome of
/// the last step may be unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Nobody, or not who he says.
    #[error("not logged in")]
    Unauthenticated,
    /// The permission that the endpoint needs is missing.
    #[error("permission missing")]
    Forbidden,
    /// A log-in failed.
    #[error("log-in refused: {0:?}")]
    LoginRefused(LoginRefusal),
    /// Something about roles.
    #[error("{0:?}")]
    Role(RoleRefusal),
    /// Something about permissions.
    #[error("{0:?}")]
    Permission(PermissionRefusal),
    /// Something about accounts.
    #[error("{0:?}")]
    User(UserRefusal),
    /// Somebody may not make his own account.
    #[error("registration refused: {0:?}")]
    Registration(RegistrationRefusal),
    /// Something about rooms.
    #[error("{0:?}")]
    Room(RoomRefusal),
    /// After the change nobody active could administer permissions.
    #[error("nobody could administer permissions")]
    PermissionsLockout,
    /// The store cannot answer now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A defect; the text is for the log alone.
    #[error("internal: {0}")]
    Internal(String),
}

/// Why somebody is not let in (contract 2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Unknown name, wrong password, unknown or ended token: one answer for all.
    WrongCredentials,
    /// Right, but deactivated.
    Deactivated,
    /// The account of an app.
    AppAccount,
    /// The document has no list of roles.
    NoRoles,
    /// The workspace wants a verified address first.
    UnverifiedEmail,
    /// The account has a second factor.
    SecondFactorRequired {
        /// `totp` or `email`.
        method: &'static str,
        /// Every method the account has.
        available: Vec<&'static str>,
    },
}

/// What can be wrong about roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleRefusal {
    /// No role of that id (or name, where names count).
    NotFound,
    /// No role was named.
    NotNamed,
    /// The role to assign does not exist.
    ToAssignNotFound,
    /// The role whose holders are asked for was not named.
    OfHoldersNotNamed,
    /// The role whose holders are asked for does not exist.
    OfHoldersNotFound,
    /// A system role cannot be deleted.
    Undeletable,
    /// A system role keeps its name and scope.
    Immutable,
    /// It is held; by whom.
    InUse(RoleUsage),
    /// Another role has that name or id.
    NameTaken,
    /// The definition does not have the right fields.
    InvalidProperties,
    /// The caller may not administer roles, where that is found out late.
    AccessNotAllowed(Late),
    /// The caller may not assign `admin`.
    AssigningAdminNotAllowed(Late),
    /// The user has it already.
    AlreadyHeld,
    /// The user does not have it.
    NotHeld,
    /// The user is not a member of the room.
    NotInRoom,
    /// The last administrator stays; who holds the role.
    LastAdministrator {
        /// Usernames, at most ten.
        holders: Vec<String>,
    },
    /// Holders in a room are shown to those who may see other people's rooms.
    HoldersInRoomNotAllowed,
    /// `updatedSince` is no date.
    InvalidUpdatedSince,
}

/// The operation in which a missing permission was found late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// `roles.create`.
    CreateRole,
    /// `roles.update`.
    UpdateRole,
    /// `roles.addUserToRole`.
    AssignRole,
    /// `users.create`.
    CreateUser,
}

/// What can be wrong about permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionRefusal {
    /// One does not exist or stands twice.
    Unknown,
    /// A list names a role that does not exist.
    UnknownRole(RoleId),
    /// The permission to grant does not exist.
    ToGrantUnknown,
    /// The role to grant a permission to does not exist.
    ToGrantUnknownRole,
    /// The caller may not grant this one.
    GrantingNotAllowed,
    /// The permission to revoke does not exist.
    ToRevokeUnknown,
    /// The caller may not revoke this one.
    RevokingNotAllowed,
    /// `updatedSince` is no date.
    InvalidUpdatedSince,
}

/// What can be wrong about accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRefusal {
    /// No user was named.
    NotNamed,
    /// Nobody has that id or username.
    Unknown,
    /// Nobody has exactly that username.
    NoSuchUsername,
    /// `users.info` without a usable parameter.
    InvalidSearch,
    /// `users.info` found nobody.
    NotFound,
    /// The name has characters that pages could take for markup.
    InvalidName,
    /// A field is longer than can be kept, or a name has control characters.
    FieldTooLong {
        /// As Rocket.Chat names it.
        field: &'static str,
    },
    /// A custom field has a name that cannot be kept.
    InvalidCustomFields,
    /// The caller may not create accounts.
    CreatingNotAllowed,
    /// One of the roles does not exist.
    UnknownRole,
    /// A field is empty that must not be.
    FieldRequired {
        /// As Rocket.Chat names it: `Name`, `Username`, `Password`.
        field: &'static str,
    },
    /// The username does not match the workspace's pattern.
    InvalidUsername(String),
    /// The e-mail address is none.
    InvalidEmail(String),
    /// The username or address is taken.
    FieldUnavailable {
        /// `Username` or `Email`.
        field: &'static str,
        /// What was wanted.
        value: String,
    },
    /// The username is reserved.
    BlockedUsername(String),
    /// The last active administrator cannot be deactivated.
    LastActiveAdministrator,
    /// Rooms would lose their only owner.
    SoleOwner(SoleOwnership),
    /// Nobody has the id that is to be activated or deactivated.
    ToChangeUnknown,
}

/// Why somebody does not get an account of his own making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationRefusal {
    /// He has one and is logged in with it.
    LoggedIn,
    /// The name has characters that pages could take for markup.
    InvalidName,
    /// The username does not match the workspace's pattern, or is reserved.
    InvalidUsername,
    /// The reason is longer than anybody reads.
    ReasonTooLong,
    /// Somebody has the username.
    UsernameTaken,
    /// Nobody may register.
    Disabled,
    /// Registering takes a secret, and this is not it.
    WrongSecret,
    /// The e-mail address is none.
    InvalidEmail,
    /// The password is empty.
    NoPassword,
    /// Somebody has the address.
    EmailTaken,
}

/// What can be wrong about rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRefusal {
    /// The caller may not create channels.
    CreatingNotAllowed,
    /// No name was given.
    NameRequired,
    /// The name does not match the workspace's pattern.
    InvalidName(String),
    /// Another channel or group has that name.
    NameTaken(String),
    /// The members are no list.
    MembersNotAList,
    /// A custom field has a name that cannot be kept.
    InvalidCustomFields,
}

impl From<RoleRefusal> for ServiceError {
    fn from(refusal: RoleRefusal) -> Self {
        Self::Role(refusal)
    }
}
impl From<PermissionRefusal> for ServiceError {
    fn from(refusal: PermissionRefusal) -> Self {
        Self::Permission(refusal)
    }
}
impl From<UserRefusal> for ServiceError {
    fn from(refusal: UserRefusal) -> Self {
        Self::User(refusal)
    }
}
impl From<RegistrationRefusal> for ServiceError {
    fn from(refusal: RegistrationRefusal) -> Self {
        Self::Registration(refusal)
    }
}
impl From<RoomRefusal> for ServiceError {
    fn from(refusal: RoomRefusal) -> Self {
        Self::Room(refusal)
    }
}
impl From<LoginRefusal> for ServiceError {
    fn from(refusal: LoginRefusal) -> Self {
        Self::LoginRefused(refusal)
    }
}

/// What a store says everywhere alike. A use case that knows better maps its own cases first.
impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(sentence) => Self::Unavailable(sentence),
            StoreError::Conflict(Conflict::PermissionsLockout) => Self::PermissionsLockout,
            StoreError::Corrupt(_)
            | StoreError::Backend(_)
            | StoreError::NotFound(_)
            | StoreError::AlreadyExists(_)
            | StoreError::Conflict(_) => Self::Internal(error.to_string()),
        }
    }
}
