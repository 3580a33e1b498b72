//! `rolekeeper backup` and `rolekeeper restore`: a copy that is made while everybody writes is of one moment and has what
//! was acknowledged before it; a file takes the store's place only when nobody uses that and it can; and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rolekeeper::app::DATABASE_FILE;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::Session;
use crate::support::dump::{Dump, of_file};
use crate::support::process::{Ended, Launch};
use crate::{PASSWORD, data_directory, launch};

const CLIENTS: usize = 6;
/// Acknowledged changes before the copy, and after it.
const BEFORE: usize = 60;
const AFTER: usize = 30;

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join(DATABASE_FILE)
}

fn back_up(directory: &TempDir, file: &Path) -> Ended {
    launch(directory).arg("backup").arg(file).run()
}

fn restore(directory: &TempDir, file: &Path) -> Ended {
    launch(directory).arg("restore").arg(file).run()
}

/// Every file of a directory with its bytes.
fn files(directory: &TempDir) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn names(directory: &TempDir) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files(directory).into_keys().map(name).collect()
}

/// A workspace that is at rest, with a role of that name.
async fn workspace(directory: &TempDir, role: &str) {
    let server = launch(directory).serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    admin.post("roles.create", &json!({"name": role})).await.unwrap().ok();
    assert_eq!(server.stop().code(), Some(0));
}

fn has_role(dump: &Dump, name: &str) -> bool {
    dump["roles"].iter().any(|row| row.split('|').any(|column| column == name))
}

/// Makes roles and gives them away until it is enough, and tells of each that was acknowledged.
async fn write(admin: Session, client: usize, told: watch::Sender<Vec<String>>, mut enough: watch::Receiver<bool>) {
    for number in 0.. {
        if *enough.borrow_and_update() {
            return;
        }
        let name = format!("storm-{client}-{number}");
        let made = admin.post("roles.create", &json!({"name": &name})).await.unwrap().ok();
        let given = json!({"roleId": made["role"]["_id"], "username": "admin"});
        admin.post("roles.addUserToRole", &given).await.unwrap().ok();
        told.send_modify(|told| told.push(name));
    }
}

async fn until(told: &mut watch::Receiver<Vec<String>>, count: usize) -> Vec<String> {
    told.wait_for(|told| told.len() >= count).await.unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_from_the_middle_of_a_storm_is_of_one_moment() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    let server = launch(&directory).serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    let (told, mut news) = watch::channel(Vec::new());
    let (stop, enough) = watch::channel(false);
    let mut storm = JoinSet::new();
    for client in 0..CLIENTS {
        storm.spawn(write(admin.clone(), client, told.clone(), enough.clone()));
    }
    let acknowledged = until(&mut news, BEFORE).await;
    let file = elsewhere.path().join("copy");
    let copied = {
        let (launch, file) = (launch(&directory).arg("backup"), file.clone());
        tokio::task::spawn_blocking(move || launch.arg(file).run()).await.unwrap()
    };
    assert_eq!((copied.code(), copied.stderr.as_str()), (Some(0), ""), "{copied:?}");
    assert_eq!(copied.stdout, format!("the store is copied to {}\n", file.display()));
    until(&mut news, acknowledged.len() + AFTER).await;
    stop.send_replace(true);
    storm.join_all().await;
    assert_eq!(server.stop().code(), Some(0));

    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(&elsewhere), ["copy"], "one file, and nothing beside it");
    let copy = of_file(&file);
    for name in &acknowledged {
        assert!(has_role(&copy, name), "{name} was acknowledged before");
    }
    let last = of_file(&database(&directory));
    assert!(last["roles"].len() > copy["roles"].len(), "it was a copy of the end");
    assert_one_moment(&file);

    // What is put back is what was copied, and a server answers with it.
    let other = data_directory();
    let put = restore(&other, &file);
    assert_eq!(put.code(), Some(0), "{put:?}");
    assert_eq!(put.stdout, format!("the store is that of {}\n", file.display()));
    assert_eq!(of_file(&database(&other)), copy);
    assert_eq!(launch(&other).arg("doctor").run().stdout, "the workspace is sound\n");
    let server = launch(&other).serve();
    // The copy has the token too.
    let answer = admin.moved_to(&server.url()).get("roles.list", &[]).await.unwrap().ok();
    let listed: BTreeSet<&str> =
        answer["roles"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(listed.len(), copy["roles"].len());
    assert!(listed.iter().all(|name| has_role(&copy, name)));
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(of_file(&database(&other)), copy, "nothing came from the first start");
    assert_eq!(launch(&other).arg("doctor").run().code(), Some(0));
}

