//! The traits for what shows who somebody is: tokens, second factors, and failures to show either. The rules of every
//! method are those of the parent module.

use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use crate::domain::audit::AuditContext;
use crate::domain::ids::UserId;
use crate::domain::login_failure::{AccountKey, FailureCount, Limits, LoginFailure};
use crate::domain::time::Timestamp;
use crate::domain::token::{NewPersonalToken, OtherTokens, PersonalToken, Remembered, Token, TokenHash};
use crate::domain::totp::{BackupCodeHash, TotpSecret};
use crate::domain::user::User;

/// An account and a token of it, shared with whoever else asked.
pub type KnownToken = (Arc<User>, Arc<Token>);

/// Access tokens.
#[async_trait]
pub trait TokenStore {
    /// The account with that id and its token with that hash, expired or not, active or not. Both must match.
    async fn find_token(&self, user: &UserId, hash: &TokenHash) -> Result<Option<KnownToken>>;

    /// The account that has the token with that hash.
    async fn find_token_owner(&self, hash: &TokenHash) -> Result<Option<KnownToken>>;

    /// Adds a session token issued at `by.at` and sets the account's last log-in to that time; `_updatedAt` stays. Of
    /// the account's session tokens the newest `keep` stay; personal tokens are not counted and stay.
    /// Audit: `SessionStarted`.
    ///
    /// # Errors
    /// `NotFound(User)`; `Conflict(UserInactive)`: a deactivation that comes first wins, so that no token survives it.
    async fn add_session_token(&self, user: &UserId, hash: &TokenHash, keep: usize, by: &AuditContext) -> Result<()>;

    /// Ends one token; `false` when it was not there (no audit entry). Audit: `SessionEnded`.
    async fn remove_token(&self, user: &UserId, hash: &TokenHash, by: &AuditContext) -> Result<bool>;

    /// Ends every token of an account, personal ones included; `false` when it had none or does not exist (no audit
    /// entry). Audit: `TokensEnded`.
    async fn remove_all_tokens(&self, user: &UserId, by: &AuditContext) -> Result<bool>;

    /// Ends the tokens of an account but the one with the hash `keep`; `false` when there were no others (no audit
    /// entry). Audit: `TokensEnded`.
    async fn remove_other_tokens(
        &self,
        user: &UserId,
        keep: &TokenHash,
        others: OtherTokens,
        by: &AuditContext,
    ) -> Result<bool>;

    /// The personal tokens of an account that have a name, in the order in which they were made.
    async fn list_personal_tokens(&self, user: &UserId) -> Result<Vec<PersonalToken>>;

    /// Adds a personal token, made at `by.at`. Audit: `PersonalTokenCreated`.
    ///
    /// # Errors
    /// In this order: `NotFound(User)`; `Conflict(UserInactive)` as in `add_session_token`; `AlreadyExists(TokenName)`
    /// when a personal token of the account has exactly that name; `Conflict(TooManyTokens)` when it has `most`
    /// personal tokens. Concurrent calls with one name: one succeeds.
    async fn add_personal_token(
        &self,
        user: &UserId,
        token: NewPersonalToken,
        most: usize,
        by: &AuditContext,
    ) -> Result<()>;

    /// Gives the personal token of that name another text, made at `by.at`; what else is known of it stays. `false` when
    /// there is none (no audit entry). Audit: `PersonalTokenReplaced`.
    async fn replace_personal_token(
        &self,
        user: &UserId,
        name: &str,
        hash: &TokenHash,
        last_part: &str,
        by: &AuditContext,
    ) -> Result<bool>;

    /// Ends the personal token of that name; `false` when there is none (no audit entry). Audit: `PersonalTokenRemoved`.
    async fn remove_personal_token(&self, user: &UserId, name: &str, by: &AuditContext) -> Result<bool>;

    /// Notes with a token that a second factor was shown, in place of what was noted before; nothing when the token is
    /// gone. No audit entry, and `_updatedAt` stays: it says how a session goes on, and changes nothing of the account.
    async fn remember_second_factor(&self, user: &UserId, hash: &TokenHash, shown: &Remembered) -> Result<()>;
}

/// Second factors of accounts, and who tried to guess them. What counts attempts is not a change of anything: only
/// `use_backup_code` leaves an audit entry.
#[async_trait]
pub trait SecondFactorStore {
    /// What an account shares with its authenticator app; `None` when it has none, or one that cannot be read.
    async fn find_totp_secret(&self, user: &UserId) -> Result<Option<TotpSecret>>;

    /// Uses the code of a step up, at `at`. `false` when a code of that step or of a later one was used before, which is
    /// remembered for a day. Concurrent calls with one step: one gets `true`.
    async fn use_totp_step(&self, user: &UserId, step: i64, at: Timestamp) -> Result<bool>;

    /// Removes a backup code of an account; `false` when it has no such code (no audit entry). Concurrent calls with one
    /// code: one gets `true`. Audit: `BackupCodeUsed`.
    async fn use_backup_code(&self, user: &UserId, code: &BackupCodeHash, by: &AuditContext) -> Result<bool>;

    /// Counts an attempt to show a second factor, at `at`, unless there were `most` in the window that the first of them
    /// began and that lasts `millis`: then `false`. Concurrent calls get `true` no more than `most` times together.
    async fn count_second_factor_attempt(&self, user: &UserId, most: u32, millis: i64, at: Timestamp) -> Result<bool>;

    /// Begins counting attempts anew.
    async fn forget_second_factor_attempts(&self, user: &UserId) -> Result<()>;
}

/// Failures to log in. They are a record of their own and leave no audit entries.
#[async_trait]
pub trait LoginFailureStore {
    /// Keeps a failure until `failure.forget_at`.
    async fn record_login_failure(&self, failure: &LoginFailure) -> Result<()>;

    /// Counts the failures of an account and those from an address, each those that its limit counts at `now`, and no
    /// further than the limit. What has no limit, and an address that is not known, counts 0.
    async fn count_login_failures(
        &self,
        account: &AccountKey,
        address: Option<&str>,
        limits: Limits,
        now: Timestamp,
    ) -> Result<FailureCount>;

    /// Forgets the failures of an account, from whatever address.
    async fn forget_login_failures(&self, account: &AccountKey) -> Result<()>;
}
