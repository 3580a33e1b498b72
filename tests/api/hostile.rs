//! Values that nobody means well with, in every field of every operation: as JSON, as a query, as a form, in the path.
//! Nothing answers with a defect (5xx), every refusal is in the envelope, and what is refused leaves the store as it was,
//! to the byte. Operations and their fields come from the table of routes, a request to spoil from the examples.
//!
//! What a value that is taken means (a number as a text, `null` as nothing) is the business of the tests of the shapes.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use rolekeeper::domain::user::Activation;
use rolekeeper::http::rocketchat::shape::{Kind, Shape, Source};
use rolekeeper::http::routes::{Operation, operations};
use rolekeeper::store::UsernameMatch;
use serde_json::{Map, Value, json};

use crate::examples::conversation::{Conversation, Request};
use crate::examples::steps::{NOBODY, steps};
use crate::support::dump::Dump;
use crate::support::server::{Actor, Answer, TestServer};

/// What refusals may leave behind: that somebody could not log in.
const COUNTS: [&str; 2] = ["failed", "attempt"];
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// The first item of a list, as a step of the way to a field inside of it.
const FIRST: &str = "[0]";
/// Requests that are under way together.
const AT_ONCE: usize = 8;

/// As JSON text: not everything that a client can send is a value that can be made here.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1e308",
        "-0.0",
        "123456789012345678901234567890",
        "\"\"",
        "\"NaN\"",
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\u202egnol\u200b\u0301""#,
        r#"{"$ne":null}"#,
        r#"{"$gt":""}"#,
        r#"{"$where":"1"}"#,
        "[]",
        "[[]]",
        r#"[{"$ne":null}]"#,
        r#"{"a":{"b":{}}}"#,
        r#""../../etc/passwd""#,
        r#""'; DROP TABLE roles;--""#,
        r#""{\"$ne\":null}""#,
    ]
    .map(str::to_owned)
    .into();
    values.push(json!("x".repeat(100_000)).to_string());
    values
}

/// Texts for where there are only texts.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        "null",
        "true",
        "-1",
        "1e308",
        "NaN",
        "%00",
        "%ff",
        "%",
        "%ED%A0%80",
        "%E2%80%AEgnol%CC%81",
        "{\"$ne\":null}",
        "[$ne]",
        "..%2F..%2Fetc%2Fpasswd",
        "'; DROP TABLE roles;--",
        "__proto__",
    ]
    .map(|text| if text.contains('%') { text.to_owned() } else { encoded(text) })
    .into();
    texts.push("x".repeat(4_000));
    texts
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// One request that could do harm, and how to make it again.
struct Attempt {
    name: String,
    path: String,
    content_type: Option<&'static str>,
    body: String,
}

/// An operation with a request that it once accepted.
struct Target {
    operation: Operation,
    example: Request,
    /// In the name of whom it was accepted.
    actor: &'static str,
}

impl Target {
    /// The declared fields, and those that were sent to it besides.
    fn fields(&self, sent: &Map<String, Value>) -> Vec<String> {
        let declared = self.operation.parameters.iter().flat_map(|parameters| parameters.shape.fields);
        let mut fields: Vec<_> = declared.map(|field| field.name.to_owned()).collect();
        fields.extend(sent.keys().filter(|name| !fields.contains(name)).cloned().collect::<Vec<_>>());
        fields
    }

    /// Each field's attempts by themselves. Where there are many fields, each gets a part of the values, another one than the
    /// field before: some of these operations hash passwords, and the whole must end within a minute.
    fn attempts(&self) -> Vec<Vec<Attempt>> {
        let all = self.all_attempts();
        let part = 1 + all.len() / 4;
        let thin = |(at, attempts): (usize, Vec<Attempt>)| attempts.into_iter().skip(at % part).step_by(part).collect();
        all.into_iter().enumerate().map(thin).collect()
    }

    fn all_attempts(&self) -> Vec<Vec<Attempt>> {
        let source = self.operation.parameters.map(|parameters| parameters.source);
        let mut attempts = self.in_the_path();
        match source {
            Some(Source::Body) => attempts.extend(self.in_the_body()),
            Some(Source::Query) | None => attempts.extend(self.in_the_query()),
        }
        attempts
    }

