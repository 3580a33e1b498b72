//! What happens around every request: it gets an id (the client's own when that is harmless), every log line in between
//! carries it, the answer gets the headers that every answer has, one access line is written, and it is counted.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest};

use super::address::client_address;
use super::connections::UnderWay;
use super::public::{Lifecycle, Phase};
use super::rate_limit::Standing;
use super::shield::shield;
use crate::clock::{Ids, Stopwatch};
use crate::metrics::{Metrics, RouteMeter};
use crate::service::Origin;
use crate::telemetry;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REASON: HeaderName = HeaderName::from_static("x-audit-log-reason");
const MAX_REQUEST_ID: usize = 128;
const MAX_REASON: usize = 500;

/// What the surroundings of a request need; shared by all of them.
#[derive(Clone)]
pub struct Surroundings {
    /// For ids of requests that bring none.
    pub ids: Arc<dyn Ids>,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
    /// Whether the server is stopping.
    pub lifecycle: Arc<Lifecycle>,
    /// How many proxies of the operator's own stand in front.
    pub proxies: u8,
}

/// What is known of a request before anybody looks at it; kept with the request.
struct Surrounded {
    request_id: Arc<str>,
    address: Option<IpAddr>,
    standing: Option<Standing>,
}

/// Wraps every request.
///
/// # Errors
/// Those of the handler, unchanged; actix has made answers of them by then.
pub async fn surround(
    surroundings: Rc<Surroundings>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let request_id: Arc<str> = request_id(&request, surroundings.ids.as_ref()).into();
    let address = client_address(request.headers(), request.peer_addr(), surroundings.proxies);
    request.extensions_mut().insert(Surrounded { request_id: Arc::clone(&request_id), address, standing: None });
    telemetry::with_request_id(Arc::clone(&request_id), observed(&surroundings, &request_id, address, request, next))
        .await
}

async fn observed<B: MessageBody>(
    surroundings: &Surroundings,
    request_id: &str,
    address: Option<IpAddr>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let stopwatch = Stopwatch::start();
    let in_flight = surroundings.metrics.request_started();
    let under_way = UnderWay::begin(request.request());
    let mut response = next.call(request).await?;
    drop(in_flight);
    UnderWay::end(under_way, response.response().body().size());
    shield(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // Whatever the request came to after it was counted: a result, a refusal, an error.
    let standing = response.request().extensions().get::<Surrounded>().and_then(|known| known.standing);
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    if surroundings.lifecycle.phase() == Phase::Draining {
        // A client that keeps its connection would otherwise send its next request into a closing door.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let (status, elapsed) = (response.status().as_u16(), stopwatch.elapsed());
    let request = response.request();
    let method = counted_method(request.method());
    match request.app_data::<RouteMeter>() {
        Some(meter) => meter.request_finished(&surroundings.metrics, method, status, elapsed),
        // Never the path: a client must not be able to make new series by asking for new ones.
        None => surroundings.metrics.request_finished(method, "unknown", status, elapsed),
    }
    log::info!(
        target: "rolekeeper::access",
        method = request.method().as_str(), path = request.path(), status = status,
        micros = elapsed.as_micros() as u64, address:% = Shown(address);
        "request"
    );
    Ok(response)
}

/// An address, or what stands for none.
struct Shown(Option<IpAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// Where a request comes from, for the record.
pub(super) fn origin(request: &HttpRequest) -> Origin {
    let (request_id, address) = request
        .extensions()
        .get::<Surrounded>()
        .map_or_else(Default::default, |known| (known.request_id.to_string(), known.address));
    Origin {
        request_id,
        address: address.map(|address| address.to_string()),
        reason: reason(request.headers()),
        user_agent: user_agent(request.headers()),
    }
}

/// The client's address, as the access log has it.
pub(super) fn address(request: &HttpRequest) -> Option<IpAddr> {
    request.extensions().get::<Surrounded>()?.address
}

/// Leaves how the client stands on this route, to be told with the answer whatever it is.
pub(super) fn leave(request: &HttpRequest, standing: Standing) {
    if let Some(known) = request.extensions_mut().get_mut::<Surrounded>() {
        known.standing = Some(standing);
    }
}

fn request_id(request: &ServiceRequest, ids: &dyn Ids) -> String {
    let own = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |text: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !text.is_empty() && text.len() <= MAX_REQUEST_ID && text.bytes().all(plain)
    };
    own.filter(harmless).map_or_else(|| ids.request_id(), str::to_owned)
}

/// Byte by byte, as Rocket.Chat reads headers: it is compared, not shown.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let line = headers.get(USER_AGENT)?;
    // Of letters without accents both readings are the same, and one of them costs next to nothing.
    line.to_str().map(str::to_owned).ok().or_else(|| Some(line.as_bytes().iter().copied().map(char::from).collect()))
}

fn reason(headers: &HeaderMap) -> Option<String> {
    // People write reasons in their own language; what is not UTF-8 is shown as such instead of dropping the whole.
    let text = String::from_utf8_lossy(headers.get(REASON)?.as_bytes());
    let text: String = text.chars().filter(|character| !character.is_control()).take(MAX_REASON).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A client must not be able to make new series by inventing methods either.
pub(super) fn counted_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
