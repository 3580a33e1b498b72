//! Accounts that an administrator makes (contract 9.1). Those that people make themselves are in `registration`.

use serde_json::{Map, Value};

use super::rules::{check_size_of_profile, check_sizes, has_markup, is_address};
use crate::domain::fields::are_storable;
use crate::domain::ids::RoleId;
use crate::domain::permission::CREATE_USER;
use crate::domain::role::name_key;
use crate::domain::setting::{
    BLOCKED_USERNAMES, DEFAULT_ROLES_OF_NEW_USERS, REQUIRE_NAME, SYSTEM_BLOCKED_USERNAMES, USERNAME_PATTERN,
};
use crate::domain::user::{EmailAddress, NewUser, User, new_profile};
use crate::service::error::{Late, UserRefusal};
use crate::service::passwords::PasswordDigest;
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Conflict, StoreError, Unique};

/// An account that an administrator wants.
pub struct AccountRequest {
    /// The name to log in by.
    pub username: String,
    /// The name as shown.
    pub name: String,
    /// Its address.
    pub email: String,
    /// Whether the address counts as shown to be his.
    pub verified: bool,
    /// In clear text; it goes no further than the hasher.
    pub password: String,
    /// A random password nobody knows instead of `password`.
    pub random_password: bool,
    /// Exactly these roles, or those of every new account.
    pub roles: Option<Vec<String>>,
    /// Whether it may log in.
    pub active: bool,
    /// Whether it joins the rooms that new accounts join.
    pub join_default_rooms: bool,
    /// Other fields, under their wire names.
    pub profile: Map<String, Value>,
}

impl Services {
    /// Creates an account (contract 9.1).
    ///
    /// # Errors
    /// In this order: `InvalidName`, `FieldTooLong`, `InvalidCustomFields`, `CreatingNotAllowed`, `UnknownRole`, `AssigningAdminNotAllowed`,
    /// `FieldRequired` (name, username), `InvalidUsername`, `FieldRequired` (password), `WeakPassword`, `InvalidEmail`,
    /// `BlockedUsername`, `FieldUnavailable`.
    pub async fn create_user(&self, caller: &Caller, request: AccountRequest) -> Result<User> {
        if has_markup(&request.name) {
            return Err(UserRefusal::InvalidName.into());
        }
        check_sizes(Some(&request.username), Some(&request.name), Some(&request.email))?;
        check_size_of_profile(&request.profile)?;
        if !are_storable(&request.profile) {
            return Err(UserRefusal::InvalidCustomFields.into());
        }
        if !self.is_allowed(caller, CREATE_USER).await? {
            return Err(UserRefusal::CreatingNotAllowed.into());
        }
        let roles = self.roles_of_new_account(request.roles.as_deref()).await?;
        self.require_assigning_admin(caller, &roles, Late::CreateUser).await?;
        self.check_new_account(&request).await?;
        let password = if request.random_password { self.ids.password() } else { request.password };
        let mut profile = new_profile();
        profile.extend(request.profile);
        let new = NewUser {
            id: self.ids.user_id(),
            username: request.username.clone(),
            name: request.name,
            emails: vec![EmailAddress { address: request.email.clone(), verified: request.verified }],
            password: Some(self.passwords.hash(PasswordDigest::of(&password)).await?),
            roles,
            active: request.active,
            join_default_rooms: request.join_default_rooms,
            profile,
        };
        self.store.create_user(new, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::AlreadyExists(Unique::Username) => {
                UserRefusal::FieldUnavailable { field: "Username", value: request.username }.into()
            }
            StoreError::AlreadyExists(Unique::EmailAddress) => {
                UserRefusal::FieldUnavailable { field: "Email", value: request.email }.into()
            }
            StoreError::Conflict(Conflict::UnknownRole(_)) => UserRefusal::UnknownRole.into(),
            other => ServiceError::from(other),
        })
    }

    /// The roles a new account gets: those asked for, each of which must exist, or those of every new account, as far as
    /// they exist.
    pub(in crate::service) async fn roles_of_new_account(&self, wanted: Option<&[String]>) -> Result<Vec<RoleId>> {
        let known = self.store.list_roles().await?;
        let exists = |text: &str| known.iter().find(|role| role.id.as_str() == text).map(|role| role.id.clone());
        let mut roles: Vec<RoleId> = match wanted {
            Some(wanted) => {
                let found: Option<Vec<_>> = wanted.iter().map(|role| exists(role)).collect();
                found.ok_or(UserRefusal::UnknownRole)?
            }
            None => self.list(DEFAULT_ROLES_OF_NEW_USERS).await?.iter().filter_map(|role| exists(role)).collect(),
        };
        let mut seen = std::collections::HashSet::new();
        roles.retain(|role| seen.insert(role.clone()));
        Ok(roles)
    }

    /// Whether a username is reserved.
    pub(in crate::service) async fn is_blocked(&self, username: &str) -> Result<bool> {
        let mut blocked = self.list(BLOCKED_USERNAMES).await?;
        blocked.extend(self.list(SYSTEM_BLOCKED_USERNAMES).await?);
        Ok(blocked.iter().any(|name| name_key(name) == name_key(username)))
    }

    async fn check_new_account(&self, request: &AccountRequest) -> Result<()> {
        if request.name.trim().is_empty() && self.boolean(REQUIRE_NAME).await? {
            return Err(UserRefusal::FieldRequired { field: "Name" }.into());
        }
        if request.username.trim().is_empty() {
            return Err(UserRefusal::FieldRequired { field: "Username" }.into());
        }
        if !self.matches(USERNAME_PATTERN, &request.username).await? {
            return Err(UserRefusal::InvalidUsername(request.username.clone()).into());
        }
        if request.password.is_empty() && !request.random_password {
            return Err(UserRefusal::FieldRequired { field: "Password" }.into());
        }
        if !request.random_password {
            self.check_password_policy(&request.password).await?;
        }
        if !is_address(&request.email) {
            return Err(UserRefusal::InvalidEmail(request.email.clone()).into());
        }
        if self.is_blocked(&request.username).await? {
            return Err(UserRefusal::BlockedUsername(request.username.clone()).into());
        }
        Ok(())
    }
}
