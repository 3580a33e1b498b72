//! Tokens that nobody logs in for, and the ends of those that are there: `users.logout` and its neighbours,
//! `users.createToken`, and the tokens that people make for their programs.

use rolekeeper::clock::Ids as _;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::role::ADMIN;
use rolekeeper::domain::token::NewPersonalToken;
use serde_json::{Value, json};

use crate::support::clock::START;
use crate::support::server::{Actor, Answer, TestServer};

const DAY: i64 = 24 * 60 * 60 * 1_000;
const SECRET: &str = "open sesame";

async fn generate(actor: &Actor<'_>, name: &str) -> String {
    let answer = actor.post("users.generatePersonalAccessToken", json!({"tokenName": name})).await.ok();
    assert_eq!(answer["success"], true);
    answer["token"].as_str().unwrap().to_owned()
}

/// What is on record since the entry of that number.
async fn recorded(server: &TestServer, since: usize) -> Vec<Change> {
    let mut entries = server.store.list_audit_entries(1_000).await.unwrap();
    entries.truncate(entries.len() - since);
    entries.into_iter().rev().map(|entry| entry.change).collect()
}

async fn on_record(server: &TestServer) -> usize {
    server.store.list_audit_entries(1_000).await.unwrap().len()
}

#[track_caller]
fn logged_out(answer: &Answer, id: &str) {
    answer.is(200, json!({"message": format!("User {id} has been logged out!"), "success": true}));
}

async fn whoever_logs_out_ends_all_his_tokens(server: &TestServer) {
    let (bob, other, amy) = (server.user("bob").await, server.session_of("bob").await, server.user("amy").await);
    let personal = generate(&bob, "ci").await;
    let before = on_record(server).await;
    logged_out(&bob.post("users.logout", json!({})).await, bob.id());
    let ended = Change::TokensEnded { user: bob.user_id(), kept_own: false, personal: true };
    assert_eq!(recorded(server, before).await, [ended]);
    for token in [bob.token(), other.token(), personal.as_str()] {
        server.with(bob.id(), token).get("me").await.unauthenticated();
    }
    amy.get("me").await.ok();
}

async fn an_id_of_ones_own_is_as_good_as_none(server: &TestServer) {
    let bob = server.user("bob").await;
    logged_out(&bob.post("users.logout", json!({"userId": bob.id()})).await, bob.id());
    bob.get("me").await.unauthenticated();
    let again = server.session_of("bob").await;
    logged_out(&again.post_bytes("users.logout", None, "").await, bob.id());
    let once_more = server.session_of("bob").await;
    logged_out(&once_more.post("users.logout", json!({"userId": ""})).await, bob.id());
}

async fn ending_the_sessions_of_others_takes_a_permission(server: &TestServer) {
    let (admin, bob, amy) = (server.admin().await, server.user("bob").await, server.user("amy").await);
    let body = json!({"userId": amy.id()});
    bob.post("users.logout", body.clone()).await.is(403, json!({"success": false, "error": "unauthorized"}));
    bob.post("users.logout", json!({"userId": "nobody"}))
        .await
        .is(403, json!({"success": false, "error": "unauthorized"}));
    amy.get("me").await.ok();
    logged_out(&admin.post("users.logout", body.clone()).await, amy.id());
    amy.get("me").await.unauthenticated();
    for nobody in [body, json!({"userId": "nobody"}), json!({"userId": "a\u{0}b"})] {
        admin.post("users.logout", nobody).await.refused("Invalid user id", "error-invalid-user-id");
    }
    admin.post("users.logout", json!({"userId": ["x"]})).await.invalid_params("must be string");
    admin.get("me").await.ok();
    // Another field is no fault, and names nobody.
    logged_out(&admin.post("users.logout", json!({"user": "amy"})).await, admin.id());
    admin.get("me").await.unauthenticated();
}

async fn the_other_clients_are_logged_out_and_programs_stay(server: &TestServer) {
    let (bob, other) = (server.user("bob").await, server.session_of("bob").await);
    let personal = generate(&bob, "ci").await;
    server.clock.advance(5_000);
    let before = on_record(server).await;
    let ends = START.plus_days(90).to_string();
    let body = json!({"token": bob.token(), "tokenExpires": ends, "success": true});
    bob.post("users.logoutOtherClients", json!({})).await.is(200, body.clone());
    let ended = Change::TokensEnded { user: bob.user_id(), kept_own: true, personal: false };
    assert_eq!(recorded(server, before).await, [ended]);
    other.get("me").await.unauthenticated();
    // Again, with nobody left to log out.
    bob.post("users.logoutOtherClients", json!({})).await.is(200, body);
    let program = server.with(bob.id(), &personal);
    let body = json!({"token": personal, "tokenExpires": "", "success": true});
    program.post("users.logoutOtherClients", json!({})).await.is(200, body);
    bob.get("me").await.unauthenticated();
    program.get("me").await.ok();
}

