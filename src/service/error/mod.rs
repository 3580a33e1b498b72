//! Everything a use case can answer instead of a result, in the field's own words. Statuses, codes and texts of each
//! surface are in one table in `http::error`, in files of the same names.

mod login;
mod organizations;
mod permissions;
mod receipts;
mod roles;
mod room_changes;
mod rooms;
mod second_factor;
mod settings;
mod tokens;
mod users;

use crate::domain::password_policy::WeakPassword;
use crate::store::{Conflict, OrganizationConflict, StoreError};

pub use login::LoginRefusal;
pub use organizations::{Attempt, OrganizationRefusal, Problem};
pub use permissions::PermissionRefusal;
pub use receipts::ReceiptRefusal;
pub use roles::{Late, RoleRefusal};
pub use room_changes::{RoomChangeRefusal, RoomOperation};
pub use rooms::{RoomRefusal, RoomRole, RoomRoleChange, RoomRoleProblem};
pub use second_factor::{SecondFactorProblem, SecondFactorRefusal};
pub use settings::SettingRefusal;
pub use tokens::TokenRefusal;
pub use users::{RegistrationRefusal, UserRefusal};

/// What every use case returns.
pub type Result<T, E = ServiceError> = std::result::Result<T, E>;

/// Why a use case did not do what was asked; nothing has changed then, except after `Unavailable`, where the outcome of
/// the last step may be unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Nobody, or not who he says.
    #[error("not logged in")]
    Unauthenticated,
    /// The permission that the endpoint needs is missing.
    #[error("permission missing")]
    Forbidden,
    /// A log-in failed.
    #[error("log-in refused: {0:?}")]
    LoginRefused(LoginRefusal),
    /// A second factor is missing or wrong.
    #[error("second factor refused: {0:?}")]
    SecondFactor(SecondFactorRefusal),
    /// Something about tokens.
    #[error("{0:?}")]
    Token(TokenRefusal),
    /// Something about roles.
    #[error("{0:?}")]
    Role(RoleRefusal),
    /// Something about permissions.
    #[error("{0:?}")]
    Permission(PermissionRefusal),
    /// Something about accounts.
    #[error("{0:?}")]
    User(UserRefusal),
    /// Somebody may not make his own account.
    #[error("registration refused: {0:?}")]
    Registration(RegistrationRefusal),
    /// Something about rooms.
    #[error("{0:?}")]
    Room(RoomRefusal),
    /// Something about changing a room or who is in it.
    #[error("{0:?}")]
    RoomChange(RoomChangeRefusal),
    /// Something about settings.
    #[error("{0:?}")]
    Setting(SettingRefusal),
    /// A new password is not what the workspace asks for.
    #[error("{0:?}")]
    WeakPassword(WeakPassword),
    /// Something about an organization.
    #[error("{0:?}")]
    Organization(OrganizationRefusal),
    /// Something about a request that comes with a key.
    #[error("{0:?}")]
    Receipt(ReceiptRefusal),
    /// After the change nobody active could administer permissions.
    #[error("nobody could administer permissions")]
    PermissionsLockout,
    /// The store cannot answer now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A defect; the text is for the log alone.
    #[error("internal: {0}")]
    Internal(String),
}

macro_rules! from_refusal {
    ($($refusal:ident => $variant:ident),* $(,)?) => {
        $(impl From<$refusal> for ServiceError {
            fn from(refusal: $refusal) -> Self {
                Self::$variant(refusal)
            }
        })*
    };
}

from_refusal! {
    LoginRefusal => LoginRefused,
    SecondFactorRefusal => SecondFactor,
    TokenRefusal => Token,
    RoleRefusal => Role,
    PermissionRefusal => Permission,
    UserRefusal => User,
    RegistrationRefusal => Registration,
    RoomRefusal => Room,
    RoomChangeRefusal => RoomChange,
    SettingRefusal => Setting,
    WeakPassword => WeakPassword,
    OrganizationRefusal => Organization,
    ReceiptRefusal => Receipt,
}

/// What a store says everywhere alike. A use case that knows better maps its own cases first.
impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(sentence) => Self::Unavailable(sentence),
            StoreError::Conflict(Conflict::PermissionsLockout) => Self::PermissionsLockout,
            // Whoever has the place of this request now is running or has ended; asking again tells which.
            StoreError::Conflict(Conflict::Organization(OrganizationConflict::OutOfTurn)) => {
                Self::Receipt(ReceiptRefusal::Running)
            }
            StoreError::Corrupt(_)
            | StoreError::Backend(_)
            | StoreError::NotFound(_)
            | StoreError::AlreadyExists(_)
            | StoreError::Conflict(_) => Self::Internal(error.to_string()),
        }
    }
}
