//! What a store holds about the roles that a test made, read past the server: from the tables of the embedded store,
//! from the collections on MongoDB. What should be there is for the tests to say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// Where to read.
pub enum Source {
    /// The file of the embedded store.
    Sqlite(PathBuf),
    /// The URL of a database.
    Mongo(String),
}

/// Everything that names a role.
#[derive(Debug, Default)]
pub struct Facts {
    /// Names by id.
    pub roles: BTreeMap<String, String>,
    /// Ids that permissions name.
    pub granted: BTreeSet<String>,
    /// Ids that accounts hold.
    pub held: BTreeSet<String>,
    /// How often the record says that something happened to a role: (action, role id).
    pub record: BTreeMap<(String, String), u32>,
}

impl Facts {
    /// Reads all of it.
    pub async fn read(source: &Source) -> Self {
        match source {
            Source::Sqlite(file) => from_sqlite(file),
            Source::Mongo(url) => from_mongo(url).await,
        }
    }

    /// How often the record says `action` of that role.
    pub fn recorded(&self, action: &str, role: &str) -> u32 {
        self.record.get(&(action.to_owned(), role.to_owned())).copied().unwrap_or_default()
    }

    fn add_entry(&mut self, entry: &Value) {
        // The whole role where it was made or removed, else its id.
        let role = entry["role"]["_id"].as_str().or_else(|| entry["role"].as_str());
        if let (Some(action), Some(role)) = (entry["action"].as_str(), role) {
            *self.record.entry((action.to_owned(), role.to_owned())).or_default() += 1;
        }
    }
}

fn from_sqlite(file: &Path) -> Facts {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let texts = |sql: &str| -> Vec<(String, String)> {
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let ids = |sql: &str| texts(sql).into_iter().map(|(id, _)| id).collect();
    let mut facts = Facts {
        roles: texts("SELECT id, name FROM roles").into_iter().collect(),
        granted: ids("SELECT role_id, permission_id FROM permission_roles"),
        held: ids("SELECT role_id, user_id FROM user_roles"),
        record: BTreeMap::new(),
    };
    for (entry, _) in texts("SELECT entry, id FROM audit") {
        facts.add_entry(&serde_json::from_str(&entry).unwrap());
    }
    facts
}

async fn from_mongo(url: &str) -> Facts {
    let database = Client::with_uri_str(url).await.unwrap().default_database().unwrap();
    let documents = async |collection: &str| -> Vec<Document> {
        let found = database.collection(collection).find(doc! {}).await.unwrap();
        found.try_collect().await.unwrap()
    };
    let role_lists = |documents: Vec<Document>| -> BTreeSet<String> {
        let lists = documents.into_iter().filter_map(|document| document.get_array("roles").ok().cloned());
        lists.flatten().filter_map(|role| role.as_str().map(str::to_owned)).collect()
    };
    let text = |document: &Document, key: &str| document.get_str(key).unwrap().to_owned();
    let roles = documents("rocketchat_roles").await;
    let mut facts = Facts {
        roles: roles.iter().map(|role| (text(role, "_id"), text(role, "name"))).collect(),
        granted: role_lists(documents("rocketchat_permissions").await),
        held: role_lists(documents("users").await),
        record: BTreeMap::new(),
    };
    for entry in documents("rolekeeper_audit").await {
        facts.add_entry(&serde_json::to_value(&entry).unwrap());
    }
    facts
}
