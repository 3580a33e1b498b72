//! What an endpoint declares of its parameters, and the one place that coerces or refuses what a client sent, with the
//! texts of the validator behind Rocket.Chat's API (contract 1.5). Rules that need more than the value itself, such as
//! "this role exists", belong to the services.
//!
//! The order inside one object: is it one, are the required fields there (as declared), are there others, then each field.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::coerce::{Expected, JsonType};

/// Where the value comes from: a query has texts only, so it is read more leniently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A request body.
    Body,
    /// A query: besides, a single value stands for a list of one and the other way round.
    Query,
}

/// The fields of an object. Declare each as a `const`, inner ones too: a `static` cannot stand in a table of another.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// In the order in which missing ones are reported.
    pub fields: &'static [Field],
    /// Other keys are left out of the result instead of refused.
    pub open: bool,
}

/// One field of a [`Shape`].
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Must be there.
    pub required: bool,
    /// May be `null`; without this, `null` is read as `""`, `0` or `false` where one of them fits.
    pub nullable: bool,
    /// A text that must not be empty.
    pub filled: bool,
    /// The only texts allowed, if any are named; `null` is then refused even where it is allowed otherwise.
    pub one_of: &'static [&'static str],
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text; numbers and booleans are written out.
    Text,
    /// A number, of any sign and with or without a fraction: read it into an `f64`.
    Number,
    /// A boolean; also `"true"`, `"false"`, 1 and 0.
    Boolean,
    /// A list of texts.
    TextList {
        /// Refuses a text that is there twice once all are texts: `["1", 1]` is refused.
        unique: bool,
    },
    /// Any object, handed on as it is.
    Any,
    /// Any value at all, handed on as it is.
    Value,
    /// A list of objects.
    List(&'static Shape),
    /// An object.
    Object(&'static Shape),
}

impl Shape {
    /// Refuses other keys.
    #[must_use]
    pub const fn closed(fields: &'static [Field]) -> Self {
        Self { fields, open: false }
    }

    /// Leaves other keys out.
    #[must_use]
    pub const fn open(fields: &'static [Field]) -> Self {
        Self { fields, open: true }
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// An optional field that may not be `null`.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false, nullable: false, filled: false, one_of: &[] }
    }

    /// An optional text.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    /// A text that must be there.
    #[must_use]
    pub const fn required_text(name: &'static str) -> Self {
        Self::text(name).required()
    }

    /// An optional number.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self::new(name, Kind::Number)
    }

    /// An optional boolean.
    #[must_use]
    pub const fn boolean(name: &'static str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// An optional list of texts.
    #[must_use]
    pub const fn texts(name: &'static str) -> Self {
        Self::new(name, Kind::TextList { unique: false })
    }

    /// An optional list of texts, none of them twice.
    #[must_use]
    pub const fn unique_texts(name: &'static str) -> Self {
        Self::new(name, Kind::TextList { unique: true })
    }

    /// An optional object of any content.
    #[must_use]
    pub const fn any(name: &'static str) -> Self {
        Self::new(name, Kind::Any)
    }

    /// An optional value of any kind.
    #[must_use]
    pub const fn value(name: &'static str) -> Self {
        Self::new(name, Kind::Value)
    }

    /// An optional list of objects.
    #[must_use]
    pub const fn list(name: &'static str, items: &'static Shape) -> Self {
        Self::new(name, Kind::List(items))
    }

    /// An optional object.
    #[must_use]
    pub const fn object(name: &'static str, shape: &'static Shape) -> Self {
        Self::new(name, Kind::Object(shape))
    }

    /// The same field, required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same field, allowed to be `null`.
    #[must_use]
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same text, not empty.
    #[must_use]
    pub const fn filled(mut self) -> Self {
        self.filled = true;
        self
    }

    /// The same field, held to these texts.
    #[must_use]
    pub const fn one_of(mut self, texts: &'static [&'static str]) -> Self {
        self.one_of = texts;
        self
    }
}

/// Reads a value as the declared shape. The result holds declared fields only, each of its declared kind, so that a
/// struct with the same fields can always be made of it.
///
/// # Errors
/// The text for the client.
pub fn fit(shape: &Shape, mut value: Value, source: Source) -> Result<Map<String, Value>, String> {
    check_object(shape, &mut value, source)?;
    Ok(keep_declared(shape, value))
}

