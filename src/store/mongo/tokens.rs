//! Access tokens, inside the documents of their accounts (contract 2.2).

use async_trait::async_trait;
use mongodb::bson::{Document, doc};

use super::error::Step;
use super::transaction::{Transaction, transact};
use super::values::{date, flag, text, time};
use super::{MongoStore, documents};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::UserId;
use crate::domain::token::{Token, TokenHash};
use crate::domain::user::User;
use crate::store::{Conflict, Noun, Result, StoreError, TokenStore};

/// Where the hash of a token is.
const HASH: &str = "services.resume.loginTokens.hashedToken";
/// `type` of tokens that their owners make for programs.
const PERSONAL: &str = "personalAccessToken";

#[async_trait]
impl TokenStore for MongoStore {
    async fn find_token(&self, user: &UserId, hash: &TokenHash) -> Result<Option<(User, Token)>> {
        self.find_with_token(doc! { "_id": user.as_str(), HASH: hash.expose() }, hash).await
    }

    async fn find_token_owner(&self, hash: &TokenHash) -> Result<Option<(User, Token)>> {
        self.find_with_token(doc! { HASH: hash.expose() }, hash).await
    }

    async fn add_session_token(&self, user: &UserId, hash: &TokenHash, keep: usize, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.add_session_token_in(&mut tx, user, hash, keep, by))
    }

    async fn remove_token(&self, user: &UserId, hash: &TokenHash, by: &AuditContext) -> Result<bool> {
        transact!(self, tx => self.remove_token_in(&mut tx, user, hash, by))
    }
}

impl MongoStore {
    async fn find_with_token(&self, filter: Document, hash: &TokenHash) -> Result<Option<(User, Token)>> {
        let Some(found) = self.find_one(&self.users(), filter, documents::token_projection(hash)).await? else {
            return Ok(None);
        };
        let user = documents::user(&found)?;
        Ok(documents::token(&found, hash).map(|token| (user, token)))
    }

    async fn add_session_token_in(
        &self,
        tx: &mut Transaction,
        user: &UserId,
        hash: &TokenHash,
        keep: usize,
        by: &AuditContext,
    ) -> Step<()> {
        let itself = doc! { "_id": user.as_str() };
        let Some(account) = tx.find_one(&self.users(), itself.clone(), doc! { "active": 1 }).await? else {
            return Err(StoreError::NotFound(Noun::User).into());
        };
        if !flag(&account, "active") {
            return Err(Conflict::UserInactive.into());
        }
        let token = doc! { "when": date(by.at), "hashedToken": hash.expose() };
        let issued = doc! {
            "$push": { "services.resume.loginTokens": token },
            "$set": { "lastLogin": date(by.at) },
        };
        self.users().update_one(itself.clone(), issued).session(&mut tx.session).await?;
        let surplus = self.surplus_sessions(tx, user, keep).await?;
        if !surplus.is_empty() {
            let ended = doc! { "$pull": { "services.resume.loginTokens": { "hashedToken": { "$in": surplus } } } };
            self.users().update_one(itself, ended).session(&mut tx.session).await?;
        }
        self.record(tx, by, Change::SessionStarted { user: user.clone() }).await
    }

    /// Hashes of all session tokens but the newest `keep`. Of tokens of the same time the one added last is the
    /// newest; one without a date is older than all others.
    async fn surplus_sessions(&self, tx: &mut Transaction, user: &UserId, keep: usize) -> Step<Vec<String>> {
        let tokens = "services.resume.loginTokens";
        let projection = ["hashedToken", "when", "type"].map(|field| (format!("{tokens}.{field}"), 1.into()));
        let projection = Document::from_iter(projection);
        let Some(account) = tx.find_one(&self.users(), doc! { "_id": user.as_str() }, projection).await? else {
            return Ok(Vec::new());
        };
        let resume = account.get_document("services").and_then(|services| services.get_document("resume"));
        let Ok(list) = resume.and_then(|resume| resume.get_array("loginTokens")) else {
            return Ok(Vec::new());
        };
        let mut sessions: Vec<&Document> = list.iter().filter_map(|token| token.as_document()).collect();
        sessions.retain(|token| token.get_str("type").ok() != Some(PERSONAL));
        sessions.sort_by_key(|token| time(token, "when"));
        sessions.truncate(sessions.len().saturating_sub(keep));
        Ok(sessions.into_iter().filter_map(|token| text(token, "hashedToken")).collect())
    }

    async fn remove_token_in(
        &self,
        tx: &mut Transaction,
        user: &UserId,
        hash: &TokenHash,
        by: &AuditContext,
    ) -> Step<bool> {
        let having = doc! { "_id": user.as_str(), HASH: hash.expose() };
        let without = doc! {
            "$pull": { "services.resume.loginTokens": { "hashedToken": hash.expose() } },
            "$set": { "_updatedAt": date(by.at) },
        };
        let removed = self.users().update_one(having, without).session(&mut tx.session).await?;
        if removed.matched_count == 0 {
            return Ok(false);
        }
        self.record(tx, by, Change::SessionEnded { user: user.clone() }).await?;
        Ok(true)
    }
}
