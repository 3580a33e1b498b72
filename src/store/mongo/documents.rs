//! Rocket.Chat's documents and the domain's types, both ways. Documents of an existing workspace may be older than any
//! rule: a field that is missing or odd takes its default, and only an `_id` that is not a text is an error.
//!
//! What may be read of an account is decided here too, by [`user_projection`].

use mongodb::bson::{Bson, Document, doc};
use serde_json::{Map, Value};

use super::values::{bson_fields, date, flag, id, json, json_fields, number, text, texts, time};
use crate::domain::ids::{PermissionId, RoleId, RoomId, UserId};
use crate::domain::permission::{Permission, TrashedPermission};
use crate::domain::role::{Role, RoleScope, TrashedRole};
use crate::domain::room::{Room, RoomKind, UserSummary};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenHash, TokenKind};
use crate::domain::user::{EmailAddress, KIND_USER, Membership, NewUser, SecondFactors, User};
use crate::store::Result;

/// Fields of an account that the API sends and that have no type of their own (contract 2.1).
const PROFILE: [&str; 27] = [
    "nickname",
    "status",
    "statusDefault",
    "statusText",
    "statusConnection",
    "bio",
    "avatarOrigin",
    "utcOffset",
    "language",
    "settings",
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
    "phone",
    "importIds",
    "federated",
    "freeSwitchExtension",
    "reason",
    "extension",
];
/// Fields of an account that [`user`] reads by name.
const TYPED: [&str; 12] = [
    "_id",
    "username",
    "name",
    "type",
    "active",
    "roles",
    "emails",
    "createdAt",
    "_updatedAt",
    "lastLogin",
    "services.totp.enabled",
    "services.email2fa.enabled",
];
/// Computed by the server in place of the password's hash; never stored.
const HAS_PASSWORD: &str = "hasPassword";
/// Computed by the server in place of the list of tokens; never stored.
const MATCHING_TOKEN: &str = "matchingToken";

/// Role ids of a list.
fn role_ids(document: &Document, field: &str) -> Option<Vec<RoleId>> {
    texts(document, field).map(|ids| ids.into_iter().map(RoleId::from_stored).collect())
}

/// `_updatedAt`, the beginning of time when it is missing.
fn updated_at(document: &Document) -> Timestamp {
    time(document, "_updatedAt").unwrap_or(Timestamp::EPOCH)
}

/// A role from `rocketchat_roles` or the trash.
pub(super) fn role(document: &Document) -> Result<Role> {
    let id = id(document, "role")?;
    Ok(Role {
        id: RoleId::from_stored(id),
        name: text(document, "name").unwrap_or_else(|| id.to_owned()),
        scope: document.get_str("scope").ok().and_then(RoleScope::parse).unwrap_or(RoleScope::Users),
        description: text(document, "description").unwrap_or_default(),
        protected: flag(document, "protected"),
        mandatory2fa: document.get_bool("mandatory2fa").ok(),
        updated_at: updated_at(document),
    })
}

/// A new role's document.
pub(super) fn role_document(role: &Role) -> Document {
    let mut document = doc! {
        "_id": role.id.as_str(),
        "name": &role.name,
        "scope": role.scope.as_str(),
        "description": &role.description,
        "protected": role.protected,
    };
    if let Some(mandatory2fa) = role.mandatory2fa {
        document.insert("mandatory2fa", mandatory2fa);
    }
    document.insert("_updatedAt", date(role.updated_at));
    document
}

/// A role from the trash.
pub(super) fn trashed_role(document: &Document) -> Result<TrashedRole> {
    Ok(TrashedRole { role: role(document)?, deleted_at: deleted_at(document) })
}

/// A permission from the trash.
pub(super) fn trashed_permission(document: &Document) -> Result<TrashedPermission> {
    let id = PermissionId::from_stored(id(document, "trashed permission")?);
    Ok(TrashedPermission { id, deleted_at: deleted_at(document) })
}

fn deleted_at(document: &Document) -> Timestamp {
    time(document, "_deletedAt").unwrap_or(Timestamp::EPOCH)
}

/// A document's copy for the trash: as it was, and when and whence it went (contract 6.1).
pub(super) fn trashed(mut document: Document, collection: &str, at: Timestamp) -> Document {
    document.insert("_deletedAt", date(at));
    document.insert("__collection__", collection);
    document
}

