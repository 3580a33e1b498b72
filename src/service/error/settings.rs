//! What can be wrong about settings.

/// What can be wrong about settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingRefusal {
    /// None of that id has an effect here, or it is hidden.
    Unknown,
    /// The operator fixed it.
    Fixed {
        /// Which.
        id: &'static str,
    },
    /// The value is none that it takes.
    InvalidValue {
        /// Which.
        id: &'static str,
        /// What would be allowed, to follow upon its name.
        problem: String,
    },
    /// The value names a role that does not exist.
    UnknownRole {
        /// Which setting.
        id: &'static str,
    },
    /// Whoever registered would get `admin`, which the caller may not give away.
    AssigningAdminNotAllowed,
}
