//! Changing an account that exists: what it is afterwards is said by `domain::user_change` and written down here.
//! Deleting one is in `user_deletion`.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::Connection;

use super::query::{Query as _, Tx, to_json};
use super::{SqliteStore, activation, holders, members, roles, rooms, tokens, user_deletion, users};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::role::{ADMIN, caseless_key};
use crate::domain::user::{Activation, PasswordHash, User};
use crate::domain::user_change::{IdleAccounts, Relinquish, SessionsAfter, UserPatch, differences, same_roles};
use crate::store::{Conflict, Result, StoreError, Unique, UserChangeStore};

/// The rooms that name an account as their creator.
pub(super) const RENAME_CREATOR: &str =
    "UPDATE rooms SET creator = ?2, updated_at = ?3 WHERE json_extract(creator, '$._id') = ?1";

#[async_trait]
impl UserChangeStore for SqliteStore {
    async fn update_user(&self, id: &UserId, patch: UserPatch, by: &AuditContext) -> Result<User> {
        let id = id.clone();
        self.write(by, move |tx| update(tx, &id, patch)).await
    }

    async fn delete_user(&self, id: &UserId, relinquish: Relinquish, by: &AuditContext) -> Result<Vec<RoomId>> {
        let id = id.clone();
        self.write(by, move |tx| user_deletion::delete(tx, &id, relinquish)).await
    }

    async fn deactivate_idle_users(&self, idle: &IdleAccounts, limit: u64, by: &AuditContext) -> Result<u64> {
        let idle = idle.clone();
        self.write(by, move |tx| activation::deactivate_idle(tx, &idle, limit)).await
    }
}

fn update(tx: &Tx<'_>, id: &UserId, mut patch: UserPatch) -> Result<User> {
    if let Some(roles) = &mut patch.roles {
        let mut seen = HashSet::new();
        roles.to.retain(|role| seen.insert(role.clone()));
    }
    let before = users::require(tx.db, id)?;
    let after = patch.applied(&before, tx.by.at);
    require_possible(tx.db, &patch, &before)?;
    let deactivates = patch.activation.is_some_and(|activation| activation != Activation::Activate);
    if deactivates {
        // A deactivated account has no tokens, whoever left them.
        tokens::end_all(tx, id)?;
    }
    if after == before && patch.password.is_none() {
        return Ok(before);
    }
    require_other_administrator(tx.db, &before, &after)?;
    write(tx, &before, &after, patch.password.as_ref())?;
    require_keeper(tx.db, &before, &after)?;
    if is_switched_off(&before, &after) {
        members::require_other_owners(tx.db, id)?;
    }
    let relinquished = match patch.activation {
        Some(activation) if before.active && !after.active => rooms::settle_ownership(tx, id, activation)?,
        _ => Vec::new(),
    };
    carry_over_names(tx, &before, &after)?;
    match &patch.sessions {
        SessionsAfter::Kept => {}
        SessionsAfter::Ended => tokens::end_all(tx, id)?,
        SessionsAfter::OthersEnded(kept) => tx.db.change(
            "DELETE FROM login_tokens WHERE user_id = ?1 AND personal = 0 AND hash <> ?2",
            (id.as_str(), kept.expose()),
        )?,
    }
    let (was, is) = differences(&before, &after);
    let password = patch.password.is_some();
    tx.record(Change::UserUpdated { user: id.clone(), before: was, after: is, password, relinquished })?;
    users::require(tx.db, id)
}

/// What can be told before anything is written.
fn require_possible(db: &Connection, patch: &UserPatch, before: &User) -> Result<()> {
    if let Some(roles) = &patch.roles
        && !same_roles(&roles.from, before.roles())
    {
        return Err(Conflict::RolesChanged.into());
    }
    let id = before.id.as_str();
    if let Some(username) = &patch.username {
        let others = "SELECT 1 FROM users WHERE username_key = ?1 AND id <> ?2";
        if db.exists(others, (caseless_key(username), id))? {
            return Err(StoreError::AlreadyExists(Unique::Username));
        }
    }
    if let Some(address) = &patch.email {
        let others = "SELECT 1 FROM user_emails WHERE address_key = ?1 AND user_id <> ?2";
        if db.exists(others, (caseless_key(address), id))? {
            return Err(StoreError::AlreadyExists(Unique::EmailAddress));
        }
    }
    roles::require_known(db, patch.roles.iter().flat_map(|roles| &roles.to))
}

fn is_switched_off(before: &User, after: &User) -> bool {
    before.active && !after.active
}

/// Refuses when the last administrator would not be one any more.
fn require_other_administrator(db: &Connection, before: &User, after: &User) -> Result<()> {
    let admin = RoleId::from_stored(ADMIN);
    if before.holds(&admin) && (is_switched_off(before, after) || !after.holds(&admin)) {
        return holders::require_other_administrator(db, &before.id);
    }
    Ok(())
}

/// Refuses when, as things are now, nobody could administer permissions any more.
fn require_keeper(db: &Connection, before: &User, after: &User) -> Result<()> {
    if is_switched_off(before, after) || before.roles().iter().any(|role| !after.holds(role)) {
        return holders::require_keeper_of_permissions(db);
    }
    Ok(())
}

fn write(tx: &Tx<'_>, before: &User, after: &User, password: Option<&PasswordHash>) -> Result<()> {
    tx.db.change(
        "UPDATE users SET username = ?2, username_key = ?3, name = ?4, active = ?5, \
         password_bcrypt = COALESCE(?6, password_bcrypt), profile = ?7, updated_at = ?8 WHERE id = ?1",
        (
            after.id.as_str(),
            &after.username,
            after.username.as_deref().map(caseless_key),
            &after.name,
            after.active,
            password.map(PasswordHash::expose),
            to_json(&after.profile)?,
            after.updated_at.map(|at| at.as_millis()),
        ),
    )?;
    if before.emails != after.emails {
        tx.db.change("DELETE FROM user_emails WHERE user_id = ?1", [after.id.as_str()])?;
        users::insert_emails(tx.db, after)?;
    }
    if before.roles != after.roles {
        tx.db.change("DELETE FROM user_roles WHERE user_id = ?1", [after.id.as_str()])?;
        let list = holders::RoleList::OfUser(after.id.clone());
        after.roles().iter().try_for_each(|role| list.add(tx, role))?;
    }
    Ok(())
}

/// Subscriptions show the names of their member, rooms those of their creator.
fn carry_over_names(tx: &Tx<'_>, before: &User, after: &User) -> Result<()> {
    if before.username == after.username && before.name == after.name {
        return Ok(());
    }
    let own = (after.id.as_str(), tx.now());
    tx.db.change("UPDATE subscriptions SET updated_at = ?2 WHERE user_id = ?1", own)?;
    tx.db.change(RENAME_CREATOR, (after.id.as_str(), to_json(&rooms::summary(after))?, tx.now()))
}