async fn every_other_token_can_be_ended(server: &TestServer) {
    let (bob, other, amy) = (server.user("bob").await, server.session_of("bob").await, server.user("amy").await);
    let personal = generate(&bob, "ci").await;
    for _ in 0..2 {
        bob.post("users.removeOtherTokens", json!({})).await.is(200, json!({"success": true}));
    }
    for token in [other.token(), personal.as_str()] {
        server.with(bob.id(), token).get("me").await.unauthenticated();
    }
    bob.get("me").await.ok();
    amy.get("me").await.ok();
}

fn wanted(user: &str, secret: &str) -> Value {
    json!({"userId": user, "secret": secret})
}

#[track_caller]
fn not_authorized(answer: &Answer) {
    answer.refused("Not authorized", "error-not-authorized");
}

async fn sessions_of_others_are_made_for_whoever_may_and_knows_the_secret(server: &TestServer) {
    let (admin, bob, amy) = (server.admin().await, server.user("bob").await, server.user("amy").await);
    let before = on_record(server).await;
    for wrong in ["wrong", "open sesam", "open sesame ", "Open Sesame"] {
        not_authorized(&admin.post("users.createToken", wanted(bob.id(), wrong)).await);
    }
    not_authorized(&amy.post("users.createToken", wanted(bob.id(), SECRET)).await);
    not_authorized(&amy.post("users.createToken", wanted("nobody", SECRET)).await);
    assert_eq!(recorded(server, before).await, []);
    let answer = admin.post("users.createToken", wanted(bob.id(), SECRET)).await;
    let token = answer.ok()["data"]["authToken"].as_str().unwrap().to_owned();
    answer.is(200, json!({"data": {"userId": bob.id(), "authToken": token}, "success": true}));
    assert_eq!(token.len(), 43);
    assert_eq!(recorded(server, before).await, [Change::SessionStarted { user: bob.user_id() }]);
    let session = server.with(bob.id(), &token);
    assert_eq!(session.get("me").await.ok()["username"], "bob");
    // It is a session like any other, of somebody who is no administrator.
    session.get("roles.getUsersInRole?role=admin").await.forbidden();
    server.clock.advance(90 * DAY);
    session.get("me").await.unauthenticated();
}

async fn whoever_knows_the_secret_makes_sessions_of_his_own(server: &TestServer) {
    let bob = server.user("bob").await;
    let answer = bob.post("users.createToken", wanted(bob.id(), SECRET)).await.ok();
    server.with(bob.id(), answer["data"]["authToken"].as_str().unwrap()).get("me").await.ok();
}

async fn sessions_are_made_only_of_accounts_that_could_log_in(server: &TestServer) {
    let (admin, bob, app) = (server.admin().await, server.user("bob").await, server.user("helper.app").await);
    server.plant_kind(app.id(), "app").await;
    admin.post("users.setActiveStatus", json!({"userId": bob.id(), "activeStatus": false})).await.ok();
    for unusable in [app.id(), bob.id()] {
        admin.post("users.createToken", wanted(unusable, SECRET)).await.refused("Invalid user", "error-invalid-user");
    }
    let text = "The required \"userId\" or \"username\" param provided does not match any users";
    for nobody in ["nobody", "root", "a\u{0}b"] {
        admin.post("users.createToken", wanted(nobody, SECRET)).await.refused(text, "error-invalid-user");
    }
    let long = "x".repeat(10_000);
    admin.post("users.createToken", wanted(&long, SECRET)).await.refused(text, "error-invalid-user");
    not_authorized(&admin.post("users.createToken", wanted(admin.id(), &long)).await);
}

async fn making_a_session_takes_both_words(server: &TestServer) {
    let admin = server.admin().await;
    for (body, text) in [
        (json!({}), "must have required property 'userId'"),
        (json!({"userId": admin.id()}), "must have required property 'secret'"),
        (json!({"username": "root", "secret": SECRET}), "must have required property 'userId'"),
        (json!({"userId": "", "secret": SECRET}), "must NOT have fewer than 1 characters"),
        (json!({"userId": admin.id(), "secret": ""}), "must NOT have fewer than 1 characters"),
        (json!({"userId": admin.id(), "secret": null}), "must NOT have fewer than 1 characters"),
        (json!({"userId": {"$ne": ""}, "secret": SECRET}), "must be string"),
        (json!({"userId": admin.id(), "secret": {"$ne": ""}}), "must be string"),
        (json!({"userId": admin.id(), "secret": SECRET, "x": 1}), "must NOT have additional properties"),
    ] {
        admin.post("users.createToken", body).await.invalid_params(text);
    }
}

