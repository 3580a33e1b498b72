//! A call that changes something, and may come again: with an `Idempotency-Key` its answer is kept in the transaction of
//! the change itself, and the same request under the same key gets that answer and changes nothing. Without the header
//! everything is as if there were no such thing.
//!
//! A handler gets to its [`Call`] only through [`Change::make`] or one of its sisters, each of which says what becomes of
//! the answer, and the table of routes takes only such handlers: a route that forgets it does not compile. What a receipt
//! means is in `domain::receipt`, the turns are in `turn`.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use serde::Serialize;

use super::turn::{Body, HeldTurn, IDEMPOTENCY_KEY, key_text};
use super::{Call, Gate, Guarded, Input, Nothing, Parameters, authenticate, gate};
use crate::domain::receipt::{Fingerprint, KeptAnswer, Pending, ReceiptKey, Ticket};
use crate::http::answer::{Answer, Empty, JSON, success_bytes, with_headers};
use crate::http::error::{ApiError, kept_secret};
use crate::http::requirement::{Access, Requirement};
use crate::service::Caller;

/// An authenticated, authorized request to change something.
pub struct Change<P, I = Nothing> {
    call: Call<P, I>,
    turn: Option<HeldTurn>,
}

/// What the table of routes asks of everything that changes something.
pub trait Changing {}

impl<P, I> Changing for (Change<P, I>,) {}

impl<P: Requirement, I: Input> Guarded for (Change<P, I>,) {
    const ACCESS: Access = <(Call<P, I>,) as Guarded>::ACCESS;
    const PARAMETERS: Parameters = <(Call<P, I>,) as Guarded>::PARAMETERS;
}

impl<P, I> Change<P, I> {
    /// Answers with the fields that `fields` makes of what comes of the change that `work` makes. A success is kept in
    /// the transaction of the change itself, a refusal, which changed nothing, afterwards.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn make<T, B, E>(
        self,
        fields: impl Fn(&T) -> B + Send + Sync + 'static,
        work: impl AsyncFnOnce(&Call<P, I>) -> Result<T, E>,
    ) -> Answer
    where
        T: 'static,
        B: Serialize,
        E: Into<ApiError>,
    {
        let fields = Arc::new(fields);
        let kept = Arc::clone(&fields);
        let pending =
            |ticket| Pending::new(ticket, move |outcome: &T| kept_success(&success_bytes(kept(outcome)).ok()?));
        self.carry_out(pending, work, |_, outcome| success_bytes(fields(outcome))).await
    }

    /// Answers `{"success":true}`, whatever comes of the change; else as [`Change::make`].
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn done<T, E>(self, work: impl AsyncFnOnce(&Call<P, I>) -> Result<T, E>) -> Answer
    where
        T: 'static,
        E: Into<ApiError>,
    {
        let pending = |ticket| match success_bytes(Empty {}).ok().and_then(|done| kept_success(&done)) {
            Some(answer) => Pending::of(ticket, answer),
            None => Pending::new(ticket, |(): &()| None),
        };
        self.carry_out(pending, work, |_, _| success_bytes(Empty {})).await
    }

    /// As [`Change::make`], where the answer shows what nobody else may ever see: in its place a refusal is kept that says
    /// that the change was made.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn make_secret<T, B, E>(
        self,
        fields: impl FnOnce(&Call<P, I>, &T) -> B,
        work: impl AsyncFnOnce(&Call<P, I>) -> Result<T, E>,
    ) -> Answer
    where
        T: 'static,
        B: Serialize,
        E: Into<ApiError>,
    {
        let pending = |ticket| Pending::of(ticket, kept_secret());
        self.carry_out(pending, work, |call, outcome| success_bytes(fields(call, outcome))).await
    }

    async fn carry_out<T, E>(
        self,
        pending: impl FnOnce(Ticket) -> Pending,
        work: impl AsyncFnOnce(&Call<P, I>) -> Result<T, E>,
        body: impl FnOnce(&Call<P, I>, &T) -> Result<Bytes, ApiError>,
    ) -> Answer
    where
        T: 'static,
        E: Into<ApiError>,
    {
        let Self { mut call, turn } = self;
        let held = turn.map(|turn| (pending(turn.ticket.clone()), turn));
        call.caller.receipt = held.as_ref().map(|(pending, _)| pending.clone());
        match work(&call).await {
            Ok(outcome) => {
                let body = body(&call, &outcome)?;
                if let Some((pending, turn)) = held {
                    turn.conclude(&pending, &outcome).await;
                }
                Ok(answered(body))
            }
            Err(error) => {
                let error = error.into();
                if let Some((_, turn)) = held.filter(|_| error.is_settled()) {
                    turn.keep(&error.to_kept()).await;
                }
                Err(error)
            }
        }
    }
}

fn answered(body: Bytes) -> HttpResponse {
    with_headers(StatusCode::OK).insert_header(JSON).body(body)
}

fn kept_success(body: &[u8]) -> Option<KeptAnswer> {
    let body = std::str::from_utf8(body).ok()?.to_owned();
    Some(KeptAnswer { status: StatusCode::OK.as_u16(), etag: None, content_type: None, body })
}

impl<P: Requirement, I: Input> FromRequest for Change<P, I> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut body) = (request.clone(), Body::new(request, payload.take()));
        Box::pin(async move {
            let gate = gate(&request)?;
            let (caller, token) = authenticate(&gate.services, &request).await?;
            let turn = take_turn::<I>(&gate, &request, &caller, &mut body).await?;
            let call = Call::admit(gate, caller, token, &request, &mut body).await?;
            Ok(Self { call, turn })
        })
    }
}

/// The turn of a request that comes with a key; a request that was here before ends with its answer. Whatever else is
/// checked was so the first time: his permission, which he may have lost with the very change, and his second factor.
async fn take_turn<I: Input>(
    gate: &web::Data<Gate>,
    request: &HttpRequest,
    caller: &Caller,
    body: &mut Body,
) -> Result<Option<HeldTurn>, ApiError> {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY).map(key_text) else { return Ok(None) };
    let uri = request.uri().to_string();
    // With the key, which is not kept: see [`ReceiptKey::sealed`].
    let parts = [key.as_bytes(), request.method().as_str().as_bytes(), uri.as_bytes(), body.read().await?];
    let fingerprint = Fingerprint::of(&parts);
    match HeldTurn::take(&gate.services, ReceiptKey::sealed(&caller.user.id, key), &fingerprint).await? {
        Ok(turn) => Ok(Some(turn)),
        Err(answer) => {
            gate.count::<I>(request, Some(caller)).await?;
            Err(ApiError::Again(answer))
        }
    }
}
