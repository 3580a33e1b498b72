//! What a route of organizations takes, declared field by field, and the one place that refuses what does not fit: all
//! problems at once, each with its field. Nothing is coerced. Rules that need more than the value itself belong to the
//! services.

use actix_web::web::Query;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::domain::time::Timestamp;
use crate::service::error::{OrganizationRefusal, Problem};
use crate::service::organizations::Page;
use crate::service::{Result, ServiceError};

/// Items of a page when the caller names no limit.
const DEFAULT_LIMIT: u64 = 50;
/// Items of a page at most.
const MAX_LIMIT: u64 = 100;
/// Pairs of a query that are looked at.
const MAX_PAIRS: usize = 100;
/// A number of items that any store can count to.
const MAX_SKIP: u64 = i64::MAX as u64;

/// Fields that nobody asked for and that a refusal names; a body can have very many of them.
const MAX_UNKNOWN: usize = 20;

/// Where a route takes its parameters from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A JSON object in the body; fields that are not declared are refused.
    Body,
    /// The query; what is not declared is passed over.
    Query,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A text, or `null`.
    NullableText,
    /// A list of texts.
    Texts,
    /// A whole number within these bounds.
    Number {
        /// Smallest.
        least: u64,
        /// Largest.
        most: u64,
    },
    /// `true` or `false`.
    Flag,
    /// A point in time, as ISO 8601.
    Date,
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Must be there.
    pub required: bool,
}

impl Field {
    /// A field that may be absent.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false }
    }

    /// A field that must be there.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: true }
    }
}

/// The parameters of a route: what the client sends, and the type that the handler gets.
pub trait Input: DeserializeOwned + 'static {
    /// What is accepted.
    const FIELDS: &'static [Field];
    /// Where it comes from.
    const SOURCE: Source;
}

/// A route without parameters; whatever is sent is not read.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

impl Input for Nothing {
    const FIELDS: &'static [Field] = &[];
    const SOURCE: Source = Source::Query;
}

/// Which part of a list is wanted.
pub const SKIP: Field = Field::new("skip", Kind::Number { least: 0, most: MAX_SKIP });
/// How much of a list is wanted.
pub const LIMIT: Field = Field::new("limit", Kind::Number { least: 1, most: MAX_LIMIT });

/// The part of a list that a caller asked for.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Window {
    /// How many items to pass over.
    #[serde(default)]
    pub skip: u64,
    /// How many items at most.
    #[serde(default = "default_limit")]
    pub limit: u64,
}

const fn default_limit() -> u64 {
    DEFAULT_LIMIT
}

impl Input for Window {
    const FIELDS: &'static [Field] = &[SKIP, LIMIT];
    const SOURCE: Source = Source::Query;
}

impl Window {
    /// As the services take it.
    pub const fn page(self) -> Page {
        Page { offset: self.skip, count: Some(self.limit) }
    }

    /// Whether something of `total` items stands behind the `shown` ones.
    pub const fn has_more(self, shown: usize, total: u64) -> bool {
        self.skip.saturating_add(shown as u64) < total
    }
}

/// Tells a field that is `null` from one that is absent.
///
/// # Errors
/// Those of the field's own type.
pub fn present<'de, D, T>(deserializer: D) -> std::result::Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Reads a body.
///
/// # Errors
/// `Invalid` with everything that is wrong.
pub fn read_body<I: Input>(content_type: Option<&str>, bytes: &[u8]) -> Result<I> {
    if !content_type.is_none_or(is_json) {
        return Err(invalid(vec![Problem::new("body", "must be JSON, and be called so by its Content-Type")]));
    }
    let Ok(Value::Object(values)) = serde_json::from_slice(bytes) else {
        return Err(invalid(vec![Problem::new("body", "must be a JSON object")]));
    };
    let mut problems = Vec::new();
    for field in I::FIELDS {
        match values.get(field.name) {
            Some(value) => problems.extend(field.problem(value)),
            None if field.required => problems.push(Problem::new(field.name, "is required")),
            None => {}
        }
    }
    let unknown = values.keys().filter(|name| I::FIELDS.iter().all(|field| field.name != name.as_str()));
    for name in unknown.take(MAX_UNKNOWN) {
        problems.push(Problem::new(shown(name), "is not a known field"));
    }
    finish(values, problems)
}

/// Reads a query.
///
/// # Errors
/// `Invalid` with everything that is wrong.
pub fn read_query<I: Input>(query: &str) -> Result<I> {
    if I::FIELDS.is_empty() {
        return finish(Map::new(), Vec::new());
    }
    let Ok(pairs) = Query::<Vec<(String, String)>>::from_query(query) else {
        return Err(invalid(vec![Problem::new("query", "must be pairs of names and values")]));
    };
    let (mut values, mut problems) = (Map::new(), Vec::new());
    // A parameter that is there again and again is told of as often; nobody needs more than these.
    for (name, text) in pairs.into_inner().into_iter().take(MAX_PAIRS) {
        let Some(field) = I::FIELDS.iter().find(|field| field.name == name) else { continue };
        if values.contains_key(field.name) {
            problems.push(Problem::new(field.name, "must not be there twice"));
        }
        let value = field.value_of(text);
        problems.extend(field.problem(&value));
        values.insert(field.name.to_owned(), value);
    }
    finish(values, problems)
}

