//! Changes of rooms and of who is a member of one. Making a room, and reading one, is in `rooms`; there is one writer, so
//! that what is decided here cannot be out of date when it is written.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, Row};
use serde_json::json;

use super::SqliteStore;
use super::holders::RoleList;
use super::query::{Query as _, Tx, text};
use super::{rooms, users};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoomId, UserId};
use crate::domain::role::{OWNER, caseless_key, name_key};
use crate::domain::room::{Room, RoomKind};
use crate::domain::room_change::{Archival, Departure, Invited, Ties, may_depart};
use crate::store::{Conflict, JoinCode, Noun, Result, RoomChangeStore, StoreError, Unique};

/// What the trash calls rooms.
const ROOMS: &str = "room";
/// What the trash calls subscriptions.
const SUBSCRIPTIONS: &str = "subscription";

/// The channel or group with that id.
fn require(db: &Connection, id: &RoomId) -> Result<Room> {
    let found = rooms::find(db, id)?.filter(|room| room.kind != RoomKind::Direct);
    found.ok_or(StoreError::NotFound(Noun::Room))
}

/// As [`require`], and not archived.
fn require_open(db: &Connection, id: &RoomId) -> Result<Room> {
    let room = require(db, id)?;
    if room.archived { Err(Conflict::RoomArchived.into()) } else { Ok(room) }
}

fn find_invited(db: &Connection, invited: &Invited) -> Result<Vec<UserId>> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut keep = |id: Option<UserId>| found.extend(id.filter(|id| seen.insert(id.clone())));
    match invited {
        Invited::Ids(ids) => {
            for id in ids {
                keep(db.first("SELECT id FROM users WHERE id = ?1", [id.as_str()], user_id)?);
            }
        }
        Invited::Usernames(names) => {
            for name in names {
                // Two names that differ only in case cannot both be here.
                keep(db.first("SELECT id FROM users WHERE username_key = ?1", [caseless_key(name)], user_id)?);
            }
        }
    }
    Ok(found)
}

fn user_id(row: &Row<'_>) -> Result<UserId> {
    Ok(UserId::from_stored(text(row)?))
}

fn add_members(tx: &Tx<'_>, id: &RoomId, named: &[UserId]) -> Result<Room> {
    require_open(tx.db, id)?;
    for user in named {
        users::require_present(tx.db, user)?;
    }
    let mut added = Vec::new();
    for user in named {
        if RoleList::in_room(tx.db, id, user)?.is_none() {
            rooms::subscribe(tx, id, user)?;
            added.push(user.clone());
        }
    }
    if !added.is_empty() {
        touch(tx, id)?;
        tx.record(Change::MembersAdded { room: id.clone(), users: added })?;
    }
    require(tx.db, id)
}

fn remove_member(tx: &Tx<'_>, id: &RoomId, user: &UserId, departure: Departure) -> Result<Room> {
    require_open(tx.db, id)?;
    let roles = RoleList::in_room(tx.db, id, user)?.ok_or(Conflict::NotInRoom)?.roles(tx.db)?;
    let owns = roles.iter().any(|role| role.as_str() == OWNER);
    may_depart(owns, owns && others_own(tx.db, id, user)?)?;
    trash_subscriptions(tx, id, Some(user))?;
    // Its roles go with it: see the schema.
    tx.db.change("DELETE FROM subscriptions WHERE room_id = ?1 AND user_id = ?2", [id.as_str(), user.as_str()])?;
    touch(tx, id)?;
    tx.record(Change::MemberRemoved { room: id.clone(), user: user.clone(), departure, roles })?;
    require(tx.db, id)
}

fn others_own(db: &Connection, room: &RoomId, user: &UserId) -> Result<bool> {
    db.exists(
        "SELECT 1 FROM subscriptions s JOIN subscription_roles h ON h.subscription_id = s.id AND h.role_id = ?3 \
         WHERE s.room_id = ?1 AND s.user_id <> ?2",
        [room.as_str(), user.as_str(), OWNER],
    )
}

/// Copies the subscription of one member, or those of all, to the trash.
fn trash_subscriptions(tx: &Tx<'_>, room: &RoomId, user: Option<&UserId>) -> Result<()> {
    tx.db.change(
        "INSERT INTO trash (collection, id, document, deleted_at) \
         SELECT ?1, s.id, json_object('_id', s.id, 'rid', s.room_id, 't', r.kind, 'name', r.name, 'fname', r.name, \
         'u', json_object('_id', u.id, 'username', u.username, 'name', u.name), 'roles', \
         (SELECT json_group_array(role_id ORDER BY position) FROM subscription_roles WHERE subscription_id = s.id), \
         'unread', s.unread, 'ts', s.joined_at), ?2 \
         FROM subscriptions s JOIN rooms r ON r.id = s.room_id JOIN users u ON u.id = s.user_id \
         WHERE s.room_id = ?3 AND (?4 IS NULL OR s.user_id = ?4)",
        (SUBSCRIPTIONS, tx.now(), room.as_str(), user.map(UserId::as_str)),
    )
}

fn delete(tx: &Tx<'_>, id: &RoomId) -> Result<()> {
    let room = require(tx.db, id)?;
    Ties { is_default: room.is_default, ..Ties::default() }.deletable()?;
    trash_subscriptions(tx, id, None)?;
    tx.trash(ROOMS, id.as_str(), &trashed(&room))?;
    // Memberships and their roles go with it: see the schema.
    tx.db.change("DELETE FROM rooms WHERE id = ?1", [id.as_str()])?;
    tx.record(Change::RoomDeleted { room: room.id, name: room.name, kind: room.kind, members: room.members })
}

