//! `/v1/organizations`: the organizations themselves.

use serde::Deserialize;

use super::body::{Field, Input, Kind, Nothing, Source, Window};
use super::error::Reply;
use super::rule::{AnyAccount, AnyMember, CreateTeams, Owners};
use super::views;
use crate::http::call::organization::Request;

/// What a new organization is called.
#[derive(Debug, Deserialize)]
pub struct CreateOrganization {
    name: String,
}

impl Input for CreateOrganization {
    const FIELDS: &'static [Field] = &[Field::required("name", Kind::Text)];
    const SOURCE: Source = Source::Body;
}

/// What an organization is called from now on.
#[derive(Debug, Deserialize)]
pub struct RenameOrganization {
    name: Option<String>,
}

impl Input for RenameOrganization {
    const FIELDS: &'static [Field] = &[Field::new("name", Kind::Text)];
    const SOURCE: Source = Source::Body;
}

/// `POST /v1/organizations`.
pub async fn create_organization(Request { ask, input }: Request<CreateTeams, CreateOrganization>) -> Reply {
    ask.change(
        |made| views::organization_answer(201, made),
        async |ask| ask.services().create_organization(&ask.caller, input.name).await,
    )
    .await
}

/// `GET /v1/organizations`.
pub async fn list_organizations(Request { ask, input }: Request<AnyAccount, Window>) -> Reply {
    ask.show(async |ask| {
        let listing = ask.services().list_organizations(&ask.caller, input.page()).await?;
        Ok(views::answer(200, &views::page("organizations", &listing, input, views::organization)))
    })
    .await
}

/// `GET /v1/organizations/{organization_id}`.
pub async fn show_organization(Request { ask, .. }: Request<AnyMember, Nothing>) -> Reply {
    ask.show(async |ask| {
        let found = ask.services().view_organization(&ask.place).await?;
        Ok(views::organization_answer(200, &found))
    })
    .await
}

/// `PATCH /v1/organizations/{organization_id}`.
pub async fn rename_organization(Request { ask, input }: Request<Owners, RenameOrganization>) -> Reply {
    ask.change(
        |after| views::organization_answer(200, after),
        async |ask| ask.services().rename_organization(&ask.caller, &ask.place, input.name, ask.expected.clone()).await,
    )
    .await
}

/// `DELETE /v1/organizations/{organization_id}`.
pub async fn delete_organization(Request { ask, .. }: Request<Owners, Nothing>) -> Reply {
    ask.change(
        |()| views::gone(),
        async |ask| ask.services().delete_organization(&ask.caller, &ask.place, ask.expected.clone()).await,
    )
    .await
}
