//! Organizations: what one is, its roles, its members, and who may do what in it. The rule of deletion is that of the
//! workspace's roles (`role::deletable`); capabilities are in `capability`, the roles that every organization has in
//! `system_role`.

use serde::{Deserialize, Serialize};

use super::capability::{Capabilities, Capability};
use super::ids::{OrganizationId, RoleId, UserId};
use super::role::{RoleUsage, Undeletable, deletable};
use super::system_role::OWNER;
use super::time::Timestamp;
use super::user::User;

/// The most characters that the name of an organization or of a role has.
pub const MAX_NAME_CHARACTERS: usize = 100;
/// The most characters that the description of a role has.
pub const MAX_DESCRIPTION_CHARACTERS: usize = 500;

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Stable.
    pub id: OrganizationId,
    /// As shown; need not be unique.
    pub name: String,
    /// Counts its changes; the `ETag` of its answers.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

/// An organization that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    /// Fresh.
    pub id: OrganizationId,
    /// As shown.
    pub name: String,
    /// Its first member, who becomes its Owner.
    pub owner: NewMember,
}

/// A role of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationRole {
    /// `role_` and more.
    pub id: RoleId,
    /// `None` for a system role, which every organization has.
    pub organization: Option<OrganizationId>,
    /// Unique among the custom roles of the organization and the system roles, by `role::name_key`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What its holders can do.
    pub capabilities: Capabilities,
    /// Counts its changes; the `ETag` of its answers.
    pub revision: u64,
    /// When it was made; the beginning of time for a system role.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

impl OrganizationRole {
    /// Whether it is one that every organization has, as it is.
    pub const fn is_system(&self) -> bool {
        self.organization.is_none()
    }

    /// Whether the role may be deleted; the rule is the workspace's.
    ///
    /// # Errors
    /// The reason why not; protection is named before use.
    pub fn deletable(&self, usage: &RoleUsage) -> Result<(), Undeletable> {
        deletable(self.is_system(), usage)
    }

    /// The role after a change at `at`; `None` when nothing would differ.
    pub fn changed(&self, change: &RoleChange, at: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        after.name.clone_from(change.name.as_ref().unwrap_or(&self.name));
        after.description.clone_from(change.description.as_ref().unwrap_or(&self.description));
        after.capabilities.clone_from(change.capabilities.as_ref().unwrap_or(&self.capabilities));
        if after == *self {
            return None;
        }
        Some(Self { revision: self.revision + 1, updated_at: at, ..after })
    }
}

/// What is to be different about a role; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleChange {
    /// Its name.
    pub name: Option<String>,
    /// Its description, or that it has none any more.
    pub description: Option<Option<String>>,
    /// All of its capabilities.
    pub capabilities: Option<Capabilities>,
}

/// A custom role that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewOrganizationRole {
    /// Fresh.
    pub id: RoleId,
    /// See [`OrganizationRole::name`].
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What its holders can do.
    pub capabilities: Capabilities,
}

impl NewOrganizationRole {
    /// The role as it is once created at `at`.
    pub fn into_role(self, organization: OrganizationId, at: Timestamp) -> OrganizationRole {
        OrganizationRole {
            id: self.id,
            organization: Some(organization),
            name: self.name,
            description: self.description,
            capabilities: self.capabilities,
            revision: 1,
            created_at: at,
            updated_at: at,
        }
    }
}

/// A role and how many members hold it, deactivated accounts included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedRole {
    /// The role.
    pub role: OrganizationRole,
    /// Its holders.
    pub members: u64,
}

/// A role that a member has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRole {
    /// `urol_` and more.
    pub id: String,
    /// Which.
    pub role: RoleId,
    /// Since when.
    pub assigned_at: Timestamp,
}

/// Somebody's place in an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `orguser_` and more.
    pub id: String,
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// Since when.
    pub joined_at: Timestamp,
    /// In the order in which he got them.
    pub roles: Vec<HeldRole>,
}

