//! Gives entries their places in the chains, behind the changes and not inside their transactions: the note of a scope's
//! newest entry is one document, and whoever writes it keeps everybody else away until he has committed.
//!
//! Every node seals, whatever node wrote an entry. What waits and the notes are read in the transaction that writes both
//! and names the note that it read, so that of two nodes with the same note one has to start again, and sees then what
//! the other has done. Until it is sealed, an entry can be removed without a trace; that is a fraction of a second,
//! and as long as no node runs.

use std::collections::BTreeMap;
#[cfg(feature = "fault-injection")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use tokio::sync::Notify;

use super::audit::{CHAIN, SEALED, head, stored_hash, stored_seal, unsealed};
use super::error::{Failure, Step, is_duplicate};
use super::transaction::{Transaction, transact};
use super::values::{id, number};
use super::{MongoStore, indexes};
use crate::domain::audit_chain::{Head, Unsealed};
use crate::store::{Result, StoreError};

/// Entries that are sealed together.
const BATCH: i64 = 500;
/// How long after a change others are waited for, to be sealed with it.
const GATHERED: Duration = Duration::from_millis(100);
/// How often it is looked for what other nodes have left behind.
const EVERY: Duration = Duration::from_secs(1);

/// What is to be sealed, as far as this node knows.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    wanted: Notify,
    #[cfg(feature = "fault-injection")]
    careless: AtomicBool,
}

impl Sealing {
    /// Something was put on record.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }
}

impl MongoStore {
    /// Seals soon after each change of this node, and often enough what others leave.
    pub(super) async fn keep_sealing(&self) {
        let mut ailing = false;
        loop {
            if tokio::time::timeout(EVERY, self.sealing.wanted.notified()).await.is_ok() {
                tokio::time::sleep(GATHERED).await;
            }
            match self.seal_all().await {
                Ok(_) => ailing = false,
                Err(error) if !ailing => {
                    ailing = true;
                    log::warn!("the record of changes cannot be sealed at the moment: {error}");
                }
                Err(_) => {}
            }
        }
    }

    /// Seals until nothing waits, or whoever asked for it has gone: what is begun then comes to its end all the same. A
    /// transaction that is left in the middle would keep others from what it has written until the server ends it.
    pub(super) async fn seal_all(&self) -> Result<u64> {
        let mut sealed = 0;
        loop {
            let store = self.clone();
            match self.at_home(async move { store.seal_some().await }).await? {
                0 => return Ok(sealed),
                count => sealed += count,
            }
        }
    }

    async fn seal_some(&self) -> Result<u64> {
        // Mostly nothing waits, and this is cheaper than a transaction.
        if self.find_one(&self.audit(), waiting(), doc! { "_id": 1 }).await?.is_none() {
            return Ok(0);
        }
        #[cfg(feature = "fault-injection")]
        if self.sealing.careless.load(Ordering::Relaxed) {
            return self.seal_carelessly().await;
        }
        transact!(self, tx => self.seal_in(&mut tx))
    }

    async fn seal_in(&self, tx: &mut Transaction) -> Step<u64> {
        let order = doc! { "at": 1, "_id": 1 };
        let found = tx.find(&self.audit(), waiting(), Document::new(), order, BATCH).await?;
        let waiting = ours(&found);
        let notes = tx.find(&self.audit_heads(), of_scopes(&waiting), Document::new(), Document::new(), 0).await?;
        self.write_places(tx, &waiting, &notes, true).await
    }

