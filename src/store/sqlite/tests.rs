//! What is particular to this backend: its files, its threads, its foreign keys. What every backend must do is tested
//! in `tests/store`.

use std::future::Future as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rusqlite::Connection;

use super::*;
use crate::clock::RandomIds;
use crate::domain::fact::Fact;
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::role::{ADMIN, Assignment, NewRole, OWNER, Role, RoleDefinition, RoleScope, USER};
use crate::domain::room::{GENERAL, NewRoom, RoomKind};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenKind, TokenText};
use crate::domain::user::{Activation, EmailAddress, NewUser};
use crate::store::{
    AuditStore as _, Conflict, Page, PermissionStore as _, RoleStore as _, RoomStore as _, SettingStore as _,
    StoreError, TokenStore as _, UserStore as _,
};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn by() -> AuditContext {
    AuditContext::system(AT)
}

fn open_at(path: &Path) -> Result<SqliteStore> {
    SqliteStore::open(Location::File(path.to_owned()), Arc::new(RandomIds))
}

fn in_memory() -> SqliteStore {
    SqliteStore::open(Location::Memory, Arc::new(RandomIds)).unwrap()
}

fn account(name: &str, roles: &[&str]) -> NewUser {
    NewUser {
        id: UserId::from_stored(format!("id-of-{name}")),
        username: name.to_owned(),
        name: name.to_uppercase(),
        emails: vec![
            EmailAddress { address: format!("{name}@example.org"), verified: true },
            EmailAddress { address: format!("{name}@example.com"), verified: false },
        ],
        password: None,
        roles: roles.iter().copied().map(RoleId::from_stored).collect(),
        active: true,
        join_default_rooms: true,
        profile: serde_json::json!({"bio": "…", "customFields": {"team": "blue"}}).as_object().cloned().unwrap(),
    }
}

fn deputy() -> NewRole {
    NewRole {
        id: RoleId::from_stored("6579adcf2dd9f9d9514f6a00"),
        definition: RoleDefinition {
            name: "Deputy".to_owned(),
            description: "Stands in".to_owned(),
            scope: RoleScope::Users,
            mandatory2fa: true,
        },
    }
}

fn unavailable<T>(outcome: Result<T>) -> String {
    match outcome {
        Err(StoreError::Unavailable(reason)) => reason,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it worked"),
    }
}

/// Everything that the traits can read, to compare two moments.
async fn everything(store: &SqliteStore) -> String {
    let admin = UserId::from_stored("id-of-ada");
    let general = RoomId::from_stored(GENERAL);
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.list_roles().await.unwrap(),
        store.list_permissions().await.unwrap(),
        store.find_user(&admin).await.unwrap(),
        store.find_token_owner(&TokenText::new("t").hash()).await.unwrap(),
        store.find_room(&general).await.unwrap(),
        store.list_memberships(&admin).await.unwrap(),
        store.list_audit_entries(100).await.unwrap(),
    )
}

#[tokio::test]
async fn a_file_opened_again_holds_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rolekeeper.sqlite3");
    let store = open_at(&path).unwrap();
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    let ada = store.create_user(account("ada", &[ADMIN, USER]), &by()).await.unwrap();
    store.create_role(deputy(), &by()).await.unwrap();
    store.add_session_token(&ada.id, &TokenText::new("t").hash(), 50, &by()).await.unwrap();
    let before = everything(&store).await;
    drop(store);
    // Closed in order: the journal was carried over into the file.
    assert!(!directory.path().join("rolekeeper.sqlite3-wal").exists());
    assert_eq!(everything(&open_at(&path).unwrap()).await, before);
    assert!(before.contains("Deputy") && before.contains("id-of-ada"));
}

#[tokio::test]
async fn a_created_account_is_read_back_as_it_was_given() {
    let store = in_memory();
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    let created = store.create_user(account("ada", &[USER, ADMIN]), &by()).await.unwrap();
    assert_eq!(store.find_user(&created.id).await.unwrap(), Some(created.clone()));
    assert_eq!(store.find_user_by_email("ADA@Example.com").await.unwrap(), Some(created.clone()));
    assert_eq!(store.find_room(&RoomId::from_stored(GENERAL)).await.unwrap().unwrap().members, 1);
}

