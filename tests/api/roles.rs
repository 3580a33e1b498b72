//! `roles.*` but for `roles.delete`, which has a file of its own: what each answers, and what it checks in which order.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, TestServer, without_made_ids};

const NO_SUCH_ROLE: (&str, &str) = ("This role does not exist", "error-invalid-roleId");
const INVALID: (&str, &str) = ("The role properties are invalid.", "error-invalid-role-properties");
const TAKEN: (&str, &str) = ("Role name already exists", "error-duplicate-role-names-not-allowed");
const NO_ACCESS: (&str, &str) = ("Accessing permissions is not allowed", "error-action-not-allowed");

async fn create(admin: &Actor<'_>, body: Value) -> Value {
    admin.post("roles.create", body).await.ok()["role"].clone()
}

async fn create_named(admin: &Actor<'_>, name: &str, scope: &str) -> String {
    create(admin, json!({"name": name, "scope": scope})).await["_id"].as_str().unwrap().to_owned()
}

async fn channel(admin: &Actor<'_>, name: &str, members: &[&str]) -> String {
    let answer = admin.post("channels.create", json!({"name": name, "members": members})).await;
    answer.ok()["channel"]["_id"].as_str().unwrap().to_owned()
}

/// Somebody who may administer roles but not give `admin` away or look into other people's rooms.
async fn keeper<'s>(server: &'s TestServer, admin: &Actor<'_>) -> Actor<'s> {
    let role = create_named(admin, "keeper", "Users").await;
    let grants = json!({"permissions": [{"_id": "access-permissions", "roles": ["admin", role]}]});
    admin.post("permissions.update", grants).await.ok();
    server.user_with("carol", &["user", &role]).await
}

/// Neither a reason nor an `errorType`.
#[track_caller]
fn names_no_role(answer: &Answer) {
    answer.is(400, json!({"success": false, "error": "error-invalid-role-properties"}));
}

async fn everybody_sees_the_list(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    create(&admin, json!({"name": "deputy", "description": "Stands in", "mandatory2fa": true})).await;
    let listed = bob.get("roles.list").await.ok();
    assert_json_snapshot!("roles_list", without_made_ids(listed.clone()));
    assert_eq!(bob.get("roles.list?count=1&query=%7B%22name%22%3A%22admin%22%7D").await.ok(), listed);
}

async fn changes_are_told_since_a_date(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let everything = bob.get("roles.sync").await.ok();
    assert_eq!(everything["roles"]["update"].as_array().unwrap().len(), 12);
    assert_eq!(everything["roles"]["remove"], json!([]));
    let at = server.clock.advance(1_000);
    let role = create(&admin, json!({"name": "deputy"})).await;
    // The very moment counts, the next millisecond does not.
    let expected = json!({"roles": {"update": [role], "remove": []}, "success": true});
    bob.get(&format!("roles.sync?updatedSince={at}")).await.is(200, expected);
    server.clock.advance(1);
    let nothing = json!({"roles": {"update": [], "remove": []}, "success": true});
    let later = format!("roles.sync?updatedSince={}", server.clock.advance(0));
    bob.get(&later).await.is(200, nothing);
}

async fn a_date_must_be_one(server: &TestServer) {
    let bob = server.user("bob").await;
    for date in ["yesterday", "2026-13-01", ""] {
        let answer = bob.get(&format!("roles.sync?updatedSince={date}")).await;
        answer.refused("updatedSince must be a valid date string", "error-invalid-param");
    }
    bob.get("roles.sync?since=2026-01-01").await.invalid_query("must NOT have additional properties");
    bob.get("roles.sync?updatedSince[$gt]=2026-01-01").await.invalid_query("must be string");
}

async fn a_new_role_has_its_defaults(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, json!({"name": "deputy"})).await;
    let id = role["_id"].as_str().unwrap();
    assert_eq!(id.len(), 24);
    let at = server.clock.advance(0).to_string();
    let expected = json!({
        "_id": id, "name": "deputy", "scope": "Users", "description": "", "protected": false, "mandatory2fa": false,
        "_updatedAt": at,
    });
    assert_eq!(role, expected);
}

