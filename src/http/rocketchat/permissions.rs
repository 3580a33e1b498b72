//! `permissions.*` (contract 5).

use serde::Deserialize;
use serde_json::json;

use super::shape::{Field, Shape, Source};
use crate::domain::ids::{PermissionId, RoleId};
use crate::domain::permission::{Grant, Permission};
use crate::domain::rights::Rights;
use crate::http::answer::{Answer, success};
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::requirement::{AccessPermissions, AnyUser};

/// Parameters of `permissions.listAll`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAllPermissions {
    updated_since: Option<String>,
}

impl Input for ListAllPermissions {
    const SHAPE: Shape = Shape::closed(&[Field::text("updatedSince").nullable()]);
    const SOURCE: Source = Source::Query;
}

/// `GET permissions.listAll` (contract 5.1).
pub async fn list_permissions(call: Call<AnyUser, ListAllPermissions>) -> Answer {
    let Some(since) = call.input.updated_since.as_deref().filter(|text| !text.is_empty()) else {
        let rights = call.services().rights().await?;
        let all = |rights: &Rights| json!({"update": rights.permissions(), "remove": []});
        return call.kept().permissions.answer(rights, call.known(), all);
    };
    let changes = call.services().permissions_changed_since(since).await?;
    Ok(success(json!({"update": changes.updated, "remove": changes.removed})))
}

/// Body of `permissions.update`.
#[derive(Deserialize)]
pub struct UpdatePermissions {
    permissions: Vec<PermissionRoles>,
}

#[derive(Deserialize)]
struct PermissionRoles {
    #[serde(rename = "_id")]
    id: String,
    roles: Vec<String>,
}

const PERMISSION_ROLES: Shape = Shape::closed(&[Field::required_text("_id"), Field::unique_texts("roles").required()]);

impl Input for UpdatePermissions {
    const SHAPE: Shape = Shape::closed(&[Field::list("permissions", &PERMISSION_ROLES).required()]);
}

/// `POST permissions.update` (contract 5.2).
pub async fn update_permissions(change: Change<AccessPermissions, UpdatePermissions>) -> Answer {
    let shown = |permissions: &Vec<Permission>| json!({"permissions": permissions});
    let update = async |call: &Call<_, UpdatePermissions>| {
        let grants = call.input.permissions.iter().map(grant).collect();
        call.services().update_permissions(&call.caller, grants).await
    };
    change.make(shown, update).await
}

/// Body of `permissions.addRole` and `permissions.removeRole`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionAndRole {
    permission_id: String,
    role: String,
}

impl Input for PermissionAndRole {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("permissionId"), Field::required_text("role")]);
}

/// `POST permissions.addRole` (contract 5.3).
pub async fn grant_permission(change: Change<AccessPermissions, PermissionAndRole>) -> Answer {
    let grant = async |call: &Call<_, PermissionAndRole>| {
        let PermissionAndRole { permission_id, role } = &call.input;
        call.services().grant_permission(&call.caller, permission_id, role).await
    };
    change.done(grant).await
}

/// `POST permissions.removeRole` (contract 5.3).
pub async fn revoke_permission(change: Change<AccessPermissions, PermissionAndRole>) -> Answer {
    let revoke = async |call: &Call<_, PermissionAndRole>| {
        let PermissionAndRole { permission_id, role } = &call.input;
        call.services().revoke_permission(&call.caller, permission_id, role).await
    };
    change.done(revoke).await
}

/// The ids need no check of their own: one that does not exist is refused by name, whatever it looks like.
fn grant(entry: &PermissionRoles) -> Grant {
    Grant {
        permission: PermissionId::from_stored(entry.id.as_str()),
        roles: entry.roles.iter().map(|role| RoleId::from_stored(role.as_str())).collect(),
    }
}
