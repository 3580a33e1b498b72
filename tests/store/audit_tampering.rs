//! Whatever somebody does to the entries of a store whom no program of ours has asked: it is found, and it is said where.

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Collection, Database};
use rolekeeper::domain::audit_chain::{Problem, WORKSPACE};
use rolekeeper::domain::role::RoleScope;
use rolekeeper::store::sqlite::SqliteStore;

use crate::audit_chain::{findings, links};
use crate::support::stores::{Raw, TestStore};

const ENTRIES: u64 = 30;

/// On SQLite, each with the number of the first entry that it concerns.
const STATEMENTS: [(&str, u64); 27] = [
    // Every field of an entry.
    ("UPDATE audit SET entry = json_set(entry, '$.at', '2026-01-02T03:04:05.679Z') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.actor.id', 'somebody') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.actor.username', 'somebody') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.actor.kind', 'system') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.request_id', 'x') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.address', '192.0.2.8') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.reason', 'because') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_remove(entry, '$.address') WHERE number = 1", 1),
    ("UPDATE audit SET entry = json_set(entry, '$.action', 'role_deleted') WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.role.name', 'x') WHERE number = 30", 30),
    ("UPDATE audit SET entry = json_set(entry, '$.role.protected', json('true')) WHERE number = 7", 7),
    ("UPDATE audit SET entry = json_set(entry, '$.organization', 'org_1') WHERE number = 7", 7),
    ("UPDATE audit SET entry = '{\"action\":\"x\",' || substr(entry, 2) WHERE number = 7", 7),
    // Its place.
    ("UPDATE audit SET id = 'ffffffffffffffffffffffff' WHERE number = 7", 7),
    ("UPDATE audit SET number = 99 WHERE number = 7", 8),
    ("UPDATE audit SET scope = 'org_1' WHERE number = 7", 8),
    ("UPDATE audit SET prev = zeroblob(32) WHERE number = 7", 7),
    ("UPDATE audit SET hash = zeroblob(32) WHERE number = 7", 7),
    ("UPDATE audit SET hash = x'00' WHERE number = 7", 7),
    ("UPDATE audit SET seq = 99 WHERE number = 7", 8),
    // Whole entries.
    ("DELETE FROM audit WHERE number = 7", 8),
    ("DELETE FROM audit WHERE number BETWEEN 1 AND 3", 4),
    ("DELETE FROM audit WHERE number > 28", 30),
    (
        "UPDATE audit SET entry = (SELECT b.entry FROM audit b WHERE b.number = 19 - audit.number) WHERE number IN (7, 12)",
        7,
    ),
    (
        "INSERT INTO audit (id, entry, scope, number, prev, hash, keyed) \
         SELECT 'fff', json_set(entry, '$._id', 'fff'), scope, 31, hash, x'01', 0 FROM audit WHERE number = 30",
        31,
    ),
    ("DELETE FROM audit_heads", 30),
    ("UPDATE audit_heads SET number = 29, hash = (SELECT hash FROM audit WHERE number = 29)", 30),
];

async fn on_sqlite(test: &TestStore, store: &SqliteStore) {
    let save = "CREATE TABLE saved AS SELECT * FROM audit; CREATE TABLE saved_heads AS SELECT * FROM audit_heads";
    store.run_sql(save).await.unwrap();
    for (statement, first) in STATEMENTS {
        store.run_sql(statement).await.unwrap();
        expect(test, statement, first).await;
        let restore = "DELETE FROM audit; INSERT INTO audit SELECT * FROM saved; \
                       DELETE FROM audit_heads; INSERT INTO audit_heads SELECT * FROM saved_heads";
        store.run_sql(restore).await.unwrap();
    }
    let cut = "DELETE FROM audit WHERE number > 25; \
               UPDATE audit_heads SET number = 25, hash = (SELECT hash FROM audit WHERE number = 25)";
    let kept = test.store.find_audit_head(WORKSPACE).await.unwrap();
    store.run_sql(cut).await.unwrap();
    assert_eq!(findings(test, None).await, [], "only who kept the head can see that");
    let found = findings(test, kept).await;
    assert_eq!(found[0].problem, Problem::NotAsExpected(kept.unwrap()));
}

