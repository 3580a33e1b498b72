//! The one order of checks that holds of every route: who is it (401), may he (403, or 400 where the contract is late),
//! is the body right. The routes are taken from the table of routes itself, so that a new one cannot be forgotten.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use reqwest::Method;
use rolekeeper::http::requirement::{Access, LateCheck};
use rolekeeper::http::routes::operations;
use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, TestServer};

/// Who may call what is reviewed here, beside the code: a handler that asks for less than it should shows as a difference.
#[test]
fn who_may_call_what() {
    let names = |permissions: &[&str]| permissions.join(" or ");
    let lines = operations().into_iter().map(|operation| {
        let who = match operation.access {
            Access::Everybody => "everybody".to_owned(),
            Access::Accounts { any_of: [], later: None } => "every account".to_owned(),
            Access::Accounts { any_of, later: None } => names(any_of),
            Access::Accounts { any_of, later: Some(LateCheck { any_of: late, status }) } => {
                let first = if any_of.is_empty() { "every account".to_owned() } else { names(any_of) };
                format!("{first}; then {}, else {status}", names(late))
            }
        };
        format!("{} {}: {who}", operation.method, operation.path)
    });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

/// What a route must be sent to get as far as a check of permissions that comes late.
fn understood() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("/api/v1/roles.create", json!({"name": "deputy"})),
        ("/api/v1/roles.update", json!({"roleId": "admin", "name": "admin"})),
        ("/api/v1/roles.addUserToRole", json!({"username": "root", "roleId": "guest"})),
        (
            "/api/v1/users.create",
            json!({"username": "amy", "name": "Amy", "email": "amy@example.org", "password": "x"}),
        ),
        ("/api/v1/channels.create", json!({"name": "talk"})),
    ])
}

/// Where somebody is refused for what he sent and not for who he is.
const ABOUT_THE_INPUT: [&str; 3] = ["Unauthorized", "must have required property", "Invalid search query."];

fn is_about_the_input(answer: &Answer) -> bool {
    let body = answer.json();
    let error = body["error"].as_str().unwrap_or_default();
    let named = ABOUT_THE_INPUT.iter().any(|text| error.contains(text));
    answer.status < 500 && (named || body["errorType"] == "invalid-params")
}

async fn send(actor: &Actor<'_>, method: &actix_web::http::Method, path: &str, body: &str) -> Answer {
    let method = Method::from_bytes(method.as_str().as_bytes()).unwrap();
    let request = actor.request(method, path).header("Content-Type", "application/json");
    actor.send(request.body(body.to_owned())).await
}

async fn nobody_gets_in_anywhere(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let strangers = [server.anonymous(), server.with(admin.id(), "wrong"), server.with(bob.id(), admin.token())];
    for route in operations() {
        for stranger in &strangers {
            for body in ["", "{"] {
                let answer = send(stranger, &route.method, route.path, body).await;
                if route.access == Access::Everybody {
                    assert!(answer.status == 200 || is_about_the_input(&answer), "{}: {}", route.path, answer.text);
                } else {
                    answer.unauthenticated();
                }
            }
        }
    }
}

async fn a_plain_account_gets_in_where_it_may(server: &TestServer) {
    // Without any role: not even what the role `user` may.
    server.user_with("bob", &[]).await;
    for route in operations() {
        let bob = server.session_of("bob").await;
        let path = route.path;
        match route.access {
            Access::Everybody => {}
            Access::Accounts { any_of: [], later: None } => {
                let answer = send(&bob, &route.method, path, "").await;
                assert!(answer.status == 200 || is_about_the_input(&answer), "{path}: {}", answer.text);
            }
            Access::Accounts { any_of: [], later: Some(late) } => {
                let answer = send(&bob, &route.method, path, &understood()[path].to_string()).await;
                assert_eq!(answer.status, late.status, "{path}: {}", answer.text);
                let error = answer.json()["error"].as_str().unwrap().to_owned();
                assert!(error.to_lowercase().contains("not allowed") || error == "unauthorized", "{path}: {error}");
                if route.method == actix_web::http::Method::POST {
                    // Malformed JSON is told first here.
                    let broken = send(&bob, &route.method, path, "{").await;
                    assert_eq!(broken.json()["errorType"], "invalid-params", "{path}");
                }
            }
            Access::Accounts { .. } => {
                for body in ["", "{", "{}", "[]"] {
                    send(&bob, &route.method, path, body).await.forbidden();
                }
            }
        }
    }
}

async fn an_administrator_gets_in_everywhere(server: &TestServer) {
    for route in operations() {
        let (admin, path) = (server.admin().await, route.path);
        let body = understood().get(path).map_or_else(|| "{}".to_owned(), ToString::to_string);
        let answer = send(&admin, &route.method, path, &body).await;
        match route.access {
            Access::Everybody => {}
            Access::Accounts { later: Some(_), .. } => assert_eq!(answer.status, 200, "{path}: {}", answer.text),
            Access::Accounts { .. } => assert!(matches!(answer.status, 200 | 400), "{path}: {}", answer.text),
        }
    }
}

async fn a_token_counts_for_its_owner_alone(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    server.with(bob.id(), admin.token()).get("me").await.unauthenticated();
    server.with(admin.id(), bob.token()).get("me").await.unauthenticated();
    server.with(&format!("{} ", &bob.id()[1..]), bob.token()).get("me").await.unauthenticated();
    server.with(bob.id(), &bob.token()[1..]).get("me").await.unauthenticated();
    server.with("bob", bob.token()).get("me").await.unauthenticated();
    server.with(bob.id(), bob.token()).get("me").await.ok();
}

on_every_store!(
    nobody_gets_in_anywhere,
    a_plain_account_gets_in_where_it_may,
    an_administrator_gets_in_everywhere,
    a_token_counts_for_its_owner_alone,
);
