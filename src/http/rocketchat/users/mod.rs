//! `users.*` (contract 9): making accounts, looking at one, switching one on and off. Changing and deleting are in
//! `update` and `delete`, lists in `list`, what people prefer in `preferences`.

mod delete;
mod list;
mod preferences;
mod update;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::shape::{Field, Kind, Shape, Source};
use super::views;
use crate::domain::user::{Activation, User};
use crate::http::answer::{Answer, success};
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::requirement::{AnyUser, CreateUsers, EditActiveStatus, Later};
use crate::service::ServiceError;
use crate::service::error::UserRefusal;
use crate::service::users::{AccountRequest, UserQuery, UserView};

pub use delete::{deactivate_idle_users, delete_own_account, delete_user};
pub use list::{check_username, list_users, list_users_by_status, suggest_users};
pub use preferences::{set_preferences, show_preferences};
pub use update::{update_own_account, update_user};

/// Body of `users.create`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateUser {
    email: String,
    name: String,
    password: String,
    username: String,
    active: Option<bool>,
    bio: Option<String>,
    nickname: Option<String>,
    status_text: Option<String>,
    roles: Option<Vec<String>>,
    join_default_channels: Option<bool>,
    require_password_change: Option<bool>,
    set_random_password: Option<bool>,
    verified: Option<bool>,
    custom_fields: Option<Map<String, Value>>,
}

impl Input for CreateUser {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("email"),
        Field::required_text("name"),
        Field::required_text("password"),
        Field::required_text("username"),
        Field::boolean("active").nullable(),
        Field::text("bio").nullable(),
        Field::text("nickname").nullable(),
        Field::text("statusText").nullable(),
        Field::texts("roles"),
        Field::boolean("joinDefaultChannels").nullable(),
        Field::boolean("requirePasswordChange").nullable(),
        Field::boolean("setRandomPassword").nullable(),
        // Letters cannot be sent from here; accepted, so that existing scripts run.
        Field::boolean("sendWelcomeEmail").nullable(),
        Field::boolean("verified").nullable(),
        Field::any("customFields"),
        Field::text("fields"),
        Field::text("freeSwitchExtension"),
        Field::new("phones", Kind::List(&Shape::open(&[]))),
    ]);
    const SECOND_FACTOR: bool = true;
}

impl CreateUser {
    fn account(&self) -> AccountRequest {
        AccountRequest {
            username: self.username.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            verified: self.verified.unwrap_or(false),
            password: self.password.clone(),
            random_password: self.set_random_password.unwrap_or(false),
            roles: self.roles.clone(),
            active: self.active.unwrap_or(true),
            join_default_rooms: self.join_default_channels.unwrap_or(true),
            profile: self.profile(),
        }
    }

    fn profile(&self) -> Map<String, Value> {
        let texts = [("bio", &self.bio), ("nickname", &self.nickname), ("statusText", &self.status_text)];
        let mut profile: Map<_, _> =
            texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?.into()))).collect();
        if self.require_password_change == Some(true) {
            profile.insert("requirePasswordChange".to_owned(), true.into());
        }
        if let Some(fields) = &self.custom_fields {
            profile.insert("customFields".to_owned(), fields.clone().into());
        }
        profile
    }
}

/// `POST users.create` (contract 9.1).
pub async fn create_user(change: Change<Later<CreateUsers, 400>, CreateUser>) -> Answer {
    change
        .make(changed_account, async |call| call.services().create_user(&call.caller, call.input.account()).await)
        .await
}

/// The account that was made or changed.
fn changed_account(user: &User) -> Value {
    json!({"user": views::created_account(user)})
}

/// Parameters of `users.info`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    user_id: Option<String>,
    username: Option<String>,
    import_id: Option<String>,
    include_user_rooms: Option<String>,
}

impl Input for UserInfo {
    const SHAPE: Shape = Shape::open(&[
        Field::text("userId"),
        Field::text("username"),
        Field::text("importId"),
        Field::text("includeUserRooms"),
    ]);
    const SOURCE: Source = Source::Query;
}

/// `GET users.info` (contract 9.3).
pub async fn view_user(call: Call<AnyUser, UserInfo>) -> Answer {
    let UserInfo { user_id, username, import_id, include_user_rooms } = &call.input;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let query = match (given(user_id), given(username), given(import_id)) {
        (Some(id), _, _) => UserQuery::Id(id),
        (None, Some(name), _) => UserQuery::Username(name),
        // Imported accounts are not known by their former id here.
        (None, None, Some(_)) => return Err(ServiceError::from(UserRefusal::NotFound).into()),
        (None, None, None) => return Err(ServiceError::from(UserRefusal::InvalidSearch).into()),
    };
    let with_rooms = include_user_rooms.as_deref() == Some("true");
    let view = call.services().view_user(&call.caller, query, with_rooms).await?;
    let answer = |view: &UserView| OneAccount { user: views::viewed_account(view) };
    if view.is_own_alone() {
        // Clients ask for their own account all the time.
        return call.kept().own_accounts.answer(&view.user, |_| answer(&view));
    }
    Ok(success(answer(&view)))
}

#[derive(Serialize)]
struct OneAccount {
    user: Map<String, Value>,
}

/// Body of `users.setActiveStatus`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetActiveStatus {
    user_id: String,
    active_status: bool,
    confirm_relinquish: Option<bool>,
}

impl Input for SetActiveStatus {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("userId"),
        Field::boolean("activeStatus").required(),
        Field::boolean("confirmRelinquish").nullable(),
    ]);
}

/// `POST users.setActiveStatus` (contract 9.6).
pub async fn set_active_status(change: Change<EditActiveStatus, SetActiveStatus>) -> Answer {
    let set = async |call: &Call<_, SetActiveStatus>| {
        let SetActiveStatus { user_id, active_status, confirm_relinquish } = &call.input;
        let activation = match (active_status, confirm_relinquish.unwrap_or(false)) {
            (true, _) => Activation::Activate,
            (false, false) => Activation::Deactivate,
            (false, true) => Activation::DeactivateAndRelinquish,
        };
        call.services().set_user_active(&call.caller, user_id, activation).await
    };
    change.make(|user: &User| json!({"user": {"_id": user.id, "active": user.active}}), set).await
}
