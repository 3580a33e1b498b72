//! The one table from errors to statuses, codes and texts, and the envelope they are sent in (contract 1.1 to 1.5).
//!
//! Texts are wire values: clients compare them. What is for the log alone (a defect's description, the store's own
//! sentence) never reaches a client.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use super::answer;
use super::rocketchat::body::BodyProblem;
use super::rocketchat::query::QueryProblem;
use super::rocketchat::shape::Source;
use crate::service::ServiceError;
use crate::service::error::{
    Late, LoginRefusal, PermissionRefusal, RegistrationRefusal, RoleRefusal, RoomRefusal, UserRefusal,
};

/// Seconds after which a client may try again when the store could not answer.
const RETRY_AFTER_SECONDS: u32 = 1;

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

    fn details(mut self, details: Value) -> Self {
        if let Value::Object(body) = &mut self.body {
            body.insert("details".to_owned(), details);
        }
        self
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        refusal(self).status
    }

    fn error_response(&self) -> HttpResponse {
        log_defect(self);
        let refusal = refusal(self);
        let mut response = answer::json(refusal.status, &refusal.body);
        if let Some(seconds) = refusal.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn log_defect(error: &ApiError) {
    match error {
        ApiError::Service(ServiceError::Internal(text)) => log::error!("a request failed: {text}"),
        ApiError::Service(ServiceError::Unavailable(text)) => log::warn!("a request found the store away: {text}"),
        _ => {}
    }
}

fn refusal(error: &ApiError) -> Refusal {
    match error {
        ApiError::Service(error) => service(error),
        ApiError::Body(problem @ BodyProblem::TooLarge) => {
            Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, problem.to_string())
        }
        ApiError::Body(problem) => Refusal::validation(problem.to_string(), "invalid-params"),
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
        ServiceError::LoginRefused(refusal) => login(refusal),
        ServiceError::Role(refusal) => role(refusal),
        ServiceError::Permission(refusal) => permission(refusal),
        ServiceError::User(refusal) => user(refusal),
        ServiceError::Registration(refusal) => registration(refusal),
        ServiceError::Room(refusal) => room(refusal),
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

/// Contract 2.5.
fn login(refusal: &LoginRefusal) -> Refusal {
    let attempt = || Some(json!({"function": "Accounts.validateLoginAttempt"}));
    let (code, details, message) = match refusal {
        LoginRefusal::WrongCredentials => ("Unauthorized", None, "Unauthorized"),
        LoginRefusal::Deactivated => ("error-user-is-not-activated", attempt(), "User is not activated"),
        LoginRefusal::AppAccount => {
            ("error-app-user-is-not-allowed-to-login", attempt(), "App user is not allowed to login")
        }
        LoginRefusal::NoRoles => ("error-user-has-no-roles", attempt(), "User has no roles"),
        LoginRefusal::UnverifiedEmail => ("error-invalid-email", None, "Invalid email __email__"),
        LoginRefusal::SecondFactorRequired { method, available } => {
            let details = json!({"method": method, "codeGenerated": false, "availableMethods": available});
            ("totp-required", Some(details), "TOTP Required")
        }
    };
    let mut body = Map::new();
    body.insert("success".into(), false.into());
    body.insert("error".into(), code.into());
    body.insert("status".into(), "error".into());
    if let Some(details) = details {
        body.insert("details".into(), details);
    }
    body.insert("message".into(), message.into());
    Refusal::new(StatusCode::UNAUTHORIZED, Value::Object(body))
}

/// Contract 4.
fn role(refusal: &RoleRefusal) -> Refusal {
    match refusal {
        RoleRefusal::NotFound => Refusal::thrown("This role does not exist", "error-invalid-roleId"),
        RoleRefusal::NotNamed => Refusal::text("error-invalid-role-properties"),
        // The two values are swapped in the original, and clients compare them.
        RoleRefusal::ToAssignNotFound => Refusal::typed("error-role-not-found", "Role not found"),
        RoleRefusal::OfHoldersNotNamed => {
            Refusal::thrown("Query param \"role\" is required", "error-param-not-provided")
        }
        RoleRefusal::OfHoldersNotFound => Refusal::thrown("", "error-invalid-roleId"),
        RoleRefusal::Undeletable => Refusal::thrown("Cannot delete a protected role", "error-role-protected"),
        RoleRefusal::Immutable => Refusal::thrown("Role is protected", "error-role-protected"),
        RoleRefusal::InUse(usage) => {
            Refusal::thrown("Cannot delete role because it's in use", "error-role-in-use").details(json!(usage))
        }
        RoleRefusal::NameTaken => Refusal::thrown("Role name already exists", "error-duplicate-role-names-not-allowed"),
        RoleRefusal::InvalidProperties => {
            Refusal::thrown("The role properties are invalid.", "error-invalid-role-properties")
        }
        RoleRefusal::AccessNotAllowed(late) => {
            action_not_allowed("Accessing permissions is not allowed", *late, "Accessing_permissions")
        }
        RoleRefusal::AssigningAdminNotAllowed(late) => {
            action_not_allowed("Assigning admin is not allowed", *late, "Assign_admin")
        }
        RoleRefusal::AlreadyHeld => Refusal::thrown("User already in role", "error-user-already-in-role"),
        RoleRefusal::NotHeld => Refusal::thrown("User is not in this role", "error-user-not-in-role"),
        RoleRefusal::NotInRoom => Refusal::thrown("User is not part of given room", "error-invalid-user"),
        RoleRefusal::LastAdministrator { holders } => {
            let details = json!({"users": holders.len(), "names": holders});
            Refusal::thrown("You need to have at least one admin", "error-admin-required").details(details)
        }
        RoleRefusal::HoldersInRoomNotAllowed => Refusal::thrown("Not allowed", "error-not-allowed"),
        RoleRefusal::InvalidUpdatedSince => {
            Refusal::thrown("updatedSince must be a valid date string", "error-invalid-param")
        }
    }
}

fn action_not_allowed(reason: &str, late: Late, action: &str) -> Refusal {
    let refusal = Refusal::thrown(reason, "error-action-not-allowed");
    match late {
        Late::CreateRole | Late::UpdateRole => refusal,
        Late::AssignRole => refusal.details(json!({"method": "authorization:addUserToRole", "action": action})),
        Late::CreateUser => refusal.details(json!({"method": "insertOrUpdateUser", "action": action})),
    }
}

/// Contract 5.
fn permission(refusal: &PermissionRefusal) -> Refusal {
    match refusal {
        PermissionRefusal::Unknown => Refusal::typed("Invalid permission", "error-invalid-permission"),
        PermissionRefusal::UnknownRole(_) => Refusal::typed("Invalid role", "error-invalid-role"),
        PermissionRefusal::ToGrantUnknown => {
            Refusal::thrown("Permission does not exist", "error-invalid-permission").details(granting())
        }
        PermissionRefusal::ToGrantUnknownRole => {
            Refusal::thrown("Role does not exist", "error-invalid-role").details(granting())
        }
        PermissionRefusal::GrantingNotAllowed => {
            Refusal::thrown("Adding permission is not allowed", "error-action-not-allowed").details(granting())
        }
        PermissionRefusal::ToRevokeUnknown => Refusal::thrown("Permission not found", "error-permission-not-found"),
        PermissionRefusal::RevokingNotAllowed => {
            Refusal::thrown("Removing permission is not allowed", "error-action-not-allowed")
                .details(json!({"method": "authorization:removeRoleFromPermission", "action": "Removing_permission"}))
        }
        // The odd code is the original's.
        PermissionRefusal::InvalidUpdatedSince => {
            Refusal::thrown("The \"updatedSince\" query parameter must be a valid date.", "error-roomId-param-invalid")
        }
    }
}

/// What the original tells of every refusal to grant a permission.
fn granting() -> Value {
    json!({"method": "authorization:addPermissionToRole", "action": "Adding_permission"})
}

/// Contract 9.
fn user(refusal: &UserRefusal) -> Refusal {
    let saving = |key: &str, value: &str| json!({"method": "insertOrUpdateUser", key: value});
    match refusal {
        UserRefusal::NotNamed => Refusal::thrown(
            "The required \"userId\" or \"username\" param was not provided",
            "error-user-param-not-provided",
        ),
        UserRefusal::Unknown => Refusal::thrown(
            "The required \"userId\" or \"username\" param provided does not match any users",
            "error-invalid-user",
        ),
        UserRefusal::NoSuchUsername => Refusal::thrown("There is no user with this username", "error-invalid-user"),
        UserRefusal::InvalidSearch => Refusal::text("Invalid search query."),
        UserRefusal::NotFound => Refusal::text("User not found."),
        UserRefusal::InvalidName => Refusal::text("Name contains invalid characters"),
        UserRefusal::FieldTooLong { field } => {
            Refusal::thrown(&format!("The field {field} is too long"), "error-input-is-not-a-valid-field")
                .details(saving("field", field))
        }
        UserRefusal::InvalidCustomFields => Refusal::thrown(FIELD_NAMES, "error-user-registration-custom-field"),
        UserRefusal::CreatingNotAllowed => Refusal::thrown("Adding user is not allowed", "error-action-not-allowed")
            .details(saving("action", "Adding_user")),
        UserRefusal::UnknownRole => {
            Refusal::thrown("The field Roles consist invalid role id", "error-action-not-allowed")
                .details(saving("action", "Assign_role"))
        }
        UserRefusal::FieldRequired { field } => {
            Refusal::thrown(&format!("The field {field} is required"), "error-the-field-is-required")
                .details(saving("field", field))
        }
        UserRefusal::InvalidUsername(name) => Refusal::thrown(
            &format!("{} is not a valid username", escape_markup(name)),
            "error-input-is-not-a-valid-field",
        )
        .details(json!({"method": "insertOrUpdateUser", "input": name, "field": "Username"})),
        UserRefusal::InvalidEmail(address) => {
            Refusal::thrown(&format!("Invalid email {}", escape_markup(address)), "error-invalid-email")
                .details(saving("field", "Email"))
        }
        UserRefusal::FieldUnavailable { field, value } => {
            Refusal::thrown(&format!("{} is already in use :(", escape_markup(value)), "error-field-unavailable")
                .details(saving("field", field))
        }
        UserRefusal::BlockedUsername(name) => {
            Refusal::thrown(&format!("{} is blocked and can't be used!", escape_markup(name)), "error-blocked-username")
                .details(saving("field", "Username"))
        }
        UserRefusal::LastActiveAdministrator => {
            Refusal::thrown("Leaving the app without an active admin is not allowed", "error-action-not-allowed")
                .details(json!({"method": "removeUserFromRole", "action": "Remove_last_admin"}))
        }
        UserRefusal::SoleOwner(rooms) => Refusal::thrown("", "user-last-owner")
            .details(json!({"shouldBeRemoved": rooms.alone, "shouldChangeOwner": rooms.shared})),
        UserRefusal::ToChangeUnknown => Refusal::thrown("Invalid user", "error-invalid-user"),
    }
}

/// Contract 9.7.
fn registration(refusal: &RegistrationRefusal) -> Refusal {
    match refusal {
        RegistrationRefusal::LoggedIn => Refusal::text("Logged in users can not register again."),
        RegistrationRefusal::InvalidName => Refusal::text("Name contains invalid characters"),
        RegistrationRefusal::InvalidUsername => Refusal::text("The username provided is not valid"),
        RegistrationRefusal::ReasonTooLong => {
            Refusal::thrown("The field Reason is too long", "error-input-is-not-a-valid-field")
        }
        RegistrationRefusal::UsernameTaken => Refusal::text("Username is already in use"),
        RegistrationRefusal::EmailTaken => Refusal::text("Email already exists"),
        RegistrationRefusal::Disabled => {
            Refusal::thrown("User registration is disabled", "error-user-registration-disabled")
        }
        RegistrationRefusal::WrongSecret => {
            Refusal::thrown("User registration is only allowed via Secret URL", "error-user-registration-secret")
        }
        RegistrationRefusal::InvalidEmail => Refusal::thrown("Invalid email", "error-invalid-email"),
        RegistrationRefusal::NoPassword => {
            Refusal::thrown("The field Password is required", "error-the-field-is-required")
        }
    }
}

/// Contract 10.4.
fn room(refusal: &RoomRefusal) -> Refusal {
    match refusal {
        RoomRefusal::CreatingNotAllowed => Refusal::plain(StatusCode::FORBIDDEN, "unauthorized"),
        RoomRefusal::NameRequired => Refusal::text("Param \"name\" is required"),
        RoomRefusal::InvalidCustomFields => Refusal::thrown(FIELD_NAMES, "error-invalid-custom-fields"),
        RoomRefusal::MembersNotAList => Refusal::text("Param \"members\" must be an array if provided"),
        RoomRefusal::InvalidName(name) => {
            Refusal::thrown(&format!("{} is not a valid room name.", escape_markup(name)), "error-invalid-room-name")
        }
        RoomRefusal::NameTaken(name) => Refusal::thrown(
            &format!("A channel with name '{}' exists", escape_markup(name)),
            "error-duplicate-channel-name",
        ),
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
