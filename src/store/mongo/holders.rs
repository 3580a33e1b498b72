//! Who holds a role, on accounts and on subscriptions: whether anybody does, how many, their names, their pages.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use super::error::{Step, store_error};
use super::transaction::Transaction;
use super::values::{number, text};
use super::{MongoStore, documents, strings};
use crate::domain::ids::{RoleId, RoomId};
use crate::domain::role::{MAX_NAMED_HOLDERS, Role, RoleScope, RoleUsage};
use crate::domain::user::User;
use crate::store::{Listing, Page, Result};

/// Accounts that are asked for by id in one question.
const IDS_AT_ONCE: usize = 10_000;

impl MongoStore {
    /// Whether anything names the role as held; looks at no more than one holder.
    pub(super) async fn is_held(&self, tx: &mut Transaction, role: &RoleId) -> Step<bool> {
        let holding = doc! { "roles": role.as_str() };
        Ok(tx.exists(&self.users(), holding.clone()).await? || tx.exists(&self.subscriptions(), holding).await?)
    }

    /// Everything that names the role as held, whatever its scope.
    pub(super) async fn usage_in(&self, tx: &mut Transaction, role: &RoleId) -> Step<RoleUsage> {
        let holding = doc! { "roles": role.as_str() };
        let users = self.users().count_documents(holding.clone()).session(&mut tx.session).await?;
        let rooms = vec![doc! { "$match": holding }, doc! { "$group": { "_id": "$rid" } }, doc! { "$count": "rooms" }];
        let rooms = tx.aggregate(&self.subscriptions(), rooms).await?;
        let rooms = rooms.first().and_then(|count| number(count, "rooms")).unwrap_or_default();
        let names = self.holder_names(tx, role).await?;
        Ok(RoleUsage { users, rooms: u64::try_from(rooms).unwrap_or_default(), names })
    }

    /// Usernames of the first holders: accounts, then members of rooms, each once.
    async fn holder_names(&self, tx: &mut Transaction, role: &RoleId) -> Step<Vec<String>> {
        let mut names = self.account_names(tx, role).await?;
        if names.len() >= MAX_NAMED_HOLDERS {
            return Ok(names);
        }
        let members = vec![
            doc! { "$match": { "roles": role.as_str(), "u.username": { "$nin": &names, "$type": "string" } } },
            doc! { "$group": { "_id": "$u.username" } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": i64::try_from(MAX_NAMED_HOLDERS - names.len()).unwrap_or_default() },
        ];
        let members = tx.aggregate(&self.subscriptions(), members).await?;
        names.extend(members.iter().filter_map(|member| text(member, "_id")));
        Ok(names)
    }

    /// Usernames of the first accounts whose own list has the role, in alphabetical order.
    pub(super) async fn account_names(&self, tx: &mut Transaction, role: &RoleId) -> Step<Vec<String>> {
        let named = doc! { "roles": role.as_str(), "username": { "$type": "string" } };
        let limit = i64::try_from(MAX_NAMED_HOLDERS).unwrap_or_default();
        let found = tx.find(&self.users(), named, doc! { "username": 1 }, doc! { "username": 1 }, limit).await?;
        Ok(found.iter().filter_map(|user| text(user, "username")).collect())
    }

    /// One page of the holders of a role.
    pub(super) async fn list_holders_of(
        &self,
        role: &Role,
        room: Option<&RoomId>,
        page: Page,
    ) -> Result<Listing<User>> {
        match role.scope {
            RoleScope::Users => self.list_account_holders(&role.id, page).await,
            RoleScope::Subscriptions => self.list_room_holders(&role.id, room, page).await,
        }
    }

    async fn list_account_holders(&self, role: &RoleId, page: Page) -> Result<Listing<User>> {
        let filter = doc! { "roles": role.as_str() };
        let total = self.count_accounts(filter.clone(), doc! { "roles": 1, "username": 1, "_id": 1 }).await?;
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let ids = self.ids_of_page(filter, doc! { "username": 1, "_id": 1 }, page).await?;
        Ok(Listing { items: self.accounts_in_order(&ids).await?, total })
    }

    /// The server sorts by the username that each subscription carries and cuts the page; only its accounts are read.
    async fn list_room_holders(&self, role: &RoleId, room: Option<&RoomId>, page: Page) -> Result<Listing<User>> {
        let mut having = doc! { "roles": role.as_str() };
        if let Some(room) = room {
            having.insert("rid", room.as_str());
        }
        let members = vec![
            doc! { "$match": having },
            doc! { "$group": { "_id": "$u._id", "username": { "$first": "$u.username" } } },
        ];
        let total = self.count_members(members.clone()).await?;
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let mut paged = members;
        paged.push(doc! { "$sort": { "username": 1, "_id": 1 } });
        paged.push(doc! { "$skip": signed(page.offset) });
        if let Some(count) = page.count {
            paged.push(doc! { "$limit": signed(count) });
        }
        let cursor = self.subscriptions().aggregate(paged).allow_disk_use(true).await.map_err(store_error)?;
        let found: Vec<Document> = cursor.try_collect().await.map_err(store_error)?;
        let ids: Vec<String> = found.iter().filter_map(|member| text(member, "_id")).collect();
        Ok(Listing { items: self.accounts_in_order(&ids).await?, total })
    }

    async fn count_members(&self, mut members: Vec<Document>) -> Result<u64> {
        members.push(doc! { "$count": "members" });
        let cursor = self.subscriptions().aggregate(members).allow_disk_use(true).await.map_err(store_error)?;
        let found: Vec<Document> = cursor.try_collect().await.map_err(store_error)?;
        let total = found.first().and_then(|count| number(count, "members")).unwrap_or_default();
        Ok(u64::try_from(total).unwrap_or_default())
    }

    /// The accounts with those ids, in that order; read in parts, because a question may not be longer than 16 MiB.
    pub(super) async fn accounts_in_order(&self, ids: &[String]) -> Result<Vec<User>> {
        let mut accounts = HashMap::with_capacity(ids.len());
        for part in ids.chunks(IDS_AT_ONCE) {
            let filter = doc! { "_id": { "$in": part } };
            for user in self.find(&self.users(), filter, documents::user_projection(), Document::new()).await? {
                let user = documents::user(&user)?;
                accounts.insert(user.id.as_str().to_owned(), user);
            }
        }
        Ok(ids.iter().filter_map(|id| accounts.remove(id)).collect())
    }

    /// Accounts whose own list has any of the roles.
    pub(super) async fn holders_of_any(&self, roles: &[RoleId]) -> Result<Vec<User>> {
        let holding = doc! { "roles": { "$in": strings(roles) } };
        let sort = doc! { "username": 1 };
        let found = self.find(&self.users(), holding, documents::user_projection(), sort).await?;
        found.iter().map(documents::user).collect()
    }
}

/// A number of items as a query takes it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
