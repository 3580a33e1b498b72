//! Data that no operation of the traits writes, put into a store past them: bots, personal tokens, settings, trash of
//! others. What the backends' documents and tables look like is known here and nowhere else in the tests.

use mongodb::bson::{Bson, Document, doc};
use mongodb::{Collection, Database};
use rolekeeper::domain::ids::{PermissionId, RoomId, UserId};
use rolekeeper::domain::time::Timestamp;
use rolekeeper::domain::token::TokenHash;
use rolekeeper::domain::totp::BackupCodeHash;

use super::stores::{Raw, TestStore};

impl TestStore {
    /// Makes an account one of another kind: `bot`, `app`.
    pub async fn plant_kind(&self, user: &UserId, kind: &str) {
        match &self.raw {
            Raw::Sqlite(store) => {
                let sql = format!("UPDATE users SET kind = {} WHERE id = {}", quoted(kind), quoted(user.as_str()));
                store.run_sql(&sql).await.unwrap();
            }
            Raw::Mongo(database) => update(database, user, doc! { "$set": { "type": kind } }).await,
        }
        self.changed_past_it();
    }

    /// Adds a token that its owner made for programs.
    pub async fn plant_personal_token(&self, user: &UserId, hash: &TokenHash) {
        match &self.raw {
            Raw::Sqlite(store) => {
                let (user, hash) = (quoted(user.as_str()), quoted(hash.expose()));
                let sql = format!("INSERT INTO login_tokens (hash, user_id, personal) VALUES ({hash}, {user}, 1)");
                store.run_sql(&sql).await.unwrap();
            }
            Raw::Mongo(database) => {
                let token = doc! {
                    "hashedToken": hash.expose(),
                    "type": "personalAccessToken",
                    "createdAt": mongodb::bson::DateTime::from_millis(0),
                    "name": "ci",
                    "bypassTwoFactor": false,
                };
                update(database, user, doc! { "$push": { "services.resume.loginTokens": token } }).await;
            }
        }
        self.changed_past_it();
    }

    /// Stores the value of a setting; `json` is JSON text.
    pub async fn plant_setting(&self, id: &str, json: &str) {
        self.raw.plant_setting(id, json).await;
        self.changed_past_it();
    }

    /// Makes a room ask for a code of whoever wants to join.
    pub async fn plant_join_code(&self, room: &RoomId, code: &str) {
        self.raw.plant_join_code(room, code).await;
    }

    /// Gives an account an authenticator app with that secret (base32), and backup codes.
    pub async fn plant_authenticator(&self, user: &UserId, secret: &str, backup_codes: &[&str]) {
        self.raw.plant_authenticator(user.as_str(), secret, backup_codes).await;
        self.changed_past_it();
    }

    /// Leaves a permission in the trash, as the removal of a setting does.
    pub async fn plant_trashed_permission(&self, id: &PermissionId, at: Timestamp) {
        match &self.raw {
            Raw::Sqlite(store) => {
                let (id, at) = (quoted(id.as_str()), at.as_millis());
                let document = quoted(&format!("{{\"_id\":{}}}", serde_json::json!(id)));
                let sql = format!(
                    "INSERT INTO trash (collection, id, document, deleted_at) VALUES ('permissions', {id}, {document}, {at})"
                );
                store.run_sql(&sql).await.unwrap();
            }
            Raw::Mongo(database) => {
                let trashed = doc! {
                    "_id": id.as_str(),
                    "roles": [],
                    "__collection__": "permissions",
                    "_deletedAt": mongodb::bson::DateTime::from_millis(at.as_millis()),
                };
                collection(database, "rocketchat__trash").insert_one(trashed).await.unwrap();
            }
        }
    }

    /// Writes a document as another writer would; only a backend that has documents can.
    pub async fn insert(&self, name: &str, document: Document) {
        let Raw::Mongo(database) = &self.raw else {
            panic!("documents are MongoDB's");
        };
        collection(database, name).insert_one(document).await.unwrap();
        self.changed_past_it();
    }

    /// Changes a document as another writer would; only a backend that has documents can.
    pub async fn change_document(&self, name: &str, id: &str, change: Document) {
        let Raw::Mongo(database) = &self.raw else {
            panic!("documents are MongoDB's");
        };
        let outcome = collection(database, name).update_one(doc! { "_id": id }, change).await.unwrap();
        assert_eq!(outcome.matched_count, 1);
        self.changed_past_it();
    }

    /// The documents of a collection, when the backend has documents.
    pub async fn documents(&self, name: &str, filter: Document) -> Option<Vec<Document>> {
        let Raw::Mongo(database) = &self.raw else {
            return None;
        };
        let mut cursor = collection(database, name).find(filter).await.unwrap();
        let mut found = Vec::new();
        while cursor.advance().await.unwrap() {
            found.push(cursor.deserialize_current().unwrap());
        }
        Some(found)
    }
}

impl Raw {
    /// Makes a room ask for a code of whoever wants to join.
    pub async fn plant_join_code(&self, room: &RoomId, code: &str) {
        match self {
            Self::Sqlite(store) => {
                let sql = format!("UPDATE rooms SET join_code = {} WHERE id = {}", quoted(code), quoted(room.as_str()));
                store.run_sql(&sql).await.unwrap();
            }
            Self::Mongo(database) => {
                let change = doc! { "$set": { "joinCode": code, "joinCodeRequired": true } };
                let rooms = collection(database, "rocketchat_room");
                let outcome = rooms.update_one(doc! { "_id": room.as_str() }, change).await.unwrap();
                assert_eq!(outcome.matched_count, 1);
            }
        }
    }

    /// Gives an account an authenticator app with that secret (base32), and backup codes.
    pub async fn plant_authenticator(&self, user: &str, secret: &str, backup_codes: &[&str]) {
        let hashes: Vec<String> =
            backup_codes.iter().map(|code| BackupCodeHash::of(code).expose().to_owned()).collect();
        match self {
            Self::Sqlite(store) => {
                let (user, secret) = (quoted(user), quoted(secret));
                let mut sql = format!("UPDATE users SET totp = 1, totp_secret = {secret} WHERE id = {user};");
                for hash in hashes {
                    sql.push_str(&format!(
                        "INSERT INTO backup_codes (user_id, hash) VALUES ({user}, {});",
                        quoted(&hash)
                    ));
                }
                store.run_sql(&sql).await.unwrap();
            }
            Self::Mongo(database) => {
                let totp = doc! { "enabled": true, "secret": secret, "hashedBackup": hashes };
                update(database, &UserId::from_stored(user), doc! { "$set": { "services.totp": totp } }).await;
            }
        }
    }

    /// Stores the value of a setting; `json` is JSON text.
    pub async fn plant_setting(&self, id: &str, json: &str) {
        match self {
            Self::Sqlite(store) => {
                let sql = format!("INSERT INTO settings (id, value) VALUES ({}, {})", quoted(id), quoted(json));
                store.run_sql(&sql).await.unwrap();
            }
            Self::Mongo(database) => {
                let value: serde_json::Value = serde_json::from_str(json).unwrap();
                let value: Bson = mongodb::bson::serialize_to_bson(&value).unwrap();
                collection(database, "rocketchat_settings")
                    .insert_one(doc! { "_id": id, "value": value })
                    .await
                    .unwrap();
            }
        }
    }
}

fn collection(database: &Database, name: &str) -> Collection<Document> {
    database.collection(name)
}

async fn update(database: &Database, user: &UserId, change: Document) {
    let outcome = collection(database, "users").update_one(doc! { "_id": user.as_str() }, change).await.unwrap();
    assert_eq!(outcome.matched_count, 1);
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
