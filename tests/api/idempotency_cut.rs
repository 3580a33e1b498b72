//! `Idempotency-Key` and a client that hangs up: it sends the request again, to the same node or to another one, and there
//! is one effect.

use mongodb::bson::doc;
use rolekeeper::clock::Ids as _;
use rolekeeper::domain::audit::Change;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::idempotency::{keyed, role, until};
use crate::support::server::{Actor, Place, Start, TestServer};
use crate::support::stores::{Backend, Raw};

/// Redefines a role and hangs up; `waits` says how often the client lets others go first.
async fn cut(actor: &Actor<'_>, base: &str, key: &str, body: &Value, waits: usize) {
    let text = body.to_string();
    let request = format!(
        "POST /api/v1/roles.update HTTP/1.1\r\nHost: localhost\r\nX-User-Id: {}\r\nX-Auth-Token: {}\r\n{key}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        actor.id(),
        actor.token(),
        text.len()
    );
    let mut connection = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    for _ in 0..waits {
        tokio::task::yield_now().await;
    }
    // Not to be told that nobody listens is the worst case: the server has done all its work.
    if waits.is_multiple_of(3) {
        connection.readable().await.unwrap();
    }
}

async fn redefinitions(server: &TestServer, description: &str) -> usize {
    let entries = server.store.list_audit_entries(10).await.unwrap();
    let is_it =
        |change: &Change| matches!(change, Change::RoleUpdated { after, .. } if after.description == description);
    entries.iter().filter(|entry| is_it(&entry.change)).count()
}

/// The client hangs up on one node at another moment each time, and comes again to the other one.
async fn cut_replies(one: &TestServer, other: &TestServer) {
    let (here, deputy) = (one.admin().await, role(&one.admin().await, "deputy").await);
    let there = other.with(here.id(), here.token());
    for round in 0..60 {
        let (first, second, first_base) =
            if round % 2 == 0 { (&here, &there, one.base()) } else { (&there, &here, other.base()) };
        let description = format!("round {round}");
        let body = json!({"roleId": deputy, "name": "deputy", "description": description});
        let key = format!("cut{round}");
        cut(first, first_base, &format!("Idempotency-Key: {key}\r\n"), &body, round).await;
        until(async || keyed(second, &key, "roles.update", &body).await.status == 200).await;
        assert_eq!(redefinitions(one, &description).await, 1, "{description}");
    }
    // The control: without a key whoever heard nothing does it again.
    let body = json!({"roleId": deputy, "name": "deputy", "description": "control"});
    cut(&here, one.base(), "", &body, 0).await;
    there.post("roles.update", body).await.ok();
    assert_eq!(redefinitions(one, "control").await, 2);
}

async fn a_cut_reply_has_one_effect(server: &TestServer) {
    cut_replies(server, server).await;
}

#[tokio::test]
async fn a_cut_reply_has_one_effect_through_two_nodes() {
    let Place::Database(url) = Place::fresh(Backend::Mongo).await else { panic!("a database has a URL") };
    let one = Start::at(Place::Database(url.clone())).go().await;
    let other = Start::at(Place::Database(url)).unprepared().go().await;
    // Each counts its ids for itself; in earnest they are random.
    for _ in 0..100_000 {
        other.ids.object_id();
    }
    cut_replies(&one, &other).await;
    other.halt().await;
    one.finish().await;
}

on_every_store!(a_cut_reply_has_one_effect);

/// The database waits for a majority in vain: the turn is taken, and nobody has heard of it.
#[tokio::test]
async fn a_turn_that_was_taken_unheard_is_given_up_on_mongo() {
    let Place::Database(url) = Place::fresh(Backend::Mongo).await else { panic!("a database has a URL") };
    let server = Start::at(Place::Database(format!("{url}&appName=unheard"))).go().await;
    let (admin, body) = (server.admin().await, json!({"name": "deputy"}));
    let Raw::Mongo(database) = &server.raw else { panic!("a database") };
    let error = doc! { "code": 11_601, "codeName": "Interrupted", "errmsg": "the wait for a majority was interrupted" };
    let failure = doc! { "failCommands": ["insert"], "appName": "unheard", "writeConcernError": error };
    let once = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": failure };
    database.client().database("admin").run_command(once).await.unwrap();

    assert_eq!(keyed(&admin, "unheard", "roles.create", &body).await.status, 503);
    until(async || keyed(&admin, "unheard", "roles.create", &body).await.status == 200).await;
}
