//! Putting right what `check` has found. Each repair asks again whether the finding holds, because it was found outside of
//! the transaction, and does no more than still does.

use rusqlite::Connection;
use serde_json::json;

use super::check::is_administered;
use super::holders::RoleList;
use super::query::{Query as _, Tx};
use super::{permissions, roles, settings, tokens};
use crate::domain::audit::Change;
use crate::domain::finding::{Finding, built_in, built_in_role, is_altered, may_be_held, may_be_named};
use crate::domain::ids::{OrganizationId, PermissionId, RoleId, UserId};
use crate::domain::role::{RoleScope, name_key};
use crate::domain::setting::settings_that_name_roles;
use crate::domain::system_role::SystemRole;
use crate::store::{Conflict, Result, Seed, StoreError, Unique};

/// Repairs a finding, and puts it on record; `false` when there is nothing to repair.
pub(super) fn repair(tx: &Tx<'_>, finding: &Finding) -> Result<bool> {
    let administered = is_administered(tx.db)?;
    let Some(repaired) = put_right(tx, finding)? else { return Ok(false) };
    if administered && !is_administered(tx.db)? {
        return Err(Conflict::PermissionsLockout.into());
    }
    tx.record(Change::Repaired { repaired })?;
    Ok(true)
}

/// What was repaired of a finding.
fn put_right(tx: &Tx<'_>, finding: &Finding) -> Result<Option<Finding>> {
    let done = match finding {
        Finding::IncompleteRole { role, .. } => complete(tx, role)?,
        Finding::MissingRole { role } => insert(tx, role)?,
        Finding::AlteredRole { role, .. } => restore(tx, role)?,
        Finding::MissingPermissions { permissions } => {
            return Ok(
                insert_permissions(tx, permissions)?.map(|permissions| Finding::MissingPermissions { permissions })
            );
        }
        Finding::UnknownRolesOfPermission { permission, roles } => {
            let roles = take_from_permission(tx, permission, roles)?;
            let permission = permission.clone();
            return Ok(roles.map(|roles| Finding::UnknownRolesOfPermission { permission, roles }));
        }
        Finding::UnknownRolesOfSetting { setting, roles } => {
            let roles = take_from_setting(tx, setting, roles)?;
            let setting = setting.clone();
            return Ok(roles.map(|roles| Finding::UnknownRolesOfSetting { setting, roles }));
        }
        Finding::UnknownRolesOfAccount { user, roles } => {
            let roles = take_from_list(tx, &RoleList::OfUser(user.clone()), roles)?;
            let user = user.clone();
            return Ok(roles.map(|roles| Finding::UnknownRolesOfAccount { user, roles }));
        }
        Finding::UnknownRolesOfMembership { subscription, room, user, roles } => {
            let roles = take_from_list(tx, &RoleList::OfSubscription(subscription.clone()), roles)?;
            let (subscription, room, user) = (subscription.clone(), room.clone(), user.clone());
            return Ok(roles.map(|roles| Finding::UnknownRolesOfMembership { subscription, room, user, roles }));
        }
        Finding::UnknownRolesOfMember { organization, user, roles } => {
            let roles = take_from_member(tx, organization, user, roles)?;
            let (organization, user) = (organization.clone(), user.clone());
            return Ok(roles.map(|roles| Finding::UnknownRolesOfMember { organization, user, roles }));
        }
        Finding::StrayMembership { subscription, .. } => end_membership(tx, subscription)?,
        Finding::StrayMember { organization, user, .. } => end_member(tx, organization, user)?,
        Finding::StrayOrganizationRole { role, .. } => remove_organization_role(tx, role)?,
        Finding::TokensOfDeactivated { user } => end_tokens(tx, user)?,
        _ => false,
    };
    Ok(done.then(|| finding.clone()))
}

fn some(roles: Vec<RoleId>) -> Option<Vec<RoleId>> {
    (!roles.is_empty()).then_some(roles)
}

