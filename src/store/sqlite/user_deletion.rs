//! Deleting an account with everything that is its own. Whatever goes is copied to the trash first; what belongs to it
//! (addresses, roles, tokens, places in rooms and organizations) goes with it by the references of the schema.

use serde_json::{Value, json};

use super::query::{Query as _, Tx, text};
use super::{activation, members, rooms, users};
use crate::domain::audit::Change;
use crate::domain::ids::{RoomId, UserId};
use crate::domain::user::User;
use crate::domain::user_change::{Bequest, Relinquish};
use crate::store::Result;

/// What the trash calls the collections.
const USERS: &str = "users";
const SUBSCRIPTIONS: &str = "subscription";
const ROOMS: &str = "room";

pub(super) fn delete(tx: &Tx<'_>, id: &UserId, relinquish: Relinquish) -> Result<Vec<RoomId>> {
    let user = users::require(tx.db, id)?;
    if user.active {
        activation::require_dispensable(tx.db, &user)?;
    }
    let Bequest { relinquished, deleted } = rooms::hand_over(tx, id, relinquish)?;
    for room in deleted.iter().chain(&pairs(tx, id)?) {
        remove_room(tx, room)?;
    }
    leave_rooms(tx, &user)?;
    members::leave_all(tx, id)?;
    tx.trash(USERS, id.as_str(), &document(&user))?;
    tx.db.change("DELETE FROM users WHERE id = ?1", [id.as_str()])?;
    tx.record(Change::UserDeleted {
        user: id.clone(),
        username: user.username.clone(),
        roles: user.roles().to_vec(),
        relinquished,
        deleted_rooms: deleted.clone(),
    })?;
    Ok(deleted)
}

/// Direct rooms with at most one other member.
fn pairs(tx: &Tx<'_>, id: &UserId) -> Result<Vec<RoomId>> {
    tx.db.all(
        "SELECT r.id FROM subscriptions s JOIN rooms r ON r.id = s.room_id WHERE s.user_id = ?1 AND r.kind = 'd' \
         AND NOT EXISTS (SELECT 1 FROM subscriptions m WHERE m.room_id = r.id LIMIT 1 OFFSET 2)",
        [id.as_str()],
        |row| Ok(RoomId::from_stored(text(row)?)),
    )
}

fn remove_room(tx: &Tx<'_>, id: &RoomId) -> Result<()> {
    trash_subscriptions(
        tx,
        "SELECT id, room_id, user_id, joined_at FROM subscriptions WHERE room_id = ?1",
        id.as_str(),
    )?;
    if let Some(room) = rooms::find(tx.db, id)? {
        let document = json!({
            "_id": room.id,
            "name": room.name,
            "t": room.kind,
            "u": room.creator,
            "ts": room.created_at,
            "_updatedAt": room.updated_at,
        });
        tx.trash(ROOMS, id.as_str(), &document)?;
    }
    tx.db.change("DELETE FROM rooms WHERE id = ?1", [id.as_str()])
}

/// The number of members is part of what a room shows.
fn leave_rooms(tx: &Tx<'_>, user: &User) -> Result<()> {
    let id = user.id.as_str();
    trash_subscriptions(tx, "SELECT id, room_id, user_id, joined_at FROM subscriptions WHERE user_id = ?1", id)?;
    tx.db.change(
        "UPDATE rooms SET updated_at = ?2 WHERE id IN (SELECT room_id FROM subscriptions WHERE user_id = ?1)",
        (id, tx.now()),
    )
}

fn trash_subscriptions(tx: &Tx<'_>, select: &str, key: &str) -> Result<()> {
    let found = tx.db.all(select, [key], |row| {
        let id: String = row.get("id")?;
        let document = json!({
            "_id": id,
            "rid": row.get::<_, String>("room_id")?,
            "u": {"_id": row.get::<_, String>("user_id")?},
        });
        Ok((id, document))
    })?;
    found.iter().try_for_each(|(id, document)| tx.trash(SUBSCRIPTIONS, id, document))
}

/// The account as it was, without anything secret.
fn document(user: &User) -> Value {
    let mut document = json!({
        "_id": user.id,
        "username": user.username,
        "name": user.name,
        "type": user.kind,
        "active": user.active,
        "roles": user.roles,
        "emails": user.emails,
        "createdAt": user.created_at,
        "lastLogin": user.last_login,
        "_updatedAt": user.updated_at,
    });
    if let Value::Object(fields) = &mut document {
        fields.extend(user.profile.clone());
    }
    document
}
