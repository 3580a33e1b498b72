//! What the caller himself has of his rooms: `subscriptions.get` and `subscriptions.getOne` (contract 6.5).

use serde::Deserialize;
use serde_json::json;

use super::{UpdatedSince, view};
use crate::http::answer::{Answer, success};
use crate::http::call::{Call, Input};
use crate::http::requirement::AnyUser;
use crate::http::rocketchat::shape::{Field, Shape, Source};

/// `GET subscriptions.get`.
pub async fn list_own_subscriptions(call: Call<AnyUser, UpdatedSince>) -> Answer {
    let since = call.input.updated_since.as_deref();
    let changes = call.services().list_own_subscriptions(&call.caller, since).await?;
    let update: Vec<_> = changes.updated.iter().map(view::subscription).collect();
    Ok(success(json!({"update": update, "remove": changes.removed})))
}

/// Parameters of `subscriptions.getOne`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetOne {
    room_id: String,
}

impl Input for GetOne {
    const SHAPE: Shape = Shape::open(&[Field::required_text("roomId")]);
    const SOURCE: Source = Source::Query;
}

/// `GET subscriptions.getOne`.
pub async fn view_own_subscription(call: Call<AnyUser, GetOne>) -> Answer {
    let found = call.services().view_own_subscription(&call.caller, &call.input.room_id).await?;
    Ok(success(json!({"subscription": found.as_ref().map(view::subscription)})))
}
