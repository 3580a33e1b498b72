//! The lines of the table for rooms (contract 10).

use actix_web::http::StatusCode;
use serde_json::json;

use super::{FIELD_NAMES, Refusal, escape_markup};
use crate::domain::room::RoomKind;
use crate::service::error::{RoomRefusal, RoomRole, RoomRoleChange, RoomRoleProblem};

/// What is said of `updatedSince`; only the codes differ.
const INVALID_DATE: &str = "The \"updatedSince\" query parameter must be a valid date.";

/// Contract 10.
pub(super) fn refused(refusal: &RoomRefusal) -> Refusal {
    match refusal {
        RoomRefusal::CreatingNotAllowed | RoomRefusal::AccessDenied => {
            Refusal::plain(StatusCode::FORBIDDEN, "unauthorized")
        }
        RoomRefusal::NameRequired(kind) => Refusal::text(format!("{} \"name\" is required", parameter(*kind))),
        RoomRefusal::InvalidCustomFields => Refusal::thrown(FIELD_NAMES, "error-invalid-custom-fields"),
        RoomRefusal::MembersNotAList(kind) => {
            Refusal::text(format!("{} \"members\" must be an array if provided", parameter(*kind)))
        }
        // [K]: what the original says elsewhere to whoever may not look into a room.
        RoomRefusal::InfoNotAllowed => Refusal::typed("not-allowed", "Not Allowed"),
        RoomRefusal::RolesNotVisible => {
            Refusal::thrown("Invalid room", "error-invalid-room").details(json!({"method": "getRoomRoles"}))
        }
        RoomRefusal::Role(change, problem) => role_refused(*change, *problem),
        // The original repeats what was sent; here it is not.
        RoomRefusal::InvalidSort => Refusal::thrown("Invalid sort parameter provided", "error-invalid-sort")
            .details(json!({"helperMethod": "parseJsonQuery"})),
        RoomRefusal::InvalidUpdatedSince => Refusal::thrown(INVALID_DATE, "error-updatedSince-param-invalid"),
        RoomRefusal::InvalidSubscriptionsSince => Refusal::thrown(INVALID_DATE, "error-roomId-param-invalid"),
        RoomRefusal::NotNamed => {
            Refusal::thrown("The parameter \"roomId\" or \"roomName\" is required", "error-room-param-not-provided")
        }
        RoomRefusal::NotFound(kind) => {
            let noun = if *kind == RoomKind::Group { "group" } else { "channel" };
            let text = format!("The required \"roomId\" or \"roomName\" param provided does not match any {noun}");
            Refusal::thrown(&text, "error-room-not-found")
        }
        RoomRefusal::Archived { kind, name } => {
            let noun = if *kind == RoomKind::Group { "private group" } else { "channel" };
            Refusal::thrown(&format!("The {noun}, {name}, is archived"), "error-room-archived")
        }
        RoomRefusal::InvalidName(name) => {
            Refusal::thrown(&format!("{} is not a valid room name.", escape_markup(name)), "error-invalid-room-name")
        }
        RoomRefusal::NameTaken(name) => Refusal::thrown(
            &format!("A channel with name '{}' exists", escape_markup(name)),
            "error-duplicate-channel-name",
        ),
    }
}

/// What the original calls a parameter of `channels.create` and of `groups.create`.
fn parameter(kind: RoomKind) -> &'static str {
    if kind == RoomKind::Group { "Body param" } else { "Param" }
}

/// Contract 10.2.
fn role_refused(change: RoomRoleChange, problem: RoomRoleProblem) -> Refusal {
    let (noun, with_article) = match change.role() {
        RoomRole::Owner => ("owner", "an owner"),
        RoomRole::Moderator => ("moderator", "a moderator"),
        RoomRole::Leader => ("leader", "a leader"),
    };
    let refusal = match problem {
        RoomRoleProblem::NotAllowed => Refusal::thrown("Not allowed", "error-not-allowed"),
        RoomRoleProblem::NoSuchUser => Refusal::thrown("Invalid user", "error-invalid-user"),
        RoomRoleProblem::NotInRoom => not_in_room(change),
        RoomRoleProblem::AlreadyHeld => {
            Refusal::thrown(&format!("User is already {with_article}"), &format!("error-user-already-{noun}"))
        }
        RoomRoleProblem::NotHeld => {
            Refusal::thrown(&format!("User is not {with_article}"), &format!("error-user-not-{noun}"))
        }
        RoomRoleProblem::LastOwner => Refusal::thrown(
            "This is the last owner. Please set a new owner before removing this one.",
            "error-remove-last-owner",
        ),
    };
    refusal.details(json!({"method": method(change)}))
}

/// Who takes the role of an owner or moderator from somebody outside is told of the room, all others of the user.
fn not_in_room(change: RoomRoleChange) -> Refusal {
    match change {
        RoomRoleChange::Take(RoomRole::Owner | RoomRole::Moderator) => {
            Refusal::thrown("Invalid room", "error-invalid-room")
        }
        _ => Refusal::thrown("User is not in this room", "error-user-not-in-room"),
    }
}

/// What the original calls the operation.
fn method(change: RoomRoleChange) -> &'static str {
    match change {
        RoomRoleChange::Give(RoomRole::Owner) => "addRoomOwner",
        RoomRoleChange::Give(RoomRole::Moderator) => "addRoomModerator",
        RoomRoleChange::Give(RoomRole::Leader) => "addRoomLeader",
        RoomRoleChange::Take(RoomRole::Owner) => "removeRoomOwner",
        RoomRoleChange::Take(RoomRole::Moderator) => "removeRoomModerator",
        RoomRoleChange::Take(RoomRole::Leader) => "removeRoomLeader",
    }
}
