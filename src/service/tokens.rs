//! Tokens that nobody logs in for: those that people make for their programs, those that programs make for people, and
//! ending the ones that are there (contract 2.9, 9.7). Log-in and log-out of one session are in `auth`.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::auth::MAX_SESSION_TOKENS;
use super::error::{TokenRefusal, UserRefusal};
use super::{Caller, Result, ServiceError, Services};
use crate::domain::ids::{UserId, is_nameable};
use crate::domain::permission::{CREATE_PERSONAL_ACCESS_TOKENS, LOGOUT_OTHER_USER, USER_GENERATE_ACCESS_TOKEN};
use crate::domain::setting::LOGIN_EXPIRATION;
use crate::domain::time::Timestamp;
use crate::domain::token::{NewPersonalToken, OtherTokens, PersonalToken, TokenText, lifetime_days};
use crate::domain::user::KIND_APP;
use crate::store::{Conflict, Noun, StoreError, Unique};

/// Tokens for programs that an account may have: each is part of what is read with every request of its owner.
const MAX_PERSONAL_TOKENS: usize = 500;

/// Whether sessions of others can be made, as the operator wants it.
#[derive(Clone, Default)]
pub enum TokensForUsers {
    /// Nobody can.
    #[default]
    Off,
    /// Whoever may and knows this.
    WithSecret(String),
}

impl fmt::Debug for TokensForUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::WithSecret(_) => "WithSecret(…)",
        })
    }
}

impl TokensForUsers {
    /// Whether somebody knows the secret. An empty one nobody knows.
    fn is_opened_by(&self, secret: &str) -> bool {
        match self {
            Self::WithSecret(expected) if !expected.is_empty() => expected.as_bytes().ct_eq(secret.as_bytes()).into(),
            _ => false,
        }
    }
}

impl Services {
    /// Ends every token of an account, one's own when none is named. Returns whose.
    ///
    /// # Errors
    /// In this order: `EndingNotAllowed`, `NothingToEnd`.
    pub async fn end_all_tokens(&self, caller: &Caller, user: Option<&str>) -> Result<UserId> {
        let own = user.is_none_or(|user| user == caller.user.id.as_str());
        if !own && !self.is_allowed(caller, LOGOUT_OTHER_USER).await? {
            return Err(TokenRefusal::EndingNotAllowed.into());
        }
        let id = match user {
            Some(user) => UserId::parse(user).map_err(|_| TokenRefusal::NothingToEnd)?,
            None => caller.user.id.clone(),
        };
        let whose = id.clone();
        let by = self.audit(caller).answered_with(move |_: &bool| whose.clone());
        if !self.store.remove_all_tokens(&id, &by).await? {
            return Err(TokenRefusal::NothingToEnd.into());
        }
        Ok(id)
    }

