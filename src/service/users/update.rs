//! Changing an account (contract 9.2): what is asked of whoever changes it, in the contract's order. What of it the
//! workspace could not do without is decided by the store, together with the change.

use serde_json::{Map, Value};

use super::rules::{check_size_of_profile, check_sizes, has_markup, is_address};
use super::unchanged;
use crate::domain::fields::are_storable;
use crate::domain::ids::{RoleId, UserId};
use crate::domain::permission::{
    ASSIGN_ROLES, EDIT_OTHER_USER_ACTIVE_STATUS, EDIT_OTHER_USER_INFO, EDIT_OTHER_USER_PASSWORD,
    MANAGE_MODERATION_ACTIONS,
};
use crate::domain::profile::{FEDERATED, REQUIRE_PASSWORD_CHANGE};
use crate::domain::role::ADMIN;
use crate::domain::setting::{
    ALLOW_EMAIL_CHANGE, ALLOW_NAME_CHANGE, ALLOW_PASSWORD_CHANGE, ALLOW_PROFILE_CHANGE, ALLOW_STATUS_CHANGE,
    ALLOW_USERNAME_CHANGE, REQUIRE_NAME, USERNAME_PATTERN,
};
use crate::domain::user::{Activation, PasswordHash, User};
use crate::domain::user_change::{RolesChange, SessionsAfter, UserPatch, same_roles};
use crate::service::error::{Late, UserRefusal};
use crate::service::passwords::PasswordDigest;
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Conflict, StoreError, Unique};

/// How often a change is looked at again because the roles of the account changed meanwhile.
const LOOKS: usize = 5;

/// Fields that somebody wants otherwise; `None` and absent ones stay.
#[derive(Debug, Clone, Default)]
pub struct FieldChanges {
    /// The name to log in by.
    pub username: Option<String>,
    /// The name as shown.
    pub name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// Fields of the profile under their wire names; `null` takes one away.
    pub profile: Map<String, Value>,
    /// Fields of the workspace's own, to be merged.
    pub custom_fields: Map<String, Value>,
}

/// What an administrator wants of an account.
pub struct AccountUpdate {
    /// Which account, by id.
    pub user: String,
    /// Names, address, profile.
    pub fields: FieldChanges,
    /// In clear text; it goes no further than the hasher.
    pub password: Option<String>,
    /// A random password nobody knows instead of `password`.
    pub random_password: bool,
    /// Whether the address counts as shown to be his.
    pub verified: Option<bool>,
    /// Exactly these roles.
    pub roles: Option<Vec<String>>,
    /// Whether a client must ask for a new password.
    pub require_password_change: Option<bool>,
    /// Whether it may log in.
    pub activation: Option<Activation>,
}

impl Services {
    /// Changes an account.
    ///
    /// # Errors
    /// In this order: `InvalidName`, `FieldTooLong`, `InvalidCustomFields`, `EditingNotAllowed`,
    /// `VerifyingNotAllowed`, `UnknownRole`, `AssigningAdminNotAllowed`, `AssigningRolesNotAllowed`,
    /// `ToChangeUnknown`, `FieldNotEditable` (profile, username, status, name, email, password), `FieldRequired`,
    /// `InvalidUsername`, `InvalidEmail`, `IdentityNotSaved`, `Federated`, `ActivationNotAllowed`, and then those of
    /// the store: `FieldUnavailable`, `LastActiveAdministrator`, `PermissionsLockout`, `LastOwner` of an organization,
    /// `SoleOwner`.
    pub async fn update_user(&self, caller: &Caller, update: AccountUpdate) -> Result<User> {
        check_form(&update.fields)?;
        let own = update.user == caller.user.id.as_str();
        let edits_others = self.is_allowed(caller, EDIT_OTHER_USER_INFO).await?;
        if !own && !edits_others {
            return Err(UserRefusal::EditingNotAllowed.into());
        }
        if own && update.verified == Some(true) {
            return Err(UserRefusal::VerifyingNotAllowed.into());
        }
        let roles = match &update.roles {
            Some(roles) => Some(self.roles_of_new_account(Some(roles)).await?),
            None => None,
        };
        self.require_assigning_admin(caller, roles.as_deref().unwrap_or_default(), Late::UpdateUser).await?;
        let password = self.password_to_set(caller, &update).await?;
        for _ in 0..LOOKS {
            let (user, patch) = self.patch(caller, &update, roles.as_deref(), password.clone()).await?;
            match self.store.update_user(&user, patch, &self.audit(caller)).await {
                Err(StoreError::Conflict(Conflict::RolesChanged)) => {}
                outcome => return outcome.map_err(|error| unsaved(error, &update.user, &update.fields)),
            }
        }
        Err(ServiceError::Unavailable("the roles of the account keep changing".to_owned()))
    }

