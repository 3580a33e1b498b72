//! Who gets how far in organizations, asked of every operation of theirs in the description that the server itself gives:
//! an Owner, an Admin and a Member of the organization, the Owner of another one, an account that is in none, one that may
//! nothing in the workspace, nobody. What each of them holds is asked of the server as well.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::authorization::{Described, all_described, any_of};
use crate::organizations::Person;
use crate::support::server::{Answer, TestServer};

/// The codes of the contract, section 2.
const CODES: [&str; 18] = [
    "AUTHENTICATION_REQUIRED",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "INSUFFICIENT_PERMISSIONS",
    "ORGANIZATION_NOT_FOUND",
    "ROLE_NOT_FOUND",
    "ROLE_ASSIGNMENT_NOT_FOUND",
    "USER_NOT_FOUND",
    "SYSTEM_ROLE_IMMUTABLE",
    "ROLE_HAS_MEMBERS",
    "ROLE_NAME_TAKEN",
    "ROLE_ALREADY_ASSIGNED",
    "PRECONDITION_FAILED",
    "VALIDATION_ERROR",
    "LAST_OWNER_CANNOT_BE_REMOVED",
    "RATE_LIMITED",
    "UNAVAILABLE",
    "REQUEST_IN_PROGRESS",
];

async fn described(server: &TestServer) -> Vec<Described> {
    let described = all_described(server).await.into_iter().filter(Described::is_of_organizations);
    let described: Vec<_> = described.collect();
    assert!(described.len() > 20);
    described
}

/// Somebody, and what he holds in the organization; `None` if he is not in it.
struct Caller<'s> {
    person: Person<'s>,
    holds: Option<BTreeSet<String>>,
    may_create: bool,
}

impl<'s> Caller<'s> {
    fn stranger(person: Person<'s>) -> Self {
        Self { person, holds: None, may_create: true }
    }

