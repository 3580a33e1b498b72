//! Bodies that no endpoint was made for: broken, huge, deep, or with a query operator where a text belongs. Whatever
//! is sent, the answer is a refusal in the envelope, and nothing changes.

use serde_json::{Map, Value, json};

use crate::support::server::{Actor, Answer, TestServer};

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
const MIB: usize = 1 << 20;

/// Every route with a body, and a body that it accepts (of these accounts and roles).
fn accepted(world: &World<'_>) -> Vec<(&'static str, Value)> {
    vec![
        ("roles.create", json!({"name": "other", "description": "d", "scope": "Users", "mandatory2fa": false})),
        ("roles.update", json!({"roleId": world.role, "name": "other", "description": "d", "scope": "Users"})),
        ("roles.delete", json!({"roleId": world.role})),
        ("roles.addUserToRole", json!({"username": "bob", "roleId": world.role, "roomId": "GENERAL"})),
        ("roles.removeUserFromRole", json!({"username": "bob", "roleId": "user", "scope": "GENERAL"})),
        ("permissions.update", json!({"permissions": [{"_id": "view-logs", "roles": ["user"]}]})),
        ("permissions.addRole", json!({"permissionId": "view-logs", "role": "user"})),
        ("permissions.removeRole", json!({"permissionId": "view-logs", "role": "admin"})),
        (
            "users.create",
            json!({"username": "amy", "name": "Amy", "email": "amy@example.org", "password": "x", "roles": ["user"]}),
        ),
        ("users.setActiveStatus", json!({"userId": world.bob, "activeStatus": false})),
        ("settings/API_Default_Count", json!({"value": 7})),
        ("channels.create", json!({"name": "talk", "members": ["bob"]})),
    ]
}

/// A workspace with a role nobody holds, and somebody.
struct World<'s> {
    admin: Actor<'s>,
    role: String,
    bob: String,
}

impl<'s> World<'s> {
    async fn new(server: &'s TestServer) -> Self {
        let admin = server.admin().await;
        let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
        let bob = server.user("bob").await.id().to_owned();
        Self { admin, role: role.as_str().unwrap().to_owned(), bob }
    }

    /// Everything a body could have changed, as it is sent.
    async fn state(&self, server: &TestServer) -> String {
        let mut state = String::new();
        for route in [
            "roles.sync",
            "permissions.listAll",
            "users.info?username=bob&includeUserRooms=true",
            "users.info?username=root&includeUserRooms=true",
            "roles.getUsersInRole?role=user",
        ] {
            state += &self.admin.get(route).await.text;
        }
        state + &format!("{:?}", server.store.list_audit_entries(1_000).await.unwrap())
    }
}

/// A refusal in the envelope, with nothing in it that was sent.
#[track_caller]
fn is_refused(answer: &Answer, sent: &str) {
    assert_eq!(answer.status, 400, "{sent}: {}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body["success"], false, "{sent}");
    assert!(body["error"].is_string(), "{sent}");
}

async fn broken_bodies_are_refused_everywhere(server: &TestServer) {
    let world = World::new(server).await;
    let before = world.state(server).await;
    let broken_form = [&b"roleId=%ff"[..], b"%ff=x", b"roleId=\xff"];
    for (route, body) in accepted(&world) {
        let whole = body.to_string();
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            let answer = world.admin.post_bytes(route, JSON, &whole.as_bytes()[..cut]).await;
            answer.invalid_params(&format!("The request body is not valid JSON (line 1, column {cut})"));
        }
        for bytes in [&b"\xff"[..], b"{\"name\":\"\xc3\"}"] {
            let answer = world.admin.post_bytes(route, JSON, bytes).await;
            answer.invalid_params("The request body is not valid UTF-8");
        }
        for bytes in broken_form {
            let answer = world.admin.post_bytes(route, FORM, bytes).await;
            answer.invalid_params("The request body is not valid UTF-8");
        }
        for text in ["{\"a\":1}}", "{'roleId':'x'}", "{\"a\":NaN}", "{\"a\":1,}", "[1,"] {
            let answer = world.admin.post_bytes(route, JSON, text).await;
            let error = answer.json()["error"].as_str().unwrap().to_owned();
            assert!(error.starts_with("The request body is not valid JSON (line 1, column "), "{text}: {error}");
        }
    }
    assert_eq!(world.state(server).await, before);
}

