//! Going through accounts: pages of all of them and the few whose names begin like something. Each question is answered
//! from an index, and no more accounts are read than are given back.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::Hint;

use super::error::store_error;
use super::holders::{following, signed};
use super::values::{number, text};
use super::{MongoStore, documents, holding, ignore_case, strings};
use crate::domain::ids::UserId;
use crate::domain::role::caseless_key;
use crate::domain::user::User;
use crate::domain::user_list::{UserFilter, UserOrder, UserSort};
use crate::store::{Listing, Page, Position, Result, UserDirectory};

/// Accounts that are looked at in one question for those who share a room with somebody, and how many questions.
const CANDIDATES: i64 = 50;
const QUESTIONS: u64 = 20;

/// Sorts behind every name that begins with what stands before it.
const LAST: char = '\u{ffff}';

/// The index that answers the order, and the order as a query has it.
fn order_of(order: UserOrder) -> Document {
    let direction = if order.descending { -1 } else { 1 };
    match order.sort {
        UserSort::Username => doc! { "username": direction, "_id": direction },
        UserSort::Name => doc! { "name": direction, "_id": direction },
        UserSort::CreatedAt => doc! { "createdAt": direction, "_id": direction },
        UserSort::LastLogin => doc! { "lastLogin": direction, "_id": direction },
    }
}

/// The index that has accounts in that order, from whichever end.
fn index_of(order: UserOrder) -> Document {
    order_of(UserOrder { descending: false, ..order })
}

/// What a query asks for. Texts of a caller are compared as they are: in the one pattern there is, every character that
/// could mean anything is taken for itself.
fn document_of(filter: &UserFilter) -> Document {
    let mut document = Document::new();
    match filter.active {
        Some(true) => drop(document.insert("active", true)),
        Some(false) => drop(document.insert("active", doc! { "$ne": true })),
        None => {}
    }
    match filter.has_logged_in {
        Some(true) => drop(document.insert("lastLogin", doc! { "$ne": null })),
        Some(false) => drop(document.insert("lastLogin", doc! { "$eq": null })),
        None => {}
    }
    if let Some(kind) = &filter.kind {
        document.insert("type", doc! { "$eq": kind });
    }
    if !filter.roles.is_empty() {
        document.insert("roles", doc! { "$in": strings(&filter.roles) });
    }
    if let Some(term) = &filter.term {
        let pattern = holding(&term.text);
        let mut places = vec![doc! { "username": pattern.clone() }, doc! { "name": pattern.clone() }];
        if term.in_addresses {
            places.push(doc! { "emails.address": pattern });
        }
        document.insert("$or", places);
    }
    document
}

#[async_trait]
impl UserDirectory for MongoStore {
    async fn count_users(&self) -> Result<u64> {
        self.count_accounts(Document::new(), order_of(UserOrder::default())).await
    }

    async fn page_users(&self, order: UserOrder, page: Page) -> Result<Vec<User>> {
        self.page_of_accounts(Document::new(), order_of(order), index_of(order), page).await
    }

    async fn page_users_after(&self, after: &Position, page: Page) -> Result<Vec<User>> {
        let filter = following(&Document::new(), ["username", "_id"], Some(after));
        let order = UserOrder::default();
        self.page_of_accounts(filter, order_of(order), index_of(order), page).await
    }

    async fn find_users(&self, filter: &UserFilter, order: UserOrder, page: Page) -> Result<Listing<User>> {
        let filter = document_of(filter);
        let total = self.users().count_documents(filter.clone()).await.map_err(store_error)?;
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let ids = self.ids_of_page(filter, order_of(order), None, page).await?;
        Ok(Listing { items: self.accounts_in_order(&ids).await?, total })
    }

