//! What a workspace needs before anybody can use it: the default roles, permissions and the general room where they
//! are absent, somebody who can administer it, and an operator whose restrictions name what there is.

use super::passwords::PasswordDigest;
use super::registration::FirstUser;
use super::{Result, Services};
use crate::domain::audit::AuditContext;
use crate::domain::ids::RoleId;
use crate::domain::role::ADMIN;
use crate::domain::user::{EmailAddress, NewUser, new_profile};
use crate::store::Seed;

/// Who administers a new workspace, as the operator configured it.
pub struct FirstAdministrator {
    /// The name to log in by.
    pub username: String,
    /// The name as shown.
    pub name: String,
    /// An address, if one is wanted.
    pub email: Option<String>,
    /// A password; a random one when absent.
    pub password: Option<String>,
}

/// What the operator's restrictions name and the workspace does not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UnknownRestrictions {
    /// Roles: they may be made later, and are restricted then.
    pub roles: Vec<String>,
    /// Permissions: a role would be left with less than was meant.
    pub permissions: Vec<String>,
}

/// What came of looking for an administrator.
#[derive(Debug, PartialEq, Eq)]
pub enum AdministratorOutcome {
    /// There is one already.
    Present,
    /// One was made with the operator's password.
    Created,
    /// One was made with this random password, to be shown once.
    CreatedWithPassword(String),
    /// The first person who registers becomes one; until then there is none.
    Awaited,
    /// People have accounts but none is an administrator, and the operator gave no password: nothing was done, because
    /// making one unasked would be a way in.
    Missing,
}

impl Services {
    /// Inserts the default roles, permissions and rooms where they are absent; changes nothing that is there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn seed(&self) -> Result<()> {
        let at = self.clock.now();
        Ok(self.store.seed(Seed::defaults(at), &AuditContext::system(at)).await?)
    }

    /// What the operator's restrictions (contract 8.3) name and the seeded workspace does not have.
    ///
    /// # Errors
    /// What the store says.
    pub async fn unknown_restrictions(&self) -> Result<UnknownRestrictions> {
        let mut unknown = UnknownRestrictions::default();
        for role in self.restrictions.roles() {
            if self.store.find_role(role).await?.is_none() {
                unknown.roles.push(role.to_string());
            }
        }
        for permission in self.restrictions.permissions() {
            if self.store.find_permission(permission).await?.is_none() {
                unknown.permissions.push(permission.to_string());
            }
        }
        Ok(unknown)
    }

    /// Makes the first administrator when nobody is one and the workspace is empty, or the operator gave a password. Makes
    /// none without a password when the first person who registers is to become one.
    ///
    /// # Errors
    /// What the store says; a username or address that somebody else has is `Internal` with a sentence.
    pub async fn ensure_administrator(&self, wanted: FirstAdministrator) -> Result<AdministratorOutcome> {
        let admin = self.store.role_usage(&RoleId::from_stored(ADMIN)).await?;
        if admin.users > 0 {
            return Ok(AdministratorOutcome::Present);
        }
        if wanted.password.is_none() && self.first_user == FirstUser::BecomesAdministrator {
            return Ok(AdministratorOutcome::Awaited);
        }
        if wanted.password.is_none() && self.store.count_people(1).await? > 0 {
            return Ok(AdministratorOutcome::Missing);
        }
        let random = wanted.password.is_none().then(|| self.ids.password());
        let password = wanted.password.or_else(|| random.clone()).unwrap_or_default();
        let emails = wanted.email.into_iter().map(|address| EmailAddress { address, verified: true }).collect();
        let new = NewUser {
            id: self.ids.user_id(),
            username: wanted.username,
            name: wanted.name,
            emails,
            password: Some(self.passwords.hash(PasswordDigest::of(&password)).await?),
            roles: vec![RoleId::from_stored(ADMIN)],
            active: true,
            join_default_rooms: true,
            profile: new_profile(),
        };
        let made = self.store.create_first_administrator(new, &AuditContext::system(self.clock.now())).await?;
        Ok(match (made, random) {
            (None, _) => AdministratorOutcome::Present,
            (Some(_), None) => AdministratorOutcome::Created,
            (Some(_), Some(password)) => AdministratorOutcome::CreatedWithPassword(password),
        })
    }
}
