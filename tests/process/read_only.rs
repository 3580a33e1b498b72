//! Files that cannot be written: a server that finds them so does not start and says why in one sentence; one that serves
//! already refuses changes, answers what is only read, and goes on by itself when it can write again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rolekeeper::app::DATABASE_FILE;
use serde_json::json;

use crate::client::Session;
use crate::support::process::{Ended, Launch};
use crate::{PASSWORD, data_directory, launch};

/// Whom permissions bind; the superuser is not.
const AS_NOBODY: &str = r#"exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" "$@""#;

fn is_superuser() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// As somebody whom permissions bind.
fn bound(launch: Launch) -> Launch {
    if is_superuser() { launch.after(AS_NOBODY) } else { launch }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The one line that is not of the log.
fn sentence(ended: &Ended) -> String {
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("rolekeeper: ")).collect();
    assert_eq!(lines.len(), 1, "{ended:?}");
    lines[0].to_owned()
}

#[test]
fn a_directory_and_a_database_that_can_only_be_read_are_refused() {
    let directory = data_directory();
    set_mode(directory.path(), 0o755);
    let probe = bound(launch(&directory)).arg("--version").run();
    if probe.code() != Some(0) {
        eprintln!("NOT TESTED: nobody cannot reach the program: {probe:?}");
        return;
    }
    set_mode(directory.path(), 0o555);
    let database = directory.path().join(DATABASE_FILE);
    let said = sentence(&bound(launch(&directory)).run());
    assert!(said.starts_with(&format!("rolekeeper: the database {} cannot be used: ", database.display())), "{said}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");

    // One that is there and sound, and not to be written.
    set_mode(directory.path(), 0o755);
    assert_eq!(launch(&directory).serve().stop().code(), Some(0));
    let before = fs::read(&database).unwrap();
    set_mode(&database, 0o444);
    set_mode(directory.path(), 0o555);
    let said = sentence(&bound(launch(&directory)).run());
    assert!(said.contains(&database.display().to_string()), "{said}");
    set_mode(directory.path(), 0o755);
    set_mode(&database, 0o600);
    assert_eq!(fs::read(&database).unwrap(), before);
    assert_eq!(launch(&directory).arg("doctor").run().stdout, "the workspace is sound\n");
}

/// A file that nobody can write, not even who has it open.
struct Immutable(PathBuf);

impl Immutable {
    fn make(path: PathBuf) -> Option<Self> {
        let made = Command::new("chattr").arg("+i").arg(&path).output();
        made.is_ok_and(|made| made.status.success()).then_some(Self(path))
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-i").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_database_that_becomes_read_only_refuses_changes_until_it_is_not() {
    let directory = data_directory();
    let server = launch(&directory).serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    admin.post("roles.create", &json!({"name": "before"})).await.unwrap().ok();
    let Some(immutable) = Immutable::make(directory.path().join(format!("{DATABASE_FILE}-wal"))) else {
        eprintln!("NOT TESTED: this user or this file system cannot make a file immutable");
        return;
    };
    for _ in 0..3 {
        admin.post("roles.create", &json!({"name": "meanwhile"})).await.unwrap().assert_unavailable();
        let roles = admin.get("roles.list", &[]).await.unwrap().ok()["roles"].to_string();
        assert!(roles.contains("before") && !roles.contains("meanwhile"), "{roles}");
    }
    drop(immutable);
    admin.post("roles.create", &json!({"name": "meanwhile"})).await.unwrap().ok();
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(launch(&directory).arg("doctor").run().stdout, "the workspace is sound\n");
}
