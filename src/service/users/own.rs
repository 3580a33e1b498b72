//! What people change of their own accounts (`users.updateOwnBasicInfo`), and deleting them, for both of which they show
//! their password once more.

use serde_json::Value;

use super::unchanged;
use super::update::{FieldChanges, check_form, check_growth, differing, patch_of, unsaved};
use crate::domain::ids::RoomId;
use crate::domain::permission::EDIT_OTHER_USER_INFO;
use crate::domain::setting::ALLOW_DELETING_ONESELF;
use crate::domain::user::User;
use crate::domain::user_change::{Relinquish, SessionsAfter};
use crate::service::error::UserRefusal;
use crate::service::passwords::PasswordDigest;
use crate::service::{Caller, Result, Services};

/// What somebody can say that he is.
const STATUSES: [&str; 4] = ["online", "away", "busy", "offline"];

/// What somebody wants of his own account.
pub struct OwnUpdate {
    /// Names, address, profile.
    pub fields: FieldChanges,
    /// Whether he is there: `online`, `away`, `busy`, `offline`.
    pub status: Option<String>,
    /// SHA-256 of the password he has, in hexadecimal digits.
    pub current_password: Option<String>,
    /// The password he wants, in clear text; it goes no further than the hasher.
    pub new_password: Option<String>,
}

impl Services {
    /// Changes the caller's own account. A new password or address takes the present password and ends his other
    /// log-ins: whoever else had got in is out.
    ///
    /// # Errors
    /// In this order: `InvalidName`, `FieldTooLong`, `InvalidCustomFields`, `InvalidStatus`, `FieldNotEditable` as in
    /// `update_user` (the original asks it of administrators too, who can do the same there; here they need not
    /// turn the setting first), `WrongPassword`, and then as `update_user` from `FieldRequired` on.
    pub async fn update_own_account(&self, caller: &Caller, update: OwnUpdate) -> Result<User> {
        check_form(&update.fields)?;
        let mut fields = differing(&update.fields, &caller.user);
        if let Some(status) = &update.status {
            if !STATUSES.contains(&status.as_str()) {
                return Err(UserRefusal::InvalidStatus.into());
            }
            for field in ["status", "statusDefault"] {
                fields.profile.insert(field.to_owned(), Value::from(status.as_str()));
            }
        }
        let new_password = update.new_password.filter(|password| !password.trim().is_empty());
        if !self.is_allowed(caller, EDIT_OTHER_USER_INFO).await? {
            self.require_editable(&fields, new_password.is_some()).await?;
        }
        let opens_the_account = new_password.is_some() || fields.email.is_some();
        if opens_the_account {
            self.require_own_password(caller, update.current_password.as_deref(), "saveUserProfile").await?;
        }
        self.check_changes(&caller.user, &fields).await?;
        let mut patch = patch_of(fields);
        if let Some(password) = new_password {
            self.check_password_policy(&password).await?;
            patch.password = Some(self.passwords.hash(PasswordDigest::of(&password)).await?);
        }
        if opens_the_account {
            patch.sessions = SessionsAfter::OthersEnded(caller.token.hash.clone());
        }
        check_growth(&caller.user, &patch, self)?;
        let changed = self.store.update_user(&caller.user.id, patch, &self.audit(caller)).await;
        changed.map_err(|error| unsaved(error, caller.user.id.as_str(), &update.fields))
    }

    /// Deletes the caller's own account where the workspace lets him; `password` is its SHA-256 in hexadecimal digits.
    ///
    /// # Errors
    /// In this order: `DeletingOneselfNotAllowed`, `WrongPassword`, `LastActiveAdministrator`, `PermissionsLockout`,
    /// `LastOwner` of an organization, `SoleOwner`.
    pub async fn delete_own_account(
        &self,
        caller: &Caller,
        password: &str,
        relinquish: Relinquish,
    ) -> Result<Vec<RoomId>> {
        if !self.boolean(ALLOW_DELETING_ONESELF).await? {
            return Err(UserRefusal::DeletingOneselfNotAllowed.into());
        }
        self.require_own_password(caller, Some(password), "deleteUserOwnAccount").await?;
        let id = &caller.user.id;
        let deleted = self.store.delete_user(id, relinquish, &self.audit(caller)).await;
        deleted.map_err(|error| unchanged(error, id.as_str()))
    }

    /// Clients send the hexadecimal SHA-256 and not the password itself. An account without a password cannot show one.
    async fn require_own_password(&self, caller: &Caller, digest: Option<&str>, method: &'static str) -> Result<()> {
        let stored = self.store.find_password(&caller.user.id).await?;
        let digest = digest.unwrap_or_default().to_lowercase();
        if self.passwords.verify(stored, PasswordDigest::from_client(&digest)).await? {
            return Ok(());
        }
        Err(UserRefusal::WrongPassword { method }.into())
    }
}
