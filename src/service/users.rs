//! Accounts: create, look at, activate and deactivate (contract 9).

use serde_json::{Map, Value};

use super::error::{Late, UserRefusal};
use super::passwords::PasswordDigest;
use super::{Caller, Result, ServiceError, Services};
use crate::domain::fields::are_storable;
use crate::domain::ids::{MAX_ID_BYTES, RoleId, UserId, is_nameable};
use crate::domain::permission::{CREATE_USER, VIEW_FULL_OTHER_USER_INFO, VIEW_OTHER_USER_CHANNELS};
use crate::domain::role::name_key;
use crate::domain::setting::{
    BLOCKED_USERNAMES, DEFAULT_ROLES_OF_NEW_USERS, REQUIRE_NAME, SYSTEM_BLOCKED_USERNAMES, USERNAME_PATTERN,
};
use crate::domain::user::{Activation, EmailAddress, Membership, NewUser, User, new_profile};
use crate::store::{Conflict, Noun, StoreError, Unique, UsernameMatch};

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

/// Which account a caller wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserQuery {
    /// By id.
    Id(String),
    /// By username.
    Username(String),
}

/// How much of an account a caller may see (contract 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visibility {
    /// What everybody sees.
    Everybody,
    /// Roles, addresses and times as well.
    Full,
    /// His own.
    Own,
}

/// An account as a caller may see it.
pub struct UserView {
    /// The account, whole.
    pub user: User,
    /// How much of it to show.
    pub visibility: Visibility,
    /// The rooms, when they were asked for and may be seen.
    pub memberships: Option<Vec<Membership>>,
}

impl Services {
    /// Creates an account (contract 9.1).
    ///
    /// # Errors
    /// In this order: `InvalidName`, `FieldTooLong`, `InvalidCustomFields`, `CreatingNotAllowed`, `UnknownRole`, `AssigningAdminNotAllowed`,
    /// `FieldRequired` (name, username), `InvalidUsername`, `FieldRequired` (password), `InvalidEmail`,
    /// `BlockedUsername`, `FieldUnavailable`.
    pub async fn create_user(&self, caller: &Caller, request: AccountRequest) -> Result<User> {
        if has_markup(&request.name) {
            return Err(UserRefusal::InvalidName.into());
        }
        check_sizes(&request)?;
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

    /// Looks an account up (contract 9.3).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn view_user(&self, caller: &Caller, query: UserQuery, with_rooms: bool) -> Result<UserView> {
        let found = match query {
            UserQuery::Id(id) => match UserId::parse(&id) {
                Ok(id) => self.store.find_user(&id).await?,
                Err(_) => None,
            },
            UserQuery::Username(name) => self.store.find_user_by_username(&name, UsernameMatch::IgnoreCase).await?,
        };
        let user = found.ok_or(UserRefusal::NotFound)?;
        let own = user.id == caller.user.id;
        let visibility = match own {
            true => Visibility::Own,
            false if self.is_allowed(caller, VIEW_FULL_OTHER_USER_INFO).await? => Visibility::Full,
            false => Visibility::Everybody,
        };
        let show_rooms = with_rooms && (own || self.is_allowed(caller, VIEW_OTHER_USER_CHANNELS).await?);
        let memberships = if show_rooms { Some(self.store.list_memberships(&user.id).await?) } else { None };
        Ok(UserView { user, visibility, memberships })
    }

    /// Activates or deactivates an account; deactivation ends its tokens at once (contract 9.6).
    ///
    /// # Errors
    /// In this order: `ToChangeUnknown`, `LastActiveAdministrator`, `PermissionsLockout`, `SoleOwner`.
    pub async fn set_user_active(&self, caller: &Caller, user: &str, activation: Activation) -> Result<User> {
        let id = UserId::parse(user).map_err(|_| UserRefusal::ToChangeUnknown)?;
        self.store.set_user_active(&id, activation, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::NotFound(Noun::User) => UserRefusal::ToChangeUnknown.into(),
            StoreError::Conflict(Conflict::LastAdministrator { .. }) => UserRefusal::LastActiveAdministrator.into(),
            StoreError::Conflict(Conflict::SoleOwner(rooms)) => UserRefusal::SoleOwner(rooms).into(),
            other => ServiceError::from(other),
        })
    }

    /// The roles a new account gets: those asked for, each of which must exist, or those of every new account, as far as
    /// they exist.
    pub(super) async fn roles_of_new_account(&self, wanted: Option<&[String]>) -> Result<Vec<RoleId>> {
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
    pub(super) async fn is_blocked(&self, username: &str) -> Result<bool> {
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
        if !is_address(&request.email) {
            return Err(UserRefusal::InvalidEmail(request.email.clone()).into());
        }
        if self.is_blocked(&request.username).await? {
            return Err(UserRefusal::BlockedUsername(request.username.clone()).into());
        }
        Ok(())
    }
}

/// The most that an account's own fields take together, as JSON.
const MAX_PROFILE_BYTES: usize = 16_384;

/// Names are repeated in answers, lists and the record; so they end somewhere.
fn check_sizes(request: &AccountRequest) -> Result<()> {
    let too_long = |field| Err(UserRefusal::FieldTooLong { field }.into());
    if !is_nameable(&request.username) {
        return too_long("Username");
    }
    if !is_nameable(&request.name) {
        return too_long("Name");
    }
    if request.email.len() > MAX_ID_BYTES {
        return too_long("Email");
    }
    let profile = serde_json::to_string(&request.profile).map_or(usize::MAX, |text| text.len());
    if profile > MAX_PROFILE_BYTES { too_long("Custom Fields") } else { Ok(()) }
}

/// Characters that a page could take for markup.
pub(super) fn has_markup(name: &str) -> bool {
    name.contains(['<', '>', '/', '\\'])
}

/// Whether a text has the shape of an e-mail address: something, an at sign, a host with a dot or a bare host, no
/// white space, no control characters. Whether it exists only a letter could tell.
pub(super) fn is_address(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    text.len() <= 254 && plain(local) && plain(host) && !host.starts_with('.') && !host.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for good in ["a@b.de", "a.b+c@host", "Ä@exämple.org"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "a", "@b.de", "a@", "a b@c.de", "a@b .de", "a@.de", "a@b.", "a@b\n"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