/// What the test above asks of a copy is not true of any copy: one of the file alone, made by whoever knows nothing of the
/// database, is found to lack what was acknowledged, or to be no database at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_copy_of_the_file_from_the_middle_of_a_storm_is_found_out() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    let server = launch(&directory).serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    let (told, mut news) = watch::channel(Vec::new());
    let (stop, enough) = watch::channel(false);
    let mut storm = JoinSet::new();
    for client in 0..CLIENTS {
        storm.spawn(write(admin.clone(), client, told.clone(), enough.clone()));
    }
    const COPIES: usize = 5;
    let mut found_out = 0;
    for number in 1..=COPIES {
        let acknowledged = until(&mut news, BEFORE * number).await;
        let file = elsewhere.path().join(format!("copy-{number}"));
        fs::copy(database(&directory), &file).unwrap();
        let is_whole = lacks(&file, &acknowledged).is_ok_and(|lacking| lacking == 0);
        found_out += usize::from(!is_whole);
    }
    stop.send_replace(true);
    storm.join_all().await;
    assert_eq!(server.stop().code(), Some(0));
    assert!(found_out > 0, "{COPIES} plain copies were whole");
}

/// How many of the roles a copy does not have.
fn lacks(file: &Path, names: &[String]) -> rusqlite::Result<usize> {
    let copy = Connection::open(file)?;
    let mut statement = copy.prepare("SELECT COUNT(*) FROM roles WHERE name = ?1")?;
    let counts: Vec<i64> =
        names.iter().map(|name| statement.query_row([name], |row| row.get(0))).collect::<Result<_, _>>()?;
    Ok(counts.into_iter().filter(|count| *count == 0).count())
}

/// Each change leaves its entry on record in the same transaction: a copy of two moments would have one without the other.
fn assert_one_moment(file: &Path) {
    let copy = Connection::open(file).unwrap();
    let count = |sql: &str| copy.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
    let entries: Vec<Value> = {
        let mut statement = copy.prepare("SELECT entry FROM audit").unwrap();
        let rows = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
        rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap()).collect()
    };
    let of = |action: &str| entries.iter().filter(|entry| entry.to_string().contains(&format!("\"{action}\""))).count();
    let made = count("SELECT COUNT(*) FROM roles WHERE name LIKE 'storm-%'");
    let given = count("SELECT COUNT(*) FROM user_roles h JOIN roles r ON r.id = h.role_id WHERE r.name LIKE 'storm-%'");
    assert_eq!((of("role_created"), of("role_assigned")), (made as usize, given as usize));
    assert!(made - given <= CLIENTS as i64 && given as usize >= BEFORE, "{made} {given}");
}

#[tokio::test]
async fn a_file_is_replaced_only_when_that_is_said() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    workspace(&directory, "first").await;
    let file = elsewhere.path().join("copy");
    fs::write(&file, "mine").unwrap();
    let refused = back_up(&directory, &file);
    let sentence = format!("rolekeeper: {} exists already; add --force to replace it\n", file.display());
    assert_eq!((refused.code(), refused.stderr), (Some(1), sentence));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let forced = launch(&directory).arg("backup").arg(&file).arg("--force").run();
    assert_eq!(forced.code(), Some(0), "{forced:?}");
    assert_eq!(of_file(&file), of_file(&database(&directory)));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let before = of_file(&database(&directory));
    let itself = launch(&directory).arg("backup").arg(database(&directory)).arg("--force").run();
    assert_eq!(itself.code(), Some(1), "{itself:?}");
    assert!(itself.stderr.contains("is the database itself"), "{itself:?}");
    assert_eq!(restore(&directory, &database(&directory)).code(), Some(1));
    assert_eq!(of_file(&database(&directory)), before);
    assert!(names(&directory).iter().all(|name| !name.contains("partial") && !name.contains("before")));

    let nowhere = back_up(&directory, &elsewhere.path().join("no such directory").join("copy"));
    assert_eq!((nowhere.code(), nowhere.stderr.lines().count()), (Some(2), 1), "{nowhere:?}");
    assert_eq!(names(&elsewhere), ["copy"]);
}

