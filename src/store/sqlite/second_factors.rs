//! Second factors: the secret of an authenticator app, the backup codes, and what was tried lately. Whether a code is
//! right is judged by `domain::totp`; here is only that none of them counts twice.

use async_trait::async_trait;
use rusqlite::Connection;

use super::SqliteStore;
use super::query::{Query as _, Tx, text};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;
use crate::domain::totp::{BackupCodeHash, TotpSecret};
use crate::store::{Result, SecondFactorStore};

fn use_step(db: &Connection, user: &UserId, step: i64) -> Result<bool> {
    let used = "SELECT 1 FROM second_factor_attempts WHERE user_id = ?1 AND last_step >= ?2";
    if db.exists(used, (user.as_str(), step))? {
        return Ok(false);
    }
    db.change(
        "INSERT INTO second_factor_attempts (user_id, last_step) VALUES (?1, ?2) \
         ON CONFLICT (user_id) DO UPDATE SET last_step = excluded.last_step",
        (user.as_str(), step),
    )?;
    Ok(true)
}

fn use_backup_code(tx: &Tx<'_>, user: UserId, code: &BackupCodeHash) -> Result<bool> {
    let key = [user.as_str(), code.expose()];
    if !tx.db.exists("SELECT 1 FROM backup_codes WHERE user_id = ?1 AND hash = ?2", key)? {
        return Ok(false);
    }
    tx.db.change("DELETE FROM backup_codes WHERE user_id = ?1 AND hash = ?2", key)?;
    tx.db.change("UPDATE users SET updated_at = ?2 WHERE id = ?1", (user.as_str(), tx.now()))?;
    let left = tx.db.count("SELECT COUNT(*) FROM backup_codes WHERE user_id = ?1", [user.as_str()])?;
    tx.record(Change::BackupCodeUsed { user, left })?;
    Ok(true)
}

fn count_attempt(db: &Connection, user: &UserId, most: u32, millis: i64, at: Timestamp) -> Result<bool> {
    // Those from before belong to a window that is over.
    let (over, at) = (at.plus_millis(-millis).as_millis(), at.as_millis());
    let full = "SELECT 1 FROM second_factor_attempts WHERE user_id = ?1 AND since > ?2 AND attempts >= ?3";
    if db.exists(full, (user.as_str(), over, most))? {
        return Ok(false);
    }
    db.change(
        "INSERT INTO second_factor_attempts (user_id, attempts, since) VALUES (?1, 1, ?3) \
         ON CONFLICT (user_id) DO UPDATE SET \
         attempts = iif(since > ?2 AND attempts > 0, attempts + 1, 1), \
         since = iif(since > ?2 AND attempts > 0, since, ?3)",
        (user.as_str(), over, at),
    )?;
    Ok(true)
}

#[async_trait]
impl SecondFactorStore for SqliteStore {
    async fn find_totp_secret(&self, user: &UserId) -> Result<Option<TotpSecret>> {
        let user = user.clone();
        let select = "SELECT totp_secret FROM users WHERE id = ?1 AND totp_secret IS NOT NULL";
        let stored = self.read(move |db| db.first(select, [user.as_str()], text)).await?;
        Ok(stored.as_deref().and_then(TotpSecret::from_base32))
    }

    async fn use_totp_step(&self, user: &UserId, step: i64, _at: Timestamp) -> Result<bool> {
        let user = user.clone();
        self.change(move |db| use_step(db, &user, step)).await
    }

    async fn use_backup_code(&self, user: &UserId, code: &BackupCodeHash, by: &AuditContext) -> Result<bool> {
        let (user, code) = (user.clone(), code.clone());
        self.write(by, move |tx| use_backup_code(tx, user, &code)).await
    }

    async fn count_second_factor_attempt(&self, user: &UserId, most: u32, millis: i64, at: Timestamp) -> Result<bool> {
        let user = user.clone();
        self.change(move |db| count_attempt(db, &user, most, millis, at)).await
    }

    async fn forget_second_factor_attempts(&self, user: &UserId) -> Result<()> {
        let user = user.clone();
        let forget = "UPDATE second_factor_attempts SET attempts = 0 WHERE user_id = ?1";
        self.change(move |db| db.change(forget, [user.as_str()])).await
    }
}
