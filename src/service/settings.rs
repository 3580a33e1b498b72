//! What a workspace setting says at this moment: the operator's override, else the workspace's own value, else the
//! default of `domain::setting`. A stored value of a wrong type counts as absent. Nothing is remembered here from one
//! question to the next; what the store remembers of them, it knows to be true still.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::error::SettingRefusal;
use super::{Caller, PageRequest, Result, Services};
use crate::domain::password_policy::PasswordPolicy;
use crate::domain::permission::{ASSIGN_ADMIN_ROLE, VIEW_PRIVILEGED_SETTING};
use crate::domain::role::ADMIN;
use crate::domain::setting::{
    Kind, PASSWORD_FORBIDS_REPEATING, PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH, PASSWORD_NEEDS_LOWERCASE,
    PASSWORD_NEEDS_NUMBER, PASSWORD_NEEDS_SPECIAL, PASSWORD_NEEDS_UPPERCASE, PASSWORD_POLICY_ENABLED,
    PASSWORD_REPEATING_COUNT, SETTINGS, Setting, Visibility, items, whole_number,
};
use crate::store::{Conflict, Rights, StoreError};

/// A setting and what it says at this moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingView {
    /// Which.
    pub setting: Setting,
    /// Its value; `null` for a secret, which thus cannot be sent back by mistake.
    pub value: Value,
}

