//! `settings*`: what the workspace says and who may change it (contract 5.4), and the policy of passwords that follows
//! from it.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::{Field, Shape, Source};
use crate::domain::password_policy::PasswordPolicy;
use crate::http::answer::{Answer, success};
use crate::http::call::change::Change;
use crate::http::call::{Call, Input, Visit};
use crate::http::requirement::{AnyUser, EditSettings, ViewSettings};
use crate::service::PageRequest;
use crate::service::settings::{SettingList, SettingView};

/// Parameters of `settings.public`. `sort` and `query` are accepted and mean nothing.
#[derive(Deserialize)]
pub struct PublicSettings {
    #[serde(rename = "_id")]
    ids: Option<String>,
    count: Option<f64>,
    offset: Option<f64>,
}

impl Input for PublicSettings {
    const SHAPE: Shape = Shape::closed(&[
        Field::text("_id"),
        Field::number("count").nullable(),
        Field::number("offset").nullable(),
        Field::text("sort").nullable(),
        Field::text("query"),
        // Sent by old clients; ignored like there.
        Field::text("fields"),
    ]);
    const SOURCE: Source = Source::Query;
}

/// `GET settings.public`.
pub async fn list_public_settings(visit: Visit<PublicSettings>) -> Answer {
    let PublicSettings { ids, count, offset } = &visit.input;
    let page = PageRequest { offset: *offset, count: *count };
    let list = visit.services().list_public_settings(ids.as_deref(), page).await?;
    Ok(listed(&list, false))
}

/// Parameters of `settings`. `sort`, `fields` and `query` are accepted and mean nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllSettings {
    include_defaults: Option<bool>,
    count: Option<f64>,
    offset: Option<f64>,
}

impl Input for AllSettings {
    const SHAPE: Shape = Shape::closed(&[
        Field::boolean("includeDefaults"),
        Field::number("count"),
        Field::number("offset"),
        Field::text("sort"),
        Field::text("fields"),
        Field::text("query"),
    ]);
    const SOURCE: Source = Source::Query;
}

/// `GET settings`: all that the caller may see; without the permission to view settings, the public ones.
pub async fn list_settings(call: Call<AnyUser, AllSettings>) -> Answer {
    let AllSettings { include_defaults, count, offset } = &call.input;
    let page = PageRequest { offset: *offset, count: *count };
    let list = call.services().list_settings(&call.caller, page).await?;
    Ok(listed(&list, include_defaults.unwrap_or(false)))
}

/// Parameters of `GET settings/{id}`.
#[derive(Deserialize)]
pub struct OneSetting {
    id: String,
}

impl Input for OneSetting {
    const SHAPE: Shape = Shape::open(&[]);
    const SOURCE: Source = Source::Query;
    const PATH: &'static [&'static str] = &["id"];
}

/// `GET settings/{id}`.
pub async fn view_setting(call: Call<ViewSettings, OneSetting>) -> Answer {
    let SettingView { setting, value } = call.services().view_setting(&call.input.id).await?;
    Ok(success(json!({"_id": setting.id, "value": value})))
}

/// Parameters of `POST settings/{id}`. Others are left out: clients send what some kinds of settings have besides.
#[derive(Deserialize)]
pub struct SettingChange {
    id: String,
    value: Value,
}

impl Input for SettingChange {
    const SHAPE: Shape = Shape::open(&[Field::value("value").required()]);
    const SECOND_FACTOR: bool = true;
    const PATH: &'static [&'static str] = &["id"];
}

/// `POST settings/{id}`.
pub async fn change_setting(change: Change<EditSettings, SettingChange>) -> Answer {
    let set = async |call: &Call<_, SettingChange>| {
        let SettingChange { id, value } = &call.input;
        call.services().change_setting(&call.caller, id, value).await
    };
    change.done(set).await
}

/// `GET pw.getPolicy`.
pub async fn show_password_policy(visit: Visit) -> Answer {
    let policy = visit.services().password_policy().await?;
    Ok(success(json!({"enabled": policy.enabled, "policy": rules(&policy)})))
}

fn listed(list: &SettingList, with_defaults: bool) -> HttpResponse {
    let settings: Vec<_> = list.settings.iter().map(|view| listed_setting(view, with_defaults)).collect();
    let count = settings.len();
    success(json!({"settings": settings, "count": count, "offset": list.offset, "total": list.total}))
}

fn listed_setting(view: &SettingView, with_default: bool) -> Value {
    let mut fields = Map::new();
    fields.insert("_id".to_owned(), view.setting.id.into());
    fields.insert("value".to_owned(), view.value.clone());
    fields.insert("enterprise".to_owned(), false.into());
    if with_default {
        fields.insert("packageValue".to_owned(), view.setting.default_value());
    }
    Value::Object(fields)
}

/// The rules by the names that clients know, in the original's order.
fn rules(policy: &PasswordPolicy) -> Vec<Value> {
    if !policy.enabled {
        return Vec::new();
    }
    let named = |rule: &str| format!("get-password-policy-{rule}");
    let numbered = |rule: &str, number: usize| json!([named(rule), {rule: number}]);
    let mut rules = Vec::new();
    rules.extend(policy.least.map(|least| numbered("minLength", least)));
    rules.extend(policy.most.map(|most| numbered("maxLength", most)));
    if let Some(count) = policy.repeating {
        rules.push(json!([named("forbidRepeatingCharacters")]));
        rules.push(numbered("forbidRepeatingCharactersCount", count));
    }
    let switches = [
        (policy.lowercase, "mustContainAtLeastOneLowercase"),
        (policy.uppercase, "mustContainAtLeastOneUppercase"),
        (policy.number, "mustContainAtLeastOneNumber"),
        (policy.special, "mustContainAtLeastOneSpecialCharacter"),
    ];
    rules.extend(switches.into_iter().filter(|(on, _)| *on).map(|(_, rule)| json!([named(rule)])));
    rules
}
