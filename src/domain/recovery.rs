//! The way back in for an operator when nobody can administer the workspace any more: which steps make an account an
//! active administrator again, given what there is. The stores carry them out, all or none.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::ids::RoleId;
use super::permission::Permission;
use super::role::{ADMIN, Role, name_collides};
use super::user::{KIND_APP, NewUser, PasswordHash, User};

/// What an operator wants.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// Whose account; exactly, or else without regard to case if that leaves one.
    pub username: String,
    /// The account to make if there is none.
    pub create: Option<NewUser>,
    /// A new password; every token of the account ends with the old one.
    pub password: Option<PasswordHash>,
    /// Whether the account keeps asking for a second factor.
    pub second_factor: SecondFactorAfter,
}

/// What becomes of the second factors of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorAfter {
    /// They stay.
    Kept,
    /// They are switched off, and what was shared for them is forgotten.
    Removed,
}

/// What there is, as far as it matters.
#[derive(Debug, Clone, Default)]
pub struct RecoveryState {
    /// Every role.
    pub roles: Vec<Role>,
    /// The permission to administer permissions.
    pub access: Option<Permission>,
    /// The account, if there is one.
    pub account: Option<User>,
}

/// One thing to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryStep {
    /// The built-in role `admin` is inserted.
    RestoreRole,
    /// The permission to administer permissions is inserted, for `admin`.
    RestorePermission,
    /// It is granted to `admin`.
    GrantPermission,
    /// The account is made, as an administrator.
    CreateAccount,
    /// The account may log in again.
    ActivateAccount,
    /// The account gets the role `admin`.
    GiveRole,
    /// The account gets the new password, and its tokens end.
    SetPassword,
    /// The account is not asked for a second factor any more.
    RemoveSecondFactor,
}

impl Display for RecoveryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RestoreRole => "restore the built-in role admin",
            Self::RestorePermission => "restore the permission access-permissions, for the role admin",
            Self::GrantPermission => "grant the permission access-permissions to the role admin",
            Self::CreateAccount => "create the account, with the role admin",
            Self::ActivateAccount => "activate the account",
            Self::GiveRole => "give the account the role admin",
            Self::SetPassword => "set a new password and end all of the account's sessions and tokens",
            Self::RemoveSecondFactor => "remove the account's second factors",
        })
    }
}

/// Why there is no way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryRefusal {
    /// The account is not there, and is not to be made.
    #[error("no account has this username; add --create to make one")]
    NoSuchAccount,
    /// The account belongs to an installed app.
    #[error("the account belongs to an app and can never log in; choose another one")]
    IsApp,
    /// The role is gone, and another one has its name.
    #[error("the role admin is missing and another role has its name; rename that one first")]
    RoleNameTaken,
}

impl Recovery {
    /// What is to be done, in this order; nothing when the account is an active administrator already.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn plan(&self, state: &RecoveryState) -> Result<Vec<RecoveryStep>, RecoveryRefusal> {
        let mut steps = Vec::new();
        if !state.roles.iter().any(|role| role.id.as_str() == ADMIN) {
            if state.roles.iter().any(|role| name_collides(ADMIN, role)) {
                return Err(RecoveryRefusal::RoleNameTaken);
            }
            steps.push(RecoveryStep::RestoreRole);
        }
        let admin = RoleId::from_stored(ADMIN);
        match &state.access {
            None => steps.push(RecoveryStep::RestorePermission),
            Some(access) if !access.roles.contains(&admin) => steps.push(RecoveryStep::GrantPermission),
            Some(_) => {}
        }
        let Some(account) = &state.account else {
            if self.create.is_none() {
                return Err(RecoveryRefusal::NoSuchAccount);
            }
            steps.push(RecoveryStep::CreateAccount);
            return Ok(steps);
        };
        if account.kind == KIND_APP {
            return Err(RecoveryRefusal::IsApp);
        }
        if !account.active {
            steps.push(RecoveryStep::ActivateAccount);
        }
        if !account.holds(&admin) {
            steps.push(RecoveryStep::GiveRole);
        }
        if self.password.is_some() {
            steps.push(RecoveryStep::SetPassword);
        }
        let factors = account.second_factors;
        let asked = factors.totp == Some(true) || factors.email == Some(true);
        if self.second_factor == SecondFactorAfter::Removed && asked {
            steps.push(RecoveryStep::RemoveSecondFactor);
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::UserId;
    use crate::domain::permission::{ACCESS_PERMISSIONS, default_permissions};
    use crate::domain::role::DEFAULT_ROLES;
    use crate::domain::time::Timestamp;
    use crate::domain::user::SecondFactors;

    const AT: Timestamp = Timestamp::EPOCH;

    fn new(username: &str) -> NewUser {
        NewUser {
            id: UserId::from_stored("u"),
            username: username.to_owned(),
            name: username.to_owned(),
            emails: Vec::new(),
            password: None,
            roles: vec![RoleId::from_stored(ADMIN)],
            active: true,
            join_default_rooms: false,
            profile: serde_json::Map::new(),
        }
    }

    fn wanted() -> Recovery {
        let second_factor = SecondFactorAfter::Kept;
        Recovery { username: "root".to_owned(), create: None, password: None, second_factor }
    }

    fn sound() -> RecoveryState {
        RecoveryState {
            roles: DEFAULT_ROLES.into_iter().map(|role| role.into_role(AT)).collect(),
            access: default_permissions(AT).find(|permission| permission.id.as_str() == ACCESS_PERMISSIONS),
            account: Some(new("root").to_user(AT)),
        }
    }

    #[test]
    fn an_active_administrator_needs_nothing() {
        assert_eq!(wanted().plan(&sound()), Ok(vec![]));
    }

    #[test]
    fn everything_that_is_in_the_way_is_a_step() {
        let mut state = sound();
        state.roles.clear();
        state.access.as_mut().unwrap().roles.clear();
        let account = state.account.as_mut().unwrap();
        account.active = false;
        account.roles = None;
        account.second_factors = SecondFactors { totp: Some(true), email: None };
        let password = Some(PasswordHash::from_stored("x"));
        let recovery = Recovery { password, second_factor: SecondFactorAfter::Removed, ..wanted() };
        let steps = [
            RecoveryStep::RestoreRole,
            RecoveryStep::GrantPermission,
            RecoveryStep::ActivateAccount,
            RecoveryStep::GiveRole,
            RecoveryStep::SetPassword,
            RecoveryStep::RemoveSecondFactor,
        ];
        assert_eq!(recovery.plan(&state), Ok(steps.to_vec()));
        state.access = None;
        assert_eq!(recovery.plan(&state).unwrap()[1], RecoveryStep::RestorePermission);
    }

    #[test]
    fn an_account_is_made_only_when_that_is_asked_for() {
        let state = RecoveryState { account: None, ..sound() };
        assert_eq!(wanted().plan(&state), Err(RecoveryRefusal::NoSuchAccount));
        let recovery = Recovery { create: Some(new("root")), ..wanted() };
        assert_eq!(recovery.plan(&state), Ok(vec![RecoveryStep::CreateAccount]));
    }

    #[test]
    fn what_can_never_work_is_refused() {
        let mut state = sound();
        state.account.as_mut().unwrap().kind = KIND_APP.to_owned();
        assert_eq!(wanted().plan(&state), Err(RecoveryRefusal::IsApp));
        let mut state = sound();
        state.roles.retain(|role| role.id.as_str() != ADMIN);
        state.roles[0].name = "Admin".to_owned();
        assert_eq!(wanted().plan(&state), Err(RecoveryRefusal::RoleNameTaken));
    }
}
