//! Permissions: which roles have them (contract 5).

use super::error::PermissionRefusal;
use super::{Caller, Result, Services};
use crate::domain::ids::{PermissionId, RoleId};
use crate::domain::permission::{ACCESS_SETTING_PERMISSIONS, Grant, Permission, TrashedPermission};
use crate::domain::time::Timestamp;
use crate::store::{Changes, Conflict, StoreError};

impl Services {
    /// Permissions changed or removed since a date (contract 5.1).
    ///
    /// # Errors
    /// `InvalidUpdatedSince` when the text is no date.
    pub async fn permissions_changed_since(&self, since: &str) -> Result<Changes<Permission, TrashedPermission>> {
        let since = Timestamp::parse(since).ok_or(PermissionRefusal::InvalidUpdatedSince)?;
        Ok(self.store.permissions_changed_since(since).await?)
    }

    /// Replaces the lists of roles of some permissions, all or none, and returns every permission (contract 5.2).
    ///
    /// # Errors
    /// In this order: `Unknown`, `UnknownRole`, `PermissionsLockout`.
    pub async fn update_permissions(&self, caller: &Caller, grants: Vec<Grant>) -> Result<Vec<Permission>> {
        self.store.update_permissions(grants, &self.audit(caller)).await.map_err(refusal)
    }

    /// Gives a permission to a role, and that of its group with it (contract 5.3). Giving it again changes nothing.
    ///
    /// # Errors
    /// In this order: `Restricted`, `ToGrantUnknown`, `ToGrantUnknownRole`, `GrantingNotAllowed`, `PermissionsLockout`.
    pub async fn grant_permission(&self, caller: &Caller, permission: &str, role: &str) -> Result<()> {
        let named = (RoleId::from_stored(role), PermissionId::from_stored(permission));
        if self.restrictions.forbid(&named.0, &named.1) {
            return Err(PermissionRefusal::Restricted.into());
        }
        let unknown = PermissionRefusal::ToGrantUnknown;
        let permission = PermissionId::parse(permission).map_err(|_| unknown.clone())?;
        let found = self.store.find_permission(&permission).await?.ok_or(unknown)?;
        let role = RoleId::parse(role).map_err(|_| PermissionRefusal::ToGrantUnknownRole)?;
        self.store.find_role(&role).await?.ok_or(PermissionRefusal::ToGrantUnknownRole)?;
        if !self.may_adjust(caller, &found).await? {
            return Err(PermissionRefusal::GrantingNotAllowed.into());
        }
        let granted = self.store.grant_permission(&permission, &role, &self.audit(caller)).await;
        granted.map_err(|error| match error {
            StoreError::Conflict(Conflict::UnknownPermission) => PermissionRefusal::ToGrantUnknown.into(),
            StoreError::Conflict(Conflict::UnknownRole(_)) => PermissionRefusal::ToGrantUnknownRole.into(),
            other => other.into(),
        })
    }

    /// Takes a permission from a role, and that of its group with it (contract 5.3). The role need not exist, so that
    /// a name that somebody left behind can be taken off a list.
    ///
    /// # Errors
    /// In this order: `ToRevokeUnknown`, `RevokingNotAllowed`, `PermissionsLockout`.
    pub async fn revoke_permission(&self, caller: &Caller, permission: &str, role: &str) -> Result<()> {
        let unknown = PermissionRefusal::ToRevokeUnknown;
        let permission = PermissionId::parse(permission).map_err(|_| unknown.clone())?;
        let found = self.store.find_permission(&permission).await?.ok_or(unknown)?;
        if !self.may_adjust(caller, &found).await? {
            return Err(PermissionRefusal::RevokingNotAllowed.into());
        }
        let role = RoleId::from_stored(role);
        let revoked = self.store.revoke_permission(&permission, &role, &self.audit(caller)).await;
        revoked.map_err(|error| match error {
            StoreError::Conflict(Conflict::UnknownPermission) => PermissionRefusal::ToRevokeUnknown.into(),
            other => other.into(),
        })
    }

    /// Who has a permission that stands for a setting takes a right of its own.
    async fn may_adjust(&self, caller: &Caller, permission: &Permission) -> Result<bool> {
        Ok(!permission.is_of_setting() || self.is_allowed(caller, ACCESS_SETTING_PERMISSIONS).await?)
    }
}

fn refusal(error: StoreError) -> super::ServiceError {
    match error {
        StoreError::Conflict(Conflict::UnknownPermission) => PermissionRefusal::Unknown.into(),
        StoreError::Conflict(Conflict::UnknownRole(role)) => PermissionRefusal::UnknownRole(role).into(),
        other => other.into(),
    }
}
