//! Facts in memory, in front of any backend: roles, permissions and settings as one copy, and accounts by their tokens.
//! Here is what a store is that keeps them; `freshness` says when a copy counts, `epochs` what a change makes untrue,
//! `kept` and `sessions` keep the copies, `forward` hands everything else to the backend.
//!
//! Only facts are kept, never a decision, and a copy is used only while it is known what other writers do. Whenever that
//! is not known, everything is read from the backend, which shows that it was not out of date.

pub mod epochs;
mod forward;
pub mod freshness;
mod kept;
pub mod pages;
mod parts;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use self::epochs::{Epoch, Epochs};
use self::freshness::Freshness;
use self::kept::Kept;
use self::pages::Pages;
use self::sessions::Sessions;
use super::feed::Listener;
use super::{KnownToken, Result, Rights, Roles, Seed, Store, StoreError};
use crate::domain::audit::AuditContext;
use crate::domain::fact::MemoryReport;
use crate::domain::ids::{RoleId, RoleRef, UserId};
use crate::domain::role::Role;
use crate::domain::setting::Setting;
use crate::domain::token::TokenHash;

/// How often something is read that cannot be shown to be right because changes were missed meanwhile.
const ATTEMPTS: usize = 5;

/// What is read and counts, with the mark from before it was read. A macro, because a closure that borrows what it is
/// about cannot be shown to the compiler to be one that any thread may go on with.
macro_rules! vouched {
    ($cached:expr, $read:expr) => {{
        let mut attempts = 0;
        loop {
            let (was_live, mark) = ($cached.freshness.is_live(), $cached.freshness.epochs.now());
            let found = $read;
            if $cached.vouch(was_live, mark).await? {
                break (mark, found);
            }
            attempts += 1;
            if attempts == ATTEMPTS {
                return Err(StoreError::Unavailable("what others change in the store keeps being missed".to_owned()));
            }
        }
    }};
}

/// A backend with its facts in memory.
pub struct CachedStore {
    inner: Arc<dyn Store>,
    freshness: Arc<Freshness>,
    roles: Kept<Roles>,
    rights: Kept<Rights>,
    sessions: Sessions,
    pages: Pages,
}

impl CachedStore {
    /// Keeps the facts of `inner`, and of accounts with a token at most about so many. Copies are used once somebody runs
    /// [`Store::follow`].
    pub fn new(inner: Arc<dyn Store>, sessions: u64) -> Self {
        let freshness = Arc::new(Freshness::default());
        inner.report_to(Arc::clone(&freshness) as Arc<dyn Listener>);
        Self {
            inner,
            freshness,
            roles: Kept::new(Epochs::roles_stand),
            rights: Kept::new(Epochs::rights_stand),
            sessions: Sessions::new(sessions),
            pages: Pages::default(),
        }
    }

    /// Who is told of changes; for whoever makes some past the backend and knows better than to wait.
    pub fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.freshness) as Arc<dyn Listener>
    }

    /// Waits until copies are used.
    pub async fn until_live(&self) {
        self.freshness.until_live().await;
    }

    /// The token with that hash, of that account where one is named.
    async fn known_token(&self, user: Option<&UserId>, hash: &TokenHash) -> Result<Option<KnownToken>> {
        let is_meant = |(owner, _): &KnownToken| user.is_none_or(|user| owner.id == *user);
        if let Some(known) = self.sessions.at_hand(&self.freshness, hash).filter(is_meant) {
            return Ok(Some(known));
        }
        let (mark, found) = vouched!(
            self,
            match user {
                Some(user) => self.inner.find_token(user, hash).await?,
                None => self.inner.find_token_owner(hash).await?,
            }
        );
        if let Some(known) = &found {
            self.sessions.keep(&self.freshness, mark, known);
        }
        Ok(found)
    }

    /// The copy of all roles, when one that somebody asks for is to be taken from it.
    async fn roles_for_one(&self) -> Result<Option<Arc<Roles>>> {
        match self.roles.at_hand(&self.freshness) {
            Some(roles) => Ok(Some(roles)),
            None if self.freshness.is_live() && self.roles.is_missed_again(&self.freshness) => {
                self.roles().await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn role_with_id(&self, id: &RoleId) -> Result<Option<Role>> {
        match self.roles_for_one().await? {
            Some(roles) => Ok(roles.role(id).cloned()),
            None => Ok(vouched!(self, self.inner.find_role(id).await?).1),
        }
    }

    async fn resolved_role(&self, reference: &RoleRef) -> Result<Option<Role>> {
        match self.roles_for_one().await? {
            Some(roles) => Ok(roles.resolve(reference).cloned()),
            None => Ok(vouched!(self, self.inner.resolve_role(reference).await?).1),
        }
    }

    /// Of settings that are not known here there is no copy.
    async fn stored_settings(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>> {
        if ids.iter().any(|id| Setting::find(id).is_none()) {
            return Ok(vouched!(self, self.inner.find_settings(ids).await?).1);
        }
        let rights = self.rights().await?;
        let stored = |id: &&str| Some(((*id).to_owned(), rights.settings().get(*id)?.clone()));
        Ok(ids.iter().filter_map(stored).collect())
    }

    /// Shows that what was read after `mark` was right: where it is known all along what others do there is nothing to
    /// show. Whether it counts: it does not when changes were missed meanwhile.
    async fn vouch(&self, was_live: bool, mark: Epoch) -> Result<bool> {
        if !(was_live && self.freshness.is_live()) {
            self.inner.confirm().await?;
        }
        Ok(self.freshness.epochs.nothing_was_lost(mark))
    }
}

#[async_trait]
impl Store for CachedStore {
    async fn seed(&self, seed: Seed, by: &AuditContext) -> Result<()> {
        self.inner.seed(seed, by).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    async fn roles(&self) -> Result<Arc<Roles>> {
        if let Some(roles) = self.roles.at_hand(&self.freshness) {
            return Ok(roles);
        }
        let read = async { Ok(vouched!(self, self.inner.roles().await?)) };
        self.roles.load(&self.freshness, read).await
    }

    async fn rights(&self) -> Result<Arc<Rights>> {
        if let Some(rights) = self.rights.at_hand(&self.freshness) {
            return Ok(rights);
        }
        let read = async { Ok(vouched!(self, self.inner.rights().await?)) };
        self.rights.load(&self.freshness, read).await
    }

    fn rights_at_hand(&self) -> Option<Arc<Rights>> {
        self.rights.at_hand(&self.freshness)
    }

    fn memory(&self) -> Option<MemoryReport> {
        Some(MemoryReport {
            state: self.freshness.state(),
            lag: self.freshness.lag(),
            loads: self.rights.loads() + self.roles.loads(),
            hits: self.sessions.hits(),
            misses: self.sessions.misses(),
        })
    }

    /// The backend tells one listener, and that is this store's own.
    fn report_to(&self, listener: Arc<dyn Listener>) {
        self.inner.report_to(listener);
    }

    async fn follow(&self) {
        self.inner.follow().await;
    }

    async fn confirm(&self) -> Result<()> {
        self.inner.confirm().await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
