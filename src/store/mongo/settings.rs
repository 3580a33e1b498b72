//! Settings of the workspace: read as Rocket.Chat keeps them, never written.

use async_trait::async_trait;
use mongodb::bson::doc;
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
}
