//! The one table from refusals to statuses, codes and texts. How a line of it is sent is in the parent module.

use serde_json::{Value, json};

use super::Cause;
use crate::domain::system_role::OWNER;
use crate::http::organizations::views::etag;
use crate::service::ServiceError;
use crate::service::error::{Attempt, OrganizationRefusal, Problem, ReceiptRefusal};

/// Seconds after which a client may try again when the store could not answer, or the same request is running.
const RETRY_AFTER_SECONDS: u32 = 1;

/// One line of the table.
pub(super) struct Line {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    system_message: Option<String>,
    pub(super) kind: &'static str,
    pub(super) details: Option<Value>,
    pub(super) retry_after: Option<u32>,
}

impl Line {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let kind = if status < 500 { "client_error" } else { "server_error" };
        Self { status, code, message: message.into(), system_message: None, kind, details: None, retry_after: None }
    }

    fn system(mut self, text: impl Into<String>) -> Self {
        self.system_message = Some(text.into());
        self
    }

    fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    fn validation(mut self) -> Self {
        self.kind = "validation_error";
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn system_message(&self) -> &str {
        self.system_message.as_deref().unwrap_or(&self.message)
    }
}

/// The line of a cause.
pub(super) fn line(cause: &Cause) -> Line {
    match cause {
        Cause::Service(error) => service(error),
        Cause::Again(_) => Line::new(200, "REPLAYED", "This request was answered before."),
        Cause::BodyTooLarge => Line::new(413, "BODY_TOO_LARGE", "The request is too large."),
        Cause::BodyTooSlow => Line::new(408, "BODY_TOO_SLOW", "The request took too long to arrive."),
        Cause::BodyCutShort => Line::new(400, "BODY_CUT_SHORT", "The request ended too early."),
        Cause::TooManyRequests { seconds } => {
            Line::new(429, "RATE_LIMITED", format!("Too many requests. Try again in {seconds} seconds."))
                .retry_after(*seconds)
        }
    }
}

fn service(error: &ServiceError) -> Line {
    match error {
        ServiceError::Organization(refusal) => refused(refusal),
        ServiceError::Receipt(refusal) => out_of_turn(*refusal),
        ServiceError::Unauthenticated => refused(&OrganizationRefusal::TokenInvalid),
        ServiceError::Unavailable(_) => {
            Line::new(503, "UNAVAILABLE", "The service cannot answer now. Try again shortly.")
                .retry_after(RETRY_AFTER_SECONDS)
        }
        // No use case of this surface refuses in the words of the other one.
        _ => Line::new(500, "INTERNAL_ERROR", "Something went wrong."),
    }
}

