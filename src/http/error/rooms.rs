//! The lines of the table for rooms (contract 10).

use actix_web::http::StatusCode;

use super::{FIELD_NAMES, Refusal, escape_markup};
use crate::service::error::RoomRefusal;

/// Contract 10.4.
pub(super) fn refused(refusal: &RoomRefusal) -> Refusal {
    match refusal {
        RoomRefusal::CreatingNotAllowed => Refusal::plain(StatusCode::FORBIDDEN, "unauthorized"),
        RoomRefusal::NameRequired => Refusal::text("Param \"name\" is required"),
        RoomRefusal::InvalidCustomFields => Refusal::thrown(FIELD_NAMES, "error-invalid-custom-fields"),
        RoomRefusal::MembersNotAList => Refusal::text("Param \"members\" must be an array if provided"),
        RoomRefusal::InvalidName(name) => {
            Refusal::thrown(&format!("{} is not a valid room name.", escape_markup(name)), "error-invalid-room-name")
        }
        RoomRefusal::NameTaken(name) => Refusal::thrown(
            &format!("A channel with name '{}' exists", escape_markup(name)),
            "error-duplicate-channel-name",
        ),
    }
}
