//! Failures to log in. What they mean is judged by `domain::login_failure`; here they are kept, counted and forgotten.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::query::{Query as _, bounded};
use crate::domain::login_failure::{AccountKey, FailureCount, Limit, Limits, LoginFailure};
use crate::domain::time::Timestamp;
use crate::store::{LoginFailureStore, Result};

/// Failures that nobody needs any more and that a new one takes away; more than one, so that they become fewer.
const FORGOTTEN_AT_ONCE: i64 = 100;

fn record(db: &Connection, failure: &LoginFailure) -> Result<()> {
    db.change(
        "DELETE FROM login_failures WHERE seq IN \
         (SELECT seq FROM login_failures WHERE forget_at <= ?1 ORDER BY forget_at LIMIT ?2)",
        (failure.at.as_millis(), FORGOTTEN_AT_ONCE),
    )?;
    db.change(
        "INSERT INTO login_failures (account, address, at, forget_at) VALUES (?1, ?2, ?3, ?4)",
        (failure.account.as_str(), &failure.address, failure.at.as_millis(), failure.forget_at.as_millis()),
    )
}

/// Asks an index for no more than matters.
fn count(db: &Connection, sql: &str, key: Option<&str>, limit: Option<Limit>, now: Timestamp) -> Result<u64> {
    match (key, limit) {
        (Some(key), Some(limit)) => {
            let (since, until) = (limit.since(now).as_millis(), limit.until(now).as_millis());
            db.count(sql, params![key, since, until, bounded(limit.attempts)])
        }
        _ => Ok(0),
    }
}

#[async_trait]
impl LoginFailureStore for SqliteStore {
    async fn record_login_failure(&self, failure: &LoginFailure) -> Result<()> {
        let failure = failure.clone();
        self.change(move |db| record(db, &failure)).await
    }

    async fn count_login_failures(
        &self,
        account: &AccountKey,
        address: Option<&str>,
        limits: Limits,
        now: Timestamp,
    ) -> Result<FailureCount> {
        let (account, address) = (account.clone(), address.map(str::to_owned));
        let of_account =
            "SELECT COUNT(*) FROM (SELECT 1 FROM login_failures WHERE account = ?1 AND at > ?2 AND at <= ?3 LIMIT ?4)";
        let from_address =
            "SELECT COUNT(*) FROM (SELECT 1 FROM login_failures WHERE address = ?1 AND at > ?2 AND at <= ?3 LIMIT ?4)";
        self.read(move |db| {
            Ok(FailureCount {
                account: count(db, of_account, Some(account.as_str()), limits.account, now)?,
                address: count(db, from_address, address.as_deref(), limits.address, now)?,
            })
        })
        .await
    }

    async fn forget_login_failures(&self, account: &AccountKey) -> Result<()> {
        let account = account.clone();
        self.change(move |db| db.change("DELETE FROM login_failures WHERE account = ?1", [account.as_str()])).await
    }
}
