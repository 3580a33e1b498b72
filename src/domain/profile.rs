//! The fields of an account that the API sends and that have no type of their own: one list of them, and who sees which.
//! Stores keep exactly these; how they are put into an answer is the business of `http`.

use serde_json::{Map, Value};

/// Who sees a field in somebody's account (contract 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody with an account.
    Everybody,
    /// Whoever may see other people's accounts in full, and the account itself.
    Full,
    /// Nobody; at most the account itself in `me`.
    Nobody,
}

/// A field of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileField {
    /// Its name in answers and documents.
    pub name: &'static str,
    /// Who sees it in `users.info` and lists.
    pub audience: Audience,
    /// Whether `me` and `login` show it to its owner (contract 2.1). `settings` is put together by itself there.
    pub in_me: bool,
}

const fn seen_by(audience: Audience, in_me: bool, name: &'static str) -> ProfileField {
    ProfileField { name, audience, in_me }
}

/// All of them.
pub const PROFILE: [ProfileField; 27] = [
    seen_by(Audience::Everybody, true, "nickname"),
    seen_by(Audience::Everybody, true, "status"),
    seen_by(Audience::Nobody, true, "statusDefault"),
    seen_by(Audience::Everybody, true, "statusText"),
    seen_by(Audience::Full, true, "statusConnection"),
    seen_by(Audience::Everybody, true, "bio"),
    seen_by(Audience::Nobody, true, "avatarOrigin"),
    seen_by(Audience::Everybody, true, "utcOffset"),
    seen_by(Audience::Nobody, true, "language"),
    seen_by(Audience::Nobody, false, SETTINGS),
    seen_by(Audience::Nobody, true, "enableAutoAway"),
    seen_by(Audience::Nobody, true, "idleTimeLimit"),
    seen_by(Audience::Nobody, true, "defaultRoom"),
    seen_by(Audience::Full, true, CUSTOM_FIELDS),
    seen_by(Audience::Full, true, REQUIRE_PASSWORD_CHANGE),
    seen_by(Audience::Full, true, "requirePasswordChangeReason"),
    seen_by(Audience::Everybody, true, "statusLivechat"),
    seen_by(Audience::Nobody, true, "banners"),
    seen_by(Audience::Everybody, true, "avatarETag"),
    seen_by(Audience::Nobody, true, "openBusinessHours"),
    seen_by(Audience::Nobody, true, "abacAttributes"),
    seen_by(Audience::Full, false, "phone"),
    seen_by(Audience::Full, false, "importIds"),
    seen_by(Audience::Everybody, false, FEDERATED),
    seen_by(Audience::Everybody, false, "freeSwitchExtension"),
    seen_by(Audience::Everybody, false, "reason"),
    seen_by(Audience::Everybody, false, "extension"),
];

/// Fields that the workspace invents for itself.
pub const CUSTOM_FIELDS: &str = "customFields";
/// What the owner of the account prefers, among others.
pub const SETTINGS: &str = "settings";
/// Inside of [`SETTINGS`].
pub const PREFERENCES: &str = "preferences";
/// Whether the account belongs to another server.
pub const FEDERATED: &str = "federated";
/// Whether a client must ask for a new password.
pub const REQUIRE_PASSWORD_CHANGE: &str = "requirePasswordChange";

/// Whether a field of that name is kept.
pub fn is_profile_field(name: &str) -> bool {
    PROFILE.iter().any(|field| field.name == name)
}

/// What the account itself chose of its preferences.
pub fn own_preferences(profile: &Map<String, Value>) -> Option<&Value> {
    profile.get(SETTINGS)?.get(PREFERENCES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_field_stands_in_the_list_once() {
        let names: HashSet<_> = PROFILE.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), PROFILE.len());
    }
}
