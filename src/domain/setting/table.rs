//! The settings that have an effect here, each with its type, bounds, default and place: the one table that feeds the
//! API, the overrides of the operator, the permissions of settings and `config/default.toml`. Types and places are
//! Rocket.Chat's, so that its own administration shows them where it always did.

use super::{Kind, Setting, Visibility};

const ACCOUNTS: &str = "Accounts";
const GENERAL: &str = "General";
const RATE_LIMITS: &str = "Rate Limiter";
const OURS: &str = "Rolekeeper";

const REGISTRATION: Option<&str> = Some("Registration");
const TWO_FACTOR: Option<&str> = Some("Two Factor Authentication");
const BLOCKING: Option<&str> = Some("Login_Attempts");
const PASSWORD_POLICY: Option<&str> = Some("Password_Policy");
const REST_API: Option<&str> = Some("REST API");
const UTF8: Option<&str> = Some("UTF8");
const API_RATES: Option<&str> = Some("API_Rate_Limiter");

const fn setting(id: &'static str, kind: Kind, group: &'static str, section: Option<&'static str>) -> Setting {
    Setting { id, kind, visibility: Visibility::Private, group, section }
}

const fn boolean(id: &'static str, default: bool, group: &'static str, section: Option<&'static str>) -> Setting {
    setting(id, Kind::Boolean { default }, group, section)
}

/// What people may do to their own account.
const fn own_account(id: &'static str, default: bool) -> Setting {
    boolean(id, default, ACCOUNTS, None).public()
}

/// `of` is the default and the bounds.
const fn integer(id: &'static str, of: (i64, i64, i64), group: &'static str, section: Option<&'static str>) -> Setting {
    setting(id, Kind::Integer { default: of.0, least: of.1, most: of.2 }, group, section)
}

const fn text(id: &'static str, default: &'static str, section: Option<&'static str>) -> Setting {
    setting(id, Kind::Text { default }, ACCOUNTS, section)
}

const fn pattern(id: &'static str, default: &'static str) -> Setting {
    setting(id, Kind::Pattern { default }, GENERAL, UTF8).public()
}

impl Setting {
    const fn public(mut self) -> Self {
        self.visibility = Visibility::Public;
        self
    }

    const fn hidden(mut self) -> Self {
        self.visibility = Visibility::Hidden;
        self
    }
}

/// Days after which a session ends; senseless values mean the default (contract 2.2).
pub const LOGIN_EXPIRATION: Setting = integer("Accounts_LoginExpiration", (90, 1, 36_500), ACCOUNTS, None).public();
/// Items of a page when the caller names no count (contract 1.11).
pub const DEFAULT_COUNT: Setting = integer("API_Default_Count", (50, 1, 100_000), GENERAL, REST_API);
/// Items of a page at most.
pub const UPPER_COUNT_LIMIT: Setting = integer("API_Upper_Count_Limit", (100, 1, 100_000), GENERAL, REST_API);
/// Whether `count=0` means everything.
pub const ALLOW_INFINITE_COUNT: Setting = boolean("API_Allow_Infinite_Count", true, GENERAL, REST_API);
/// Whether old clients may name a role by its name where an id belongs; ours, not the original's.
pub const ACCEPT_ROLE_NAMES: Setting = boolean("Rolekeeper_Accept_Role_Names", false, OURS, None);
/// Whether the rate of requests is limited (contract 3).
pub const RATE_LIMITER: Setting = boolean("API_Enable_Rate_Limiter", true, RATE_LIMITS, API_RATES);
/// Requests that one client may send to one route within a window; senseless values mean the default.
pub const RATE_LIMIT_CALLS: Setting =
    integer("API_Enable_Rate_Limiter_Limit_Calls_Default", (10, 1, 1_000_000), RATE_LIMITS, API_RATES);
