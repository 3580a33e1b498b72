//! The answers of an operation: those that all operations share, by reference, and its own with their examples. The
//! bodies of the shared ones come from the one table of errors.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder, Responses, ResponsesBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Header, Ref, RefOr};

use super::examples::Example;
use super::{names, schema};
use crate::http::call::Parameters;
use crate::http::error::{ApiError, body_of};
use crate::http::requirement::{Access, LateCheck};
use crate::http::rocketchat::body::BodyProblem;
use crate::http::rocketchat::shape::Source;
use crate::http::routes::Operation;
use crate::service::ServiceError;
use crate::service::error::ReceiptRefusal;

const JSON: &str = "application/json";
/// The schema of every refusal but 401.
const REFUSAL: &str = "Refusal";

/// A response that several operations share.
struct Shared {
    status: u16,
    name: &'static str,
    description: &'static str,
    error: fn() -> ApiError,
}

const SHARED: &[Shared] = &[
    Shared {
        status: 401,
        name: "Unauthenticated",
        description: "No credentials, or none that count: unknown, ended, or of a deactivated account.",
        error: || ServiceError::Unauthenticated.into(),
    },
    Shared {
        status: 403,
        name: "Forbidden",
        description: "The permission is missing.",
        error: || ServiceError::Forbidden.into(),
    },
    Shared {
        status: 408,
        name: "TooSlow",
        description: "The body did not arrive within 30 seconds.",
        error: || ApiError::BodyTooSlow,
    },
    Shared {
        status: 409,
        name: "KeyTaken",
        description: "With an `Idempotency-Key`: the same request is still running; or it was carried out, and its answer \
                      held a secret, which is shown only once.",
        error: || ServiceError::from(ReceiptRefusal::Running).into(),
    },
    Shared {
        status: 413,
        name: "TooLarge",
        description: "The body has 1 MiB or more.",
        error: || BodyProblem::TooLarge.into(),
    },
    Shared {
        status: 429,
        name: "TooManyRequests",
        description: "More requests to this route within a window than one client address may send.",
        error: || ApiError::TooManyRequests { seconds: 42 },
    },
    Shared {
        status: 503,
        name: "Unavailable",
        description: "The store could not answer; nothing was changed as far as is known. Try again.",
        error: || ServiceError::Unavailable(String::new()).into(),
    },
];

/// Schemas and responses that operations refer to.
pub(super) fn components() -> ComponentsBuilder {
    let components = ComponentsBuilder::new().schema(REFUSAL, refusal_schema());
    SHARED.iter().fold(components, |components, shared| components.response(shared.name, shared.response()))
}

impl Shared {
    fn response(&self) -> Response {
        let body = body_of(&(self.error)());
        let schema: utoipa::openapi::RefOr<Schema> = match self.status {
            401 => unauthenticated_schema().into(),
            _ => Ref::from_schema_name(REFUSAL).into(),
        };
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(body)).build();
        let response = ResponseBuilder::new().description(self.description).content(JSON, content);
        let headers = match self.status {
            429 => &HEADERS_OF_RATE[..],
            409 | 503 => &HEADERS_OF_RATE[..1],
            _ => &[],
        };
        headers.iter().fold(response, |response, (name, text)| response.header(*name, number_header(text))).build()
    }
}

pub(super) const HEADERS_OF_RATE: [(&str, &str); 4] = [
    ("Retry-After", "Seconds to wait."),
    ("X-RateLimit-Limit", "Requests within a window."),
    ("X-RateLimit-Remaining", "How many are left."),
    ("X-RateLimit-Reset", "When they are all there again, in milliseconds since 1970."),
];

pub(super) fn number_header(description: &str) -> Header {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    HeaderBuilder::new().schema(Some(number)).description(Some(description)).build()
}

pub(super) fn text(description: &str) -> Schema {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).into()
}

pub(super) fn always_false() -> Schema {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])).into()
}

fn refusal_schema() -> Schema {
    let details =
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("What exactly stands against it."));
    let object = ObjectBuilder::new()
        .property("success", always_false())
        .property("error", text("For people, as a rule with the code in brackets behind it."))
        .property("errorType", text("The code, for programs."))
        .property("details", details);
    object.required("success").required("error").into()
}

fn unauthenticated_schema() -> Schema {
    let object = ObjectBuilder::new()
        .property("success", always_false())
        .property("error", text("For people."))
        .property("status", ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["error"])))
        .property("message", text("The same, where older clients look for it."));
    ["success", "error", "status", "message"].into_iter().fold(object, ObjectBuilder::required).into()
}

