//! Access tokens, by their hashes. Whether one still counts is judged by `domain::token`, not here.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::query::{Query as _, Tx, bounded, optional_time};
use super::users;
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::UserId;
use crate::domain::token::{Token, TokenHash, TokenKind};
use crate::domain::user::User;
use crate::store::{Conflict, Result, TokenStore};

fn token(row: &Row<'_>) -> Result<(UserId, Token)> {
    let kind = if row.get("personal")? {
        TokenKind::Personal
    } else {
        TokenKind::Session { issued_at: optional_time(row, "issued_at")? }
    };
    let hash = TokenHash::from_stored(row.get::<_, String>("hash")?);
    Ok((UserId::from_stored(row.get::<_, String>("user_id")?), Token { hash, kind }))
}

fn find(db: &Connection, hash: &TokenHash) -> Result<Option<(User, Token)>> {
    let select = "SELECT hash, user_id, personal, issued_at FROM login_tokens WHERE hash = ?1";
    let Some((owner, token)) = db.first(select, [hash.expose()], token)? else { return Ok(None) };
    Ok(users::find(db, &owner)?.map(|user| (user, token)))
}

/// Ends every token of an account, personal ones included.
pub(super) fn end_all(tx: &Tx<'_>, user: &UserId) -> Result<()> {
    tx.db.change("DELETE FROM login_tokens WHERE user_id = ?1", [user.as_str()])
}

fn add_session(tx: &Tx<'_>, user: UserId, hash: &TokenHash, keep: usize) -> Result<()> {
    if !users::require(tx.db, &user)?.active {
        return Err(Conflict::UserInactive.into());
    }
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

#[async_trait]
impl TokenStore for SqliteStore {
    async fn find_token(&self, user: &UserId, hash: &TokenHash) -> Result<Option<(User, Token)>> {
        let found = self.find_token_owner(hash).await?;
        Ok(found.filter(|(owner, _)| owner.id == *user))
    }

    async fn find_token_owner(&self, hash: &TokenHash) -> Result<Option<(User, Token)>> {
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
}