impl Member {
    /// Whether he has the role.
    pub fn holds(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held.role.as_str() == role)
    }
}

/// Somebody who is to become a member.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// Fresh: `orguser_` and more.
    pub id: String,
    /// Who.
    pub user: UserId,
    /// Fresh: the id of the assignment of his first role.
    pub assignment: String,
}

impl NewMember {
    /// The member as he is once he joined at `at` with that role.
    pub fn into_member(self, organization: OrganizationId, role: &str, at: Timestamp) -> Member {
        let held = HeldRole { id: self.assignment, role: RoleId::from_stored(role), assigned_at: at };
        Member { id: self.id, organization, user: self.user, joined_at: at, roles: vec![held] }
    }
}

/// A member with his account; the account is absent when another writer removed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberAccount {
    /// The place.
    pub member: Member,
    /// The account.
    pub account: Option<User>,
}

/// A member and what his roles let him do together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The place.
    pub member: Member,
    /// As the roles name them; see [`Capabilities::allow`].
    pub capabilities: Capabilities,
}

/// A role to give to a member.
#[derive(Debug, Clone)]
pub struct RoleGift {
    /// Fresh: `urol_` and more.
    pub id: String,
    /// Which role.
    pub role: RoleId,
    /// To whom.
    pub user: UserId,
    /// What the giver himself can do; a role that can do more is not his to give.
    pub within: Capabilities,
}

/// A role given to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// `urol_` and more.
    pub id: String,
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// Which.
    pub role: RoleId,
    /// Since when.
    pub assigned_at: Timestamp,
}

/// Which revision of a thing a change is meant for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Whichever it is.
    #[default]
    None,
    /// Only one of these; none of them when the list is empty.
    OneOf(Vec<u64>),
}

impl Precondition {
    /// Whether a thing of that revision may be changed.
    pub fn holds(&self, revision: u64) -> bool {
        match self {
            Self::None => true,
            Self::OneOf(revisions) => revisions.contains(&revision),
        }
    }
}

/// What somebody needs to do something in, or with, an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be a member.
    Membership,
    /// The role Owner.
    Ownership,
    /// A capability.
    Capability(Capability),
    /// To be the one it is about, or else a capability.
    Oneself(Capability),
}

impl Need {
    /// Whether a member may; `about` is whom the request is about.
    ///
    /// # Errors
    /// What he lacks, by its wire name.
    pub fn check(self, standing: &Standing, about: Option<&UserId>) -> Result<(), &'static str> {
        match self {
            Self::Membership => Ok(()),
            Self::Ownership if standing.member.holds(OWNER) => Ok(()),
            Self::Ownership => Err(OWNER),
            Self::Oneself(_) if about == Some(&standing.member.user) => Ok(()),
            Self::Capability(wanted) | Self::Oneself(wanted) if standing.capabilities.allow(wanted) => Ok(()),
            Self::Capability(wanted) | Self::Oneself(wanted) => Err(wanted.key()),
        }
    }
}

