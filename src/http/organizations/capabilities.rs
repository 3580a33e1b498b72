//! `/v1/capabilities`: what can be allowed at all.

use serde_json::json;

use super::body::Nothing;
use super::error::Reply;
use super::rule::AnyAccount;
use super::views;
use crate::domain::capability::CAPABILITIES;
use crate::http::call::organization::Request;

/// `GET /v1/capabilities`.
pub async fn list_capabilities(Request { ask, .. }: Request<AnyAccount, Nothing>) -> Reply {
    ask.show(async |_| Ok(views::answer(200, &json!(CAPABILITIES)))).await
}
