//! The one table from errors to statuses, codes and texts, and the envelope they are sent in (contract 1.1 to 1.5).
//!
//! The lines of each family stand in a file of their own; what is here holds everywhere.
//!
//! Texts are wire values: clients compare them. What is for the log alone (a defect's description, the store's own
//! sentence) never reaches a client.

mod login;
mod organizations;
mod passwords;
mod permissions;
mod receipts;
mod roles;
mod room_changes;
mod rooms;
mod second_factor;
mod settings;
mod tokens;
mod users;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

use super::answer;
use super::rocketchat::body::BodyProblem;
use super::rocketchat::query::QueryProblem;
use super::rocketchat::shape::Source;
use crate::domain::receipt::KeptAnswer;
use crate::service::ServiceError;
use crate::service::error::ReceiptRefusal;

/// Seconds after which a client may try again when the store could not answer.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Why a custom field of an account or a room is refused.
const FIELD_NAMES: &str = "Names of custom fields must not be empty, begin with $, or contain a dot or a zero byte";

/// Everything a handler can answer instead of a result.
#[derive(Debug)]
pub enum ApiError {
    /// A use case refused.
    Service(ServiceError),
    /// The body cannot be read.
    Body(BodyProblem),
    /// The client stopped before the body was complete.
    BodyCutShort,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The query cannot be read.
    Query(QueryProblem),
    /// More requests than the client may send.
    TooManyRequests {
        /// How long to wait.
        seconds: u32,
    },
    /// The parameters do not fit; in the validator's words.
    Shape {
        /// Query or body.
        source: Source,
        /// The validator's text.
        problem: String,
    },
    /// The request was here before, and got this.
    Again(KeptAnswer),
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}
impl From<BodyProblem> for ApiError {
    fn from(problem: BodyProblem) -> Self {
        Self::Body(problem)
    }
}
impl From<QueryProblem> for ApiError {
    fn from(problem: QueryProblem) -> Self {
        Self::Query(problem)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Body(problem) => problem.fmt(f),
            Self::BodyCutShort => f.write_str("the body was cut short"),
            Self::BodyTooSlow => f.write_str("The request body took too long to arrive"),
            Self::Query(problem) => problem.fmt(f),
            Self::TooManyRequests { seconds } => write!(f, "too many requests; {seconds} seconds to wait"),
            Self::Shape { problem, .. } => f.write_str(problem),
            Self::Again(answer) => write!(f, "answered before, with {}", answer.status),
        }
    }
}

/// One line of the table.
struct Refusal {
    status: StatusCode,
    body: Value,
    retry_after: Option<u32>,
}

