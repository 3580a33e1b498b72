//! Second factors (contract 2.8 and the last row of 2.5): which one an account is asked for, whether what was sent is
//! right, and for how long it need not be sent again. How codes are made is in `domain::totp`; which endpoints ask is said
//! by the inputs of `http::rocketchat`.

use std::fmt;

use serde_json::Value;

use super::error::{SecondFactorProblem, SecondFactorRefusal};
use super::passwords::PasswordDigest;
use super::settings::sensible;
use super::{Caller, Origin, Result, Services};
use crate::domain::setting::{
    TWO_FACTOR_BY_EMAIL_ENABLED, TWO_FACTOR_ENABLED, TWO_FACTOR_MAX_DELTA, TWO_FACTOR_PASSWORD_FALLBACK,
    TWO_FACTOR_REMEMBER_FOR,
};
use crate::domain::token::{Fingerprint, Remembered, TokenHash, TokenKind};
use crate::domain::totp::{BackupCodeHash, is_totp_code};
use crate::domain::user::User;

/// Wrong codes that an account is allowed within [`ATTEMPTS_MS`], whichever way they come: a code has six digits and
/// three of them count at a time, so that whoever has the password could otherwise find one within days. The
/// original is only known to bound codes by e-mail; this is the safer reading.
const ATTEMPTS: u32 = 5;
/// The window for [`ATTEMPTS`], in milliseconds.
const ATTEMPTS_MS: i64 = 15 * 60_000;
/// The longest code that is looked at; the digest of a password is the longest there is.
const MAX_CODE_BYTES: usize = 256;

/// A way to show who one is, beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A code of an authenticator app, or one of the backup codes beside it.
    Totp,
    /// A code by e-mail. Letters cannot be sent from here, so that no such code is ever right.
    Email,
    /// The password once more, where an account has no other way.
    Password,
}

impl Method {
    /// Reads the name that a client gives; those that an account cannot choose mean nothing.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "totp" => Some(Self::Totp),
            "email" => Some(Self::Email),
            _ => None,
        }
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Email => "email",
            Self::Password => "password",
        }
    }
}

/// A code as a client sent it. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// Takes what was sent; nothing, when it is blank.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// What a client sent as its second factor.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The code, if any.
    pub code: Option<Code>,
    /// The method that it is for, if it was said.
    pub method: Option<Method>,
}

/// From whom a second factor is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// As the contract has it: new accounts and tokens made to bypass it are let through.
    Lenient,
    /// What is made would itself bypass second factors, so whoever has one must have shown it: neither a new account nor
    /// a token that bypasses it will do.
    Strict,
}

impl Services {
    /// Wants a second factor before an endpoint that asks for it does anything. Shown once, it is remembered with the
    /// caller's token for a while, for the same client.
    ///
    /// # Errors
    /// `SecondFactor`.
    pub async fn require_second_factor(&self, caller: &Caller, shown: &Shown, strictness: Strictness) -> Result<()> {
        let [enabled, by_email, fallback, remember_for] = self
            .settings([
                TWO_FACTOR_ENABLED,
                TWO_FACTOR_BY_EMAIL_ENABLED,
                TWO_FACTOR_PASSWORD_FALLBACK,
                TWO_FACTOR_REMEMBER_FOR,
            ])
            .await?;
        if enabled == false {
            return Ok(());
        }
        let remember_ms = memory(&remember_for);
        let available = own_methods(&caller.user, by_email == true);
        let lenient = strictness == Strictness::Lenient || available.is_empty();
        if (lenient && (bypasses(caller) || self.is_new(&caller.user, remember_ms)))
            || caller.token.remembers(&client(&caller.origin), self.clock.now())
        {
            return Ok(());
        }
        let fallback = (fallback == true && caller.user.has_password).then_some(Method::Password);
        let Some(method) = shown.method.or_else(|| available.first().copied()).or(fallback) else {
            return Ok(());
        };
        self.check_code(&caller.user, method, available, shown, &caller.origin).await?;
        self.remember(&caller.user, &caller.token.hash, &caller.origin, remember_ms).await
    }

    /// Wants the second factor of somebody who has just shown his password. `true` when there is one and it was shown.
    /// Accounts without one are not asked for anything more.
    ///
    /// # Errors
    /// `SecondFactor`.
    pub(super) async fn check_second_factor_of_login(
        &self,
        user: &User,
        shown: &Shown,
        origin: &Origin,
    ) -> Result<bool> {
        let [enabled, by_email] = self.settings([TWO_FACTOR_ENABLED, TWO_FACTOR_BY_EMAIL_ENABLED]).await?;
        let available = own_methods(user, by_email == true);
        let Some(first) = available.first().copied().filter(|_| enabled == true) else {
            return Ok(false);
        };
        self.check_code(user, shown.method.unwrap_or(first), available, shown, origin).await?;
        Ok(true)
    }

