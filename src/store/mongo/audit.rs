//! The record of changes, a collection of our own. Each entry is written inside the transaction of its change.
//!
//! Entries are listed in the reverse order of insertion. Writing the entry is the last statement of a transaction and
//! changes that depend on each other never overlap, so that for them this is the order of their commits.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use serde_json::Value;

use super::MongoStore;
use super::error::{Step, store_error};
use super::transaction::Transaction;
use super::values::{bson_fields, date, json_fields};
use crate::domain::audit::{AuditContext, AuditEntry, Change};
use crate::store::{AuditStore, Result, StoreError};

#[async_trait]
impl AuditStore for MongoStore {
    async fn list_audit_entries(&self, limit: u64) -> Result<Vec<AuditEntry>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let audit = self.audit();
        let find = audit.find(Document::new()).sort(doc! { "$natural": -1 }).limit(limit);
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        found.iter().map(entry).collect()
    }
}

impl MongoStore {
    /// Puts a change on record.
    pub(super) async fn record(&self, tx: &mut Transaction, by: &AuditContext, change: Change) -> Step<()> {
        tx.facts.extend(change.facts());
        let entry = AuditEntry { id: self.ids.object_id(), context: by.clone(), change };
        self.audit().insert_one(entry_document(&entry)?).session(&mut tx.session).await?;
        Ok(())
    }
}

/// An entry as it is stored: as on the wire, with its time as a date.
fn entry_document(entry: &AuditEntry) -> Result<Document> {
    let Ok(Value::Object(fields)) = serde_json::to_value(entry) else {
        return Err(StoreError::Backend("an audit entry cannot be written".to_owned()));
    };
    let mut document = bson_fields(&fields);
    document.insert("at", date(entry.context.at));
    Ok(document)
}

/// An entry as it was stored.
pub(super) fn entry(document: &Document) -> Result<AuditEntry> {
    serde_json::from_value(Value::Object(json_fields(document)))
        .map_err(|_| StoreError::Corrupt("an audit entry that cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Actor;
    use crate::domain::ids::{RoleId, RoomId, UserId};
    use crate::domain::time::Timestamp;

    #[test]
    fn an_entry_is_read_back_as_it_was_written_and_can_be_found_by_date() {
        let context = AuditContext {
            actor: Actor::User { id: UserId::from_stored("u"), username: "ann".to_owned() },
            at: Timestamp::from_millis(1_700_000_000_123),
            request_id: Some("r".to_owned()),
            address: None,
            reason: Some("why".to_owned()),
        };
        let change = Change::RoleAssigned {
            role: RoleId::from_stored("owner"),
            user: UserId::from_stored("v"),
            room: Some(RoomId::from_stored("GENERAL")),
        };
        let written = AuditEntry { id: "0123".to_owned(), context, change };
        let document = entry_document(&written).unwrap();
        assert!(document.get_datetime("at").is_ok());
        assert_eq!(entry(&document).unwrap(), written);
    }
}
