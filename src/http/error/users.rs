//! The lines of the table for accounts (contract 9).

use serde_json::json;

use super::{FIELD_NAMES, Refusal, escape_markup};
use crate::service::error::{RegistrationRefusal, UserRefusal};

/// Contract 9.
pub(super) fn refused(refusal: &UserRefusal) -> Refusal {
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
pub(super) fn registration_refused(refusal: &RegistrationRefusal) -> Refusal {
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
