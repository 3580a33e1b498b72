//! Who may call the routes of organizations: one marker for each rule, for handlers to name in their signatures. Whether a
//! rule is met is asked in `http::call`.

use crate::domain::capability::Capability;
use crate::domain::organization::Need;
use crate::domain::permission::CREATE_TEAM;
use crate::service::organizations::access::Seat;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever has an account.
    Account,
    /// Whoever has a permission of the workspace.
    Permission(&'static str),
    /// A member of the organization in the path who has what is needed.
    Member(Need),
}

/// Where the caller stands when he has been let in.
pub trait Place: Sized + 'static {
    /// Makes it of the seat that he was given; `None` when a seat is needed and there is none.
    fn of(seat: Option<Seat>) -> Option<Self>;
}

impl Place for () {
    fn of(_: Option<Seat>) -> Option<Self> {
        Some(())
    }
}

impl Place for Seat {
    fn of(seat: Option<Seat>) -> Option<Self> {
        seat
    }
}

/// A rule.
pub trait Rule: 'static {
    /// Who may.
    const WHO: Who;
    /// Where he stands then.
    type Place: Place;
}

macro_rules! rule {
    ($(#[$doc:meta])* $name:ident: $place:ty = $who:expr) => {
        $(#[$doc])*
        pub struct $name;
        impl Rule for $name {
            const WHO: Who = $who;
            type Place = $place;
        }
    };
}

rule! {
    /// Whoever has an account.
    AnyAccount: () = Who::Account
}
rule! {
    /// Whoever may create teams.
    CreateTeams: () = Who::Permission(CREATE_TEAM)
}
rule! {
    /// Every member.
    AnyMember: Seat = Who::Member(Need::Membership)
}
rule! {
    /// The Owners.
    Owners: Seat = Who::Member(Need::Ownership)
}
rule! {
    /// Members who make and change roles.
    ManageRoles: Seat = Who::Member(Need::Capability(Capability::ManageRoles))
}
rule! {
    /// Members who give and take roles.
    AssignRoles: Seat = Who::Member(Need::Capability(Capability::AssignRoles))
}
rule! {
    /// Members who bring people in.
    InviteUsers: Seat = Who::Member(Need::Capability(Capability::InviteUsers))
}
rule! {
    /// Members who take people out.
    RemoveUsers: Seat = Who::Member(Need::Capability(Capability::RemoveUsers))
}
rule! {
    /// The member whom it is about, and those who manage members.
    OneselfOrManageUsers: Seat = Who::Member(Need::Oneself(Capability::ManageUsers))
}
rule! {
    /// Members who read the record.
    ViewAuditLog: Seat = Who::Member(Need::Capability(Capability::ViewAuditLog))
}
rule! {
    /// Members who take the record with them.
    ExportAuditLog: Seat = Who::Member(Need::Capability(Capability::ExportAuditLog))
}
