//! Rooms, as far as roles live in them: who is a member, and with which roles.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{RoomId, UserId};
use super::time::Timestamp;

/// Id of the room that every workspace has and every new account joins.
pub const GENERAL: &str = "GENERAL";
/// Its name.
pub const GENERAL_NAME: &str = "general";

/// What kind of room it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomKind {
    /// Everybody may find and join it.
    #[serde(rename = "c")]
    Channel,
    /// By invitation.
    #[serde(rename = "p")]
    Group,
    /// Between named people.
    #[serde(rename = "d")]
    Direct,
}

impl RoomKind {
    /// The wire letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "c",
            Self::Group => "p",
            Self::Direct => "d",
        }
    }

    /// The kind of that wire letter.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "c" => Some(Self::Channel),
            "p" => Some(Self::Group),
            "d" => Some(Self::Direct),
            _ => None,
        }
    }
}

/// The person a room names as its creator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSummary {
    /// Which account.
    #[serde(rename = "_id")]
    pub id: UserId,
    /// Its username.
    pub username: String,
    /// Its name as shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A room (contract 10.4, minimal shape).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Stable.
    pub id: RoomId,
    /// Unique among channels and groups.
    pub name: String,
    /// Kind.
    pub kind: RoomKind,
    /// Who made it; absent for `GENERAL`.
    pub creator: Option<UserSummary>,
    /// How many members it has.
    pub members: u64,
    /// New accounts join it.
    pub is_default: bool,
    /// Only some may write.
    pub read_only: bool,
    /// Custom fields as the creator gave them.
    pub custom_fields: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

impl Room {
    /// The room that every workspace has, as it is seeded at `at`: nobody's, and everybody joins it.
    pub fn general(at: Timestamp) -> Self {
        Self {
            id: RoomId::from_stored(GENERAL),
            name: GENERAL_NAME.to_owned(),
            kind: RoomKind::Channel,
            creator: None,
            members: 0,
            is_default: true,
            read_only: false,
            custom_fields: Map::new(),
            created_at: at,
            updated_at: at,
        }
    }
}

/// A room that does not exist yet. Its creator becomes its first owner.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Fresh.
    pub id: RoomId,
    /// Unique among channels and groups, without regard to case.
    pub name: String,
    /// Kind.
    pub kind: RoomKind,
    /// Who makes it.
    pub creator: UserId,
    /// Usernames of those who are members from the start; unknown ones are passed over, as Rocket.Chat does, and
    /// each counts once.
    pub members: Vec<String>,
    /// The creator stays outside; the room then starts without an owner.
    pub exclude_creator: bool,
    /// Only some may write.
    pub read_only: bool,
    /// Custom fields.
    pub custom_fields: Map<String, Value>,
}