fn trashed(room: &Room) -> serde_json::Value {
    json!({
        "_id": room.id,
        "name": room.name,
        "t": room.kind,
        "u": room.creator,
        "usersCount": room.members,
        "ro": room.read_only,
        "archived": room.archived,
        "customFields": room.custom_fields,
        "ts": room.created_at,
        "_updatedAt": room.updated_at,
    })
}

fn set_archived(tx: &Tx<'_>, id: &RoomId, archival: Archival) -> Result<Room> {
    let room = require(tx.db, id)?;
    let archived = archival == Archival::Archived;
    if room.archived == archived {
        return Ok(room);
    }
    tx.db.change("UPDATE rooms SET archived = ?2 WHERE id = ?1", (id.as_str(), archived))?;
    touch_all(tx, id)?;
    let room = id.clone();
    tx.record(if archived { Change::RoomArchived { room } } else { Change::RoomUnarchived { room } })?;
    require(tx.db, id)
}

fn rename(tx: &Tx<'_>, id: &RoomId, name: &str) -> Result<Room> {
    let room = require_open(tx.db, id)?;
    if room.name == name {
        return Ok(room);
    }
    let key = name_key(name);
    if tx.db.exists("SELECT 1 FROM rooms WHERE name_key = ?1 AND id <> ?2", [key.as_str(), id.as_str()])? {
        return Err(StoreError::AlreadyExists(Unique::RoomName));
    }
    tx.db.change("UPDATE rooms SET name = ?2, name_key = ?3 WHERE id = ?1", [id.as_str(), name, key.as_str()])?;
    touch_all(tx, id)?;
    tx.record(Change::RoomRenamed { room: id.clone(), before: room.name, after: name.to_owned() })?;
    require(tx.db, id)
}

fn set_kind(tx: &Tx<'_>, id: &RoomId, kind: RoomKind) -> Result<Room> {
    let room = require_open(tx.db, id)?;
    if room.kind == kind {
        return Ok(room);
    }
    let is_default = room.is_default && kind == RoomKind::Channel;
    tx.db.change(
        "UPDATE rooms SET kind = ?2, is_default = ?3 WHERE id = ?1",
        (id.as_str(), kind.as_str(), is_default),
    )?;
    touch_all(tx, id)?;
    tx.record(Change::RoomKindChanged { room: id.clone(), before: room.kind, after: kind })?;
    require(tx.db, id)
}

/// Marks a room as changed.
fn touch(tx: &Tx<'_>, room: &RoomId) -> Result<()> {
    tx.db.change("UPDATE rooms SET updated_at = ?2 WHERE id = ?1", (room.as_str(), tx.now()))
}

/// Marks a room and what each member has of it as changed.
fn touch_all(tx: &Tx<'_>, room: &RoomId) -> Result<()> {
    touch(tx, room)?;
    tx.db.change("UPDATE subscriptions SET updated_at = ?2 WHERE room_id = ?1", (room.as_str(), tx.now()))
}

#[async_trait]
impl RoomChangeStore for SqliteStore {
    async fn check_join_code(&self, room: &RoomId, code: &str) -> Result<JoinCode> {
        let (room, code) = (room.clone(), code.to_owned());
        self.read(move |db| {
            let find = "SELECT join_code FROM rooms WHERE id = ?1 AND join_code IS NOT NULL";
            Ok(match db.first(find, [room.as_str()], text)? {
                None => JoinCode::NotAsked,
                Some(expected) if expected == code => JoinCode::Right,
                Some(_) => JoinCode::Wrong,
            })
        })
        .await
    }

    async fn find_invited(&self, invited: &Invited) -> Result<Vec<UserId>> {
        let invited = invited.clone();
        self.read(move |db| find_invited(db, &invited)).await
    }

    async fn add_members(&self, room: &RoomId, users: &[UserId], by: &AuditContext) -> Result<Room> {
        let (room, users) = (room.clone(), users.to_vec());
        self.write(by, move |tx| add_members(tx, &room, &users)).await
    }

    async fn remove_member(
        &self,
        room: &RoomId,
        user: &UserId,
        departure: Departure,
        by: &AuditContext,
    ) -> Result<Room> {
        let (room, user) = (room.clone(), user.clone());
        self.write(by, move |tx| remove_member(tx, &room, &user, departure)).await
    }

    async fn delete_room(&self, room: &RoomId, by: &AuditContext) -> Result<()> {
        let room = room.clone();
        self.write(by, move |tx| delete(tx, &room)).await
    }

    async fn set_room_archived(&self, room: &RoomId, archival: Archival, by: &AuditContext) -> Result<Room> {
        let room = room.clone();
        self.write(by, move |tx| set_archived(tx, &room, archival)).await
    }

    async fn rename_room(&self, room: &RoomId, name: &str, by: &AuditContext) -> Result<Room> {
        let (room, name) = (room.clone(), name.to_owned());
        self.write(by, move |tx| rename(tx, &room, &name)).await
    }

    async fn set_room_kind(&self, room: &RoomId, kind: RoomKind, by: &AuditContext) -> Result<Room> {
        let room = room.clone();
        self.write(by, move |tx| set_kind(tx, &room, kind)).await
    }
}
