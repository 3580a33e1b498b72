//! `users.update` (contract 9.2) and `users.updateOwnBasicInfo`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::changed_account;
use crate::domain::user::Activation;
use crate::http::answer::Answer;
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::requirement::{AnyUser, EditOtherUsers, Later};
use crate::http::rocketchat::shape::{Field, Shape};
use crate::service::rates::Rate;
use crate::service::users::{AccountUpdate, FieldChanges, OwnUpdate};

/// Body of `users.update`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateUser {
    user_id: String,
    data: UserData,
    confirm_relinquish: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserData {
    email: Option<String>,
    name: Option<String>,
    password: Option<String>,
    username: Option<String>,
    bio: Option<String>,
    nickname: Option<String>,
    status_text: Option<String>,
    active: Option<bool>,
    roles: Option<Vec<String>>,
    require_password_change: Option<bool>,
    set_random_password: Option<bool>,
    verified: Option<bool>,
    custom_fields: Option<Map<String, Value>>,
}

impl Input for UpdateUser {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("userId").filled(),
        Field::object(
            "data",
            &Shape::closed(&[
                Field::text("email").nullable(),
                Field::text("name").nullable(),
                Field::text("password").nullable(),
                Field::text("username").nullable(),
                Field::text("bio").nullable(),
                Field::text("nickname").nullable(),
                Field::text("statusText").nullable(),
                Field::boolean("active").nullable(),
                Field::texts("roles").nullable(),
                Field::boolean("requirePasswordChange").nullable(),
                Field::boolean("setRandomPassword").nullable(),
                // Letters cannot be sent from here; accepted, so that existing scripts run.
                Field::boolean("sendWelcomeEmail").nullable(),
                Field::boolean("verified").nullable(),
                Field::any("customFields").nullable(),
                // Whether somebody is there is for himself to say, and extensions are another system's.
                Field::text("status").nullable(),
                Field::text("freeSwitchExtension").nullable(),
            ]),
        )
        .required(),
        Field::boolean("confirmRelinquish"),
    ]);
    const SECOND_FACTOR: bool = true;
}

impl UpdateUser {
    fn update(&self) -> AccountUpdate {
        let Self { user_id, data, confirm_relinquish } = self;
        let activation = data.active.map(|active| match (active, confirm_relinquish.unwrap_or(false)) {
            (true, _) => Activation::Activate,
            (false, false) => Activation::Deactivate,
            (false, true) => Activation::DeactivateAndRelinquish,
        });
        AccountUpdate {
            user: user_id.clone(),
            fields: FieldChanges {
                username: data.username.clone(),
                name: data.name.clone(),
                email: data.email.clone(),
                profile: profile(data.bio.as_ref(), data.nickname.as_ref(), data.status_text.as_ref()),
                custom_fields: data.custom_fields.clone().unwrap_or_default(),
            },
            password: data.password.clone(),
            random_password: data.set_random_password.unwrap_or(false),
            verified: data.verified,
            roles: data.roles.clone(),
            require_password_change: data.require_password_change,
            activation,
        }
    }
}

/// Texts that people write about themselves; an empty one takes it away.
fn profile(bio: Option<&String>, nickname: Option<&String>, status_text: Option<&String>) -> Map<String, Value> {
    let removable = |text: &String| if text.trim().is_empty() { Value::Null } else { text.as_str().into() };
    let mut profile = Map::new();
    for (name, text) in [("bio", bio), ("nickname", nickname)] {
        if let Some(text) = text {
            profile.insert(name.to_owned(), removable(text));
        }
    }
    if let Some(text) = status_text {
        profile.insert("statusText".to_owned(), text.as_str().into());
    }
    profile
}

/// `POST users.update` (contract 9.2).
pub async fn update_user(change: Change<Later<EditOtherUsers, 400>, UpdateUser>) -> Answer {
    change
        .make(changed_account, async |call| call.services().update_user(&call.caller, call.input.update()).await)
        .await
}

/// Body of `users.updateOwnBasicInfo`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateOwnBasicInfo {
    data: OwnData,
    custom_fields: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnData {
    email: Option<String>,
    name: Option<String>,
    username: Option<String>,
    nickname: Option<String>,
    bio: Option<String>,
    status_type: Option<String>,
    status_text: Option<String>,
    current_password: Option<String>,
    new_password: Option<String>,
}

impl Input for UpdateOwnBasicInfo {
    const SHAPE: Shape = Shape::closed(&[
        Field::object(
            "data",
            &Shape::closed(&[
                Field::text("email").nullable(),
                Field::text("name").nullable(),
                Field::text("username").nullable(),
                Field::text("nickname").nullable(),
                Field::text("bio").nullable(),
                Field::text("statusType").nullable(),
                Field::text("statusText").nullable(),
                Field::text("currentPassword").nullable(),
                Field::text("newPassword").nullable(),
            ]),
        )
        .required(),
        Field::any("customFields").nullable(),
    ]);
    const RATE: Rate = Rate::OwnProfile;
}

impl UpdateOwnBasicInfo {
    fn update(&self) -> OwnUpdate {
        let data = &self.data;
        OwnUpdate {
            fields: FieldChanges {
                username: data.username.clone(),
                name: data.name.clone(),
                email: data.email.clone(),
                profile: profile(data.bio.as_ref(), data.nickname.as_ref(), data.status_text.as_ref()),
                custom_fields: self.custom_fields.clone().unwrap_or_default(),
            },
            status: data.status_type.clone(),
            current_password: data.current_password.clone(),
            new_password: data.new_password.clone(),
        }
    }
}

/// `POST users.updateOwnBasicInfo`.
pub async fn update_own_account(change: Change<AnyUser, UpdateOwnBasicInfo>) -> Answer {
    let update = async |call: &Call<_, UpdateOwnBasicInfo>| {
        call.services().update_own_account(&call.caller, call.input.update()).await
    };
    change.make(changed_account, update).await
}
