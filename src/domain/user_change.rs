//! What can be changed of an account that exists, and what the account is afterwards: a pure function that both stores
//! write down. Who may change what is decided in `service`; what may never be taken away, by the stores.

use serde_json::{Map, Value};

use super::ids::{RoleId, RoomId, UserId};
use super::profile::{CUSTOM_FIELDS, PREFERENCES, SETTINGS, is_profile_field};
use super::role::caseless_key;
use super::time::Timestamp;
use super::token::TokenHash;
use super::user::{Activation, EmailAddress, PasswordHash, User};

/// What to change; whatever is `None` or empty stays as it is.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// The name to log in by.
    pub username: Option<String>,
    /// The name as shown.
    pub name: Option<String>,
    /// The address; it takes the place of all others, as in the original.
    pub email: Option<String>,
    /// Whether the first address counts as shown to be his.
    pub verified: Option<bool>,
    /// The list of roles.
    pub roles: Option<RolesChange>,
    /// The password.
    pub password: Option<PasswordHash>,
    /// What becomes of the account's tokens.
    pub sessions: SessionsAfter,
    /// Fields of the profile under their wire names; `null` takes one away, and what is no such field is passed over.
    pub profile: Map<String, Value>,
    /// Fields of the workspace's own; those not named stay.
    pub custom_fields: Map<String, Value>,
    /// Preferences; those not named stay.
    pub preferences: Map<String, Value>,
    /// Whether the account is switched on or off besides.
    pub activation: Option<Activation>,
}

/// A list of roles in place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolesChange {
    /// The roles that whoever allowed the change has seen. When the account holds others by then, the change is off.
    pub from: Vec<RoleId>,
    /// Exactly the roles it holds afterwards.
    pub to: Vec<RoleId>,
}

/// What becomes of the tokens of an account whose password or address changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SessionsAfter {
    /// They stay.
    #[default]
    Kept,
    /// All end, personal ones included.
    Ended,
    /// Log-ins end but for this one; personal tokens stay.
    OthersEnded(TokenHash),
}

/// Whether two lists name the same roles.
pub fn same_roles(one: &[RoleId], other: &[RoleId]) -> bool {
    let within = |one: &[RoleId], other: &[RoleId]| one.iter().all(|role| other.contains(role));
    within(one, other) && within(other, one)
}

impl UserPatch {
    /// The account as it is once changed at `at`. `before` itself when nothing differs, its `updated_at` included; a
    /// password that is set is a difference.
    pub fn applied(&self, before: &User, at: Timestamp) -> User {
        let mut after = before.clone();
        if let Some(username) = &self.username {
            after.username = Some(username.clone());
        }
        if let Some(name) = &self.name {
            after.name = Some(name.clone());
        }
        after.emails = self.emails(&before.emails);
        if let Some(roles) = &self.roles {
            after.roles = Some(roles.to.clone());
        }
        if let Some(activation) = self.activation {
            after.active = activation == Activation::Activate;
        }
        after.has_password |= self.password.is_some();
        self.apply_profile(&mut after.profile);
        if self.password.is_some() || after != *before {
            after.updated_at = Some(at);
        }
        after
    }

    /// An address counts as shown to be his only when the patch says so, or when it was the same one before.
    fn emails(&self, before: &[EmailAddress]) -> Vec<EmailAddress> {
        let mut emails = before.to_vec();
        if let Some(address) = &self.email {
            let first = before.first();
            let same = first.filter(|first| caseless_key(&first.address) == caseless_key(address));
            if first.is_none_or(|first| first.address != *address) {
                let verified = same.is_some_and(|same| same.verified);
                emails = vec![EmailAddress { address: address.clone(), verified }];
            }
        }
        if let (Some(verified), Some(first)) = (self.verified, emails.first_mut()) {
            first.verified = verified;
        }
        emails
    }

    fn apply_profile(&self, profile: &mut Map<String, Value>) {
        for (name, value) in self.profile.iter().filter(|(name, _)| is_profile_field(name)) {
            match value {
                Value::Null => {
                    profile.shift_remove(name);
                }
                value => {
                    profile.insert(name.clone(), value.clone());
                }
            }
        }
        merge(profile, CUSTOM_FIELDS, &self.custom_fields);
        if !self.preferences.is_empty() {
            let settings = profile.entry(SETTINGS).or_insert_with(|| Value::Object(Map::new()));
            if !settings.is_object() {
                *settings = Value::Object(Map::new());
            }
            if let Value::Object(settings) = settings {
                merge(settings, PREFERENCES, &self.preferences);
            }
        }
    }
}

/// Puts fields into the object of that name, beside those that are there.
fn merge(fields: &mut Map<String, Value>, name: &str, more: &Map<String, Value>) {
    if more.is_empty() {
        return;
    }
    match fields.get_mut(name) {
        Some(Value::Object(inner)) => inner.extend(more.clone()),
        _ => {
            fields.insert(name.to_owned(), Value::Object(more.clone()));
        }
    }
}

/// What [`differences`] calls the facts that decide in which lists an account stands and where.
const USERNAME: &str = "username";
const ROLES: &str = "roles";

/// What of an account differs, before and after, under the names that clients know; nothing secret.
pub fn differences(before: &User, after: &User) -> (Map<String, Value>, Map<String, Value>) {
    let (before, after) = (facts(before), facts(after));
    let differing = |one: &Map<String, Value>, other: &Map<String, Value>| {
        one.iter()
            .filter(|(name, value)| other.get(*name) != Some(*value))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    };
    (differing(&before, &after), differing(&after, &before))
}