/// Reads a value as the first of several shapes that takes it: an endpoint that wants `userId` or `username`.
///
/// # Errors
/// The text for the client: what each shape had to say, and that none of them took it.
pub fn fit_any_of(shapes: &[Shape], mut value: Value, source: Source) -> Result<Map<String, Value>, String> {
    let mut refusals = Vec::with_capacity(shapes.len() + 1);
    for shape in shapes {
        // What one shape coerced before it refused stays coerced for the next, as in the original.
        match check_object(shape, &mut value, source) {
            Ok(()) => return Ok(keep_declared(shape, value)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    refusals.push("must match a schema in anyOf".to_owned());
    Err(refusals.join("\n "))
}

fn check_object(shape: &Shape, value: &mut Value, source: Source) -> Result<(), String> {
    let Value::Object(map) = value else { return Err(JsonType::Object.refusal()) };
    if let Some(missing) = shape.fields.iter().find(|field| field.required && !map.contains_key(field.name)) {
        return Err(format!("must have required property '{}'", missing.name));
    }
    if !shape.open && map.keys().any(|key| shape.field(key).is_none()) {
        return Err("must NOT have additional properties".to_owned());
    }
    for field in shape.fields {
        if let Some(value) = map.get_mut(field.name) {
            check_field(field, value, source)?;
        }
    }
    Ok(())
}

fn check_field(field: &Field, value: &mut Value, source: Source) -> Result<(), String> {
    let Some(json_type) = field.kind.json_type() else { return Ok(()) };
    Expected { json_type, nullable: field.nullable, source }.check(value)?;
    if !field.one_of.is_empty() && !value.as_str().is_some_and(|text| field.one_of.contains(&text)) {
        return Err("must be equal to one of the allowed values".to_owned());
    }
    if field.filled && value.as_str().is_some_and(str::is_empty) {
        return Err("must NOT have fewer than 1 characters".to_owned());
    }
    match (field.kind, value) {
        (Kind::TextList { unique }, Value::Array(items)) => check_texts(items, unique, source),
        (Kind::List(shape), Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| check_object(shape, item, source))
        }
        (Kind::Object(shape), value @ Value::Object(_)) => check_object(shape, value, source),
        _ => Ok(()),
    }
}

fn check_texts(items: &mut [Value], unique: bool, source: Source) -> Result<(), String> {
    let expected = Expected { json_type: JsonType::String, nullable: false, source };
    items.iter_mut().try_for_each(|item| expected.check(item))?;
    if unique { refuse_duplicates(items) } else { Ok(()) }
}

/// Searches from the end, so that the pair reported is the one clients know from the original.
fn refuse_duplicates(items: &[Value]) -> Result<(), String> {
    let mut seen = HashMap::new();
    for (place, text) in items.iter().enumerate().rev().filter_map(|(place, item)| Some((place, item.as_str()?))) {
        if let Some(later) = seen.insert(text, place) {
            return Err(format!("must NOT have duplicate items (items ## {later} and {place} are identical)"));
        }
    }
    Ok(())
}

fn keep_declared(shape: &Shape, value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { return Map::new() };
    let declared = |(key, value): (String, Value)| {
        let kept = match shape.field(&key)?.kind {
            Kind::Object(inner) if value != Value::Null => Value::Object(keep_declared(inner, value)),
            Kind::List(inner) => keep_declared_items(inner, value),
            _ => value,
        };
        Some((key, kept))
    };
    map.into_iter().filter_map(declared).collect()
}

fn keep_declared_items(shape: &Shape, value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| Value::Object(keep_declared(shape, item))).collect(),
        other => other,
    }
}

impl Kind {
    /// `None` where any will do.
    fn json_type(self) -> Option<JsonType> {
        match self {
            Self::Text => Some(JsonType::String),
            Self::Number => Some(JsonType::Number),
            Self::Boolean => Some(JsonType::Boolean),
            Self::TextList { .. } | Self::List(_) => Some(JsonType::Array),
            Self::Any | Self::Object(_) => Some(JsonType::Object),
            Self::Value => None,
        }
    }
}

#[cfg(test)]
mod tests;
