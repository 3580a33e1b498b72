//! Rooms and subscriptions, as far as roles live in them: making a room, joining, and who owns one.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::holders::RoleList;
use super::query::{Query as _, Tx, json, optional_json, text, time, to_json, unreadable};
use super::{roles, users};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::role::{OWNER, name_key};
use crate::domain::room::{NewRoom, Room, RoomKind, UserSummary};
use crate::domain::user::{Activation, Membership, SoleOwnership, User};
use crate::domain::user_change::{Bequest, Relinquish};
use crate::store::{Conflict, Result, RoomStore, StoreError, Unique};

/// The columns that [`room`] reads, of `rooms`, and what follows them.
macro_rules! select_room {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, kind, creator, is_default, read_only, archived, custom_fields, details, created_at, \
             updated_at, \
             (SELECT COUNT(*) FROM subscriptions WHERE room_id = rooms.id) AS members FROM rooms ",
            $rest
        )
    };
}

pub(super) use select_room;

/// Reads the columns of `select_room!`.
pub(super) fn room(row: &Row<'_>) -> Result<Room> {
    let kind: String = row.get("kind")?;
    let name: String = row.get("name")?;
    Ok(Room {
        id: RoomId::from_stored(row.get::<_, String>("id")?),
        display_name: name.clone(),
        name,
        kind: RoomKind::parse(&kind).ok_or_else(|| unreadable("kind"))?,
        creator: optional_json(row, "creator")?,
        members: row.get::<_, i64>("members")?.unsigned_abs(),
        is_default: row.get("is_default")?,
        read_only: row.get("read_only")?,
        archived: row.get("archived")?,
        custom_fields: json(row, "custom_fields")?,
        details: json(row, "details")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

/// The room with that id.
pub(super) fn find(db: &Connection, id: &RoomId) -> Result<Option<Room>> {
    db.first(select_room!("WHERE id = ?1"), [id.as_str()], room)
}

/// What the name is compared by; `None` for a kind whose names may repeat.
fn unique_key(kind: RoomKind, name: &str) -> Option<String> {
    (kind != RoomKind::Direct).then(|| name_key(name))
}

fn name_is_taken(db: &Connection, kind: RoomKind, name: &str) -> Result<bool> {
    match unique_key(kind, name) {
        Some(key) => db.exists("SELECT 1 FROM rooms WHERE name_key = ?1", [key]),
        None => Ok(false),
    }
}

fn insert(db: &Connection, room: &Room) -> Result<()> {
    db.change(
        "INSERT INTO rooms (id, name, name_key, kind, creator, is_default, read_only, archived, custom_fields, \
         details, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        (
            room.id.as_str(),
            &room.name,
            unique_key(room.kind, &room.name),
            room.kind.as_str(),
            room.creator.as_ref().map(to_json).transpose()?,
            room.is_default,
            room.read_only,
            room.archived,
            to_json(&room.custom_fields)?,
            to_json(&room.details)?,
            room.created_at.as_millis(),
            room.updated_at.as_millis(),
        ),
    )
}

/// Inserts the room unless one with its id or name is there; whether it did.
pub(super) fn insert_absent(db: &Connection, room: &Room) -> Result<bool> {
    let known = db.exists("SELECT 1 FROM rooms WHERE id = ?1", [room.id.as_str()])?;
    if known || name_is_taken(db, room.kind, &room.name)? {
        return Ok(false);
    }
    insert(db, room)?;
    Ok(true)
}

/// Makes somebody a member, without roles, and gives back his list of them.
pub(super) fn subscribe(tx: &Tx<'_>, room: &RoomId, user: &UserId) -> Result<RoleList> {
    let id = tx.ids.object_id();
    tx.db.change(
        "INSERT INTO subscriptions (id, room_id, user_id, unread, joined_at, updated_at) VALUES (?1, ?2, ?3, 0, ?4, ?4)",
        (&id, room.as_str(), user.as_str(), tx.now()),
    )?;
    Ok(RoleList::OfSubscription(id))
}

/// Makes a new account a member of the rooms that new accounts join.
pub(super) fn join_defaults(tx: &Tx<'_>, user: &UserId) -> Result<()> {
    let rooms = tx
        .db
        .all("SELECT id FROM rooms WHERE is_default = 1 ORDER BY seq", (), |row| Ok(RoomId::from_stored(text(row)?)))?;
    for room in rooms {
        subscribe(tx, &room, user)?;
        // The number of members is part of what a room shows.
        tx.db.change("UPDATE rooms SET updated_at = ?2 WHERE id = ?1", (room.as_str(), tx.now()))?;
    }
    Ok(())
}

fn create(tx: &Tx<'_>, new: NewRoom) -> Result<Room> {
    let creator = users::require(tx.db, &new.creator)?;
    if name_is_taken(tx.db, new.kind, &new.name)? {
        return Err(StoreError::AlreadyExists(Unique::RoomName));
    }
    let members = other_members(tx.db, &new)?;
    let joins = !new.exclude_creator;
    let room = new.into_room(summary(&creator), members.len() as u64 + u64::from(joins), tx.by.at);
    insert(tx.db, &room)?;
    if joins {
        let owner = RoleId::from_stored(OWNER);
        roles::require_known(tx.db, [&owner])?;
        subscribe(tx, &room.id, &creator.id)?.add(tx, &owner)?;
    }
    for member in &members {
        subscribe(tx, &room.id, member)?;
    }
    tx.record(Change::RoomCreated {
        room: room.id.clone(),
        name: room.name.clone(),
        owner: joins.then_some(creator.id),
        members: room.members,
    })?;
    Ok(room)
}

/// Those of the named who exist, the creator apart, each once.
fn other_members(db: &Connection, new: &NewRoom) -> Result<Vec<UserId>> {
    let mut seen = HashSet::from([new.creator.clone()]);
    let mut members = Vec::new();
    for username in &new.members {
        let find = "SELECT id FROM users WHERE username = ?1";
        let id = db.first(find, [username], |row| Ok(UserId::from_stored(text(row)?)))?;
        members.extend(id.filter(|id| seen.insert(id.clone())));
    }
    Ok(members)
}

pub(super) fn summary(user: &User) -> UserSummary {
    UserSummary { id: user.id.clone(), username: user.username.clone().unwrap_or_default(), name: user.name.clone() }
}

/// A room with one owner, and the subscription of the one who could take over.
struct SoleRoom {
    id: RoomId,
    name: String,
    is_default: bool,
    successor: Option<RoleList>,
}

/// Direct rooms have no use for owners.
fn sole_rooms(db: &Connection, user: &UserId) -> Result<Vec<SoleRoom>> {
    db.all(
        "SELECT r.id, r.name, r.is_default, (SELECT m.id FROM subscriptions m JOIN users u ON u.id = m.user_id \
         WHERE m.room_id = r.id AND m.user_id <> ?1 AND u.active ORDER BY m.joined_at, m.seq LIMIT 1) AS successor \
         FROM subscriptions s JOIN subscription_roles h ON h.subscription_id = s.id AND h.role_id = ?2 \
         JOIN rooms r ON r.id = s.room_id AND r.kind <> 'd' WHERE s.user_id = ?1 AND NOT EXISTS (SELECT 1 FROM subscriptions o \
         JOIN subscription_roles oh ON oh.subscription_id = o.id AND oh.role_id = ?2 \
         WHERE o.room_id = s.room_id AND o.user_id <> ?1) ORDER BY r.name, r.id",
        [user.as_str(), OWNER],
        |row| {
            Ok(SoleRoom {
                id: RoomId::from_stored(row.get::<_, String>("id")?),
                name: row.get("name")?,
                is_default: row.get("is_default")?,
                successor: row.get::<_, Option<String>>("successor")?.map(RoleList::OfSubscription),
            })
        },
    )
}

/// Sees to it that no room is left with a deactivated owner alone; gives back the rooms with a new owner.
///
/// # Errors
/// `Conflict(SoleOwner)` unless the account relinquishes.
pub(super) fn settle_ownership(tx: &Tx<'_>, user: &UserId, activation: Activation) -> Result<Vec<RoomId>> {
    let rooms = sole_rooms(tx.db, user)?;
    if activation != Activation::DeactivateAndRelinquish {
        return refuse_sole_ownership(rooms).map(|()| Vec::new());
    }
    let owner = RoleId::from_stored(OWNER);
    let mut relinquished = Vec::new();
    for room in rooms {
        if let Some(successor) = room.successor {
            successor.add(tx, &owner)?;
            relinquished.push(room.id);
        }
    }
    Ok(relinquished)
}

/// Finds an owner for each room that an account is about to leave without one, and says which rooms go instead.
///
/// # Errors
/// `Conflict(SoleOwner)` unless it is confirmed.
pub(super) fn hand_over(tx: &Tx<'_>, user: &UserId, relinquish: Relinquish) -> Result<Bequest> {
    let rooms = sole_rooms(tx.db, user)?;
    if relinquish == Relinquish::Refuse {
        return refuse_sole_ownership(rooms).map(|()| Bequest::default());
    }
    let (owner, mut bequest) = (RoleId::from_stored(OWNER), Bequest::default());
    for room in rooms {
        match room.successor {
            Some(successor) => {
                successor.add(tx, &owner)?;
                bequest.relinquished.push(room.id);
            }
            // New accounts join it; it does not go with one of them.
            None if room.is_default => {}
            None => bequest.deleted.push(room.id),
        }
    }
    Ok(bequest)
}

fn refuse_sole_ownership(rooms: Vec<SoleRoom>) -> Result<()> {
    let mut ownership = SoleOwnership::default();
    for room in rooms {
        // Members who are deactivated themselves cannot take over: to the caller the room is as good as empty.
        let names = if room.successor.is_some() { &mut ownership.shared } else { &mut ownership.alone };
        names.push(room.name);
    }
    if ownership.is_empty() { Ok(()) } else { Err(Conflict::SoleOwner(ownership).into()) }
}

/// The rooms an account is a member of, sorted by the room's name.
pub(super) fn memberships(db: &Connection, user: &UserId) -> Result<Vec<Membership>> {
    db.all(
        "SELECT s.id, s.room_id, r.name, r.kind, s.unread, (SELECT json_group_array(role_id ORDER BY position) \
         FROM subscription_roles WHERE subscription_id = s.id) AS roles \
         FROM subscriptions s JOIN rooms r ON r.id = s.room_id WHERE s.user_id = ?1 ORDER BY r.name, r.id",
        [user.as_str()],
        |row| {
            Ok(Membership {
                subscription_id: row.get("id")?,
                room: RoomId::from_stored(row.get::<_, String>("room_id")?),
                name: row.get("name")?,
                kind: row.get("kind")?,
                roles: json(row, "roles")?,
                unread: row.get("unread")?,
            })
        },
    )
}

#[async_trait]
impl RoomStore for SqliteStore {
    async fn find_room(&self, id: &RoomId) -> Result<Option<Room>> {
        let id = id.clone();
        self.read(move |db| find(db, &id)).await
    }

    async fn find_room_by_name(&self, name: &str) -> Result<Option<Room>> {
        let key = name_key(name);
        self.read(move |db| db.first(select_room!("WHERE name_key = ?1"), [key], room)).await
    }

    async fn find_room_roles(&self, room: &RoomId, user: &UserId) -> Result<Option<Vec<RoleId>>> {
        let (room, user) = (room.clone(), user.clone());
        self.read(move |db| RoleList::in_room(db, &room, &user)?.map(|list| list.roles(db)).transpose()).await
    }

    async fn create_room(&self, room: NewRoom, by: &AuditContext) -> Result<Room> {
        self.write(by, move |tx| create(tx, room)).await
    }
}
