//! `permissions.*`: who may see and change which roles have which permission, and the lock-out that is refused.

use rolekeeper::domain::ids::PermissionId;
use rolekeeper::store::Seed;
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
    let expected = Seed::defaults(server.by().at).permissions.len();
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

async fn one(actor: &Actor<'_>, verb: &str, permission: &str, role: &str) -> crate::support::server::Answer {
    actor.post(&format!("permissions.{verb}"), json!({"permissionId": permission, "role": role})).await
}

async fn roles_now(actor: &Actor<'_>, permission: &str) -> Value {
    roles_of(&actor.get("permissions.listAll").await.ok()["update"], permission)
}

async fn every_setting_and_every_group_has_its_permission(server: &TestServer) {
    let admin = server.admin().await;
    let at = server.clock.advance(0).to_string();
    let listed = admin.get("permissions.listAll").await.ok()["update"].as_array().unwrap().clone();
    let find = |id: &str| listed.iter().find(|permission| permission["_id"] == id).cloned();
    let expected = json!({
        "_id": "change-setting-API_Default_Count",
        "roles": [],
        "_updatedAt": at,
        "level": "settings",
        "settingId": "API_Default_Count",
        "sorter": 0,
        "group": "General",
        "groupPermissionId": "change-setting-General",
        "section": "REST API",
        "sectionPermissionId": "change-setting-REST API",
    });
    assert_eq!(find("change-setting-API_Default_Count"), Some(expected));
    let group = json!({
        "_id": "change-setting-Rate Limiter",
        "roles": [],
        "_updatedAt": at,
        "level": "settings",
        "settingId": "Rate Limiter",
        "sorter": 3,
    });
    assert_eq!(find("change-setting-Rate Limiter"), Some(group));
    assert_eq!(find("change-setting-Accounts_SystemBlockedUsernameList"), None, "hidden");
    // Whoever gets one gets that of its group.
    one(&admin, "addRole", "change-setting-API_Enable_Rate_Limiter", "user").await.ok();
    for permission in ["change-setting-API_Enable_Rate_Limiter", "change-setting-Rate Limiter"] {
        assert_eq!(roles_now(&admin, permission).await, json!(["user"]));
    }
    // Starting again takes nothing away.
    server.store.seed(Seed::defaults(server.by().at), &server.by()).await.unwrap();
    assert_eq!(roles_now(&admin, "change-setting-Rate Limiter").await, json!(["user"]));
}

async fn a_restricted_role_has_nothing_but_what_it_is_left_with(server: &TestServer) {
    let admin = server.admin().await;
    let restricted = json!({"method": "authorization:addPermissionToRole", "action": "Adding_permission"});
    // First of all refusals, but for those of the caller.
    for permission in ["view-logs", "unknown", "access-permissions"] {
        let answer = one(&admin, "addRole", permission, "guest").await;
        answer.refused_with("Permission is restricted", "error-action-not-allowed", restricted.clone());
    }
    server.user("bob").await.post("permissions.addRole", json!({})).await.forbidden();
    one(&admin, "addRole", "view-d-room", "guest").await.ok();
    one(&admin, "addRole", "unknown", "user").await.refused_with(
        "Permission does not exist",
        "error-invalid-permission",
        restricted,
    );
    // It holds over every other role, whoever granted what on whichever way.
    let grant = json!([{"_id": "create-c", "roles": ["guest", "user"]}, {"_id": "access-permissions", "roles": ["guest", "admin"]}]);
    update(&admin, grant).await.ok();
    let (ann, gus) = (server.user("ann").await, server.user_with("gus", &["user", "guest"]).await);
    ann.post("channels.create", json!({"name": "one"})).await.ok();
    gus.post("channels.create", json!({"name": "two"}))
        .await
        .is(403, json!({"success": false, "error": "unauthorized"}));
    gus.get("roles.getUsersInRole?role=admin").await.forbidden();
    gus.post("roles.create", json!({"name": "deputy"}))
        .await
        .refused("Accessing permissions is not allowed", "error-action-not-allowed");
    let chief = server.user_with("chief", &["admin", "guest"]).await;
    chief.get("roles.getUsersInRole?role=admin").await.forbidden();
    chief.get("roles.list").await.ok();
}

on_every_store!(
    restricted, "ROLEKEEPER_RESTRICTED_ROLES" = "guest=view-d-room,view-p-room";
    a_restricted_role_has_nothing_but_what_it_is_left_with,
);

/// A permission that stands for a setting, and that of its group, as a Rocket.Chat server makes them.
async fn plant_setting_permissions(server: &TestServer) {
    let mut seed = Seed::defaults(server.by().at);
    seed.permissions.truncate(2);
    for (permission, id) in seed.permissions.iter_mut().zip(["change-setting-Site_Name", "change-setting-General"]) {
        permission.id = PermissionId::from_stored(id);
        permission.roles.clear();
        permission.setting.insert("level".to_owned(), json!("settings"));
    }
    seed.permissions[0].setting.insert("groupPermissionId".to_owned(), json!("change-setting-General"));
    server.store.seed(seed, &server.by()).await.unwrap();
}

