//! `users.*`: making accounts, what of them who sees, and switching them on and off.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, TestServer, without_made_ids};

/// A body that is accepted, with some fields replaced or added.
fn account(changes: Value) -> Value {
    let mut body = json!({"username": "bob", "name": "Bob", "email": "bob@example.org", "password": "secret"});
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

async fn create(actor: &Actor<'_>, changes: Value) -> Answer {
    actor.post("users.create", account(changes)).await
}

fn saving(key: &str, value: &str) -> Value {
    json!({"method": "insertOrUpdateUser", key: value})
}

const NOT_ALLOWED: &str = "error-action-not-allowed";

async fn a_new_account_is_answered_and_works(server: &TestServer) {
    let admin = server.admin().await;
    let created = create(&admin, json!({"verified": true, "sendWelcomeEmail": true})).await;
    assert!(!created.text.contains("bcrypt") && !created.text.contains("$2b$"), "{}", created.text);
    let created = created.ok();
    assert_json_snapshot!("users_create", without_made_ids(created.clone()));
    assert_eq!(created["user"]["_id"].as_str().unwrap().len(), 17);
    let login = server.anonymous().post("login", json!({"user": "bob", "password": "secret"})).await.ok();
    assert_eq!(login["data"]["userId"], created["user"]["_id"]);
    let rooms = admin.get("users.info?username=bob&includeUserRooms=true").await.ok()["user"]["rooms"].clone();
    assert_eq!((rooms.as_array().unwrap().len(), &rooms[0]["rid"]), (1, &json!("GENERAL")));
}

async fn roles_are_exactly_those_asked_for(server: &TestServer) {
    let admin = server.admin().await;
    let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
    let fields = json!({"roles": [role, "guest", role], "joinDefaultChannels": false, "active": false});
    let user = create(&admin, fields).await.ok()["user"].clone();
    assert_eq!((&user["roles"], &user["active"]), (&json!([role, "guest"]), &json!(false)));
    let info = admin.get("users.info?username=bob&includeUserRooms=true").await.ok()["user"].clone();
    assert_eq!((&info["rooms"], &info["roles"]), (&json!([]), &json!([role, "guest"])));
    let none = create(&admin, json!({"username": "amy", "email": "amy@example.org", "roles": []})).await.ok();
    assert_eq!(none["user"]["roles"], json!([]));
}

async fn a_random_password_opens_nothing_that_was_sent(server: &TestServer) {
    let admin = server.admin().await;
    create(&admin, json!({"password": "", "setRandomPassword": true})).await.ok();
    for password in ["", "secret"] {
        let answer = server.anonymous().post("login", json!({"user": "bob", "password": password})).await;
        assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("Unauthorized")));
    }
}

async fn creating_checks_in_its_order(server: &TestServer) {
    let admin = server.admin().await;
    let plain = server.user("plain").await;
    for (body, text) in [
        (json!({}), "must have required property 'email'"),
        (json!({"email": "a@b"}), "must have required property 'name'"),
        (account(json!({"services": {}})), "must NOT have additional properties"),
        (account(json!({"username": {"$ne": null}})), "must be string"),
        (account(json!({"email": ["a@b"]})), "must be string"),
        (account(json!({"roles": "admin"})), "must be array"),
        (account(json!({"roles": [{"$ne": null}]})), "must be string"),
        (account(json!({"customFields": "x"})), "must be object"),
        (account(json!({"customFields": null})), "must be object"),
    ] {
        plain.post("users.create", body.clone()).await.invalid_params(text);
        admin.post("users.create", body).await.invalid_params(text);
    }
    let markup = json!({"success": false, "error": "Name contains invalid characters"});
    for name in ["<b>", "a>b", "a/b", "a\\b"] {
        create(&plain, json!({"name": name})).await.is(400, markup.clone());
    }
    let names = "Names of custom fields must not be empty, begin with $, or contain a dot or a zero byte";
    for fields in [json!({"": 1}), json!({"$where": "1"}), json!({"a.b": 1}), json!({"a": [{"$ne": 1}]})] {
        let answer = create(&plain, json!({"customFields": fields, "roles": ["unknown"]})).await;
        answer.refused(names, "error-user-registration-custom-field");
    }
    let answer = create(&plain, json!({"roles": ["unknown"], "username": ""})).await;
    answer.refused_with("Adding user is not allowed", NOT_ALLOWED, saving("action", "Adding_user"));
    let answer = create(&admin, json!({"roles": ["user", "unknown"], "username": ""})).await;
    answer.refused_with("The field Roles consist invalid role id", NOT_ALLOWED, saving("action", "Assign_role"));
    // One after the other: each body has the faults of all later ones as well.
    let required = "error-the-field-is-required";
    let broken = json!({"name": " ", "username": " ", "password": "", "email": "x"});
    let answer = create(&admin, broken).await;
    answer.refused_with("The field Name is required", required, saving("field", "Name"));
    let answer = create(&admin, json!({"username": " ", "password": "", "email": "x"})).await;
    answer.refused_with("The field Username is required", required, saving("field", "Username"));
    let details = json!({"method": "insertOrUpdateUser", "input": "a b&'c", "field": "Username"});
    let answer = create(&admin, json!({"username": "a b&'c", "password": "", "email": "x"})).await;
    answer.refused_with("a b&amp;&#x27;c is not a valid username", "error-input-is-not-a-valid-field", details);
    let answer = create(&admin, json!({"password": "", "email": "x"})).await;
    answer.refused_with("The field Password is required", required, saving("field", "Password"));
    let answer = create(&admin, json!({"email": "<x>", "username": "admin"})).await;
    answer.refused_with("Invalid email &lt;x&gt;", "error-invalid-email", saving("field", "Email"));
    for name in ["admin", "Administrator", "SYSTEM", "user"] {
        let reason = format!("{name} is blocked and can't be used!");
        let answer = create(&admin, json!({"username": name})).await;
        answer.refused_with(&reason, "error-blocked-username", saving("field", "Username"));
    }
    for (changes, value, field) in [
        (json!({"username": "plain"}), "plain", "Username"),
        (json!({"username": "PLAIN", "email": "plain@example.org"}), "PLAIN", "Username"),
        (json!({"email": "plain@example.org"}), "plain@example.org", "Email"),
        (json!({"email": "Plain@Example.org"}), "Plain@Example.org", "Email"),
    ] {
        let reason = format!("{value} is already in use :(");
        create(&admin, changes).await.refused_with(&reason, "error-field-unavailable", saving("field", field));
    }
    assert_eq!(server.store.count_people(10).await.unwrap(), 2);
}

