//! A store that goes away while the server runs: clients are told to come back, nothing is acknowledged that did not
//! happen, and when the store is back, so is everything else.

use reqwest::Method;
use serde_json::json;

use crate::support::mongod::{Mongod, Options};
use crate::support::server::{Actor, Answer, Place, Start};

async fn ask(actor: &Actor<'_>, path: &str) -> Answer {
    actor.send(actor.request(Method::GET, path)).await
}

#[tokio::test]
async fn while_the_store_is_away_clients_are_told_to_come_back() {
    let mongod = Mongod::start(Options::ReplicaSet).await;
    let url = format!("{}&serverSelectionTimeoutMS=500", mongod.url("rocketchat"));
    let server = Start::at(Place::Database(url)).go().await;
    let admin = server.admin().await;
    let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
    assert_eq!(ask(&admin, "/ready").await.ok()["status"], "ready");

    mongod.kill();
    // What is kept in memory is answered until it is not known any more that it is true. Asking takes its time.
    let mut asked = 0;
    while ask(&admin, "/ready").await.json()["facts"] != "fallback" {
        asked += 1;
        assert!(asked < 100, "the store is away and not noticed");
    }
    let unavailable = json!({"success": false, "error": "Service Unavailable"});
    for answer in [
        admin.get("roles.list").await,
        admin.post("roles.delete", json!({"roleId": role})).await,
        server.anonymous().post("login", json!({"resume": admin.token()})).await,
    ] {
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.header("content-type"), "application/json");
        answer.is(503, unavailable.clone());
    }
    ask(&admin, "/health").await.is(200, json!({"status": "ok"}));
    let reasons = ["the store does not answer"];
    let answer = ask(&admin, "/ready").await;
    assert_eq!((answer.status, &answer.json()["reasons"]), (503, &json!(reasons)));
    // Who is nobody without asking the store is so also now.
    server.anonymous().get("me").await.unauthenticated();

    mongod.restart().await;
    let mut asked = 0;
    while ask(&admin, "/ready").await.status != 200 {
        asked += 1;
        assert!(asked < 100, "the store is back and not noticed");
    }
    admin.post("roles.delete", json!({"roleId": role})).await.is(200, json!({"success": true}));
    server.finish().await;
}
