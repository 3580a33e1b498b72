//! Names of fields that a workspace invents for itself (`customFields`). They become names inside of stored documents, so
//! a name that a database could take for an operator or a path is no name.

use serde_json::{Map, Value};

/// Whether every name in `fields`, however deep, is one that any store keeps as it is: not empty, not beginning with
/// `$`, without a dot and without a zero byte.
pub fn are_storable(fields: &Map<String, Value>) -> bool {
    fields.iter().all(|(name, value)| is_name(name) && is_storable(value))
}

fn is_storable(value: &Value) -> bool {
    match value {
        Value::Object(fields) => are_storable(fields),
        Value::Array(values) => values.iter().all(is_storable),
        _ => true,
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('$') && !name.contains(['.', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: Value) -> bool {
        are_storable(value.as_object().unwrap())
    }

    #[test]
    fn plain_names_are_kept_at_any_depth() {
        assert!(check(json!({})));
        assert!(check(json!({"team": {"lead": "bob", "größe": 3}, "tags": [{"a$": 1}]})));
    }

    #[test]
    fn what_a_database_could_misread_is_no_name_at_any_depth() {
        for fields in [
            json!({"$set": 1}),
            json!({"a.b": 1}),
            json!({"": 1}),
            json!({"a\u{0}": 1}),
            json!({"a": {"$ne": null}}),
            json!({"a": [[{"b.c": 1}]]}),
        ] {
            assert!(!check(fields.clone()), "{fields}");
        }
    }
}
