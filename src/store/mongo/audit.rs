//! The record of changes, a collection of our own. Each entry is written inside the transaction of its change; its place
//! in the chain it gets a moment later, see `audit_seal`.
//!
//! Entries are listed in the reverse order of insertion. Writing the entry is the last statement of a transaction and
//! changes that depend on each other never overlap, so that for them this is the order of their commits.

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt as _};
use futures_util::{Stream, TryStreamExt as _, stream};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use serde_json::Value;

use super::MongoStore;
use super::error::{Step, store_error};
use super::transaction::Transaction;
use super::values::{bson_fields, date, flag, json_fields, number, text, time};
use crate::domain::audit::{AuditContext, AuditEntry, Change};
use crate::domain::audit_chain::{Hash, Head, Link, Seal, Unsealed, scope_of};
use crate::store::{AuditStore, Period, Result, StoreError};

/// Whether an entry has its place; only one that waits for it has `false`.
pub(super) const SEALED: &str = "sealed";
/// Its place.
pub(super) const CHAIN: &str = "chain";
/// Entries that come with one answer; some are large.
const AT_ONCE: u32 = 500;

#[async_trait]
impl AuditStore for MongoStore {
    async fn list_audit_entries(&self, limit: u64) -> Result<Vec<AuditEntry>> {
        self.latest(Document::new(), doc! { "$natural": -1 }, limit).await
    }

    async fn page_audit_entries(&self, period: &Period, limit: u64) -> Result<Vec<AuditEntry>> {
        let behind = period.behind.as_ref().map(|(at, _)| *at);
        let mut at = Document::new();
        if let Some(from) = period.from {
            at.insert("$gte", date(from));
        }
        if let Some(to) = [period.to, behind].into_iter().flatten().min() {
            at.insert("$lte", date(to));
        }
        let mut wanted = Document::new();
        if !at.is_empty() {
            wanted.insert("at", at);
        }
        if let Some((at, id)) = &period.behind {
            let at = date(*at);
            wanted.insert("$or", [doc! { "at": { "$lt": at } }, doc! { "at": at, "_id": { "$lt": id } }].to_vec());
        }
        self.latest(wanted, doc! { "at": -1, "_id": -1 }, limit).await
    }

    async fn next_audit_scope(&self, after: &str) -> Result<Option<String>> {
        let (entries, heads) = (self.audit(), self.audit_heads());
        let wanted = doc! { "chain.scope": { "$gt": after }, "chain.seq": { "$exists": true } };
        let found = entries.find_one(wanted).sort(doc! { "chain.scope": 1, "chain.seq": 1 });
        let entry = found.projection(doc! { "chain.scope": 1 }).await.map_err(store_error)?;
        let found = heads.find_one(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
        let head = found.await.map_err(store_error)?.and_then(|head| text(&head, "_id"));
        let scope = entry.and_then(|entry| text(entry.get_document(CHAIN).ok()?, "scope"));
        Ok([scope, head].into_iter().flatten().min())
    }

    async fn find_audit_head(&self, scope: &str) -> Result<Option<Head>> {
        let found = self.find_one(&self.audit_heads(), doc! { "_id": scope }, Document::new()).await?;
        Ok(found.as_ref().map(head))
    }

    fn audit_links(&self, scope: &str) -> BoxStream<'_, Result<Link>> {
        let wanted = doc! { "chain.scope": scope, "chain.seq": { "$exists": true } };
        self.found(wanted, doc! { "chain.seq": 1 }).map_ok(|document| link(&document)).boxed()
    }

    fn unsealed_audit_entries(&self) -> BoxStream<'_, Result<Unsealed>> {
        let waiting = self.found(doc! { SEALED: false }, doc! { "at": 1, "_id": 1 });
        let nowhere = doc! { "$or": [{ "chain.seq": { "$exists": false } }, { "chain.scope": { "$not": { "$type": "string" } } }] };
        let strays = self.found(doc! { "$and": [{ SEALED: { "$ne": false } }, nowhere] }, doc! { "$natural": 1 });
        waiting.chain(strays).map_ok(|document| unsealed(&document)).boxed()
    }

    async fn seal_audit_entries(&self) -> Result<u64> {
        self.seal_all().await
    }
}

