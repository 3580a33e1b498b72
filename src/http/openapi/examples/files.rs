//! The files of examples, as they are compiled into the program. Written by `tests/api/examples`, as the files are.

/// Each file's name and text.
pub(super) const FILES: &[(&str, &str)] = &[
    ("audit", include_str!("audit.json")),
    ("channels", include_str!("channels.json")),
    ("groups", include_str!("groups.json")),
    ("organization-audit-log", include_str!("organization-audit-log.json")),
    ("organization-members", include_str!("organization-members.json")),
    ("organization-roles", include_str!("organization-roles.json")),
    ("organizations", include_str!("organizations.json")),
    ("permissions", include_str!("permissions.json")),
    ("roles", include_str!("roles.json")),
    ("rooms", include_str!("rooms.json")),
    ("server", include_str!("server.json")),
    ("session", include_str!("session.json")),
    ("settings", include_str!("settings.json")),
    ("subscriptions", include_str!("subscriptions.json")),
    ("users", include_str!("users.json")),
    ("workspace", include_str!("workspace.json")),
];
