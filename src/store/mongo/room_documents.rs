//! As `documents`, for rooms and subscriptions. What may be read of them is decided here, by the lists of their fields: codes
//! to join by and keys to read what was written are not among them.

use mongodb::bson::{Document, doc};
use serde_json::{Map, Value};

use super::documents::{count, deleted_at, role_ids, updated_at};
use super::values::{bson_fields, date, flag, id, json, json_fields, number, text, time};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::room::{Gone, Room, RoomKind, Subscription, UserSummary};
use crate::domain::time::Timestamp;
use crate::domain::user::Membership;
use crate::store::Result;

/// Fields of a room that the API sends and that have no type of their own.
const ROOM_DETAILS: [&str; 27] = [
    "msgs",
    "lm",
    "lastMessage",
    "topic",
    "announcement",
    "announcementDetails",
    "description",
    "broadcast",
    "encrypted",
    "sysMes",
    "joinCodeRequired",
    "reactWhenReadOnly",
    "featured",
    "favorite",
    "muted",
    "unmuted",
    "uids",
    "usernames",
    "avatarETag",
    "avatarOrigin",
    "prid",
    "teamId",
    "teamMain",
    "teamDefault",
    "retention",
    "autoTranslateLanguage",
    "federated",
];
/// Fields of a subscription that the API sends to its member and that have no type of their own.
const SUBSCRIPTION_DETAILS: [&str; 33] = [
    "open",
    "alert",
    "userMentions",
    "groupMentions",
    "ls",
    "lr",
    "f",
    "archived",
    "broadcast",
    "blocked",
    "blocker",
    "prid",
    "teamId",
    "teamMain",
    "tunread",
    "tunreadUser",
    "tunreadGroup",
    "hideUnreadStatus",
    "hideMentionStatus",
    "muteGroupMentions",
    "disableNotifications",
    "audioNotificationValue",
    "desktopNotifications",
    "mobilePushNotifications",
    "emailNotifications",
    "desktopPrefOrigin",
    "mobilePrefOrigin",
    "emailPrefOrigin",
    "unreadAlert",
    "ignored",
    "autoTranslate",
    "autoTranslateLanguage",
    "customFields",
];

/// Those of the fields that a document has, in wire form.
fn fields(document: &Document, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), json(document.get(name)?)))).collect()
}

/// A room; `None` when it is of a kind that has no roles.
pub(super) fn room(document: &Document) -> Result<Option<Room>> {
    let id = id(document, "room")?;
    let Some(kind) = document.get_str("t").ok().and_then(RoomKind::parse) else {
        return Ok(None);
    };
    let name = text(document, "name").or_else(|| text(document, "fname")).unwrap_or_else(|| id.to_owned());
    Ok(Some(Room {
        id: RoomId::from_stored(id),
        display_name: text(document, "fname").unwrap_or_else(|| name.clone()),
        name,
        kind,
        creator: document.get_document("u").ok().and_then(user_summary),
        members: number(document, "usersCount").and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
        is_default: flag(document, "default"),
        read_only: flag(document, "ro"),
        archived: flag(document, "archived"),
        custom_fields: document.get_document("customFields").map(json_fields).unwrap_or_default(),
        details: fields(document, &ROOM_DETAILS),
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
    let mut document = doc! { "_id": room.id.as_str(), "fname": &room.display_name };
    // Only channels and groups have names of their own; `name` is unique over all rooms.
    if room.kind != RoomKind::Direct {
        document.insert("name", &room.name);
    }
    document.extend(doc! {
        "t": room.kind.as_str(),
        "usersCount": count(room.members),
    });
    if let Some(creator) = &room.creator {
        document.insert("u", summary_document(creator));
    }
    document.extend(doc! {
        "customFields": bson_fields(&room.custom_fields),
        "ro": room.read_only,
        "ts": date(room.created_at),
        "default": room.is_default,
        "_updatedAt": date(room.updated_at),
    });
    let details = bson_fields(&room.details).into_iter().filter(|(field, _)| ROOM_DETAILS.contains(&field.as_str()));
    document.extend(details);
    // Rocket.Chat asks only whether it is `true`, and has it on no other room.
    if room.archived {
        document.insert("archived", true);
    }
    document
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
        "fname": &room.display_name,
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

/// A whole subscription.
pub(super) fn subscription(document: &Document) -> Result<Subscription> {
    let Membership { subscription_id, room, name, kind, roles, unread } = membership(document)?;
    let member = document.get_document("u").ok().and_then(user_summary);
    let mut details = fields(document, &SUBSCRIPTION_DETAILS);
    // What was archived and is not any more is as if it never was, like what came after it.
    details.retain(|name, value| name != "archived" || *value != Value::Bool(false));
    Ok(Subscription {
        id: subscription_id,
        room,
        kind,
        display_name: text(document, "fname").unwrap_or_else(|| name.clone()),
        name,
        member: member.unwrap_or_else(|| UserSummary {
            id: UserId::from_stored(""),
            username: String::new(),
            name: None,
        }),
        roles,
        unread,
        details,
        joined_at: time(document, "ts").unwrap_or(Timestamp::EPOCH),
        updated_at: updated_at(document),
    })
}

/// What is left of a document in the trash.
pub(super) fn gone(document: &Document) -> Result<Gone> {
    Ok(Gone { id: id(document, "trashed document")?.to_owned(), deleted_at: deleted_at(document) })
}

/// The roles of a subscription.
pub(super) fn subscription_roles(document: &Document) -> Vec<RoleId> {
    role_ids(document, "roles").unwrap_or_default()
}
