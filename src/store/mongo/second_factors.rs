//! Second factors: the secret of an authenticator app and the backup codes, in the documents of their accounts as
//! Rocket.Chat is believed to keep them (not verified), and what was tried lately, in a collection of our own. Whether a
//! code is right is judged by `domain::totp`; here is only that none of them counts twice.

use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use mongodb::error::Result as Written;

use super::MongoStore;
use super::error::{Step, is_duplicate, store_error};
use super::transaction::{Transaction, transact};
use super::values::{date, text, texts};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::domain::totp::{BackupCodeHash, TotpSecret};
use crate::store::{Result, SecondFactorStore};

const BACKUP_CODES: &str = "services.totp.hashedBackup";

#[async_trait]
impl SecondFactorStore for MongoStore {
    async fn find_totp_secret(&self, user: &UserId) -> Result<Option<TotpSecret>> {
        let itself = doc! { "_id": user.as_str() };
        let found = self.find_one(&self.users(), itself, doc! { "services.totp.secret": 1 }).await?;
        let secret = found.as_ref().and_then(totp).and_then(|totp| text(totp, "secret"));
        Ok(secret.as_deref().and_then(TotpSecret::from_base32))
    }

    async fn use_totp_step(&self, user: &UserId, step: i64, at: Timestamp) -> Result<bool> {
        let unused = doc! { "_id": user.as_str(), "lastStep": { "$not": { "$gte": step } } };
        let now_used = doc! { "$set": { "lastStep": step, "expiresAt": date(at.plus_days(1)) } };
        self.write_where(unused, vec![now_used]).await
    }

    async fn use_backup_code(&self, user: &UserId, code: &BackupCodeHash, by: &AuditContext) -> Result<bool> {
        transact!(self, tx => self.use_backup_code_in(&mut tx, user, code, by))
    }

    async fn count_second_factor_attempt(&self, user: &UserId, most: u32, millis: i64, at: Timestamp) -> Result<bool> {
        let over = date(at.plus_millis(-millis));
        let open = doc! {
            "_id": user.as_str(),
            "$or": [{ "attempts": { "$not": { "$gte": i64::from(most) } } }, { "since": { "$not": { "$gt": over } } }],
        };
        let running = doc! { "$and": [{ "$gt": ["$since", over] }, { "$gt": ["$attempts", 0] }] };
        let counted = doc! { "$set": {
            "attempts": { "$cond": [running.clone(), { "$add": ["$attempts", 1] }, 1] },
            "since": { "$cond": [running, "$since", date(at)] },
            "expiresAt": date(at.plus_days(1)),
        } };
        self.write_where(open, vec![counted]).await
    }

    async fn forget_second_factor_attempts(&self, user: &UserId) -> Result<()> {
        let none = doc! { "$set": { "attempts": 0 } };
        self.second_factors().update_one(doc! { "_id": user.as_str() }, none).await.map(drop).map_err(store_error)
    }
}

impl MongoStore {
    /// Changes the one document that `filter` names by its `_id`, or makes it; `false` when it is there and the rest of
    /// the filter does not fit. One statement decides and writes, so that of two at once only one can win.
    async fn write_where(&self, filter: Document, change: Vec<Document>) -> Result<bool> {
        let attempts = self.second_factors();
        let written: Written<_> = attempts.update_one(filter.clone(), change.clone()).upsert(true).await;
        match written {
            Ok(_) => Ok(true),
            // It is there: made just now by somebody else, or the filter does not fit.
            Err(error) if is_duplicate(&error) => {
                let written = attempts.update_one(filter, change).await.map_err(store_error)?;
                Ok(written.matched_count > 0)
            }
            Err(error) => Err(store_error(error)),
        }
    }

    async fn use_backup_code_in(
        &self,
        tx: &mut Transaction,
        user: &UserId,
        code: &BackupCodeHash,
        by: &AuditContext,
    ) -> Step<bool> {
        let having = doc! { "_id": user.as_str(), BACKUP_CODES: code.expose() };
        let without = doc! { "$pull": { BACKUP_CODES: code.expose() }, "$set": { "_updatedAt": date(by.at) } };
        let used = self.users().update_one(having, without).session(&mut tx.session).await?;
        if used.matched_count == 0 {
            return Ok(false);
        }
        let itself = doc! { "_id": user.as_str() };
        let rest = tx.find_one(&self.users(), itself, doc! { BACKUP_CODES: 1 }).await?;
        let left = rest.as_ref().and_then(totp).and_then(|totp| texts(totp, "hashedBackup")).map_or(0, |it| it.len());
        self.record(tx, by, Change::BackupCodeUsed { user: user.clone(), left: left as u64 }).await?;
        Ok(true)
    }
}

fn totp(account: &Document) -> Option<&Document> {
    account.get_document("services").ok()?.get_document("totp").ok()
}
