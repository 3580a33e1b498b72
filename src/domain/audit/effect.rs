//! What a change did, in one form for all kinds of changes: what it was about, what was before and what after. For
//! whoever reads the record; what is stored stays as each kind of change has it.

use serde_json::{Map, Value, json};

use super::Change;

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// What kind of change it is, as on record.
    pub action: String,
    /// What it was about: kind (`role`, `user`, `room`, `permission`, `setting`, `organization`) and id, each once.
    pub targets: Vec<(&'static str, String)>,
    /// What was; `null` where there was nothing, or nothing that may be told.
    pub before: Value,
    /// What is since; `null` likewise.
    pub after: Value,
}

impl Effect {
    /// Whether the change was about something with that id.
    pub fn concerns(&self, id: &str) -> bool {
        self.targets.iter().any(|(_, target)| target == id)
    }

    /// Whether the change was about that role.
    pub fn concerns_role(&self, id: &str) -> bool {
        self.targets.iter().any(|(kind, target)| *kind == "role" && target == id)
    }
}

/// On which side what a change tells stands.
enum Side {
    /// It is there since.
    Made,
    /// It was there before.
    Gone,
    /// The change tells both.
    Both,
    /// A mark that was put or taken.
    Mark(&'static str, bool),
}

impl Change {
    /// What it did.
    pub fn effect(&self) -> Effect {
        let Ok(Value::Object(mut told)) = serde_json::to_value(self) else {
            return Effect { action: String::new(), targets: Vec::new(), before: Value::Null, after: Value::Null };
        };
        let action = told.shift_remove("action").and_then(|action| action.as_str().map(str::to_owned));
        // What was put right says itself what it was about.
        let targets = targets(told.get("repaired").and_then(Value::as_object).unwrap_or(&told));
        let (before, after) = self.sides(told);
        Effect { action: action.unwrap_or_default(), targets, before, after }
    }

    fn sides(&self, mut told: Map<String, Value>) -> (Value, Value) {
        match self.side() {
            Side::Made => (Value::Null, Value::Object(told)),
            Side::Gone => (Value::Object(told), Value::Null),
            Side::Both => {
                let mut side = |name| told.shift_remove(name).unwrap_or_default();
                let (before, mut after) = (side("before"), side("after"));
                if let (Self::UserUpdated { password: true, .. }, Value::Object(fields)) = (self, &mut after) {
                    fields.insert("password".to_owned(), "changed".into());
                }
                (before, after)
            }
            Side::Mark(name, put) => (json!({name: !put}), json!({name: put})),
        }
    }

    const fn side(&self) -> Side {
        match self {
            Self::WorkspaceSeeded { .. }
            | Self::RoleCreated { .. }
            | Self::RoleAssigned { .. }
            | Self::UserCreated { .. }
            | Self::SessionStarted { .. }
            | Self::PersonalTokenCreated { .. }
            | Self::RoomCreated { .. }
            | Self::MembersAdded { .. }
            | Self::OrganizationCreated { .. }
            | Self::OrganizationRoleAssigned { .. }
            | Self::OrganizationMemberAdded { .. }
            | Self::AdministratorRecovered { .. } => Side::Made,
            Self::RoleDeleted { .. }
            | Self::RoleUnassigned { .. }
            | Self::UserDeleted { .. }
            | Self::SessionEnded { .. }
            | Self::TokensEnded { .. }
            | Self::PersonalTokenRemoved { .. }
            | Self::BackupCodeUsed { .. }
            | Self::MemberRemoved { .. }
            | Self::RoomDeleted { .. }
            | Self::OrganizationDeleted { .. }
            | Self::OrganizationRoleUnassigned { .. }
            | Self::OrganizationMemberRemoved { .. }
            | Self::Repaired { .. } => Side::Gone,
            Self::RoleUpdated { .. }
            | Self::PermissionsUpdated { .. }
            | Self::UserUpdated { .. }
            | Self::SettingChanged { .. }
            | Self::RoomRenamed { .. }
            | Self::RoomKindChanged { .. }
            | Self::OrganizationRenamed { .. }
            | Self::OrganizationRoleCreated { .. }
            | Self::OrganizationRoleUpdated { .. }
            | Self::OrganizationRoleDeleted { .. } => Side::Both,
            Self::UserActivated { .. } => Side::Mark("active", true),
            Self::UserDeactivated { .. } | Self::IdleUsersDeactivated { .. } => Side::Mark("active", false),
            Self::RoomArchived { .. } => Side::Mark("archived", true),
            Self::RoomUnarchived { .. } => Side::Mark("archived", false),
            Self::PersonalTokenReplaced { .. } => Side::Mark("replaced", true),
        }
    }
}

/// Names of fields and the kind of what they name by id.
const KINDS: [(&str, &str); 13] = [
    ("role", "role"),
    ("roles", "role"),
    ("user", "user"),
    ("users", "user"),
    ("owner", "user"),
    ("room", "room"),
    ("rooms", "room"),
    ("relinquished", "room"),
    ("deleted_rooms", "room"),
    ("permissions", "permission"),
    ("setting", "setting"),
    ("settings", "setting"),
    ("organization", "organization"),
];

fn targets(told: &Map<String, Value>) -> Vec<(&'static str, String)> {
    let mut targets = Vec::new();
    for (name, kind) in KINDS {
        add(&mut targets, kind, told.get(name));
    }
    match (told.get("before"), told.get("after")) {
        // Permissions with their roles: about those that got or lost it.
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for (before, after) in before.iter().zip(after) {
                add(&mut targets, "permission", after.get("_id"));
                let roles = |side: &Value| side["roles"].as_array().cloned().unwrap_or_default();
                let (before, after) = (roles(before), roles(after));
                before
                    .iter()
                    .filter(|role| !after.contains(role))
                    .for_each(|role| add(&mut targets, "role", Some(role)));
                after
                    .iter()
                    .filter(|role| !before.contains(role))
                    .for_each(|role| add(&mut targets, "role", Some(role)));
            }
        }
        (before, after) => {
            for side in [before, after].into_iter().flatten().filter_map(Value::as_object) {
                add(&mut targets, "role", side.get("_id"));
                add(&mut targets, "role", side.get("roles"));
            }
        }
    }
    targets
}

