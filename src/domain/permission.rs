//! Permissions: what one is, and the one table of all of them with the roles they start with.
//!
//! The table feeds the seed, the markers that handlers name, and the documentation; a permission's id is written here
//! and nowhere else.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{PermissionId, RoleId};
use super::role::{ADMIN, MODERATOR, OWNER, USER};
use super::time::Timestamp;

/// Administer roles and permissions.
pub const ACCESS_PERMISSIONS: &str = "access-permissions";
/// Change who has a permission that stands for a setting.
pub const ACCESS_SETTING_PERMISSIONS: &str = "access-setting-permissions";
/// Send as many requests as one likes.
pub const API_BYPASS_RATE_LIMIT: &str = "api-bypass-rate-limit";
/// Give somebody the role `admin`.
pub const ASSIGN_ADMIN_ROLE: &str = "assign-admin-role";
/// Change the roles of somebody's account.
pub const ASSIGN_ROLES: &str = "assign-roles";
/// Create public channels.
pub const CREATE_C: &str = "create-c";
/// Create private groups.
pub const CREATE_P: &str = "create-p";
/// Make tokens for programs of one's own.
pub const CREATE_PERSONAL_ACCESS_TOKENS: &str = "create-personal-access-tokens";
/// Create teams, and organizations.
pub const CREATE_TEAM: &str = "create-team";
/// Create accounts for others.
pub const CREATE_USER: &str = "create-user";
/// Delete accounts.
pub const DELETE_USER: &str = "delete-user";
/// Change other people's accounts.
pub const EDIT_OTHER_USER_INFO: &str = "edit-other-user-info";
/// Set other people's passwords.
pub const EDIT_OTHER_USER_PASSWORD: &str = "edit-other-user-password";
/// Activate and deactivate accounts.
pub const EDIT_OTHER_USER_ACTIVE_STATUS: &str = "edit-other-user-active-status";
/// End the sessions of others.
pub const LOGOUT_OTHER_USER: &str = "logout-other-user";
/// Change settings.
pub const EDIT_PRIVILEGED_SETTING: &str = "edit-privileged-setting";
/// See what exactly the server is.
pub const GET_SERVER_INFO: &str = "get-server-info";
/// Act on reported people; activating and deactivating is part of it.
pub const MANAGE_MODERATION_ACTIONS: &str = "manage-moderation-actions";
/// Name owners of a room.
pub const SET_OWNER: &str = "set-owner";
/// Name moderators of a room.
pub const SET_MODERATOR: &str = "set-moderator";
/// Name leaders of a room.
pub const SET_LEADER: &str = "set-leader";
/// See who is in a room in which few write and many read.
pub const VIEW_BROADCAST_MEMBER_LIST: &str = "view-broadcast-member-list";
/// See public channels.
pub const VIEW_C_ROOM: &str = "view-c-room";
/// See the direct messages that one is part of.
pub const VIEW_D_ROOM: &str = "view-d-room";
/// Make sessions of others.
pub const USER_GENERATE_ACCESS_TOKEN: &str = "user-generate-access-token";
/// See people with whom one shares no room.
pub const VIEW_OUTSIDE_ROOM: &str = "view-outside-room";
/// See all fields of other people's accounts.
pub const VIEW_FULL_OTHER_USER_INFO: &str = "view-full-other-user-info";
/// See the public channels that one is a member of.
pub const VIEW_JOINED_ROOM: &str = "view-joined-room";
/// See which rooms other people are in.
pub const VIEW_OTHER_USER_CHANNELS: &str = "view-other-user-channels";
/// See the private groups that one is a member of.
pub const VIEW_P_ROOM: &str = "view-p-room";
/// See every room of the workspace.
pub const VIEW_ROOM_ADMINISTRATION: &str = "view-room-administration";
/// Make others members of any channel.
pub const ADD_USER_TO_ANY_C_ROOM: &str = "add-user-to-any-c-room";
/// Make others members of any private group.
pub const ADD_USER_TO_ANY_P_ROOM: &str = "add-user-to-any-p-room";
/// Make others members of the rooms that one is a member of.
pub const ADD_USER_TO_JOINED_ROOM: &str = "add-user-to-joined-room";
/// Archive rooms.
pub const ARCHIVE_ROOM: &str = "archive-room";
/// Delete public channels.
pub const DELETE_C: &str = "delete-c";
/// Delete private groups.
pub const DELETE_P: &str = "delete-p";
/// Change the name and the settings of rooms.
pub const EDIT_ROOM: &str = "edit-room";
/// Join channels without the code that they ask for.
pub const JOIN_WITHOUT_JOIN_CODE: &str = "join-without-join-code";
/// Remove people from channels that one cannot look into.
pub const KICK_USER_FROM_ANY_C_ROOM: &str = "kick-user-from-any-c-room";
/// Remove people from private groups that one cannot look into.
pub const KICK_USER_FROM_ANY_P_ROOM: &str = "kick-user-from-any-p-room";
/// Leave public channels.
pub const LEAVE_C: &str = "leave-c";
/// Leave private groups.
pub const LEAVE_P: &str = "leave-p";
/// Remove people from rooms.
pub const REMOVE_USER: &str = "remove-user";
/// Put archived rooms to use again.
pub const UNARCHIVE_ROOM: &str = "unarchive-room";
/// See settings that are not public.
pub const VIEW_PRIVILEGED_SETTING: &str = "view-privileged-setting";

