//! What the values of `corpus` are put into: every operation with a request that it once accepted, and every field of it
//! that the description names, as the server itself serves it; besides fields of bodies that are read by hand, and headers.

use std::collections::BTreeMap;

use actix_web::http::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::corpus::{bodies, encoded, lines, texts, values};
use crate::examples::conversation::{Conversation, Request};
use crate::examples::steps::Step;
use crate::support::server::{Answer, TestServer};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// The first item of a list, as a step of the way to a field inside of it.
const FIRST: &str = "[0]";
/// Values of a header that one operation gets; the next operation gets others.
const LINES_OF_ONE: usize = 2;

/// Fields of bodies that an operation reads by hand, beside those in the examples, by the way that leads to them.
const BY_HAND: &[(&str, &[&[&str]])] = &[
    (
        "/api/v1/login",
        &[
            &["user"],
            &["user", "username"],
            &["user", "email"],
            &["username"],
            &["email"],
            &["password"],
            &["password", "digest"],
            &["password", "algorithm"],
            &["code"],
            &["resume"],
            &["totp"],
            &["totp", "code"],
            &["totp", "login"],
            &["totp", "login", "user"],
            &["totp", "login", "password"],
            &["totp", "login", "resume"],
        ],
    ),
    ("/api/v1/channels.create", ROOM),
    ("/api/v1/groups.create", ROOM),
];
const ROOM: &[&[&str]] = &[
    &["name"],
    &["members"],
    &["members", FIRST],
    &["readOnly"],
    &["excludeSelf"],
    &["customFields"],
    &["customFields", "key"],
    &["extraData"],
    &["extraData", "topic"],
    &["extraData", "announcement"],
    &["extraData", "description"],
    &["extraData", "broadcast"],
    &["extraData", "encrypted"],
    &["extraData", "teamId"],
];

/// Headers that are read of every request.
const HEADERS: &[&str] =
    &["x-request-id", "x-audit-log-reason", "x-forwarded-for", "user-agent", "if-none-match", "origin"];
/// Headers that are read under `/api/v1` besides.
const OF_WORKSPACE: &[&str] =
    &["idempotency-key", "x-user-id", "x-auth-token", "x-2fa-code", "x-2fa-method", "content-type"];
/// Headers that are read under `/v1` besides.
const OF_ORGANIZATIONS: &[&str] =
    &["idempotency-key", "if-match", "authorization", "x-api-key", "accept", "content-type"];

/// One request that could do harm, and how to make it again.
pub struct Attempt {
    pub name: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Attempt {
    /// A refusal of a request with a key is kept, so that it is the same when it comes again.
    pub fn has_key(&self) -> bool {
        self.headers.contains_key("idempotency-key")
    }

    /// No defect, and every refusal in the envelope of its surface.
    pub fn check(&self, answer: &Answer) {
        assert!(answer.status < 500, "{}: {} {}", self.name, answer.status, answer.text);
        assert!(answer.header("x-injected").is_empty(), "{}: {:?}", self.name, answer.headers);
        if answer.status == 404 && answer.header("content-type").starts_with("text/plain") {
            // A path with a slash in a parameter, or none, is no path of the API.
            return assert_eq!(answer.text, "404 Not Found", "{}", self.name);
        }
        if answer.status < 400 {
            return;
        }
        if self.path.starts_with("/v1/") {
            return self.check_refusal_of_organizations(answer);
        }
        assert_eq!(answer.header("content-type"), JSON, "{}: {}", self.name, answer.text);
        let body = answer.json();
        assert_eq!(body["success"], false, "{}: {}", self.name, answer.text);
        // A failure without any words is one as well (contract 1.1).
        let has_words = body["error"].is_string() || body == json!({"success": false});
        assert!(has_words, "{}: {}", self.name, answer.text);
    }

    fn check_refusal_of_organizations(&self, answer: &Answer) {
        let body = answer.json();
        let error = match answer.header("content-type") {
            "application/problem+json" => &body,
            kind => {
                assert_eq!(kind, JSON, "{}: {}", self.name, answer.text);
                assert_eq!(body["success"], false, "{}: {}", self.name, answer.text);
                &body["error"]
            }
        };
        assert_eq!(error["status"], answer.status, "{}: {}", self.name, answer.text);
        assert!(error["code"].is_string() && error["timestamp"].is_string(), "{}: {}", self.name, answer.text);
        // An answer that comes again is the same to the byte.
        if answer.header("idempotency-replayed").is_empty() {
            assert_eq!(error["trace_id"], answer.header("x-request-id"), "{}: {}", self.name, answer.text);
        }
    }
}

/// An operation with a request that it once accepted.
pub struct Target {
    /// How it is called.
    pub method: Method,
    /// In the name of whom it was accepted.
    pub actor: &'static str,
    number: usize,
    route: &'static str,
    example: Request,
    in_query: Vec<String>,
    /// Each by the way that leads to it; `None` where no body is read.
    in_body: Option<Vec<Vec<String>>>,
}

impl Target {
    fn of(number: usize, example: Request, actor: &'static str, document: &Value) -> Self {
        let described = &document["paths"][example.route][example.method.as_str().to_lowercase()];
        assert!(described.is_object(), "{} {} is not described", example.method, example.route);
        let parameters = described["parameters"].as_array().into_iter().flatten();
        let in_query = parameters.filter(|it| it["in"] == "query").filter_map(|it| it["name"].as_str());
        let mut in_query: Vec<_> = in_query.map(str::to_owned).collect();
        add(&mut in_query, example.query_values().keys().cloned());
        let in_body = described.get("requestBody").map(|body| {
            let mut places = Vec::new();
            collect(&body["content"][JSON]["schema"], &[], &mut places);
            let sent = example.body.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
            add(&mut places, sent.keys().map(|name| vec![name.clone()]));
            let by_hand = BY_HAND.iter().filter(|(path, _)| *path == example.route).flat_map(|(_, places)| *places);
            add(&mut places, by_hand.map(|way| way.iter().map(|name| (*name).to_owned()).collect()));
            places
        });
        Self { method: example.method.clone(), actor, number, route: example.route, example, in_query, in_body }
    }

