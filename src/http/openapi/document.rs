//! The whole document: what stands once and in front, and every route behind it in the order of the table.

use std::collections::BTreeMap;

use actix_web::http::Method;
use serde_json::{Map, Value};
use utoipa::openapi::path::{HttpMethod, Operation, PathItem, PathsBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder};

use super::examples::{self, Examples};
use super::names::{Names, TAGS};
use super::operation::{self, AUTH_TOKEN, USER_ID};
use super::{names, organization_responses, organizations, responses};
use crate::http::routes::{operations, organization_operations};

/// What a reader should know before the first request.
const INTRODUCTION: &str = "\
Roles and permissions of a chat workspace, by Rocket.Chat's own API.

**Who is calling** is shown under `/api/v1` by two headers together, `X-User-Id` and `X-Auth-Token`; `POST /api/v1/login` \
gives both.

**Order of checks.** Who is it (401); may he (403); does what he sent fit (400, 413); is it one request too many (429); \
has he shown his second factor where `x-second-factor` asks for one (400); only then the operation itself. Some operations \
ask for their permission late, behind refusals of what was sent, and refuse with a status of their own: `x-permission` on \
each operation says which permissions (`anyOf`), when (`checked`) and with which status (`refusedWith`). An empty `anyOf` means every account; `null` instead of an object means that no account is needed.

**Bodies** are JSON, also when they come without a content type or as `text/plain`; flat ones may be forms. \
**Refusals** have a text for people in `error` and, as a rule, a code for programs in `errorType`.

**Organizations**, under `/v1`, are asked in the manner of their own clients: a token alone as `Authorization: Bearer` or \
`X-API-Key`, JSON bodies without unknown fields, and refusals in one envelope with `error.code`, or as \
`application/problem+json` for whoever accepts that. Who is it (401); is he a member (404) and may he (403); does what he \
sent fit (422); is it one request too many (429). `Idempotency-Key` makes a change safe to send again, `If-Match` refuses \
one that was meant for an older state. There `x-permission` names capabilities within the organization.

**Examples** are real: a test holds this conversation with a server and compares every answer. Lists are cut to three items. \
Schemas of answers are read off these examples: further fields are there for other callers.";

/// The document, for a server that clients reach at `site`.
pub fn document(site: &str) -> Value {
    let operations = described(&examples::recorded());
    let document = OpenApiBuilder::new()
        .info(info().build())
        .servers(Some([ServerBuilder::new().url(site).build()]))
        .tags(Some(tags(&operations)))
        .components(Some(components()))
        .build();
    let mut document = match serde_json::to_value(with_paths(document, operations)) {
        Ok(document) => document,
        // Only keys that are no texts could be in the way, and there are none.
        Err(error) => {
            log::error!("the description of the API cannot be written: {error}");
            Value::Null
        }
    };
    order_extensions(&mut document);
    document
}

/// An operation and where it stands.
struct Described {
    method: Method,
    path: &'static str,
    operation: Operation,
}

/// Every operation, in the order of the tables.
fn described(examples: &Examples) -> Vec<Described> {
    let mut names = Names::default();
    let recorded =
        |method: &Method, path: &str| examples.get(&examples::key(method, path)).map_or(&[][..], Vec::as_slice);
    let mut all = Vec::new();
    for route in operations() {
        let (method, path) = (route.method.clone(), route.path);
        let operation = operation::describe(&route, names.of(&method, path), recorded(&method, path));
        all.push(Described { method, path, operation });
    }
    for route in organization_operations() {
        let (method, path) = (route.method.clone(), route.path);
        let operation = organizations::describe(&route, names.of(&method, path), recorded(&method, path));
        all.push(Described { method, path, operation });
    }
    all
}

fn info() -> InfoBuilder {
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    InfoBuilder::new()
        .title("Rolekeeper")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(INTRODUCTION))
        .license(Some(license))
}

fn components() -> utoipa::openapi::Components {
    let header = |name: &str, text: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name.to_owned(), text.to_owned())))
    };
    let components = organization_responses::components(responses::components())
        .security_scheme(USER_ID, header("X-User-Id", "The id of the account, `data.userId` of a log-in."))
        .security_scheme(AUTH_TOKEN, header("X-Auth-Token", "A token of that account, `data.authToken` of a log-in."));
    let of_organizations = organizations::security_schemes().into_iter();
    of_organizations.fold(components, |components, (name, scheme)| components.security_scheme(name, scheme)).build()
}

fn tags(operations: &[Described]) -> Vec<Tag> {
    let used: Vec<_> = operations.iter().map(|operation| names::tag(operation.path)).collect();
    let known = TAGS.iter().filter(|(name, _)| used.contains(name));
    let mut tags: Vec<_> =
        known.map(|(name, text)| TagBuilder::new().name(*name).description(Some(*text)).build()).collect();
    for name in used {
        if !tags.iter().any(|tag| tag.name == name) {
            tags.push(TagBuilder::new().name(name).build());
        }
    }
    tags
}

fn with_paths(mut document: OpenApi, operations: Vec<Described>) -> OpenApi {
    let mut items: BTreeMap<&str, PathItem> = BTreeMap::new();
    let mut order = Vec::new();
    for Described { method, path, operation } in operations {
        if !items.contains_key(path) {
            order.push(path);
        }
        let item = items.entry(path).or_default();
        match http_method(&method) {
            HttpMethod::Post => item.post = Some(operation),
            HttpMethod::Put => item.put = Some(operation),
            HttpMethod::Patch => item.patch = Some(operation),
            HttpMethod::Delete => item.delete = Some(operation),
            _ => item.get = Some(operation),
        }
    }
    let paths = order.into_iter().filter_map(|path| Some((path, items.remove(path)?)));
    document.paths = paths.fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item)).build();
    document
}

fn http_method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// Extensions come in the order of a hash; the same program must always write the same document.
fn order_extensions(value: &mut Value) {
    let Some(paths) = value.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some(fields) = operation.as_object_mut() else { continue };
        for name in ["x-permission", "x-second-factor", "x-rate-limit", "x-requests"] {
            if let Some(extension) = fields.shift_remove(name) {
                fields.insert(name.to_owned(), extension);
            }
        }
    }
}
