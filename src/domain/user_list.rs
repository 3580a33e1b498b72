//! Which accounts a list is about and in which order they come. What a caller may ask for is decided in `service`.

use super::ids::RoleId;

/// What a list of accounts is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserSort {
    /// Byte order; accounts without a username come first.
    #[default]
    Username,
    /// Byte order of the names as shown.
    Name,
    /// When the account was made.
    CreatedAt,
    /// The last log-in.
    LastLogin,
}

/// In which direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserOrder {
    /// By what.
    pub sort: UserSort,
    /// From the end.
    pub descending: bool,
}

impl UserOrder {
    /// The same when everybody may see what it sorts by, else the order of usernames: where somebody stands in a list
    /// tells what the list does not show.
    #[must_use]
    pub fn visible_to_everybody(self) -> Self {
        match self.sort {
            UserSort::Username | UserSort::Name => self,
            UserSort::CreatedAt | UserSort::LastLogin => Self::default(),
        }
    }
}

/// What accounts must be to be listed; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Switched on or off.
    pub active: Option<bool>,
    /// Whether it was ever used.
    pub has_logged_in: Option<bool>,
    /// `user`, `bot`, …
    pub kind: Option<String>,
    /// One of these in its own list; none at all: any.
    pub roles: Vec<RoleId>,
    /// A part of the username or the name.
    pub term: Option<SearchTerm>,
}

/// A text that is looked for as it is, without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerm {
    /// The text.
    pub text: String,
    /// Whether addresses are looked through as well.
    pub in_addresses: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_does_not_tell_what_is_hidden() {
        for (sort, shown) in [
            (UserSort::Username, UserSort::Username),
            (UserSort::Name, UserSort::Name),
            (UserSort::CreatedAt, UserSort::Username),
            (UserSort::LastLogin, UserSort::Username),
        ] {
            assert_eq!(UserOrder { sort, descending: false }.visible_to_everybody().sort, shown);
        }
    }
}