/// Whether an organization can do without `user` among its `owners`: another one must be left who can act.
pub fn can_spare_owner(user: &UserId, owners: &[User]) -> bool {
    owners.iter().any(|owner| owner.id != *user && owner.can_act())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::system_role::{MEMBER, SYSTEM_ROLES, SystemRole};
    use crate::domain::user::{KIND_APP, KIND_USER, NewUser};
    use proptest::prelude::*;

    fn account(number: u8, active: bool, app: bool) -> User {
        let new = NewUser {
            id: UserId::from_stored(format!("u{number}")),
            username: format!("u{number}"),
            name: String::new(),
            emails: Vec::new(),
            password: None,
            roles: Vec::new(),
            active,
            join_default_rooms: false,
            profile: serde_json::Map::new(),
        };
        let kind = if app { KIND_APP } else { KIND_USER };
        User { kind: kind.to_owned(), ..new.to_user(Timestamp::EPOCH) }
    }

    fn custom() -> OrganizationRole {
        NewOrganizationRole {
            id: RoleId::from_stored("role_1"),
            name: "Recruiter".to_owned(),
            description: None,
            capabilities: [Capability::InviteUsers].into_iter().collect(),
        }
        .into_role(OrganizationId::from_stored("org_1"), Timestamp::from_millis(1))
    }

    fn standing(role: &str) -> Standing {
        let member = NewMember { id: "m".into(), user: UserId::from_stored("u1"), assignment: "a".into() };
        let capabilities = SystemRole::find(&RoleId::from_stored(role)).unwrap().to_role().capabilities;
        let organization = OrganizationId::from_stored("org_1");
        Standing { member: member.into_member(organization, role, Timestamp::EPOCH), capabilities }
    }

    #[test]
    fn the_rule_of_deletion_is_the_workspaces() {
        let held = RoleUsage { users: 1, rooms: 0, names: vec!["ann".to_owned()] };
        assert_eq!(custom().deletable(&RoleUsage::default()), Ok(()));
        assert_eq!(custom().deletable(&held), Err(Undeletable::InUse(held.clone())));
        assert_eq!(SYSTEM_ROLES[0].to_role().deletable(&held), Err(Undeletable::Protected));
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let (before, at) = (custom(), Timestamp::from_millis(9));
        assert_eq!(before.changed(&RoleChange::default(), at), None);
        assert_eq!(before.changed(&RoleChange { name: Some("Recruiter".into()), ..RoleChange::default() }, at), None);
        let change = RoleChange { description: Some(Some("Hires".into())), ..RoleChange::default() };
        let after = before.changed(&change, at).unwrap();
        assert_eq!((after.revision, after.updated_at), (2, at));
        assert_eq!((after.name.as_str(), after.description.as_deref()), ("Recruiter", Some("Hires")));
        let cleared = after.changed(&RoleChange { description: Some(None), ..RoleChange::default() }, at).unwrap();
        assert_eq!((cleared.revision, cleared.description), (3, None));
    }

    #[test]
    fn needs_are_met_by_those_who_have_what_is_needed() {
        let (owner, plain) = (standing(OWNER), standing(MEMBER));
        let (himself, other) = (UserId::from_stored("u1"), UserId::from_stored("u2"));
        assert_eq!(Need::Membership.check(&plain, None), Ok(()));
        assert_eq!(Need::Ownership.check(&owner, None), Ok(()));
        assert_eq!(Need::Ownership.check(&standing("role_admin"), None), Err(OWNER));
        assert_eq!(Need::Capability(Capability::ManageBilling).check(&owner, None), Ok(()));
        assert_eq!(Need::Capability(Capability::ManageRoles).check(&plain, Some(&himself)), Err("manage_roles"));
        assert_eq!(Need::Oneself(Capability::ManageUsers).check(&plain, Some(&himself)), Ok(()));
        assert_eq!(Need::Oneself(Capability::ManageUsers).check(&plain, Some(&other)), Err("manage_users"));
        assert_eq!(Need::Oneself(Capability::ManageUsers).check(&plain, None), Err("manage_users"));
    }

    #[test]
    fn a_precondition_names_revisions() {
        assert!(Precondition::None.holds(7));
        assert!(Precondition::OneOf(vec![6, 7]).holds(7));
        assert!(!Precondition::OneOf(vec![]).holds(7));
    }

    proptest! {
        #[test]
        fn an_owner_can_be_spared_exactly_when_another_who_can_act_is_left(
            owners in prop::collection::vec((0_u8..4, any::<bool>(), any::<bool>()), 0..6),
        ) {
            let accounts: Vec<_> = owners.iter().map(|(number, active, app)| account(*number, *active, *app)).collect();
            let expected = owners.iter().any(|(number, active, app)| *number != 0 && *active && !*app);
            prop_assert_eq!(can_spare_owner(&UserId::from_stored("u0"), &accounts), expected);
        }
    }
}
