//! `Idempotency-Key`: a request that comes again changes nothing again and gets the same bytes, also after a restart and
//! through another node.

use reqwest::Method;
use rolekeeper::clock::{Clock as _, Ids as _};
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::receipt::{Fingerprint, Found, ReceiptKey, Ticket};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::organizations::{Person, created, gone, refused};
use crate::support::server::{Answer, Place, Start, TestServer};
use crate::support::stores::Backend;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn keyed(person: &Person<'_>, key: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    person.send(method, path, body, &[("Idempotency-Key", key)]).await
}

/// Asserts that the answer is the kept one.
#[track_caller]
fn again(first: &Answer, second: &Answer) {
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    for header in ["content-type", "etag"] {
        assert_eq!(second.header(header), first.header(header));
    }
    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), ("", "true"));
}

async fn roles(person: &Person<'_>, place: &str) -> usize {
    person.get(&format!("{place}/roles?include_global=false")).await.ok().as_array().unwrap().len()
}

async fn every_change_is_made_once(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let mut number = 0;
    let mut twice = async |method: Method, path: String, body: Option<Value>| {
        number += 1;
        let key = format!("key-{number}");
        let first = keyed(&ann, &key, method.clone(), &path, body.as_ref()).await;
        let entries = server.store.list_audit_entries(1_000).await.unwrap().len();
        assert!(first.status < 300, "{path}: {}", first.text);
        again(&first, &keyed(&ann, &key, method, &path, body.as_ref()).await);
        assert_eq!(server.store.list_audit_entries(1_000).await.unwrap().len(), entries, "{path}");
        if first.text.is_empty() { Value::Null } else { first.json() }
    };
    let made = twice(Method::POST, "organizations".into(), Some(json!({"name": "Acme"}))).await;
    let place = format!("organizations/{}", made["id"].as_str().unwrap());
    twice(Method::PATCH, place.clone(), Some(json!({"name": "Acme Ltd"}))).await;
    twice(Method::POST, format!("{place}/users/add"), Some(json!({"username": "bob"}))).await;
    let wanted = json!({"name": "Recruiter", "capabilities": ["invite_users"]});
    let role = twice(Method::POST, format!("{place}/roles"), Some(wanted)).await;
    let role = format!("{place}/roles/{}", role["id"].as_str().unwrap());
    twice(Method::PATCH, role.clone(), Some(json!({"name": "Scout"}))).await;
    twice(Method::POST, format!("{role}/members"), Some(json!({"user_id": bob.id}))).await;
    twice(Method::DELETE, format!("{role}/members/{}", bob.id), None).await;
    twice(Method::DELETE, role, None).await;
    twice(Method::DELETE, format!("{place}/users/{}", bob.id), None).await;
    // The organization itself is gone when the same request comes again.
    twice(Method::DELETE, place, None).await;
}

async fn a_refusal_is_kept_as_it_was_given(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let role = format!("{place}/roles/{}", ann.role(&place, "Recruiter", &["invite_users"]).await);
    let member = format!("{role}/members");
    created(&ann.post(&member, json!({"user_id": ann.id})).await);
    let first = keyed(&ann, "k", Method::DELETE, &role, None).await;
    refused(&first, 409, "ROLE_HAS_MEMBERS");
    gone(&ann.delete(&format!("{member}/{}", ann.id)).await);
    again(&first, &keyed(&ann, "k", Method::DELETE, &role, None).await);
    let other = keyed(&ann, "l", Method::DELETE, &role, None).await;
    gone(&other);
}

async fn a_key_belongs_to_one_request_of_one_account(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let first = keyed(&ann, "k", Method::POST, "organizations", Some(&json!({"name": "Acme"}))).await;
    let place = format!("organizations/{}", created(&first)["id"].as_str().unwrap());
    let other = keyed(&ann, "k", Method::POST, "organizations", Some(&json!({"name": "Other"}))).await;
    refused(&other, 422, "IDEMPOTENCY_KEY_REUSED");
    refused(&keyed(&ann, "k", Method::DELETE, &place, None).await, 422, "IDEMPOTENCY_KEY_REUSED");
    again(&first, &keyed(&ann, "k", Method::POST, "organizations", Some(&json!({"name": "Acme"}))).await);
    let his = keyed(&bob, "k", Method::POST, "organizations", Some(&json!({"name": "Acme"}))).await;
    assert_ne!(created(&his)["id"], first.json()["id"]);
    assert_eq!(his.header("idempotency-replayed"), "");
    for key in ["", "a b", &"k".repeat(256)] {
        let answer = keyed(&ann, key, Method::POST, "organizations", Some(&json!({"name": "Acme"}))).await;
        let details = refused(&answer, 422, "VALIDATION_ERROR");
        assert_eq!(details["fields"][0]["field"], "Idempotency-Key");
    }
    // Reading needs no key, and takes none.
    for _ in 0..2 {
        assert_eq!(keyed(&ann, "k", Method::GET, &place, None).await.header("idempotency-replayed"), "");
    }
    server.clock.advance(DAY_MS);
    let later = keyed(&ann, "k", Method::POST, "organizations", Some(&json!({"name": "Other"}))).await;
    created(&later);
}

async fn what_was_refused_on_the_way_in_takes_no_key(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let place = ann.organization("Acme").await;
    let (roles, wanted) = (format!("{place}/roles"), json!({"name": "R", "capabilities": ["invite_users"]}));
    refused(&keyed(&bob, "k", Method::POST, &roles, Some(&wanted)).await, 404, "ORGANIZATION_NOT_FOUND");
    ann.adds(&place, &bob).await;
    until(async || {
        let answer = keyed(&bob, "k", Method::POST, &roles, Some(&wanted)).await;
        answer.json()["error"]["code"] == "INSUFFICIENT_PERMISSIONS"
    })
    .await;
    ann.gives(&place, "role_admin", &bob).await;
    until(async || keyed(&bob, "k", Method::POST, &roles, Some(&wanted)).await.status == 201).await;
}