async fn what_can_be_read_as_meant_is(server: &TestServer) {
    let admin = server.admin().await;
    let role = create(&admin, json!({"name": 5, "description": true, "mandatory2fa": "true"})).await;
    assert_eq!((&role["name"], &role["description"]), (&json!("5"), &json!("true")));
    assert_eq!(role["mandatory2fa"], true);
    let role = create(&admin, json!({"name": "x", "description": null, "mandatory2fa": null})).await;
    assert_eq!((&role["description"], &role["mandatory2fa"]), (&json!(""), &json!(false)));
    assert_eq!(create(&admin, json!({"name": ""})).await["name"], "");
}

async fn creating_checks_the_body_then_the_right_then_the_name(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    for body in [
        json!({}),
        json!([]),
        json!({"name": ["a"]}),
        json!({"name": {"$ne": null}}),
        json!({"name": "a", "scope": "Bad"}),
        json!({"name": "a", "scope": null}),
        json!({"name": "a", "mandatory2fa": "yes"}),
        json!({"name": "a", "protected": true}),
        json!({"name": "a", "_id": "a"}),
    ] {
        bob.post("roles.create", body.clone()).await.refused(INVALID.0, INVALID.1);
        admin.post("roles.create", body).await.refused(INVALID.0, INVALID.1);
    }
    bob.post("roles.create", json!({"name": "admin"})).await.refused(NO_ACCESS.0, NO_ACCESS.1);
    let id = create_named(&admin, "Deputy", "Users").await;
    for taken in ["admin", "Deputy", "deputy", " DEPUTY ", "ＤＥＰＵＴＹ", &id] {
        admin.post("roles.create", json!({"name": taken})).await.refused(TAKEN.0, TAKEN.1);
    }
}

async fn what_an_update_does_not_name_gets_its_default(server: &TestServer) {
    let admin = server.admin().await;
    let body = json!({"name": "deputy", "description": "Stands in", "scope": "Subscriptions", "mandatory2fa": true});
    let role = create(&admin, body).await;
    let at = server.clock.advance(1_000).to_string();
    let updated = admin.post("roles.update", json!({"roleId": role["_id"], "name": "Deputy"})).await;
    let expected = json!({
        "_id": role["_id"], "name": "Deputy", "scope": "Users", "description": "", "protected": false,
        "mandatory2fa": false, "_updatedAt": at,
    });
    updated.is(200, json!({"role": expected, "success": true}));
    let protected = json!({"roleId": "owner", "name": "owner", "scope": "Subscriptions", "description": "Boss"});
    let owner = admin.post("roles.update", protected).await.ok()["role"].clone();
    assert_eq!((&owner["description"], &owner["protected"]), (&json!("Boss"), &json!(true)));
}

async fn updating_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    for body in [json!({}), json!({"roleId": "x"}), json!({"name": "x"}), json!({"roleId": "x", "name": "y", "z": 1})] {
        bob.post("roles.update", body).await.refused(INVALID.0, INVALID.1);
    }
    bob.post("roles.update", json!({"roleId": "unknown", "name": "user"})).await.refused(NO_ACCESS.0, NO_ACCESS.1);
    let update = async |role: &str, name: &str| admin.post("roles.update", json!({"roleId": role, "name": name})).await;
    update("unknown", "user").await.refused(NO_SUCH_ROLE.0, NO_SUCH_ROLE.1);
    // Protected and taken: protection is named.
    update("admin", "user").await.refused("Role is protected", "error-role-protected");
    update("owner", "owner").await.refused("Role is protected", "error-role-protected");
    let id = create_named(&admin, "deputy", "Users").await;
    for taken in ["user", "ADMIN"] {
        update(&id, taken).await.refused(TAKEN.0, TAKEN.1);
    }
    update("deputy", "other").await.refused(NO_SUCH_ROLE.0, NO_SUCH_ROLE.1);
    update(&id, "DEPUTY").await.ok();
    admin.post("roles.delete", json!({"roleId": id})).await.ok();
    update(&id, "deputy").await.refused(NO_SUCH_ROLE.0, NO_SUCH_ROLE.1);
    assert_eq!(admin.get("roles.list").await.ok()["roles"].as_array().unwrap().len(), 12);
}

