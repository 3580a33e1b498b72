//! `/v1/organizations`: what people say to the server in the language of organizations, and what they hear. Who may call
//! what is in `organizations_access`, requests that come again in `organizations_idempotency`.

use insta::assert_json_snapshot;
use reqwest::Method;
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::token::TokenText;
use serde_json::{Value, json};

use crate::support::server::{Answer, PASSWORD, TestServer};
use crate::users_delete::digest;

/// Somebody on this surface: only a token says who he is.
pub struct Person<'s> {
    server: &'s TestServer,
    /// As this surface calls him.
    pub id: String,
    /// His token.
    pub token: String,
}

impl<'s> Person<'s> {
    /// A new account with the role `user`.
    pub async fn new(server: &'s TestServer, name: &str) -> Self {
        let actor = server.user(name).await;
        Self { server, id: format!("usr_{}", actor.id()), token: actor.token().to_owned() }
    }

    /// Whoever has that token; nobody when it is empty.
    pub fn with_token(server: &'s TestServer, token: &str) -> Self {
        Self { server, id: String::new(), token: token.to_owned() }
    }

    /// A request with other headers besides.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let anonymous = self.server.anonymous();
        let mut request = anonymous.request(method, &format!("/v1/{path}"));
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        anonymous
            .send(match body {
                Some(body) => request.json(body),
                None => request,
            })
            .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&body), &[]).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(&body), &[]).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// A new organization of his; its path.
    pub async fn organization(&self, name: &str) -> String {
        let made = created(&self.post("organizations", json!({"name": name})).await);
        format!("organizations/{}", made["id"].as_str().unwrap())
    }

    /// A new role; its id.
    pub async fn role(&self, place: &str, name: &str, capabilities: &[&str]) -> String {
        let body = json!({"name": name, "capabilities": capabilities});
        let made = created(&self.post(&format!("{place}/roles"), body).await);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Adds somebody.
    pub async fn adds(&self, place: &str, other: &Person<'_>) {
        created(&self.post(&format!("{place}/users/add"), json!({"user_id": other.id})).await);
    }

    /// Gives somebody a role.
    pub async fn gives(&self, place: &str, role: &str, other: &Person<'_>) {
        created(&self.post(&format!("{place}/roles/{role}/members"), json!({"user_id": other.id})).await);
    }
}

#[track_caller]
pub fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

#[track_caller]
pub fn gone(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

/// Asserts a refusal in the envelope, whole but for its texts; its details.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.text);
    let body = answer.json();
    let error = &body["error"];
    assert_eq!((answer.status, error["code"].as_str().unwrap()), (status, code), "{}", answer.text);
    assert_eq!((&body["success"], &error["status"]), (&json!(false), &json!(status)));
    assert_eq!(error["trace_id"], answer.header("x-request-id"));
    assert_eq!(error["timestamp"], "2026-01-02T03:04:05Z");
    let kind = match code {
        _ if status >= 500 => "server_error",
        "VALIDATION_ERROR" | "LAST_OWNER_CANNOT_BE_REMOVED" | "IDEMPOTENCY_KEY_REUSED" => "validation_error",
        _ => "client_error",
    };
    assert_eq!(error["type"], kind);
    assert!(!error["message"].as_str().unwrap().is_empty() && !error["system_message"].as_str().unwrap().is_empty());
    error["details"].clone()
}

/// The fields that a request was refused for.
#[track_caller]
fn invalid(answer: &Answer) -> Vec<String> {
    let details = refused(answer, 422, "VALIDATION_ERROR");
    let fields = details["fields"].as_array().unwrap().iter();
    fields.map(|field| field["field"].as_str().unwrap().to_owned()).collect()
}

