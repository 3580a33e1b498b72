//! Settings of the workspace: what one is, which values it takes, and what a wrong value is told. The settings that have
//! an effect here stand in [`table`]; a setting that is not there has no effect here.
//!
//! A value comes from the operator's `OVERWRITE_SETTING_<id>`, else from the workspace, else from the table; which one
//! is asked first is decided in `service::settings`. The permissions that stand for settings are in [`permissions`].

mod permissions;
mod table;

use regex::Regex;
use serde_json::Value;

use super::ids::RoleId;

pub use permissions::setting_permissions;
pub use table::*;

/// The longest text that a setting takes.
pub const MAX_TEXT_BYTES: usize = 4_096;

/// Type, bounds and default of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean {
        /// Without any other word.
        default: bool,
    },
    /// A whole number.
    Integer {
        /// Without any other word.
        default: i64,
        /// Smallest allowed; what a workspace stores may be less and is judged where it is used.
        least: i64,
        /// Largest allowed.
        most: i64,
    },
    /// Any text.
    Text {
        /// Without any other word.
        default: &'static str,
    },
    /// One of some texts. What a workspace stores may be another, of a later version for instance, and is judged where
    /// it is used.
    Choice {
        /// Without any other word.
        default: &'static str,
        /// All that are allowed.
        values: &'static [&'static str],
    },
    /// A regular expression of a whole text.
    Pattern {
        /// Without any other word.
        default: &'static str,
    },
    /// Ids of roles, separated by commas.
    Roles {
        /// Without any other word.
        default: &'static str,
    },
    /// A text that is never shown; empty by default.
    Secret,
}

/// Who may see a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody, with or without an account.
    Public,
    /// Whoever may view settings.
    Private,
    /// Nobody: it is the operator's and the system's alone.
    Hidden,
}

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// `_id` in the workspace; also the key of its label in clients.
    pub id: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Who may see it.
    pub visibility: Visibility,
    /// The page of the administration that it stands on.
    pub group: &'static str,
    /// The part of that page, if it has parts.
    pub section: Option<&'static str>,
}

impl Setting {
    /// The setting with that id, when it has an effect here.
    pub fn find(id: &str) -> Option<Self> {
        SETTINGS.iter().copied().find(|setting| setting.id == id)
    }

    /// As [`Setting::find`], but hidden ones are not found.
    pub fn find_shown(id: &str) -> Option<Self> {
        Self::find(id).filter(|setting| setting.visibility != Visibility::Hidden)
    }

    /// Its place within its group, from 0.
    pub fn place(&self) -> usize {
        let before = SETTINGS.iter().take_while(|other| other.id != self.id);
        before.filter(|other| other.group == self.group).count()
    }

    /// What Rocket.Chat calls its type.
    pub const fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Boolean { .. } => "boolean",
            Kind::Integer { .. } => "int",
            Kind::Text { .. } | Kind::Pattern { .. } | Kind::Roles { .. } => "string",
            Kind::Choice { .. } => "select",
            Kind::Secret => "password",
        }
    }

    /// Whether its value must not be shown to anybody.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret)
    }

    /// The default as a value.
    pub fn default_value(&self) -> Value {
        match self.kind {
            Kind::Boolean { default } => default.into(),
            Kind::Integer { default, .. } => default.into(),
            Kind::Text { default }
            | Kind::Choice { default, .. }
            | Kind::Pattern { default }
            | Kind::Roles { default } => default.into(),
            Kind::Secret => "".into(),
        }
    }

    /// Reads an operator's override.
    ///
    /// # Errors
    /// A sentence that says what would be allowed.
    pub fn parse_override(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Boolean { .. } => text.parse::<bool>().map_or(Value::Null, Value::from),
            Kind::Integer { .. } => text.parse::<i64>().map_or(Value::Null, Value::from),
            _ => text.into(),
        };
        self.check(&value)
    }

    /// The value as it is stored, when it is one that somebody may give to the setting. Whether the roles it names exist
    /// is for the store to say.
    ///
    /// # Errors
    /// What would be allowed, to follow upon the setting's name.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        match self.kind {
            Kind::Boolean { .. } => match value {
                Value::Bool(_) => Ok(value.clone()),
                _ => Err("must be true or false".to_owned()),
            },
            Kind::Integer { least, most, .. } => match whole_number(value) {
                Some(number) if (least..=most).contains(&number) => Ok(number.into()),
                _ => Err(format!("must be a whole number from {least} to {most}")),
            },
            Kind::Choice { values, .. } => match value {
                Value::String(text) if values.contains(&text.as_str()) => Ok(value.clone()),
                _ => Err(format!("must be one of: {}", values.join(", "))),
            },
            Kind::Pattern { .. } => {
                let text = short_text(value)?;
                // By itself as well: `a)|(b` is one only where it is put between brackets, and means something else there.
                match Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$"))) {
                    Ok(_) => Ok(value.clone()),
                    Err(_) => Err("must be a regular expression".to_owned()),
                }
            }
            Kind::Text { .. } | Kind::Roles { .. } | Kind::Secret => short_text(value).map(Value::from),
        }
    }

    /// Whether a stored value is of the setting's type; another type counts as absent.
    pub fn accepts(&self, value: &Value) -> bool {
        match self.kind {
            Kind::Boolean { .. } => value.is_boolean(),
            Kind::Integer { .. } => whole_number(value).is_some(),
            _ => value.is_string(),
        }
    }

    /// The roles that this value of the setting names, each once.
    pub fn roles_named_by(&self, value: &Value) -> Vec<RoleId> {
        let Kind::Roles { .. } = self.kind else { return Vec::new() };
        let mut roles = Vec::new();
        for item in items(value.as_str().unwrap_or_default()) {
            let role = RoleId::from_stored(item);
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        roles
    }

    /// This value of the setting without a role; `None` when it does not name the role.
    pub fn without_role(&self, value: &Value, role: &RoleId) -> Option<Value> {
        if !self.roles_named_by(value).contains(role) {
            return None;
        }
        let left = items(value.as_str()?).filter(|item| *item != role.as_str());
        Some(left.collect::<Vec<_>>().join(",").into())
    }
}

