//! What a member of an organization can be allowed to do: the one table of capabilities, sets of them, and the rule that
//! nobody gives away what he does not have. Which roles have which capabilities is in `organization`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A thing that an organization lets some of its members do. The order is that of [`CAPABILITIES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table below says of each what it is")]
pub enum Capability {
    ManageUsers,
    InviteUsers,
    DeactivateUsers,
    RemoveUsers,
    ManageDepartments,
    CreateSubdepartments,
    ReparentDepartments,
    ManageRoles,
    AssignRoles,
    ViewAuditLog,
    ExportAuditLog,
    ManageKnowledgeSlices,
    ManageBilling,
    OverrideAllPermissions,
}

/// A line of the table, as `GET /v1/capabilities` sends it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CapabilityInfo {
    /// The capability; on the wire its key.
    #[serde(rename = "key")]
    pub capability: Capability,
    /// A short name for people.
    pub label: &'static str,
    /// What it lets somebody do.
    pub description: &'static str,
    /// Under which heading a page shows it.
    pub group: &'static str,
    #[serde(skip)]
    key: &'static str,
}

const fn line(
    capability: Capability,
    key: &'static str,
    label: &'static str,
    description: &'static str,
    group: &'static str,
) -> CapabilityInfo {
    CapabilityInfo { capability, label, description, group, key }
}

const USERS: &str = "User Management";
const DEPARTMENTS: &str = "Department Management";
const ROLES: &str = "Roles";
const AUDIT: &str = "Audit";

/// Every capability, in the order in which they are listed everywhere.
#[rustfmt::skip]
pub const CAPABILITIES: [CapabilityInfo; 14] = [
    line(Capability::ManageUsers, "manage_users", "Manage users", "See what every member may do", USERS),
    line(Capability::InviteUsers, "invite_users", "Invite users", "Add people to the organization", USERS),
    line(Capability::DeactivateUsers, "deactivate_users", "Deactivate users", "Suspend members of the organization", USERS),
    line(Capability::RemoveUsers, "remove_users", "Remove users", "Take people out of the organization", USERS),
    line(Capability::ManageDepartments, "manage_departments", "Manage departments", "Create, rename and close departments", DEPARTMENTS),
    line(Capability::CreateSubdepartments, "create_subdepartments", "Create subdepartments", "Open departments below existing ones", DEPARTMENTS),
    line(Capability::ReparentDepartments, "reparent_departments", "Move departments", "Put a department below another one", DEPARTMENTS),
    line(Capability::ManageRoles, "manage_roles", "Manage roles", "Create, change and delete custom roles", ROLES),
    line(Capability::AssignRoles, "assign_roles", "Assign roles", "Give roles to members and take them away", ROLES),
    line(Capability::ViewAuditLog, "view_audit_log", "View the audit log", "Read what was changed, when and by whom", AUDIT),
    line(Capability::ExportAuditLog, "export_audit_log", "Export the audit log", "Download the audit log as a file", AUDIT),
    line(Capability::ManageKnowledgeSlices, "manage_knowledge_slices", "Manage knowledge", "Decide which knowledge a role can reach", "Knowledge"),
    line(Capability::ManageBilling, "manage_billing", "Manage billing", "See invoices and change the plan", "Billing"),
    line(Capability::OverrideAllPermissions, "override_all_permissions", "Override all permissions", "Do everything that any capability allows", "Administration"),
];

impl Capability {
    /// The capability with that key.
    pub fn parse(key: &str) -> Option<Self> {
        CAPABILITIES.iter().find(|info| info.key == key).map(|info| info.capability)
    }

    /// The wire name.
    pub fn key(self) -> &'static str {
        CAPABILITIES[self as usize].key
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Self::parse(&key).ok_or_else(|| serde::de::Error::custom("not a capability"))
    }
}

/// A set of capabilities; on the wire and in a store the list of their keys in the order of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// Whether a holder of the set can do that. Who overrides all permissions can do everything.
    pub fn allow(&self, wanted: Capability) -> bool {
        self.0.contains(&Capability::OverrideAllPermissions) || self.0.contains(&wanted)
    }

    /// The capabilities of `wanted` that a holder of this set must not give to anybody, because he does not have them
    /// himself.
    pub fn lacking(&self, wanted: &Self) -> Vec<Capability> {
        wanted.iter().filter(|capability| !self.allow(*capability)).collect()
    }

    /// Everything that a holder of the set can do.
    #[must_use]
    pub fn effective(&self) -> Self {
        CAPABILITIES.iter().map(|info| info.capability).filter(|capability| self.allow(*capability)).collect()
    }

    /// Adds another set.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(other.iter());
    }

    /// In the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        self.0.iter().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_set() -> impl Strategy<Value = Capabilities> {
        prop::collection::btree_set(0_usize..CAPABILITIES.len(), 0..8)
            .prop_map(|numbers| numbers.into_iter().map(|number| CAPABILITIES[number].capability).collect())
    }

    #[test]
    fn the_table_is_in_the_order_of_the_type_and_every_key_is_read_back() {
        for (number, info) in CAPABILITIES.iter().enumerate() {
            assert_eq!(info.capability as usize, number);
            assert_eq!(Capability::parse(info.capability.key()), Some(info.capability));
        }
        assert_eq!(Capability::parse("Manage_Roles"), None);
    }

    #[test]
    fn a_set_is_the_list_of_its_keys_in_the_order_of_the_table() {
        let set: Capabilities = [Capability::AssignRoles, Capability::ManageUsers].into_iter().collect();
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["manage_users","assign_roles"]"#);
        assert!(serde_json::from_str::<Capabilities>(r#"["rule_the_world"]"#).is_err());
    }

    proptest! {
        #[test]
        fn nobody_lacks_what_he_has_and_whoever_overrides_lacks_nothing(held in any_set(), wanted in any_set()) {
            prop_assert!(held.lacking(&held).is_empty());
            let mut over = held.clone();
            over.add(&[Capability::OverrideAllPermissions].into_iter().collect());
            prop_assert!(over.lacking(&wanted).is_empty());
        }

        #[test]
        fn what_can_be_given_away_is_what_can_be_done(held in any_set(), wanted in any_set()) {
            let can = held.effective();
            let expected: Vec<_> = wanted.iter().filter(|one| !can.iter().any(|other| other == *one)).collect();
            prop_assert_eq!(held.lacking(&wanted), expected);
        }
    }
}