async fn only_who_may_assign_admin_makes_administrators(server: &TestServer) {
    let admin = server.admin().await;
    let role = admin.post("roles.create", json!({"name": "clerk"})).await.ok()["role"]["_id"].clone();
    let grants = json!({"permissions": [{"_id": "create-user", "roles": ["admin", role]}]});
    admin.post("permissions.update", grants).await.ok();
    let clerk = server.user_with("clerk", &[role.as_str().unwrap()]).await;
    let answer = create(&clerk, json!({"roles": ["user", "admin"], "name": ""})).await;
    answer.refused_with("Assigning admin is not allowed", NOT_ALLOWED, saving("action", "Assign_admin"));
    create(&clerk, json!({"roles": ["user"]})).await.ok();
    create(&admin, json!({"username": "amy", "email": "amy@example.org", "roles": ["admin"]})).await.ok();
}

async fn a_workspace_decides_about_names_and_roles(server: &TestServer) {
    let admin = server.admin().await;
    let user = create(&admin, json!({"username": "7", "name": ""})).await.ok()["user"].clone();
    assert_eq!((&user["username"], &user["roles"]), (&json!("7"), &json!(["guest", "bot"])));
    let details = json!({"method": "insertOrUpdateUser", "input": "bob", "field": "Username"});
    let answer = create(&admin, json!({"email": "b@example.org"})).await;
    answer.refused_with("bob is not a valid username", "error-input-is-not-a-valid-field", details);
    let answer = create(&admin, json!({"username": "13", "email": "b@example.org"})).await;
    let reason = "13 is blocked and can't be used!";
    answer.refused_with(reason, "error-blocked-username", saving("field", "Username"));
}

async fn everybody_sees_as_much_as_he_may(server: &TestServer) {
    let admin = server.admin().await;
    let body = json!({
        "bio": "Gardener", "nickname": "Bobby", "customFields": {"team": "green"}, "statusText": "away",
        "requirePasswordChange": true,
    });
    create(&admin, body).await.ok();
    let (bob, amy) = (server.session_of("bob").await, server.user("amy").await);
    for (viewer, name) in
        [(&amy, "info_for_everybody"), (&admin, "info_for_administrators"), (&bob, "info_for_oneself")]
    {
        let info = viewer.get("users.info?username=Bob").await.ok();
        assert_json_snapshot!(name, without_made_ids(info.clone()));
        assert_eq!(viewer.get(&format!("users.info?userId={}", bob.id())).await.ok(), info);
    }
    let rooms = "users.info?username=bob&includeUserRooms=true";
    assert_eq!(amy.get(rooms).await.ok()["user"].get("rooms"), None);
    for viewer in [&admin, &bob] {
        let info = viewer.get(rooms).await.ok();
        assert_json_snapshot!("info_with_rooms", without_made_ids(info["user"]["rooms"].clone()));
    }
    assert_eq!(bob.get("users.info?username=bob&includeUserRooms=false").await.ok()["user"].get("rooms"), None);
}

async fn nobody_is_found_without_a_name(server: &TestServer) {
    let admin = server.admin().await;
    let text = |text: &str| json!({"success": false, "error": text});
    for query in ["", "?", "?userId=", "?username=", "?name=root"] {
        admin.get(&format!("users.info{query}")).await.is(400, text("Invalid search query."));
    }
    for query in ["?userId=root", "?username=nobody", "?importId=7", "?userId=nobody&username=root", "?userId=%20"] {
        admin.get(&format!("users.info{query}")).await.is(400, text("User not found."));
    }
    admin.get("users.info?username[$ne]=x").await.invalid_query("must be string");
}

