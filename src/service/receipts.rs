//! Receipts for changes, so that a request that comes again changes nothing again. What one means is in
//! `domain::receipt`; that a change and its receipt are one is the stores' business.

use super::error::ReceiptRefusal;
use super::{Result, Services};
use crate::domain::receipt::{Fingerprint, Found, KeptAnswer, ReceiptKey, Ticket};

/// What a request finds that comes with a key.
pub enum Turn {
    /// It is its turn.
    Go,
    /// It was here before; what it got.
    Again(KeptAnswer),
}

impl Services {
    /// What a request asks for its turn with, if the client may send it again under the same key; `None` is a key that
    /// is none.
    ///
    /// # Errors
    /// [`ReceiptRefusal::InvalidKey`].
    pub fn ticket(&self, key: Option<ReceiptKey>) -> Result<Ticket> {
        Ok(Ticket { key: key.ok_or(ReceiptRefusal::InvalidKey)?, run: self.ids.object_id() })
    }

    /// Takes the turn. Where the store does not answer it may have been taken all the same; whoever has no answer gives it
    /// up.
    ///
    /// # Errors
    /// [`ReceiptRefusal`]; what the store says.
    pub async fn take_turn(&self, ticket: &Ticket, request: &Fingerprint) -> Result<Turn> {
        match self.store.take_receipt(ticket, request, self.clock.now()).await? {
            Found::Vacant => Ok(Turn::Go),
            Found::Answered(answer) => Ok(Turn::Again(answer)),
            Found::Running => Err(ReceiptRefusal::Running.into()),
            Found::OtherRequest => Err(ReceiptRefusal::Reused.into()),
        }
    }

    /// Keeps the answer to a request that changed nothing.
    ///
    /// # Errors
    /// What the store says.
    pub async fn keep_answer(&self, ticket: &Ticket, answer: &KeptAnswer) -> Result<()> {
        Ok(self.store.keep_answer(ticket, answer).await?)
    }

    /// Gives up the turn of a request that did not come to an answer worth keeping.
    ///
    /// # Errors
    /// What the store says.
    pub async fn give_turn_up(&self, ticket: &Ticket) -> Result<()> {
        Ok(self.store.drop_receipt(ticket).await?)
    }
}
