//! Who holds a role, on accounts and on subscriptions: how many, their names, their pages. Whether anybody does at all is
//! asked in `bonds`.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::options::Hint;

use super::error::{Step, store_error};
use super::transaction::Transaction;
use super::values::{number, text};
use super::{MongoStore, documents, strings};
use crate::domain::ids::{RoleId, RoomId};
use crate::domain::role::{MAX_COUNTED_HOLDERS, MAX_NAMED_HOLDERS, Role, RoleScope, RoleUsage};
use crate::domain::user::User;
use crate::store::{Page, Position, Result};

/// Accounts that are asked for by id in one question.
const IDS_AT_ONCE: usize = 10_000;

impl MongoStore {
    /// Everything that names the role as held, whatever its scope, as far as so many holders of each kind tell.
    pub(super) async fn usage_in(&self, tx: &mut Transaction, role: &RoleId) -> Step<RoleUsage> {
        let holding = doc! { "roles": role.as_str() };
        let accounts = self.users();
        let counting = accounts.count_documents(holding.clone()).limit(MAX_COUNTED_HOLDERS);
        let users = counting.session(&mut tx.session).await?;
        let mut names = self.account_names(tx, role).await?;
        let projection = doc! { "_id": 0, "rid": 1, "u.username": 1 };
        let most = signed(MAX_COUNTED_HOLDERS);
        let members = tx.find(&self.subscriptions(), holding, projection, Document::new(), most).await?;
        let rooms: HashSet<&str> = members.iter().filter_map(|member| member.get_str("rid").ok()).collect();
        let others = members.iter().filter_map(|member| text(member.get_document("u").ok()?, "username"));
        let others: BTreeSet<String> = others.filter(|name| !names.contains(name)).collect();
        names.extend(others);
        names.truncate(MAX_NAMED_HOLDERS);
        Ok(RoleUsage { users, rooms: rooms.len() as u64, names })
    }

    /// Usernames of the first accounts whose own list has the role, in alphabetical order.
    pub(super) async fn account_names(&self, tx: &mut Transaction, role: &RoleId) -> Step<Vec<String>> {
        let named = doc! { "roles": role.as_str(), "username": { "$type": "string" } };
        let limit = i64::try_from(MAX_NAMED_HOLDERS).unwrap_or_default();
        let found = tx.find(&self.users(), named, doc! { "username": 1 }, doc! { "username": 1 }, limit).await?;
        Ok(found.iter().filter_map(|user| text(user, "username")).collect())
    }

    /// How many hold a role where its scope says, counted in an index without reading anybody.
    pub(super) async fn count_holders_of(&self, role: &Role, room: Option<&RoomId>) -> Result<u64> {
        let id = role.id.as_str();
        match (role.scope, room) {
            (RoleScope::Users, _) => self.count_accounts(doc! { "roles": id }, holders_index()).await,
            (RoleScope::Subscriptions, Some(room)) => {
                let having = doc! { "rid": room.as_str(), "roles": id };
                self.count_in(&self.subscriptions(), having, members_index()).await
            }
            (RoleScope::Subscriptions, None) => {
                let mut members = members_anywhere(doc! { "roles": id });
                members.push(doc! { "$count": "members" });
                let found = self.aggregate_subscriptions(members).await?;
                let total = found.first().and_then(|count| number(count, "members")).unwrap_or_default();
                Ok(u64::try_from(total).unwrap_or_default())
            }
        }
    }

    /// One page of the holders of a role, of those that follow `after`.
    pub(super) async fn page_holders_of(
        &self,
        role: &Role,
        room: Option<&RoomId>,
        after: Option<&Position>,
        page: Page,
    ) -> Result<Vec<User>> {
        if page.count == Some(0) {
            return Ok(Vec::new());
        }
        let id = role.id.as_str();
        let ids = match (role.scope, room) {
            (RoleScope::Users, _) => {
                let filter = following(&doc! { "roles": id }, ["username", "_id"], after);
                return self.page_of_accounts(filter, doc! { "username": 1, "_id": 1 }, holders_index(), page).await;
            }
            (RoleScope::Subscriptions, Some(room)) => self.members_of(id, room, after, page).await?,
            (RoleScope::Subscriptions, None) => self.members_of_any_room(id, after, page).await?,
        };
        self.accounts_in_order(&ids).await
    }

    /// The ids of members who have the role there. A room and a member have one subscription by an index, so nobody is
    /// in the list twice.
    async fn members_of(&self, role: &str, room: &RoomId, after: Option<&Position>, page: Page) -> Result<Vec<String>> {
        let having = following(&doc! { "rid": room.as_str(), "roles": role }, ["u.username", "u._id"], after);
        let subscriptions = self.subscriptions();
        let find = subscriptions.find(having).sort(doc! { "u.username": 1, "u._id": 1 });
        let mut find = find.projection(doc! { "_id": 0, "u._id": 1 }).skip(page.offset);
        find = find.hint(Hint::Keys(members_index()));
        if let Some(count) = page.count {
            find = find.limit(signed(count));
        }
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        let id = |member: &Document| Some(member.get_document("u").ok()?.get_str("_id").ok()?.to_owned());
        Ok(found.iter().filter_map(id).collect())
    }

    /// The server sorts by the username that each subscription carries and cuts the page; only its accounts are read.
    async fn members_of_any_room(&self, role: &str, after: Option<&Position>, page: Page) -> Result<Vec<String>> {
        let mut paged = members_anywhere(following(&doc! { "roles": role }, ["u.username", "u._id"], after));
        paged.push(doc! { "$sort": { "username": 1, "_id": 1 } });
        paged.push(doc! { "$skip": signed(page.offset) });
        if let Some(count) = page.count {
            paged.push(doc! { "$limit": signed(count) });
        }
        let found = self.aggregate_subscriptions(paged).await?;
        Ok(found.iter().filter_map(|member| text(member, "_id")).collect())
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

/// The index that has the holders of a role in the order of their names.
fn holders_index() -> Document {
    doc! { "roles": 1, "username": 1, "_id": 1 }
}

/// The index that has the holders of a role in a room in the order of their names.
fn members_index() -> Document {
    doc! { "rid": 1, "roles": 1, "u.username": 1, "u._id": 1 }
}

/// Each member of any room once, with the name that a subscription of his carries.
fn members_anywhere(having: Document) -> Vec<Document> {
    vec![doc! { "$match": having }, doc! { "$group": { "_id": "$u._id", "username": { "$first": "$u.username" } } }]
}

/// What matches `filter` and comes after that position in the order of `[username, id]`. Each branch is one stretch of an
/// index that begins with the fields of the filter, and the server merges the two without sorting.
pub(super) fn following(filter: &Document, [username, id]: [&str; 2], after: Option<&Position>) -> Document {
    let Some(position) = after else {
        return filter.clone();
    };
    let (mut namesakes, mut others) = (filter.clone(), filter.clone());
    namesakes.insert(username, doc! { "$eq": &position.username });
    namesakes.insert(id, doc! { "$gt": position.id.as_str() });
    others.insert(username, doc! { "$gt": &position.username });
    doc! { "$or": [namesakes, others] }
}

/// A number of items as a query takes it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