impl Refusal {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after: None }
    }

    /// `{"success":false,"error":<text>}`.
    fn plain(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, json!({"success": false, "error": text.into()}))
    }

    /// 400 with the text alone and no `errorType`, as a plain JavaScript error gives.
    fn text(text: impl Into<String>) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, text)
    }

    /// 400 as a thrown error of the original gives: `"<reason> [<code>]"`, without a reason `"[<code>]"` (1.2).
    fn thrown(reason: &str, code: &str) -> Self {
        let message = if reason.is_empty() { format!("[{code}]") } else { format!("{reason} [{code}]") };
        Self::typed(message, code)
    }

    /// 400 with a text that is sent as it is and an `errorType`.
    fn typed(text: impl Into<String>, error_type: &str) -> Self {
        let body = json!({"success": false, "error": text.into(), "errorType": error_type});
        Self::new(StatusCode::BAD_REQUEST, body)
    }

    /// 400 as a validator in front of the endpoint gives (1.5); note the order of the keys.
    fn validation(text: impl Into<String>, error_type: &str) -> Self {
        let body = json!({"success": false, "errorType": error_type, "error": text.into()});
        Self::new(StatusCode::BAD_REQUEST, body)
    }

    fn into_kept(self) -> KeptAnswer {
        KeptAnswer { status: self.status.as_u16(), etag: None, content_type: None, body: self.body.to_string() }
    }

    fn details(mut self, details: Value) -> Self {
        if let Value::Object(body) = &mut self.body {
            body.insert("details".to_owned(), details);
        }
        self
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Again(answer) => status_of(answer),
            error => refusal(error).status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Again(answer) = self {
            let mut response = answer::with_headers(status_of(answer));
            response.insert_header(answer::JSON).insert_header((REPLAYED, HeaderValue::from_static("true")));
            return response.body(answer.body.clone());
        }
        log_defect(self);
        let refusal = refusal(self);
        let mut response = answer::json(refusal.status, &refusal.body);
        if let Some(seconds) = refusal.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl ApiError {
    /// Whether the same request would be answered like this again unless something else changes first. Then it can be
    /// kept under the request's key.
    pub fn is_settled(&self) -> bool {
        let is_about_the_key =
            matches!(self, Self::Service(ServiceError::Receipt(ReceiptRefusal::Running | ReceiptRefusal::Reused)));
        !self.status_code().is_server_error() && !is_about_the_key
    }

    /// The answer as it is sent, to be kept.
    pub fn to_kept(&self) -> KeptAnswer {
        refusal(self).into_kept()
    }
}

/// What is kept of a success that showed a secret.
pub fn kept_secret() -> KeptAnswer {
    receipts::secret_shown().into_kept()
}

fn status_of(answer: &KeptAnswer) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn log_defect(error: &ApiError) {
    match error {
        ApiError::Service(ServiceError::Internal(text)) => log::error!("a request failed: {text}"),
        ApiError::Service(ServiceError::Unavailable(text)) => log::warn!("a request found the store away: {text}"),
        _ => {}
    }
}

/// What a client reads, for the description of the API.
pub(super) fn body_of(error: &ApiError) -> Value {
    refusal(error).body
}

fn refusal(error: &ApiError) -> Refusal {
    match error {
        ApiError::Service(error) => service(error),
        ApiError::Body(problem @ BodyProblem::TooLarge) => {
            Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, problem.to_string())
        }
        ApiError::Body(problem) => Refusal::validation(problem.to_string(), "invalid-params"),
        ApiError::Again(answer) => Refusal::plain(status_of(answer), ""),
        ApiError::BodyCutShort => Refusal::validation(error.to_string(), "invalid-params"),
        ApiError::BodyTooSlow => Refusal::plain(StatusCode::REQUEST_TIMEOUT, error.to_string()),
        ApiError::Query(_) => Refusal::text("Invalid query parameters"),
        ApiError::TooManyRequests { seconds } => too_many_requests(*seconds),
        ApiError::Shape { source: Source::Body, problem } => Refusal::validation(problem, "invalid-params"),
        ApiError::Shape { source: Source::Query, problem } => Refusal::validation(problem, "error-invalid-params"),
    }
}

/// Contract 3.
fn too_many_requests(seconds: u32) -> Refusal {
    let text = format!(
        "Error, too many requests. Please slow down. You must wait {seconds} seconds before trying this endpoint again. \
         [error-too-many-requests]"
    );
    Refusal { retry_after: Some(seconds), ..Refusal::plain(StatusCode::TOO_MANY_REQUESTS, text) }
}

fn service(error: &ServiceError) -> Refusal {
    match error {
        ServiceError::Unauthenticated => {
            let text = "You must be logged in to do this.";
            let body = json!({"success": false, "error": text, "status": "error", "message": text});
            Refusal::new(StatusCode::UNAUTHORIZED, body)
        }
        ServiceError::Forbidden => Refusal::plain(
            StatusCode::FORBIDDEN,
            "User does not have the permissions required for this action [error-unauthorized]",
        ),
        ServiceError::LoginRefused(refusal) => login::refused(refusal),
        ServiceError::SecondFactor(refusal) => second_factor::refused(refusal),
        ServiceError::Token(refusal) => tokens::refused(refusal),
        ServiceError::Role(refusal) => roles::refused(refusal),
        ServiceError::Permission(refusal) => permissions::refused(refusal),
        ServiceError::User(refusal) => users::refused(refusal),
        ServiceError::Registration(refusal) => users::registration_refused(refusal),
        ServiceError::Room(refusal) => rooms::refused(refusal),
        ServiceError::RoomChange(refusal) => room_changes::refused(refusal),
        ServiceError::Setting(refusal) => settings::refused(refusal),
        ServiceError::WeakPassword(weakness) => passwords::refused(weakness),
        ServiceError::Organization(refusal) => organizations::refused(refusal),
        ServiceError::Receipt(refusal) => receipts::refused(*refusal),
        ServiceError::PermissionsLockout => Refusal::thrown(
            "At least one active user must be able to administer permissions",
            "error-permissions-lockout",
        ),
        ServiceError::Unavailable(_) => Refusal {
            retry_after: Some(RETRY_AFTER_SECONDS),
            ..Refusal::plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        },
        ServiceError::Internal(_) => Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    }
}

/// Rocket.Chat escapes what it repeats of a client's text in these messages, because old clients show them as markup.
fn escape_markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            '`' => escaped.push_str("&#x60;"),
            other => escaped.push(other),
        }
    }
    escaped
}