/// A permission from `rocketchat_permissions`.
pub(super) fn permission(document: &Document) -> Result<Permission> {
    let mut setting = json_fields(document);
    for typed in ["_id", "roles", "_updatedAt"] {
        setting.shift_remove(typed);
    }
    Ok(Permission {
        id: PermissionId::from_stored(id(document, "permission")?),
        roles: role_ids(document, "roles").unwrap_or_default(),
        updated_at: updated_at(document),
        setting,
    })
}

/// A new permission's document.
pub(super) fn permission_document(permission: &Permission) -> Document {
    let mut document = doc! {
        "_id": permission.id.as_str(),
        "roles": permission.roles.iter().map(RoleId::as_str).collect::<Vec<_>>(),
        "_updatedAt": date(permission.updated_at),
    };
    document.extend(bson_fields(&permission.setting));
    document
}

/// What is read of an account: nothing secret. Of the password only whether there is one leaves the server.
pub(super) fn user_projection() -> Document {
    let mut projection: Document =
        TYPED.iter().chain(&PROFILE).map(|field| ((*field).to_owned(), Bson::Int32(1))).collect();
    projection.insert(HAS_PASSWORD, doc! { "$eq": [{ "$type": "$services.password.bcrypt" }, "string"] });
    projection
}

/// As [`user_projection`], and of all tokens the one with that hash, without the hash.
pub(super) fn token_projection(hash: &TokenHash) -> Document {
    let tokens = "$services.resume.loginTokens";
    let matching = doc! { "$filter": {
        "input": { "$cond": [{ "$isArray": tokens }, tokens, []] },
        "cond": { "$eq": ["$$this.hashedToken", { "$literal": hash.expose() }] },
    } };
    let mut projection = user_projection();
    let reduced = doc! { "$map": { "input": matching, "in": { "when": "$$this.when", "type": "$$this.type" } } };
    projection.insert(MATCHING_TOKEN, reduced);
    projection
}

/// An account read with [`user_projection`].
pub(super) fn user(document: &Document) -> Result<User> {
    let profile: Map<String, Value> =
        PROFILE.iter().filter_map(|field| Some(((*field).to_owned(), json(document.get(field)?)))).collect();
    Ok(User {
        id: UserId::from_stored(id(document, "user")?),
        username: text(document, "username"),
        name: text(document, "name"),
        kind: text(document, "type").unwrap_or_else(|| KIND_USER.to_owned()),
        active: flag(document, "active"),
        roles: role_ids(document, "roles"),
        emails: emails(document),
        created_at: time(document, "createdAt"),
        updated_at: time(document, "_updatedAt"),
        last_login: time(document, "lastLogin"),
        has_password: flag(document, HAS_PASSWORD),
        second_factors: SecondFactors {
            totp: second_factor(document, "totp"),
            email: second_factor(document, "email2fa"),
        },
        profile,
    })
}

fn emails(document: &Document) -> Vec<EmailAddress> {
    let Ok(list) = document.get_array("emails") else {
        return Vec::new();
    };
    let read =
        |email: &Document| Some(EmailAddress { address: text(email, "address")?, verified: flag(email, "verified") });
    list.iter().filter_map(Bson::as_document).filter_map(read).collect()
}

fn second_factor(document: &Document, name: &str) -> Option<bool> {
    document.get_document("services").ok()?.get_document(name).ok()?.get_bool("enabled").ok()
}

/// The token of an account read with [`token_projection`].
pub(super) fn token(document: &Document, hash: &TokenHash) -> Option<Token> {
    let stored = document.get_array(MATCHING_TOKEN).ok()?.first()?.as_document()?;
    let kind = match stored.get_str("type") {
        Ok("personalAccessToken") => TokenKind::Personal,
        _ => TokenKind::Session { issued_at: time(stored, "when") },
    };
    Some(Token { hash: hash.clone(), kind })
}

/// A new account's document (contract 6.4).
pub(super) fn user_document(user: &NewUser, at: Timestamp) -> Document {
    let mut document = doc! {
        "_id": user.id.as_str(),
        "createdAt": date(at),
        "username": &user.username,
        "name": &user.name,
        "type": KIND_USER,
        "active": user.active,
        "roles": user.roles.iter().map(RoleId::as_str).collect::<Vec<_>>(),
        "_updatedAt": date(at),
    };
    // An empty list would count as an address of its own in a unique index.
    if !user.emails.is_empty() {
        let emails = user.emails.iter().map(|email| doc! { "address": &email.address, "verified": email.verified });
        document.insert("emails", emails.collect::<Vec<_>>());
    }
    let services = match &user.password {
        Some(password) => doc! { "password": { "bcrypt": password.expose() } },
        None => Document::new(),
    };
    document.insert("services", services);
    let profile = bson_fields(&user.profile).into_iter().filter(|(field, _)| PROFILE.contains(&field.as_str()));
    document.extend(profile);
    document
}

