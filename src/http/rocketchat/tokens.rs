//! `users.logout` and the other routes about tokens under `users.` (contract 2.9 and 9.7). `logout` without a prefix is
//! in `login`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{Field, Shape, fit};
use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::domain::token::{PersonalToken, TokenText};
use crate::http::answer::{Answer, success};
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::error::ApiError;
use crate::http::requirement::{AnyUser, CreatePersonalTokens, Later};
use crate::service::second_factor::Strictness;

/// Body of `users.logout`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logout {
    user_id: Option<String>,
}

impl Input for Logout {
    const SHAPE: Shape = Shape::open(&[Field::text("userId").nullable()]);
}

/// `POST users.logout` (contract 9.7).
pub async fn logout_user(change: Change<AnyUser, Logout>) -> Answer {
    let end = async |call: &Call<_, Logout>| {
        let named = call.input.user_id.as_deref().filter(|user| !user.is_empty());
        call.services().end_all_tokens(&call.caller, named).await
    };
    change.make(|user: &UserId| json!({"message": format!("User {user} has been logged out!")}), end).await
}

/// `POST users.logoutOtherClients` (contract 9.7). Repeats the token of the request, which its owner has anyway.
pub async fn logout_other_clients(change: Change<AnyUser>) -> Answer {
    let shown = |call: &Call<_>, ends: &Option<Timestamp>| {
        let ends = ends.map(|at| at.to_string()).unwrap_or_default();
        json!({"token": call.token().expose(), "tokenExpires": ends})
    };
    change.make_secret(shown, async |call| call.services().end_other_sessions(&call.caller).await).await
}

/// `POST users.removeOtherTokens` (contract 9.7).
pub async fn remove_other_tokens(change: Change<AnyUser>) -> Answer {
    change.done(async |call| call.services().end_other_tokens(&call.caller).await).await
}

/// Body of `users.createToken`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateToken {
    user_id: String,
    secret: String,
}

impl Input for CreateToken {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("userId"), Field::required_text("secret")]);
    const SECOND_FACTOR: bool = true;

    fn accept(value: Value) -> Result<Self, ApiError> {
        let values = fit(&Self::SHAPE, value, Self::SOURCE).map_err(Self::refusal)?;
        let text = |name: &str| match values.get(name).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            // The validator's words for a text that must not be empty.
            _ => Err(Self::refusal("must NOT have fewer than 1 characters".to_owned())),
        };
        Ok(Self { user_id: text("userId")?, secret: text("secret")? })
    }
}

/// `POST users.createToken` (contract 2.9).
pub async fn create_token(change: Change<AnyUser, CreateToken>) -> Answer {
    let make = async |call: &Call<_, CreateToken>| {
        let CreateToken { user_id, secret } = &call.input;
        call.services().create_token_for(&call.caller, user_id, secret).await
    };
    let shown = |_: &Call<_, _>, (user, token): &(UserId, TokenText)| json!({"data": {"userId": user, "authToken": token.expose()}});
    change.make_secret(shown, make).await
}

/// Body of `users.generatePersonalAccessToken`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratePersonalToken {
    token_name: String,
    bypass_two_factor: Option<bool>,
}

impl Input for GeneratePersonalToken {
    const SHAPE: Shape =
        Shape::closed(&[Field::required_text("tokenName"), Field::boolean("bypassTwoFactor").nullable()]);
    const SECOND_FACTOR: bool = true;

    /// A token that bypasses second factors must not be a way around one's own.
    fn strictness(&self) -> Strictness {
        if self.bypass_two_factor == Some(true) { Strictness::Strict } else { Strictness::Lenient }
    }
}

/// `POST users.generatePersonalAccessToken` (contract 2.9).
pub async fn generate_personal_token(
    change: Change<Later<CreatePersonalTokens, 400>, GeneratePersonalToken>,
) -> Answer {
    let make = async |call: &Call<_, GeneratePersonalToken>| {
        let GeneratePersonalToken { token_name, bypass_two_factor } = &call.input;
        let bypass = bypass_two_factor.unwrap_or(false);
        call.services().create_personal_token(&call.caller, token_name, bypass).await
    };
    change.make_secret(|_, token| shown_once(token), make).await
}

fn shown_once(token: &TokenText) -> Value {
    json!({"token": token.expose()})
}

/// `GET users.getPersonalAccessTokens` (contract 2.9).
pub async fn list_personal_tokens(call: Call<Later<CreatePersonalTokens, 400>>) -> Answer {
    let tokens = call.services().list_personal_tokens(&call.caller).await?;
    Ok(success(json!({"tokens": tokens.iter().map(view).collect::<Vec<_>>()})))
}

fn view(token: &PersonalToken) -> Value {
    let mut view = json!({"name": token.name});
    if let Some(at) = token.created_at {
        view["createdAt"] = at.to_string().into();
    }
    view["lastTokenPart"] = token.last_part.as_str().into();
    view["bypassTwoFactor"] = token.bypass_second_factor.into();
    view
}

/// Body of `users.regeneratePersonalAccessToken`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegeneratePersonalToken {
    token_name: String,
}

impl Input for RegeneratePersonalToken {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("tokenName")]);
    const SECOND_FACTOR: bool = true;

    /// The token may be one that bypasses second factors; its new text must not be a way around one's own.
    fn strictness(&self) -> Strictness {
        Strictness::Strict
    }
}

/// `POST users.regeneratePersonalAccessToken` (contract 2.9).
pub async fn regenerate_personal_token(
    change: Change<Later<CreatePersonalTokens, 400>, RegeneratePersonalToken>,
) -> Answer {
    let replace = async |call: &Call<_, RegeneratePersonalToken>| {
        call.services().replace_personal_token(&call.caller, &call.input.token_name).await
    };
    change.make_secret(|_, token| shown_once(token), replace).await
}

/// Body of `users.removePersonalAccessToken`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovePersonalToken {
    token_name: String,
}

impl Input for RemovePersonalToken {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("tokenName")]);
    const SECOND_FACTOR: bool = true;
}

/// `POST users.removePersonalAccessToken` (contract 2.9).
pub async fn remove_personal_token(change: Change<Later<CreatePersonalTokens, 400>, RemovePersonalToken>) -> Answer {
    change.done(async |call| call.services().remove_personal_token(&call.caller, &call.input.token_name).await).await
}
