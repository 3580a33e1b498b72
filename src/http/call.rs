//! The one place that fixes the order of checks of a request (contract 1.6): who is it (401), may he (403), is the query
//! or body right (400, 413), is it not one request too many (429), has he shown his second factor where the route asks
//! for one (400); only then does a handler run.
//!
//! A handler names both the permission and the parameters in its signature, `Call<AccessPermissions, DeleteRole>`, and a
//! [`Call`] or a [`Visit`] is the only way to reach the services, so a handler that forgets its check does not compile.
//! What changes something takes a [`change::Change`], which is a `Call` that may come again. What each error looks like is
//! in `http::error`.
//!
//! Every route behind a `Call` or a `Visit` is limited in its rate, unless its parameters say otherwise, and no other is;
//! that is all of `/api/v1`. What was
//! refused before it came to be counted (401, 403, 400 of a query or body) uses nothing up and tells no rate, as in the
//! original: a client that is refused learns nothing of the workspace, its limits included.

pub mod change;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod organization;
mod turn;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::Method as Verb;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::turn::Body;
use super::context::{address, counted_method, leave, origin};
use super::error::ApiError;
use super::kept::KeptAnswers;
use super::rate_limit::{Key, RateLimiter};
use super::requirement::{Access, Requirement};
use super::rocketchat::body::{BodyProblem, MAX_BODY_BYTES, parse_body};
use super::rocketchat::query::parse_query;
use super::rocketchat::shape::{Shape, Source, fit};
use crate::clock::Clock;
use crate::domain::token::TokenText;
use crate::metrics::RouteMeter;
use crate::service::rates::Rate;
use crate::service::second_factor::{Code, Method, Shown, Strictness};
use crate::service::{Caller, Origin, ServiceError, Services};

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SECOND_FACTOR_CODE: HeaderName = HeaderName::from_static("x-2fa-code");
const SECOND_FACTOR_METHOD: HeaderName = HeaderName::from_static("x-2fa-method");

/// How long a body may take to arrive, unless the settings say otherwise. Without a limit, whoever sends one byte and
/// waits keeps a connection for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The services as the web server carries them; only this module can open it.
#[derive(Clone)]
pub struct Gate {
    services: Arc<Services>,
    site: Arc<str>,
    limiter: Arc<RateLimiter>,
    kept: Arc<KeptAnswers>,
    body_timeout: Duration,
}

impl Gate {
    /// Puts the services behind the gate. `site` is the address that links to this server begin with, without a slash
    /// at its end; `clock` tells when a client has waited long enough.
    pub fn new(services: Arc<Services>, site: String, clock: Arc<dyn Clock>) -> Self {
        let (site, limiter) = (site.into(), Arc::new(RateLimiter::new(clock)));
        Self { services, site, limiter, kept: Arc::default(), body_timeout: BODY_TIMEOUT }
    }

    /// With another limit to how long a body may take to arrive.
    #[must_use]
    pub fn with_body_timeout(self, body_timeout: Duration) -> Self {
        Self { body_timeout, ..self }
    }

    /// Counts the request, and leaves how its client stands now to be told with the answer. Somebody who bypasses the
    /// limit is not counted and told nothing, as in the original: numbers that hold for others would make him wait.
    async fn count<I: Input>(&self, request: &HttpRequest, caller: Option<&Caller>) -> Result<(), ApiError> {
        self.count_as(I::RATE, request, caller).await
    }

    async fn count_as(&self, rate: Rate, request: &HttpRequest, caller: Option<&Caller>) -> Result<(), ApiError> {
        let Some(quota) = self.services.quota(caller, rate).await? else { return Ok(()) };
        let standing = self.limiter.count(key(request), quota);
        leave(request, standing);
        standing.wait.map_or(Ok(()), |seconds| Err(ApiError::TooManyRequests { seconds }))
    }
}

/// What a route takes, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    /// The fields.
    pub shape: Shape,
    /// Where they come from.
    pub source: Source,
    /// The names of those that stand in the path, each a text.
    pub path: &'static [&'static str],
    /// Which limit the route has.
    pub rate: Rate,
    /// Whether it asks for a second factor.
    pub second_factor: bool,
    /// Makes the handler's own type of what was sent, for `fuzz/`.
    #[cfg(feature = "fuzzing")]
    pub accepts: fn(Value) -> Result<(), ApiError>,
}

impl Parameters {
    const fn of<I: Input>() -> Self {
        Self {
            shape: I::SHAPE,
            source: I::SOURCE,
            path: I::PATH,
            rate: I::RATE,
            second_factor: I::SECOND_FACTOR,
            #[cfg(feature = "fuzzing")]
            accepts: fuzzing::accepts::<I>,
        }
    }
}

