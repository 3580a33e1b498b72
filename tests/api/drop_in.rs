//! A server that is pointed at the database of an existing workspace: everything there works as it is, and nothing that
//! is there changes by that. The documents are as Rocket.Chat writes them, older ones and odd ones among them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use mongodb::{Client, Database};
use rolekeeper::domain::role::DEFAULT_ROLES;
use rolekeeper::domain::token::TokenText;
use rolekeeper::store::Seed;
use serde_json::{Value, json};

use crate::support::clock::START;
use crate::support::server::{Actor, PASSWORD, Place, Start, TestServer};
use crate::support::stores::{Backend, Raw};

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// bcrypt of the digest of [`PASSWORD`], in the two forms that are found.
const HASH_2B: &str = "$2b$10$vW7sUumodNa0b1g2/04E.eRzncdNOcmIL0npA7oR15DrCxWqwI5aC";
const HASH_2A: &str = "$2a$10$vW7sUumodNa0b1g2/04E.eRzncdNOcmIL0npA7oR15DrCxWqwI5aC";

const CHIEF: &str = "aobEdbYhXfu5hkeqG";
const BOB: &str = "rbAXPnMktTFbNpwtJ";
const TINA: &str = "uyGwpDbKvTFbMpwtK";
const AUDITOR: &str = "vEpePE7wK6vkYbDDx";
const TEMP: &str = "64f1b2c3d4e5f60718293a4b";
const PERSONAL_TOKEN: &str = "RScctEHSmLGZGywfIhWyRpyofhKOiMoUIpimhvheU3f";
const SESSION_TOKEN: &str = "9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq";

fn days_ago(days: i64) -> DateTime {
    DateTime::from_millis(START.as_millis() - days * DAY)
}

fn hash(token: &str) -> String {
    TokenText::new(token).hash().expose().to_owned()
}

fn session(token: &str, days: i64) -> Document {
    doc! { "when": days_ago(days), "hashedToken": hash(token), "twoFactorAuthorizedHash": "x" }
}

fn personal(token: &str) -> Document {
    doc! {
        "hashedToken": hash(token), "type": "personalAccessToken", "createdAt": days_ago(900),
        "lastTokenPart": &token[token.len() - 6..], "name": "ci", "bypassTwoFactor": true,
    }
}

fn account(id: &str, username: &str, roles: Document, services: Document) -> Document {
    let mut document = doc! {
        "_id": id, "createdAt": days_ago(1_000), "username": username, "name": format!("{username} (imported)"),
        "emails": [{ "address": format!("{username}@example.org"), "verified": true }],
        "type": "user", "status": "offline", "active": true, "_updatedAt": days_ago(3), "services": services,
        "__rooms": ["GENERAL"], "utcOffset": 2.0, "statusConnection": "offline", "requirePasswordChange": false,
        "settings": { "preferences": { "sidebarViewMode": "condensed" }, "profile": {} },
        "somethingNew": { "deep": [1_i32, 2_i64, 3.5, Bson::Null, ObjectId::from_bytes([7; 12])] },
    };
    document.extend(roles);
    document
}

