//! `users.delete`, `users.deleteOwnAccount` and `users.deactivateIdle`.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::server::{Actor, Answer, PASSWORD, TestServer};

const DAY: i64 = 86_400_000;

async fn delete(actor: &Actor<'_>, body: Value) -> Answer {
    actor.post("users.delete", body).await
}

pub fn digest(password: &str) -> String {
    Sha256::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn a_deleted_account_is_gone(server: &TestServer) {
    let admin = server.admin().await;
    for (number, field) in ["userId", "username", "user"].into_iter().enumerate() {
        let bob = server.user("bob").await;
        let name = if field == "userId" { bob.id().to_owned() } else { "BOB".to_owned() };
        delete(&admin, json!({field: name})).await.is(200, json!({"deletedRooms": [], "success": true}));
        bob.get("me").await.unauthenticated();
        let answer = admin.get("users.info?username=bob").await;
        answer.is(400, json!({"success": false, "error": "User not found."}));
        let login = server.anonymous().post("login", json!({"user": "bob", "password": PASSWORD})).await;
        assert_eq!(login.status, 401, "{number}");
    }
}

async fn deleting_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    delete(&bob, json!({})).await.forbidden();
    let missing = ["userId", "username", "user"].map(|field| format!("must have required property '{field}'"));
    delete(&admin, json!({})).await.invalid_params(&format!("{}\n must match a schema in anyOf", missing.join("\n ")));
    assert_eq!(delete(&admin, json!({"userId": {"$ne": 1}})).await.json()["errorType"], "invalid-params");
    assert_eq!(delete(&admin, json!({"userId": "x", "x": 1})).await.json()["errorType"], "invalid-params");
    let blank = "The required \"userId\" or \"username\" param was not provided";
    let unknown = "The required \"userId\" or \"username\" param provided does not match any users";
    for field in ["userId", "username", "user"] {
        for text in ["", " "] {
            delete(&admin, json!({field: text})).await.refused(blank, "error-user-param-not-provided");
        }
        delete(&admin, json!({field: "nobody"})).await.refused(unknown, "error-invalid-user");
    }
    delete(&admin, json!({"userId": "bob"})).await.refused(unknown, "error-invalid-user");
    server.user("rocket.cat").await;
    let details = json!({"method": "deleteUser", "action": "Delete_user"});
    let answer = delete(&admin, json!({"username": "rocket.cat"})).await;
    answer.refused_with("Deleting the rocket.cat user is not allowed", "error-action-not-allowed", details);
    let details = json!({"method": "removeUserFromRole", "action": "Remove_last_admin"});
    let reason = "Leaving the app without an active admin is not allowed";
    let answer = delete(&admin, json!({"userId": admin.id(), "confirmRelinquish": true})).await;
    answer.refused_with(reason, "error-action-not-allowed", details);
    let second = server.user_with("second", &["admin"]).await;
    delete(&admin, json!({"userId": admin.id()})).await.ok();
    admin.get("me").await.unauthenticated();
    second.get("me").await.ok();
}

async fn rooms_without_another_owner_are_dealt_with(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    server.user("amy").await;
    let alone = bob.post("channels.create", json!({"name": "alone"})).await.ok()["channel"]["_id"].clone();
    bob.post("channels.create", json!({"name": "shared", "members": ["amy"]})).await.ok();
    let details = json!({"shouldBeRemoved": ["alone"], "shouldChangeOwner": ["shared"]});
    delete(&admin, json!({"username": "bob"})).await.refused_with("", "user-last-owner", details);
    bob.get("me").await.ok();
    let body = json!({"username": "bob", "confirmRelinquish": true});
    delete(&admin, body).await.is(200, json!({"deletedRooms": [alone], "success": true}));
    let rooms = admin.get("users.info?username=amy&includeUserRooms=true").await.ok()["user"]["rooms"].clone();
    assert_eq!((&rooms[0]["name"], &rooms[0]["roles"]), (&json!("shared"), &json!(["owner"])));
    admin.post("channels.create", json!({"name": "alone"})).await.ok();
}

async fn a_role_that_only_the_deleted_held_can_go(server: &TestServer) {
    let admin = server.admin().await;
    let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
    server.user_with("bob", &[role.as_str().unwrap()]).await;
    assert_eq!(admin.post("roles.delete", json!({"roleId": role})).await.json()["errorType"], "error-role-in-use");
    delete(&admin, json!({"username": "bob"})).await.ok();
    admin.post("roles.delete", json!({"roleId": role})).await.ok();
}