#[tokio::test]
async fn the_store_of_a_running_server_is_not_replaced() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    workspace(&directory, "first").await;
    let file = elsewhere.path().join("copy");
    assert_eq!(back_up(&directory, &file).code(), Some(0));
    let server = launch(&directory).serve();
    let before = (of_file(&database(&directory)), names(&directory));
    let refused = restore(&directory, &file);
    let path = database(&directory);
    let sentence = format!("rolekeeper: the database {} is in use; stop the server first\n", path.display());
    assert_eq!((refused.code(), refused.stderr), (Some(1), sentence));
    assert_eq!((of_file(&database(&directory)), names(&directory)), before);
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    admin.post("roles.create", &json!({"name": "second"})).await.unwrap().ok();
    assert_eq!(server.stop().code(), Some(0));

    // Nor that of somebody who knows nothing of our lock.
    let shell = Connection::open(database(&directory)).unwrap();
    shell.query_row("SELECT COUNT(*) FROM roles", (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(restore(&directory, &file).code(), Some(1));
    drop(shell);
    assert!(has_role(&of_file(&database(&directory)), "second"));

    // And while it is being replaced, nobody opens it.
    let lock = File::open(directory.path()).unwrap();
    lock.try_lock().unwrap();
    for words in [&[][..], &["doctor"], &["backup", "nowhere"]] {
        let ended = words.iter().fold(launch(&directory), |launch, word| launch.arg(word)).run();
        assert_eq!(ended.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains("another file is just being put in its place"), "{ended:?}");
    }
    drop(lock);
    assert_eq!(restore(&directory, &file).code(), Some(0));
    assert!(!has_role(&of_file(&database(&directory)), "second"));
}

#[tokio::test]
async fn what_was_there_before_is_kept_with_what_a_killed_server_left() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    workspace(&directory, "first").await;
    let file = elsewhere.path().join("copy");
    assert_eq!(back_up(&directory, &file).code(), Some(0));
    let server = launch(&directory).serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    admin.post("roles.create", &json!({"name": "second"})).await.unwrap().ok();
    server.kill();
    assert!(names(&directory).iter().any(|name| name.ends_with("-wal")), "nothing to tidy up");

    let put = restore(&directory, &file);
    assert_eq!(put.code(), Some(0), "{put:?}");
    let told = put.stdout.lines().find_map(|line| line.strip_prefix("what it was before is kept in "));
    let kept = PathBuf::from(told.unwrap_or_else(|| panic!("{put:?}")));
    assert!(kept.display().to_string().contains(".before-restore-20"), "{kept:?}");
    assert_eq!(of_file(&database(&directory)), of_file(&file));
    assert!(has_role(&of_file(&kept), "first") && has_role(&of_file(&kept), "second"));
    let kept_name = kept.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(names(&directory), [DATABASE_FILE.to_owned(), kept_name]);
    assert_eq!(fs::metadata(database(&directory)).unwrap().permissions().mode() & 0o777, 0o600);
    // And back again.
    assert_eq!(restore(&directory, &kept).code(), Some(0));
    assert!(has_role(&of_file(&database(&directory)), "second"));
}

