//! How often a client may call a route, and who need not care (contract 3). What was called is counted in
//! `http::rate_limit`; here is only what the workspace says about it.

use serde_json::Value;

use super::settings::sensible;
use super::{Caller, Result, Services};
use crate::domain::permission::API_BYPASS_RATE_LIMIT;
use crate::domain::setting::{RATE_LIMIT_CALLS, RATE_LIMIT_TIME, RATE_LIMITER};

/// What one client may send to one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests within a window.
    pub calls: u32,
    /// Milliseconds that a window lasts.
    pub millis: i64,
}

impl Services {
    /// What this caller (nobody: `None`) may send; `None` when nothing limits him.
    ///
    /// The permission is asked on every request that could be limited at all, not only when a window is full: whoever
    /// bypasses the limit must not use up what others at his address have.
    ///
    /// # Errors
    /// What the store says.
    pub async fn quota(&self, caller: Option<&Caller>) -> Result<Option<Quota>> {
        if self.overrides.get(RATE_LIMITER.id) == Some(&Value::Bool(false)) {
            return Ok(None);
        }
        let [limited, calls, millis] = self.settings([RATE_LIMITER, RATE_LIMIT_CALLS, RATE_LIMIT_TIME]).await?;
        if limited == Value::Bool(false) {
            return Ok(None);
        }
        if let Some(caller) = caller
            && self.is_allowed(caller, API_BYPASS_RATE_LIMIT).await?
        {
            return Ok(None);
        }
        let calls = u32::try_from(sensible(RATE_LIMIT_CALLS, &calls)).unwrap_or(u32::MAX);
        Ok(Some(Quota { calls, millis: sensible(RATE_LIMIT_TIME, &millis) }))
    }
}
