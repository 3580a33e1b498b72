//! Why somebody is not let in.

use super::SecondFactorRefusal;

/// Why somebody is not let in (contract 2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Unknown name, wrong password, unknown or ended token: one answer for all.
    WrongCredentials,
    /// Right, but deactivated.
    Deactivated,
    /// The account of an app.
    AppAccount,
    /// The document has no list of roles.
    NoRoles,
    /// The workspace wants a verified address first.
    UnverifiedEmail,
    /// The second factor is missing or wrong.
    SecondFactor(SecondFactorRefusal),
    /// Too many failures from the address.
    BlockedAddress,
    /// Too many failures of the account.
    BlockedUser,
}
