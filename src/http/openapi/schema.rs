//! JSON schemas: of what a route takes, from its declared shape; of what it answers, from the answers on record. The
//! second kind says what was seen, and what is known of it besides ([`besides`]), and requires nothing: fields are absent
//! for other callers and other accounts.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};

use super::besides::{self, Also};
use crate::http::rocketchat::shape::{Field, Kind, Shape};

/// What a declared object accepts, without the fields in `elsewhere`.
pub(super) fn of_shape(shape: &Shape, elsewhere: &[&str]) -> Schema {
    let fields = shape.fields.iter().filter(|field| !elsewhere.contains(&field.name));
    let object = fields.fold(ObjectBuilder::new(), |object, field| {
        let object = object.property(field.name, of_field(field));
        if field.required { object.required(field.name) } else { object }
    });
    if shape.open { object.into() } else { object.additional_properties(closed()).into() }
}

fn closed() -> Option<AdditionalProperties<Schema>> {
    Some(AdditionalProperties::FreeForm(false))
}

/// What a declared field accepts without being coerced.
pub(super) fn of_field(field: &Field) -> Schema {
    match field.kind {
        Kind::Text if !field.one_of.is_empty() => {
            // `null` is refused here even if the field may be null otherwise.
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(field.one_of.iter().copied())).into()
        }
        Kind::Text if field.filled => {
            ObjectBuilder::new().schema_type(or_null(Type::String, field)).min_length(Some(1)).into()
        }
        Kind::Text => scalar(Type::String, field),
        Kind::Number => scalar(Type::Number, field),
        Kind::Boolean => scalar(Type::Boolean, field),
        Kind::TextList { unique } => {
            let texts = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String));
            texts.schema_type(or_null(Type::Array, field)).unique_items(unique).into()
        }
        Kind::List(shape) => {
            let objects = ArrayBuilder::new().items(RefOr::T(of_shape(shape, &[])));
            objects.schema_type(or_null(Type::Array, field)).into()
        }
        Kind::Any => scalar(Type::Object, field),
        Kind::Value => ObjectBuilder::new().schema_type(SchemaType::AnyValue).into(),
        Kind::Object(shape) => match of_shape(shape, &[]) {
            Schema::Object(mut object) => {
                object.schema_type = or_null(Type::Object, field);
                object.into()
            }
            other => other,
        },
    }
}

fn scalar(kind: Type, field: &Field) -> Schema {
    ObjectBuilder::new().schema_type(or_null(kind, field)).into()
}

fn or_null(kind: Type, field: &Field) -> SchemaType {
    if field.nullable { SchemaType::Array(vec![kind, Type::Null]) } else { kind.into() }
}

/// Whether a form can carry the fields: it has texts only.
pub(super) fn is_flat(shape: &Shape) -> bool {
    shape.fields.iter().all(|field| matches!(field.kind, Kind::Text | Kind::Number | Kind::Boolean | Kind::Value))
}

/// What was seen; nothing, if nothing was.
pub(super) fn of_values(values: &[&Value]) -> Schema {
    seen(values, &[], false)
}

/// The same of answers of a group of operations, with what is known of its fields besides.
pub(super) fn of_answers(group: &str, values: &[&Value]) -> Schema {
    seen(values, besides::of(group), false)
}

fn anything() -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

fn seen(values: &[&Value], besides: &[(&str, Also)], or_null: bool) -> Schema {
    let mut types = types_of(values);
    if types.contains(&Type::Array) && types.contains(&Type::Object) {
        return anything();
    }
    if or_null && !types.is_empty() && !types.contains(&Type::Null) {
        types.push(Type::Null);
    }
    let kind = match types.as_slice() {
        // What is not there says nothing of what it would be.
        [] | [Type::Null] => SchemaType::AnyValue,
        [only] => only.clone().into(),
        several => SchemaType::Array(several.to_vec()),
    };
    if types.contains(&Type::Array) {
        let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        let array = ArrayBuilder::new().schema_type(kind);
        return array.items(RefOr::T(seen(&items, besides, false))).into();
    }
    let mut object = ObjectBuilder::new().schema_type(kind);
    if types.contains(&Type::String) && values.iter().filter_map(|value| value.as_str()).all(is_time) {
        object = object.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    }
    for name in names_of(values) {
        let found: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
        object = match besides.iter().find(|(field, _)| *field == name).map(|(_, also)| also) {
            Some(Also::Anything) => object.property(name, anything()),
            also => object.property(name, seen(&found, besides, also.is_some())),
        };
    }
    object.into()
}

