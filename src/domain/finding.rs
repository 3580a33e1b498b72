//! What can be wrong with a workspace, how bad it is, and what would repair it. Whoever writes to the database besides
//! Rolekeeper (Rocket.Chat, an operator by hand) takes none of its care, so its invariants can be asked for at any time.
//!
//! Here are the words and what follows from roles and permissions alone; what has to be searched for is found by the
//! stores, one [`Check`] at a time, and repaired there too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fact::Fact;
use super::ids::{OrganizationId, PermissionId, RoleId, RoomId, UserId};
use super::permission::{DEFAULT_GRANTS, Permission};
use super::role::{ADMIN, DEFAULT_ROLES, DefaultRole, LEADER, MODERATOR, OWNER, Role, USER, name_collides};
use super::setting::settings_that_name_roles;
use super::time::Timestamp;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// An invariant does not hold.
    Problem,
    /// Harmless, or how the workspace is meant to be; worth knowing.
    Notice,
}

/// What something belongs to that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parent {
    /// A room.
    Room,
    /// An account.
    Account,
    /// An organization.
    Organization,
}

impl Parent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Account => "account",
            Self::Organization => "organization",
        }
    }
}

/// One thing that is not as it should be. A list of roles holds those that are wrong, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each field is what its name and the variant say; they are also the wire form")]
pub enum Finding {
    /// A role without a field that every role has.
    IncompleteRole { role: RoleId, fields: Vec<String> },
    /// A built-in role is not there.
    MissingRole { role: RoleId },
    /// A built-in role has another name or scope, or may be deleted.
    AlteredRole { role: RoleId, name: String },
    /// Permissions of the table are not there.
    MissingPermissions { permissions: Vec<PermissionId> },
    /// Roles that are called the same, or one like the id of another.
    SameRoleName { name: String, roles: Vec<RoleId> },
    /// A permission names roles that do not exist.
    UnknownRolesOfPermission { permission: PermissionId, roles: Vec<RoleId> },
    /// A setting names roles that do not exist.
    UnknownRolesOfSetting { setting: String, roles: Vec<RoleId> },
    /// An account holds roles that do not exist.
    UnknownRolesOfAccount { user: UserId, roles: Vec<RoleId> },
    /// A member of a room holds roles there that do not exist.
    UnknownRolesOfMembership { subscription: String, room: RoomId, user: UserId, roles: Vec<RoleId> },
    /// A member of an organization holds roles that it does not have.
    UnknownRolesOfMember { organization: OrganizationId, user: UserId, roles: Vec<RoleId> },
    /// A membership of a room that is gone, or of an account that is gone.
    StrayMembership { subscription: String, room: RoomId, user: UserId, missing: Parent },
    /// A membership of an organization that is gone, or of an account that is gone.
    StrayMember { organization: OrganizationId, user: UserId, missing: Parent },
    /// A role of an organization that is gone.
    StrayOrganizationRole { organization: OrganizationId, role: RoleId },
    /// A deactivated account has tokens.
    TokensOfDeactivated { user: UserId },
    /// The lock of something that is gone.
    StrayLock { lock: String },
    /// Accounts whose usernames differ in case alone.
    SameUsername { username: String, users: Vec<UserId> },
    /// Accounts whose addresses differ in case alone.
    SameAddress { address: String, users: Vec<UserId> },
    /// Channels and groups whose names differ in case alone.
    SameRoomName { name: String, rooms: Vec<RoomId> },
    /// Roles of an organization whose names differ in case alone.
    SameOrganizationRoleName { organization: OrganizationId, name: String, roles: Vec<RoleId> },
    /// Nobody of an organization who can act is its Owner.
    OrganizationWithoutOwner { organization: OrganizationId },
    /// A room that somebody made has members and no owner among them.
    RoomWithoutOwner { room: RoomId },
    /// Nobody who can act is an administrator.
    NoAdministrator,
    /// Nobody who can act can administer permissions.
    NobodyAdministersPermissions,
}

/// What a store searches for, in the order in which it is best repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is about the findings of nearly the same name")]
pub enum Check {
    RolesOfAccounts,
    RolesOfMemberships,
    RolesOfMembers,
    Memberships,
    Members,
    OrganizationRoles,
    Tokens,
    Locks,
    Usernames,
    Addresses,
    RoomNames,
    OrganizationRoleNames,
    OrganizationOwners,
    RoomOwners,
    Administration,
}

