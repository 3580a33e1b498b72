//! `login` and `logout`: every way in, every reason to stay outside, and the way out.

use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, PASSWORD, ROOT, Start, TestServer};
use crate::support::stores::Backend;

const DAY: i64 = 24 * 60 * 60 * 1_000;

async fn login(server: &TestServer, body: Value) -> Answer {
    server.anonymous().post("login", body).await
}

fn token_of(answer: &Answer) -> String {
    answer.ok()["data"]["authToken"].as_str().unwrap().to_owned()
}

#[track_caller]
fn is_unauthorized(answer: &Answer) {
    answer.is(401, json!({"success": false, "error": "Unauthorized", "status": "error", "message": "Unauthorized"}));
}

#[track_caller]
fn is_not_admitted(answer: &Answer, code: &str, message: &str) {
    let details = json!({"function": "Accounts.validateLoginAttempt"});
    let body = json!({"success": false, "error": code, "status": "error", "details": details, "message": message});
    answer.is(401, body);
}

async fn every_form_of_a_name_lets_in(server: &TestServer) {
    let bob = server.user("bob").await;
    let hashed = json!({"digest": sha256(PASSWORD), "algorithm": "sha-256"});
    for body in [
        json!({"user": "bob", "password": PASSWORD}),
        json!({"user": "BOB", "password": PASSWORD}),
        json!({"username": "bob", "password": PASSWORD}),
        json!({"user": "Bob@Example.ORG", "password": PASSWORD}),
        json!({"email": "bob@example.org", "password": hashed}),
        json!({"user": {"username": "bob"}, "password": hashed}),
        json!({"user": {"email": "bob@example.org"}, "password": PASSWORD}),
        json!({"user": "bob", "password": PASSWORD, "code": ""}),
    ] {
        let answer = login(server, body).await.ok();
        assert_eq!((&answer["status"], &answer["success"]), (&json!("success"), &json!(true)));
        assert_eq!(answer["data"]["userId"], bob.id());
        let token = answer["data"]["authToken"].as_str().unwrap();
        assert_eq!(token.len(), 43);
        let mut me = server.with(bob.id(), token).get("me").await.ok();
        me.as_object_mut().unwrap().remove("success");
        assert_eq!(answer["data"]["me"], me);
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn every_content_type_lets_in(server: &TestServer) {
    server.user("bob").await;
    let json = json!({"user": "bob", "password": PASSWORD}).to_string();
    let form = "user=bob&password=correct+horse".to_owned();
    let nobody = server.anonymous();
    for (content_type, body) in [
        (Some("application/json;charset=UTF-8"), json.clone()),
        (Some("application/x-www-form-urlencoded"), json.clone()),
        (Some("text/plain"), json.clone()),
        (None, json),
        (Some("application/x-www-form-urlencoded"), form),
        (Some("application/x-www-form-urlencoded"), "email=bob%40example.org&password=correct%20horse".to_owned()),
    ] {
        nobody.post_bytes("login", content_type, body).await.ok();
    }
}

async fn a_token_lets_in_and_stays_the_same(server: &TestServer) {
    let bob = server.user("bob").await;
    let answer = login(server, json!({"resume": bob.token()})).await.ok();
    assert_eq!(answer["data"]["authToken"], bob.token());
    assert_eq!(answer["data"]["userId"], bob.id());
    let personal = server.plant_personal_token(bob.id()).await;
    server.clock.advance(1_000 * DAY);
    assert_eq!(token_of(&login(server, json!({"resume": personal.expose()})).await), personal.expose());
    is_unauthorized(&login(server, json!({"resume": bob.token()})).await);
}

async fn one_answer_for_every_wrong_credential(server: &TestServer) {
    server.user("bob").await;
    for body in [
        json!({"user": "nobody", "password": PASSWORD}),
        json!({"user": "bob", "password": "wrong"}),
        json!({"user": "bob@example.com", "password": PASSWORD}),
        json!({"user": "bob", "password": {"digest": sha256("wrong"), "algorithm": "sha-256"}}),
        json!({"user": "bob", "password": {"digest": sha256(PASSWORD), "algorithm": "sha-512"}}),
        json!({"user": "bob", "password": sha256(PASSWORD)}),
        json!({"user": "bob", "password": ""}),
        json!({"user": "bob", "password": null}),
        json!({"user": "", "password": PASSWORD}),
        json!({"user": "bob"}),
        json!({"resume": "no-such-token"}),
        json!({"resume": ""}),
        json!({"resume": null}),
        json!({"ldap": true, "username": "bob", "ldapPass": PASSWORD}),
        json!({"user": {"$gt": ""}, "password": PASSWORD}),
        json!({"user": {"username": {"$ne": null}}, "password": PASSWORD}),
        json!({"username": {"$regex": "b"}, "password": PASSWORD}),
        json!({"email": ["bob@example.org"], "password": PASSWORD}),
        json!({"user": "bob", "password": {"$ne": null}}),
        json!({"resume": {"$ne": null}}),
        json!({}),
        json!([]),
    ] {
        is_unauthorized(&login(server, body).await);
    }
    for form in ["user[$ne]=x&password=correct+horse", "user=bob&password[$ne]=x", "resume[$ne]=x", "user=bob"] {
        is_unauthorized(&server.anonymous().post_bytes("login", Some("application/x-www-form-urlencoded"), form).await);
    }
}

async fn a_deactivated_account_is_told_so_after_its_password(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    admin.post("users.setActiveStatus", json!({"userId": bob.id(), "activeStatus": false})).await.ok();
    let right = login(server, json!({"user": "bob", "password": PASSWORD})).await;
    is_not_admitted(&right, "error-user-is-not-activated", "User is not activated");
    is_unauthorized(&login(server, json!({"user": "bob", "password": "wrong"})).await);
    is_unauthorized(&login(server, json!({"resume": bob.token()})).await);
    admin.post("users.setActiveStatus", json!({"userId": bob.id(), "activeStatus": true})).await.ok();
    login(server, json!({"user": "bob", "password": PASSWORD})).await.ok();
    is_unauthorized(&login(server, json!({"resume": bob.token()})).await);
}

async fn the_account_of_an_app_never_gets_in(server: &TestServer) {
    let (admin, app) = (server.admin().await, server.user("helper.app").await);
    server.plant_kind(app.id(), "app").await;
    let refused = ("error-app-user-is-not-allowed-to-login", "App user is not allowed to login");
    let body = json!({"user": "helper.app", "password": PASSWORD});
    is_not_admitted(&login(server, body.clone()).await, refused.0, refused.1);
    is_not_admitted(&login(server, json!({"resume": app.token()})).await, refused.0, refused.1);
    admin.post("users.setActiveStatus", json!({"userId": app.id(), "activeStatus": false})).await.ok();
    is_not_admitted(&login(server, body).await, refused.0, refused.1);
}

async fn a_second_factor_is_asked_for_at_the_password_alone(server: &TestServer) {
    let bob = server.user("bob").await;
    server.plant_totp(bob.id()).await;
    let details = json!({"method": "totp", "codeGenerated": false, "availableMethods": ["totp"]});
    let required = json!({
        "success": false, "error": "totp-required", "status": "error", "details": details, "message": "TOTP Required",
    });
    login(server, json!({"user": "bob", "password": PASSWORD})).await.is(401, required);
    is_unauthorized(&login(server, json!({"user": "bob", "password": "wrong"})).await);
    login(server, json!({"resume": bob.token()})).await.ok();
    assert_eq!(bob.get("me").await.ok()["services"]["totp"], json!({"enabled": true}));
}

async fn an_address_must_be_verified_where_the_workspace_wants_it(server: &TestServer) {
    server.user("bob").await;
    let body = json!({
        "success": false, "error": "error-invalid-email", "status": "error", "message": "Invalid email __email__",
    });
    login(server, json!({"user": "bob", "password": PASSWORD})).await.is(401, body);
    login(server, json!({"user": ROOT, "password": PASSWORD})).await.ok();
}

async fn a_workspace_can_make_sessions_shorter(server: &TestServer) {
    let admin = server.admin().await;
    server.clock.advance(2 * DAY - 1);
    admin.get("me").await.ok();
    server.clock.advance(1);
    admin.get("me").await.unauthenticated();
    is_unauthorized(&login(server, json!({"resume": admin.token()})).await);
}

async fn the_way_out_ends_one_session(server: &TestServer) {
    let first = server.user("bob").await;
    let body = json!({"status": "success", "data": {"message": "You've been logged out!"}});
    for method in ["POST", "GET"] {
        let session = server.session_of("bob").await;
        let answer = session.send(session.request(method.parse().unwrap(), "/api/v1/logout")).await;
        answer.is(200, body.clone());
        session.get("me").await.unauthenticated();
        session.post("logout", json!({})).await.unauthenticated();
        is_unauthorized(&login(server, json!({"resume": session.token()})).await);
    }
    first.get("me").await.ok();
}

async fn the_oldest_session_makes_room_for_the_fifty_first(server: &TestServer) {
    let oldest = server.user("bob").await;
    let personal = server.plant_personal_token(oldest.id()).await;
    server.clock.advance(1);
    let second = server.session_of("bob").await;
    for _ in 0..48 {
        server.clock.advance(1);
        server.session_of("bob").await;
    }
    oldest.get("me").await.ok();
    server.clock.advance(1);
    let newest = token_of(&login(server, json!({"user": "bob", "password": PASSWORD})).await);
    oldest.get("me").await.unauthenticated();
    for token in [second.token(), newest.as_str(), personal.expose()] {
        server.with(oldest.id(), token).get("me").await.ok();
    }
}

on_every_store!(
    every_form_of_a_name_lets_in,
    every_content_type_lets_in,
    a_token_lets_in_and_stays_the_same,
    one_answer_for_every_wrong_credential,
    a_deactivated_account_is_told_so_after_its_password,
    the_account_of_an_app_never_gets_in,
    a_second_factor_is_asked_for_at_the_password_alone,
    the_way_out_ends_one_session,
    the_oldest_session_makes_room_for_the_fifty_first,
);

on_every_store!(
    verified_addresses, "OVERWRITE_SETTING_Accounts_EmailVerification" = "true";
    an_address_must_be_verified_where_the_workspace_wants_it,
);

on_every_store!(
    short_sessions, "OVERWRITE_SETTING_Accounts_LoginExpiration" = "2";
    a_workspace_can_make_sessions_shorter,
);

/// A server whose store nobody has prepared makes its first administrator itself.
mod first_start {
    use super::*;

    async fn with_the_operators_password(backend: Backend) {
        let start = Start::fresh(backend).await.unprepared();
        let start =
            start.set("ADMIN_USERNAME", "chief").set("ADMIN_PASS", "s3cret").set("ADMIN_EMAIL", "c@example.org");
        let server = start.go().await;
        assert_eq!(server.announcement, None);
        is_unauthorized(&login(&server, json!({"user": "chief", "password": "s3cre"})).await);
        let answer = login(&server, json!({"user": "c@example.org", "password": "s3cret"})).await;
        let chief = server.with(answer.ok()["data"]["userId"].as_str().unwrap(), &token_of(&answer));
        let me = chief.get("me").await.ok();
        assert_eq!((&me["username"], &me["roles"]), (&json!("chief"), &json!(["admin"])));
        assert_eq!(me["email"], "c@example.org");
        can_administer(&chief).await;

        // The second start finds everything and changes nothing, whatever the environment says by then.
        let stopped = server.halt().await;
        let server = Start::again(stopped).set("ADMIN_USERNAME", "other").set("ADMIN_PASS", "else").go().await;
        assert_eq!(server.announcement, None);
        is_unauthorized(&login(&server, json!({"user": "other", "password": "else"})).await);
        is_unauthorized(&login(&server, json!({"user": "chief", "password": "else"})).await);
        login(&server, json!({"user": "chief", "password": "s3cret"})).await.ok();
        server.finish().await;
    }

    async fn with_a_password_of_its_own(backend: Backend) {
        let server = Start::fresh(backend).await.unprepared().go().await;
        let announcement = server.announcement.clone().unwrap();
        let line = announcement.lines().find_map(|line| line.trim().strip_prefix("password:")).unwrap();
        let answer = login(&server, json!({"user": "admin", "password": line.trim()})).await;
        let admin = server.with(answer.ok()["data"]["userId"].as_str().unwrap(), &token_of(&answer));
        can_administer(&admin).await;
        server.finish().await;
    }

    async fn can_administer(actor: &Actor<'_>) {
        let role = actor.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
        actor.post("roles.delete", json!({"roleId": role})).await.ok();
    }

    #[tokio::test]
    async fn sqlite_with_the_operators_password() {
        with_the_operators_password(Backend::SqliteFile).await;
    }

    #[tokio::test]
    async fn mongo_with_the_operators_password() {
        with_the_operators_password(Backend::Mongo).await;
    }

    #[tokio::test]
    async fn sqlite_with_a_password_of_its_own() {
        with_a_password_of_its_own(Backend::SqliteFile).await;
    }

    #[tokio::test]
    async fn mongo_with_a_password_of_its_own() {
        with_a_password_of_its_own(Backend::Mongo).await;
    }
}