    /// Notes with a token that a second factor was shown with it.
    pub(super) async fn remember_shown(&self, user: &User, token: &TokenHash, origin: &Origin) -> Result<()> {
        let [remember_for] = self.settings([TWO_FACTOR_REMEMBER_FOR]).await?;
        self.remember(user, token, origin, memory(&remember_for)).await
    }

    async fn remember(&self, user: &User, token: &TokenHash, origin: &Origin, millis: i64) -> Result<()> {
        if millis <= 0 {
            return Ok(());
        }
        let shown = Remembered { client: client(origin), until: self.clock.now().plus_millis(millis) };
        Ok(self.store.remember_second_factor(&user.id, token, &shown).await?)
    }

    /// Whether an account is so new that its owner has just shown who he is (contract 2.8).
    fn is_new(&self, user: &User, remember_ms: i64) -> bool {
        remember_ms > 0 && user.created_at.is_some_and(|at| self.clock.now() <= at.plus_millis(remember_ms))
    }

    /// Every attempt is counted before it is looked at, so that many at once are no more than one after the other.
    async fn check_code(
        &self,
        user: &User,
        method: Method,
        available: Vec<Method>,
        shown: &Shown,
        origin: &Origin,
    ) -> Result<()> {
        let refused = |problem| SecondFactorRefusal { problem, method, available };
        let Some(code) = &shown.code else {
            return Err(refused(SecondFactorProblem::Required).into());
        };
        let now = self.clock.now();
        if !self.store.count_second_factor_attempt(&user.id, ATTEMPTS, ATTEMPTS_MS, now).await? {
            return Err(refused(SecondFactorProblem::TooManyAttempts).into());
        }
        if !self.is_right(user, method, code, origin).await? {
            return Err(refused(SecondFactorProblem::Invalid).into());
        }
        Ok(self.store.forget_second_factor_attempts(&user.id).await?)
    }

    async fn is_right(&self, user: &User, method: Method, code: &Code, origin: &Origin) -> Result<bool> {
        if code.0.len() > MAX_CODE_BYTES {
            return Ok(false);
        }
        match method {
            Method::Totp if user.second_factors.totp != Some(true) => Ok(false),
            Method::Totp if is_totp_code(&code.0) => self.is_right_totp(user, code).await,
            Method::Totp => {
                let (hash, by) = (BackupCodeHash::of(&code.0), self.context(user, origin));
                Ok(self.store.use_backup_code(&user.id, &hash, &by).await?)
            }
            Method::Email => Ok(false),
            Method::Password => {
                let stored = self.store.find_password(&user.id).await?;
                self.passwords.verify(stored, PasswordDigest::from_client(&code.0)).await
            }
        }
    }

    async fn is_right_totp(&self, user: &User, code: &Code) -> Result<bool> {
        let [window] = self.settings([TWO_FACTOR_MAX_DELTA]).await?;
        let now = self.clock.now();
        let secret = self.store.find_totp_secret(&user.id).await?;
        let step = secret.and_then(|it| it.matching_step(&code.0, now, sensible(TWO_FACTOR_MAX_DELTA, &window)));
        match step {
            Some(step) => Ok(self.store.use_totp_step(&user.id, step, now).await?),
            None => Ok(false),
        }
    }
}

/// The methods that an account has switched on, the one it is asked for first.
fn own_methods(user: &User, by_email: bool) -> Vec<Method> {
    let mut methods = Vec::new();
    if user.second_factors.totp == Some(true) {
        methods.push(Method::Totp);
    }
    let verified = user.emails.iter().any(|email| email.verified);
    if user.second_factors.email == Some(true) && verified && by_email {
        methods.push(Method::Email);
    }
    methods
}

/// For how many milliseconds a second factor is remembered. Less than nothing is nothing, and not the default.
fn memory(seconds: &Value) -> i64 {
    if seconds.as_f64().is_some_and(|seconds| seconds <= 0.0) {
        return 0;
    }
    sensible(TWO_FACTOR_REMEMBER_FOR, seconds).saturating_mul(1_000)
}

fn bypasses(caller: &Caller) -> bool {
    caller.token.kind == TokenKind::Personal { bypass_second_factor: true }
}

fn client(origin: &Origin) -> Fingerprint {
    Fingerprint::of(origin.user_agent.as_deref(), origin.address.as_deref())
}