impl Check {
    /// Everything that can be searched for.
    pub const ALL: [Self; 15] = [
        Self::RolesOfAccounts,
        Self::RolesOfMemberships,
        Self::RolesOfMembers,
        Self::Memberships,
        Self::Members,
        Self::OrganizationRoles,
        Self::Tokens,
        Self::Locks,
        Self::Usernames,
        Self::Addresses,
        Self::RoomNames,
        Self::OrganizationRoleNames,
        Self::OrganizationOwners,
        Self::RoomOwners,
        Self::Administration,
    ];
}

/// Built-in roles that the program itself relies on. Versions of Rocket.Chat lack one or another of the rest.
const ESSENTIAL: [&str; 5] = [ADMIN, USER, OWNER, MODERATOR, LEADER];

/// Roles of other editions, which permissions name whether they are there or not.
const OF_OTHER_EDITIONS: [&str; 3] = ["livechat-monitor", "auditor", "auditor-log"];

impl Finding {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        let harmless = match self {
            Self::IncompleteRole { fields, .. } => !fields.iter().any(|field| field == "name" || field == "scope"),
            Self::MissingRole { role } => !ESSENTIAL.contains(&role.as_str()),
            Self::MissingPermissions { .. } | Self::StrayLock { .. } | Self::RoomWithoutOwner { .. } => true,
            _ => false,
        };
        if harmless { Severity::Notice } else { Severity::Problem }
    }

    /// What repairs it without anybody having to choose; `None` when somebody must, see [`Finding::advice`].
    pub const fn repair(&self) -> Option<&'static str> {
        Some(match self {
            Self::IncompleteRole { .. } => "give it the defaults of these fields",
            Self::MissingRole { .. } => "insert it as every workspace has it",
            Self::AlteredRole { .. } => "give it back its name, its scope and its protection",
            Self::MissingPermissions { .. } => "insert them with their default roles",
            Self::UnknownRolesOfPermission { .. } | Self::UnknownRolesOfSetting { .. } => "take them off its list",
            Self::UnknownRolesOfAccount { .. }
            | Self::UnknownRolesOfMembership { .. }
            | Self::UnknownRolesOfMember { .. } => "take them from it",
            Self::StrayMembership { .. } | Self::StrayMember { .. } => "end the membership",
            Self::StrayOrganizationRole { .. } | Self::StrayLock { .. } => "remove it",
            Self::TokensOfDeactivated { .. } => "end them",
            _ => return None,
        })
    }

    /// What somebody could do where nothing is repaired without him.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::SameUsername { .. } | Self::SameAddress { .. } => "change or delete all but one of them",
            Self::SameRoleName { .. } | Self::SameRoomName { .. } | Self::SameOrganizationRoleName { .. } => {
                "rename all but one of them"
            }
            Self::OrganizationWithoutOwner { .. } => "activate an Owner of it again",
            Self::RoomWithoutOwner { .. } => "make a member its owner, if it is to have one",
            Self::NoAdministrator | Self::NobodyAdministersPermissions => "run rolekeeper recover-admin",
            _ => "run rolekeeper doctor --fix",
        }
    }

    /// What is not as it was once it is repaired.
    pub fn facts(&self) -> Vec<Fact> {
        match self {
            Self::IncompleteRole { .. } | Self::MissingRole { .. } | Self::AlteredRole { .. } => vec![Fact::Roles],
            Self::MissingPermissions { .. }
            | Self::UnknownRolesOfPermission { .. }
            | Self::UnknownRolesOfSetting { .. } => vec![Fact::Rights],
            Self::UnknownRolesOfAccount { user, .. } => vec![Fact::Account(user.clone()), Fact::Holders],
            Self::TokensOfDeactivated { user } => vec![Fact::Account(user.clone())],
            // Roles in rooms, rooms and organizations are asked for each time; the rest is never repaired.
            _ => Vec::new(),
        }
    }
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IncompleteRole { role, fields } => write!(f, "role {role} lacks {}", list(fields)),
            Self::MissingRole { role } => write!(f, "built-in role {role} is missing"),
            Self::AlteredRole { role, name } => {
                write!(f, "built-in role {role} is not as it must be (it is called {name:?})")
            }
            Self::MissingPermissions { permissions } => {
                write!(f, "{} permissions are missing: {}", permissions.len(), list(permissions))
            }
            Self::SameRoleName { name, roles } => write!(f, "roles that {name:?} could mean: {}", list(roles)),
            Self::UnknownRolesOfPermission { permission, roles } => {
                write!(f, "permission {permission} names roles that do not exist: {}", list(roles))
            }
            Self::UnknownRolesOfSetting { setting, roles } => {
                write!(f, "setting {setting} names roles that do not exist: {}", list(roles))
            }
            Self::UnknownRolesOfAccount { user, roles } => {
                write!(f, "account {user} holds roles that do not exist: {}", list(roles))
            }
            Self::UnknownRolesOfMembership { subscription, room, user, roles } => write!(
                f,
                "subscription {subscription} of account {user} in room {room} holds roles that do not exist: {}",
                list(roles)
            ),
            Self::UnknownRolesOfMember { organization, user, roles } => {
                write!(f, "member {user} of {organization} holds roles that do not exist there: {}", list(roles))
            }
            Self::StrayMembership { subscription, room, user, missing } => {
                let missing = missing.as_str();
                write!(f, "subscription {subscription} of account {user} in room {room}: the {missing} is gone")
            }
            Self::StrayMember { organization, user, missing } => {
                write!(f, "membership of {user} in {organization}: the {} is gone", missing.as_str())
            }
            Self::StrayOrganizationRole { organization, role } => {
                write!(f, "role {role} belongs to the organization {organization}, which is gone")
            }
            Self::TokensOfDeactivated { user } => write!(f, "deactivated account {user} has tokens"),
            Self::StrayLock { lock } => write!(f, "lock {lock} is of something that is gone"),
            Self::SameUsername { username, users } => write!(f, "accounts called {username:?}: {}", list(users)),
            Self::SameAddress { address, users } => write!(f, "accounts with address {address:?}: {}", list(users)),
            Self::SameRoomName { name, rooms } => write!(f, "rooms called {name:?}: {}", list(rooms)),
            Self::SameOrganizationRoleName { organization, name, roles } => {
                write!(f, "roles of {organization} called {name:?}: {}", list(roles))
            }
            Self::OrganizationWithoutOwner { organization } => {
                write!(f, "organization {organization} has no active Owner")
            }
            Self::RoomWithoutOwner { room } => write!(f, "room {room} has members and no owner"),
            Self::NoAdministrator => f.write_str("nobody active is an administrator"),
            Self::NobodyAdministersPermissions => f.write_str("nobody active can administer permissions"),
        }
    }
}