/// The same for `users.register`.
pub const RATE_LIMIT_REGISTRATIONS: Setting =
    integer("Rate_Limiter_Limit_RegisterUser", (1, 1, 1_000_000), RATE_LIMITS, Some("Feature_Limiting"));
/// Milliseconds that a window lasts, a day at most; senseless values mean the default.
pub const RATE_LIMIT_TIME: Setting =
    integer("API_Enable_Rate_Limiter_Limit_Time_Default", (60_000, 1, 86_400_000), RATE_LIMITS, API_RATES);
/// Roles of a new account, separated by commas.
pub const DEFAULT_ROLES_OF_NEW_USERS: Setting =
    setting("Accounts_Registration_Users_Default_Roles", Kind::Roles { default: "user" }, ACCOUNTS, REGISTRATION);
/// Whether a new account needs a name.
pub const REQUIRE_NAME: Setting = boolean("Accounts_RequireNameForSignUp", true, ACCOUNTS, REGISTRATION).public();
/// Whether a password log-in needs a verified address.
pub const EMAIL_VERIFICATION: Setting = boolean("Accounts_EmailVerification", false, ACCOUNTS, REGISTRATION).public();
/// Whether second factors are asked for at all.
pub const TWO_FACTOR_ENABLED: Setting =
    boolean("Accounts_TwoFactorAuthentication_Enabled", true, ACCOUNTS, TWO_FACTOR).public();
/// Whether codes by e-mail count as a second factor.
pub const TWO_FACTOR_BY_EMAIL_ENABLED: Setting =
    boolean("Accounts_TwoFactorAuthentication_By_Email_Enabled", true, ACCOUNTS, TWO_FACTOR);
/// How many steps of 30 seconds an authenticator app's clock may be off.
pub const TWO_FACTOR_MAX_DELTA: Setting =
    integer("Accounts_TwoFactorAuthentication_MaxDelta", (1, 0, 10), ACCOUNTS, TWO_FACTOR);
/// Seconds for which a second factor need not be shown again; 0: every time.
pub const TWO_FACTOR_REMEMBER_FOR: Setting =
    integer("Accounts_TwoFactorAuthentication_RememberFor", (1_800, 0, 31_536_000), ACCOUNTS, TWO_FACTOR);
/// Whether accounts without a second factor are asked for their password instead.
pub const TWO_FACTOR_PASSWORD_FALLBACK: Setting =
    boolean("Accounts_TwoFactorAuthentication_Enforce_Password_Fallback", true, ACCOUNTS, TWO_FACTOR);
/// Whether many failures to log in stop further attempts (contract 2.5).
pub const BLOCK_LOGINS: Setting = boolean("Block_Multiple_Failed_Logins_Enabled", false, ACCOUNTS, BLOCKING);
/// Whether failures of one account do.
pub const BLOCK_BY_USER: Setting = boolean("Block_Multiple_Failed_Logins_By_User", true, ACCOUNTS, BLOCKING);
/// How many failures of one account do.
pub const BLOCK_BY_USER_ATTEMPTS: Setting =
    integer("Block_Multiple_Failed_Logins_Attempts_Until_Block_by_User", (10, 1, 10_000), ACCOUNTS, BLOCKING);
/// Minutes for which a failure of an account counts.
pub const BLOCK_BY_USER_MINUTES: Setting =
    integer("Block_Multiple_Failed_Logins_Time_To_Unblock_By_User_In_Minutes", (5, 1, 43_200), ACCOUNTS, BLOCKING);
/// Whether failures from one address do.
pub const BLOCK_BY_ADDRESS: Setting = boolean("Block_Multiple_Failed_Logins_By_Ip", true, ACCOUNTS, BLOCKING);
/// How many failures from one address do.
pub const BLOCK_BY_ADDRESS_ATTEMPTS: Setting =
    integer("Block_Multiple_Failed_Logins_Attempts_Until_Block_By_Ip", (50, 1, 10_000), ACCOUNTS, BLOCKING);
