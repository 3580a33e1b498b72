//! Putting right what `check` has found. Each repair takes the locks of whoever could make or take away what it is about,
//! asks again whether the finding holds, and does no more than still does.

use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::error::Step;
use super::indexes::{ORGANIZATIONS, ROLES, ROOMS, USERS};
use super::locks::Lock;
use super::transaction::Transaction;
use super::values::{date, text};
use super::{MongoStore, documents, strings};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::finding::{Finding, built_in, built_in_role, is_altered, may_be_held, may_be_named};
use crate::domain::ids::{OrganizationId, PermissionId, RoleId, UserId};
use crate::domain::permission::ACCESS_PERMISSIONS;
use crate::domain::role::{RoleScope, name_collides};
use crate::domain::setting::settings_that_name_roles;
use crate::domain::system_role::SystemRole;
use crate::store::{Conflict, Seed, StoreError, Unique};

/// What the trash calls subscriptions.
const SUBSCRIPTION: &str = "subscription";

/// What has locks of its own, by the beginning of their keys.
pub(super) const LOCKED: [&str; 4] = ["role", "room", "account", "organization"];

/// Where what such a lock is about is.
pub(super) fn collection_of(kind: &str) -> &'static str {
    match kind {
        "role" => ROLES,
        "room" => ROOMS,
        "account" => USERS,
        _ => ORGANIZATIONS,
    }
}

/// Roles that lack a field.
pub(super) fn incomplete() -> Document {
    let no = |name: &str| doc! { "$not": { "$type": name } };
    doc! { "$or": [
        { "name": no("string") },
        { "scope": { "$nin": ["Users", "Subscriptions"] } },
        { "description": no("string") },
        { "protected": no("bool") },
    ] }
}

/// Which fields a role lacks.
pub(super) fn lacking(role: &Document) -> Vec<&'static str> {
    let scope = role.get_str("scope").ok().and_then(RoleScope::parse);
    let there = [
        ("name", role.get_str("name").is_ok()),
        ("scope", scope.is_some()),
        ("description", role.get_str("description").is_ok()),
        ("protected", role.get_bool("protected").is_ok()),
    ];
    there.into_iter().filter(|(_, there)| !there).map(|(field, _)| field).collect()
}

fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

impl MongoStore {
    pub(super) async fn repair_in(&self, tx: &mut Transaction, finding: &Finding, by: &AuditContext) -> Step<bool> {
        if let Finding::StrayLock { lock } = finding {
            return self.remove_lock(tx, lock).await;
        }
        let locks = locks_for(finding);
        for lock in &locks {
            self.lock(tx, lock).await?;
        }
        let administered = self.is_administered(tx).await?;
        let repaired = self.put_right(tx, finding, by).await?;
        if administered && !self.is_administered(tx).await? {
            return Err(Conflict::PermissionsLockout.into());
        }
        self.drop_stray(tx, &locks).await?;
        let Some(repaired) = repaired else { return Ok(false) };
        self.record(tx, by, Change::Repaired { repaired }).await?;
        Ok(true)
    }

    /// A repair may have locked what is not there; it does not leave that for the next search to find.
    async fn drop_stray(&self, tx: &mut Transaction, locks: &[Lock]) -> Step<()> {
        for lock in locks {
            let (collection, id) = match lock {
                Lock::Room(id) => (self.rooms(), id.as_str()),
                Lock::Account(id) => (self.users(), id.as_str()),
                Lock::Organization(id) => (self.organizations(), id.as_str()),
                _ => continue,
            };
            if !tx.exists(&collection, doc! { "_id": id }).await? {
                self.drop_lock(tx, lock).await?;
            }
        }
        Ok(())
    }

    /// Whether somebody who can act can administer permissions.
    async fn is_administered(&self, tx: &mut Transaction) -> Step<bool> {
        let itself = doc! { "_id": ACCESS_PERMISSIONS };
        let found = tx.find_one(&self.permissions(), itself, doc! { "roles": 1 }).await?;
        let roles = found.and_then(|permission| documents::role_ids(&permission, "roles")).unwrap_or_default();
        self.somebody_can(tx, &strings(&roles)).await
    }

