//! How rooms look on the wire (contract 10.4 and 6.5): which fields, under which names.

use serde_json::{Map, Value, json};

use super::super::views::Fields;
use crate::domain::room::{Member, Room, RoomKind, Subscription};
use crate::domain::user::User;

/// Fields of a profile that a list of members shows.
const MEMBER_FIELDS: [&str; 7] = ["status", "statusText", "utcOffset", "avatarETag", "nickname", "bio", "federated"];

/// A room.
pub fn room(room: &Room) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", room.id.as_str());
    fields.set("fname", room.display_name.as_str());
    fields.set("customFields", room.custom_fields.clone());
    // A direct room has no name of its own.
    if room.kind != RoomKind::Direct {
        fields.set("name", room.name.as_str());
    }
    fields.set("t", room.kind.as_str());
    for (name, value) in &room.details {
        fields.set(name, value.clone());
    }
    fields.set("usersCount", room.members);
    fields.set_some("u", room.creator.as_ref().map(|creator| json!(creator)));
    fields.set("ro", room.read_only);
    if room.archived {
        fields.set("archived", true);
    }
    fields.set_time("ts", Some(room.created_at));
    fields.set("default", room.is_default);
    fields.set_time("_updatedAt", Some(room.updated_at));
    fields.into_map()
}

/// A subscription, as its member sees it.
pub fn subscription(subscription: &Subscription) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", subscription.id.as_str());
    fields.set("rid", subscription.room.as_str());
    fields.set("t", subscription.kind.as_str());
    fields.set("name", subscription.name.as_str());
    fields.set("fname", subscription.display_name.as_str());
    fields.set("u", json!(subscription.member));
    if !subscription.roles.is_empty() {
        fields.set("roles", json!(subscription.roles));
    }
    fields.set("unread", subscription.unread);
    for (name, value) in &subscription.details {
        fields.set(name, value.clone());
    }
    fields.set_time("ts", Some(subscription.joined_at));
    fields.set_time("_updatedAt", Some(subscription.updated_at));
    fields.into_map()
}

/// Who has which roles in a room (contract 10.3).
pub fn roles_in_room(subscription: &Subscription) -> Value {
    json!({
        "_id": subscription.id,
        "rid": subscription.room,
        "u": subscription.member,
        "roles": subscription.roles,
    })
}

/// Somebody in a room, as the others see him.
pub fn member(user: &User) -> Map<String, Value> {
    let mut fields = Fields::default();
    fields.set("_id", user.id.as_str());
    fields.set_some("username", user.username.as_deref());
    fields.set_some("name", user.name.as_deref());
    fields.copy(&user.profile, |field| MEMBER_FIELDS.contains(&field.name));
    fields.set_time("_updatedAt", user.updated_at);
    fields.into_map()
}

/// As [`member`], and his roles there.
pub fn member_with_roles(of_room: &Member) -> Map<String, Value> {
    let mut fields = member(&of_room.user);
    fields.insert("roles".to_owned(), json!(of_room.roles));
    fields
}