/// What is in the database before the server comes, by collection.
fn workspace() -> Vec<(&'static str, Vec<Document>)> {
    let password = |hash: &str| doc! { "bcrypt": hash };
    let users = vec![
        doc! { "_id": "rocket.cat", "username": "rocket.cat", "name": "Rocket.Cat", "type": "bot", "active": true,
        "roles": ["bot"], "avatarOrigin": "local", "createdAt": days_ago(1_000), "_updatedAt": days_ago(1_000) },
        account(
            CHIEF,
            "chief",
            doc! { "roles": ["admin", "user"] },
            doc! {
                "password": password(HASH_2B),
                "resume": { "loginTokens": [session(SESSION_TOKEN, 29), session("stale", 31), personal(PERSONAL_TOKEN)] },
                "email2fa": { "enabled": false, "changedAt": days_ago(900) },
            },
        ),
        account(BOB, "bob", doc! { "roles": ["user", AUDITOR] }, doc! { "password": password(HASH_2A) }),
        account(
            TINA,
            "tina",
            doc! { "roles": ["user"] },
            doc! {
                "password": password(HASH_2B), "resume": { "loginTokens": [session("tinas-session", 1)] },
                "totp": { "enabled": true, "secret": "GEZDGNBVGY3TQOJQ", "hashedBackup": ["x"] },
            },
        ),
        account("noraNoraNoraNora2", "nora", Document::new(), doc! { "password": password(HASH_2B) }),
        account(
            "ivanIvanIvanIvan2",
            "ivan",
            doc! { "roles": ["user"], "active": false },
            doc! {
                "password": password(HASH_2B), "resume": { "loginTokens": [session("ivans-session", 1)] },
            },
        ),
    ];
    let roles = vec![
        doc! { "_id": "admin", "name": "admin", "scope": "Users", "description": "The boss", "protected": true,
        "mandatory2fa": false, "_updatedAt": days_ago(1_000) },
        doc! { "_id": "user", "name": "user", "scope": "Users", "description": "", "protected": true },
        doc! { "_id": AUDITOR, "name": "Auditor", "scope": "Users", "description": "Looks", "protected": false,
        "_updatedAt": days_ago(500), "color": "teal" },
        doc! { "_id": TEMP, "color": { "rgb": [1_i32, 2_i64, 3.0] }, "name": "Temp", "description": "For a while",
        "scope": "Subscriptions", "protected": false, "_updatedAt": days_ago(10), "since": days_ago(10) },
        doc! { "_id": "twin1", "name": "twin2", "scope": "Users", "description": "", "protected": false },
        doc! { "_id": "twin2", "name": "twin3", "scope": "Users", "description": "", "protected": false },
    ];
    let permissions = vec![
        doc! { "_id": "access-permissions", "roles": ["admin", AUDITOR], "_updatedAt": days_ago(100) },
        doc! { "_id": "create-c", "roles": Bson::Array(Vec::new()), "_updatedAt": days_ago(100) },
        doc! { "_id": "view-logs", "roles": ["gone-long-ago", TEMP, "admin"], "_updatedAt": days_ago(100), "odd": 7_i64 },
        doc! { "_id": "change-setting-Site_Name", "roles": [TEMP], "level": "settings", "settingId": "Site_Name",
        "group": "General", "sorter": 3.0, "groupPermissionId": "change-setting-General" },
    ];
    let rooms = vec![
        doc! { "_id": "GENERAL", "t": "c", "name": "lobby", "fname": "Lobby", "default": true, "usersCount": 2.0,
        "msgs": 7_i32, "ts": days_ago(1_000), "_updatedAt": days_ago(1), "lastMessage": { "msg": "hello" } },
        doc! { "_id": "bobsRoomBobsRoom2", "t": "p", "name": "den", "u": { "_id": BOB, "username": "bob" },
        "usersCount": 1_i32, "ts": days_ago(30), "_updatedAt": days_ago(30) },
    ];
    let subscriptions = vec![
        doc! { "_id": "subOfBobInGeneral", "rid": "GENERAL", "t": "c", "name": "lobby", "u": { "_id": BOB, "username": "bob" },
        "open": true, "alert": true, "unread": 3_i32, "tunread": ["x"] },
        doc! { "_id": "subOfBobInDenDen2", "rid": "bobsRoomBobsRoom2", "t": "p", "name": "den", "E2EKey": "k",
        "u": { "_id": BOB, "username": "bob" }, "roles": ["owner"], "unread": 0.0, "ts": days_ago(30) },
    ];
    let settings = vec![
        doc! { "_id": "Accounts_LoginExpiration", "value": 30.0, "packageValue": 90, "type": "int", "hidden": false },
        doc! { "_id": "Accounts_TwoFactorAuthentication_Enabled", "value": true, "type": "boolean" },
        doc! { "_id": "Site_Url", "value": "https://elsewhere.example.org", "type": "string" },
    ];
    let trash = vec![doc! { "_id": "oldRoleOldRoleOl2", "name": "Old", "scope": "Users", "description": "",
    "protected": false, "_updatedAt": days_ago(5), "_deletedAt": days_ago(4), "__collection__": "roles", "x": 1_i64 }];
    vec![
        ("users", users),
        ("rocketchat_roles", roles),
        ("rocketchat_permissions", permissions),
        ("rocketchat_room", rooms),
        ("rocketchat_subscription", subscriptions),
        ("rocketchat_settings", settings),
        ("rocketchat__trash", trash),
        ("rocketchat_message", vec![doc! { "_id": "m1", "rid": "GENERAL", "msg": "hello" }]),
    ]
}

