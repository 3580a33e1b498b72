//! The lines of the table for changes of rooms (contract 10.4). The details name the original's own methods.

use serde_json::json;

use super::Refusal;
use crate::domain::room::RoomKind;
use crate::domain::room_change::{Departure, Kept};
use crate::service::error::{RoomChangeRefusal, RoomOperation};

/// Contract 10.4.
pub(super) fn refused(refusal: &RoomChangeRefusal) -> Refusal {
    match refusal {
        RoomChangeRefusal::NotAllowed(operation) => not_allowed(*operation),
        // The two values are swapped in the original.
        RoomChangeRefusal::NobodyToInvite => {
            Refusal::typed("invalid-user-invite-list", "Cannot invite if no users are provided")
        }
        RoomChangeRefusal::NotInRoom(departure) => {
            let who = if *departure == Departure::Left { "You are" } else { "User is" };
            departing(&format!("{who} not in this room"), "error-user-not-in-room", *departure)
        }
        RoomChangeRefusal::LastOwner(departure) => departing(
            "You are the last owner. Please set new owner before leaving the room.",
            "error-you-are-last-owner",
            *departure,
        ),
        RoomChangeRefusal::CodeRequired => thrown("Code required", "error-code-required", "joinRoom"),
        RoomChangeRefusal::CodeInvalid => thrown("Invalid code", "error-code-invalid", "joinRoom"),
        RoomChangeRefusal::Kept(reason) => kept(*reason),
        RoomChangeRefusal::NotArchived(name) => Refusal::text(format!("The channel, {name}, is not archived")),
        RoomChangeRefusal::NewNameRequired => Refusal::text("The bodyParam \"name\" is required"),
        RoomChangeRefusal::SameName => Refusal::text("The channel name is the same as what it would be renamed to."),
        RoomChangeRefusal::TypeRequired => Refusal::text("The bodyParam \"type\" is required"),
        RoomChangeRefusal::SameType(kind) => {
            let noun = if *kind == RoomKind::Group { "private group" } else { "channel" };
            Refusal::text(format!("The {noun} type is the same as what it would be changed to."))
        }
        RoomChangeRefusal::InvalidType => Refusal::thrown("error-invalid-room-type", "error-invalid-room-type")
            .details(json!({"function": "RocketChat.saveRoomType"})),
        RoomChangeRefusal::RetypingNotAllowed(wanted) => {
            let change = match wanted {
                RoomKind::Group => "a public channel to a private room",
                RoomKind::Channel | RoomKind::Direct => "a private group to a public channel",
            };
            saving(&format!("Changing {change} is not allowed"), "Change_Room_Type")
        }
    }
}

fn thrown(reason: &str, code: &str, method: &str) -> Refusal {
    Refusal::thrown(reason, code).details(json!({"method": method}))
}

fn saving(reason: &str, action: &str) -> Refusal {
    let details = json!({"method": "saveRoomSettings", "action": action});
    Refusal::thrown(reason, "error-action-not-allowed").details(details)
}

fn departing(reason: &str, code: &str, departure: Departure) -> Refusal {
    thrown(reason, code, if departure == Departure::Left { "leaveRoom" } else { "removeUserFromRoom" })
}

fn not_allowed(operation: RoomOperation) -> Refusal {
    let plain = |method| thrown("Not allowed", "error-not-allowed", method);
    match operation {
        RoomOperation::Invite => plain("addUsersToRoom"),
        RoomOperation::Remove => plain("removeUserFromRoom"),
        RoomOperation::Join => plain("joinRoom"),
        RoomOperation::Leave => plain("leaveRoom"),
        RoomOperation::Delete => plain("eraseRoom"),
        RoomOperation::Archive => thrown("Not authorized", "error-not-authorized", "archiveRoom"),
        RoomOperation::Unarchive => thrown("Not authorized", "error-not-authorized", "unarchiveRoom"),
        RoomOperation::Edit => saving("Editing room is not allowed", "Editing_room"),
    }
}

fn kept(reason: Kept) -> Refusal {
    let (text, code) = match reason {
        Kept::Federated => ("Cannot delete federated room", "error-cannot-delete-federated-room"),
        Kept::TeamMain => ("Cannot delete a team channel", "error-cannot-delete-team-channel"),
        // The original has no such refusal, so the code is the one that its clients know.
        Kept::Default => ("A default room cannot be deleted", "error-not-allowed"),
    };
    thrown(text, code, "eraseRoom")
}