/// Whether an account that differs like that stands elsewhere in lists of accounts, or in other ones.
pub fn moves_in_lists(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    [USERNAME, ROLES].into_iter().any(|fact| before.contains_key(fact) || after.contains_key(fact))
}

fn facts(user: &User) -> Map<String, Value> {
    let mut facts = user.profile.clone();
    let roles: Value = user.roles().iter().map(RoleId::as_str).collect();
    for (name, value) in [
        (USERNAME, Value::from(user.username.clone())),
        ("name", Value::from(user.name.clone())),
        ("emails", serde_json::json!(user.emails)),
        (ROLES, roles),
        ("active", Value::from(user.active)),
    ] {
        facts.insert(name.to_owned(), value);
    }
    facts
}

/// Whether rooms that only the account owns go to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relinquish {
    /// Such rooms stop it.
    Refuse,
    /// The active member of longest standing becomes owner; a room without one goes.
    Confirmed,
}

/// Accounts that nobody has used for some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleAccounts {
    /// Their own list has this role.
    pub role: RoleId,
    /// Their last log-in was then or earlier; an account that never logged in is not idle.
    pub since: Timestamp,
    /// Left out whatever it did: whoever asks would lock himself out.
    pub except: UserId,
}

/// What went with an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bequest {
    /// Rooms that got another owner.
    pub relinquished: Vec<RoomId>,
    /// Rooms that were his alone and are gone.
    pub deleted: Vec<RoomId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::NewUser;
    use proptest::prelude::*;
    use serde_json::json;

    const THEN: Timestamp = Timestamp::from_millis(1_000);
    const NOW: Timestamp = Timestamp::from_millis(2_000);

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn ann() -> User {
        let new = NewUser {
            id: UserId::from_stored("annAnnAnnAnnAnn23"),
            username: "ann".to_owned(),
            name: "Ann".to_owned(),
            emails: ["ann@example.org", "ann@example.com"]
                .map(|address| EmailAddress { address: address.to_owned(), verified: true })
                .into(),
            password: None,
            roles: vec![RoleId::from_stored("user")],
            active: true,
            join_default_rooms: false,
            profile: object(json!({"bio": "…", "customFields": {"team": "blue"}, "settings": {"profile": {"x": 1}}})),
        };
        new.to_user(THEN)
    }

    #[test]
    fn a_patch_without_anything_leaves_everything() {
        assert_eq!(UserPatch::default().applied(&ann(), NOW), ann());
    }

    #[test]
    fn what_is_the_same_already_is_no_change() {
        let same = UserPatch {
            username: Some("ann".to_owned()),
            email: Some("ann@example.org".to_owned()),
            verified: Some(true),
            profile: object(json!({"bio": "…", "nickname": null})),
            custom_fields: object(json!({"team": "blue"})),
            activation: Some(Activation::Activate),
            ..UserPatch::default()
        };
        assert_eq!(same.applied(&ann(), NOW), ann());
    }

    #[test]
    fn fields_of_the_workspace_and_preferences_are_merged_and_null_takes_away() {
        let patch = UserPatch {
            profile: object(json!({"bio": null, "nickname": "A"})),
            custom_fields: object(json!({"desk": 12})),
            preferences: object(json!({"hideRoles": true})),
            ..UserPatch::default()
        };
        let after = patch.applied(&ann(), NOW);
        assert_eq!(
            Value::Object(after.profile),
            json!({
                "customFields": {"team": "blue", "desk": 12},
                "settings": {"profile": {"x": 1}, "preferences": {"hideRoles": true}},
                "nickname": "A",
            })
        );
        assert_eq!(after.updated_at, Some(NOW));
    }

    #[test]
    fn a_new_address_takes_the_place_of_all_and_is_not_verified_by_itself() {
        let to = |email: &str, verified| {
            let patch = UserPatch { email: Some(email.to_owned()), verified, ..UserPatch::default() };
            let emails = patch.applied(&ann(), NOW).emails;
            emails.into_iter().map(|email| (email.address, email.verified)).collect::<Vec<_>>()
        };
        assert_eq!(to("new@example.org", None), [("new@example.org".to_owned(), false)]);
        assert_eq!(to("new@example.org", Some(true)), [("new@example.org".to_owned(), true)]);
        assert_eq!(to("Ann@Example.org", None), [("Ann@Example.org".to_owned(), true)]);
        assert_eq!(to("ann@example.org", Some(false)).len(), 2);
    }

    #[test]
    fn differences_name_what_changed_and_nothing_else() {
        let patch = UserPatch { name: Some("Anna".to_owned()), ..UserPatch::default() };
        let (before, after) = differences(&ann(), &patch.applied(&ann(), NOW));
        assert_eq!((before, after), (object(json!({"name": "Ann"})), object(json!({"name": "Anna"}))));
    }

    proptest! {
        #[test]
        fn lists_are_compared_as_sets(one in prop::collection::vec(0_u8..4, 0..5), other in prop::collection::vec(0_u8..4, 0..5)) {
            let ids = |list: &[u8]| list.iter().map(|n| RoleId::from_stored(n.to_string())).collect::<Vec<_>>();
            let set = |list: &[u8]| list.iter().copied().collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(same_roles(&ids(&one), &ids(&other)), set(&one) == set(&other));
        }
    }
}
