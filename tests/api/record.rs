//! The record of changes: every request that changes something leaves exactly one entry that says who, when, by which
//! request and what; every other request leaves none.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{Actor, PASSWORD, TestServer};

async fn record(server: &TestServer) -> Vec<Value> {
    let entries = server.store.list_audit_entries(1_000).await.unwrap();
    entries.iter().map(|entry| serde_json::to_value(entry).unwrap()).collect()
}

/// Sends a change and returns what is on record of it.
async fn recorded(server: &TestServer, actor: &Actor<'_>, route: &str, body: Value) -> (Value, Value) {
    let (before, at) = (record(server).await, server.clock.advance(1_000));
    let request = actor.request(Method::POST, &format!("/api/v1/{route}")).header("X-Request-Id", route);
    let answer = actor.send(request.header("X-Audit-Log-Reason", format!(" why {route} ")).json(&body)).await.ok();
    let mut after = record(server).await;
    assert_eq!(after.len(), before.len() + 1, "{route}");
    let mut entry = after.remove(0);
    assert_eq!(after, before, "{route}");
    assert_eq!(entry["request_id"], route);
    assert_eq!(entry["address"], "127.0.0.1");
    assert_eq!(entry["reason"], format!("why {route}"));
    assert_eq!(entry["at"], json!(at), "{route}");
    for circumstance in ["_id", "request_id", "address", "reason", "at"] {
        entry.as_object_mut().unwrap().shift_remove(circumstance);
    }
    let by = entry.as_object_mut().unwrap().shift_remove("actor").unwrap();
    assert_eq!(by["kind"], "user", "{route}");
    assert!(!entry.to_string().contains("$2b$") && !entry.to_string().contains(PASSWORD), "{entry}");
    (by, entry.as_object().map(|_| json!({"entry": entry, "answer": answer})).unwrap())
}

async fn every_change_is_put_on_record_once(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let root = json!({"kind": "user", "id": admin.id(), "username": "root"});
    let change = async |route: &str, body: Value| {
        let (by, recorded) = recorded(server, &admin, route, body).await;
        assert_eq!(by, root, "{route}");
        (recorded["entry"].clone(), recorded["answer"].clone())
    };

    let (entry, answer) = change("roles.create", json!({"name": "deputy"})).await;
    assert_eq!(entry, json!({"action": "role_created", "role": answer["role"]}));
    let (before, id) = (answer["role"].clone(), answer["role"]["_id"].clone());
    let (entry, answer) = change("roles.update", json!({"roleId": id, "name": "Deputy"})).await;
    assert_eq!(entry, json!({"action": "role_updated", "before": before, "after": answer["role"]}));
    let given = json!({"role": id, "user": bob.id(), "room": null});
    let with_action = |action: &str| {
        let mut entry = given.clone();
        entry["action"] = action.into();
        entry
    };
    let (entry, _) = change("roles.addUserToRole", json!({"username": "bob", "roleId": id})).await;
    assert_eq!(entry, with_action("role_assigned"));
    let (entry, _) = change("roles.removeUserFromRole", json!({"username": "bob", "roleId": id})).await;
    assert_eq!(entry, with_action("role_unassigned"));
    let grants =
        json!({"permissions": [{"_id": "view-logs", "roles": [id]}, {"_id": "create-user", "roles": ["admin"]}]});
    let (entry, _) = change("permissions.update", grants).await;
    assert_eq!(entry["action"], "permissions_updated");
    let roles =
        |side: &str| entry[side].as_array().unwrap().iter().map(|grant| grant["roles"].clone()).collect::<Vec<_>>();
    assert_eq!((roles("before"), roles("after")), (vec![json!(["admin"])], vec![json!([id])]));
    for (route, before, after) in [
        ("permissions.addRole", json!(["admin"]), json!(["admin", "user"])),
        ("permissions.removeRole", json!(["admin", "user"]), json!(["admin"])),
    ] {
        let (entry, _) = change(route, json!({"permissionId": "create-user", "role": "user"})).await;
        assert_eq!(entry["action"], "permissions_updated", "{route}");
        assert_eq!((&entry["before"][0]["roles"], &entry["after"][0]["roles"]), (&before, &after), "{route}");
    }
    let (entry, _) = change("roles.delete", json!({"roleId": "Deputy"})).await;
    assert_eq!((&entry["action"], &entry["role"]["_id"]), (&json!("role_deleted"), &id));
    assert_eq!(entry["permissions"], json!(["view-logs"]));

    let body = json!({"username": "amy", "name": "Amy", "email": "amy@example.org", "password": PASSWORD});
    let (entry, answer) = change("users.create", body).await;
    let amy = answer["user"]["_id"].clone();
    assert_eq!(entry, json!({"action": "user_created", "user": amy, "username": "amy", "roles": ["user"]}));
    let (entry, _) = change("users.setActiveStatus", json!({"userId": amy, "activeStatus": false})).await;
    assert_eq!(entry, json!({"action": "user_deactivated", "user": amy, "relinquished": []}));
    let (entry, _) = change("users.setActiveStatus", json!({"userId": amy, "activeStatus": true})).await;
    assert_eq!(entry, json!({"action": "user_activated", "user": amy}));
    let (entry, answer) = change("channels.create", json!({"name": "talk", "members": ["bob"]})).await;
    assert_eq!((&entry["action"], &entry["room"]), (&json!("room_created"), &answer["channel"]["_id"]));
    assert_eq!((&entry["owner"], &entry["members"]), (&json!(admin.id()), &json!(2)));
}