/// The scope is the one column that can hold something that no role has.
fn complete(tx: &Tx<'_>, role: &RoleId) -> Result<bool> {
    let scope = built_in(role).map_or(RoleScope::Users, |role| role.scope);
    let incomplete = "SELECT 1 FROM roles WHERE id = ?1 AND scope NOT IN ('Users', 'Subscriptions')";
    if !tx.db.exists(incomplete, [role.as_str()])? {
        return Ok(false);
    }
    let update = "UPDATE roles SET scope = ?2, updated_at = ?3 WHERE id = ?1";
    tx.db.change(update, (role.as_str(), scope.as_str(), tx.now()))?;
    Ok(true)
}

/// Inserts a built-in role; `false` when it is there.
pub(super) fn insert(tx: &Tx<'_>, id: &RoleId) -> Result<bool> {
    let Some(role) = built_in_role(id, tx.by.at) else { return Ok(false) };
    if is_role(tx.db, id)? {
        return Ok(false);
    }
    require_free_name(tx.db, id)?;
    roles::insert(tx.db, &role)?;
    Ok(true)
}

fn restore(tx: &Tx<'_>, id: &RoleId) -> Result<bool> {
    let Some(wanted) = built_in(id) else { return Ok(false) };
    if !roles::list(tx.db)?.iter().any(|role| role.id == *id && is_altered(role, &wanted)) {
        return Ok(false);
    }
    require_free_name(tx.db, id)?;
    tx.db.change(
        "UPDATE roles SET name = ?1, name_key = ?2, scope = ?3, protected = 1, updated_at = ?4 WHERE id = ?1",
        (id.as_str(), name_key(id.as_str()), wanted.scope.as_str(), tx.now()),
    )?;
    Ok(true)
}

/// The name of a built-in role is its id.
fn require_free_name(db: &Connection, id: &RoleId) -> Result<()> {
    if roles::name_is_taken(db, id.as_str(), Some(id))? {
        return Err(StoreError::AlreadyExists(Unique::RoleName));
    }
    Ok(())
}

/// Which of the permissions were inserted.
pub(super) fn insert_permissions(tx: &Tx<'_>, ids: &[PermissionId]) -> Result<Option<Vec<PermissionId>>> {
    let mut inserted = Vec::new();
    for permission in Seed::defaults(tx.by.at).permissions {
        if ids.contains(&permission.id) && permissions::insert_absent(tx.db, &permission)? {
            inserted.push(permission.id);
        }
    }
    Ok((!inserted.is_empty()).then_some(inserted))
}

fn is_role(db: &Connection, id: &RoleId) -> Result<bool> {
    db.exists("SELECT 1 FROM roles WHERE id = ?1", [id.as_str()])
}

/// Those of the roles that a list of an account or a member may not have.
fn unholdable(db: &Connection, roles: &[RoleId]) -> Result<Vec<RoleId>> {
    let mut gone = Vec::new();
    for role in roles {
        if !is_role(db, role)? && !may_be_held(role, std::iter::empty()) {
            gone.push(role.clone());
        }
    }
    Ok(gone)
}

fn take_from_list(tx: &Tx<'_>, list: &RoleList, roles: &[RoleId]) -> Result<Option<Vec<RoleId>>> {
    let mut taken = Vec::new();
    for role in unholdable(tx.db, roles)? {
        if list.has(tx.db, &role)? {
            list.remove(tx, &role)?;
            taken.push(role);
        }
    }
    Ok(some(taken))
}

fn take_from_permission(tx: &Tx<'_>, id: &PermissionId, roles: &[RoleId]) -> Result<Option<Vec<RoleId>>> {
    let named = permissions::roles_of(tx.db, id.as_str())?;
    let mut taken = Vec::new();
    for role in unholdable(tx.db, roles)? {
        if named.contains(&role) && !may_be_named(&role) {
            let remove = "DELETE FROM permission_roles WHERE permission_id = ?1 AND role_id = ?2";
            tx.db.change(remove, [id.as_str(), role.as_str()])?;
            taken.push(role);
        }
    }
    if !taken.is_empty() {
        permissions::touch(tx, id)?;
    }
    Ok(some(taken))
}

