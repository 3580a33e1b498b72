//! The readers of headers, and of parameters as each handler takes them, for `fuzz/` alone: they are private, because a
//! [`Call`](super::Call) is the only way in, and stay so in every build without the feature `fuzzing`. Nothing is done
//! here but to call them.

use actix_web::http::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::{Input, organization, turn};
use crate::domain::organization::Precondition;
use crate::domain::token::TokenText;
use crate::http::error::ApiError;
use crate::http::organizations::body::{Input as Accepted, Source, read_body, read_query};
use crate::service::second_factor::Shown;
use crate::service::{Result, ServiceError};

/// The account and the token of a request to `/api/v1`.
pub fn credentials(headers: &HeaderMap) -> Option<(String, TokenText)> {
    super::credentials(headers)
}

/// The second factor of a request to `/api/v1`.
pub fn second_factor(headers: &HeaderMap) -> Shown {
    super::second_factor(headers)
}

/// The token of a request to `/v1`.
pub fn bearer(headers: &HeaderMap) -> Option<TokenText> {
    organization::token(headers)
}

/// What a request to `/v1` expects of what it changes.
pub fn precondition(headers: &HeaderMap) -> Precondition {
    organization::expected(headers)
}

/// The text of an `Idempotency-Key`.
pub fn key_text(key: &HeaderValue) -> &str {
    turn::key_text(key)
}

pub(super) fn accepts<I: Input>(value: Value) -> std::result::Result<(), ApiError> {
    // A name in the path is any text; what was sent under it does not count.
    let place = I::PATH.iter().map(|name| ((*name).to_owned(), Value::from("a"))).collect();
    if I::PATH.is_empty() { I::accept(value).map(drop) } else { I::accept_at(place, value).map(drop) }
}

pub(super) fn organization_accepts<I: Accepted>(content_type: Option<&str>, bytes: &[u8]) -> Result<()> {
    match I::SOURCE {
        Source::Body => read_body::<I>(content_type, bytes).map(drop),
        Source::Query => {
            let query = std::str::from_utf8(bytes).map_err(|_| ServiceError::Unauthenticated)?;
            read_query::<I>(query).map(drop)
        }
    }
}