async fn giving_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let carol = keeper(server, &admin).await;
    let give = async |actor: &Actor<'_>, body: Value| actor.post("roles.addUserToRole", body).await;
    let room = channel(&admin, "general-talk", &["carol"]).await;

    for (body, text) in [
        (json!({}), "must have required property 'username'"),
        (json!({"username": "bob", "roleName": "user"}), "must NOT have additional properties"),
        (json!({"username": {"$ne": 1}}), "must be string"),
        (json!({"username": "bob", "roleId": {"$ne": 1}}), "must be string"),
        (json!({"username": "bob", "roleId": "user", "roomId": ["x"]}), "must be string"),
    ] {
        give(&bob, body).await.invalid_params(text);
    }
    let not_named = ("The required \"userId\" or \"username\" param was not provided", "error-user-param-not-provided");
    give(&bob, json!({"username": " \t"})).await.refused(not_named.0, not_named.1);
    give(&bob, json!({"username": ""})).await.refused(not_named.0, not_named.1);
    let unknown =
        ("The required \"userId\" or \"username\" param provided does not match any users", "error-invalid-user");
    give(&bob, json!({"username": "nobody"})).await.refused(unknown.0, unknown.1);
    for body in [
        json!({"username": "BOB"}),
        json!({"username": "bob", "roleId": ""}),
        json!({"username": "bob", "roleId": null}),
    ] {
        names_no_role(&give(&bob, body).await);
    }
    // By id alone, and with the two values swapped.
    for role in ["unknown", "Deputy", "keeper", "User"] {
        let body = json!({"success": false, "error": "error-role-not-found", "errorType": "Role not found"});
        give(&bob, json!({"username": "bob", "roleId": role})).await.is(400, body);
    }
    let held = ("User already in role", "error-user-already-in-role");
    give(&bob, json!({"username": "Bob", "roleId": "user"})).await.refused(held.0, held.1);
    give(&bob, json!({"username": "root", "roleId": "owner", "roomId": room})).await.refused(held.0, held.1);
    let details = |action: &str| json!({"method": "authorization:addUserToRole", "action": action});
    for body in
        [json!({"username": "bob", "roleId": "admin"}), json!({"username": "bob", "roleId": "owner", "roomId": room})]
    {
        give(&bob, body).await.refused_with(NO_ACCESS.0, NO_ACCESS.1, details("Accessing_permissions"));
    }
    let assigning = ("Assigning admin is not allowed", "error-action-not-allowed");
    let answer = give(&carol, json!({"username": "bob", "roleId": "admin", "roomId": "nowhere"})).await;
    answer.refused_with(assigning.0, assigning.1, details("Assign_admin"));
    for room in [room.as_str(), "nowhere", "GENERAL"] {
        let answer = give(&carol, json!({"username": "bob", "roleId": "moderator", "roomId": room})).await;
        answer.refused("User is not part of given room", "error-invalid-user");
    }
}

async fn a_role_is_given_on_the_account_or_in_the_room(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let room = channel(&admin, "talk", &["bob"]).await;
    let give = async |role: &str, room: Option<&str>| {
        admin.post("roles.addUserToRole", json!({"username": "BOB", "roleId": role, "roomId": room})).await
    };
    let guest = admin.get("roles.sync").await.ok()["roles"]["update"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["_id"] == "guest")
        .cloned()
        .unwrap();
    give("guest", None).await.is(200, json!({"role": guest, "success": true}));
    // A role of the workspace is one whatever room is named.
    give("bot", Some(&room)).await.ok();
    give("bot", None).await.refused("User already in role", "error-user-already-in-role");
    give("moderator", Some(&room)).await.ok();
    give("moderator", Some(&room)).await.refused("User already in role", "error-user-already-in-role");
    assert_eq!(bob.get("me").await.ok()["roles"], json!(["user", "guest", "bot"]));
    // Without a room nobody has a room role, so it can be given again and again; it is there once.
    give("leader", None).await.ok();
    give("leader", None).await.ok();
    assert_eq!(bob.get("me").await.ok()["roles"], json!(["user", "guest", "bot", "leader"]));
    let info = admin.get("users.info?username=bob&includeUserRooms=true").await.ok();
    assert_eq!(info["user"]["rooms"][0]["roles"], json!(["moderator"]));
}

