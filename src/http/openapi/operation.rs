//! One operation of the description, made of one line of the table of routes: its parameters from the declared shape and
//! the path, its answers and examples from the record, its permission and its rate from the handler's signature.

use actix_web::http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde_json::{Map, Value, json};
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Required, SecurityRequirement};

use super::examples::Example;
use super::responses::{self, example_key};
use super::{names, schema};
use crate::domain::permission::API_BYPASS_RATE_LIMIT;
use crate::domain::receipt::MAX_KEY_BYTES;
use crate::domain::setting::{Kind as SettingKind, RATE_LIMIT_TIME, Setting};
use crate::http::call::Parameters;
use crate::http::kept;
use crate::http::requirement::{Access, LateCheck};
use crate::http::rocketchat::shape::{Kind, Source};
use crate::http::routes;
use crate::service::rates::{Limit, Quota, Rate};

/// The names of the two headers that show who is calling, as security schemes.
pub(super) const USER_ID: &str = "userId";
pub(super) const AUTH_TOKEN: &str = "authToken";

/// What cannot stand in an address as it is; ids and times stay readable.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':').remove(b',');

/// The description of a route.
pub(super) fn describe(route: &routes::Operation, id: String, examples: &[Example]) -> Operation {
    let taken: Vec<_> = in_path(route.path).collect();
    let is_limited = route.parameters.as_ref().is_some_and(|parameters| !rate(parameters.rate).is_null());
    let answers = responses::of(route, is_limited, examples);
    let operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag(names::tag(route.path))
        .summary(Some(route.summary))
        .description(Some(sentence(route.access)))
        .securities(Some(security(route.access)))
        .responses(if kept::ROUTES.contains(&route.path) { responses::tagged(answers) } else { answers })
        .request_body(route.parameters.as_ref().and_then(|parameters| body(parameters, &taken, examples)))
        .extensions(Some(extensions(route, examples)));
    let parameters = path_parameters(&taken, examples).chain(query_parameters(route, &taken, examples));
    let parameters = parameters.chain(route.takes_key.then(idempotency_key));
    parameters.fold(operation, OperationBuilder::parameter).build()
}

fn sentence(access: Access) -> String {
    let one_of = |permissions: &[&str]| {
        let quoted: Vec<_> = permissions.iter().map(|permission| format!("`{permission}`")).collect();
        quoted.join(" or ")
    };
    match access {
        Access::Everybody => "Needs no account.".to_owned(),
        Access::Accounts { any_of: [], later: None } => "Needs an account.".to_owned(),
        Access::Accounts { any_of, later: None } => format!("Needs {}; without, 403.", one_of(any_of)),
        Access::Accounts { any_of: [], later: Some(LateCheck { any_of, status }) } => {
            format!("Needs {}; without, {status}, behind refusals of what was sent.", one_of(any_of))
        }
        Access::Accounts { any_of, later: Some(late) } => format!(
            "Needs {}; without, 403. Then {}; without, {}, behind refusals of what was sent.",
            one_of(any_of),
            one_of(late.any_of),
            late.status
        ),
    }
}

fn security(access: Access) -> Vec<SecurityRequirement> {
    match access {
        Access::Everybody => Vec::new(),
        Access::Accounts { .. } => {
            let none: [&str; 0] = [];
            vec![SecurityRequirement::new(USER_ID, none).add(AUTH_TOKEN, none)]
        }
    }
}

fn extensions(route: &routes::Operation, examples: &[Example]) -> Extensions {
    let rate = route.parameters.as_ref().map_or(Value::Null, |parameters| rate(parameters.rate));
    let requests = requests(&route.method, route.path, examples);
    let second_factor = route.parameters.is_some_and(|parameters| parameters.second_factor).into();
    Extensions::from_iter([
        ("x-permission", permission(route.access)),
        ("x-second-factor", second_factor),
        ("x-rate-limit", rate),
        ("x-requests", requests),
    ])
}

/// The request lines of the examples with the statuses that came back, by the keys of the examples.
pub(super) fn requests(method: &Method, path: &str, examples: &[Example]) -> Value {
    let line = |example: &Example| {
        let fill = |path: String, (name, value): (&String, &Value)| {
            path.replace(&format!("{{{name}}}"), &escaped(value.as_str().unwrap_or_default()))
        };
        let path = example.path.iter().fold(path.to_owned(), fill);
        let pairs =
            example.query.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_str()?))));
        let query = pairs.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = json!({"line": format!("{method} {path}{mark}{query}"), "status": example.status});
        if example.body.is_none() && example.answer.is_none() {
            // Nowhere else does it have a title.
            request["title"] = example.title.as_str().into();
        }
        if !example.headers.is_empty() {
            request["headers"] = example.headers.clone().into();
        }
        request
    };
    examples.iter().map(|example| (example_key(example), line(example))).collect::<Map<_, _>>().into()
}

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, ESCAPED).to_string()
}

