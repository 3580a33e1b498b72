//! Permissions and their lists of roles. A list may name roles that do not exist here, because the defaults do.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::query::{Query as _, Tx, json, text, time, to_json};
use super::{holders, roles};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{PermissionId, RoleId};
use crate::domain::permission::{ACCESS_PERMISSIONS, Adjustment, Grant, Permission, TrashedPermission};
use crate::domain::time::Timestamp;
use crate::store::{Changes, Conflict, PermissionStore, Result};

const COLLECTION: &str = "permissions";

macro_rules! select_permission {
    ($rest:literal) => {
        concat!(
            "SELECT id, setting, updated_at, (SELECT json_group_array(role_id ORDER BY position) \
             FROM permission_roles WHERE permission_id = permissions.id) AS roles FROM permissions ",
            $rest
        )
    };
}

fn permission(row: &Row<'_>) -> Result<Permission> {
    Ok(Permission {
        id: PermissionId::from_stored(row.get::<_, String>("id")?),
        roles: json(row, "roles")?,
        updated_at: time(row, "updated_at")?,
        setting: json(row, "setting")?,
    })
}

/// The permission with that id.
pub(super) fn find(db: &Connection, id: &PermissionId) -> Result<Option<Permission>> {
    db.first(select_permission!("WHERE id = ?1"), [id.as_str()], permission)
}

pub(super) fn list(db: &Connection) -> Result<Vec<Permission>> {
    db.all(select_permission!("ORDER BY seq"), (), permission)
}

/// The roles that a permission names; none when there is no such permission.
pub(super) fn roles_of(db: &Connection, id: &str) -> Result<Vec<RoleId>> {
    let sql = "SELECT role_id FROM permission_roles WHERE permission_id = ?1 ORDER BY position";
    db.all(sql, [id], |row| Ok(RoleId::from_stored(text(row)?)))
}

/// Inserts the permission unless one with its id is there; whether it did.
pub(super) fn insert_absent(db: &Connection, permission: &Permission) -> Result<bool> {
    if db.exists("SELECT 1 FROM permissions WHERE id = ?1", [permission.id.as_str()])? {
        return Ok(false);
    }
    db.change(
        "INSERT INTO permissions (id, setting, updated_at) VALUES (?1, ?2, ?3)",
        (permission.id.as_str(), to_json(&permission.setting)?, permission.updated_at.as_millis()),
    )?;
    insert_roles(db, &permission.id, &permission.roles)?;
    Ok(true)
}

fn insert_roles(db: &Connection, id: &PermissionId, roles: &[RoleId]) -> Result<()> {
    for (position, role) in roles.iter().enumerate() {
        db.change(
            "INSERT INTO permission_roles (permission_id, position, role_id) VALUES (?1, ?2, ?3)",
            (id.as_str(), position as i64, role.as_str()),
        )?;
    }
    Ok(())
}

/// Marks the permission as changed.
pub(super) fn touch(tx: &Tx<'_>, id: &PermissionId) -> Result<()> {
    tx.db.change("UPDATE permissions SET updated_at = ?2 WHERE id = ?1", (id.as_str(), tx.now()))
}

/// Removes the role from every permission and gives back those that had it.
pub(super) fn remove_role(tx: &Tx<'_>, role: &RoleId) -> Result<Vec<PermissionId>> {
    if !tx.db.exists("SELECT 1 FROM permission_roles WHERE role_id = ?1", [role.as_str()])? {
        return Ok(Vec::new());
    }
    let affected = tx.db.all(
        "SELECT id FROM permissions WHERE id IN (SELECT permission_id FROM permission_roles WHERE role_id = ?1) \
         ORDER BY seq",
        [role.as_str()],
        |row| Ok(PermissionId::from_stored(text(row)?)),
    )?;
    tx.db.change(
        "UPDATE permissions SET updated_at = ?2 \
         WHERE id IN (SELECT permission_id FROM permission_roles WHERE role_id = ?1)",
        (role.as_str(), tx.now()),
    )?;
    tx.db.change("DELETE FROM permission_roles WHERE role_id = ?1", [role.as_str()])?;
    Ok(affected)
}

