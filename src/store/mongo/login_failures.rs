//! Failures to log in, in a collection of our own, which the server itself empties when they are too old to matter. What
//! they mean is judged by `domain::login_failure`.

use async_trait::async_trait;
use mongodb::bson::doc;

use super::MongoStore;
use super::error::store_error;
use super::values::date;
use crate::domain::login_failure::{AccountKey, FailureCount, Limit, Limits, LoginFailure};
use crate::domain::time::Timestamp;
use crate::store::{LoginFailureStore, Result};

#[async_trait]
impl LoginFailureStore for MongoStore {
    async fn record_login_failure(&self, failure: &LoginFailure) -> Result<()> {
        let mut document = doc! {
            "_id": self.ids.object_id(),
            "account": failure.account.as_str(),
            "at": date(failure.at),
            "expiresAt": date(failure.forget_at),
        };
        if let Some(address) = &failure.address {
            document.insert("address", address);
        }
        self.login_failures().insert_one(document).await.map(drop).map_err(store_error)
    }

    async fn count_login_failures(
        &self,
        account: &AccountKey,
        address: Option<&str>,
        limits: Limits,
        now: Timestamp,
    ) -> Result<FailureCount> {
        Ok(FailureCount {
            account: self.count_failures("account", Some(account.as_str()), limits.account, now).await?,
            address: self.count_failures("address", address, limits.address, now).await?,
        })
    }

    async fn forget_login_failures(&self, account: &AccountKey) -> Result<()> {
        let theirs = doc! { "account": account.as_str() };
        self.login_failures().delete_many(theirs).await.map(drop).map_err(store_error)
    }
}

impl MongoStore {
    /// Asks an index for no more than matters.
    async fn count_failures(
        &self,
        field: &str,
        key: Option<&str>,
        limit: Option<Limit>,
        now: Timestamp,
    ) -> Result<u64> {
        let (Some(key), Some(limit)) = (key, limit) else { return Ok(0) };
        let counting = doc! { field: key, "at": { "$gt": date(limit.since(now)), "$lte": date(limit.until(now)) } };
        // A limit of 0 would mean none.
        self.login_failures().count_documents(counting).limit(limit.attempts.max(1)).await.map_err(store_error)
    }
}
