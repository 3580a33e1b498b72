//! Changes of rooms and of who is a member of one. Making a room is in `rooms`; whom an invitation names, in `invited`.
//!
//! Each takes the lock of its room first. Whoever gives or takes a role in a room writes the very subscription that ends
//! here, so that the two cannot both happen; and because ending a membership only takes names of roles away, it needs no
//! lock of theirs.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use mongodb::bson::{Document, doc};

use super::error::{Step, taken};
use super::locks::Lock;
use super::room_members::member_id;
use super::rooms::{UNIQUES, named};
use super::transaction::{Transaction, transact};
use super::trash::{ROOMS, SUBSCRIPTIONS};
use super::values::{date, flag, id as id_of, text};
use super::{MongoStore, documents, ignore_case, room_documents};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoomId, UserId};
use crate::domain::role::OWNER;
use crate::domain::room::{Room, RoomKind, UserSummary};
use crate::domain::room_change::{Archival, Departure, Invited, Ties, may_depart};
use crate::store::{Conflict, JoinCode, Noun, Result, RoomChangeStore, StoreError, Unique};

#[async_trait]
impl RoomChangeStore for MongoStore {
    async fn check_join_code(&self, room: &RoomId, code: &str) -> Result<JoinCode> {
        let asking = doc! { "_id": room.as_str(), "joinCodeRequired": true };
        Ok(match self.find_one(&self.rooms(), asking, doc! { "joinCode": 1 }).await? {
            None => JoinCode::NotAsked,
            // A room that asks for a code and has none opens to nobody.
            Some(room) if text(&room, "joinCode").is_some_and(|expected| expected == code) => JoinCode::Right,
            Some(_) => JoinCode::Wrong,
        })
    }

    async fn find_invited(&self, invited: &Invited) -> Result<Vec<UserId>> {
        self.find_named(invited).await
    }

    async fn add_members(&self, room: &RoomId, users: &[UserId], by: &AuditContext) -> Result<Room> {
        transact!(self, tx => self.add_members_in(&mut tx, room, users, by))
    }

    async fn remove_member(
        &self,
        room: &RoomId,
        user: &UserId,
        departure: Departure,
        by: &AuditContext,
    ) -> Result<Room> {
        transact!(self, tx => self.remove_member_in(&mut tx, room, user, departure, by))
    }

    async fn delete_room(&self, room: &RoomId, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.delete_room_in(&mut tx, room, by))
    }

    async fn set_room_archived(&self, room: &RoomId, archival: Archival, by: &AuditContext) -> Result<Room> {
        transact!(self, tx => self.set_room_archived_in(&mut tx, room, archival, by))
    }

    async fn rename_room(&self, room: &RoomId, name: &str, by: &AuditContext) -> Result<Room> {
        transact!(self, tx => self.rename_room_in(&mut tx, room, name, by))
    }

    async fn set_room_kind(&self, room: &RoomId, kind: RoomKind, by: &AuditContext) -> Result<Room> {
        transact!(self, tx => self.set_room_kind_in(&mut tx, room, kind, by))
    }
}

/// A channel or group, as it is stored and as it is read.
struct Stored {
    document: Document,
    room: Room,
}

fn itself(room: &RoomId) -> Document {
    doc! { "_id": room.as_str() }
}

impl MongoStore {
    async fn channel_or_group(&self, tx: &mut Transaction, id: &RoomId) -> Step<Stored> {
        let found = tx.find_one(&self.rooms(), itself(id), Document::new()).await?;
        let read = found.as_ref().map(room_documents::room).transpose()?.flatten();
        match (found, read) {
            (Some(document), Some(room)) if room.kind != RoomKind::Direct => Ok(Stored { document, room }),
            _ => Err(StoreError::NotFound(Noun::Room).into()),
        }
    }

    /// As [`MongoStore::channel_or_group`], and not archived.
    async fn open_room(&self, tx: &mut Transaction, id: &RoomId) -> Step<Stored> {
        let stored = self.channel_or_group(tx, id).await?;
        if stored.room.archived { Err(Conflict::RoomArchived.into()) } else { Ok(stored) }
    }

    async fn room_after(&self, tx: &mut Transaction, id: &RoomId) -> Step<Room> {
        Ok(self.channel_or_group(tx, id).await?.room)
    }

    async fn add_members_in(
        &self,
        tx: &mut Transaction,
        id: &RoomId,
        named: &[UserId],
        by: &AuditContext,
    ) -> Step<Room> {
        self.lock(tx, &Lock::Room(id.clone())).await?;
        let room = self.open_room(tx, id).await?.room;
        let added = self.newcomers(tx, id, named).await?;
        if added.is_empty() {
            return Ok(room);
        }
        let members: Vec<(&UserSummary, &[&str])> = added.iter().map(|user| (user, [].as_slice())).collect();
        self.subscribe(tx, &room, &members, by).await?;
        self.count_members_by(tx, id, i32::try_from(added.len()).unwrap_or(i32::MAX), by).await?;
        let users = added.into_iter().map(|user| user.id).collect();
        self.record(tx, by, Change::MembersAdded { room: id.clone(), users }).await?;
        self.room_after(tx, id).await
    }

