//! Rooms, as far as room roles need a place to live (contract 10.4).

use serde_json::{Map, Value};

use super::error::RoomRefusal;
use super::{Caller, Result, ServiceError, Services};
use crate::domain::fields::are_storable;
use crate::domain::ids::is_nameable;
use crate::domain::permission::CREATE_C;
use crate::domain::room::{NewRoom, Room, RoomKind};
use crate::domain::setting::ROOM_NAME_PATTERN;
use crate::store::{Noun, StoreError, Unique};

/// Characters of a refused name that the refusal repeats.
const SHOWN_OF_A_NAME: usize = 64;

/// A channel that somebody wants.
pub struct ChannelRequest {
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
}

impl Services {
    /// Whether the caller may create channels. Asked before the body is looked at closely, as Rocket.Chat does.
    ///
    /// # Errors
    /// `CreatingNotAllowed`.
    pub async fn require_creating_channels(&self, caller: &Caller) -> Result<()> {
        if self.is_allowed(caller, CREATE_C).await? { Ok(()) } else { Err(RoomRefusal::CreatingNotAllowed.into()) }
    }

    /// Creates a public channel; the caller becomes its owner.
    ///
    /// # Errors
    /// In this order: `CreatingNotAllowed`, `NameRequired`, `InvalidName`, `InvalidCustomFields`, `NameTaken`.
    pub async fn create_channel(&self, caller: &Caller, request: ChannelRequest) -> Result<Room> {
        self.require_creating_channels(caller).await?;
        if request.name.is_empty() {
            return Err(RoomRefusal::NameRequired.into());
        }
        if !is_nameable(&request.name) || !self.matches(ROOM_NAME_PATTERN, &request.name).await? {
            let shown = request.name.chars().take(SHOWN_OF_A_NAME).collect();
            return Err(RoomRefusal::InvalidName(shown).into());
        }
        if !are_storable(&request.custom_fields) {
            return Err(RoomRefusal::InvalidCustomFields.into());
        }
        let room = NewRoom {
            id: self.ids.room_id(),
            name: request.name.clone(),
            kind: RoomKind::Channel,
            creator: caller.user.id.clone(),
            members: request.members,
            exclude_creator: request.exclude_self,
            read_only: request.read_only,
            custom_fields: request.custom_fields,
        };
        self.store.create_room(room, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::AlreadyExists(Unique::RoomName) => RoomRefusal::NameTaken(request.name).into(),
            // Deleted since he logged in.
            StoreError::NotFound(Noun::User) => ServiceError::Unauthenticated,
            other => other.into(),
        })
    }
}