    fn attempt(&self, what: String, path: String, content_type: Option<&'static str>, body: String) -> Attempt {
        let what: String = what.chars().take(100).collect();
        let name = format!("{} {} {what}", self.operation.method, self.operation.path);
        Attempt { name, path, content_type, body }
    }

    fn in_the_path(&self) -> Vec<Vec<Attempt>> {
        let body = self.example.body.as_ref().map(Value::to_string).unwrap_or_default();
        let spoilt = |name: &String, text: String| {
            let path = self.operation.path.replace(&format!("{{{name}}}"), &text);
            self.attempt(format!("{name} in the path: {text}"), path, Some(JSON), body.clone())
        };
        let names = self.example.path_values();
        let all = |name| texts().into_iter().filter(|text| !text.is_empty()).map(|text| spoilt(name, text)).collect();
        names.keys().map(all).collect()
    }

    fn in_the_body(&self) -> Vec<Vec<Attempt>> {
        let sent = self.example.body.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let path = self.example.address();
        let in_json = |places: &[String]| {
            let spoilt = |value: &String| {
                let body = spoilt(&sent, places, value);
                self.attempt(format!("{}: {value}", places.join("/")), path.clone(), Some(JSON), body)
            };
            values().iter().map(spoilt).collect::<Vec<_>>()
        };
        let in_a_form = |field: &String| {
            let pairs =
                texts().into_iter().flat_map(|text| [format!("{field}={text}"), format!("{field}[$ne]={text}")]);
            let pairs = pairs.chain([format!("{field}=a&{field}=b"), format!("{field}[]=a&{field}[a][b]=c")]);
            let spoilt = |pairs: String| {
                let body = format!("{}&{pairs}", texts_of(&sent, field));
                self.attempt(format!("form {pairs}"), path.clone(), Some(FORM), body)
            };
            pairs.step_by(5).map(spoilt).collect::<Vec<_>>()
        };
        let fields = self.fields(&sent);
        let whole = fields.iter().map(|field| in_json(std::slice::from_ref(field)).into_iter().chain(in_a_form(field)));
        let inside = self.places_inside();
        whole.map(Iterator::collect).chain(inside.iter().map(|places| in_json(places))).collect()
    }

    /// The declared fields of objects inside of the body, by the way that leads to them.
    fn places_inside(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        let mut open: Vec<(Vec<String>, &Shape)> =
            self.operation.parameters.iter().map(|parameters| (Vec::new(), &parameters.shape)).collect();
        while let Some((way, shape)) = open.pop() {
            for field in shape.fields {
                let place: Vec<_> = way.iter().cloned().chain([field.name.to_owned()]).collect();
                match field.kind {
                    Kind::Object(inner) => open.push((place.clone(), inner)),
                    Kind::List(inner) => {
                        open.push((place.iter().cloned().chain([FIRST.to_owned()]).collect(), inner));
                    }
                    _ => {}
                }
                if !way.is_empty() {
                    found.push(place);
                }
            }
        }
        found
    }

    fn in_the_query(&self) -> Vec<Vec<Attempt>> {
        let sent = self.example.query_values();
        self.fields(&sent)
            .into_iter()
            .map(|field| {
                let pairs =
                    texts().into_iter().flat_map(|text| [format!("{field}={text}"), format!("{field}[$ne]={text}")]);
                let pairs = pairs.chain([format!("{field}=a&{field}=b")]);
                let pairs = pairs.chain([
                    format!("{field}[]=a&{field}[a][b]=c"),
                    format!("{field}[499]=a"),
                    format!("{field}[500]=a"),
                ]);
                pairs
                    .map(|pairs| {
                        let address = format!("{}?{}&{pairs}", self.example.path, texts_of(&sent, &field));
                        self.attempt(format!("query {pairs}"), address, None, String::new())
                    })
                    .collect()
            })
            .collect()
    }
}

