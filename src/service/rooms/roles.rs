//! Giving and taking the roles of a room, and who has them (contract 10.2 and 10.3).

use super::find::{Archived, RoomRef, UserRef};
use crate::domain::ids::RoleId;
use crate::domain::permission::{SET_LEADER, SET_MODERATOR, SET_OWNER};
use crate::domain::role::{Assignment, LEADER, MODERATOR, OWNER, RoleScope};
use crate::domain::room::{RoomKind, Subscription, UserSummary};
use crate::domain::setting::USE_REAL_NAME;
use crate::service::error::{RoomRefusal, RoomRole, RoomRoleChange, RoomRoleProblem};
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Conflict, Noun, StoreError};

impl RoomRole {
    fn id(self) -> RoleId {
        RoleId::from_stored(match self {
            Self::Owner => OWNER,
            Self::Moderator => MODERATOR,
            Self::Leader => LEADER,
        })
    }

    /// The permission to say who has it.
    const fn permission(self) -> &'static str {
        match self {
            Self::Owner => SET_OWNER,
            Self::Moderator => SET_MODERATOR,
            Self::Leader => SET_LEADER,
        }
    }
}

impl Services {
    /// Gives a member of a room one of its roles, or takes it from him. Whether the caller may is asked in the room: its
    /// owners need no role of the workspace for it.
    ///
    /// # Errors
    /// In this order: as [`Services::find_room`] for a room in use; as [`Services::find_named_user`]; `Role` with
    /// `NotAllowed`, `NoSuchUser`, `NotInRoom`, `AlreadyHeld` or `NotHeld`, `LastOwner`.
    pub async fn change_room_role(
        &self,
        caller: &Caller,
        kind: RoomKind,
        room: &RoomRef,
        user: &UserRef,
        change: RoomRoleChange,
    ) -> Result<()> {
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        let user = self.find_named_user(user).await?;
        let refused = |problem| ServiceError::from(RoomRefusal::Role(change, problem));
        if !self.is_allowed_in(caller, change.role().permission(), &room.id).await? {
            return Err(refused(RoomRoleProblem::NotAllowed));
        }
        let (role, by) = (change.role().id(), self.audit(caller));
        let done = match change {
            RoomRoleChange::Give(_) => {
                let assignment = Assignment { role, user: user.id, room: Some(room.id) };
                self.store.assign_role(&assignment, &by).await
            }
            RoomRoleChange::Take(_) => self.store.take_room_role(&room.id, &user.id, &role, &by).await,
        };
        done.map_err(|error| match error {
            StoreError::NotFound(Noun::User) => refused(RoomRoleProblem::NoSuchUser),
            StoreError::Conflict(Conflict::NotInRoom) => refused(RoomRoleProblem::NotInRoom),
            StoreError::Conflict(Conflict::RoleAlreadyHeld) => refused(RoomRoleProblem::AlreadyHeld),
            StoreError::Conflict(Conflict::RoleNotHeld) => refused(RoomRoleProblem::NotHeld),
            StoreError::Conflict(Conflict::LastOwner) => refused(RoomRoleProblem::LastOwner),
            other => other.into(),
        })
    }

    /// Who has roles in a room that are worth showing: those of rooms that have a description. Names are there where the
    /// workspace shows them.
    ///
    /// # Errors
    /// As [`Services::find_room`] for a room in use, then `RolesNotVisible`.
    pub async fn list_room_roles(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<Vec<Subscription>> {
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        if !self.can_access_room(caller, &room).await? {
            return Err(RoomRefusal::RolesNotVisible.into());
        }
        let mut roles = self.store.list_roles().await?;
        roles.retain(|role| role.scope == RoleScope::Subscriptions && !role.description.is_empty());
        let roles: Vec<RoleId> = roles.into_iter().map(|role| role.id).collect();
        let mut holders = self.store.list_room_role_holders(&room.id, &roles).await?;
        if !self.boolean(USE_REAL_NAME).await? {
            holders.iter_mut().for_each(|holder| holder.member.name = None);
        }
        Ok(holders)
    }

    /// Who keeps order in a room, sorted by username.
    ///
    /// # Errors
    /// As [`Services::find_room`] for a room in use, then `AccessDenied`.
    pub async fn list_moderators(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<Vec<UserSummary>> {
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        if !self.can_access_room(caller, &room).await? {
            return Err(RoomRefusal::AccessDenied.into());
        }
        let holders = self.store.list_room_role_holders(&room.id, &[RoomRole::Moderator.id()]).await?;
        Ok(holders.into_iter().map(|holder| holder.member).collect())
    }
}