async fn a_given_role_counts_at_once(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    bob.get("roles.getUsersInRole?role=admin").await.forbidden();
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": "admin"})).await.ok();
    bob.get("roles.getUsersInRole?role=admin").await.ok();
    admin.post("roles.removeUserFromRole", json!({"username": "bob", "roleId": "admin"})).await.ok();
    bob.get("roles.getUsersInRole?role=admin").await.forbidden();
}

async fn taking_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let take = async |body: Value| admin.post("roles.removeUserFromRole", body).await;
    bob.post("roles.removeUserFromRole", json!({})).await.forbidden();
    take(json!({})).await.invalid_params("must have required property 'username'");
    take(json!({"username": "bob", "roleName": "user"})).await.invalid_params("must NOT have additional properties");
    take(json!({"username": "bob", "scope": {"$ne": 1}})).await.invalid_params("must be string");
    names_no_role(&take(json!({"username": "nobody"})).await);
    names_no_role(&take(json!({"username": "", "roleId": ""})).await);
    for stranger in ["nobody", "BOB", ""] {
        let answer = take(json!({"username": stranger, "roleId": "unknown"})).await;
        answer.refused("There is no user with this username", "error-invalid-user");
    }
    take(json!({"username": "bob", "roleId": "unknown"})).await.refused(NO_SUCH_ROLE.0, NO_SUCH_ROLE.1);
    for body in [
        json!({"username": "bob", "roleId": "admin"}),
        json!({"username": "bob", "roleId": "owner"}),
        json!({"username": "bob", "roleId": "owner", "scope": "GENERAL"}),
    ] {
        take(body).await.refused("User is not in this role", "error-user-not-in-role");
    }
}

async fn a_role_is_taken_from_the_account_or_in_the_room(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let room = channel(&admin, "talk", &["bob"]).await;
    let body = json!({"username": "bob", "roleId": "moderator", "roomId": room});
    admin.post("roles.addUserToRole", body.clone()).await.ok();
    // The room is called `scope` here; `roomId` is accepted and means nothing.
    let answer = admin.post("roles.removeUserFromRole", body).await;
    answer.refused("User is not in this role", "error-user-not-in-role");
    let body = json!({"username": "bob", "roleId": "moderator", "scope": room});
    let moderator = admin.post("roles.removeUserFromRole", body.clone()).await.ok()["role"].clone();
    assert_eq!((&moderator["_id"], &moderator["scope"]), (&json!("moderator"), &json!("Subscriptions")));
    assert!(moderator["_updatedAt"].is_string());
    let answer = admin.post("roles.removeUserFromRole", body).await;
    answer.refused("User is not in this role", "error-user-not-in-role");
    admin.post("roles.removeUserFromRole", json!({"username": "bob", "roleId": "user", "scope": room})).await.ok();
    assert_eq!(bob.get("me").await.ok()["roles"], json!([]));
}

async fn the_last_administrator_stays_one(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let take =
        async |name: &str| admin.post("roles.removeUserFromRole", json!({"username": name, "roleId": "admin"})).await;
    let (reason, code) = ("You need to have at least one admin", "error-admin-required");
    take("root").await.refused_with(reason, code, json!({"users": 1, "names": ["root"]}));
    // An administrator who cannot log in does not count.
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": "admin"})).await.ok();
    admin.post("users.setActiveStatus", json!({"userId": bob.id(), "activeStatus": false})).await.ok();
    take("root").await.refused_with(reason, code, json!({"users": 2, "names": ["bob", "root"]}));
    take("bob").await.ok();
    assert_eq!(admin.get("me").await.ok()["roles"], json!(["admin"]));
}