    /// What was repaired of a finding.
    async fn put_right(&self, tx: &mut Transaction, finding: &Finding, by: &AuditContext) -> Step<Option<Finding>> {
        let done = match finding.clone() {
            Finding::IncompleteRole { role, .. } => self.complete_role(tx, &role, by).await?,
            Finding::MissingRole { role } => self.insert_built_in(tx, &role, by).await?,
            Finding::AlteredRole { role, .. } => self.restore_built_in(tx, &role, by).await?,
            Finding::MissingPermissions { permissions } => {
                let permissions = self.insert_defaults(tx, &permissions, by).await?;
                return Ok(permissions.map(|permissions| Finding::MissingPermissions { permissions }));
            }
            Finding::UnknownRolesOfPermission { permission, roles } => {
                let (list, id) = (self.permissions(), permission.as_str().to_owned());
                let nameable = |role: &RoleId| !may_be_named(role);
                let roles = self.take_from(tx, list, &id, roles.into_iter().filter(nameable).collect(), by).await?;
                return Ok(roles.map(|roles| Finding::UnknownRolesOfPermission { permission, roles }));
            }
            Finding::UnknownRolesOfSetting { setting, roles } => {
                let roles = self.take_from_setting(tx, &setting, &roles, by).await?;
                return Ok(roles.map(|roles| Finding::UnknownRolesOfSetting { setting, roles }));
            }
            Finding::UnknownRolesOfAccount { user, roles } => {
                let roles = self.take_from(tx, self.users(), user.as_str(), roles, by).await?;
                return Ok(roles.map(|roles| Finding::UnknownRolesOfAccount { user, roles }));
            }
            Finding::UnknownRolesOfMembership { subscription, room, user, roles } => {
                let roles = self.take_from(tx, self.subscriptions(), &subscription, roles, by).await?;
                return Ok(roles.map(|roles| Finding::UnknownRolesOfMembership { subscription, room, user, roles }));
            }
            Finding::UnknownRolesOfMember { organization, user, roles } => {
                let roles = self.take_from_member(tx, &organization, &user, roles).await?;
                return Ok(roles.map(|roles| Finding::UnknownRolesOfMember { organization, user, roles }));
            }
            Finding::StrayMembership { subscription, .. } => self.end_stray_membership(tx, &subscription, by).await?,
            Finding::StrayMember { organization, user, .. } => self.end_stray_member(tx, &organization, &user).await?,
            Finding::StrayOrganizationRole { organization, role } => {
                self.remove_stray_role(tx, &organization, &role).await?
            }
            Finding::TokensOfDeactivated { user } => self.end_leftover_tokens(tx, &user).await?,
            _ => false,
        };
        Ok(done.then(|| finding.clone()))
    }

    async fn complete_role(&self, tx: &mut Transaction, id: &RoleId, by: &AuditContext) -> Step<bool> {
        let itself = doc! { "_id": id.as_str() };
        let Some(role) = tx.find_one(&self.roles(), itself.clone(), Document::new()).await? else { return Ok(false) };
        let (lacking, built_in) = (lacking(&role), built_in(id));
        if lacking.is_empty() {
            return Ok(false);
        }
        if lacking.contains(&"name") {
            self.require_free_built_in_name(tx, id).await?;
        }
        let mut set = doc! { "_updatedAt": date(by.at) };
        for field in lacking {
            match field {
                "name" => set.insert(field, id.as_str()),
                "scope" => set.insert(field, built_in.map_or(RoleScope::Users, |role| role.scope).as_str()),
                "description" => set.insert(field, built_in.map_or("", |role| role.description)),
                _ => set.insert(field, built_in.is_some()),
            };
        }
        self.roles().update_one(itself, doc! { "$set": set }).session(&mut tx.session).await?;
        Ok(true)
    }

    /// Inserts a built-in role; `false` when it is there.
    pub(super) async fn insert_built_in(&self, tx: &mut Transaction, id: &RoleId, by: &AuditContext) -> Step<bool> {
        let Some(role) = built_in_role(id, by.at) else { return Ok(false) };
        if tx.exists(&self.roles(), doc! { "_id": id.as_str() }).await? {
            return Ok(false);
        }
        self.require_free_built_in_name(tx, id).await?;
        self.roles().insert_one(documents::role_document(&role)).session(&mut tx.session).await?;
        Ok(true)
    }

    async fn restore_built_in(&self, tx: &mut Transaction, id: &RoleId, by: &AuditContext) -> Step<bool> {
        let Some(wanted) = built_in(id) else { return Ok(false) };
        let roles = self.all_roles(tx).await?;
        if !roles.iter().any(|role| role.id == *id && is_altered(role, &wanted)) {
            return Ok(false);
        }
        self.require_free_built_in_name(tx, id).await?;
        let set = doc! {
            "name": id.as_str(),
            "scope": wanted.scope.as_str(),
            "protected": true,
            "_updatedAt": date(by.at),
        };
        let itself = doc! { "_id": id.as_str() };
        self.roles().update_one(itself, doc! { "$set": set }).session(&mut tx.session).await?;
        Ok(true)
    }

    /// The name of a built-in role is its id.
    async fn require_free_built_in_name(&self, tx: &mut Transaction, id: &RoleId) -> Step<()> {
        let roles = self.all_roles(tx).await?;
        if roles.iter().any(|other| other.id != *id && name_collides(id.as_str(), other)) {
            return Err(StoreError::AlreadyExists(Unique::RoleName).into());
        }
        Ok(())
    }

