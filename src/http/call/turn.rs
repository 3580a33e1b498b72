//! What both surfaces need to answer a request again that comes with a key: its body, which is read before it is known
//! what is asked, and the turn it takes. What a receipt means is in `domain::receipt`; in which order a surface checks is
//! in its own file.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use actix_web::{HttpRequest, web};

use super::{BODY_TIMEOUT, Gate, read_body};
use crate::domain::receipt::{Fingerprint, KeptAnswer, Pending, ReceiptKey, Ticket};
use crate::http::error::ApiError;
use crate::http::rocketchat::body::{BodyProblem, MAX_BODY_BYTES};
use crate::service::receipts::Turn;
use crate::service::{Result, ServiceError, Services};

/// The header that asks for a receipt.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Before each try to give a turn up.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(5)];

/// A key that is no text is refused like an empty one.
pub(super) fn key_text(key: &HeaderValue) -> &str {
    key.to_str().unwrap_or_default()
}

/// The body, read when it is first asked for.
pub(super) struct Body {
    payload: Option<Payload>,
    bytes: web::BytesMut,
    timeout: Duration,
    too_large: bool,
}

impl Body {
    pub(super) fn new(request: &HttpRequest, payload: Payload) -> Self {
        let timeout = request.app_data::<web::Data<Gate>>().map_or(BODY_TIMEOUT, |gate| gate.body_timeout);
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let too_large = length.is_some_and(|length| length >= MAX_BODY_BYTES);
        Self { payload: Some(payload), bytes: web::BytesMut::new(), timeout, too_large }
    }

    pub(super) async fn read(&mut self) -> std::result::Result<&[u8], ApiError> {
        // What is announced as too large is not waited for.
        if self.too_large {
            return Err(BodyProblem::TooLarge.into());
        }
        if let Some(payload) = self.payload.take() {
            let bytes = tokio::time::timeout(self.timeout, read_body(payload)).await;
            self.bytes = bytes.map_err(|_| ApiError::BodyTooSlow)??;
        }
        Ok(&self.bytes)
    }
}

/// The turn of a request with a key. Whatever way the request ends without an answer that is kept (a refusal on the way
/// in, a client that went away, a store that did not answer), the turn is given up.
pub(super) struct HeldTurn {
    services: Arc<Services>,
    /// What the answer is kept under.
    pub(super) ticket: Ticket,
    over: bool,
}

impl HeldTurn {
    /// Takes the turn, or finds what the same request got when it was here before.
    pub(super) async fn take(
        services: &Arc<Services>,
        key: Option<ReceiptKey>,
        request: &Fingerprint,
    ) -> Result<std::result::Result<Self, KeptAnswer>> {
        // Held before it is taken: a client that goes away meanwhile, or a store that does not answer, may leave it taken.
        let turn = Self { services: Arc::clone(services), ticket: services.ticket(key)?, over: false };
        match services.take_turn(&turn.ticket, request).await {
            Ok(Turn::Go) => Ok(Ok(turn)),
            Ok(Turn::Again(answer)) => {
                turn.end();
                Ok(Err(answer))
            }
            Err(refusal @ ServiceError::Receipt(_)) => {
                turn.end();
                Err(refusal)
            }
            Err(error) => Err(error),
        }
    }

    /// The request has succeeded. What left nothing on record, for there was nothing to change, is kept now.
    pub(super) async fn conclude<T: 'static>(self, pending: &Pending, outcome: &T) {
        if pending.is_written() {
            return self.end();
        }
        match pending.answer(outcome) {
            Ok(answer) => self.keep(&answer).await,
            Err(defect) => log::error!("an answer is not kept: {defect}"),
        }
    }

    /// Keeps the answer to a request that changed nothing.
    pub(super) async fn keep(self, answer: &KeptAnswer) {
        match self.services.keep_answer(&self.ticket, answer).await {
            Ok(()) => self.end(),
            // Asked again, the request is simply done again: it has changed nothing.
            Err(error) => log::warn!("an answer could not be kept: {error}"),
        }
    }

    /// The answer is kept.
    fn end(mut self) {
        self.over = true;
    }
}

impl Drop for HeldTurn {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.over {
            return;
        }
        let (services, ticket) = (Arc::clone(&self.services), self.ticket.clone());
        runtime.spawn(async move {
            // What a store could not do a moment ago it often can a moment later.
            for pause in PAUSES {
                tokio::time::sleep(pause).await;
                match services.give_turn_up(&ticket).await {
                    Ok(()) => return,
                    Err(error) => log::debug!("a key is still taken: {error}"),
                }
            }
            log::warn!("a key stays taken for a minute");
        });
    }
}
