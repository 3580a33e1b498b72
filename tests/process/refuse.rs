//! What the program refuses to start with: exit code 2 and one sentence that an operator can act upon, without secrets.

use std::fs;
use std::net::TcpListener;

use crate::data_directory;
use crate::support::mongod::{Mongod, Options};
use crate::support::process::{Ended, Launch};

/// Runs it, expects a refusal and returns its one sentence.
fn refusal(launch: &Launch) -> String {
    let ended = launch.run();
    assert_eq!(ended.code(), Some(2), "{ended:?}");
    assert_eq!(ended.stdout, "");
    sentence(&ended)
}

/// The one line that is not of the log; a panic would be more than one.
fn sentence(ended: &Ended) -> String {
    let is_log = |line: &&str| line.len() > 24 && line.as_bytes()[23] == b'Z';
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !is_log(line)).collect();
    let [line] = lines[..] else { panic!("not one sentence: {ended:?}") };
    line.strip_prefix("rolekeeper: ").unwrap_or_else(|| panic!("not a sentence of ours: {line}")).to_owned()
}

fn on_sqlite(directory: &tempfile::TempDir) -> Launch {
    Launch::on_sqlite(&directory.path().join("data"))
}

#[test]
fn a_key_that_the_file_may_not_have() {
    let directory = data_directory();
    let file = directory.path().join("rolekeeper.toml");
    fs::write(&file, "[server]\nprot = 3000\n").unwrap();
    let said = refusal(&on_sqlite(&directory).arg("--config").arg(&file));
    assert_eq!(said, format!("{}: unknown key server.prot", file.display()));
}

#[test]
fn a_file_that_is_not_toml_is_not_quoted() {
    let directory = data_directory();
    let file = directory.path().join("rolekeeper.toml");
    fs::write(&file, "[administrator]\npassword = hush-hush\n").unwrap();
    let said = refusal(&on_sqlite(&directory).env("ROLEKEEPER_CONFIG", &file));
    assert!(said.contains("not valid TOML at line 2") && !said.contains("hush"), "{said}");
}

#[test]
fn a_variable_that_claims_to_be_ours() {
    let directory = data_directory();
    let said = refusal(&on_sqlite(&directory).env("ROLEKEEPER_DATADIR", "/hush-hush"));
    assert_eq!(said, "unknown environment variable \"ROLEKEEPER_DATADIR\"");
}

#[test]
fn a_workspace_setting_with_a_value_it_cannot_have() {
    let directory = data_directory();
    let setting = "OVERWRITE_SETTING_Accounts_RequireNameForSignUp";
    let said = refusal(&on_sqlite(&directory).env(setting, "maybe"));
    assert!(said.starts_with(&format!("{setting} ")), "{said}");
    assert!(!said.contains("maybe"), "a setting may be a password: {said}");
}

#[test]
fn a_restricted_role_with_a_permission_that_does_not_exist() {
    let directory = data_directory();
    let variable = "ROLEKEEPER_RESTRICTED_ROLES";
    let said = refusal(&on_sqlite(&directory).env(variable, "guest=view-d-room,view-lgos,nothing;user=create-c"));
    assert_eq!(said, "restricted_roles names permissions that do not exist: nothing, view-lgos");
    let said = refusal(&on_sqlite(&directory).env(variable, "guest"));
    assert_eq!(said, format!("{variable} must be a role's list of permissions, with at least one"));
}

#[test]
fn a_password_given_twice() {
    let directory = data_directory();
    let launch = on_sqlite(&directory).env("ADMIN_PASS", "hush-hush").env("ADMIN_PASS_FILE", "/hush-hush");
    assert_eq!(refusal(&launch), "ADMIN_PASS and ADMIN_PASS_FILE are both set; keep one");
}

#[test]
fn a_port_that_is_in_use() {
    let directory = data_directory();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = refusal(&on_sqlite(&directory).env("PORT", &port));
    assert!(said.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{said}");
    assert!(!directory.path().join("data").exists(), "nothing is made by a server that does not start");
}

#[test]
fn a_data_directory_that_is_a_file() {
    let directory = data_directory();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let said = refusal(&Launch::on_sqlite(&path));
        assert!(said.starts_with(&format!("the data directory {} cannot be used: ", path.display())), "{said}");
    }
}

