//! `permissions.*`: who may see and change which roles have which permission, and the lock-out that is refused.

use serde_json::{Value, json};

use crate::support::server::{Actor, TestServer};

const LOCKOUT: (&str, &str) =
    ("At least one active user must be able to administer permissions", "error-permissions-lockout");

async fn update(actor: &Actor<'_>, permissions: Value) -> crate::support::server::Answer {
    actor.post("permissions.update", json!({"permissions": permissions})).await
}

fn roles_of(listing: &Value, permission: &str) -> Value {
    let found = listing.as_array().unwrap().iter().find(|entry| entry["_id"] == permission);
    found.unwrap()["roles"].clone()
}

async fn everybody_sees_every_permission(server: &TestServer) {
    let bob = server.user("bob").await;
    let answer = bob.get("permissions.listAll").await.ok();
    let listed = answer["update"].as_array().unwrap();
    let expected: usize =
        rolekeeper::domain::permission::DEFAULT_GRANTS.iter().map(|grants| grants.permissions.len()).sum();
    assert_eq!((listed.len(), &answer["remove"]), (expected, &json!([])));
    let at = server.clock.advance(0).to_string();
    let access = json!({"_id": "access-permissions", "roles": ["admin"], "_updatedAt": at});
    assert!(listed.contains(&access));
    for query in ["?updatedSince=", "?updatedSince=1970-01-01"] {
        assert_eq!(bob.get(&format!("permissions.listAll{query}")).await.ok(), answer);
    }
}

async fn changes_are_told_after_a_date(server: &TestServer) {
    let admin = server.admin().await;
    let at = server.clock.advance(1_000);
    update(&admin, json!([{"_id": "view-logs", "roles": ["admin", "user"]}])).await.ok();
    let changed = json!([{"_id": "view-logs", "roles": ["admin", "user"], "_updatedAt": at.to_string()}]);
    let before = rolekeeper::domain::time::Timestamp::from_millis(at.as_millis() - 1);
    let answer = admin.get(&format!("permissions.listAll?updatedSince={before}")).await;
    answer.is(200, json!({"update": changed, "remove": [], "success": true}));
    // Unlike in `roles.sync`, the very moment does not count.
    let answer = admin.get(&format!("permissions.listAll?updatedSince={at}")).await;
    answer.is(200, json!({"update": [], "remove": [], "success": true}));
}

async fn a_date_must_be_one(server: &TestServer) {
    let bob = server.user("bob").await;
    let answer = bob.get("permissions.listAll?updatedSince=yesterday").await;
    let text = "The \"updatedSince\" query parameter must be a valid date.";
    answer.refused(text, "error-roomId-param-invalid");
    bob.get("permissions.listAll?since=1").await.invalid_query("must NOT have additional properties");
}

async fn lists_are_replaced_and_all_permissions_answered(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    bob.post("channels.create", json!({"name": "one"})).await.ok();
    let at = server.clock.advance(1_000).to_string();
    let grants = json!([{"_id": "create-c", "roles": ["guest", "admin"]}, {"_id": "view-logs", "roles": []}]);
    let answer = update(&admin, grants).await.ok();
    assert_eq!(answer["permissions"], admin.get("permissions.listAll").await.ok()["update"]);
    assert_eq!(roles_of(&answer["permissions"], "create-c"), json!(["guest", "admin"]));
    assert_eq!(roles_of(&answer["permissions"], "view-logs"), json!([]));
    let touched = answer["permissions"].as_array().unwrap().iter().filter(|entry| entry["_updatedAt"] == at);
    assert_eq!(touched.count(), 2);
    // Effective at once.
    bob.post("channels.create", json!({"name": "two"}))
        .await
        .is(403, json!({"success": false, "error": "unauthorized"}));
    assert_eq!(update(&admin, json!([])).await.ok(), answer);
}

