//! The answers of an operation of organizations. Which refusals it can give follows from what is declared of it and from
//! its examples; how they look comes from the one table of that surface.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::{Example as Shown, ExampleBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder, Responses, ResponsesBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};

use super::examples::Example;
use super::operation::in_path;
use super::organizations::{is_change, is_conditional, lacked};
use super::responses::{HEADERS_OF_RATE, always_false, example_key, number_header, text};
use super::{names, schema};
use crate::http::organizations::body::Source;
use crate::http::organizations::error::{Cause, Sample};
use crate::http::organizations::rule::Who;
use crate::http::routes::OrganizationOperation;
use crate::service::ServiceError;
use crate::service::error::{OrganizationRefusal, Problem, ReceiptRefusal};

/// The schema of every refusal of this surface.
const REFUSAL: &str = "OrganizationRefusal";

/// Statuses whose refusals are the same for every operation that has them, and the names of those responses.
const SHARED: [(u16, &str); 6] = [
    (400, "OrganizationCutShort"),
    (401, "OrganizationUnauthenticated"),
    (408, "OrganizationTooSlow"),
    (413, "OrganizationTooLarge"),
    (429, "OrganizationTooManyRequests"),
    (503, "OrganizationUnavailable"),
];

/// Schemas and responses that operations refer to.
pub(super) fn components(components: ComponentsBuilder) -> ComponentsBuilder {
    let samples = by_status(every_operation().into_iter().chain(every_body()));
    let shared = SHARED.iter().filter_map(|(status, name)| Some((*status, *name, samples.get(status)?)));
    shared.fold(components.schema(REFUSAL, refusal_schema()), |components, (status, name, samples)| {
        components.response(name, refused(status, &[], samples))
    })
}

/// What every operation can answer.
fn every_operation() -> Vec<Cause> {
    vec![
        OrganizationRefusal::NoCredentials.into(),
        OrganizationRefusal::TokenInvalid.into(),
        OrganizationRefusal::TokenExpired.into(),
        Cause::TooManyRequests { seconds: 42 },
        ServiceError::Unavailable(String::new()).into(),
    ]
}

/// What every operation can answer that reads a body.
fn every_body() -> Vec<Cause> {
    vec![Cause::BodyCutShort, Cause::BodyTooSlow, Cause::BodyTooLarge]
}

/// What follows from what is declared.
fn causes(route: &OrganizationOperation) -> Vec<Cause> {
    let mut causes = every_operation();
    if let Who::Member(_) = route.who {
        causes.push(OrganizationRefusal::NotFound.into());
    }
    if let Some(name) = lacked(route.who) {
        causes.push(OrganizationRefusal::Insufficient { required: vec![name], missing: vec![name] }.into());
    }
    if in_path(route.path).any(|name| name == "role_id") {
        causes.push(OrganizationRefusal::RoleNotFound("role_unknown".to_owned()).into());
    }
    if let Some(field) = route.fields.first() {
        causes.push(OrganizationRefusal::Invalid(vec![Problem::new(field.name, "…")]).into());
    }
    if route.source == Source::Body {
        causes.extend(every_body());
    }
    if is_change(route) {
        causes.extend(
            [ReceiptRefusal::Reused, ReceiptRefusal::Running].map(|refusal| ServiceError::from(refusal).into()),
        );
    }
    if is_conditional(route) {
        causes.push(OrganizationRefusal::OtherRevision(2).into());
    }
    causes
}

fn by_status(causes: impl IntoIterator<Item = Cause>) -> BTreeMap<u16, Vec<Sample>> {
    let mut samples: BTreeMap<u16, Vec<Sample>> = BTreeMap::new();
    for sample in causes.into_iter().map(Sample::of) {
        samples.entry(sample.status).or_default().push(sample);
    }
    samples
}

