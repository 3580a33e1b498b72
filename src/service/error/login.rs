//! Why somebody is not let in.

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
    /// The account has a second factor.
    SecondFactorRequired {
        /// `totp` or `email`.
        method: &'static str,
        /// Every method the account has.
        available: Vec<&'static str>,
    },
}