    /// Writes the places of entries behind the notes that were read. `compared` says whether nothing else may have been
    /// written since.
    async fn write_places(
        &self,
        tx: &mut Transaction,
        waiting: &[Unsealed],
        notes: &[Document],
        compared: bool,
    ) -> Step<u64> {
        if waiting.is_empty() {
            return Ok(0);
        }
        let mut heads: BTreeMap<&str, (Head, Head)> = BTreeMap::new();
        for note in notes {
            heads.insert(id(note, "head of the record")?, (head(note), head(note)));
        }
        let mut places = Vec::with_capacity(waiting.len());
        for entry in waiting {
            let (_, newest) = heads.entry(entry.scope.as_str()).or_insert((Head::START, Head::START));
            let seal = self.sealer.seal(&entry.scope, *newest, &entry.fields);
            *newest = seal.head();
            let mut itself = doc! { "_id": &entry.id };
            if compared {
                itself.insert(SEALED, false);
            }
            places.push(doc! { "q": itself, "u": { "$set": { SEALED: true, CHAIN: stored_seal(&seal) } } });
        }
        let notes = heads.into_iter().map(|(scope, (read, newest))| note(scope, read, newest, compared)).collect();
        self.write_all(tx, indexes::AUDIT_HEADS, notes, compared).await?;
        self.write_all(tx, indexes::AUDIT, places, compared).await?;
        Ok(waiting.len() as u64)
    }

    /// The driver's own calls write one document each.
    async fn write_all(
        &self,
        tx: &mut Transaction,
        collection: &str,
        updates: Vec<Document>,
        compared: bool,
    ) -> Step<()> {
        let count = i64::try_from(updates.len()).unwrap_or(i64::MAX);
        let command = doc! { "update": collection, "updates": updates };
        let answer = match self.database.run_command(command).session(&mut tx.session).await {
            Ok(answer) => answer,
            // Another node has just made the same note.
            Err(error) if is_duplicate(&error) => return Err(Failure::Outdated),
            Err(error) => return Err(error.into()),
        };
        let first = answer.get_array("writeErrors").ok().and_then(|errors| errors.first()).and_then(Bson::as_document);
        match first.map(|error| number(error, "code").unwrap_or_default()) {
            Some(11_000 | 112) => Err(Failure::Outdated),
            Some(code) => Err(StoreError::Backend(format!("MongoDB answered with code {code}")).into()),
            None if compared && number(&answer, "n") != Some(count) => Err(Failure::Outdated),
            None => Ok(()),
        }
    }

    /// Reads before its transaction and compares nothing when it writes.
    #[cfg(feature = "fault-injection")]
    async fn seal_carelessly(&self) -> Result<u64> {
        let order = doc! { "at": 1, "_id": 1 };
        let found = self.find(&self.audit(), waiting(), Document::new(), order).await?;
        let waiting = ours(&found);
        let notes = self.find(&self.audit_heads(), of_scopes(&waiting), Document::new(), Document::new()).await?;
        transact!(self, tx => self.write_places(&mut tx, &waiting, &notes, false))
    }

    /// Seals without comparing from now on: shows that comparing is what keeps a chain one chain.
    #[cfg(feature = "fault-injection")]
    pub fn seal_without_comparing(&self) {
        self.sealing.careless.store(true, Ordering::Relaxed);
    }
}

/// What waits.
fn waiting() -> Document {
    doc! { SEALED: false }
}

/// Of what waits, what is ours: an id that is no text is not, and must not hold the others up.
fn ours(found: &[Document]) -> Vec<Unsealed> {
    found.iter().filter(|entry| entry.get_str("_id").is_ok()).map(unsealed).collect()
}

fn of_scopes(waiting: &[Unsealed]) -> Document {
    let scopes: Vec<&str> = waiting.iter().map(|entry| entry.scope.as_str()).collect();
    doc! { "_id": { "$in": scopes } }
}

/// Moves the note of a scope.
fn note(scope: &str, read: Head, newest: Head, compared: bool) -> Document {
    let seq = |head: Head| i64::try_from(head.seq).unwrap_or(i64::MAX);
    let mut itself = doc! { "_id": scope };
    if compared && read != Head::START {
        itself.insert("seq", seq(read));
        itself.insert("hash", stored_hash(&read.hash));
    }
    let moved = doc! { "$set": { "seq": seq(newest), "hash": stored_hash(&newest.hash) } };
    doc! { "q": itself, "u": moved, "upsert": !compared || read == Head::START }
}
