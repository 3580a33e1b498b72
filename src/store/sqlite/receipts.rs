//! Receipts: taking the place of a key, writing the answer with the change that it is about, giving the place up. What a
//! receipt means is judged by `domain::receipt`.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::query::{Query as _, Tx, time};
use super::worker::Access;
use crate::domain::receipt::{Fingerprint, Found, KEPT_MS, KeptAnswer, Receipt, ReceiptKey, Ticket};
use crate::domain::time::Timestamp;
use crate::store::{OrganizationConflict, ReceiptStore, Result, StoreError};

/// Receipts that are over and go with each new one: more than one, so that going outruns coming.
const DROPPED_AT_ONCE: i64 = 4;

fn receipt(row: &Row<'_>) -> Result<Receipt> {
    let status: Option<u16> = row.get("status")?;
    let answer = match status {
        None => None,
        Some(status) => Some(KeptAnswer {
            status,
            etag: row.get("etag")?,
            content_type: row.get("content_type")?,
            body: row.get::<_, Option<String>>("body")?.unwrap_or_default(),
        }),
    };
    Ok(Receipt {
        request: Fingerprint::from_stored(row.get::<_, String>("request")?),
        run: row.get("run")?,
        started_at: time(row, "started_at")?,
        answer,
    })
}

fn find(db: &Connection, key: &ReceiptKey) -> Result<Option<Receipt>> {
    db.first(
        "SELECT request, run, started_at, status, etag, content_type, body FROM receipts \
         WHERE user_id = ?1 AND key = ?2",
        [key.user.as_str(), &key.key],
        receipt,
    )
}

fn take(db: &Connection, ticket: &Ticket, request: &Fingerprint, now: Timestamp) -> Result<Found> {
    let found = find(db, &ticket.key)?.map_or(Found::Vacant, |receipt| receipt.judge(request, now));
    if found != Found::Vacant {
        return Ok(found);
    }
    db.change(
        "DELETE FROM receipts WHERE (user_id, key) IN \
         (SELECT user_id, key FROM receipts WHERE started_at <= ?1 ORDER BY started_at LIMIT ?2)",
        (now.as_millis().saturating_sub(KEPT_MS), DROPPED_AT_ONCE),
    )?;
    db.change(
        "INSERT OR REPLACE INTO receipts (user_id, key, request, run, started_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (ticket.key.user.as_str(), &ticket.key.key, request.as_str(), &ticket.run, now.as_millis()),
    )?;
    Ok(Found::Vacant)
}

/// Writes an answer under the ticket; `false` when that does not count any more.
fn write(db: &Connection, ticket: &Ticket, answer: &KeptAnswer) -> Result<bool> {
    db.exists(
        "UPDATE receipts SET status = ?4, etag = ?5, content_type = ?6, body = ?7 \
         WHERE user_id = ?1 AND key = ?2 AND run = ?3 AND status IS NULL RETURNING 1",
        (
            ticket.key.user.as_str(),
            &ticket.key.key,
            &ticket.run,
            answer.status,
            &answer.etag,
            &answer.content_type,
            &answer.body,
        ),
    )
}

/// Does `work`, and if it put anything on record, writes the receipt that goes along with whoever asked for it.
pub(super) fn with_pending<T: 'static>(tx: &Tx<'_>, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
    let Some(pending) = &tx.by.receipt else { return work(tx) };
    // It may have been done before, in a transaction of which nothing was kept.
    pending.forget();
    let outcome = work(tx)?;
    if !tx.recorded.get() || write(tx.db, &pending.ticket, &pending.answer(&outcome).map_err(StoreError::Backend)?)? {
        return Ok(outcome);
    }
    Err(OrganizationConflict::OutOfTurn.into())
}

#[async_trait]
impl ReceiptStore for SqliteStore {
    async fn take_receipt(&self, ticket: &Ticket, request: &Fingerprint, now: Timestamp) -> Result<Found> {
        let (ticket, request) = (ticket.clone(), request.clone());
        self.writer.run(Access::Write, move |db, _| take(db, &ticket, &request, now)).await
    }

    async fn keep_answer(&self, ticket: &Ticket, answer: &KeptAnswer) -> Result<()> {
        let (ticket, answer) = (ticket.clone(), answer.clone());
        self.writer.run(Access::Write, move |db, _| write(db, &ticket, &answer).map(drop)).await
    }

    async fn drop_receipt(&self, ticket: &Ticket) -> Result<()> {
        let ticket = ticket.clone();
        let delete = "DELETE FROM receipts WHERE user_id = ?1 AND key = ?2 AND run = ?3 AND status IS NULL";
        self.writer
            .run(Access::Write, move |db, _| {
                db.change(delete, [ticket.key.user.as_str(), &ticket.key.key, &ticket.run])
            })
            .await
    }
}
