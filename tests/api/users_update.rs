//! `users.update`, `users.updateOwnBasicInfo`, and what people prefer.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::server::{Actor, Answer, PASSWORD, Start, TestServer};
use crate::support::stores::Backend;

const NOT_ALLOWED: &str = "error-action-not-allowed";

fn saving(key: &str, value: &str) -> Value {
    json!({"method": "insertOrUpdateUser", key: value})
}

fn digest(password: &str) -> String {
    Sha256::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn update(actor: &Actor<'_>, user: &str, data: Value) -> Answer {
    actor.post("users.update", json!({"userId": user, "data": data})).await
}

async fn own(actor: &Actor<'_>, data: Value) -> Answer {
    actor.post("users.updateOwnBasicInfo", json!({"data": data})).await
}

/// A new role that has these permissions beside the administrators.
async fn role_with(admin: &Actor<'_>, permissions: &[&str]) -> String {
    let role = admin.post("roles.create", json!({"name": permissions.join(" ")})).await.ok()["role"]["_id"].clone();
    for permission in permissions {
        admin.post("permissions.addRole", json!({"permissionId": permission, "role": role})).await.ok();
    }
    role.as_str().unwrap().to_owned()
}

async fn log_in(server: &TestServer, user: &str, password: &str) -> u16 {
    server.anonymous().post("login", json!({"user": user, "password": password})).await.status
}

async fn an_update_changes_what_it_names(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let data = json!({
        "name": "Robert", "email": "robert@example.org", "verified": true, "bio": "b", "nickname": "Bobby",
        "statusText": "here", "roles": ["guest", "user"], "customFields": {"team": "green"}, "sendWelcomeEmail": false,
        "requirePasswordChange": true, "username": "robert",
    });
    let answer = update(&admin, bob.id(), data).await;
    assert!(!answer.text.contains("$2b$"), "{}", answer.text);
    let user = answer.ok()["user"].clone();
    assert_eq!(
        (&user["_id"], &user["username"], &user["name"]),
        (&json!(bob.id()), &json!("robert"), &json!("Robert"))
    );
    assert_eq!(user["emails"], json!([{"address": "robert@example.org", "verified": true}]));
    assert_eq!((&user["roles"], &user["customFields"]), (&json!(["guest", "user"]), &json!({"team": "green"})));
    // Only what is sent changes, and an empty text takes one away.
    let data = json!({"bio": "", "customFields": {"desk": 3}, "name": null, "requirePasswordChange": false});
    let user = update(&admin, bob.id(), data).await.ok()["user"].clone();
    assert_eq!((&user["name"], &user["nickname"], user.get("bio")), (&json!("Robert"), &json!("Bobby"), None));
    assert_eq!(user["customFields"], json!({"team": "green", "desk": 3}));
    assert_eq!((&user["statusText"], &user["requirePasswordChange"]), (&json!("here"), &json!(false)));
    assert_eq!(bob.get("me").await.ok()["username"], "robert");
    assert_eq!(update(&admin, bob.id(), json!({})).await.ok()["user"], user);
}

async fn updating_checks_in_its_order(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let amy = server.user("amy").await;
    for (body, text) in [
        (json!({}), "must have required property 'userId'"),
        (json!({"userId": "x"}), "must have required property 'data'"),
        (json!({"userId": "x", "data": []}), "must be object"),
        (json!({"userId": {"$ne": 1}, "data": {}}), "must be string"),
        (json!({"userId": "x", "data": {"services": {}}}), "must NOT have additional properties"),
        (json!({"userId": "x", "data": {"username": {"$ne": 1}}}), "must be string"),
        (json!({"userId": "x", "data": {"roles": "admin"}}), "must be array"),
    ] {
        bob.post("users.update", body.clone()).await.invalid_params(text);
        admin.post("users.update", body).await.invalid_params(text);
    }
    // Each has the faults of all later ones as well.
    let wrong = |changes: Value| {
        let mut data = json!({"name": "", "username": "admin", "email": "x", "roles": ["unknown"], "active": false});
        for (field, value) in changes.as_object().unwrap() {
            data[field] = value.clone();
        }
        data
    };
    let markup = json!({"success": false, "error": "Name contains invalid characters"});
    update(&bob, amy.id(), wrong(json!({"name": "<b>"}))).await.is(400, markup);
    let answer = update(&bob, amy.id(), wrong(json!({}))).await;
    answer.refused_with("Editing user is not allowed", NOT_ALLOWED, saving("action", "Editing_user"));
    let answer = update(&bob, "nobodyNobodyNob23", wrong(json!({}))).await;
    answer.refused_with("Editing user is not allowed", NOT_ALLOWED, saving("action", "Editing_user"));
    let answer = update(&bob, bob.id(), wrong(json!({"verified": true}))).await;
    answer.refused_with("Editing email verification is not allowed", NOT_ALLOWED, saving("action", "Editing_user"));
    let answer = update(&bob, bob.id(), wrong(json!({}))).await;
    answer.refused_with("The field Roles consist invalid role id", NOT_ALLOWED, saving("action", "Assign_role"));
    let answer = update(&bob, bob.id(), wrong(json!({"roles": ["user", "admin"]}))).await;
    answer.refused_with("Assigning admin is not allowed", NOT_ALLOWED, saving("action", "Assign_admin"));
    let answer = update(&bob, bob.id(), wrong(json!({"roles": ["guest"]}))).await;
    answer.refused_with("Assign roles is not allowed", NOT_ALLOWED, saving("action", "Assign_role"));
    for nobody in ["nobodyNobodyNob23", "bob"] {
        let answer = update(&admin, nobody, wrong(json!({"roles": ["guest"]}))).await;
        answer.refused("Invalid user", "error-invalid-user");
    }
    update(&admin, "", wrong(json!({}))).await.invalid_params("must NOT have fewer than 1 characters");
    // The same roles in another order are no change of them.
    let same = wrong(json!({"roles": ["user", "user"]}));
    let required = "error-the-field-is-required";
    update(&bob, bob.id(), same).await.refused_with("The field Name is required", required, saving("field", "Name"));
    let answer = update(&bob, bob.id(), json!({"username": " ", "email": "x", "active": true})).await;
    answer.refused_with("The field Username is required", required, saving("field", "Username"));
    let details = json!({"method": "insertOrUpdateUser", "input": "a b", "field": "Username"});
    let answer = update(&bob, bob.id(), json!({"username": "a b", "email": "x", "active": true})).await;
    answer.refused_with("a b is not a valid username", "error-input-is-not-a-valid-field", details);
    let answer = update(&bob, bob.id(), json!({"username": "admin", "email": "<x>", "active": true})).await;
    answer.refused_with("Invalid email &lt;x&gt;", "error-invalid-email", saving("field", "Email"));
    let answer = update(&bob, bob.id(), json!({"username": "admin", "active": true})).await;
    let details = json!({"method": "insertOrUpdateUser"});
    answer.refused_with("Could not save user identity", "error-could-not-save-identity", details);
    let answer = update(&bob, bob.id(), json!({"username": "AMY", "active": true})).await;
    answer.refused_with("Not allowed", "error-not-allowed", json!({"method": "setUserActiveStatus"}));
    for (data, value, field) in [
        (json!({"username": "AMY", "email": "root@example.org"}), "AMY", "Username"),
        (json!({"username": "bobby", "email": "Amy@example.org"}), "Amy@example.org", "Email"),
    ] {
        let reason = format!("{value} is already in use :(");
        update(&bob, bob.id(), data).await.refused_with(&reason, "error-field-unavailable", saving("field", field));
    }
    let long = json!({"username": "u".repeat(257)});
    let answer = update(&bob, bob.id(), long).await;
    let reason = "The field Username is too long";
    answer.refused_with(reason, "error-input-is-not-a-valid-field", saving("field", "Username"));
    let names = "Names of custom fields must not be empty, begin with $, or contain a dot or a zero byte";
    let answer = update(&bob, bob.id(), json!({"customFields": {"$set": 1}})).await;
    answer.refused(names, "error-user-registration-custom-field");
    assert_eq!(bob.get("me").await.ok()["name"], "The bob");
}

async fn admin_is_given_and_taken_by_whoever_may_assign_it(server: &TestServer) {
    let admin = server.admin().await;
    let clerk = role_with(&admin, &["edit-other-user-info", "assign-roles"]).await;
    let clerk = server.user_with("clerk", &[&clerk]).await;
    let (second, bob) = (server.user_with("second", &["admin"]).await, server.user("bob").await);
    for (user, roles) in
        [(bob.id(), json!(["user", "admin"])), (second.id(), json!(["user"])), (second.id(), json!([]))]
    {
        let answer = update(&clerk, user, json!({"roles": roles})).await;
        answer.refused_with("Assigning admin is not allowed", NOT_ALLOWED, saving("action", "Assign_admin"));
    }
    assert_eq!(update(&clerk, bob.id(), json!({"roles": []})).await.ok()["user"]["roles"], json!([]));
    update(&admin, second.id(), json!({"roles": ["user"]})).await.ok();
    let details = json!({"method": "removeUserFromRole", "action": "Remove_last_admin"});
    let reason = "Leaving the app without an active admin is not allowed";
    for data in [json!({"roles": ["user"]}), json!({"active": false})] {
        update(&admin, admin.id(), data).await.refused_with(reason, NOT_ALLOWED, details.clone());
    }
    let lockout = json!({"permissions": [{"_id": "access-permissions", "roles": ["admin", "guest"]}]});
    admin.post("permissions.update", lockout).await.ok();
    assert_eq!(admin.get("me").await.ok()["roles"], json!(["admin"]));
}

async fn a_password_is_set_by_whoever_may_and_ends_sessions(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let editor = role_with(&admin, &["edit-other-user-info"]).await;
    let editor = server.user_with("editor", &[&editor]).await;
    update(&editor, bob.id(), json!({"password": "new", "bio": "b"})).await.ok();
    bob.get("me").await.ok();
    assert_eq!((log_in(server, "bob", "new").await, log_in(server, "bob", PASSWORD).await), (401, 200));
    update(&admin, bob.id(), json!({"password": "new"})).await.ok();
    bob.get("me").await.unauthenticated();
    assert_eq!((log_in(server, "bob", "new").await, log_in(server, "bob", PASSWORD).await), (200, 401));
    let data = json!({"setRandomPassword": true});
    assert_eq!(update(&admin, bob.id(), data).await.ok()["user"]["requirePasswordChange"], true);
    assert_eq!(log_in(server, "bob", "new").await, 401);
    // Who sets his own stays in.
    let other = server.admin().await;
    update(&admin, admin.id(), json!({"password": "mine"})).await.ok();
    admin.get("me").await.ok();
    other.get("me").await.unauthenticated();
}

async fn an_update_switches_accounts_as_the_switch_does(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    bob.post("channels.create", json!({"name": "alone"})).await.ok();
    let details = json!({"shouldBeRemoved": ["alone"], "shouldChangeOwner": []});
    let off = json!({"active": false, "name": "Gone"});
    update(&admin, bob.id(), off.clone()).await.refused_with("", "user-last-owner", details);
    assert_eq!(bob.get("me").await.ok()["name"], "The bob");
    let body = json!({"userId": bob.id(), "data": off, "confirmRelinquish": true});
    let user = admin.post("users.update", body).await.ok()["user"].clone();
    assert_eq!((&user["active"], &user["name"]), (&json!(false), &json!("Gone")));
    bob.get("me").await.unauthenticated();
    assert_eq!(update(&admin, bob.id(), json!({"active": true})).await.ok()["user"]["active"], true);
}

async fn people_change_what_the_workspace_lets_them(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    for (setting, data, field) in [
        ("Accounts_AllowPasswordChange", json!({"password": "x"}), "user password"),
        ("Accounts_AllowEmailChange", json!({"email": "n@b.org", "password": "x"}), "user email"),
        ("Accounts_AllowRealNameChange", json!({"name": "N", "email": "n@b.org"}), "user real name"),
        ("Accounts_AllowUserStatusMessageChange", json!({"statusText": "s", "name": "N"}), "user status"),
        ("Accounts_AllowUsernameChange", json!({"username": "n", "statusText": "s"}), "username"),
        ("Accounts_AllowUserProfileChange", json!({"username": "n"}), "user profile"),
    ] {
        server.plant_setting(setting, "false").await;
        let answer = update(&bob, bob.id(), data.clone()).await;
        let reason = format!("Edit {field} is not allowed");
        answer.refused_with(&reason, NOT_ALLOWED, saving("action", "Update_user"));
        let same = json!({"username": "bob", "name": "The bob", "email": "bob@example.org"});
        if setting != "Accounts_AllowUserProfileChange" {
            update(&bob, bob.id(), same).await.ok();
        }
    }
    let answer = own(&bob, json!({"nickname": "B"})).await;
    answer.refused_with("Edit user profile is not allowed", NOT_ALLOWED, saving("action", "Update_user"));
    let available = bob.get("users.checkUsernameAvailability?username=zoe").await;
    available.refused_with("Edit username is not allowed", NOT_ALLOWED, saving("action", "Update_user"));
    let user = update(&admin, bob.id(), json!({"username": "n", "name": "N", "email": "n@b.org"})).await.ok();
    assert_eq!(user["user"]["username"], "n");
}

async fn people_change_their_own_accounts(server: &TestServer) {
    let bob = server.user("bob").await;
    for (body, text) in [
        (json!({}), "must have required property 'data'"),
        (json!({"data": {"roles": ["admin"]}}), "must NOT have additional properties"),
        (json!({"data": {"name": []}}), "must be string"),
    ] {
        bob.post("users.updateOwnBasicInfo", body).await.invalid_params(text);
    }
    let data = json!({"name": "Bob B", "username": "bobby", "nickname": "B", "bio": "b", "statusType": "busy"});
    let body = json!({"data": data, "customFields": {"team": "red"}});
    let user = bob.post("users.updateOwnBasicInfo", body).await.ok()["user"].clone();
    assert_eq!(
        (&user["username"], &user["status"], &user["customFields"]["team"]),
        (&json!("bobby"), &json!("busy"), &json!("red"))
    );
    let answer = own(&bob, json!({"statusType": "asleep"})).await;
    let details = json!({"method": "users.setStatus"});
    answer.refused_with("Valid status types include online, away, offline, and busy.", "error-invalid-status", details);
    let answer = own(&bob, json!({"username": "root"})).await;
    answer.refused_with("root is already in use :(", "error-field-unavailable", saving("field", "Username"));
    assert_eq!(bob.get("me").await.ok()["nickname"], "B");
}

async fn a_new_password_or_address_takes_the_old_password(server: &TestServer) {
    let bob = server.user("bob").await;
    let personal = server.plant_personal_token(bob.id()).await;
    let (other, program) = (server.session_of("bob").await, server.with(bob.id(), personal.expose()));
    let details = json!({"method": "saveUserProfile"});
    for mut data in [json!({"newPassword": "new"}), json!({"email": "new@example.org"})] {
        own(&bob, data.clone()).await.refused_with("Invalid password", "error-invalid-password", details.clone());
        for wrong in [PASSWORD.to_owned(), digest("wrong"), String::new()] {
            data["currentPassword"] = wrong.into();
            own(&bob, data.clone()).await.refused_with("Invalid password", "error-invalid-password", details.clone());
        }
    }
    other.get("me").await.ok();
    let data = json!({"email": "new@example.org", "currentPassword": digest(PASSWORD)});
    let user = own(&bob, data).await.ok()["user"].clone();
    assert_eq!(user["emails"], json!([{"address": "new@example.org", "verified": false}]));
    other.get("me").await.unauthenticated();
    let third = server.session_of("bob").await;
    own(&bob, json!({"newPassword": "new", "currentPassword": digest(PASSWORD).to_uppercase()})).await.ok();
    third.get("me").await.unauthenticated();
    for still in [&bob, &program] {
        still.get("me").await.ok();
    }
    assert_eq!((log_in(server, "bob", "new").await, log_in(server, "bob", PASSWORD).await), (200, 401));
    // The address that he has already takes nothing.
    own(&bob, json!({"email": "new@example.org"})).await.ok();
}

async fn preferences_are_chosen_and_shown(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let defaults = bob.get("users.getPreferences").await.ok()["preferences"].clone();
    assert_eq!(defaults, bob.get("me").await.ok()["settings"]["preferences"]);
    for (body, text) in [
        (json!({}), "must have required property 'data'"),
        (json!({"data": {"unknown": 1}}), "must NOT have additional properties"),
        (json!({"data": {"hideRoles": "maybe"}}), "must be boolean"),
        (json!({"data": {"highlights": [{"$ne": 1}]}}), "must be string"),
        (json!({"userId": {"$ne": 1}, "data": {}}), "must be string"),
    ] {
        bob.post("users.setPreferences", body).await.invalid_params(text);
    }
    let chosen = json!({"hideRoles": true, "fontSize": "120%", "highlights": ["bob"], "useEmojis": null});
    let user = bob.post("users.setPreferences", json!({"data": chosen})).await.ok()["user"].clone();
    let mut expected = defaults;
    for (name, value) in [("hideRoles", json!(true)), ("fontSize", json!("120%")), ("highlights", json!(["bob"]))] {
        expected[name] = value;
    }
    assert_eq!((&user["_id"], &user["settings"]["preferences"]), (&json!(bob.id()), &expected));
    let more = json!({"userId": bob.id(), "data": {"language": "de"}});
    expected["language"] = "de".into();
    let user = admin.post("users.setPreferences", more).await.ok()["user"].clone();
    assert_eq!(user["settings"]["preferences"], expected);
    assert_eq!(bob.get("users.getPreferences").await.ok()["preferences"], expected);
    assert_eq!(bob.get("me").await.ok()["language"], "de");
    for user in [admin.id(), "nobodyNobodyNob23"] {
        let answer = bob.post("users.setPreferences", json!({"userId": user, "data": {"hideRoles": true}})).await;
        answer.refused("Editing user is not allowed", NOT_ALLOWED);
    }
    let answer = admin.post("users.setPreferences", json!({"userId": "nobody", "data": {}})).await;
    answer.refused("The optional \"userId\" param provided does not match any users", "error-invalid-user");
}

async fn own_changes_have_a_rate_of_their_own(backend: Backend) {
    let server = Start::fresh(backend).await.with_rates_of_the_workspace().go().await;
    let bob = server.user("bob").await;
    own(&bob, json!({"bio": "b"})).await.ok();
    assert_eq!(own(&bob, json!({"bio": "c"})).await.status, 429);
    server.clock.advance(60_000);
    own(&bob, json!({"bio": "c"})).await.ok();
    server.finish().await;
}

#[tokio::test]
async fn own_changes_are_limited_on_sqlite() {
    own_changes_have_a_rate_of_their_own(Backend::SqliteFile).await;
}

on_every_store!(
    an_update_changes_what_it_names,
    updating_checks_in_its_order,
    admin_is_given_and_taken_by_whoever_may_assign_it,
    a_password_is_set_by_whoever_may_and_ends_sessions,
    an_update_switches_accounts_as_the_switch_does,
    people_change_what_the_workspace_lets_them,
    people_change_their_own_accounts,
    a_new_password_or_address_takes_the_old_password,
    preferences_are_chosen_and_shown,
);
