//! The way back in for an administrator. Which steps it takes is said by `domain::recovery`.

use rusqlite::Connection;

use super::holders::RoleList;
use super::query::{Query as _, Tx};
use super::{permissions, repair, roles, tokens, users};
use crate::domain::audit::Change;
use crate::domain::ids::{PermissionId, RoleId, UserId};
use crate::domain::permission::ACCESS_PERMISSIONS;
use crate::domain::recovery::{Recovery, RecoveryRefusal, RecoveryState, RecoveryStep};
use crate::domain::role::ADMIN;
use crate::domain::user::PasswordHash;
use crate::store::{Result, UsernameMatch};

/// What matters for making an account an administrator.
pub(super) fn state(db: &Connection, username: &str) -> Result<RecoveryState> {
    Ok(RecoveryState {
        roles: roles::list(db)?,
        access: permissions::find(db, &PermissionId::from_stored(ACCESS_PERMISSIONS))?,
        account: users::find_by_username(db, username, UsernameMatch::IgnoreCase)?,
    })
}

/// Carries out what the plan says.
pub(super) fn recover(tx: &Tx<'_>, recovery: &Recovery) -> Result<Result<Vec<RecoveryStep>, RecoveryRefusal>> {
    let state = state(tx.db, &recovery.username)?;
    let steps = match recovery.plan(&state) {
        Ok(steps) => steps,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let new = recovery.create.as_ref().filter(|_| steps.contains(&RecoveryStep::CreateAccount));
    let (user, username) = match (&state.account, new) {
        (Some(account), _) => (account.id.clone(), account.username.clone()),
        (None, Some(new)) => (new.id.clone(), Some(new.username.clone())),
        (None, None) => return Ok(Err(RecoveryRefusal::NoSuchAccount)),
    };
    for step in &steps {
        carry_out(tx, *step, &user, recovery)?;
    }
    if !steps.is_empty() {
        let username = username.unwrap_or_default();
        tx.record(Change::AdministratorRecovered { user, username, steps: steps.clone() })?;
    }
    Ok(Ok(steps))
}

fn carry_out(tx: &Tx<'_>, step: RecoveryStep, user: &UserId, recovery: &Recovery) -> Result<()> {
    let admin = RoleId::from_stored(ADMIN);
    let itself = [user.as_str()];
    match step {
        RecoveryStep::RestoreRole => repair::insert(tx, &admin).map(drop),
        RecoveryStep::RestorePermission => {
            repair::insert_permissions(tx, &[PermissionId::from_stored(ACCESS_PERMISSIONS)]).map(drop)
        }
        RecoveryStep::GrantPermission => {
            tx.db.change(
                "INSERT INTO permission_roles (permission_id, position, role_id) \
                 SELECT ?1, COALESCE(MAX(position) + 1, 0), ?2 FROM permission_roles WHERE permission_id = ?1",
                [ACCESS_PERMISSIONS, ADMIN],
            )?;
            permissions::touch(tx, &PermissionId::from_stored(ACCESS_PERMISSIONS))
        }
        RecoveryStep::CreateAccount => match &recovery.create {
            Some(new) => users::insert_new(tx, new),
            None => Ok(()),
        },
        RecoveryStep::ActivateAccount => {
            tx.db.change("UPDATE users SET active = 1, updated_at = ?2 WHERE id = ?1", (user.as_str(), tx.now()))
        }
        RecoveryStep::GiveRole => RoleList::OfUser(user.clone()).add(tx, &admin),
        RecoveryStep::SetPassword => {
            tokens::end_all(tx, user)?;
            let password = recovery.password.as_ref().map(PasswordHash::expose);
            let set = "UPDATE users SET password_bcrypt = ?2, updated_at = ?3 WHERE id = ?1";
            tx.db.change(set, (user.as_str(), password, tx.now()))
        }
        RecoveryStep::RemoveSecondFactor => {
            tx.db.change("DELETE FROM backup_codes WHERE user_id = ?1", itself)?;
            tx.db.change("DELETE FROM second_factor_attempts WHERE user_id = ?1", itself)?;
            let off = "UPDATE users SET totp = 0, totp_secret = NULL, email_codes = 0, updated_at = ?2 WHERE id = ?1";
            tx.db.change(off, (user.as_str(), tx.now()))
        }
    }
}
