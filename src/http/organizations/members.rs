//! `/v1/organizations/{organization_id}/roles/{role_id}/members`: who has a role.

use serde::Deserialize;

use super::body::{Field, Input, Kind, Nothing, Source, Window};
use super::error::Reply;
use super::rule::{AnyMember, AssignRoles};
use super::views;
use crate::http::call::organization::Request;

/// Who is to get a role.
#[derive(Debug, Deserialize)]
pub struct AssignRole {
    user_id: String,
}

impl Input for AssignRole {
    const FIELDS: &'static [Field] = &[Field::required("user_id", Kind::Text)];
    const SOURCE: Source = Source::Body;
}

/// `GET …/roles/{role_id}/members`.
pub async fn list_role_members(Request { ask, input }: Request<AnyMember, Window>) -> Reply {
    ask.show(async |ask| {
        let listing = ask.services().list_role_members(&ask.place, &ask.role, input.page()).await?;
        let shown = views::page("members", &listing, input, |member| views::holder(member, ask.site()));
        Ok(views::answer(200, &shown))
    })
    .await
}

/// `POST …/roles/{role_id}/members`.
pub async fn assign_role(Request { ask, input }: Request<AssignRoles, AssignRole>) -> Reply {
    ask.change(
        |given| views::answer(201, &views::assignment(given)),
        async |ask| {
            let services = ask.services();
            services.assign_organization_role(&ask.caller, &ask.place, &ask.role, &input.user_id).await
        },
    )
    .await
}

/// `DELETE …/roles/{role_id}/members/{user_id}`.
pub async fn unassign_role(Request { ask, .. }: Request<AssignRoles, Nothing>) -> Reply {
    ask.change(
        |()| views::gone(),
        async |ask| {
            let services = ask.services();
            services.unassign_organization_role(&ask.caller, &ask.place, &ask.role, &ask.user).await
        },
    )
    .await
}
