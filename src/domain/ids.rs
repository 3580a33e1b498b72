//! Identifiers as types, so that a room can never be passed where a role is meant.
//!
//! An id that came from outside goes through `parse`; an id that a store hands back is taken as it is (`from_stored`),
//! because an existing workspace may hold ids older than any rule of ours.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest id accepted from outside, in bytes. Rocket.Chat's own are 17 or 24; generous, yet bounded.
pub const MAX_ID_BYTES: usize = 256;

/// Why a text cannot be an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text has no characters.
    #[error("an id must not be empty")]
    Empty,
    /// The text is over [`MAX_ID_BYTES`].
    #[error("an id must not be longer than {MAX_ID_BYTES} bytes")]
    TooLong,
    /// The text holds a control character, which no id has and every log would suffer from.
    #[error("an id must not contain control characters")]
    ControlCharacter,
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(InvalidId::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidId::ControlCharacter);
    }
    Ok(())
}

/// Whether a text may be the name of something: as long as an id and without control characters, so that whatever can be
/// named by id or name can really be named by either. Empty names are for the rules of each noun to judge.
pub fn is_nameable(text: &str) -> bool {
    matches!(check(text), Ok(()) | Err(InvalidId::Empty))
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes an id from outside.
            ///
            /// # Errors
            /// [`InvalidId`] when it is empty, longer than [`MAX_ID_BYTES`] or holds a control character.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// Takes an id from a store or from a table of this program, as it is.
            pub fn from_stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type! {
    /// `_id` of a role: equal to the name for built-in roles, 24 hexadecimal digits for custom ones.
    RoleId
}
id_type! {
    /// `_id` of a user: 17 letters and digits.
    UserId
}
id_type! {
    /// `_id` of a room.
    RoomId
}
id_type! {
    /// `_id` of a permission, for instance `access-permissions`.
    PermissionId
}

id_type! {
    /// Id of an organization: `org_` and 24 hexadecimal digits. Its custom roles have a [`RoleId`] that begins with `role_`.
    OrganizationId
}

/// A role as a caller may name it: by id or by name (contract `roles.delete`, 4.6). The id wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRef(String);

impl RoleRef {
    /// Takes an id or a name from outside; names may be as long as ids.
    ///
    /// # Errors
    /// As [`RoleId::parse`].
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The text to compare with ids first and with names then.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_accepted_id_is_kept_as_it_is(text in "\\PC{1,64}") {
            prop_assert_eq!(RoleId::parse(&text), Ok(RoleId::from_stored(text.clone())));
            prop_assert_eq!(RoleRef::parse(&text), Ok(RoleRef(text.clone())));
        }

        #[test]
        fn parsing_refuses_exactly_what_the_rule_says(text in any::<String>()) {
            let allowed = !text.is_empty() && text.len() <= MAX_ID_BYTES && !text.chars().any(char::is_control);
            prop_assert_eq!(UserId::parse(&text).is_ok(), allowed);
        }
    }

    #[test]
    fn the_longest_id_is_accepted_and_one_byte_more_is_not() {
        assert!(RoomId::parse(&"x".repeat(MAX_ID_BYTES)).is_ok());
        assert_eq!(RoomId::parse(&"x".repeat(MAX_ID_BYTES + 1)), Err(InvalidId::TooLong));
        assert_eq!(RoomId::parse(""), Err(InvalidId::Empty));
        assert_eq!(RoomId::parse("a\0b"), Err(InvalidId::ControlCharacter));
    }
}
