//! What can be wrong about roles.

use crate::domain::role::RoleUsage;

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
    /// `users.update`.
    UpdateUser,
}
