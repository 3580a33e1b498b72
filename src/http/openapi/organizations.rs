//! One operation of the surface of organizations in the description, made of its line in the table of routes: what it
//! takes from the declared fields, who may call it from the rule in the handler's signature. Its answers are in
//! [`super::organization_responses`].

use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Required, SecurityRequirement};

use super::examples::Example;
use super::operation::{header, idempotency_key, in_path, json_content, path_parameters, rate, requests};
use super::{names, organization_responses};
use crate::domain::capability::Capability;
use crate::domain::organization::Need;
use crate::domain::system_role::OWNER;
use crate::http::organizations::body::{Field, Kind, Source};
use crate::http::organizations::rule::Who;
use crate::http::routes::OrganizationOperation;
use crate::service::rates::Rate;

/// The two ways to send a token, as security schemes.
const BEARER: &str = "bearer";
const API_KEY: &str = "apiKey";

/// The largest number that every reader of JSON takes for what it is.
const LARGEST_EXACT: u64 = (1 << 53) - 1;

/// The description of a route.
pub(super) fn describe(route: &OrganizationOperation, id: String, examples: &[Example]) -> Operation {
    let taken: Vec<_> = in_path(route.path).collect();
    let operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag(names::tag(route.path))
        .summary(Some(route.summary))
        .description(Some(sentence(route.who)))
        .securities(Some([BEARER, API_KEY].map(|scheme| SecurityRequirement::new(scheme, [""; 0]))))
        .responses(organization_responses::of(route, examples))
        .request_body(body(route, examples))
        .extensions(Some(Extensions::from_iter([
            ("x-permission", permission(route.who)),
            ("x-second-factor", false.into()),
            ("x-rate-limit", rate(Rate::Ordinary)),
            ("x-requests", requests(&route.method, route.path, examples)),
        ])));
    let parameters = path_parameters(&taken, examples).chain(query_parameters(route, examples)).chain(headers(route));
    parameters.fold(operation, OperationBuilder::parameter).build()
}

pub(super) fn security_schemes() -> [(&'static str, SecurityScheme); 2] {
    let text = "A token of a session or one made for programs; it alone tells whose request it is.";
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build();
    let header = ApiKeyValue::with_description("X-API-Key", "The same token, where no `Authorization` can be sent.");
    [(BEARER, SecurityScheme::Http(bearer)), (API_KEY, SecurityScheme::ApiKey(ApiKey::Header(header)))]
}

/// What a member needs, by the names on the wire, of which one is enough; none: every member.
fn needed(need: Need) -> Vec<&'static str> {
    match need {
        Need::Membership => Vec::new(),
        Need::Ownership => vec![OWNER],
        Need::Capability(wanted) | Need::Oneself(wanted) => {
            vec![wanted.key(), Capability::OverrideAllPermissions.key()]
        }
    }
}

fn sentence(who: Who) -> String {
    let to_strangers = "To anybody else the organization is not there, 404.";
    match who {
        Who::Account => "Needs an account.".to_owned(),
        Who::Permission(permission) => format!("Needs `{permission}` in the workspace; without, 403."),
        Who::Member(Need::Membership) => format!("For members. {to_strangers}"),
        Who::Member(Need::Ownership) => format!("For members with the role `{OWNER}`; without, 403. {to_strangers}"),
        Who::Member(Need::Capability(capability)) => {
            format!("For members with the capability `{}`; without, 403. {to_strangers}", capability.key())
        }
        Who::Member(Need::Oneself(capability)) => {
            let key = capability.key();
            format!(
                "For members about themselves, about others with the capability `{key}`; without, 403. {to_strangers}"
            )
        }
    }
}

/// As on the other surface; `of` says that it is asked of a member, and strangers are refused with `strangers`.
fn permission(who: Who) -> Value {
    let refused_with = |names: &[&str]| if names.is_empty() { Value::Null } else { 403.into() };
    match who {
        Who::Account => json!({"anyOf": [], "refusedWith": null, "checked": "first"}),
        Who::Permission(permission) => json!({"anyOf": [permission], "refusedWith": 403, "checked": "first"}),
        Who::Member(need) => {
            let names = needed(need);
            json!({
                "anyOf": names,
                "refusedWith": refused_with(&names),
                "checked": "first",
                "of": "organization",
                "orOneself": matches!(need, Need::Oneself(_)),
                "strangers": 404,
            })
        }
    }
}

fn schema(kind: Kind) -> Schema {
    let object = ObjectBuilder::new();
    match kind {
        Kind::Text => object.schema_type(Type::String).into(),
        Kind::NullableText => object.schema_type(SchemaType::Array(vec![Type::String, Type::Null])).into(),
        Kind::Texts => ArrayBuilder::new().items(object.schema_type(Type::String)).into(),
        Kind::Flag => object.schema_type(Type::Boolean).into(),
        Kind::Date => {
            object.schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
        }
        Kind::Number { least, most } => {
            let object = object.schema_type(Type::Integer).minimum(Some(least));
            object.maximum(Some(most).filter(|most| *most <= LARGEST_EXACT)).into()
        }
    }
}

fn body(route: &OrganizationOperation, examples: &[Example]) -> Option<RequestBody> {
    if route.source != Source::Body {
        return None;
    }
    let object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let object = route.fields.iter().fold(object, |object, field| {
        let object = object.property(field.name, schema(field.kind));
        if field.required { object.required(field.name) } else { object }
    });
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    Some(body.content("application/json", json_content(object.into(), examples)).build())
}

fn query_parameters<'a>(
    route: &'a OrganizationOperation,
    examples: &'a [Example],
) -> impl Iterator<Item = Parameter> + 'a {
    let fields = if route.source == Source::Query { route.fields } else { &[] };
    fields.iter().map(|field| {
        let mut shown = examples.iter().filter(|example| example.status == route.success);
        let example = shown.find_map(|example| example.query.get(field.name));
        ParameterBuilder::new()
            .name(field.name)
            .parameter_in(ParameterIn::Query)
            .required(if field.required { Required::True } else { Required::False })
            .schema(Some(schema(field.kind)))
            .example(example.map(|value| typed(value, *field)))
            .build()
    })
}

/// A query has texts only: how they spell a number is the schema's business, and so is the example's type.
fn typed(value: &Value, field: Field) -> Value {
    let text = value.as_str().unwrap_or_default();
    match field.kind {
        Kind::Number { .. } | Kind::Flag => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        _ => value.clone(),
    }
}

fn headers(route: &OrganizationOperation) -> impl Iterator<Item = Parameter> {
    let key = is_change(route).then(idempotency_key);
    let condition = is_conditional(route).then(|| {
        let text = "The `ETag` of what is to be changed; refused when it is another one by now.";
        header("If-Match", text, ObjectBuilder::new().schema_type(Type::String))
    });
    key.into_iter().chain(condition)
}

/// Whether it can change something, and so takes a key.
pub(super) fn is_change(route: &OrganizationOperation) -> bool {
    matches!(route.method.as_str(), "POST" | "PATCH" | "DELETE")
}

/// Whether it changes, or ends, something that has revisions: an organization or a role.
pub(super) fn is_conditional(route: &OrganizationOperation) -> bool {
    let of_itself = route.path.ends_with("/{organization_id}") || route.path.ends_with("/{role_id}");
    of_itself && matches!(route.method.as_str(), "PATCH" | "DELETE")
}

/// What a member lacks in the samples of refusals.
pub(super) fn lacked(who: Who) -> Option<&'static str> {
    match who {
        Who::Account => None,
        Who::Permission(permission) => Some(permission),
        Who::Member(need) => needed(need).first().copied(),
    }
}
