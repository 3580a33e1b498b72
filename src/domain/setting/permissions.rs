//! The permissions that stand for settings (contract 5.4): one for each setting that is not hidden and one for each group
//! of them, given to nobody at first. They are inserted where they are absent and never touched again; those that
//! another server made for settings of its own are its business, also when it comes to removing them.

use serde_json::{Map, Value};

use super::{SETTINGS, Setting, Visibility};
use crate::domain::ids::PermissionId;
use crate::domain::permission::Permission;
use crate::domain::time::Timestamp;

fn id(of: &str) -> String {
    format!("change-setting-{of}")
}

/// Every permission of a setting as it is seeded at `at`, each group's own before those of its settings.
pub fn setting_permissions(at: Timestamp) -> impl Iterator<Item = Permission> {
    let shown = SETTINGS.iter().filter(|setting| setting.visibility != Visibility::Hidden);
    shown.flat_map(move |setting| {
        let group = is_first_of_its_group(setting).then(|| of_group(setting.group, at));
        group.into_iter().chain([of_setting(setting, at)])
    })
}

fn is_first_of_its_group(setting: &Setting) -> bool {
    SETTINGS.iter().find(|other| other.group == setting.group).is_some_and(|first| first.id == setting.id)
}

fn groups() -> Vec<&'static str> {
    SETTINGS.iter().filter(|setting| is_first_of_its_group(setting)).map(|setting| setting.group).collect()
}

fn of_group(group: &str, at: Timestamp) -> Permission {
    let sorter = groups().iter().position(|other| *other == group).unwrap_or_default();
    permission(group, sorter, at)
}

fn of_setting(setting: &Setting, at: Timestamp) -> Permission {
    let mut permission = permission(setting.id, setting.place(), at);
    let mut add = |field: &str, value: String| permission.setting.insert(field.to_owned(), value.into());
    add("group", setting.group.to_owned());
    add("groupPermissionId", id(setting.group));
    if let Some(section) = setting.section {
        add("section", section.to_owned());
        add("sectionPermissionId", id(section));
    }
    permission
}

fn permission(of: &str, sorter: usize, at: Timestamp) -> Permission {
    let mut setting = Map::new();
    setting.insert("level".to_owned(), "settings".into());
    setting.insert("settingId".to_owned(), of.into());
    setting.insert("sorter".to_owned(), Value::from(sorter));
    Permission { id: PermissionId::from_stored(id(of)), roles: Vec::new(), updated_at: at, setting }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::setting::REGISTRATION_FORM;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn every_setting_that_is_shown_has_one_and_so_has_every_group() {
        let all: Vec<_> = setting_permissions(Timestamp::EPOCH).collect();
        let ids: HashSet<_> = all.iter().map(|permission| permission.id.clone()).collect();
        let shown = SETTINGS.iter().filter(|setting| setting.visibility != Visibility::Hidden);
        assert_eq!((ids.len(), all.len()), (shown.count() + groups().len(), ids.len()));
        assert!(all.iter().all(|permission| permission.is_of_setting() && permission.roles.is_empty()));
        let groups: Vec<_> = all.iter().filter_map(Permission::group).collect();
        assert!(groups.iter().all(|group| ids.contains(group)));
        assert!(!ids.contains(&PermissionId::from_stored("change-setting-Accounts_SystemBlockedUsernameList")));
    }

    #[test]
    fn the_fields_are_the_originals() {
        let form = "change-setting-Accounts_RegistrationForm";
        let found = setting_permissions(Timestamp::EPOCH).find(|permission| permission.id.as_str() == form).unwrap();
        let expected = json!({
            "level": "settings",
            "settingId": "Accounts_RegistrationForm",
            "sorter": REGISTRATION_FORM.place(),
            "group": "Accounts",
            "groupPermissionId": "change-setting-Accounts",
            "section": "Registration",
            "sectionPermissionId": "change-setting-Registration",
        });
        assert_eq!(Value::Object(found.setting), expected);
    }
}
