//! What becomes of a room: `delete`, `archive`, `unarchive`, `rename` and `setType` of `channels.*` and `groups.*`, and
//! `rooms.delete` (contract 10.4). Permissions are those that the caller has in the room itself, so the use cases ask for
//! them once the room is known.

use serde::Deserialize;

use super::{Family, NamedRoom, RoomInBody, shown};
use crate::http::answer::Answer;
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::requirement::{ArchiveRooms, DeleteRooms, EditRooms, Later, UnarchiveRooms};
use crate::http::rocketchat::shape::{Field, Shape};

/// `POST channels.delete`, `POST groups.delete`.
pub async fn delete<F: Family>(change: Change<Later<F::Delete, 400>, RoomInBody>) -> Answer {
    change
        .done(async |call| call.services().delete_room(&call.caller, F::KIND, &call.input.room.reference()).await)
        .await
}

/// `POST rooms.delete`.
pub async fn delete_any(change: Change<Later<DeleteRooms, 400>, RoomInBody>) -> Answer {
    change.done(async |call| call.services().delete_any_room(&call.caller, &call.input.room.reference()).await).await
}

/// `POST channels.archive`, `POST groups.archive`.
pub async fn archive<F: Family>(change: Change<Later<ArchiveRooms, 400>, RoomInBody>) -> Answer {
    change
        .done(async |call| call.services().archive_room(&call.caller, F::KIND, &call.input.room.reference()).await)
        .await
}

/// `POST channels.unarchive`, `POST groups.unarchive`.
pub async fn unarchive<F: Family>(change: Change<Later<UnarchiveRooms, 400>, RoomInBody>) -> Answer {
    change
        .done(async |call| call.services().unarchive_room(&call.caller, F::KIND, &call.input.room.reference()).await)
        .await
}

/// A room and its new name.
#[derive(Debug, Deserialize)]
pub struct NewName {
    #[serde(flatten)]
    room: NamedRoom,
    #[serde(default)]
    name: String,
}

impl Input for NewName {
    const SHAPE: Shape = Shape::open(&[Field::text("roomId"), Field::text("roomName"), Field::text("name")]);
}

/// `POST channels.rename`, `POST groups.rename`.
pub async fn rename<F: Family>(change: Change<Later<EditRooms, 400>, NewName>) -> Answer {
    let rename = async |call: &Call<_, NewName>| {
        let room = call.input.room.reference();
        call.services().rename_room(&call.caller, F::KIND, &room, &call.input.name).await
    };
    change.make(shown::<F>, rename).await
}

/// A room and what it is to become: `c` or `p`.
#[derive(Debug, Deserialize)]
pub struct NewType {
    #[serde(flatten)]
    room: NamedRoom,
    #[serde(default, rename = "type")]
    kind: String,
}

impl Input for NewType {
    const SHAPE: Shape = Shape::open(&[Field::text("roomId"), Field::text("roomName"), Field::text("type")]);
}

/// `POST channels.setType`, `POST groups.setType`. The answer is in the words of the family that the room comes from.
pub async fn set_type<F: Family>(change: Change<Later<EditRooms, 400>, NewType>) -> Answer {
    let set_type = async |call: &Call<_, NewType>| {
        let room = call.input.room.reference();
        call.services().set_room_type(&call.caller, F::KIND, &room, &call.input.kind).await
    };
    change.make(shown::<F>, set_type).await
}