    /// Which of the permissions were inserted.
    pub(super) async fn insert_defaults(
        &self,
        tx: &mut Transaction,
        ids: &[PermissionId],
        by: &AuditContext,
    ) -> Step<Option<Vec<PermissionId>>> {
        let mut inserted = Vec::new();
        for permission in
            Seed::defaults(by.at).permissions.into_iter().filter(|permission| ids.contains(&permission.id))
        {
            if !tx.exists(&self.permissions(), doc! { "_id": permission.id.as_str() }).await? {
                let document = documents::permission_document(&permission);
                self.permissions().insert_one(document).session(&mut tx.session).await?;
                inserted.push(permission.id);
            }
        }
        Ok(some(inserted))
    }

    /// Those of the roles that neither exist nor are put back.
    async fn unholdable(&self, tx: &mut Transaction, mut roles: Vec<RoleId>) -> Step<Vec<RoleId>> {
        let filter = doc! { "_id": { "$in": strings(&roles) } };
        let there = tx.find(&self.roles(), filter, doc! { "_id": 1 }, Document::new(), 0).await?;
        let there: Vec<RoleId> = there.iter().filter_map(|role| text(role, "_id")).map(RoleId::from_stored).collect();
        roles.retain(|role| !may_be_held(role, there.iter()));
        Ok(roles)
    }

    /// Takes roles off the list of the document with that id; which of them it had.
    async fn take_from(
        &self,
        tx: &mut Transaction,
        collection: Collection<Document>,
        id: &str,
        roles: Vec<RoleId>,
        by: &AuditContext,
    ) -> Step<Option<Vec<RoleId>>> {
        let found = tx.find_one(&collection, doc! { "_id": id }, doc! { "roles": 1 }).await?;
        let held = found.and_then(|document| documents::role_ids(&document, "roles")).unwrap_or_default();
        let mut taken = self.unholdable(tx, roles).await?;
        taken.retain(|role| held.contains(role));
        if !taken.is_empty() {
            let pull = doc! { "roles": { "$in": strings(&taken) } };
            let change = doc! { "$pull": pull, "$set": { "_updatedAt": date(by.at) } };
            collection.update_one(doc! { "_id": id }, change).session(&mut tx.session).await?;
        }
        Ok(some(taken))
    }

    async fn take_from_setting(
        &self,
        tx: &mut Transaction,
        id: &str,
        roles: &[RoleId],
        by: &AuditContext,
    ) -> Step<Option<Vec<RoleId>>> {
        let Some(setting) = settings_that_name_roles().find(|setting| setting.id == id) else { return Ok(None) };
        let Some(mut value) = self.stored_value(tx, id).await? else { return Ok(None) };
        let mut taken = Vec::new();
        for role in self.unholdable(tx, roles.to_vec()).await? {
            if let Some(left) = setting.without_role(&value, &role) {
                value = left;
                taken.push(role);
            }
        }
        if !taken.is_empty() {
            self.put_value(tx, *setting, &value, by).await?;
        }
        Ok(some(taken))
    }

    async fn take_from_member(
        &self,
        tx: &mut Transaction,
        organization: &OrganizationId,
        user: &UserId,
        mut roles: Vec<RoleId>,
    ) -> Step<Option<Vec<RoleId>>> {
        let itself = doc! { "organization": organization.as_str(), "user": user.as_str() };
        let own = doc! { "organization": organization.as_str(), "_id": { "$in": strings(&roles) } };
        let own = tx.find(&self.organization_roles(), own, doc! { "_id": 1 }, Document::new(), 0).await?;
        let own: Vec<String> = own.iter().filter_map(|role| text(role, "_id")).collect();
        let found = tx.find_one(&self.organization_members(), itself.clone(), doc! { "roles.role": 1 }).await?;
        let held = found.as_ref().and_then(|member| member.get_array("roles").ok()).cloned().unwrap_or_default();
        let holds = |role: &RoleId| {
            held.iter()
                .filter_map(|held| held.as_document())
                .any(|held| held.get_str("role").ok() == Some(role.as_str()))
        };
        roles.retain(|role| {
            SystemRole::find(role).is_none() && holds(role) && !own.iter().any(|own| own == role.as_str())
        });
        if !roles.is_empty() {
            let change = doc! { "$pull": { "roles": { "role": { "$in": strings(&roles) } } } };
            self.organization_members().update_one(itself, change).session(&mut tx.session).await?;
        }
        Ok(some(roles))
    }