    async fn suggest_users(
        &self,
        prefix: &str,
        except: &[String],
        sharing_rooms_with: Option<&UserId>,
        limit: u64,
    ) -> Result<Vec<User>> {
        let rooms = match sharing_rooms_with {
            Some(user) => Some(self.rooms_of(user).await?),
            None => None,
        };
        let (mut found, limit) = (Vec::new(), usize::try_from(limit).unwrap_or(usize::MAX));
        for question in 0..QUESTIONS {
            let candidates = self.named_like(prefix, except, question).await?;
            let last = candidates.len() < usize::try_from(CANDIDATES).unwrap_or_default();
            let near = match &rooms {
                Some(rooms) => self.members_among(&candidates, rooms).await?,
                None => candidates,
            };
            found.extend(near);
            if last || found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}

impl MongoStore {
    /// How many accounts match, counted in that index without reading one.
    pub(super) async fn count_accounts(&self, filter: Document, index: Document) -> Result<u64> {
        self.count_in(&self.users(), filter, index).await
    }

    /// How many documents match, counted in that index without reading one.
    pub(super) async fn count_in(
        &self,
        collection: &Collection<Document>,
        filter: Document,
        index: Document,
    ) -> Result<u64> {
        let counting = vec![doc! { "$match": filter }, doc! { "$count": "found" }];
        let count = collection.aggregate(counting).hint(Hint::Keys(index));
        let found: Vec<Document> = count.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        let total = found.first().and_then(|count| number(count, "found")).unwrap_or_default();
        Ok(u64::try_from(total).unwrap_or_default())
    }

    /// The accounts on a page: in one question where nothing is passed over, else by their ids. The index is named,
    /// because the server would try out several for each question that begins behind a position.
    pub(super) async fn page_of_accounts(
        &self,
        filter: Document,
        order: Document,
        index: Document,
        page: Page,
    ) -> Result<Vec<User>> {
        if page.count == Some(0) {
            return Ok(Vec::new());
        }
        if page.offset > 0 {
            let ids = self.ids_of_page(filter, order, Some(index), page).await?;
            return self.accounts_in_order(&ids).await;
        }
        let users = self.users();
        let mut find = users.find(filter).projection(documents::user_projection()).sort(order).hint(Hint::Keys(index));
        if let Some(count) = page.count {
            find = find.limit(signed(count));
        }
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        found.iter().map(documents::user).collect()
    }

    /// The ids on a page. What is passed over is passed over in the index; no account is read for it.
    pub(super) async fn ids_of_page(
        &self,
        filter: Document,
        order: Document,
        index: Option<Document>,
        page: Page,
    ) -> Result<Vec<String>> {
        let users = self.users();
        let mut find = users.find(filter).projection(doc! { "_id": 1 }).sort(order).skip(page.offset);
        if let Some(index) = index {
            find = find.hint(Hint::Keys(index));
        }
        if let Some(count) = page.count {
            find = find.limit(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        Ok(found.iter().filter_map(|user| text(user, "_id")).collect())
    }

    async fn named_like(&self, prefix: &str, except: &[String], question: u64) -> Result<Vec<User>> {
        // A range of texts in the index's own order; the text is never a pattern.
        let range = doc! { "$gte": prefix, "$lt": format!("{prefix}{LAST}") };
        let filter = doc! { "username": range, "active": true };
        let users = self.users();
        let find = users.find(filter).collation(ignore_case()).sort(doc! { "username": 1 }).limit(CANDIDATES);
        let find = find.skip(question * CANDIDATES.unsigned_abs()).projection(documents::user_projection());
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        let accounts = found.iter().map(documents::user).collect::<Result<Vec<_>>>()?;
        let prefix = caseless_key(prefix);
        let fits = |user: &User| {
            let username = user.username.as_deref().unwrap_or_default();
            caseless_key(username).starts_with(&prefix) && !except.iter().any(|other| other == username)
        };
        Ok(accounts.into_iter().filter(fits).collect())
    }

    async fn rooms_of(&self, user: &UserId) -> Result<Vec<String>> {
        let own = doc! { "u._id": user.as_str() };
        let found = self.find(&self.subscriptions(), own, doc! { "rid": 1 }, Document::new()).await?;
        Ok(found.iter().filter_map(|subscription| text(subscription, "rid")).collect())
    }

    /// Those of the accounts that are members of one of the rooms.
    async fn members_among(&self, candidates: &[User], rooms: &[String]) -> Result<Vec<User>> {
        let ids: Vec<&str> = candidates.iter().map(|user| user.id.as_str()).collect();
        let shared = doc! { "u._id": { "$in": ids }, "rid": { "$in": rooms } };
        let found = self.find(&self.subscriptions(), shared, doc! { "u._id": 1 }, Document::new()).await?;
        let members: HashSet<&str> =
            found.iter().filter_map(|member| member.get_document("u").ok()?.get_str("_id").ok()).collect();
        Ok(candidates.iter().filter(|user| members.contains(user.id.as_str())).cloned().collect())
    }
}
