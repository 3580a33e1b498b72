//! Rooms and their members, as lists, and taking a role from a member. One room, and making one, is in `rooms`.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};

use super::error::{Step, store_error};
use super::holders::signed;
use super::indexes::USERS;
use super::locks::Lock;
use super::transaction::{Transaction, transact};
use super::values::{date, number, text};
use super::{MongoStore, documents, holding, strings};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::role::OWNER;
use crate::domain::room::{
    Gone, Member, MemberFilter, MemberOrder, RANKS, Room, RoomOrder, RoomSelection, RoomSortKey, Subscription,
};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{Changes, Conflict, Listing, Noun, Page, Result, RoomMemberStore, StoreError};

/// What the trash calls the collection of rooms.
const TRASHED_ROOMS: &str = "room";
/// What the trash calls the collection of subscriptions.
const TRASHED_SUBSCRIPTIONS: &str = "subscription";

#[async_trait]
impl RoomMemberStore for MongoStore {
    async fn list_rooms(&self, rooms: &RoomSelection, order: RoomOrder, page: Page) -> Result<Listing<Room>> {
        let mut filter = doc! { "t": rooms.kind.as_str() };
        if let Some(member) = &rooms.member {
            let joined = doc! { "u._id": member.as_str(), "t": rooms.kind.as_str() };
            let found = self.find(&self.subscriptions(), joined, doc! { "rid": 1 }, Document::new()).await?;
            filter.insert("_id", doc! { "$in": room_ids(&found) });
        }
        let direction = if order.descending { -1 } else { 1 };
        let field = match order.by {
            RoomSortKey::Name => "name",
            RoomSortKey::CreatedAt => "ts",
        };
        let sort = doc! { field: direction, "_id": direction };
        let found = self.find_page(&self.rooms(), filter, Document::new(), sort, page).await?;
        Ok(Listing { items: rooms_in(&found.items)?, total: found.total })
    }

    async fn rooms_of(&self, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Room, Gone>> {
        transact!(self, tx => self.rooms_of_in(&mut tx, user, since))
    }

    async fn subscriptions_of(&self, user: &UserId, since: Option<Timestamp>) -> Result<Changes<Subscription, Gone>> {
        transact!(self, tx => self.subscriptions_of_in(&mut tx, user, since))
    }

    async fn find_subscription(&self, room: &RoomId, user: &UserId) -> Result<Option<Subscription>> {
        let found = self.find_one(&self.subscriptions(), membership(room, user), Document::new()).await?;
        found.as_ref().map(documents::subscription).transpose()
    }

    async fn list_members(
        &self,
        room: &RoomId,
        filter: &MemberFilter,
        order: MemberOrder,
        page: Page,
    ) -> Result<Listing<Member>> {
        let matching = members(room, filter.text.as_deref());
        let found = if order == MemberOrder::Username && filter.statuses.is_empty() {
            let sort = doc! { "u.username": 1 };
            self.find_page(&self.subscriptions(), matching, doc! { "u._id": 1, "roles": 1 }, sort, page).await?
        } else {
            self.aggregate_page(member_pipeline(matching, &filter.statuses, order), page).await?
        };
        let ids: Vec<String> = found.items.iter().filter_map(member_id).collect();
        let mut roles: HashMap<String, Vec<RoleId>> = found
            .items
            .iter()
            .filter_map(|member| Some((member_id(member)?, documents::subscription_roles(member))))
            .collect();
        let member = |user: User| Member { roles: roles.remove(user.id.as_str()).unwrap_or_default(), user };
        Ok(Listing { items: self.accounts_in_order(&ids).await?.into_iter().map(member).collect(), total: found.total })
    }

    async fn list_room_role_holders(&self, room: &RoomId, roles: &[RoleId]) -> Result<Vec<Subscription>> {
        let holding = doc! { "rid": room.as_str(), "roles": { "$in": strings(roles) } };
        let sort = doc! { "u.username": 1 };
        let found = self.find(&self.subscriptions(), holding, Document::new(), sort).await?;
        let mut holders = found.iter().map(documents::subscription).collect::<Result<Vec<_>>>()?;
        let ids: Vec<&str> = holders.iter().map(|holder| holder.member.id.as_str()).collect();
        let names = self.names_of(&ids).await?;
        for holder in &mut holders {
            holder.member.name = names.get(holder.member.id.as_str()).cloned();
        }
        Ok(holders)
    }

    async fn take_room_role(&self, room: &RoomId, user: &UserId, role: &RoleId, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.take_room_role_in(&mut tx, room, user, role, by))
    }
}

