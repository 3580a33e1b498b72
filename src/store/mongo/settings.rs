//! Settings of the workspace, read and written as Rocket.Chat keeps them (contract 6.7). Which settings there are and
//! which of them name roles is said by `domain::setting`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use serde_json::Value;

use super::error::{Failure, Step, is_duplicate};
use super::transaction::{Transaction, transact};
use super::values::{date, json};
use super::{MongoStore, documents, values};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::RoleId;
use crate::domain::setting::{Setting, settings_that_name_roles};
use crate::store::{Conflict, Result, SettingStore};

#[async_trait]
impl SettingStore for MongoStore {
    async fn find_setting(&self, id: &str) -> Result<Option<Value>> {
        let found = self.find_one(&self.settings(), doc! { "_id": id }, doc! { "value": 1 }).await?;
        Ok(found.and_then(|setting| setting.get("value").map(json)))
    }

    async fn find_settings(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>> {
        let found = self.find(&self.settings(), among(ids), doc! { "value": 1 }, Document::new()).await?;
        Ok(found.iter().filter_map(stored).collect())
    }

    async fn set_setting(&self, setting: Setting, value: &Value, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.set_setting_in(&mut tx, setting, value, by))
    }
}

fn among(ids: &[&str]) -> Document {
    doc! { "_id": { "$in": ids } }
}

/// A setting's id and value.
pub(super) fn stored(setting: &Document) -> Option<(String, Value)> {
    Some((setting.get_str("_id").ok()?.to_owned(), json(setting.get("value")?)))
}

impl MongoStore {
    async fn set_setting_in(
        &self,
        tx: &mut Transaction,
        setting: Setting,
        value: &Value,
        by: &AuditContext,
    ) -> Step<()> {
        let roles = setting.roles_named_by(value);
        self.lock_roles(tx, &roles).await?;
        if let Some(unknown) = self.first_unknown_role(tx, &roles).await? {
            return Err(Conflict::UnknownRole(unknown).into());
        }
        let before = self.stored_value(tx, setting.id).await?;
        if before.as_ref() == Some(value) {
            return Ok(());
        }
        self.put_value(tx, setting, value, by).await?;
        self.record(tx, by, Change::of_setting(setting, before, value.clone())).await
    }

    /// Takes the role, which is locked, out of every setting among `present` that names it; which those were. A new value that names the
    /// role would have to take its lock, and one that does not meets this one in the same document.
    pub(super) async fn remove_from_settings(
        &self,
        tx: &mut Transaction,
        role: &RoleId,
        present: &[Document],
        by: &AuditContext,
    ) -> Step<Vec<String>> {
        let values: BTreeMap<String, Value> = present.iter().filter_map(stored).collect();
        let mut affected = Vec::new();
        for setting in settings_that_name_roles() {
            if let Some(left) = values.get(setting.id).and_then(|value| setting.without_role(value, role)) {
                self.put_value(tx, *setting, &left, by).await?;
                affected.push(setting.id.to_owned());
            }
        }
        Ok(affected)
    }

    /// The stored value of a setting.
    pub(super) async fn stored_value(&self, tx: &mut Transaction, id: &str) -> Step<Option<Value>> {
        let found = tx.find_one(&self.settings(), doc! { "_id": id }, doc! { "value": 1 }).await?;
        Ok(found.and_then(|setting| setting.get("value").map(json)))
    }

    /// Stores the value of a setting.
    pub(super) async fn put_value(
        &self,
        tx: &mut Transaction,
        setting: Setting,
        value: &Value,
        by: &AuditContext,
    ) -> Step<()> {
        let change = doc! {
            "$set": { "value": values::bson(value), "_updatedAt": date(by.at) },
            "$setOnInsert": documents::new_setting_document(&setting, by.at),
        };
        let settings = self.settings();
        let write = settings.update_one(doc! { "_id": setting.id }, change).upsert(true).session(&mut tx.session).await;
        match write {
            Ok(_) => Ok(()),
            // Somebody else has just stored the same setting for the first time.
            Err(error) if is_duplicate(&error) => Err(Failure::Outdated),
            Err(error) => Err(error.into()),
        }
    }
}