async fn one_role_gets_and_loses_a_permission(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
    let role = role.as_str().unwrap();
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": role})).await.ok();
    bob.get("roles.getUsersInRole?role=admin").await.forbidden();
    let at = server.clock.advance(1_000).to_string();
    // Twice: what is there already is no mistake.
    for _ in 0..2 {
        one(&admin, "addRole", "access-permissions", role).await.is(200, json!({"success": true}));
        assert_eq!(roles_now(&admin, "access-permissions").await, json!(["admin", role]));
        bob.get("roles.getUsersInRole?role=admin").await.ok();
        let changed = admin.get(&format!("permissions.listAll?updatedSince={at}")).await.ok();
        assert_eq!(changed["update"], json!([]));
        server.clock.advance(1_000);
    }
    for _ in 0..2 {
        one(&admin, "removeRole", "access-permissions", role).await.is(200, json!({"success": true}));
        assert_eq!(roles_now(&admin, "access-permissions").await, json!(["admin"]));
        bob.get("roles.getUsersInRole?role=admin").await.forbidden();
    }
}

async fn changing_one_role_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    plant_setting_permissions(server).await;
    let role = admin.post("roles.create", json!({"name": "keeper"})).await.ok()["role"]["_id"].clone();
    let role = role.as_str().unwrap();
    one(&admin, "addRole", "access-permissions", role).await.ok();
    let carol = server.user_with("carol", &[role]).await;
    let before = admin.get("permissions.listAll").await.text;
    for verb in ["addRole", "removeRole"] {
        one(&bob, verb, "unknown", "unknown").await.forbidden();
        for (body, text) in [
            (json!({}), "must have required property 'permissionId'"),
            (json!({"permissionId": "view-logs"}), "must have required property 'role'"),
            (json!({"permissionId": "view-logs", "role": "user", "x": 1}), "must NOT have additional properties"),
            (json!({"permissionId": {"$ne": 1}, "role": "user"}), "must be string"),
            (json!({"permissionId": "view-logs", "role": ["user"]}), "must be string"),
        ] {
            bob.post(&format!("permissions.{verb}"), body.clone()).await.forbidden();
            carol.post(&format!("permissions.{verb}"), body).await.invalid_params(text);
        }
    }
    let adding = json!({"method": "authorization:addPermissionToRole", "action": "Adding_permission"});
    for permission in ["unknown", ""] {
        let answer = one(&carol, "addRole", permission, "unknown").await;
        answer.refused_with("Permission does not exist", "error-invalid-permission", adding.clone());
        one(&carol, "removeRole", permission, "unknown")
            .await
            .refused("Permission not found", "error-permission-not-found");
    }
    for (permission, unknown) in [("view-logs", "unknown"), ("change-setting-Site_Name", "keeper"), ("view-logs", "")] {
        let answer = one(&carol, "addRole", permission, unknown).await;
        answer.refused_with("Role does not exist", "error-invalid-role", adding.clone());
    }
    let answer = one(&carol, "addRole", "change-setting-Site_Name", "user").await;
    answer.refused_with("Adding permission is not allowed", "error-action-not-allowed", adding);
    let answer = one(&carol, "removeRole", "change-setting-Site_Name", "unknown").await;
    let removing = json!({"method": "authorization:removeRoleFromPermission", "action": "Removing_permission"});
    answer.refused_with("Removing permission is not allowed", "error-action-not-allowed", removing);
    assert_eq!(admin.get("permissions.listAll").await.text, before);
    one(&admin, "addRole", "access-setting-permissions", role).await.ok();
    one(&carol, "addRole", "change-setting-Site_Name", "user").await.ok();
    assert_eq!(roles_now(&carol, "change-setting-General").await, json!(["user"]));
    one(&carol, "removeRole", "change-setting-Site_Name", "user").await.ok();
    for permission in ["change-setting-Site_Name", "change-setting-General"] {
        assert_eq!(roles_now(&carol, permission).await, json!([]));
    }
}

async fn one_role_cannot_lock_everybody_out(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    one(&admin, "removeRole", "access-permissions", "admin").await.refused(LOCKOUT.0, LOCKOUT.1);
    one(&admin, "addRole", "access-permissions", "guest").await.ok();
    one(&admin, "removeRole", "access-permissions", "admin").await.refused(LOCKOUT.0, LOCKOUT.1);
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": "guest"})).await.ok();
    one(&admin, "removeRole", "access-permissions", "admin").await.ok();
    one(&admin, "addRole", "access-permissions", "admin").await.forbidden();
    one(&bob, "addRole", "access-permissions", "admin").await.ok();
}

on_every_store!(
    everybody_sees_every_permission,
    changes_are_told_after_a_date,
    a_date_must_be_one,
    lists_are_replaced_and_all_permissions_answered,
    changing_checks_in_its_order,
    nobody_can_lock_everybody_out,
    one_role_gets_and_loses_a_permission,
    changing_one_role_checks_in_its_order,
    one_role_cannot_lock_everybody_out,
    every_setting_and_every_group_has_its_permission,
);
