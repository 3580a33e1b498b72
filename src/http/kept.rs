//! Answers that are made of the roles or the rights of the workspace alone: written once, kept for as long as what they
//! were made of, and sent with a tag by which a client learns that what it has is still true.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue};
use actix_web::web::Bytes;
use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::answer::{self, Answer};
use crate::domain::rights::{Rights, Roles};

/// The routes whose answers are kept.
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
        let mut answer = answer::with_headers(StatusCode::OK);
        answer.insert_header(answer::JSON).insert_header((ETAG, self.tag.clone())).body(self.body.clone())
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