async fn no_session_is_made_unless_the_operator_wants_it(server: &TestServer) {
    let admin = server.admin().await;
    for secret in [SECRET, "x", "undefined"] {
        not_authorized(&admin.post("users.createToken", wanted(admin.id(), secret)).await);
    }
}

async fn a_program_gets_a_token_that_is_shown_once(server: &TestServer) {
    let bob = server.user("bob").await;
    let before = on_record(server).await;
    let token = generate(&bob, "ci").await;
    assert_eq!(token.len(), 43);
    let program = server.with(bob.id(), &token);
    assert_eq!(program.get("me").await.ok()["username"], "bob");
    server.clock.advance(1_000 * DAY);
    program.get("me").await.ok();
    let me = server.session_of("bob").await.get("me").await;
    for shown in ["loginTokens", "personalAccessToken", "resume", &token, &token[37..]] {
        assert!(!me.text.contains(shown), "{shown}");
    }
    let made = Change::PersonalTokenCreated { user: bob.user_id(), name: "ci".to_owned(), bypass_second_factor: false };
    assert_eq!(recorded(server, before).await[0], made);
    let record = format!("{:?}", server.store.list_audit_entries(1_000).await.unwrap());
    assert!(!record.contains(&token) && !record.contains(&token[37..]));
}

async fn tokens_for_programs_are_listed_for_their_owner_alone(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    bob.get("users.getPersonalAccessTokens").await.is(200, json!({"tokens": [], "success": true}));
    let first = generate(&bob, "ci").await;
    server.clock.advance(1_000);
    let body = json!({"tokenName": "backup", "bypassTwoFactor": true});
    let second = bob.post("users.generatePersonalAccessToken", body).await.ok()["token"].clone();
    generate(&amy, "ci").await;
    let listed = json!({"tokens": [
        {"name": "ci", "createdAt": START.to_string(), "lastTokenPart": &first[37..], "bypassTwoFactor": false},
        {"name": "backup", "createdAt": START.plus_millis(1_000).to_string(),
         "lastTokenPart": &second.as_str().unwrap()[37..], "bypassTwoFactor": true},
    ], "success": true});
    bob.get("users.getPersonalAccessTokens").await.is(200, listed);
    assert_eq!(amy.get("users.getPersonalAccessTokens").await.ok()["tokens"].as_array().unwrap().len(), 1);
}

async fn a_name_is_taken_once_by_each(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    generate(&bob, "ci").await;
    generate(&amy, "ci").await;
    let generate = async |body: Value| bob.post("users.generatePersonalAccessToken", body).await;
    let taken = generate(json!({"tokenName": "ci"})).await;
    taken.refused("A token with this name already exists", "error-token-already-exists");
    generate(json!({"tokenName": "CI", "bypassTwoFactor": null})).await.ok();
    let empty = json!({"success": false, "error": "The 'tokenName' param is required"});
    generate(json!({"tokenName": ""})).await.is(400, empty.clone());
    generate(json!({"tokenName": null})).await.is(400, empty);
    for name in ["x".repeat(257), "a\nb".to_owned()] {
        let answer = generate(json!({"tokenName": name})).await;
        answer.refused("tokenName is not a valid name", "error-input-is-not-a-valid-field");
    }
    generate(json!({})).await.invalid_params("must have required property 'tokenName'");
    generate(json!({"tokenName": {"$ne": ""}})).await.invalid_params("must be string");
    generate(json!({"tokenName": "x", "bypassTwoFactor": "maybe"})).await.invalid_params("must be boolean");
    generate(json!({"tokenName": "x", "type": "y"})).await.invalid_params("must NOT have additional properties");
}

async fn an_account_has_only_so_many_tokens(server: &TestServer) {
    let bob = server.user("bob").await;
    for number in 0..500 {
        let text = server.ids.token();
        let token = NewPersonalToken {
            hash: text.hash(),
            name: format!("program {number}"),
            last_part: text.last_part(),
            bypass_second_factor: false,
        };
        server.store.add_personal_token(&bob.user_id(), token, 500, &server.by()).await.unwrap();
    }
    let answer = bob.post("users.generatePersonalAccessToken", json!({"tokenName": "one too many"})).await;
    answer.refused("The account has too many tokens", "error-too-many-tokens");
    bob.post("users.removePersonalAccessToken", json!({"tokenName": "program 7"})).await.ok();
    generate(&bob, "one more").await;
    assert_eq!(bob.get("users.getPersonalAccessTokens").await.ok()["tokens"].as_array().unwrap().len(), 500);
}

