//! Asking a store for what is wrong with what it holds, and putting it right: what the commands `doctor` and
//! `recover-admin` need besides a [`Store`]. What can be wrong, and how it is repaired, is said by `domain::finding`; the
//! way back in for an administrator by `domain::recovery`.

use async_trait::async_trait;

use super::{Result, Store};
use crate::domain::audit::AuditContext;
use crate::domain::finding::{Check, Finding};
use crate::domain::recovery::{Recovery, RecoveryRefusal, RecoveryState, RecoveryStep};

/// What was found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of the search.
    pub findings: Vec<Finding>,
    /// Where to go on; `None` when everything was searched. There may be more even where nothing was found.
    pub next: Option<String>,
}

/// A store that can be examined.
#[async_trait]
pub trait CheckStore: Store {
    /// Roles without a field that every role has. Does not need the store to be able to read them.
    async fn incomplete_roles(&self) -> Result<Vec<Finding>>;

    /// Searches from `after` on (the `next` of the call before; `None`: from the start), and stops when `limit` findings
    /// are there. Changes nothing, and keeps no more than `limit` findings in memory, however large the workspace is.
    async fn find(&self, check: Check, after: Option<&str>, limit: u64) -> Result<Found>;

    /// Does what `Finding::repair` says, as far as the finding still holds; `false` when it does not hold any more, or is
    /// one that is not repaired: then nothing changes. What is removed is copied to the trash first where others of its
    /// kind are. Audit: `Repaired`, but for locks, whose content means nothing.
    ///
    /// # Errors
    /// `Conflict(PermissionsLockout)` when somebody who can act could administer permissions before and nobody could
    /// afterwards; `AlreadyExists(RoleName)` when a role is to get a name that another role has.
    async fn repair(&self, finding: &Finding, by: &AuditContext) -> Result<bool>;

    /// What matters for making the account with that username an administrator.
    async fn recovery_state(&self, username: &str) -> Result<RecoveryState>;

    /// Carries out what `Recovery::plan` says of the state inside the operation, and gives it back; nothing when nothing
    /// is to be done. Audit: `AdministratorRecovered`.
    ///
    /// # Errors
    /// `AlreadyExists` when an account is to be made whose username or address another account has.
    async fn recover_administrator(
        &self,
        recovery: &Recovery,
        by: &AuditContext,
    ) -> Result<Result<Vec<RecoveryStep>, RecoveryRefusal>>;
}
