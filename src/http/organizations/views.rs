//! How organizations, roles, members and entries of the record look on this surface, and the answers that show them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::body::Window;
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::organization::{CountedRole, MemberAccount, Organization, RoleAssignment};
use crate::domain::receipt::KeptAnswer;
use crate::domain::system_role::SystemRole;
use crate::domain::user::User;
use crate::service::organizations::members::EffectivePermissions;
use crate::service::organizations::{Listing, outer_user_id};

/// What of a username is written as it is in an address.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The `ETag` of a thing of that revision.
pub fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// An answer with a body.
pub fn answer(status: u16, body: &Value) -> KeptAnswer {
    let content_type = Some("application/json".to_owned());
    KeptAnswer { status, etag: None, content_type, body: body.to_string() }
}

/// 204, empty.
pub fn gone() -> KeptAnswer {
    KeptAnswer { status: 204, etag: None, content_type: None, body: String::new() }
}

/// An answer that shows an organization.
pub fn organization_answer(status: u16, shown: &Organization) -> KeptAnswer {
    KeptAnswer { etag: Some(etag(shown.revision)), ..answer(status, &organization(shown)) }
}

/// An answer that shows a role.
pub fn role_answer(status: u16, shown: &CountedRole) -> KeptAnswer {
    KeptAnswer { etag: Some(etag(shown.role.revision)), ..answer(status, &role(shown)) }
}

/// An organization.
pub fn organization(shown: &Organization) -> Value {
    json!({
        "id": shown.id,
        "name": shown.name,
        "created_at": shown.created_at,
        "updated_at": shown.updated_at,
    })
}

/// A role. What this server has nothing of is there and empty, because clients read it.
pub fn role(shown: &CountedRole) -> Value {
    let role = &shown.role;
    let system = SystemRole::find(&role.id);
    json!({
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "permissions": {},
        "is_base_role": system.is_some_and(|system| system.base),
        "is_custom": system.is_none(),
        "is_system_role": system.is_some(),
        "capabilities": role.capabilities,
        "member_count": shown.members,
        "knowledge_slice_ids": [],
        "organization_id": role.organization,
        "created_at": role.created_at,
        "updated_at": role.updated_at,
    })
}

/// A role given to a member.
pub fn assignment(given: &RoleAssignment) -> Value {
    json!({
        "id": given.id,
        "user_id": outer_user_id(&given.user),
        "role_id": given.role,
        "organization_id": given.organization,
        "assigned_at": given.assigned_at,
    })
}

/// A holder of a role.
pub fn holder(shown: &MemberAccount, site: &str) -> Value {
    Value::Object(person(shown, site))
}

/// A member with his roles.
pub fn member(shown: &MemberAccount, site: &str) -> Value {
    let mut fields = Map::new();
    fields.insert("id".to_owned(), shown.member.id.as_str().into());
    fields.extend(person(shown, site));
    let username = shown.account.as_ref().and_then(|user| user.username.as_deref());
    fields.insert("username".to_owned(), username.into());
    let roles: Vec<_> = shown.member.roles.iter().map(|held| held.role.as_str()).collect();
    fields.insert("role_ids".to_owned(), roles.into());
    fields.insert("organization_id".to_owned(), shown.member.organization.as_str().into());
    fields.insert("joined_at".to_owned(), json!(shown.member.joined_at));
    Value::Object(fields)
}

fn person(shown: &MemberAccount, site: &str) -> Map<String, Value> {
    let account = shown.account.as_ref();
    let state = match account {
        Some(user) if user.active => "active",
        Some(_) => "deactivated",
        None => "deleted",
    };
    let username = account.and_then(|user| user.username.as_deref());
    let avatar = username.map(|name| format!("{site}/avatar/{}", utf8_percent_encode(name, PLAIN)));
    let mut fields = Map::new();
    fields.insert("user_id".to_owned(), outer_user_id(&shown.member.user).into());
    fields.insert("full_name".to_owned(), account.and_then(|user| user.name.as_deref()).into());
    fields.insert("email".to_owned(), account.and_then(first_address).into());
    fields.insert("account_state".to_owned(), state.into());
    fields.insert("avatar_url".to_owned(), avatar.into());
    fields
}

fn first_address(user: &User) -> Option<&str> {
    user.emails.first().map(|email| email.address.as_str())
}

/// What a member may do.
pub fn effective(shown: &EffectivePermissions) -> Value {
    let member = &shown.standing.member;
    let roles: Vec<_> = member.roles.iter().map(|held| held.role.as_str()).collect();
    json!({
        "user_id": outer_user_id(&member.user),
        "capabilities": shown.standing.capabilities.effective(),
        // There are no departments here to confine anybody to.
        "department_scope": null,
        "role_ids": roles,
        "resolved_at": shown.resolved_at,
    })
}

/// A part of a list under that name.
pub fn page<T>(name: &str, listing: &Listing<T>, window: Window, show: impl Fn(&T) -> Value) -> Value {
    let items: Vec<_> = listing.items.iter().map(show).collect();
    let has_more = window.has_more(items.len(), listing.total);
    json!({name: items, "total": listing.total, "has_more": has_more})
}

/// An entry of the record.
pub fn entry(entry: &AuditEntry) -> Value {
    let change = change_of(entry);
    let part = |name: &str| change.get(name).cloned().unwrap_or(Value::Null);
    let user = change.get("user").and_then(Value::as_str).map(|id| format!("usr_{id}"));
    let (actor_id, actor_name) = actor(entry);
    json!({
        "id": entry.id,
        "action": part("action"),
        "actor_id": actor_id,
        "actor_name": actor_name,
        "user_id": user,
        "role_id": part("role"),
        "details": details_of(&change),
        "reason": entry.context.reason,
        "request_id": entry.context.request_id,
        "address": entry.context.address,
        "created_at": entry.context.at,
    })
}

/// The change of an entry as it is stored.
pub fn change_of(entry: &AuditEntry) -> Map<String, Value> {
    match serde_json::to_value(&entry.change) {
        Ok(Value::Object(change)) => change,
        // Only a map with keys that are no texts could fail; no change has one.
        _ => Map::new(),
    }
}

/// What is particular to a change.
pub fn details_of(change: &Map<String, Value>) -> Map<String, Value> {
    let common = ["action", "organization", "user", "role"];
    let own = change.iter().filter(|(name, _)| !common.contains(&name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Who made a change: id and name; neither when it was the server itself.
pub fn actor(entry: &AuditEntry) -> (Option<String>, Option<&str>) {
    match &entry.context.actor {
        Actor::User { id, username } => (Some(outer_user_id(id)), Some(username)),
        Actor::System => (None, None),
    }
}
