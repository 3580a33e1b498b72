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
    /// Whoever may make tokens for programs of his own.
    CreatePersonalTokens: &[permission::CREATE_PERSONAL_ACCESS_TOKENS]
}
requirement! {
    /// Whoever may create accounts.
    CreateUsers: &[permission::CREATE_USER]
}
requirement! {
    /// Whoever may change other people's accounts.
    EditOtherUsers: &[permission::EDIT_OTHER_USER_INFO]
}
requirement! {
    /// Whoever may delete accounts.
    DeleteUsers: &[permission::DELETE_USER]
}
requirement! {
    /// Whoever may switch off accounts that nobody uses.
    DeactivateIdleUsers: &[permission::EDIT_OTHER_USER_ACTIVE_STATUS]
}
requirement! {
    /// Whoever may see other people.
    ListUsers: &[permission::VIEW_D_ROOM]
}
requirement! {
    /// Whoever may create public channels.
    CreateChannels: &[permission::CREATE_C]
}
requirement! {
    /// Whoever may create private groups.
    CreateGroups: &[permission::CREATE_P]
}
requirement! {
    /// Whoever may name owners of a room, by a role of the workspace or of the room.
    SetOwner: &[permission::SET_OWNER]
}
requirement! {
    /// Whoever may name moderators of a room, by a role of the workspace or of the room.
    SetModerator: &[permission::SET_MODERATOR]
}
requirement! {
    /// Whoever may name leaders of a room, by a role of the workspace or of the room.
    SetLeader: &[permission::SET_LEADER]
}
requirement! {
    /// Whoever may make others members of a channel: of one that he is in, or of any.
    InviteToChannels: &[permission::ADD_USER_TO_JOINED_ROOM, permission::ADD_USER_TO_ANY_C_ROOM]
}
requirement! {
    /// The same of a private group.
    InviteToGroups: &[permission::ADD_USER_TO_JOINED_ROOM, permission::ADD_USER_TO_ANY_P_ROOM]
}
requirement! {
    /// Whoever may become a member of a channel.
    JoinChannels: &[permission::VIEW_C_ROOM]
}
requirement! {
    /// Whoever may remove people from a room, by a role of the workspace or of the room.
    RemoveFromRooms: &[permission::REMOVE_USER]
}
requirement! {
    /// Whoever may leave rooms of either kind.
    LeaveRooms: &[permission::LEAVE_C, permission::LEAVE_P]
}
requirement! {
    /// Whoever may leave channels.
    LeaveChannels: &[permission::LEAVE_C]
}
requirement! {
    /// Whoever may leave private groups.
    LeaveGroups: &[permission::LEAVE_P]
}
requirement! {
    /// Whoever may change a room, by a role of the workspace or of the room.
    EditRooms: &[permission::EDIT_ROOM]
}
requirement! {
    /// Whoever may archive a room, by a role of the workspace or of the room.
    ArchiveRooms: &[permission::ARCHIVE_ROOM]
}
requirement! {
    /// Whoever may put an archived room to use again, by a role of the workspace or of the room.
    UnarchiveRooms: &[permission::UNARCHIVE_ROOM]
}
requirement! {
    /// Whoever may delete rooms of either kind, by a role of the workspace or of the room.
    DeleteRooms: &[permission::DELETE_C, permission::DELETE_P]
}
requirement! {
    /// Whoever may delete a channel, by a role of the workspace or of the room.
    DeleteChannels: &[permission::DELETE_C]
}
requirement! {
    /// Whoever may delete a private group, by a role of the workspace or of the room.
    DeleteGroups: &[permission::DELETE_P]
}
requirement! {
    /// Whoever may see channels, all or those that he has joined.
    ViewChannels: &[permission::VIEW_C_ROOM, permission::VIEW_JOINED_ROOM]
}
requirement! {
    /// Whoever may see every room.
    ViewRoomAdministration: &[permission::VIEW_ROOM_ADMINISTRATION]
}
requirement! {
    /// Whoever may see settings that are not public.
    ViewSettings: &[permission::VIEW_PRIVILEGED_SETTING]
}
requirement! {
    /// Whoever may change settings.
    EditSettings: &[permission::EDIT_PRIVILEGED_SETTING]
}
requirement! {
    /// Whoever may switch accounts on and off.
    EditActiveStatus: &[permission::EDIT_OTHER_USER_ACTIVE_STATUS, permission::MANAGE_MODERATION_ACTIONS]
}