/// A text is an id; an object has one; a list has several.
fn add(targets: &mut Vec<(&'static str, String)>, kind: &'static str, named: Option<&Value>) {
    match named {
        Some(Value::String(id)) => {
            let target = (kind, id.clone());
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Some(Value::Array(several)) => several.iter().for_each(|one| add(targets, kind, Some(one))),
        Some(Value::Object(fields)) => add(targets, kind, fields.get("_id")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{PermissionId, RoleId, UserId};
    use crate::domain::permission::Permission;
    use crate::domain::setting::Setting;
    use crate::domain::time::Timestamp;

    #[test]
    fn an_assignment_is_there_afterwards_and_an_ended_one_was_before() {
        let (role, user) = (RoleId::from_stored("owner"), UserId::from_stored("u"));
        let told = json!({"role": "owner", "user": "u", "room": null});
        let made = Change::RoleAssigned { role: role.clone(), user: user.clone(), room: None }.effect();
        assert_eq!((made.action.as_str(), &made.before, &made.after), ("role_assigned", &Value::Null, &told));
        assert_eq!(made.targets, [("role", "owner".to_owned()), ("user", "u".to_owned())]);
        let gone = Change::RoleUnassigned { role, user, room: None }.effect();
        assert_eq!((&gone.before, &gone.after), (&told, &Value::Null));
        assert!(gone.concerns("u") && gone.concerns_role("owner") && !gone.concerns_role("u"));
    }

    #[test]
    fn of_permissions_those_are_concerned_who_got_or_lost_one() {
        let list = |roles: &[&str]| Permission {
            id: PermissionId::from_stored("view-logs"),
            roles: roles.iter().map(|role| RoleId::from_stored(*role)).collect(),
            ..crate::domain::permission::default_permissions(Timestamp::EPOCH).next().unwrap()
        };
        let change = Change::PermissionsUpdated { before: vec![list(&["a", "b"])], after: vec![list(&["b", "c"])] };
        let effect = change.effect();
        let ids = |kind: &str| {
            let of_kind = effect.targets.iter().filter(|(target, _)| *target == kind);
            of_kind.map(|(_, id)| id.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((ids("permission"), ids("role")), (vec!["view-logs"], vec!["a", "c"]));
    }

    #[test]
    fn passwords_and_secrets_are_only_said_to_have_changed() {
        let change = Change::UserUpdated {
            user: UserId::from_stored("u"),
            before: Map::new(),
            after: Map::new(),
            password: true,
            relinquished: Vec::new(),
        };
        assert_eq!(change.effect().after, json!({"password": "changed"}));
        let secret = Setting::find("Accounts_RegistrationForm_SecretURL").unwrap();
        let effect = Change::of_setting(secret, Some("old".into()), "new".into()).effect();
        assert_eq!((effect.before, effect.after), (Value::Null, Value::Null));
        assert_eq!(effect.targets, [("setting", "Accounts_RegistrationForm_SecretURL".to_owned())]);
    }
}
