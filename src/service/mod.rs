//! The use cases: the only thing a handler may call. A use case checks what depends on who asks, asks the domain, and
//! makes one call to the store for everything that must be decided and done at once.
//!
//! No HTTP in here (statuses and texts are chosen in `http::error`) and no database.

pub mod audit;
pub mod auth;
pub mod doctor;
pub mod error;
mod login_blocks;
pub mod organizations;
pub mod passwords;
pub mod permissions;
pub mod rates;
pub mod receipts;
pub mod recovery;
pub mod registration;
pub mod roles;
pub mod rooms;
pub mod second_factor;
pub mod settings;
pub mod tokens;
pub mod users;
pub mod workspace;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::{Clock, Ids};
use crate::domain::audit::{Actor, AuditContext};
use crate::domain::decide::Restrictions;
use crate::domain::fact::MemoryReport;
use crate::domain::ids::{PermissionId, RoleId};
use crate::domain::receipt::Pending;
use crate::domain::setting::{ALLOW_INFINITE_COUNT, DEFAULT_COUNT, UPPER_COUNT_LIMIT};
use crate::domain::token::Token;
use crate::domain::user::User;
use crate::store::{Page, Rights, Roles, Store};

pub use error::{Result, ServiceError};
use passwords::Passwords;
use registration::FirstUser;
use tokens::TokensForUsers;

/// Everything the use cases need; one for the whole process, shared by all handlers.
pub struct Services {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    passwords: Passwords,
    overrides: BTreeMap<&'static str, Value>,
    first_user: FirstUser,
    tokens_for_users: TokensForUsers,
    restrictions: Restrictions,
}

/// Where a request comes from, for the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// `X-Request-Id` of the answer.
    pub request_id: String,
    /// The client's address.
    pub address: Option<String>,
    /// The reason the caller gave for a change.
    pub reason: Option<String>,
    /// What the client calls itself. Not for the record: only part of how it is recognized.
    pub user_agent: Option<String>,
}

/// Somebody who has shown who he is. Only [`Services::authenticate`] and a log-in make one.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account as it was when the request came in.
    pub user: Arc<User>,
    /// The token of this request.
    pub token: Arc<Token>,
    /// Where from.
    pub origin: Origin,
    /// The receipt to write with the change that he asks for, when he wants one.
    pub receipt: Option<Pending>,
}

impl Caller {
    /// The username, or the id while there is none.
    pub fn username(&self) -> &str {
        self.user.username.as_deref().unwrap_or(self.user.id.as_str())
    }
}

impl Services {
    /// Puts the use cases together. `overrides` are settings that the operator fixed, already of the right type;
    /// `first_user` is what registering means while nobody is an administrator.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        passwords: Passwords,
        overrides: BTreeMap<&'static str, Value>,
        first_user: FirstUser,
    ) -> Self {
        let (tokens_for_users, restrictions) = (TokensForUsers::default(), Restrictions::default());
        Self { store, clock, ids, passwords, overrides, first_user, tokens_for_users, restrictions }
    }

    /// The same, where sessions of others can be made as `tokens_for_users` says.
    #[must_use]
    pub fn with_tokens_for_users(self, tokens_for_users: TokensForUsers) -> Self {
        Self { tokens_for_users, ..self }
    }

    /// The same, with roles that the operator holds to some permissions (contract 8.3), as he wrote their ids.
    #[must_use]
    pub fn with_restricted_roles(mut self, allowed: &BTreeMap<String, Vec<String>>) -> Self {
        let ids = |texts: &[String]| texts.iter().map(|text| PermissionId::from_stored(text.as_str())).collect();
        let restricted = allowed.iter().map(|(role, allowed)| (RoleId::from_stored(role.as_str()), ids(allowed)));
        self.restrictions = Restrictions::new(restricted);
        self
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// The store's own sentence.
    pub async fn check_store(&self) -> Result<()> {
        Ok(self.store.ping().await?)
    }

    fn context(&self, actor: &User, origin: &Origin) -> AuditContext {
        let username = actor.username.clone().unwrap_or_else(|| actor.id.as_str().to_owned());
        AuditContext {
            actor: Actor::User { id: actor.id.clone(), username },
            at: self.clock.now(),
            request_id: Some(origin.request_id.clone()),
            address: origin.address.clone(),
            reason: origin.reason.clone(),
            receipt: None,
        }
    }

    /// The circumstances of the one change that a request makes. What a store returns of it must be what the use case
    /// returns, or else be made so ([`AuditContext::answered_with`]): the receipt is written where the change is.
    fn audit(&self, caller: &Caller) -> AuditContext {
        AuditContext { receipt: caller.receipt.clone(), ..self.context(&caller.user, &caller.origin) }
    }

    /// How the store's memory of facts is doing, where it has one.
    pub fn memory(&self) -> Option<MemoryReport> {
        self.store.memory()
    }

    /// Every role as it is now (contract 4.1).
    ///
    /// # Errors
    /// What the store says.
    pub async fn roles(&self) -> Result<Arc<Roles>> {
        Ok(self.store.roles().await?)
    }

    /// Permissions and settings as they are now (contract 5.1).
    ///
    /// # Errors
    /// What the store says.
    pub async fn rights(&self) -> Result<Arc<Rights>> {
        match self.store.rights_at_hand() {
            Some(rights) => Ok(rights),
            None => Ok(self.store.rights().await?),
        }
    }

    /// The window a caller asked for, within the workspace's bounds (contract 1.11).
    async fn page(&self, wanted: PageRequest) -> Result<Page> {
        let rights = self.rights().await?;
        let most = self.positive_in(&rights, UPPER_COUNT_LIMIT);
        let default = self.positive_in(&rights, DEFAULT_COUNT);
        let count = match wanted.count {
            Some(count) if count >= 1.0 => Some(bounded(count, most)),
            Some(count) if count == 0.0 && self.boolean_in(&rights, ALLOW_INFINITE_COUNT) => None,
            _ => Some(default.min(most).unsigned_abs()),
        };
        Ok(Page { offset: wanted.offset.map_or(0, |offset| bounded(offset, i64::MAX)), count })
    }
}

/// The window a caller asked for, as he wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PageRequest {
    /// How many items to pass over.
    pub offset: Option<f64>,
    /// How many items at most.
    pub count: Option<f64>,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from float saturates, which is what a bound wants"
)]
fn bounded(number: f64, most: i64) -> u64 {
    (number.max(0.0) as i64).min(most) as u64
}
