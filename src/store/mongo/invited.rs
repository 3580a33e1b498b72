//! Whom an invitation names: many accounts found with few questions. What becomes of them is in `room_changes`.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use super::error::store_error;
use super::values::{id as id_of, text};
use super::{MongoStore, ignore_case};
use crate::domain::ids::UserId;
use crate::domain::role::caseless_key;
use crate::domain::room_change::Invited;
use crate::store::Result;

/// Accounts that are asked for with one question.
const IDS_AT_ONCE: usize = 10_000;

/// Whom usernames are.
#[derive(Default)]
struct Named {
    /// Letter by letter.
    exactly: HashMap<String, UserId>,
    /// But for their case; `None` where that leaves several.
    ignoring_case: HashMap<String, Option<UserId>>,
}

impl Named {
    fn insert(&mut self, username: &str, id: &UserId) {
        if self.exactly.insert(username.to_owned(), id.clone()).is_some() {
            // Found once more, for another way to write it.
            return;
        }
        let others = self.ignoring_case.entry(caseless_key(username));
        others.and_modify(|several| *several = None).or_insert_with(|| Some(id.clone()));
    }

    fn get(&self, username: &str) -> Option<&UserId> {
        self.exactly.get(username).or_else(|| self.ignoring_case.get(&caseless_key(username))?.as_ref())
    }
}

impl MongoStore {
    /// The accounts that are named, each once, in the order named.
    pub(super) async fn find_named(&self, invited: &Invited) -> Result<Vec<UserId>> {
        let found = match invited {
            Invited::Ids(ids) => self.existing_ids(ids).await?,
            Invited::Usernames(names) => self.ids_of_usernames(names).await?,
        };
        let mut seen = HashSet::with_capacity(found.len());
        Ok(found.into_iter().filter(|id| seen.insert(id.clone())).collect())
    }

    async fn existing_ids(&self, ids: &[UserId]) -> Result<Vec<UserId>> {
        let mut existing = HashSet::with_capacity(ids.len());
        for part in ids.chunks(IDS_AT_ONCE) {
            let part: Vec<&str> = part.iter().map(UserId::as_str).collect();
            let those = doc! { "_id": { "$in": part } };
            let found = self.find(&self.users(), those, doc! { "_id": 1 }, Document::new()).await?;
            existing.extend(found.iter().filter_map(|account| text(account, "_id")));
        }
        Ok(ids.iter().filter(|id| existing.contains(id.as_str())).cloned().collect())
    }

    async fn ids_of_usernames(&self, names: &[String]) -> Result<Vec<UserId>> {
        let mut named = Named::default();
        for part in names.chunks(IDS_AT_ONCE) {
            let users = self.users();
            let find = users.find(doc! { "username": { "$in": part } }).collation(ignore_case());
            let cursor = find.projection(doc! { "username": 1 }).await.map_err(store_error)?;
            let found: Vec<Document> = cursor.try_collect().await.map_err(store_error)?;
            for account in &found {
                let id = UserId::from_stored(id_of(account, "user")?);
                named.insert(&text(account, "username").unwrap_or_default(), &id);
            }
        }
        Ok(names.iter().filter_map(|name| named.get(name).cloned()).collect())
    }
}
