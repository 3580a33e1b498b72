//! Settings of the workspace: stored values only; which settings there are and what they default to is not known here.

use async_trait::async_trait;
use serde_json::Value;

use super::SqliteStore;
use super::query::{Query as _, json};
use crate::store::{Result, SettingStore};

#[async_trait]
impl SettingStore for SqliteStore {
    async fn find_setting(&self, id: &str) -> Result<Option<Value>> {
        let id = id.to_owned();
        self.read(move |db| db.first("SELECT value FROM settings WHERE id = ?1", [id], |row| json(row, "value"))).await
    }
}
