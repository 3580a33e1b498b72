//! What the surface of organizations answers instead of a result, and the two envelopes it is sent in: the surface's own,
//! and `application/problem+json` for whoever asks for it. Which refusal has which status, code and text is in `table`.

mod table;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use self::table::{Line, line};
use crate::domain::receipt::KeptAnswer;
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::http::rocketchat::body::BodyProblem;
use crate::service::ServiceError;
use crate::service::error::{OrganizationRefusal, ReceiptRefusal};

const PROBLEM: &str = "application/problem+json";

/// What a handler returns.
pub type Reply = Result<HttpResponse, Failure>;

/// What an error says of the request that it answers.
#[derive(Debug, Clone)]
pub struct Trace {
    /// `X-Request-Id`.
    pub id: String,
    /// When it was refused.
    pub at: Timestamp,
    /// In which form.
    pub form: Form,
}

/// The form of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The surface's own.
    Envelope,
    /// RFC 9457.
    Problem,
}

impl Form {
    /// The form that a client asks for.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let mut types = headers.get_all(ACCEPT).filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        let is_problem = |text: &str| {
            let mut parts = text.split(';').map(str::trim);
            let named = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(PROBLEM));
            named && parts.all(|part| !is_zero_weight(part))
        };
        if types.any(is_problem) { Self::Problem } else { Self::Envelope }
    }
}

fn is_zero_weight(part: &str) -> bool {
    let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
    weight.and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
}

/// Why there is no result.
#[derive(Debug)]
pub enum Cause {
    /// A use case refused.
    Service(ServiceError),
    /// The request was here before, and got this.
    Again(KeptAnswer),
    /// The body is longer than is read.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The client stopped before the body was complete.
    BodyCutShort,
    /// More requests than the client may send.
    TooManyRequests {
        /// How long to wait.
        seconds: u32,
    },
}

impl From<ServiceError> for Cause {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<OrganizationRefusal> for Cause {
    fn from(refusal: OrganizationRefusal) -> Self {
        Self::Service(refusal.into())
    }
}

/// What is common to both surfaces is done by the same code, which speaks the other one's language.
impl From<ApiError> for Cause {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Service(error) => Self::Service(error),
            ApiError::Body(BodyProblem::TooLarge) => Self::BodyTooLarge,
            ApiError::BodyTooSlow => Self::BodyTooSlow,
            ApiError::BodyCutShort => Self::BodyCutShort,
            ApiError::TooManyRequests { seconds } => Self::TooManyRequests { seconds },
            ApiError::Again(answer) => Self::Again(answer),
            ApiError::Body(_) | ApiError::Query(_) | ApiError::Shape { .. } => {
                Self::Service(ServiceError::Internal("a check of the other surface was made".to_owned()))
            }
        }
    }
}

/// Everything a handler can answer instead of a result.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// Of which request.
    pub trace: Trace,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", line(&self.cause).code)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        let status = match &self.cause {
            Cause::Again(answer) => answer.status,
            cause => line(cause).status,
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if let Cause::Again(answer) = &self.cause {
            let mut response = respond(answer);
            let replayed = actix_web::http::header::HeaderName::from_static("idempotency-replayed");
            response.headers_mut().insert(replayed, HeaderValue::from_static("true"));
            return response;
        }
        log_defect(&self.cause);
        self.respond_with(&self.answer())
    }
}

impl Failure {
    /// The answer as it is sent, and may be kept.
    pub fn answer(&self) -> KeptAnswer {
        let line = line(&self.cause);
        let (content_type, body) = match self.trace.form {
            Form::Envelope => ("application/json", line.envelope(&self.trace)),
            Form::Problem => (PROBLEM, line.problem(&self.trace)),
        };
        let content_type = Some(content_type.to_owned());
        KeptAnswer { status: line.status, etag: None, content_type, body: body.to_string() }
    }

