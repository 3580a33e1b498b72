//! `/v1/organizations/{organization_id}/users`: who belongs to an organization, and what he may do there.

use serde::Deserialize;

use super::body::{Field, Input, Kind, Nothing, Source, Window, invalid};
use super::error::Reply;
use super::rule::{AnyMember, InviteUsers, OneselfOrManageUsers, RemoveUsers};
use super::views;
use crate::http::call::organization::Request;
use crate::service::error::Problem;
use crate::service::organizations::members::NewcomerName;

/// Who is to be added: one of the two.
#[derive(Debug, Deserialize)]
pub struct AddUser {
    user_id: Option<String>,
    username: Option<String>,
}

impl Input for AddUser {
    const FIELDS: &'static [Field] = &[Field::new("user_id", Kind::Text), Field::new("username", Kind::Text)];
    const SOURCE: Source = Source::Body;
}

/// `GET …/users`.
pub async fn list_users(Request { ask, input }: Request<AnyMember, Window>) -> Reply {
    ask.show(async |ask| {
        let listing = ask.services().list_organization_members(&ask.place, input.page()).await?;
        let shown = views::page("users", &listing, input, |member| views::member(member, ask.site()));
        Ok(views::answer(200, &shown))
    })
    .await
}

/// `POST …/users/add`.
pub async fn add_user(Request { ask, input }: Request<InviteUsers, AddUser>) -> Reply {
    let site = ask.site().to_owned();
    ask.change(
        move |member| views::answer(201, &views::member(member, &site)),
        async |ask| {
            let who = match (input.user_id, input.username) {
                (Some(id), None) => NewcomerName::Id(id),
                (None, Some(name)) => NewcomerName::Username(name),
                _ => return Err(invalid(vec![Problem::new("user_id", "or else username must be there, not both")])),
            };
            ask.services().add_organization_member(&ask.caller, &ask.place, who).await
        },
    )
    .await
}

/// `DELETE …/users/{user_id}`.
pub async fn remove_user(Request { ask, .. }: Request<RemoveUsers, Nothing>) -> Reply {
    ask.change(
        |()| views::gone(),
        async |ask| ask.services().remove_organization_member(&ask.caller, &ask.place, &ask.user).await,
    )
    .await
}

/// `GET …/users/{user_id}/effective-permissions`.
pub async fn show_effective_permissions(Request { ask, .. }: Request<OneselfOrManageUsers, Nothing>) -> Reply {
    ask.show(async |ask| {
        let found = ask.services().effective_permissions(&ask.place, &ask.user).await?;
        Ok(views::answer(200, &views::effective(&found)))
    })
    .await
}
