//! The lines of the table for tokens (contract 2.9 and 9.7).

use actix_web::http::StatusCode;

use super::Refusal;
use crate::service::error::TokenRefusal;

/// Contract 2.9 and 9.7.
pub(super) fn refused(refusal: &TokenRefusal) -> Refusal {
    match refusal {
        TokenRefusal::EndingNotAllowed => Refusal::plain(StatusCode::FORBIDDEN, "unauthorized"),
        TokenRefusal::NothingToEnd => Refusal::thrown("Invalid user id", "error-invalid-user-id"),
        TokenRefusal::MakingForUsersNotAllowed => Refusal::thrown("Not authorized", "error-not-authorized"),
        TokenRefusal::UnusableAccount => Refusal::thrown("Invalid user", "error-invalid-user"),
        TokenRefusal::PersonalNotAllowed => Refusal::thrown("Not Authorized", "not-authorized"),
        TokenRefusal::NameRequired => Refusal::text("The 'tokenName' param is required"),
        TokenRefusal::InvalidName => {
            Refusal::thrown("tokenName is not a valid name", "error-input-is-not-a-valid-field")
        }
        TokenRefusal::NameTaken => {
            Refusal::thrown("A token with this name already exists", "error-token-already-exists")
        }
        // Ours: the original has no bound.
        TokenRefusal::TooMany => Refusal::thrown("The account has too many tokens", "error-too-many-tokens"),
        TokenRefusal::NoSuchToken => {
            Refusal::thrown("A token with this name could not be found", "error-token-does-not-exists")
        }
    }
}
