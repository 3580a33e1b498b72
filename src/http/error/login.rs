//! The lines of the table for log-in (contract 2.5).

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::Refusal;
use super::second_factor::{second_factor_details, second_factor_words};
use crate::service::error::LoginRefusal;

/// Contract 2.5.
pub(super) fn refused(refusal: &LoginRefusal) -> Refusal {
    let attempt = || Some(json!({"function": "Accounts.validateLoginAttempt"}));
    let (code, details, message) = match refusal {
        LoginRefusal::WrongCredentials => ("Unauthorized", None, "Unauthorized"),
        LoginRefusal::Deactivated => ("error-user-is-not-activated", attempt(), "User is not activated"),
        LoginRefusal::AppAccount => {
            ("error-app-user-is-not-allowed-to-login", attempt(), "App user is not allowed to login")
        }
        LoginRefusal::NoRoles => ("error-user-has-no-roles", attempt(), "User has no roles"),
        LoginRefusal::UnverifiedEmail => ("error-invalid-email", None, "Invalid email __email__"),
        LoginRefusal::BlockedAddress => {
            ("error-login-blocked-for-ip", attempt(), "Login has been temporarily blocked For IP")
        }
        LoginRefusal::BlockedUser => {
            ("error-login-blocked-for-user", attempt(), "Login has been temporarily blocked For User")
        }
        LoginRefusal::SecondFactor(refusal) => {
            let (code, text) = second_factor_words(refusal);
            (code, Some(second_factor_details(refusal)), text)
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
