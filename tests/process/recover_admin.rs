//! `rolekeeper recover-admin`: the way back in, while a server runs and while none does.

use std::fs;
use std::path::Path;

use rolekeeper::app::DATABASE_FILE;
use rusqlite::Connection;

use crate::client::Session;
use crate::support::mongod::fresh_database_url;
use crate::support::process::{Ended, Launch};
use crate::{PASSWORD, data_directory, launch};

/// Nobody can log in any more, and nobody may administer permissions.
fn lock_out(directory: &Path) {
    let file = Connection::open(directory.join(DATABASE_FILE)).unwrap();
    file.execute_batch(
        "UPDATE users SET active = 0; DELETE FROM permission_roles WHERE permission_id = 'access-permissions'",
    )
    .unwrap();
}

fn recover(launch: Launch, words: &[&str]) -> Ended {
    words.iter().fold(launch.arg("recover-admin"), |launch, word| launch.arg(word)).run()
}

fn printed_password(ended: &Ended) -> String {
    let password = ended.stdout.lines().find_map(|line| line.strip_prefix("password: "));
    password.unwrap_or_else(|| panic!("{ended:?}")).to_owned()
}

#[tokio::test]
async fn the_administrator_is_back_with_a_new_password() {
    let directory = data_directory();
    assert_eq!(launch(&directory).serve().stop().code(), Some(0));
    lock_out(directory.path());
    assert_eq!(launch(&directory).arg("doctor").run().code(), Some(1));

    let ended = recover(launch(&directory), &["--new-password"]);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let steps: Vec<_> = ended.stdout.lines().filter_map(|line| line.strip_prefix("to do: ")).collect();
    assert_eq!(
        steps,
        [
            "grant the permission access-permissions to the role admin",
            "activate the account",
            "set a new password and end all of the account's sessions and tokens",
        ]
    );
    assert!(ended.stdout.contains("admin is an active administrator; steps done: 3\n"), "{ended:?}");
    let password = printed_password(&ended);
    assert_eq!(launch(&directory).arg("doctor").run().code(), Some(0));

    let server = launch(&directory).serve();
    Session::at(&server.url()).log_in("admin", &password).await;

    // Once more, beside the server: nothing is left to do.
    let again = recover(launch(&directory), &["--username", "Admin"]);
    assert_eq!(again.stdout, "Admin is an active administrator already; nothing was changed\n", "{again:?}");
    assert_eq!(again.code(), Some(0));

    // And with a password of one's own.
    let file = directory.path().join("password");
    fs::write(&file, "another-horse-battery\nnot this line\n").unwrap();
    let given = recover(launch(&directory), &["--password-file", file.to_str().unwrap()]);
    assert_eq!(given.code(), Some(0), "{given:?}");
    assert!(!given.stdout.contains("another-horse"), "{given:?}");
    Session::at(&server.url()).log_in("admin", "another-horse-battery").await;
    assert_eq!(server.stop().code(), Some(0));
}

#[tokio::test]
async fn an_account_is_made_only_when_that_is_said() {
    let directory = data_directory();
    assert_eq!(launch(&directory).serve().stop().code(), Some(0));
    let refused = recover(launch(&directory), &["--username", "keeper"]);
    assert_eq!((refused.code(), refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert_eq!(refused.stderr, "rolekeeper: keeper: no account has this username; add --create to make one\n");
    let made = recover(launch(&directory), &["--username", "keeper", "--create"]);
    assert_eq!(made.code(), Some(0), "{made:?}");
    let server = launch(&directory).serve();
    Session::at(&server.url()).log_in("keeper", &printed_password(&made)).await;
    // A second time there is no password to be printed.
    let again = recover(launch(&directory), &["--username", "keeper", "--create"]);
    assert!(again.code() == Some(0) && !again.stdout.contains("password"), "{again:?}");
    let empty = directory.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    assert_eq!(recover(launch(&directory), &["--password-file", empty.to_str().unwrap()]).code(), Some(2));
}

#[tokio::test]
async fn it_works_beside_a_server_on_mongodb() {
    let url = tokio::task::spawn_blocking(fresh_database_url).await.unwrap();
    let on_mongo = Launch::on_mongo(&url).env("ADMIN_PASS", PASSWORD);
    let server = on_mongo.serve();
    let made = recover(on_mongo.clone(), &["--username", "keeper", "--create"]);
    assert_eq!(made.code(), Some(0), "{made:?}");
    Session::at(&server.url()).log_in("keeper", &printed_password(&made)).await;
    let again = recover(on_mongo.clone(), &["--username", "keeper"]);
    assert!(again.stdout.contains("nothing was changed"), "{again:?}");
    assert_eq!(on_mongo.arg("doctor").run().code(), Some(0));
    assert_eq!(server.stop().code(), Some(0));
    mongodb::Client::with_uri_str(&url).await.unwrap().default_database().unwrap().drop().await.unwrap();
}
