//! What fields of answers can hold beside what the examples show. Schemas are read off recorded answers, and a conversation
//! of a few hundred lines shows neither a role without a description nor settings of every type. Fields go by the group of
//! their operation and their name, wherever in an answer they stand.

/// What else a field can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Also {
    /// `null`.
    Null,
    /// Whatever was put there, or what belongs to the kind of thing it is about.
    Anything,
}

use Also::{Anything, Null};

/// Groups of operations (see [`super::names`]), and their fields.
const BESIDES: &[(&str, &[(&str, Also)])] = &[
    ("audit", &[("cursor", Null), ("before", Anything), ("after", Anything), ("reason", Null), ("address", Null)]),
    ("settings", &[("value", Anything)]),
    // Preferences belong to clients: any of them may be null, and numbers may have fractions.
    ("session", &[("preferences", Anything)]),
    ("users", &[("preferences", Anything)]),
    ("subscriptions", &[("subscription", Null)]),
    ("channels", &[("customFields", Anything)]),
    ("groups", &[("customFields", Anything)]),
    ("rooms", &[("customFields", Anything)]),
    (
        "organization-roles",
        &[("description", Null), ("organization_id", Null), ("full_name", Null), ("email", Null), ("avatar_url", Null)],
    ),
    (
        "organization-members",
        &[("full_name", Null), ("email", Null), ("username", Null), ("avatar_url", Null), ("department_scope", Null)],
    ),
    (
        "organization-audit-log",
        &[
            ("actor_id", Null),
            ("actor_name", Null),
            ("user_id", Null),
            ("role_id", Null),
            ("details", Anything),
            ("reason", Null),
            ("address", Null),
        ],
    ),
];

/// The fields of a group.
pub(super) fn of(group: &str) -> &'static [(&'static str, Also)] {
    BESIDES.iter().find(|(name, _)| *name == group).map_or(&[], |(_, fields)| fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::openapi::examples::recorded;
    use crate::http::openapi::tag;
    use crate::http::routes::{operations, organization_operations};
    use serde_json::Value;

    fn has(value: &Value, name: &str) -> bool {
        match value {
            Value::Object(fields) => fields.contains_key(name) || fields.values().any(|inner| has(inner, name)),
            Value::Array(items) => items.iter().any(|item| has(item, name)),
            _ => false,
        }
    }

    #[test]
    fn every_field_that_is_named_here_is_in_an_answer_of_its_group() {
        let examples = recorded();
        let of_workspace = operations().into_iter().map(|known| (known.method, known.path));
        let all: Vec<_> =
            of_workspace.chain(organization_operations().into_iter().map(|known| (known.method, known.path))).collect();
        for (group, fields) in BESIDES {
            let mine = all.iter().filter(|(_, path)| tag(path) == *group);
            let keys: Vec<_> = mine.map(|(method, path)| crate::http::openapi::examples::key(method, path)).collect();
            let answers: Vec<&Value> =
                keys.iter().filter_map(|key| examples.get(key)).flatten().filter_map(|it| it.answer.as_ref()).collect();
            for (name, _) in *fields {
                assert!(answers.iter().any(|answer| has(answer, name)), "{group}: {name}");
            }
        }
    }
}
