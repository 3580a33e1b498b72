//! `audit.roles`: who may see who changed what, what can be asked for, and how one goes on.

use serde_json::{Value, json};

use crate::support::server::{Actor, TestServer};

async fn ask(actor: &Actor<'_>, query: &str) -> Value {
    let answer = actor.get(&format!("audit.roles?{query}")).await.ok();
    assert_eq!(answer["count"], json!(answer["entries"].as_array().unwrap().len()));
    answer
}

fn actions(answer: &Value) -> Vec<&str> {
    answer["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

async fn administrators_alone_see_it(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    server.anonymous().get("audit.roles").await.unauthenticated();
    bob.get("audit.roles").await.forbidden();
    admin.get("audit.roles").await.ok();
}

/// Bob gets a role and loses it again, one second later each.
async fn happenings(server: &TestServer, admin: &Actor<'_>) -> String {
    server.clock.advance(1_000);
    let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
    for route in ["roles.addUserToRole", "roles.removeUserFromRole"] {
        server.clock.advance(1_000);
        admin.post(route, json!({"username": "bob", "roleId": role})).await.ok();
    }
    role.as_str().unwrap().to_owned()
}

async fn an_entry_says_who_did_what_to_whom(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let role = happenings(server, &admin).await;
    let answer = ask(&admin, "count=1").await;
    let entry = &answer["entries"][0];
    assert_eq!(entry["action"], "role_unassigned");
    assert_eq!(entry["actor"], json!({"type": "user", "_id": admin.id(), "username": "root"}));
    assert_eq!(entry["targets"], json!([{"type": "role", "_id": role}, {"type": "user", "_id": bob.id()}]));
    let was = json!({"role": role, "user": bob.id(), "room": null});
    assert_eq!((&entry["before"], &entry["after"]), (&was, &Value::Null));
    assert_eq!((&entry["reason"], &entry["address"]), (&Value::Null, &json!("127.0.0.1")));
    assert_eq!(entry["ts"], json!(server.clock.advance(0)));
    assert!(entry["requestId"].is_string() && entry["_id"].is_string());
}

async fn what_is_asked_for_is_found_and_nothing_else(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let before = server.clock.advance(1_000);
    let role = happenings(server, &admin).await;
    let all = ["role_unassigned", "role_assigned", "role_created"];
    let at = |millis: i64| rolekeeper::domain::time::Timestamp::from_millis(before.as_millis() + millis);
    for (query, expected) in [
        (format!("role={role}"), &all[..]),
        (format!("target={role}"), &all[..]),
        (format!("target={}", bob.id()), &all[..2]),
        (format!("role={role}&action=role_assigned"), &all[1..2]),
        (format!("role={role}&actor=root"), &all[..]),
        (format!("role={role}&actor={}", admin.id()), &all[..]),
        (format!("role={role}&actor=bob"), &[]),
        (format!("role={role}&from={}", at(2_000)), &all[..2]),
        (format!("role={role}&to={}", at(2_000)), &all[1..]),
        (format!("role={role}&from={}&to={}", at(2_000), at(2_000)), &all[1..2]),
        (format!("role={role}&action=&actor=&from=&to=&cursor="), &all[..]),
        ("role=nothing".to_owned(), &[]),
    ] {
        let mut answer = ask(&admin, &query).await;
        if query == format!("target={}", bob.id()) {
            // His account and his log-in are about him as well.
            answer["entries"].as_array_mut().unwrap().truncate(2);
        }
        assert_eq!(actions(&answer), expected, "{query}");
    }
}

async fn one_goes_on_where_one_was_whatever_is_added(server: &TestServer) {
    let admin = server.admin().await;
    for number in 0..7 {
        server.clock.advance(if number % 2 == 0 { 0 } else { 1_000 });
        admin.post("roles.create", json!({"name": format!("role {number}")})).await.ok();
    }
    let names = |answer: &Value| -> Vec<String> {
        let entries = answer["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["after"]["role"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = names(&ask(&admin, "action=role_created&count=100").await);
    assert_eq!(all.len(), 7);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = ask(&admin, &format!("action=role_created&count=2&cursor={cursor}")).await;
        seen.extend(names(&answer));
        server.clock.advance(1_000);
        admin.post("roles.create", json!({"name": format!("later {}", seen.len())})).await.ok();
        let Some(next) = answer["cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(seen, all);
}

async fn what_cannot_be_read_is_refused(server: &TestServer) {
    let admin = server.admin().await;
    for query in ["from=yesterday", "to=x", "cursor=x", "count=many", "scope=workspace"] {
        let answer = admin.get(&format!("audit.roles?{query}")).await;
        assert_eq!((answer.status, &answer.json()["errorType"]), (400, &json!("error-invalid-params")), "{query}");
    }
}

on_every_store!(
    administrators_alone_see_it,
    an_entry_says_who_did_what_to_whom,
    what_is_asked_for_is_found_and_nothing_else,
    one_goes_on_where_one_was_whatever_is_added,
    what_cannot_be_read_is_refused,
);
