//! What can be wrong about permissions.

use crate::domain::ids::RoleId;

/// What can be wrong about permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionRefusal {
    /// One does not exist or stands twice.
    Unknown,
    /// A list names a role that does not exist.
    UnknownRole(RoleId),
    /// The role to grant a permission to is held to others.
    Restricted,
    /// The permission to grant does not exist.
    ToGrantUnknown,
    /// The role to grant a permission to does not exist.
    ToGrantUnknownRole,
    /// The caller may not grant this one.
    GrantingNotAllowed,
    /// The permission to revoke does not exist.
    ToRevokeUnknown,
    /// The caller may not revoke this one.
    RevokingNotAllowed,
    /// `updatedSince` is no date.
    InvalidUpdatedSince,
}
