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
/// Create public channels.
pub const CREATE_C: &str = "create-c";
/// Create accounts for others.
pub const CREATE_USER: &str = "create-user";
/// Activate and deactivate accounts.
pub const EDIT_OTHER_USER_ACTIVE_STATUS: &str = "edit-other-user-active-status";
/// Act on reported people; activating and deactivating is part of it.
pub const MANAGE_MODERATION_ACTIONS: &str = "manage-moderation-actions";
/// See all fields of other people's accounts.
pub const VIEW_FULL_OTHER_USER_INFO: &str = "view-full-other-user-info";
/// See which rooms other people are in.
pub const VIEW_OTHER_USER_CHANNELS: &str = "view-other-user-channels";

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
    Grants { roles: &[], permissions: &["add-user-to-any-p-room", "kick-user-from-any-p-room"] },
    Grants {
        roles: &[ADMIN],
        permissions: &[
            ACCESS_PERMISSIONS,
            ACCESS_SETTING_PERMISSIONS,
            "add-oauth-service",
            "add-user-to-any-c-room",
            "kick-user-from-any-c-room",
            ASSIGN_ADMIN_ROLE,
            "assign-roles",
            "bulk-register-user",
            CREATE_USER,
            "clean-channel-history",
            "delete-d",
            "delete-user",
            EDIT_OTHER_USER_ACTIVE_STATUS,
            "edit-other-user-info",
            "edit-other-user-password",
            "edit-other-user-avatar",
            "edit-other-user-e2ee",
            "edit-other-user-totp",
            "edit-privileged-setting",
            "edit-room-retention-policy",
            "logout-other-user",
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
            "unarchive-room",
            "user-generate-access-token",
            "view-device-management",
            "view-engagement-dashboard",
            VIEW_FULL_OTHER_USER_INFO,
            "view-join-code",
            "view-logs",
            VIEW_OTHER_USER_CHANNELS,
            "view-privileged-setting",
            "view-room-administration",
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
            "get-server-info",
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
            "create-personal-access-tokens",
            "create-team",
            "allow-internal-voice-calls",
            "allow-external-voice-calls",
            "test-push-notifications",
            "export-messages-as-pdf",
        ],
    },
    Grants {
        roles: &[ADMIN, OWNER],
        permissions: &[
            "archive-room",
            "delete-c",
            "delete-p",
            "force-delete-message",
            "set-moderator",
            "set-owner",
            "set-leader",
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
            "add-user-to-joined-room",
            "ban-user",
            "delete-message",
            "edit-message",
            "edit-room",
            "edit-room-avatar",
            "mute-user",
            "remove-user",
            "view-broadcast-member-list",
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
        permissions: &["mention-all", "mention-here", "view-outside-room"],
    },
    Grants {
        roles: &[ADMIN, "bot", "app"],
        permissions: &[API_BYPASS_RATE_LIMIT, "join-without-join-code", "send-many-messages"],
    },
    Grants { roles: &["bot", "app"], permissions: &["message-impersonate", "bypass-time-limit-edit-and-delete"] },
    Grants {
        roles: &[ADMIN, USER, "federated-external", "bot", "app"],
        permissions: &[CREATE_C, "create-d", "create-p"],
    },
    Grants { roles: &[ADMIN, USER, "federated-external"], permissions: &["delete-own-message", "access-federation"] },
    Grants { roles: &[USER, "federated-external", ADMIN], permissions: &["mobile-upload-file"] },
    Grants {
        roles: &[ADMIN, USER, "federated-external", "bot", "anonymous", "app"],
        permissions: &["leave-c", "leave-p"],
    },
    Grants { roles: &[ADMIN, USER, "federated-external", "guest", "app"], permissions: &["start-discussion"] },
    Grants { roles: &[ADMIN, USER, "federated-external", OWNER, "app"], permissions: &["start-discussion-other-user"] },
    Grants { roles: &[ADMIN, USER, "federated-external", "bot", "app", "anonymous"], permissions: &["view-c-room"] },
    Grants { roles: &[ADMIN, USER, "federated-external", "bot", "app", "guest"], permissions: &["view-d-room"] },
    Grants { roles: &[ADMIN, USER, "federated-external", "anonymous", "guest"], permissions: &["view-p-room"] },
    Grants { roles: &[ADMIN, USER, "federated-external", "anonymous"], permissions: &["preview-c-room"] },
    Grants { roles: &["guest", "bot", "app", "anonymous"], permissions: &["view-joined-room"] },
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
