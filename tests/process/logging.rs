//! The log while requests come in: every line of a request carries its id, each request has one access line, and no
//! secret is in any of them however much is logged.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::Session;
use crate::support::mongod;
use crate::support::process::{Launch, Process};
use crate::{PASSWORD, data_directory, launch};

/// Everything, also of the libraries that are quiet unless named.
const EVERYTHING: &str = "trace,actix_http=trace,actix_server=trace,actix_web=trace,hickory_proto=trace,\
     hickory_resolver=trace,mio=trace,mongodb=trace,rusqlite=trace,rustls=trace";
const WRONG_PASSWORD: &str = "wrong-horse-battery-staple";
const WRONG_TOKEN: &str = "wrongTokenWrongTokenWrongTokenWrongTokenWro";

/// What a client does in a day. Returns the ids of the answers and the secrets that went over the wire.
async fn use_it(server: &Process) -> (Vec<String>, Vec<String>) {
    let mut session = Session::at(&server.url());
    let mut replies = Vec::new();
    for password in [PASSWORD, WRONG_PASSWORD] {
        let body = json!({"user": "admin", "password": password});
        replies.push(session.post("login", &body).await.unwrap());
    }
    let data = &replies[0].body["data"];
    let login = (data["userId"].as_str().unwrap().to_owned(), data["authToken"].as_str().unwrap().to_owned());
    let secrets = vec![PASSWORD.to_owned(), WRONG_PASSWORD.to_owned(), WRONG_TOKEN.to_owned(), login.1.clone()];

    session.login = Some((login.0.clone(), WRONG_TOKEN.to_owned()));
    replies.push(session.get("me", &[]).await.unwrap());
    session.login = Some(login.clone());
    replies.push(session.get("me", &[]).await.unwrap());
    replies.push(session.post("login", &json!({"resume": login.1})).await.unwrap());
    let user = json!({"name": "Ann", "username": "ann", "email": "ann@example.org", "password": PASSWORD});
    replies.push(session.post("users.create", &user).await.unwrap());
    replies.push(session.post("roles.create", &json!({"name": "deputy"})).await.unwrap());
    replies.push(session.post("roles.create", &json!({"name": "deputy"})).await.unwrap());
    replies.push(session.get_path("/ready").await.unwrap());
    replies.push(session.get_path("/nowhere").await.unwrap());
    replies.push(session.post("logout", &json!({})).await.unwrap());

    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 401, 401, 200, 200, 200, 200, 400, 200, 404, 200]);
    (replies.into_iter().map(|reply| reply.request_id).collect(), secrets)
}

fn assert_silent(log: &str, secrets: &[String]) {
    for secret in secrets {
        let leak = log.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(leak, None, "the log holds a secret");
    }
}

/// The id and the target of a line in text form: `time level target request_id=… message`.
fn of_text(line: &str) -> (String, Option<String>) {
    let mut words = line.split_whitespace().skip(2);
    let target = words.next().unwrap_or_default().to_owned();
    (target, words.next().and_then(|word| word.strip_prefix("request_id=")).map(str::to_owned))
}

fn of_json(line: &str) -> (String, Option<String>) {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    (text("target").unwrap(), text("request_id"))
}

/// Checks the lines between the start of serving and the order to stop.
fn assert_correlated(log: &str, ids: &[String], read: impl Fn(&str) -> (String, Option<String>)) {
    let lines: Vec<&str> = log.lines().collect();
    let position = |wanted: &str| lines.iter().position(|line| line.contains(wanted)).unwrap();
    let mut access_lines: BTreeMap<&str, u32> = ids.iter().map(|id| (id.as_str(), 0)).collect();
    assert_eq!(access_lines.len(), ids.len(), "ids are unique");
    for line in &lines[position("serving on port") + 1..position("told to stop")] {
        let (target, id) = read(line);
        if !target.starts_with("rolekeeper") {
            continue;
        }
        let count = id.as_deref().and_then(|id| access_lines.get_mut(id));
        let count = count.unwrap_or_else(|| panic!("a line without the id of an answer: {line}"));
        *count += u32::from(target == "rolekeeper::access");
    }
    assert!(access_lines.values().all(|count| *count == 1), "{access_lines:?}\n{log}");
}

#[tokio::test]
async fn a_line_of_text_belongs_to_its_request_and_holds_no_secret() {
    let directory = data_directory();
    let server = launch(&directory).env("ROLEKEEPER_LOG", "trace").serve();
    let (ids, secrets) = use_it(&server).await;
    let log = server.stop().stderr;
    assert_correlated(&log, &ids, of_text);
    assert_silent(&log, &secrets);
}

#[tokio::test]
async fn a_line_of_json_belongs_to_its_request_and_holds_no_secret() {
    let directory = data_directory();
    let launch = launch(&directory).env("ROLEKEEPER_LOG", "debug").env("ROLEKEEPER_LOG_FORMAT", "json");
    let server = launch.serve();
    let (ids, secrets) = use_it(&server).await;
    let log = server.stop().stderr;
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object())), "{log}");
    assert_correlated(&log, &ids, of_json);
    assert_silent(&log, &secrets);
}

#[tokio::test]
async fn a_clients_own_id_is_kept_unless_it_could_forge_a_line() {
    let directory = data_directory();
    let server = launch(&directory).serve();
    let ask = |id: &'static str| {
        let url = format!("{}/health", server.url());
        async move { reqwest::Client::new().get(url).header("X-Request-Id", id).send().await.unwrap() }
    };
    let told = |answer: &reqwest::Response| answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(told(&ask("trace-7.a_B").await), "trace-7.a_B");
    let other = told(&ask("a request_id=b").await);
    assert_eq!(other.len(), 24, "{other}");
    let log = server.stop().stderr;
    assert_eq!(log.matches("request_id=trace-7.a_B ").count(), 1, "{log}");
    assert!(log.contains(&format!("request_id={other} ")) && !log.contains("request_id=b"), "{log}");
}

#[tokio::test]
async fn not_even_the_libraries_tell_a_secret_when_asked_for_everything() {
    let directory = data_directory();
    let server = launch(&directory).env("ROLEKEEPER_LOG", EVERYTHING).serve();
    let (_, secrets) = use_it(&server).await;
    assert_silent(&server.stop().stderr, &secrets);
}

#[tokio::test]
async fn the_secrets_of_a_connection_to_mongodb_stay_secret() {
    let url = tokio::task::spawn_blocking(mongod::fresh_database_url).await.unwrap();
    let server = Launch::on_mongo(&url).env("ADMIN_PASS", PASSWORD).env("ROLEKEEPER_LOG", EVERYTHING).serve();
    let (ids, secrets) = use_it(&server).await;
    let log = server.stop().stderr;
    assert_correlated(&log, &ids, of_text);
    assert_silent(&log, &secrets);
    assert!(!log.contains(&url), "the log holds the connection string");
}
