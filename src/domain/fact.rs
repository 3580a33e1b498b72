//! What may be kept in memory, and which of it a change makes untrue. Who keeps it, and how he learns of changes, is the
//! business of the stores.

use std::time::Duration;

use super::audit::Change;
use super::ids::UserId;
use super::user_change::moves_in_lists;

/// Whether facts are answered from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryState {
    /// Not yet: it is not known what others do.
    Warming,
    /// Yes: whatever others did up to a moment ago is known.
    Live,
    /// Not any more, until it is known again: everything is asked for.
    Fallback,
}

impl MemoryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Warming, Self::Live, Self::Fallback];

    /// The state as operators read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warming => "warming",
            Self::Live => "live",
            Self::Fallback => "fallback",
        }
    }
}

/// How the memory of facts is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryReport {
    /// Whether it answers.
    pub state: MemoryState,
    /// How long ago the moment is up to which everything that others did is known; nobody knows while it is warming.
    pub lag: Option<Duration>,
    /// How often roles, permissions and settings were read from the store.
    pub loads: u64,
    /// How often an account and its token were there.
    pub hits: u64,
    /// How often they had to be read.
    pub misses: u64,
}

/// A kind of knowledge that a change can make untrue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Which roles there are, and what they are.
    Roles,
    /// The permissions and settings of the workspace.
    Rights,
    /// What is known of an account and its tokens.
    Account(UserId),
    /// Which accounts there are, what they are called, and which roles their own lists have.
    Holders,
}

impl Change {
    /// The facts that are not what they were before this change. There is no other list of them: a change that is
    /// missing here does not compile.
    pub fn facts(&self) -> Vec<Fact> {
        match self {
            Self::RoleDeleted { permissions, settings, .. } if permissions.is_empty() && settings.is_empty() => {
                vec![Fact::Roles]
            }
            Self::WorkspaceSeeded { .. } | Self::RoleDeleted { .. } => vec![Fact::Roles, Fact::Rights],
            Self::RoleCreated { .. } | Self::RoleUpdated { .. } => vec![Fact::Roles],
            Self::PermissionsUpdated { .. } | Self::SettingChanged { .. } => vec![Fact::Rights],
            Self::RoleAssigned { user, room: None, .. }
            | Self::RoleUnassigned { user, room: None, .. }
            | Self::UserCreated { user, .. }
            | Self::UserDeleted { user, .. } => vec![Fact::Account(user.clone()), Fact::Holders],
            Self::UserUpdated { user, before, after, .. } => {
                let mut facts = vec![Fact::Account(user.clone())];
                facts.extend(moves_in_lists(before, after).then_some(Fact::Holders));
                facts
            }
            Self::IdleUsersDeactivated { users, .. } => users.iter().cloned().map(Fact::Account).collect(),
            Self::UserActivated { user }
            | Self::UserDeactivated { user, .. }
            | Self::SessionStarted { user }
            | Self::SessionEnded { user }
            | Self::TokensEnded { user, .. }
            | Self::PersonalTokenCreated { user, .. }
            | Self::PersonalTokenReplaced { user, .. }
            | Self::PersonalTokenRemoved { user, .. }
            | Self::BackupCodeUsed { user, .. } => vec![Fact::Account(user.clone())],
            Self::Repaired { repaired } => repaired.facts(),
            Self::AdministratorRecovered { user, .. } => {
                vec![Fact::Roles, Fact::Rights, Fact::Account(user.clone()), Fact::Holders]
            }
            // Roles in rooms, rooms and organizations are asked for each time.
            Self::RoleAssigned { room: Some(_), .. }
            | Self::RoleUnassigned { room: Some(_), .. }
            | Self::RoomCreated { .. }
            | Self::MembersAdded { .. }
            | Self::MemberRemoved { .. }
            | Self::RoomDeleted { .. }
            | Self::RoomArchived { .. }
            | Self::RoomUnarchived { .. }
            | Self::RoomRenamed { .. }
            | Self::RoomKindChanged { .. }
            | Self::OrganizationCreated { .. }
            | Self::OrganizationRenamed { .. }
            | Self::OrganizationDeleted { .. }
            | Self::OrganizationRoleCreated { .. }
            | Self::OrganizationRoleUpdated { .. }
            | Self::OrganizationRoleDeleted { .. }
            | Self::OrganizationRoleAssigned { .. }
            | Self::OrganizationRoleUnassigned { .. }
            | Self::OrganizationMemberAdded { .. }
            | Self::OrganizationMemberRemoved { .. } => Vec::new(),
        }
    }
}
