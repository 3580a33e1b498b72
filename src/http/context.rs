//! What happens around every request: it gets an id (the client's own when that is harmless), every log line in between
//! carries it, one access line is written when the answer is ready, and it is counted.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue, USER_AGENT};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};

use super::address::client_address;
use super::public::{Lifecycle, Phase};
use super::rate_limit::Standing;
use crate::clock::{Ids, Stopwatch};
use crate::metrics::Metrics;
use crate::service::Origin;
use crate::telemetry;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REASON: &str = "x-audit-log-reason";
const MAX_REQUEST_ID: usize = 128;
const MAX_REASON: usize = 500;

/// What the surroundings of a request need; shared by all of them.
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

/// Wraps every request.
///
/// # Errors
/// Those of the handler, unchanged; actix has made answers of them by then.
pub async fn surround(
    surroundings: web::Data<Surroundings>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = request_id(&request, surroundings.ids.as_ref());
    let address = client_address(request.headers(), request.peer_addr(), surroundings.proxies);
    let address = address.map(|address| address.to_string());
    let origin = Origin {
        request_id: id.clone(),
        address: address.clone(),
        reason: reason(&request),
        user_agent: user_agent(&request),
    };
    request.extensions_mut().insert(origin);
    let address = address.unwrap_or_else(|| "-".to_owned());
    telemetry::with_request_id(id.clone(), observed(&surroundings, id, address, request, next)).await
}

async fn observed<B: MessageBody>(
    surroundings: &Surroundings,
    id: String,
    address: String,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let stopwatch = Stopwatch::start();
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let in_flight = surroundings.metrics.request_started();
    let mut response = next.call(request).await?;
    drop(in_flight);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // Whatever the request came to after it was counted: a result, a refusal, an error.
    let standing = response.request().extensions().get::<Standing>().copied();
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    if surroundings.lifecycle.phase() == Phase::Draining {
        // A client that keeps its connection would otherwise send its next request into a closing door.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let (status, elapsed) = (response.status().as_u16(), stopwatch.elapsed());
    // The pattern, not the path: a client must not be able to make new series by asking for new paths.
    let route = response.request().match_pattern().unwrap_or_else(|| "unknown".to_owned());
    surroundings.metrics.request_finished(counted_method(&method), &route, status, elapsed);
    log::info!(
        target: "rolekeeper::access",
        method = method.as_str(), path = path.as_str(), status = status,
        micros = elapsed.as_micros() as u64, address = address.as_str();
        "request"
    );
    Ok(response)
}

fn request_id(request: &ServiceRequest, ids: &dyn Ids) -> String {
    let own = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |text: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !text.is_empty() && text.len() <= MAX_REQUEST_ID && text.bytes().all(plain)
    };
    own.filter(harmless).map_or_else(|| ids.object_id(), str::to_owned)
}

/// Byte by byte, as Rocket.Chat reads headers: it is compared, not shown.
fn user_agent(request: &ServiceRequest) -> Option<String> {
    Some(request.headers().get(USER_AGENT)?.as_bytes().iter().copied().map(char::from).collect())
}

fn reason(request: &ServiceRequest) -> Option<String> {
    // People write reasons in their own language; what is not UTF-8 is shown as such instead of dropping the whole.
    let text = String::from_utf8_lossy(request.headers().get(REASON)?.as_bytes());
    let text: String = text.chars().filter(|character| !character.is_control()).take(MAX_REASON).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A client must not be able to make new series by inventing methods either.
fn counted_method(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "other",
    }
}
