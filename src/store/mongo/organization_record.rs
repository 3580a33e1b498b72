//! The record of an organization: the entries of the one record that name it. Writing entries is in `audit`.

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use super::MongoStore;
use super::audit::entry;
use super::error::store_error;
use super::values::date;
use crate::domain::audit::AuditEntry;
use crate::domain::ids::OrganizationId;
use crate::store::organizations::RecordFilter;
use crate::store::{Listing, Page, Result};

impl MongoStore {
    /// The entries that fit, latest first.
    pub(super) async fn record_of(
        &self,
        place: &OrganizationId,
        filter: &RecordFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>> {
        let (audit, filter) = (self.audit(), wanted(place, filter));
        let total = audit.count_documents(filter.clone()).await.map_err(store_error)?;
        // A limit of zero would mean none.
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let limit = page.count.map_or(0, |count| i64::try_from(count).unwrap_or(i64::MAX));
        let find = audit.find(filter).sort(doc! { "at": -1, "_id": -1 }).skip(page.offset).limit(limit);
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        Ok(Listing { items: found.iter().map(entry).collect::<Result<_>>()?, total })
    }
}

fn wanted(place: &OrganizationId, filter: &RecordFilter) -> Document {
    let mut wanted = doc! { "organization": place.as_str() };
    if let Some(action) = &filter.action {
        wanted.insert("action", action);
    }
    if let Some(actor) = &filter.actor {
        wanted.insert("actor.id", actor.as_str());
    }
    if let Some(user) = &filter.user {
        wanted.insert("user", user.as_str());
    }
    if let Some(role) = &filter.role {
        wanted.insert("role", role.as_str());
    }
    let mut time = Document::new();
    if let Some(from) = filter.from {
        time.insert("$gte", date(from));
    }
    if let Some(to) = filter.to {
        time.insert("$lte", date(to));
    }
    if !time.is_empty() {
        wanted.insert("at", time);
    }
    if let Some((at, id)) = &filter.behind {
        let at = date(*at);
        wanted.insert("$or", [doc! { "at": { "$lt": at } }, doc! { "at": at, "_id": { "$lt": id } }].to_vec());
    }
    wanted
}
