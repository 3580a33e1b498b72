//! How accounts, rooms and memberships look on the wire: which fields of them a caller gets, under which names, in which
//! order. What the caller may see is decided in `service`; nothing secret can be here, because it is not in the types.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::ids::UserId;
use crate::domain::preferences::merged_preferences;
use crate::domain::profile::{Audience, PROFILE, ProfileField, SETTINGS, own_preferences};
use crate::domain::time::Timestamp;
use crate::domain::user::{EmailAddress, Membership, User};
use crate::service::roles::PublicHolder;
use crate::service::users::{UserView, Visibility};

/// An object in the making.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    pub(super) fn set_time(&mut self, name: &str, time: Option<Timestamp>) {
        self.set_some(name, time.map(|time| time.to_string()));
    }

    /// Those fields of the profile that are meant.
    pub(super) fn copy(&mut self, profile: &Map<String, Value>, meant: impl Fn(&ProfileField) -> bool) {
        for field in PROFILE.iter().filter(|field| meant(field)) {
            self.set_some(field.name, profile.get(field.name).cloned());
        }
    }
}

fn emails(emails: &[EmailAddress]) -> Value {
    emails.iter().map(|email| json!({"address": email.address, "verified": email.verified})).collect()
}

fn roles(user: &User) -> Value {
    user.roles().iter().map(|role| role.as_str()).collect()
}

/// The caller's own account, as `me` and `login` show it (contract 2.7). `site` has no slash at its end.
pub fn own_account(user: &User, site: &str) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", user.id.as_str());
    fields.set_some("name", user.name.as_deref());
    fields.set("emails", emails(&user.emails));
    fields.set_some("username", user.username.as_deref());
    fields.set("roles", roles(user));
    fields.set("active", user.active);
    fields.set_time("_updatedAt", user.updated_at);
    fields.copy(&user.profile, |field| field.in_me);
    fields.set("services", services(user));
    let verified = user.emails.iter().find(|email| email.verified);
    fields.set_some("email", verified.map(|email| email.address.as_str()));
    fields.set("settings", settings(user));
    if let Some(username) = &user.username {
        fields.set("avatarUrl", format!("{site}/avatar/{username}"));
    }
    fields.set("isOAuthUser", false);
    fields.0
}

/// What exists of passwords and second factors, never what they are.
fn services(user: &User) -> Value {
    let mut fields = Fields::default();
    fields.set_some("email2fa", user.second_factors.email.map(|enabled| json!({"enabled": enabled})));
    fields.set_some("totp", user.second_factors.totp.map(|enabled| json!({"enabled": enabled})));
    fields.set("password", json!({"exists": user.has_password}));
    Value::Object(fields.0)
}

fn settings(user: &User) -> Value {
    let own = user.profile.get(SETTINGS);
    let part = |name: &str| own.and_then(|own| own.get(name)).cloned().unwrap_or_else(|| json!({}));
    let preferences = merged_preferences(own_preferences(&user.profile));
    json!({"profile": part("profile"), "preferences": preferences, "calendar": part("calendar")})
}

/// A new account, as `users.create` shows it to the administrator who made it (contract 9.1).
pub fn created_account(user: &User) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", user.id.as_str());
    fields.set_time("createdAt", user.created_at);
    fields.set_some("username", user.username.as_deref());
    fields.set("emails", emails(&user.emails));
    fields.set("type", user.kind.as_str());
    fields.set("active", user.active);
    fields.set_time("_updatedAt", user.updated_at);
    fields.set("roles", roles(user));
    fields.set_some("name", user.name.as_deref());
    for (name, value) in &user.profile {
        fields.set(name, value.clone());
    }
    fields.0
}

/// An account as `users.info` shows it, with what the caller may see (contract 9.3).
pub fn viewed_account(view: &UserView) -> Map<String, Value> {
    let user = &view.user;
    let mut fields = seen_account(user, view.visibility);
    if view.visibility == Visibility::Own {
        let mut services = services(user);
        services["password"] = user.has_password.into();
        fields.set("services", services);
    }
    if let Some(memberships) = &view.memberships {
        fields.set("rooms", memberships.iter().map(membership).collect::<Value>());
    }
    fields.set("canViewAllInfo", view.visibility >= Visibility::Full);
    fields.0
}

fn seen_account(user: &User, visibility: Visibility) -> Fields {
    // Room for all of them: growing from field to field costs more than the fields.
    let mut fields = Fields(Map::with_capacity(16 + user.profile.len()));
    fields.set("_id", user.id.as_str());
    fields.set_some("username", user.username.as_deref());
    fields.set("type", user.kind.as_str());
    fields.set("active", user.active);
    fields.set_some("name", user.name.as_deref());
    fields.copy(&user.profile, |field| field.audience == Audience::Everybody);
    if visibility >= Visibility::Full {
        fields.set_time("createdAt", user.created_at);
        fields.set("emails", emails(&user.emails));
        fields.set_time("lastLogin", user.last_login);
        fields.set("roles", roles(user));
        fields.copy(&user.profile, |field| field.audience == Audience::Full);
    }
    fields
}

/// An account in `users.list`: as much of others as the caller may see, his own in full (contract 9.4).
pub fn listed_account(user: &User, own: &UserId, others: Visibility) -> Map<String, Value> {
    let visibility = if user.id == *own { Visibility::Full } else { others };
    let mut fields = seen_account(user, visibility);
    fields.set_some("nameInsensitive", user.name.as_ref().map(|name| name.to_lowercase()));
    fields.0
}

/// Somebody whom `users.autocomplete` suggests.
pub fn suggested_account(user: &User) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", user.id.as_str());
    fields.set_some("username", user.username.as_deref());
    fields.set_some("name", user.name.as_deref());
    for name in ["nickname", "status", "statusText", "avatarETag"] {
        fields.set_some(name, user.profile.get(name).cloned());
    }
    fields.0
}

fn membership(membership: &Membership) -> Value {
    json!({
        "_id": membership.subscription_id,
        "rid": membership.room,
        "name": membership.name,
        "t": membership.kind,
        "roles": membership.roles,
        "unread": membership.unread,
    })
}

/// A holder of a role, as `roles.getUsersInRole` shows him (contract 4.8). Written straight into the answer, without a map
/// in between: pages of them are long.
#[derive(Serialize)]
pub struct Holder<'a> {
    #[serde(rename = "_id")]
    id: &'a UserId,
    #[serde(rename = "createdAt", skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    emails: &'a [EmailAddress],
    #[serde(rename = "_updatedAt", skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(rename = "avatarETag", skip_serializing_if = "Option::is_none")]
    avatar_etag: Option<&'a Value>,
}

impl<'a> Holder<'a> {
    /// Of that account.
    pub fn of(user: &'a User) -> Self {
        Self {
            id: &user.id,
            created_at: user.created_at,
            username: user.username.as_deref(),
            emails: &user.emails,
            updated_at: user.updated_at,
            name: user.name.as_deref(),
            avatar_etag: user.profile.get("avatarETag"),
        }
    }
}

/// A holder of public roles, as `roles.getUsersInPublicRoles` shows him to everybody (contract 4.9).
pub fn public_holder(holder: &PublicHolder) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", holder.user.id.as_str());
    fields.set_some("username", holder.user.username.as_deref());
    fields.set("roles", holder.roles.iter().map(|role| role.as_str()).collect::<Value>());
    fields.0
}
