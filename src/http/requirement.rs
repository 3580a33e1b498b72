//! Which permissions the routes need: one marker for each rule, made of the one permission table, for handlers to name in
//! their signatures. Who holds them is asked in `http::call` and, where the contract has it later, by the use cases.

use std::marker::PhantomData;

use crate::domain::permission;

/// Which permissions a route needs. Implemented by the markers below, one per rule, each from the one permission table.
pub trait Requirement: 'static {
    /// One of these is enough; none at all means that any account may come as far as the handler.
    const ANY_OF: &'static [&'static str];

    /// What the use case itself asks for, where the contract has the check behind others.
    const LATER: Option<LateCheck> = None;
}

/// A check of permissions that a use case makes; named here for the description of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateCheck {
    /// One of these is enough.
    pub any_of: &'static [&'static str],
    /// The status of the refusal.
    pub status: u16,
}

/// A requirement that the use case checks, and not the way to it: its refusal has the status `STATUS`, and comes after
/// those of parameters that do not fit.
pub struct Later<P, const STATUS: u16>(PhantomData<P>);

impl<P: Requirement, const STATUS: u16> Requirement for Later<P, STATUS> {
    const ANY_OF: &'static [&'static str] = &[];
    const LATER: Option<LateCheck> = Some(LateCheck { any_of: P::ANY_OF, status: STATUS });
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without an account.
    Everybody,
    /// Whoever has an account, as far as his permissions allow.
    Accounts {
        /// One of these is enough, and asked for first of all; none at all: every account.
        any_of: &'static [&'static str],
        /// What is asked for behind other checks.
        later: Option<LateCheck>,
    },
}

macro_rules! requirement {
    ($(#[$doc:meta])* $name:ident: $permissions:expr) => {
        $(#[$doc])*
        pub struct $name;
        impl Requirement for $name {
            const ANY_OF: &'static [&'static str] = $permissions;
        }
    };
}

requirement! {
    /// Anybody with an account.
    AnyUser: &[]
}
requirement! {
    /// Whoever administers roles and permissions.
    AccessPermissions: &[permission::ACCESS_PERMISSIONS]
}
requirement! {
    /// Whoever may create accounts.
    CreateUsers: &[permission::CREATE_USER]
}
requirement! {
    /// Whoever may create public channels.
    CreateChannels: &[permission::CREATE_C]
}
requirement! {
    /// Whoever may switch accounts on and off.
    EditActiveStatus: &[permission::EDIT_OTHER_USER_ACTIVE_STATUS, permission::MANAGE_MODERATION_ACTIONS]
}