async fn a_whole_conversation(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let made = ann.post("organizations", json!({"name": "Acme"})).await;
    assert_eq!(made.header("etag"), "\"1\"");
    let made = created(&made);
    let place = format!("organizations/{}", made["id"].as_str().unwrap());
    assert!(made["id"].as_str().unwrap().starts_with("org_"));
    assert_eq!(ann.get(&place).await.ok(), made);
    let joined = created(&ann.post(&format!("{place}/users/add"), json!({"username": "BOB"})).await);
    assert_eq!((&joined["user_id"], &joined["role_ids"]), (&json!(bob.id), &json!(["role_member"])));
    let roles = format!("{place}/roles");
    let wanted = json!({"name": "Recruiter", "description": "Hires", "capabilities": ["invite_users"]});
    let role = created(&ann.post(&roles, wanted).await);
    let role = format!("{roles}/{}", role["id"].as_str().unwrap());
    let id = role.rsplit('/').next().unwrap().to_owned();
    let given = created(&ann.post(&format!("{role}/members"), json!({"user_id": bob.id})).await);
    assert!(given["id"].as_str().unwrap().starts_with("urol_"));
    assert_eq!((&given["user_id"], &given["role_id"]), (&json!(bob.id), &json!(id)));
    let details = refused(&ann.delete(&role).await, 409, "ROLE_HAS_MEMBERS");
    assert_eq!(details, json!({"role_id": id, "member_count": 1, "members": ["bob"]}));
    // A holder whom nobody sees holds it as well.
    server
        .admin()
        .await
        .post("users.setActiveStatus", json!({"userId": &bob.id[4..], "activeStatus": false}))
        .await
        .ok();
    refused(&ann.delete(&role).await, 409, "ROLE_HAS_MEMBERS");
    assert_eq!(ann.get(&format!("{role}/members")).await.ok()["members"][0]["account_state"], "deactivated");
    gone(&ann.delete(&format!("{role}/members/{}", bob.id)).await);
    refused(&ann.delete(&format!("{role}/members/{}", bob.id)).await, 404, "ROLE_ASSIGNMENT_NOT_FOUND");
    gone(&ann.delete(&role).await);
    assert_eq!(refused(&ann.delete(&role).await, 404, "ROLE_NOT_FOUND"), json!({"role_id": id}));
    let details = refused(&ann.delete(&place).await, 409, "ORGANIZATION_HAS_MEMBERS");
    assert_eq!(details["member_count"], 2);
    gone(&ann.delete(&format!("{place}/users/{}", bob.id)).await);
    gone(&ann.delete(&place).await);
    refused(&ann.get(&place).await, 404, "ORGANIZATION_NOT_FOUND");
}

async fn the_shapes_of_answers(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let place = ann.organization("Acme").await;
    ann.adds(&place, &bob).await;
    let role = ann.role(&place, "Recruiter", &["invite_users", "manage_users"]).await;
    ann.gives(&place, &role, &bob).await;
    let redacted = |value: Value| {
        let mut text = value.to_string();
        for (made, name) in [(&role[..], "[role]"), (&ann.id, "[ann]"), (&bob.id, "[bob]"), (&place[14..], "[org]")] {
            text = text.replace(made, name);
        }
        let mut value: Value = serde_json::from_str(&text).unwrap();
        hide_ids(&mut value);
        value
    };
    assert_json_snapshot!("organization_roles", redacted(ann.get(&format!("{place}/roles")).await.ok()));
    assert_json_snapshot!("organization_users", redacted(ann.get(&format!("{place}/users")).await.ok()));
    let members = ann.get(&format!("{place}/roles/{role}/members")).await.ok();
    assert_json_snapshot!("organization_role_members", redacted(members));
    let effective = bob.get(&format!("{place}/users/{}/effective-permissions", bob.id)).await.ok();
    assert_json_snapshot!("organization_effective_permissions", redacted(effective));
    assert_json_snapshot!("organization_audit_log", redacted(ann.get(&format!("{place}/audit-log")).await.ok()));
    assert_json_snapshot!("capabilities", bob.get("capabilities").await.ok());
    assert_json_snapshot!("role_templates", bob.get(&format!("{place}/roles/templates")).await.ok());
}

/// Ids that depend on how many a store used for itself before.
fn hide_ids(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(id) if name == "id" && id.len() >= 24 => "[id]".clone_into(id),
                    Value::String(id) if name == "request_id" => "[request]".clone_into(id),
                    value => hide_ids(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_ids),
        _ => {}
    }
}

