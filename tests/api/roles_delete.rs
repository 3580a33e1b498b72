//! `roles.delete`, condition by condition in the order in which they are checked, and what is left afterwards.

use rolekeeper::domain::audit::{Actor as By, Change};
use rolekeeper::domain::ids::{PermissionId, RoleId};
use rolekeeper::domain::user::Activation;
use serde_json::{Value, json};

use crate::support::server::{Actor, TestServer};

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// Makes a role and returns its id.
async fn create(admin: &Actor<'_>, name: &str, scope: &str) -> String {
    let answer = admin.post("roles.create", json!({"name": name, "scope": scope})).await;
    answer.ok()["role"]["_id"].as_str().unwrap().to_owned()
}

async fn delete(actor: &Actor<'_>, role: &str) -> crate::support::server::Answer {
    actor.post("roles.delete", json!({"roleId": role})).await
}

async fn assign(admin: &Actor<'_>, username: &str, role: &str, room: Option<&str>) {
    let body = json!({"username": username, "roleId": role, "roomId": room});
    admin.post("roles.addUserToRole", body).await.ok();
}

fn in_use(users: u64, rooms: u64, names: &[&str]) -> Value {
    json!({"users": users, "rooms": rooms, "names": names})
}

const IN_USE: (&str, &str) = ("Cannot delete role because it's in use", "error-role-in-use");

async fn who_is_not_logged_in_is_told_so_first(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "deputy", "Users").await;
    let bob = server.user("bob").await;
    let strangers = [
        server.anonymous(),
        server.with(bob.id(), admin.token()),
        server.with(admin.id(), "no-such-token"),
        server.with("nobodyNobodyNob23", admin.token()),
    ];
    for stranger in strangers {
        delete(&stranger, &role).await.unauthenticated();
        stranger.post_bytes("roles.delete", Some("application/json"), "{").await.unauthenticated();
        stranger.post("roles.delete", json!({})).await.unauthenticated();
    }
    for half in [("X-User-Id", admin.id()), ("X-Auth-Token", admin.token())] {
        let nobody = server.anonymous();
        let request = nobody.request(reqwest::Method::POST, "/api/v1/roles.delete").header(half.0, half.1);
        nobody.send(request.json(&json!({"roleId": role}))).await.unauthenticated();
    }
    delete(&admin, &role).await.is(200, json!({"success": true}));
}

async fn a_session_ends_with_its_ninetieth_day(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "deputy", "Users").await;
    server.clock.advance(90 * DAY - 1);
    delete(&admin, "unknown").await.refused("This role does not exist", "error-invalid-roleId");
    server.clock.advance(1);
    delete(&admin, &role).await.unauthenticated();
    server.clock.advance(DAY);
    delete(&admin, &role).await.unauthenticated();
    assert!(server.store.find_role(&RoleId::from_stored(role.as_str())).await.unwrap().is_some());
}

async fn a_deactivated_account_is_nobody(server: &TestServer) {
    let admin = server.admin().await;
    let deputy = server.user_with("deputy", &["admin"]).await;
    let role = create(&deputy, "temporary", "Users").await;
    admin.post("users.setActiveStatus", json!({"userId": deputy.id(), "activeStatus": false})).await.ok();
    delete(&deputy, &role).await.unauthenticated();
}

async fn without_the_permission_the_body_is_not_looked_at(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "deputy", "Users").await;
    let bob = server.user("bob").await;
    delete(&bob, &role).await.forbidden();
    bob.post("roles.delete", json!({})).await.forbidden();
    for bytes in [&b"{"[..], b"\xff", b""] {
        bob.post_bytes("roles.delete", Some("application/json"), bytes).await.forbidden();
    }
    bob.post_bytes("roles.delete", Some("application/json"), vec![b' '; 2 << 20]).await.forbidden();
}

async fn a_body_that_does_not_fit_is_refused(server: &TestServer) {
    let admin = server.admin().await;
    let missing = "must have required property 'roleId'";
    for (body, text) in [
        (json!({}), missing),
        (json!({"x": 1}), missing),
        (json!({"roleName": "deputy"}), missing),
        (json!(null), missing),
        (json!(7), missing),
        (json!("deputy"), missing),
        (json!([]), "must be object"),
        (json!([{"roleId": "deputy"}]), "must be object"),
        (json!({"roleId": "a", "x": 1}), "must NOT have additional properties"),
        (json!({"roleId": ["a"]}), "must be string"),
        (json!({"roleId": {}}), "must be string"),
        (json!({"roleId": {"$ne": null}}), "must be string"),
    ] {
        admin.post("roles.delete", body).await.invalid_params(text);
    }
    for (content_type, bytes) in [
        (None, ""),
        (Some("application/json"), ""),
        (Some("application/json"), " \n"),
        (Some("text/plain"), "deputy"),
        (Some("application/x-www-form-urlencoded"), "role=deputy"),
        (Some("application/x-www-form-urlencoded"), "roleId[$ne]=1"),
        (Some("multipart/form-data; boundary=x"), "--x--"),
    ] {
        admin.post_bytes("roles.delete", content_type, bytes).await.invalid_params(missing);
    }
    let malformed = admin.post_bytes("roles.delete", Some("application/json"), "{\"roleId\":").await;
    malformed.invalid_params("The request body is not valid JSON (line 1, column 10)");
}

