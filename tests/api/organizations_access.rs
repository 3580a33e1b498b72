//! Who gets how far on the surface of organizations. The routes are taken from the table of routes itself, so that a new
//! one cannot be forgotten: nobody, a bad, an expired and a revoked token, a deactivated account, somebody from another
//! organization, plain members, holders of every single capability, an Owner.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use reqwest::Method;
use rolekeeper::domain::capability::CAPABILITIES;
use rolekeeper::domain::organization::Need;
use rolekeeper::domain::time::DAY_MS;
use rolekeeper::http::organizations::rule::Who;
use rolekeeper::http::routes::{OrganizationOperation, organization_operations};
use serde_json::{Value, json};

use crate::organizations::{Person, refused};
use crate::support::server::{Answer, TestServer};

/// Who may call what is reviewed here, beside the code.
#[test]
fn who_may_call_what() {
    let lines = organization_operations().into_iter().map(|operation| {
        let who = match operation.who {
            Who::Account => "every account".to_owned(),
            Who::Permission(permission) => format!("every account with {permission}"),
            Who::Member(Need::Membership) => "every member".to_owned(),
            Who::Member(Need::Ownership) => "every Owner".to_owned(),
            Who::Member(Need::Capability(capability)) => format!("every member with {capability}"),
            Who::Member(Need::Oneself(capability)) => format!("the member himself, every member with {capability}"),
        };
        format!("{} {}: {who}", operation.method, operation.path)
    });
    assert_snapshot!("who_may_call_what_in_organizations", lines.collect::<Vec<_>>().join("\n"));
}

/// Sends what the operation understands to the organization at `place`, about its role and `user`.
async fn call(person: &Person<'_>, operation: &OrganizationOperation, place: &str, role: &str, user: &str) -> Answer {
    let path = operation.path.trim_start_matches("/v1/");
    let path = path.replace("organizations/{organization_id}", place);
    let path = path.replace("{role_id}", role).replace("{user_id}", user);
    let bodies = BTreeMap::from([
        ("POST /v1/organizations", json!({"name": "New"})),
        ("PATCH /v1/organizations/{organization_id}", json!({"name": "Renamed"})),
        ("POST /v1/organizations/{organization_id}/roles", json!({"name": "Made", "capabilities": []})),
        ("PATCH /v1/organizations/{organization_id}/roles/{role_id}", json!({"description": "Changed"})),
        ("POST /v1/organizations/{organization_id}/roles/{role_id}/members", json!({"user_id": user})),
        ("POST /v1/organizations/{organization_id}/users/add", json!({"username": "newcomer"})),
    ]);
    let body: Option<&Value> = bodies.get(format!("{} {}", operation.method, operation.path).as_str());
    assert_eq!(body.is_some(), matches!(operation.method.as_str(), "POST" | "PATCH"), "{path}");
    let method = Method::from_bytes(operation.method.as_str().as_bytes()).unwrap();
    person.send(method, &path, body, &[]).await
}

async fn nobody_gets_in_anywhere(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let stranger = |token: &str| Person::with_token(server, token);
    let bob = Person::new(server, "bob").await;
    ann.adds(&place, &bob).await;
    let off = json!({"userId": &bob.id[4..], "activeStatus": false});
    // Deactivating ends tokens; one that another writer left behind counts no more.
    server.admin().await.post("users.setActiveStatus", off).await.ok();
    let left = server.plant_personal_token(&bob.id[4..]).await;
    let revoked = server.session_of("ann").await;
    revoked.post("logout", json!({})).await.ok();
    for operation in organization_operations() {
        for (token, code) in [
            ("", "AUTHENTICATION_REQUIRED"),
            ("wrong", "TOKEN_INVALID"),
            (bob.token.as_str(), "TOKEN_INVALID"),
            (left.expose(), "TOKEN_INVALID"),
            (revoked.token(), "TOKEN_INVALID"),
        ] {
            let answer = call(&stranger(token), &operation, &place, "role_owner", &ann.id).await;
            refused(&answer, 401, code);
        }
    }
    server.clock.advance(90 * DAY_MS);
    for operation in organization_operations() {
        let answer = call(&ann, &operation, &place, "role_owner", &ann.id).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("TOKEN_EXPIRED")));
    }
}

