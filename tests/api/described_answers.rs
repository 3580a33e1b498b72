//! Answers that the examples do not show, held against the schemas that the server serves: generated requests found them
//! to be described too narrowly (`scripts/attack`), and here each of those kinds stays described.

use reqwest::Method;
use serde_json::{Value, json};

use crate::organizations::{Person, created};
use crate::support::server::{Answer, TestServer};

/// What in a value is not as the schema has it; of JSON Schema as much as the description uses.
fn misfit(document: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return misfit(document, document.pointer(reference.strip_prefix('#').unwrap()).unwrap(), value, place);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|kind| is_of(kind, value)) {
        return Some(format!("{place} is none of {types:?}: {value}"));
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        return Some(format!("{place} is none of {}: {value}", schema["enum"]));
    }
    let missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(name) = missing.filter(|_| value.is_object()).find(|name| value.get(name).is_none()) {
        return Some(format!("{place}/{name} is missing"));
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    let of_fields = fields.filter_map(|(name, inner)| Some((format!("{place}/{name}"), inner, value.get(name)?)));
    let items = value.as_array().into_iter().flatten().map(|item| (format!("{place}/*"), &schema["items"], item));
    of_fields.chain(items).find_map(|(place, schema, value)| misfit(document, schema, value, &place))
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

struct Description(Value);

impl Description {
    async fn of(server: &TestServer) -> Self {
        let nobody = server.anonymous();
        Self(nobody.send(nobody.request(Method::GET, "/openapi.json")).await.ok())
    }

    /// Asserts that an answer is one of those that the operation is described with.
    #[track_caller]
    fn knows(&self, operation: &str, answer: &Answer) {
        let (method, path) = operation.split_once(' ').unwrap();
        let described = &self.0["paths"][path][method.to_lowercase()]["responses"];
        let mut response = &described[answer.status.to_string()];
        assert!(response.is_object(), "{operation}: no {}: {}", answer.status, answer.text);
        if let Some(reference) = response["$ref"].as_str() {
            response = self.0.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        }
        let kind = answer.header("content-type").split(';').next().unwrap();
        let content = &response["content"][kind];
        assert!(content.is_object(), "{operation}: no {kind} with {}: {}", answer.status, answer.text);
        if kind.ends_with("json") {
            let problem = misfit(&self.0, &content["schema"], &answer.json(), "");
            assert!(problem.is_none(), "{operation}: {} in {}", problem.unwrap(), answer.text);
        }
    }
}

async fn settings_are_of_every_type(server: &TestServer) {
    let (known, admin) = (Description::of(server).await, server.admin().await);
    for route in ["settings", "settings.public"] {
        known.knows(&format!("GET /api/v1/{route}"), &admin.get(&format!("{route}?count=0")).await);
    }
    for id in ["API_Allow_Infinite_Count", "API_Default_Count", "Accounts_RegistrationForm"] {
        known.knows("GET /api/v1/settings/{id}", &admin.get(&format!("settings/{id}")).await);
    }
}

async fn what_is_not_there_is_null(server: &TestServer) {
    let (known, admin) = (Description::of(server).await, server.admin().await);
    known.knows("GET /api/v1/audit.roles", &admin.get("audit.roles?role=nothing").await);
    admin.post("roles.create", json!({"name": "deputy"})).await.ok();
    known.knows("GET /api/v1/audit.roles", &admin.get("audit.roles").await);
    let bob = server.user("bob").await;
    let room = admin.post("channels.create", json!({"name": "yard", "customFields": {"a": [1]}})).await;
    known.knows("POST /api/v1/channels.create", &room);
    let room = room.ok()["channel"]["_id"].as_str().unwrap().to_owned();
    let none = bob.get(&format!("subscriptions.getOne?roomId={room}")).await;
    assert_eq!(none.ok()["subscription"], Value::Null);
    known.knows("GET /api/v1/subscriptions.getOne", &none);
}

async fn preferences_are_what_clients_put_there(server: &TestServer) {
    let (known, bob) = (Description::of(server).await, server.user("bob").await);
    let data = json!({"voipRingerVolume": 0.5, "clockMode": null, "idleTimeLimit": 1.5, "desktopNotifications": null});
    let set = bob.post("users.setPreferences", json!({"userId": bob.id(), "data": data})).await;
    set.ok();
    known.knows("POST /api/v1/users.setPreferences", &set);
    known.knows("GET /api/v1/me", &bob.get("me").await);
    let login = server.anonymous().post("login", json!({"resume": bob.token()})).await;
    known.knows("POST /api/v1/login", &login);
}

async fn the_record_of_an_organization_is_about_anything(server: &TestServer) {
    let (known, ann) = (Description::of(server).await, Person::new(server, "ann").await);
    let bob = Person::new(server, "bob").await;
    let place = ann.organization("Acme").await;
    ann.adds(&place, &bob).await;
    let role = ann.role(&place, "Scout", &["invite_users"]).await;
    ann.gives(&place, &role, &bob).await;
    for query in ["", "?limit=1", "?action=organization_created"] {
        let answer = ann.get(&format!("{place}/audit-log{query}")).await;
        known.knows("GET /v1/organizations/{organization_id}/audit-log", &answer);
    }
}

async fn roles_of_organizations_need_no_description(server: &TestServer) {
    const ROLES: &str = "/v1/organizations/{organization_id}/roles";
    const ROLE: &str = "/v1/organizations/{organization_id}/roles/{role_id}";
    let (known, ann) = (Description::of(server).await, Person::new(server, "ann").await);
    let place = ann.organization("Acme").await;
    let made = ann.post(&format!("{place}/roles"), json!({"name": "Scout", "capabilities": ["invite_users"]})).await;
    known.knows(&format!("POST {ROLES}"), &made);
    let role = format!("{place}/roles/{}", created(&made)["id"].as_str().unwrap());
    known.knows(&format!("GET {ROLE}"), &ann.get(&role).await);
    known.knows(&format!("GET {ROLE}"), &ann.get(&format!("{place}/roles/role_owner")).await);
    known.knows(&format!("PATCH {ROLE}"), &ann.patch(&role, json!({"name": "Guide"})).await);
    for query in ["", "?include_global=false"] {
        known.knows(&format!("GET {ROLES}"), &ann.get(&format!("{place}/roles{query}")).await);
    }
}

on_every_store!(
    settings_are_of_every_type,
    what_is_not_there_is_null,
    preferences_are_what_clients_put_there,
    the_record_of_an_organization_is_about_anything,
    roles_of_organizations_need_no_description,
);
