//! What people prefer, as far as clients ask it back (contract 2.7). Which preferences there are is in
//! `domain::preferences`.

use serde_json::{Map, Value};

use super::rules::check_size_of_profile;
use super::unchanged;
use super::update::check_growth;
use crate::domain::ids::UserId;
use crate::domain::permission::EDIT_OTHER_USER_INFO;
use crate::domain::preferences::merged_preferences;
use crate::domain::profile::own_preferences;
use crate::domain::user::User;
use crate::domain::user_change::UserPatch;
use crate::service::error::UserRefusal;
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Noun, StoreError};

/// The one preference that is a field of the account itself.
const LANGUAGE: &str = "language";

/// Somebody's preferences: the defaults with his own choices over them.
pub struct Preferences {
    /// Whose.
    pub user: UserId,
    /// Each with its value.
    pub values: Map<String, Value>,
}

impl Services {
    /// The caller's own.
    pub fn preferences(&self, caller: &Caller) -> Preferences {
        preferences_of(&caller.user)
    }

    /// Chooses some, of the caller's own account or of another; those not named stay. `null` chooses nothing.
    ///
    /// # Errors
    /// In this order: `FieldTooLong`, `EditingPreferencesNotAllowed`, `PreferencesOfUnknown`.
    pub async fn set_preferences(
        &self,
        caller: &Caller,
        user: Option<&str>,
        mut chosen: Map<String, Value>,
    ) -> Result<Preferences> {
        check_size_of_profile(&chosen)?;
        chosen.retain(|_, value| !value.is_null());
        let own = user.is_none_or(|user| user == caller.user.id.as_str());
        if !own && !self.is_allowed(caller, EDIT_OTHER_USER_INFO).await? {
            return Err(UserRefusal::EditingPreferencesNotAllowed.into());
        }
        let id = user.map_or_else(|| Ok(caller.user.id.clone()), UserId::parse);
        let id = id.map_err(|_| UserRefusal::PreferencesOfUnknown)?;
        let found = self.store.find_user(&id).await?.ok_or(UserRefusal::PreferencesOfUnknown)?;
        let mut patch = UserPatch::default();
        if let Some(language) = chosen.shift_remove(LANGUAGE) {
            patch.profile.insert(LANGUAGE.to_owned(), language);
        }
        patch.preferences = chosen;
        check_growth(&found, &patch, self)?;
        let by = self.audit(caller).answered_with(preferences_of);
        let changed = self.store.update_user(&id, patch, &by).await;
        changed.map(|user| preferences_of(&user)).map_err(|error| match error {
            StoreError::NotFound(Noun::User) => ServiceError::from(UserRefusal::PreferencesOfUnknown),
            other => unchanged(other, id.as_str()),
        })
    }
}

fn preferences_of(user: &User) -> Preferences {
    let mut values = merged_preferences(own_preferences(&user.profile));
    if let Some(language) = user.profile.get(LANGUAGE) {
        values.insert(LANGUAGE.to_owned(), language.clone());
    }
    Preferences { user: user.id.clone(), values }
}
