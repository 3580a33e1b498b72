//! Roles and their assignments. Who holds a role is gathered in `holders`; what must never be taken away is decided in
//! `invariants`.

use async_trait::async_trait;
use mongodb::bson::{Document, doc};

use super::error::Step;
use super::locks::Lock;
use super::transaction::{Transaction, transact};
use super::values::{date, id, texts};
use super::{MongoStore, documents};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{PermissionId, RoleId, RoleRef, RoomId, UserId};
use crate::domain::role::{Assignment, NewRole, Place, Role, RoleDefinition, RoleUsage, TrashedRole, name_collides};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{Changes, Conflict, Listing, Noun, Page, Result, RoleStore, StoreError, Unique};

/// What the trash calls the collection of roles.
const COLLECTION: &str = "roles";

#[async_trait]
impl RoleStore for MongoStore {
    async fn list_roles(&self) -> Result<Vec<Role>> {
        let found = self.find(&self.roles(), Document::new(), Document::new(), doc! { "$natural": 1 }).await?;
        found.iter().map(documents::role).collect()
    }

    async fn find_role(&self, id: &RoleId) -> Result<Option<Role>> {
        let found = self.find_one(&self.roles(), doc! { "_id": id.as_str() }, Document::new()).await?;
        found.as_ref().map(documents::role).transpose()
    }

    async fn resolve_role(&self, reference: &RoleRef) -> Result<Option<Role>> {
        let text = reference.as_str();
        let either = doc! { "$or": [{ "_id": text }, { "name": text }] };
        let found = self.find(&self.roles(), either, Document::new(), doc! { "$natural": 1 }).await?;
        let by_id = found.iter().find(|role| role.get_str("_id").ok() == Some(text));
        by_id.or_else(|| found.first()).map(documents::role).transpose()
    }

    async fn roles_changed_since(&self, since: Timestamp) -> Result<Changes<Role, TrashedRole>> {
        transact!(self, tx => self.roles_changed_since_in(&mut tx, since))
    }

    async fn create_role(&self, role: NewRole, by: &AuditContext) -> Result<Role> {
        transact!(self, tx => self.create_role_in(&mut tx, &role, by))
    }

    async fn update_role(&self, id: &RoleId, wanted: RoleDefinition, by: &AuditContext) -> Result<Role> {
        transact!(self, tx => self.update_role_in(&mut tx, id, &wanted, by))
    }

    async fn delete_role(&self, id: &RoleId, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.delete_role_in(&mut tx, id, by))
    }

    async fn role_usage(&self, id: &RoleId) -> Result<RoleUsage> {
        transact!(self, tx => self.usage_in(&mut tx, id))
    }

    async fn assign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.assign_role_in(&mut tx, assignment, by))
    }

    async fn unassign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.unassign_role_in(&mut tx, assignment, by))
    }

    async fn list_holders(&self, role: &Role, room: Option<&RoomId>, page: Page) -> Result<Listing<User>> {
        self.list_holders_of(role, room, page).await
    }

    async fn list_holders_of_any(&self, roles: &[RoleId]) -> Result<Vec<User>> {
        self.holders_of_any(roles).await
    }
}

impl MongoStore {
    async fn roles_changed_since_in(&self, tx: &mut Transaction, since: Timestamp) -> Step<Changes<Role, TrashedRole>> {
        let mut updated = self.all_roles(tx).await?;
        let filter = doc! { "__collection__": COLLECTION, "_deletedAt": { "$gt": date(since) } };
        let trashed = tx.find(&self.trash(), filter, Document::new(), doc! { "_deletedAt": 1 }, 0).await?;
        let mut removed = trashed.iter().map(documents::trashed_role).collect::<Result<Vec<_>>>()?;
        removed.retain(|gone| updated.iter().all(|role| role.id != gone.role.id));
        updated.retain(|role| role.updated_at >= since);
        Ok(Changes { updated, removed })
    }

    /// Every role as the transaction sees it, in the order of insertion.
    pub(super) async fn all_roles(&self, tx: &mut Transaction) -> Step<Vec<Role>> {
        let found = tx.find(&self.roles(), Document::new(), Document::new(), doc! { "$natural": 1 }, 0).await?;
        Ok(found.iter().map(documents::role).collect::<Result<_>>()?)
    }