async fn switch(actor: &Actor<'_>, user: &str, active: bool) -> Answer {
    actor.post("users.setActiveStatus", json!({"userId": user, "activeStatus": active})).await
}

async fn switching_off_ends_every_token_at_once(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let personal = server.plant_personal_token(bob.id()).await;
    let (second, third) = (server.session_of("bob").await, server.with(bob.id(), personal.expose()));
    let answer = |active: bool| json!({"user": {"_id": bob.id(), "active": active}, "success": true});
    switch(&admin, bob.id(), false).await.is(200, answer(false));
    for session in [&bob, &second, &third] {
        session.get("me").await.unauthenticated();
    }
    switch(&admin, bob.id(), false).await.is(200, answer(false));
    switch(&admin, bob.id(), true).await.is(200, answer(true));
    for session in [&bob, &second, &third] {
        session.get("me").await.unauthenticated();
    }
    assert_eq!(server.session_of("bob").await.get("me").await.ok()["roles"], json!(["user"]));
}

async fn switching_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    bob.post("users.setActiveStatus", json!({})).await.forbidden();
    for (body, text) in [
        (json!({}), "must have required property 'userId'"),
        (json!({"userId": "x"}), "must have required property 'activeStatus'"),
        (json!({"userId": {"$ne": 1}, "activeStatus": false}), "must be string"),
        (json!({"userId": "x", "activeStatus": "maybe"}), "must be boolean"),
        (json!({"userId": "x", "activeStatus": true, "y": 1}), "must NOT have additional properties"),
    ] {
        admin.post("users.setActiveStatus", body).await.invalid_params(text);
    }
    for nobody in ["nobodyNobodyNob23", "", "bob"] {
        switch(&admin, nobody, false).await.refused("Invalid user", "error-invalid-user");
    }
    let details = json!({"method": "removeUserFromRole", "action": "Remove_last_admin"});
    let reason = "Leaving the app without an active admin is not allowed";
    switch(&admin, admin.id(), false).await.refused_with(reason, NOT_ALLOWED, details);
    admin.get("me").await.ok();
    let second = server.user_with("second", &["admin"]).await;
    switch(&second, admin.id(), false).await.ok();
    admin.get("me").await.unauthenticated();
}

async fn moderators_of_people_may_switch_too(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let role = admin.post("roles.create", json!({"name": "watch"})).await.ok()["role"]["_id"].clone();
    let watch = server.user_with("watch", &[role.as_str().unwrap()]).await;
    for permission in ["manage-moderation-actions", "edit-other-user-active-status"] {
        switch(&watch, bob.id(), false).await.forbidden();
        let grants = |roles: Value| json!({"permissions": [{"_id": permission, "roles": roles}]});
        admin.post("permissions.update", grants(json!(["admin", role]))).await.ok();
        switch(&watch, bob.id(), false).await.ok();
        admin.post("permissions.update", grants(json!(["admin"]))).await.ok();
    }
}

async fn a_room_does_not_lose_its_only_owner_unasked(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    server.user("amy").await;
    bob.post("channels.create", json!({"name": "alone"})).await.ok();
    bob.post("channels.create", json!({"name": "shared", "members": ["amy"]})).await.ok();
    let details = json!({"shouldBeRemoved": ["alone"], "shouldChangeOwner": ["shared"]});
    switch(&admin, bob.id(), false).await.refused_with("", "user-last-owner", details);
    bob.get("me").await.ok();
    let body = json!({"userId": bob.id(), "activeStatus": false, "confirmRelinquish": true});
    admin.post("users.setActiveStatus", body).await.ok();
    let rooms = admin.get("users.info?username=amy&includeUserRooms=true").await.ok()["user"]["rooms"].clone();
    assert_eq!((&rooms[0]["name"], &rooms[0]["roles"]), (&json!("shared"), &json!(["owner"])));
}

on_every_store!(
    a_new_account_is_answered_and_works,
    roles_are_exactly_those_asked_for,
    a_random_password_opens_nothing_that_was_sent,
    creating_checks_in_its_order,
    only_who_may_assign_admin_makes_administrators,
    everybody_sees_as_much_as_he_may,
    nobody_is_found_without_a_name,
    switching_off_ends_every_token_at_once,
    switching_checks_in_its_order,
    moderators_of_people_may_switch_too,
    a_room_does_not_lose_its_only_owner_unasked,
);

on_every_store!(
    settings,
    "OVERWRITE_SETTING_UTF8_User_Names_Validation" = "[0-9]+",
    "OVERWRITE_SETTING_Accounts_RequireNameForSignUp" = "false",
    "OVERWRITE_SETTING_Accounts_BlockedUsernameList" = "12, 13",
    "OVERWRITE_SETTING_Accounts_Registration_Users_Default_Roles" = "guest, nowhere,bot";
    a_workspace_decides_about_names_and_roles,
);
