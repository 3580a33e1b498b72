//! How often a client may call a route, and who need not care (contract 3). What was called is counted in
//! `http::rate_limit`; here is only what the workspace says about it.

use serde_json::Value;

use super::settings::sensible;
use super::{Caller, Result, Services};
use crate::domain::permission::API_BYPASS_RATE_LIMIT;
use crate::domain::setting::{RATE_LIMIT_CALLS, RATE_LIMIT_REGISTRATIONS, RATE_LIMIT_TIME, RATE_LIMITER, Setting};

/// What one client may send to one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests within a window.
    pub calls: u32,
    /// Milliseconds that a window lasts.
    pub millis: i64,
}

/// Which of the workspace's limits a route has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// That of most routes.
    Ordinary,
    /// That of people who make their own account.
    Registration,
}

impl Rate {
    const fn calls(self) -> Setting {
        match self {
            Self::Ordinary => RATE_LIMIT_CALLS,
            Self::Registration => RATE_LIMIT_REGISTRATIONS,
        }
    }
}

impl Services {
    /// What this caller (nobody: `None`) may send to a route of that rate; `None` when nothing limits him.
    ///
    /// The permission is asked on every request that could be limited at all, not only when a window is full: whoever
    /// bypasses the limit must not use up what others at his address have.
    ///
    /// # Errors
    /// What the store says.
    pub async fn quota(&self, caller: Option<&Caller>, rate: Rate) -> Result<Option<Quota>> {
        if self.overrides.get(RATE_LIMITER.id) == Some(&Value::Bool(false)) {
            return Ok(None);
        }
        let [limited, calls, millis] = self.settings([RATE_LIMITER, rate.calls(), RATE_LIMIT_TIME]).await?;
        if limited == Value::Bool(false) {
            return Ok(None);
        }
        if let Some(caller) = caller
            && self.is_allowed(caller, API_BYPASS_RATE_LIMIT).await?
        {
            return Ok(None);
        }
        let calls = u32::try_from(sensible(rate.calls(), &calls)).unwrap_or(u32::MAX);
        Ok(Some(Quota { calls, millis: sensible(RATE_LIMIT_TIME, &millis) }))
    }
}
