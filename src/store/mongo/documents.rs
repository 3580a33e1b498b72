//! Rocket.Chat's documents and the domain's types, both ways. Documents of an existing workspace may be older than any
//! rule: a field that is missing or odd takes its default, and only an `_id` that is not a text is an error.
//!
//! What may be read of an account is decided here too, by [`user_projection`]. Those of rooms and their members are in
//! `room_documents`.

use mongodb::bson::{Bson, Document, doc};

use super::values::{bson, bson_fields, date, flag, id, json, json_fields, text, texts, time};
use crate::domain::ids::{PermissionId, RoleId, UserId};
use crate::domain::permission::{Permission, TrashedPermission};
use crate::domain::profile::{PROFILE, is_profile_field};
use crate::domain::role::{Role, RoleScope, TrashedRole};
use crate::domain::setting::{Kind, Setting, Visibility};
use crate::domain::time::Timestamp;
use crate::domain::token::{Fingerprint, NewPersonalToken, PersonalToken, Remembered, Token, TokenHash, TokenKind};
use crate::domain::user::{EmailAddress, KIND_USER, NewUser, SecondFactors, User};
use crate::store::Result;

pub(super) use super::room_documents::{
    gone, membership, room, room_document, subscription, subscription_document, subscription_roles,
};

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
/// `type` of tokens that their owners make for programs.
pub(super) const PERSONAL: &str = "personalAccessToken";
/// Computed by the server in place of the password's hash; never stored.
const HAS_PASSWORD: &str = "hasPassword";
/// Computed by the server in place of the list of tokens; never stored.
const MATCHING_TOKEN: &str = "matchingToken";

/// Role ids of a list.
pub(super) fn role_ids(document: &Document, field: &str) -> Option<Vec<RoleId>> {
    texts(document, field).map(|ids| ids.into_iter().map(RoleId::from_stored).collect())
}

/// `_updatedAt`, the beginning of time when it is missing.
pub(super) fn updated_at(document: &Document) -> Timestamp {
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

/// `_deletedAt`, the beginning of time when it is missing.
pub(super) fn deleted_at(document: &Document) -> Timestamp {
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
    let mut projection: Document = TYPED
        .into_iter()
        .chain(PROFILE.iter().map(|field| field.name))
        .map(|name| (name.to_owned(), Bson::Int32(1)))
        .collect();
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
    let reduced = doc! { "$map": { "input": matching, "in": {
        "when": "$$this.when",
        "type": "$$this.type",
        "bypassTwoFactor": "$$this.bypassTwoFactor",
        "twoFactorAuthorizedHash": "$$this.twoFactorAuthorizedHash",
        "twoFactorAuthorizedUntil": "$$this.twoFactorAuthorizedUntil",
    } } };
    projection.insert(MATCHING_TOKEN, reduced);
    projection
}

/// An account read with [`user_projection`].
pub(super) fn user(document: &Document) -> Result<User> {
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
        profile: PROFILE
            .iter()
            .filter_map(|field| Some((field.name.to_owned(), json(document.get(field.name)?))))
            .collect(),
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
        Ok(PERSONAL) => TokenKind::Personal { bypass_second_factor: flag(stored, "bypassTwoFactor") },
        _ => TokenKind::Session { issued_at: time(stored, "when") },
    };
    let client = text(stored, "twoFactorAuthorizedHash").map(Fingerprint::from_stored);
    let shown = client.zip(time(stored, "twoFactorAuthorizedUntil"));
    let second_factor = shown.map(|(client, until)| Remembered { client, until });
    Some(Token { hash: hash.clone(), kind, second_factor })
}

/// A new personal token's document (contract 2.2).
pub(super) fn personal_token_document(token: &NewPersonalToken, at: Timestamp) -> Document {
    doc! {
        "hashedToken": token.hash.expose(),
        "type": PERSONAL,
        "createdAt": date(at),
        "lastTokenPart": &token.last_part,
        "name": &token.name,
        "bypassTwoFactor": token.bypass_second_factor,
    }
}

/// A personal token as its owner sees it; `None` when it has no name or is a session's.
pub(super) fn personal_token(document: &Document) -> Option<PersonalToken> {
    if document.get_str("type").ok() != Some(PERSONAL) {
        return None;
    }
    Some(PersonalToken {
        name: text(document, "name")?,
        created_at: time(document, "createdAt"),
        last_part: text(document, "lastTokenPart").unwrap_or_default(),
        bypass_second_factor: flag(document, "bypassTwoFactor"),
    })
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
    let profile = bson_fields(&user.profile).into_iter().filter(|(field, _)| is_profile_field(field));
    document.extend(profile);
    document
}

/// What a setting's document has besides its value when it is stored for the first time (contract 6.7): all that
/// Rocket.Chat needs to show it in its administration.
pub(super) fn new_setting_document(setting: &Setting, at: Timestamp) -> Document {
    let mut document = doc! {
        "packageValue": bson(&setting.default_value()),
        "valueSource": "packageValue",
        "type": setting.type_name(),
        "group": setting.group,
        "public": setting.visibility == Visibility::Public,
        "hidden": setting.visibility == Visibility::Hidden,
        "blocked": false,
        "secret": setting.is_secret(),
        "sorter": count(setting.place() as u64),
        "i18nLabel": setting.id,
        "i18nDescription": format!("{}_Description", setting.id),
        "env": false,
        "enterprise": false,
        "requiredOnWizard": false,
        "ts": date(at),
        "createdAt": date(at),
    };
    if let Some(section) = setting.section {
        document.insert("section", section);
    }
    if let Kind::Choice { values, .. } = setting.kind {
        let options = values.iter().map(|value| doc! { "key": *value, "i18nLabel": *value });
        document.insert("values", options.collect::<Vec<_>>());
    }
    document
}

/// A count in the type that Rocket.Chat's driver writes.
pub(super) fn count(number: u64) -> Bson {
    i32::try_from(number).map_or_else(|_| Bson::Int64(i64::try_from(number).unwrap_or(i64::MAX)), Bson::Int32)
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
