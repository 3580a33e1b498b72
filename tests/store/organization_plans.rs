//! The lists of organizations on MongoDB are read from an index that has them in order: no collection is scanned, and
//! nothing is sorted that is not shown. The questions are those of the store, word for word.

use mongodb::bson::{Document, doc};

use crate::fixtures::run;
use crate::support::stores::{Backend, Raw, TestStore};

/// Every stage of the plan that MongoDB chooses.
async fn stages(test: &TestStore, collection: &str, filter: Document, sort: Document) -> Vec<String> {
    let Raw::Mongo(database) = &test.raw else { panic!("plans are MongoDB's") };
    let find = doc! { "find": collection, "filter": filter, "sort": sort, "limit": 10 };
    let explained = database.run_command(doc! { "explain": find, "verbosity": "queryPlanner" }).await.unwrap();
    let plan = explained.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap();
    let mut found = Vec::new();
    collect(plan, &mut found);
    found
}

fn collect(plan: &Document, found: &mut Vec<String>) {
    if let Ok(inner) = plan.get_document("queryPlan") {
        return collect(inner, found);
    }
    found.push(plan.get_str("stage").unwrap_or("?").to_owned());
    if let Ok(inner) = plan.get_document("inputStage") {
        collect(inner, found);
    }
    for inner in plan.get_array("inputStages").into_iter().flatten() {
        collect(inner.as_document().unwrap(), found);
    }
}

async fn every_list_comes_from_an_index_in_order(test: &TestStore) {
    let ann = test.user("ann").await;
    for number in 0..20 {
        let place = test.organization(&format!("org {number}"), &ann).await;
        for name in ["one", "two"] {
            test.custom_role(&place, name).await;
        }
    }
    let (members, roles) = ("rolekeeper_organization_members", "rolekeeper_organization_roles");
    let people = doc! { "user": 1, "organization": 1 };
    let behind = [doc! { "at": { "$lt": 7 } }, doc! { "at": 7, "_id": { "$lt": "x" } }].to_vec();
    let latest = doc! { "at": -1, "_id": -1 };
    for (collection, filter, sort) in [
        (members, doc! { "organization": "o" }, people.clone()),
        (members, doc! { "organization": "o", "roles.role": "r" }, people.clone()),
        (members, doc! { "user": "u" }, people.clone()),
        (members, doc! { "user": "u", "roles.role": "role_owner" }, people),
        (roles, doc! { "organization": "o" }, doc! { "nameKey": 1 }),
        ("rolekeeper_audit", doc! { "organization": "o" }, latest.clone()),
        ("rolekeeper_audit", doc! { "organization": "o", "action": "a", "$or": behind }, latest),
        ("rolekeeper_idempotency", doc! { "startedAt": { "$lte": 7 } }, doc! {}),
    ] {
        let stages = stages(test, collection, filter.clone(), sort).await;
        let good = stages.iter().all(|stage| !["COLLSCAN", "SORT", "?"].contains(&stage.as_str()));
        assert!(good && stages.iter().any(|stage| stage == "IXSCAN"), "{collection} {filter}: {stages:?}");
    }
}

#[tokio::test]
async fn mongo() {
    run(Backend::Mongo, every_list_comes_from_an_index_in_order).await;
}