    /// Ends every other session of the caller and returns when his own ends; personal tokens stay.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end_other_sessions(&self, caller: &Caller) -> Result<Option<Timestamp>> {
        self.end_others(caller, OtherTokens::Sessions).await?;
        let days = lifetime_days(Some(self.integer(LOGIN_EXPIRATION).await?));
        Ok(caller.token.expires_at(days))
    }

    /// Ends every token of the caller but the one of this request, personal ones included: whoever asks for this wants
    /// to be alone with his account. Whether the original keeps those is not verified; this is the safer reading.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end_other_tokens(&self, caller: &Caller) -> Result<()> {
        self.end_others(caller, OtherTokens::All).await
    }

    async fn end_others(&self, caller: &Caller, others: OtherTokens) -> Result<()> {
        let (user, token) = (&caller.user.id, &caller.token.hash);
        self.store.remove_other_tokens(user, token, others, &self.audit(caller)).await?;
        Ok(())
    }

    /// Makes a session of an account for somebody who knows the operator's secret.
    ///
    /// # Errors
    /// In this order: `MakingForUsersNotAllowed`, `Unknown`, `UnusableAccount`.
    pub async fn create_token_for(&self, caller: &Caller, user: &str, secret: &str) -> Result<(UserId, TokenText)> {
        let own = user == caller.user.id.as_str();
        let knows = self.tokens_for_users.is_opened_by(secret);
        if !knows || !(own || self.is_allowed(caller, USER_GENERATE_ACCESS_TOKEN).await?) {
            return Err(TokenRefusal::MakingForUsersNotAllowed.into());
        }
        let id = UserId::parse(user).map_err(|_| UserRefusal::Unknown)?;
        let account = self.store.find_user(&id).await?.ok_or(UserRefusal::Unknown)?;
        if account.kind == KIND_APP || account.roles.is_none() {
            return Err(TokenRefusal::UnusableAccount.into());
        }
        let token = self.ids.token();
        let made = self.store.add_session_token(&id, &token.hash(), MAX_SESSION_TOKENS, &self.audit(caller)).await;
        match made {
            Ok(()) => Ok((id, token)),
            Err(StoreError::NotFound(Noun::User)) => Err(UserRefusal::Unknown.into()),
            Err(StoreError::Conflict(Conflict::UserInactive)) => Err(TokenRefusal::UnusableAccount.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a token for a program of the caller's. It is shown this once.
    ///
    /// # Errors
    /// In this order: `PersonalNotAllowed`, `NameRequired`, `InvalidName`, `NameTaken`, `TooMany`.
    pub async fn create_personal_token(&self, caller: &Caller, name: &str, bypass: bool) -> Result<TokenText> {
        self.require_personal_tokens(caller).await?;
        if name.is_empty() {
            return Err(TokenRefusal::NameRequired.into());
        }
        if !is_nameable(name) {
            return Err(TokenRefusal::InvalidName.into());
        }
        let text = self.ids.token();
        let token = NewPersonalToken {
            hash: text.hash(),
            name: name.to_owned(),
            last_part: text.last_part(),
            bypass_second_factor: bypass,
        };
        let by = self.audit(caller);
        match self.store.add_personal_token(&caller.user.id, token, MAX_PERSONAL_TOKENS, &by).await {
            Ok(()) => Ok(text),
            Err(StoreError::AlreadyExists(Unique::TokenName)) => Err(TokenRefusal::NameTaken.into()),
            Err(StoreError::Conflict(Conflict::TooManyTokens)) => Err(TokenRefusal::TooMany.into()),
            // Deleted or deactivated since the request came in.
            Err(StoreError::NotFound(Noun::User) | StoreError::Conflict(Conflict::UserInactive)) => {
                Err(ServiceError::Unauthenticated)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The caller's tokens for programs.
    ///
    /// # Errors
    /// `PersonalNotAllowed`.
    pub async fn list_personal_tokens(&self, caller: &Caller) -> Result<Vec<PersonalToken>> {
        self.require_personal_tokens(caller).await?;
        Ok(self.store.list_personal_tokens(&caller.user.id).await?)
    }

    /// Gives one of them another text, which is shown this once.
    ///
    /// # Errors
    /// In this order: `PersonalNotAllowed`, `NoSuchToken`.
    pub async fn replace_personal_token(&self, caller: &Caller, name: &str) -> Result<TokenText> {
        self.require_personal_tokens(caller).await?;
        let (user, text) = (&caller.user.id, self.ids.token());
        let by = self.audit(caller);
        if !self.store.replace_personal_token(user, name, &text.hash(), &text.last_part(), &by).await? {
            return Err(TokenRefusal::NoSuchToken.into());
        }
        Ok(text)
    }

    /// Ends one of them.
    ///
    /// # Errors
    /// In this order: `PersonalNotAllowed`, `NoSuchToken`.
    pub async fn remove_personal_token(&self, caller: &Caller, name: &str) -> Result<()> {
        self.require_personal_tokens(caller).await?;
        if !self.store.remove_personal_token(&caller.user.id, name, &self.audit(caller)).await? {
            return Err(TokenRefusal::NoSuchToken.into());
        }
        Ok(())
    }

    async fn require_personal_tokens(&self, caller: &Caller) -> Result<()> {
        if self.is_allowed(caller, CREATE_PERSONAL_ACCESS_TOKENS).await? {
            return Ok(());
        }
        Err(TokenRefusal::PersonalNotAllowed.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_opens_and_an_empty_one_opens_nothing() {
        let open = TokensForUsers::WithSecret("hunter2".to_owned());
        assert!(open.is_opened_by("hunter2"));
        for secret in ["", "hunter", "hunter22", "Hunter2"] {
            assert!(!open.is_opened_by(secret), "{secret}");
        }
        assert!(!TokensForUsers::WithSecret(String::new()).is_opened_by(""));
        assert!(!TokensForUsers::Off.is_opened_by(""));
        assert!(!format!("{open:?}").contains("hunter2"));
    }
}
