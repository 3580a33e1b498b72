//! `users.list`, `users.autocomplete` and `users.checkUsernameAvailability` (contract 9.4 and 9.7).

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::ids::UserId;
use crate::domain::user_list::{UserOrder, UserSort};
use crate::http::answer::{Answer, success};
use crate::http::call::{Call, Input};
use crate::http::requirement::{AnyUser, ListUsers};
use crate::http::rocketchat::shape::{Field, Shape, Source};
use crate::http::rocketchat::views;
use crate::service::error::UserRefusal;
use crate::service::users::{AccountPage, ListRequest, StatusRequest};
use crate::service::{PageRequest, ServiceError};

/// Characters of an order that cannot be read, as its refusal repeats them.
const SHOWN_OF_AN_ORDER: usize = 64;

/// Parameters of `users.list`.
#[derive(Deserialize)]
pub struct ListParameters {
    count: Option<f64>,
    offset: Option<f64>,
    sort: Option<String>,
    email: Option<String>,
}

impl Input for ListParameters {
    // `fields` and `query` are accepted and mean nothing, whatever they hold, as in the original since 7.0: no part of
    // them comes near the store, so that there is no operator to refuse.
    const SHAPE: Shape = Shape::closed(&[
        Field::text("fields").nullable(),
        Field::text("query").nullable(),
        Field::number("count").nullable(),
        Field::number("offset").nullable(),
        Field::text("sort").nullable(),
        Field::text("email").nullable(),
    ]);
    const SOURCE: Source = Source::Query;
}

/// The first field of a sort document that is one we sort by decides; others have no index here and are passed over.
fn order(sort: Option<&str>) -> Result<UserOrder, ServiceError> {
    let Some(text) = sort.filter(|text| !text.is_empty()) else { return Ok(UserOrder::default()) };
    let invalid = || UserRefusal::InvalidSort(text.chars().take(SHOWN_OF_AN_ORDER).collect());
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|_| invalid())?;
    let mut chosen = None;
    for (field, direction) in &fields {
        let descending = match direction.as_f64() {
            Some(1.0) => false,
            Some(-1.0) => true,
            _ => return Err(invalid().into()),
        };
        if let Some(sort) = sort_by(field) {
            chosen = chosen.or(Some(UserOrder { sort, descending }));
        }
    }
    Ok(chosen.unwrap_or_default())
}

fn sort_by(field: &str) -> Option<UserSort> {
    match field {
        "username" => Some(UserSort::Username),
        "name" => Some(UserSort::Name),
        "createdAt" => Some(UserSort::CreatedAt),
        "lastLogin" => Some(UserSort::LastLogin),
        _ => None,
    }
}

/// `GET users.list` (contract 9.4).
pub async fn list_users(call: Call<ListUsers, ListParameters>) -> Answer {
    let ListParameters { count, offset, sort, email } = &call.input;
    let request = ListRequest {
        order: order(sort.as_deref())?,
        email: email.clone().filter(|email| !email.is_empty()),
        page: PageRequest { offset: *offset, count: *count },
    };
    let page = call.services().list_users(&call.caller, request).await?;
    Ok(answer(&page, &call.caller.user.id))
}

fn answer(page: &AccountPage, own: &UserId) -> HttpResponse {
    let AccountPage { listing, offset, visibility } = page;
    let users: Vec<_> = listing.items.iter().map(|user| views::listed_account(user, own, *visibility)).collect();
    success(json!({"count": users.len(), "users": users, "offset": offset, "total": listing.total}))
}

/// Parameters of `users.listByStatus`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusParameters {
    status: Option<String>,
    has_logged_in: Option<bool>,
    r#type: Option<String>,
    roles: Option<Vec<String>>,
    search_term: Option<String>,
    sort: Option<String>,
    count: Option<f64>,
    offset: Option<f64>,
}

const ACTIVE: &str = "active";
const DEACTIVATED: &str = "deactivated";

