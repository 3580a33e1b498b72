//! `/v1/organizations/{organization_id}/audit-log`: the record of an organization, as pages and as a file.

use std::io;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;

use super::body::{Field, Input, Kind, LIMIT, SKIP, Source, Window};
use super::error::Reply;
use super::rule::{ExportAuditLog, ViewAuditLog};
use super::views;
use crate::domain::audit::AuditEntry;
use crate::domain::ids::{RoleId, UserId};
use crate::domain::time::Timestamp;
use crate::http::call::organization::Request;
use crate::service::organizations::{RecordFilter, inner_user_id};

const ACTION: Field = Field::new("action", Kind::Text);
const ACTOR_ID: Field = Field::new("actor_id", Kind::Text);
const USER_ID: Field = Field::new("user_id", Kind::Text);
const ROLE_ID: Field = Field::new("role_id", Kind::Text);
const FROM: Field = Field::new("from", Kind::Date);
const TO: Field = Field::new("to", Kind::Date);

/// Which entries of the record are wanted.
#[derive(Debug, Clone, Deserialize)]
pub struct Wanted {
    action: Option<String>,
    actor_id: Option<String>,
    user_id: Option<String>,
    role_id: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Wanted {
    fn filter(self) -> RecordFilter {
        // A text that is nobody's id fits nothing.
        let user =
            |text: Option<String>| text.map(|text| inner_user_id(&text).unwrap_or_else(|| UserId::from_stored("")));
        RecordFilter {
            action: self.action,
            actor: user(self.actor_id),
            user: user(self.user_id),
            role: self.role_id.map(RoleId::from_stored),
            from: self.from,
            to: self.to,
            behind: None,
        }
    }
}

/// A page of those entries.
#[derive(Debug, Deserialize)]
pub struct ListEntries {
    #[serde(flatten)]
    wanted: Wanted,
    #[serde(flatten)]
    window: Window,
}

impl Input for ListEntries {
    const FIELDS: &'static [Field] = &[ACTION, ACTOR_ID, USER_ID, ROLE_ID, FROM, TO, SKIP, LIMIT];
    const SOURCE: Source = Source::Query;
}

impl Input for Wanted {
    const FIELDS: &'static [Field] = &[ACTION, ACTOR_ID, USER_ID, ROLE_ID, FROM, TO];
    const SOURCE: Source = Source::Query;
}

/// `GET …/audit-log`.
pub async fn list_entries(Request { ask, input }: Request<ViewAuditLog, ListEntries>) -> Reply {
    let ListEntries { wanted, window } = input;
    ask.show(async |ask| {
        let listing = ask.services().list_record(&ask.place, &wanted.filter(), window.page()).await?;
        let mut shown = views::page("items", &listing, window, views::entry);
        if let Value::Object(fields) = &mut shown {
            fields.insert("skip".to_owned(), window.skip.into());
            fields.insert("limit".to_owned(), window.limit.into());
        }
        Ok(views::answer(200, &shown))
    })
    .await
}

/// `GET …/audit-log/export`: everything that fits, piece by piece, so that its length costs no memory.
pub async fn export_entries(Request { ask, input }: Request<ExportAuditLog, Wanted>) -> Reply {
    // The first piece is read before the answer begins, so that a store that is away is told by the status.
    let first = ask.services().next_of_record(&ask.place, input.filter()).await;
    let (entries, next) = first.map_err(|error| ask.failure(error))?;
    let (gate, seat) = (ask.gate(), ask.place.clone());
    let head = Bytes::from(HEADING.to_owned() + &rows(&entries));
    let rest = stream::try_unfold(next, move |next| {
        let (gate, seat) = (gate.clone(), seat.clone());
        async move {
            let Some(filter) = next else { return Ok(None) };
            let piece = gate.services().next_of_record(&seat, filter).await.map_err(|error| {
                log::warn!("an export ended early: {error}");
                // The connection is cut, so that nobody takes what came for everything.
                io::Error::other("the record cannot be read now")
            })?;
            Ok(Some((Bytes::from(rows(&piece.0)), piece.1)))
        }
    });
    let start = stream::once(async move { Ok::<_, io::Error>(head) });
    let whole = futures_util::StreamExt::chain(start, rest);
    Ok(HttpResponse::Ok()
        .insert_header(("Content-Type", "text/csv; charset=utf-8"))
        .insert_header(("Content-Disposition", "attachment; filename=\"audit-log.csv\""))
        .insert_header(("Cache-Control", "no-store"))
        .streaming(whole))
}

const HEADING: &str = "id,created_at,action,actor_id,actor_name,user_id,role_id,reason,request_id,address,details\r\n";

fn rows(entries: &[AuditEntry]) -> String {
    entries.iter().map(row).collect()
}

fn row(entry: &AuditEntry) -> String {
    let shown = views::entry(entry);
    let columns = HEADING.trim_end().split(',').map(|name| cell(&shown[name]));
    columns.collect::<Vec<_>>().join(",") + "\r\n"
}

/// A value in quotes. What a program for tables could take for a formula is made a text.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let guard = if starts_formula(&text) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Programs for tables look past white space and byte order marks, and take wide forms for narrow ones.
fn starts_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r', '\n']) {
        return true;
    }
    let seen = text.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
    seen.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '|', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Actor, AuditContext, Change};
    use crate::domain::ids::OrganizationId;
    use serde_json::json;

    #[test]
    fn what_could_be_a_formula_is_a_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\rx", "\u{feff}=1", "\u{ff1d}1", "|x", "%x"] {
            assert_eq!(cell(&json!(formula)), format!("\"'{formula}\""), "{formula:?}");
        }
        for plain in ["", "a=1", "2026-01-01", "x\ty", "'=1"] {
            assert_eq!(cell(&json!(plain)), format!("\"{plain}\""), "{plain:?}");
        }
        assert_eq!(cell(&json!("a \"b\", c")), "\"a \"\"b\"\", c\"");
        assert_eq!(cell(&Value::Null), "\"\"");
        assert_eq!(cell(&json!({"a": 1})), "\"{\"\"a\"\":1}\"");
    }

    #[test]
    fn a_row_has_a_cell_for_every_heading() {
        let context = AuditContext {
            actor: Actor::User { id: UserId::from_stored("u1"), username: "=cmd()".to_owned() },
            at: Timestamp::from_millis(1_700_000_000_000),
            request_id: Some("req".to_owned()),
            address: None,
            reason: Some("+1, agreed".to_owned()),
            receipt: None,
        };
        let change = Change::OrganizationRoleAssigned {
            organization: OrganizationId::from_stored("org_1"),
            role: RoleId::from_stored("role_owner"),
            user: UserId::from_stored("u2"),
        };
        let entry = AuditEntry { id: "e1".to_owned(), context, change };
        assert_eq!(
            row(&entry),
            "\"e1\",\"2023-11-14T22:13:20.000Z\",\"organization_role_assigned\",\"usr_u1\",\"'=cmd()\",\"usr_u2\",\
             \"role_owner\",\"'+1, agreed\",\"req\",\"\",\"{}\"\r\n"
        );
    }
}
