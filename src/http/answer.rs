//! How an answer leaves the Rocket.Chat surface: `application/json` without a charset, nothing cached, `success` last
//! (contract 1.1 and 1.9).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
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

/// A status with a body, without anything added.
pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, "application/json"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((PRAGMA, "no-cache"))
            .body(bytes),
        // Only a map with keys that are no texts could fail; none of our types has one.
        Err(error) => HttpResponse::from_error(ApiError::from(ServiceError::Internal(error.to_string()))),
    }
}