    async fn end_stray_membership(&self, tx: &mut Transaction, id: &str, by: &AuditContext) -> Step<bool> {
        let itself = doc! { "_id": id };
        let Some(subscription) = tx.find_one(&self.subscriptions(), itself.clone(), Document::new()).await? else {
            return Ok(false);
        };
        let member = subscription.get_document("u").ok().and_then(|member| text(member, "_id"));
        let (Some(room), Some(member)) = (text(&subscription, "rid"), member) else { return Ok(false) };
        let has_room = tx.exists(&self.rooms(), doc! { "_id": &room }).await?;
        if has_room && tx.exists(&self.users(), doc! { "_id": member }).await? {
            return Ok(false);
        }
        self.trash()
            .replace_one(itself.clone(), documents::trashed(subscription, SUBSCRIPTION, by.at))
            .upsert(true)
            .session(&mut tx.session)
            .await?;
        self.subscriptions().delete_one(itself).session(&mut tx.session).await?;
        if has_room {
            // Counted, because whoever left the membership may have taken it off the number or not.
            let members = doc! { "rid": &room };
            let left = self.subscriptions().count_documents(members).session(&mut tx.session).await?;
            let count = doc! { "usersCount": i32::try_from(left).unwrap_or(i32::MAX), "_updatedAt": date(by.at) };
            self.rooms().update_one(doc! { "_id": &room }, doc! { "$set": count }).session(&mut tx.session).await?;
        }
        Ok(true)
    }

    async fn end_stray_member(&self, tx: &mut Transaction, place: &OrganizationId, user: &UserId) -> Step<bool> {
        let has_place = tx.exists(&self.organizations(), doc! { "_id": place.as_str() }).await?;
        if has_place && tx.exists(&self.users(), doc! { "_id": user.as_str() }).await? {
            return Ok(false);
        }
        let itself = doc! { "organization": place.as_str(), "user": user.as_str() };
        let gone = self.organization_members().delete_one(itself).session(&mut tx.session).await?;
        Ok(gone.deleted_count > 0)
    }

    async fn remove_stray_role(&self, tx: &mut Transaction, place: &OrganizationId, role: &RoleId) -> Step<bool> {
        if tx.exists(&self.organizations(), doc! { "_id": place.as_str() }).await? {
            return Ok(false);
        }
        let itself = doc! { "_id": role.as_str(), "organization": place.as_str() };
        let gone = self.organization_roles().delete_one(itself).session(&mut tx.session).await?;
        Ok(gone.deleted_count > 0)
    }

    async fn end_leftover_tokens(&self, tx: &mut Transaction, user: &UserId) -> Step<bool> {
        let leftover =
            doc! { "_id": user.as_str(), "active": false, "services.resume.loginTokens.0": { "$exists": true } };
        if !tx.exists(&self.users(), leftover).await? {
            return Ok(false);
        }
        self.end_tokens(tx, user).await?;
        Ok(true)
    }

    async fn remove_lock(&self, tx: &mut Transaction, key: &str) -> Step<bool> {
        let Some((kind, id)) = key.split_once(':').filter(|(kind, _)| LOCKED.contains(kind)) else { return Ok(false) };
        let there: Collection<Document> = self.database.collection(collection_of(kind));
        if tx.exists(&there, doc! { "_id": id }).await? {
            return Ok(false);
        }
        let gone = self.locks().delete_one(doc! { "_id": key }).session(&mut tx.session).await?;
        Ok(gone.deleted_count > 0)
    }
}

/// What must stay as it is found until the repair is done.
fn locks_for(finding: &Finding) -> Vec<Lock> {
    match finding {
        // Whoever makes one of them meanwhile, which only the seed can with an id that it knows, takes the same locks.
        Finding::UnknownRolesOfAccount { roles, .. } | Finding::UnknownRolesOfPermission { roles, .. } => {
            let names = roles.iter().map(|role| Lock::role_name(role.as_str()));
            std::iter::once(Lock::Administration).chain(names).collect()
        }
        Finding::UnknownRolesOfMember { organization, .. } | Finding::StrayOrganizationRole { organization, .. } => {
            vec![Lock::Organization(organization.clone())]
        }
        Finding::StrayMembership { room, .. } => vec![Lock::Room(room.clone())],
        Finding::StrayMember { organization, user, .. } => {
            vec![Lock::Account(user.clone()), Lock::Organization(organization.clone())]
        }
        Finding::TokensOfDeactivated { .. } => vec![Lock::Administration],
        Finding::UnknownRolesOfMembership { roles, .. } | Finding::UnknownRolesOfSetting { roles, .. } => {
            roles.iter().map(|role| Lock::role_name(role.as_str())).collect()
        }
        Finding::MissingRole { role } | Finding::AlteredRole { role, .. } => vec![Lock::role_name(role.as_str())],
        _ => Vec::new(),
    }
}
