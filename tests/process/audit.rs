//! `rolekeeper audit`: what it says of a record that is whole and of one that is not, with which exit code, and what it
//! writes out.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::client::Session;
use crate::support::mongod;
use crate::support::process::{Ended, Launch, Process};
use crate::{PASSWORD, data_directory, launch};

/// What stands before the newest entry of the workspace in the log.
const HEAD: &str = "newest entry of the record of workspace: ";

fn head_in(log: &str) -> String {
    let line = log.lines().rev().find(|line| line.contains(HEAD)).unwrap_or_else(|| panic!("no head:\n{log}"));
    let (_, head) = line.split_once(HEAD).unwrap();
    head.trim().to_owned()
}

fn audit(launch: &Launch, arguments: &[&str]) -> Ended {
    arguments.iter().fold(launch.clone().arg("audit"), |launch, argument| launch.arg(argument)).run()
}

/// Makes that many roles.
async fn make_roles(server: &Process, count: usize) {
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    for number in 0..count {
        admin.post("roles.create", &json!({"name": format!("role {number}")})).await.unwrap().ok();
    }
}

fn tamper(directory: &Path, sql: &str) {
    Connection::open(directory.join("rolekeeper.sqlite3")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_whole_record_is_sound_and_a_changed_one_is_not() {
    let directory = data_directory();
    let server = launch(&directory).serve();
    make_roles(&server, 5).await;
    // Also beside a server that runs.
    assert_eq!(audit(&launch(&directory), &["verify"]).code(), Some(0));
    let head = head_in(&server.stop().stderr);
    let sound = audit(&launch(&directory), &["verify", "--expect", &head]);
    assert_eq!(sound.code(), Some(0), "{sound:?}");
    assert!(sound.stdout.contains(&format!("newest {head}\nthe record is sound\n")), "{}", sound.stdout);
    assert_eq!(audit(&launch(&directory), &["verify", "--scope", "workspace"]).code(), Some(0));

    tamper(directory.path(), "UPDATE audit SET entry = json_set(entry, '$.reason', 'x') WHERE number = 3");
    let changed = audit(&launch(&directory), &["verify"]);
    assert_eq!(changed.code(), Some(1), "{changed:?}");
    let line = changed.stdout.lines().next().unwrap();
    assert!(line.starts_with("workspace 3 ") && line.contains("was changed"), "{line}");
    assert!(changed.stdout.ends_with("findings: 1\n"), "{}", changed.stdout);
}

#[tokio::test]
async fn a_cut_end_is_found_by_the_head_that_the_log_told() {
    let directory = data_directory();
    let server = launch(&directory).serve();
    make_roles(&server, 5).await;
    let head = head_in(&server.stop().stderr);
    let cut = "DELETE FROM audit WHERE number > 4; \
               UPDATE audit_heads SET number = 4, hash = (SELECT hash FROM audit WHERE number = 4)";
    tamper(directory.path(), cut);
    assert_eq!(audit(&launch(&directory), &["verify"]).code(), Some(0));
    let found = audit(&launch(&directory), &["verify", "--expect", &head]);
    assert_eq!(found.code(), Some(1), "{found:?}");
    assert!(found.stdout.contains(&format!("the entry {head} is not there")), "{}", found.stdout);
}

#[tokio::test]
async fn with_a_key_nobody_else_makes_entries_and_nobody_else_judges_them() {
    let directory = data_directory();
    let key = directory.path().join("key");
    fs::write(&key, "a key that is long enough\n").unwrap();
    let keyed = launch(&directory).env("ROLEKEEPER_AUDIT_KEY_FILE", &key).env("ROLEKEEPER_LOG", "trace");
    let server = keyed.serve();
    make_roles(&server, 2).await;
    let ended = server.stop();
    assert!(!ended.stderr.contains("a key that is long enough"));
    let sound = audit(&keyed, &["verify"]);
    assert_eq!(sound.code(), Some(0), "{sound:?}");
    assert!(sound.stdout.contains("sealed with a key"), "{}", sound.stdout);
    let without = audit(&launch(&directory), &["verify"]);
    assert_eq!(without.code(), Some(2), "{without:?}");
    assert!(without.stderr.contains("ROLEKEEPER_AUDIT_KEY_FILE"), "{}", without.stderr);
    fs::write(&key, "another key, and long enough").unwrap();
    assert_eq!(audit(&keyed, &["verify"]).code(), Some(1));
    fs::write(&key, "short").unwrap();
    let short = keyed.run();
    assert_eq!(short.code(), Some(2), "{short:?}");
    assert!(short.stderr.contains("fewer than 16 bytes"), "{}", short.stderr);
}

#[tokio::test]
async fn the_record_is_written_out_line_by_line_without_secrets() {
    let directory = data_directory();
    let server = launch(&directory).serve();
    make_roles(&server, 3).await;
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    let (_, token) = admin.login.clone().unwrap();
    server.stop();
    let export = audit(&launch(&directory), &["export"]);
    assert_eq!(export.code(), Some(0), "{export:?}");
    let lines: Vec<Value> = export.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
    let roles = lines.iter().filter(|line| line["entry"]["action"] == "role_created").count();
    assert_eq!(roles, 3);
    for secret in [PASSWORD, &token, "$2b$"] {
        assert!(!export.stdout.contains(secret));
    }
    for (arguments, is_empty) in
        [(["--from", "2000-01-01"], false), (["--to", "2000-01-01"], true), (["--scope", "org_1"], true)]
    {
        let export = audit(&launch(&directory), &["export", arguments[0], arguments[1]]);
        assert_eq!((export.code(), export.stdout.is_empty()), (Some(0), is_empty), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_read_ends_with_code_2() {
    let directory = data_directory();
    for arguments in [
        &["verify"][..],
        &["export"],
        &["verify", "--expect", "7"],
        &["export", "--from", "yesterday"],
        &["verify", "--scope"],
        &["burn"],
    ] {
        let ended = audit(&launch(&directory), arguments);
        assert_eq!(ended.code(), Some(2), "{arguments:?} {ended:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    assert!(!directory.path().join("rolekeeper.sqlite3").exists(), "looking makes nothing");
}

#[tokio::test]
async fn on_mongodb_a_clean_stop_leaves_nothing_unsealed_and_a_kill_leaves_it_to_the_next_start() {
    let url = tokio::task::spawn_blocking(mongod::fresh_database_url).await.unwrap();
    let launch = Launch::on_mongo(&url).env("ADMIN_PASS", PASSWORD);
    let server = launch.serve();
    make_roles(&server, 5).await;
    let head = head_in(&server.stop().stderr);
    let sound = audit(&launch, &["verify", "--expect", &head]);
    assert_eq!(sound.code(), Some(0), "{sound:?}");
    assert!(sound.stdout.contains(&format!("newest {head}\nthe record is sound\n")), "{}", sound.stdout);

    let server = launch.serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    admin.post("roles.create", &json!({"name": "last"})).await.unwrap().ok();
    server.kill();
    // Sealed or waiting, but there.
    assert_eq!(audit(&launch, &["verify", "--expect", &head]).code(), Some(0));
    launch.serve().stop();
    let export = audit(&launch, &["export"]);
    let last = export.stdout.lines().find(|line| line.contains("\"last\"")).unwrap();
    assert!(serde_json::from_str::<Value>(last).unwrap()["seq"].is_u64(), "{last}");
    assert_eq!(audit(&launch, &["verify"]).code(), Some(0));
}
