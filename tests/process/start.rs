//! The first start, the second one, and where the first administrator's password comes from.

use std::process::Command;

use serde_json::{Value, json};

use crate::client::Session;
use crate::support::process::Launch;
use crate::{PASSWORD, data_directory, launch};

/// Runs what somebody pasted into a shell and returns what it wrote.
fn paste(conversation: &str) -> String {
    let ended = Command::new("bash").args(["-c", conversation]).env("no_proxy", "*").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && err.is_empty(), "{}\n{out}\n{err}", ended.status);
    out.into_owned()
}

/// What follows `label` on its line of the announcement.
fn announced(text: &str, label: &str) -> String {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label:?} in {text:?}")).trim().to_owned()
}

#[tokio::test]
async fn the_first_start_tells_the_password_once_and_only_to_whoever_started_it() {
    let directory = data_directory();
    let first = Launch::on_sqlite(directory.path()).env("ROLEKEEPER_LOG", "trace").serve();
    // Serving begins after the text is printed, so that it is all there when the process is gone.
    let ended = first.kill();

    let (name, password) = (announced(&ended.stdout, "administrator:"), announced(&ended.stdout, "password:"));
    assert_eq!(name, "admin");
    assert_eq!(password.len(), 20, "{password:?}");
    assert_eq!(ended.stdout.matches("  password: ").count(), 1);
    assert!(!ended.stderr.contains(&password), "the log holds the password");

    let second = Launch::on_sqlite(directory.path()).env("ROLEKEEPER_LOG", "trace").serve();
    Session::at(&second.url()).log_in(&name, &password).await;
    let ended = second.stop();
    assert_eq!(ended.stdout, "", "only the first start has something to say");
    assert!(!ended.stderr.contains(&password), "the log holds the password");
}

#[tokio::test]
async fn the_printed_conversation_works_as_pasted() {
    let directory = data_directory();
    let server = Launch::on_sqlite(directory.path()).with_limited_rates().serve();
    let printed = server.wait_for_print("roles.delete");
    let (_, conversation) = printed.split_once("paste this into a shell:").unwrap();
    let out = paste(conversation);
    assert!(out.contains(r#""name":"deputy""#) && out.contains(r#""description":"Stands in""#), "{out}");
    let answers = out.matches(r#""success":true"#).count();
    assert_eq!(answers, 2, "created and deleted: {out}");

    let password = announced(&server.printed(), "password:");
    let mut session = Session::at(&server.url());
    session.log_in("admin", &password).await;
    let roles = session.get("roles.list", &[]).await.unwrap().ok();
    assert!(!roles.to_string().contains("deputy"), "{roles}");
}

#[test]
fn the_conversation_of_the_readme_works_as_pasted() {
    let directory = data_directory();
    let server = launch(&directory).with_limited_rates().serve();
    let (_, after) = include_str!("../../README.md").split_once("\n## A conversation\n").unwrap();
    let (_, block) = after.split_once("```sh\n").unwrap();
    let (conversation, _) = block.split_once("```").unwrap();
    let (address, password) = ("http://127.0.0.1:3000", "what the first start printed");
    assert!(conversation.contains(address) && conversation.contains(password), "{conversation}");
    let out = paste(&conversation.replace(address, &server.url()).replace(password, PASSWORD));

    // The comments promise what is answered.
    let answers: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer["success"] == json!(false)).collect();
    let [refused] = refused[..] else { panic!("one refusal: {out}") };
    assert_eq!(refused["errorType"], "error-role-in-use");
    assert_eq!(refused["details"], json!({"users": 1, "rooms": 0, "names": ["bob"]}));
    assert_eq!(answers.last(), Some(&json!({"success": true})));
}

#[tokio::test]
async fn a_password_that_is_given_is_not_told() {
    let directory = data_directory();
    let server = launch(&directory).env("ADMIN_USERNAME", "chief").env("ROLEKEEPER_LOG", "trace").serve();
    let mut session = Session::at(&server.url());
    session.log_in("chief", PASSWORD).await;
    let me = session.get("me", &[]).await.unwrap().ok();
    assert_eq!(me["roles"], json!(["admin"]));
    let ended = server.stop();
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains(PASSWORD), "the log holds the password");
}

#[tokio::test]
async fn a_password_may_come_from_a_file() {
    let directory = data_directory();
    let file = directory.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let server = Launch::on_sqlite(directory.path()).env("ADMIN_PASS_FILE", &file).serve();
    Session::at(&server.url()).log_in("admin", PASSWORD).await;
    assert_eq!(server.stop().stdout, "");
}

#[tokio::test]
async fn health_tells_whether_a_server_is_ready() {
    let directory = data_directory();
    let server = launch(&directory).serve();
    let ask = || Launch::new().arg("health").arg("--port").arg(server.port().to_string()).run();
    let ended = ask();
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let by_url = Launch::new().arg("health").arg("--url").arg(server.url()).run();
    assert_eq!(by_url.code(), Some(0), "{by_url:?}");

    let url = server.url();
    server.stop();
    let gone = Launch::new().arg("health").arg("--url").arg(url).run();
    assert_eq!(gone.code(), Some(1), "{gone:?}");
    assert!(gone.stderr.starts_with("rolekeeper: no answer from 127.0.0.1:"), "{gone:?}");
}
