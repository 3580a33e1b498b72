//! Looking at rooms: one, many, who is in them (contract 10.3 and 10.4).

use super::find::{Archived, RoomRef};
use crate::domain::ids::{RoomId, is_nameable};
use crate::domain::permission::{VIEW_BROADCAST_MEMBER_LIST, VIEW_C_ROOM};
use crate::domain::room::{
    Gone, Member, MemberFilter, MemberOrder, Room, RoomKind, RoomOrder, RoomSelection, Subscription,
};
use crate::domain::time::Timestamp;
use crate::service::error::RoomRefusal;
use crate::service::{Caller, PageRequest, Result, Services};
use crate::store::{Changes, Listing};

/// Which rooms a caller wants a list of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomList {
    /// All that he may see: every channel for whoever may see channels, and else those that he is a member of.
    Visible,
    /// Those that he is a member of.
    Joined,
    /// All there are; whether he may ask for that is asked before.
    All,
}

/// One page of a list, and where it begins.
pub struct Paged<T> {
    /// The page, and how many there are in all.
    pub listing: Listing<T>,
    /// How many items were passed over.
    pub offset: u64,
}

impl Services {
    /// One room, archived or not.
    ///
    /// # Errors
    /// As [`Services::find_room`], then `AccessDenied`.
    pub async fn view_room(&self, caller: &Caller, kind: RoomKind, room: &RoomRef) -> Result<Room> {
        let room = self.find_room(caller, kind, room, Archived::Allowed).await?;
        if !self.can_access_room(caller, &room).await? {
            return Err(RoomRefusal::AccessDenied.into());
        }
        Ok(room)
    }

    /// One room of whatever kind. What is not a channel is, to whoever may not look into it, not there.
    ///
    /// # Errors
    /// In this order: `NotNamed`, `NotFound`, `InfoNotAllowed`.
    pub async fn view_any_room(&self, caller: &Caller, room: &RoomRef) -> Result<Room> {
        if *room == RoomRef::Unnamed {
            return Err(RoomRefusal::NotNamed.into());
        }
        let missing = RoomRefusal::NotFound(RoomKind::Channel);
        let room = self.named_room(room).await?.ok_or(missing.clone())?;
        match self.can_access_room(caller, &room).await? {
            true => Ok(room),
            false if room.kind == RoomKind::Channel => Err(RoomRefusal::InfoNotAllowed.into()),
            false => Err(missing.into()),
        }
    }

    /// One page of the rooms of one kind.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_rooms(
        &self,
        caller: &Caller,
        kind: RoomKind,
        list: RoomList,
        order: RoomOrder,
        page: PageRequest,
    ) -> Result<Paged<Room>> {
        let all = match list {
            RoomList::Visible => kind == RoomKind::Channel && self.is_allowed(caller, VIEW_C_ROOM).await?,
            RoomList::Joined => false,
            RoomList::All => true,
        };
        let member = (!all).then(|| caller.user.id.clone());
        let page = self.page(page).await?;
        let listing = self.store.list_rooms(&RoomSelection { kind, member }, order, page).await?;
        Ok(Paged { listing, offset: page.offset })
    }

    /// One page of the members of a room. Where few write and many read, only some see who does.
    ///
    /// # Errors
    /// As [`Services::view_room`], for a hidden list of members too.
    pub async fn list_members(
        &self,
        caller: &Caller,
        kind: RoomKind,
        room: &RoomRef,
        filter: MemberFilter,
        page: PageRequest,
    ) -> Result<Paged<Member>> {
        let room = self.view_room(caller, kind, room).await?;
        self.members_of(caller, &room, filter, MemberOrder::Username, page).await
    }

    /// One page of the members of a room of whatever kind, owners first (contract 10.3).
    ///
    /// # Errors
    /// As [`Services::view_any_room`], then `AccessDenied` for a hidden list of members.
    pub async fn list_ranked_members(
        &self,
        caller: &Caller,
        room: &RoomRef,
        filter: MemberFilter,
        page: PageRequest,
    ) -> Result<Paged<Member>> {
        let room = self.view_any_room(caller, room).await?;
        self.members_of(caller, &room, filter, MemberOrder::Rank, page).await
    }

    async fn members_of(
        &self,
        caller: &Caller,
        room: &Room,
        filter: MemberFilter,
        order: MemberOrder,
        page: PageRequest,
    ) -> Result<Paged<Member>> {
        let broadcast = room.details.get("broadcast").is_some_and(|value| value == true);
        if broadcast && !self.is_allowed_in(caller, VIEW_BROADCAST_MEMBER_LIST, &room.id).await? {
            return Err(RoomRefusal::AccessDenied.into());
        }
        let page = self.page(page).await?;
        let text = filter.text.filter(|text| !text.trim().is_empty());
        if text.as_deref().is_some_and(|text| !is_nameable(text)) {
            // Nobody is called that; and not every store could look for it.
            return Ok(Paged { listing: Listing { items: Vec::new(), total: 0 }, offset: page.offset });
        }
        let listing = self.store.list_members(&room.id, &MemberFilter { text, ..filter }, order, page).await?;
        Ok(Paged { listing, offset: page.offset })
    }

    /// The rooms that the caller is a member of; with a date those that changed since, and those that are gone.
    ///
    /// # Errors
    /// `InvalidUpdatedSince` when the text is no date.
    pub async fn list_own_rooms(&self, caller: &Caller, updated_since: Option<&str>) -> Result<Changes<Room, Gone>> {
        let since = date(updated_since, RoomRefusal::InvalidUpdatedSince)?;
        Ok(self.store.rooms_of(&caller.user.id, since).await?)
    }

    /// The caller's subscriptions; with a date those that changed since, and those that ended.
    ///
    /// # Errors
    /// `InvalidSubscriptionsSince` when the text is no date.
    pub async fn list_own_subscriptions(
        &self,
        caller: &Caller,
        updated_since: Option<&str>,
    ) -> Result<Changes<Subscription, Gone>> {
        let since = date(updated_since, RoomRefusal::InvalidSubscriptionsSince)?;
        Ok(self.store.subscriptions_of(&caller.user.id, since).await?)
    }

    /// The caller's subscription of a room; `None` where he has none, whether or not there is such a room.
    ///
    /// # Errors
    /// What the store says.
    pub async fn view_own_subscription(&self, caller: &Caller, room: &str) -> Result<Option<Subscription>> {
        match RoomId::parse(room) {
            Ok(room) => Ok(self.store.find_subscription(&room, &caller.user.id).await?),
            Err(_) => Ok(None),
        }
    }
}

/// An empty text is no date and no mistake either.
fn date(text: Option<&str>, refusal: RoomRefusal) -> Result<Option<Timestamp>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    Ok(Some(Timestamp::parse(text).ok_or(refusal)?))
}