async fn asking_for_holders_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let carol = keeper(server, &admin).await;
    let ask = async |query: &str| carol.get(&format!("roles.getUsersInRole{query}")).await;
    bob.get("roles.getUsersInRole").await.forbidden();
    ask("").await.invalid_query("must have required property 'role'");
    ask("?role=admin&fields=x").await.invalid_query("must NOT have additional properties");
    ask("?role=admin&count=x").await.invalid_query("must be number");
    ask("?role[$ne]=x").await.invalid_query("must be string");
    ask("?role=&roomId=x").await.refused("Query param \"role\" is required", "error-param-not-provided");
    ask("?role=unknown&roomId=x").await.refused("Not allowed", "error-not-allowed");
    ask("?role=unknown").await.refused("", "error-invalid-roleId");
    // By id, not by name.
    ask("?role=keeper").await.refused("", "error-invalid-roleId");
    admin.get("roles.getUsersInRole?role=unknown&roomId=x").await.refused("", "error-invalid-roleId");
}

async fn holders_are_listed_by_username(server: &TestServer) {
    let admin = server.admin().await;
    server.user("bob").await;
    let answer = admin.get("roles.getUsersInRole?role=user&sort=%7B%22name%22%3A1%7D&query=%7B%7D").await.ok();
    assert_json_snapshot!("holders", without_made_ids(answer));
    for name in ["dan", "amy", "carol"] {
        server.user(name).await;
    }
    let page = async |query: &str| {
        let answer = admin.get(&format!("roles.getUsersInRole?role=user{query}")).await.ok();
        let keys: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["users", "total", "success"]);
        let names =
            answer["users"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>().join(" "), answer["total"].clone())
    };
    for (query, names) in [
        ("", "amy bob carol dan"),
        ("&count=2", "amy bob"),
        ("&count=2&offset=1", "bob carol"),
        ("&offset=3", "dan"),
        ("&offset=4", ""),
        ("&count=0", "amy bob carol dan"),
        ("&count=1000&offset=0", "amy bob carol dan"),
    ] {
        assert_eq!(page(query).await, (names.to_owned(), json!(4)), "{query}");
    }
}

async fn holders_in_rooms_are_listed_once(server: &TestServer) {
    let admin = server.admin().await;
    for name in ["bob", "amy"] {
        server.user(name).await;
    }
    let (one, two) = (channel(&admin, "one", &["bob", "amy"]).await, channel(&admin, "two", &["bob"]).await);
    for (name, room) in [("bob", &one), ("bob", &two), ("amy", &one)] {
        let body = json!({"username": name, "roleId": "moderator", "roomId": room});
        admin.post("roles.addUserToRole", body).await.ok();
    }
    for (query, names) in [
        (String::new(), vec!["amy", "bob"]),
        (format!("&roomId={one}"), vec!["amy", "bob"]),
        (format!("&roomId={two}"), vec!["bob"]),
        ("&roomId=nowhere".to_owned(), vec![]),
    ] {
        let answer = admin.get(&format!("roles.getUsersInRole?role=moderator{query}")).await.ok();
        let listed: Vec<_> = answer["users"].as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
        assert_eq!((json!(listed), &answer["total"]), (json!(names), &json!(names.len())), "{query}");
    }
}

on_every_store!(
    everybody_sees_the_list,
    changes_are_told_since_a_date,
    a_date_must_be_one,
    a_new_role_has_its_defaults,
    what_can_be_read_as_meant_is,
    creating_checks_the_body_then_the_right_then_the_name,
    what_an_update_does_not_name_gets_its_default,
    updating_checks_in_its_order,
    giving_checks_in_its_order,
    a_role_is_given_on_the_account_or_in_the_room,
    a_given_role_counts_at_once,
    taking_checks_in_its_order,
    a_role_is_taken_from_the_account_or_in_the_room,
    the_last_administrator_stays_one,
    asking_for_holders_checks_in_its_order,
    holders_are_listed_by_username,
    holders_in_rooms_are_listed_once,
);
