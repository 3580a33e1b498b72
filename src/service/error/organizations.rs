//! What can be wrong on the surface of organizations.

use crate::domain::ids::OrganizationId;
use crate::domain::role::RoleUsage;

/// What can be wrong on the surface of organizations. Ids are as the caller wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationRefusal {
    /// No token was sent.
    NoCredentials,
    /// Nobody has the token, or its owner may not log in any more.
    TokenInvalid,
    /// The token is past its lifetime.
    TokenExpired,
    /// There is no such organization for the caller.
    NotFound,
    /// The caller lacks what the request needs.
    Insufficient {
        /// What it needs, by the wire names.
        required: Vec<&'static str>,
        /// What of it the caller lacks.
        missing: Vec<&'static str>,
    },
    /// The organization has no such role.
    RoleNotFound(String),
    /// The user does not have the role.
    NotHeld {
        /// Which role.
        role: String,
        /// Which user.
        user: String,
    },
    /// The user has the role already.
    AlreadyHeld {
        /// Which role.
        role: String,
        /// Which user.
        user: String,
    },
    /// Nobody of that id or username is there: in the organization, or at all when he is to be added to it.
    UserNotFound(String),
    /// He is a member already.
    AlreadyMember(String),
    /// System roles stay as they are.
    SystemRole {
        /// Which.
        role: String,
        /// Its name.
        name: &'static str,
        /// What was to be done with it.
        attempt: Attempt,
    },
    /// The role is held; by whom.
    RoleHasMembers {
        /// Which role.
        role: String,
        /// All of its holders, and the names of the first.
        usage: RoleUsage,
    },
    /// Another role of the organization has that name.
    RoleNameTaken(String),
    /// The organization has other members.
    HasMembers {
        /// Which.
        organization: OrganizationId,
        /// How many in all.
        members: u64,
    },
    /// The change is meant for another revision than this one.
    OtherRevision(u64),
    /// The last Owner stays.
    LastOwner {
        /// Of which organization.
        organization: OrganizationId,
        /// Its name.
        name: String,
        /// Who; as the caller wrote it.
        user: String,
    },
    /// What was sent does not fit.
    Invalid(Vec<Problem>),
}

/// What was to be done with a system role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Changing it.
    Update,
    /// Deleting it.
    Delete,
}

/// What is wrong with a part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which part.
    pub field: String,
    /// What is wrong with it, for people.
    pub problem: String,
}

impl Problem {
    /// About one part.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}
