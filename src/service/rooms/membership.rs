//! Who is in a room: inviting, removing, joining and leaving (contract 10.4). The texts of the contract's [K] rows, and
//! the order of the checks, are those of the original's own sources.

use super::find::{Archived, RoomRef, UserRef};
use crate::domain::ids::UserId;
use crate::domain::permission::{
    ADD_USER_TO_ANY_C_ROOM, ADD_USER_TO_ANY_P_ROOM, ADD_USER_TO_JOINED_ROOM, JOIN_WITHOUT_JOIN_CODE,
    KICK_USER_FROM_ANY_C_ROOM, KICK_USER_FROM_ANY_P_ROOM, LEAVE_C, LEAVE_P, REMOVE_USER,
};
use crate::domain::room::{Room, RoomKind};
use crate::domain::room_change::{Departure, Invited};
use crate::service::error::{RoomChangeRefusal, RoomOperation, RoomRefusal};
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Conflict, JoinCode, Noun, StoreError};

impl Services {
    /// Makes accounts members of a room; who is one already stays as he is.
    ///
    /// # Errors
    /// In this order: as [`Services::find_room`]; `NobodyToInvite` when none of the named exists; `NotAllowed`.
    pub async fn invite_to_room(
        &self,
        caller: &Caller,
        kind: RoomKind,
        room: &RoomRef,
        invited: &Invited,
    ) -> Result<Room> {
        let room = self.find_room_to_invite_to(caller, kind, room).await?;
        let users = self.store.find_invited(invited).await?;
        if users.is_empty() {
            return Err(RoomChangeRefusal::NobodyToInvite.into());
        }
        if !self.may_invite(caller, &room).await? {
            return Err(RoomChangeRefusal::NotAllowed(RoomOperation::Invite).into());
        }
        self.add_members(caller, &room, &users).await
    }

