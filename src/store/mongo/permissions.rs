//! Permissions and the roles that have them.

use async_trait::async_trait;
use mongodb::bson::{Document, doc};

use super::error::Step;
use super::locks::Lock;
use super::transaction::{Transaction, transact};
use super::values::date;
use super::{MongoStore, documents, strings};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{PermissionId, RoleId};
use crate::domain::permission::{ACCESS_PERMISSIONS, Adjustment, Grant, Permission, TrashedPermission};
use crate::domain::time::Timestamp;
use crate::store::{Changes, Conflict, PermissionStore, Result};

/// What the trash calls the collection of permissions.
const COLLECTION: &str = "permissions";

#[async_trait]
impl PermissionStore for MongoStore {
    async fn list_permissions(&self) -> Result<Vec<Permission>> {
        let natural = doc! { "$natural": 1 };
        let found = self.find(&self.permissions(), Document::new(), Document::new(), natural).await?;
        found.iter().map(documents::permission).collect()
    }

    async fn find_permission(&self, id: &PermissionId) -> Result<Option<Permission>> {
        let found = self.find_one(&self.permissions(), doc! { "_id": id.as_str() }, Document::new()).await?;
        found.as_ref().map(documents::permission).transpose()
    }

    async fn permissions_changed_since(&self, since: Timestamp) -> Result<Changes<Permission, TrashedPermission>> {
        transact!(self, tx => self.permissions_changed_since_in(&mut tx, since))
    }

    async fn update_permissions(&self, grants: Vec<Grant>, by: &AuditContext) -> Result<Vec<Permission>> {
        transact!(self, tx => self.update_permissions_in(&mut tx, &grants, by))
    }

    async fn grant_permission(&self, permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.adjust_permission_in(&mut tx, permission, role, Adjustment::Grant, by))
    }

    async fn revoke_permission(&self, permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.adjust_permission_in(&mut tx, permission, role, Adjustment::Revoke, by))
    }
}

impl MongoStore {
    async fn permissions_changed_since_in(
        &self,
        tx: &mut Transaction,
        since: Timestamp,
    ) -> Step<Changes<Permission, TrashedPermission>> {
        let mut updated = self.all_permissions(tx).await?;
        updated.retain(|permission| permission.updated_at > since);
        let filter = doc! { "__collection__": COLLECTION, "_deletedAt": { "$gt": date(since) } };
        let projection = doc! { "_deletedAt": 1 };
        let trashed = tx.find(&self.trash(), filter, projection, doc! { "_deletedAt": 1 }, 0).await?;
        let removed = trashed.iter().map(documents::trashed_permission).collect::<Result<_>>()?;
        Ok(Changes { updated, removed })
    }

    pub(super) async fn all_permissions(&self, tx: &mut Transaction) -> Step<Vec<Permission>> {
        let natural = doc! { "$natural": 1 };
        let found = tx.find(&self.permissions(), Document::new(), Document::new(), natural, 0).await?;
        Ok(found.iter().map(documents::permission).collect::<Result<_>>()?)
    }

    async fn update_permissions_in(
        &self,
        tx: &mut Transaction,
        grants: &[Grant],
        by: &AuditContext,
    ) -> Step<Vec<Permission>> {
        let named: Vec<RoleId> = grants.iter().flat_map(|grant| grant.roles.iter().cloned()).collect();
        if grants.iter().any(|grant| grant.permission.as_str() == ACCESS_PERMISSIONS) {
            self.lock(tx, &Lock::Administration).await?;
        }
        self.lock_roles(tx, &named).await?;
        let mut permissions = self.all_permissions(tx).await?;
        let grants = matched(grants, &permissions)?;
        if let Some(unknown) = self.first_unknown_role(tx, &named).await? {
            return Err(Conflict::UnknownRole(unknown).into());
        }
        let wanted = grants.into_iter().map(|(index, roles)| (index, roles.to_vec())).collect();
        self.replace_lists(tx, &mut permissions, wanted, by).await?;
        Ok(permissions)
    }

    async fn adjust_permission_in(
        &self,
        tx: &mut Transaction,
        id: &PermissionId,
        role: &RoleId,
        adjustment: Adjustment,
        by: &AuditContext,
    ) -> Step<()> {
        // Which permission is that of the group is seen only behind the locks, and it could be the one that matters.
        self.lock(tx, &Lock::Administration).await?;
        if adjustment == Adjustment::Grant {
            self.lock_roles(tx, std::slice::from_ref(role)).await?;
        }
        let mut permissions = self.all_permissions(tx).await?;
        let Some(index) = permissions.iter().position(|permission| permission.id == *id) else {
            return Err(Conflict::UnknownPermission.into());
        };
        if adjustment == Adjustment::Grant
            && let Some(unknown) = self.first_unknown_role(tx, std::slice::from_ref(role)).await?
        {
            return Err(Conflict::UnknownRole(unknown).into());
        }
        let group = permissions[index].group().filter(|group| group != id);
        let group = group.and_then(|group| permissions.iter().position(|permission| permission.id == group));
        let wanted = std::iter::once(index).chain(group);
        let wanted = wanted.map(|index| (index, adjustment.applied(&permissions[index].roles, role))).collect();
        self.replace_lists(tx, &mut permissions, wanted, by).await
    }

    /// Gives the permissions at these places their new lists, unless they are those that they have.
    async fn replace_lists(
        &self,
        tx: &mut Transaction,
        permissions: &mut [Permission],
        wanted: Vec<(usize, Vec<RoleId>)>,
        by: &AuditContext,
    ) -> Step<()> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (index, roles) in wanted {
            let permission = &mut permissions[index];
            if permission.roles == roles {
                continue;
            }
            before.push(permission.clone());
            permission.roles = roles;
            permission.updated_at = by.at;
            after.push(permission.clone());
        }
        let access = after.iter().find(|permission| permission.id.as_str() == ACCESS_PERMISSIONS);
        if let Some(access) = access
            && !self.somebody_can(tx, &strings(&access.roles)).await?
        {
            return Err(Conflict::PermissionsLockout.into());
        }
        for permission in &after {
            let wanted = doc! { "roles": strings(&permission.roles), "_updatedAt": date(by.at) };
            self.permissions()
                .update_one(doc! { "_id": permission.id.as_str() }, doc! { "$set": wanted })
                .session(&mut tx.session)
                .await?;
        }
        if !after.is_empty() {
            self.record(tx, by, Change::PermissionsUpdated { before, after }).await?;
        }
        Ok(())
    }
}

/// Each grant's list of roles with the place of its permission, when every permission is there and named once.
fn matched<'a>(grants: &'a [Grant], permissions: &[Permission]) -> Result<Vec<(usize, &'a [RoleId])>, Conflict> {
    let mut matched: Vec<(usize, &[RoleId])> = Vec::with_capacity(grants.len());
    for grant in grants {
        let index = permissions.iter().position(|permission| permission.id == grant.permission);
        let index = index.ok_or(Conflict::UnknownPermission)?;
        if matched.iter().any(|(other, _)| *other == index) {
            return Err(Conflict::UnknownPermission);
        }
        matched.push((index, &grant.roles));
    }
    Ok(matched)
}