fn membership(room: &RoomId, user: &UserId) -> Document {
    doc! { "rid": room.as_str(), "u._id": user.as_str() }
}

/// The members of a room whose username or name holds that text.
fn members(room: &RoomId, text: Option<&str>) -> Document {
    let mut members = doc! { "rid": room.as_str() };
    if let Some(text) = text {
        let holding = holding(text);
        members.insert("$or", [doc! { "u.username": holding.clone() }, doc! { "u.name": holding }]);
    }
    members
}

/// Members in the order of their rank, or of those a few. A rank is not stored and a status is the account's, so here all
/// members of the room are looked at.
fn member_pipeline(members: Document, statuses: &[String], order: MemberOrder) -> Vec<Document> {
    let mut pipeline = vec![doc! { "$match": members }];
    if order == MemberOrder::Rank {
        let roles = doc! { "$cond": [{ "$isArray": "$roles" }, "$roles", []] };
        let branches: Vec<Document> = (0..)
            .zip(RANKS)
            .map(|(rank, role)| doc! { "case": { "$in": [role, roles.clone()] }, "then": rank })
            .collect();
        let lowest = i32::try_from(RANKS.len()).unwrap_or(i32::MAX);
        pipeline.push(doc! { "$addFields": { "rank": { "$switch": { "branches": branches, "default": lowest } } } });
        pipeline.push(doc! { "$sort": { "rank": 1, "u.username": 1 } });
    } else {
        pipeline.push(doc! { "$sort": { "u.username": 1 } });
    }
    if !statuses.is_empty() {
        pipeline.push(doc! { "$project": { "u._id": 1, "roles": 1 } });
        let account = doc! { "from": USERS, "localField": "u._id", "foreignField": "_id", "as": "account" };
        pipeline.push(doc! { "$lookup": account });
        pipeline.push(doc! { "$match": { "account.status": { "$in": statuses } } });
    }
    pipeline.push(doc! { "$project": { "u._id": 1, "roles": 1 } });
    pipeline
}

/// The account of a subscription.
pub(super) fn member_id(subscription: &Document) -> Option<String> {
    subscription.get_document("u").ok().and_then(|member| text(member, "_id"))
}

/// The rooms of subscriptions.
fn room_ids(subscriptions: &[Document]) -> Vec<String> {
    subscriptions.iter().filter_map(|subscription| text(subscription, "rid")).collect()
}

/// Rooms of the kinds that have roles.
fn rooms_in(documents: &[Document]) -> Result<Vec<Room>> {
    documents.iter().filter_map(|document| documents::room(document).transpose()).collect()
}

impl MongoStore {
    /// One page of the documents that match, and how many match.
    async fn find_page(
        &self,
        collection: &Collection<Document>,
        filter: Document,
        projection: Document,
        sort: Document,
        page: Page,
    ) -> Result<Listing<Document>> {
        let total = collection.count_documents(filter.clone()).await.map_err(store_error)?;
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let mut find = collection.find(filter).projection(projection).sort(sort).skip(page.offset);
        if let Some(count) = page.count {
            find = find.limit(signed(count));
        }
        let items = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        Ok(Listing { items, total })
    }

    /// One page of the subscriptions that a pipeline gives, and how many it gives.
    async fn aggregate_page(&self, pipeline: Vec<Document>, page: Page) -> Result<Listing<Document>> {
        let counted = [pipeline.clone(), vec![doc! { "$count": "members" }]].concat();
        let total = self.aggregate_subscriptions(counted).await?;
        let total = total.first().and_then(|count| number(count, "members")).unwrap_or_default();
        let total = u64::try_from(total).unwrap_or_default();
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let mut paged = pipeline;
        paged.push(doc! { "$skip": signed(page.offset) });
        if let Some(count) = page.count {
            paged.push(doc! { "$limit": signed(count) });
        }
        Ok(Listing { items: self.aggregate_subscriptions(paged).await?, total })
    }

    pub(super) async fn aggregate_subscriptions(&self, pipeline: Vec<Document>) -> Result<Vec<Document>> {
        let cursor = self.subscriptions().aggregate(pipeline).allow_disk_use(true).await.map_err(store_error)?;
        cursor.try_collect().await.map_err(store_error)
    }

    /// The names of accounts, by id.
    async fn names_of(&self, ids: &[&str]) -> Result<HashMap<String, String>> {
        let filter = doc! { "_id": { "$in": ids } };
        let found = self.find(&self.users(), filter, doc! { "name": 1 }, Document::new()).await?;
        Ok(found.iter().filter_map(|account| Some((text(account, "_id")?, text(account, "name")?))).collect())
    }

