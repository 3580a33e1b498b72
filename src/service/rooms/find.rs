//! How a caller names a room and the somebody in it, and which rooms he may look into (contract 10.1). A private group that
//! he may not look into is, to him, not there: whatever is refused is refused with the words for a group that nobody has.

use crate::domain::ids::{RoomId, UserId, is_nameable};
use crate::domain::permission::{VIEW_C_ROOM, VIEW_D_ROOM, VIEW_JOINED_ROOM, VIEW_P_ROOM};
use crate::domain::room::{Room, RoomKind};
use crate::domain::user::User;
use crate::service::error::{RoomRefusal, UserRefusal};
use crate::service::{Caller, Result, Services};
use crate::store::UsernameMatch;

/// A room as a caller named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRef {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
    /// Not at all.
    Unnamed,
}

impl RoomRef {
    /// The id counts if there is one that is not blank, else the name.
    pub fn of(id: Option<&str>, name: Option<&str>) -> Self {
        let given = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
        match (given(id), given(name)) {
            (Some(id), _) => Self::Id(id),
            (None, Some(name)) => Self::Name(name),
            (None, None) => Self::Unnamed,
        }
    }
}

/// An account as a caller named it, by the fields he may use for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRef {
    /// The id; counts first, letter by letter.
    pub id: Option<String>,
    /// The username; counts next.
    pub username: Option<String>,
    /// The username by its other name.
    pub user: Option<String>,
}

/// What becomes of a room in which nobody may write any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {
    /// It is like any other.
    Allowed,
    /// It is refused.
    Refused,
}

impl Services {
    /// The channel or the group that the caller named.
    ///
    /// # Errors
    /// As [`Services::find_channel`] or [`Services::find_group`].
    pub async fn find_room(&self, caller: &Caller, kind: RoomKind, room: &RoomRef, archived: Archived) -> Result<Room> {
        match kind {
            RoomKind::Group => self.find_group(caller, room, archived).await,
            RoomKind::Channel | RoomKind::Direct => self.find_channel(room, archived).await,
        }
    }

    /// The channel that the caller named. That it exists is no secret; what is in it may be, see
    /// [`Services::can_access_room`].
    ///
    /// # Errors
    /// In this order: `NotFound`, which is also the answer to no name at all; `Archived`.
    pub async fn find_channel(&self, room: &RoomRef, archived: Archived) -> Result<Room> {
        let found = self.named_room(room).await?.filter(|room| room.kind == RoomKind::Channel);
        let room = found.ok_or(RoomRefusal::NotFound(RoomKind::Channel))?;
        check_archived(room, archived)
    }

    /// The private group that the caller named, if he may look into it.
    ///
    /// # Errors
    /// In this order: `NotNamed`; `NotFound`, also for a group that he may not look into; `Archived`.
    pub async fn find_group(&self, caller: &Caller, room: &RoomRef, archived: Archived) -> Result<Room> {
        let room = self.find_any_group(room, Archived::Allowed).await?;
        if !self.can_access_room(caller, &room).await? {
            return Err(RoomRefusal::NotFound(RoomKind::Group).into());
        }
        check_archived(room, archived)
    }

    /// As [`Services::find_group`], for a caller who may know of every group.
    pub(super) async fn find_any_group(&self, room: &RoomRef, archived: Archived) -> Result<Room> {
        if *room == RoomRef::Unnamed {
            return Err(RoomRefusal::NotNamed.into());
        }
        let found = self.named_room(room).await?.filter(|room| room.kind == RoomKind::Group);
        check_archived(found.ok_or(RoomRefusal::NotFound(RoomKind::Group))?, archived)
    }

    /// The room of whatever kind that the caller named. What is not a channel is, to whoever may not look into it, not
    /// there.
    ///
    /// # Errors
    /// In this order: `NotNamed`; `NotFound`; `Archived`.
    pub(super) async fn find_room_of_any_kind(
        &self,
        caller: &Caller,
        room: &RoomRef,
        archived: Archived,
    ) -> Result<Room> {
        if *room == RoomRef::Unnamed {
            return Err(RoomRefusal::NotNamed.into());
        }
        let missing = RoomRefusal::NotFound(RoomKind::Channel);
        let room = self.named_room(room).await?.ok_or(missing.clone())?;
        if room.kind != RoomKind::Channel && !self.can_access_room(caller, &room).await? {
            return Err(missing.into());
        }
        check_archived(room, archived)
    }

    /// Whether the caller may look into a room: into any channel whoever may see channels; otherwise its members, if they
    /// may see rooms of its kind.
    ///
    /// # Errors
    /// What the store says.
    pub async fn can_access_room(&self, caller: &Caller, room: &Room) -> Result<bool> {
        let of_members = match room.kind {
            RoomKind::Channel if self.is_allowed(caller, VIEW_C_ROOM).await? => return Ok(true),
            RoomKind::Channel => VIEW_JOINED_ROOM,
            RoomKind::Group => VIEW_P_ROOM,
            RoomKind::Direct => VIEW_D_ROOM,
        };
        Ok(self.is_member(caller, room).await? && self.is_allowed(caller, of_members).await?)
    }

    /// Whether the caller is a member of the room.
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_member(&self, caller: &Caller, room: &Room) -> Result<bool> {
        Ok(self.store.find_room_roles(&room.id, &caller.user.id).await?.is_some())
    }

    /// The account that the caller named (contract 4.3, step 1).
    ///
    /// # Errors
    /// `NotNamed`, `Unknown`.
    pub async fn find_named_user(&self, named: &UserRef) -> Result<User> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let found = match (given(&named.id), given(&named.username).or_else(|| given(&named.user))) {
            (Some(id), _) => match UserId::parse(&id) {
                Ok(id) => self.store.find_user(&id).await?,
                Err(_) => None,
            },
            (None, Some(name)) => self.store.find_user_by_username(&name, UsernameMatch::IgnoreCase).await?,
            (None, None) => return Err(UserRefusal::NotNamed.into()),
        };
        Ok(found.ok_or(UserRefusal::Unknown)?)
    }

    /// The room of that id or name, of whatever kind.
    pub(super) async fn named_room(&self, room: &RoomRef) -> Result<Option<Room>> {
        match room {
            RoomRef::Unnamed => Ok(None),
            RoomRef::Id(id) => match RoomId::parse(id) {
                Ok(id) => Ok(self.store.find_room(&id).await?),
                Err(_) => Ok(None),
            },
            RoomRef::Name(name) if is_nameable(name) => Ok(self.store.find_room_by_name(name).await?),
            RoomRef::Name(_) => Ok(None),
        }
    }
}

fn check_archived(room: Room, archived: Archived) -> Result<Room> {
    if room.archived && archived == Archived::Refused {
        return Err(RoomRefusal::Archived { kind: room.kind, name: room.name }.into());
    }
    Ok(room)
}
