//! Access tokens, by their hashes. Whether one still counts is judged by `domain::token`, not here.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::query::{Query as _, Tx, bounded, optional_time};
use super::users;
use crate::domain::audit::{AuditContext, Change};
use crate::domain::fact::Fact;
use crate::domain::ids::UserId;
use crate::domain::token::{
    Fingerprint, NewPersonalToken, OtherTokens, PersonalToken, Remembered, Token, TokenHash, TokenKind,
};
use crate::store::{Conflict, KnownToken, Result, StoreError, TokenStore, Unique};

fn token(row: &Row<'_>) -> Result<(UserId, Token)> {
    let kind = if row.get("personal")? {
        TokenKind::Personal { bypass_second_factor: row.get("bypass_second_factor")? }
    } else {
        TokenKind::Session { issued_at: optional_time(row, "issued_at")? }
    };
    let hash = TokenHash::from_stored(row.get::<_, String>("hash")?);
    let client = row.get::<_, Option<String>>("shown_by")?.map(Fingerprint::from_stored);
    let shown = client.zip(optional_time(row, "shown_until")?);
    let second_factor = shown.map(|(client, until)| Remembered { client, until });
    Ok((UserId::from_stored(row.get::<_, String>("user_id")?), Token { hash, kind, second_factor }))
}

fn find(db: &Connection, hash: &TokenHash) -> Result<Option<KnownToken>> {
    let select = "SELECT hash, user_id, personal, issued_at, bypass_second_factor, shown_by, shown_until \
                  FROM login_tokens WHERE hash = ?1";
    let Some((owner, token)) = db.first(select, [hash.expose()], token)? else { return Ok(None) };
    Ok(users::find(db, &owner)?.map(|user| (Arc::new(user), Arc::new(token))))
}

/// Ends every token of an account, personal ones included.
pub(super) fn end_all(tx: &Tx<'_>, user: &UserId) -> Result<()> {
    tx.db.change("DELETE FROM login_tokens WHERE user_id = ?1", [user.as_str()])
}

fn add_session(tx: &Tx<'_>, user: UserId, hash: &TokenHash, keep: usize) -> Result<()> {
    users::require_active(tx.db, &user)?;
    tx.db.change(
        "INSERT INTO login_tokens (hash, user_id, personal, issued_at) VALUES (?1, ?2, 0, ?3)",
        (hash.expose(), user.as_str(), tx.now()),
    )?;
    tx.db.change(
        "DELETE FROM login_tokens WHERE seq IN (SELECT seq FROM login_tokens WHERE user_id = ?1 AND personal = 0 \
         ORDER BY issued_at DESC, seq DESC LIMIT -1 OFFSET ?2)",
        (user.as_str(), bounded(keep as u64)),
    )?;
    tx.db.change("UPDATE users SET last_login = ?2 WHERE id = ?1", (user.as_str(), tx.now()))?;
    tx.record(Change::SessionStarted { user })
}

fn remove(tx: &Tx<'_>, user: UserId, hash: &TokenHash) -> Result<bool> {
    let key = [hash.expose(), user.as_str()];
    if !tx.db.exists("SELECT 1 FROM login_tokens WHERE hash = ?1 AND user_id = ?2", key)? {
        return Ok(false);
    }
    tx.db.change("DELETE FROM login_tokens WHERE hash = ?1 AND user_id = ?2", key)?;
    tx.db.change("UPDATE users SET updated_at = ?2 WHERE id = ?1", (user.as_str(), tx.now()))?;
    tx.record(Change::SessionEnded { user })?;
    Ok(true)
}

fn remove_all(tx: &Tx<'_>, user: UserId) -> Result<bool> {
    if !tx.db.exists("SELECT 1 FROM login_tokens WHERE user_id = ?1", [user.as_str()])? {
        return Ok(false);
    }
    end_all(tx, &user)?;
    ended(tx, user, false, true)
}

fn remove_others(tx: &Tx<'_>, user: UserId, keep: &TokenHash, others: OtherTokens) -> Result<bool> {
    let all = others == OtherTokens::All;
    let these = (user.as_str(), keep.expose(), all);
    let some = "SELECT 1 FROM login_tokens WHERE user_id = ?1 AND hash <> ?2 AND (?3 OR personal = 0)";
    if !tx.db.exists(some, these)? {
        return Ok(false);
    }
    tx.db.change("DELETE FROM login_tokens WHERE user_id = ?1 AND hash <> ?2 AND (?3 OR personal = 0)", these)?;
    ended(tx, user, true, all)
}

fn ended(tx: &Tx<'_>, user: UserId, kept_own: bool, personal: bool) -> Result<bool> {
    touch(tx, &user)?;
    tx.record(Change::TokensEnded { user, kept_own, personal })?;
    Ok(true)
}

fn touch(tx: &Tx<'_>, user: &UserId) -> Result<()> {
    tx.db.change("UPDATE users SET updated_at = ?2 WHERE id = ?1", (user.as_str(), tx.now()))
}

fn personal_token(row: &Row<'_>) -> Result<PersonalToken> {
    Ok(PersonalToken {
        name: row.get("name")?,
        created_at: optional_time(row, "issued_at")?,
        last_part: row.get::<_, Option<String>>("last_part")?.unwrap_or_default(),
        bypass_second_factor: row.get("bypass_second_factor")?,
    })
}

fn has_named(db: &Connection, user: &UserId, name: &str) -> Result<bool> {
    db.exists("SELECT 1 FROM login_tokens WHERE user_id = ?1 AND name = ?2", [user.as_str(), name])
}

