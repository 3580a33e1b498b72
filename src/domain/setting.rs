//! The workspace settings that have an effect here: id, type, bounds and default, in one table.
//!
//! A value comes from the operator's `OVERWRITE_SETTING_<id>`, else from the workspace, else from this table; which one
//! is asked first is decided in `service::settings`. A setting that is not here has no effect here.

use serde_json::Value;

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
        /// Smallest allowed in an override; what a workspace stores may be less and is judged where it is used.
        least: i64,
        /// Largest allowed in an override.
        most: i64,
    },
    /// Any text.
    Text {
        /// Without any other word.
        default: &'static str,
    },
}

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// `_id` in the workspace.
    pub id: &'static str,
    /// What it may be.
    pub kind: Kind,
}

const fn boolean(id: &'static str, default: bool) -> Setting {
    Setting { id, kind: Kind::Boolean { default } }
}

const fn integer(id: &'static str, default: i64, least: i64, most: i64) -> Setting {
    Setting { id, kind: Kind::Integer { default, least, most } }
}

const fn text(id: &'static str, default: &'static str) -> Setting {
    Setting { id, kind: Kind::Text { default } }
}

/// Days after which a session ends; senseless values mean the default (contract 2.2).
pub const LOGIN_EXPIRATION: Setting = integer("Accounts_LoginExpiration", 90, 1, 36_500);
/// Items of a page when the caller names no count (contract 1.11).
pub const DEFAULT_COUNT: Setting = integer("API_Default_Count", 50, 1, 100_000);
/// Items of a page at most.
pub const UPPER_COUNT_LIMIT: Setting = integer("API_Upper_Count_Limit", 100, 1, 100_000);
/// Whether `count=0` means everything.
pub const ALLOW_INFINITE_COUNT: Setting = boolean("API_Allow_Infinite_Count", true);
/// Whether old clients may name a role by its name where an id belongs; ours, not the original's.
pub const ACCEPT_ROLE_NAMES: Setting = boolean("Rolekeeper_Accept_Role_Names", false);
/// Whether the rate of requests is limited (contract 3).
pub const RATE_LIMITER: Setting = boolean("API_Enable_Rate_Limiter", true);
/// Requests that one client may send to one route within a window; senseless values mean the default.
pub const RATE_LIMIT_CALLS: Setting = integer("API_Enable_Rate_Limiter_Limit_Calls_Default", 10, 1, 1_000_000);
/// The same for `users.register`.
pub const RATE_LIMIT_REGISTRATIONS: Setting = integer("Rate_Limiter_Limit_RegisterUser", 1, 1, 1_000_000);
/// Milliseconds that a window lasts; senseless values mean the default.
pub const RATE_LIMIT_TIME: Setting = integer("API_Enable_Rate_Limiter_Limit_Time_Default", 60_000, 1, 86_400_000);
/// Roles of a new account, separated by commas.
pub const DEFAULT_ROLES_OF_NEW_USERS: Setting = text("Accounts_Registration_Users_Default_Roles", "user");
/// Whether a new account needs a name.
pub const REQUIRE_NAME: Setting = boolean("Accounts_RequireNameForSignUp", true);
/// Whether a password log-in needs a verified address.
pub const EMAIL_VERIFICATION: Setting = boolean("Accounts_EmailVerification", false);
/// Whether second factors are asked for at all.
pub const TWO_FACTOR_ENABLED: Setting = boolean("Accounts_TwoFactorAuthentication_Enabled", true);
/// Whether codes by e-mail count as a second factor.
pub const TWO_FACTOR_BY_EMAIL_ENABLED: Setting = boolean("Accounts_TwoFactorAuthentication_By_Email_Enabled", true);
/// Pattern of a whole username.
pub const USERNAME_PATTERN: Setting = text("UTF8_User_Names_Validation", "[0-9a-zA-Z-_.]+");
/// Pattern of a whole room name.
pub const ROOM_NAME_PATTERN: Setting = text("UTF8_Channel_Names_Validation", "[0-9a-zA-Z-_.]+");
/// Usernames nobody may take, separated by commas.
pub const BLOCKED_USERNAMES: Setting = text("Accounts_BlockedUsernameList", "");
/// Usernames that belong to the system, separated by commas.
pub const SYSTEM_BLOCKED_USERNAMES: Setting =
    text("Accounts_SystemBlockedUsernameList", "admin,administrator,system,user");

