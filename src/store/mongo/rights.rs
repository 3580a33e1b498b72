//! All permissions and settings as of one moment, which is what every decision rests on.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;

use super::error::{code, store_error};
use super::settings::stored;
use super::{MongoStore, documents, indexes};
use crate::domain::setting::SETTINGS;
use crate::store::{Result, Rights, StoreError};

/// More than there ever are, so that they come with the first answer.
const ALL: u32 = 100_000;
/// `SnapshotTooOld`, `SnapshotUnavailable`.
const PAST: [i32; 2] = [239, 246];
const ATTEMPTS: u32 = 20;

impl MongoStore {
    /// One statement, and so one round trip: with this read concern the server reads all collections of a statement as
    /// of one point of time, at which a majority had everything that is read. Whatever was acknowledged to anybody by
    /// the majority before the call is in it.
    pub(super) async fn read_rights(&self) -> Result<Rights> {
        let mut attempts = 0;
        let found = loop {
            attempts += 1;
            match self.read_at_once().await {
                // The server keeps no past, and the point of time was gone before the last collection was opened.
                Err(error) if attempts < ATTEMPTS && code(&error).is_some_and(|code| PAST.contains(&code)) => {}
                found => break found.map_err(store_error)?,
            }
        };
        rights(&found)
    }

    async fn read_at_once(&self) -> Result<Vec<Document>, mongodb::error::Error> {
        let permissions = self.permissions();
        permissions
            .aggregate(pipeline())
            .read_concern(ReadConcern::snapshot())
            .batch_size(ALL)
            .await?
            .try_collect()
            .await
    }
}

/// Each collection in the order of insertion, every document under the name of what it is.
fn pipeline() -> Vec<Document> {
    let settings: Vec<&str> = SETTINGS.iter().map(|setting| setting.id).collect();
    let settings = [
        doc! { "$match": { "_id": { "$in": settings } } },
        doc! { "$replaceWith": { "setting": { "_id": "$_id", "value": "$value" } } },
    ];
    vec![
        doc! { "$replaceWith": { "permission": "$$ROOT" } },
        doc! { "$unionWith": { "coll": indexes::SETTINGS, "pipeline": settings.as_slice() } },
    ]
}

/// What has an id that is no text can be named by nobody; one such document must not keep everybody from everything.
fn rights(found: &[Document]) -> Result<Rights> {
    let (mut permissions, mut settings) = (Vec::new(), BTreeMap::new());
    let can_be_named = |document: &&Document| document.get_str("_id").is_ok();
    for document in found {
        if let Ok(permission) = document.get_document("permission") {
            permissions.extend(Some(permission).filter(can_be_named).map(documents::permission).transpose()?);
        } else if let Ok(setting) = document.get_document("setting") {
            settings.extend(stored(setting));
        } else {
            return Err(StoreError::Corrupt("the rights of the workspace cannot be read".to_owned()));
        }
    }
    Ok(Rights::new(permissions, settings))
}
