//! People who make their own account (contract 9.7), and the one who thereby becomes the first administrator where the
//! operator wants it so. Accounts that an administrator makes are in `users`.

use super::error::RegistrationRefusal;
use super::passwords::PasswordDigest;
use super::users::{has_markup, is_address};
use super::{Origin, Result, ServiceError, Services};
use crate::domain::ids::{RoleId, is_nameable};
use crate::domain::role::ADMIN;
use crate::domain::setting::{APPROVE_NEW_USERS, REGISTRATION_FORM, REGISTRATION_SECRET, USERNAME_PATTERN};
use crate::domain::user::{EmailAddress, NewUser, User, new_profile};
use crate::store::{StoreError, Unique, UsernameMatch};

/// The longest reason for wanting an account.
const MAX_REASON_BYTES: usize = 2_048;

/// Whether the first person to register administers the workspace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstUser {
    /// He is somebody like everybody.
    #[default]
    IsOrdinary,
    /// While nobody is an administrator, whoever registers becomes one.
    BecomesAdministrator,
}

/// An account that somebody wants for himself.
pub struct Registration {
    /// The name to log in by.
    pub username: String,
    /// His address.
    pub email: String,
    /// In clear text; it goes no further than the hasher.
    pub password: String,
    /// The name as shown.
    pub name: String,
    /// What the operator handed out, where registering takes a secret.
    pub secret: Option<String>,
    /// Why he wants to be let in, where accounts are approved by hand.
    pub reason: Option<String>,
}

impl Services {
    /// Makes an account for whoever asks.
    ///
    /// # Errors
    /// In this order: `InvalidName`, `InvalidUsername`, `UsernameTaken`, `Disabled`, `WrongSecret`, `InvalidEmail`,
    /// `ReasonTooLong`, `NoPassword`, `WeakPassword`, `EmailTaken`.
    pub async fn register(&self, registration: Registration, origin: &Origin) -> Result<User> {
        if has_markup(&registration.name) || !is_nameable(&registration.name) {
            return Err(RegistrationRefusal::InvalidName.into());
        }
        self.check_wanted_username(&registration.username).await?;
        self.check_registration_is_open(registration.secret.as_deref()).await?;
        if !is_address(&registration.email) {
            return Err(RegistrationRefusal::InvalidEmail.into());
        }
        if registration.reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON_BYTES) {
            return Err(RegistrationRefusal::ReasonTooLong.into());
        }
        if registration.password.is_empty() {
            return Err(RegistrationRefusal::NoPassword.into());
        }
        self.check_password_policy(&registration.password).await?;
        let new = self.registered_account(registration).await?;
        // He makes the account himself, though he has none before.
        let by = self.context(&new.to_user(self.clock.now()), origin);
        if self.first_user == FirstUser::BecomesAdministrator {
            let mut first = new.clone();
            first.roles.push(RoleId::from_stored(ADMIN));
            // Whoever is to administer the workspace needs nobody's approval; there is nobody yet to give it.
            first.active = true;
            if let Some(user) = self.store.create_first_administrator(first, &by).await.map_err(taken)? {
                return Ok(user);
            }
        }
        self.store.create_user(new, &by).await.map_err(taken)
    }

    async fn check_wanted_username(&self, username: &str) -> Result<()> {
        let fits =
            !username.trim().is_empty() && is_nameable(username) && self.matches(USERNAME_PATTERN, username).await?;
        if !fits || self.is_blocked(username).await? {
            return Err(RegistrationRefusal::InvalidUsername.into());
        }
        if self.store.find_user_by_username(username, UsernameMatch::IgnoreCase).await?.is_some() {
            return Err(RegistrationRefusal::UsernameTaken.into());
        }
        Ok(())
    }

    async fn check_registration_is_open(&self, secret: Option<&str>) -> Result<()> {
        match self.text(REGISTRATION_FORM).await?.as_str() {
            "Public" => Ok(()),
            "Secret URL" => {
                let expected = self.text(REGISTRATION_SECRET).await?;
                // Compared as digests, so that the time it takes says nothing about how much was right.
                let digest = |text: &str| PasswordDigest::of(text);
                let right = secret.is_some_and(|secret| digest(secret) == digest(&expected));
                if right && !expected.is_empty() { Ok(()) } else { Err(RegistrationRefusal::WrongSecret.into()) }
            }
            // `Disabled`, and whatever a later version may call it: closed.
            _ => Err(RegistrationRefusal::Disabled.into()),
        }
    }

    async fn registered_account(&self, registration: Registration) -> Result<NewUser> {
        let mut profile = new_profile();
        if let Some(reason) = registration.reason.filter(|reason| !reason.is_empty()) {
            profile.insert("reason".to_owned(), reason.into());
        }
        Ok(NewUser {
            id: self.ids.user_id(),
            username: registration.username,
            name: registration.name,
            emails: vec![EmailAddress { address: registration.email, verified: false }],
            password: Some(self.passwords.hash(PasswordDigest::of(&registration.password)).await?),
            roles: self.roles_of_new_account(None).await?,
            active: !self.boolean(APPROVE_NEW_USERS).await?,
            join_default_rooms: true,
            profile,
        })
    }
}

fn taken(error: StoreError) -> ServiceError {
    match error {
        StoreError::AlreadyExists(Unique::Username) => RegistrationRefusal::UsernameTaken.into(),
        StoreError::AlreadyExists(Unique::EmailAddress) => RegistrationRefusal::EmailTaken.into(),
        other => other.into(),
    }
}
