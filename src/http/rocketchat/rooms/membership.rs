//! Who is in a room: `invite`, `kick`, `join` and `leave` of `channels.*`, `groups.*` and `rooms.*` (contract 10.4). Permissions are
//! those that the caller has in the room itself, so the use cases ask for them once the room is known.

use serde::Deserialize;

use super::{Channels, Family, NamedRoom, RoomAndUser, RoomInBody, answered};
use crate::domain::ids::UserId;
use crate::domain::room_change::Invited;
use crate::http::answer::{Answer, Empty, success};
use crate::http::call::{Call, Input};
use crate::http::requirement::{JoinChannels, Later, LeaveRooms, RemoveFromRooms};
use crate::http::rocketchat::shape::{Field, Shape};

/// A room and whom to invite to it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    #[serde(flatten)]
    room: NamedRoom,
    user_id: Option<String>,
    username: Option<String>,
    user: Option<String>,
    user_ids: Option<Vec<String>>,
    usernames: Option<Vec<String>>,
}

impl Input for Invitation {
    const SHAPE: Shape = Shape::open(&[
        Field::text("roomId"),
        Field::text("roomName"),
        Field::text("userId"),
        Field::text("username"),
        Field::text("user"),
        Field::texts("userIds"),
        Field::texts("usernames"),
    ]);
}

impl Invitation {
    /// One list of them, as in the original: one field for several, to which one field for a single account is added; ids
    /// when either of the two is one of ids. What cannot be an id is nobody's.
    fn invited(&self) -> Invited {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let one = given(&self.user_id).or_else(|| given(&self.username)).or_else(|| given(&self.user));
        let several = self.user_ids.as_ref().or(self.usernames.as_ref());
        let named = several.into_iter().flatten().cloned().chain(one);
        if self.user_ids.is_some() || given(&self.user_id).is_some() {
            return Invited::Ids(named.filter_map(|id| UserId::parse(&id).ok()).collect());
        }
        Invited::Usernames(named.collect())
    }
}

/// `POST channels.invite`, `POST groups.invite`.
pub async fn invite<F: Family>(call: Call<Later<F::Invite, 400>, Invitation>) -> Answer {
    let (room, invited) = (call.input.room.reference(), call.input.invited());
    let room = call.services().invite_to_room(&call.caller, F::KIND, &room, &invited).await?;
    Ok(answered::<F>(&room))
}

/// `POST channels.kick`, `POST groups.kick`.
pub async fn kick<F: Family>(call: Call<Later<RemoveFromRooms, 400>, RoomAndUser>) -> Answer {
    let (room, user) = (call.input.room.reference(), call.input.user.reference());
    let room = call.services().remove_from_room(&call.caller, F::KIND, &room, &user).await?;
    Ok(answered::<F>(&room))
}

/// A room and the code to join it with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entrance {
    #[serde(flatten)]
    room: NamedRoom,
    #[serde(default)]
    join_code: String,
}

impl Input for Entrance {
    const SHAPE: Shape = Shape::open(&[Field::text("roomId"), Field::text("roomName"), Field::text("joinCode")]);
}

/// `POST channels.join`.
pub async fn join(call: Call<Later<JoinChannels, 400>, Entrance>) -> Answer {
    let room = call.input.room.reference();
    let room = call.services().join_channel(&call.caller, &room, &call.input.join_code).await?;
    Ok(answered::<Channels>(&room))
}

/// `POST channels.leave`, `POST groups.leave`.
pub async fn leave<F: Family>(call: Call<Later<F::Leave, 400>, RoomInBody>) -> Answer {
    let room = call.services().leave_room(&call.caller, F::KIND, &call.input.room.reference()).await?;
    Ok(answered::<F>(&room))
}

/// `POST rooms.leave`.
pub async fn leave_any(call: Call<Later<LeaveRooms, 400>, RoomInBody>) -> Answer {
    call.services().leave_any_room(&call.caller, &call.input.room.reference()).await?;
    Ok(success(Empty {}))
}
