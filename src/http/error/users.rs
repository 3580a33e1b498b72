//! The lines of the table for accounts (contract 9).

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::{FIELD_NAMES, Refusal, escape_markup};
use crate::service::error::{RegistrationRefusal, UserRefusal};

/// Contract 9.
pub(super) fn refused(refusal: &UserRefusal) -> Refusal {
    let saving = |key: &str, value: &str| json!({"method": "insertOrUpdateUser", key: value});
    let not_allowed = |what: &str, details: Value| {
        Refusal::thrown(&format!("{what} is not allowed"), "error-action-not-allowed").details(details)
    };
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
        UserRefusal::EditingNotAllowed => not_allowed("Editing user", saving("action", "Editing_user")),
        UserRefusal::VerifyingNotAllowed => not_allowed("Editing email verification", saving("action", "Editing_user")),
        UserRefusal::AssigningRolesNotAllowed => not_allowed("Assign roles", saving("action", "Assign_role")),
        UserRefusal::FieldNotEditable { field } => {
            not_allowed(&format!("Edit {field}"), saving("action", "Update_user"))
        }
        UserRefusal::Undeletable => {
            not_allowed("Deleting the rocket.cat user", json!({"method": "deleteUser", "action": "Delete_user"}))
        }
        UserRefusal::EditingPreferencesNotAllowed => {
            Refusal::thrown("Editing user is not allowed", "error-action-not-allowed")
        }
        UserRefusal::PreferencesOfUnknown => {
            Refusal::thrown("The optional \"userId\" param provided does not match any users", "error-invalid-user")
        }
        UserRefusal::IdentityNotSaved => {
            Refusal::thrown("Could not save user identity", "error-could-not-save-identity")
                .details(json!({"method": "insertOrUpdateUser"}))
        }
        UserRefusal::Federated => {
            Refusal::thrown("Not possible to edit a federated user", "Edit_Federated_User_Not_Allowed")
        }
        UserRefusal::FederatedUndeletable => Refusal::thrown("", "error-not-allowed"),
        UserRefusal::ActivationNotAllowed => {
            Refusal::thrown("Not allowed", "error-not-allowed").details(json!({"method": "setUserActiveStatus"}))
        }
        UserRefusal::DeletingOneselfNotAllowed => {
            Refusal::thrown("Not allowed", "error-not-allowed").details(json!({"method": "deleteUserOwnAccount"}))
        }
        UserRefusal::WrongPassword { method } => {
            Refusal::thrown("Invalid password", "error-invalid-password").details(json!({"method": method}))
        }
        UserRefusal::InvalidStatus => {
            Refusal::thrown("Valid status types include online, away, offline, and busy.", "error-invalid-status")
                .details(json!({"method": "users.setStatus"}))
        }
        UserRefusal::ListingNotAllowed => Refusal::plain(StatusCode::FORBIDDEN, "unauthorized"),
        UserRefusal::InvalidSort(text) => Refusal::thrown(
            &format!("Invalid sort parameter provided: \"{}\"", escape_markup(text)),
            "error-invalid-sort",
        )
        .details(json!({"helperMethod": "parseJsonQuery"})),
        UserRefusal::InvalidSelector => Refusal::thrown("The selector must be a JSON object", "error-invalid-query"),
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