fn types_of(values: &[&Value]) -> Vec<Type> {
    let mut types = Vec::new();
    for value in values {
        let kind = match value {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Boolean,
            Value::Number(number) if number.is_f64() => Type::Number,
            Value::Number(_) => Type::Integer,
            Value::String(_) => Type::String,
            Value::Array(_) => Type::Array,
            Value::Object(_) => Type::Object,
        };
        if !types.contains(&kind) {
            types.push(kind);
        }
    }
    types
}

fn names_of<'v>(values: &[&'v Value]) -> Vec<&'v str> {
    let mut names = Vec::new();
    for name in values.iter().filter_map(|value| value.as_object()).flat_map(|fields| fields.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name.as_str());
        }
    }
    names
}

/// `2026-01-02T03:04:05.678Z`, the one form in which times are sent.
fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(c, p): (u8, u8)| if p == b'd' { c.is_ascii_digit() } else { c == p };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn observed(values: &[Value]) -> Value {
        serde_json::to_value(of_values(&values.iter().collect::<Vec<_>>())).unwrap()
    }

    #[test]
    fn a_declared_shape_says_what_it_takes() {
        const INNER: Shape = Shape::open(&[Field::required_text("_id")]);
        const SHAPE: Shape = Shape::closed(&[
            Field::required_text("name"),
            Field::text("scope").nullable().one_of(&["Users", "Subscriptions"]),
            Field::number("count"),
            Field::boolean("active").nullable(),
            Field::unique_texts("roles"),
            Field::list("phones", &INNER),
            Field::text("elsewhere").required(),
        ]);
        let expected = json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "scope": {"type": "string", "enum": ["Users", "Subscriptions"]},
                "count": {"type": "number"},
                "active": {"type": ["boolean", "null"]},
                "roles": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
                "phones": {
                    "type": "array",
                    "items": {"type": "object", "required": ["_id"], "properties": {"_id": {"type": "string"}}},
                },
            },
            "additionalProperties": false,
        });
        assert_eq!(serde_json::to_value(of_shape(&SHAPE, &["elsewhere"])).unwrap(), expected);
    }

    #[test]
    fn answers_say_what_they_were() {
        let answers = [
            json!({"roles": [{"at": "2026-01-02T03:04:05.678Z", "n": 1}, {"at": null, "n": 1.5}], "empty": []}),
            json!({"roles": [], "success": true}),
        ];
        let expected = json!({
            "type": "object",
            "properties": {
                "roles": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "at": {"type": ["string", "null"], "format": "date-time"},
                            "n": {"type": ["integer", "number"]},
                        },
                    },
                },
                "empty": {"type": "array", "items": {}},
                "success": {"type": "boolean"},
            },
        });
        assert_eq!(observed(&answers), expected);
    }

    #[test]
    fn answers_say_what_they_may_be_besides() {
        let answer = json!({"cursor": "a", "entries": [{"after": {"n": 1}, "reason": null, "address": null}], "n": 1});
        let expected = json!({
            "type": "object",
            "properties": {
                "cursor": {"type": ["string", "null"]},
                "entries": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"after": {}, "reason": {}, "address": {}},
                    },
                },
                "n": {"type": "integer"},
            },
        });
        assert_eq!(serde_json::to_value(of_answers("audit", &[&answer])).unwrap(), expected);
    }

    #[test]
    fn only_whole_times_are_times() {
        assert!(is_time("2026-01-02T03:04:05.678Z"));
        for text in ["", "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+"] {
            assert!(!is_time(text), "{text}");
        }
    }
}