/// What can be read from the signature of a handler.
pub trait Guarded {
    /// Who may call it.
    const ACCESS: Access;
    /// What it takes.
    const PARAMETERS: Parameters;
}

impl<P: Requirement, I: Input> Guarded for (Call<P, I>,) {
    const ACCESS: Access = Access::Accounts { any_of: P::ANY_OF, later: P::LATER };
    const PARAMETERS: Parameters = Parameters::of::<I>();
}

impl<I: Input> Guarded for (Visit<I>,) {
    const ACCESS: Access = Access::Everybody;
    const PARAMETERS: Parameters = Parameters::of::<I>();
}

/// The parameters of a route: what the client must send, and the type the handler gets.
pub trait Input: DeserializeOwned + 'static {
    /// What is accepted.
    const SHAPE: Shape;
    /// Where it comes from.
    const SOURCE: Source = Source::Body;

    /// The names of the parameters that stand in the path, as the table of routes has them in braces. The type has a
    /// text of each name; what was sent under that name does not count.
    const PATH: &'static [&'static str] = &[];

    /// Which limit the route has.
    const RATE: Rate = Rate::Ordinary;

    /// Whether the caller must show a second factor (contract 2.8); says nothing for a route that needs no account.
    const SECOND_FACTOR: bool = false;

    /// From whom it is wanted, where it is.
    fn strictness(&self) -> Strictness {
        Strictness::Lenient
    }

    /// The error for parameters that do not fit; `problem` is the validator's text.
    fn refusal(problem: String) -> ApiError {
        ApiError::Shape { source: Self::SOURCE, problem }
    }

    /// Makes the parameters from what was sent. The default is the way of every route but those whose contract has a
    /// form of its own.
    ///
    /// # Errors
    /// [`Input::refusal`] with the validator's text.
    fn accept(value: Value) -> Result<Self, ApiError> {
        Self::accept_at(Map::new(), value)
    }

    /// As [`Input::accept`], with what stood in the path.
    ///
    /// # Errors
    /// As [`Input::accept`].
    fn accept_at(place: Map<String, Value>, value: Value) -> Result<Self, ApiError> {
        let mut values = fit(&Self::SHAPE, value, Self::SOURCE).map_err(Self::refusal)?;
        values.extend(place);
        serde_json::from_value(Value::Object(values)).map_err(|error| {
            // `fit` lets only declared types through; a difference to the Rust type is a defect of the declaration.
            ServiceError::Internal(format!("the declared shape and the type differ: {error}")).into()
        })
    }
}

/// A route without parameters; whatever is sent is not read.
#[derive(Debug, serde::Deserialize)]
pub struct Nothing {}

impl Input for Nothing {
    const SHAPE: Shape = Shape::open(&[]);
    const SOURCE: Source = Source::Query;
}

/// An authenticated, authorized request with parameters of the right type.
pub struct Call<P, I = Nothing> {
    gate: web::Data<Gate>,
    /// Who is calling.
    pub caller: Caller,
    /// What he sent.
    pub input: I,
    token: TokenText,
    known: Option<HeaderValue>,
    rule: PhantomData<P>,
}

impl<P, I> Call<P, I> {
    /// The use cases.
    pub fn services(&self) -> &Services {
        &self.gate.services
    }

    /// The token of this request.
    pub const fn token(&self) -> &TokenText {
        &self.token
    }

    /// The answers that are kept for everybody.
    pub fn kept(&self) -> &KeptAnswers {
        &self.gate.kept
    }

    /// The tags of the answers that the client has already (`If-None-Match`).
    pub const fn known(&self) -> Option<&HeaderValue> {
        self.known.as_ref()
    }

    /// What links to this server begin with.
    pub fn site(&self) -> &str {
        &self.gate.site
    }
}

impl<P: Requirement, I: Input> FromRequest for Call<P, I> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut body) = (request.clone(), Body::new(request, payload.take()));
        Box::pin(async move {
            let gate = gate(&request)?;
            let (caller, token) = authenticate(&gate.services, &request).await?;
            Self::admit(gate, caller, token, &request, &mut body).await
        })
    }
}

impl<P: Requirement, I: Input> Call<P, I> {
    /// The checks that come after it is known who is calling.
    async fn admit(
        gate: web::Data<Gate>,
        caller: Caller,
        token: TokenText,
        request: &HttpRequest,
        body: &mut Body,
    ) -> Result<Self, ApiError> {
        authorize::<P>(&gate.services, &caller).await?;
        let input: I = read_input(request, body).await?;
        gate.count::<I>(request, Some(&caller)).await?;
        if I::SECOND_FACTOR {
            let shown = second_factor(request.headers());
            gate.services.require_second_factor(&caller, &shown, input.strictness()).await?;
        }
        let known = request.headers().get(IF_NONE_MATCH).cloned();
        Ok(Self { gate, caller, input, token, known, rule: PhantomData })
    }
}

