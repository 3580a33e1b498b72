//! `audit.roles`: the record of changes for whoever administers roles and permissions. Rocket.Chat has nothing of the
//! kind under that name; the envelope and the names of fields follow its other routes.

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{Field, Shape, Source};
use crate::domain::audit::{Actor, AuditEntry, Effect};
use crate::domain::time::Timestamp;
use crate::http::answer::{Answer, success};
use crate::http::call::{Call, Input};
use crate::http::error::ApiError;
use crate::http::requirement::AccessPermissions;
use crate::service::audit::{Cursor, Wanted};

/// Parameters of `audit.roles`.
#[derive(Deserialize)]
pub struct ListAuditEntries {
    action: Option<String>,
    actor: Option<String>,
    target: Option<String>,
    role: Option<String>,
    from: Option<String>,
    to: Option<String>,
    count: Option<f64>,
    cursor: Option<String>,
}

impl Input for ListAuditEntries {
    const SHAPE: Shape = Shape::closed(&[
        Field::text("action"),
        Field::text("actor"),
        Field::text("target"),
        Field::text("role"),
        Field::text("from"),
        Field::text("to"),
        Field::number("count"),
        Field::text("cursor"),
    ]);
    const SOURCE: Source = Source::Query;
}

/// `GET audit.roles`: entries, latest first. What is empty counts as not given, as everywhere on this surface.
pub async fn list_entries(call: Call<AccessPermissions, ListAuditEntries>) -> Answer {
    let input = &call.input;
    let wanted = Wanted {
        action: given(&input.action),
        actor: given(&input.actor),
        target: given(&input.target),
        role: given(&input.role),
        from: read("from", &input.from, "a date", Timestamp::parse)?,
        to: read("to", &input.to, "a date", Timestamp::parse)?,
    };
    let cursor = read("cursor", &input.cursor, "the cursor of an earlier answer", Cursor::parse)?;
    let page = call.services().list_audit(&wanted, input.count, cursor).await?;
    let entries: Vec<Value> = page.entries.iter().map(|(entry, effect)| shown(entry, effect)).collect();
    let cursor = page.cursor.map(|cursor| cursor.text());
    let count = entries.len();
    Ok(success(json!({"entries": entries, "cursor": cursor, "count": count})))
}

fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn read<T>(
    name: &str,
    text: &Option<String>,
    must_be: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let refusal = || ApiError::Shape {
        source: Source::Query,
        problem: format!("must have a property {name} that is {must_be} [invalid-params]"),
    };
    given(text).map(|text| parse(&text).ok_or_else(refusal)).transpose()
}

fn shown(entry: &AuditEntry, effect: &Effect) -> Value {
    let context = &entry.context;
    let actor = match &context.actor {
        Actor::User { id, username } => json!({"type": "user", "_id": id, "username": username}),
        Actor::System => json!({"type": "system"}),
    };
    let targets: Vec<Value> = effect.targets.iter().map(|(kind, id)| json!({"type": kind, "_id": id})).collect();
    json!({
        "_id": entry.id,
        "ts": context.at,
        "action": effect.action,
        "actor": actor,
        "targets": targets,
        "before": effect.before,
        "after": effect.after,
        "reason": context.reason,
        "requestId": context.request_id,
        "address": context.address,
    })
}
