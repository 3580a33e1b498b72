//! Rooms and their members, as lists, and taking a role from a member. One room, and making one, is in `rooms`.

use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::holders::RoleList;
use super::query::{Query as _, Tx, bounded, json, time, to_json};
use super::roles;
use super::rooms::{room, select_room};
use super::users::{self, select_user, user};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::role::{OWNER, caseless_key};
use crate::domain::room::{
    Gone, Member, MemberFilter, MemberOrder, RANKS, Room, RoomOrder, RoomSelection, RoomSortKey, Subscription,
    UserSummary, new_subscription_details,
};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{Changes, Conflict, Listing, Page, Result, RoomMemberStore, StoreError};

/// The columns that [`subscription`] reads, of `subscriptions s`, and what follows them.
macro_rules! select_subscription {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.room_id, s.unread, s.joined_at, s.updated_at, r.kind, r.name AS room_name, r.archived, \
             u.id AS user_id, u.username, u.name, \
             (SELECT json_group_array(role_id ORDER BY position) FROM subscription_roles WHERE subscription_id = s.id) \
             AS roles FROM subscriptions s JOIN rooms r ON r.id = s.room_id JOIN users u ON u.id = s.user_id ",
            $rest
        )
    };
}

fn subscription(row: &Row<'_>) -> Result<Subscription> {
    let name: String = row.get("room_name")?;
    let joined_at = time(row, "joined_at")?;
    let mut details = new_subscription_details(joined_at);
    if row.get("archived")? {
        // Its members do not see an archived room.
        details.insert("open".to_owned(), false.into());
        details.insert("archived".to_owned(), true.into());
    }
    Ok(Subscription {
        id: row.get("id")?,
        room: RoomId::from_stored(row.get::<_, String>("room_id")?),
        kind: row.get("kind")?,
        display_name: name.clone(),
        name,
        member: UserSummary {
            id: UserId::from_stored(row.get::<_, String>("user_id")?),
            username: row.get::<_, Option<String>>("username")?.unwrap_or_default(),
            name: row.get("name")?,
        },
        roles: json(row, "roles")?,
        unread: row.get("unread")?,
        details,
        joined_at,
        updated_at: time(row, "updated_at")?,
    })
}

fn gone(row: &Row<'_>) -> Result<Gone> {
    Ok(Gone { id: row.get("id")?, deleted_at: time(row, "deleted_at")? })
}

fn list_rooms(db: &Connection, rooms: &RoomSelection, order: RoomOrder, page: Page) -> Result<Listing<Room>> {
    let (kind, member) = (rooms.kind.as_str(), rooms.member.as_ref().map(UserId::as_str));
    let total = match member {
        None => db.count("SELECT COUNT(*) FROM rooms WHERE kind = ?1", [kind])?,
        Some(member) => db.count(
            "SELECT COUNT(*) FROM subscriptions s CROSS JOIN rooms r ON r.id = s.room_id WHERE r.kind = ?1 AND s.user_id = ?2",
            [kind, member],
        )?,
    };
    // Each order is a statement of its own, so that an index gives it. Those of one member are few: they are found by his
    // subscriptions, for which the plus sign and the cross join are there, and sorted.
    let select = match (member, order.by, order.descending) {
        (None, RoomSortKey::Name, false) => {
            select_room!("WHERE kind = ?1 AND ?2 IS NULL ORDER BY name, id LIMIT ?3 OFFSET ?4")
        }
        (None, RoomSortKey::Name, true) => {
            select_room!("WHERE kind = ?1 AND ?2 IS NULL ORDER BY name DESC, id DESC LIMIT ?3 OFFSET ?4")
        }
        (None, RoomSortKey::CreatedAt, false) => {
            select_room!("WHERE kind = ?1 AND ?2 IS NULL ORDER BY created_at, id LIMIT ?3 OFFSET ?4")
        }
        (None, RoomSortKey::CreatedAt, true) => {
            select_room!("WHERE kind = ?1 AND ?2 IS NULL ORDER BY created_at DESC, id DESC LIMIT ?3 OFFSET ?4")
        }
        (Some(_), RoomSortKey::Name, false) => select_room!(
            "WHERE +kind = ?1 AND id IN (SELECT room_id FROM subscriptions WHERE user_id = ?2) \
             ORDER BY name, id LIMIT ?3 OFFSET ?4"
        ),
        (Some(_), RoomSortKey::Name, true) => select_room!(
            "WHERE +kind = ?1 AND id IN (SELECT room_id FROM subscriptions WHERE user_id = ?2) \
             ORDER BY name DESC, id DESC LIMIT ?3 OFFSET ?4"
        ),
        (Some(_), RoomSortKey::CreatedAt, false) => select_room!(
            "WHERE +kind = ?1 AND id IN (SELECT room_id FROM subscriptions WHERE user_id = ?2) \
             ORDER BY created_at, id LIMIT ?3 OFFSET ?4"
        ),
        (Some(_), RoomSortKey::CreatedAt, true) => select_room!(
            "WHERE +kind = ?1 AND id IN (SELECT room_id FROM subscriptions WHERE user_id = ?2) \
             ORDER BY created_at DESC, id DESC LIMIT ?3 OFFSET ?4"
        ),
    };
    let (limit, offset) = (page.count.map_or(-1, bounded), bounded(page.offset));
    Ok(Listing { items: db.all(select, (kind, member, limit, offset), room)?, total })
}

