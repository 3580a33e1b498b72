//! Why a token is not made, listed or ended.

/// Contract 2.9 and the sessions of 9.7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Ending the sessions of others needs a permission.
    EndingNotAllowed,
    /// There was nothing to end, or nobody.
    NothingToEnd,
    /// Not switched on, the wrong secret, or the permission is missing: one answer for all.
    MakingForUsersNotAllowed,
    /// The account cannot be logged in.
    UnusableAccount,
    /// Tokens for programs need a permission.
    PersonalNotAllowed,
    /// A token for programs needs a name.
    NameRequired,
    /// The name is longer than names may be, or holds control characters.
    InvalidName,
    /// The account has one of that name.
    NameTaken,
    /// The account has as many as it may have.
    TooMany,
    /// The account has none of that name.
    NoSuchToken,
}
