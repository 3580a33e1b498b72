//! The chains of the record: every change has its place in one, once, whoever makes it and whoever seals. What is found
//! after somebody has been at the entries is `audit_tampering`.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use mongodb::bson::doc;
use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit_chain::{Finding, Head, Link, Problem, Sealer, WORKSPACE};
use rolekeeper::domain::role::RoleScope;
use rolekeeper::service::audit::heads;
use rolekeeper::service::audit::verify::{Part, Scope, Told, export, verify};
use rolekeeper::store::mongo::MongoStore;
use rolekeeper::store::{AuditStore as _, Period};
use tokio::task::JoinSet;

use crate::support::clock::TestIds;
use crate::support::stores::{Backend, Raw, TestStore, fresh};

/// What somebody is told who looks whether the record is whole.
pub async fn told(test: &TestStore, scope: &Scope) -> Vec<Told> {
    let mut told = Vec::new();
    let findings =
        verify(test.store.as_ref(), &Sealer::default(), scope, test.clock.now(), |line| told.push(line)).await.unwrap();
    assert_eq!(findings, told.iter().filter(|line| matches!(line, Told::Finding(_))).count() as u64);
    told
}

/// What is wrong with the record.
pub async fn findings(test: &TestStore, expected: Option<Head>) -> Vec<Finding> {
    let told = told(test, &Scope { name: None, expected }).await;
    let finding = |line| match line {
        Told::Finding(finding) => Some(finding),
        _ => None,
    };
    told.into_iter().filter_map(finding).collect()
}

pub async fn links(test: &TestStore, scope: &str) -> Vec<Link> {
    test.store.audit_links(scope).try_collect().await.unwrap()
}

async fn every_change_has_its_place_in_the_chain_of_its_scope(test: &TestStore) {
    let ann = test.user("ann").await;
    let place = test.organization("Acme", &ann).await;
    test.custom_role(&place, "deputy").await;
    test.role("helper", RoleScope::Users).await;
    test.store.seal_audit_entries().await.unwrap();
    let mut ids = BTreeSet::new();
    for (scope, length) in [(WORKSPACE, 3), (place.as_str(), 2)] {
        let links = links(test, scope).await;
        assert_eq!(links.iter().map(|link| link.seal.seq).collect::<Vec<_>>(), (1..=length).collect::<Vec<_>>());
        let last = links.last().unwrap().seal.head();
        assert_eq!(test.store.find_audit_head(scope).await.unwrap(), Some(last));
        ids.extend(links.into_iter().map(|link| link.id));
    }
    let record = test.record().await;
    assert_eq!(ids, record.into_iter().map(|entry| entry.id).collect());
    assert_eq!(findings(test, None).await, []);
    let told_heads = heads(test.store.as_ref(), 10).await.unwrap();
    let scopes: Vec<_> = told_heads.iter().map(|(scope, _)| scope.as_str()).collect();
    assert_eq!(scopes, [WORKSPACE, place.as_str()]);
}

async fn a_refusal_takes_no_place(test: &TestStore) {
    test.role("helper", RoleScope::Users).await;
    test.store.create_role(test.new_role("helper", RoleScope::Users), &test.by()).await.unwrap_err();
    test.role("deputy", RoleScope::Users).await;
    test.store.seal_audit_entries().await.unwrap();
    assert_eq!(links(test, WORKSPACE).await.len(), 2);
    assert_eq!(findings(test, None).await, []);
}

async fn under_load_there_are_as_many_entries_as_changes_that_were_acknowledged(test: &TestStore) {
    const CLIENTS: usize = 8;
    const EACH: usize = 15;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        // Every name is wanted by two clients, so that some are refused.
        let new: Vec<_> =
            (0..EACH).map(|number| test.new_role(&format!("role {} {number}", client / 2), RoleScope::Users)).collect();
        let (store, by) = (Arc::clone(&test.store), test.by());
        clients.spawn(async move {
            let mut acknowledged = 0;
            for role in new {
                acknowledged += u64::from(store.create_role(role, &by).await.is_ok());
            }
            acknowledged
        });
    }
    let acknowledged: u64 = clients.join_all().await.into_iter().sum();
    assert_eq!(acknowledged as usize, CLIENTS / 2 * EACH);
    test.store.seal_audit_entries().await.unwrap();
    let told = told(test, &Scope::default()).await;
    assert!(matches!(told.as_slice(), [Told::Chain { entries, .. }] if *entries == acknowledged), "{told:?}");
}