async fn changing_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let before = admin.get("permissions.listAll").await.text;
    bob.post("permissions.update", json!({})).await.forbidden();
    for (body, text) in [
        (json!({}), "must have required property 'permissions'"),
        (json!({"permissions": ""}), "must be array"),
        (json!({"permissions": "x"}), "must be array"),
        (json!({"permissions": null}), "must be array"),
        (json!({"permissions": {"$ne": 1}}), "must be array"),
        (json!({"permissions": [], "x": 1}), "must NOT have additional properties"),
        (json!({"permissions": [{}]}), "must have required property '_id'"),
        (json!({"permissions": [{"_id": "a"}]}), "must have required property 'roles'"),
        (json!({"permissions": [{"_id": "a", "roles": "x"}]}), "must be array"),
        (json!({"permissions": [{"_id": {"$ne": 1}, "roles": []}]}), "must be string"),
        (json!({"permissions": [{"_id": "a", "roles": [{"$ne": 1}]}]}), "must be string"),
        (json!({"permissions": [{"_id": "a", "roles": [], "level": "x"}]}), "must NOT have additional properties"),
        (
            json!({"permissions": [{"_id": "a", "roles": ["x", "x"]}]}),
            "must NOT have duplicate items (items ## 1 and 0 are identical)",
        ),
    ] {
        admin.post("permissions.update", body).await.invalid_params(text);
    }
    let invalid = |what: &str, code: &str| json!({"success": false, "error": what, "errorType": code});
    for grants in [
        json!([{"_id": "view-logs", "roles": ["admin"]}, {"_id": "unknown", "roles": ["nowhere"]}]),
        json!([{"_id": "view-logs", "roles": ["admin"]}, {"_id": "view-logs", "roles": ["admin"]}]),
        json!([{"_id": "view-logs", "roles": ["nowhere"]}, {"_id": "view-logs", "roles": []}]),
        json!([{"_id": "", "roles": []}]),
    ] {
        update(&admin, grants).await.is(400, invalid("Invalid permission", "error-invalid-permission"));
    }
    for grants in [
        json!([{"_id": "view-logs", "roles": []}, {"_id": "create-c", "roles": ["admin", "nowhere"]}]),
        json!([{"_id": "access-permissions", "roles": ["nowhere"]}]),
        json!([{"_id": "view-logs", "roles": [""]}]),
    ] {
        update(&admin, grants).await.is(400, invalid("Invalid role", "error-invalid-role"));
    }
    assert_eq!(admin.get("permissions.listAll").await.text, before);
}

async fn nobody_can_lock_everybody_out(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    for roles in [json!([]), json!(["guest"]), json!(["owner"])] {
        let grants = json!([{"_id": "view-logs", "roles": []}, {"_id": "access-permissions", "roles": roles}]);
        update(&admin, grants).await.refused(LOCKOUT.0, LOCKOUT.1);
    }
    assert_eq!(roles_of(&admin.get("permissions.listAll").await.ok()["update"], "view-logs"), json!(["admin"]));
    // Handing the right on is allowed, and then its holder is the one who must stay.
    let role = admin.post("roles.create", json!({"name": "keeper"})).await.ok()["role"]["_id"].clone();
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": role})).await.ok();
    update(&admin, json!([{"_id": "access-permissions", "roles": [role]}])).await.ok();
    update(&admin, json!([])).await.forbidden();
    bob.post("roles.removeUserFromRole", json!({"username": "bob", "roleId": role}))
        .await
        .refused(LOCKOUT.0, LOCKOUT.1);
    let off = json!({"userId": bob.id(), "activeStatus": false});
    admin.post("users.setActiveStatus", off.clone()).await.refused(LOCKOUT.0, LOCKOUT.1);
    update(&bob, json!([{"_id": "access-permissions", "roles": ["admin"]}])).await.ok();
    admin.post("users.setActiveStatus", off).await.ok();
}

on_every_store!(
    everybody_sees_every_permission,
    changes_are_told_after_a_date,
    a_date_must_be_one,
    lists_are_replaced_and_all_permissions_answered,
    changing_checks_in_its_order,
    nobody_can_lock_everybody_out,
);
