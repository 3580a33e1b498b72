//! The order of checks on the surface of organizations: who is it (401), has the same request been here before (its
//! answer again), may he (404, 403), is the query or body right (422), is it not one request too many (429); only then
//! does a handler run.
//!
//! A handler names the rule and the parameters in its signature, `Request<ManageRoles, CreateRole>`, and the [`Ask`] in it
//! is the only way to the services.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, IF_MATCH};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::turn::{Body, HeldTurn, IDEMPOTENCY_KEY, key_text};
use super::{Gate, gate, origin, text};
use crate::domain::organization::Precondition;
use crate::domain::receipt::{Fingerprint, KeptAnswer, Pending, ReceiptKey};
use crate::domain::token::TokenText;
use crate::http::organizations::body::{Field, Input, Source, read_body as parse_body, read_query};
use crate::http::organizations::error::{Cause, Failure, Form, Reply, Trace, respond};
use crate::http::organizations::rule::{Place as _, Rule, Who};
use crate::service::error::OrganizationRefusal;
use crate::service::rates::Rate;
use crate::service::{Caller, Result, ServiceError, Services};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What can be read from the signature of a handler of this surface.
pub trait Asked {
    /// Who may call it.
    const WHO: Who;
    /// What it takes.
    const FIELDS: &'static [Field];
    /// Where from.
    const SOURCE: Source;
    /// Makes the handler's own type of what was sent, for `fuzz/`.
    #[cfg(feature = "fuzzing")]
    const ACCEPTS: fn(Option<&str>, &[u8]) -> Result<()>;
}

impl<R: Rule, I: Input> Asked for (Request<R, I>,) {
    const WHO: Who = R::WHO;
    const FIELDS: &'static [Field] = I::FIELDS;
    const SOURCE: Source = I::SOURCE;
    #[cfg(feature = "fuzzing")]
    const ACCEPTS: fn(Option<&str>, &[u8]) -> Result<()> = super::fuzzing::organization_accepts::<I>;
}

/// A request that has passed all checks.
pub struct Request<R: Rule, I: Input> {
    /// Who asks, where, and the way to the services.
    pub ask: Ask<R>,
    /// What he sent.
    pub input: I,
}

/// Somebody who may, in his place.
pub struct Ask<R: Rule> {
    gate: web::Data<Gate>,
    trace: Trace,
    turn: Option<HeldTurn>,
    /// Which revision the request is meant for.
    pub expected: Precondition,
    /// Who is calling.
    pub caller: Caller,
    /// Where he stands.
    pub place: R::Place,
    /// The role that the path names, as the client wrote it.
    pub role: String,
    /// The user that the path names, as the client wrote him.
    pub user: String,
}

impl Gate {
    /// The use cases, for what goes on after a handler has returned.
    pub fn services(&self) -> &Services {
        &self.services
    }
}

impl<R: Rule> Ask<R> {
    /// The use cases.
    pub fn services(&self) -> &Services {
        &self.gate.services
    }

    /// As [`Ask::services`], for what goes on after the handler has returned.
    pub fn gate(&self) -> web::Data<Gate> {
        self.gate.clone()
    }

    /// What links to this server begin with.
    pub fn site(&self) -> &str {
        &self.gate.site
    }

    /// An error as the answer to this request.
    pub fn failure(&self, error: ServiceError) -> Failure {
        Failure { cause: error.into(), trace: self.trace.clone() }
    }

    /// Answers with what `work` finds.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn show(self, work: impl AsyncFnOnce(&Self) -> Result<KeptAnswer>) -> Reply {
        match work(&self).await {
            Ok(answer) => Ok(respond(&answer)),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Answers with what came of the change that `work` makes. When the client sent a key, the answer is kept: a success
    /// in the transaction of the change itself, a refusal, which changed nothing, afterwards.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn change<T: 'static>(
        mut self,
        render: impl Fn(&T) -> KeptAnswer + Send + Sync + 'static,
        work: impl AsyncFnOnce(&Self) -> Result<T>,
    ) -> Reply {
        let render = Arc::new(render);
        let kept = Arc::clone(&render);
        let pending = |ticket| Pending::new(ticket, move |outcome: &T| Some(kept(outcome)));
        let held = self.turn.take().map(|turn| (pending(turn.ticket.clone()), turn));
        self.caller.receipt = held.as_ref().map(|(pending, _)| pending.clone());
        match work(&self).await {
            Ok(outcome) => {
                if let Some((pending, turn)) = held {
                    turn.conclude(&pending, &outcome).await;
                }
                Ok(respond(&render(&outcome)))
            }
            Err(error) => {
                let failure = self.failure(error);
                let Some((_, turn)) = held.filter(|_| failure.is_settled()) else {
                    return Err(failure);
                };
                let answer = failure.answer();
                turn.keep(&answer).await;
                Ok(failure.respond_with(&answer))
            }
        }
    }
}

impl<R: Rule, I: Input> FromRequest for Request<R, I> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, std::result::Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let mut trace = trace(&request);
            let gate = match gate(&request) {
                Ok(gate) => gate,
                Err(error) => return Err(Failure { cause: error.into(), trace }),
            };
            trace.at = gate.services.now();
            match admit(gate, &request, payload, trace.clone()).await {
                Ok(admitted) => Ok(admitted),
                Err(cause) => Err(Failure { cause, trace }),
            }
        })
    }
}