    /// Those of the named who are not members yet, each once, in the order named.
    async fn newcomers(&self, tx: &mut Transaction, room: &RoomId, named: &[UserId]) -> Step<Vec<UserSummary>> {
        let ids: Vec<&str> = named.iter().map(UserId::as_str).collect();
        let accounts = doc! { "_id": { "$in": &ids } };
        let projection = doc! { "username": 1, "name": 1 };
        let accounts = tx.find(&self.users(), accounts, projection, Document::new(), 0).await?;
        let members = doc! { "rid": room.as_str(), "u._id": { "$in": &ids } };
        let members = tx.find(&self.subscriptions(), members, doc! { "u._id": 1 }, Document::new(), 0).await?;
        let mut seen: HashSet<String> = members.iter().filter_map(member_id).collect();
        let mut by_id = HashMap::with_capacity(accounts.len());
        for account in &accounts {
            by_id.insert(id_of(account, "user")?, account);
        }
        let mut newcomers = Vec::new();
        for user in named {
            let Some(account) = by_id.get(user.as_str()) else {
                return Err(StoreError::NotFound(Noun::User).into());
            };
            if seen.insert(user.as_str().to_owned()) {
                let username = text(account, "username").unwrap_or_default();
                newcomers.push(UserSummary { id: user.clone(), username, name: text(account, "name") });
            }
        }
        Ok(newcomers)
    }

    /// Changes the number of members that a room shows.
    async fn count_members_by(&self, tx: &mut Transaction, room: &RoomId, more: i32, by: &AuditContext) -> Step<()> {
        let change = doc! { "$inc": { "usersCount": more }, "$set": { "_updatedAt": date(by.at) } };
        self.rooms().update_one(itself(room), change).session(&mut tx.session).await?;
        Ok(())
    }

    async fn remove_member_in(
        &self,
        tx: &mut Transaction,
        id: &RoomId,
        user: &UserId,
        departure: Departure,
        by: &AuditContext,
    ) -> Step<Room> {
        self.lock(tx, &Lock::Room(id.clone())).await?;
        self.open_room(tx, id).await?;
        let membership = doc! { "rid": id.as_str(), "u._id": user.as_str() };
        let Some(subscription) = tx.find_one(&self.subscriptions(), membership, Document::new()).await? else {
            return Err(Conflict::NotInRoom.into());
        };
        let roles = room_documents::subscription_roles(&subscription);
        let owns = roles.iter().any(|role| role.as_str() == OWNER);
        may_depart(owns, owns && self.others_own(tx, id, user).await?).map_err(StoreError::from)?;
        self.end_membership(tx, id, user, subscription, by).await?;
        self.count_members_by(tx, id, -1, by).await?;
        self.record(tx, by, Change::MemberRemoved { room: id.clone(), user: user.clone(), departure, roles }).await?;
        self.room_after(tx, id).await
    }

    async fn others_own(&self, tx: &mut Transaction, room: &RoomId, user: &UserId) -> Step<bool> {
        let owning = doc! { "rid": room.as_str(), "roles": OWNER, "u._id": { "$ne": user.as_str() } };
        tx.exists(&self.subscriptions(), owning).await
    }

    /// Moves the subscription of a member to the trash, and takes the room from Rocket.Chat's own index of who is where.
    async fn end_membership(
        &self,
        tx: &mut Transaction,
        room: &RoomId,
        user: &UserId,
        subscription: Document,
        by: &AuditContext,
    ) -> Step<()> {
        let that = doc! { "_id": id_of(&subscription, "subscription")? };
        let trashed = documents::trashed(subscription, SUBSCRIPTIONS, by.at);
        self.trash().replace_one(that.clone(), trashed).upsert(true).session(&mut tx.session).await?;
        self.subscriptions().delete_one(that).session(&mut tx.session).await?;
        let left = doc! { "$pull": { "__rooms": room.as_str() } };
        self.users().update_one(doc! { "_id": user.as_str() }, left).session(&mut tx.session).await?;
        Ok(())
    }

