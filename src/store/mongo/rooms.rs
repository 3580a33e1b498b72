//! Rooms and the subscriptions that make somebody a member of one, as far as roles live there.

use std::collections::HashMap;

use async_trait::async_trait;
use mongodb::bson::{Document, doc};

use super::error::{Step, store_error, taken};
use super::locks::Lock;
use super::transaction::{Transaction, transact};
use super::values::{date, id, text};
use super::{MongoStore, documents, ignore_case};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::role::OWNER;
use crate::domain::room::{NewRoom, Room, RoomKind, UserSummary};
use crate::store::{Conflict, Result, RoomStore, StoreError, Unique};

/// What the unique indexes of rooms keep apart.
pub(super) const UNIQUES: [(&str, Unique); 1] = [("name", Unique::RoomName)];

/// A channel or group with that name.
pub(super) fn named(name: &str) -> Document {
    doc! { "name": name, "t": { "$in": [RoomKind::Channel.as_str(), RoomKind::Group.as_str()] } }
}

#[async_trait]
impl RoomStore for MongoStore {
    async fn find_room(&self, id: &RoomId) -> Result<Option<Room>> {
        let found = self.find_one(&self.rooms(), doc! { "_id": id.as_str() }, Document::new()).await?;
        Ok(found.as_ref().map(documents::room).transpose()?.flatten())
    }

    async fn find_room_by_name(&self, name: &str) -> Result<Option<Room>> {
        let mut found = self.find_one(&self.rooms(), named(name), Document::new()).await?;
        if found.is_none() {
            found = self.rooms().find_one(named(name)).collation(ignore_case()).await.map_err(store_error)?;
        }
        Ok(found.as_ref().map(documents::room).transpose()?.flatten())
    }

    async fn find_room_roles(&self, room: &RoomId, user: &UserId) -> Result<Option<Vec<RoleId>>> {
        let filter = doc! { "rid": room.as_str(), "u._id": user.as_str() };
        let found = self.find_one(&self.subscriptions(), filter, doc! { "roles": 1 }).await?;
        Ok(found.as_ref().map(documents::subscription_roles))
    }

    async fn create_room(&self, room: NewRoom, by: &AuditContext) -> Result<Room> {
        transact!(self, tx => self.create_room_in(&mut tx, &room, by))
    }
}

impl MongoStore {
    async fn create_room_in(&self, tx: &mut Transaction, new: &NewRoom, by: &AuditContext) -> Step<Room> {
        let owner = if new.exclude_creator { Vec::new() } else { vec![RoleId::from_stored(OWNER)] };
        self.lock(tx, &Lock::RoomNames).await?;
        self.lock_roles(tx, &owner).await?;
        let creator = self.account(tx, &new.creator).await?;
        if new.kind != RoomKind::Direct && self.is_room_name_taken(tx, &new.name).await? {
            return Err(StoreError::AlreadyExists(Unique::RoomName).into());
        }
        if let Some(unknown) = self.first_unknown_role(tx, &owner).await? {
            return Err(Conflict::UnknownRole(unknown).into());
        }
        let creator =
            UserSummary { id: creator.id, username: creator.username.unwrap_or_default(), name: creator.name };
        let others = self.other_members(tx, new).await?;
        let members = others.len() as u64 + u64::from(!new.exclude_creator);
        let room = new.clone().into_room(creator.clone(), members, by.at);
        let written = self.rooms().insert_one(documents::room_document(&room)).session(&mut tx.session).await;
        written.map_err(|error| taken(error, &UNIQUES))?;
        let mut members: Vec<(&UserSummary, &[&str])> = Vec::with_capacity(others.len() + 1);
        if !new.exclude_creator {
            members.push((&creator, &[OWNER]));
        }
        members.extend(others.iter().map(|member| (member, [].as_slice())));
        self.subscribe(tx, &room, &members, by).await?;
        let change = Change::RoomCreated {
            room: room.id.clone(),
            name: room.name.clone(),
            owner: (!new.exclude_creator).then(|| creator.id.clone()),
            members: room.members,
        };
        self.record(tx, by, change).await?;
        Ok(room)
    }

    /// Whether a channel or group has the name, without regard to case.
    pub(super) async fn is_room_name_taken(&self, tx: &mut Transaction, name: &str) -> Step<bool> {
        let rooms = self.rooms();
        let find = rooms.find_one(named(name)).collation(ignore_case()).projection(doc! { "_id": 1 });
        Ok(find.session(&mut tx.session).await?.is_some())
    }

    /// Those of the named who exist, but for the creator, each once, in the order named.
    async fn other_members(&self, tx: &mut Transaction, new: &NewRoom) -> Step<Vec<UserSummary>> {
        if new.members.is_empty() {
            return Ok(Vec::new());
        }
        let filter = doc! { "username": { "$in": &new.members }, "_id": { "$ne": new.creator.as_str() } };
        let projection = doc! { "username": 1, "name": 1 };
        let found = tx.find(&self.users(), filter, projection, Document::new(), 0).await?;
        let mut members = Vec::with_capacity(found.len());
        for user in &found {
            let username = text(user, "username").unwrap_or_default();
            let id = UserId::from_stored(id(user, "user")?);
            members.push(UserSummary { id, username, name: text(user, "name") });
        }
        let places: HashMap<&str, usize> = new.members.iter().map(String::as_str).zip(0..).collect();
        members.sort_by_key(|member| places.get(member.username.as_str()));
        Ok(members)
    }

    /// Makes accounts members of a room, with those roles.
    pub(super) async fn subscribe(
        &self,
        tx: &mut Transaction,
        room: &Room,
        members: &[(&UserSummary, &[&str])],
        by: &AuditContext,
    ) -> Step<()> {
        if members.is_empty() {
            return Ok(());
        }
        let subscriptions = members
            .iter()
            .map(|(member, roles)| documents::subscription_document(self.ids.object_id(), room, member, roles, by.at))
            .collect::<Vec<_>>();
        self.subscriptions().insert_many(subscriptions).session(&mut tx.session).await?;
        // Rocket.Chat's own index of who is where; not part of what an account shows, so its `_updatedAt` stays.
        let ids: Vec<&str> = members.iter().map(|(member, _)| member.id.as_str()).collect();
        let joined = doc! { "$addToSet": { "__rooms": room.id.as_str() } };
        self.users().update_many(doc! { "_id": { "$in": ids } }, joined).session(&mut tx.session).await?;
        Ok(())
    }

    /// Makes a new account a member of the rooms that new accounts join.
    pub(super) async fn join_default_rooms(
        &self,
        tx: &mut Transaction,
        user: &UserSummary,
        by: &AuditContext,
    ) -> Step<()> {
        let default = doc! { "default": true };
        // Of equal keys an index has the document first that was inserted first. Asking for the order of insertion would
        // have every room read.
        let found = tx.find(&self.rooms(), default, Document::new(), Document::new(), 0).await?;
        for document in &found {
            let Some(room) = documents::room(document)? else {
                continue;
            };
            self.subscribe(tx, &room, &[(user, &[])], by).await?;
            let change = doc! { "$inc": { "usersCount": 1 }, "$set": { "_updatedAt": date(by.at) } };
            self.rooms().update_one(doc! { "_id": room.id.as_str() }, change).session(&mut tx.session).await?;
        }
        Ok(())
    }
}
