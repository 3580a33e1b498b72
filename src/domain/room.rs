//! Rooms, as far as roles live in them: who is a member, and with which roles.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{RoleId, RoomId, UserId};
use super::role::{LEADER, MODERATOR, OWNER};
use super::time::Timestamp;
use super::user::User;

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

/// A room (contract 10.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Stable.
    pub id: RoomId,
    /// Unique among channels and groups.
    pub name: String,
    /// The name as shown (`fname`); the same unless others wrote another one.
    pub display_name: String,
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
    /// Nobody may write any more.
    pub archived: bool,
    /// Custom fields as the creator gave them.
    pub custom_fields: Map<String, Value>,
    /// All other fields that the API sends, under their wire names and in wire form: `topic`, `msgs`, `broadcast`, …
    pub details: Map<String, Value>,
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
            display_name: GENERAL_NAME.to_owned(),
            kind: RoomKind::Channel,
            creator: None,
            members: 0,
            is_default: true,
            read_only: false,
            archived: false,
            custom_fields: Map::new(),
            details: new_details(),
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
    /// As [`Room::details`], besides what every new room has.
    pub details: Map<String, Value>,
}

/// What the details of every new room start with.
fn new_details() -> Map<String, Value> {
    let fields =
        [("msgs", 0.into()), ("broadcast", false.into()), ("encrypted", false.into()), ("sysMes", true.into())];
    fields.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
}

impl NewRoom {
    /// The room as it is once created at `at`.
    pub fn into_room(self, creator: UserSummary, members: u64, at: Timestamp) -> Room {
        let mut details = new_details();
        details.extend(self.details);
        Room {
            id: self.id,
            display_name: self.name.clone(),
            name: self.name,
            kind: self.kind,
            creator: Some(creator),
            members,
            is_default: false,
            read_only: self.read_only,
            archived: false,
            custom_fields: self.custom_fields,
            details,
            created_at: at,
            updated_at: at,
        }
    }
}

/// What a member has of a room: his subscription (contract 6.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Stable while the membership lasts.
    pub id: String,
    /// Which room.
    pub room: RoomId,
    /// `c`, `p`, `d`, …
    pub kind: String,
    /// The room's name; in a direct message that of the other one.
    pub name: String,
    /// That name as shown (`fname`).
    pub display_name: String,
    /// Who.
    pub member: UserSummary,
    /// His roles in the room.
    pub roles: Vec<RoleId>,
    /// Unread messages, as Rocket.Chat counted them.
    pub unread: i64,
    /// All other fields that the API sends, under their wire names and in wire form: `open`, `alert`, `ls`, …
    pub details: Map<String, Value>,
    /// Since when he is a member.
    pub joined_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

/// What the details of every new subscription, made at `at`, start with.
pub fn new_subscription_details(at: Timestamp) -> Map<String, Value> {
    let fields = [
        ("open", true.into()),
        ("alert", false.into()),
        ("userMentions", 0.into()),
        ("groupMentions", 0.into()),
        ("ls", at.to_string().into()),
    ];
    fields.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
}

/// A room or subscription that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Which.
    #[serde(rename = "_id")]
    pub id: String,
    /// When it went.
    #[serde(rename = "_deletedAt")]
    pub deleted_at: Timestamp,
}

/// Which rooms a list is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSelection {
    /// Of this kind.
    pub kind: RoomKind,
    /// Only those with this member.
    pub member: Option<UserId>,
}

/// What a list of rooms is sorted by; rooms that are equal in it come in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomOrder {
    /// The field.
    pub by: RoomSortKey,
    /// From the last to the first.
    pub descending: bool,
}

/// Fields that rooms can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomSortKey {
    /// The name, byte by byte.
    Name,
    /// When the room was made.
    CreatedAt,
}

/// A member of a room, and the roles that he has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// In the order in which he got them.
    pub roles: Vec<RoleId>,
}

/// What a list of members is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberOrder {
    /// The username, byte by byte.
    Username,
    /// The first of [`RANKS`] that they have, those without one last; then the username.
    Rank,
}

/// Roles by which members are ranked, the highest first.
pub const RANKS: [&str; 3] = [OWNER, MODERATOR, LEADER];

/// Which members of a room a list is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberFilter {
    /// Only those with this text in their username or name, without regard to case.
    pub text: Option<String>,
    /// Only those with one of these `status`; all when it is empty.
    pub statuses: Vec<String>,
}
