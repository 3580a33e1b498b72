//! How an answer leaves the Rocket.Chat surface: `application/json` without a charset, nothing cached, `success` last
//! (contract 1.1 and 1.9).

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::error::ApiError;
use crate::service::ServiceError;

/// What every handler returns.
pub type Answer = Result<HttpResponse, ApiError>;

#[derive(Serialize)]
struct Success<T> {
    #[serde(flatten)]
    body: T,
    success: bool,
}

/// An object without fields of its own: `{"success":true}`.
#[derive(Serialize)]
pub struct Empty {}

/// 200 with the fields of `body` and `"success":true` behind them.
pub fn success(body: impl Serialize) -> HttpResponse {
    json(StatusCode::OK, &Success { body, success: true })
}

/// The bytes that [`success`] would send.
///
/// # Errors
/// As [`unwritable`].
pub fn success_bytes(body: impl Serialize) -> Result<Bytes, ApiError> {
    let written = serde_json::to_vec(&Success { body, success: true });
    written.map(Bytes::from).map_err(|error| unwritable(&error))
}

/// 200 with what [`success_bytes`] has written.
pub fn success_of(body: Bytes) -> HttpResponse {
    with_headers(StatusCode::OK).insert_header(JSON).body(body)
}

/// A status with a body, without anything added.
pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => with_headers(status).insert_header(JSON).body(bytes),
        Err(error) => HttpResponse::from_error(unwritable(&error)),
    }
}

/// The type of every answer of this surface.
pub const JSON: (HeaderName, HeaderValue) = (CONTENT_TYPE, HeaderValue::from_static("application/json"));

/// A status with what every answer of this surface says in its headers.
pub fn with_headers(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((PRAGMA, HeaderValue::from_static("no-cache")));
    answer
}

/// Only a map with keys that are no texts could fail to be written; none of our types has one.
pub fn unwritable(error: &impl std::fmt::Display) -> ApiError {
    ServiceError::Internal(error.to_string()).into()
}
