//! `channels.*`, `groups.*` and what else shows rooms (contract 10). Channels and groups are two families with the same
//! operations: each handler is one function, and which family it serves is its parameter. Here is what they share: the
//! families, how a room and somebody in it are named, and the answer that is a room.

pub mod change;
pub mod create;
pub mod info;
pub mod lists;
pub mod members;
pub mod membership;
pub mod roles;
pub mod subscriptions;
mod view;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::shape::{Field, Shape, Source};
use crate::domain::room::{Room, RoomKind};
use crate::http::call::Input;
use crate::http::requirement::{
    DeleteChannels, DeleteGroups, InviteToChannels, InviteToGroups, LeaveChannels, LeaveGroups, Requirement,
};
use crate::service::rooms::find::{RoomRef, UserRef};

/// `channels.*` or `groups.*`.
pub trait Family: 'static {
    /// What its rooms are.
    const KIND: RoomKind;
    /// What one of them is called in an answer.
    const ONE: &'static str;
    /// What several of them are called in an answer.
    const MANY: &'static str;
    /// Who may invite to one.
    type Invite: Requirement;
    /// Who may leave one.
    type Leave: Requirement;
    /// Who may delete one.
    type Delete: Requirement;
}

/// `channels.*`.
pub struct Channels;

impl Family for Channels {
    const KIND: RoomKind = RoomKind::Channel;
    const ONE: &'static str = "channel";
    const MANY: &'static str = "channels";
    type Invite = InviteToChannels;
    type Leave = LeaveChannels;
    type Delete = DeleteChannels;
}

/// `groups.*`.
pub struct Groups;

impl Family for Groups {
    const KIND: RoomKind = RoomKind::Group;
    const ONE: &'static str = "group";
    const MANY: &'static str = "groups";
    type Invite = InviteToGroups;
    type Leave = LeaveGroups;
    type Delete = DeleteGroups;
}

/// The room a request is about; part of other parameters by `#[serde(flatten)]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedRoom {
    room_id: Option<String>,
    room_name: Option<String>,
}

impl NamedRoom {
    /// The room as the services take it.
    pub fn reference(&self) -> RoomRef {
        RoomRef::of(self.room_id.as_deref(), self.room_name.as_deref())
    }
}

/// The account a request is about; part of other parameters by `#[serde(flatten)]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedUser {
    user_id: Option<String>,
    username: Option<String>,
    user: Option<String>,
}

impl NamedUser {
    /// The account as the services take it.
    pub fn reference(&self) -> UserRef {
        UserRef { id: self.user_id.clone(), username: self.username.clone(), user: self.user.clone() }
    }
}

/// A room in a query, and nothing else.
#[derive(Debug, Deserialize)]
pub struct RoomInQuery {
    /// Which.
    #[serde(flatten)]
    pub room: NamedRoom,
}

impl Input for RoomInQuery {
    const SHAPE: Shape = Shape::open(&[Field::text("roomId"), Field::text("roomName")]);
    const SOURCE: Source = Source::Query;
}

/// A room in a body, and nothing else.
#[derive(Debug, Deserialize)]
pub struct RoomInBody {
    /// Which.
    #[serde(flatten)]
    pub room: NamedRoom,
}

impl Input for RoomInBody {
    const SHAPE: Shape = Shape::open(&[Field::text("roomId"), Field::text("roomName")]);
}

/// A room and somebody in it, in a body.
#[derive(Debug, Deserialize)]
pub struct RoomAndUser {
    /// Which room.
    #[serde(flatten)]
    pub room: NamedRoom,
    /// Who.
    #[serde(flatten)]
    pub user: NamedUser,
}

impl Input for RoomAndUser {
    const SHAPE: Shape = Shape::open(&[
        Field::text("roomId"),
        Field::text("roomName"),
        Field::text("userId"),
        Field::text("username"),
        Field::text("user"),
    ]);
}

/// Since when somebody wants to know what changed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdatedSince {
    /// A date; everything when it is absent.
    pub updated_since: Option<String>,
}

impl Input for UpdatedSince {
    const SHAPE: Shape = Shape::open(&[Field::text("updatedSince")]);
    const SOURCE: Source = Source::Query;
}

/// `{"channel":{…}}` or `{"group":{…}}`.
pub fn shown<F: Family>(room: &Room) -> Map<String, Value> {
    Map::from_iter([(F::ONE.to_owned(), Value::Object(view::room(room)))])
}