    /// Whoever may invite to any group need not be able to look into it; to everybody else it is not there.
    async fn find_room_to_invite_to(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<Room> {
        if kind != RoomKind::Group || !self.is_allowed(caller, ADD_USER_TO_ANY_P_ROOM).await? {
            return self.find_room(caller, kind, room, Archived::Refused).await;
        }
        self.find_any_group(room, Archived::Refused).await
    }

    async fn may_invite(&self, caller: &Caller, room: &Room) -> Result<bool> {
        let to_any = if room.kind == RoomKind::Group { ADD_USER_TO_ANY_P_ROOM } else { ADD_USER_TO_ANY_C_ROOM };
        let as_member = self.is_member(caller, room).await?
            && self.is_allowed_in(caller, ADD_USER_TO_JOINED_ROOM, &room.id).await?;
        Ok(as_member || self.is_allowed(caller, to_any).await?)
    }

    async fn add_members(&self, caller: &Caller, room: &Room, users: &[UserId]) -> Result<Room> {
        self.store.add_members(&room.id, users, &self.audit(caller)).await.map_err(|error| match error {
            // Deleted since they were looked up.
            StoreError::NotFound(Noun::User) => RoomChangeRefusal::NobodyToInvite.into(),
            other => changed_meanwhile(other, room),
        })
    }

    /// Ends somebody else's membership, and his roles in the room with it. Whoever may remove people from any room of
    /// the kind needs `remove-user` all the same, as in the original; he need not be able to look into the room.
    ///
    /// # Errors
    /// In this order: as [`Services::find_room`]; as [`Services::find_named_user`]; `NotAllowed`; `NotFound`, in the
    /// words for a group, for a room that the caller may not look into; `NotInRoom`; `LastOwner`.
    pub async fn remove_from_room(
        &self,
        caller: &Caller,
        kind: RoomKind,
        room: &RoomRef,
        user: &UserRef,
    ) -> Result<Room> {
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        let user = self.find_named_user(user).await?;
        if !self.is_allowed_in(caller, REMOVE_USER, &room.id).await? {
            return Err(RoomChangeRefusal::NotAllowed(RoomOperation::Remove).into());
        }
        let from_any = if kind == RoomKind::Group { KICK_USER_FROM_ANY_P_ROOM } else { KICK_USER_FROM_ANY_C_ROOM };
        if !self.is_allowed(caller, from_any).await? && !self.can_access_room(caller, &room).await? {
            return Err(RoomRefusal::NotFound(RoomKind::Group).into());
        }
        self.end_membership(caller, &room, &user.id, Departure::Kicked).await
    }

    /// Makes the caller a member of a channel.
    ///
    /// # Errors
    /// In this order: as [`Services::find_channel`]; `NotAllowed`; `CodeRequired`, `CodeInvalid`.
    pub async fn join_channel(&self, caller: &Caller, room: &RoomRef, code: &str) -> Result<Room> {
        let room = self.find_channel(room, Archived::Refused).await?;
        if !self.can_access_room(caller, &room).await? {
            return Err(RoomChangeRefusal::NotAllowed(RoomOperation::Join).into());
        }
        self.check_join_code(caller, &room, code).await?;
        self.add_members(caller, &room, std::slice::from_ref(&caller.user.id)).await
    }

    async fn check_join_code(&self, caller: &Caller, room: &Room, code: &str) -> Result<()> {
        let outcome = self.store.check_join_code(&room.id, code).await?;
        if outcome != JoinCode::Wrong || self.is_allowed(caller, JOIN_WITHOUT_JOIN_CODE).await? {
            return Ok(());
        }
        Err(if code.is_empty() { RoomChangeRefusal::CodeRequired } else { RoomChangeRefusal::CodeInvalid }.into())
    }

    /// Ends the caller's own membership, and his roles in the room with it.
    ///
    /// # Errors
    /// In this order: as [`Services::find_room`]; `NotAllowed`; `NotInRoom`; `LastOwner`.
    pub async fn leave_room(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<Room> {
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        self.leave(caller, &room).await
    }

    /// As [`Services::leave_room`], for a room of whatever kind. Nobody leaves a direct room.
    ///
    /// # Errors
    /// As [`Services::leave_room`], but for how the room is found.
    pub async fn leave_any_room(&self, caller: &Caller, room: &RoomRef) -> Result<Room> {
        let room = self.find_room_of_any_kind(caller, room, Archived::Refused).await?;
        self.leave(caller, &room).await
    }

    async fn leave(&self, caller: &Caller, room: &Room) -> Result<Room> {
        let allowed = match room.kind {
            RoomKind::Channel => self.is_allowed(caller, LEAVE_C).await?,
            RoomKind::Group => self.is_allowed(caller, LEAVE_P).await?,
            RoomKind::Direct => false,
        };
        if !allowed {
            return Err(RoomChangeRefusal::NotAllowed(RoomOperation::Leave).into());
        }
        self.end_membership(caller, room, &caller.user.id, Departure::Left).await
    }

    async fn end_membership(&self, caller: &Caller, room: &Room, user: &UserId, departure: Departure) -> Result<Room> {
        let by = self.audit(caller);
        self.store.remove_member(&room.id, user, departure, &by).await.map_err(|error| match error {
            StoreError::Conflict(Conflict::NotInRoom) => RoomChangeRefusal::NotInRoom(departure).into(),
            StoreError::Conflict(Conflict::LastOwner) => RoomChangeRefusal::LastOwner(departure).into(),
            other => changed_meanwhile(other, room),
        })
    }
}

/// The refusal of a change of a room that is not as it was when it was found.
pub(super) fn changed_meanwhile(error: StoreError, room: &Room) -> ServiceError {
    match error {
        StoreError::NotFound(Noun::Room) => RoomRefusal::NotFound(room.kind).into(),
        StoreError::Conflict(Conflict::RoomArchived) => {
            RoomRefusal::Archived { kind: room.kind, name: room.name.clone() }.into()
        }
        other => other.into(),
    }
}