/// The settings that name roles.
pub fn settings_that_name_roles() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| matches!(setting.kind, Kind::Roles { .. }))
}

/// The items of a list separated by commas, without empty ones.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A whole number, also one that JavaScript wrote with a fraction of nothing.
#[expect(clippy::cast_possible_truncation, reason = "saturates; settings are small whole numbers")]
pub fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64))
}

fn short_text(value: &Value) -> Result<&str, String> {
    match value.as_str() {
        Some(text) if text.len() <= MAX_TEXT_BYTES => Ok(text),
        Some(_) => Err(format!("must not be longer than {MAX_TEXT_BYTES} bytes")),
        None => Err("must be a text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn every_default_is_of_its_own_type_and_within_its_own_bounds() {
        for setting in SETTINGS {
            let value = setting.default_value();
            assert!(setting.accepts(&value), "{}", setting.id);
            assert_eq!(setting.check(&value).as_ref(), Ok(&value), "{}", setting.id);
            let as_text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(setting.parse_override(&as_text), Ok(value), "{}", setting.id);
        }
    }

    #[test]
    fn every_setting_stands_in_the_table_once_and_has_a_place_of_its_own() {
        let ids: HashSet<_> = SETTINGS.iter().map(|setting| setting.id).collect();
        let places: HashSet<_> = SETTINGS.iter().map(|setting| (setting.group, setting.place())).collect();
        assert_eq!((ids.len(), places.len()), (SETTINGS.len(), SETTINGS.len()));
    }

    #[test]
    fn every_setting_stands_in_the_defaults_file_with_its_default() {
        let file = include_str!("../../config/default.toml");
        for setting in SETTINGS {
            let default = setting.default_value();
            let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let line = format!("# {} = \"{text}\"", setting.id);
            assert!(file.lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn what_is_secret_is_shown_to_nobody() {
        for setting in SETTINGS {
            assert!(!setting.is_secret() || setting.visibility != Visibility::Public, "{}", setting.id);
        }
    }

    #[test]
    fn a_value_of_another_type_or_out_of_bounds_is_refused() {
        for (setting, wrong) in [
            (LOGIN_EXPIRATION, vec![json!(0), json!(1.5), json!("30"), json!(null), json!({"$gt": 1}), json!(true)]),
            (ALLOW_INFINITE_COUNT, vec![json!("true"), json!(1), json!(null), json!([true])]),
            (REGISTRATION_FORM, vec![json!("public"), json!(""), json!(1), json!({"$ne": ""})]),
            (USERNAME_PATTERN, vec![json!("["), json!("a)b("), json!(1)]),
            (BLOCKED_USERNAMES, vec![json!(["a"]), json!(null), json!("x".repeat(MAX_TEXT_BYTES + 1))]),
            (REGISTRATION_SECRET, vec![json!(7), json!({})]),
        ] {
            for value in wrong {
                assert!(setting.check(&value).is_err(), "{} {value}", setting.id);
            }
        }
        assert_eq!(LOGIN_EXPIRATION.check(&json!(30.0)), Ok(json!(30)));
        assert_eq!(REGISTRATION_FORM.check(&json!("Secret URL")), Ok(json!("Secret URL")));
    }

    #[test]
    fn an_override_of_another_type_or_out_of_bounds_is_refused() {
        assert!(LOGIN_EXPIRATION.parse_override("0").is_err());
        assert!(LOGIN_EXPIRATION.parse_override("soon").is_err());
        assert!(ALLOW_INFINITE_COUNT.parse_override("yes").is_err());
        assert!(REGISTRATION_FORM.parse_override("open").is_err());
    }

    #[test]
    fn a_stored_choice_that_is_not_known_is_kept_for_its_user_to_judge() {
        // Taking it for absent would mean the default, which is `Public`.
        assert!(REGISTRATION_FORM.accepts(&json!("By invitation")));
    }

    #[test]
    fn roles_are_named_once_and_taken_off_the_list_one_by_one() {
        let (setting, value) = (DEFAULT_ROLES_OF_NEW_USERS, json!(" user, deputy ,,deputy,guest"));
        let ids = ["user", "deputy", "guest"].map(RoleId::from_stored);
        assert_eq!(setting.roles_named_by(&value), ids);
        assert_eq!(setting.without_role(&value, &ids[1]), Some(json!("user,guest")));
        assert_eq!(setting.without_role(&value, &RoleId::from_stored("dep")), None);
        assert_eq!(setting.without_role(&json!("deputy"), &ids[1]), Some(json!("")));
        assert_eq!(BLOCKED_USERNAMES.roles_named_by(&value), []);
        assert_eq!(BLOCKED_USERNAMES.without_role(&value, &ids[1]), None);
    }
}
