//! Lists of rooms: `channels.list`, `channels.list.joined`, `groups.list`, `groups.listAll`, page by page, and
//! `rooms.get`, everything that is one's own (contract 10.4).

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Channels, Family, Groups, UpdatedSince, view};
use crate::domain::room::{Room, RoomOrder, RoomSortKey};
use crate::http::answer::{Answer, success};
use crate::http::call::{Call, Input};
use crate::http::error::ApiError;
use crate::http::requirement::{AnyUser, Requirement, ViewChannels, ViewRoomAdministration};
use crate::http::rocketchat::shape::{Field, Shape, Source};
use crate::service::error::RoomRefusal;
use crate::service::rooms::read::{Paged, RoomList};
use crate::service::{PageRequest, ServiceError};

/// Parameters of a list. `query` and `fields` are accepted and mean nothing: no client chooses what is asked of the
/// database.
#[derive(Deserialize)]
pub struct ListRooms {
    count: Option<f64>,
    offset: Option<f64>,
    sort: Option<String>,
}

impl Input for ListRooms {
    const SHAPE: Shape = Shape::open(&[Field::number("count"), Field::number("offset"), Field::text("sort")]);
    const SOURCE: Source = Source::Query;
}

impl ListRooms {
    /// By name, unless the first field that is named is another one of those that a list can be sorted by.
    fn order(&self) -> Result<RoomOrder, ServiceError> {
        let by_name = RoomOrder { by: RoomSortKey::Name, descending: false };
        let Some(text) = self.sort.as_deref().filter(|text| !text.trim().is_empty()) else { return Ok(by_name) };
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|_| RoomRefusal::InvalidSort)?;
        let key = |(field, direction): (&String, &Value)| {
            let by = match field.as_str() {
                "name" | "fname" => RoomSortKey::Name,
                "ts" => RoomSortKey::CreatedAt,
                _ => return None,
            };
            Some(RoomOrder { by, descending: direction.as_f64().is_some_and(|direction| direction < 0.0) })
        };
        Ok(fields.iter().find_map(key).unwrap_or(by_name))
    }
}

/// `GET channels.list`.
pub async fn list_channels(call: Call<ViewChannels, ListRooms>) -> Answer {
    list::<Channels, _>(&call, RoomList::Visible).await
}

/// `GET channels.list.joined`.
pub async fn list_joined_channels(call: Call<AnyUser, ListRooms>) -> Answer {
    list::<Channels, _>(&call, RoomList::Joined).await
}

/// `GET groups.list`.
pub async fn list_joined_groups(call: Call<AnyUser, ListRooms>) -> Answer {
    list::<Groups, _>(&call, RoomList::Joined).await
}

/// `GET groups.listAll`.
pub async fn list_all_groups(call: Call<ViewRoomAdministration, ListRooms>) -> Answer {
    list::<Groups, _>(&call, RoomList::All).await
}

async fn list<F: Family, P: Requirement>(call: &Call<P, ListRooms>, list: RoomList) -> Answer {
    let ListRooms { count, offset, .. } = call.input;
    let (order, page) = (call.input.order().map_err(ApiError::from)?, PageRequest { offset, count });
    Ok(listed::<F>(&call.services().list_rooms(&call.caller, F::KIND, list, order, page).await?))
}

fn listed<F: Family>(page: &Paged<Room>) -> HttpResponse {
    let rooms: Vec<Value> = page.listing.items.iter().map(|room| Value::Object(view::room(room))).collect();
    success(json!({F::MANY: rooms, "count": rooms.len(), "offset": page.offset, "total": page.listing.total}))
}

/// `GET rooms.get`.
pub async fn list_own_rooms(call: Call<AnyUser, UpdatedSince>) -> Answer {
    let since = call.input.updated_since.as_deref();
    let changes = call.services().list_own_rooms(&call.caller, since).await?;
    let update: Vec<_> = changes.updated.iter().map(view::room).collect();
    Ok(success(json!({"update": update, "remove": changes.removed})))
}
