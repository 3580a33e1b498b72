//! A disk that takes nothing any more: changes are refused with 503 and leave nothing behind, what is only read is
//! answered, and as soon as there is space again everything goes on by itself. The disk is a limit on the size of files,
//! which the system enforces for this one process and nobody needs special rights for.

use std::fs;
use std::process::Command;

use rolekeeper::app::DATABASE_FILE;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Reply, Session};
use crate::support::process::Process;
use crate::{PASSWORD, data_directory, launch};

const AT_ONCE: usize = 8;

/// From now on no file of the server grows beyond that.
fn limit_files(server: &Process, bytes: &str) {
    let (pid, limit) = (format!("--pid={}", server.pid()), format!("--fsize={bytes}:unlimited"));
    let status = Command::new("prlimit").args([pid, limit]).status().unwrap();
    assert!(status.success(), "prlimit: {status}");
}

async fn create(admin: &Session, name: &str) -> Reply {
    admin.post("roles.create", &json!({"name": name})).await.unwrap()
}

async fn names(admin: &Session) -> Vec<String> {
    let roles = admin.get("roles.list", &[]).await.unwrap().ok()["roles"].take();
    let name = |role: &Value| role["name"].as_str().unwrap().to_owned();
    roles.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_nothing_else_and_goes_on_when_there_is_space() {
    let directory = data_directory();
    // Whoever exceeds the limit gets a signal too, which ends a process that does not ignore it.
    let server = launch(&directory).after("trap '' XFSZ").serve();
    let mut admin = Session::at(&server.url());
    admin.log_in("admin", PASSWORD).await;
    create(&admin, "before").await.ok();

    let log = directory.path().join(format!("{DATABASE_FILE}-wal"));
    for (round, more) in [0, 1, 4096, 10_000].into_iter().enumerate() {
        // At the end of the log, in the middle of a page and in the middle of a transaction.
        limit_files(&server, &(fs::metadata(&log).unwrap().len() + more).to_string());
        let mut refused = Vec::new();
        for number in 0..1_000 {
            let name = format!("alone-{round}-{number}");
            let reply = create(&admin, &name).await;
            if reply.status != 200 {
                reply.assert_unavailable();
                refused.push(name);
                break;
            }
        }
        let mut together = JoinSet::new();
        for number in 0..AT_ONCE {
            let (admin, name) = (admin.clone(), format!("together-{round}-{number}"));
            together.spawn(async move { (create(&admin, &name).await, name) });
        }
        for (reply, name) in together.join_all().await {
            if reply.status != 200 {
                reply.assert_unavailable();
                refused.push(name);
            }
        }
        assert!(refused.len() > 1, "the disk was never full");
        let there = names(&admin).await;
        assert!(refused.iter().all(|name| !there.contains(name)), "{refused:?}");
        // Not even the password can be tried: that is counted first.
        let outsider = Session::at(&server.url());
        outsider.post("login", &json!({"user": "admin", "password": PASSWORD})).await.unwrap().assert_unavailable();

        limit_files(&server, "unlimited");
        for name in &refused {
            create(&admin, name).await.ok();
        }
        let there = names(&admin).await;
        assert!(refused.iter().all(|name| there.contains(name)), "{refused:?}");
    }
    let ended = server.stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("the disk"), "the operator is not told: {}", ended.stderr);
    let doctor = launch(&directory).arg("doctor").run();
    assert_eq!((doctor.code(), doctor.stdout.as_str()), (Some(0), "the workspace is sound\n"));
}

#[tokio::test]
async fn a_copy_that_does_not_fit_leaves_nothing() {
    let (directory, elsewhere) = (data_directory(), data_directory());
    let server = launch(&directory).serve();
    let before =
        launch(&directory).after("trap '' XFSZ; ulimit -f 64").arg("backup").arg(elsewhere.path().join("copy"));
    let ended = before.run();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("the disk"), "{ended:?}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert_eq!(server.stop().code(), Some(0));
}