fn take_from_setting(tx: &Tx<'_>, id: &str, roles: &[RoleId]) -> Result<Option<Vec<RoleId>>> {
    let Some(setting) = settings_that_name_roles().find(|setting| setting.id == id) else { return Ok(None) };
    let Some(mut value) = settings::find(tx.db, id)? else { return Ok(None) };
    let mut taken = Vec::new();
    for role in unholdable(tx.db, roles)? {
        if let Some(left) = setting.without_role(&value, &role) {
            value = left;
            taken.push(role);
        }
    }
    if !taken.is_empty() {
        settings::put(tx.db, id, &value)?;
    }
    Ok(some(taken))
}

fn take_from_member(
    tx: &Tx<'_>,
    organization: &OrganizationId,
    user: &UserId,
    roles: &[RoleId],
) -> Result<Option<Vec<RoleId>>> {
    let (place, member) = (organization.as_str(), user.as_str());
    let mut taken = Vec::new();
    for role in roles {
        let own = "SELECT 1 FROM organization_roles WHERE organization_id = ?1 AND id = ?2";
        let held =
            "SELECT 1 FROM organization_member_roles WHERE organization_id = ?1 AND user_id = ?2 AND role_id = ?3";
        if SystemRole::find(role).is_none()
            && !tx.db.exists(own, [place, role.as_str()])?
            && tx.db.exists(held, [place, member, role.as_str()])?
        {
            tx.db.change(
                "DELETE FROM organization_member_roles WHERE organization_id = ?1 AND user_id = ?2 AND role_id = ?3",
                [place, member, role.as_str()],
            )?;
            taken.push(role.clone());
        }
    }
    Ok(some(taken))
}

fn end_membership(tx: &Tx<'_>, subscription: &str) -> Result<bool> {
    let stray = "SELECT s.id, s.room_id, s.user_id FROM subscriptions s WHERE s.id = ?1 \
         AND (NOT EXISTS (SELECT 1 FROM rooms r WHERE r.id = s.room_id) \
         OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = s.user_id))";
    let document = tx.db.first(stray, [subscription], |row| {
        let (room, user): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(json!({ "_id": subscription, "rid": room, "u": { "_id": user } }))
    })?;
    let Some(document) = document else { return Ok(false) };
    tx.trash("subscription", subscription, &document)?;
    tx.db.change("DELETE FROM subscription_roles WHERE subscription_id = ?1", [subscription])?;
    tx.db.change("DELETE FROM subscriptions WHERE id = ?1", [subscription])?;
    Ok(true)
}

fn end_member(tx: &Tx<'_>, organization: &OrganizationId, user: &UserId) -> Result<bool> {
    let key = [organization.as_str(), user.as_str()];
    let stray = "SELECT 1 FROM organization_members m WHERE m.organization_id = ?1 AND m.user_id = ?2 \
         AND (NOT EXISTS (SELECT 1 FROM organizations o WHERE o.id = m.organization_id) \
         OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = m.user_id))";
    if !tx.db.exists(stray, key)? {
        return Ok(false);
    }
    tx.db.change("DELETE FROM organization_member_roles WHERE organization_id = ?1 AND user_id = ?2", key)?;
    tx.db.change("DELETE FROM organization_members WHERE organization_id = ?1 AND user_id = ?2", key)?;
    Ok(true)
}

fn remove_organization_role(tx: &Tx<'_>, role: &RoleId) -> Result<bool> {
    let stray = "SELECT 1 FROM organization_roles r WHERE r.id = ?1 \
         AND NOT EXISTS (SELECT 1 FROM organizations o WHERE o.id = r.organization_id)";
    if !tx.db.exists(stray, [role.as_str()])? {
        return Ok(false);
    }
    tx.db.change("DELETE FROM organization_roles WHERE id = ?1", [role.as_str()])?;
    Ok(true)
}

fn end_tokens(tx: &Tx<'_>, user: &UserId) -> Result<bool> {
    let leftover = "SELECT 1 FROM users u JOIN login_tokens t ON t.user_id = u.id WHERE u.id = ?1 AND u.active = 0";
    if !tx.db.exists(leftover, [user.as_str()])? {
        return Ok(false);
    }
    tokens::end_all(tx, user)?;
    Ok(true)
}