async fn admit<R: Rule, I: Input>(
    gate: web::Data<Gate>,
    request: &HttpRequest,
    payload: Payload,
    trace: Trace,
) -> std::result::Result<Request<R, I>, Cause> {
    let caller = authenticate(&gate.services, request).await?;
    let mut body = Body::new(request, payload);
    let turn = take_turn(&gate, request, &caller, &mut body).await?;
    let place = enter::<R>(&gate.services, request, &caller).await?;
    let input = match I::SOURCE {
        Source::Query => read_query(request.query_string())?,
        Source::Body => {
            let content_type = text(request.headers(), CONTENT_TYPE);
            parse_body(content_type, body.read().await?)?
        }
    };
    gate.count_as(Rate::Ordinary, request, Some(&caller)).await?;
    let (role, user) = (in_path(request, "role_id"), in_path(request, "user_id"));
    let expected = expected(request.headers());
    Ok(Request { ask: Ask { gate, trace, turn, expected, caller, place, role, user }, input })
}

async fn authenticate(services: &Services, request: &HttpRequest) -> Result<Caller> {
    let token = token(request.headers()).ok_or(OrganizationRefusal::NoCredentials)?;
    services.authenticate_bearer(&token, origin(request)).await
}

pub(super) fn token(headers: &HeaderMap) -> Option<TokenText> {
    let bearer = text(headers, AUTHORIZATION).and_then(|line| {
        let (scheme, token) = line.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    bearer.filter(|token| !token.is_empty()).or_else(|| text(headers, API_KEY)).map(TokenText::new)
}

/// The turn of a request that comes with a key; a request that was here before ends with its answer.
async fn take_turn(
    gate: &web::Data<Gate>,
    request: &HttpRequest,
    caller: &Caller,
    body: &mut Body,
) -> std::result::Result<Option<HeldTurn>, Cause> {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    if ![Method::POST, Method::PATCH, Method::DELETE].contains(request.method()) {
        return Ok(None);
    }
    let fingerprint = fingerprint(request, body.read().await?);
    let key = ReceiptKey::parse(&caller.user.id, key_text(key));
    match HeldTurn::take(&gate.services, key, &fingerprint).await? {
        Ok(turn) => Ok(Some(turn)),
        Err(answer) => {
            gate.count_as(Rate::Ordinary, request, Some(caller)).await?;
            Err(Cause::Again(answer))
        }
    }
}

fn fingerprint(request: &HttpRequest, body: &[u8]) -> Fingerprint {
    let condition = request.headers().get(IF_MATCH).map_or(&b""[..], |value| value.as_bytes());
    let uri = request.uri().to_string();
    Fingerprint::of(&[request.method().as_str().as_bytes(), uri.as_bytes(), condition, body])
}

async fn enter<R: Rule>(services: &Services, request: &HttpRequest, caller: &Caller) -> Result<R::Place> {
    let seat = match R::WHO {
        Who::Account => None,
        Who::Permission(permission) => {
            services.require_permission(caller, permission).await?;
            None
        }
        Who::Member(need) => {
            let organization = in_path(request, "organization_id");
            let about = request.match_info().get("user_id");
            Some(services.take_seat(caller, &organization, need, about).await?)
        }
    };
    R::Place::of(seat).ok_or_else(|| ServiceError::Internal("a rule and its place differ".to_owned()))
}

fn in_path(request: &HttpRequest, name: &str) -> String {
    request.match_info().get(name).unwrap_or_default().to_owned()
}

/// `*` is any revision; a weak tag, or a text that is no tag, is none.
pub(super) fn expected(headers: &HeaderMap) -> Precondition {
    let mut lines = headers.get_all(IF_MATCH).peekable();
    if lines.peek().is_none() {
        return Precondition::None;
    }
    let mut revisions = Vec::new();
    for tag in lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim) {
        if tag == "*" {
            return Precondition::None;
        }
        let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        revisions.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Precondition::OneOf(revisions)
}

fn trace(request: &HttpRequest) -> Trace {
    let form = Form::wanted(request.headers());
    Trace { id: origin(request).request_id, at: crate::domain::time::Timestamp::EPOCH, form }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_api_key() {
        let found =
            |lines: &[(&'static str, &'static str)]| token(&headers(lines)).map(|token| token.expose().to_owned());
        assert_eq!(found(&[("authorization", "Bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(found(&[("authorization", "bearer  abc ")]).as_deref(), Some("abc"));
        assert_eq!(found(&[("x-api-key", "abc")]).as_deref(), Some("abc"));
        assert_eq!(found(&[("authorization", "Bearer abc"), ("x-api-key", "def")]).as_deref(), Some("abc"));
        assert_eq!(found(&[("authorization", "Basic abc"), ("x-api-key", "def")]).as_deref(), Some("def"));
        for none in [&[][..], &[("authorization", "abc")], &[("authorization", "Bearer ")], &[("x-api-key", "")]] {
            assert_eq!(found(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_condition_names_strong_tags() {
        let condition = |lines: &[(&'static str, &'static str)]| expected(&headers(lines));
        let one_of = |revisions: &[u64]| Precondition::OneOf(revisions.to_vec());
        assert_eq!(condition(&[]), Precondition::None);
        assert_eq!(condition(&[("if-match", "*")]), Precondition::None);
        assert_eq!(condition(&[("if-match", "\"3\"")]), one_of(&[3]));
        assert_eq!(condition(&[("if-match", "\"3\" , \"x\",W/\"5\""), ("if-match", "\"4\"")]), one_of(&[3, 4]));
        for nothing in ["", "3", "W/\"3\"", "\"-1\"", "\"3"] {
            assert_eq!(condition(&[("if-match", nothing)]), one_of(&[]), "{nothing}");
        }
    }
}
