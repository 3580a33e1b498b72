//! `channels.create` and `groups.create` (contract 10.4).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Channels, Family, Groups, shown};
use crate::domain::room::{Room, RoomKind};
use crate::http::answer::Answer;
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::error::ApiError;
use crate::http::requirement::{CreateChannels, CreateGroups, Later};
use crate::http::rocketchat::shape::Shape;
use crate::service::ServiceError;
use crate::service::error::RoomRefusal;
use crate::service::rooms::create::RoomRequest;

/// Fields of `extraData` that a room may start with and their types. The original copies whatever is there into the
/// document of the room; what could make it a default room or somebody else's is no more than ignored here.
const EXTRA_TEXTS: [&str; 3] = ["topic", "announcement", "description"];
const EXTRA_SWITCHES: [&str; 2] = ["broadcast", "encrypted"];

/// Body of `channels.create` and `groups.create`. The original looks at its fields one by one, with texts of its own; so
/// the fields arrive as they were sent.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateRoom {
    name: Value,
    members: Value,
    read_only: Value,
    exclude_self: Value,
    custom_fields: Value,
    extra_data: Value,
}

impl Input for CreateRoom {
    const SHAPE: Shape = Shape::open(&[]);

    fn accept(value: Value) -> Result<Self, ApiError> {
        // Whatever is no object has no name, and that is what the caller is told.
        Ok(serde_json::from_value(value).unwrap_or_default())
    }
}

impl CreateRoom {
    fn request(&self, kind: RoomKind) -> Result<RoomRequest, ServiceError> {
        let name = self.name.as_str().filter(|name| !name.is_empty()).ok_or(RoomRefusal::NameRequired(kind))?;
        let details = self.details();
        Ok(RoomRequest {
            kind,
            name: name.to_owned(),
            members: self.members(kind)?,
            exclude_self: is_true(&self.exclude_self),
            // In a broadcast few write and all others read.
            read_only: is_true(&self.read_only) || details.get("broadcast") == Some(&Value::Bool(true)),
            custom_fields: self.custom_fields.as_object().cloned().unwrap_or_else(Map::new),
            details,
            team: self.extra_data.get("teamId").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Usernames; entries that are no texts name nobody.
    fn members(&self, kind: RoomKind) -> Result<Vec<String>, ServiceError> {
        match &self.members {
            Value::Null => Ok(Vec::new()),
            Value::Array(members) => Ok(members.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            _ => Err(RoomRefusal::MembersNotAList(kind).into()),
        }
    }

    fn details(&self) -> Map<String, Value> {
        let extra = |name: &&str| self.extra_data.get(*name).map(|value| ((*name).to_owned(), value.clone()));
        let texts = EXTRA_TEXTS.iter().filter_map(extra).filter(|(_, value)| value.is_string());
        let switches = EXTRA_SWITCHES.iter().filter_map(extra).filter(|(_, value)| value.is_boolean());
        texts.chain(switches).collect()
    }
}

fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value == "true"
}

/// `POST channels.create`. The permission is asked for before the body is looked at closely.
pub async fn create_channel(change: Change<Later<CreateChannels, 403>, CreateRoom>) -> Answer {
    let create = async |call: &Call<_, CreateRoom>| {
        call.services().require_creating_rooms(&call.caller, Channels::KIND).await?;
        create::<Channels, _>(call).await
    };
    change.make(shown::<Channels>, create).await
}

/// `POST groups.create`. The permission is asked for behind the body.
pub async fn create_group(change: Change<Later<CreateGroups, 403>, CreateRoom>) -> Answer {
    change.make(shown::<Groups>, async |call| create::<Groups, _>(call).await).await
}

async fn create<F: Family, P>(call: &Call<P, CreateRoom>) -> Result<Room, ServiceError> {
    call.services().create_room(&call.caller, call.input.request(F::KIND)?).await
}
