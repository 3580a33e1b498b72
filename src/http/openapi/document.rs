//! The whole document: what stands once and in front, and every route behind it in the order of the table.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use utoipa::openapi::path::{HttpMethod, PathItem, PathsBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder};

use super::examples::{self, Examples};
use super::names::{Names, TAGS};
use super::operation::{AUTH_TOKEN, USER_ID, describe};
use super::{names, responses};
use crate::http::routes::{self, operations};

/// What a reader should know before the first request.
const INTRODUCTION: &str = "\
Roles and permissions of a chat workspace, by Rocket.Chat's own API.

**Who is calling** is shown by two headers together, `X-User-Id` and `X-Auth-Token`; `POST /api/v1/login` gives both.

**Order of checks.** Who is it (401); may he (403); does what he sent fit (400, 413); is it one request too many (429); \
has he shown his second factor where `x-second-factor` asks for one (400); only then the operation itself. Some operations ask for their permission late, behind refusals of what was sent, and refuse \
with a status of their own: `x-permission` on each operation says which permissions (`anyOf`), when (`checked`) and with which \
status (`refusedWith`). An empty `anyOf` means every account; `null` instead of an object means that no account is needed.

**Bodies** are JSON, also when they come without a content type or as `text/plain`; flat ones may be forms. \
**Refusals** have a text for people in `error` and, as a rule, a code for programs in `errorType`.

**Examples** are real: a test holds this conversation with a server and compares every answer. Lists are cut to three items. \
Schemas of answers are read off these examples: further fields are there for other callers.";

/// The document, for a server that clients reach at `site`.
pub fn document(site: &str) -> Value {
    let routes = operations();
    let examples = examples::recorded();
    let document = OpenApiBuilder::new()
        .info(info().build())
        .servers(Some([ServerBuilder::new().url(site).build()]))
        .tags(Some(tags(&routes)))
        .components(Some(components()))
        .build();
    let mut document = match serde_json::to_value(with_paths(document, &routes, &examples)) {
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
    responses::components()
        .security_scheme(USER_ID, header("X-User-Id", "The id of the account, `data.userId` of a log-in."))
        .security_scheme(AUTH_TOKEN, header("X-Auth-Token", "A token of that account, `data.authToken` of a log-in."))
        .build()
}

fn tags(routes: &[routes::Operation]) -> Vec<Tag> {
    let used: Vec<_> = routes.iter().map(|route| names::tag(route.path)).collect();
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

fn with_paths(mut document: OpenApi, routes: &[routes::Operation], examples: &Examples) -> OpenApi {
    let mut names = Names::default();
    let mut items: BTreeMap<&str, PathItem> = BTreeMap::new();
    let mut order = Vec::new();
    for route in routes {
        let recorded = examples.get(&examples::key(&route.method, route.path)).map_or(&[][..], Vec::as_slice);
        let operation = describe(route, names.of(&route.method, route.path), recorded);
        if !items.contains_key(route.path) {
            order.push(route.path);
        }
        let item = items.entry(route.path).or_default();
        match http_method(route) {
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

fn http_method(route: &routes::Operation) -> HttpMethod {
    match route.method.as_str() {
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
