//! How accounts, rooms and memberships look on the wire: which fields of them a caller gets, under which names, in which
//! order. What the caller may see is decided in `service`; nothing secret can be here, because it is not in the types.

use serde_json::{Map, Value, json};

use crate::domain::preferences::merged_preferences;
use crate::domain::room::Room;
use crate::domain::time::Timestamp;
use crate::domain::user::{EmailAddress, Membership, User};
use crate::service::roles::PublicHolder;
use crate::service::users::{UserView, Visibility};

/// Fields of a profile that its owner sees in `me` (contract 2.1); `settings` is put together by itself.
const OWN: [&str; 20] = [
    "nickname",
    "status",
    "statusDefault",
    "statusText",
    "statusConnection",
    "bio",
    "avatarOrigin",
    "utcOffset",
    "language",
    "enableAutoAway",
    "idleTimeLimit",
    "defaultRoom",
    "customFields",
    "requirePasswordChange",
    "requirePasswordChangeReason",
    "statusLivechat",
    "banners",
    "avatarETag",
    "openBusinessHours",
    "abacAttributes",
];

/// Fields of a profile that everybody sees (contract 9.3).
const PUBLIC: [&str; 11] = [
    "nickname",
    "status",
    "utcOffset",
    "bio",
    "reason",
    "statusText",
    "avatarETag",
    "extension",
    "federated",
    "statusLivechat",
    "freeSwitchExtension",
];

/// Fields of a profile that administrators and the account itself see besides.
const FULL: [&str; 6] =
    ["phone", "statusConnection", "requirePasswordChange", "requirePasswordChangeReason", "importIds", "customFields"];

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    fn set_time(&mut self, name: &str, time: Option<Timestamp>) {
        self.set_some(name, time.map(|time| time.to_string()));
    }

    fn copy(&mut self, profile: &Map<String, Value>, names: &[&str]) {
        for name in names {
            self.set_some(name, profile.get(*name).cloned());
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
    fields.copy(&user.profile, &OWN);
    fields.set("services", services(user));
    let verified = user.emails.iter().find(|email| email.verified);
    fields.set_some("email", verified.map(|email| email.address.as_str()));
    fields.set("settings", settings(user.profile.get("settings")));
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

fn settings(own: Option<&Value>) -> Value {
    let part = |name: &str| own.and_then(|own| own.get(name)).cloned().unwrap_or_else(|| json!({}));
    let preferences = merged_preferences(own.and_then(|own| own.get("preferences")));
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
    let mut fields = Fields::default();
    fields.set("_id", user.id.as_str());
    fields.set_some("username", user.username.as_deref());
    fields.set("type", user.kind.as_str());
    fields.set("active", user.active);
    fields.set_some("name", user.name.as_deref());
    fields.copy(&user.profile, &PUBLIC);
    if view.visibility >= Visibility::Full {
        fields.set_time("createdAt", user.created_at);
        fields.set("emails", emails(&user.emails));
        fields.set_time("lastLogin", user.last_login);
        fields.set("roles", roles(user));
        fields.copy(&user.profile, &FULL);
    }
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

/// A holder of a role, as `roles.getUsersInRole` shows him (contract 4.8).
pub fn holder(user: &User) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", user.id.as_str());
    fields.set_time("createdAt", user.created_at);
    fields.set_some("username", user.username.as_deref());
    fields.set("emails", emails(&user.emails));
    fields.set_time("_updatedAt", user.updated_at);
    fields.set_some("name", user.name.as_deref());
    fields.copy(&user.profile, &["avatarETag"]);
    fields.0
}

/// A holder of public roles, as `roles.getUsersInPublicRoles` shows him to everybody (contract 4.9).
pub fn public_holder(holder: &PublicHolder) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", holder.user.id.as_str());
    fields.set_some("username", holder.user.username.as_deref());
    fields.set("roles", holder.roles.iter().map(|role| role.as_str()).collect::<Value>());
    fields.0
}

/// A channel (contract 10.4).
pub fn channel(room: &Room) -> Value {
    let mut fields = Fields::default();
    fields.set("_id", room.id.as_str());
    fields.set("fname", room.name.as_str());
    fields.set("customFields", room.custom_fields.clone());
    fields.set("name", room.name.as_str());
    fields.set("t", room.kind.as_str());
    fields.set("msgs", 0);
    fields.set("usersCount", room.members);
    fields.set_some("u", room.creator.as_ref().map(|creator| json!(creator)));
    fields.set("broadcast", false);
    fields.set("encrypted", false);
    fields.set("ro", room.read_only);
    fields.set("sysMes", true);
    fields.set_time("ts", Some(room.created_at));
    fields.set("default", room.is_default);
    fields.set_time("_updatedAt", Some(room.updated_at));
    Value::Object(fields.0)
}
