//! Switching accounts on and off: one, or those that nobody uses. The rooms that an account would leave without an owner
//! are dealt with in `rooms`.

use rusqlite::Connection;

use super::query::{Query as _, Tx, bounded, text};
use super::{holders, members, rooms, tokens, users};
use crate::domain::audit::Change;
use crate::domain::fact::Fact;
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::role::ADMIN;
use crate::domain::system_role::OWNER;
use crate::domain::user::{Activation, KIND_APP, User};
use crate::domain::user_change::IdleAccounts;
use crate::store::{Result, StoreError};

/// Accounts that the workspace cannot spare: at most the last administrator and the last who administers permissions.
const INDISPENSABLE: u64 = 2;

/// Idle accounts with a role, but for one, those first whose last log-in was longest ago. Whoever is the last Owner of an
/// organization is left out here, not found out one by one: of those there may be any number, and they would be in the
/// way of all others.
pub(super) const IDLE: &str = "SELECT u.id FROM users u WHERE u.active = 1 AND u.last_login <= ?1 AND u.id <> ?2 \
     AND EXISTS (SELECT 1 FROM user_roles h WHERE h.role_id = ?3 AND h.user_id = u.id) \
     AND NOT EXISTS (SELECT 1 FROM organization_members m JOIN organization_member_roles o \
       ON o.organization_id = m.organization_id AND o.role_id = ?5 AND o.user_id = m.user_id \
       WHERE m.user_id = u.id AND NOT EXISTS (SELECT 1 FROM organization_member_roles p JOIN users w ON w.id = p.user_id \
         WHERE p.organization_id = m.organization_id AND p.role_id = ?5 AND p.user_id <> m.user_id \
         AND w.active = 1 AND w.kind <> ?6)) \
     ORDER BY u.last_login LIMIT ?4";

pub(super) fn set_active(tx: &Tx<'_>, id: &UserId, activation: Activation) -> Result<User> {
    let user = users::require(tx.db, id)?;
    let active = activation == Activation::Activate;
    if !active {
        tokens::end_all(tx, id)?;
        tx.touch(vec![Fact::Account(id.clone())]);
    }
    if user.active == active {
        return Ok(user);
    }
    let change = if active {
        mark_active(tx, id, true)?;
        Change::UserActivated { user: id.clone() }
    } else {
        require_dispensable(tx.db, &user)?;
        mark_active(tx, id, false)?;
        let relinquished = rooms::settle_ownership(tx, id, activation)?;
        Change::UserDeactivated { user: id.clone(), relinquished }
    };
    tx.record(change)?;
    users::require(tx.db, id)
}

fn mark_active(tx: &Tx<'_>, id: &UserId, active: bool) -> Result<()> {
    tx.db.change("UPDATE users SET active = ?2, updated_at = ?3 WHERE id = ?1", (id.as_str(), active, tx.now()))
}

/// Refuses when the workspace, or an organization, cannot do without the account.
pub(super) fn require_dispensable(db: &Connection, user: &User) -> Result<()> {
    if user.holds(&RoleId::from_stored(ADMIN)) {
        holders::require_other_administrator(db, &user.id)?;
    }
    holders::require_other_keeper_of_permissions(db, &user.id)?;
    members::require_other_owners(db, &user.id)
}

pub(super) fn deactivate_idle(tx: &Tx<'_>, idle: &IdleAccounts, limit: u64) -> Result<u64> {
    let at_most = bounded(limit.saturating_add(INDISPENSABLE));
    let key = (idle.since.as_millis(), idle.except.as_str(), idle.role.as_str(), at_most, OWNER, KIND_APP);
    let candidates = tx.db.all(IDLE, key, |row| Ok(UserId::from_stored(text(row)?)))?;
    let (mut deactivated, mut relinquished): (Vec<UserId>, Vec<RoomId>) = (Vec::new(), Vec::new());
    for id in candidates {
        if deactivated.len() as u64 == limit {
            break;
        }
        match require_dispensable(tx.db, &users::require(tx.db, &id)?) {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => continue,
            Err(failure) => return Err(failure),
        }
        tokens::end_all(tx, &id)?;
        mark_active(tx, &id, false)?;
        relinquished.extend(rooms::settle_ownership(tx, &id, Activation::DeactivateAndRelinquish)?);
        deactivated.push(id);
    }
    let count = deactivated.len() as u64;
    if count > 0 {
        tx.record(Change::IdleUsersDeactivated { users: deactivated, relinquished })?;
    }
    Ok(count)
}