    async fn create_role_in(&self, tx: &mut Transaction, new: &NewRole, by: &AuditContext) -> Step<Role> {
        self.lock(tx, &Lock::RoleNames).await?;
        if self.all_roles(tx).await?.iter().any(|other| name_collides(&new.definition.name, other)) {
            return Err(StoreError::AlreadyExists(Unique::RoleName).into());
        }
        let role = new.clone().into_role(by.at);
        self.roles().insert_one(documents::role_document(&role)).session(&mut tx.session).await?;
        self.record(tx, by, Change::RoleCreated { role: role.clone() }).await?;
        Ok(role)
    }

    async fn update_role_in(
        &self,
        tx: &mut Transaction,
        id: &RoleId,
        wanted: &RoleDefinition,
        by: &AuditContext,
    ) -> Step<Role> {
        self.lock(tx, &Lock::RoleNames).await?;
        let roles = self.all_roles(tx).await?;
        let Some(before) = roles.iter().find(|role| role.id == *id) else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        before.redefinable(wanted).map_err(|_| Conflict::RoleProtected)?;
        if roles.iter().any(|other| other.id != *id && name_collides(&wanted.name, other)) {
            return Err(StoreError::AlreadyExists(Unique::RoleName).into());
        }
        let defined = doc! {
            "name": &wanted.name,
            "description": &wanted.description,
            "scope": wanted.scope.as_str(),
            "mandatory2fa": wanted.mandatory2fa,
            "_updatedAt": date(by.at),
        };
        self.roles().update_one(doc! { "_id": id.as_str() }, doc! { "$set": defined }).session(&mut tx.session).await?;
        let after = Role {
            name: wanted.name.clone(),
            description: wanted.description.clone(),
            scope: wanted.scope,
            mandatory2fa: Some(wanted.mandatory2fa),
            updated_at: by.at,
            ..before.clone()
        };
        self.record(tx, by, Change::RoleUpdated { before: before.clone(), after: after.clone() }).await?;
        Ok(after)
    }

    async fn delete_role_in(&self, tx: &mut Transaction, id: &RoleId, by: &AuditContext) -> Step<()> {
        self.lock_roles(tx, std::slice::from_ref(id)).await?;
        let Some(role) = self.locked_role(tx, id).await? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        // A protected role may be held by everybody; its holders need not be counted.
        if role.protected {
            return Err(Conflict::RoleProtected.into());
        }
        if self.is_held(tx, id).await? {
            role.deletable(&self.usage_in(tx, id).await?)?;
        }
        let itself = doc! { "_id": id.as_str() };
        let Some(stored) = tx.find_one(&self.roles(), itself.clone(), Document::new()).await? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        self.trash()
            .replace_one(itself.clone(), documents::trashed(stored, COLLECTION, by.at))
            .upsert(true)
            .session(&mut tx.session)
            .await?;
        self.roles().delete_one(itself).session(&mut tx.session).await?;
        let permissions = self.remove_from_permissions(tx, id, by).await?;
        let settings = self.remove_from_settings(tx, id, by).await?;
        self.drop_lock(tx, &Lock::Role(id.clone())).await?;
        self.record(tx, by, Change::RoleDeleted { role, permissions, settings }).await
    }

    /// Takes a role out of every permission; which ones had it.
    async fn remove_from_permissions(
        &self,
        tx: &mut Transaction,
        role: &RoleId,
        by: &AuditContext,
    ) -> Step<Vec<PermissionId>> {
        let having = doc! { "roles": role.as_str() };
        let found = tx.find(&self.permissions(), having.clone(), doc! { "_id": 1 }, doc! { "$natural": 1 }, 0).await?;
        let without = doc! { "$pull": { "roles": role.as_str() }, "$set": { "_updatedAt": date(by.at) } };
        if !found.is_empty() {
            self.permissions().update_many(having, without).session(&mut tx.session).await?;
        }
        let ids = found.iter().map(|permission| id(permission, "permission").map(PermissionId::from_stored));
        Ok(ids.collect::<Result<_>>()?)
    }

