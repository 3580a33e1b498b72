//! The lines of the table for roles (contract 4).

use serde_json::json;

use super::Refusal;
use crate::service::error::{Late, RoleRefusal};

/// Contract 4.
pub(super) fn refused(refusal: &RoleRefusal) -> Refusal {
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
        Late::CreateUser | Late::UpdateUser => {
            refusal.details(json!({"method": "insertOrUpdateUser", "action": action}))
        }
    }
}
