//! What clients ask of a server before anything else: its version, what is on, and how else one can log in; and what
//! nobody is told without an account.

use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, TestServer};

async fn info(actor: &Actor<'_>) -> [Answer; 2] {
    let ask = async |path: &str| actor.send(actor.request(reqwest::Method::GET, path)).await;
    [ask("/api/info").await, ask("/api/v1/info").await]
}

async fn the_exact_version_is_told_to_whoever_may_see_it(server: &TestServer) {
    let clients = json!({"desktop": "3.9.6", "mobile": "4.39.0"});
    let admin = server.admin().await;
    let others = [server.anonymous(), server.user("bob").await, server.with(admin.id(), "wrong")];
    for answer in [info(&others[0]).await, info(&others[1]).await, info(&others[2]).await].iter().flatten() {
        answer.is(200, json!({"version": "8.0", "minimumClientVersions": clients, "success": true}));
    }
    for answer in info(&admin).await {
        let body = answer.ok();
        assert_eq!((&body["version"], &body["info"]["version"]), (&json!("8.0.0"), &json!("8.0.0")));
        assert_eq!(body["minimumClientVersions"], clients);
        for field in ["build", "commit", "marketplaceApiVersion"] {
            assert!(body["info"].get(field).is_some(), "{field}");
        }
    }
}

async fn custom_roles_are_on_without_a_licence(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let kinds =
        ["activeUsers", "guestUsers", "roomsPerGuest", "privateApps", "marketplaceApps", "monthlyActiveContacts"];
    let each = |value: Value| kinds.iter().map(|kind| ((*kind).to_owned(), value.clone())).collect::<Value>();
    let license = json!({
        "activeModules": ["custom-roles"],
        "externalModules": [],
        "preventedActions": each(json!(false)),
        "limits": each(json!({"max": -1})),
        "tags": [],
        "trial": false,
        "hasValidLicense": true,
    });
    for (actor, query) in [(&admin, ""), (&admin, "?loadValues=true"), (&bob, "?loadValues=false"), (&bob, "")] {
        let answer = actor.get(&format!("licenses.info{query}")).await;
        answer.is(200, json!({"license": license, "success": true}));
    }
    bob.get("licenses.info?loadValues=x").await.invalid_query("must be boolean");
    bob.get("licenses.info?x=1").await.invalid_query("must NOT have additional properties");
    server.anonymous().get("licenses.info").await.unauthenticated();
}

async fn there_is_no_other_way_to_log_in(server: &TestServer) {
    let nobody = server.anonymous();
    nobody.get("settings.oauth").await.is(200, json!({"services": [], "success": true}));
    nobody.get("service.configurations").await.is(200, json!({"configurations": [], "success": true}));
}

/// The original tells everybody of its roles and permissions over its other protocol; its REST routes, and these, do not.
async fn nobody_is_told_of_roles_and_permissions_without_an_account(server: &TestServer) {
    let nobody = server.anonymous();
    for route in [
        "roles.list",
        "roles.sync",
        "roles.getUsersInRole?role=admin",
        "roles.getUsersInPublicRoles",
        "permissions.listAll",
        "permissions.listAll?updatedSince=yesterday",
        "settings",
        "settings/API_Default_Count",
    ] {
        nobody.get(route).await.unauthenticated();
    }
    for route in ["roles.create", "roles.update", "roles.delete", "roles.addUserToRole", "roles.removeUserFromRole"] {
        nobody.post(route, json!({})).await.unauthenticated();
    }
    for route in ["permissions.update", "permissions.addRole", "settings/API_Default_Count"] {
        nobody.post(route, json!({})).await.unauthenticated();
    }
    // The role `anonymous` gives its permissions to nobody who is not logged in.
    let admin = server.admin().await;
    let grant = json!({"permissionId": "access-permissions", "role": "anonymous"});
    admin.post("permissions.addRole", grant).await.ok();
    nobody.get("roles.getUsersInRole?role=admin").await.unauthenticated();
}

on_every_store!(
    the_exact_version_is_told_to_whoever_may_see_it,
    custom_roles_are_on_without_a_licence,
    there_is_no_other_way_to_log_in,
    nobody_is_told_of_roles_and_permissions_without_an_account,
);