async fn a_period_is_listed_by_time_page_by_page(test: &TestStore) {
    for number in 0..7 {
        test.clock.advance(if number == 3 { -500 } else { 1_000 });
        test.role(&format!("role {number}"), RoleScope::Users).await;
    }
    let all = test.store.page_audit_entries(&Period::default(), 100).await.unwrap();
    let key = |entry: &rolekeeper::domain::audit::AuditEntry| (entry.context.at, entry.id.clone());
    let mut sorted = all.clone();
    sorted.sort_by_key(|entry| std::cmp::Reverse(key(entry)));
    assert_eq!((all.len(), &all), (7, &sorted));
    let mut pages = Vec::new();
    let mut behind = None;
    loop {
        let page = test.store.page_audit_entries(&Period { behind, ..Period::default() }, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        behind = Some(key(last));
        pages.extend(page);
        // What comes meanwhile is newer, and changes nothing behind.
        test.clock.advance(1_000);
        test.role(&format!("new {}", pages.len()), RoleScope::Users).await;
    }
    assert_eq!(pages, all);
    let (from, to) = (all[5].context.at, all[2].context.at);
    let period = Period { from: Some(from), to: Some(to), behind: None };
    assert_eq!(test.store.page_audit_entries(&period, 100).await.unwrap(), all[2..=5]);
}

async fn what_is_written_out_is_everything_and_says_where_it_stands(test: &TestStore) {
    let ann = test.user("ann").await;
    let place = test.organization("Acme", &ann).await;
    test.clock.advance(1_000);
    let later = test.clock.now();
    test.role("helper", RoleScope::Users).await;
    let written = async |part: Part| {
        let mut lines = Vec::new();
        export(test.store.as_ref(), &part, |line| {
            lines.push(line.clone());
            Ok(())
        })
        .await
        .unwrap();
        lines
    };
    test.store.seal_audit_entries().await.unwrap();
    let all = written(Part::default()).await;
    assert_eq!(all.len(), test.record().await.len());
    for line in &all {
        let scope = line["scope"].as_str().unwrap();
        let link = links(test, scope).await.into_iter().find(|link| line["seq"] == link.seal.seq).unwrap();
        assert_eq!(line["hash"], link.seal.hash.to_string());
        assert_eq!(line["entry"], serde_json::Value::Object(link.fields));
    }
    let count = async |part| written(part).await.len();
    assert_eq!(count(Part { scope: Some(place.as_str().to_owned()), ..Part::default() }).await, 1);
    assert_eq!(count(Part { from: Some(later), ..Part::default() }).await, 1);
    assert_eq!(count(Part { to: Some(later), ..Part::default() }).await, all.len());
}

on_every_backend![
    empty:
    a_refusal_takes_no_place,
    under_load_there_are_as_many_entries_as_changes_that_were_acknowledged,
    a_period_is_listed_by_time_page_by_page,
];

mod seeded {
    use super::{
        every_change_has_its_place_in_the_chain_of_its_scope,
        what_is_written_out_is_everything_and_says_where_it_stands,
    };

    on_every_backend![
        every_change_has_its_place_in_the_chain_of_its_scope,
        what_is_written_out_is_everything_and_says_where_it_stands,
    ];
}

/// Two nodes on one database, the second of which does nothing but seal.
async fn two_nodes() -> (TestStore, Arc<MongoStore>, Arc<MongoStore>) {
    let test = fresh(Backend::Mongo).await;
    let Raw::Mongo(database) = &test.raw else { panic!("MongoDB is asked for") };
    let base = crate::support::mongod::url_of(database.name());
    let connect = async || Arc::new(MongoStore::connect(&base, Arc::new(TestIds::default())).await.unwrap());
    let (one, other) = (connect().await, connect().await);
    (test, one, other)
}

const ROUNDS: usize = 30;
const CHANGES: usize = 6;

/// Both seal while changes are made, in rounds that are numbered from `first` on.
async fn seal_from_two_nodes(test: &TestStore, nodes: [&Arc<MongoStore>; 2], first: usize) -> u64 {
    let mut sealed = 0;
    for round in first..first + ROUNDS {
        let mut running = JoinSet::new();
        for number in 0..CHANGES {
            let (store, by) = (Arc::clone(&test.store), test.by());
            let new = test.new_role(&format!("role {round} {number}"), RoleScope::Users);
            running.spawn(async move { store.create_role(new, &by).await.map(|_| 0) });
        }
        for node in nodes {
            let node = Arc::clone(node);
            running.spawn(async move { node.seal_audit_entries().await });
        }
        sealed += running.join_all().await.into_iter().map(|sealed| sealed.unwrap_or_default()).sum::<u64>();
    }
    sealed + nodes[0].seal_audit_entries().await.unwrap()
}

#[tokio::test]
async fn two_nodes_seal_each_entry_once_and_one_chain() {
    let (test, one, other) = two_nodes().await;
    let sealed = seal_from_two_nodes(&test, [&one, &other], 0).await;
    assert_eq!(sealed as usize, ROUNDS * CHANGES);
    assert_eq!(findings(&test, None).await, []);
    assert_eq!(links(&test, WORKSPACE).await.len(), ROUNDS * CHANGES);
    test.finish().await;
}

/// Without the comparison, and without the index that would refuse some of it, the chain forks or has holes.
#[tokio::test]
async fn without_comparing_two_nodes_make_more_than_one_chain() {
    let (test, one, other) = two_nodes().await;
    let Raw::Mongo(database) = &test.raw else { panic!("MongoDB is asked for") };
    database
        .collection::<mongodb::bson::Document>("rolekeeper_audit")
        .drop_index("chain.scope_1_chain.seq_1")
        .await
        .unwrap();
    one.seal_without_comparing();
    other.seal_without_comparing();
    // The two must meet once. On a busy machine one of them may be done each time before the other begins.
    let mut found = Vec::new();
    for attempt in 0..20 {
        seal_from_two_nodes(&test, [&one, &other], attempt * ROUNDS).await;
        // Looked at past the store: without the index it would read the whole collection each time.
        found = findings(&test, None).await;
        if !found.is_empty() {
            break;
        }
    }
    assert!(!found.is_empty(), "the race is not hard enough");
    let Raw::Mongo(database) = &test.raw else { panic!("MongoDB is asked for") };
    database.drop().await.unwrap();
}

#[tokio::test]
async fn what_waits_too_long_is_a_finding_and_what_waits_a_moment_is_told() {
    let test = fresh(Backend::Mongo).await;
    test.role("helper", RoleScope::Users).await;
    test.clock.advance(500);
    let lines = told(&test, &Scope::default()).await;
    assert!(lines.contains(&Told::Waiting { entries: 1, oldest_ms: 500 }), "{lines:?}");
    test.clock.advance(60_000);
    let problems: Vec<_> = findings(&test, None).await.into_iter().map(|finding| finding.problem).collect();
    assert_eq!(problems, [Problem::Unsealed(60_500)]);
    // Nobody waits for what somebody has put in under an id that is none of ours.
    let Raw::Mongo(database) = &test.raw else { panic!("MongoDB is asked for") };
    let stray = doc! { "_id": 7, "sealed": false, "at": mongodb::bson::DateTime::from_millis(0) };
    database.collection("rolekeeper_audit").insert_one(stray).await.unwrap();
    assert_eq!(test.store.seal_audit_entries().await.unwrap(), 1);
    assert_eq!(findings(&test, None).await.len(), 1);
    test.finish().await;
}

/// A node that follows the others seals by itself, what it has done and what another has left.
#[tokio::test]
async fn a_running_node_seals_by_itself() {
    let test = fresh(Backend::CachedMongo).await;
    test.role("helper", RoleScope::Users).await;
    while test.store.find_audit_head(WORKSPACE).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(findings(&test, None).await, []);
    test.finish().await;
}
