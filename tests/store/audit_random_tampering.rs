//! A thousand times something, left to chance, is done to the entries of a chain in a real store, past every program of ours:
//! fields altered, added and removed, entries taken away, put in, exchanged, doubled and moved. Each time it is found, and
//! each time the chain is whole again once everything is put back, which is the control.

use futures_util::TryStreamExt as _;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use mongodb::{Collection, Database};
use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit_chain::Sealer;
use rolekeeper::domain::role::RoleScope;
use rolekeeper::service::audit::verify::{AuditError, Scope, verify};
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::audit_chain::findings;
use crate::support::stores::{Raw, TestStore};

const ENTRIES: usize = 24;
const CASES: u64 = 1_000;

/// SplitMix64: the same cases in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % bound as u64) as usize
    }

    /// Two that differ, the smaller one first.
    fn two(&mut self, bound: usize) -> (usize, usize) {
        let (one, other) = (self.below(bound), self.below(bound - 1));
        if other >= one { (one, other + 1) } else { (other, one) }
    }

    /// The text with one letter that is another one, or one more.
    fn altered(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        let at = self.below(letters.len() + 1);
        match letters.get_mut(at) {
            Some(letter) => *letter = if *letter == 'x' { 'y' } else { 'x' },
            None => letters.push('x'),
        }
        letters.into_iter().collect()
    }
}

/// An entry as a store keeps it, as far as tampering with it is the same everywhere.
trait Kept: Clone {
    /// Alters a field, its place or its seal.
    fn edit(&mut self, chance: &mut Chance) -> String;
    /// Adds a field.
    fn add_field(&mut self);
    /// Removes a field.
    fn remove_field(&mut self, chance: &mut Chance) -> String;
    /// Its number in the chain.
    fn number(&self) -> i64;
    fn set_number(&mut self, number: i64);
    fn set_id(&mut self, id: &str);
    /// Takes what the other one says, and keeps its own place and seal.
    fn take_words(&mut self, other: &Self);
}

/// Does something; what it was.
fn tamper<E: Kept>(entries: &mut Vec<E>, chance: &mut Chance) -> String {
    let at = chance.below(entries.len());
    let fresh = format!("{:024x}", 0xffff_0000 + chance.below(1 << 16));
    // Room for one more behind `at`: everything behind it is one further on.
    let shift = |entries: &mut Vec<E>, at: usize| {
        entries[at + 1..].iter_mut().for_each(|entry| entry.set_number(entry.number() + 1));
    };
    match chance.below(10) {
        0..=2 => format!("{at}: {}", entries[at].edit(chance)),
        3 => {
            entries[at].add_field();
            format!("{at}: a field more")
        }
        4 => format!("{at}: {}", entries[at].remove_field(chance)),
        5 => {
            let count = 1 + chance.below((entries.len() - at).min(4));
            // All of them would be an empty record, which nobody has signed for either; but then nothing is a chain.
            entries.drain(at..at + count.min(entries.len() - 1));
            format!("{at}: {count} taken away")
        }
        6 => {
            let (one, other) = chance.two(entries.len());
            let (first, second) = (entries[one].clone(), entries[other].clone());
            if chance.below(2) == 0 {
                entries[one].take_words(&second);
                entries[other].take_words(&first);
                return format!("{one} and {other}: their words exchanged");
            }
            entries[one].set_number(second.number());
            entries[other].set_number(first.number());
            format!("{one} and {other}: their numbers exchanged")
        }
        7 => {
            let mut twin = entries[at].clone();
            twin.set_id(&fresh);
            twin.set_number(twin.number() + 1);
            shift(entries, at);
            entries.insert(at + 1, twin);
            format!("{at}: doubled")
        }
        8 => {
            let mut forged = entries[chance.below(entries.len())].clone();
            forged.set_id(&fresh);
            forged.set_number(entries[at].number() + 1);
            forged.add_field();
            shift(entries, at);
            entries.insert(at + 1, forged);
            format!("{at}: one put in behind it")
        }
        _ => {
            let (one, other) = chance.two(entries.len());
            let moved = entries.remove(one);
            entries.insert(other, moved);
            let numbers = 1..=entries.len() as i64;
            entries.iter_mut().zip(numbers).for_each(|(entry, number)| entry.set_number(number));
            format!("{one}: moved to {other}")
        }
    }
}

/// A row of the table.
#[derive(Clone)]
struct Row {
    id: String,
    entry: Value,
    scope: String,
    number: i64,
    prev: Vec<u8>,
    hash: Vec<u8>,
}