async fn a_mebibyte_is_too_much(server: &TestServer) {
    let world = World::new(server).await;
    let before = world.state(server).await;
    let filled = |length: usize| {
        let (start, end) = (r#"{"roleId":""#, r#""}"#);
        format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
    };
    let too_large = json!({"success": false, "error": "The request body must be smaller than 1 MiB"});
    for length in [MIB, MIB + 1, 2 * MIB] {
        world.admin.post_bytes("roles.delete", JSON, filled(length)).await.is(413, too_large.clone());
    }
    let answer = world.admin.post_bytes("roles.delete", JSON, filled(MIB - 1)).await;
    answer.refused("This role does not exist", "error-invalid-roleId");
    assert_eq!(world.state(server).await, before);
    let padded = format!("{}{}", " ".repeat(MIB - 100), json!({"roleId": world.role}));
    world.admin.post_bytes("roles.delete", JSON, padded).await.ok();
}

async fn the_login_takes_no_more_than_others(server: &TestServer) {
    let nobody = server.anonymous();
    let too_large = json!({"success": false, "error": "The request body must be smaller than 1 MiB"});
    nobody.post_bytes("login", JSON, vec![b' '; MIB]).await.is(413, too_large);
    let text = "The request body is not valid JSON (line 1, column 1)";
    nobody.post_bytes("login", JSON, "{").await.invalid_params(text);
    nobody.post_bytes("login", FORM, "user=%ff").await.invalid_params("The request body is not valid UTF-8");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let text = "The request body is nested more than 64 levels deep";
    nobody.post_bytes("login", JSON, deep).await.invalid_params(text);
}

async fn deep_bodies_are_refused_everywhere(server: &TestServer) {
    let world = World::new(server).await;
    let before = world.state(server).await;
    for (route, _) in accepted(&world) {
        for levels in [100, 10_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let inner = if open == "[" { "" } else { "1" };
                let deep = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
                let answer = world.admin.post_bytes(route, JSON, deep).await;
                answer.invalid_params("The request body is nested more than 64 levels deep");
            }
        }
    }
    assert_eq!(world.state(server).await, before);
}

async fn an_operator_is_no_text_in_any_field(server: &TestServer) {
    let world = World::new(server).await;
    let before = world.state(server).await;
    for (route, body) in accepted(&world) {
        for operator in [json!({"$ne": null}), json!({"$gt": ""}), json!({"$regex": ".*"}), json!([{"$ne": 1}])] {
            for spoiled in spoiled(&body, &operator) {
                let sent = format!("{route} {spoiled}");
                let answer = world.admin.post(route, spoiled).await;
                is_refused(&answer, &sent);
            }
        }
    }
    assert_eq!(world.state(server).await, before);
}

/// A request as bytes, with the administrator's credentials.
fn raw(admin: &Actor<'_>, route: &str, headers: &str, body: &str) -> String {
    let (id, token) = (admin.id(), admin.token());
    format!(
        "POST /api/v1/{route} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-User-Id: {id}\r\nX-Auth-Token: {token}\r\n\
         Content-Type: application/json\r\n{headers}\r\n{body}"
    )
}

async fn a_body_in_chunks_is_one_body(server: &TestServer) {
    let world = World::new(server).await;
    let body = json!({"roleId": world.role}).to_string();
    let (one, two) = body.split_at(7);
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
    let request = raw(&world.admin, "roles.delete", "Transfer-Encoding: chunked\r\n", &chunks);
    let answer = server.send_raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"success":true}"#), "{answer}");
    let endless = format!("{:x}\r\n{}\r\n", MIB, " ".repeat(MIB));
    let request = raw(&world.admin, "roles.delete", "Transfer-Encoding: chunked\r\n", &endless);
    let answer = server.send_raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