    async fn rooms_of_in(
        &self,
        tx: &mut Transaction,
        user: &UserId,
        since: Option<Timestamp>,
    ) -> Step<Changes<Room, Gone>> {
        let own = doc! { "u._id": user.as_str() };
        let joined = tx.find(&self.subscriptions(), own, doc! { "rid": 1 }, Document::new(), 0).await?;
        let mut filter = doc! { "_id": { "$in": room_ids(&joined) } };
        if let Some(since) = since {
            filter.insert("_updatedAt", after(since));
        }
        let found = tx.find(&self.rooms(), filter, Document::new(), doc! { "_id": 1 }, 0).await?;
        let removed = match since {
            Some(since) => self.rooms_gone_since(tx, user, since).await?,
            None => Vec::new(),
        };
        Ok(Changes { updated: rooms_in(&found)?, removed })
    }

    /// Rooms that are in the trash and of which the account has a subscription there.
    async fn rooms_gone_since(&self, tx: &mut Transaction, user: &UserId, since: Timestamp) -> Step<Vec<Gone>> {
        // A subscription of a room that is gone went with the room or before it.
        let own = doc! { "__collection__": TRASHED_SUBSCRIPTIONS, "u._id": user.as_str() };
        let left = tx.find(&self.trash(), own, doc! { "rid": 1 }, Document::new(), 0).await?;
        let filter = doc! {
            "_id": { "$in": room_ids(&left) },
            "__collection__": TRASHED_ROOMS,
            "_deletedAt": after(since),
        };
        self.gone(tx, filter).await
    }

    async fn subscriptions_of_in(
        &self,
        tx: &mut Transaction,
        user: &UserId,
        since: Option<Timestamp>,
    ) -> Step<Changes<Subscription, Gone>> {
        let mut own = doc! { "u._id": user.as_str() };
        let mut removed = Vec::new();
        if let Some(since) = since {
            let mut left = own.clone();
            left.extend(doc! { "__collection__": TRASHED_SUBSCRIPTIONS, "_deletedAt": after(since) });
            removed = self.gone(tx, left).await?;
            own.insert("_updatedAt", after(since));
        }
        let found = tx.find(&self.subscriptions(), own, Document::new(), doc! { "_id": 1 }, 0).await?;
        let updated = found.iter().map(documents::subscription).collect::<Result<_>>()?;
        Ok(Changes { updated, removed })
    }

    async fn gone(&self, tx: &mut Transaction, filter: Document) -> Step<Vec<Gone>> {
        let sort = doc! { "_deletedAt": 1, "_id": 1 };
        let found = tx.find(&self.trash(), filter, doc! { "_deletedAt": 1 }, sort, 0).await?;
        Ok(found.iter().map(documents::gone).collect::<Result<_>>()?)
    }

    async fn take_room_role_in(
        &self,
        tx: &mut Transaction,
        room: &RoomId,
        user: &UserId,
        role: &RoleId,
        by: &AuditContext,
    ) -> Step<()> {
        let owner = role.as_str() == OWNER;
        if owner {
            // Whoever leaves or loses the role at the same time counts on an owner that stays.
            self.lock(tx, &Lock::Room(room.clone())).await?;
        }
        self.lock_roles(tx, std::slice::from_ref(role)).await?;
        if self.locked_role(tx, role).await?.is_none() {
            return Err(StoreError::NotFound(Noun::Role).into());
        }
        if !tx.exists(&self.users(), doc! { "_id": user.as_str() }).await? {
            return Err(StoreError::NotFound(Noun::User).into());
        }
        let itself = membership(room, user);
        let Some(subscription) = tx.find_one(&self.subscriptions(), itself.clone(), doc! { "roles": 1 }).await? else {
            return Err(Conflict::NotInRoom.into());
        };
        if !documents::subscription_roles(&subscription).contains(role) {
            return Err(Conflict::RoleNotHeld.into());
        }
        let others = doc! { "rid": room.as_str(), "roles": OWNER, "u._id": { "$ne": user.as_str() } };
        if owner && !tx.exists(&self.subscriptions(), others).await? {
            return Err(Conflict::LastOwner.into());
        }
        let change = doc! { "$pull": { "roles": role.as_str() }, "$set": { "_updatedAt": date(by.at) } };
        self.subscriptions().update_one(itself, change).session(&mut tx.session).await?;
        let change = Change::RoleUnassigned { role: role.clone(), user: user.clone(), room: Some(room.clone()) };
        self.record(tx, by, change).await
    }
}

fn after(since: Timestamp) -> Bson {
    Bson::Document(doc! { "$gt": date(since) })
}