async fn roles_are_checked_before_they_are_made(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let roles = format!("{place}/roles");
    let long = "x".repeat(501);
    for (body, fields) in [
        (json!({}), vec!["name", "capabilities"]),
        (json!([]), vec!["body"]),
        (json!({"name": 7, "capabilities": "invite_users"}), vec!["name", "capabilities"]),
        (json!({"name": {"$ne": 1}, "capabilities": [{"$gt": ""}]}), vec!["name", "capabilities"]),
        (json!({"name": "", "capabilities": []}), vec!["name", "capabilities"]),
        (json!({"name": "a", "capabilities": vec!["x"; 101]}), vec!["capabilities"]),
        (json!({"name": "x".repeat(101), "capabilities": ["invite_users"]}), vec!["name"]),
        (json!({"name": "a\u{0}b", "capabilities": ["invite_users"]}), vec!["name"]),
        (
            json!({"name": "a", "description": long, "capabilities": ["x", "invite_users", "y"]}),
            vec!["description", "capabilities[0]", "capabilities[2]"],
        ),
        (
            json!({"name": "a", "capabilities": ["invite_users"], "is_system_role": true, "id": "role_x"}),
            vec!["is_system_role", "id"],
        ),
    ] {
        assert_eq!(invalid(&ann.post(&roles, body.clone()).await), fields, "{body}");
    }
    let anonymous = server.anonymous();
    let form = anonymous.request(Method::POST, &format!("/v1/{roles}")).header("X-API-Key", &ann.token);
    let form = form.form(&[("name", "a"), ("capabilities", "invite_users")]);
    assert_eq!(invalid(&anonymous.send(form).await), ["body"]);
    let huge = json!({"name": "x".repeat(1 << 20), "capabilities": []});
    refused(&ann.post(&roles, huge).await, 413, "BODY_TOO_LARGE");
    assert_eq!(ann.get(&format!("{roles}?include_global=false")).await.ok(), json!([]));
    ann.role(&place, "Émile", &["invite_users"]).await;
    for name in ["e\u{301}MILE", " émile ", "OWNER"] {
        let details = refused(
            &ann.post(&roles, json!({"name": name, "capabilities": ["invite_users"]})).await,
            409,
            "ROLE_NAME_TAKEN",
        );
        assert_eq!(details, json!({"name": name}));
    }
    assert_eq!(invalid(&ann.get(&format!("{roles}?include_global=yes")).await), ["include_global"]);
    assert_eq!(ann.get(&roles).await.ok().as_array().unwrap().len(), 7);
}

async fn a_change_names_what_it_changes_and_for_which_revision(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let wanted = json!({"name": "Recruiter", "description": "Hires", "capabilities": ["invite_users"]});
    let role = created(&ann.post(&format!("{place}/roles"), wanted).await);
    let path = format!("{place}/roles/{}", role["id"].as_str().unwrap());
    let shown = ann.get(&path).await;
    assert_eq!((shown.header("etag"), shown.ok()), ("\"1\"", role.clone()));
    let after = ann.patch(&path, json!({"description": null})).await;
    assert_eq!(after.header("etag"), "\"2\"");
    let mut expected = role.clone();
    expected["description"] = Value::Null;
    assert_eq!(after.ok(), expected);
    for untouched in [json!({}), json!({"name": "Recruiter"})] {
        assert_eq!(ann.patch(&path, untouched).await.header("etag"), "\"2\"");
    }
    for stale in ["\"1\"", "W/\"2\"", "2", "\"x\""] {
        for method in [Method::PATCH, Method::DELETE] {
            let body = json!({"name": "X"});
            let body = (method == Method::PATCH).then_some(&body);
            let answer = ann.send(method, &path, body, &[("If-Match", stale)]).await;
            assert_eq!(refused(&answer, 412, "PRECONDITION_FAILED"), json!({"current": "\"2\""}), "{stale}");
        }
    }
    let body = json!({"name": "Scout", "capabilities": ["assign_roles", "invite_users"]});
    let after = ann.send(Method::PATCH, &path, Some(&body), &[("If-Match", "\"1\", \"2\"")]).await.ok();
    assert_eq!((&after["name"], &after["capabilities"]), (&json!("Scout"), &json!(["invite_users", "assign_roles"])));
    for fields in [json!({"name": null}), json!({"capabilities": null}), json!({"revision": 1})] {
        assert_eq!(invalid(&ann.patch(&path, fields).await).len(), 1);
    }
    let system = ann.patch(&format!("{place}/roles/role_admin"), json!({"name": "X"})).await;
    let details = refused(&system, 403, "SYSTEM_ROLE_IMMUTABLE");
    assert_eq!(details, json!({"role_id": "role_admin", "role_name": "Admin"}));
    let system = ann.delete(&format!("{place}/roles/role_admin")).await;
    assert_eq!(refused(&system, 403, "SYSTEM_ROLE_IMMUTABLE"), details);
    assert_eq!(system.json()["error"]["system_message"], "System roles cannot be deleted");
    gone(&ann.send(Method::DELETE, &path, None, &[("If-Match", "*")]).await);
    let renamed = ann.send(Method::PATCH, &place, Some(&json!({"name": "Acme Ltd"})), &[("If-Match", "\"1\"")]).await;
    assert_eq!((renamed.header("etag"), renamed.ok()["name"].clone()), ("\"2\"", json!("Acme Ltd")));
    let late = ann.send(Method::DELETE, &place, None, &[("If-Match", "\"1\"")]).await;
    refused(&late, 412, "PRECONDITION_FAILED");
}