/// The object as JSON text with another value, itself JSON text, at a place that may lie deeper.
fn spoilt(sent: &Map<String, Value>, places: &[String], value: &str) -> String {
    const HOLE: &str = "here belongs what is sent instead";
    let mut body = Value::Object(sent.clone());
    let mut place = &mut body;
    for name in places {
        place = if name == FIRST { first_of(place) } else { field_of(place, name) };
    }
    *place = HOLE.into();
    body.to_string().replace(&json!(HOLE).to_string(), value)
}

fn field_of<'v>(place: &'v mut Value, name: &str) -> &'v mut Value {
    if !place.is_object() {
        *place = json!({});
    }
    &mut place[name]
}

fn first_of(place: &mut Value) -> &mut Value {
    if place.as_array().is_none_or(Vec::is_empty) {
        *place = json!([{}]);
    }
    &mut place[0]
}

/// The texts of an object as a form or query, without a field.
fn texts_of(sent: &Map<String, Value>, without: &str) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = sent.iter().filter(|(name, _)| *name != without);
    pairs.map(|(name, value)| format!("{name}={}", encoded(&text(value)))).collect::<Vec<_>>().join("&")
}

impl Attempt {
    fn request(&self, actor: &Actor<'_>, method: &actix_web::http::Method) -> RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_str().as_bytes()).unwrap();
        let request = actor.request(method, &self.path);
        match self.content_type {
            Some(content_type) => request.header("Content-Type", content_type).body(self.body.clone()),
            None => request,
        }
    }

    /// No defect, and every refusal in the envelope.
    fn check(&self, answer: &Answer) {
        assert!(answer.status < 500, "{}: {} {}", self.name, answer.status, answer.text);
        if answer.status == 404 && answer.header("content-type").starts_with("text/plain") {
            // A path with a slash in a parameter, or none, is no path of the API.
            return assert_eq!(answer.text, "404 Not Found", "{}", self.name);
        }
        if answer.status >= 400 {
            assert_eq!(answer.header("content-type"), "application/json", "{}: {}", self.name, answer.text);
            let body = answer.json();
            assert_eq!(body["success"], false, "{}: {}", self.name, answer.text);
            // A failure without any words is one as well (contract 1.1).
            let has_words = body["error"].is_string() || body == json!({"success": false});
            assert!(has_words, "{}: {}", self.name, answer.text);
        }
    }
}

/// A request to spoil for each operation, from the conversation that is held for that.
async fn targets(server: &TestServer) -> Vec<Target> {
    let mut accepted = BTreeMap::new();
    let mut conversation = Conversation::with(server).await;
    for step in steps() {
        let (request, answer) = conversation.take(&step).await;
        if answer.status == 200 {
            // Where the fields are not declared, every form of the request is one to spoil.
            let form = if conversation.declares_fields(&request) { String::new() } else { request.form() };
            accepted.insert((request.method.to_string(), request.route, form), (request, step.actor));
        }
    }
    let target = |(example, actor): (Request, &'static str)| {
        let mut operations = operations().into_iter();
        let operation = operations.find(|known| known.method == example.method && known.path == example.route).unwrap();
        Target { operation, example, actor }
    };
    accepted.into_values().map(target).collect()
}

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
            let method = &target.operation.method;
            let answers = join_all(some.iter().map(|attempt| actor.send(attempt.request(&actor, method)))).await;
            for (attempt, answer) in some.iter().zip(&answers) {
                attempt.check(answer);
                if answer.status >= 400 {
                    refused.push(*attempt);
                }
            }
        }
        // Whoever only reads changes nothing either.
        if refused.len() == attempts.len() || target.operation.method == "GET" {
            let differences = changes(&before, &self.server.dump(&COUNTS).await);
            assert!(differences.is_empty(), "{} and more: {}", attempts[0].name, differences.join("\n"));
            self.session = Some((name, actor, before));
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

async fn no_value_in_any_field_does_harm(server: &TestServer) {
    let mut count = 0;
    let targets = targets(server).await;
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

// As an operator has it set who lets sessions of others be made.
on_every_store!(
    with_a_secret, "CREATE_TOKENS_FOR_USERS" = "true", "CREATE_TOKENS_FOR_USERS_SECRET" = "open sesame";
    no_value_in_any_field_does_harm,
);
