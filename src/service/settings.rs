//! What a workspace setting says at this moment: the operator's override, else the workspace's own value, else the
//! default of `domain::setting`. A stored value of a wrong type counts as absent.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::{Result, Services};
use crate::domain::setting::{Kind, Setting};

/// Values of settings by their id.
pub type Overrides = BTreeMap<&'static str, Value>;

/// Sorts the operator's `OVERWRITE_SETTING_*` into values of the right type. Ids that have no effect here are given back
/// apart, because an environment shared with Rocket.Chat holds many of them.
///
/// # Errors
/// One sentence per value that its setting does not allow.
pub fn parse_overrides(texts: &BTreeMap<String, String>) -> Result<(Overrides, Vec<String>), Vec<String>> {
    let (mut values, mut without_effect, mut problems) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (id, text) in texts {
        let Some(setting) = Setting::find(id) else {
            without_effect.push(id.clone());
            continue;
        };
        match setting.parse_override(text) {
            Ok(value) => {
                values.insert(setting.id, value);
            }
            Err(problem) => problems.push(format!("OVERWRITE_SETTING_{id} {problem}")),
        }
    }
    if problems.is_empty() { Ok((values, without_effect)) } else { Err(problems) }
}

impl Services {
    async fn setting(&self, setting: Setting) -> Result<Value> {
        if let Some(value) = self.overrides.get(setting.id) {
            return Ok(value.clone());
        }
        let stored = self.store.find_setting(setting.id).await?;
        Ok(accepted(setting, stored))
    }

    /// Several settings for one question to the store, and for none when the operator fixed them all.
    pub(super) async fn settings<const N: usize>(&self, settings: [Setting; N]) -> Result<[Value; N]> {
        let open: Vec<_> = settings.iter().map(|it| it.id).filter(|id| !self.overrides.contains_key(id)).collect();
        let mut stored = if open.is_empty() { BTreeMap::new() } else { self.store.find_settings(&open).await? };
        Ok(settings.map(|setting| match self.overrides.get(setting.id) {
            Some(value) => value.clone(),
            None => accepted(setting, stored.remove(setting.id)),
        }))
    }

    pub(super) async fn integer(&self, setting: Setting) -> Result<i64> {
        Ok(integer(setting, &self.setting(setting).await?))
    }

    /// A number of things; where the workspace has one that is no such number, its default.
    pub(super) async fn positive(&self, setting: Setting) -> Result<i64> {
        let number = self.integer(setting).await?;
        Ok(if number > 0 { number } else { setting.default_value().as_i64().unwrap_or(1) })
    }

    pub(super) async fn boolean(&self, setting: Setting) -> Result<bool> {
        Ok(self.setting(setting).await?.as_bool().unwrap_or(false))
    }

    pub(super) async fn text(&self, setting: Setting) -> Result<String> {
        Ok(self.setting(setting).await?.as_str().unwrap_or_default().to_owned())
    }

    /// The texts of a list separated by commas, without empty ones.
    pub(super) async fn list(&self, setting: Setting) -> Result<Vec<String>> {
        let text = self.text(setting).await?;
        Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    /// Whether `text` as a whole matches the pattern a setting holds; a pattern that cannot be read means the default.
    pub(super) async fn matches(&self, setting: Setting, text: &str) -> Result<bool> {
        let pattern = self.text(setting).await?;
        let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).ok();
        let default = || setting.default_value().as_str().and_then(whole);
        Ok(whole(&pattern).or_else(default).is_some_and(|pattern| pattern.is_match(text)))
    }
}

/// A stored value when it is of the setting's type, else the default.
fn accepted(setting: Setting, stored: Option<Value>) -> Value {
    stored.filter(|value| setting.accepts(value)).unwrap_or_else(|| setting.default_value())
}

fn integer(setting: Setting, value: &Value) -> i64 {
    let Kind::Integer { default, .. } = setting.kind else { return 0 };
    // A number that JavaScript wrote may be stored as a double; `accepts` let only whole ones through.
    #[expect(clippy::cast_possible_truncation, reason = "saturates; settings are small whole numbers")]
    let number = value.as_i64().or_else(|| value.as_f64().map(|number| number as i64));
    number.unwrap_or(default)
}

/// A whole number within the bounds of its setting. A workspace may store any number, and where one outside of them
/// makes no sense at all, the default holds.
pub(super) fn sensible(setting: Setting, value: &Value) -> i64 {
    let Kind::Integer { default, least, most } = setting.kind else { return 0 };
    let number = integer(setting, value);
    if (least..=most).contains(&number) { number } else { default }
}