async fn a_role_that_is_not_there_cannot_be_deleted(server: &TestServer) {
    let admin = server.admin().await;
    let (reason, code) = ("This role does not exist", "error-invalid-roleId");
    for role in [json!("unknown"), json!(""), json!(null), json!(1), json!(true), json!("DEPUTY"), json!("a\u{0}b")] {
        admin.post("roles.delete", json!({"roleId": role})).await.refused(reason, code);
    }
}

async fn a_role_goes_by_its_name_too(server: &TestServer) {
    let admin = server.admin().await;
    let id = create(&admin, "deputy", "Users").await;
    delete(&admin, "Deputy").await.refused("This role does not exist", "error-invalid-roleId");
    delete(&admin, "deputy").await.is(200, json!({"success": true}));
    delete(&admin, &id).await.refused("This role does not exist", "error-invalid-roleId");
}

async fn every_way_to_send_a_body_deletes(server: &TestServer) {
    let admin = server.admin().await;
    for (content_type, form) in [
        (Some("application/json"), false),
        (Some("application/json; charset=utf-8"), false),
        (Some("text/plain"), false),
        (None, false),
        (Some("application/x-www-form-urlencoded"), false),
        (Some("application/x-www-form-urlencoded"), true),
    ] {
        let role = create(&admin, "deputy", "Users").await;
        let body = if form { format!("roleId={role}") } else { format!(r#"{{"roleId":"{role}"}}"#) };
        admin.post_bytes("roles.delete", content_type, body).await.is(200, json!({"success": true}));
    }
}

async fn a_protected_role_stays(server: &TestServer) {
    let admin = server.admin().await;
    for role in ["admin", "user", "owner", "livechat-agent", "guest"] {
        delete(&admin, role).await.refused("Cannot delete a protected role", "error-role-protected");
    }
}

async fn whoever_holds_a_role_keeps_it_alive(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "deputy", "Users").await;
    let (reason, code) = IN_USE;

    server.user("bob").await;
    assign(&admin, "bob", &role, None).await;
    delete(&admin, &role).await.refused_with(reason, code, in_use(1, 0, &["bob"]));
    delete(&admin, "deputy").await.refused_with(reason, code, in_use(1, 0, &["bob"]));

    let amy = server.user_with("amy", &["user", &role]).await;
    server.store.set_user_active(&amy.user_id(), Activation::Deactivate, &server.by()).await.unwrap();
    let robot = server.user_with("robot", &["bot", &role]).await;
    server.plant_kind(robot.id(), "bot").await;
    delete(&admin, &role).await.refused_with(reason, code, in_use(3, 0, &["amy", "bob", "robot"]));

    for name in ["bob", "robot"] {
        admin.post("roles.removeUserFromRole", json!({"username": name, "roleId": role})).await.ok();
    }
    delete(&admin, &role).await.refused_with(reason, code, in_use(1, 0, &["amy"]));
    admin.post("roles.removeUserFromRole", json!({"username": "amy", "roleId": role})).await.ok();
    delete(&admin, &role).await.is(200, json!({"success": true}));
}

async fn a_bot_alone_keeps_a_role_alive(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "deputy", "Users").await;
    let robot = server.user_with("robot", &[&role]).await;
    server.plant_kind(robot.id(), "bot").await;
    delete(&admin, &role).await.refused_with(IN_USE.0, IN_USE.1, in_use(1, 0, &["robot"]));
}

async fn a_room_role_is_held_in_rooms_and_on_users(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "host", "Subscriptions").await;
    for name in ["bob", "amy"] {
        server.user(name).await;
    }
    let mut rooms = Vec::new();
    for name in ["one", "two"] {
        let answer = admin.post("channels.create", json!({"name": name, "members": ["bob", "amy"]})).await;
        rooms.push(answer.ok()["channel"]["_id"].as_str().unwrap().to_owned());
    }
    let (reason, code) = IN_USE;
    assign(&admin, "bob", &role, Some(&rooms[0])).await;
    delete(&admin, &role).await.refused_with(reason, code, in_use(0, 1, &["bob"]));
    assign(&admin, "amy", &role, Some(&rooms[0])).await;
    assign(&admin, "amy", &role, Some(&rooms[1])).await;
    delete(&admin, &role).await.refused_with(reason, code, in_use(0, 2, &["amy", "bob"]));
    for (name, room) in [("bob", &rooms[0]), ("amy", &rooms[0]), ("amy", &rooms[1])] {
        let body = json!({"username": name, "roleId": role, "scope": room});
        admin.post("roles.removeUserFromRole", body).await.ok();
    }
    delete(&admin, &role).await.is(200, json!({"success": true}));
}

async fn a_room_role_given_without_a_room_counts_as_held(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "host", "Subscriptions").await;
    server.user("bob").await;
    assign(&admin, "bob", &role, None).await;
    delete(&admin, &role).await.refused_with(IN_USE.0, IN_USE.1, in_use(1, 0, &["bob"]));
}

