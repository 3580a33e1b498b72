//! People, bots and apps that can hold roles. Passwords and tokens are not part of a [`User`]: what is never read
//! cannot leak.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{RoleId, RoomId, UserId};
use super::time::Timestamp;

/// `type` of an account that belongs to a person.
pub const KIND_USER: &str = "user";
/// `type` of an account that belongs to an installed app; it can never log in.
pub const KIND_APP: &str = "app";

/// An e-mail address of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailAddress {
    /// As entered; compared without regard to case.
    pub address: String,
    /// Whether its owner has shown that it is his.
    pub verified: bool,
}

/// The second factors an account has switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SecondFactors {
    /// Codes of an authenticator app; `None` when the account never had it.
    pub totp: Option<bool>,
    /// Codes by e-mail; `None` when the account never had it.
    pub email: Option<bool>,
}

/// An account, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// 17 letters and digits.
    pub id: UserId,
    /// Absent until a new account has chosen one.
    pub username: Option<String>,
    /// The name as shown.
    pub name: Option<String>,
    /// `user`, `bot`, `app`, …
    pub kind: String,
    /// Deactivated accounts keep their roles and cannot log in.
    pub active: bool,
    /// Workspace roles; `None` on a document that has no list at all, which may not log in.
    pub roles: Option<Vec<RoleId>>,
    /// In the order entered.
    pub emails: Vec<EmailAddress>,
    /// When the account was made.
    pub created_at: Option<Timestamp>,
    /// Last change.
    pub updated_at: Option<Timestamp>,
    /// Last log-in.
    pub last_login: Option<Timestamp>,
    /// Whether a password is set.
    pub has_password: bool,
    /// What else a log-in must show.
    pub second_factors: SecondFactors,
    /// All other fields that the API sends, under their wire names and in wire form: `bio`, `nickname`, `status`,
    /// `statusText`, `utcOffset`, `language`, `customFields`, `settings`, `avatarETag`, …
    pub profile: Map<String, Value>,
}

impl User {
    /// The workspace roles, empty when the document has none.
    pub fn roles(&self) -> &[RoleId] {
        self.roles.as_deref().unwrap_or_default()
    }

    /// Whether the user's own list has the role.
    pub fn holds(&self, role: &RoleId) -> bool {
        self.roles().contains(role)
    }

    /// Whether the account counts where "somebody must still be able to administer" is asked: active, and of a kind
    /// that can log in.
    pub fn can_act(&self) -> bool {
        self.active && self.kind != KIND_APP
    }
}

/// bcrypt of the lower-case hexadecimal SHA-256 of a password, as Rocket.Chat stores it. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a hash from a store or from the hasher.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hash, for the store and the verifier alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// An account that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Fresh.
    pub id: UserId,
    /// Unique without regard to case.
    pub username: String,
    /// The name as shown.
    pub name: String,
    /// Unique without regard to case; may be empty for the first administrator.
    pub emails: Vec<EmailAddress>,
    /// `None` for an account that cannot log in by password yet.
    pub password: Option<PasswordHash>,
    /// Exactly the roles it starts with.
    pub roles: Vec<RoleId>,
    /// Whether it may log in.
    pub active: bool,
    /// Whether it joins the rooms that new accounts join.
    pub join_default_rooms: bool,
    /// As [`User::profile`].
    pub profile: Map<String, Value>,
}

/// What the profile of every new account starts with.
pub fn new_profile() -> Map<String, Value> {
    let offline = || Value::from("offline");
    let fields = [("status", offline()), ("statusConnection", offline()), ("utcOffset", 0.into())];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl NewUser {
    /// The account as it is once created at `at`.
    pub fn to_user(&self, at: Timestamp) -> User {
        User {
            id: self.id.clone(),
            username: Some(self.username.clone()),
            name: Some(self.name.clone()),
            kind: KIND_USER.to_owned(),
            active: self.active,
            roles: Some(self.roles.clone()),
            emails: self.emails.clone(),
            created_at: Some(at),
            updated_at: Some(at),
            last_login: None,
            has_password: self.password.is_some(),
            second_factors: SecondFactors::default(),
            profile: self.profile.clone(),
        }
    }
}

/// Whether an account is switched on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// It may log in again.
    Activate,
    /// Its tokens end at once. Rooms of which it is the only owner stop it.
    Deactivate,
    /// As `Deactivate`, and rooms of which it is the only owner get another one where another member is there to
    /// take over.
    DeactivateAndRelinquish,
}

/// Rooms that would be left without an owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoleOwnership {
    /// Names of rooms with no other member.
    pub alone: Vec<String>,
    /// Names of rooms with other members, one of whom could take over.
    pub shared: Vec<String>,
}

impl SoleOwnership {
    /// No room depends on the user.
    pub fn is_empty(&self) -> bool {
        self.alone.is_empty() && self.shared.is_empty()
    }
}

/// A user's place in a room, as `users.info` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// `_id` of the subscription.
    pub subscription_id: String,
    /// Which room.
    pub room: RoomId,
    /// The room's name.
    pub name: String,
    /// `c`, `p`, `d`.
    pub kind: String,
    /// Roles in that room.
    pub roles: Vec<RoleId>,
    /// Unread messages, as Rocket.Chat counted them.
    pub unread: i64,
}
