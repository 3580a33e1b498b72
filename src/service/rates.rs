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
    /// The same for log-ins, which nobody bypasses: a token must be no way to try passwords without end.
    LogIn,
    /// That of people who make their own account.
    Registration,
    /// That of people who change their own profile, which shows a password that is not to be tried out.
    OwnProfile,
    /// None: the address belongs to no version of the API.
    Unlimited,
}

/// What limits a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Nothing.
    None,
    /// So many requests as the setting says within the window that all routes share.
    Calls(Setting),
    /// What the contract itself says.
    Fixed(Quota),
}

impl Rate {
    /// Where the numbers come from.
    pub const fn limit(self) -> Limit {
        match self {
            Self::Ordinary | Self::LogIn => Limit::Calls(RATE_LIMIT_CALLS),
            Self::Registration => Limit::Calls(RATE_LIMIT_REGISTRATIONS),
            Self::OwnProfile => Limit::Fixed(Quota { calls: 1, millis: 60_000 }),
            Self::Unlimited => Limit::None,
        }
    }

    /// Whether it holds for those as well who may otherwise send as much as they like.
    const fn is_for_everybody(self) -> bool {
        matches!(self, Self::LogIn | Self::Registration)
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
        let limit = rate.limit();
        if limit == Limit::None || self.overrides.get(RATE_LIMITER.id) == Some(&Value::Bool(false)) {
            return Ok(None);
        }
        let counted = if let Limit::Calls(setting) = limit { setting } else { RATE_LIMIT_CALLS };
        let rights = self.rights().await?;
        if *self.value_in(&rights, RATE_LIMITER) == Value::Bool(false) {
            return Ok(None);
        }
        if let Some(caller) = caller
            && !rate.is_for_everybody()
            && self.is_granted(&rights, caller.user.roles(), API_BYPASS_RATE_LIMIT)
        {
            return Ok(None);
        }
        if let Limit::Fixed(quota) = limit {
            return Ok(Some(quota));
        }
        let number = |setting| sensible(setting, &self.value_in(&rights, setting));
        let calls = u32::try_from(number(counted)).unwrap_or(u32::MAX);
        Ok(Some(Quota { calls, millis: number(RATE_LIMIT_TIME) }))
    }
}