fn permission(access: Access) -> Value {
    match access {
        Access::Everybody => Value::Null,
        Access::Accounts { any_of: [], later: None } => json!({"anyOf": [], "refusedWith": null, "checked": "first"}),
        Access::Accounts { any_of, later: None } => json!({"anyOf": any_of, "refusedWith": 403, "checked": "first"}),
        Access::Accounts { any_of: [], later: Some(LateCheck { any_of, status }) } => {
            json!({"anyOf": any_of, "refusedWith": status, "checked": "late"})
        }
        Access::Accounts { any_of, later: Some(late) } => json!({
            "anyOf": any_of, "refusedWith": 403, "checked": "first",
            "then": {"anyOf": late.any_of, "refusedWith": late.status, "checked": "late"},
        }),
    }
}

/// The settings that limit the route, with their defaults.
pub(super) fn rate(rate: Rate) -> Value {
    let (calls, millis, settings) = match rate.limit() {
        Limit::None => return Value::Null,
        Limit::Calls(calls) => (default_of(calls), default_of(RATE_LIMIT_TIME), json!([calls.id, RATE_LIMIT_TIME.id])),
        Limit::Fixed(Quota { calls, millis }) => (calls.into(), millis.into(), json!([])),
    };
    json!({"calls": calls, "milliseconds": millis, "settings": settings, "bypassedWith": API_BYPASS_RATE_LIMIT})
}

fn default_of(setting: Setting) -> Value {
    match setting.kind {
        SettingKind::Integer { default, .. } => default.into(),
        _ => Value::Null,
    }
}

/// The names in braces.
pub(super) fn in_path(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

pub(super) fn path_parameters<'a>(
    names: &'a [&'static str],
    examples: &'a [Example],
) -> impl Iterator<Item = Parameter> + 'a {
    names.iter().map(|name| {
        ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .example(examples.iter().find_map(|example| example.path.get(*name).cloned()))
            .build()
    })
}

/// The key under which a request may come again.
pub(super) fn idempotency_key() -> Parameter {
    let text = "Of your choice, new for each change and hard to guess: the same request under the same key is answered as \
                it was the first time, for 24 hours.";
    let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX_KEY_BYTES));
    header("Idempotency-Key", text, schema)
}

pub(super) fn header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn query_parameters<'a>(
    route: &'a routes::Operation,
    elsewhere: &'a [&'static str],
    examples: &'a [Example],
) -> impl Iterator<Item = Parameter> + 'a {
    let parameters = route.parameters.filter(|parameters| parameters.source == Source::Query);
    let fields = parameters.map_or(&[][..], |parameters| parameters.shape.fields);
    fields.iter().filter(|field| !elsewhere.contains(&field.name)).map(|field| {
        let schema = schema::of_field(field);
        // A query has texts only: how they spell a number is the schema's business, and so is the example's type.
        let shown = examples.iter().filter(|example| example.status == 200);
        let example =
            shown.clone().find_map(|example| example.query.get(field.name)).map(|value| typed(value, field.kind));
        let parameter = ParameterBuilder::new()
            .name(field.name)
            .parameter_in(ParameterIn::Query)
            .required(if field.required { Required::True } else { Required::False })
            .schema(Some(schema))
            .example(example);
        match field.kind {
            Kind::Any | Kind::Object(_) => {
                parameter.style(Some(ParameterStyle::DeepObject)).explode(Some(true)).build()
            }
            _ => parameter.build(),
        }
    })
}

fn typed(value: &Value, kind: Kind) -> Value {
    let text = value.as_str().unwrap_or_default();
    match kind {
        Kind::Number | Kind::Boolean => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        Kind::TextList { .. } if value.is_string() => json!([value]),
        _ => value.clone(),
    }
}

fn body(parameters: &Parameters, elsewhere: &[&str], examples: &[Example]) -> Option<RequestBody> {
    if parameters.source != Source::Body {
        return None;
    }
    let shape = &parameters.shape;
    let sent: Vec<&Value> = examples.iter().filter(|e| e.status == 200).filter_map(|e| e.body.as_ref()).collect();
    // A route that sorts its fields out by itself declares none; what it took is the best that can be said of them.
    let is_observed = shape.open && shape.fields.is_empty();
    let schema = if is_observed { schema::of_values(&sent) } else { schema::of_shape(shape, elsewhere) };
    let is_flat = if is_observed { sent.iter().all(|body| is_flat(body)) } else { schema::is_flat(shape) };
    let required = shape.fields.iter().any(|field| field.required && !elsewhere.contains(&field.name));
    let body = RequestBodyBuilder::new()
        .required(Some(if required || is_observed { Required::True } else { Required::False }))
        .content("application/json", json_content(schema.clone(), examples));
    let form = ContentBuilder::new().schema(Some(schema)).build();
    Some(if is_flat { body.content("application/x-www-form-urlencoded", form) } else { body }.build())
}

fn is_flat(body: &Value) -> bool {
    body.as_object().is_none_or(|fields| fields.values().all(|value| !value.is_array() && !value.is_object()))
}

pub(super) fn json_content(schema: Schema, examples: &[Example]) -> Content {
    let shown = examples.iter().filter_map(|example| {
        let value = example.body.clone()?;
        Some((example_key(example), ExampleBuilder::new().summary(&example.title).value(Some(value)).build()))
    });
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(shown).build()
}
