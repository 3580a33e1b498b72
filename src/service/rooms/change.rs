//! What becomes of a room: deleting, archiving, renaming, and making it public or private (contract 10.4). The texts of the
//! contract's [K] rows, and the order of the checks, are those of the original's own sources.

use super::find::{Archived, RoomRef};
use super::membership::changed_meanwhile;
use crate::domain::permission::{ARCHIVE_ROOM, CREATE_C, CREATE_P, DELETE_C, DELETE_P, EDIT_ROOM, UNARCHIVE_ROOM};
use crate::domain::room::{Room, RoomKind};
use crate::domain::room_change::Archival;
use crate::service::error::{RoomChangeRefusal, RoomOperation, RoomRefusal};
use crate::service::{Caller, Result, Services};
use crate::store::{Conflict, StoreError, Unique};

impl Services {
    /// Deletes a room, archived or not, with every membership and every role in it.
    ///
    /// # Errors
    /// In this order: as [`Services::find_room`]; `NotAllowed`; `Kept`.
    pub async fn delete_room(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<()> {
        let room = self.find_room(caller, kind, room, Archived::Allowed).await?;
        self.delete(caller, &room).await
    }

    /// As [`Services::delete_room`], for a room of whatever kind. Direct rooms are not deleted here: no roles live in them.
    ///
    /// # Errors
    /// As [`Services::delete_room`], but for how the room is found.
    pub async fn delete_any_room(&self, caller: &Caller, room: &RoomRef) -> Result<()> {
        let room = self.find_room_of_any_kind(caller, room, Archived::Allowed).await?;
        self.delete(caller, &room).await
    }

    async fn delete(&self, caller: &Caller, room: &Room) -> Result<()> {
        let allowed = match room.kind {
            RoomKind::Channel => self.is_allowed_in(caller, DELETE_C, &room.id).await?,
            RoomKind::Group => self.is_allowed_in(caller, DELETE_P, &room.id).await?,
            RoomKind::Direct => false,
        };
        if !allowed {
            return Err(RoomChangeRefusal::NotAllowed(RoomOperation::Delete).into());
        }
        self.store.delete_room(&room.id, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::Conflict(Conflict::RoomKept(reason)) => RoomChangeRefusal::Kept(reason).into(),
            other => changed_meanwhile(other, room),
        })
    }

    /// Archives a room.
    ///
    /// # Errors
    /// In this order: as [`Services::find_room`], also for a room that is archived; `NotAllowed`.
    pub async fn archive_room(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<()> {
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        if !self.is_allowed_in(caller, ARCHIVE_ROOM, &room.id).await? {
            return Err(RoomChangeRefusal::NotAllowed(RoomOperation::Archive).into());
        }
        self.set_archival(caller, &room, Archival::Archived).await
    }

    /// Puts an archived room to use again. For a group that is not archived this is so already, as in the original; for a
    /// channel it is refused.
    ///
    /// # Errors
    /// In this order: as [`Services::find_room`]; `NotArchived`; `NotAllowed`.
    pub async fn unarchive_room(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<()> {
        let room = self.find_room(caller, kind, room, Archived::Allowed).await?;
        if kind == RoomKind::Channel && !room.archived {
            return Err(RoomChangeRefusal::NotArchived(room.name).into());
        }
        if !self.is_allowed_in(caller, UNARCHIVE_ROOM, &room.id).await? {
            return Err(RoomChangeRefusal::NotAllowed(RoomOperation::Unarchive).into());
        }
        self.set_archival(caller, &room, Archival::Open).await
    }

    async fn set_archival(&self, caller: &Caller, room: &Room, archival: Archival) -> Result<()> {
        let outcome = self.store.set_room_archived(&room.id, archival, &self.audit(caller)).await;
        outcome.map(drop).map_err(|error| changed_meanwhile(error, room))
    }

    /// Gives a room another name. The name that it has is refused for a channel; a group just keeps it, as in the
    /// original.
    ///
    /// # Errors
    /// In this order: `NewNameRequired`; as [`Services::find_room`]; `SameName`; `NotAllowed`; `InvalidName`,
    /// `NameTaken`.
    pub async fn rename_room(&self, caller: &Caller, kind: RoomKind, room: &RoomRef, name: &str) -> Result<Room> {
        if name.trim().is_empty() {
            return Err(RoomChangeRefusal::NewNameRequired.into());
        }
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        if kind == RoomKind::Channel && room.name == name {
            return Err(RoomChangeRefusal::SameName.into());
        }
        self.require_editing(caller, &room).await?;
        if room.name == name {
            return Ok(room);
        }
        self.require_room_name(name).await?;
        self.store.rename_room(&room.id, name, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::AlreadyExists(Unique::RoomName) => RoomRefusal::NameTaken(name.to_owned()).into(),
            other => changed_meanwhile(other, &room),
        })
    }

    async fn require_editing(&self, caller: &Caller, room: &Room) -> Result<()> {
        if self.is_allowed_in(caller, EDIT_ROOM, &room.id).await? {
            return Ok(());
        }
        Err(RoomChangeRefusal::NotAllowed(RoomOperation::Edit).into())
    }

    /// Makes a channel a group or the other way round; `wanted` is the wire letter. Whoever does it must be able to
    /// create rooms of the other kind.
    ///
    /// # Errors
    /// In this order: `TypeRequired`; as [`Services::find_room`]; `SameType`; `NotAllowed`; `RetypingNotAllowed`;
    /// `InvalidType`.
    pub async fn set_room_type(&self, caller: &Caller, kind: RoomKind, room: &RoomRef, wanted: &str) -> Result<Room> {
        if wanted.trim().is_empty() {
            return Err(RoomChangeRefusal::TypeRequired.into());
        }
        let room = self.find_room(caller, kind, room, Archived::Refused).await?;
        if wanted == room.kind.as_str() {
            return Err(RoomChangeRefusal::SameType(room.kind).into());
        }
        self.require_editing(caller, &room).await?;
        let wanted = match RoomKind::parse(wanted) {
            Some(kind @ (RoomKind::Channel | RoomKind::Group)) => kind,
            _ => return Err(RoomChangeRefusal::InvalidType.into()),
        };
        let permission = if wanted == RoomKind::Group { CREATE_P } else { CREATE_C };
        if !self.is_allowed(caller, permission).await? {
            return Err(RoomChangeRefusal::RetypingNotAllowed(wanted).into());
        }
        let changed = self.store.set_room_kind(&room.id, wanted, &self.audit(caller)).await;
        changed.map_err(|error| changed_meanwhile(error, &room))
    }
}