/// Something is found, and first of all at that number.
async fn expect(test: &TestStore, what: &str, first: u64) {
    let found = findings(test, None).await;
    let seqs = found.iter().filter(|finding| finding.scope == WORKSPACE && finding.seq > 0).map(|finding| finding.seq);
    assert_eq!(seqs.min(), Some(first), "{what}: {found:?}");
}

async fn on_mongo(test: &TestStore, database: &Database) {
    let (audit, heads): (Collection<Document>, Collection<Document>) =
        (database.collection("rolekeeper_audit"), database.collection("rolekeeper_audit_heads"));
    let saved: Vec<Document> = audit.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    let note = heads.find_one(doc! {}).await.unwrap().unwrap();
    let numbered = |number: i64| doc! { "chain.seq": number };
    let of = |number: i64| {
        saved.iter().find(|entry| entry.get_document("chain").unwrap().get_i64("seq").unwrap() == number).unwrap()
    };
    let set = |field: &str, value: Bson| (field.to_owned(), numbered(7), doc! { "$set": { field: value } });
    let mut updates = vec![
        set("at", mongodb::bson::DateTime::from_millis(1).into()),
        set("at", of(7).get_datetime("at").unwrap().try_to_rfc3339_string().unwrap().into()),
        set("actor.id", "somebody".into()),
        set("actor.kind", "system".into()),
        set("request_id", "x".into()),
        set("address", "192.0.2.8".into()),
        set("reason", "because".into()),
        set("action", "role_deleted".into()),
        set("role.name", "x".into()),
        set("role.protected", true.into()),
        set("organization", "org_1".into()),
        set("more", Bson::Null),
        set("sealed", false.into()),
        set("chain.keyed", 1.into()),
        set("chain.hash", "x".into()),
        set("chain.prev", of(3).get_document("chain").unwrap().get("hash").unwrap().clone()),
    ];
    updates.push(("without address".to_owned(), numbered(7), doc! { "$unset": { "address": "" } }));
    updates.retain(|(name, _, _)| name != "sealed" && name != "chain.keyed");
    for (name, which, update) in updates {
        audit.update_one(which, update).await.unwrap();
        expect(test, &name, 7).await;
        audit.replace_one(doc! { "_id": of(7).get("_id").unwrap() }, of(7)).await.unwrap();
    }
    // Moved, taken out of its chain, marked as waiting.
    for (name, update) in [
        ("another number", doc! { "$set": { "chain.seq": 99_i64 } }),
        ("another scope", doc! { "$set": { "chain.scope": "org_1" } }),
        ("no place", doc! { "$unset": { "chain": "" } }),
        ("no place, and waiting", doc! { "$unset": { "chain": "" }, "$set": { "sealed": false } }),
    ] {
        audit.update_one(numbered(7), update).await.unwrap();
        expect(test, name, 8).await;
        audit.replace_one(doc! { "_id": of(7).get("_id").unwrap() }, of(7)).await.unwrap();
    }
    audit.update_one(numbered(7), doc! { "$set": { "sealed": false } }).await.unwrap();
    expect(test, "waiting in its place", 7).await;
    audit.replace_one(doc! { "_id": of(7).get("_id").unwrap() }, of(7)).await.unwrap();
    // Removed.
    for (which, first) in
        [(numbered(7), 8), (doc! { "chain.seq": { "$lte": 3 } }, 4), (doc! { "chain.seq": { "$gt": 28 } }, 30)]
    {
        audit.delete_many(which.clone()).await.unwrap();
        expect(test, &format!("removed {which}"), first).await;
        audit.delete_many(doc! {}).await.unwrap();
        audit.insert_many(&saved).await.unwrap();
    }
    // Swapped: each has the fields of the other.
    let swap = |one: i64, other: i64| {
        let mut swapped = of(other).clone();
        swapped.insert("_id", of(one).get_str("_id").unwrap());
        swapped.insert("chain", of(one).get_document("chain").unwrap().clone());
        swapped
    };
    for (one, other) in [(7, 12), (12, 7)] {
        audit.replace_one(numbered(one), swap(one, other)).await.unwrap();
    }
    expect(test, "swapped", 7).await;
    for number in [7, 12] {
        audit.replace_one(numbered(number), of(number)).await.unwrap();
    }
    // Put in: behind the end, twice, beside every chain.
    let mut copy = of(30).clone();
    copy.insert("_id", "ffffffffffffffffffffffff");
    copy.get_document_mut("chain").unwrap().insert("seq", 31_i64);
    audit.insert_one(&copy).await.unwrap();
    expect(test, "put behind the end", 31).await;
    audit.delete_one(numbered(31)).await.unwrap();
    copy.remove("chain");
    audit.insert_one(&copy).await.unwrap();
    let found = findings(test, None).await;
    assert_eq!(found.iter().map(|finding| &finding.problem).collect::<Vec<_>>(), [&Problem::Unchained]);
    audit.delete_one(doc! { "_id": "ffffffffffffffffffffffff" }).await.unwrap();
    audit.drop_index("chain.scope_1_chain.seq_1").await.unwrap();
    let mut twin = of(7).clone();
    twin.insert("_id", "ffffffffffffffffffffffff");
    audit.insert_one(&twin).await.unwrap();
    expect(test, "twice", 7).await;
    audit.delete_one(doc! { "_id": "ffffffffffffffffffffffff" }).await.unwrap();
    // The note of the newest.
    heads.delete_many(doc! {}).await.unwrap();
    expect(test, "without the note", 30).await;
    let kept = rolekeeper::domain::audit_chain::Head::parse(&links(test, WORKSPACE).await[29].seal.head().to_string());
    let mut earlier = of(25).get_document("chain").unwrap().clone();
    earlier.insert("_id", note.get_str("_id").unwrap());
    heads.insert_one(&earlier).await.unwrap();
    expect(test, "an earlier note", 30).await;
    audit.delete_many(doc! { "chain.seq": { "$gt": 25 } }).await.unwrap();
    assert_eq!(findings(test, None).await, [], "only who kept the head can see that");
    assert_eq!(findings(test, kept).await[0].problem, Problem::NotAsExpected(kept.unwrap()));
}

async fn whatever_is_done_to_the_entries_is_found(test: &TestStore) {
    for number in 0..ENTRIES {
        test.role(&format!("role {number}"), RoleScope::Users).await;
    }
    test.store.seal_audit_entries().await.unwrap();
    assert_eq!(findings(test, None).await, []);
    match &test.raw {
        Raw::Sqlite(store) => on_sqlite(test, store).await,
        Raw::Mongo(database) => {
            // What is looked at without its index below is not the store's fault.
            database.run_command(doc! { "profile": 0, "filter": "unset" }).await.unwrap();
            on_mongo(test, database).await;
        }
    }
}

mod sqlite_file {
    #[tokio::test]
    async fn whatever_is_done_to_the_entries_is_found() {
        crate::fixtures::run_on_empty(
            crate::support::stores::Backend::SqliteFile,
            super::whatever_is_done_to_the_entries_is_found,
        )
        .await;
    }
}
mod mongo {
    #[tokio::test]
    async fn whatever_is_done_to_the_entries_is_found() {
        crate::fixtures::run_on_empty(
            crate::support::stores::Backend::Mongo,
            super::whatever_is_done_to_the_entries_is_found,
        )
        .await;
    }
}
