//! One room: `channels.info`, `groups.info`, `rooms.info` (contract 10.4).

use serde_json::json;

use super::{Family, RoomInQuery, shown, view};
use crate::http::answer::{Answer, success};
use crate::http::call::Call;
use crate::http::requirement::AnyUser;

/// `GET channels.info`, `GET groups.info`.
pub async fn view_room<F: Family>(call: Call<AnyUser, RoomInQuery>) -> Answer {
    let room = call.services().view_room(&call.caller, F::KIND, &call.input.room.reference()).await?;
    Ok(success(shown::<F>(&room)))
}

/// `GET rooms.info`.
pub async fn view_any_room(call: Call<AnyUser, RoomInQuery>) -> Answer {
    let room = call.services().view_any_room(&call.caller, &call.input.room.reference()).await?;
    Ok(success(json!({"room": view::room(&room)})))
}
