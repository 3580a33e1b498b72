//! `me`: the caller's own account, and nothing secret of it.

use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::server::{TestServer, without_made_ids};

async fn a_plain_account_sees_itself(server: &TestServer) {
    let me = server.user("bob").await.get("me").await.ok();
    assert_json_snapshot!("me", without_made_ids(me));
}

async fn what_was_set_at_creation_is_there(server: &TestServer) {
    let admin = server.admin().await;
    let body = json!({
        "username": "amy", "name": "Amy", "email": "amy@example.org", "password": "x", "verified": true,
        "bio": "Gardener", "nickname": "Ay", "statusText": "away", "customFields": {"team": {"id": 7}},
        "requirePasswordChange": true,
    });
    admin.post("users.create", body).await.ok();
    let me = server.session_of("amy").await.get("me").await.ok();
    assert_eq!(me["email"], "amy@example.org");
    assert_eq!(me["emails"], json!([{"address": "amy@example.org", "verified": true}]));
    for (field, value) in [
        ("bio", json!("Gardener")),
        ("nickname", json!("Ay")),
        ("statusText", json!("away")),
        ("customFields", json!({"team": {"id": 7}})),
        ("requirePasswordChange", json!(true)),
    ] {
        assert_eq!(me[field], value, "{field}");
    }
}

async fn no_secret_is_shown(server: &TestServer) {
    let bob = server.user("bob").await;
    let text = bob.get("me").await.text;
    for secret in ["bcrypt", "$2b$", "hashedToken", "loginTokens", bob.token()] {
        assert!(!text.contains(secret), "{secret}");
    }
}

async fn cookies_queries_and_bearers_are_no_credentials(server: &TestServer) {
    let (bob, nobody) = (server.user("bob").await, server.anonymous());
    let request = |path: &str| nobody.request(reqwest::Method::GET, path);
    let cookie = format!("rc_uid={}; rc_token={}", bob.id(), bob.token());
    nobody.send(request("/api/v1/me").header("Cookie", cookie)).await.unauthenticated();
    let bearer = format!("Bearer {}", bob.token());
    nobody.send(request("/api/v1/me").header("Authorization", bearer)).await.unauthenticated();
    let query = format!("/api/v1/me?rc_uid={}&rc_token={}&access_token={1}", bob.id(), bob.token());
    nobody.send(request(&query)).await.unauthenticated();
}

on_every_store!(
    a_plain_account_sees_itself,
    what_was_set_at_creation_is_there,
    no_secret_is_shown,
    cookies_queries_and_bearers_are_no_credentials,
);