    /// Whether it only reads.
    pub fn only_reads(&self) -> bool {
        self.method == Method::GET && self.route != "/api/v1/logout"
    }

    /// Each field's attempts by themselves. Where there are many fields, each gets a part of the values, another one than the
    /// field before: some of these operations hash passwords, and the whole must end within a minute.
    pub fn attempts(&self) -> Vec<Vec<Attempt>> {
        let mut all = self.in_the_path();
        match &self.in_body {
            Some(places) => all.extend(self.in_the_body(places)),
            None => all.extend(self.in_the_query()),
        }
        let part = 1 + all.len() / 3;
        let thin = |(at, attempts): (usize, Vec<Attempt>)| attempts.into_iter().skip(at % part).step_by(part).collect();
        all.into_iter().enumerate().map(thin).chain(self.in_headers()).collect()
    }

    fn attempt(&self, what: &str, path: String, content_type: Option<&'static str>, body: Vec<u8>) -> Attempt {
        let what: String = what.chars().take(100).collect();
        let name = format!("{} {} {what}", self.method, self.route);
        let mut headers: HeaderMap = self.example.headers.iter().map(line_of).collect();
        // Under the key of the example the same request would be answered as it was.
        headers.remove("idempotency-key");
        headers
            .extend(content_type.map(|kind| (HeaderName::from_static("content-type"), HeaderValue::from_static(kind))));
        Attempt { name, path, headers, body }
    }

    fn body(&self) -> Vec<u8> {
        self.example.body.as_ref().map(Value::to_string).unwrap_or_default().into_bytes()
    }

    fn in_the_path(&self) -> Vec<Vec<Attempt>> {
        let names = self.example.path_values();
        let filled = |spoilt: &str, text: &str| {
            names.iter().fold(self.route.to_owned(), |path, (name, value)| {
                let value = if name == spoilt { text } else { value.as_str().unwrap() };
                path.replace(&format!("{{{name}}}"), value)
            })
        };
        let spoilt = |name: &String, text: String| {
            self.attempt(&format!("{name} in the path: {text}"), filled(name, &text), Some(JSON), self.body())
        };
        let all = |name| texts().into_iter().filter(|text| !text.is_empty()).map(|text| spoilt(name, text)).collect();
        names.keys().map(all).collect()
    }

    fn in_the_body(&self, places: &[Vec<String>]) -> Vec<Vec<Attempt>> {
        let sent = self.example.body.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let path = self.example.address();
        let in_json = |way: &Vec<String>| {
            let spoilt = |value: &String| {
                let body = spoilt(&sent, way, value).into_bytes();
                self.attempt(&format!("{}: {value}", way.join("/")), path.clone(), Some(JSON), body)
            };
            values().iter().map(spoilt).collect::<Vec<_>>()
        };
        let in_a_form = |field: &String| {
            let pairs = pairs(field).chain([format!("{field}=a&{field}=b"), format!("{field}[]=a&{field}[a][b]=c")]);
            let spoilt = |pairs: String| {
                let body = format!("{}&{pairs}", texts_of(&sent, field)).into_bytes();
                self.attempt(&format!("form {pairs}"), path.clone(), Some(FORM), body)
            };
            pairs.step_by(5).map(spoilt).collect::<Vec<_>>()
        };
        let of_place = |way: &Vec<String>| match way.as_slice() {
            [field] => in_json(way).into_iter().chain(in_a_form(field)).collect(),
            _ => in_json(way),
        };
        let whole = |body: Vec<u8>| {
            let name = format!("body {}", String::from_utf8_lossy(&body));
            self.attempt(&name, path.clone(), Some(JSON), body)
        };
        places.iter().map(of_place).chain([bodies().into_iter().map(whole).collect()]).collect()
    }