/// Every answer of an operation.
pub(super) fn of(route: &OrganizationOperation, examples: &[Example]) -> Responses {
    let samples = by_status(causes(route));
    let mut recorded: BTreeMap<u16, Vec<&Example>> = samples.keys().map(|status| (*status, Vec::new())).collect();
    recorded.entry(route.success).or_default();
    for example in examples {
        recorded.entry(example.status).or_default().push(example);
    }
    let responses = recorded.into_iter().fold(ResponsesBuilder::new(), |responses, (status, examples)| {
        let samples = samples.get(&status).map_or(&[][..], Vec::as_slice);
        let shared = SHARED.iter().find(|shared| shared.0 == status && examples.is_empty());
        let response: RefOr<Response> = match shared {
            _ if status == route.success => done(names::tag(route.path), status, &examples).into(),
            Some(&(_, name)) => Ref::from_response_name(name).into(),
            None => refused(status, &examples, samples).into(),
        };
        responses.response(status.to_string(), response)
    });
    responses.build()
}

fn done(group: &str, status: u16, examples: &[&Example]) -> Response {
    let mut by_type: BTreeMap<&str, Vec<&Example>> = BTreeMap::new();
    for example in examples.iter().filter(|_| status != 204) {
        by_type.entry(&example.content_type).or_default().push(example);
    }
    let description = match status {
        201 => "Made.",
        204 => "Done; there is nothing to show.",
        _ => "Done.",
    };
    let response = ResponseBuilder::new().description(description);
    let with_content = by_type.into_iter().fold(response, |response, (kind, examples)| {
        let answers: Vec<&Value> = examples.iter().filter_map(|example| example.answer.as_ref()).collect();
        let schema = schema::of_answers(group, &answers).into();
        response.content(kind, content(schema, examples.iter().filter_map(|it| shown(it))))
    });
    with_content.build()
}

/// A refusal: what was recorded, or else how it would look.
fn refused(status: u16, examples: &[&Example], samples: &[Sample]) -> Response {
    let mut codes: Vec<&str> = samples.iter().map(|sample| sample.code).collect();
    for code in examples.iter().filter_map(|example| example.answer.as_ref()?.pointer("/error/code")?.as_str()) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    let codes: Vec<_> = codes.into_iter().map(|code| format!("`{code}`")).collect();
    let samples = samples.iter().filter(|_| examples.is_empty()).map(|sample| {
        let (key, title) = (sample.code.to_lowercase().replace('_', "-"), sample.code);
        (key, ExampleBuilder::new().summary(title).value(Some(sample.body.clone())).build())
    });
    let all = examples.iter().filter_map(|example| shown(example)).chain(samples);
    let content = content(Ref::from_schema_name(REFUSAL).into(), all);
    let response = ResponseBuilder::new().description(format!("Refused: {}.", codes.join(", ")));
    let headers = match status {
        429 => &HEADERS_OF_RATE[..],
        503 => &HEADERS_OF_RATE[..1],
        _ => &[],
    };
    let response = response.content("application/json", content);
    headers.iter().fold(response, |response, (name, text)| response.header(*name, number_header(text))).build()
}

fn content(schema: RefOr<Schema>, examples: impl Iterator<Item = (String, Shown)>) -> Content {
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build()
}

fn shown(example: &Example) -> Option<(String, Shown)> {
    let value = example.answer.clone()?;
    Some((example_key(example), ExampleBuilder::new().summary(&example.title).value(Some(value)).build()))
}

fn refusal_schema() -> Schema {
    let one_of = |values: [&'static str; 3]| ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values));
    let details =
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("What exactly stands against it."));
    let time = ObjectBuilder::new().schema_type(Type::String).description(Some("When, to the second."));
    let error = ObjectBuilder::new()
        .property("code", text("For programs."))
        .property("message", text("Safe to show to people."))
        .property("system_message", text("For the developer."))
        .property("type", one_of(["client_error", "validation_error", "server_error"]))
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .property("details", details)
        .property("trace_id", text("`X-Request-Id` of this answer."))
        .property("timestamp", time);
    let always = ["code", "message", "system_message", "type", "status", "trace_id", "timestamp"];
    let error = always.into_iter().fold(error, ObjectBuilder::required);
    let object = ObjectBuilder::new().property("success", always_false()).property("error", error);
    object.required("success").required("error").into()
}
