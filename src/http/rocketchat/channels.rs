//! `channels.*`, as far as room roles need a place to live (contract 10.4).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::Shape;
use super::views;
use crate::http::answer::{Answer, success};
use crate::http::call::{Call, Input};
use crate::http::error::ApiError;
use crate::http::requirement::{CreateChannels, Later};
use crate::service::ServiceError;
use crate::service::error::RoomRefusal;
use crate::service::rooms::ChannelRequest;

/// Body of `channels.create`. The original looks at its fields one by one, after the permission, with texts of its own;
/// so the fields arrive as they were sent.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateChannel {
    name: Value,
    members: Value,
    read_only: Value,
    exclude_self: Value,
    custom_fields: Value,
}

impl Input for CreateChannel {
    const SHAPE: Shape = Shape::open(&[]);

    fn accept(value: Value) -> Result<Self, ApiError> {
        // Whatever is no object has no name, and that is what the caller is told.
        Ok(serde_json::from_value(value).unwrap_or_default())
    }
}

impl CreateChannel {
    fn channel(&self) -> Result<ChannelRequest, ServiceError> {
        let name = self.name.as_str().filter(|name| !name.is_empty()).ok_or(RoomRefusal::NameRequired)?;
        Ok(ChannelRequest {
            name: name.to_owned(),
            members: self.members()?,
            exclude_self: is_true(&self.exclude_self),
            read_only: is_true(&self.read_only),
            custom_fields: self.custom_fields.as_object().cloned().unwrap_or_else(Map::new),
        })
    }

    /// Usernames; entries that are no texts name nobody.
    fn members(&self) -> Result<Vec<String>, ServiceError> {
        match &self.members {
            Value::Null => Ok(Vec::new()),
            Value::Array(members) => Ok(members.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            _ => Err(RoomRefusal::MembersNotAList.into()),
        }
    }
}

fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value == "true"
}

/// `POST channels.create` (contract 10.4).
pub async fn create_channel(call: Call<Later<CreateChannels, 403>, CreateChannel>) -> Answer {
    call.services().require_creating_channels(&call.caller).await?;
    let room = call.services().create_channel(&call.caller, call.input.channel()?).await?;
    Ok(success(json!({"channel": views::channel(&room)})))
}
