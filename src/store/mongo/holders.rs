//! Who holds a role, on accounts and on subscriptions: whether anybody does, how many, their names, their pages.

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
        let filter = match role.scope {
            RoleScope::Users => doc! { "roles": role.id.as_str() },
            RoleScope::Subscriptions => doc! { "_id": { "$in": self.members_with(&role.id, room).await? } },
        };
        let total = self.users().count_documents(filter.clone()).await.map_err(store_error)?;
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let users = self.users();
        let mut find =
            users.find(filter).projection(documents::user_projection()).sort(doc! { "username": 1 }).skip(page.offset);
        if let Some(count) = page.count {
            find = find.limit(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        let items = found.iter().map(documents::user).collect::<Result<_>>()?;
        Ok(Listing { items, total })
    }

    /// Accounts whose own list has any of the roles.
    pub(super) async fn holders_of_any(&self, roles: &[RoleId]) -> Result<Vec<User>> {
        let holding = doc! { "roles": { "$in": strings(roles) } };
        let sort = doc! { "username": 1 };
        let found = self.find(&self.users(), holding, documents::user_projection(), sort).await?;
        found.iter().map(documents::user).collect()
    }

    /// Ids of those who have a role in a room, or in any.
    async fn members_with(&self, role: &RoleId, room: Option<&RoomId>) -> Result<Vec<String>> {
        let mut having = doc! { "roles": role.as_str() };
        if let Some(room) = room {
            having.insert("rid", room.as_str());
        }
        let members = vec![doc! { "$match": having }, doc! { "$group": { "_id": "$u._id" } }];
        let cursor = self.subscriptions().aggregate(members).await.map_err(store_error)?;
        let found: Vec<Document> = cursor.try_collect().await.map_err(store_error)?;
        Ok(found.iter().filter_map(|member| text(member, "_id")).collect())
    }
}
