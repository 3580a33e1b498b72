//! Permissions: which roles have them (contract 5).

use super::error::PermissionRefusal;
use super::{Caller, Result, Services};
use crate::domain::permission::{Grant, Permission, TrashedPermission};
use crate::domain::time::Timestamp;
use crate::store::{Changes, Conflict, StoreError};

impl Services {
    /// Permissions changed or removed since a date; every one when none is given (contract 5.1).
    ///
    /// # Errors
    /// `InvalidUpdatedSince` when the text is no date.
    pub async fn list_permissions(
        &self,
        updated_since: Option<&str>,
    ) -> Result<Changes<Permission, TrashedPermission>> {
        let Some(text) = updated_since.filter(|text| !text.is_empty()) else {
            return Ok(Changes { updated: self.store.list_permissions().await?, removed: Vec::new() });
        };
        let since = Timestamp::parse(text).ok_or(PermissionRefusal::InvalidUpdatedSince)?;
        Ok(self.store.permissions_changed_since(since).await?)
    }

    /// Replaces the lists of roles of some permissions, all or none, and returns every permission (contract 5.2).
    ///
    /// # Errors
    /// In this order: `Unknown`, `UnknownRole`, `PermissionsLockout`.
    pub async fn update_permissions(&self, caller: &Caller, grants: Vec<Grant>) -> Result<Vec<Permission>> {
        self.store.update_permissions(grants, &self.audit(caller)).await.map_err(refusal)
    }
}

fn refusal(error: StoreError) -> super::ServiceError {
    match error {
        StoreError::Conflict(Conflict::UnknownPermission) => PermissionRefusal::Unknown.into(),
        StoreError::Conflict(Conflict::UnknownRole(role)) => PermissionRefusal::UnknownRole(role).into(),
        other => other.into(),
    }
}