async fn nobody_gives_what_he_does_not_have(server: &TestServer) {
    let (ann, bob, cyd) =
        (Person::new(server, "ann").await, Person::new(server, "bob").await, Person::new(server, "cyd").await);
    let place = ann.organization("Acme").await;
    ann.adds(&place, &bob).await;
    ann.adds(&place, &cyd).await;
    ann.gives(&place, "role_admin", &bob).await;
    let roles = format!("{place}/roles");
    let beyond = json!({"required": ["invite_users", "manage_billing"], "missing": ["manage_billing"]});
    let body = json!({"name": "Payer", "capabilities": ["manage_billing", "invite_users"]});
    assert_eq!(refused(&bob.post(&roles, body.clone()).await, 403, "INSUFFICIENT_PERMISSIONS"), beyond);
    let role = bob.role(&place, "Payer", &["invite_users"]).await;
    let change = bob.patch(&format!("{roles}/{role}"), json!({"capabilities": body["capabilities"]})).await;
    assert_eq!(refused(&change, 403, "INSUFFICIENT_PERMISSIONS"), beyond);
    bob.gives(&place, &role, &cyd).await;
    for (role, missing) in [
        ("role_owner", json!(["manage_billing", "override_all_permissions"])),
        ("role_billing_manager", json!(["manage_billing"])),
    ] {
        for other in [&bob, &cyd] {
            let answer = bob.post(&format!("{roles}/{role}/members"), json!({"user_id": other.id})).await;
            let details = refused(&answer, 403, "INSUFFICIENT_PERMISSIONS");
            assert_eq!(details["missing"], missing);
        }
    }
    // The same role with more in it is not his to give any more.
    ann.patch(&format!("{roles}/{role}"), json!({"capabilities": ["manage_billing"]})).await.ok();
    let answer = bob.post(&format!("{roles}/{role}/members"), json!({"user_id": bob.id})).await;
    refused(&answer, 403, "INSUFFICIENT_PERMISSIONS");
    let effective = cyd.get(&format!("{place}/users/{}/effective-permissions", cyd.id)).await.ok();
    assert_eq!(effective["capabilities"], json!(["manage_billing"]));
}