/// Who may register: `Public`, `Secret URL` or `Disabled`.
pub const REGISTRATION_FORM: Setting = text("Accounts_RegistrationForm", "Public");
/// The secret that registering takes under `Secret URL`.
pub const REGISTRATION_SECRET: Setting = text("Accounts_RegistrationForm_SecretURL", "");
/// Whether an account that somebody made for himself waits until an administrator activates it.
pub const APPROVE_NEW_USERS: Setting = boolean("Accounts_ManuallyApproveNewUsers", false);

/// All of them.
pub const SETTINGS: &[Setting] = &[
    LOGIN_EXPIRATION,
    DEFAULT_COUNT,
    UPPER_COUNT_LIMIT,
    ALLOW_INFINITE_COUNT,
    ACCEPT_ROLE_NAMES,
    RATE_LIMITER,
    RATE_LIMIT_CALLS,
    RATE_LIMIT_REGISTRATIONS,
    RATE_LIMIT_TIME,
    DEFAULT_ROLES_OF_NEW_USERS,
    REQUIRE_NAME,
    EMAIL_VERIFICATION,
    TWO_FACTOR_ENABLED,
    TWO_FACTOR_BY_EMAIL_ENABLED,
    USERNAME_PATTERN,
    ROOM_NAME_PATTERN,
    BLOCKED_USERNAMES,
    SYSTEM_BLOCKED_USERNAMES,
    REGISTRATION_FORM,
    REGISTRATION_SECRET,
    APPROVE_NEW_USERS,
];

impl Setting {
    /// The setting with that id, when it has an effect here.
    pub fn find(id: &str) -> Option<Self> {
        SETTINGS.iter().copied().find(|setting| setting.id == id)
    }

    /// The default as a value.
    pub fn default_value(&self) -> Value {
        match self.kind {
            Kind::Boolean { default } => default.into(),
            Kind::Integer { default, .. } => default.into(),
            Kind::Text { default } => default.into(),
        }
    }

    /// Reads an operator's override.
    ///
    /// # Errors
    /// A sentence that says what would be allowed.
    pub fn parse_override(&self, text: &str) -> Result<Value, String> {
        match self.kind {
            Kind::Text { .. } => Ok(text.into()),
            Kind::Boolean { .. } => match text {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => Err("must be true or false".to_owned()),
            },
            Kind::Integer { least, most, .. } => match text.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(number.into()),
                _ => Err(format!("must be a whole number from {least} to {most}")),
            },
        }
    }

    /// Whether a stored value is of the setting's type; another type counts as absent.
    pub fn accepts(&self, value: &Value) -> bool {
        match self.kind {
            Kind::Boolean { .. } => value.is_boolean(),
            Kind::Integer { .. } => value.as_i64().is_some() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
            Kind::Text { .. } => value.is_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_of_its_own_type_and_within_its_own_bounds() {
        for setting in SETTINGS {
            let value = setting.default_value();
            assert!(setting.accepts(&value), "{}", setting.id);
            let as_text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(setting.parse_override(&as_text), Ok(value), "{}", setting.id);
        }
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
    fn an_override_of_another_type_or_out_of_bounds_is_refused() {
        assert!(LOGIN_EXPIRATION.parse_override("0").is_err());
        assert!(LOGIN_EXPIRATION.parse_override("soon").is_err());
        assert!(ALLOW_INFINITE_COUNT.parse_override("yes").is_err());
    }
}
