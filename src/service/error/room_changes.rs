//! What can be wrong about changing a room or who is in it.

use crate::domain::room::RoomKind;
use crate::domain::room_change::{Departure, Kept};

/// What can be wrong about changing a room or who is in it. How a room is found can be refused too: see
/// [`RoomRefusal`](super::RoomRefusal).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChangeRefusal {
    /// The caller may not do that in this room.
    NotAllowed(RoomOperation),
    /// Nobody was named, or nobody who exists.
    NobodyToInvite,
    /// Who is to go is not a member.
    NotInRoom(Departure),
    /// Who is to go is the only owner.
    LastOwner(Departure),
    /// The room is joined with a code.
    CodeRequired,
    /// It is joined with another code.
    CodeInvalid,
    /// Something else hangs on the room.
    Kept(Kept),
    /// The channel of that name is not archived.
    NotArchived(String),
    /// No new name was given.
    NewNameRequired,
    /// The channel has that name.
    SameName,
    /// No type was given.
    TypeRequired,
    /// The room, of that kind, is of that type.
    SameType(RoomKind),
    /// Rooms do not change to that type.
    InvalidType,
    /// The caller may not make rooms of the kind that this one was to become.
    RetypingNotAllowed(RoomKind),
}

/// What somebody wanted to do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomOperation {
    /// Make others members.
    Invite,
    /// End somebody's membership.
    Remove,
    /// Become a member.
    Join,
    /// End his own membership.
    Leave,
    /// Delete the room.
    Delete,
    /// Archive it.
    Archive,
    /// Put it to use again.
    Unarchive,
    /// Change its name or type.
    Edit,
}
