//! The roles that every organization has from the start and that stay as they are, and proposals for roles of one's own.
//! They are in this table and in no store; what a role is at all is said in `organization`.

use serde::Serialize;

use super::capability::Capability;
use super::ids::RoleId;
use super::organization::OrganizationRole;
use super::role::name_key;
use super::time::Timestamp;

/// Id of the role whose last holder who can act keeps it.
pub const OWNER: &str = "role_owner";
/// Id of the role that every new member gets.
pub const MEMBER: &str = "role_member";

/// A role that every organization has from the start and that stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct SystemRole {
    /// The same in every organization.
    pub id: &'static str,
    /// As shown.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// One of the three that say how somebody belongs to the organization at all.
    pub base: bool,
    /// What its holders can do.
    pub capabilities: &'static [Capability],
}

/// The system roles in the order in which they are listed.
pub const SYSTEM_ROLES: [SystemRole; 6] = [
    SystemRole {
        id: OWNER,
        name: "Owner",
        description: "May do everything; an organization always has one",
        base: true,
        capabilities: &[
            Capability::ManageUsers,
            Capability::InviteUsers,
            Capability::DeactivateUsers,
            Capability::RemoveUsers,
            Capability::ManageDepartments,
            Capability::CreateSubdepartments,
            Capability::ReparentDepartments,
            Capability::ManageRoles,
            Capability::AssignRoles,
            Capability::ViewAuditLog,
            Capability::ExportAuditLog,
            Capability::ManageKnowledgeSlices,
            Capability::ManageBilling,
            Capability::OverrideAllPermissions,
        ],
    },
    SystemRole {
        id: "role_admin",
        name: "Admin",
        description: "Runs the organization, but for its bills",
        base: true,
        capabilities: &[
            Capability::ManageUsers,
            Capability::InviteUsers,
            Capability::DeactivateUsers,
            Capability::RemoveUsers,
            Capability::ManageDepartments,
            Capability::CreateSubdepartments,
            Capability::ReparentDepartments,
            Capability::ManageRoles,
            Capability::AssignRoles,
            Capability::ViewAuditLog,
            Capability::ExportAuditLog,
            Capability::ManageKnowledgeSlices,
        ],
    },
    SystemRole {
        id: MEMBER,
        name: "Member",
        description: "Belongs to the organization",
        base: true,
        capabilities: &[],
    },
    SystemRole {
        id: "role_department_manager",
        name: "Department Manager",
        description: "Arranges the departments",
        base: false,
        capabilities: &[
            Capability::InviteUsers,
            Capability::ManageDepartments,
            Capability::CreateSubdepartments,
            Capability::ReparentDepartments,
        ],
    },
    SystemRole {
        id: "role_knowledge_manager",
        name: "Knowledge Manager",
        description: "Decides who reaches which knowledge",
        base: false,
        capabilities: &[Capability::ManageKnowledgeSlices],
    },
    SystemRole {
        id: "role_billing_manager",
        name: "Billing Manager",
        description: "Pays the bills",
        base: false,
        capabilities: &[Capability::ManageBilling],
    },
];

impl SystemRole {
    /// The system role with that id.
    pub fn find(id: &RoleId) -> Option<&'static Self> {
        SYSTEM_ROLES.iter().find(|role| role.id == id.as_str())
    }

    /// Whether a system role has that name.
    pub fn is_named(name: &str) -> bool {
        let key = name_key(name);
        SYSTEM_ROLES.iter().any(|role| name_key(role.name) == key)
    }

    /// The role as all others are.
    pub fn to_role(self) -> OrganizationRole {
        OrganizationRole {
            id: RoleId::from_stored(self.id),
            organization: None,
            name: self.name.to_owned(),
            description: Some(self.description.to_owned()),
            capabilities: self.capabilities.iter().copied().collect(),
            revision: 1,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        }
    }
}

/// A proposal for a custom role.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RoleTemplate {
    /// As it would be shown.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// What its holders could do.
    pub capabilities: &'static [Capability],
}

/// Proposals for custom roles.
pub const ROLE_TEMPLATES: [RoleTemplate; 5] = [
    RoleTemplate { name: "Recruiter", description: "Brings people in", capabilities: &[Capability::InviteUsers] },
    RoleTemplate {
        name: "People Manager",
        description: "Looks after who belongs to the organization",
        capabilities: &[
            Capability::ManageUsers,
            Capability::InviteUsers,
            Capability::DeactivateUsers,
            Capability::RemoveUsers,
        ],
    },
    RoleTemplate {
        name: "Access Manager",
        description: "Decides who may do what",
        capabilities: &[Capability::ManageRoles, Capability::AssignRoles, Capability::ViewAuditLog],
    },
    RoleTemplate {
        name: "Auditor",
        description: "Sees what was changed, and changes nothing",
        capabilities: &[Capability::ViewAuditLog, Capability::ExportAuditLog],
    },
    RoleTemplate {
        name: "Department Architect",
        description: "Shapes the tree of departments",
        capabilities: &[
            Capability::ManageDepartments,
            Capability::CreateSubdepartments,
            Capability::ReparentDepartments,
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::capability::CAPABILITIES;
    use crate::domain::organization::MAX_NAME_CHARACTERS;

    #[test]
    fn the_system_roles_have_their_order_and_the_owner_everything() {
        assert_eq!(
            SYSTEM_ROLES.map(|role| role.name),
            ["Owner", "Admin", "Member", "Department Manager", "Knowledge Manager", "Billing Manager"]
        );
        assert_eq!(SYSTEM_ROLES[0].capabilities.len(), CAPABILITIES.len());
        assert!(SystemRole::is_named(" OWNER ") && !SystemRole::is_named("Owners"));
    }

    #[test]
    fn every_template_could_be_created_as_it_is() {
        for template in ROLE_TEMPLATES {
            assert!(!SystemRole::is_named(template.name), "{}", template.name);
            assert!(template.name.chars().count() <= MAX_NAME_CHARACTERS && !template.capabilities.is_empty());
        }
    }
}
