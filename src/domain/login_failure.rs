//! Failures to log in and when they stop further attempts (contract 2.5). What is kept of a failure is here, and the
//! decision; the settings behind it are read in `service::login_blocks`.

use std::fmt;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::ids::UserId;
use super::role::caseless_key;
use super::time::Timestamp;

/// Whom somebody tried to be: an account, or a name that nobody has. Names that nobody has are counted like accounts,
/// so that being stopped does not tell which names exist.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountKey(String);

impl AccountKey {
    /// An account, by whatever name it was called.
    pub fn account(id: &UserId) -> Self {
        Self(format!("user:{id}"))
    }

    /// A name that no account has. Only its digest is kept: people type passwords where names belong.
    pub fn unknown(name: &str) -> Self {
        Self(format!("name:{}", BASE64.encode(&Sha256::digest(caseless_key(name).as_bytes()))))
    }

    /// The key, for the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", self.0)
    }
}

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginFailure {
    /// Whom somebody tried to be.
    pub account: AccountKey,
    /// Where from.
    pub address: Option<String>,
    /// When.
    pub at: Timestamp,
    /// When it need not be kept any more.
    pub forget_at: Timestamp,
}

/// How many failures of one account or one address are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// As many stop further attempts.
    pub attempts: u64,
    /// For as long a failure counts.
    pub millis: i64,
}

impl Limit {
    /// The time after which a failure counts at `now`. One of that very time does not count any more.
    pub fn since(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(-self.millis)
    }

    /// The time up to which a failure counts at `now`. Clocks of several servers differ a little, so one that is ahead
    /// still counts; one from a time when a clock was far ahead would keep somebody out for as long as that.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(self.millis)
    }
}

/// What is limited; `None` is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Failures of one account.
    pub account: Option<Limit>,
    /// Failures from one address.
    pub address: Option<Limit>,
}

impl Limits {
    /// For how long a failure can matter at all.
    pub fn longest(&self) -> i64 {
        self.account.iter().chain(&self.address).map(|limit| limit.millis).max().unwrap_or(0)
    }

    /// Whether so many failures stop an attempt, and which of the two it is told: the address comes first.
    pub fn block(&self, failures: FailureCount) -> Option<Block> {
        let reached = |limit: &Option<Limit>, count: u64| limit.is_some_and(|limit| count >= limit.attempts);
        if reached(&self.address, failures.address) {
            return Some(Block::Address);
        }
        reached(&self.account, failures.account).then_some(Block::Account)
    }
}

/// Failures that count, each number no higher than its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureCount {
    /// Of the account.
    pub account: u64,
    /// From the address.
    pub address: u64,
}

/// Why an attempt is not even looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Too many failures from its address.
    Address,
    /// Too many failures of its account.
    Account,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        account: Some(Limit { attempts: 3, millis: 60_000 }),
        address: Some(Limit { attempts: 5, millis: 120_000 }),
    };

    #[test]
    fn as_many_as_allowed_stop_and_the_address_is_told_first() {
        let block = |account, address| LIMITS.block(FailureCount { account, address });
        assert_eq!(block(2, 4), None);
        assert_eq!(block(3, 4), Some(Block::Account));
        assert_eq!(block(2, 5), Some(Block::Address));
        assert_eq!(block(3, 5), Some(Block::Address));
        assert_eq!(Limits::default().block(FailureCount { account: 9, address: 9 }), None);
    }

    #[test]
    fn a_failure_is_kept_for_the_longer_of_the_two() {
        assert_eq!(LIMITS.longest(), 120_000);
        assert_eq!(Limits::default().longest(), 0);
    }

    #[test]
    fn one_name_in_any_case_is_one_key_and_is_not_in_it() {
        assert_eq!(AccountKey::unknown("Hunter2"), AccountKey::unknown("hunter2"));
        assert_ne!(AccountKey::unknown("hunter2"), AccountKey::unknown("hunter3"));
        assert!(!format!("{:?}", AccountKey::unknown("hunter2")).to_lowercase().contains("hunter"));
    }

    #[test]
    fn nobody_can_choose_a_name_that_is_the_key_of_an_account() {
        let id = UserId::from_stored("abc");
        assert_ne!(AccountKey::unknown("abc"), AccountKey::account(&id));
        assert_ne!(AccountKey::unknown("user:abc"), AccountKey::account(&id));
    }
}