impl Input for StatusParameters {
    const SHAPE: Shape = Shape::closed(&[
        Field::text("status").one_of(&[ACTIVE, DEACTIVATED]),
        Field::boolean("hasLoggedIn").nullable(),
        Field::text("type").nullable(),
        Field::texts("roles").nullable(),
        Field::text("searchTerm").nullable(),
        Field::text("sort").nullable(),
        Field::number("count").nullable(),
        Field::number("offset").nullable(),
        // Why an account is switched off is not kept; accepted, so that clients that send it get their list.
        Field::texts("inactiveReason"),
    ]);
    const SOURCE: Source = Source::Query;
}

/// `GET users.listByStatus` (contract 9.4).
pub async fn list_users_by_status(call: Call<ListUsers, StatusParameters>) -> Answer {
    let StatusParameters { status, has_logged_in, r#type, roles, search_term, sort, count, offset } = &call.input;
    let request = StatusRequest {
        active: status.as_deref().map(|status| status == ACTIVE),
        has_logged_in: *has_logged_in,
        kind: r#type.clone().filter(|kind| !kind.is_empty()),
        roles: roles.clone().unwrap_or_default(),
        term: search_term.clone(),
        order: order(sort.as_deref())?,
        page: PageRequest { offset: *offset, count: *count },
    };
    let page = call.services().list_users_by_status(&call.caller, request).await?;
    Ok(answer(&page, &call.caller.user.id))
}

/// Parameters of `users.autocomplete`.
#[derive(Deserialize)]
pub struct Autocomplete {
    selector: String,
}

impl Input for Autocomplete {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("selector")]);
    const SOURCE: Source = Source::Query;
}

/// What is in the selector. `conditions` of a query are not looked at: whom one sees is not the client's to say.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Selector {
    term: String,
    exceptions: Vec<String>,
}

/// Read as an object first: a list of the right length would do for the type alone.
fn selector(text: &str) -> Result<Selector, ServiceError> {
    let fields: Result<Map<String, Value>, _> = serde_json::from_str(text);
    let selector = fields.and_then(|fields| serde_json::from_value(Value::Object(fields)));
    selector.map_err(|_| UserRefusal::InvalidSelector.into())
}

/// `GET users.autocomplete`.
pub async fn suggest_users(call: Call<AnyUser, Autocomplete>) -> Answer {
    let Selector { term, exceptions } = selector(&call.input.selector)?;
    let users = call.services().suggest_users(&call.caller, &term, &exceptions).await?;
    Ok(success(json!({"items": users.iter().map(views::suggested_account).collect::<Vec<_>>()})))
}

/// Parameters of `users.checkUsernameAvailability`.
#[derive(Deserialize)]
pub struct CheckUsername {
    username: String,
}

impl Input for CheckUsername {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("username")]);
    const SOURCE: Source = Source::Query;
}

/// `GET users.checkUsernameAvailability`.
pub async fn check_username(call: Call<AnyUser, CheckUsername>) -> Answer {
    let free = call.services().is_username_available(&call.caller, &call.input.username).await?;
    Ok(success(json!({"result": free})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_field_decides_and_nothing_becomes_an_operator() {
        let by = |sort, descending| Ok(UserOrder { sort, descending });
        assert_eq!(order(None), by(UserSort::Username, false));
        assert_eq!(order(Some("")), by(UserSort::Username, false));
        assert_eq!(order(Some("{}")), by(UserSort::Username, false));
        assert_eq!(order(Some(r#"{"username":-1}"#)), by(UserSort::Username, true));
        assert_eq!(order(Some(r#"{"status":1,"name":-1.0,"username":1}"#)), by(UserSort::Name, true));
        assert_eq!(order(Some(r#"{"$where":1}"#)), by(UserSort::Username, false));
        for bad in ["x", "[]", "1", r#"{"name":0}"#, r#"{"name":{"$gt":1}}"#, r#"{"name":"-1"}"#] {
            assert!(order(Some(bad)).is_err(), "{bad}");
        }
    }
}
