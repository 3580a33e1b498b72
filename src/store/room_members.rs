//! Who is in which room, with which roles there, and lists of rooms. The rules of every method in `store` hold here too;
//! one room by its id or name, and making one, is in `RoomStore`.

use async_trait::async_trait;

use super::{Changes, Listing, Page, Result};
use crate::domain::audit::AuditContext;
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::room::{Gone, Member, MemberFilter, MemberOrder, Room, RoomOrder, RoomSelection, Subscription};
use crate::domain::time::Timestamp;

/// Rooms and their members, as lists.
#[async_trait]
pub trait RoomMemberStore {
    /// The rooms of one kind, or those of them that have a certain member, in that order.
    async fn list_rooms(&self, rooms: &RoomSelection, order: RoomOrder, page: Page) -> Result<Listing<Room>>;

    /// The channels, groups and direct rooms that an account is a member of, in the order of their ids: all, or those
    /// with `_updatedAt > since`. With a time also those that were deleted after it (`_deletedAt > since`) while the
    /// account was a member, or after it had been; no other room that is gone is told of.
    async fn rooms_of(&self, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Room, Gone>>;

    /// The subscriptions of an account, in the order of their ids: all, or those with `_updatedAt > since`; with a time
    /// also those of it that ended after it (`_deletedAt > since`).
    async fn subscriptions_of(&self, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Subscription, Gone>>;

    /// What a member has of a room; `None` when he is not a member.
    async fn find_subscription(&self, room: &RoomId, user: &UserId) -> Result<Option<Subscription>>;

    /// The members of a room, active or not, in that order.
    async fn list_members(
        &self,
        room: &RoomId,
        filter: &MemberFilter,
        order: MemberOrder,
        page: Page,
    ) -> Result<Listing<Member>>;

    /// The subscriptions of a room that have any of the roles, each once, sorted by username (byte order). Each names
    /// its member as the account is called now.
    async fn list_room_role_holders(&self, room: &RoomId, roles: &[RoleId]) -> Result<Vec<Subscription>>;

    /// Takes a role from a member of a room. Audit: `RoleUnassigned` with the room.
    ///
    /// Decided against concurrent calls: whatever happens at once, a room that had an owner still has one.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; `NotFound(User)`; `Conflict(NotInRoom)`; `Conflict(RoleNotHeld)`;
    /// `Conflict(LastOwner)` when the role is `owner` and no other member has it, active or not.
    async fn take_room_role(&self, room: &RoomId, user: &UserId, role: &RoleId, by: &AuditContext) -> Result<()>;
}
