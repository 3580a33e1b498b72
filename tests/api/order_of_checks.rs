//! The one order of checks that holds of every route: who is it (401), may he (403, or 400 where the contract is late),
//! is the body right. The routes are taken from the table of routes itself, so that a new one cannot be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::json;

use crate::support::server::{Answer, TestServer};

const ROUTES: &str = include_str!("../../src/http/routes.rs");

/// Who may call a route, apart from what it is called with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// No account is needed.
    Everybody,
    /// Any account.
    EveryAccount,
    /// Holders of a permission; others get 403 before the body is looked at.
    Permitted,
    /// Holders of a permission; others get this status once what they sent is understood.
    PermittedLate(u16),
}

use Who::{EveryAccount, Everybody, Permitted, PermittedLate};

/// Every route: method, path, who may.
const MATRIX: &[(&str, &str, Who)] = &[
    ("GET", "/health", Everybody),
    ("GET", "/ready", Everybody),
    ("GET", "/metrics", Everybody),
    ("GET", "/api/info", Everybody),
    ("GET", "/api/v1/info", Everybody),
    ("POST", "/api/v1/login", Everybody),
    ("POST", "/api/v1/users.register", Everybody),
    ("POST", "/api/v1/logout", EveryAccount),
    ("GET", "/api/v1/logout", EveryAccount),
    ("GET", "/api/v1/me", EveryAccount),
    ("GET", "/api/v1/roles.list", EveryAccount),
    ("GET", "/api/v1/roles.sync", EveryAccount),
    ("POST", "/api/v1/roles.create", PermittedLate(400)),
    ("POST", "/api/v1/roles.update", PermittedLate(400)),
    ("POST", "/api/v1/roles.delete", Permitted),
    ("POST", "/api/v1/roles.addUserToRole", PermittedLate(400)),
    ("POST", "/api/v1/roles.removeUserFromRole", Permitted),
    ("GET", "/api/v1/roles.getUsersInRole", Permitted),
    ("GET", "/api/v1/roles.getUsersInPublicRoles", EveryAccount),
    ("GET", "/api/v1/permissions.listAll", EveryAccount),
    ("POST", "/api/v1/permissions.update", Permitted),
    ("POST", "/api/v1/permissions.addRole", Permitted),
    ("POST", "/api/v1/permissions.removeRole", Permitted),
    ("POST", "/api/v1/users.create", PermittedLate(400)),
    ("GET", "/api/v1/users.info", EveryAccount),
    ("POST", "/api/v1/users.setActiveStatus", Permitted),
    ("POST", "/api/v1/channels.create", PermittedLate(403)),
];

/// The methods of every path, as the table of routes in the source names them.
fn declared() -> BTreeSet<(String, String)> {
    let table = ROUTES.split(".default_service").next().unwrap();
    let mut routes = BTreeSet::new();
    for entry in table.split("resource(\"").skip(1) {
        let (path, entry) = entry.split_once('"').unwrap();
        let methods = [("GET", ".route(get()"), ("POST", ".route(post()")];
        let found: Vec<_> = methods.iter().filter(|(_, text)| entry.contains(text)).collect();
        assert!(!found.is_empty() && found.len() == entry.matches(".route(").count(), "cannot read {path}{entry}");
        routes.extend(found.iter().map(|(method, _)| ((*method).to_owned(), path.to_owned())));
    }
    routes
}

#[test]
fn every_route_is_in_the_matrix() {
    let matrix: BTreeSet<_> =
        MATRIX.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(matrix.len(), MATRIX.len());
    assert_eq!(matrix, declared());
}

/// What each late route must be sent to get as far as its check of the permission.
fn understood() -> BTreeMap<&'static str, serde_json::Value> {
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

async fn nobody_gets_in_anywhere(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let strangers = [server.anonymous(), server.with(admin.id(), "wrong"), server.with(bob.id(), admin.token())];
    for (method, path, who) in MATRIX {
        for stranger in &strangers {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let plain = stranger.send(stranger.request(method.clone(), path)).await;
            let broken = stranger.request(method, path).header("Content-Type", "application/json").body("{");
            let broken = stranger.send(broken).await;
            if *who == Everybody {
                // What stops a stranger here is what he sent, not who he is.
                let wrong = ["Unauthorized", "must have required property 'username'"];
                let understood = plain.status == 200 || wrong.iter().any(|wrong| plain.json()["error"] == *wrong);
                assert!(understood, "{path}: {}", plain.text);
                continue;
            }
            plain.unauthenticated();
            broken.unauthenticated();
        }
    }
}

async fn a_plain_account_gets_in_where_it_may(server: &TestServer) {
    // Without any role: not even what the role `user` may.
    server.user_with("bob", &[]).await;
    for (method, path, who) in MATRIX {
        let bob = server.session_of("bob").await;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let send = async |body: &str| -> Answer {
            let request = bob.request(method.clone(), path).header("Content-Type", "application/json");
            bob.send(request.body(body.to_owned())).await
        };
        match who {
            Everybody => {}
            EveryAccount => {
                let answer = send("").await;
                assert!(answer.status == 200 || answer.json()["error"] == "Invalid search query.", "{}", answer.text);
            }
            Permitted => {
                for body in ["", "{", "{}", "[]"] {
                    send(body).await.forbidden();
                }
            }
            PermittedLate(status) => {
                let answer = send(&understood()[path].to_string()).await;
                assert_eq!(answer.status, *status, "{path}: {}", answer.text);
                let error = answer.json()["error"].as_str().unwrap().to_owned();
                assert!(error.contains("not allowed") || error == "unauthorized", "{path}: {error}");
                // Malformed JSON is told first here.
                assert_eq!(send("{").await.json()["errorType"], "invalid-params", "{path}");
            }
        }
    }
}

async fn an_administrator_gets_in_everywhere(server: &TestServer) {
    for (method, path, who) in MATRIX {
        let admin = server.admin().await;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = admin.request(method, path).header("Content-Type", "application/json");
        let body = understood().get(path).map_or_else(|| "{}".to_owned(), ToString::to_string);
        let answer = admin.send(request.body(body)).await;
        match who {
            PermittedLate(_) => assert_eq!(answer.status, 200, "{path}: {}", answer.text),
            Everybody => {}
            EveryAccount | Permitted => assert!(matches!(answer.status, 200 | 400), "{path}: {}", answer.text),
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
