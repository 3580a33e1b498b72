//! The record of changes: written and sealed inside the transaction of the change, read newest first or along a chain.
//! There is one writer at a time, so that the note of the newest entry is never out of date. What an entry holds is decided
//! in `domain::audit`, how it is sealed in `domain::audit_chain`.

use std::collections::VecDeque;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use rusqlite::{Connection, Row};
use serde_json::{Map, Value};

use super::SqliteStore;
use super::query::{Query as _, Tx, bounded, json, text, to_json};
use crate::domain::audit::{AuditEntry, Change};
use crate::domain::audit_chain::{Hash, Head, Link, Seal, Unsealed, scope_of};
use crate::store::audit::Period;
use crate::store::{AuditStore, Result, StoreError};

/// Links that are read at once.
const PIECE: usize = 500;

/// Dates are compared as the texts that they are stored as; these stand before and behind all of them.
const EARLIEST: &str = "0";
const LATEST: &str = "9999-99";

/// Entries of a period in the very words of the index `audit_at`.
const PAGE: &str = "SELECT entry FROM audit WHERE json_extract(entry, '$.at') >= ?1 AND json_extract(entry, '$.at') <= ?2 \
     AND (?3 IS NULL OR json_extract(entry, '$.at') < ?3 OR id < ?4) \
     ORDER BY json_extract(entry, '$.at') DESC, id DESC LIMIT ?5";

/// Links with where the one before stands in the table.
const LINKS: &str = "SELECT seq, id, entry, scope, number, prev, hash, keyed, \
     (SELECT before.seq FROM audit before WHERE before.scope = audit.scope AND before.number = audit.number - 1) AS before \
     FROM audit WHERE scope = ?1 AND number >= ?2 AND (number > ?2 OR seq > ?3) ORDER BY number, seq LIMIT ?4";

impl Tx<'_> {
    /// Puts a change on record, behind the newest entry of its scope.
    pub(super) fn record(&self, change: Change) -> Result<()> {
        self.touch(change.facts());
        self.recorded.set(true);
        let entry = AuditEntry { id: self.ids.object_id(), context: self.by.clone(), change };
        let Ok(Value::Object(fields)) = serde_json::to_value(&entry) else {
            return Err(StoreError::Backend("an audit entry cannot be written".to_owned()));
        };
        let scope = scope_of(&fields);
        let seal = self.sealer.seal(scope, find_head(self.db, scope)?.unwrap_or(Head::START), &fields);
        let number = bounded(seal.seq);
        self.db.change(
            "INSERT INTO audit (id, entry, scope, number, prev, hash, keyed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (&entry.id, to_json(&fields)?, scope, number, seal.prev.as_bytes(), seal.hash.as_bytes(), seal.keyed),
        )?;
        self.db.change(
            "INSERT INTO audit_heads (scope, number, hash) VALUES (?1, ?2, ?3) \
             ON CONFLICT (scope) DO UPDATE SET number = excluded.number, hash = excluded.hash",
            (scope, number, seal.hash.as_bytes()),
        )
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

    async fn page_audit_entries(&self, period: &Period, limit: u64) -> Result<Vec<AuditEntry>> {
        let from = period.from.map_or_else(|| EARLIEST.to_owned(), |at| at.to_string());
        let (behind, id) = period.behind.clone().map(|(at, id)| (at.to_string(), id)).unzip();
        let to = period.to.map_or_else(|| LATEST.to_owned(), |at| at.to_string());
        let to = behind.clone().map_or_else(|| to.clone(), |behind| behind.min(to.clone()));
        self.read(move |db| db.all(PAGE, (from, to, behind, id, bounded(limit)), |row| json(row, "entry"))).await
    }

    async fn next_audit_scope(&self, after: &str) -> Result<Option<String>> {
        let after = after.to_owned();
        self.read(move |db| {
            let entries = "SELECT scope FROM audit WHERE scope > ?1 ORDER BY scope LIMIT 1";
            let heads = "SELECT scope FROM audit_heads WHERE scope > ?1 ORDER BY scope LIMIT 1";
            let found = [db.first(entries, [&after], text)?, db.first(heads, [&after], text)?];
            Ok(found.into_iter().flatten().min())
        })
        .await
    }

    async fn find_audit_head(&self, scope: &str) -> Result<Option<Head>> {
        let scope = scope.to_owned();
        self.read(move |db| find_head(db, &scope)).await
    }

    fn audit_links(&self, scope: &str) -> BoxStream<'_, Result<Link>> {
        let start = (VecDeque::new(), Some((i64::MIN, i64::MIN)), scope.to_owned());
        stream::try_unfold(start, move |(mut piece, next, scope)| async move {
            let mut next = next;
            if piece.is_empty()
                && let Some((number, seq)) = next
            {
                let of = scope.clone();
                let params = move || (of.clone(), number, seq, bounded(PIECE as u64));
                let found: Vec<(i64, i64, Link)> = self.read(move |db| db.all(LINKS, params(), link)).await?;
                next = found.last().filter(|_| found.len() == PIECE).map(|(number, seq, _)| (*number, *seq));
                piece = found.into_iter().map(|(_, _, link)| link).collect();
            }
            Ok(piece.pop_front().map(|link| (link, (piece, next, scope))))
        })
        .boxed()
    }

    fn unsealed_audit_entries(&self) -> BoxStream<'_, Result<Unsealed>> {
        stream::empty().boxed()
    }

    async fn seal_audit_entries(&self) -> Result<u64> {
        Ok(0)
    }
}

fn find_head(db: &Connection, scope: &str) -> Result<Option<Head>> {
    db.first("SELECT number, hash FROM audit_heads WHERE scope = ?1", [scope], |row| {
        let hash: Option<Hash> = row.get::<_, Vec<u8>>("hash")?.try_into().ok().map(Hash::from_bytes);
        Ok(Head { seq: number(row.get("number")?), hash: hash.unwrap_or(Hash::NONE) })
    })
}

/// Numbers below 1 are nobody's.
fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// A row as a link, with where it stands. Whatever somebody has made of it is told with it.
fn link(row: &Row<'_>) -> Result<(i64, i64, Link)> {
    let (seq, stored): (i64, String) = (row.get("seq")?, row.get("entry")?);
    let before: Option<i64> = row.get("before")?;
    let mut oddity = None;
    let fields: Map<String, Value> = serde_json::from_str(&stored).unwrap_or_default();
    if to_json(&fields)? != stored {
        // Written in another way, SQLite may find in it what nobody else does: a name that stands twice.
        oddity = Some("the entry is written as no entry of ours is");
    } else if before.is_some_and(|before| before >= seq) {
        oddity = Some("the entry does not stand behind the one before it in the table");
    }
    let mut hash = |column| -> Result<Hash> {
        let stored: Option<[u8; 32]> = row.get::<_, Vec<u8>>(column)?.try_into().ok();
        if stored.is_none() {
            oddity = Some("the entry has no digest");
        }
        Ok(stored.map_or(Hash::NONE, Hash::from_bytes))
    };
    let (prev, own) = (hash("prev")?, hash("hash")?);
    let place: i64 = row.get("number")?;
    let seal =
        Seal { scope: row.get("scope")?, seq: number(place), prev, hash: own, keyed: row.get::<_, i64>("keyed")? != 0 };
    Ok((place, seq, Link { id: row.get("id")?, seal, fields, oddity }))
}