/// Every document of a database as the bytes it is stored in, by collection and id.
type Bytes = BTreeMap<(String, String), Vec<u8>>;

async fn read(database: &Database) -> Bytes {
    let mut all = Bytes::new();
    for (name, _) in workspace() {
        let documents = database.collection::<RawDocumentBuf>(name).find(doc! {}).await.unwrap();
        for document in documents.try_collect::<Vec<_>>().await.unwrap() {
            let id = document.get_str("_id").unwrap().to_owned();
            all.insert((name.to_owned(), id), document.into_bytes());
        }
    }
    all
}

/// The workspace, its server, and what was there before it.
async fn start() -> (TestServer, Database, Bytes) {
    let place = Place::fresh(Backend::Mongo).await;
    let Place::Database(url) = &place else { panic!("a database") };
    let database = Client::with_uri_str(url).await.unwrap().default_database().unwrap();
    for (name, documents) in workspace() {
        database.collection::<Document>(name).insert_many(documents).await.unwrap();
    }
    let before = read(&database).await;
    let server = Start::at(place).unprepared().set("ADMIN_USERNAME", "intruder").set("ADMIN_PASS", "x").go().await;
    let Raw::Mongo(database) = &server.raw else { panic!("a database") };
    let database = database.clone();
    (server, database, before)
}

async fn run(test: impl AsyncFn(&TestServer, &Database, &Bytes)) {
    let (server, database, before) = start().await;
    test(&server, &database, &before).await;
    server.finish().await;
}

/// The chief, by the token that he made for programs.
fn chief(server: &TestServer) -> Actor<'_> {
    server.with(CHIEF, PERSONAL_TOKEN)
}

async fn login(server: &TestServer, username: &str) -> crate::support::server::Answer {
    server.anonymous().post("login", json!({"user": username, "password": PASSWORD})).await
}

fn ids(bytes: &Bytes, collection: &str) -> BTreeSet<String> {
    bytes.keys().filter(|(name, _)| name == collection).map(|(_, id)| id.clone()).collect()
}

#[tokio::test]
async fn nothing_that_is_there_changes_and_only_absent_defaults_come() {
    run(async |server, database, before| {
        let after = read(database).await;
        for (key, bytes) in before {
            assert_eq!(after.get(key), Some(bytes), "{key:?}");
        }
        for collection in
            ["users", "rocketchat_room", "rocketchat_subscription", "rocketchat_settings", "rocketchat__trash"]
        {
            assert_eq!(ids(&after, collection), ids(before, collection), "{collection}");
        }
        let mut roles = ids(before, "rocketchat_roles");
        roles.extend(DEFAULT_ROLES.iter().map(|role| role.id.to_owned()));
        assert_eq!(ids(&after, "rocketchat_roles"), roles);
        let mut permissions = ids(before, "rocketchat_permissions");
        permissions.extend(Seed::defaults(START).permissions.into_iter().map(|permission| permission.id.to_string()));
        assert_eq!(ids(&after, "rocketchat_permissions"), permissions);
        let intruder = server.anonymous().post("login", json!({"user": "intruder", "password": "x"})).await;
        assert_eq!((intruder.status, server.announcement.as_ref()), (401, None));
    })
    .await;
}

#[tokio::test]
async fn reading_and_refusing_changes_nothing_either() {
    run(async |server, database, _| {
        let (before, chief) = (read(database).await, chief(server));
        let refused = [
            chief.post("roles.delete", json!({"roleId": AUDITOR})).await,
            chief.post("roles.delete", json!({"roleId": "admin"})).await,
            chief.post("roles.update", json!({"roleId": TEMP, "name": "auditor"})).await,
            chief.post("roles.removeUserFromRole", json!({"username": "chief", "roleId": "admin"})).await,
            chief.post("users.setActiveStatus", json!({"userId": BOB, "activeStatus": false})).await,
            chief.post("users.create", json!({"username": "BOB", "name": "x", "email": "x@y", "password": "x"})).await,
        ];
        assert_eq!(refused.map(|answer| answer.status), [400; 6]);
        for route in ["me", "roles.list", "roles.sync", "permissions.listAll", "users.info?username=bob"] {
            chief.get(route).await.ok();
        }
        assert_eq!(read(database).await, before);
    })
    .await;
}