async fn members_are_named_by_their_ids(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let place = ann.organization("Acme").await;
    let (add, role) = (format!("{place}/users/add"), ann.role(&place, "Recruiter", &["invite_users"]).await);
    let members = format!("{place}/roles/{role}/members");
    assert_eq!(
        refused(&ann.post(&members, json!({"user_id": bob.id})).await, 404, "USER_NOT_FOUND"),
        json!({
            "user_id": bob.id,
        })
    );
    for unknown in ["usr_nobody", &bob.id[4..], "usr_", "", "usr_a\u{0}b"] {
        refused(&ann.post(&add, json!({"user_id": unknown})).await, 404, "USER_NOT_FOUND");
        refused(&ann.post(&members, json!({"user_id": unknown})).await, 404, "USER_NOT_FOUND");
    }
    refused(&ann.post(&add, json!({"username": "nobody"})).await, 404, "USER_NOT_FOUND");
    for body in [json!({}), json!({"user_id": bob.id, "username": "bob"})] {
        assert_eq!(invalid(&ann.post(&add, body).await), ["user_id"]);
    }
    ann.adds(&place, &bob).await;
    let again = ann.post(&add, json!({"username": "bob"})).await;
    assert_eq!(refused(&again, 409, "USER_ALREADY_MEMBER"), json!({"user_id": bob.id}));
    ann.gives(&place, &role, &bob).await;
    let again = ann.post(&members, json!({"user_id": bob.id})).await;
    let details = refused(&again, 409, "ROLE_ALREADY_ASSIGNED");
    assert_eq!(details, json!({"role_id": role, "user_id": bob.id}));
    let none = ann.post(&format!("{place}/roles/role_none/members"), json!({"user_id": bob.id})).await;
    refused(&none, 404, "ROLE_NOT_FOUND");
    refused(&ann.get(&format!("{place}/roles/role_none/members")).await, 404, "ROLE_NOT_FOUND");
    refused(&ann.delete(&format!("{place}/roles/role_none/members/{}", bob.id)).await, 404, "ROLE_NOT_FOUND");
    refused(&ann.delete(&format!("{place}/users/usr_nobody")).await, 404, "USER_NOT_FOUND");
    let missing = ann.get(&format!("{place}/users/usr_nobody/effective-permissions")).await;
    refused(&missing, 404, "USER_NOT_FOUND");
}

async fn pages_know_how_much_there_is(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    for number in 0..50 {
        let person = Person::new(server, &format!("user{number}")).await;
        ann.adds(&place, &person).await;
    }
    let page = async |query: &str| {
        let page = ann.get(&format!("{place}/users{query}")).await.ok();
        (page["users"].as_array().unwrap().len(), page["total"].clone(), page["has_more"].clone())
    };
    assert_eq!(page("").await, (50, json!(51), json!(true)));
    assert_eq!(page("?limit=100").await, (51, json!(51), json!(false)));
    assert_eq!(page("?skip=25&limit=25").await, (25, json!(51), json!(true)));
    assert_eq!(page("?skip=26&limit=25").await, (25, json!(51), json!(false)));
    assert_eq!(page("?skip=51").await, (0, json!(51), json!(false)));
    assert_eq!(page("?skip=9223372036854775807&limit=1").await, (0, json!(51), json!(false)));
    for query in ["?limit=0", "?limit=101", "?limit=x", "?skip=-1", "?skip=9223372036854775808", "?skip=1e3"] {
        assert_eq!(invalid(&ann.get(&format!("{place}/users{query}")).await).len(), 1, "{query}");
    }
    for number in 0..3 {
        ann.organization(&format!("Other {number}")).await;
    }
    let mine = ann.get("organizations?limit=2&skip=1").await.ok();
    assert_eq!((mine["organizations"].as_array().unwrap().len(), &mine["total"]), (2, &json!(4)));
    assert_eq!(mine["has_more"], true);
}

async fn the_last_owner_stays_on_every_path(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let place = ann.organization("Acme").await;
    ann.adds(&place, &bob).await;
    let id = &place["organizations/".len()..];
    let last = json!({"user_id": ann.id, "role_id": "role_owner", "organization_id": id});
    let ways = [format!("{place}/roles/role_owner/members/{}", ann.id), format!("{place}/users/{}", ann.id)];
    for way in &ways {
        assert_eq!(refused(&ann.delete(way).await, 422, "LAST_OWNER_CANNOT_BE_REMOVED"), last);
    }
    let admin = server.admin().await;
    let inner = &ann.id[4..];
    for (method, body) in [
        ("users.setActiveStatus", json!({"userId": inner, "activeStatus": false})),
        ("users.setActiveStatus", json!({"userId": inner, "activeStatus": false, "confirmRelinquish": true})),
        ("users.update", json!({"userId": inner, "data": {"active": false}})),
        ("users.update", json!({"userId": inner, "data": {"active": false}, "confirmRelinquish": true})),
        ("users.delete", json!({"userId": inner})),
        ("users.delete", json!({"username": "ann", "confirmRelinquish": true})),
    ] {
        stays(&admin.post(method, body).await, id);
    }
    server.plant_setting("Accounts_AllowDeleteOwnAccount", "true").await;
    let herself = server.session_of("ann").await;
    for body in
        [json!({"password": digest(PASSWORD)}), json!({"password": digest(PASSWORD), "confirmRelinquish": true})]
    {
        stays(&herself.post("users.deleteOwnAccount", body).await, id);
    }
    // Bob was there just as long ago, and is the only one of the two who goes.
    let idle = admin.post("users.deactivateIdle", json!({"daysIdle": 0})).await;
    idle.is(200, json!({"count": 1, "success": true}));
    herself.get("me").await.ok();
    admin.post("users.setActiveStatus", json!({"userId": &bob.id[4..], "activeStatus": true})).await.ok();
    let bob = Person { token: server.session_of("bob").await.token().to_owned(), ..bob };
    ann.gives(&place, "role_owner", &bob).await;
    admin.post("users.setActiveStatus", json!({"userId": inner, "activeStatus": false})).await.ok();
    refused(&bob.delete(&format!("{place}/users/{}", bob.id)).await, 422, "LAST_OWNER_CANNOT_BE_REMOVED");
    gone(&bob.delete(&ways[1]).await);
}