/// The built-in role with that id.
pub fn built_in(id: &RoleId) -> Option<DefaultRole> {
    DEFAULT_ROLES.into_iter().find(|role| role.id == id.as_str())
}

/// Whether a list of an account or a member may name the role: it is there, or is put back rather than taken away.
pub fn may_be_held<'a>(id: &RoleId, mut existing: impl Iterator<Item = &'a RoleId>) -> bool {
    existing.any(|role| role == id) || built_in(id).is_some()
}

/// Whether a permission may name a role that is not there: the defaults name those of other editions.
pub fn may_be_named(id: &RoleId) -> bool {
    let by_default = DEFAULT_GRANTS.iter().any(|grants| grants.roles.contains(&id.as_str()));
    by_default || OF_OTHER_EDITIONS.contains(&id.as_str()) || built_in(id).is_some()
}

/// Whether a built-in role is another than it must be.
pub fn is_altered(role: &Role, built_in: &DefaultRole) -> bool {
    role.name != built_in.id || role.scope != built_in.scope || !role.protected
}

/// Everything that is wrong with roles, permissions and settings among themselves; `expected` are the permissions that a
/// workspace starts with.
pub fn of_rights(
    roles: &[Role],
    permissions: &[Permission],
    settings: &BTreeMap<String, Value>,
    expected: impl Iterator<Item = Permission>,
) -> Vec<Finding> {
    let mut found = of_built_in_roles(roles);
    found.extend(of_names(roles));
    let known: BTreeSet<&RoleId> = roles.iter().map(|role| &role.id).collect();
    let present: BTreeSet<&PermissionId> = permissions.iter().map(|permission| &permission.id).collect();
    let missing: Vec<_> = expected.map(|permission| permission.id).filter(|id| !present.contains(id)).collect();
    if !missing.is_empty() {
        found.push(Finding::MissingPermissions { permissions: missing });
    }
    for permission in permissions {
        let unknown = permission.roles.iter().filter(|role| !known.contains(role) && !may_be_named(role));
        let roles: Vec<RoleId> = unknown.cloned().collect();
        if !roles.is_empty() {
            found.push(Finding::UnknownRolesOfPermission { permission: permission.id.clone(), roles });
        }
    }
    for setting in settings_that_name_roles() {
        let named = settings.get(setting.id).map(|value| setting.roles_named_by(value)).unwrap_or_default();
        let roles: Vec<RoleId> = named.into_iter().filter(|id| !known.contains(id) && built_in(id).is_none()).collect();
        if !roles.is_empty() {
            found.push(Finding::UnknownRolesOfSetting { setting: setting.id.to_owned(), roles });
        }
    }
    found
}

