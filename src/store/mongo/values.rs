//! Single values between BSON and JSON, and reading fields that a foreign document may lack or hold in another type.
//! Whole documents are in `documents`.

use mongodb::bson::{Bson, DateTime, Document};
use serde_json::{Map, Value};

use crate::domain::time::Timestamp;
use crate::store::{Result, StoreError};

/// Whole numbers up to this size are exact in a double (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A date as stored.
pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millis())
}

/// `_id`, the one field without which a document cannot be used.
pub(super) fn id<'a>(document: &'a Document, what: &str) -> Result<&'a str> {
    document.get_str("_id").map_err(|_| StoreError::Corrupt(format!("a {what} whose _id is not a text")))
}

/// A text, if it is one.
pub(super) fn text(document: &Document, field: &str) -> Option<String> {
    document.get_str(field).ok().map(str::to_owned)
}

/// A date, if it is one.
pub(super) fn time(document: &Document, field: &str) -> Option<Timestamp> {
    document.get_datetime(field).ok().map(|at| Timestamp::from_millis(at.timestamp_millis()))
}

/// A switch, off when it is missing.
pub(super) fn flag(document: &Document, field: &str) -> bool {
    document.get_bool(field).unwrap_or(false)
}

/// A whole number in any of the three types that drivers write.
pub(super) fn number(document: &Document, field: &str) -> Option<i64> {
    match document.get(field)? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) => whole(*number),
        _ => None,
    }
}

/// The texts of a list; anything else in it is passed over. `None` when there is no list.
pub(super) fn texts(document: &Document, field: &str) -> Option<Vec<String>> {
    let list = document.get_array(field).ok()?;
    Some(list.iter().filter_map(Bson::as_str).map(str::to_owned).collect())
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small enough to be exact")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// A stored value in wire form: dates as ISO 8601 text, ids of the database as hexadecimal text, whole doubles without
/// a fraction, as a JavaScript server sends them.
pub(super) fn json(value: &Bson) -> Value {
    match value {
        Bson::Double(number) => whole(*number).map_or_else(|| Value::from(*number), Value::from),
        Bson::String(text) | Bson::Symbol(text) => Value::from(text.as_str()),
        Bson::Array(list) => list.iter().map(json).collect(),
        Bson::Document(document) => Value::Object(json_fields(document)),
        Bson::Boolean(value) => Value::from(*value),
        Bson::Int32(number) => Value::from(*number),
        Bson::Int64(number) => Value::from(*number),
        Bson::DateTime(at) => Value::from(Timestamp::from_millis(at.timestamp_millis()).to_string()),
        Bson::ObjectId(id) => Value::from(id.to_hex()),
        Bson::Null | Bson::Undefined => Value::Null,
        other => Value::from(other.to_string()),
    }
}

/// All fields of a document in wire form.
pub(super) fn json_fields(document: &Document) -> Map<String, Value> {
    document.iter().map(|(field, value)| (field.clone(), json(value))).collect()
}

/// A JSON value as it is stored. Numbers take the smallest type that holds them, as Rocket.Chat's driver does.
pub(super) fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32),
            None => Bson::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(list) => Bson::Array(list.iter().map(bson).collect()),
        Value::Object(fields) => Bson::Document(bson_fields(fields)),
    }
}

/// All fields of a JSON object as they are stored.
pub(super) fn bson_fields(fields: &Map<String, Value>) -> Document {
    fields.iter().map(|(field, value)| (field.clone(), bson(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z]{1,6}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(value in any_json()) {
            prop_assert_eq!(json(&bson(&value)), value);
        }
    }

    #[test]
    fn values_of_the_database_take_their_wire_form() {
        let stored = doc! { "at": DateTime::from_millis(0), "offset": 2.0, "half": 5.5, "none": Bson::Undefined };
        let wire = Value::Object(json_fields(&stored));
        assert_eq!(wire, json!({ "at": "1970-01-01T00:00:00.000Z", "offset": 2, "half": 5.5, "none": null }));
    }

    #[test]
    fn a_number_is_read_from_any_numeric_type_and_from_nothing_else() {
        let stored = doc! { "a": 3, "b": 3_i64, "c": 3.0, "d": 3.5, "e": "3" };
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(|field| number(&stored, field)),
            [Some(3), Some(3), Some(3), None, None, None]
        );
    }
}
