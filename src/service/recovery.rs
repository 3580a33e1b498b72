//! The way back in for an operator when nobody can administer the workspace: works on a store alone, without a server and
//! without anybody's rights. What is to be done is decided by `domain::recovery`.

use super::Result;
use super::passwords::{PasswordDigest, Passwords};
use crate::clock::{Clock, Ids};
use crate::domain::audit::AuditContext;
use crate::domain::ids::RoleId;
use crate::domain::recovery::{Recovery, RecoveryRefusal, RecoveryStep, SecondFactorAfter};
use crate::domain::role::ADMIN;
use crate::domain::user::{NewUser, new_profile};
use crate::store::CheckStore;

/// What an operator asks for. Not to be shown: it may hold a password.
pub struct Wanted {
    /// Whose account.
    pub username: String,
    /// Make the account if there is none.
    pub create: bool,
    /// Its new password.
    pub password: Option<String>,
    /// What becomes of its second factors.
    pub second_factor: SecondFactorAfter,
}

impl Wanted {
    /// The same for the store. `None` in place of the password's hash leaves the password as it is.
    ///
    /// # Errors
    /// `Internal` when the hasher cannot run.
    pub async fn into_recovery(self, passwords: &Passwords, ids: &dyn Ids) -> Result<Recovery> {
        let password = match &self.password {
            Some(password) => Some(passwords.hash(PasswordDigest::of(password)).await?),
            None => None,
        };
        let create = self.create.then(|| NewUser {
            id: ids.user_id(),
            username: self.username.clone(),
            name: self.username.clone(),
            emails: Vec::new(),
            password: password.clone(),
            roles: vec![RoleId::from_stored(ADMIN)],
            active: true,
            join_default_rooms: true,
            profile: new_profile(),
        });
        Ok(Recovery { username: self.username, create, password, second_factor: self.second_factor })
    }
}

/// What would be done now.
///
/// # Errors
/// What the store says.
pub async fn plan(
    store: &dyn CheckStore,
    recovery: &Recovery,
) -> Result<std::result::Result<Vec<RecoveryStep>, RecoveryRefusal>> {
    Ok(recovery.plan(&store.recovery_state(&recovery.username).await?))
}

/// Does it.
///
/// # Errors
/// What the store says.
pub async fn carry_out(
    store: &dyn CheckStore,
    recovery: &Recovery,
    clock: &dyn Clock,
) -> Result<std::result::Result<Vec<RecoveryStep>, RecoveryRefusal>> {
    Ok(store.recover_administrator(recovery, &AuditContext::system(clock.now())).await?)
}
