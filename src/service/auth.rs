//! Who is calling, and may he? The one authentication path for every protocol: each surface only brings the
//! credentials in its own form.

use super::error::LoginRefusal;
use super::passwords::PasswordDigest;
use super::{Caller, Origin, Result, ServiceError, Services};
use crate::domain::decide::{Decision, decide};
use crate::domain::ids::{PermissionId, UserId};
use crate::domain::role::ADMIN;
use crate::domain::setting::{EMAIL_VERIFICATION, LOGIN_EXPIRATION, TWO_FACTOR_BY_EMAIL_ENABLED, TWO_FACTOR_ENABLED};
use crate::domain::token::{Token, TokenHash, TokenKind, TokenText, lifetime_days};
use crate::domain::user::{KIND_APP, User};
use crate::store::{Conflict, Noun, StoreError, UsernameMatch};

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
    pub user: User,
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
        Ok(Caller { user, token, origin })
    }

    /// Whether the caller has the permission by his workspace roles (contract 8.1).
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_allowed(&self, caller: &Caller, permission: &str) -> Result<bool> {
        self.decision_is_granted(&caller.user, permission).await
    }

    /// Lets somebody in and issues a session token.
    ///
    /// # Errors
    /// `LoginRefused` with the reason, in the order of contract 2.5.
    pub async fn login(&self, credentials: Credentials, origin: &Origin) -> Result<Session> {
        match credentials {
            Credentials::Password { account, digest } => self.login_with_password(&account, digest, origin).await,
            Credentials::Token(token) => self.login_with_token(token).await,
            Credentials::Unsupported => Err(LoginRefusal::WrongCredentials.into()),
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

    async fn decision_is_granted(&self, user: &User, permission: &str) -> Result<bool> {
        let permission = self.store.find_permission(&PermissionId::from_stored(permission)).await?;
        Ok(matches!(decide(permission.as_ref(), user.roles()), Decision::Granted { .. }))
    }

    async fn is_live(&self, token: &Token) -> Result<bool> {
        if token.kind == TokenKind::Personal {
            return Ok(true);
        }
        let days = lifetime_days(Some(self.integer(LOGIN_EXPIRATION).await?));
        Ok(token.is_live(self.clock.now(), days))
    }

    async fn login_with_password(
        &self,
        account: &AccountName,
        digest: PasswordDigest,
        origin: &Origin,
    ) -> Result<Session> {
        let user = match account {
            AccountName::Username(name) => self.store.find_user_by_username(name, UsernameMatch::IgnoreCase).await?,
            AccountName::Email(address) => self.store.find_user_by_email(address).await?,
        };
        let stored = match &user {
            Some(user) => self.store.find_password(&user.id).await?,
            None => None,
        };
        let fits = self.passwords.verify(stored, digest).await?;
        let Some(user) = user.filter(|_| fits) else {
            return Err(LoginRefusal::WrongCredentials.into());
        };
        check_account(&user)?;
        self.check_verified_email(&user).await?;
        self.check_second_factor(&user).await?;
        self.start_session(user, origin).await
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

    /// An account with a second factor never gets in by its password alone. Codes cannot be checked here yet, so such
    /// an account comes in with the tokens it already has.
    async fn check_second_factor(&self, user: &User) -> Result<()> {
        let mut available = Vec::new();
        if user.second_factors.totp == Some(true) {
            available.push("totp");
        }
        let verified = user.emails.iter().any(|email| email.verified);
        if user.second_factors.email == Some(true) && verified && self.boolean(TWO_FACTOR_BY_EMAIL_ENABLED).await? {
            available.push("email");
        }
        let Some(method) = available.first().copied() else { return Ok(()) };
        if !self.boolean(TWO_FACTOR_ENABLED).await? {
            return Ok(());
        }
        Err(LoginRefusal::SecondFactorRequired { method, available }.into())
    }

    async fn start_session(&self, user: User, origin: &Origin) -> Result<Session> {
        let token = self.ids.token();
        let hash: TokenHash = token.hash();
        let by = self.context(&user, origin);
        match self.store.add_session_token(&user.id, &hash, MAX_SESSION_TOKENS, &by).await {
            Ok(()) => Ok(Session { user: User { last_login: Some(by.at), ..user }, token }),
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
