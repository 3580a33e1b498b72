//! What every workspace has from the start: inserts what is absent and never changes what is there.

use std::collections::HashSet;

use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::error::Step;
use super::locks::Lock;
use super::transaction::Transaction;
use super::values::text;
use super::{MongoStore, documents};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::permission::Permission;
use crate::domain::role::{Role, name_collides};
use crate::domain::room::{Room, RoomKind};
use crate::store::Seed;

impl MongoStore {
    pub(super) async fn seed_in(&self, tx: &mut Transaction, seed: &Seed, by: &AuditContext) -> Step<()> {
        // A role of somebody else's could take for its name what is the id of one of these.
        let names = seed.roles.iter().flat_map(|role| [role.name.as_str(), role.id.as_str()]);
        let locks: Vec<Lock> = names.map(Lock::role_name).chain([Lock::RoomNames]).collect();
        self.lock_all(tx, &locks).await?;
        let roles = self.absent_roles(tx, &seed.roles).await?;
        let permissions = self.absent_permissions(tx, &seed.permissions).await?;
        let rooms = self.absent_rooms(tx, &seed.rooms).await?;
        if roles.is_empty() && permissions.is_empty() && rooms.is_empty() {
            return Ok(());
        }
        let new_roles = roles.iter().map(|role| documents::role_document(role)).collect();
        insert(tx, &self.roles(), new_roles).await?;
        let new_permissions = permissions.iter().map(|permission| documents::permission_document(permission)).collect();
        insert(tx, &self.permissions(), new_permissions).await?;
        insert(tx, &self.rooms(), rooms.iter().map(|room| documents::room_document(room)).collect()).await?;
        let change = Change::WorkspaceSeeded {
            roles: roles.iter().map(|role| role.id.clone()).collect(),
            permissions: permissions.iter().map(|permission| permission.id.clone()).collect(),
            rooms: rooms.iter().map(|room| room.id.clone()).collect(),
        };
        self.record(tx, by, change).await
    }

    async fn absent_roles<'a>(&self, tx: &mut Transaction, wanted: &'a [Role]) -> Step<Vec<&'a Role>> {
        let present = self.all_roles(tx).await?;
        let mut absent: Vec<&Role> = Vec::new();
        for role in wanted {
            let known = present.iter().chain(absent.iter().copied());
            if !known.into_iter().any(|other| other.id == role.id || name_collides(&role.name, other)) {
                absent.push(role);
            }
        }
        Ok(absent)
    }

    async fn absent_permissions<'a>(
        &self,
        tx: &mut Transaction,
        wanted: &'a [Permission],
    ) -> Step<Vec<&'a Permission>> {
        let ids: Vec<&str> = wanted.iter().map(|permission| permission.id.as_str()).collect();
        let filter = doc! { "_id": { "$in": ids } };
        let found = tx.find(&self.permissions(), filter, doc! { "_id": 1 }, Document::new(), 0).await?;
        let mut known: HashSet<String> = found.iter().filter_map(|permission| text(permission, "_id")).collect();
        Ok(wanted.iter().filter(|permission| known.insert(permission.id.as_str().to_owned())).collect())
    }

    async fn absent_rooms<'a>(&self, tx: &mut Transaction, wanted: &'a [Room]) -> Step<Vec<&'a Room>> {
        let mut absent = Vec::new();
        for room in wanted {
            let known = tx.exists(&self.rooms(), doc! { "_id": room.id.as_str() }).await?;
            if !known && (room.kind == RoomKind::Direct || !self.is_room_name_taken(tx, &room.name).await?) {
                absent.push(room);
            }
        }
        Ok(absent)
    }
}

async fn insert(tx: &mut Transaction, collection: &Collection<Document>, documents: Vec<Document>) -> Step<()> {
    if !documents.is_empty() {
        collection.insert_many(documents).session(&mut tx.session).await?;
    }
    Ok(())
}
