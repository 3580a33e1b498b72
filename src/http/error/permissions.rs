//! The lines of the table for permissions (contract 5).

use serde_json::{Value, json};

use super::Refusal;
use crate::service::error::PermissionRefusal;

/// Contract 5.
pub(super) fn refused(refusal: &PermissionRefusal) -> Refusal {
    match refusal {
        PermissionRefusal::Unknown => Refusal::typed("Invalid permission", "error-invalid-permission"),
        PermissionRefusal::UnknownRole(_) => Refusal::typed("Invalid role", "error-invalid-role"),
        PermissionRefusal::Restricted => {
            Refusal::thrown("Permission is restricted", "error-action-not-allowed").details(granting())
        }
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
