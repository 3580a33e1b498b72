//! Who is calling, and may he? The one authentication path for every protocol: each surface only brings the
//! credentials in its own form.

use std::sync::Arc;

use super::error::{LoginRefusal, SecondFactorProblem};
use super::login_blocks::Attempt;
use super::passwords::PasswordDigest;
use super::second_factor::Shown;
use super::{Caller, Origin, Result, ServiceError, Services};
use crate::domain::decide::decide;
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::login_failure::Block;
use crate::domain::role::ADMIN;
use crate::domain::setting::{EMAIL_VERIFICATION, LOGIN_EXPIRATION};
use crate::domain::token::{Token, TokenHash, TokenKind, TokenText, lifetime_days};
use crate::domain::user::{KIND_APP, User};
use crate::store::{Conflict, Noun, Rights, StoreError, UsernameMatch};

/// Session tokens an account keeps; the oldest go first (contract 2.2).
pub const MAX_SESSION_TOKENS: usize = 50;

/// How somebody wants to log in (contract 2.3).
pub enum Credentials {
    /// With a name and a password.
    Password {
        /// Which account.
        account: AccountName,
        /// Its password.
        digest: PasswordDigest,
        /// Its second factor, if one was sent.
        second_factor: Shown,
    },
    /// With a token he already has.
    Token(TokenText),
    /// In a way that does not exist here; refused like a wrong password.
    Unsupported,
}

/// What an account is called at log-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountName {
    /// By username; exact first, then without regard to case.
    Username(String),
    /// By e-mail address, without regard to case.
    Email(String),
}

/// Somebody is in.
pub struct Session {
    /// The account.
    pub user: Arc<User>,
    /// The token to send from now on; the same one after a log-in with a token.
    pub token: TokenText,
}

impl Services {
    /// Finds out who sent `token` in the name of `user` (contract 2.1). An ended token and a deactivated account are
    /// refused at once.
    ///
    /// # Errors
    /// `Unauthenticated`, or what the store says.
    pub async fn authenticate(&self, user: &str, token: &TokenText, origin: Origin) -> Result<Caller> {
        let id = UserId::parse(user).map_err(|_| ServiceError::Unauthenticated)?;
        let found = self.store.find_token(&id, &token.hash()).await?;
        let (user, token) = found.ok_or(ServiceError::Unauthenticated)?;
        if !user.active || !self.is_live(&token).await? {
            return Err(ServiceError::Unauthenticated);
        }
        Ok(Caller { user, token, origin, receipt: None })
    }

    /// Whether the caller has the permission by his workspace roles (contract 8.1).
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_allowed(&self, caller: &Caller, permission: &str) -> Result<bool> {
        Ok(self.is_granted(&*self.rights().await?, caller.user.roles(), permission))
    }

    /// Whether the caller has any of the permissions by his workspace roles, all looked at in the same moment.
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_allowed_any(&self, caller: &Caller, permissions: &[&str]) -> Result<bool> {
        let rights = self.rights().await?;
        Ok(permissions.iter().any(|permission| self.is_granted(&rights, caller.user.roles(), permission)))
    }

    /// Whether the caller has the permission by his workspace roles or by those that he has in the room (contract 8.1).
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_allowed_in(&self, caller: &Caller, permission: &str, room: &RoomId) -> Result<bool> {
        let in_room = self.store.find_room_roles(room, &caller.user.id).await?.unwrap_or_default();
        let held = [caller.user.roles(), &in_room].concat();
        Ok(self.is_granted(&*self.rights().await?, &held, permission))
    }

    /// Lets somebody in and issues a session token.
    ///
    /// # Errors
    /// `LoginRefused` with the reason, in the order of contract 2.5.
    pub async fn login(&self, credentials: Credentials, origin: &Origin) -> Result<Session> {
        match credentials {
            Credentials::Password { account, digest, second_factor } => {
                self.login_with_password(&account, digest, &second_factor, origin).await
            }
            Credentials::Token(token) => {
                self.require_free_address(origin).await?;
                self.login_with_token(token).await
            }
            Credentials::Unsupported => {
                self.require_free_address(origin).await?;
                Err(LoginRefusal::WrongCredentials.into())
            }
        }
    }

    /// Ends the token of this very request.
    ///
    /// # Errors
    /// What the store says.
    pub async fn logout(&self, caller: &Caller) -> Result<()> {
        self.store.remove_token(&caller.user.id, &caller.token.hash, &self.audit(caller)).await?;
        Ok(())
    }

    pub(super) fn is_granted(&self, rights: &Rights, held: &[RoleId], permission: &str) -> bool {
        decide(rights.permission_named(permission), held, &self.restrictions).is_granted()
    }

