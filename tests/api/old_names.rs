//! Old clients that name a role by its name: refused unless the workspace wants it, and told that it will not last.

use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, TestServer};

const SINCE: &str = "@1704067200";

async fn role_named(admin: &Actor<'_>, name: &str) -> String {
    let role = admin.post("roles.create", json!({"name": name})).await.ok()["role"]["_id"].clone();
    role.as_str().unwrap().to_owned()
}

/// Gives, or takes with the other verb.
async fn send(admin: &Actor<'_>, verb: &str, body: Value) -> Answer {
    admin.post(&format!("roles.{verb}"), body).await
}

async fn names_are_refused_as_ever(server: &TestServer) {
    let admin = server.admin().await;
    role_named(&admin, "Deputy").await;
    server.user("bob").await;
    for verb in ["addUserToRole", "removeUserFromRole"] {
        for body in [
            json!({"username": "bob", "roleName": "Deputy"}),
            json!({"username": "bob", "roleName": "Deputy", "roleId": "user"}),
            json!({"username": "bob", "roleName": {"$ne": 1}}),
            json!({"username": {"$ne": 1}, "roleName": "Deputy"}),
        ] {
            let answer = send(&admin, verb, body).await;
            answer.invalid_params("must NOT have additional properties");
        }
        let answer = send(&admin, verb, json!({"roleName": "Deputy"})).await;
        answer.invalid_params("must have required property 'username'");
    }
    admin.get("roles.getUsersInRole?role=Deputy").await.refused("", "error-invalid-roleId");
    assert_eq!(admin.get("roles.getUsersInRole?role=user").await.header("deprecation"), "");
}

async fn names_are_taken_and_marked(server: &TestServer) {
    let admin = server.admin().await;
    let id = role_named(&admin, "Deputy").await;
    let bob = server.user("bob").await;
    let given = send(&admin, "addUserToRole", json!({"username": "bob", "roleName": "Deputy"})).await;
    assert_eq!((&given.ok()["role"]["_id"], given.header("deprecation")), (&json!(id), SINCE));
    assert_eq!(bob.get("me").await.ok()["roles"], json!(["user", id]));
    let listed = admin.get("roles.getUsersInRole?role=Deputy").await;
    assert_eq!((&listed.ok()["users"][0]["username"], listed.header("deprecation")), (&json!("bob"), SINCE));
    let by_id = admin.get(&format!("roles.getUsersInRole?role={id}")).await;
    assert_eq!((by_id.ok(), by_id.header("deprecation")), (listed.ok(), ""));
    let taken = send(&admin, "removeUserFromRole", json!({"username": "bob", "roleName": "Deputy"})).await;
    assert_eq!((&taken.ok()["role"]["_id"], taken.header("deprecation")), (&json!(id), SINCE));
    let by_id = send(&admin, "addUserToRole", json!({"username": "bob", "roleId": id})).await;
    assert_eq!((by_id.status, by_id.header("deprecation")), (200, ""));
    // The id goes first.
    let both = json!({"username": "bob", "roleName": "Deputy", "roleId": "guest"});
    assert_eq!(send(&admin, "addUserToRole", both).await.ok()["role"]["_id"], "guest");
}

async fn names_are_checked_where_ids_are(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let unknown = |name: &str| json!({"username": "bob", "roleName": name});
    let body = json!({"success": false, "error": "error-role-not-found", "errorType": "Role not found"});
    for name in ["Nobody", "ADMIN"] {
        send(&admin, "addUserToRole", unknown(name)).await.is(400, body.clone());
        let answer = send(&admin, "removeUserFromRole", unknown(name)).await;
        answer.refused("This role does not exist", "error-invalid-roleId");
    }
    let not_named = json!({"success": false, "error": "error-invalid-role-properties"});
    send(&admin, "addUserToRole", unknown("")).await.is(400, not_named);
    for body in
        [json!({"username": "bob", "roleName": {"$ne": 1}}), json!({"username": "bob", "roleName": "user", "x": 1})]
    {
        send(&admin, "addUserToRole", body).await.invalid_params("must NOT have additional properties");
    }
    admin.get("roles.getUsersInRole?role=Nobody").await.refused("", "error-invalid-roleId");
    send(&bob, "removeUserFromRole", unknown("user")).await.forbidden();
    let details = json!({"method": "authorization:addUserToRole", "action": "Accessing_permissions"});
    let answer = send(&bob, "addUserToRole", unknown("admin")).await;
    answer.refused_with("Accessing permissions is not allowed", "error-action-not-allowed", details);
}

on_every_store!(names_are_refused_as_ever);

on_every_store!(
    allowed, "OVERWRITE_SETTING_Rolekeeper_Accept_Role_Names" = "true";
    names_are_taken_and_marked,
    names_are_checked_where_ids_are,
);