#[cfg(unix)]
#[test]
fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rolekeeper.sqlite3");
    let _store = open_at(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_operator_learns_which_file_cannot_be_used_and_why() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("nowhere/rolekeeper.sqlite3");
    let foreign = directory.path().join("notes.txt");
    std::fs::write(&foreign, "These are my notes, and they are rather longer than a header. ".repeat(40)).unwrap();
    let other = directory.path().join("other.sqlite3");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE tunes (title TEXT); PRAGMA user_version = 1")
        .unwrap();
    let newer = directory.path().join("newer.sqlite3");
    Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();

    for (path, reason) in [
        (missing.as_path(), "No such file or directory"),
        (directory.path(), "cannot be"),
        (&foreign, "it is not a SQLite database"),
        (&other, "it is the database of another program"),
        (&newer, "its schema has version 999"),
    ] {
        let sentence = unavailable(open_at(path));
        assert!(sentence.contains(&path.display().to_string()) && sentence.contains(reason), "{sentence}");
    }
    let tables: i64 = Connection::open(&other)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "another program's database stays as it is");
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date_and_keeps_what_was_in_its_trash() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rolekeeper.sqlite3");
    let older = Connection::open(&path).unwrap();
    older.execute_batch(include_str!("schema/001_initial.sql")).unwrap();
    older.pragma_update(None, "application_id", 0x526F_6C65).unwrap();
    older.pragma_update(None, "user_version", 1).unwrap();
    for (collection, id, at) in [("roles", "a", 30), ("roles", "b", 20), ("room", "a", 10), ("roles", "c", 10)] {
        let role = deputy().into_role(AT);
        let document = serde_json::to_string(&Role { id: RoleId::from_stored(id), ..role }).unwrap();
        let insert = "INSERT INTO trash (collection, id, document, deleted_at) VALUES (?1, ?2, ?3, ?4)";
        older.execute(insert, (collection, id, document, at)).unwrap();
    }
    drop(older);
    let reader = open::open_to_read(&path).map(drop);
    assert!(matches!(&reader, Err(StoreError::Unavailable(text)) if text.contains("version 1; start the server once")));

    let store = open_at(&path).unwrap();
    let removed = |since| {
        let changes = store.roles_changed_since(Timestamp::from_millis(since));
        async { changes.await.unwrap().removed.into_iter().map(|gone| gone.role.id.to_string()).collect::<Vec<_>>() }
    };
    assert_eq!(removed(0).await, ["c", "b", "a"]);
    assert_eq!(removed(10).await, ["b", "a"]);
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    store.create_role(deputy(), &by()).await.unwrap();
    store.delete_role(&deputy().id, &by()).await.unwrap();
    assert_eq!(removed(30).await, [deputy().id.as_str()]);
    drop(store);
    open::open_to_read(&path).map(drop).unwrap();
}

