//! Changes of rooms and of who is a member of one. The rules of every method in `store` hold here too; making a room, and
//! everything that only looks at one, is in `RoomStore`.

use async_trait::async_trait;

use super::Result;
use crate::domain::audit::AuditContext;
use crate::domain::ids::{RoomId, UserId};
use crate::domain::room::{Room, RoomKind};
use crate::domain::room_change::{Archival, Departure, Invited};

/// What comes of asking for a room's code to join by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinCode {
    /// The room asks for none.
    NotAsked,
    /// It asks for one, and this is it.
    Right,
    /// It asks for another one.
    Wrong,
}

/// Changes of channels and groups; every other room, a direct one too, is not found here.
#[async_trait]
pub trait RoomChangeStore {
    /// Whether that code opens the room to whoever wants to join. A room that does not exist asks for none.
    async fn check_join_code(&self, room: &RoomId, code: &str) -> Result<JoinCode>;

    /// The accounts that are named, each once, in the order named; usernames as `UsernameMatch::IgnoreCase` has it. What
    /// is nobody's is passed over.
    async fn find_invited(&self, invited: &Invited) -> Result<Vec<UserId>>;

    /// Makes accounts members of a room, without roles, and returns the room. Who is a member already, or named again,
    /// stays as he is; when nobody is new, nothing changes (no audit entry). Audit: `MembersAdded` with those who are
    /// new, in the order named.
    ///
    /// # Errors
    /// In this order: `NotFound(Room)`; `Conflict(RoomArchived)`; `NotFound(User)` when any of them does not exist.
    async fn add_members(&self, room: &RoomId, users: &[UserId], by: &AuditContext) -> Result<Room>;

    /// Ends a membership, and with it every role that the member had in the room; his subscription goes to the trash.
    /// Returns the room. Audit: `MemberRemoved` with the roles that ended.
    ///
    /// Decided against concurrent calls of this and of `take_room_role`: whatever happens at once, a room that had an owner
    /// still has one.
    ///
    /// # Errors
    /// In this order: `NotFound(Room)`; `Conflict(RoomArchived)`; `Conflict(NotInRoom)`; by
    /// `domain::room_change::may_depart` `Conflict(LastOwner)`.
    async fn remove_member(
        &self,
        room: &RoomId,
        user: &UserId,
        departure: Departure,
        by: &AuditContext,
    ) -> Result<Room>;

    /// Deletes a room, archived or not, with all memberships and the roles of its members; the room and the
    /// subscriptions go to the trash. What was written in the room is not ours and is not touched. Audit:
    /// `RoomDeleted`.
    ///
    /// Decided against concurrent calls: after any interleaving with `assign_role`, `add_members` and `create_user`
    /// nobody is a member of a room that is gone.
    ///
    /// # Errors
    /// In this order: `NotFound(Room)`; by `domain::room_change::Ties::deletable` `Conflict(RoomKept)`.
    async fn delete_room(&self, room: &RoomId, by: &AuditContext) -> Result<()>;

    /// Archives a room, or opens it again, for all its members, and returns it. A room that is like that already stays
    /// as it is (no audit entry). Audit: `RoomArchived`, `RoomUnarchived`.
    ///
    /// # Errors
    /// `NotFound(Room)`.
    async fn set_room_archived(&self, room: &RoomId, archival: Archival, by: &AuditContext) -> Result<Room>;

    /// Gives a room another name, under which each member has it from then on, and returns it. Another case of the same
    /// name is another name; the very same name changes nothing (no audit entry). Audit: `RoomRenamed`.
    ///
    /// # Errors
    /// In this order: `NotFound(Room)`; `Conflict(RoomArchived)`; `AlreadyExists(RoomName)` when another channel or group
    /// has the name, without regard to case. Concurrent calls with the same name: exactly one succeeds.
    async fn rename_room(&self, room: &RoomId, name: &str, by: &AuditContext) -> Result<Room>;

    /// Makes a channel a group or the other way round, for all its members, and returns it. A group is joined by
    /// invitation alone: new accounts do not join it any more. The kind that it has already changes nothing (no audit
    /// entry). Audit: `RoomKindChanged`.
    ///
    /// # Errors
    /// In this order: `NotFound(Room)`; `Conflict(RoomArchived)`.
    async fn set_room_kind(&self, room: &RoomId, kind: RoomKind, by: &AuditContext) -> Result<Room>;
}