fn add_personal(tx: &Tx<'_>, user: UserId, token: NewPersonalToken, most: usize) -> Result<()> {
    users::require_active(tx.db, &user)?;
    if has_named(tx.db, &user, &token.name)? {
        return Err(StoreError::AlreadyExists(Unique::TokenName));
    }
    let count = "SELECT COUNT(*) FROM login_tokens WHERE user_id = ?1 AND personal = 1";
    if tx.db.count(count, [user.as_str()])? >= most as u64 {
        return Err(Conflict::TooManyTokens.into());
    }
    let NewPersonalToken { hash, name, last_part, bypass_second_factor } = token;
    tx.db.change(
        "INSERT INTO login_tokens (hash, user_id, personal, issued_at, name, last_part, bypass_second_factor) \
         VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)",
        (hash.expose(), user.as_str(), tx.now(), &name, last_part, bypass_second_factor),
    )?;
    touch(tx, &user)?;
    tx.record(Change::PersonalTokenCreated { user, name, bypass_second_factor })
}

fn replace_personal(tx: &Tx<'_>, user: UserId, name: String, hash: &TokenHash, last_part: &str) -> Result<bool> {
    if !has_named(tx.db, &user, &name)? {
        return Ok(false);
    }
    tx.db.change(
        "UPDATE login_tokens SET hash = ?3, last_part = ?4, issued_at = ?5, shown_by = NULL, shown_until = NULL \
         WHERE user_id = ?1 AND name = ?2",
        (user.as_str(), &name, hash.expose(), last_part, tx.now()),
    )?;
    touch(tx, &user)?;
    tx.record(Change::PersonalTokenReplaced { user, name })?;
    Ok(true)
}

fn remove_personal(tx: &Tx<'_>, user: UserId, name: String) -> Result<bool> {
    if !has_named(tx.db, &user, &name)? {
        return Ok(false);
    }
    tx.db.change("DELETE FROM login_tokens WHERE user_id = ?1 AND name = ?2", [user.as_str(), &name])?;
    touch(tx, &user)?;
    tx.record(Change::PersonalTokenRemoved { user, name })?;
    Ok(true)
}

#[async_trait]
impl TokenStore for SqliteStore {
    async fn find_token(&self, user: &UserId, hash: &TokenHash) -> Result<Option<KnownToken>> {
        let found = self.find_token_owner(hash).await?;
        Ok(found.filter(|(owner, _)| owner.id == *user))
    }

    async fn find_token_owner(&self, hash: &TokenHash) -> Result<Option<KnownToken>> {
        let hash = hash.clone();
        self.read(move |db| find(db, &hash)).await
    }

    async fn add_session_token(&self, user: &UserId, hash: &TokenHash, keep: usize, by: &AuditContext) -> Result<()> {
        let (user, hash) = (user.clone(), hash.clone());
        self.write(by, move |tx| add_session(tx, user, &hash, keep)).await
    }

    async fn remove_token(&self, user: &UserId, hash: &TokenHash, by: &AuditContext) -> Result<bool> {
        let (user, hash) = (user.clone(), hash.clone());
        self.write(by, move |tx| remove(tx, user, &hash)).await
    }

    async fn remove_all_tokens(&self, user: &UserId, by: &AuditContext) -> Result<bool> {
        let user = user.clone();
        self.write(by, move |tx| remove_all(tx, user)).await
    }

    async fn remove_other_tokens(
        &self,
        user: &UserId,
        keep: &TokenHash,
        others: OtherTokens,
        by: &AuditContext,
    ) -> Result<bool> {
        let (user, keep) = (user.clone(), keep.clone());
        self.write(by, move |tx| remove_others(tx, user, &keep, others)).await
    }

    async fn list_personal_tokens(&self, user: &UserId) -> Result<Vec<PersonalToken>> {
        let user = user.clone();
        let select = "SELECT name, issued_at, last_part, bypass_second_factor FROM login_tokens \
                      WHERE user_id = ?1 AND name IS NOT NULL ORDER BY seq";
        self.read(move |db| db.all(select, [user.as_str()], personal_token)).await
    }

    async fn add_personal_token(
        &self,
        user: &UserId,
        token: NewPersonalToken,
        most: usize,
        by: &AuditContext,
    ) -> Result<()> {
        let user = user.clone();
        self.write(by, move |tx| add_personal(tx, user, token, most)).await
    }

    async fn replace_personal_token(
        &self,
        user: &UserId,
        name: &str,
        hash: &TokenHash,
        last_part: &str,
        by: &AuditContext,
    ) -> Result<bool> {
        let (user, name, hash, last_part) = (user.clone(), name.to_owned(), hash.clone(), last_part.to_owned());
        self.write(by, move |tx| replace_personal(tx, user, name, &hash, &last_part)).await
    }

    async fn remove_personal_token(&self, user: &UserId, name: &str, by: &AuditContext) -> Result<bool> {
        let (user, name) = (user.clone(), name.to_owned());
        self.write(by, move |tx| remove_personal(tx, user, name)).await
    }

    async fn remember_second_factor(&self, user: &UserId, hash: &TokenHash, shown: &Remembered) -> Result<()> {
        let (user, hash, shown) = (user.clone(), hash.clone(), shown.clone());
        let note = "UPDATE login_tokens SET shown_by = ?3, shown_until = ?4 WHERE hash = ?1 AND user_id = ?2";
        self.change_facts(vec![Fact::Account(user.clone())], move |db| {
            db.change(note, (hash.expose(), user.as_str(), shown.client.as_str(), shown.until.as_millis()))
        })
        .await
    }
}
