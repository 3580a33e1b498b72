//! What needs no account, and what holds of every answer: paths that are not there, methods, headers, request ids.

use reqwest::Method;
use serde_json::json;

use crate::support::server::{Answer, TestServer};

async fn ask(server: &TestServer, method: Method, path: &str) -> Answer {
    let nobody = server.anonymous();
    nobody.send(nobody.request(method, path)).await
}

#[track_caller]
fn is_not_found(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (404, "404 Not Found"));
    assert_eq!(answer.header("content-type"), "text/plain; charset=UTF-8");
}

async fn the_process_and_the_store_answer(server: &TestServer) {
    ask(server, Method::GET, "/health").await.is(200, json!({"status": "ok"}));
    let ready = ask(server, Method::GET, "/ready").await.ok();
    assert_eq!((&ready["status"], &ready["facts"]), (&json!("ready"), &json!("live")));
    assert!(ready["lagMillis"].as_u64().is_some_and(|lag| lag < 2_000), "{ready}");
    for path in ["/api/info", "/api/v1/info"] {
        assert_eq!(ask(server, Method::GET, path).await.ok()["version"], "8.0");
    }
}

async fn requests_are_counted_by_pattern(server: &TestServer) {
    let admin = server.admin().await;
    admin.get("me").await.ok();
    ask(server, Method::GET, "/api/v1/no-such-route?token=secret").await;
    let metrics = ask(server, Method::GET, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text.contains("/api/v1/me"), "{}", metrics.text);
    assert!(metrics.text.contains("\nrolekeeper_facts_state{state=\"live\"} 1\n"), "{}", metrics.text);
    for leak in ["no-such-route", "secret", admin.token(), admin.id()] {
        assert!(!metrics.text.contains(leak), "{leak}");
    }
}

async fn what_is_not_there_is_not_found(server: &TestServer) {
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/roles",
        "/api/v1/roles.list/",
        "/api/v1//roles.list",
        "/api/v1/Roles.list",
        "/api/v1/roles.delete/x",
        "/api/v2/roles.list",
        "/api/roles.list",
        "/health/",
        "/api/v1/roles%2Elist%00",
    ] {
        is_not_found(&ask(server, Method::GET, path).await);
    }
}

async fn a_method_that_a_path_does_not_have_is_not_found(server: &TestServer) {
    let admin = server.admin().await;
    for (method, route) in [
        (Method::GET, "roles.delete"),
        (Method::HEAD, "roles.delete"),
        (Method::PUT, "roles.delete"),
        (Method::DELETE, "roles.delete"),
        (Method::PATCH, "roles.update"),
        (Method::POST, "roles.list"),
        (Method::POST, "me"),
        (Method::GET, "login"),
        (Method::DELETE, "logout"),
    ] {
        let path = format!("/api/v1/{route}");
        for actor in [&admin, &server.anonymous()] {
            let answer = actor.send(actor.request(method.clone(), &path)).await;
            if method == Method::HEAD {
                assert_eq!((answer.status, answer.text.as_str()), (404, ""));
            } else {
                is_not_found(&answer);
            }
        }
    }
}

async fn options_are_answered_without_opening_to_other_origins(server: &TestServer) {
    let nobody = server.anonymous();
    for path in ["/api/v1/roles.delete", "/api/v1/login", "/health"] {
        let request = nobody.request(Method::OPTIONS, path).header("Origin", "https://evil.example");
        let answer = nobody.send(request.header("Access-Control-Request-Method", "POST")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "OK"));
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
    }
    is_not_found(&ask(server, Method::OPTIONS, "/api/v1/no-such-route").await);
}

async fn head_is_get_without_a_body(server: &TestServer) {
    let admin = server.admin().await;
    for path in ["/api/v1/roles.list", "/api/v1/me", "/health"] {
        let get = admin.send(admin.request(Method::GET, path)).await;
        let head = admin.send(admin.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        for name in ["content-type", "content-length", "cache-control", "pragma"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    assert_eq!(ask(server, Method::HEAD, "/api/v1/me").await.status, 401);
}

async fn every_answer_of_the_api_has_its_headers(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let answers = [
        (200, admin.get("roles.list").await),
        (200, admin.post("roles.create", json!({"name": "deputy"})).await),
        (200, server.anonymous().post("login", json!({"resume": bob.token()})).await),
        (200, server.session_of("bob").await.post("logout", json!({})).await),
        (400, admin.post("roles.delete", json!({})).await),
        (400, admin.get("users.info").await),
        (400, admin.post_bytes("roles.delete", Some("application/json"), "{").await),
        (401, server.anonymous().get("me").await),
        (401, server.anonymous().post("login", json!({})).await),
        (403, bob.post("roles.delete", json!({})).await),
        (413, admin.post_bytes("roles.delete", Some("application/json"), vec![b' '; 1 << 20]).await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{}", answer.text);
        let of =
            |name: &str| answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(of("content-type"), ["application/json"]);
        assert_eq!(of("cache-control"), ["no-store"]);
        assert_eq!(of("pragma"), ["no-cache"]);
        assert_eq!(of("x-request-id").len(), 1);
    }
}

async fn a_sane_request_id_is_kept_and_any_other_replaced(server: &TestServer) {
    let nobody = server.anonymous();
    let send = async |path: &str, id: &[u8]| {
        let value = reqwest::header::HeaderValue::from_bytes(id).unwrap();
        nobody.send(nobody.request(Method::GET, path).header("X-Request-Id", value)).await
    };
    let longest = "x".repeat(128);
    for id in ["a", "req-1_2.3", longest.as_str()] {
        for path in ["/health", "/api/v1/me", "/nowhere"] {
            assert_eq!(send(path, id.as_bytes()).await.header("x-request-id"), id);
        }
    }
    let too_long = "x".repeat(129);
    for id in [&b""[..], b"a b", b"a\tb", b"<script>", b"a;b", "ä".as_bytes(), b"\xff", too_long.as_bytes()] {
        let answer = send("/health", id).await;
        let made = answer.header("x-request-id");
        assert!(made.len() == 24 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    }
    let (first, second) = (ask(server, Method::GET, "/health").await, ask(server, Method::GET, "/health").await);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

on_every_store!(
    the_process_and_the_store_answer,
    requests_are_counted_by_pattern,
    what_is_not_there_is_not_found,
    a_method_that_a_path_does_not_have_is_not_found,
    options_are_answered_without_opening_to_other_origins,
    head_is_get_without_a_body,
    every_answer_of_the_api_has_its_headers,
    a_sane_request_id_is_kept_and_any_other_replaced,
);
