//! `/v1/organizations/{organization_id}/roles`: the roles of an organization.

use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{Field, Input, Kind, Nothing, Source, present};
use super::error::Reply;
use super::rule::{AnyMember, ManageRoles};
use super::views;
use crate::domain::system_role::ROLE_TEMPLATES;
use crate::http::call::organization::Request;
use crate::service::organizations::roles::{RoleRequest, RoleSelection};

/// Which roles to list.
#[derive(Debug, Deserialize)]
pub struct ListRoles {
    include_global: Option<bool>,
}

impl Input for ListRoles {
    const FIELDS: &'static [Field] = &[Field::new("include_global", Kind::Flag)];
    const SOURCE: Source = Source::Query;
}

/// A new role.
#[derive(Debug, Deserialize)]
pub struct CreateRole {
    name: String,
    #[serde(default, deserialize_with = "present")]
    description: Option<Option<String>>,
    capabilities: Vec<String>,
}

impl Input for CreateRole {
    const FIELDS: &'static [Field] = &[
        Field::required("name", Kind::Text),
        Field::new("description", Kind::NullableText),
        Field::required("capabilities", Kind::Texts),
    ];
    const SOURCE: Source = Source::Body;
}

/// What is to be different about a role.
#[derive(Debug, Deserialize)]
pub struct UpdateRole {
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    description: Option<Option<String>>,
    capabilities: Option<Vec<String>>,
}

impl Input for UpdateRole {
    const FIELDS: &'static [Field] = &[
        Field::new("name", Kind::Text),
        Field::new("description", Kind::NullableText),
        Field::new("capabilities", Kind::Texts),
    ];
    const SOURCE: Source = Source::Body;
}

/// `GET …/roles`: a bare list.
pub async fn list_roles(Request { ask, input }: Request<AnyMember, ListRoles>) -> Reply {
    let which = if input.include_global == Some(false) { RoleSelection::Custom } else { RoleSelection::All };
    ask.show(async |ask| {
        let roles = ask.services().list_organization_roles(&ask.place, which).await?;
        Ok(views::answer(200, &roles.iter().map(views::role).collect::<Value>()))
    })
    .await
}

/// `GET …/roles/templates`.
pub async fn list_templates(Request { ask, .. }: Request<AnyMember, Nothing>) -> Reply {
    ask.show(async |_| Ok(views::answer(200, &json!(ROLE_TEMPLATES)))).await
}

/// `GET …/roles/{role_id}`.
pub async fn show_role(Request { ask, .. }: Request<AnyMember, Nothing>) -> Reply {
    ask.show(async |ask| {
        let found = ask.services().view_organization_role(&ask.place, &ask.role).await?;
        Ok(views::role_answer(200, &found))
    })
    .await
}

/// `POST …/roles`.
pub async fn create_role(Request { ask, input }: Request<ManageRoles, CreateRole>) -> Reply {
    let CreateRole { name, description, capabilities } = input;
    let wanted = RoleRequest { name: Some(name), description, capabilities: Some(capabilities) };
    ask.change(
        |made| views::role_answer(201, made),
        async |ask| ask.services().create_organization_role(&ask.caller, &ask.place, wanted).await,
    )
    .await
}

/// `PATCH …/roles/{role_id}`.
pub async fn update_role(Request { ask, input }: Request<ManageRoles, UpdateRole>) -> Reply {
    let UpdateRole { name, description, capabilities } = input;
    let wanted = RoleRequest { name, description, capabilities };
    ask.change(
        |after| views::role_answer(200, after),
        async |ask| {
            ask.services()
                .update_organization_role(&ask.caller, &ask.place, &ask.role, wanted, ask.expected.clone())
                .await
        },
    )
    .await
}

/// `DELETE …/roles/{role_id}`.
pub async fn delete_role(Request { ask, .. }: Request<ManageRoles, Nothing>) -> Reply {
    ask.change(
        |()| views::gone(),
        async |ask| {
            ask.services().delete_organization_role(&ask.caller, &ask.place, &ask.role, ask.expected.clone()).await
        },
    )
    .await
}