async fn a_body_that_stops_short_does_nothing(server: &TestServer) {
    let world = World::new(server).await;
    let before = world.state(server).await;
    let body = json!({"roleId": world.role}).to_string();
    let length = format!("Content-Length: {}\r\n", body.len() + 1);
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    for request in [
        raw(&world.admin, "roles.delete", &length, &body),
        raw(&world.admin, "roles.delete", "Transfer-Encoding: chunked\r\n", &chunk),
        raw(&world.admin, "roles.delete", "Content-Length: 2\r\nContent-Length: 3\r\n", &body),
        raw(&world.admin, "roles.delete", "Content-Length: -1\r\n", &body),
        raw(&world.admin, "roles.delete", "Transfer-Encoding: chunked\r\n", "zz\r\n"),
    ] {
        let answer = server.send_raw(request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(world.state(server).await, before);
}

/// The body once for each of its texts, lists and switches, with `operator` there instead.
fn spoiled(body: &Value, operator: &Value) -> Vec<Value> {
    match body {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let with = |value: Value| {
                    let mut fields: Map<String, Value> = fields.clone();
                    fields.insert(name.clone(), value);
                    Value::Object(fields)
                };
                // The members of a new channel may be any list; entries that are no texts name nobody.
                let skip = name == "members";
                if skip { Vec::new() } else { spoiled(value, operator).into_iter().map(with).collect::<Vec<_>>() }
            })
            .collect(),
        Value::Array(items) => {
            let inner = items.iter().flat_map(|item| spoiled(item, operator)).map(|item| json!([item]));
            inner.chain((!operator.is_array()).then(|| operator.clone())).collect()
        }
        _ => vec![operator.clone()],
    }
}

async fn a_bracket_in_a_form_is_part_of_a_name(server: &TestServer) {
    let world = World::new(server).await;
    let before = world.state(server).await;
    for (route, body) in accepted(&world) {
        let fields = body.as_object().unwrap();
        for operator in ["$ne", "$gt", "$regex", ""] {
            let form: Vec<_> = fields.keys().map(|name| format!("{name}[{operator}]=1")).collect();
            let answer = world.admin.post_bytes(route, FORM, form.join("&")).await;
            is_refused(&answer, &form.join("&"));
            let encoded: Vec<_> = fields.keys().map(|name| format!("{name}%5B%24ne%5D=1")).collect();
            is_refused(&world.admin.post_bytes(route, FORM, encoded.join("&")).await, "encoded");
        }
    }
    assert_eq!(world.state(server).await, before);
}

async fn an_operator_is_no_text_in_any_query(server: &TestServer) {
    let world = World::new(server).await;
    for route in [
        "roles.getUsersInRole?role[$ne]=x",
        "roles.getUsersInRole?role=user&roomId[$ne]=x",
        "roles.getUsersInRole?role=user&count[$gt]=1",
        "roles.sync?updatedSince[$gt]=1",
        "permissions.listAll?updatedSince[$gt]=1",
        "users.info?userId[$ne]=x",
        "users.info?username[$regex]=.*",
        "users.info?username=%ff",
    ] {
        is_refused(&world.admin.get(route).await, route);
    }
    let many = "role=a&".repeat(600);
    let answer = world.admin.get(&format!("roles.getUsersInRole?{many}")).await;
    answer.is(400, json!({"success": false, "error": "Invalid query parameters"}));
}

async fn no_header_is_a_query_either(server: &TestServer) {
    let admin = server.admin().await;
    for (user, token) in [
        ("{\"$ne\":null}", admin.token()),
        (admin.id(), "{\"$ne\":null}"),
        ("[object Object]", "[object Object]"),
        ("' OR '1'='1", admin.token()),
        (admin.id(), "' OR '1'='1"),
    ] {
        server.with(user, token).get("me").await.unauthenticated();
    }
}

on_every_store!(
    broken_bodies_are_refused_everywhere,
    a_mebibyte_is_too_much,
    the_login_takes_no_more_than_others,
    deep_bodies_are_refused_everywhere,
    an_operator_is_no_text_in_any_field,
    a_bracket_in_a_form_is_part_of_a_name,
    an_operator_is_no_text_in_any_query,
    a_body_in_chunks_is_one_body,
    a_body_that_stops_short_does_nothing,
    no_header_is_a_query_either,
);