async fn of_many_tokens_with_one_name_one_is_made(server: &TestServer) {
    let bob = server.user("bob").await;
    let body = json!({"tokenName": "ci"});
    let makes = (0..6).map(|_| bob.post("users.generatePersonalAccessToken", body.clone()));
    let answers = futures_util::future::join_all(makes).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        refused.refused("A token with this name already exists", "error-token-already-exists");
    }
}

async fn a_token_for_a_program_is_replaced_and_removed_by_its_name(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    let (old, amys) = (generate(&bob, "ci").await, generate(&amy, "ci").await);
    let answer = bob.post("users.regeneratePersonalAccessToken", json!({"tokenName": "ci"})).await;
    let new = answer.ok()["token"].as_str().unwrap().to_owned();
    answer.is(200, json!({"token": new, "success": true}));
    server.with(bob.id(), &old).get("me").await.unauthenticated();
    server.with(bob.id(), &new).get("me").await.ok();
    let listed = bob.get("users.getPersonalAccessTokens").await.ok();
    assert_eq!(listed["tokens"][0]["lastTokenPart"], new[37..]);
    bob.post("users.removePersonalAccessToken", json!({"tokenName": "ci"})).await.is(200, json!({"success": true}));
    server.with(bob.id(), &new).get("me").await.unauthenticated();
    bob.get("me").await.ok();
    server.with(amy.id(), &amys).get("me").await.ok();
    for route in ["users.regeneratePersonalAccessToken", "users.removePersonalAccessToken"] {
        for name in ["ci", ""] {
            let answer = bob.post(route, json!({"tokenName": name})).await;
            answer.refused("A token with this name could not be found", "error-token-does-not-exists");
        }
        bob.post(route, json!({})).await.invalid_params("must have required property 'tokenName'");
        bob.post(route, json!({"tokenName": {"$ne": ""}})).await.invalid_params("must be string");
    }
}

async fn tokens_for_programs_take_a_permission(server: &TestServer) {
    let (guest, admin) = (server.user_with("guest", &[]).await, server.user_with("boss", &[ADMIN]).await);
    let refused = |answer: Answer| answer.refused("Not Authorized", "not-authorized");
    for route in ["generate", "regenerate", "remove"] {
        let route = format!("users.{route}PersonalAccessToken");
        refused(guest.post(&route, json!({"tokenName": "ci"})).await);
        refused(guest.post(&route, json!({"tokenName": ""})).await);
        guest.post(&route, json!({})).await.invalid_params("must have required property 'tokenName'");
    }
    refused(guest.get("users.getPersonalAccessTokens").await);
    generate(&admin, "ci").await;
}

async fn a_token_for_a_program_ends_with_its_owners_activity(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let token = generate(&bob, "ci").await;
    for active in [false, true] {
        let body = json!({"userId": bob.id(), "activeStatus": active});
        admin.post("users.setActiveStatus", body).await.ok();
        server.with(bob.id(), &token).get("me").await.unauthenticated();
    }
    assert_eq!(server.session_of("bob").await.get("users.getPersonalAccessTokens").await.ok()["tokens"], json!([]));
}

on_every_store!(
    whoever_logs_out_ends_all_his_tokens,
    an_id_of_ones_own_is_as_good_as_none,
    ending_the_sessions_of_others_takes_a_permission,
    the_other_clients_are_logged_out_and_programs_stay,
    every_other_token_can_be_ended,
    no_session_is_made_unless_the_operator_wants_it,
    a_program_gets_a_token_that_is_shown_once,
    tokens_for_programs_are_listed_for_their_owner_alone,
    a_name_is_taken_once_by_each,
    of_many_tokens_with_one_name_one_is_made,
    an_account_has_only_so_many_tokens,
    a_token_for_a_program_is_replaced_and_removed_by_its_name,
    tokens_for_programs_take_a_permission,
    a_token_for_a_program_ends_with_its_owners_activity,
);

on_every_store!(
    with_a_secret, "CREATE_TOKENS_FOR_USERS" = "yes", "CREATE_TOKENS_FOR_USERS_SECRET" = "open sesame";
    sessions_of_others_are_made_for_whoever_may_and_knows_the_secret,
    whoever_knows_the_secret_makes_sessions_of_his_own,
    sessions_are_made_only_of_accounts_that_could_log_in,
    making_a_session_takes_both_words,
);

on_every_store!(
    without_a_secret, "CREATE_TOKENS_FOR_USERS" = "true";
    no_session_is_made_unless_the_operator_wants_it,
);

on_every_store!(
    switched_off, "CREATE_TOKENS_FOR_USERS" = "false", "CREATE_TOKENS_FOR_USERS_SECRET" = "open sesame";
    no_session_is_made_unless_the_operator_wants_it,
);
