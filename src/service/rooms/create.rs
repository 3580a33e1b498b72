//! Making rooms: who may, under which name, and with whom (contract 10.4).

use serde_json::{Map, Value};

use crate::domain::fields::are_storable;
use crate::domain::ids::is_nameable;
use crate::domain::permission::{CREATE_C, CREATE_P};
use crate::domain::room::{NewRoom, Room, RoomKind};
use crate::domain::setting::ROOM_NAME_PATTERN;
use crate::service::error::RoomRefusal;
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Noun, StoreError, Unique};

/// Characters of a refused name that the refusal repeats.
const SHOWN_OF_A_NAME: usize = 64;

/// A channel or group that somebody wants.
pub struct RoomRequest {
    /// Channel or group.
    pub kind: RoomKind,
    /// Its name.
    pub name: String,
    /// Usernames of its first members.
    pub members: Vec<String>,
    /// The caller stays outside.
    pub exclude_self: bool,
    /// Only some may write.
    pub read_only: bool,
    /// Fields of the workspace's own.
    pub custom_fields: Map<String, Value>,
    /// Other fields, under their wire names.
    pub details: Map<String, Value>,
    /// It is to belong to this team.
    pub team: Option<String>,
}

impl Services {
    /// Whether the caller may create rooms of that kind.
    ///
    /// # Errors
    /// `CreatingNotAllowed`.
    pub async fn require_creating_rooms(&self, caller: &Caller, kind: RoomKind) -> Result<()> {
        let permission = if kind == RoomKind::Group { CREATE_P } else { CREATE_C };
        if self.is_allowed(caller, permission).await? { Ok(()) } else { Err(RoomRefusal::CreatingNotAllowed.into()) }
    }

    /// Whether a room may have that name.
    ///
    /// # Errors
    /// `InvalidName`.
    pub(super) async fn require_room_name(&self, name: &str) -> Result<()> {
        if is_nameable(name) && self.matches(ROOM_NAME_PATTERN, name).await? {
            return Ok(());
        }
        let shown = name.chars().take(SHOWN_OF_A_NAME).collect();
        Err(RoomRefusal::InvalidName(shown).into())
    }

    /// Creates a channel or a group; the caller becomes its owner. There are no teams here, so nobody may make a room
    /// of one.
    ///
    /// # Errors
    /// In this order: `CreatingNotAllowed`, `NameRequired`, `InvalidName`, `InvalidCustomFields`, `NameTaken`.
    pub async fn create_room(&self, caller: &Caller, request: RoomRequest) -> Result<Room> {
        self.require_creating_rooms(caller, request.kind).await?;
        if request.team.is_some() {
            return Err(RoomRefusal::CreatingNotAllowed.into());
        }
        if request.name.is_empty() {
            return Err(RoomRefusal::NameRequired(request.kind).into());
        }
        self.require_room_name(&request.name).await?;
        if !are_storable(&request.custom_fields) {
            return Err(RoomRefusal::InvalidCustomFields.into());
        }
        let room = NewRoom {
            id: self.ids.room_id(),
            name: request.name.clone(),
            kind: request.kind,
            creator: caller.user.id.clone(),
            members: request.members,
            exclude_creator: request.exclude_self,
            read_only: request.read_only,
            custom_fields: request.custom_fields,
            details: request.details,
        };
        self.store.create_room(room, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::AlreadyExists(Unique::RoomName) => RoomRefusal::NameTaken(request.name).into(),
            // Deleted since he logged in.
            StoreError::NotFound(Noun::User) => ServiceError::Unauthenticated,
            other => other.into(),
        })
    }
}
