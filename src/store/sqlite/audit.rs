//! The record of changes: written inside the transaction of the change, read newest first. What an entry holds is
//! decided in `domain::audit`.

use async_trait::async_trait;

use super::SqliteStore;
use super::query::{Query as _, Tx, bounded, json, to_json};
use crate::domain::audit::{AuditEntry, Change};
use crate::store::{AuditStore, Result};

impl Tx<'_> {
    /// Puts a change on record.
    pub(super) fn record(&self, change: Change) -> Result<()> {
        self.touch(change.facts());
        let entry = AuditEntry { id: self.ids.object_id(), context: self.by.clone(), change };
        self.db.change("INSERT INTO audit (id, entry) VALUES (?1, ?2)", (&entry.id, to_json(&entry)?))
    }
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn list_audit_entries(&self, limit: u64) -> Result<Vec<AuditEntry>> {
        self.read(move |db| {
            db.all("SELECT entry FROM audit ORDER BY seq DESC LIMIT ?1", [bounded(limit)], |row| json(row, "entry"))
        })
        .await
    }
}