    fn in_the_query(&self) -> Vec<Vec<Attempt>> {
        let sent = self.example.query_values();
        let of_field = |field: &String| {
            let all = pairs(field).chain([
                format!("{field}=a&{field}=b"),
                format!("{field}[]=a&{field}[a][b]=c"),
                format!("{field}[499]=a"),
                format!("{field}[500]=a"),
            ]);
            let spoilt = |pairs: String| {
                let address = format!("{}?{}&{pairs}", self.example.path, texts_of(&sent, field));
                self.attempt(&format!("query {pairs}"), address, None, Vec::new())
            };
            all.map(spoilt).collect()
        };
        self.in_query.iter().map(of_field).collect()
    }

    /// The accepted request with something else in one of its headers: those with a key by themselves, for what they leave
    /// behind.
    fn in_headers(&self) -> [Vec<Attempt>; 2] {
        let others = if self.route.starts_with("/v1/") { OF_ORGANIZATIONS } else { OF_WORKSPACE };
        let content_type = self.in_body.as_ref().map(|_| JSON);
        let all = lines();
        let of_header = |(at, name): (usize, &&'static str)| {
            // Which values differs from operation to operation, so that each header gets them all in the end.
            let first = (self.number * LINES_OF_ONE + at * 7) % all.len();
            let some = all.iter().cycle().skip(first).take(LINES_OF_ONE);
            let spoilt = |line: &Vec<u8>| {
                let what = format!("{name}: {}", String::from_utf8_lossy(line));
                let mut attempt = self.attempt(&what, self.example.address(), content_type, self.body());
                attempt.headers.insert(*name, HeaderValue::from_bytes(line).unwrap());
                attempt
            };
            some.map(spoilt).collect::<Vec<_>>()
        };
        let (kept, others) = HEADERS.iter().chain(others).enumerate().flat_map(of_header).partition(Attempt::has_key);
        [kept, others]
    }
}

fn line_of((name, value): &(&'static str, &'static str)) -> (HeaderName, HeaderValue) {
    (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value))
}

fn add<T: PartialEq>(known: &mut Vec<T>, more: impl Iterator<Item = T>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

/// The declared fields of an object, and those of objects inside of it.
fn collect(schema: &Value, way: &[String], places: &mut Vec<Vec<String>>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let place: Vec<_> = way.iter().cloned().chain([name.clone()]).collect();
        places.push(place.clone());
        collect(inner, &place, places);
        let item: Vec<_> = place.into_iter().chain([FIRST.to_owned()]).collect();
        collect(&inner["items"], &item, places);
    }
}

fn pairs(field: &str) -> impl Iterator<Item = String> {
    texts().into_iter().flat_map(move |text| [format!("{field}={text}"), format!("{field}[$ne]={text}")])
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

/// A request to spoil for each operation, from a conversation that is held for that. What would end something by a path
/// alone is not sent, so that it is there to be attacked, and comes last.
pub async fn targets(server: &TestServer, steps: Vec<Step>) -> Vec<Target> {
    let mut accepted = BTreeMap::new();
    let mut conversation = Conversation::with(server).await;
    for step in steps {
        let ends = step.method == reqwest::Method::DELETE && step.status < 300;
        let (request, status) = match ends {
            true => (conversation.request(&step), step.status),
            false => {
                let (request, answer) = conversation.take(&step).await;
                (request, answer.status)
            }
        };
        if status < 300 {
            // Where the fields are not declared, every form of the request is one to spoil.
            let form = if conversation.declares_fields(&request) { String::new() } else { request.form() };
            let last = (ends, usize::MAX - if ends { request.route.len() } else { 0 });
            accepted.insert((last, request.method.to_string(), request.route, form), (request, step.actor));
        }
    }
    let nobody = server.anonymous();
    let document = nobody.send(nobody.request(reqwest::Method::GET, "/openapi.json")).await.ok();
    let all = accepted.into_values().enumerate();
    all.map(|(number, (example, actor))| Target::of(number, example, actor, &document)).collect()
}
