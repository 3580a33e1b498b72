//! Roles and their assignments. Who holds a role is gathered in `holders`; what must never be taken away is decided in
//! `invariants`.

use async_trait::async_trait;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::error::{Failure, Step};
use super::locks::Lock;
use super::transaction::{Transaction, transact};
use super::values::{date, id, text};
use super::{MongoStore, documents};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{PermissionId, RoleId, RoleRef, RoomId, UserId};
use crate::domain::role::{
    Assignee, Assignment, NewRole, Place, Role, RoleDefinition, RoleUsage, TrashedRole, collides, name_key,
};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{
    Changes, Conflict, Noun, Page, Position, Result, RoleStore, StoreError, Unique, UserStore as _, UsernameMatch,
};

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
        if let Some(role) = self.find_role(&RoleId::from_stored(text)).await? {
            return Ok(Some(role));
        }
        let named = self.find(&self.roles(), doc! { "name": text }, Document::new(), doc! { "$natural": 1 }).await?;
        named.first().map(documents::role).transpose()
    }

    async fn roles_changed_since(&self, since: Timestamp) -> Result<Changes<Role, TrashedRole>> {
        transact!(self, tx => self.roles_changed_since_in(&mut tx, since))
    }

    async fn create_role(&self, role: NewRole, by: &AuditContext) -> Result<Role> {
        let (store, by) = (self.clone(), by.clone());
        self.at_home(async move { transact!(store, tx => store.create_role_in(&mut tx, &role, &by)) }).await
    }

    async fn update_role(&self, id: &RoleId, wanted: RoleDefinition, by: &AuditContext) -> Result<Role> {
        let (store, id, by) = (self.clone(), id.clone(), by.clone());
        self.at_home(async move { transact!(store, tx => store.update_role_in(&mut tx, &id, &wanted, &by)) }).await
    }

    async fn delete_role(&self, id: &RoleId, by: &AuditContext) -> Result<()> {
        let (store, id, by) = (self.clone(), id.clone(), by.clone());
        self.at_home(async move { transact!(store, tx => store.delete_role_in(&mut tx, &id, &by)) }).await
    }

    async fn role_usage(&self, id: &RoleId) -> Result<RoleUsage> {
        transact!(self, tx => self.usage_in(&mut tx, id))
    }

    async fn assign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()> {
        let (store, given, by) = (self.clone(), assignment.clone(), by.clone());
        self.at_home(async move { transact!(store, tx => store.assign_role_in(&mut tx, &given, &by)) }).await
    }

    async fn assign_role_to(&self, assignee: &Assignee, by: &AuditContext) -> Result<()> {
        let (store, assignee, by) = (self.clone(), assignee.clone(), by.clone());
        self.at_home(async move {
            let user = store.find_user_by_username(&assignee.username, UsernameMatch::IgnoreCase).await?;
            let given = assignee.assignment(user.ok_or(StoreError::NotFound(Noun::User))?.id);
            transact!(store, tx => store.assign_role_in(&mut tx, &given, &by))
        })
        .await
    }

    async fn unassign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()> {
        let (store, taken, by) = (self.clone(), assignment.clone(), by.clone());
        self.at_home(async move { transact!(store, tx => store.unassign_role_in(&mut tx, &taken, &by)) }).await
    }

    async fn count_holders(&self, role: &Role, room: Option<&RoomId>) -> Result<u64> {
        self.count_holders_of(role, room).await
    }

    async fn page_holders(
        &self,
        role: &Role,
        room: Option<&RoomId>,
        after: Option<&Position>,
        page: Page,
    ) -> Result<Vec<User>> {
        self.page_holders_of(role, room, after, page).await
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

    /// Whether another role than `but` has the name, or one that is compared as equal, or has it for its id. Roles are
    /// few, and no index can compare names as they are compared here.
    async fn is_name_taken(&self, tx: &mut Transaction, name: &str, but: Option<&RoleId>) -> Step<bool> {
        let all = tx.find(&self.roles(), Document::new(), doc! { "name": 1 }, Document::new(), 0).await?;
        let key = name_key(name);
        for other in &all {
            let other_id = id(other, "role")?;
            let other_name = other.get_str("name").unwrap_or(other_id);
            if but.map(RoleId::as_str) != Some(other_id) && collides(name, &key, other_id, other_name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn create_role_in(&self, tx: &mut Transaction, new: &NewRole, by: &AuditContext) -> Step<Role> {
        // Its own lock's document begins with the role, so that deleting the role finds one to remove.
        let (name, itself) = (Lock::role_name(&new.definition.name), Lock::Role(new.id.clone()));
        self.lock_with_new(tx, &name, &itself).await?;
        if self.is_name_taken(tx, &new.definition.name, None).await? {
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
        self.lock(tx, &Lock::role_name(&wanted.name)).await?;
        let found = tx.find_one(&self.roles(), doc! { "_id": id.as_str() }, Document::new()).await?;
        let Some(before) = found.as_ref().map(documents::role).transpose()? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        before.redefinable(wanted).map_err(|_| Conflict::RoleProtected)?;
        if self.is_name_taken(tx, &wanted.name, Some(id)).await? {
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
        self.lock_for_good(tx, &Lock::Role(id.clone())).await?;
        let Some(bonds) = self.role_bonds(tx, id).await? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        let role = documents::role(&bonds.stored)?;
        // A protected role may be held by everybody; its holders need not be counted.
        if role.protected {
            return Err(Conflict::RoleProtected.into());
        }
        if bonds.held {
            role.deletable(&self.usage_in(tx, id).await?)?;
        }
        let itself = doc! { "_id": id.as_str() };
        self.trash()
            .replace_one(itself.clone(), documents::trashed(bonds.stored, COLLECTION, by.at))
            .upsert(true)
            .session(&mut tx.session)
            .await?;
        self.roles().delete_one(itself).session(&mut tx.session).await?;
        self.remove_from_permissions(tx, id, &bonds.permissions, by).await?;
        let settings = self.remove_from_settings(tx, id, &bonds.settings, by).await?;
        self.record(tx, by, Change::RoleDeleted { role, permissions: bonds.permissions, settings }).await
    }

    /// Takes a role out of these permissions, which have it.
    async fn remove_from_permissions(
        &self,
        tx: &mut Transaction,
        role: &RoleId,
        having: &[PermissionId],
        by: &AuditContext,
    ) -> Step<()> {
        if having.is_empty() {
            return Ok(());
        }
        let having: Vec<&str> = having.iter().map(PermissionId::as_str).collect();
        let without = doc! { "$pull": { "roles": role.as_str() }, "$set": { "_updatedAt": date(by.at) } };
        self.permissions()
            .update_many(doc! { "_id": { "$in": having } }, without)
            .session(&mut tx.session)
            .await
            .map(drop)
            .map_err(Failure::from)
    }

    async fn assign_role_in(&self, tx: &mut Transaction, assignment: &Assignment, by: &AuditContext) -> Step<()> {
        self.lock_roles(tx, std::slice::from_ref(&assignment.role)).await?;
        let Some(role) = self.locked_role(tx, &assignment.role).await? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        let list = self.list_of(role.place(assignment.room.as_ref()), &assignment.user);
        let id = role.id.as_str();
        let change = doc! { "$addToSet": { "roles": id }, "$set": { "_updatedAt": date(by.at) } };
        if self.change_list(tx, &list, doc! { "$ne": id }, change).await?.is_none() {
            let there = tx.exists(&list.collection, list.itself).await?;
            return Err(if there { Conflict::RoleAlreadyHeld } else { Conflict::NotInRoom }.into());
        }
        let change = Change::RoleAssigned { role: role.id, user: assignment.user.clone(), room: list.room };
        self.record(tx, by, change).await
    }

    async fn unassign_role_in(&self, tx: &mut Transaction, assignment: &Assignment, by: &AuditContext) -> Step<()> {
        let mut locks = self.role_locks(tx, std::slice::from_ref(&assignment.role)).await?;
        // Taken whatever the place turns out to be: the place is known only after the role is read, and every lock
        // comes before every read.
        if assignment.room.is_none() || !self.lives_in_rooms(&assignment.role).await? {
            locks.insert(0, Lock::Administration);
        }
        self.lock_all(tx, &locks).await?;
        let Some(role) = self.locked_role(tx, &assignment.role).await? else {
            return Err(StoreError::NotFound(Noun::Role).into());
        };
        let list = self.list_of(role.place(assignment.room.as_ref()), &assignment.user);
        let id = role.id.as_str();
        let change = doc! { "$pull": { "roles": id }, "$set": { "_updatedAt": date(by.at) } };
        let Some(before) = self.change_list(tx, &list, doc! { "$eq": id }, change).await? else {
            return Err(Conflict::RoleNotHeld.into());
        };
        if list.room.is_none() {
            self.may_have_lost_role(tx, &role.id, text(&before, "username")).await?;
        }
        let change = Change::RoleUnassigned { role: role.id, user: assignment.user.clone(), room: list.room };
        self.record(tx, by, change).await
    }

    /// Whether the role is one of rooms, as far as can be seen before the transaction begins. Which lock to take
    /// depends on it; `may_have_lost_role` insists on the lock.
    async fn lives_in_rooms(&self, role: &RoleId) -> Result<bool> {
        let filter = doc! { "_id": role.as_str(), "scope": "Subscriptions" };
        Ok(self.find_one(&self.roles(), filter, doc! { "_id": 1 }).await?.is_some())
    }

    /// The list in which an account's roles in a place are.
    fn list_of(&self, place: Place, user: &UserId) -> RoleList {
        let account = user.clone();
        match place {
            Place::Workspace => {
                RoleList { collection: self.users(), itself: doc! { "_id": user.as_str() }, account, room: None }
            }
            Place::Room(room) => {
                let itself = doc! { "rid": room.as_str(), "u._id": user.as_str() };
                RoleList { collection: self.subscriptions(), itself, account, room: Some(room) }
            }
        }
    }

    /// Changes a list of roles if it is as `having` says, with one statement; its owner's name as far as the list has
    /// it. `None` when nothing was changed, and the account is there.
    async fn change_list(
        &self,
        tx: &mut Transaction,
        list: &RoleList,
        having: Document,
        change: Document,
    ) -> Step<Option<Document>> {
        let itself = doc! { "_id": list.account.as_str() };
        // A subscription may be left of an account that is gone.
        if list.room.is_some() && !tx.exists(&self.users(), itself.clone()).await? {
            return Err(StoreError::NotFound(Noun::User).into());
        }
        let mut filter = list.itself.clone();
        filter.insert("roles", having);
        let changing = list.collection.find_one_and_update(filter, change).projection(doc! { "username": 1 });
        let changed = changing.session(&mut tx.session).await?;
        if changed.is_none() && list.room.is_none() && !tx.exists(&self.users(), itself).await? {
            return Err(StoreError::NotFound(Noun::User).into());
        }
        Ok(changed)
    }
}

/// A list of roles: of an account, or of its subscription of a room.
struct RoleList {
    collection: Collection<Document>,
    itself: Document,
    account: UserId,
    room: Option<RoomId>,
}
