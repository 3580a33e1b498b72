//! Settings of the workspace: read as Rocket.Chat keeps them, never written.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use serde_json::Value;

use super::MongoStore;
use super::values::json;
use crate::store::{Result, SettingStore};

#[async_trait]
impl SettingStore for MongoStore {
    async fn find_setting(&self, id: &str) -> Result<Option<Value>> {
        let found = self.find_one(&self.settings(), doc! { "_id": id }, doc! { "value": 1 }).await?;
        Ok(found.and_then(|setting| setting.get("value").map(json)))
    }

    async fn find_settings(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>> {
        let filter = doc! { "_id": { "$in": ids } };
        let found = self.find(&self.settings(), filter, doc! { "value": 1 }, Document::new()).await?;
        let entry = |setting: &Document| {
            let id = setting.get_str("_id").ok()?;
            Some((id.to_owned(), json(setting.get("value")?)))
        };
        Ok(found.iter().filter_map(entry).collect())
    }
}