fn of_built_in_roles(roles: &[Role]) -> Vec<Finding> {
    let mut found = Vec::new();
    for built_in in DEFAULT_ROLES {
        match roles.iter().find(|role| role.id.as_str() == built_in.id) {
            None => found.push(Finding::MissingRole { role: RoleId::from_stored(built_in.id) }),
            Some(role) if is_altered(role, &built_in) => {
                found.push(Finding::AlteredRole { role: role.id.clone(), name: role.name.clone() });
            }
            Some(_) => {}
        }
    }
    found
}

/// Each role with the earlier ones that it can be mistaken for.
fn of_names(roles: &[Role]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, role) in roles.iter().enumerate() {
        let earlier = &roles[..place];
        let mistaken = |other: &&Role| name_collides(&role.name, other) || role.id.as_str() == other.name;
        let mut same: Vec<RoleId> = earlier.iter().filter(mistaken).map(|other| other.id.clone()).collect();
        if !same.is_empty() {
            same.push(role.id.clone());
            found.push(Finding::SameRoleName { name: role.name.clone(), roles: same });
        }
    }
    found
}

/// A built-in role as it is inserted or put back at `at`.
pub fn built_in_role(id: &RoleId, at: Timestamp) -> Option<Role> {
    built_in(id).map(|role| role.into_role(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::default_permissions;
    use crate::domain::setting::DEFAULT_ROLES_OF_NEW_USERS;
    use serde_json::json;

    const AT: Timestamp = Timestamp::EPOCH;

    fn sound() -> (Vec<Role>, Vec<Permission>, BTreeMap<String, Value>) {
        let roles = DEFAULT_ROLES.into_iter().map(|role| role.into_role(AT)).collect();
        (roles, default_permissions(AT).collect(), BTreeMap::new())
    }

    fn examined(what: &(Vec<Role>, Vec<Permission>, BTreeMap<String, Value>)) -> Vec<Finding> {
        of_rights(&what.0, &what.1, &what.2, default_permissions(AT))
    }

    #[test]
    fn what_a_workspace_starts_with_is_sound_though_it_names_roles_of_other_editions() {
        assert_eq!(examined(&sound()), []);
    }

    #[test]
    fn each_thing_that_is_wrong_with_rights_is_found() {
        let (mut roles, mut permissions, mut settings) = sound();
        let gone = RoleId::from_stored("gone");
        roles.retain(|role| role.id.as_str() != "guest");
        roles[0].name = "boss".to_owned();
        let twin = Role { id: RoleId::from_stored("x"), name: "Moderator ".to_owned(), ..roles[1].clone() };
        roles.push(twin);
        let missing = permissions.pop().unwrap().id;
        permissions[0].roles.push(gone.clone());
        settings.insert(DEFAULT_ROLES_OF_NEW_USERS.id.to_owned(), json!("user,gone,guest"));
        let found = examined(&(roles, permissions.clone(), settings));
        let expected = [
            Finding::AlteredRole { role: RoleId::from_stored(ADMIN), name: "boss".to_owned() },
            Finding::MissingRole { role: RoleId::from_stored("guest") },
            Finding::SameRoleName {
                name: "Moderator ".to_owned(),
                roles: [MODERATOR, "x"].map(RoleId::from_stored).to_vec(),
            },
            Finding::MissingPermissions { permissions: vec![missing] },
            Finding::UnknownRolesOfPermission { permission: permissions[0].id.clone(), roles: vec![gone.clone()] },
            Finding::UnknownRolesOfSetting { setting: DEFAULT_ROLES_OF_NEW_USERS.id.to_owned(), roles: vec![gone] },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_role_called_like_the_id_of_a_later_one_is_found() {
        let (mut roles, permissions, settings) = sound();
        let named = Role { id: RoleId::from_stored("a"), name: "b".to_owned(), ..roles[1].clone() };
        roles.push(named.clone());
        roles.push(Role { id: RoleId::from_stored("b"), name: "c".to_owned(), ..named });
        assert_eq!(examined(&(roles, permissions, settings)).len(), 1);
    }

    #[test]
    fn a_line_names_what_it_is_about_and_says_what_to_do() {
        let finding =
            Finding::UnknownRolesOfAccount { user: UserId::from_stored("u1"), roles: vec![RoleId::from_stored("r1")] };
        assert_eq!(finding.to_string(), "account u1 holds roles that do not exist: r1");
        assert_eq!((finding.severity(), finding.repair()), (Severity::Problem, Some("take them from it")));
        assert_eq!(Finding::NoAdministrator.repair(), None);
    }
}
