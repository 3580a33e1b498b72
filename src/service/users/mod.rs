//! Accounts (contract 9): looking at one, and switching one on and off. Making one is in `create`, changing one in
//! `update`, `own` and `preferences`, deleting in `delete`, those nobody uses in `idle`, and finding people among many in
//! `list`; what names and addresses may be is in `rules`.

mod create;
mod delete;
mod idle;
mod list;
mod own;
mod preferences;
mod rules;
mod update;

use std::sync::Arc;

use super::error::{OrganizationRefusal, UserRefusal};
use super::{Caller, Result, ServiceError, Services};
use crate::domain::ids::UserId;
use crate::domain::permission::{VIEW_FULL_OTHER_USER_INFO, VIEW_OTHER_USER_CHANNELS};
use crate::domain::user::{Activation, Membership, User};
use crate::store::{Conflict, Noun, OrganizationConflict, StoreError, UsernameMatch};

pub use create::AccountRequest;
pub use delete::UserRef;
pub use list::{AccountPage, ListRequest, StatusRequest};
pub use own::OwnUpdate;
pub use preferences::Preferences;
pub(super) use rules::{has_markup, is_address};
pub use update::{AccountUpdate, FieldChanges};

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
    pub user: Arc<User>,
    /// How much of it to show.
    pub visibility: Visibility,
    /// The rooms, when they were asked for and may be seen.
    pub memberships: Option<Vec<Membership>>,
}

impl UserView {
    /// Whether nothing else is shown than the account itself, to whose it is: then what is shown depends on it alone.
    pub fn is_own_alone(&self) -> bool {
        self.visibility == Visibility::Own && self.memberships.is_none()
    }
}

impl Services {
    /// Looks an account up (contract 9.3).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn view_user(&self, caller: &Caller, query: UserQuery, with_rooms: bool) -> Result<UserView> {
        // Who he is himself was asked when he came in.
        let own = match &query {
            UserQuery::Id(id) => caller.user.id.as_str() == id,
            UserQuery::Username(name) => caller.user.username.as_ref() == Some(name),
        };
        let user = if own { Arc::clone(&caller.user) } else { self.find_account(&query).await?.into() };
        let own = user.id == caller.user.id;
        let visibility = if own { Visibility::Own } else { self.visibility_of_others(caller).await? };
        let show_rooms = with_rooms && (own || self.is_allowed(caller, VIEW_OTHER_USER_CHANNELS).await?);
        let memberships = if show_rooms { Some(self.store.list_memberships(&user.id).await?) } else { None };
        Ok(UserView { user, visibility, memberships })
    }

    async fn find_account(&self, query: &UserQuery) -> Result<User> {
        let found = match query {
            UserQuery::Id(id) => match UserId::parse(id) {
                Ok(id) => self.store.find_user(&id).await?,
                Err(_) => None,
            },
            UserQuery::Username(name) => self.store.find_user_by_username(name, UsernameMatch::IgnoreCase).await?,
        };
        Ok(found.ok_or(UserRefusal::NotFound)?)
    }

    /// Activates or deactivates an account; deactivation ends its tokens at once (contract 9.6).
    ///
    /// # Errors
    /// In this order: `ToChangeUnknown`, `LastActiveAdministrator`, `PermissionsLockout`, `LastOwner` of an organization,
    /// `SoleOwner`.
    pub async fn set_user_active(&self, caller: &Caller, user: &str, activation: Activation) -> Result<User> {
        let id = UserId::parse(user).map_err(|_| UserRefusal::ToChangeUnknown)?;
        self.store.set_user_active(&id, activation, &self.audit(caller)).await.map_err(|error| unchanged(error, user))
    }

    /// How much of other people's accounts the caller may see.
    async fn visibility_of_others(&self, caller: &Caller) -> Result<Visibility> {
        let full = self.is_allowed(caller, VIEW_FULL_OTHER_USER_INFO).await?;
        Ok(if full { Visibility::Full } else { Visibility::Everybody })
    }
}

/// What can stand in the way of every change of an account; `user` is as the caller named it.
fn unchanged(error: StoreError, user: &str) -> ServiceError {
    match error {
        StoreError::NotFound(Noun::User) => UserRefusal::ToChangeUnknown.into(),
        StoreError::Conflict(Conflict::LastAdministrator { .. }) => UserRefusal::LastActiveAdministrator.into(),
        StoreError::Conflict(Conflict::SoleOwner(rooms)) => UserRefusal::SoleOwner(rooms).into(),
        StoreError::Conflict(Conflict::Organization(OrganizationConflict::LastOwner { organization, name })) => {
            OrganizationRefusal::LastOwner { organization, name, user: user.to_owned() }.into()
        }
        other => other.into(),
    }
}
