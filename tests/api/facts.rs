//! Facts in memory as clients notice them: a change holds from the very next request on, and an answer that did not change
//! need not be sent again.

use reqwest::Method;
use rolekeeper::domain::ids::{RoleId, UserId};
use rolekeeper::domain::role::Assignment;
use rolekeeper::domain::user::Activation;
use serde_json::json;

use crate::support::server::{Actor, Answer, TestServer};

async fn ask(actor: &Actor<'_>, route: &str, known: Option<&str>) -> Answer {
    let request = actor.request(Method::GET, &format!("/api/v1/{route}"));
    actor
        .send(match known {
            Some(tag) => request.header("If-None-Match", tag),
            None => request,
        })
        .await
}

async fn an_answer_that_did_not_change_is_not_sent_again(server: &TestServer) {
    let bob = server.user("bob").await;
    for route in ["roles.list", "permissions.listAll"] {
        let first = ask(&bob, route, None).await;
        first.ok();
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
        let again = ask(&bob, route, None).await;
        assert_eq!((again.header("etag"), &again.text), (tag.as_str(), &first.text));
        assert_eq!(again.header("content-type"), "application/json");
        let known = ask(&bob, route, Some(&tag)).await;
        assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", tag.as_str()));
        assert_eq!(ask(&bob, route, Some("\"another\"")).await.text, first.text);
        // Who may not ask is not told anything either.
        assert_eq!(ask(&server.anonymous(), route, Some(&tag)).await.status, 401);
    }
    let since = ask(&bob, "permissions.listAll?updatedSince=1970-01-01", None).await;
    assert_eq!((since.status, since.header("etag")), (200, ""));
}

async fn the_tag_changes_with_what_is_answered(server: &TestServer) {
    let admin = server.admin().await;
    let tag = async |route: &str| ask(&admin, route, None).await.header("etag").to_owned();
    let (roles, permissions) = (tag("roles.list").await, tag("permissions.listAll").await);
    let created = admin.post("roles.create", json!({"name": "deputy"})).await.ok();
    let id = created["role"]["_id"].as_str().unwrap().to_owned();
    let with_role = tag("roles.list").await;
    assert_ne!(with_role, roles);
    assert_eq!(tag("permissions.listAll").await, permissions);
    admin.post("roles.update", json!({"roleId": id, "name": "stand-in"})).await.ok();
    let renamed = tag("roles.list").await;
    assert_ne!(renamed, with_role);
    server.clock.advance(1_000);
    admin.post("permissions.addRole", json!({"permissionId": "view-logs", "role": id})).await.ok();
    let granted = tag("permissions.listAll").await;
    assert_ne!(granted, permissions);
    server.clock.advance(1_000);
    let grants = json!({"permissions": [{"_id": "view-logs", "roles": ["user", id]}]});
    admin.post("permissions.update", grants).await.ok();
    let replaced = tag("permissions.listAll").await;
    assert_ne!(replaced, granted);
    server.clock.advance(1_000);
    admin.post("permissions.removeRole", json!({"permissionId": "view-logs", "role": "user"})).await.ok();
    let revoked = tag("permissions.listAll").await;
    assert_ne!(revoked, replaced);
    server.clock.advance(1_000);
    admin.post("roles.delete", json!({"roleId": id})).await.ok();
    assert_eq!(tag("roles.list").await, roles, "the same answer has the same tag");
    assert_ne!(tag("permissions.listAll").await, revoked);
    assert_eq!(ask(&admin, "roles.list", Some(&renamed)).await.status, 200);
}

async fn what_is_taken_away_is_refused_from_the_next_request_on(server: &TestServer) {
    let admin = server.admin().await;
    let may_see = |actor: &Actor<'_>| actor.request(Method::GET, "/api/v1/roles.getUsersInRole?role=admin");
    let role = admin.post("roles.create", json!({"name": "auditor"})).await.ok()["role"]["_id"].clone();
    let grants = json!({"permissions": [{"_id": "access-permissions", "roles": ["admin", role]}]});
    admin.post("permissions.update", grants.clone()).await.ok();

    // A role.
    let bob = server.user("bob").await;
    bob.send(may_see(&bob)).await.forbidden();
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": role})).await.ok();
    bob.send(may_see(&bob)).await.ok();
    admin.post("roles.removeUserFromRole", json!({"username": "bob", "roleId": role})).await.ok();
    bob.send(may_see(&bob)).await.forbidden();

    // A permission.
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": role})).await.ok();
    bob.send(may_see(&bob)).await.ok();
    admin
        .post("permissions.update", json!({"permissions": [{"_id": "access-permissions", "roles": ["admin"]}]}))
        .await
        .ok();
    bob.send(may_see(&bob)).await.forbidden();

    // A session.
    bob.get("me").await.ok();
    bob.post("logout", json!({})).await.ok();
    bob.get("me").await.unauthenticated();

    // An account.
    let carol = server.user("carol").await;
    carol.get("me").await.ok();
    admin.post("users.setActiveStatus", json!({"userId": carol.id(), "activeStatus": false})).await.ok();
    carol.get("me").await.unauthenticated();
    assert_eq!(ask(&admin, "me", None).await.status, 200);
}

/// What another handle reports counts as much as what the server does itself.
async fn a_change_that_is_reported_holds_at_once(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    assert_eq!(bob.get("me").await.ok()["roles"], json!(["user"]));
    let assignment = Assignment { role: RoleId::from_stored("admin"), user: UserId::from_stored(bob.id()), room: None };
    server.store.assign_role(&assignment, &server.by()).await.unwrap();
    assert_eq!(bob.get("me").await.ok()["roles"], json!(["user", "admin"]));
    server.store.set_user_active(&bob.user_id(), Activation::Deactivate, &server.by()).await.unwrap();
    bob.get("me").await.unauthenticated();
    admin.get("me").await.ok();
}

on_every_store!(
    an_answer_that_did_not_change_is_not_sent_again,
    the_tag_changes_with_what_is_answered,
    what_is_taken_away_is_refused_from_the_next_request_on,
    a_change_that_is_reported_holds_at_once,
);