#[tokio::test]
async fn a_damaged_store_is_replaced_and_kept_with_its_log() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    workspace(&directory, "first").await;
    let file = elsewhere.path().join("copy");
    assert_eq!(back_up(&directory, &file).code(), Some(0));
    fs::write(database(&directory), "not a database at all").unwrap();
    assert_eq!(back_up(&directory, &elsewhere.path().join("second")).code(), Some(2));
    for (ending, bytes) in [("-wal", "a log"), ("-shm", "its index")] {
        fs::write(format!("{}{ending}", database(&directory).display()), bytes).unwrap();
    }
    let put = restore(&directory, &file);
    assert_eq!(put.code(), Some(0), "{put:?}");
    assert_eq!(of_file(&database(&directory)), of_file(&file));
    let kept: Vec<String> = names(&directory).into_iter().filter(|name| name.contains("before-restore")).collect();
    assert_eq!((names(&directory).len(), kept.len()), (3, 2), "{kept:?}");
    assert_eq!(fs::read(directory.path().join(&kept[0])).unwrap(), b"not a database at all");
    assert_eq!(fs::read(directory.path().join(&kept[1])).unwrap(), b"a log");
    assert_eq!(launch(&directory).arg("doctor").run().code(), Some(0));
}

#[tokio::test]
async fn what_cannot_be_a_store_is_refused_and_changes_nothing() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    workspace(&directory, "first").await;
    let good = elsewhere.path().join("good");
    assert_eq!(back_up(&directory, &good).code(), Some(0));
    let bytes = fs::read(&good).unwrap();
    let before = files(&directory);
    let bad = elsewhere.path().join("bad");
    let changed = |sql: &str| {
        fs::write(&bad, &bytes).unwrap();
        Connection::open(&bad).unwrap().execute_batch(sql).unwrap();
        fs::read(&bad).unwrap()
    };
    // A page in the middle that is not what it was, and the header left alone.
    let mut torn = bytes.clone();
    let middle = torn.len() / 2 / 4096 * 4096;
    torn[middle..middle + 4096].fill(0x5a);
    let foreign = {
        let path = elsewhere.path().join("foreign");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        fs::read(path).unwrap()
    };
    let newer = changed("PRAGMA user_version = 99");
    let another = changed("PRAGMA application_id = 7");
    for (what, bytes, why) in [
        ("torn", torn, "damaged"),
        ("cut", bytes[..bytes.len() / 2 / 4096 * 4096].to_vec(), "damaged"),
        ("no database", b"hello, this is a text and not a database".to_vec(), "not a SQLite database"),
        ("empty", Vec::new(), "another program"),
        ("foreign", foreign, "another program"),
        ("of another program", another, "another program"),
        ("newer", newer, "version 99"),
    ] {
        fs::write(&bad, bytes).unwrap();
        let refused = restore(&directory, &bad);
        assert_eq!((refused.code(), refused.stdout.as_str()), (Some(1), ""), "{what}: {refused:?}");
        assert!(refused.stderr.contains(why) && refused.stderr.lines().count() == 1, "{what}: {refused:?}");
        assert!(refused.stderr.contains(&bad.display().to_string()), "{what}: {refused:?}");
        assert_eq!(files(&directory), before, "{what}");
    }
    let missing = restore(&directory, &elsewhere.path().join("missing"));
    assert!(missing.code() == Some(1) && missing.stderr.contains("there is no file"), "{missing:?}");
    assert_eq!(files(&directory), before);
    assert_eq!(launch(&directory).arg("doctor").run().code(), Some(0));
}

#[test]
fn mongodb_has_tools_of_its_own() {
    let on_mongo = Launch::on_mongo("mongodb://127.0.0.1:1/rocketchat?replicaSet=rs0");
    for (command, tool) in [("backup", "mongodump"), ("restore", "mongorestore")] {
        let ended = on_mongo.clone().arg(command).arg("file").run();
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(tool), "{ended:?}");
    }
}

#[test]
fn what_is_not_there_cannot_be_copied() {
    let directory = data_directory();
    let ended = back_up(&directory, &directory.path().join("copy"));
    assert!(ended.code() == Some(2) && ended.stderr.contains("there is no such file"), "{ended:?}");
    assert_eq!(names(&directory), [""; 0]);
}