fn refused(refusal: &OrganizationRefusal) -> Line {
    match refusal {
        OrganizationRefusal::NoCredentials => Line::new(401, "AUTHENTICATION_REQUIRED", "Authentication is required.")
            .system("Send an access token as Authorization: Bearer <token> or as X-API-Key"),
        OrganizationRefusal::TokenInvalid => Line::new(401, "TOKEN_INVALID", "The access token is not valid.")
            .system("The token is unknown or was revoked"),
        OrganizationRefusal::TokenExpired => Line::new(401, "TOKEN_EXPIRED", "The access token has expired.")
            .system("The token is past its lifetime; log in again"),
        OrganizationRefusal::NotFound => Line::new(404, "ORGANIZATION_NOT_FOUND", "Organization not found.")
            .system("There is no such organization, or the caller is not a member of it"),
        OrganizationRefusal::Insufficient { required, missing } => {
            Line::new(403, "INSUFFICIENT_PERMISSIONS", "You do not have permission to do this.")
                .system(format!("The caller lacks: {}", missing.join(", ")))
                .details(json!({"required": required, "missing": missing}))
        }
        OrganizationRefusal::RoleNotFound(role) => {
            Line::new(404, "ROLE_NOT_FOUND", "Role not found.").details(json!({"role_id": role}))
        }
        OrganizationRefusal::NotHeld { role, user } => {
            Line::new(404, "ROLE_ASSIGNMENT_NOT_FOUND", "The user does not have this role.")
                .details(json!({"role_id": role, "user_id": user}))
        }
        OrganizationRefusal::AlreadyHeld { role, user } => {
            Line::new(409, "ROLE_ALREADY_ASSIGNED", "The user already has this role.")
                .details(json!({"role_id": role, "user_id": user}))
        }
        OrganizationRefusal::UserNotFound(user) => {
            Line::new(404, "USER_NOT_FOUND", "User not found.").details(json!({"user_id": user}))
        }
        OrganizationRefusal::AlreadyMember(user) => {
            Line::new(409, "USER_ALREADY_MEMBER", "The user is already a member of the organization.")
                .details(json!({"user_id": user}))
        }
        OrganizationRefusal::SystemRole { role, name, attempt } => {
            let system = match attempt {
                Attempt::Update => "System roles cannot be modified",
                Attempt::Delete => "System roles cannot be deleted",
            };
            Line::new(403, "SYSTEM_ROLE_IMMUTABLE", "System roles cannot be modified or deleted.")
                .system(system)
                .details(json!({"role_id": role, "role_name": name}))
        }
        OrganizationRefusal::RoleHasMembers { role, usage } => {
            let details = json!({"role_id": role, "member_count": usage.users, "members": usage.names});
            let text = "Cannot delete role with active members. Reassign members first.";
            Line::new(409, "ROLE_HAS_MEMBERS", text).details(details)
        }
        OrganizationRefusal::RoleNameTaken(name) => {
            Line::new(409, "ROLE_NAME_TAKEN", "A role with this name already exists.").details(json!({"name": name}))
        }
        other => refused_besides(other),
    }
}

fn refused_besides(refusal: &OrganizationRefusal) -> Line {
    match refusal {
        OrganizationRefusal::HasMembers { organization, members } => {
            let text = "Cannot delete an organization with other members. Remove them first.";
            Line::new(409, "ORGANIZATION_HAS_MEMBERS", text)
                .details(json!({"organization_id": organization, "member_count": members}))
        }
        OrganizationRefusal::OtherRevision(revision) => {
            Line::new(412, "PRECONDITION_FAILED", "It was changed in the meantime. Load it again.")
                .system("If-Match does not name the current ETag")
                .details(json!({"current": etag(*revision)}))
        }
        OrganizationRefusal::LastOwner { organization, user, .. } => {
            let text = "The last owner of an organization cannot be removed.";
            Line::new(422, "LAST_OWNER_CANNOT_BE_REMOVED", text)
                .validation()
                .details(json!({"user_id": user, "role_id": OWNER, "organization_id": organization}))
        }
        OrganizationRefusal::Invalid(problems) => invalid(problems),
        // All others stand in `refused`.
        _ => Line::new(500, "INTERNAL_ERROR", "Something went wrong."),
    }
}

fn invalid(problems: &[Problem]) -> Line {
    let fields: Vec<_> =
        problems.iter().map(|problem| json!({"field": problem.field, "problem": problem.problem})).collect();
    Line::new(422, "VALIDATION_ERROR", "The request is not valid.").validation().details(json!({"fields": fields}))
}

fn out_of_turn(refusal: ReceiptRefusal) -> Line {
    match refusal {
        ReceiptRefusal::InvalidKey => {
            invalid(&[Problem::new("Idempotency-Key", "must have 1 to 255 visible ASCII characters")])
        }
        ReceiptRefusal::Reused => Line::new(422, "IDEMPOTENCY_KEY_REUSED", "This key belongs to another request.")
            .system("Idempotency-Key was used for another request within the last 24 hours")
            .validation(),
        ReceiptRefusal::Running => {
            Line::new(409, "REQUEST_IN_PROGRESS", "The same request is being worked on. Try again shortly.")
                .system("A request with this Idempotency-Key is running")
                .retry_after(RETRY_AFTER_SECONDS)
        }
    }
}