    async fn assign_role_in(&self, tx: &mut Transaction, assignment: &Assignment, by: &AuditContext) -> Step<()> {
        self.lock_roles(tx, std::slice::from_ref(&assignment.role)).await?;
        let Some(role) = self.locked_role(tx, &assignment.role).await? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        let place = role.place(assignment.room.as_ref());
        match self.roles_held(tx, &assignment.user, &place).await? {
            None => return Err(Conflict::NotInRoom.into()),
            Some(held) if held.contains(&assignment.role) => return Err(Conflict::RoleAlreadyHeld.into()),
            Some(_) => {}
        }
        let change = doc! { "$addToSet": { "roles": role.id.as_str() }, "$set": { "_updatedAt": date(by.at) } };
        let room = self.change_held(tx, &assignment.user, place, change).await?;
        let change = Change::RoleAssigned { role: role.id, user: assignment.user.clone(), room };
        self.record(tx, by, change).await
    }

    async fn unassign_role_in(&self, tx: &mut Transaction, assignment: &Assignment, by: &AuditContext) -> Step<()> {
        // Taken whatever the place turns out to be: the place is known only after the role is read, and every lock
        // comes before every read.
        if assignment.room.is_none() || !self.lives_in_rooms(&assignment.role).await? {
            self.lock(tx, &Lock::Administration).await?;
        }
        self.lock_roles(tx, std::slice::from_ref(&assignment.role)).await?;
        let Some(role) = self.locked_role(tx, &assignment.role).await? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        let place = role.place(assignment.room.as_ref());
        let held = self.roles_held(tx, &assignment.user, &place).await?.unwrap_or_default();
        if !held.contains(&role.id) {
            return Err(Conflict::RoleNotHeld.into());
        }
        if place == Place::Workspace {
            let left: Vec<RoleId> = held.into_iter().filter(|other| *other != role.id).collect();
            self.may_lose_role(tx, &assignment.user, &role.id, &left).await?;
        }
        let change = doc! { "$pull": { "roles": role.id.as_str() }, "$set": { "_updatedAt": date(by.at) } };
        let room = self.change_held(tx, &assignment.user, place, change).await?;
        let change = Change::RoleUnassigned { role: role.id, user: assignment.user.clone(), room };
        self.record(tx, by, change).await
    }

    /// Whether the role is one of rooms, as far as can be seen before the transaction begins. Which lock to take
    /// depends on it; `may_lose_role` insists on the lock.
    async fn lives_in_rooms(&self, role: &RoleId) -> Result<bool> {
        let filter = doc! { "_id": role.as_str(), "scope": "Subscriptions" };
        Ok(self.find_one(&self.roles(), filter, doc! { "_id": 1 }).await?.is_some())
    }

    /// The roles of an account in a place; `None` when the place is a room that he is not a member of.
    async fn roles_held(&self, tx: &mut Transaction, user: &UserId, place: &Place) -> Step<Option<Vec<RoleId>>> {
        let itself = doc! { "_id": user.as_str() };
        let Some(account) = tx.find_one(&self.users(), itself, doc! { "roles": 1 }).await? else {
            return Err(StoreError::NotFound(Noun::User).into());
        };
        let document = match place {
            Place::Workspace => Some(account),
            Place::Room(room) => {
                let membership = doc! { "rid": room.as_str(), "u._id": user.as_str() };
                tx.find_one(&self.subscriptions(), membership, doc! { "roles": 1 }).await?
            }
        };
        let ids = document.map(|document| texts(&document, "roles").unwrap_or_default());
        Ok(ids.map(|ids| ids.into_iter().map(RoleId::from_stored).collect()))
    }

    /// Changes the list of roles in a place; the room if that is where it is.
    async fn change_held(
        &self,
        tx: &mut Transaction,
        user: &UserId,
        place: Place,
        change: Document,
    ) -> Step<Option<RoomId>> {
        match place {
            Place::Workspace => {
                let itself = doc! { "_id": user.as_str() };
                self.users().update_one(itself, change).session(&mut tx.session).await?;
                Ok(None)
            }
            Place::Room(room) => {
                let membership = doc! { "rid": room.as_str(), "u._id": user.as_str() };
                self.subscriptions().update_one(membership, change).session(&mut tx.session).await?;
                Ok(Some(room))
            }
        }
    }
}