    /// What the change comes to, as the account is now, when the caller may do all of it.
    async fn patch(
        &self,
        caller: &Caller,
        update: &AccountUpdate,
        roles: Option<&[RoleId]>,
        password: Option<PasswordHash>,
    ) -> Result<(UserId, UserPatch)> {
        let found = match UserId::parse(&update.user) {
            Ok(id) => self.store.find_user(&id).await?,
            Err(_) => None,
        };
        let held = found.as_ref().map(User::roles).unwrap_or_default();
        let roles = self.roles_to_change(caller, held, roles).await?;
        let user = found.ok_or(UserRefusal::ToChangeUnknown)?;
        let fields = differing(&update.fields, &user);
        if user.id == caller.user.id && !self.is_allowed(caller, EDIT_OTHER_USER_INFO).await? {
            self.require_editable(&fields, update.password.is_some()).await?;
        }
        self.check_changes(&user, &fields).await?;
        if update.activation.is_some() && !self.may_switch_accounts(caller).await? {
            return Err(UserRefusal::ActivationNotAllowed.into());
        }
        let mut patch = patch_of(fields);
        patch.verified = update.verified;
        patch.roles = roles;
        patch.activation = update.activation;
        if let Some(required) = update.require_password_change.or_else(|| update.random_password.then_some(true)) {
            patch.profile.insert(REQUIRE_PASSWORD_CHANGE.to_owned(), required.into());
        }
        if password.is_some() {
            // Whoever got in by the old password is out; somebody who sets his own stays in where he is.
            patch.sessions = match user.id == caller.user.id {
                true => SessionsAfter::OthersEnded(caller.token.hash.clone()),
                false => SessionsAfter::Ended,
            };
        }
        patch.password = password;
        check_growth(&user, &patch, self)?;
        Ok((user.id, patch))
    }

    /// The hash of a password that is to be set; what somebody sends who may set none is passed over, as in the
    /// original. There a weak one is passed over too; here whoever sends it is told, instead of believing that it is set.
    async fn password_to_set(&self, caller: &Caller, update: &AccountUpdate) -> Result<Option<PasswordHash>> {
        let wanted = match update.random_password {
            true => Some(self.ids.password()),
            false => update.password.clone().filter(|password| !password.trim().is_empty()),
        };
        match wanted {
            Some(password) if self.is_allowed(caller, EDIT_OTHER_USER_PASSWORD).await? => {
                if !update.random_password {
                    self.check_password_policy(&password).await?;
                }
                Ok(Some(self.passwords.hash(PasswordDigest::of(&password)).await?))
            }
            _ => Ok(None),
        }
    }

    /// The roles to replace those held, when they are others. To take `admin` away needs the same right as to give it,
    /// which is more than the original asks and keeps administrators from being unmade by anybody else.
    async fn roles_to_change(
        &self,
        caller: &Caller,
        held: &[RoleId],
        wanted: Option<&[RoleId]>,
    ) -> Result<Option<RolesChange>> {
        let Some(wanted) = wanted.filter(|wanted| !same_roles(wanted, held)) else { return Ok(None) };
        let admin = RoleId::from_stored(ADMIN);
        if held.contains(&admin) && !wanted.contains(&admin) {
            self.require_assigning_admin(caller, &[admin], Late::UpdateUser).await?;
        }
        if !self.is_allowed(caller, ASSIGN_ROLES).await? {
            return Err(UserRefusal::AssigningRolesNotAllowed.into());
        }
        Ok(Some(RolesChange { from: held.to_vec(), to: wanted.to_vec() }))
    }

    async fn may_switch_accounts(&self, caller: &Caller) -> Result<bool> {
        Ok(self.is_allowed(caller, EDIT_OTHER_USER_ACTIVE_STATUS).await?
            || self.is_allowed(caller, MANAGE_MODERATION_ACTIONS).await?)
    }

