//! Who is in a room: `invite`, `kick`, `join` and `leave` of `channels.*`, `groups.*` and `rooms.*` (contract 10.4). Permissions are
//! those that the caller has in the room itself, so the use cases ask for them once the room is known.

use serde::Deserialize;

use super::{Channels, Family, NamedRoom, RoomAndUser, RoomInBody, shown};
use crate::domain::ids::UserId;
use crate::domain::room_change::Invited;
use crate::http::answer::Answer;
use crate::http::call::change::Change;
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
pub async fn invite<F: Family>(change: Change<Later<F::Invite, 400>, Invitation>) -> Answer {
    let invite = async |call: &Call<_, Invitation>| {
        let (room, invited) = (call.input.room.reference(), call.input.invited());
        call.services().invite_to_room(&call.caller, F::KIND, &room, &invited).await
    };
    change.make(shown::<F>, invite).await
}

/// `POST channels.kick`, `POST groups.kick`.
pub async fn kick<F: Family>(change: Change<Later<RemoveFromRooms, 400>, RoomAndUser>) -> Answer {
    let kick = async |call: &Call<_, RoomAndUser>| {
        let (room, user) = (call.input.room.reference(), call.input.user.reference());
        call.services().remove_from_room(&call.caller, F::KIND, &room, &user).await
    };
    change.make(shown::<F>, kick).await
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
pub async fn join(change: Change<Later<JoinChannels, 400>, Entrance>) -> Answer {
    let join = async |call: &Call<_, Entrance>| {
        let room = call.input.room.reference();
        call.services().join_channel(&call.caller, &room, &call.input.join_code).await
    };
    change.make(shown::<Channels>, join).await
}

/// `POST channels.leave`, `POST groups.leave`.
pub async fn leave<F: Family>(change: Change<Later<F::Leave, 400>, RoomInBody>) -> Answer {
    let leave = async |call: &Call<_, RoomInBody>| {
        call.services().leave_room(&call.caller, F::KIND, &call.input.room.reference()).await
    };
    change.make(shown::<F>, leave).await
}

/// `POST rooms.leave`.
pub async fn leave_any(change: Change<Later<LeaveRooms, 400>, RoomInBody>) -> Answer {
    change.done(async |call| call.services().leave_any_room(&call.caller, &call.input.room.reference()).await).await
}