/// Shows `change` every value that has none below it.
fn leaves(value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(|value| leaves(value, change));
    } else if let Value::Array(values) = value {
        values.iter_mut().for_each(|value| leaves(value, change));
    } else {
        change(value);
    }
}

impl Kept for Row {
    fn edit(&mut self, chance: &mut Chance) -> String {
        match chance.below(10) {
            0 => self.id = chance.altered(&self.id),
            1 => self.scope = chance.altered(&self.scope),
            2 => {
                let at = chance.below(self.prev.len());
                self.prev[at] ^= 1 << chance.below(8);
            }
            3 => {
                let at = chance.below(self.hash.len());
                self.hash[at] ^= 1 << chance.below(8);
            }
            _ => {
                let (mut count, mut seen) = (0, 0);
                leaves(&mut self.entry, &mut |_| count += 1);
                let at = chance.below(count);
                leaves(&mut self.entry, &mut |leaf| {
                    if seen == at {
                        *leaf = match leaf {
                            Value::String(text) => chance.altered(text).into(),
                            Value::Bool(is) => (!*is).into(),
                            Value::Number(number) => (number.as_i64().unwrap_or_default() + 1).into(),
                            _ => "x".into(),
                        };
                    }
                    seen += 1;
                });
                return format!("value {at} altered");
            }
        }
        "its place altered".to_owned()
    }

    fn add_field(&mut self) {
        self.entry["more"] = 1.into();
    }

    fn remove_field(&mut self, chance: &mut Chance) -> String {
        let fields = self.entry.as_object_mut().unwrap();
        let name = fields.keys().nth(chance.below(fields.len())).unwrap().clone();
        fields.remove(&name);
        format!("{name} removed")
    }

    fn number(&self) -> i64 {
        self.number
    }

    fn set_number(&mut self, number: i64) {
        self.number = number;
    }

    fn set_id(&mut self, id: &str) {
        id.clone_into(&mut self.id);
        self.entry["_id"] = id.into();
    }

    fn take_words(&mut self, other: &Self) {
        self.entry = other.entry.clone();
    }
}