fn finish<I: Input>(values: Map<String, Value>, problems: Vec<Problem>) -> Result<I> {
    if !problems.is_empty() {
        return Err(invalid(problems));
    }
    // Only declared types come through; a difference to the Rust type is a defect of the declaration.
    serde_json::from_value(Value::Object(values))
        .map_err(|error| ServiceError::Internal(format!("the declared fields and the type differ: {error}")))
}

/// The refusal of what was sent.
pub fn invalid(problems: Vec<Problem>) -> ServiceError {
    OrganizationRefusal::Invalid(problems).into()
}

/// As much of a name that a client made up as an answer repeats.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

impl Field {
    fn problem(&self, value: &Value) -> Option<Problem> {
        let (fits, wanted) = match self.kind {
            Kind::Text => (value.is_string(), "must be a text".to_owned()),
            Kind::NullableText => (value.is_string() || value.is_null(), "must be a text or null".to_owned()),
            Kind::Texts => {
                let fits = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
                (fits, "must be a list of texts".to_owned())
            }
            Kind::Number { least, most } => {
                let fits = value.as_u64().is_some_and(|number| (least..=most).contains(&number));
                (fits, format!("must be a whole number from {least} to {most}"))
            }
            Kind::Flag => (value.is_boolean(), "must be true or false".to_owned()),
            Kind::Date => {
                let fits = value.as_str().is_some_and(|text| Timestamp::parse(text).is_some());
                (fits, "must be a date in the form of ISO 8601".to_owned())
            }
        };
        (!fits).then(|| Problem::new(self.name, wanted))
    }

    /// What a text of a query stands for.
    fn value_of(&self, text: String) -> Value {
        match self.kind {
            Kind::Number { .. } => {
                let plain = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u64>().ok().filter(|_| plain).map_or(Value::String(text), Value::from)
            }
            Kind::Flag => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::String(text),
            },
            _ => Value::String(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        name: String,
        #[serde(default, deserialize_with = "present")]
        note: Option<Option<String>>,
        tags: Option<Vec<String>>,
    }

    impl Input for Sample {
        const FIELDS: &'static [Field] = &[
            Field::required("name", Kind::Text),
            Field::new("note", Kind::NullableText),
            Field::new("tags", Kind::Texts),
        ];
        const SOURCE: Source = Source::Body;
    }

    fn problems<T: std::fmt::Debug>(outcome: Result<T>) -> Vec<(String, String)> {
        match outcome.unwrap_err() {
            ServiceError::Organization(OrganizationRefusal::Invalid(problems)) => {
                problems.into_iter().map(|problem| (problem.field, problem.problem)).collect()
            }
            other => panic!("{other}"),
        }
    }

    fn body(text: &str) -> Result<Sample> {
        read_body(Some("application/json; charset=utf-8"), text.as_bytes())
    }

    #[test]
    fn null_is_not_absent() {
        assert_eq!(body(r#"{"name":"a"}"#).unwrap().note, None);
        assert_eq!(body(r#"{"name":"a","note":null}"#).unwrap().note, Some(None));
        let full = body(r#"{"name":"a","note":"n","tags":["x"]}"#).unwrap();
        assert_eq!((full.name, full.note, full.tags), ("a".into(), Some(Some("n".into())), Some(vec!["x".into()])));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let found = problems(body(r#"{"note":7,"tags":["x",{"$ne":1}],"more":1,"__proto__":{}}"#));
        let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["name", "note", "tags", "more", "__proto__"]);
        assert_eq!(found[0].1, "is required");
        let many: Map<String, Value> = (0..1_000).map(|number| (format!("f{number}"), Value::Null)).collect();
        assert_eq!(problems(body(&Value::Object(many).to_string())).len(), 1 + MAX_UNKNOWN);
        for bad in ["", "[]", "null", "\"x\"", "{", "{}x", "\u{feff}{}"] {
            assert_eq!(problems(body(bad))[0].0, if bad == "{}" { "name" } else { "body" }, "{bad}");
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            let refused = read_body::<Sample>(Some(other), br#"{"name":"a"}"#);
            assert_eq!(problems(refused)[0].0, "body", "{other}");
        }
        assert!(read_body::<Sample>(None, br#"{"name":"a"}"#).is_ok());
        assert!(read_body::<Sample>(Some("application/merge-patch+json"), br#"{"name":"a"}"#).is_ok());
    }

    #[test]
    fn a_window_has_its_bounds() {
        let window = |query: &str| read_query::<Window>(query).map(|window| (window.skip, window.limit));
        assert_eq!(window("").unwrap(), (0, 50));
        assert_eq!(window("skip=7&limit=100&other=x").unwrap(), (7, 100));
        for bad in ["limit=0", "limit=101", "skip=-1", "skip=+1", "skip=1.5", "skip=", "limit=ten", "skip=1&skip=1"] {
            assert_eq!(problems(window(bad)).len(), 1, "{bad}");
        }
        assert_eq!(problems(window("skip=x&limit=y")).len(), 2);
        let window = Window { skip: 25, limit: 25 };
        assert_eq!([49, 50, 51].map(|total| window.has_more(25, total)), [false, false, true]);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_taken_or_refused(text in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for outcome in [body(&text), read_body(None, &bytes)] {
                prop_assert!(!matches!(outcome, Err(ServiceError::Internal(_))));
            }
            prop_assert!(!matches!(read_query::<Window>(&text), Err(ServiceError::Internal(_))));
        }
    }
}
