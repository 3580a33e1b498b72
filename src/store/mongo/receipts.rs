//! Receipts, in a collection of our own: taking the place of a key, writing the answer inside the transaction of the
//! change that it is about, giving the place up. What a receipt means is judged by `domain::receipt`.

use async_trait::async_trait;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::error::{Step, is_duplicate, store_error};
use super::organization_documents as shapes;
use super::transaction::Transaction;
use super::values::date;
use super::{MongoStore, indexes};
use crate::domain::receipt::{Fingerprint, Found, KEPT_MS, KeptAnswer, ReceiptKey, Ticket};
use crate::domain::time::Timestamp;
use crate::store::{OrganizationConflict, ReceiptStore, Result, StoreError};

/// How often a place is tried that others take and leave at the same moment.
const ATTEMPTS: usize = 5;

fn place(key: &ReceiptKey) -> Document {
    doc! { "user": key.user.as_str(), "key": &key.key }
}

/// The receipt of a run that has not ended.
fn running(ticket: &Ticket) -> Document {
    doc! { "_id": place(&ticket.key), "run": &ticket.run, "status": null }
}

fn fresh(ticket: &Ticket, request: &Fingerprint, now: Timestamp) -> Document {
    doc! {
        "_id": place(&ticket.key),
        "request": request.as_str(),
        "run": &ticket.run,
        "startedAt": date(now),
    }
}

#[async_trait]
impl ReceiptStore for MongoStore {
    async fn take_receipt(&self, ticket: &Ticket, request: &Fingerprint, now: Timestamp) -> Result<Found> {
        let over = Timestamp::from_millis(now.as_millis().saturating_sub(KEPT_MS));
        for _ in 0..ATTEMPTS {
            let Some(found) = self.find_one(&self.receipts(), doc! { "_id": place(&ticket.key) }, doc! {}).await?
            else {
                match self.receipts().insert_one(fresh(ticket, request, now)).await {
                    Ok(_) => {
                        self.drop_receipts_before(over).await?;
                        return Ok(Found::Vacant);
                    }
                    // Somebody else came first; what he does counts.
                    Err(error) if is_duplicate(&error) => continue,
                    Err(error) => return Err(store_error(error)),
                }
            };
            let receipt = shapes::receipt(&found)?;
            match receipt.judge(request, now) {
                Found::Vacant => {}
                taken => return Ok(taken),
            }
            // Exactly what was judged is replaced: neither what took its place nor an answer that came meanwhile.
            let status = receipt.answer.map(|answer| i32::from(answer.status));
            let judged = doc! { "_id": place(&ticket.key), "run": receipt.run, "status": status };
            let replaced = self.receipts().replace_one(judged, fresh(ticket, request, now)).await;
            if replaced.map_err(store_error)?.matched_count == 1 {
                return Ok(Found::Vacant);
            }
        }
        Err(StoreError::Unavailable("other requests with the same key kept coming first".to_owned()))
    }

    async fn keep_answer(&self, ticket: &Ticket, answer: &KeptAnswer) -> Result<()> {
        let change = doc! { "$set": shapes::answer_document(answer) };
        self.receipts().update_one(running(ticket), change).await.map(drop).map_err(store_error)
    }

    async fn drop_receipt(&self, ticket: &Ticket) -> Result<()> {
        self.receipts().delete_one(running(ticket)).await.map(drop).map_err(store_error)
    }
}

impl MongoStore {
    fn receipts(&self) -> Collection<Document> {
        self.database.collection(indexes::RECEIPTS)
    }

    /// Not left to an index that does it by itself: that would go by the database's clock instead of ours.
    async fn drop_receipts_before(&self, time: Timestamp) -> Result<()> {
        let over = doc! { "startedAt": { "$lte": date(time) } };
        self.receipts().delete_many(over).await.map(drop).map_err(store_error)
    }

    /// Writes an answer under its ticket.
    pub(super) async fn write_due(&self, tx: &mut Transaction, due: Option<(Ticket, KeptAnswer)>) -> Step<()> {
        let Some((ticket, answer)) = due else { return Ok(()) };
        let change = doc! { "$set": shapes::answer_document(&answer) };
        let written = self.receipts().update_one(running(&ticket), change).session(&mut tx.session).await?;
        if written.matched_count == 1 {
            return Ok(());
        }
        Err(StoreError::from(OrganizationConflict::OutOfTurn).into())
    }
}