/// A page of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingList {
    /// Sorted by id.
    pub settings: Vec<SettingView>,
    /// How many were passed over.
    pub offset: u64,
    /// How many there are in all.
    pub total: u64,
}

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
        match self.overrides.get(setting.id) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.value_in(&*self.rights().await?, setting).into_owned()),
        }
    }

    /// What a setting says where the workspace has these.
    pub(super) fn value_in<'v>(&'v self, rights: &'v Rights, setting: Setting) -> Cow<'v, Value> {
        match self.overrides.get(setting.id).or_else(|| rights.setting(setting)) {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(setting.default_value()),
        }
    }

    /// Several settings, all as they are at one moment.
    pub(super) async fn settings<const N: usize>(&self, settings: [Setting; N]) -> Result<[Value; N]> {
        let rights = self.rights().await?;
        Ok(settings.map(|setting| self.value_in(&rights, setting).into_owned()))
    }

    /// The settings that everybody may see, sorted by id; of those in `ids` (separated by commas) when there are any.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_public_settings(&self, ids: Option<&str>, page: PageRequest) -> Result<SettingList> {
        let wanted: Option<Vec<_>> = ids.filter(|ids| !ids.is_empty()).map(|ids| items(ids).collect());
        let is_wanted = |setting: &Setting| wanted.as_ref().is_none_or(|ids| ids.contains(&setting.id));
        let shown = SETTINGS.iter().filter(|it| it.visibility == Visibility::Public && is_wanted(it));
        self.list_shown(shown.copied().collect(), page).await
    }

    /// The settings that the caller may see, sorted by id: without the permission to view settings the public ones.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_settings(&self, caller: &Caller, page: PageRequest) -> Result<SettingList> {
        if !self.is_allowed(caller, VIEW_PRIVILEGED_SETTING).await? {
            return self.list_public_settings(None, page).await;
        }
        let shown = SETTINGS.iter().filter(|setting| setting.visibility != Visibility::Hidden);
        self.list_shown(shown.copied().collect(), page).await
    }

    async fn list_shown(&self, mut settings: Vec<Setting>, page: PageRequest) -> Result<SettingList> {
        settings.sort_by_key(|setting| setting.id);
        let (total, page) = (settings.len() as u64, self.page(page).await?);
        let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let most = page.count.map_or(usize::MAX, bounded);
        let settings: Vec<_> = settings.into_iter().skip(bounded(page.offset)).take(most).collect();
        let rights = self.rights().await?;
        let view = |setting| shown(setting, self.value_in(&rights, setting).into_owned());
        let settings = settings.into_iter().map(view).collect();
        Ok(SettingList { settings, offset: page.offset, total })
    }

    /// One setting.
    ///
    /// # Errors
    /// `Unknown`.
    pub async fn view_setting(&self, id: &str) -> Result<SettingView> {
        let setting = Setting::find_shown(id).ok_or(SettingRefusal::Unknown)?;
        Ok(shown(setting, self.setting(setting).await?))
    }

    /// Gives a setting another value, which holds from the next question on.
    ///
    /// # Errors
    /// In this order: `Unknown`, `Fixed`, `InvalidValue`, `AssigningAdminNotAllowed`, `UnknownRole`.
    pub async fn change_setting(&self, caller: &Caller, id: &str, value: &Value) -> Result<()> {
        let setting = Setting::find_shown(id).ok_or(SettingRefusal::Unknown)?;
        let id = setting.id;
        if self.overrides.contains_key(id) {
            return Err(SettingRefusal::Fixed { id }.into());
        }
        let value = setting.check(value).map_err(|problem| SettingRefusal::InvalidValue { id, problem })?;
        // Whoever registers would be an administrator: that takes the right to make one.
        let names_admin = setting.roles_named_by(&value).iter().any(|role| role.as_str() == ADMIN);
        if names_admin && !self.is_allowed(caller, ASSIGN_ADMIN_ROLE).await? {
            return Err(SettingRefusal::AssigningAdminNotAllowed.into());
        }
        self.store.set_setting(setting, &value, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::Conflict(Conflict::UnknownRole(_)) => SettingRefusal::UnknownRole { id }.into(),
            other => other.into(),
        })
    }

    /// What the workspace asks of a new password.
    ///
    /// # Errors
    /// What the store says.
    pub async fn password_policy(&self) -> Result<PasswordPolicy> {
        let [enabled, least, most, forbids, count, lowercase, uppercase, number, special] = self
            .settings([
                PASSWORD_POLICY_ENABLED,
                PASSWORD_MIN_LENGTH,
                PASSWORD_MAX_LENGTH,
                PASSWORD_FORBIDS_REPEATING,
                PASSWORD_REPEATING_COUNT,
                PASSWORD_NEEDS_LOWERCASE,
                PASSWORD_NEEDS_UPPERCASE,
                PASSWORD_NEEDS_NUMBER,
                PASSWORD_NEEDS_SPECIAL,
            ])
            .await?;
        let on = |value: &Value| value == &Value::Bool(true);
        let positive = |value: &Value| usize::try_from(whole_number(value)?).ok().filter(|number| *number > 0);
        Ok(PasswordPolicy {
            enabled: on(&enabled),
            least: positive(&least),
            most: positive(&most),
            repeating: positive(&count).filter(|_| on(&forbids)),
            lowercase: on(&lowercase),
            uppercase: on(&uppercase),
            number: on(&number),
            special: on(&special),
        })
    }

    /// Refuses a new password that is not what the workspace asks for. For every way to set one in clear text.
    ///
    /// # Errors
    /// `WeakPassword` with every rule that is not met.
    pub async fn check_password_policy(&self, password: &str) -> Result<()> {
        Ok(self.password_policy().await?.judge(password)?)
    }

    pub(super) fn integer_in(&self, rights: &Rights, setting: Setting) -> i64 {
        integer(setting, &self.value_in(rights, setting))
    }

    /// A number of things; where the workspace has one that is no such number, its default.
    pub(super) fn positive_in(&self, rights: &Rights, setting: Setting) -> i64 {
        let number = self.integer_in(rights, setting);
        if number > 0 { number } else { setting.default_value().as_i64().unwrap_or(1) }
    }

    pub(super) fn boolean_in(&self, rights: &Rights, setting: Setting) -> bool {
        self.value_in(rights, setting).as_bool().unwrap_or(false)
    }

    pub(super) async fn integer(&self, setting: Setting) -> Result<i64> {
        Ok(self.integer_in(&*self.rights().await?, setting))
    }

    pub(super) async fn boolean(&self, setting: Setting) -> Result<bool> {
        Ok(self.boolean_in(&*self.rights().await?, setting))
    }

    pub(super) async fn text(&self, setting: Setting) -> Result<String> {
        Ok(self.setting(setting).await?.as_str().unwrap_or_default().to_owned())
    }

    /// The texts of a list separated by commas, without empty ones.
    pub(super) async fn list(&self, setting: Setting) -> Result<Vec<String>> {
        let text = self.text(setting).await?;
        Ok(items(&text).map(str::to_owned).collect())
    }

    /// Whether `text` as a whole matches the pattern a setting holds; a pattern that cannot be read means the default.
    pub(super) async fn matches(&self, setting: Setting, text: &str) -> Result<bool> {
        let pattern = self.text(setting).await?;
        let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).ok();
        let default = || setting.default_value().as_str().and_then(whole);
        Ok(whole(&pattern).or_else(default).is_some_and(|pattern| pattern.is_match(text)))
    }
}

fn shown(setting: Setting, value: Value) -> SettingView {
    SettingView { setting, value: if setting.is_secret() { Value::Null } else { value } }
}

fn integer(setting: Setting, value: &Value) -> i64 {
    let Kind::Integer { default, .. } = setting.kind else { return 0 };
    whole_number(value).unwrap_or(default)
}

/// A whole number within the bounds of its setting. A workspace may store any number, and where one outside of them
/// makes no sense at all, the default holds.
pub(super) fn sensible(setting: Setting, value: &Value) -> i64 {
    let Kind::Integer { default, least, most } = setting.kind else { return 0 };
    let number = integer(setting, value);
    if (least..=most).contains(&number) { number } else { default }
}