/// Minutes for which a failure from an address counts.
pub const BLOCK_BY_ADDRESS_MINUTES: Setting =
    integer("Block_Multiple_Failed_Logins_Time_To_Unblock_By_Ip_In_Minutes", (5, 1, 43_200), ACCOUNTS, BLOCKING);
/// Addresses that are never blocked, separated by commas.
pub const BLOCK_ADDRESS_WHITELIST: Setting = text("Block_Multiple_Failed_Logins_Ip_Whitelist", "", BLOCKING);
/// Whether people are shown by their names instead of their usernames.
pub const USE_REAL_NAME: Setting = boolean("UI_Use_Real_Name", false, "Layout", Some("User_Interface")).public();
/// Pattern of a whole username.
pub const USERNAME_PATTERN: Setting = pattern("UTF8_User_Names_Validation", "[0-9a-zA-Z-_.]+");
/// Pattern of a whole room name.
pub const ROOM_NAME_PATTERN: Setting = pattern("UTF8_Channel_Names_Validation", "[0-9a-zA-Z-_.]+");
/// Usernames nobody may take, separated by commas.
pub const BLOCKED_USERNAMES: Setting = text("Accounts_BlockedUsernameList", "", REGISTRATION);
/// Usernames that belong to the system, separated by commas.
pub const SYSTEM_BLOCKED_USERNAMES: Setting =
    text("Accounts_SystemBlockedUsernameList", "admin,administrator,system,user", REGISTRATION).hidden();

/// Who may register.
pub const REGISTRATION_FORM: Setting = setting(
    "Accounts_RegistrationForm",
    Kind::Choice { default: "Public", values: &["Public", "Disabled", "Secret URL"] },
    ACCOUNTS,
    REGISTRATION,
)
.public();
/// The secret that registering takes under `Secret URL`.
pub const REGISTRATION_SECRET: Setting =
    setting("Accounts_RegistrationForm_SecretURL", Kind::Secret, ACCOUNTS, REGISTRATION);
/// Whether an account that somebody made for himself waits until an administrator activates it.
pub const APPROVE_NEW_USERS: Setting =
    boolean("Accounts_ManuallyApproveNewUsers", false, ACCOUNTS, REGISTRATION).public();

/// Whether passwords must be of a certain form. Later versions of the original ship with it on; here it is off until
/// the workspace says so, because scripts that made accounts yesterday are to make them today.
pub const PASSWORD_POLICY_ENABLED: Setting =
    boolean("Accounts_Password_Policy_Enabled", false, ACCOUNTS, PASSWORD_POLICY).public();
/// Characters of a password at least; below 1: any number.
pub const PASSWORD_MIN_LENGTH: Setting =
    integer("Accounts_Password_Policy_MinLength", (14, -1, 1_000), ACCOUNTS, PASSWORD_POLICY).public();
/// Characters of a password at most; below 1: any number.
pub const PASSWORD_MAX_LENGTH: Setting =
    integer("Accounts_Password_Policy_MaxLength", (-1, -1, 1_000), ACCOUNTS, PASSWORD_POLICY).public();
/// Whether the same character may stand in a row only so often.
pub const PASSWORD_FORBIDS_REPEATING: Setting =
    boolean("Accounts_Password_Policy_ForbidRepeatingCharacters", true, ACCOUNTS, PASSWORD_POLICY).public();
/// How often it may.
pub const PASSWORD_REPEATING_COUNT: Setting =
    integer("Accounts_Password_Policy_ForbidRepeatingCharactersCount", (3, 1, 1_000), ACCOUNTS, PASSWORD_POLICY)
        .public();
/// Whether a password needs one of `a-z`.
pub const PASSWORD_NEEDS_LOWERCASE: Setting =
    boolean("Accounts_Password_Policy_AtLeastOneLowercase", true, ACCOUNTS, PASSWORD_POLICY).public();