fn update(tx: &Tx<'_>, grants: Vec<Grant>) -> Result<Vec<Permission>> {
    let before = present(tx.db, &grants)?;
    roles::require_known(tx.db, grants.iter().flat_map(|grant| &grant.roles))?;
    replace(tx, before.into_iter().zip(grants.into_iter().map(|grant| grant.roles)))?;
    list(tx.db)
}

fn adjust(tx: &Tx<'_>, id: &PermissionId, role: &RoleId, adjustment: Adjustment) -> Result<()> {
    let permission = find(tx.db, id)?.ok_or(Conflict::UnknownPermission)?;
    if adjustment == Adjustment::Grant {
        roles::require_known(tx.db, [role])?;
    }
    let group = permission.group().filter(|group| group != id);
    let group = group.map(|group| find(tx.db, &group)).transpose()?.flatten();
    let wanted = |permission: Permission| {
        let roles = adjustment.applied(&permission.roles, role);
        (permission, roles)
    };
    replace(tx, std::iter::once(permission).chain(group).map(wanted))
}

/// Gives each permission its new list, unless that is the one it has.
fn replace(tx: &Tx<'_>, wanted: impl Iterator<Item = (Permission, Vec<RoleId>)>) -> Result<()> {
    let (mut differed, mut differ) = (Vec::new(), Vec::new());
    for (old, roles) in wanted {
        if old.roles == roles {
            continue;
        }
        tx.db.change("DELETE FROM permission_roles WHERE permission_id = ?1", [old.id.as_str()])?;
        insert_roles(tx.db, &old.id, &roles)?;
        touch(tx, &old.id)?;
        differ.push(Permission { roles, updated_at: tx.by.at, ..old.clone() });
        differed.push(old);
    }
    if differed.iter().any(|permission| permission.id.as_str() == ACCESS_PERMISSIONS) {
        holders::require_keeper_of_permissions(tx.db)?;
    }
    if !differed.is_empty() {
        tx.record(Change::PermissionsUpdated { before: differed, after: differ })?;
    }
    Ok(())
}

/// The permissions that the grants are about, in their order.
fn present(db: &Connection, grants: &[Grant]) -> Result<Vec<Permission>> {
    let mut seen = HashSet::new();
    let mut permissions = Vec::with_capacity(grants.len());
    for grant in grants {
        if !seen.insert(&grant.permission) {
            return Err(Conflict::UnknownPermission.into());
        }
        permissions.push(find(db, &grant.permission)?.ok_or(Conflict::UnknownPermission)?);
    }
    Ok(permissions)
}

fn trashed_permission(row: &Row<'_>) -> Result<TrashedPermission> {
    Ok(TrashedPermission { id: PermissionId::from_stored(text(row)?), deleted_at: time(row, "deleted_at")? })
}

#[async_trait]
impl PermissionStore for SqliteStore {
    async fn list_permissions(&self) -> Result<Vec<Permission>> {
        self.read(list).await
    }

    async fn find_permission(&self, id: &PermissionId) -> Result<Option<Permission>> {
        let id = id.clone();
        self.read(move |db| find(db, &id)).await
    }

    async fn permissions_changed_since(&self, since: Timestamp) -> Result<Changes<Permission, TrashedPermission>> {
        self.read(move |db| {
            let since = since.as_millis();
            let updated = db.all(select_permission!("WHERE updated_at > ?1 ORDER BY seq"), [since], permission)?;
            let removed = db.all(
                "SELECT id, deleted_at, MAX(seq) FROM trash WHERE collection = ?1 AND deleted_at > ?2 \
                 GROUP BY id ORDER BY deleted_at, id",
                (COLLECTION, since),
                trashed_permission,
            )?;
            Ok(Changes { updated, removed })
        })
        .await
    }

    async fn update_permissions(&self, grants: Vec<Grant>, by: &AuditContext) -> Result<Vec<Permission>> {
        self.write(by, move |tx| update(tx, grants)).await
    }

    async fn grant_permission(&self, permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()> {
        let (permission, role) = (permission.clone(), role.clone());
        self.write(by, move |tx| adjust(tx, &permission, &role, Adjustment::Grant)).await
    }

    async fn revoke_permission(&self, permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()> {
        let (permission, role) = (permission.clone(), role.clone());
        self.write(by, move |tx| adjust(tx, &permission, &role, Adjustment::Revoke)).await
    }
}