/// A permission as it is stored and sent (contract 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// For instance `access-permissions`.
    #[serde(rename = "_id")]
    pub id: PermissionId,
    /// Who has it. May name roles that do not exist here: the defaults name some of other editions.
    pub roles: Vec<RoleId>,
    /// Last change.
    #[serde(rename = "_updatedAt")]
    pub updated_at: Timestamp,
    /// `level`, `settingId` and the other fields of a permission that stands for a setting; kept and sent as they are.
    #[serde(flatten)]
    pub setting: Map<String, Value>,
}

impl Permission {
    /// Whether it stands for a setting (contract 5.4).
    pub fn is_of_setting(&self) -> bool {
        self.setting.get("level").and_then(Value::as_str) == Some("settings")
    }

    /// The permission of the group that its setting belongs to.
    pub fn group(&self) -> Option<PermissionId> {
        let id = self.setting.get("groupPermissionId")?.as_str()?;
        Some(PermissionId::from_stored(id))
    }
}

/// What happens to one role in the list of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// It gets the permission.
    Grant,
    /// It loses the permission.
    Revoke,
}

impl Adjustment {
    /// The list as it is afterwards: the same one when the role is, or is not, there already.
    pub fn applied(self, roles: &[RoleId], role: &RoleId) -> Vec<RoleId> {
        let mut roles = roles.to_vec();
        match self {
            Self::Grant if !roles.contains(role) => roles.push(role.clone()),
            Self::Grant => {}
            Self::Revoke => roles.retain(|other| other != role),
        }
        roles
    }
}

/// The new list of roles of one permission; it replaces the whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which permission.
    pub permission: PermissionId,
    /// Every role that has it from now on.
    pub roles: Vec<RoleId>,
}

/// A permission that was removed, as `permissions.listAll` reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrashedPermission {
    /// Which.
    #[serde(rename = "_id")]
    pub id: PermissionId,
    /// When it went.
    #[serde(rename = "_deletedAt")]
    pub deleted_at: Timestamp,
}

/// Permissions that start with the same list of roles.
#[derive(Debug, Clone, Copy)]
pub struct Grants {
    /// In the order of the seed.
    pub roles: &'static [&'static str],
    /// Their ids.
    pub permissions: &'static [&'static str],
}