fn rows(connection: &Connection) -> Vec<Row> {
    let mut statement =
        connection.prepare("SELECT id, entry, scope, number, prev, hash FROM audit ORDER BY seq").unwrap();
    let rows = statement.query_map((), |row| {
        let entry = serde_json::from_str(&row.get::<_, String>(1)?).unwrap();
        let (id, scope, number) = (row.get(0)?, row.get(2)?, row.get(3)?);
        Ok(Row { id, entry, scope, number, prev: row.get(4)?, hash: row.get(5)? })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn write_rows(connection: &Connection, rows: &[Row]) {
    let transaction = connection.unchecked_transaction().unwrap();
    transaction.execute_batch("DELETE FROM audit; DELETE FROM sqlite_sequence WHERE name = 'audit'").unwrap();
    let mut insert = transaction
        .prepare_cached(
            "INSERT INTO audit (id, entry, scope, number, prev, hash, keyed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
        )
        .unwrap();
    for Row { id, entry, scope, number, prev, hash } in rows {
        insert.execute(params![id, entry.to_string(), scope, number, prev, hash]).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
}

/// Whether whoever looks is told that the record is not whole, or that it cannot be shown to be: an entry that claims to
/// be sealed with a key is not read further without that key.
async fn is_found(test: &TestStore) -> bool {
    let (sealer, scope) = (Sealer::default(), Scope::default());
    match verify(test.store.as_ref(), &sealer, &scope, test.clock.now(), |_| {}).await {
        Ok(findings) => findings > 0,
        Err(AuditError::Unverifiable(_)) => true,
        Err(other) => panic!("{other:?}"),
    }
}

async fn on_sqlite(test: &TestStore) {
    let connection = Connection::open(test.file().unwrap()).unwrap();
    // What is lost in a power cut is made anew by the next run.
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA busy_timeout = 10000").unwrap();
    let saved = rows(&connection);
    assert_eq!(saved.len(), ENTRIES);
    let mut missed = Vec::new();
    for case in 0..CASES {
        let mut entries = saved.clone();
        let what = tamper(&mut entries, &mut Chance(case));
        write_rows(&connection, &entries);
        if !is_found(test).await {
            missed.push(format!("case {case}: {what}"));
        }
        write_rows(&connection, &saved);
        assert_eq!(findings(test, None).await, [], "case {case}, put back: {what}");
    }
    assert!(missed.is_empty(), "{} of {CASES} not found: {missed:#?}", missed.len());
}

/// Shows `change` every value of a document that has none below it.
fn bson_leaves(document: &mut Document, change: &mut dyn FnMut(&mut Bson)) {
    for (_, value) in document.iter_mut() {
        if let Bson::Document(below) = value {
            bson_leaves(below, change);
        } else {
            change(value);
        }
    }
}

impl Kept for Document {
    fn edit(&mut self, chance: &mut Chance) -> String {
        let (mut count, mut seen) = (0, 0);
        bson_leaves(self, &mut |_| count += 1);
        let at = chance.below(count);
        bson_leaves(self, &mut |leaf| {
            if seen == at {
                *leaf = match leaf {
                    Bson::String(text) => chance.altered(text).into(),
                    Bson::Boolean(is) => (!*is).into(),
                    Bson::Int32(number) => (*number + 1).into(),
                    Bson::Int64(number) => (*number + 1).into(),
                    Bson::DateTime(time) => DateTime::from_millis(time.timestamp_millis() + 1).into(),
                    Bson::Binary(Binary { subtype, bytes }) => {
                        let mut bytes = bytes.clone();
                        let at = chance.below(bytes.len());
                        bytes[at] ^= 1 << chance.below(8);
                        Binary { subtype: *subtype, bytes }.into()
                    }
                    _ => "x".into(),
                };
            }
            seen += 1;
        });
        format!("value {at} altered")
    }

    fn add_field(&mut self) {
        self.insert("more", 1);
    }

    fn remove_field(&mut self, chance: &mut Chance) -> String {
        // Without an id MongoDB gives it one of its own, which is another entry.
        let name = self.keys().nth(chance.below(self.len())).unwrap().clone();
        self.remove(&name);
        format!("{name} removed")
    }

    fn number(&self) -> i64 {
        self.get_document("chain").unwrap().get_i64("seq").unwrap()
    }

    fn set_number(&mut self, number: i64) {
        self.get_document_mut("chain").unwrap().insert("seq", number);
    }

    fn set_id(&mut self, id: &str) {
        self.insert("_id", id);
    }

    fn take_words(&mut self, other: &Self) {
        let (id, chain) = (self.get("_id").unwrap().clone(), self.get("chain").unwrap().clone());
        *self = other.clone();
        self.insert("_id", id);
        self.insert("chain", chain);
    }
}

async fn write_documents(audit: &Collection<Document>, documents: &[Document]) {
    audit.delete_many(doc! {}).await.unwrap();
    audit.insert_many(documents).await.unwrap();
}

async fn on_mongo(test: &TestStore, database: &Database) {
    let audit: Collection<Document> = database.collection("rolekeeper_audit");
    let saved: Vec<Document> =
        audit.find(doc! {}).sort(doc! { "chain.seq": 1 }).await.unwrap().try_collect().await.unwrap();
    assert_eq!(saved.len(), ENTRIES);
    // It would keep out what is doubled.
    audit.drop_index("chain.scope_1_chain.seq_1").await.unwrap();
    let mut missed = Vec::new();
    for case in 0..CASES {
        let mut entries = saved.clone();
        let what = tamper(&mut entries, &mut Chance(case));
        write_documents(&audit, &entries).await;
        if !is_found(test).await {
            missed.push(format!("case {case}: {what}"));
        }
        write_documents(&audit, &saved).await;
        assert_eq!(findings(test, None).await, [], "case {case}, put back: {what}");
    }
    assert!(missed.is_empty(), "{} of {CASES} not found: {missed:#?}", missed.len());
}

async fn a_thousand_of_a_thousand_are_found(test: &TestStore) {
    for number in 0..ENTRIES {
        test.clock.advance(1_000);
        test.role(&format!("role {number}"), RoleScope::Users).await;
    }
    test.store.seal_audit_entries().await.unwrap();
    assert_eq!(findings(test, None).await, []);
    match &test.raw {
        Raw::Sqlite(_) => on_sqlite(test).await,
        Raw::Mongo(database) => {
            // What is looked at without its index is not the store's fault.
            database.run_command(doc! { "profile": 0, "filter": "unset" }).await.unwrap();
            on_mongo(test, database).await;
        }
    }
}

mod sqlite_file {
    #[tokio::test]
    async fn a_thousand_of_a_thousand_are_found() {
        crate::fixtures::run_on_empty(
            crate::support::stores::Backend::SqliteFile,
            super::a_thousand_of_a_thousand_are_found,
        )
        .await;
    }
}
mod mongo {
    #[tokio::test]
    async fn a_thousand_of_a_thousand_are_found() {
        crate::fixtures::run_on_empty(
            crate::support::stores::Backend::Mongo,
            super::a_thousand_of_a_thousand_are_found,
        )
        .await;
    }
}
