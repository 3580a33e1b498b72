//! Values that nobody means well with, in every field of every operation of both surfaces: as JSON, as a query, as a form,
//! in the path, in headers. Nothing answers with a defect (5xx), every refusal is in the envelope of its surface, and what
//! is refused leaves the store as it was, to the byte. Operations and their fields come from the description that the
//! server serves (`targets`), a request to spoil from the examples, the values from `corpus`.
//!
//! What a value that is taken means (a number as a text, `null` as nothing) is the business of the tests of the shapes.

mod corpus;
mod targets;

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use rolekeeper::domain::user::Activation;
use rolekeeper::store::UsernameMatch;

use crate::examples::steps::{NOBODY, Step, organization_steps, steps};
use crate::support::dump::Dump;
use crate::support::server::{Actor, TestServer};
use targets::{Attempt, Target, targets};

/// What refusals may leave behind: that somebody could not log in.
const COUNTS: [&str; 2] = ["failed", "attempt"];
/// What they leave behind under a key of the client's.
const RECEIPTS: [&str; 2] = ["receipts", "idempotency"];
/// Requests that are under way together.
const AT_ONCE: usize = 8;

/// Somebody who sends attempts, and what the store held before them. A session of the test's own is a change as well, so it
/// is kept as long as nothing happens.
struct Attacker<'s> {
    server: &'s TestServer,
    session: Option<(&'static str, Actor<'s>, Dump)>,
}

impl<'s> Attacker<'s> {
    /// Sends them all and returns those that were not taken.
    async fn send<'a>(&mut self, target: &Target, attempts: &[&'a Attempt]) -> Vec<&'a Attempt> {
        let (name, actor, before) = match self.session.take() {
            Some(session) if session.0 == target.actor => session,
            _ => self.begin(target.actor).await,
        };
        let mut refused = Vec::new();
        for some in attempts.chunks(AT_ONCE) {
            let answers = join_all(some.iter().map(|attempt| actor.send(request(attempt, &actor, target)))).await;
            for (attempt, answer) in some.iter().zip(&answers) {
                attempt.check(answer);
                if answer.status >= 400 {
                    refused.push(*attempt);
                }
            }
        }
        // Whoever only reads changes nothing either.
        if refused.len() == attempts.len() || target.only_reads() {
            let is_kept = attempts.iter().any(|attempt| attempt.has_key());
            let mut differences = changes(&before, &self.server.dump(&COUNTS).await);
            differences.retain(|change| !(is_kept && RECEIPTS.iter().any(|name| change.contains(name))));
            assert!(differences.is_empty(), "{} and more: {}", attempts[0].name, differences.join("\n"));
            self.session = Some((name, actor, before)).filter(|_| !is_kept);
            return Vec::new();
        }
        refused
    }

    /// In the name of somebody whom one of the attempts may have renamed, switched off or deleted.
    async fn session_of(&self, name: &str) -> Actor<'s> {
        let store = &self.server.store;
        let known = match store.find_user_by_username(name, UsernameMatch::Exact).await.unwrap() {
            Some(user) => Some(user),
            None => store.find_user_by_email(&format!("{name}@example.org")).await.unwrap(),
        };
        let Some(user) = known else { return self.server.user(name).await };
        store.set_user_active(&user.id, Activation::Activate, &self.server.by()).await.unwrap();
        self.server.session_of(&user.username.unwrap()).await
    }

    async fn begin(&self, name: &'static str) -> (&'static str, Actor<'s>, Dump) {
        let actor = if name == NOBODY { self.server.anonymous() } else { self.session_of(name).await };
        (name, actor, self.server.dump(&COUNTS).await)
    }
}

/// The differences, short enough to read.
fn changes(before: &Dump, after: &Dump) -> Vec<String> {
    let of = |name: &String, here: &Dump, there: &Dump, sign: &str| {
        let others = there.get(name).cloned().unwrap_or_default();
        let gone = here[name].iter().filter(|row| !others.contains(row));
        gone.map(|row| format!("{sign} {name}: {}", row.chars().take(300).collect::<String>())).collect::<Vec<_>>()
    };
    let gone = before.keys().flat_map(|name| of(name, before, after, "-"));
    gone.chain(after.keys().flat_map(|name| of(name, after, before, "+"))).collect()
}

fn request(attempt: &Attempt, actor: &Actor<'_>, target: &Target) -> RequestBuilder {
    let method = reqwest::Method::from_bytes(target.method.as_str().as_bytes()).unwrap();
    let mut headers = HeaderMap::new();
    if let Some(token) = actor.known_token().filter(|_| attempt.path.starts_with("/v1/")) {
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    }
    headers.extend(attempt.headers.clone());
    let request = actor.request(method, &attempt.path).headers(headers);
    if attempt.body.is_empty() { request } else { request.body(attempt.body.clone()) }
}

async fn attack(server: &TestServer, steps: Vec<Step>) {
    let mut count = 0;
    let targets = targets(server, steps).await;
    let mut attacker = Attacker { server, session: None };
    for target in &targets {
        for attempts in target.attempts() {
            count += attempts.len();
            // Where some are taken, the others are sent again by themselves: they are refused again, without a trace.
            let mut rest: Vec<_> = attempts.iter().collect();
            while !rest.is_empty() {
                rest = attacker.send(target, &rest).await;
            }
        }
    }
    assert!(count > 1_000, "{count} requests");
}

async fn no_value_in_any_field_does_harm(server: &TestServer) {
    attack(server, steps()).await;
}

async fn nor_does_one_in_any_field_of_organizations(server: &TestServer) {
    attack(server, organization_steps()).await;
}

/// Where a list is searched for a text, it is nothing but a text: no pattern, no end of one, and as long as an address
/// can be.
async fn any_text_can_be_looked_for(server: &TestServer) {
    let admin = server.admin().await;
    server.user("bob").await;
    let room = admin.post("channels.create", serde_json::json!({"name": "yard", "members": ["bob"]})).await.ok();
    let room = room["channel"]["_id"].as_str().unwrap();
    let searches = [
        ("users", "users.listByStatus?searchTerm=".to_owned()),
        ("members", format!("channels.members?roomId={room}&filter=")),
        ("members", format!("rooms.membersOrderedByRole?roomId={room}&filter=")),
    ];
    for (list, search) in &searches {
        assert_eq!(admin.get(&format!("{search}BO")).await.ok()[*list].as_array().unwrap().len(), 1, "{search}");
        let long = ["x".repeat(15_000), "x".repeat(40_000), ".".repeat(20_000), "%C3%A9".repeat(9_000)];
        for text in ["%00", "bo%00b", "bob%00"].map(str::to_owned).into_iter().chain(long) {
            let found = admin.get(&format!("{search}{text}")).await;
            let shown: String = text.chars().take(20).collect();
            assert_eq!(found.status, 200, "{search}{shown}: {}", found.text);
        }
        for text in ["%5Cx62ob", "b.b", ".*", "%5C", "%5B"] {
            let found = admin.get(&format!("{search}{text}")).await.ok();
            assert_eq!(found[*list], serde_json::json!([]), "{search}{text}");
        }
    }
}

on_every_store!(any_text_can_be_looked_for);

// As an operator has it set who lets sessions of others be made.
on_every_store!(
    with_a_secret, "CREATE_TOKENS_FOR_USERS" = "true", "CREATE_TOKENS_FOR_USERS_SECRET" = "open sesame";
    no_value_in_any_field_does_harm,
    nor_does_one_in_any_field_of_organizations,
);
