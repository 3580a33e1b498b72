//! What can be wrong about rooms.

use crate::domain::room::RoomKind;

/// What can be wrong about rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRefusal {
    /// The caller may not create rooms of that kind.
    CreatingNotAllowed,
    /// No name was given to a new room of that kind.
    NameRequired(RoomKind),
    /// The name does not match the workspace's pattern.
    InvalidName(String),
    /// Another channel or group has that name.
    NameTaken(String),
    /// The members of a new room of that kind are no list.
    MembersNotAList(RoomKind),
    /// A custom field has a name that cannot be kept.
    InvalidCustomFields,
    /// No room was named.
    NotNamed,
    /// No room of that kind has that id or name; or it is a group that the caller is not to know of.
    NotFound(RoomKind),
    /// The room is archived.
    Archived {
        /// Its kind.
        kind: RoomKind,
        /// Its name.
        name: String,
    },
    /// The room exists, and the caller may not look into it.
    AccessDenied,
    /// As `AccessDenied`, where rooms of all kinds are looked up.
    InfoNotAllowed,
    /// As `AccessDenied`, where the roles in the room are asked for.
    RolesNotVisible,
    /// Something about the roles of its members.
    Role(RoomRoleChange, RoomRoleProblem),
    /// What a list is to be sorted by cannot be read.
    InvalidSort,
    /// `updatedSince` of rooms is no date.
    InvalidUpdatedSince,
    /// `updatedSince` of subscriptions is no date.
    InvalidSubscriptionsSince,
}

/// The three roles that rooms have from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomRole {
    /// Decides about the room and its members.
    Owner,
    /// Keeps order.
    Moderator,
    /// Is shown as who leads the room.
    Leader,
}

/// One of them given or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomRoleChange {
    /// Somebody is to get it.
    Give(RoomRole),
    /// Somebody is to lose it.
    Take(RoomRole),
}

impl RoomRoleChange {
    /// Which role.
    pub const fn role(self) -> RoomRole {
        match self {
            Self::Give(role) | Self::Take(role) => role,
        }
    }
}

/// What stands against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomRoleProblem {
    /// The caller may not say who has the role in this room.
    NotAllowed,
    /// The account has gone meanwhile.
    NoSuchUser,
    /// The account is no member of the room.
    NotInRoom,
    /// It has the role already.
    AlreadyHeld,
    /// It does not have the role.
    NotHeld,
    /// It is the only owner.
    LastOwner,
}