/// The account is the last Owner's.
#[track_caller]
fn stays(answer: &Answer, organization: &str) {
    answer.refused_with(
        "You need to have at least one active owner of the organization",
        "error-organization-last-owner",
        json!({"organizationId": organization, "name": "Acme"}),
    );
}

async fn whoever_is_deleted_is_no_member_any_more(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let place = ann.organization("Acme").await;
    ann.adds(&place, &bob).await;
    let role = ann.role(&place, "Recruiter", &["invite_users"]).await;
    ann.gives(&place, &role, &bob).await;
    let path = format!("{place}/roles/{role}");
    refused(&ann.delete(&path).await, 409, "ROLE_HAS_MEMBERS");
    server.admin().await.post("users.delete", json!({"username": "bob"})).await.ok();
    refused(&bob.get(&place).await, 401, "TOKEN_INVALID");
    assert_eq!(ann.get(&format!("{place}/users")).await.ok()["total"], 1);
    gone(&ann.delete(&path).await);
    let record = ann.get(&format!("{place}/audit-log?action=organization_member_removed")).await.ok();
    assert_eq!((&record["total"], &record["items"][0]["user_id"]), (&json!(1), &json!(bob.id)));
}

async fn the_record_is_filtered_and_exported(server: &TestServer) {
    let (ann, bob) = (Person::new(server, "ann").await, Person::new(server, "bob").await);
    let place = ann.organization("=HYPERLINK(\"x\")").await;
    ann.adds(&place, &bob).await;
    let role = ann.role(&place, "Recruiter", &["invite_users"]).await;
    server.clock.advance(0);
    ann.gives(&place, &role, &bob).await;
    let log = async |query: &str| {
        let log = ann.get(&format!("{place}/audit-log{query}")).await.ok();
        let actions = log["items"].as_array().unwrap().iter().map(|item| item["action"].as_str().unwrap().to_owned());
        (log["total"].as_u64().unwrap(), actions.collect::<Vec<_>>())
    };
    assert_eq!(log("").await.0, 4);
    assert_eq!(log("?action=organization_role_created").await, (1, vec!["organization_role_created".to_owned()]));
    assert_eq!(log(&format!("?user_id={}&role_id={role}", bob.id)).await.1, ["organization_role_assigned"]);
    assert_eq!(log(&format!("?actor_id={}", ann.id)).await.0, 4);
    assert_eq!(log(&format!("?actor_id={}", bob.id)).await.0, 0);
    assert_eq!(log("?actor_id=nobody").await.0, 0);
    assert_eq!(log("?from=2026-01-02T03:04:05.678Z&to=2026-01-02T03:04:05.678Z").await.0, 4);
    assert_eq!(log("?from=2026-01-02T03:04:05.679Z").await.0, 0);
    assert_eq!(log("?skip=3&limit=1").await.0, 4);
    let page = ann.get(&format!("{place}/audit-log?skip=2&limit=1")).await.ok();
    assert_eq!((&page["skip"], &page["limit"], &page["has_more"]), (&json!(2), &json!(1), &json!(true)));
    assert_eq!(invalid(&ann.get(&format!("{place}/audit-log?from=soon&limit=0")).await).len(), 2);

    let file = ann.get(&format!("{place}/audit-log/export")).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"audit-log.csv\"");
    let lines: Vec<_> = file.text.split("\r\n").collect();
    assert_eq!(lines.len(), 6, "{}", file.text);
    assert_eq!(lines[0], "id,created_at,action,actor_id,actor_name,user_id,role_id,reason,request_id,address,details");
    assert!(file.text.contains("organization_role_assigned"));
    let reason = [("X-Audit-Log-Reason", "=cmd|' /C calc'!A0")];
    ann.send(Method::PATCH, &place, Some(&json!({"name": "Acme"})), &reason).await.ok();
    let file = ann.get(&format!("{place}/audit-log/export?action=organization_renamed")).await;
    assert!(file.text.contains("\"'=cmd|' /C calc'!A0\""), "{}", file.text);
    assert_eq!(file.text.split("\r\n").count(), 3);
}