async fn coming_and_going_is_put_on_record(server: &TestServer) {
    let bob = server.user("bob").await;
    let himself = json!({"kind": "user", "id": bob.id(), "username": "bob"});
    let body = json!({"user": "BOB", "password": PASSWORD});
    let (by, recorded_login) = recorded(server, &server.anonymous(), "login", body).await;
    assert_eq!(
        (by, &recorded_login["entry"]),
        (himself.clone(), &json!({"action": "session_started", "user": bob.id()}))
    );
    let (by, recorded_logout) = recorded(server, &bob, "logout", json!({})).await;
    assert_eq!((by, &recorded_logout["entry"]), (himself, &json!({"action": "session_ended", "user": bob.id()})));
}

async fn what_changes_nothing_leaves_nothing(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let before = record(server).await;
    for route in ["me", "roles.list", "roles.sync", "permissions.listAll", "users.info?username=bob"] {
        bob.get(route).await.ok();
    }
    admin.get("roles.getUsersInRole?role=user").await.ok();
    admin.post("users.setActiveStatus", json!({"userId": bob.id(), "activeStatus": true})).await.ok();
    admin.post("permissions.update", json!({"permissions": [{"_id": "view-logs", "roles": ["admin"]}]})).await.ok();
    admin.post("permissions.addRole", json!({"permissionId": "view-logs", "role": "admin"})).await.ok();
    admin.post("permissions.removeRole", json!({"permissionId": "view-logs", "role": "user"})).await.ok();
    server.anonymous().post("login", json!({"resume": bob.token()})).await.ok();
    for refused in [
        server.anonymous().post("login", json!({"user": "bob", "password": "wrong"})).await,
        bob.post("roles.create", json!({"name": "x"})).await,
        bob.post("roles.delete", json!({"roleId": "user"})).await,
        admin.post("roles.delete", json!({"roleId": "user"})).await,
        admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": "user"})).await,
    ] {
        assert!(refused.status >= 400, "{}", refused.text);
    }
    assert_eq!(record(server).await, before);
}

on_every_store!(
    every_change_is_put_on_record_once,
    coming_and_going_is_put_on_record,
    what_changes_nothing_leaves_nothing,
);