async fn nobody_deletes_his_own_account_unless_the_workspace_lets_him(server: &TestServer) {
    let bob = server.user("bob").await;
    let erase = async |password: String| bob.post("users.deleteOwnAccount", json!({"password": password})).await;
    let method = json!({"method": "deleteUserOwnAccount"});
    erase(digest(PASSWORD)).await.refused_with("Not allowed", "error-not-allowed", method.clone());
    server.plant_setting("Accounts_AllowDeleteOwnAccount", "true").await;
    for wrong in [digest("wrong"), PASSWORD.to_owned(), String::new()] {
        erase(wrong).await.refused_with("Invalid password", "error-invalid-password", method.clone());
    }
    erase(digest(PASSWORD)).await.is(200, json!({"success": true}));
    bob.get("me").await.unauthenticated();
}

async fn accounts_that_nobody_uses_are_switched_off(server: &TestServer) {
    let admin = server.admin().await;
    let (bob, amy, guest) =
        (server.user("bob").await, server.user("amy").await, server.user_with("guest", &["guest"]).await);
    bob.post("users.deactivateIdle", json!({})).await.forbidden();
    admin.post("users.deactivateIdle", json!({})).await.invalid_params("must have required property 'daysIdle'");
    admin.post("users.deactivateIdle", json!({"daysIdle": "x"})).await.invalid_params("must be number");
    admin.post("users.deactivateIdle", json!({"daysIdle": -1})).await.invalid_params("must be >= 0");
    server.clock.advance(10 * DAY);
    let fresh = server.session_of("amy").await;
    let idle = async |body: Value| admin.post("users.deactivateIdle", body).await;
    let none = json!({"count": 0, "success": true});
    idle(json!({"daysIdle": 11})).await.is(200, none.clone());
    idle(json!({"daysIdle": 10, "role": "unknown"})).await.is(200, none.clone());
    idle(json!({"daysIdle": 10})).await.is(200, json!({"count": 1, "success": true}));
    bob.get("me").await.unauthenticated();
    for active in [&amy, &fresh, &guest] {
        active.get("me").await.ok();
    }
    idle(json!({"daysIdle": 0, "role": "guest"})).await.is(200, json!({"count": 1, "success": true}));
    guest.get("me").await.unauthenticated();
    idle(json!({"daysIdle": 0, "role": "admin"})).await.is(200, none);
    admin.get("me").await.ok();
}

async fn changes_of_accounts_are_put_on_record(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let last = async || serde_json::to_value(&server.store.list_audit_entries(1).await.unwrap()[0]).unwrap();
    admin.post("users.update", json!({"userId": bob.id(), "data": {"name": "B", "password": "secret"}})).await.ok();
    let entry = last().await;
    assert_eq!((&entry["action"], &entry["actor"]["id"]), (&json!("user_updated"), &json!(admin.id())));
    assert_eq!((&entry["before"], &entry["after"]), (&json!({"name": "The bob"}), &json!({"name": "B"})));
    assert_eq!(entry["password"], true);
    assert!(!entry.to_string().contains("secret") && !entry.to_string().contains("$2b$"), "{entry}");
    delete(&admin, json!({"username": "bob"})).await.ok();
    let entry = last().await;
    assert_eq!((&entry["action"], &entry["username"]), (&json!("user_deleted"), &json!("bob")));
    let before = server.store.list_audit_entries(100).await.unwrap().len();
    admin.post("users.update", json!({"userId": admin.id(), "data": {"username": "root"}})).await.ok();
    admin.post("users.deactivateIdle", json!({"daysIdle": 9})).await.ok();
    assert_eq!(delete(&admin, json!({"username": "bob"})).await.status, 400);
    assert_eq!(server.store.list_audit_entries(100).await.unwrap().len(), before);
}

on_every_store!(
    a_deleted_account_is_gone,
    deleting_checks_in_its_order,
    rooms_without_another_owner_are_dealt_with,
    a_role_that_only_the_deleted_held_can_go,
    nobody_deletes_his_own_account_unless_the_workspace_lets_him,
    accounts_that_nobody_uses_are_switched_off,
    changes_of_accounts_are_put_on_record,
);
