//! Settings of the workspace: stored values only. Which settings there are, what they default to and which of them name
//! roles is said by `domain::setting`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::Value;

use super::SqliteStore;
use super::query::{Query as _, Tx, json, text, to_json};
use super::roles;
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::RoleId;
use crate::domain::setting::{SETTINGS, Setting, settings_that_name_roles};
use crate::store::{Result, SettingStore};

/// The stored value of a setting.
pub(super) fn find(db: &Connection, id: &str) -> Result<Option<Value>> {
    db.first("SELECT value FROM settings WHERE id = ?1", [id], |row| json(row, "value"))
}

/// The stored values of all settings that are known here.
pub(super) fn all(db: &Connection) -> Result<BTreeMap<String, Value>> {
    find_some(db, to_json(&SETTINGS.iter().map(|setting| setting.id).collect::<Vec<_>>())?)
}

/// `ids` is a JSON array: one bound value, however many ids, so that the text of the statement stays the same and is
/// prepared once.
fn find_some(db: &Connection, ids: String) -> Result<BTreeMap<String, Value>> {
    let sql = "SELECT id, value FROM settings WHERE id IN (SELECT value FROM json_each(?1))";
    Ok(db.all(sql, [ids], |row| Ok((text(row)?, json(row, "value")?)))?.into_iter().collect())
}

/// Stores the value of a setting.
pub(super) fn put(db: &Connection, id: &str, value: &Value) -> Result<()> {
    db.change(
        "INSERT INTO settings (id, value) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET value = excluded.value",
        (id, to_json(value)?),
    )
}

fn set(tx: &Tx<'_>, setting: Setting, value: Value) -> Result<()> {
    roles::require_known(tx.db, &setting.roles_named_by(&value))?;
    let before = find(tx.db, setting.id)?;
    if before.as_ref() == Some(&value) {
        return Ok(());
    }
    put(tx.db, setting.id, &value)?;
    tx.record(Change::of_setting(setting, before, value))
}

/// Takes the role out of every setting that names it and gives back which those were.
pub(super) fn remove_role(tx: &Tx<'_>, role: &RoleId) -> Result<Vec<String>> {
    let mut affected = Vec::new();
    for setting in settings_that_name_roles() {
        if let Some(left) = find(tx.db, setting.id)?.and_then(|value| setting.without_role(&value, role)) {
            put(tx.db, setting.id, &left)?;
            affected.push(setting.id.to_owned());
        }
    }
    Ok(affected)
}

#[async_trait]
impl SettingStore for SqliteStore {
    async fn find_setting(&self, id: &str) -> Result<Option<Value>> {
        let id = id.to_owned();
        self.read(move |db| find(db, &id)).await
    }

    async fn find_settings(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>> {
        let ids = to_json(&ids)?;
        self.read(move |db| find_some(db, ids)).await
    }

    async fn set_setting(&self, setting: Setting, value: &Value, by: &AuditContext) -> Result<()> {
        let value = value.clone();
        self.write(by, move |tx| set(tx, setting, value)).await
    }
}