/// Until a turn that was given up has come to the store; each attempt in between is told that the turn is taken.
async fn until(done: impl AsyncFn() -> bool) {
    for _ in 0..1_000 {
        if done().await {
            return;
        }
    }
    panic!("the key stays taken");
}

async fn a_request_that_runs_is_not_run_beside_itself(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let body = json!({"name": "Acme"});
    let text = body.to_string();
    let request = Fingerprint::of(&[b"POST", b"/v1/organizations", b"", text.as_bytes()]);
    let key = ReceiptKey::parse(&UserId::from_stored(&ann.id[4..]), "k").unwrap();
    let ticket = Ticket { key, run: "elsewhere".to_owned() };
    let taken = server.store.take_receipt(&ticket, &request, server.clock.now()).await.unwrap();
    assert_eq!(taken, Found::Vacant);
    let answer = keyed(&ann, "k", Method::POST, "organizations", Some(&body)).await;
    refused(&answer, 409, "REQUEST_IN_PROGRESS");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(ann.get("organizations").await.ok()["total"], 0);
    server.store.drop_receipt(&ticket).await.unwrap();
    created(&keyed(&ann, "k", Method::POST, "organizations", Some(&body)).await);
}

async fn of_many_at_once_one_is_made(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    for round in 0..10 {
        let body = json!({"name": format!("Role {round}"), "capabilities": ["invite_users"]});
        let (key, path) = (format!("k{round}"), format!("{place}/roles"));
        let sends = (0..6).map(|_| keyed(&ann, &key, Method::POST, &path, Some(&body)));
        let answers = futures_util::future::join_all(sends).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert!(!made.is_empty() && made.iter().all(|answer| answer.text == made[0].text));
        for other in answers.iter().filter(|answer| answer.status != 201) {
            refused(other, 409, "REQUEST_IN_PROGRESS");
        }
        assert_eq!(roles(&ann, &place).await, round + 1);
    }
}

/// The client hangs up at another moment each time, and comes again.
async fn an_answer_that_nobody_heard_is_heard_by_the_next_try(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let path = format!("{place}/roles");
    for round in 0..40 {
        let (key, body) =
            (format!("cut{round}"), json!({"name": format!("R{round}"), "capabilities": ["invite_users"]}));
        let text = body.to_string();
        let request = format!(
            "POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            ann.token,
            text.len()
        );
        let mut connection = TcpStream::connect(server.base().trim_start_matches("http://")).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        drop(connection);
        until(async || keyed(&ann, &key, Method::POST, &path, Some(&body)).await.status == 201).await;
        assert_eq!(roles(&ann, &place).await, round + 1);
    }
}

async fn an_answer_outlives_the_server(backend: Backend) {
    let server = Start::fresh(backend).await.go().await;
    let ann = Person::new(&server, "ann").await;
    let body = json!({"name": "Acme"});
    let first = keyed(&ann, "k", Method::POST, "organizations", Some(&body)).await;
    created(&first);
    let token = ann.token.clone();
    let server = Start::again(server.halt().await).go().await;
    let ann = Person::with_token(&server, &token);
    again(&first, &keyed(&ann, "k", Method::POST, "organizations", Some(&body)).await);
    assert_eq!(ann.get("organizations").await.ok()["total"], 1);
    server.finish().await;
}

#[tokio::test]
async fn an_answer_outlives_the_server_on_sqlite() {
    an_answer_outlives_the_server(Backend::SqliteFile).await;
}

#[tokio::test]
async fn an_answer_outlives_the_server_on_mongo() {
    an_answer_outlives_the_server(Backend::Mongo).await;
}

#[tokio::test]
async fn an_answer_is_known_to_every_node() {
    let Place::Database(url) = Place::fresh(Backend::Mongo).await else { panic!("a database has a URL") };
    let one = Start::at(Place::Database(url.clone())).go().await;
    let other = Start::at(Place::Database(url)).unprepared().go().await;
    // Each counts its ids for itself; in earnest they are random.
    for _ in 0..100_000 {
        other.ids.object_id();
    }
    let ann = Person::new(&one, "ann").await;
    let there = Person::with_token(&other, &ann.token);
    let body = json!({"name": "Acme"});
    let first = keyed(&ann, "k", Method::POST, "organizations", Some(&body)).await;
    created(&first);
    again(&first, &keyed(&there, "k", Method::POST, "organizations", Some(&body)).await);
    for round in 0..10 {
        let (key, body) = (format!("k{round}"), json!({"name": format!("org {round}")}));
        let sends =
            [&ann, &there, &ann, &there].map(|node| keyed(node, &key, Method::POST, "organizations", Some(&body)));
        let answers = futures_util::future::join_all(sends).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert!(!made.is_empty() && made.iter().all(|answer| answer.text == made[0].text));
        assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
        assert_eq!(there.get("organizations").await.ok()["total"], round + 2);
    }
    other.halt().await;
    one.finish().await;
}

on_every_store!(
    every_change_is_made_once,
    a_refusal_is_kept_as_it_was_given,
    a_key_belongs_to_one_request_of_one_account,
    what_was_refused_on_the_way_in_takes_no_key,
    a_request_that_runs_is_not_run_beside_itself,
    of_many_at_once_one_is_made,
    an_answer_that_nobody_heard_is_heard_by_the_next_try,
);