#[tokio::test]
async fn tokens_work_as_long_as_the_workspace_says() {
    run(async |server, _, _| {
        let session = server.with(CHIEF, SESSION_TOKEN);
        session.get("me").await.ok();
        chief(server).get("me").await.ok();
        server.with(CHIEF, "stale").get("me").await.unauthenticated();
        server.with("ivanIvanIvanIvan2", "ivans-session").get("me").await.unauthenticated();
        server.clock.advance(DAY);
        session.get("me").await.unauthenticated();
        server.clock.advance(1_000 * DAY);
        let me = chief(server).get("me").await.ok();
        assert_eq!((&me["utcOffset"], &me["roles"]), (&json!(2), &json!(["admin", "user"])));
        assert_eq!(me["settings"]["preferences"]["sidebarViewMode"], "condensed");
        assert_eq!((me.get("somethingNew"), me.get("__rooms")), (None, None));
    })
    .await;
}

#[tokio::test]
async fn passwords_work_and_a_login_touches_nothing_else() {
    run(async |server, database, _| {
        for (username, id) in [("chief", CHIEF), ("bob", BOB)] {
            let users = database.collection::<Document>("users");
            let before = users.find_one(doc! { "_id": id }).await.unwrap().unwrap();
            let answer = login(server, username).await.ok();
            let token = answer["data"]["authToken"].as_str().unwrap();
            server.with(id, token).get("me").await.ok();
            let mut after = users.find_one(doc! { "_id": id }).await.unwrap().unwrap();
            assert_eq!(after.remove("lastLogin"), Some(days_ago(0).into()));
            let services = after.get_document_mut("services").unwrap();
            let tokens = services.get_document_mut("resume").unwrap().get_array_mut("loginTokens").unwrap();
            let newest = tokens
                .iter()
                .position(|entry| entry.as_document().unwrap().get_str("hashedToken").unwrap() == hash(token));
            let newest = tokens.remove(newest.unwrap());
            assert_eq!(newest, Bson::from(doc! { "when": days_ago(0), "hashedToken": hash(token) }));
            if tokens.is_empty() {
                services.remove("resume");
            }
            assert_eq!(after, before, "{username}");
        }
    })
    .await;
}

#[tokio::test]
async fn accounts_that_may_not_log_in_do_not() {
    run(async |server, _, _| {
        let refusal = async |username: &str| {
            let answer = login(server, username).await;
            (answer.status, answer.json()["error"].as_str().unwrap().to_owned())
        };
        assert_eq!(refusal("tina").await, (401, "totp-required".to_owned()));
        assert_eq!(refusal("nora").await, (401, "error-user-has-no-roles".to_owned()));
        assert_eq!(refusal("ivan").await, (401, "error-user-is-not-activated".to_owned()));
        assert_eq!(refusal("rocket.cat").await, (401, "Unauthorized".to_owned()));
        let details = json!({"method": "totp", "codeGenerated": false, "availableMethods": ["totp"]});
        assert_eq!(login(server, "tina").await.json()["details"], details);
        let tina = server.with(TINA, "tinas-session");
        assert_eq!(tina.get("me").await.ok()["services"]["totp"], json!({"enabled": true}));
        server.anonymous().post("login", json!({"resume": "tinas-session"})).await.ok();
        assert!(!tina.get("me").await.text.contains("GEZDGNBVGY3TQOJQ"));
    })
    .await;
}

