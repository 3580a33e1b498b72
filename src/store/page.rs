//! Which part of a long list is wanted, where in it a part may begin, and what is given back.

use crate::domain::ids::UserId;
use crate::domain::user::User;

/// A window onto a sorted list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many items to pass over.
    pub offset: u64,
    /// How many items at most; `None` for all that follow.
    pub count: Option<u64>,
}

/// An account's position in a list that is sorted by username (byte order), then id. Accounts without a username come
/// first in such a list and have no position that a part of it could begin after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The username.
    pub username: String,
    /// The id, which tells apart those whose names others made the same.
    pub id: UserId,
}

impl Position {
    /// Where that account stands; `None` when it has no username.
    pub fn of(user: &User) -> Option<Self> {
        user.username.clone().map(|username| Self { username, id: user.id.clone() })
    }
}

/// The items in the window and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// In the order the method promises.
    pub items: Vec<T>,
    /// Length of the whole list, not of the window.
    pub total: u64,
}
