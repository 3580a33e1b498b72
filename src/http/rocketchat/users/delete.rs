//! `users.delete` and `users.deleteOwnAccount` (contract 9.5), `users.deactivateIdle` (contract 9.6).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::ids::RoomId;
use crate::domain::role::USER;
use crate::domain::user_change::Relinquish;
use crate::http::answer::Answer;
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::error::ApiError;
use crate::http::requirement::{AnyUser, DeactivateIdleUsers, DeleteUsers};
use crate::http::rocketchat::shape::{Field, Shape, fit_any_of};
use crate::service::ServiceError;
use crate::service::users::UserRef;

/// Body of `users.delete`: one of three names of the account.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteUser {
    user_id: Option<String>,
    username: Option<String>,
    user: Option<String>,
    confirm_relinquish: Option<bool>,
}

const BY_ID: Shape = Shape::closed(&[Field::required_text("userId"), Field::boolean("confirmRelinquish")]);
const BY_USERNAME: Shape = Shape::closed(&[Field::required_text("username"), Field::boolean("confirmRelinquish")]);
const BY_USER: Shape = Shape::closed(&[Field::required_text("user"), Field::boolean("confirmRelinquish")]);

impl Input for DeleteUser {
    // For the description of the API; what is accepted is one of three shapes.
    const SHAPE: Shape = Shape::closed(&[
        Field::text("userId"),
        Field::text("username"),
        Field::text("user"),
        Field::boolean("confirmRelinquish"),
    ]);

    fn accept(value: Value) -> Result<Self, ApiError> {
        let values = fit_any_of(&[BY_ID, BY_USERNAME, BY_USER], value, Self::SOURCE).map_err(Self::refusal)?;
        serde_json::from_value(Value::Object(values))
            .map_err(|error| ServiceError::Internal(format!("the declared shape and the type differ: {error}")).into())
    }
}

impl DeleteUser {
    fn account(&self) -> UserRef {
        match (&self.user_id, &self.username, &self.user) {
            (Some(id), _, _) => UserRef::Id(id.clone()),
            (None, Some(name), _) | (None, None, Some(name)) => UserRef::Username(name.clone()),
            (None, None, None) => UserRef::Username(String::new()),
        }
    }
}

fn relinquish(confirmed: Option<bool>) -> Relinquish {
    if confirmed.unwrap_or(false) { Relinquish::Confirmed } else { Relinquish::Refuse }
}

/// `POST users.delete` (contract 9.5).
pub async fn delete_user(change: Change<DeleteUsers, DeleteUser>) -> Answer {
    let delete = async |call: &Call<_, DeleteUser>| {
        let relinquish = relinquish(call.input.confirm_relinquish);
        call.services().delete_user(&call.caller, &call.input.account(), relinquish).await
    };
    change.make(|rooms: &Vec<RoomId>| json!({"deletedRooms": rooms}), delete).await
}

/// Body of `users.deleteOwnAccount`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteOwnAccount {
    password: String,
    confirm_relinquish: Option<bool>,
}

impl Input for DeleteOwnAccount {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("password"), Field::boolean("confirmRelinquish")]);
}

/// `POST users.deleteOwnAccount`.
pub async fn delete_own_account(change: Change<AnyUser, DeleteOwnAccount>) -> Answer {
    let delete = async |call: &Call<_, DeleteOwnAccount>| {
        let DeleteOwnAccount { password, confirm_relinquish } = &call.input;
        call.services().delete_own_account(&call.caller, password, relinquish(*confirm_relinquish)).await
    };
    change.done(delete).await
}

/// Body of `users.deactivateIdle`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeactivateIdle {
    days_idle: f64,
    role: Option<String>,
}

impl Input for DeactivateIdle {
    const SHAPE: Shape = Shape::closed(&[Field::number("daysIdle").required(), Field::text("role")]);

    fn accept(value: Value) -> Result<Self, ApiError> {
        let values = crate::http::rocketchat::shape::fit(&Self::SHAPE, value, Self::SOURCE).map_err(Self::refusal)?;
        let idle: Self = serde_json::from_value(Value::Object(values)).map_err(|error| {
            ApiError::from(ServiceError::Internal(format!("the declared shape and the type differ: {error}")))
        })?;
        // A date in the future would make everybody idle.
        if idle.days_idle < 0.0 { Err(Self::refusal("must be >= 0".to_owned())) } else { Ok(idle) }
    }
}

/// `POST users.deactivateIdle` (contract 9.6).
pub async fn deactivate_idle_users(change: Change<DeactivateIdleUsers, DeactivateIdle>) -> Answer {
    let deactivate = async |call: &Call<_, DeactivateIdle>| {
        #[expect(clippy::cast_possible_truncation, reason = "saturates; longer ago than anything is")]
        let days = call.input.days_idle as i64;
        let role = call.input.role.as_deref().unwrap_or(USER);
        call.services().deactivate_idle_users(&call.caller, days, role).await
    };
    change.make(|count: &u64| json!({"count": count}), deactivate).await
}
