//! Settings of the workspace: stored values only; which settings there are and what they default to is not known here.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::SqliteStore;
use super::query::{Query as _, json, text, to_json};
use crate::store::{Result, SettingStore};

#[async_trait]
impl SettingStore for SqliteStore {
    async fn find_setting(&self, id: &str) -> Result<Option<Value>> {
        let id = id.to_owned();
        self.read(move |db| db.first("SELECT value FROM settings WHERE id = ?1", [id], |row| json(row, "value"))).await
    }

    async fn find_settings(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>> {
        // One bound value, however many ids: the text of the statement stays the same and is prepared once.
        let ids = to_json(&ids)?;
        let sql = "SELECT id, value FROM settings WHERE id IN (SELECT value FROM json_each(?1))";
        let found = self.read(move |db| db.all(sql, [ids], |row| Ok((text(row)?, json(row, "value")?)))).await?;
        Ok(found.into_iter().collect())
    }
}
