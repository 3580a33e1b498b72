//! The lines of the table for organizations, as far as the Rocket.Chat surface meets them: an account that is to go may
//! be the last Owner of one. The lines of their own surface are in `http::organizations::error`.

use serde_json::json;

use super::Refusal;
use crate::service::error::OrganizationRefusal;

/// What keeps an account from being switched off; the original has no organizations, so the words are ours.
pub(super) fn refused(refusal: &OrganizationRefusal) -> Refusal {
    match refusal {
        OrganizationRefusal::LastOwner { organization, name, .. } => Refusal::thrown(
            "You need to have at least one active owner of the organization",
            "error-organization-last-owner",
        )
        .details(json!({"organizationId": organization, "name": name})),
        // No use case of this surface says anything else about organizations.
        _ => Refusal::thrown("Not allowed", "error-not-allowed"),
    }
}