async fn ten_names_are_enough(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "deputy", "Users").await;
    let names: Vec<_> = (0..12).map(|number| format!("user{number:02}")).collect();
    for name in &names {
        server.user_with(name, &[&role]).await;
    }
    let first: Vec<_> = names.iter().take(10).map(String::as_str).collect();
    delete(&admin, &role).await.refused_with(IN_USE.0, IN_USE.1, in_use(12, 0, &first));
}

async fn a_deleted_role_is_gone_everywhere(server: &TestServer) {
    let admin = server.admin().await;
    let body = json!({"name": "deputy", "description": "Stands in", "mandatory2fa": true});
    let role = admin.post("roles.create", body).await.ok()["role"].clone();
    let id = role["_id"].as_str().unwrap();
    let grants = json!({"permissions": [
        {"_id": "view-logs", "roles": ["admin", id]},
        {"_id": "create-c", "roles": [id]},
    ]});
    admin.post("permissions.update", grants).await.ok();
    let before = server.clock.advance(1_000);
    let deleted = server.clock.advance(1_000);

    let request = admin.request(reqwest::Method::POST, "/api/v1/roles.delete");
    let request = request.header("X-Request-Id", "delete-1").header("X-Audit-Log-Reason", "no longer needed");
    admin.send(request.json(&json!({"roleId": id}))).await.is(200, json!({"success": true}));

    let listed = admin.get("roles.list").await.ok();
    assert!(listed["roles"].as_array().unwrap().iter().all(|role| role["_id"] != id));
    let synced = admin.get(&format!("roles.sync?updatedSince={before}")).await;
    let mut trashed = role.clone();
    trashed["_deletedAt"] = deleted.to_string().into();
    trashed["__collection__"] = "roles".into();
    synced.is(200, json!({"roles": {"update": [], "remove": [trashed]}, "success": true}));
    let synced = admin.get(&format!("roles.sync?updatedSince={deleted}")).await;
    synced.is(200, json!({"roles": {"update": [], "remove": []}, "success": true}));

    let permissions = admin.get(&format!("permissions.listAll?updatedSince={before}")).await.ok();
    assert_eq!(permissions["remove"], json!([]));
    let mut changed = permissions["update"].as_array().unwrap().clone();
    changed.sort_by_key(|permission| permission["_id"].to_string());
    let at = deleted.to_string();
    assert_eq!(
        changed,
        [
            json!({"_id": "create-c", "roles": [], "_updatedAt": at}),
            json!({"_id": "view-logs", "roles": ["admin"], "_updatedAt": at}),
        ]
    );
    delete(&admin, id).await.refused("This role does not exist", "error-invalid-roleId");
    delete(&admin, "deputy").await.refused("This role does not exist", "error-invalid-roleId");
    put_on_record(server, &admin, &role).await;
}

async fn put_on_record(server: &TestServer, admin: &Actor<'_>, role: &Value) {
    let entries = server.store.list_audit_entries(1).await.unwrap();
    let entry = &entries[0];
    assert_eq!(entry.context.actor, By::User { id: admin.user_id(), username: "root".to_owned() });
    assert_eq!(entry.context.request_id.as_deref(), Some("delete-1"));
    assert_eq!(entry.context.address.as_deref(), Some("127.0.0.1"));
    assert_eq!(entry.context.reason.as_deref(), Some("no longer needed"));
    let Change::RoleDeleted { role: recorded, permissions, settings } = &entry.change else { panic!("{entry:?}") };
    assert_eq!(json!(recorded), *role);
    let mut permissions = permissions.clone();
    permissions.sort();
    assert_eq!(permissions, ["create-c", "view-logs"].map(PermissionId::from_stored));
    assert_eq!(settings, &Vec::<String>::new());
}

async fn a_refusal_leaves_no_trace(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, "deputy", "Users").await;
    server.user_with("bob", &[&role]).await;
    let (roles, record) = (admin.get("roles.sync").await.text, server.store.list_audit_entries(100).await.unwrap());
    for role in ["admin", "unknown", &role] {
        assert_eq!(delete(&admin, role).await.status, 400);
    }
    assert_eq!(admin.get("roles.sync").await.text, roles);
    assert_eq!(server.store.list_audit_entries(100).await.unwrap(), record);
}

on_every_store!(
    who_is_not_logged_in_is_told_so_first,
    a_session_ends_with_its_ninetieth_day,
    a_deactivated_account_is_nobody,
    without_the_permission_the_body_is_not_looked_at,
    a_body_that_does_not_fit_is_refused,
    a_role_that_is_not_there_cannot_be_deleted,
    a_role_goes_by_its_name_too,
    every_way_to_send_a_body_deletes,
    a_protected_role_stays,
    whoever_holds_a_role_keeps_it_alive,
    a_bot_alone_keeps_a_role_alive,
    a_room_role_is_held_in_rooms_and_on_users,
    a_room_role_given_without_a_room_counts_as_held,
    ten_names_are_enough,
    a_deleted_role_is_gone_everywhere,
    a_refusal_leaves_no_trace,
);
