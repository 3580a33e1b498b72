//! Access tokens, inside the documents of their accounts (contract 2.2).

use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;

use super::documents::PERSONAL;
use super::error::{Step, store_error};
use super::transaction::{Report, Transaction, transact};
use super::values::{date, flag, text, time};
use super::{MongoStore, documents};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::fact::Fact;
use crate::domain::ids::UserId;
use crate::domain::token::{NewPersonalToken, OtherTokens, PersonalToken, Remembered, TokenHash};
use crate::store::{Conflict, KnownToken, Noun, Result, StoreError, TokenStore, Unique};

/// Where the tokens of an account are.
const TOKENS: &str = "services.resume.loginTokens";
/// Where the hash of a token is.
const HASH: &str = "services.resume.loginTokens.hashedToken";

#[async_trait]
impl TokenStore for MongoStore {
    async fn find_token(&self, user: &UserId, hash: &TokenHash) -> Result<Option<KnownToken>> {
        self.find_with_token(doc! { "_id": user.as_str(), HASH: hash.expose() }, hash).await
    }

    async fn find_token_owner(&self, hash: &TokenHash) -> Result<Option<KnownToken>> {
        self.find_with_token(doc! { HASH: hash.expose() }, hash).await
    }

    async fn add_session_token(&self, user: &UserId, hash: &TokenHash, keep: usize, by: &AuditContext) -> Result<()> {
        let (store, user, hash, by) = (self.clone(), user.clone(), hash.clone(), by.clone());
        self.at_home(
            async move { transact!(store, tx => store.add_session_token_in(&mut tx, &user, &hash, keep, &by)) },
        )
        .await
    }

    async fn remove_token(&self, user: &UserId, hash: &TokenHash, by: &AuditContext) -> Result<bool> {
        transact!(self, tx => self.remove_token_in(&mut tx, user, hash, by))
    }

    async fn remove_all_tokens(&self, user: &UserId, by: &AuditContext) -> Result<bool> {
        let some = doc! { "_id": user.as_str(), "services.resume.loginTokens.0": { "$exists": true } };
        let none = doc! { "$set": { TOKENS: [], "_updatedAt": date(by.at) } };
        let ended = Change::TokensEnded { user: user.clone(), kept_own: false, personal: true };
        transact!(self, tx => self.change_tokens(&mut tx, &some, &none, ended.clone(), by))
    }

    async fn remove_other_tokens(
        &self,
        user: &UserId,
        keep: &TokenHash,
        others: OtherTokens,
        by: &AuditContext,
    ) -> Result<bool> {
        let personal = others == OtherTokens::All;
        let mut others = doc! { "hashedToken": { "$ne": keep.expose() } };
        if !personal {
            others.insert("type", doc! { "$ne": PERSONAL });
        }
        let some = doc! { "_id": user.as_str(), TOKENS: { "$elemMatch": others.clone() } };
        let none = doc! { "$pull": { TOKENS: others }, "$set": { "_updatedAt": date(by.at) } };
        let ended = Change::TokensEnded { user: user.clone(), kept_own: true, personal };
        transact!(self, tx => self.change_tokens(&mut tx, &some, &none, ended.clone(), by))
    }

    async fn list_personal_tokens(&self, user: &UserId) -> Result<Vec<PersonalToken>> {
        let fields = ["type", "name", "createdAt", "lastTokenPart", "bypassTwoFactor"];
        let projection = fields.map(|field| (format!("{TOKENS}.{field}"), 1.into()));
        let itself = doc! { "_id": user.as_str() };
        let found = self.find_one(&self.users(), itself, Document::from_iter(projection)).await?;
        let documents = found.as_ref().and_then(token_list).into_iter().flatten().filter_map(Bson::as_document);
        Ok(documents.filter_map(documents::personal_token).collect())
    }

    async fn add_personal_token(
        &self,
        user: &UserId,
        token: NewPersonalToken,
        most: usize,
        by: &AuditContext,
    ) -> Result<()> {
        transact!(self, tx => self.add_personal_token_in(&mut tx, user, &token, most, by))
    }

    async fn replace_personal_token(
        &self,
        user: &UserId,
        name: &str,
        hash: &TokenHash,
        last_part: &str,
        by: &AuditContext,
    ) -> Result<bool> {
        let replaced = doc! {
            "$set": {
                "services.resume.loginTokens.$.hashedToken": hash.expose(),
                "services.resume.loginTokens.$.lastTokenPart": last_part,
                "services.resume.loginTokens.$.createdAt": date(by.at),
                "_updatedAt": date(by.at),
            },
            "$unset": {
                "services.resume.loginTokens.$.twoFactorAuthorizedHash": "",
                "services.resume.loginTokens.$.twoFactorAuthorizedUntil": "",
            },
        };
        let (some, change) =
            (named(user, name), Change::PersonalTokenReplaced { user: user.clone(), name: name.to_owned() });
        transact!(self, tx => self.change_tokens(&mut tx, &some, &replaced, change.clone(), by))
    }

    async fn remove_personal_token(&self, user: &UserId, name: &str, by: &AuditContext) -> Result<bool> {
        let removed = doc! {
            "$pull": { TOKENS: { "type": PERSONAL, "name": name } },
            "$set": { "_updatedAt": date(by.at) },
        };
        let (some, change) =
            (named(user, name), Change::PersonalTokenRemoved { user: user.clone(), name: name.to_owned() });
        transact!(self, tx => self.change_tokens(&mut tx, &some, &removed, change.clone(), by))
    }