    /// What the workspace lets people change of their own accounts.
    pub(super) async fn require_editable(&self, fields: &FieldChanges, password: bool) -> Result<()> {
        let gates = [
            (ALLOW_PROFILE_CHANGE, true, "user profile"),
            (ALLOW_USERNAME_CHANGE, fields.username.is_some(), "username"),
            (ALLOW_STATUS_CHANGE, fields.profile.contains_key("statusText"), "user status"),
            (ALLOW_NAME_CHANGE, fields.name.is_some(), "user real name"),
            (ALLOW_EMAIL_CHANGE, fields.email.is_some(), "user email"),
            (ALLOW_PASSWORD_CHANGE, password, "user password"),
        ];
        for (setting, changed, field) in gates {
            if changed && !self.boolean(setting).await? {
                return Err(UserRefusal::FieldNotEditable { field }.into());
            }
        }
        Ok(())
    }

    /// Whether the names and the address can be those of this account, which had others.
    pub(super) async fn check_changes(&self, user: &User, fields: &FieldChanges) -> Result<()> {
        if fields.name.as_ref().is_some_and(|name| name.trim().is_empty()) && self.boolean(REQUIRE_NAME).await? {
            return Err(UserRefusal::FieldRequired { field: "Name" }.into());
        }
        if let Some(username) = &fields.username {
            if username.trim().is_empty() {
                return Err(UserRefusal::FieldRequired { field: "Username" }.into());
            }
            if !self.matches(USERNAME_PATTERN, username).await? {
                return Err(UserRefusal::InvalidUsername(username.clone()).into());
            }
        }
        if let Some(email) = fields.email.as_ref().filter(|email| !is_address(email)) {
            return Err(UserRefusal::InvalidEmail(email.clone()).into());
        }
        if let Some(username) = &fields.username
            && self.is_blocked(username).await?
        {
            return Err(UserRefusal::IdentityNotSaved.into());
        }
        if is_federated(user) {
            return Err(UserRefusal::Federated.into());
        }
        Ok(())
    }
}

/// Whether the account belongs to another server.
pub(super) fn is_federated(user: &User) -> bool {
    user.profile.get(FEDERATED) == Some(&Value::Bool(true))
}

/// What can be said of the fields without knowing whose they are.
pub(super) fn check_form(fields: &FieldChanges) -> Result<()> {
    if fields.name.as_deref().is_some_and(has_markup) {
        return Err(UserRefusal::InvalidName.into());
    }
    check_sizes(fields.username.as_deref(), fields.name.as_deref(), fields.email.as_deref())?;
    check_size_of_profile(&fields.profile)?;
    check_size_of_profile(&fields.custom_fields)?;
    if !are_storable(&fields.custom_fields) {
        return Err(UserRefusal::InvalidCustomFields.into());
    }
    Ok(())
}

/// The fields that the account has otherwise; a client that sends everything it knows changes only those.
pub(super) fn differing(fields: &FieldChanges, user: &User) -> FieldChanges {
    let other =
        |wanted: &Option<String>, has: Option<&str>| wanted.clone().filter(|wanted| Some(wanted.as_str()) != has);
    let mut profile = fields.profile.clone();
    profile.retain(|name, value| user.profile.get(name).unwrap_or(&Value::Null) != value);
    FieldChanges {
        username: other(&fields.username, user.username.as_deref()),
        name: other(&fields.name, user.name.as_deref()),
        email: other(&fields.email, user.emails.first().map(|email| email.address.as_str())),
        profile,
        custom_fields: fields.custom_fields.clone(),
    }
}

/// A change of these fields and nothing else.
pub(super) fn patch_of(fields: FieldChanges) -> UserPatch {
    let FieldChanges { username, name, email, profile, custom_fields } = fields;
    UserPatch { username, name, email, profile, custom_fields, ..UserPatch::default() }
}

/// Fields are merged, so that what is small each time may become large.
pub(super) fn check_growth(user: &User, patch: &UserPatch, services: &Services) -> Result<()> {
    let after = patch.applied(user, services.clock.now());
    if after.profile == user.profile { Ok(()) } else { check_size_of_profile(&after.profile) }
}

/// What the store had against it; `user` is as the caller named it.
pub(super) fn unsaved(error: StoreError, user: &str, fields: &FieldChanges) -> ServiceError {
    let value = |field: &Option<String>| field.clone().unwrap_or_default();
    match error {
        StoreError::AlreadyExists(Unique::Username) => {
            UserRefusal::FieldUnavailable { field: "Username", value: value(&fields.username) }.into()
        }
        StoreError::AlreadyExists(Unique::EmailAddress) => {
            UserRefusal::FieldUnavailable { field: "Email", value: value(&fields.email) }.into()
        }
        StoreError::Conflict(Conflict::UnknownRole(_)) => UserRefusal::UnknownRole.into(),
        other => unchanged(other, user),
    }
}