    async fn delete_room_in(&self, tx: &mut Transaction, id: &RoomId, by: &AuditContext) -> Step<()> {
        self.lock(tx, &Lock::Room(id.clone())).await?;
        let Stored { document, room } = self.channel_or_group(tx, id).await?;
        ties(&document).deletable().map_err(StoreError::from)?;
        let of_room = doc! { "rid": id.as_str() };
        let members = self.discard(tx, &self.subscriptions(), SUBSCRIPTIONS, of_room, by).await?;
        self.forget_rooms(tx, &[id.as_str().to_owned()]).await?;
        let trashed = documents::trashed(document, ROOMS, by.at);
        self.trash().replace_one(itself(id), trashed).upsert(true).session(&mut tx.session).await?;
        self.rooms().delete_one(itself(id)).session(&mut tx.session).await?;
        self.drop_lock(tx, &Lock::Room(id.clone())).await?;
        self.record(tx, by, Change::RoomDeleted { room: room.id, name: room.name, kind: room.kind, members }).await
    }

    async fn set_room_archived_in(
        &self,
        tx: &mut Transaction,
        id: &RoomId,
        archival: Archival,
        by: &AuditContext,
    ) -> Step<Room> {
        self.lock(tx, &Lock::Room(id.clone())).await?;
        let room = self.channel_or_group(tx, id).await?.room;
        let archived = archival == Archival::Archived;
        if room.archived == archived {
            return Ok(room);
        }
        // What Rocket.Chat writes: members do not see an archived room, and see it again when it is opened.
        let seen = doc! { "alert": false, "open": !archived, "archived": archived };
        self.change_for_all(tx, id, doc! { "archived": archived }, seen, by).await?;
        let room = id.clone();
        let change = if archived { Change::RoomArchived { room } } else { Change::RoomUnarchived { room } };
        self.record(tx, by, change).await?;
        self.room_after(tx, id).await
    }

    /// Sets fields of a room, and of every member's subscription.
    async fn change_for_all(
        &self,
        tx: &mut Transaction,
        room: &RoomId,
        mut own: Document,
        mut seen: Document,
        by: &AuditContext,
    ) -> Step<()> {
        own.insert("_updatedAt", date(by.at));
        seen.insert("_updatedAt", date(by.at));
        let written = self.rooms().update_one(itself(room), doc! { "$set": own }).session(&mut tx.session).await;
        written.map_err(|error| taken(error, &UNIQUES))?;
        let members = doc! { "rid": room.as_str() };
        self.subscriptions().update_many(members, doc! { "$set": seen }).session(&mut tx.session).await?;
        Ok(())
    }

    async fn rename_room_in(&self, tx: &mut Transaction, id: &RoomId, name: &str, by: &AuditContext) -> Step<Room> {
        self.lock(tx, &Lock::RoomNames).await?;
        self.lock(tx, &Lock::Room(id.clone())).await?;
        let Stored { document, room } = self.open_room(tx, id).await?;
        // The name of a discussion is an id of its own, which it keeps; people see the other one.
        let is_discussion = document.contains_key("prid");
        let before = if is_discussion { &room.display_name } else { &room.name };
        if before == name {
            return Ok(room);
        }
        if self.has_another_room_the_name(tx, id, name).await? {
            return Err(StoreError::AlreadyExists(Unique::RoomName).into());
        }
        let names = if is_discussion {
            doc! { "fname": name }
        } else {
            doc! { "name": name, "fname": name }
        };
        self.change_for_all(tx, id, names.clone(), names, by).await?;
        let change = Change::RoomRenamed { room: id.clone(), before: before.clone(), after: name.to_owned() };
        self.record(tx, by, change).await?;
        self.room_after(tx, id).await
    }

    async fn has_another_room_the_name(&self, tx: &mut Transaction, but: &RoomId, name: &str) -> Step<bool> {
        // At most one has the name but for its case, and then there may be this room beside it.
        let rooms = self.rooms();
        let find = rooms.find(named(name)).collation(ignore_case()).projection(doc! { "_id": 1 }).limit(2);
        let mut cursor = find.session(&mut tx.session).await?;
        while let Some(other) = cursor.next(&mut tx.session).await {
            if other?.get_str("_id").ok() != Some(but.as_str()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn set_room_kind_in(
        &self,
        tx: &mut Transaction,
        id: &RoomId,
        kind: RoomKind,
        by: &AuditContext,
    ) -> Step<Room> {
        self.lock(tx, &Lock::Room(id.clone())).await?;
        let room = self.open_room(tx, id).await?.room;
        if room.kind == kind {
            return Ok(room);
        }
        if kind == RoomKind::Group {
            let by_invitation = doc! { "$unset": { "default": "" } };
            self.rooms().update_one(itself(id), by_invitation).session(&mut tx.session).await?;
        }
        let changed = doc! { "t": kind.as_str() };
        self.change_for_all(tx, id, changed.clone(), changed, by).await?;
        self.record(tx, by, Change::RoomKindChanged { room: id.clone(), before: room.kind, after: kind }).await?;
        self.room_after(tx, id).await
    }
}

fn ties(room: &Document) -> Ties {
    Ties { federated: flag(room, "federated"), team_main: flag(room, "teamMain"), is_default: flag(room, "default") }
}