/// Whether a password needs one of `A-Z`.
pub const PASSWORD_NEEDS_UPPERCASE: Setting =
    boolean("Accounts_Password_Policy_AtLeastOneUppercase", true, ACCOUNTS, PASSWORD_POLICY).public();
/// Whether a password needs one of `0-9`.
pub const PASSWORD_NEEDS_NUMBER: Setting =
    boolean("Accounts_Password_Policy_AtLeastOneNumber", true, ACCOUNTS, PASSWORD_POLICY).public();
/// Whether a password needs a character that is none of the above and no space.
pub const PASSWORD_NEEDS_SPECIAL: Setting =
    boolean("Accounts_Password_Policy_AtLeastOneSpecialCharacter", true, ACCOUNTS, PASSWORD_POLICY).public();

/// Whether people may change their own profile at all.
pub const ALLOW_PROFILE_CHANGE: Setting = own_account("Accounts_AllowUserProfileChange", true);
/// Whether people may change their own username.
pub const ALLOW_USERNAME_CHANGE: Setting = own_account("Accounts_AllowUsernameChange", true);
/// Whether people may change their own status message.
pub const ALLOW_STATUS_CHANGE: Setting = own_account("Accounts_AllowUserStatusMessageChange", true);
/// Whether people may change their own name.
pub const ALLOW_NAME_CHANGE: Setting = own_account("Accounts_AllowRealNameChange", true);
/// Whether people may change their own address.
pub const ALLOW_EMAIL_CHANGE: Setting = own_account("Accounts_AllowEmailChange", true);
/// Whether people may change their own password.
pub const ALLOW_PASSWORD_CHANGE: Setting = own_account("Accounts_AllowPasswordChange", true);
/// Whether people may delete their own account.
pub const ALLOW_DELETING_ONESELF: Setting = own_account("Accounts_AllowDeleteOwnAccount", false);
/// Whether listing all people takes the permission to see people outside of one's rooms.
pub const LIST_NEEDS_OUTSIDE: Setting =
    boolean("API_Apply_permission_view-outside-room_on_users-list", false, GENERAL, REST_API);

/// All of them, in the order in which a group shows its own.
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
    TWO_FACTOR_MAX_DELTA,
    TWO_FACTOR_REMEMBER_FOR,
    TWO_FACTOR_PASSWORD_FALLBACK,
    BLOCK_LOGINS,
    BLOCK_BY_USER,
    BLOCK_BY_USER_ATTEMPTS,
    BLOCK_BY_USER_MINUTES,
    BLOCK_BY_ADDRESS,
    BLOCK_BY_ADDRESS_ATTEMPTS,
    BLOCK_BY_ADDRESS_MINUTES,
    BLOCK_ADDRESS_WHITELIST,
    USE_REAL_NAME,
    USERNAME_PATTERN,
    ROOM_NAME_PATTERN,
    BLOCKED_USERNAMES,
    SYSTEM_BLOCKED_USERNAMES,
    REGISTRATION_FORM,
    REGISTRATION_SECRET,
    APPROVE_NEW_USERS,
    PASSWORD_POLICY_ENABLED,
    PASSWORD_MIN_LENGTH,
    PASSWORD_MAX_LENGTH,
    PASSWORD_FORBIDS_REPEATING,
    PASSWORD_REPEATING_COUNT,
    PASSWORD_NEEDS_LOWERCASE,
    PASSWORD_NEEDS_UPPERCASE,
    PASSWORD_NEEDS_NUMBER,
    PASSWORD_NEEDS_SPECIAL,
    ALLOW_PROFILE_CHANGE,
    ALLOW_USERNAME_CHANGE,
    ALLOW_STATUS_CHANGE,
    ALLOW_NAME_CHANGE,
    ALLOW_EMAIL_CHANGE,
    ALLOW_PASSWORD_CHANGE,
    ALLOW_DELETING_ONESELF,
    LIST_NEEDS_OUTSIDE,
];
