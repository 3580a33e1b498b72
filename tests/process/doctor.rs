//! `rolekeeper doctor`: its exit codes, its lines, and that without `--fix` nothing changes, not even by being there.

use std::path::Path;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use rolekeeper::app::DATABASE_FILE;
use rusqlite::Connection;
use serde_json::Value;

use crate::client::Session;
use crate::support::dump::{Dump, of_database, of_file};
use crate::support::mongod::fresh_database_url;
use crate::support::process::{Ended, Launch};
use crate::{PASSWORD, data_directory, launch};

const ROLE: &str = "0123456789abcdef01234567";
/// More questions than a server answers until it has looked for what others did.
const MANY: u32 = 100_000;

/// A workspace as the server leaves it.
fn workspace(server: &Launch) {
    assert_eq!(server.serve().stop().code(), Some(0));
}

/// Leaves a role with a permission that does not exist, and two accounts with one name.
fn plant_in_file(directory: &Path) {
    let file = Connection::open(directory.join(DATABASE_FILE)).unwrap();
    file.execute_batch(&format!(
        "INSERT INTO permission_roles VALUES ('create-c', 99, '{ROLE}'); \
         INSERT INTO users (id, username, username_key, kind, active, profile) VALUES ('twin', 'ADMIN', 'x', 'user', 1, '{{}}');"
    ))
    .unwrap();
}

fn lines(ended: &Ended) -> Vec<&str> {
    ended.stdout.lines().collect()
}

fn dump_of(directory: &Path) -> Dump {
    of_file(&directory.join(DATABASE_FILE))
}

#[test]
fn a_sound_workspace_is_called_so() {
    let directory = data_directory();
    workspace(&launch(&directory));
    let ended = launch(&directory).arg("doctor").run();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "the workspace is sound\n"), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn what_is_wrong_is_told_and_only_changed_when_that_is_asked_for() {
    let directory = data_directory();
    workspace(&launch(&directory));
    plant_in_file(directory.path());
    let before = dump_of(directory.path());

    let told = launch(&directory).arg("doctor").run();
    assert_eq!(told.code(), Some(1), "{told:?}");
    let [role, name, sum] = lines(&told)[..] else { panic!("{told:?}") };
    let expected = format!("problem: permission create-c names roles that do not exist: {ROLE}");
    assert_eq!(role, format!("{expected}; repair: take them off its list"));
    assert!(name.starts_with("problem: accounts called \"admin\": "), "{name}");
    assert!(name.ends_with("; to do: change or delete all but one of them"), "{name}");
    assert_eq!(sum, "problems: 2, notices: 0; nothing was changed");
    assert_eq!(dump_of(directory.path()), before);

    let json = launch(&directory).arg("doctor").arg("--json").run();
    let objects: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["finding"], "unknown_roles_of_permission");
    assert_eq!(objects[0]["severity"], "problem");
    assert_eq!(objects[0]["permission"], "create-c");
    assert_eq!(objects[0]["roles"], serde_json::json!([ROLE]));
    assert_eq!((objects[0]["outcome"].as_str(), objects[1]["outcome"].as_str()), (Some("found"), Some("found")));
    assert_eq!(objects[2]["summary"]["left"], 2);
    assert_eq!(dump_of(directory.path()), before);

    let fixed = launch(&directory).arg("doctor").arg("--fix").run();
    assert_eq!(fixed.code(), Some(1), "{fixed:?}");
    let [shown, done, _, sum] = lines(&fixed)[..] else { panic!("{fixed:?}") };
    assert_eq!((shown, done), (role, "  repaired"));
    assert_eq!(sum, "problems: 2, notices: 0; repaired: 1, problems left: 1");
    Connection::open(directory.path().join(DATABASE_FILE))
        .unwrap()
        .execute("DELETE FROM users WHERE id = 'twin'", ())
        .unwrap();
    assert_eq!(launch(&directory).arg("doctor").run().code(), Some(0));
}

