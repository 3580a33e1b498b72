//! What can be wrong about accounts.

use crate::domain::user::SoleOwnership;

/// What can be wrong about accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRefusal {
    /// No user was named.
    NotNamed,
    /// Nobody has that id or username.
    Unknown,
    /// Nobody has exactly that username.
    NoSuchUsername,
    /// `users.info` without a usable parameter.
    InvalidSearch,
    /// `users.info` found nobody.
    NotFound,
    /// The name has characters that pages could take for markup.
    InvalidName,
    /// A field is longer than can be kept, or a name has control characters.
    FieldTooLong {
        /// As Rocket.Chat names it.
        field: &'static str,
    },
    /// A custom field has a name that cannot be kept.
    InvalidCustomFields,
    /// The caller may not create accounts.
    CreatingNotAllowed,
    /// One of the roles does not exist.
    UnknownRole,
    /// A field is empty that must not be.
    FieldRequired {
        /// As Rocket.Chat names it: `Name`, `Username`, `Password`.
        field: &'static str,
    },
    /// The username does not match the workspace's pattern.
    InvalidUsername(String),
    /// The e-mail address is none.
    InvalidEmail(String),
    /// The username or address is taken.
    FieldUnavailable {
        /// `Username` or `Email`.
        field: &'static str,
        /// What was wanted.
        value: String,
    },
    /// The username is reserved.
    BlockedUsername(String),
    /// The last active administrator cannot be deactivated.
    LastActiveAdministrator,
    /// Rooms would lose their only owner.
    SoleOwner(SoleOwnership),
    /// Nobody has the id of the account that is to be changed.
    ToChangeUnknown,
    /// The caller may not change other people's accounts.
    EditingNotAllowed,
    /// The caller may not change other people's preferences.
    EditingPreferencesNotAllowed,
    /// Nobody has the id of the account whose preferences are to be changed.
    PreferencesOfUnknown,
    /// Nobody shows for himself that an address is his.
    VerifyingNotAllowed,
    /// The caller may not change the roles of accounts.
    AssigningRolesNotAllowed,
    /// The workspace lets people not change this of their own accounts.
    FieldNotEditable {
        /// As Rocket.Chat names it: `user profile`, `username`, `user status`, `user real name`, …
        field: &'static str,
    },
    /// The username is reserved, and an account is not to get it.
    IdentityNotSaved,
    /// The account belongs to another server.
    Federated,
    /// The caller may not switch accounts on and off.
    ActivationNotAllowed,
    /// The password that somebody has to show once more is wrong.
    WrongPassword {
        /// The operation, as Rocket.Chat names it.
        method: &'static str,
    },
    /// Nobody can be that.
    InvalidStatus,
    /// The account of the system stays.
    Undeletable,
    /// The account belongs to another server and stays.
    FederatedUndeletable,
    /// The workspace lets nobody delete his own account.
    DeletingOneselfNotAllowed,
    /// The caller may not list these people.
    ListingNotAllowed,
    /// What the list is to be sorted by cannot be read.
    InvalidSort(String),
    /// Whom to suggest cannot be read.
    InvalidSelector,
}

/// Why somebody does not get an account of his own making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationRefusal {
    /// He has one and is logged in with it.
    LoggedIn,
    /// The name has characters that pages could take for markup.
    InvalidName,
    /// The username does not match the workspace's pattern, or is reserved.
    InvalidUsername,
    /// The reason is longer than anybody reads.
    ReasonTooLong,
    /// Somebody has the username.
    UsernameTaken,
    /// Nobody may register.
    Disabled,
    /// Registering takes a secret, and this is not it.
    WrongSecret,
    /// The e-mail address is none.
    InvalidEmail,
    /// The password is empty.
    NoPassword,
    /// Somebody has the address.
    EmailTaken,
}
