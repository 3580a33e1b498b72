//! Which events a stream brings, and which facts each of them makes untrue. The server is asked for the names of the
//! fields that changed and never for their values: hashes of passwords and tokens stay where they are.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};

use crate::domain::fact::Fact;
use crate::domain::ids::UserId;
use crate::domain::setting::SETTINGS;
use crate::store::mongo::indexes;

/// Fields of an account that decide who holds what, and under which name; everything else concerns the account alone.
const OF_HOLDERS: [&str; 5] = ["roles", "username", "name", "type", "active"];
/// What an event says that makes everything uncertain.
const UPHEAVALS: [&str; 4] = ["drop", "rename", "dropDatabase", "invalidate"];

/// What an event means here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These facts are not what they were.
    Changed(Vec<Fact>),
    /// This node's own document got that number.
    Beat(i64),
    /// Nothing is certain any more, and the stream may be at its end.
    Upheaval,
}

/// The aggregation that is a stream of the events that matter to this node.
pub(super) fn pipeline(node: ObjectId) -> Vec<Document> {
    let whole = [indexes::USERS, indexes::ROLES, indexes::PERMISSIONS];
    let kept = [indexes::USERS, indexes::ROLES, indexes::PERMISSIONS, indexes::SETTINGS, indexes::NODES];
    let settings: Vec<&str> = SETTINGS.iter().map(|setting| setting.id).collect();
    let wanted = doc! { "$or": [
        { "ns.coll": { "$in": whole.as_slice() } },
        { "ns.coll": indexes::SETTINGS, "documentKey._id": { "$in": settings } },
        { "ns.coll": indexes::NODES, "documentKey._id": node },
        // Neither a collection nor a database that goes has a document key.
        { "operationType": { "$in": UPHEAVALS.as_slice() }, "ns.coll": { "$in": kept.as_slice() } },
        { "operationType": { "$in": UPHEAVALS.as_slice() }, "to.coll": { "$in": kept.as_slice() } },
        { "operationType": { "$in": ["dropDatabase", "invalidate"] } },
    ] };
    let keys = doc! { "$map": { "input": { "$objectToArray": "$updateDescription.updatedFields" }, "in": "$$this.k" } };
    let told = doc! {
        "operationType": 1,
        "ns.coll": 1,
        "documentKey._id": 1,
        "updated": keys,
        "removed": "$updateDescription.removedFields",
        "truncated": "$updateDescription.truncatedArrays.field",
        "beat": { "$ifNull": ["$updateDescription.updatedFields.beat", "$fullDocument.beat"] },
    };
    vec![doc! { "$changeStream": {} }, doc! { "$match": wanted }, doc! { "$project": told }]
}

/// What an event means. One that is not understood makes everything uncertain.
pub(super) fn news(event: &Document) -> News {
    let collection = event.get_document("ns").ok().and_then(|place| place.get_str("coll").ok());
    let operation = event.get_str("operationType").unwrap_or_default();
    if !["insert", "update", "replace", "delete"].contains(&operation) {
        return News::Upheaval;
    }
    match collection {
        Some(indexes::NODES) => match event.get("beat") {
            Some(Bson::Int64(number)) => News::Beat(*number),
            // It was removed; the next beat makes it again.
            _ => News::Changed(Vec::new()),
        },
        Some(indexes::ROLES) => News::Changed(vec![Fact::Roles]),
        Some(indexes::PERMISSIONS | indexes::SETTINGS) => News::Changed(vec![Fact::Rights]),
        Some(indexes::USERS) => match event.get_document("documentKey").and_then(|key| key.get_str("_id")) {
            Ok(id) => News::Changed(of_account(UserId::from_stored(id), operation, event)),
            // Nobody could be known by an id that is no text, but somebody may be listed.
            Err(_) => News::Changed(vec![Fact::Holders]),
        },
        _ => News::Upheaval,
    }
}

fn of_account(id: UserId, operation: &str, event: &Document) -> Vec<Fact> {
    let mut facts = vec![Fact::Account(id)];
    let fields = ["updated", "removed", "truncated"].into_iter().filter_map(|list| event.get_array(list).ok());
    if operation != "update" || fields.flatten().any(concerns_holders) {
        facts.push(Fact::Holders);
    }
    facts
}

/// Whether a field, or one inside of it (`roles.2`), is one of those that decide; a name that is no text may be.
fn concerns_holders(field: &Bson) -> bool {
    field.as_str().is_none_or(|path| OF_HOLDERS.contains(&path.split('.').next().unwrap_or(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_user(operation: &str, details: Document) -> News {
        let mut event = doc! { "operationType": operation, "ns": { "coll": "users" }, "documentKey": { "_id": "ann" } };
        event.extend(details);
        news(&event)
    }

    fn account() -> Fact {
        Fact::Account(UserId::from_stored("ann"))
    }

    #[test]
    fn only_some_fields_of_an_account_concern_the_lists_of_holders() {
        let (alone, both) = (News::Changed(vec![account()]), News::Changed(vec![account(), Fact::Holders]));
        assert_eq!(of_user("update", doc! { "updated": ["status", "services.resume.loginTokens"] }), alone);
        assert_eq!(of_user("update", doc! { "updated": ["nameInsensitive", "rolesOfOld.1"], "removed": [] }), alone);
        for named in ["updated", "removed", "truncated"] {
            for field in ["roles", "roles.1", "username", "name", "type", "active"] {
                assert_eq!(of_user("update", doc! { named: ["status", field] }), both, "{named} {field}");
            }
        }
        for operation in ["insert", "replace", "delete"] {
            assert_eq!(of_user(operation, doc! {}), both, "{operation}");
        }
    }

    #[test]
    fn what_is_not_understood_makes_everything_uncertain() {
        for operation in ["drop", "rename", "dropDatabase", "invalidate", "reshardCollection", ""] {
            assert_eq!(of_user(operation, doc! {}), News::Upheaval, "{operation}");
        }
        assert_eq!(news(&doc! { "operationType": "insert", "ns": { "coll": "elsewhere" } }), News::Upheaval);
    }

    #[test]
    fn no_value_of_any_field_is_asked_for_but_the_beat() {
        let asked = format!("{:?}", pipeline(ObjectId::from_bytes([0; 12])).pop().unwrap());
        assert_eq!(asked.matches("fullDocument").count(), 1, "{asked}");
        assert!(asked.contains("$fullDocument.beat") && !asked.contains("$$this.v"), "{asked}");
    }
}