    async fn remember_second_factor(&self, user: &UserId, hash: &TokenHash, shown: &Remembered) -> Result<()> {
        let having = doc! { "_id": user.as_str(), HASH: hash.expose() };
        let noted = doc! { "$set": {
            "services.resume.loginTokens.$.twoFactorAuthorizedHash": shown.client.as_str(),
            "services.resume.loginTokens.$.twoFactorAuthorizedUntil": date(shown.until),
        } };
        let _report = Report { feed: Arc::clone(&self.feed), facts: vec![Fact::Account(user.clone())] };
        self.users().update_one(having, noted).await.map(drop).map_err(store_error)
    }
}

/// An account with a personal token of that name; `$` in a change is that token.
fn named(user: &UserId, name: &str) -> Document {
    doc! { "_id": user.as_str(), TOKENS: { "$elemMatch": { "type": PERSONAL, "name": name } } }
}

fn token_list(account: &Document) -> Option<&Vec<Bson>> {
    account.get_document("services").ok()?.get_document("resume").ok()?.get_array("loginTokens").ok()
}

/// Hashes of all session tokens but the newest `keep`. Of tokens of the same time the one added last is the newest; one
/// without a date is older than all others.
fn surplus_sessions(account: &Document, keep: usize) -> Vec<String> {
    let tokens = token_list(account).into_iter().flatten();
    let mut sessions: Vec<&Document> = tokens.filter_map(|token| token.as_document()).collect();
    sessions.retain(|token| token.get_str("type").ok() != Some(PERSONAL));
    sessions.sort_by_key(|token| time(token, "when"));
    sessions.truncate(sessions.len().saturating_sub(keep));
    sessions.into_iter().filter_map(|token| text(token, "hashedToken")).collect()
}

impl MongoStore {
    async fn find_with_token(&self, filter: Document, hash: &TokenHash) -> Result<Option<KnownToken>> {
        let Some(found) = self.find_one(&self.users(), filter, documents::token_projection(hash)).await? else {
            return Ok(None);
        };
        let user = documents::user(&found)?;
        Ok(documents::token(&found, hash).map(|token| (Arc::new(user), Arc::new(token))))
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
        let token = doc! { "when": date(by.at), "hashedToken": hash.expose() };
        let issued = doc! {
            "$push": { "services.resume.loginTokens": token },
            "$set": { "lastLogin": date(by.at) },
        };
        let projection = ["hashedToken", "when", "type"].map(|field| (format!("{TOKENS}.{field}"), 1.into()));
        let users = self.users();
        let issuing = users
            .find_one_and_update(doc! { "_id": user.as_str(), "active": true }, issued)
            .projection(Document::from_iter(projection))
            .return_document(ReturnDocument::After);
        let Some(account) = issuing.session(&mut tx.session).await? else {
            let there = tx.exists(&self.users(), itself).await?;
            return Err(if there { Conflict::UserInactive.into() } else { StoreError::NotFound(Noun::User) }.into());
        };
        let surplus = surplus_sessions(&account, keep);
        if !surplus.is_empty() {
            let ended = doc! { "$pull": { "services.resume.loginTokens": { "hashedToken": { "$in": surplus } } } };
            self.users().update_one(itself, ended).session(&mut tx.session).await?;
        }
        self.record(tx, by, Change::SessionStarted { user: user.clone() }).await
    }

    async fn add_personal_token_in(
        &self,
        tx: &mut Transaction,
        user: &UserId,
        token: &NewPersonalToken,
        most: usize,
        by: &AuditContext,
    ) -> Step<()> {
        let itself = doc! { "_id": user.as_str() };
        let projection = doc! { "active": 1, "services.resume.loginTokens.type": 1 };
        let Some(account) = tx.find_one(&self.users(), itself.clone(), projection).await? else {
            return Err(StoreError::NotFound(Noun::User).into());
        };
        if !flag(&account, "active") {
            return Err(Conflict::UserInactive.into());
        }
        if tx.exists(&self.users(), named(user, &token.name)).await? {
            return Err(StoreError::AlreadyExists(Unique::TokenName).into());
        }
        let tokens = token_list(&account).into_iter().flatten().filter_map(Bson::as_document);
        if tokens.filter(|token| token.get_str("type").ok() == Some(PERSONAL)).count() >= most {
            return Err(Conflict::TooManyTokens.into());
        }
        // Two that add at once write the same document, so that the later one runs again and meets the name.
        let added = doc! {
            "$push": { TOKENS: documents::personal_token_document(token, by.at) },
            "$set": { "_updatedAt": date(by.at) },
        };
        self.users().update_one(itself, added).session(&mut tx.session).await?;
        let NewPersonalToken { name, bypass_second_factor, .. } = token.clone();
        self.record(tx, by, Change::PersonalTokenCreated { user: user.clone(), name, bypass_second_factor }).await
    }

    /// Changes the tokens of the account that `having` finds, if it does.
    async fn change_tokens(
        &self,
        tx: &mut Transaction,
        having: &Document,
        change: &Document,
        done: Change,
        by: &AuditContext,
    ) -> Step<bool> {
        let changed = self.users().update_one(having.clone(), change.clone()).session(&mut tx.session).await?;
        if changed.matched_count == 0 {
            return Ok(false);
        }
        self.record(tx, by, done).await?;
        Ok(true)
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