/// Every permission of a workspace and the roles it starts with (contract 7.2).
pub const DEFAULT_GRANTS: &[Grants] = &[
    Grants { roles: &[], permissions: &[ADD_USER_TO_ANY_P_ROOM, KICK_USER_FROM_ANY_P_ROOM] },
    Grants {
        roles: &[ADMIN],
        permissions: &[
            ACCESS_PERMISSIONS,
            ACCESS_SETTING_PERMISSIONS,
            "add-oauth-service",
            ADD_USER_TO_ANY_C_ROOM,
            KICK_USER_FROM_ANY_C_ROOM,
            ASSIGN_ADMIN_ROLE,
            ASSIGN_ROLES,
            "bulk-register-user",
            CREATE_USER,
            "clean-channel-history",
            "delete-d",
            DELETE_USER,
            EDIT_OTHER_USER_ACTIVE_STATUS,
            EDIT_OTHER_USER_INFO,
            EDIT_OTHER_USER_PASSWORD,
            "edit-other-user-avatar",
            "edit-other-user-e2ee",
            "edit-other-user-totp",
            EDIT_PRIVILEGED_SETTING,
            "edit-room-retention-policy",
            LOGOUT_OTHER_USER,
            "manage-assets",
            "manage-email-inbox",
            "manage-emoji",
            "manage-user-status",
            "manage-outgoing-integrations",
            "manage-incoming-integrations",
            "manage-own-outgoing-integrations",
            "manage-own-incoming-integrations",
            "manage-oauth-apps",
            "manage-selected-settings",
            "run-import",
            "run-migration",
            UNARCHIVE_ROOM,
            USER_GENERATE_ACCESS_TOKEN,
            "view-device-management",
            "view-engagement-dashboard",
            VIEW_FULL_OTHER_USER_INFO,
            "view-join-code",
            "view-logs",
            VIEW_OTHER_USER_CHANNELS,
            VIEW_PRIVILEGED_SETTING,
            VIEW_ROOM_ADMINISTRATION,
            "view-statistics",
            "view-user-administration",
            "mail-messages",
            "view-all-teams",
            "manage-apps",
            "manage-cloud",
            "manage-sounds",
            "access-mailer",
            "send-mail",
            "view-federation-data",
            "add-all-to-room",
            GET_SERVER_INFO,
            "register-on-cloud",
            "test-admin-options",
            "sync-auth-services-users",
            "restart-server",
            "remove-slackbridge-links",
            "view-import-operations",
            "clear-oembed-cache",
            "view-moderation-console",
            MANAGE_MODERATION_ACTIONS,
        ],
    },
    Grants {
        roles: &[ADMIN, USER],
        permissions: &[
            "access-marketplace",
            CREATE_PERSONAL_ACCESS_TOKENS,
            CREATE_TEAM,
            "allow-internal-voice-calls",
            "allow-external-voice-calls",
            "test-push-notifications",
            "export-messages-as-pdf",
        ],
    },
    Grants {
        roles: &[ADMIN, OWNER],
        permissions: &[
            ARCHIVE_ROOM,
            DELETE_C,
            DELETE_P,
            "force-delete-message",
            SET_MODERATOR,
            SET_OWNER,
            SET_LEADER,
            "delete-team",
            "convert-team",
            "edit-team",
            "view-all-team-channels",
            "set-readonly",
            "set-react-when-readonly",
        ],
    },
    Grants { roles: &[OWNER, ADMIN], permissions: &["toggle-room-e2e-encryption"] },
    Grants {
        roles: &[ADMIN, OWNER, MODERATOR],
        permissions: &[
            ADD_USER_TO_JOINED_ROOM,
            "ban-user",
            "delete-message",
            "edit-message",
            EDIT_ROOM,
            "edit-room-avatar",
            "mute-user",
            REMOVE_USER,
            VIEW_BROADCAST_MEMBER_LIST,
            "create-invite-links",
            "add-team-member",
            "edit-team-member",
            "move-room-to-team",
            "create-team-channel",
            "create-team-group",
            "delete-team-channel",
            "delete-team-group",
            "edit-team-channel",
            "remove-team-channel",
            "post-readonly",
        ],
    },
    Grants { roles: &[OWNER, MODERATOR, ADMIN], permissions: &["pin-message"] },
    Grants { roles: &[ADMIN, OWNER, MODERATOR, USER], permissions: &["call-management", "videoconf-ring-users"] },
    Grants {
        roles: &[ADMIN, OWNER, MODERATOR, USER, "federated-external"],
        permissions: &["mention-all", "mention-here", VIEW_OUTSIDE_ROOM],
    },
    Grants {
        roles: &[ADMIN, "bot", "app"],
        permissions: &[API_BYPASS_RATE_LIMIT, JOIN_WITHOUT_JOIN_CODE, "send-many-messages"],
    },
    Grants { roles: &["bot", "app"], permissions: &["message-impersonate", "bypass-time-limit-edit-and-delete"] },
    Grants {
        roles: &[ADMIN, USER, "federated-external", "bot", "app"],
        permissions: &[CREATE_C, "create-d", CREATE_P],
    },
    Grants { roles: &[ADMIN, USER, "federated-external"], permissions: &["delete-own-message", "access-federation"] },
    Grants { roles: &[USER, "federated-external", ADMIN], permissions: &["mobile-upload-file"] },
    Grants { roles: &[ADMIN, USER, "federated-external", "bot", "anonymous", "app"], permissions: &[LEAVE_C, LEAVE_P] },
    Grants { roles: &[ADMIN, USER, "federated-external", "guest", "app"], permissions: &["start-discussion"] },
    Grants { roles: &[ADMIN, USER, "federated-external", OWNER, "app"], permissions: &["start-discussion-other-user"] },
    Grants { roles: &[ADMIN, USER, "federated-external", "bot", "app", "anonymous"], permissions: &[VIEW_C_ROOM] },
    Grants { roles: &[ADMIN, USER, "federated-external", "bot", "app", "guest"], permissions: &[VIEW_D_ROOM] },
    Grants { roles: &[ADMIN, USER, "federated-external", "anonymous", "guest"], permissions: &[VIEW_P_ROOM] },
    Grants { roles: &[ADMIN, USER, "federated-external", "anonymous"], permissions: &["preview-c-room"] },
    Grants { roles: &["guest", "bot", "app", "anonymous"], permissions: &[VIEW_JOINED_ROOM] },
    Grants {
        roles: &["livechat-manager", ADMIN],
        permissions: &[
            "delete-livechat-contact",
            "manage-livechat-managers",
            "view-livechat-triggers",
            "view-livechat-customfields",
            "view-livechat-installation",
            "view-livechat-appearance",
            "view-livechat-webhooks",
            "send-omnichannel-chat-transcript",
            "remove-closed-livechat-room",
            "remove-livechat-department",
        ],
    },
    Grants { roles: &["livechat-manager", "livechat-agent", ADMIN], permissions: &["edit-omnichannel-contact"] },
    Grants {
        roles: &["livechat-manager", "livechat-agent", "livechat-monitor", ADMIN],
        permissions: &["view-omnichannel-contact-center"],
    },
    Grants {
        roles: &["livechat-manager", "livechat-monitor", "livechat-agent", ADMIN],
        permissions: &[
            "view-l-room",
            "create-livechat-contact",
            "update-livechat-contact",
            "view-livechat-contact",
            "view-livechat-contact-history",
            "close-livechat-room",
            "on-hold-livechat-room",
            "view-livechat-queue",
            "view-livechat-room-customfields",
            "edit-livechat-room-customfields",
        ],
    },
    Grants {
        roles: &["livechat-manager", "livechat-monitor", ADMIN],
        permissions: &[
            "view-livechat-manager",
            "view-livechat-rooms",
            "close-others-livechat-room",
            "on-hold-others-livechat-room",
            "save-others-livechat-room-info",
            "remove-closed-livechat-rooms",
            "view-livechat-analytics",
            "transfer-livechat-guest",
            "manage-livechat-agents",
            "manage-livechat-departments",
            "view-livechat-departments",
            "add-livechat-department-agents",
            "view-livechat-real-time-monitoring",
            "view-livechat-business-hours",
            "view-livechat-room-closed-same-department",
            "view-livechat-room-closed-by-another-agent",
        ],
    },
];

/// Every default permission as it is seeded at `at`.
pub fn default_permissions(at: Timestamp) -> impl Iterator<Item = Permission> {
    DEFAULT_GRANTS.iter().flat_map(move |grants| {
        grants.permissions.iter().map(move |id| Permission {
            id: PermissionId::from_stored(*id),
            roles: grants.roles.iter().copied().map(RoleId::from_stored).collect(),
            updated_at: at,
            setting: Map::new(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_permission_stands_in_the_table_once() {
        let all: Vec<_> = default_permissions(Timestamp::EPOCH).map(|permission| permission.id).collect();
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(all.len(), 171);
    }

    #[test]
    fn only_the_administrator_starts_with_the_right_to_administer_permissions() {
        let access = default_permissions(Timestamp::EPOCH).find(|p| p.id.as_str() == ACCESS_PERMISSIONS).unwrap();
        assert_eq!(access.roles, vec![RoleId::from_stored(ADMIN)]);
    }
}