async fn a_long_record_is_exported_whole_and_in_order(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let organization = rolekeeper::domain::ids::OrganizationId::from_stored(&place["organizations/".len()..]);
    for number in 0..505 {
        let order = rolekeeper::store::Order::plain(server.by());
        server.store.rename_organization(&organization, &format!("name {number}"), &order).await.unwrap();
    }
    let file = ann.get(&format!("{place}/audit-log/export")).await;
    let lines: Vec<_> = file.text.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 1 + 506);
    let ids: std::collections::HashSet<_> = lines.iter().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids.len(), lines.len(), "nothing twice");
    assert!(lines[1].contains("name 504") && lines[506].contains("organization_created"));
}

async fn errors_are_problems_for_whoever_asks(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let headers = [("Accept", "application/problem+json, application/json"), ("X-Request-Id", "abc-123-def")];
    let answer = ann.send(Method::DELETE, &format!("{place}/roles/role_owner"), None, &headers).await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(
        answer.json(),
        json!({
            "type": "urn:rolekeeper:error:system-role-immutable",
            "title": "System roles cannot be modified or deleted.",
            "status": 403,
            "detail": "System roles cannot be deleted",
            "code": "SYSTEM_ROLE_IMMUTABLE",
            "details": {"role_id": "role_owner", "role_name": "Owner"},
            "trace_id": "abc-123-def",
            "timestamp": "2026-01-02T03:04:05Z",
        })
    );
    let plain = ann.send(Method::DELETE, &format!("{place}/roles/role_owner"), None, &headers[1..]).await;
    assert_eq!(plain.header("content-type"), "application/json");
    assert_eq!(plain.json()["error"]["trace_id"], "abc-123-def");
}

async fn either_way_of_showing_a_token_will_do(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let anonymous = server.anonymous();
    let ask = async |name: &str, value: String| {
        anonymous.send(anonymous.request(Method::GET, "/v1/organizations").header(name, value)).await
    };
    ask("X-API-Key", ann.token.clone()).await.ok();
    ask("Authorization", format!("bearer {}", ann.token)).await.ok();
    let personal: TokenText = server.plant_personal_token(&ann.id[4..]).await;
    ask("Authorization", format!("Bearer {}", personal.expose())).await.ok();
    refused(&ask("Authorization", format!("Basic {}", ann.token)).await, 401, "AUTHENTICATION_REQUIRED");
    // The credentials of the other surface are none here.
    let other = server.session_of("ann").await;
    let answer = other.send(other.request(Method::GET, "/v1/organizations")).await;
    refused(&answer, 401, "AUTHENTICATION_REQUIRED");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    let user = UserId::from_stored(&ann.id[4..]);
    assert!(server.store.find_user(&user).await.unwrap().is_some());
}

on_every_store!(
    a_whole_conversation,
    the_shapes_of_answers,
    roles_are_checked_before_they_are_made,
    a_change_names_what_it_changes_and_for_which_revision,
    nobody_gives_what_he_does_not_have,
    members_are_named_by_their_ids,
    pages_know_how_much_there_is,
    the_last_owner_stays_on_every_path,
    whoever_is_deleted_is_no_member_any_more,
    the_record_is_filtered_and_exported,
    a_long_record_is_exported_whole_and_in_order,
    errors_are_problems_for_whoever_asks,
    either_way_of_showing_a_token_will_do,
);