/// A request to a route that needs no account, with parameters of the right type.
pub struct Visit<I = Nothing> {
    gate: web::Data<Gate>,
    /// Where it comes from.
    pub origin: Origin,
    /// What was sent.
    pub input: I,
    /// What the headers say of a second factor.
    pub second_factor: Shown,
    /// Who it is, when he sent credentials that count.
    pub caller: Option<Caller>,
}

impl<I> Visit<I> {
    /// The use cases.
    pub fn services(&self) -> &Services {
        &self.gate.services
    }

    /// What links to this server begin with.
    pub fn site(&self) -> &str {
        &self.gate.site
    }
}

impl<I: Input> FromRequest for Visit<I> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut body) = (request.clone(), Body::new(request, payload.take()));
        Box::pin(async move {
            let gate = gate(&request)?;
            let (origin, input) = (origin(&request), read_input(&request, &mut body).await?);
            let caller = recognize(&gate.services, &request).await?;
            gate.count::<I>(&request, caller.as_ref()).await?;
            Ok(Self { gate, origin, input, second_factor: second_factor(request.headers()), caller })
        })
    }
}

fn gate(request: &HttpRequest) -> Result<web::Data<Gate>, ApiError> {
    let gate = request.app_data::<web::Data<Gate>>().cloned();
    gate.ok_or_else(|| ServiceError::Internal("the services are not wired".to_owned()).into())
}

async fn authenticate(services: &Services, request: &HttpRequest) -> Result<(Caller, TokenText), ApiError> {
    let (user, token) = credentials(request.headers()).ok_or(ServiceError::Unauthenticated)?;
    Ok((services.authenticate(&user, &token, origin(request)).await?, token))
}

/// Who it is where nobody needs to be anybody: credentials that do not count are nobody's, not an error.
async fn recognize(services: &Services, request: &HttpRequest) -> Result<Option<Caller>, ApiError> {
    match authenticate(services, request).await {
        Ok((caller, _)) => Ok(Some(caller)),
        Err(ApiError::Service(ServiceError::Unauthenticated)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, TokenText)> {
    let (user, token) = (text(headers, USER_ID)?, text(headers, AUTH_TOKEN)?);
    Some((user.to_owned(), TokenText::new(token)))
}

fn second_factor(headers: &HeaderMap) -> Shown {
    Shown {
        code: text(headers, SECOND_FACTOR_CODE).and_then(Code::new),
        method: text(headers, SECOND_FACTOR_METHOD).and_then(Method::parse),
    }
}

async fn authorize<P: Requirement>(services: &Services, caller: &Caller) -> Result<(), ApiError> {
    if P::ANY_OF.is_empty() {
        return Ok(());
    }
    if services.is_allowed_any(caller, P::ANY_OF).await? { Ok(()) } else { Err(ServiceError::Forbidden.into()) }
}

async fn read_input<I: Input>(request: &HttpRequest, body: &mut Body) -> Result<I, ApiError> {
    let value = match I::SOURCE {
        Source::Query => Value::Object(parse_query(request.query_string())?),
        Source::Body => parse_body(text(request.headers(), CONTENT_TYPE), body.read().await?)?,
    };
    if I::PATH.is_empty() { I::accept(value) } else { I::accept_at(place(request, I::PATH), value) }
}

/// What stands in the path. The router leaves escapes of slashes and percent signs for the last to decode.
fn place(request: &HttpRequest, names: &[&str]) -> Map<String, Value> {
    let text = |name: &str| percent_decode_str(request.match_info().query(name)).decode_utf8_lossy().into_owned();
    names.iter().map(|name| ((*name).to_owned(), text(name).into())).collect()
}

async fn read_body(mut payload: Payload) -> Result<web::BytesMut, ApiError> {
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::BodyCutShort)?;
        if bytes.len() + chunk.len() >= MAX_BODY_BYTES {
            return Err(BodyProblem::TooLarge.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// `HEAD` is a `GET` without a body, not a second chance.
fn key(request: &HttpRequest) -> Key {
    let method = if request.method() == Verb::HEAD { &Verb::GET } else { request.method() };
    let route = request.app_data::<RouteMeter>().map_or("", RouteMeter::route);
    Key { client: address(request), method: counted_method(method), route }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}