#[test]
fn a_data_directory_that_takes_no_files() {
    // Not even the superuser makes files there.
    let said = refusal(&Launch::on_sqlite("/proc/self".as_ref()));
    assert!(said.starts_with("the database /proc/self/rolekeeper.sqlite3 cannot be used: "), "{said}");
}

#[test]
fn a_database_file_that_is_none() {
    let directory = data_directory();
    let file = directory.path().join("rolekeeper.sqlite3");
    fs::write(&file, "no database, but long enough to look like one. ".repeat(100)).unwrap();
    let said = refusal(&Launch::on_sqlite(directory.path()));
    assert_eq!(said, format!("the database {} cannot be used: it is not a SQLite database", file.display()));
}

/// Credentials that may not appear anywhere.
const USER: &str = "hushuser";
const PASSWORD: &str = "hushpass";

fn assert_hushed(ended: &Ended) {
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!all.contains(USER) && !all.contains(PASSWORD), "{ended:?}");
}

/// As [`refusal`], however much is logged, and never with credentials.
fn mongo_refusal(url: &str) -> String {
    let ended = Launch::on_mongo(url).env("ROLEKEEPER_LOG", "trace,mongodb=trace").run();
    assert_eq!(ended.code(), Some(2), "{ended:?}");
    assert_hushed(&ended);
    sentence(&ended)
}

#[test]
fn a_mongodb_that_is_not_there() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = mongo_refusal(&format!("mongodb://{USER}:{PASSWORD}@{free}/rocketchat?replicaSet=rs0"));
    assert!(said.starts_with(&format!("no MongoDB server answers at {free}: ")), "{said}");
}

#[tokio::test]
async fn a_mongodb_that_is_no_replica_set() {
    let mongod = Mongod::start(Options::Standalone).await;
    let url = mongod.url("rocketchat");
    for url in [url.clone(), format!("{url}?replicaSet=rs0")] {
        let said = tokio::task::spawn_blocking(move || mongo_refusal(&url)).await.unwrap();
        let hints = ["standalone", "--replSet rs0", "rs.initiate()", "?replicaSet=rs0"];
        assert!(hints.iter().all(|hint| said.contains(hint)), "{said}");
    }
}

#[test]
fn a_connection_string_that_cannot_be_read() {
    let said = mongo_refusal(&format!("mongodb://{USER}:{PASSWORD}@/@:x/rocketchat"));
    assert!(said.starts_with("MONGO_URL is not a MongoDB connection string"), "{said}");
    let said = mongo_refusal(&format!("http://{USER}:{PASSWORD}@localhost/rocketchat"));
    assert_eq!(said, "MONGO_URL must be a connection string that begins with mongodb:// or mongodb+srv://");
}

#[test]
fn a_connection_string_without_a_database() {
    for end in ["", "/", "/?replicaSet=rs0"] {
        let said = mongo_refusal(&format!("mongodb://{USER}:{PASSWORD}@localhost:1{end}"));
        assert!(said.starts_with("MONGO_URL names no database: "), "{said}");
    }
}

#[test]
fn check_config_says_what_is_in_force_without_secrets() {
    let directory = data_directory();
    let launch = Launch::new()
        .arg("check-config")
        .env("MONGO_URL", format!("mongodb://{USER}:{PASSWORD}@localhost/rocketchat"))
        .env("ADMIN_PASS", PASSWORD)
        .env("ROLEKEEPER_DATA_DIR", directory.path().join("data"));
    let ended = launch.run();
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.starts_with("configuration is valid\n"), "{ended:?}");
    assert!(ended.stdout.contains("\nstore.mongo_url = (set)\n"), "{ended:?}");
    assert_hushed(&ended);
    assert!(!directory.path().join("data").exists(), "checking makes nothing");

    assert_eq!(refusal(&launch.clone().env("PORT", "65536")), "PORT must be a whole number from 0 to 65535");
    let setting = "OVERWRITE_SETTING_Accounts_RequireNameForSignUp";
    assert!(refusal(&launch.env(setting, "maybe")).starts_with(setting));
}
