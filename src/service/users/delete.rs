//! Deleting accounts (contract 9.5). What goes with one, and what must not, is decided by the store in one go.

use super::unchanged;
use super::update::is_federated;
use crate::domain::ids::{RoomId, UserId};
use crate::domain::user::User;
use crate::domain::user_change::Relinquish;
use crate::service::error::UserRefusal;
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Noun, StoreError, UsernameMatch};

/// Id and username of the account that speaks for the system.
const ROCKET_CAT: &str = "rocket.cat";

/// An account as a caller names it (contract 4.3, step 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    /// By its id, letter by letter.
    Id(String),
    /// By its username, without regard to case.
    Username(String),
}

impl Services {
    /// Deletes an account, be it the caller's own.
    ///
    /// # Errors
    /// In this order: `NotNamed`, `Unknown`, `Undeletable`, `FederatedUndeletable`, `LastActiveAdministrator`,
    /// `PermissionsLockout`, `LastOwner` of an organization, `SoleOwner`.
    pub async fn delete_user(&self, caller: &Caller, user: &UserRef, relinquish: Relinquish) -> Result<Vec<RoomId>> {
        let user = self.referred_user(user).await?;
        if user.id.as_str() == ROCKET_CAT || user.username.as_deref() == Some(ROCKET_CAT) {
            return Err(UserRefusal::Undeletable.into());
        }
        if is_federated(&user) {
            return Err(UserRefusal::FederatedUndeletable.into());
        }
        let deleted = self.store.delete_user(&user.id, relinquish, &self.audit(caller)).await;
        deleted.map_err(|error| match error {
            // Somebody was faster.
            StoreError::NotFound(Noun::User) => ServiceError::from(UserRefusal::Unknown),
            other => unchanged(other, user.id.as_str()),
        })
    }

    /// The account that a caller names.
    ///
    /// # Errors
    /// In this order: `NotNamed`, `Unknown`.
    async fn referred_user(&self, user: &UserRef) -> Result<User> {
        let (UserRef::Id(text) | UserRef::Username(text)) = user;
        if text.trim().is_empty() {
            return Err(UserRefusal::NotNamed.into());
        }
        let found = match user {
            UserRef::Username(name) => self.store.find_user_by_username(name, UsernameMatch::IgnoreCase).await?,
            UserRef::Id(id) => match UserId::parse(id) {
                Ok(id) => self.store.find_user(&id).await?,
                Err(_) => None,
            },
        };
        Ok(found.ok_or(UserRefusal::Unknown)?)
    }
}