#[tokio::test]
async fn roles_and_permissions_are_those_of_the_workspace() {
    run(async |server, _, _| {
        let chief = chief(server);
        let listed = chief.get("roles.list").await.ok()["roles"].as_array().unwrap().clone();
        let expected =
            json!({"_id": AUDITOR, "name": "Auditor", "scope": "Users", "description": "Looks", "protected": false});
        assert_eq!(listed[2], expected);
        assert_eq!(listed[0]["description"], "The boss");
        chief
            .post("channels.create", json!({"name": "talk"}))
            .await
            .is(403, json!({"success": false, "error": "unauthorized"}));

        let session = login(server, "bob").await.ok();
        let bob = server.with(BOB, session["data"]["authToken"].as_str().unwrap());
        let owners = bob.get("roles.getUsersInRole?role=owner").await.ok();
        assert_eq!((&owners["total"], &owners["users"][0]["username"]), (&json!(1), &json!("bob")));
        let in_use = json!({"users": 1, "rooms": 0, "names": ["bob"]});
        let answer = bob.post("roles.delete", json!({"roleId": "Auditor"})).await;
        answer.refused_with("Cannot delete role because it's in use", "error-role-in-use", in_use);
        let grants = bob.get("permissions.listAll").await.ok()["update"].as_array().unwrap().clone();
        let setting = grants.iter().find(|grant| grant["_id"] == "change-setting-Site_Name").unwrap();
        assert_eq!((&setting["level"], &setting["sorter"]), (&json!("settings"), &json!(3)));
        let rooms = chief.get("users.info?username=bob&includeUserRooms=true").await.ok()["user"]["rooms"].clone();
        assert_eq!((&rooms[0]["name"], &rooms[0]["roles"]), (&json!("den"), &json!(["owner"])));
        assert_eq!((&rooms[1]["name"], &rooms[1]["unread"]), (&json!("lobby"), &json!(3)));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_role_goes_to_the_trash_whole() {
    run(async |server, database, _| {
        let before = read(database).await;
        let at = server.clock.advance(1_000);
        chief(server).post("roles.delete", json!({"roleId": "Temp"})).await.is(200, json!({"success": true}));
        let mut after = read(database).await;

        let key = |collection: &str, id: &str| (collection.to_owned(), id.to_owned());
        let document =
            |bytes: Vec<u8>| Document::try_from(RawDocumentBuf::from_bytes(bytes).unwrap().as_ref()).unwrap();
        let mut trashed = document(before[&key("rocketchat_roles", TEMP)].clone());
        trashed.insert("_deletedAt", DateTime::from_millis(at.as_millis()));
        trashed.insert("__collection__", "roles");
        let found = document(after.remove(&key("rocketchat__trash", TEMP)).unwrap());
        assert_eq!(found, trashed);
        assert_eq!(found.keys().collect::<Vec<_>>(), trashed.keys().collect::<Vec<_>>());

        let mut expected = before.clone();
        expected.remove(&key("rocketchat_roles", TEMP)).unwrap();
        for (permission, roles) in [("view-logs", vec!["gone-long-ago", "admin"]), ("change-setting-Site_Name", vec![])]
        {
            let key = key("rocketchat_permissions", permission);
            let mut wanted = document(expected.remove(&key).unwrap());
            wanted.insert("roles", roles);
            wanted.insert("_updatedAt", DateTime::from_millis(at.as_millis()));
            assert_eq!(document(after.remove(&key).unwrap()), wanted);
        }
        // Everything else is as it was, to the byte.
        assert_eq!(after, expected);
    })
    .await;
}

#[tokio::test]
async fn what_was_trashed_before_is_still_reported() {
    run(async |server, _, _| {
        let since = rolekeeper::domain::time::Timestamp::from_millis(days_ago(5).timestamp_millis());
        let synced = chief(server).get(&format!("roles.sync?updatedSince={since}")).await.ok();
        let removed: Vec<&Value> = synced["roles"]["remove"].as_array().unwrap().iter().collect();
        assert_eq!((removed.len(), &removed[0]["_id"]), (1, &json!("oldRoleOldRoleOl2")));
    })
    .await;
}

#[tokio::test]
async fn an_id_goes_before_a_name_that_is_the_same() {
    run(async |server, database, _| {
        let chief = chief(server);
        let left = async || {
            let roles = ids(&read(database).await, "rocketchat_roles");
            roles.into_iter().filter(|id| id.starts_with("twin")).collect::<Vec<_>>()
        };
        chief.post("roles.delete", json!({"roleId": "twin2"})).await.ok();
        assert_eq!(left().await, ["twin1"]);
        chief.post("roles.delete", json!({"roleId": "twin2"})).await.ok();
        assert_eq!(left().await, Vec::<String>::new());
        let answer = chief.post("roles.delete", json!({"roleId": "twin2"})).await;
        answer.refused("This role does not exist", "error-invalid-roleId");
    })
    .await;
}