/// A room; `None` when it is of a kind that has no roles.
pub(super) fn room(document: &Document) -> Result<Option<Room>> {
    let id = id(document, "room")?;
    let Some(kind) = document.get_str("t").ok().and_then(RoomKind::parse) else {
        return Ok(None);
    };
    Ok(Some(Room {
        id: RoomId::from_stored(id),
        name: text(document, "name").or_else(|| text(document, "fname")).unwrap_or_else(|| id.to_owned()),
        kind,
        creator: document.get_document("u").ok().and_then(user_summary),
        members: number(document, "usersCount").and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
        is_default: flag(document, "default"),
        read_only: flag(document, "ro"),
        custom_fields: document.get_document("customFields").map(json_fields).unwrap_or_default(),
        created_at: time(document, "ts").unwrap_or(Timestamp::EPOCH),
        updated_at: updated_at(document),
    }))
}

fn user_summary(document: &Document) -> Option<UserSummary> {
    Some(UserSummary {
        id: UserId::from_stored(text(document, "_id")?),
        username: text(document, "username").unwrap_or_default(),
        name: text(document, "name"),
    })
}

/// A new room's document (contract 10.4).
pub(super) fn room_document(room: &Room) -> Document {
    let mut document = doc! { "_id": room.id.as_str(), "fname": &room.name };
    // Only channels and groups have names of their own; `name` is unique over all rooms.
    if room.kind != RoomKind::Direct {
        document.insert("name", &room.name);
    }
    document.extend(doc! {
        "t": room.kind.as_str(),
        "msgs": 0,
        "usersCount": count(room.members),
    });
    if let Some(creator) = &room.creator {
        document.insert("u", summary_document(creator));
    }
    document.extend(doc! {
        "customFields": bson_fields(&room.custom_fields),
        "broadcast": false,
        "encrypted": false,
        "ro": room.read_only,
        "sysMes": true,
        "ts": date(room.created_at),
        "default": room.is_default,
        "_updatedAt": date(room.updated_at),
    });
    document
}

/// A count in the type that Rocket.Chat's driver writes.
pub(super) fn count(number: u64) -> Bson {
    i32::try_from(number).map_or_else(|_| Bson::Int64(i64::try_from(number).unwrap_or(i64::MAX)), Bson::Int32)
}

fn summary_document(user: &UserSummary) -> Document {
    let mut document = doc! { "_id": user.id.as_str(), "username": &user.username };
    if let Some(name) = &user.name {
        document.insert("name", name);
    }
    document
}

/// A new member's subscription (contract 6.5).
pub(super) fn subscription_document(
    subscription_id: String,
    room: &Room,
    member: &UserSummary,
    roles: &[&str],
    at: Timestamp,
) -> Document {
    let mut document = doc! {
        "_id": subscription_id,
        "rid": room.id.as_str(),
        "t": room.kind.as_str(),
        "name": &room.name,
        "fname": &room.name,
        "u": summary_document(member),
        "open": true,
        "alert": false,
        "unread": 0,
        "userMentions": 0,
        "groupMentions": 0,
        "ts": date(at),
        "ls": date(at),
        "_updatedAt": date(at),
    };
    if !roles.is_empty() {
        document.insert("roles", roles);
    }
    document
}

/// A subscription as its member's place in a room.
pub(super) fn membership(document: &Document) -> Result<Membership> {
    let subscription_id = id(document, "subscription")?.to_owned();
    let room = text(document, "rid").unwrap_or_default();
    Ok(Membership {
        subscription_id,
        name: text(document, "name").or_else(|| text(document, "fname")).unwrap_or_else(|| room.clone()),
        room: RoomId::from_stored(room),
        kind: text(document, "t").unwrap_or_default(),
        roles: subscription_roles(document),
        unread: number(document, "unread").unwrap_or_default(),
    })
}

/// The roles of a subscription.
pub(super) fn subscription_roles(document: &Document) -> Vec<RoleId> {
    role_ids(document, "roles").unwrap_or_default()
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