async fn what_is_not_ones_own_is_not_there(server: &TestServer) {
    let (ann, eve) = (Person::new(server, "ann").await, Person::new(server, "eve").await);
    let (ours, theirs) = (ann.organization("Ours").await, eve.organization("Theirs").await);
    let (our_role, their_role) =
        (ann.role(&ours, "R", &["invite_users"]).await, eve.role(&theirs, "R", &["invite_users"]).await);
    for operation in organization_operations() {
        let Who::Member(_) = operation.who else { continue };
        for place in [ours.as_str(), "organizations/org_none", "organizations/%00", "organizations/..%2f"] {
            let answer = call(&eve, &operation, place, &our_role, &ann.id).await;
            refused(&answer, 404, "ORGANIZATION_NOT_FOUND");
            assert!(!answer.text.contains("Ours"), "{}", answer.text);
        }
        // Through her own organization the other one's role and people are no more there than any others.
        if operation.path.contains("{role_id}") {
            let answer = call(&eve, &operation, &theirs, &our_role, &eve.id).await;
            assert_eq!(refused(&answer, 404, "ROLE_NOT_FOUND"), json!({"role_id": our_role}));
        }
        if operation.path.contains("{user_id}") || operation.path.ends_with("/members") {
            let answer = call(&eve, &operation, &theirs, &their_role, &ann.id).await;
            assert!(matches!(answer.status, 200 | 404), "{} {}", operation.path, answer.text);
            assert!(answer.status == 404 || answer.json()["members"] == json!([]), "{}", answer.text);
        }
    }
    let mine = eve.get("organizations").await.ok();
    assert_eq!((&mine["total"], &mine["organizations"][0]["name"]), (&json!(1), &json!("Theirs")));
}

async fn a_member_may_what_his_roles_say(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let plain = Person::new(server, "plain").await;
    ann.adds(&place, &plain).await;
    let mut people = vec![(plain, None)];
    for info in CAPABILITIES {
        let key = info.capability.key();
        let person = Person::new(server, &key.replace('_', "-")).await;
        ann.adds(&place, &person).await;
        let role = ann.role(&place, key, &[key]).await;
        ann.gives(&place, &role, &person).await;
        people.push((person, Some(info.capability)));
    }
    for operation in organization_operations() {
        let Who::Member(need) = operation.who else { continue };
        for (person, has) in &people {
            let overrides = has.is_some_and(|has| has.key() == "override_all_permissions");
            let lacks = match need {
                Need::Membership => None,
                Need::Ownership => Some("role_owner"),
                Need::Capability(wanted) | Need::Oneself(wanted) => {
                    (!overrides && *has != Some(wanted)).then(|| wanted.key())
                }
            };
            // About nobody and nothing, so that those who may change nothing either.
            let answer = call(person, &operation, &place, "role_none", "usr_nobody").await;
            let Some(lacks) = lacks else {
                assert!(![401, 403, 500].contains(&answer.status), "{} {}", operation.path, answer.text);
                continue;
            };
            let details = refused(&answer, 403, "INSUFFICIENT_PERMISSIONS");
            assert_eq!(details, json!({"required": [lacks], "missing": [lacks]}), "{}", operation.path);
            if matches!(operation.method.as_str(), "POST" | "PATCH") {
                // Who may not is told so before he is told what is wrong with what he sent.
                let broken =
                    operation.path.trim_start_matches("/v1/").replace("organizations/{organization_id}", &place);
                let method = Method::from_bytes(operation.method.as_str().as_bytes()).unwrap();
                let answer = person.send(method, &broken, Some(&json!("{")), &[]).await;
                refused(&answer, 403, "INSUFFICIENT_PERMISSIONS");
            }
        }
    }
    let (plain, _) = &people[0];
    plain.get(&format!("{place}/users/{}/effective-permissions", plain.id)).await.ok();
}

async fn making_an_organization_takes_the_permission_for_teams(server: &TestServer) {
    let guest = server.user_with("guest", &["guest"]).await;
    let guest = Person::with_token(server, guest.token());
    let details = refused(&guest.post("organizations", json!({"name": "Acme"})).await, 403, "INSUFFICIENT_PERMISSIONS");
    assert_eq!(details, json!({"required": ["create-team"], "missing": ["create-team"]}));
    assert_eq!(guest.get("organizations").await.ok(), json!({"organizations": [], "total": 0, "has_more": false}));
    guest.get("capabilities").await.ok();
}

async fn too_many_requests_are_told_in_the_words_of_the_surface(server: &TestServer) {
    let guest = server.user_with("guest", &["guest"]).await;
    let guest = Person::with_token(server, guest.token());
    for left in (0..10).rev() {
        let answer = guest.get("capabilities").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, left.to_string().as_str()));
    }
    let answer = guest.get("capabilities").await;
    refused(&answer, 429, "RATE_LIMITED");
    assert_eq!(answer.header("retry-after"), "60");
    guest.get("organizations").await.ok();
}

on_every_store!(
    nobody_gets_in_anywhere,
    what_is_not_ones_own_is_not_there,
    a_member_may_what_his_roles_say,
    making_an_organization_takes_the_permission_for_teams,
);
on_every_store!(
    limited, "OVERWRITE_SETTING_API_Enable_Rate_Limiter" = "true";
    too_many_requests_are_told_in_the_words_of_the_surface,
);