/// Every answer of an operation.
pub(super) fn of(route: &Operation, is_limited: bool, examples: &[Example]) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<&Example>> = BTreeMap::new();
    let too_many = is_limited.then_some(429);
    let of_keys = [400, 409].into_iter().filter(|_| route.takes_key);
    for status in expected(route.access, route.parameters.as_ref()).into_iter().chain(too_many).chain(of_keys) {
        by_status.entry(status).or_default();
    }
    for example in examples {
        by_status.entry(example.status).or_default().push(example);
    }
    let responses = by_status.into_iter().fold(ResponsesBuilder::new(), |responses, (status, examples)| {
        match SHARED.iter().find(|shared| shared.status == status && examples.is_empty()) {
            Some(shared) => responses.response(status.to_string(), Ref::from_response_name(shared.name)),
            None => responses.response(status.to_string(), own(names::tag(route.path), status, &examples)),
        }
    });
    responses.build()
}

/// The same for a route whose answer has a tag, by which a client can ask whether it has changed.
pub(super) fn tagged(mut responses: Responses) -> Responses {
    let tag = |text: &str| HeaderBuilder::new().schema(Some(self::text(text))).description(Some(text)).build();
    if let Some(RefOr::T(done)) = responses.responses.get_mut("200") {
        done.headers.insert("ETag".to_owned(), tag("Names this very answer.").into());
    }
    let unchanged = "What the client has under the tag that it sent (`If-None-Match`) is still the answer; no body.";
    let unchanged = ResponseBuilder::new().description(unchanged).header("ETag", tag("The tag that was sent."));
    responses.responses.insert("304".to_owned(), unchanged.build().into());
    responses
}

/// The statuses that follow from what is declared.
fn expected(access: Access, parameters: Option<&Parameters>) -> Vec<u16> {
    let mut statuses = vec![200];
    if let Access::Accounts { any_of, later } = access {
        statuses.push(401);
        if !any_of.is_empty() {
            statuses.push(403);
        }
        statuses.extend(later.map(|LateCheck { status, .. }| status));
    }
    if let Some(Parameters { shape, source, .. }) = parameters {
        statuses.push(503);
        match source {
            Source::Body => statuses.extend([400, 408, 413]),
            Source::Query if !shape.fields.is_empty() => statuses.push(400),
            Source::Query => {}
        }
    }
    statuses
}

/// An answer with its examples.
fn own(group: &str, status: u16, examples: &[&Example]) -> Response {
    let description = match status {
        200 => "Done.".to_owned(),
        400 => "Refused: what was sent does not fit, or a rule stands against it.".to_owned(),
        _ => SHARED
            .iter()
            .find(|shared| shared.status == status)
            .map_or_else(|| "Refused.".to_owned(), |shared| shared.description.to_owned()),
    };
    let response = ResponseBuilder::new().description(description);
    let mut by_type: BTreeMap<&str, Vec<&Example>> = BTreeMap::new();
    for example in examples {
        by_type.entry(&example.content_type).or_default().push(example);
    }
    if by_type.is_empty() {
        let schema = if status == 200 { schema::of_values(&[]).into() } else { Ref::from_schema_name(REFUSAL).into() };
        return response
            .content(JSON, ContentBuilder::new().schema::<utoipa::openapi::RefOr<Schema>>(Some(schema)).build())
            .build();
    }
    by_type
        .into_iter()
        .fold(response, |response, (kind, examples)| response.content(kind, content(group, status, &examples)))
        .build()
}

fn content(group: &str, status: u16, examples: &[&Example]) -> Content {
    let answers: Vec<&Value> = examples.iter().filter_map(|example| example.answer.as_ref()).collect();
    let is_refusal = status >= 400 && answers.iter().all(|answer| answer.get("error").is_some_and(Value::is_string));
    let schema: utoipa::openapi::RefOr<Schema> = match status {
        _ if is_refusal && status != 401 => Ref::from_schema_name(REFUSAL).into(),
        _ => schema::of_answers(group, &answers).into(),
    };
    let shown = examples.iter().filter_map(|example| {
        let value = example.answer.clone()?;
        Some((example_key(example), ExampleBuilder::new().summary(&example.title).value(Some(value)).build()))
    });
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(shown).build()
}

/// Request and answer of one example have the same key.
pub(super) fn example_key(example: &Example) -> String {
    let words = example.title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}