/// Asks until that permission's list has the role, or has it no more.
async fn wait_for_grant(admin: &Session, granted: bool) {
    for _ in 0..MANY {
        let answer = admin.get("permissions.listAll", &[]).await.unwrap().ok();
        let permission = answer["update"].as_array().unwrap().iter().find(|one| one["_id"] == "create-c").unwrap();
        if permission["roles"].as_array().unwrap().contains(&ROLE.into()) == granted {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the server does not notice");
}

#[tokio::test]
async fn a_workspace_is_examined_and_repaired_while_a_server_runs_and_notices() {
    let directory = data_directory();
    let server = launch(&directory).serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    plant_in_file(directory.path());
    wait_for_grant(&admin, true).await;
    assert_eq!(launch(&directory).arg("doctor").run().code(), Some(1));
    let fixed = launch(&directory).arg("doctor").arg("--fix").run();
    assert!(fixed.stdout.contains("  repaired\n"), "{fixed:?}");
    wait_for_grant(&admin, false).await;
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn what_cannot_be_examined_is_said_in_one_sentence_and_not_made() {
    let directory = data_directory();
    for words in [&["doctor"][..], &["doctor", "--fix"], &["recover-admin"]] {
        let launch = words.iter().fold(Launch::on_sqlite(directory.path()), |launch, word| launch.arg(word));
        let ended = launch.run();
        let file = directory.path().join(DATABASE_FILE);
        let sentence = format!("rolekeeper: the database {} cannot be used: there is no such file\n", file.display());
        assert_eq!((ended.code(), ended.stderr), (Some(2), sentence), "{words:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is made");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("mongodb://hush:hushpass@{free}/rocketchat?replicaSet=rs0");
    let ended = Launch::on_mongo(&url).arg("doctor").run();
    assert_eq!((ended.code(), ended.stderr.lines().count()), (Some(2), 1), "{ended:?}");
    assert!(ended.stderr.contains("no MongoDB server answers") && !ended.stderr.contains("hush"), "{ended:?}");
    assert_eq!(Launch::new().env("PORT", "x").arg("doctor").run().code(), Some(2));
}

#[tokio::test]
async fn a_workspace_of_rocket_chat_is_examined_as_it_is() {
    let url = tokio::task::spawn_blocking(fresh_database_url).await.unwrap();
    let client = Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    // Neither collections nor indexes of ours, and names that a unique index would not take.
    let users = database.collection::<Document>("users");
    let account =
        |id: &str| doc! { "_id": id, "username": "Twin", "type": "user", "active": true, "roles": ["admin", "gone"] };
    users.insert_many([account("one"), account("two")]).await.unwrap();
    let access = doc! { "_id": "access-permissions", "roles": ["admin"] };
    database.collection::<Document>("rocketchat_permissions").insert_one(access).await.unwrap();
    let before = of_database(&database).await;

    let on_mongo = |words: &'static [&'static str]| {
        let launch = words.iter().fold(Launch::on_mongo(&url), |launch, word| launch.arg(word));
        async move { tokio::task::spawn_blocking(move || launch.run()).await.unwrap() }
    };
    let told = on_mongo(&["doctor"]).await;
    assert_eq!(told.code(), Some(1), "{told:?}");
    for line in [
        "problem: built-in role admin is missing; repair: insert it as every workspace has it",
        "notice: built-in role guest is missing; repair: insert it as every workspace has it",
        "problem: account one holds roles that do not exist: gone; repair: take them from it",
        "problem: accounts called \"Twin\": one, two; to do: change or delete all but one of them",
    ] {
        assert!(told.stdout.contains(line), "{line}\n{}", told.stdout);
    }
    assert_eq!(of_database(&database).await, before);

    let fixed = on_mongo(&["doctor", "--fix"]).await;
    assert_eq!(fixed.code(), Some(1), "{fixed:?}");
    let left = on_mongo(&["doctor"]).await;
    assert_eq!(left.stdout.lines().count(), 2, "{left:?}");
    users.delete_one(doc! { "_id": "two" }).await.unwrap();
    let sound = on_mongo(&["doctor"]).await;
    assert_eq!((sound.code(), sound.stdout.as_str()), (Some(0), "the workspace is sound\n"));
    let one = users.find_one(doc! { "_id": "one" }).await.unwrap().unwrap();
    assert_eq!(one.get_array("roles").unwrap().len(), 1);
    database.drop().await.unwrap();
}
