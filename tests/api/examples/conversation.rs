//! How the steps become requests to a server, and what is remembered of its answers. Two servers with the same steps have
//! the same conversation: each step has ids of its own, which follow from what it is and not from how many came before,
//! so that a step more or less changes no other.

use std::collections::BTreeMap;

use actix_web::http::Method as RouteMethod;
use rolekeeper::http::routes::{Operation, operations, organization_operations};
use serde_json::{Map, Value};

use super::steps::{BOB, CAROL, MALLORY, NOBODY, ROOT, Step};
use crate::support::server::{Actor, Answer, TestServer};

/// Ids that one step may use up.
const IDS_OF_A_STEP: u64 = 4_096;

/// A server with the people of the conversation, and what was learnt so far.
pub struct Conversation<'s> {
    pub server: &'s TestServer,
    kept: BTreeMap<String, String>,
    operations: Vec<Operation>,
    /// Method and path of every operation of both surfaces.
    routes: Vec<(RouteMethod, &'static str)>,
}

/// A request as it goes to the server.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: RouteMethod,
    /// The path as it stands in the table of routes.
    pub route: &'static str,
    /// The path that is asked for, without the query.
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Option<Value>,
}

impl<'s> Conversation<'s> {
    /// With a server that has an administrator and nothing else.
    pub async fn with(server: &'s TestServer) -> Self {
        let mut kept = BTreeMap::from([(ROOT.to_owned(), server.account(ROOT).await.id.as_str().to_owned())]);
        for (name, roles) in [(BOB, &["user"][..]), (CAROL, &["user"]), (MALLORY, &[])] {
            server.ids.continue_at(number_of(name));
            kept.insert(name.to_owned(), server.user_with(name, roles).await.id().to_owned());
        }
        let operations = operations();
        let mut routes: Vec<_> = operations.iter().map(|known| (known.method.clone(), known.path)).collect();
        routes.extend(organization_operations().into_iter().map(|known| (known.method, known.path)));
        // Of two that fit, the one with the word comes before the one with the parameter.
        routes.sort_by_key(|(_, path)| *path);
        Self { server, kept, operations, routes }
    }

    /// What a step asks for, with everything filled in that was kept.
    pub fn request(&self, step: &Step) -> Request {
        let route = self.filled(&step.route);
        let whole = if route.starts_with('/') { route } else { format!("/api/v1/{route}") };
        let (path, query) = whole.split_once('?').map_or((whole.as_str(), None), |(path, query)| (path, Some(query)));
        let mut routes = self.routes.iter();
        let found = routes.find(|(method, route)| method.as_str() == step.method.as_str() && is_path_of(route, path));
        let found = found.unwrap_or_else(|| panic!("there is no route for {} {}", step.method, step.route));
        Request {
            method: found.0.clone(),
            route: found.1,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: step.headers.clone(),
            body: step.body.as_ref().map(|body| self.filled_in(body)),
        }
    }

    /// The operation that a request is for, unless it is one of organizations.
    pub fn operation(&self, request: &Request) -> Option<&Operation> {
        self.operations.iter().find(|known| known.method == request.method && known.path == request.route)
    }

    /// Whether the table of routes knows the fields of a body; otherwise the operation sorts them out by itself.
    pub fn declares_fields(&self, request: &Request) -> bool {
        let parameters = self.operation(request).and_then(|operation| operation.parameters);
        parameters.is_some_and(|parameters| !parameters.shape.fields.is_empty())
    }

    /// Takes a step and remembers of the answer what later ones need.
    pub async fn take(&mut self, step: &Step) -> (Request, Answer) {
        self.server.ids.continue_at(number_of(&format!("{} {} {}", step.method, step.route, step.title)));
        let request = self.request(step);
        let actor = self.actor(step.actor).await;
        let answer = request.send(&actor).await;
        self.learn(step, &answer);
        (request, answer)
    }

    /// Remembers of an answer what later steps need, if it is the answer that was expected.
    pub fn learn(&mut self, step: &Step, answer: &Answer) {
        if answer.status != step.status {
            return;
        }
        for (name, pointer) in &step.kept {
            let text = answer.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            let text = text.unwrap_or_else(|| panic!("{}: no text at {pointer}: {}", step.route, answer.text));
            self.kept.insert((*name).to_owned(), text);
        }
    }

    /// Somebody in a new session, or nobody.
    pub async fn actor(&self, name: &str) -> Actor<'s> {
        if name == NOBODY { self.server.anonymous() } else { self.server.session_of(name).await }
    }

    fn filled(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
    }

    fn filled_in(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.filled(text).into(),
            Value::Array(items) => items.iter().map(|item| self.filled_in(item)).collect(),
            Value::Object(fields) => {
                let filled = |(name, value): (&String, &Value)| (name.clone(), self.filled_in(value));
                Value::Object(fields.iter().map(filled).collect())
            }
            other => other.clone(),
        }
    }
}

impl Request {
    /// Sends it as somebody.
    pub async fn send(&self, actor: &Actor<'_>) -> Answer {
        let method = reqwest::Method::from_bytes(self.method.as_str().as_bytes()).unwrap();
        let mut request = actor.request(method, &self.address());
        if let Some(token) = actor.known_token().filter(|_| self.route.starts_with("/v1/")) {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        actor
            .send(match &self.body {
                Some(body) => request.json(body),
                None => request,
            })
            .await
    }

    /// Path and query.
    pub fn address(&self) -> String {
        self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// Which fields the body has.
    pub fn form(&self) -> String {
        let fields = self.body.as_ref().and_then(Value::as_object);
        fields.map_or_else(String::new, |fields| fields.keys().cloned().collect::<Vec<_>>().join(" "))
    }

    /// The parameters of the path.
    pub fn path_values(&self) -> Map<String, Value> {
        values_in(self.route, &self.path).unwrap()
    }

    /// The parameters of the query.
    pub fn query_values(&self) -> Map<String, Value> {
        let query = self.query.as_deref().unwrap_or_default();
        rolekeeper::http::rocketchat::query::parse_query(query).unwrap()
    }
}

/// Whether a path is one of that route.
pub fn is_path_of(route: &str, path: &str) -> bool {
    values_in(route, path).is_some()
}

/// What stands in a path for the names in braces of a route; `None` if it is not a path of that route.
fn values_in(route: &str, path: &str) -> Option<Map<String, Value>> {
    let (names, texts): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    if names.len() != texts.len() {
        return None;
    }
    let mut values = Map::new();
    for (name, text) in names.into_iter().zip(texts) {
        match name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => drop(values.insert(name.to_owned(), text.into())),
            None if name == text => {}
            None => return None,
        }
    }
    Some(values)
}

/// Where the ids of a step begin: far from those of any other.
fn number_of(text: &str) -> u64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash >> 20) / IDS_OF_A_STEP * IDS_OF_A_STEP
}
