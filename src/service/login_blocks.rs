//! Many failures to log in stop further attempts for a while, those of one account and those from one address (contract
//! 2.5). What a failure is and when there are too many is said in `domain::login_failure`; here are the settings behind it.

use std::net::IpAddr;
use std::str::FromStr as _;

use serde_json::Value;

use super::auth::AccountName;
use super::settings::sensible;
use super::{Origin, Result, Services};
use crate::domain::login_failure::{AccountKey, Block, Limit, Limits, LoginFailure};
use crate::domain::setting::{
    BLOCK_ADDRESS_WHITELIST, BLOCK_BY_ADDRESS, BLOCK_BY_ADDRESS_ATTEMPTS, BLOCK_BY_ADDRESS_MINUTES, BLOCK_BY_USER,
    BLOCK_BY_USER_ATTEMPTS, BLOCK_BY_USER_MINUTES, BLOCK_LOGINS, Setting,
};
use crate::domain::user::User;

const MINUTE_MS: i64 = 60_000;

/// What one attempt to log in is counted under, and the limits for it.
pub(super) struct Attempt {
    account: AccountKey,
    address: Option<String>,
    /// `None` where the workspace blocks nothing: then nothing is kept either.
    limits: Option<Limits>,
}

impl Services {
    /// Begins an attempt by name and password. A name that nobody has is an account of its own.
    pub(super) async fn attempt(&self, name: &AccountName, user: Option<&User>, origin: &Origin) -> Result<Attempt> {
        let account = match (user, name) {
            (Some(user), _) => AccountKey::account(&user.id),
            (None, AccountName::Username(name) | AccountName::Email(name)) => AccountKey::unknown(name),
        };
        Ok(Attempt { account, address: origin.address.clone(), limits: self.limits(origin).await? })
    }

    /// Whether an attempt is stopped, whatever it brings.
    pub(super) async fn block(&self, attempt: &Attempt) -> Result<Option<Block>> {
        let Some(limits) = attempt.limits else { return Ok(None) };
        let address = attempt.address.as_deref();
        let failures = self.store.count_login_failures(&attempt.account, address, limits, self.clock.now()).await?;
        Ok(limits.block(failures))
    }

    /// Whether its address is stopped, for a log-in without a name. Nobody guesses tokens, so that they block nobody:
    /// otherwise whoever knows a name could keep its owner's devices out.
    pub(super) async fn is_address_blocked(&self, origin: &Origin) -> Result<bool> {
        let limits = self.limits(origin).await?.map(|limits| Limits { account: None, ..limits });
        let attempt = Attempt { account: AccountKey::unknown(""), address: origin.address.clone(), limits };
        Ok(self.block(&attempt).await?.is_some())
    }

    /// Keeps that an attempt failed. What is stopped is not kept again: a block ends by itself.
    pub(super) async fn record_failure(&self, attempt: &Attempt) -> Result<()> {
        let Some(limits) = attempt.limits else { return Ok(()) };
        let at = self.clock.now();
        let (account, address) = (attempt.account.clone(), attempt.address.clone());
        let failure = LoginFailure { account, address, at, forget_at: at.plus_millis(limits.longest()) };
        Ok(self.store.record_login_failure(&failure).await?)
    }

    /// Failures count since the last success: of that account, from wherever they came. Those of other accounts stay,
    /// also from the same address; otherwise somebody with an account of his own could guess at others for ever. The
    /// original may forgive the whole address (not verified); this is the safer of the two.
    pub(super) async fn forget_failures(&self, attempt: &Attempt) -> Result<()> {
        if attempt.limits.is_none() {
            return Ok(());
        }
        Ok(self.store.forget_login_failures(&attempt.account).await?)
    }

    async fn limits(&self, origin: &Origin) -> Result<Option<Limits>> {
        let values = self
            .settings([
                BLOCK_LOGINS,
                BLOCK_BY_USER,
                BLOCK_BY_USER_ATTEMPTS,
                BLOCK_BY_USER_MINUTES,
                BLOCK_BY_ADDRESS,
                BLOCK_BY_ADDRESS_ATTEMPTS,
                BLOCK_BY_ADDRESS_MINUTES,
                BLOCK_ADDRESS_WHITELIST,
            ])
            .await?;
        let [enabled, by_user, user_attempts, user_minutes, by_address, address_attempts, address_minutes, list] =
            values;
        if enabled == false {
            return Ok(None);
        }
        let by_user = limit((BLOCK_BY_USER_ATTEMPTS, &user_attempts), (BLOCK_BY_USER_MINUTES, &user_minutes))
            .filter(|_| by_user == true);
        let by_address =
            limit((BLOCK_BY_ADDRESS_ATTEMPTS, &address_attempts), (BLOCK_BY_ADDRESS_MINUTES, &address_minutes))
                .filter(|_| by_address == true && !is_listed(list.as_str().unwrap_or_default(), origin));
        Ok(Some(Limits { account: by_user, address: by_address }))
    }
}

fn limit(attempts: (Setting, &Value), minutes: (Setting, &Value)) -> Option<Limit> {
    let attempts = u64::try_from(sensible(attempts.0, attempts.1)).ok()?;
    Some(Limit { attempts, millis: sensible(minutes.0, minutes.1).saturating_mul(MINUTE_MS) })
}

/// Whether the address stands in the list, however it is written there.
fn is_listed(list: &str, origin: &Origin) -> bool {
    let Some(address) = &origin.address else { return false };
    let canonical = |text: &str| IpAddr::from_str(text).map(|address| address.to_canonical().to_string());
    list.split(',').map(str::trim).any(|item| item == address || canonical(item).is_ok_and(|item| item == *address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_listed_in_any_of_its_forms() {
        let from = |address: &str| Origin { address: Some(address.to_owned()), ..Origin::default() };
        assert!(is_listed("10.0.0.1, ::ffff:192.0.2.7", &from("192.0.2.7")));
        assert!(is_listed("2001:DB8:0::1", &from("2001:db8::1")));
        assert!(!is_listed("10.0.0.1", &from("10.0.0.10")));
        assert!(!is_listed("", &from("10.0.0.1")));
        assert!(!is_listed("10.0.0.1", &Origin::default()));
    }
}