    async fn member(person: Person<'s>, place: &str) -> Self {
        let path = format!("{place}/users/{}/effective-permissions", person.id);
        let found = person.get(&path).await.ok();
        let texts = |name: &str| found[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
        let holds = texts("capabilities").chain(texts("role_ids")).collect();
        Self { person, holds: Some(holds), may_create: true }
    }

    /// How the request is refused for who it is; `None` if it is not.
    fn refusal(&self, rule: &Value) -> Option<(u16, &'static str)> {
        let wanted = any_of(rule);
        if self.person.token.is_empty() {
            return Some((401, "AUTHENTICATION_REQUIRED"));
        }
        if rule["of"] != "organization" {
            let lacks = !wanted.is_empty() && !self.may_create;
            return lacks.then_some((403, "INSUFFICIENT_PERMISSIONS"));
        }
        let Some(holds) = &self.holds else { return Some((404, "ORGANIZATION_NOT_FOUND")) };
        let lacks = !wanted.is_empty() && !wanted.iter().any(|name| holds.contains(*name));
        lacks.then_some((403, "INSUFFICIENT_PERMISSIONS"))
    }
}

/// Sends a body about a role and somebody that are not there.
async fn send(server: &TestServer, operation: &Described, token: &str, place: &str, user: &str, body: &str) -> Answer {
    let path = operation.path.replace("organizations/{organization_id}", place);
    let path = path.replace("{role_id}", "role_unknown").replace("{user_id}", user);
    let anonymous = server.anonymous();
    let request = anonymous.request(Method::from_bytes(operation.method.as_bytes()).unwrap(), &path);
    let request = request.header("Content-Type", "application/json").body(body.to_owned());
    anonymous.send(if token.is_empty() { request } else { request.bearer_auth(token) }).await
}

#[track_caller]
fn got_in(answer: &Answer, name: &str) {
    assert!(answer.status < 500 && ![401, 403].contains(&answer.status), "{name}: {} {}", answer.status, answer.text);
    assert!(!answer.text.contains("ORGANIZATION_NOT_FOUND"), "{name}: {}", answer.text);
}

async fn everybody_gets_as_far_as_the_description_says(server: &TestServer) {
    let [ann, amy, bob, eve, zoe] = ["ann", "amy", "bob", "eve", "zoe"].map(|name| Person::new(server, name));
    let (ann, amy, bob, eve, zoe) = (ann.await, amy.await, bob.await, eve.await, zoe.await);
    let place = ann.organization("Acme").await;
    for other in [&amy, &bob] {
        ann.adds(&place, other).await;
    }
    ann.gives(&place, "role_admin", &amy).await;
    eve.organization("Other").await;
    let roleless = server.user_with("mallory", &[]).await;
    let roleless = Person::with_token(server, roleless.token());
    let callers = [
        Caller::member(ann, &place).await,
        Caller::member(amy, &place).await,
        Caller::member(bob, &place).await,
        Caller::stranger(eve),
        Caller::stranger(zoe),
        Caller { may_create: false, ..Caller::stranger(roleless) },
        Caller::stranger(Person::with_token(server, "")),
    ];
    let mut seen = BTreeSet::new();
    for operation in described(server).await {
        let name = operation.name();
        for (number, caller) in callers.iter().enumerate() {
            let (token, refusal) = (&caller.person.token, caller.refusal(&operation.permission));
            seen.insert((number, refusal));
            // Who may not is told so before anything about what he sent.
            for body in ["", "{", "{}"] {
                let answer = send(server, &operation, token, &place, "usr_nobody", body).await;
                match refusal {
                    None => got_in(&answer, &format!("{name}, {number}")),
                    Some((status, code)) => {
                        let error = &answer.json()["error"];
                        assert_eq!((answer.status, &error["code"]), (status, &json!(code)), "{name}, {number}");
                    }
                }
            }
            if operation.permission["orOneself"] == true && caller.holds.is_some() {
                let answer = send(server, &operation, token, &place, &caller.person.id, "").await;
                got_in(&answer, &format!("{name}, {number}, about himself"));
            }
        }
    }
    let forbidden = Some((403, "INSUFFICIENT_PERMISSIONS"));
    for (number, refusal) in [(1, forbidden), (1, None), (2, forbidden), (2, None), (5, forbidden)] {
        assert!(seen.contains(&(number, refusal)), "{number}, {refusal:?}");
    }
    assert!(!seen.contains(&(0, forbidden)), "an Owner may everything");
}

async fn each_surface_has_its_own_way_of_showing_a_token(server: &TestServer) {
    let bob = server.user("bob").await;
    for operation in all_described(server).await.into_iter().filter(|operation| !operation.permission.is_null()) {
        let path = operation.path.replace(['{', '}'], "");
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
        if operation.is_of_organizations() {
            let answer = bob.send(bob.request(method, &path)).await;
            assert_eq!(answer.json()["error"]["code"], "AUTHENTICATION_REQUIRED", "{}", operation.name());
        } else {
            let nobody = server.anonymous();
            nobody.send(nobody.request(method, &path).bearer_auth(bob.token())).await.unauthenticated();
        }
    }
}

/// The same but for what differs each time.
fn lasting(mut body: Value) -> Value {
    let error = body["error"].as_object_mut().unwrap();
    assert!(error.remove("trace_id").is_some_and(|id| id.is_string()));
    assert!(error.remove("timestamp").is_some_and(|time| time.is_string()));
    body
}

async fn what_all_refusals_look_like_is_in_the_document(server: &TestServer) {
    let nobody = server.anonymous();
    let document = nobody.send(nobody.request(Method::GET, "/openapi.json")).await.ok();
    let ann = Person::new(server, "ann").await;
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
    let too_long = nobody.request(Method::POST, "/v1/organizations").bearer_auth(&ann.token).body(long);
    for (response, sample, answer) in [
        ("Unauthenticated", "authentication-required", Person::with_token(server, "").get("capabilities").await),
        ("Unauthenticated", "token-invalid", Person::with_token(server, "x").get("capabilities").await),
        ("TooLarge", "body-too-large", nobody.send(too_long).await),
    ] {
        let response = &document["components"]["responses"][format!("Organization{response}")];
        let sample = response["content"]["application/json"]["examples"][sample]["value"].clone();
        assert_eq!(lasting(sample), lasting(answer.json()), "{response}");
    }
    let text = document.to_string();
    for code in CODES {
        assert!(text.contains(&format!("`{code}`")), "{code}");
    }
}

on_every_store!(
    everybody_gets_as_far_as_the_description_says,
    each_surface_has_its_own_way_of_showing_a_token,
    what_all_refusals_look_like_is_in_the_document,
);