    /// Whether a token still counts.
    pub(super) async fn is_live(&self, token: &Token) -> Result<bool> {
        if matches!(token.kind, TokenKind::Personal { .. }) {
            return Ok(true);
        }
        let days = lifetime_days(Some(self.integer_in(&*self.rights().await?, LOGIN_EXPIRATION)));
        Ok(token.is_live(self.clock.now(), days))
    }

    async fn login_with_password(
        &self,
        account: &AccountName,
        digest: PasswordDigest,
        second_factor: &Shown,
        origin: &Origin,
    ) -> Result<Session> {
        let user = match account {
            AccountName::Username(name) => self.store.find_user_by_username(name, UsernameMatch::IgnoreCase).await?,
            AccountName::Email(address) => self.store.find_user_by_email(address).await?,
        };
        let attempt = self.attempt(account, user.as_ref(), origin).await?;
        // Nobody's password is looked for like somebody's.
        let id = user.as_ref().map_or_else(|| UserId::from_stored(""), |user| user.id.clone());
        let stored = self.store.find_password(&id).await?;
        let fits = self.passwords.verify(stored, digest).await?;
        // Only now, though nothing of it may be told: attempts that wait for the hasher together must not all pass a
        // check that each of them makes before the others have failed.
        match self.block(&attempt).await? {
            Some(Block::Address) => return Err(LoginRefusal::BlockedAddress.into()),
            Some(Block::Account) => return Err(LoginRefusal::BlockedUser.into()),
            None => {}
        }
        let Some(user) = user.filter(|_| fits) else {
            self.record_failure(&attempt).await?;
            return Err(LoginRefusal::WrongCredentials.into());
        };
        check_account(&user)?;
        self.check_verified_email(&user).await?;
        let shown = self.second_factor_of_login(&attempt, &user, second_factor, origin).await?;
        let session = self.start_session(user, origin).await?;
        self.forget_failures(&attempt).await?;
        if shown {
            self.remember_shown(&session.user, &session.token.hash(), origin).await?;
        }
        Ok(session)
    }

    /// Not to have sent a second factor is half a log-in, not a failure; to have sent a wrong one is.
    async fn second_factor_of_login(
        &self,
        attempt: &Attempt,
        user: &User,
        shown: &Shown,
        origin: &Origin,
    ) -> Result<bool> {
        let refusal = match self.check_second_factor_of_login(user, shown, origin).await {
            Err(ServiceError::SecondFactor(refusal)) => refusal,
            outcome => return outcome,
        };
        if refusal.problem == SecondFactorProblem::Invalid {
            self.record_failure(attempt).await?;
        }
        Err(LoginRefusal::SecondFactor(refusal).into())
    }

    async fn require_free_address(&self, origin: &Origin) -> Result<()> {
        if self.is_address_blocked(origin).await? {
            return Err(LoginRefusal::BlockedAddress.into());
        }
        Ok(())
    }

    async fn login_with_token(&self, token: TokenText) -> Result<Session> {
        let Some((user, stored)) = self.store.find_token_owner(&token.hash()).await? else {
            return Err(LoginRefusal::WrongCredentials.into());
        };
        if !self.is_live(&stored).await? {
            return Err(LoginRefusal::WrongCredentials.into());
        }
        check_account(&user)?;
        Ok(Session { user, token })
    }

    async fn check_verified_email(&self, user: &User) -> Result<()> {
        let admin = user.roles().iter().any(|role| role.as_str() == ADMIN);
        let verified = user.emails.iter().any(|email| email.verified);
        if !admin && !verified && self.boolean(EMAIL_VERIFICATION).await? {
            return Err(LoginRefusal::UnverifiedEmail.into());
        }
        Ok(())
    }

    async fn start_session(&self, user: User, origin: &Origin) -> Result<Session> {
        let token = self.ids.token();
        let hash: TokenHash = token.hash();
        let by = self.context(&user, origin);
        match self.store.add_session_token(&user.id, &hash, MAX_SESSION_TOKENS, &by).await {
            Ok(()) => Ok(Session { user: Arc::new(User { last_login: Some(by.at), ..user }), token }),
            // Deactivated between the check and the write: the write decides.
            Err(StoreError::Conflict(Conflict::UserInactive)) => Err(LoginRefusal::Deactivated.into()),
            Err(StoreError::NotFound(Noun::User)) => Err(LoginRefusal::WrongCredentials.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What must hold of every account that comes in, by whatever way, in the contract's order.
fn check_account(user: &User) -> Result<()> {
    if user.kind == KIND_APP {
        return Err(LoginRefusal::AppAccount.into());
    }
    if !user.active {
        return Err(LoginRefusal::Deactivated.into());
    }
    if user.roles.is_none() {
        return Err(LoginRefusal::NoRoles.into());
    }
    Ok(())
}
