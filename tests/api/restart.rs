//! A server that comes back: what an administrator changed stays changed, who was logged in still is, and nothing that
//! was taken away from a default returns.

use serde_json::json;

use crate::support::server::{Start, TestServer};
use crate::support::stores::Backend;

async fn state(server: &TestServer, id: &str, token: &str) -> Vec<String> {
    let admin = server.with(id, token);
    let mut state = Vec::new();
    for route in ["me", "roles.sync", "permissions.listAll", "users.info?username=bob&includeUserRooms=true"] {
        let answer = admin.get(route).await;
        answer.ok();
        state.push(answer.text);
    }
    state.push(format!("{:?}", server.store.list_audit_entries(1_000).await.unwrap()));
    state
}

async fn nothing_changes_by_a_restart(backend: Backend) {
    let server = Start::fresh(backend).await.go().await;
    let admin = server.admin().await;
    server.user("bob").await;
    let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
    let grants = json!({"permissions": [
        {"_id": "create-c", "roles": []},
        {"_id": "view-logs", "roles": [role, "user"]},
        {"_id": "access-permissions", "roles": ["admin", role]},
    ]});
    admin.post("permissions.update", grants).await.ok();
    let owner = json!({"roleId": "owner", "name": "owner", "scope": "Subscriptions", "description": "Host"});
    admin.post("roles.update", owner).await.ok();
    let gone = admin.post("roles.create", json!({"name": "gone"})).await.ok()["role"]["_id"].clone();
    admin.post("roles.delete", json!({"roleId": gone})).await.ok();
    let (id, token) = (admin.id().to_owned(), admin.token().to_owned());
    let before = state(&server, &id, &token).await;

    let mut stopped = server.halt().await;
    for _ in 0..2 {
        let server = Start::again(stopped).set("ADMIN_USERNAME", "other").set("ADMIN_PASS", "x").go().await;
        assert_eq!(state(&server, &id, &token).await, before);
        stopped = server.halt().await;
    }
    let server = Start::again(stopped).go().await;
    server.with(&id, &token).post("roles.delete", json!({"roleId": role})).await.ok();
    server.finish().await;
}

#[tokio::test]
async fn sqlite_nothing_changes_by_a_restart() {
    nothing_changes_by_a_restart(Backend::SqliteFile).await;
}

#[tokio::test]
async fn mongo_nothing_changes_by_a_restart() {
    nothing_changes_by_a_restart(Backend::Mongo).await;
}
