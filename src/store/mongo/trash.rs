//! Moving documents to the trash (contract 6.1), however many they are: they are read and copied in parts, so that what is
//! held in memory has a limit, and removed with one statement. What else goes with them is up to the caller.

use mongodb::Collection;
use mongodb::bson::raw::cstr;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};

use super::error::{Step, store_error};
use super::transaction::Transaction;
use super::values::date;
use super::{MongoStore, documents};
use crate::domain::audit::AuditContext;
use crate::domain::time::Timestamp;
use crate::store::{Result, StoreError};

/// What the trash calls the collection of accounts.
pub(super) const USERS: &str = "users";
/// What the trash calls the collection of rooms.
pub(super) const ROOMS: &str = "room";
/// What the trash calls the collection of subscriptions.
pub(super) const SUBSCRIPTIONS: &str = "subscription";
/// Documents that are copied with one statement: some 2 MiB of subscriptions.
const AT_ONCE: u32 = 2_000;

impl MongoStore {
    /// Moves the documents that match to the trash, under what it calls their collection; one that was there under the
    /// same id makes room. How many there were.
    pub(super) async fn discard(
        &self,
        tx: &mut Transaction,
        collection: &Collection<Document>,
        name: &str,
        filter: Document,
        by: &AuditContext,
    ) -> Step<u64> {
        // Nothing of these is changed until all are read, and the transaction sees what it saw at its beginning: what is
        // removed in the end is what was copied.
        let collection = collection.clone_with_type::<RawDocumentBuf>();
        let mut cursor = collection.find(filter.clone()).batch_size(AT_ONCE).session(&mut tx.session).await?;
        let mut discarded = 0;
        let mut part = Vec::new();
        while cursor.advance(&mut tx.session).await? {
            part.push(trashed(cursor.current(), name, by.at)?);
            if part.len() == AT_ONCE as usize {
                discarded += self.copy_to_trash(tx, std::mem::take(&mut part)).await?;
            }
        }
        discarded += self.copy_to_trash(tx, part).await?;
        if discarded > 0 {
            collection.delete_many(filter).session(&mut tx.session).await?;
        }
        Ok(discarded)
    }

    /// Takes rooms that go from Rocket.Chat's own index of who is where.
    pub(super) async fn forget_rooms(&self, tx: &mut Transaction, rooms: &[String]) -> Step<()> {
        let among = doc! { "$in": rooms };
        let change = doc! { "$pull": { "__rooms": among.clone() } };
        self.users().update_many(doc! { "__rooms": among }, change).session(&mut tx.session).await?;
        Ok(())
    }

    async fn copy_to_trash(&self, tx: &mut Transaction, copies: Vec<RawDocumentBuf>) -> Step<u64> {
        if copies.is_empty() {
            return Ok(0);
        }
        let ids = copies.iter().map(|document| id(document)).collect::<Result<Vec<Bson>>>()?;
        self.trash().delete_many(doc! { "_id": { "$in": ids } }).session(&mut tx.session).await?;
        let copied = copies.len() as u64;
        let trash = self.trash().clone_with_type::<RawDocumentBuf>();
        trash.insert_many(copies).session(&mut tx.session).await?;
        Ok(copied)
    }
}

/// As [`documents::trashed`], without taking the document apart: there can be very many.
fn trashed(document: &RawDocument, name: &str, at: Timestamp) -> Result<RawDocumentBuf> {
    let again = ["_deletedAt", "__collection__"].iter().any(|field| matches!(document.get(field), Ok(Some(_))));
    if again {
        let document = Document::try_from(document).map_err(|error| store_error(error.into()))?;
        let copy = documents::trashed(document, name, at);
        return RawDocumentBuf::try_from(&copy).map_err(|error| store_error(error.into()));
    }
    let mut copy = document.to_owned();
    copy.append(cstr!("_deletedAt"), date(at));
    copy.append(cstr!("__collection__"), name);
    Ok(copy)
}

fn id(document: &RawDocument) -> Result<Bson> {
    let id = document.get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok());
    id.ok_or_else(|| StoreError::Corrupt("a document without an _id".to_owned()))
}
