//! `roles.*` (contract 4). Each handler is one use case; what it needs and what it takes is in its signature.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::old_names::{self, Named};
use super::shape::{Field, Shape, Source};
use super::views;
use crate::domain::role::{Role, RoleDefinition, RoleScope};
use crate::http::answer::{Answer, success};
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::error::ApiError;
use crate::http::requirement::{AccessPermissions, AnyUser, Later};
use crate::service::error::RoleRefusal;
use crate::service::roles::{AssignmentRequest, Holders};
use crate::service::{PageRequest, ServiceError};

/// `GET roles.list` (contract 4.1).
pub async fn list_roles(call: Call<AnyUser>) -> Answer {
    let roles = call.services().roles().await?;
    call.kept().roles.answer(roles, call.known(), |roles| {
        let roles: Vec<Value> = roles.all().iter().map(without_update_time).collect();
        json!({"roles": roles})
    })
}

fn without_update_time(role: &Role) -> Value {
    let mut value = json!(role);
    if let Value::Object(fields) = &mut value {
        fields.remove("_updatedAt");
    }
    value
}

/// Parameters of `roles.sync`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncRoles {
    updated_since: Option<String>,
}

impl Input for SyncRoles {
    const SHAPE: Shape = Shape::closed(&[Field::text("updatedSince")]);
    const SOURCE: Source = Source::Query;
}

/// `GET roles.sync` (contract 4.2).
pub async fn sync_roles(call: Call<AnyUser, SyncRoles>) -> Answer {
    let changes = call.services().sync_roles(call.input.updated_since.as_deref()).await?;
    let removed: Vec<Value> = changes.removed.iter().map(|role| trashed(json!(role))).collect();
    Ok(success(json!({"roles": {"update": changes.updated, "remove": removed}})))
}

/// A trashed document names the collection it came from.
fn trashed(mut document: Value) -> Value {
    document["__collection__"] = "roles".into();
    document
}

/// Body of `roles.create`.
#[derive(Deserialize)]
pub struct CreateRole {
    name: String,
    description: Option<String>,
    scope: Option<RoleScope>,
    mandatory2fa: Option<bool>,
}

const SCOPES: &[&str] = &[RoleScope::Users.as_str(), RoleScope::Subscriptions.as_str()];

impl Input for CreateRole {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("name"),
        Field::text("description").nullable(),
        Field::text("scope").nullable().one_of(SCOPES),
        Field::boolean("mandatory2fa").nullable(),
    ]);

    fn refusal(_: String) -> ApiError {
        ServiceError::from(RoleRefusal::InvalidProperties).into()
    }
}

impl CreateRole {
    /// Fields that were not sent get their defaults, also in an update (contract 4.5).
    fn definition(&self) -> RoleDefinition {
        RoleDefinition {
            name: self.name.clone(),
            description: self.description.clone().unwrap_or_default(),
            scope: self.scope.unwrap_or(RoleScope::Users),
            mandatory2fa: self.mandatory2fa.unwrap_or(false),
        }
    }
}

/// `POST roles.create` (contract 4.4).
pub async fn create_role(change: Change<Later<AccessPermissions, 400>, CreateRole>) -> Answer {
    change.make(shown, async |call| call.services().create_role(&call.caller, call.input.definition()).await).await
}

/// The one role that an answer is about.
fn shown(role: &Role) -> Value {
    json!({"role": role})
}

/// Body of `roles.update`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRole {
    role_id: String,
    #[serde(flatten)]
    definition: CreateRole,
}

impl Input for UpdateRole {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("roleId"),
        Field::required_text("name"),
        Field::text("description").nullable(),
        Field::text("scope").nullable().one_of(SCOPES),
        Field::boolean("mandatory2fa").nullable(),
    ]);

    fn refusal(problem: String) -> ApiError {
        CreateRole::refusal(problem)
    }
}

/// `POST roles.update` (contract 4.5).
pub async fn update_role(change: Change<Later<AccessPermissions, 400>, UpdateRole>) -> Answer {
    let update = async |call: &Call<_, UpdateRole>| {
        let UpdateRole { role_id, definition } = &call.input;
        call.services().update_role(&call.caller, role_id, definition.definition()).await
    };
    change.make(shown, update).await
}

/// Body of `roles.delete`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteRole {
    role_id: String,
}

impl Input for DeleteRole {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("roleId")]);
}

/// `POST roles.delete` (contract 4.6 and 13).
pub async fn delete_role(change: Change<AccessPermissions, DeleteRole>) -> Answer {
    change.done(async |call| call.services().delete_role(&call.caller, &call.input.role_id).await).await
}

