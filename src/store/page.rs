//! Which part of a long list is wanted, and what is given back.

/// A window onto a sorted list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many items to pass over.
    pub offset: u64,
    /// How many items at most; `None` for all that follow.
    pub count: Option<u64>,
}

/// The items in the window and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// In the order the method promises.
    pub items: Vec<T>,
    /// Length of the whole list, not of the window.
    pub total: u64,
}