impl MongoStore {
    /// Puts a change on record.
    pub(super) async fn record(&self, tx: &mut Transaction, by: &AuditContext, change: Change) -> Step<()> {
        tx.facts.extend(change.facts());
        tx.receipt = by.receipt.clone();
        tx.recorded = Some(self.sealing.clone());
        let entry = AuditEntry { id: self.ids.object_id(), context: by.clone(), change };
        let mut document = entry_document(&entry)?;
        document.insert(SEALED, false);
        self.audit().insert_one(document).session(&mut tx.session).await?;
        Ok(())
    }

    async fn latest(&self, wanted: Document, order: Document, limit: u64) -> Result<Vec<AuditEntry>> {
        // A limit of zero would mean none.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let audit = self.audit();
        let find = audit.find(wanted).sort(order).limit(limit);
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        found.iter().map(entry).collect()
    }

    /// Entries as they are stored, some at a time.
    fn found(&self, wanted: Document, order: Document) -> impl Stream<Item = Result<Document>> + Send + use<> {
        let audit = self.audit();
        let opened = async move { audit.find(wanted).sort(order).batch_size(AT_ONCE).await };
        stream::once(opened).try_flatten().map_err(store_error)
    }
}

/// The note of a scope's newest entry.
pub(super) fn head(document: &Document) -> Head {
    Head { seq: seq(document), hash: hash(document, "hash").unwrap_or(Hash::NONE) }
}

/// Numbers below 1 are nobody's.
fn seq(document: &Document) -> u64 {
    number(document, "seq").and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0)
}

fn hash(document: &Document, field: &str) -> Option<Hash> {
    match document.get(field)? {
        Bson::Binary(binary) => binary.bytes.as_slice().try_into().ok().map(Hash::from_bytes),
        _ => None,
    }
}

/// A digest as it is stored.
pub(super) fn stored_hash(hash: &Hash) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: hash.as_bytes().to_vec() }
}

/// A place as it is stored.
pub(super) fn stored_seal(seal: &Seal) -> Document {
    doc! {
        "scope": &seal.scope,
        "seq": i64::try_from(seal.seq).unwrap_or(i64::MAX),
        "prev": stored_hash(&seal.prev),
        "hash": stored_hash(&seal.hash),
        "keyed": seal.keyed,
    }
}

/// An entry that waits for its place, or has none.
pub(super) fn unsealed(document: &Document) -> Unsealed {
    let mut stored = document.clone();
    let expected = stored.remove(SEALED) == Some(Bson::Boolean(false));
    let fields = json_fields(&stored);
    Unsealed {
        id: document.get("_id").map(super::values::json).map(shown).unwrap_or_default(),
        scope: scope_of(&fields).to_owned(),
        at: time(document, "at"),
        fields,
        expected,
    }
}

/// A sealed entry. Whatever somebody has made of it is told with it.
fn link(document: &Document) -> Link {
    let mut stored = document.clone();
    let sealed = stored.remove(SEALED) == Some(Bson::Boolean(true));
    let place = match stored.remove(CHAIN) {
        Some(Bson::Document(place)) => place,
        _ => Document::new(),
    };
    let fields = json_fields(&stored);
    let (prev, own) = (hash(&place, "prev"), hash(&place, "hash"));
    let seal = Seal {
        scope: text(&place, "scope").unwrap_or_default(),
        seq: seq(&place),
        prev: prev.unwrap_or(Hash::NONE),
        hash: own.unwrap_or(Hash::NONE),
        keyed: flag(&place, "keyed"),
    };
    let is_ours = time(&stored, "at").is_some_and(|at| {
        let mut written = bson_fields(&fields);
        written.insert("at", date(at));
        written == stored
    });
    let oddity = if !sealed {
        Some("the entry has a place and is not marked so")
    } else if !is_ours {
        // What looks the same and has another type is not found by those who look for it.
        Some("the entry is written as no entry of ours is")
    } else if prev.is_none() || own.is_none() {
        Some("the entry has no digest")
    } else {
        None
    };
    let id = document.get("_id").map(super::values::json).map(shown).unwrap_or_default();
    Link { id, seal, fields, oddity }
}

fn shown(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
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
            receipt: None,
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
