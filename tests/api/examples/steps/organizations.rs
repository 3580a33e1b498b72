//! An organization from its beginning to its end: roles, the people who hold them, what stands in the way, the record.

use reqwest::Method;
use serde_json::{Value, json};

use super::{BOB, CAROL, MALLORY, NOBODY, Step, get, post, step};

/// The organization of this conversation.
const ACME: &str = "/v1/organizations/<acme>";

fn acme(rest: &str) -> String {
    format!("{ACME}{rest}")
}

fn patch(actor: &'static str, route: String, body: Value, status: u16, title: &'static str) -> Step {
    Step { body: Some(body), ..step(actor, Method::PATCH, route, status, title) }
}

fn delete(actor: &'static str, route: String, status: u16, title: &'static str) -> Step {
    step(actor, Method::DELETE, route, status, title)
}

/// The whole conversation about organizations; it goes by itself.
pub fn steps() -> Vec<Step> {
    [beginning(), members(), roles(), holders(), record(), end()].into_iter().flatten().collect()
}

fn beginning() -> Vec<Step> {
    vec![
        get(BOB, "/v1/capabilities", 200, "Everything that a role can allow"),
        get(NOBODY, "/v1/capabilities", 401, "Without a token"),
        post(BOB, "/v1/organizations", json!({"name": "Acme"}), 201, "Whoever makes it is its first Owner")
            .keep("acme", "/id"),
        post(MALLORY, "/v1/organizations", json!({"name": "Void"}), 403, "Without the permission in the workspace"),
        post(BOB, "/v1/organizations", json!({"title": "Acme"}), 422, "The name is called otherwise"),
        get(BOB, "/v1/organizations?skip=0&limit=10", 200, "Those that one is in"),
        get(BOB, acme(""), 200, "One of them"),
        get(CAROL, acme(""), 404, "One is not in it"),
        patch(BOB, acme(""), json!({"name": "Acme Ltd"}), 200, "Another name"),
        patch(BOB, acme(""), json!({"name": "Acme Inc"}), 412, "It has changed since").with("If-Match", "\"1\""),
    ]
}

fn members() -> Vec<Step> {
    vec![
        post(BOB, acme("/users/add"), json!({"username": "carol"}), 201, "By username"),
        post(BOB, acme("/users/add"), json!({"user_id": "usr_<carol>"}), 409, "He is a member already"),
        post(BOB, acme("/users/add"), json!({"username": "nobody"}), 404, "Nobody has that name"),
        post(CAROL, acme("/users/add"), json!({"username": "mallory"}), 403, "Without the capability"),
        get(CAROL, acme("/users?limit=10"), 200, "Who belongs to it"),
        get(CAROL, acme("/users/usr_<carol>/effective-permissions"), 200, "One's own"),
        get(CAROL, acme("/users/usr_<bob>/effective-permissions"), 403, "Another one's, without the capability"),
        get(BOB, acme("/users/usr_nobody/effective-permissions"), 404, "Nobody in the organization has that id"),
    ]
}

fn roles() -> Vec<Step> {
    let recruiter = json!({"name": "Recruiter", "description": "Brings people in", "capabilities": ["invite_users"]});
    vec![
        get(CAROL, acme("/roles"), 200, "System roles first"),
        get(CAROL, acme("/roles/templates"), 200, "Proposals"),
        post(BOB, acme("/roles"), recruiter.clone(), 201, "A role of one's own")
            .with("Idempotency-Key", "recruiter-1")
            .keep("recruiter", "/id"),
        post(BOB, acme("/roles"), recruiter, 409, "The name is taken"),
        post(BOB, acme("/roles"), json!({"name": "R", "capabilities": ["fly"]}), 422, "There is no such capability"),
        post(
            CAROL,
            acme("/roles"),
            json!({"name": "R", "capabilities": ["invite_users"]}),
            403,
            "Without the capability",
        ),
        get(CAROL, acme("/roles?include_global=false"), 200, "Those of one's own"),
        get(CAROL, acme("/roles/<recruiter>"), 200, "One of them"),
        get(CAROL, acme("/roles/role_unknown"), 404, "No such role here"),
        patch(
            BOB,
            acme("/roles/<recruiter>"),
            json!({"capabilities": ["invite_users", "remove_users"]}),
            200,
            "Other capabilities",
        )
        .with("If-Match", "\"1\""),
        patch(BOB, acme("/roles/<recruiter>"), json!({"name": "Scout"}), 412, "It has changed since")
            .with("If-Match", "\"1\""),
        patch(BOB, acme("/roles/<recruiter>"), json!({"name": "owner"}), 409, "A system role is called so"),
        patch(BOB, acme("/roles/role_admin"), json!({"name": "Chief"}), 403, "A system role stays as it is"),
    ]
}

fn holders() -> Vec<Step> {
    let carol = json!({"user_id": "usr_<carol>"});
    vec![
        post(BOB, acme("/roles/<recruiter>/members"), carol.clone(), 201, "Give it to a member"),
        post(BOB, acme("/roles/<recruiter>/members"), carol.clone(), 409, "She has it already"),
        post(BOB, acme("/roles/<recruiter>/members"), json!({"user_id": "usr_<mallory>"}), 404, "He is no member"),
        post(CAROL, acme("/roles/<recruiter>/members"), carol, 403, "Without the capability"),
        get(CAROL, acme("/roles/<recruiter>/members?skip=0&limit=10"), 200, "Who holds it"),
        get(CAROL, acme("/roles/role_unknown/members"), 404, "No such role here"),
        delete(BOB, acme("/roles/<recruiter>"), 409, "Somebody holds it"),
        delete(BOB, acme("/roles/role_member"), 403, "A system role stays"),
        delete(BOB, acme("/roles/<recruiter>/members/usr_<carol>"), 204, "Take it from a member"),
        delete(BOB, acme("/roles/<recruiter>/members/usr_<carol>"), 404, "She does not have it"),
        delete(BOB, acme("/roles/role_owner/members/usr_<bob>"), 422, "The last Owner stays one"),
        delete(BOB, acme("/roles/<recruiter>"), 204, "Nobody holds it").with("Idempotency-Key", "recruiter-2"),
        delete(BOB, acme("/roles/<recruiter>"), 404, "No such role here"),
    ]
}

fn record() -> Vec<Step> {
    vec![
        get(BOB, acme("/audit-log?action=organization_role_deleted&limit=5"), 200, "Which roles were deleted"),
        get(BOB, acme("/audit-log?limit=500"), 422, "More than one page can have"),
        get(CAROL, acme("/audit-log"), 403, "Without the capability"),
        get(BOB, acme("/audit-log/export?user_id=usr_<carol>"), 200, "All about somebody, as a table"),
        get(CAROL, acme("/audit-log/export"), 403, "Without the capability"),
    ]
}

fn end() -> Vec<Step> {
    vec![
        delete(CAROL, acme(""), 403, "For Owners alone"),
        delete(BOB, acme(""), 409, "There are other members"),
        delete(BOB, acme("/users/usr_<bob>"), 422, "The last Owner stays"),
        delete(BOB, acme("/users/usr_<carol>"), 204, "With all roles in it"),
        delete(BOB, acme("/users/usr_<carol>"), 404, "Nobody in the organization has that id"),
        delete(BOB, acme(""), 204, "With its roles and its last member"),
    ]
}