fn rooms_of(db: &Connection, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Room, Gone>> {
    let updated = db.all(
        select_room!(
            "WHERE id IN (SELECT room_id FROM subscriptions WHERE user_id = ?1) AND updated_at > ?2 ORDER BY id"
        ),
        (user.as_str(), since.map_or(i64::MIN, Timestamp::as_millis)),
        room,
    )?;
    let Some(since) = since else { return Ok(Changes { updated, removed: Vec::new() }) };
    // A subscription of a room that is gone went with the room or before it.
    let removed = db.all(
        "SELECT id, deleted_at, MAX(seq) FROM trash INDEXED BY trash_room \
         WHERE collection = 'room' AND deleted_at > ?2 AND id IN \
         (SELECT json_extract(document, '$.rid') FROM trash INDEXED BY trash_member WHERE collection = 'subscription' \
         AND json_extract(document, '$.u._id') = ?1) GROUP BY id ORDER BY deleted_at, id",
        (user.as_str(), since.as_millis()),
        gone,
    )?;
    Ok(Changes { updated, removed })
}

fn subscriptions_of(db: &Connection, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Subscription, Gone>> {
    let updated = db.all(
        select_subscription!("WHERE s.user_id = ?1 AND s.updated_at > ?2 ORDER BY s.id"),
        (user.as_str(), since.map_or(i64::MIN, Timestamp::as_millis)),
        subscription,
    )?;
    let Some(since) = since else { return Ok(Changes { updated, removed: Vec::new() }) };
    let removed = db.all(
        "SELECT id, deleted_at, MAX(seq) FROM trash INDEXED BY trash_member WHERE collection = 'subscription' \
         AND json_extract(document, '$.u._id') = ?1 AND deleted_at > ?2 GROUP BY id ORDER BY deleted_at, id",
        (user.as_str(), since.as_millis()),
        gone,
    )?;
    Ok(Changes { updated, removed })
}

/// The columns that [`place`] reads, of `subscriptions s` and `users u`, and what follows them.
macro_rules! select_place {
    ($rest:literal) => {
        concat!(
            "SELECT u.id, (SELECT json_group_array(role_id ORDER BY position) FROM subscription_roles \
             WHERE subscription_id = s.id) AS roles, u.username, u.name, json_extract(u.profile, '$.status') AS status \
             FROM subscriptions s JOIN users u ON u.id = s.user_id WHERE s.room_id = ?1 ",
            $rest
        )
    };
}

/// Somebody's place in a room: his id and his roles there.
fn place(row: &Row<'_>) -> Result<(String, Vec<RoleId>)> {
    Ok((row.get("id")?, json(row, "roles")?))
}

/// Ends a statement of [`select_place`] by the order of ranks; the roles are the second parameter, as JSON.
macro_rules! by_rank {
    ($rest:literal) => {
        concat!(
            "ORDER BY (SELECT MIN(rank.key) FROM json_each(?2) rank JOIN subscription_roles h \
             ON h.subscription_id = s.id AND h.role_id = rank.value) NULLS LAST, u.username, u.id ",
            $rest
        )
    };
}

fn list_members(
    db: &Connection,
    id: &RoomId,
    filter: &MemberFilter,
    order: MemberOrder,
    page: Page,
) -> Result<Listing<Member>> {
    let (limit, offset) = (page.count.map_or(-1, bounded), bounded(page.offset));
    let (places, total) = if *filter == MemberFilter::default() {
        let total = db.count("SELECT COUNT(*) FROM subscriptions WHERE room_id = ?1", [id.as_str()])?;
        let select = match order {
            MemberOrder::Username => select_place!("AND ?2 <> '' ORDER BY u.username, u.id LIMIT ?3 OFFSET ?4"),
            MemberOrder::Rank => concat!(select_place!(""), by_rank!("LIMIT ?3 OFFSET ?4")),
        };
        (db.all(select, (id.as_str(), to_json(&RANKS)?, limit, offset), place)?, total)
    } else {
        let matching = matching_places(db, id, filter, order)?;
        let total = matching.len() as u64;
        let as_usize = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let window = matching.into_iter().skip(as_usize(page.offset));
        (window.take(page.count.map_or(usize::MAX, as_usize)).collect(), total)
    };
    Ok(Listing { items: members_at(db, places)?, total })
}

/// The accounts that belong to places, in their order.
fn members_at(db: &Connection, places: Vec<(String, Vec<RoleId>)>) -> Result<Vec<Member>> {
    let ids: Vec<&str> = places.iter().map(|(id, _)| id.as_str()).collect();
    let select = select_user!("WHERE u.id IN (SELECT value FROM json_each(?1))");
    let accounts = db.all(select, [to_json(&ids)?], user)?;
    let mut accounts: HashMap<String, User> =
        accounts.into_iter().map(|user| (user.id.as_str().to_owned(), user)).collect();
    Ok(places.into_iter().filter_map(|(id, roles)| Some(Member { user: accounts.remove(&id)?, roles })).collect())
}

/// The places that a filter leaves, in order. SQLite knows no case but that of ASCII, so texts are compared here.
fn matching_places(
    db: &Connection,
    room: &RoomId,
    filter: &MemberFilter,
    order: MemberOrder,
) -> Result<Vec<(String, Vec<RoleId>)>> {
    let text = filter.text.as_deref().map(caseless_key);
    let holds = |field: Option<String>, text: &str| field.is_some_and(|field| caseless_key(&field).contains(text));
    let select = match order {
        MemberOrder::Username => select_place!("AND ?2 <> '' ORDER BY u.username, u.id"),
        MemberOrder::Rank => concat!(select_place!(""), by_rank!("")),
    };
    let places = db.all(select, (room.as_str(), to_json(&RANKS)?), |row| {
        let status: Option<String> = row.get("status")?;
        let wanted = filter.statuses.is_empty() || status.is_some_and(|status| filter.statuses.contains(&status));
        let named = match &text {
            Some(text) => holds(row.get("username")?, text) || holds(row.get("name")?, text),
            None => true,
        };
        if wanted && named { place(row).map(Some) } else { Ok(None) }
    })?;
    Ok(places.into_iter().flatten().collect())
}

fn role_holders(db: &Connection, room: &RoomId, roles: &[RoleId]) -> Result<Vec<Subscription>> {
    db.all(
        select_subscription!(
            "WHERE s.room_id = ?1 AND EXISTS (SELECT 1 FROM subscription_roles h WHERE h.subscription_id = s.id \
             AND h.role_id IN (SELECT value FROM json_each(?2))) ORDER BY u.username, u.id"
        ),
        (room.as_str(), to_json(&roles)?),
        subscription,
    )
}

fn take_role(tx: &Tx<'_>, room: &RoomId, user: &UserId, role: &RoleId) -> Result<()> {
    roles::require(tx.db, role)?;
    users::require_present(tx.db, user)?;
    let list = RoleList::in_room(tx.db, room, user)?.ok_or(Conflict::NotInRoom)?;
    if !list.has(tx.db, role)? {
        return Err(Conflict::RoleNotHeld.into());
    }
    list.remove(tx, role)?;
    if role.as_str() == OWNER && role_holders(tx.db, room, std::slice::from_ref(role))?.is_empty() {
        return Err(StoreError::from(Conflict::LastOwner));
    }
    tx.record(Change::RoleUnassigned { role: role.clone(), user: user.clone(), room: Some(room.clone()) })
}

#[async_trait]
impl RoomMemberStore for SqliteStore {
    async fn list_rooms(&self, rooms: &RoomSelection, order: RoomOrder, page: Page) -> Result<Listing<Room>> {
        let rooms = rooms.clone();
        self.read(move |db| list_rooms(db, &rooms, order, page)).await
    }

    async fn rooms_of(&self, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Room, Gone>> {
        let user = user.clone();
        self.read(move |db| rooms_of(db, &user, since)).await
    }

    async fn subscriptions_of(&self, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Subscription, Gone>> {
        let user = user.clone();
        self.read(move |db| subscriptions_of(db, &user, since)).await
    }

    async fn find_subscription(&self, room: &RoomId, user: &UserId) -> Result<Option<Subscription>> {
        let (room, user) = (room.clone(), user.clone());
        let select = select_subscription!("WHERE s.room_id = ?1 AND s.user_id = ?2");
        self.read(move |db| db.first(select, [room.as_str(), user.as_str()], subscription)).await
    }

    async fn list_members(
        &self,
        room: &RoomId,
        filter: &MemberFilter,
        order: MemberOrder,
        page: Page,
    ) -> Result<Listing<Member>> {
        let (room, filter) = (room.clone(), filter.clone());
        self.read(move |db| list_members(db, &room, &filter, order, page)).await
    }

    async fn list_room_role_holders(&self, room: &RoomId, roles: &[RoleId]) -> Result<Vec<Subscription>> {
        let (room, roles) = (room.clone(), roles.to_vec());
        self.read(move |db| role_holders(db, &room, &roles)).await
    }

    async fn take_room_role(&self, room: &RoomId, user: &UserId, role: &RoleId, by: &AuditContext) -> Result<()> {
        let (room, user, role) = (room.clone(), user.clone(), role.clone());
        self.write(by, move |tx| take_role(tx, &room, &user, &role)).await
    }
}
