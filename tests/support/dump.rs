//! Everything that a store holds, as text, read past the store: to show that nothing has changed. Two dumps are equal if
//! and only if every row and every document is.

use std::collections::BTreeMap;

use mongodb::Database;
use mongodb::bson::{Document, doc};
use rolekeeper::app::DATABASE_FILE;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::server::{Place, TestServer};
use super::stores::Raw;

/// Collections that go on by themselves: signs of life of the nodes, the newest entries of the record, which gets its seals
/// a moment after the changes, and what the server notes of questions.
const PASSING: [&str; 3] = ["rolekeeper_nodes", "rolekeeper_audit_heads", "system.profile"];
/// Fields of the record that come a moment later.
const SEALS: [&str; 2] = ["sealed", "chain"];

/// Each table or collection with its rows in order.
pub type Dump = BTreeMap<String, Vec<String>>;

impl TestServer {
    /// What its store holds now, but for tables and collections with one of these words in their names.
    pub async fn dump(&self, without: &[&str]) -> Dump {
        let mut dump = match (&self.place, &self.raw) {
            (Place::Folder(folder), _) => of_file(&folder.path().join(DATABASE_FILE)),
            (Place::Database(_), Raw::Mongo(database)) => of_database(database).await,
            (Place::Database(_), Raw::Sqlite(_)) => unreachable!("a database is no file"),
        };
        dump.retain(|name, _| !without.iter().any(|word| name.contains(word)));
        dump
    }
}

/// What the file of an embedded store holds.
pub fn of_file(path: &std::path::Path) -> Dump {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(names).unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    names.into_iter().map(|name| (name.clone(), rows(&connection, &name))).collect()
}

fn rows(connection: &Connection, table: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1, 2")).unwrap();
    let columns = statement.column_count();
    let text = |row: &Row<'_>| Ok((0..columns).map(|at| written(row.get_ref_unwrap(at))).collect::<Vec<_>>().join("|"));
    statement.query_map([], text).unwrap().map(Result::unwrap).collect()
}

fn written(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

/// What a database holds.
pub async fn of_database(database: &Database) -> Dump {
    let mut dump = Dump::new();
    for name in database.list_collection_names().await.unwrap() {
        if PASSING.contains(&name.as_str()) {
            continue;
        }
        let mut cursor = database.collection::<Document>(&name).find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        let rows = dump.entry(name).or_default();
        while cursor.advance().await.unwrap() {
            let mut row = cursor.deserialize_current().unwrap();
            SEALS.iter().for_each(|field| drop(row.remove(field)));
            rows.push(format!("{row:?}"));
        }
    }
    dump
}
