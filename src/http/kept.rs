//! Answers that are made of one thing alone that is kept in memory, and are asked for all the time: the roles, the rights,
//! somebody's own account. Each is written once and kept for as long as what it was made of. Those that are the same for
//! everybody are sent with a tag, by which a client learns that what it has is still true.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue};
use actix_web::web::Bytes;
use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::answer::{self, Answer};
use crate::domain::ids::UserId;
use crate::domain::rights::{Rights, Roles};
use crate::domain::user::User;

/// How much memory the answers about accounts may take, in bytes of their bodies: thousands of accounts.
const MOST_OF_ACCOUNTS: u64 = 4 << 20;

/// The routes whose answers are kept for everybody.
pub const ROUTES: [&str; 2] = ["/api/v1/roles.list", "/api/v1/permissions.listAll"];

/// One answer, as it was made last.
pub struct KeptAnswer<T>(ArcSwapOption<Made<T>>);

struct Made<T> {
    /// Held on to, so that nothing else can take its place in memory and be taken for it.
    of: Arc<T>,
    body: Bytes,
    tag: HeaderValue,
}

/// The answers that are kept.
#[derive(Default)]
pub struct KeptAnswers {
    /// Of `roles.list`.
    pub roles: KeptAnswer<Roles>,
    /// Of `permissions.listAll` without a time.
    pub permissions: KeptAnswer<Rights>,
    /// Of `users.info` about oneself.
    pub own_accounts: KeptAccounts,
}

/// Answers of one kind, each about one account; those that nobody asks for any more go first.
pub struct KeptAccounts(Cache<UserId, Arc<MadeOfAccount>>);

struct MadeOfAccount {
    /// Held on to for the reason of [`Made::of`].
    of: Arc<User>,
    body: Bytes,
}

impl Default for KeptAccounts {
    fn default() -> Self {
        let size = |_: &UserId, made: &Arc<MadeOfAccount>| u32::try_from(made.body.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MOST_OF_ACCOUNTS).weigher(size).build())
    }
}

impl KeptAccounts {
    /// The answer about `of`; `fields` makes it where it was not made of this very state of the account.
    ///
    /// # Errors
    /// As [`KeptAnswer::answer`].
    pub fn answer<F: Serialize>(&self, of: &Arc<User>, fields: impl FnOnce(&User) -> F) -> Answer {
        let kept = self.0.get(&of.id).filter(|made| Arc::ptr_eq(&made.of, of));
        let made = match kept {
            Some(made) => made,
            None => {
                let body = answer::success_bytes(fields(of))?;
                let made = Arc::new(MadeOfAccount { of: Arc::clone(of), body });
                self.0.insert(of.id.clone(), Arc::clone(&made));
                made
            }
        };
        Ok(answer::success_of(made.body.clone()))
    }
}

impl<T> Default for KeptAnswer<T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<T> KeptAnswer<T> {
    /// The answer to somebody who knows the answers with the tags `known` (`If-None-Match`); `fields` makes it where it
    /// was not made of this.
    ///
    /// # Errors
    /// `Internal` when it cannot be written, which is a defect.
    pub fn answer<F: Serialize>(
        &self,
        of: Arc<T>,
        known: Option<&HeaderValue>,
        fields: impl FnOnce(&T) -> F,
    ) -> Answer {
        let made = self.0.load();
        match made.as_ref().filter(|made| Arc::ptr_eq(&made.of, &of)) {
            Some(made) => Ok(made.answer(known)),
            None => {
                let made = Made::of(of, fields)?;
                let answer = made.answer(known);
                self.0.store(Some(Arc::new(made)));
                Ok(answer)
            }
        }
    }
}

impl<T> Made<T> {
    fn of<F: Serialize>(of: Arc<T>, fields: impl FnOnce(&T) -> F) -> Result<Self, super::error::ApiError> {
        let body = answer::success_bytes(fields(&of))?;
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        let tag = HeaderValue::from_str(&tag).map_err(|error| answer::unwritable(&error))?;
        Ok(Self { of, body, tag })
    }

    fn answer(&self, known: Option<&HeaderValue>) -> HttpResponse {
        let known = known.and_then(|tags| tags.to_str().ok());
        if known.is_some_and(|tags| self.is_among(tags)) {
            let mut answer = answer::with_headers(StatusCode::NOT_MODIFIED);
            return answer.insert_header((ETAG, self.tag.clone())).finish();
        }
        let mut answer = answer::success_of(self.body.clone());
        answer.headers_mut().insert(ETAG, self.tag.clone());
        answer
    }

    /// A tag that a proxy has weakened names the same answer.
    fn is_among(&self, tags: &str) -> bool {
        let names_it =
            |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.tag.as_bytes();
        tags.split(',').any(|tag| names_it(tag.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::domain::user::NewUser;
    use actix_web::body::to_bytes;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn rights() -> Arc<Rights> {
        Arc::new(Rights::new(Vec::new(), BTreeMap::new()))
    }

    #[test]
    fn an_answer_is_made_once_for_the_same_rights() {
        let (kept, first) = (KeptAnswer::default(), rights());
        let mut made = 0;
        for rights in [&first, &first, &rights()] {
            let fields = |_: &Rights| {
                made += 1;
                json!({"made": made})
            };
            assert_eq!(kept.answer(Arc::clone(rights), None, fields).unwrap().status(), 200);
        }
        assert_eq!(made, 2);
    }

    #[actix_web::test]
    async fn an_answer_about_an_account_is_that_of_its_present_state() {
        let kept = KeptAccounts::default();
        let account = |name: &str| {
            let new = NewUser {
                id: UserId::from_stored("ann"),
                username: name.to_owned(),
                name: name.to_owned(),
                emails: Vec::new(),
                password: None,
                roles: Vec::new(),
                active: true,
                join_default_rooms: false,
                profile: serde_json::Map::new(),
            };
            Arc::new(new.to_user(Timestamp::EPOCH))
        };
        let (before, after) = (account("ann"), account("anna"));
        let mut made = 0;
        for account in [&before, &before, &after, &after, &before] {
            let fields = |user: &User| {
                made += 1;
                json!({"name": user.name})
            };
            let body = to_bytes(kept.answer(account, fields).unwrap().into_body()).await.unwrap();
            assert_eq!(body, json!({"name": account.name, "success": true}).to_string());
        }
        assert_eq!(made, 3);
    }

    #[test]
    fn who_knows_it_already_is_told_so() {
        let (kept, rights) = (KeptAnswer::default(), rights());
        let ask = |known: Option<&str>| {
            let known = known.map(|known| HeaderValue::from_str(known).unwrap());
            kept.answer(Arc::clone(&rights), known.as_ref(), |_| json!({"roles": []})).unwrap()
        };
        let answer = ask(None);
        let tag = answer.headers().get(ETAG).unwrap().to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let answer = ask(Some(&known));
            assert_eq!(
                (answer.status(), answer.headers().get(ETAG).unwrap().to_str().unwrap()),
                (StatusCode::NOT_MODIFIED, tag.as_str())
            );
        }
        for known in ["\"other\"", "", tag.trim_matches('"')] {
            assert_eq!(ask(Some(known)).status(), StatusCode::OK, "{known}");
        }
    }
}