#[tokio::test]
async fn the_tables_refuse_a_role_that_does_not_exist_and_the_end_of_one_that_is_held() {
    let store = in_memory();
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    store.create_user(account("ada", &[ADMIN]), &by()).await.unwrap();
    for statement in [
        "INSERT INTO user_roles (user_id, position, role_id) VALUES ('id-of-ada', 9, 'nothing')",
        "INSERT INTO user_roles (user_id, position, role_id) VALUES ('nobody', 0, 'admin')",
        "INSERT INTO subscription_roles (subscription_id, position, role_id) SELECT id, 0, 'nothing' FROM subscriptions",
        "DELETE FROM roles WHERE id = 'admin'",
    ] {
        let outcome = store.run_sql(statement).await;
        assert!(matches!(&outcome, Err(StoreError::Backend(text)) if text.contains("FOREIGN KEY")), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_accepted_write_is_done_although_its_caller_has_gone() {
    let store = in_memory();
    {
        let (role, by) = (deputy(), by());
        let mut abandoned = pin!(store.create_role(role, &by));
        // One look is enough to hand the work over; whether it is done already does not matter.
        let _: Poll<Result<Role>> = abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    assert_eq!(store.list_roles().await.unwrap().len(), 1);
}

#[tokio::test]
async fn dropping_the_store_waits_for_everything_it_has_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rolekeeper.sqlite3");
    let store = open_at(&path).unwrap();
    for number in 0..50 {
        let (mut role, by) = (deputy(), by());
        role.id = RoleId::from_stored(format!("id {number}"));
        role.definition.name = format!("role {number}");
        let mut abandoned = pin!(store.create_role(role, &by));
        let _: Poll<Result<Role>> = abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    drop(store);
    assert_eq!(open_at(&path).unwrap().list_roles().await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_full_queue_sends_callers_away_and_recovers() {
    let store = in_memory();
    let (started, wait_for_start) = std::sync::mpsc::channel();
    let (release, wait_for_release) = crossbeam_channel::bounded::<()>(1);
    let work = move |_: &Connection, _: &mut Vec<Fact>| {
        let _ = started.send(());
        let _ = wait_for_release.recv();
        Ok(())
    };
    let mut blocking = Box::pin(store.writer.run(Access::Write, work));
    let mut context = Context::from_waker(Waker::noop());
    assert!(blocking.as_mut().poll(&mut context).is_pending());
    wait_for_start.recv().unwrap();

    let mut waiting: Vec<_> = (0..1024).map(|_| Box::pin(store.list_roles())).collect();
    assert!(waiting.iter_mut().all(|call| call.as_mut().poll(&mut context).is_pending()));
    assert!(unavailable(store.list_roles().await).contains("too many operations"));

    release.send(()).unwrap();
    blocking.await.unwrap();
    for call in waiting {
        call.await.unwrap();
    }
    assert_eq!(store.list_roles().await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_panic_inside_an_operation_keeps_nothing_and_stops_nobody() {
    let store = in_memory();
    let outcome: Result<()> = store
        .write(&by(), |tx| {
            crate::store::sqlite::roles::insert(tx.db, &deputy().into_role(AT))?;
            panic!("a defect")
        })
        .await;
    assert!(matches!(outcome, Err(StoreError::Backend(_))));
    assert_eq!(store.list_roles().await.unwrap(), vec![]);
    store.create_role(deputy(), &by()).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_named_changes_nothing_and_can_be_mended() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_at(&directory.path().join("rolekeeper.sqlite3")).unwrap();
    store.run_sql("PRAGMA max_page_count = 1").await.unwrap();
    let mut large = deputy();
    large.definition.description = "x".repeat(100_000);
    assert_eq!(unavailable(store.create_role(large.clone(), &by()).await), "the disk is full");
    assert_eq!(store.list_roles().await.unwrap(), vec![]);
    store.run_sql("PRAGMA max_page_count = 1000000").await.unwrap();
    store.create_role(large, &by()).await.unwrap();
}

#[tokio::test]
async fn readers_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_at(&directory.path().join("rolekeeper.sqlite3")).unwrap();
    let outcome = store.read(|db| db.change("DELETE FROM roles", ())).await;
    assert!(unavailable(outcome).contains("cannot be written"));
}

#[tokio::test]
async fn a_store_whose_file_is_gone_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rolekeeper.sqlite3");
    let store = open_at(&path).unwrap();
    store.ping().await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(unavailable(store.ping().await).contains("is gone"));
}

#[tokio::test]
async fn stored_values_of_another_form_are_named_as_corrupt_without_being_quoted() {
    let store = in_memory();
    store.create_role(deputy(), &by()).await.unwrap();
    store.run_sql("UPDATE roles SET scope = 'Everywhere'").await.unwrap();
    let corrupt = |column: &str| Err(StoreError::Corrupt(format!("the column {column} holds a value of another form")));
    assert_eq!(store.list_roles().await, corrupt("scope"));
    store.run_sql("INSERT INTO settings (id, value) VALUES ('s', 'secret')").await.unwrap();
    assert_eq!(store.find_setting("s").await, corrupt("value").map(|_: Vec<Role>| None));
}

#[tokio::test]
async fn a_room_passes_to_its_oldest_active_member() {
    let store = in_memory();
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    for name in ["ada", "bob", "cyd", "dan"] {
        store.create_user(account(name, if name == "ada" { &[ADMIN] } else { &[USER] }), &by()).await.unwrap();
    }
    let id = |name: &str| UserId::from_stored(format!("id-of-{name}"));
    let room = NewRoom {
        id: RoomId::from_stored("room"),
        name: "plans".to_owned(),
        kind: RoomKind::Group,
        creator: id("bob"),
        members: ["cyd", "dan", "nobody", "dan", "bob"].map(str::to_owned).to_vec(),
        exclude_creator: false,
        read_only: false,
        custom_fields: serde_json::Map::new(),
        details: serde_json::Map::new(),
    };
    let room = store.create_room(room, &by()).await.unwrap();
    assert_eq!(room.members, 3);
    assert_eq!(store.find_room_by_name("PLANS").await.unwrap(), Some(room.clone()));
    store.set_user_active(&id("cyd"), Activation::Deactivate, &by()).await.unwrap();

    let refused = store.set_user_active(&id("bob"), Activation::Deactivate, &by()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(Conflict::SoleOwner(sole)) if sole.shared == ["plans"]));
    let bob = store.set_user_active(&id("bob"), Activation::DeactivateAndRelinquish, &by()).await.unwrap();
    assert!(!bob.active);
    let owner = vec![RoleId::from_stored(OWNER)];
    assert_eq!(store.find_room_roles(&room.id, &id("dan")).await.unwrap(), Some(owner));
    assert_eq!(store.find_room_roles(&room.id, &id("cyd")).await.unwrap(), Some(vec![]));
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let store = in_memory();
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    store.create_first_administrator(account("ada", &[ADMIN]), &by()).await.unwrap().unwrap();
    assert_eq!(store.create_first_administrator(account("bob", &[ADMIN]), &by()).await, Ok(None));
    let ada = UserId::from_stored("id-of-ada");
    let last = StoreError::Conflict(Conflict::LastAdministrator { holders: vec!["ada".to_owned()] });
    let assignment = Assignment { role: RoleId::from_stored(ADMIN), user: ada.clone(), room: None };
    assert_eq!(store.unassign_role(&assignment, &by()).await, Err(last.clone()));
    assert_eq!(store.set_user_active(&ada, Activation::Deactivate, &by()).await, Err(last));
}

#[tokio::test]
async fn holders_are_listed_and_counted_by_place() {
    let store = in_memory();
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    for name in ["bob", "ada", "cyd"] {
        store.create_user(account(name, &[USER]), &by()).await.unwrap();
    }
    let general = RoomId::from_stored(GENERAL);
    let owner = store.find_role(&RoleId::from_stored(OWNER)).await.unwrap().unwrap();
    for (name, room) in [("bob", Some(&general)), ("ada", Some(&general)), ("ada", None)] {
        let user = UserId::from_stored(format!("id-of-{name}"));
        let assignment = Assignment { role: owner.id.clone(), user, room: room.cloned() };
        store.assign_role(&assignment, &by()).await.unwrap();
    }
    let usage = store.role_usage(&owner.id).await.unwrap();
    assert_eq!((usage.users, usage.rooms), (1, 1));
    assert_eq!(usage.names, ["ada", "bob"]);

    let all = Page { offset: 0, count: None };
    let names =
        |users: Vec<crate::domain::user::User>| users.into_iter().filter_map(|u| u.username).collect::<Vec<_>>();
    for room in [None, Some(&general)] {
        let listing = store.list_holders(&owner, room, all).await.unwrap();
        assert_eq!((names(listing.items), listing.total), (vec!["ada".to_owned(), "bob".to_owned()], 2));
    }
    let user = store.find_role(&RoleId::from_stored(USER)).await.unwrap().unwrap();
    let second = store.list_holders(&user, None, Page { offset: 1, count: Some(1) }).await.unwrap();
    assert_eq!((names(second.items), second.total), (vec!["bob".to_owned()], 3));
}

#[tokio::test]
async fn the_newest_sessions_stay_and_personal_tokens_are_not_counted() {
    let store = in_memory();
    store.seed(Seed::defaults(AT), &by()).await.unwrap();
    let ada = store.create_user(account("ada", &[ADMIN]), &by()).await.unwrap();
    let hash = |text: &str| TokenText::new(text).hash();
    let plant = "INSERT INTO login_tokens (hash, user_id, personal) VALUES ('p', 'id-of-ada', 1)";
    store.run_sql(plant).await.unwrap();
    for (text, second) in [("1", 1), ("2", 2), ("3", 3)] {
        let at = Timestamp::from_millis(AT.as_millis() + second);
        store.add_session_token(&ada.id, &hash(text), 2, &AuditContext::system(at)).await.unwrap();
    }
    assert_eq!(store.find_token(&ada.id, &hash("1")).await.unwrap(), None);
    let (owner, token) = store.find_token(&ada.id, &hash("3")).await.unwrap().unwrap();
    assert_eq!((owner.updated_at, owner.last_login.map(Timestamp::as_millis)), (Some(AT), Some(AT.as_millis() + 3)));
    assert_eq!(token.kind, TokenKind::Session { issued_at: owner.last_login });
    let personal = crate::domain::token::TokenHash::from_stored("p");
    assert_eq!(
        store.find_token_owner(&personal).await.unwrap().unwrap().1.kind,
        TokenKind::Personal { bypass_second_factor: false }
    );
}