/// Body of `roles.addUserToRole`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddUserToRole {
    username: String,
    role_id: Option<String>,
    room_id: Option<String>,
    role_name: Option<String>,
}

impl Input for AddUserToRole {
    const SHAPE: Shape =
        Shape::closed(&[Field::required_text("username"), Field::text("roleId"), Field::text("roomId").nullable()]);

    fn accept(value: Value) -> Result<Self, ApiError> {
        const OLD: Shape = Shape::closed(&[
            Field::required_text("username"),
            Field::text("roleId"),
            Field::text("roomId").nullable(),
            Field::text("roleName"),
        ]);
        old_names::accept(&Self::SHAPE, &OLD, value)
    }
}

/// `POST roles.addUserToRole` (contract 4.3).
pub async fn assign_role(change: Change<Later<AccessPermissions, 400>, AddUserToRole>) -> Answer {
    let mut by_name = false;
    let assign = async |call: &Call<_, AddUserToRole>| {
        let AddUserToRole { username, role_id, room_id, role_name } = &call.input;
        let named = Named::find(call.services(), role_id.as_deref(), role_name.as_deref()).await?;
        by_name = named.by_name;
        let request = AssignmentRequest { username: username.clone(), role: named.role, room: room_id.clone() };
        call.services().assign_role(&call.caller, request).await.map_err(ApiError::from)
    };
    let answer = change.make(shown, assign).await?;
    Ok(old_names::mark_if(by_name, answer))
}

/// Body of `roles.removeUserFromRole`. The room is called `scope`; `roomId` is accepted and means nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveUserFromRole {
    username: String,
    role_id: Option<String>,
    scope: Option<String>,
    role_name: Option<String>,
}

impl Input for RemoveUserFromRole {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("username"),
        Field::text("roleId"),
        Field::text("roomId").nullable(),
        Field::text("scope").nullable(),
    ]);

    fn accept(value: Value) -> Result<Self, ApiError> {
        const OLD: Shape = Shape::closed(&[
            Field::required_text("username"),
            Field::text("roleId"),
            Field::text("roomId").nullable(),
            Field::text("scope").nullable(),
            Field::text("roleName"),
        ]);
        old_names::accept(&Self::SHAPE, &OLD, value)
    }
}

/// `POST roles.removeUserFromRole` (contract 4.7).
pub async fn unassign_role(change: Change<AccessPermissions, RemoveUserFromRole>) -> Answer {
    let mut by_name = false;
    let unassign = async |call: &Call<_, RemoveUserFromRole>| {
        let RemoveUserFromRole { username, role_id, scope, role_name } = &call.input;
        let named = Named::find(call.services(), role_id.as_deref(), role_name.as_deref()).await?;
        by_name = named.by_name;
        let request = AssignmentRequest { username: username.clone(), role: named.role, room: scope.clone() };
        call.services().unassign_role(&call.caller, request).await.map_err(ApiError::from)
    };
    let answer = change.make(shown, unassign).await?;
    Ok(old_names::mark_if(by_name, answer))
}

/// Parameters of `roles.getUsersInRole`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetUsersInRole {
    role: String,
    room_id: Option<String>,
    count: Option<f64>,
    offset: Option<f64>,
}

impl Input for GetUsersInRole {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("role"),
        Field::text("roomId").nullable(),
        Field::number("count").nullable(),
        Field::number("offset").nullable(),
        Field::text("sort").nullable(),
        Field::text("query").nullable(),
    ]);
    const SOURCE: Source = Source::Query;
}

/// `GET roles.getUsersInRole` (contract 4.8).
pub async fn list_holders(call: Call<AccessPermissions, GetUsersInRole>) -> Answer {
    let GetUsersInRole { role, room_id, count, offset } = &call.input;
    let page = PageRequest { offset: *offset, count: *count };
    let Holders { by_name, listing } =
        call.services().list_holders(&call.caller, role, room_id.as_deref(), page).await?;
    let users = listing.items.iter().map(views::Holder::of).collect();
    Ok(old_names::mark_if(by_name, success(Holding { users, total: listing.total })))
}

/// Answer of `roles.getUsersInRole`.
#[derive(Serialize)]
struct Holding<'a> {
    users: Vec<views::Holder<'a>>,
    total: u64,
}

/// `GET roles.getUsersInPublicRoles` (contract 4.9).
pub async fn list_public_holders(call: Call<AnyUser>) -> Answer {
    let holders = call.services().list_public_holders().await?;
    let users: Vec<_> = holders.iter().map(views::public_holder).collect();
    Ok(success(json!({"users": users})))
}
