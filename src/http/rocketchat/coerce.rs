//! How one value becomes the JSON type that a field declares, as ajv's `coerceTypes` does it (contract 1.5). Which type a
//! field has, and everything about objects, is the business of [`super::shape`]; its tests cover this file.

use serde_json::{Number, Value};

use super::numbers;
use super::shape::Source;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonType {
    String,
    Number,
    Boolean,
    Array,
    Object,
}

impl JsonType {
    pub(super) fn refusal(self) -> String {
        let name = match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        };
        format!("must be {name}")
    }

    fn is_of(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::String, Value::String(_))
                | (Self::Number, Value::Number(_))
                | (Self::Boolean, Value::Bool(_))
                | (Self::Array, Value::Array(_))
                | (Self::Object, Value::Object(_))
        )
    }
}

/// The type of one value and how far it may be coerced.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) json_type: JsonType,
    pub(super) nullable: bool,
    pub(super) source: Source,
}

impl Expected {
    pub(super) fn check(self, value: &mut Value) -> Result<(), String> {
        if !self.accepts(value) {
            *value = self.coerced(value).ok_or_else(|| self.json_type.refusal())?;
        }
        // Whole numbers are integers from here on, however they were written.
        if let Value::Number(number) = value {
            *number = numbers::from_double(numbers::as_double(number)).ok_or_else(|| self.json_type.refusal())?;
        }
        Ok(())
    }

    fn accepts(self, value: &Value) -> bool {
        self.json_type.is_of(value) || (self.nullable && value.is_null())
    }

    fn coerced(self, value: &Value) -> Option<Value> {
        let value = self.unwrapped(value);
        // Only for a single type, as in the original: `["a"]` is no nullable text, though `[5]` is.
        if !self.nullable && self.json_type.is_of(value) {
            return Some(value.clone());
        }
        let coerced = match self.json_type {
            JsonType::String => to_text(value),
            JsonType::Number => to_number(value).map(Value::Number),
            JsonType::Boolean => to_boolean(value).map(Value::Bool),
            JsonType::Array => self.to_list(value),
            JsonType::Object => None,
        };
        coerced.or_else(|| (self.nullable && is_nullish(value)).then_some(Value::Null))
    }

    /// In a query a list of one stands for its value, wherever anything can be coerced at all.
    fn unwrapped(self, value: &Value) -> &Value {
        let never_coerced = self.json_type == JsonType::Object && !self.nullable;
        match value {
            Value::Array(items) if self.source == Source::Query && !never_coerced => match items.as_slice() {
                [single] => single,
                _ => value,
            },
            _ => value,
        }
    }

    fn to_list(self, value: &Value) -> Option<Value> {
        let single = self.source == Source::Query && !value.is_array() && !value.is_object();
        single.then(|| Value::Array(vec![value.clone()]))
    }
}

fn to_text(value: &Value) -> Option<Value> {
    let text = match value {
        Value::Number(number) => numbers::to_text(numbers::as_double(number)),
        Value::Bool(boolean) => boolean.to_string(),
        Value::Null => String::new(),
        _ => return None,
    };
    Some(Value::String(text))
}

fn to_number(value: &Value) -> Option<Number> {
    match value {
        Value::Bool(boolean) => Some(Number::from(u8::from(*boolean))),
        Value::Null => Some(Number::from(0)),
        Value::String(text) => numbers::from_text(text).and_then(numbers::from_double),
        _ => None,
    }
}

fn to_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => zero_or_one(numbers::as_double(number)),
        _ => None,
    }
}

/// Exactly 0 and 1, in any notation, stand for a boolean.
fn zero_or_one(value: f64) -> Option<bool> {
    if value == 0.0 {
        return Some(false);
    }
    (value == 1.0).then_some(true)
}

/// What is read as `null` where that is allowed and nothing closer fits.
fn is_nullish(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Bool(boolean) => !boolean,
        Value::Number(number) => numbers::as_double(number) == 0.0,
        _ => false,
    }
}