    /// Sends an answer that [`Failure::answer`] made, with the headers that go with its status.
    pub fn respond_with(&self, answer: &KeptAnswer) -> HttpResponse {
        let mut response = respond(answer);
        if let Some(seconds) = line(&self.cause).retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if answer.status == 401 {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// Whether the same request would be answered like this again unless something else changes first.
    pub fn is_settled(&self) -> bool {
        let running = matches!(
            self.cause,
            Cause::Service(ServiceError::Receipt(ReceiptRefusal::Running | ReceiptRefusal::Reused))
        );
        line(&self.cause).status < 500 && !running
    }
}

/// How a refusal looks to a client, for the description of the API.
pub struct Sample {
    /// Its status.
    pub status: u16,
    /// Its code.
    pub code: &'static str,
    /// The whole envelope.
    pub body: Value,
}

impl Sample {
    /// The sample of a cause.
    pub fn of(cause: Cause) -> Self {
        let id = "7f9c2ba4-e88f-4271-a7d8-3f5b1c9e6a10".to_owned();
        let trace = Trace { id, at: Timestamp::EPOCH, form: Form::Envelope };
        let line = line(&cause);
        Self { status: line.status, code: line.code, body: line.envelope(&trace) }
    }
}

/// Sends an answer as it is.
pub fn respond(answer: &KeptAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header(("Cache-Control", "no-store"));
    if let Some(etag) = &answer.etag {
        response.insert_header(("ETag", etag.as_str()));
    }
    match &answer.content_type {
        Some(content_type) => response.insert_header(("Content-Type", content_type.as_str())).body(answer.body.clone()),
        None => response.finish(),
    }
}

/// Writes what is for the operator alone into the log.
pub fn log_defect(cause: &Cause) {
    match cause {
        Cause::Service(ServiceError::Internal(text)) => log::error!("a request failed: {text}"),
        Cause::Service(ServiceError::Unavailable(text)) => log::warn!("a request found the store away: {text}"),
        _ => {}
    }
}

/// The two envelopes.
impl Line {
    fn envelope(&self, trace: &Trace) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), self.code.into());
        error.insert("message".to_owned(), self.message.as_str().into());
        error.insert("system_message".to_owned(), self.system_message().into());
        error.insert("type".to_owned(), self.kind.into());
        error.insert("status".to_owned(), self.status.into());
        self.put_circumstances(&mut error, trace);
        json!({"success": false, "error": error})
    }

    fn problem(&self, trace: &Trace) -> Value {
        let mut problem = Map::new();
        let name = self.code.to_ascii_lowercase().replace('_', "-");
        problem.insert("type".to_owned(), format!("urn:rolekeeper:error:{name}").into());
        problem.insert("title".to_owned(), self.message.as_str().into());
        problem.insert("status".to_owned(), self.status.into());
        problem.insert("detail".to_owned(), self.system_message().into());
        problem.insert("code".to_owned(), self.code.into());
        self.put_circumstances(&mut problem, trace);
        Value::Object(problem)
    }

    fn put_circumstances(&self, object: &mut Map<String, Value>, trace: &Trace) {
        if let Some(details) = &self.details {
            object.insert("details".to_owned(), details.clone());
        }
        object.insert("trace_id".to_owned(), trace.id.as_str().into());
        object.insert("timestamp".to_owned(), to_the_second(trace.at).into());
    }
}

/// `2026-02-28T12:00:00Z`.
fn to_the_second(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::role::RoleUsage;
    use crate::service::error::Attempt;

    fn failure(refusal: OrganizationRefusal, form: Form) -> Value {
        let trace = Trace { id: "abc-123-def".to_owned(), at: Timestamp::from_millis(1_772_280_000_789), form };
        let answer = Failure { cause: refusal.into(), trace }.answer();
        serde_json::from_str(&answer.body).unwrap()
    }

    #[test]
    fn the_two_refusals_of_the_published_page_are_as_published() {
        let role = "role_admin123".to_owned();
        let refusal = OrganizationRefusal::SystemRole { role, name: "Admin", attempt: Attempt::Delete };
        assert_eq!(
            failure(refusal, Form::Envelope),
            json!({
                "success": false,
                "error": {
                    "code": "SYSTEM_ROLE_IMMUTABLE",
                    "message": "System roles cannot be modified or deleted.",
                    "system_message": "System roles cannot be deleted",
                    "type": "client_error",
                    "status": 403,
                    "details": {"role_id": "role_admin123", "role_name": "Admin"},
                    "trace_id": "abc-123-def",
                    "timestamp": "2026-02-28T12:00:00Z",
                },
            })
        );
        let usage = RoleUsage { users: 5, rooms: 0, names: vec!["ann".to_owned()] };
        let refusal = OrganizationRefusal::RoleHasMembers { role: "role_xyz789".to_owned(), usage };
        let text = "Cannot delete role with active members. Reassign members first.";
        assert_eq!(
            failure(refusal, Form::Envelope)["error"],
            json!({
                "code": "ROLE_HAS_MEMBERS",
                "message": text,
                "system_message": text,
                "type": "client_error",
                "status": 409,
                "details": {"role_id": "role_xyz789", "member_count": 5, "members": ["ann"]},
                "trace_id": "abc-123-def",
                "timestamp": "2026-02-28T12:00:00Z",
            })
        );
    }

    #[test]
    fn a_problem_says_the_same_in_its_form() {
        let problem = failure(OrganizationRefusal::OtherRevision(7), Form::Problem);
        assert_eq!(problem["type"], "urn:rolekeeper:error:precondition-failed");
        assert_eq!((&problem["status"], &problem["code"]), (&json!(412), &json!("PRECONDITION_FAILED")));
        assert_eq!(problem["details"], json!({"current": "\"7\""}));
        assert_eq!(problem["trace_id"], "abc-123-def");
    }

    #[test]
    fn a_problem_is_sent_to_whoever_asks_for_it_alone() {
        let form = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            Form::wanted(&headers)
        };
        for accept in ["application/problem+json", "application/json, Application/Problem+JSON;q=0.5"] {
            assert_eq!(form(accept), Form::Problem, "{accept}");
        }
        for accept in ["*/*", "application/*", "application/json", "application/problem+json;q=0", ""] {
            assert_eq!(form(accept), Form::Envelope, "{accept}");
        }
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Envelope);
    }
}
