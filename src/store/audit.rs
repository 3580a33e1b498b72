//! The record of changes: reading it, and the chains that its entries stand in. Entries are written by the operations
//! that make the changes; what a chain is and what can be wrong with one, `domain::audit_chain` says.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::Result;
use crate::domain::audit::AuditEntry;
use crate::domain::audit_chain::{Head, Link, Unsealed};
use crate::domain::time::Timestamp;

/// A part of the record by time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Period {
    /// Entries of this time and later.
    pub from: Option<Timestamp>,
    /// Entries of this time and earlier.
    pub to: Option<Timestamp>,
    /// Entries before this one, as its time and id.
    pub behind: Option<(Timestamp, String)>,
}

/// The record of changes.
#[async_trait]
pub trait AuditStore {
    /// The latest entries, newest first (by the order in which they were committed), at most `limit`.
    async fn list_audit_entries(&self, limit: u64) -> Result<Vec<AuditEntry>>;

    /// Entries of a period, the latest first by time and then by id, at most `limit`. However many there are before and
    /// behind them, the work is that of the page.
    async fn page_audit_entries(&self, period: &Period, limit: u64) -> Result<Vec<AuditEntry>>;

    /// The first scope behind `after`, in the order of their names, that has a sealed entry or a note of one.
    async fn next_audit_scope(&self, after: &str) -> Result<Option<String>>;

    /// The note of the newest sealed entry of a scope.
    async fn find_audit_head(&self, scope: &str) -> Result<Option<Head>>;

    /// Every sealed entry of a scope by its number, those with one number too. What was changed past the store so that
    /// it cannot be read as an entry is a link all the same, and not an error.
    fn audit_links(&self, scope: &str) -> BoxStream<'_, Result<Link>>;

    /// Entries that are in no chain: those that wait, oldest first, and then those that should not be there.
    fn unsealed_audit_entries(&self) -> BoxStream<'_, Result<Unsealed>>;

    /// Seals what waits, and returns how many entries this call has sealed. Concurrent calls, also of several nodes, seal
    /// each entry once, and each scope has one chain. A store that seals with the change has nothing to do here.
    async fn seal_audit_entries(&self) -> Result<u64>;
}
