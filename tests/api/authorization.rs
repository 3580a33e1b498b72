//! Who may do what, asked of every operation in the description that the server itself gives: 401 for nobody, the status
//! that it names for somebody without the permission, and another answer for somebody who has it. A route that is added
//! is tested by that alone; what it must be sent comes from the conversation of the examples. The operations of
//! organizations, where members are asked about, are in `authorization_organizations`.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use rolekeeper::clock::Ids as _;
use rolekeeper::domain::ids::{PermissionId, RoleId};
use rolekeeper::domain::permission::Grant;
use rolekeeper::domain::role::{NewRole, RoleDefinition, RoleScope};
use rolekeeper::http::routes::{operations, organization_operations};
use serde_json::{Value, json};

use crate::examples::conversation::{Conversation, Request};
use crate::examples::steps::{MALLORY, NOBODY, Step, steps};
use crate::support::server::{Actor, Answer, TestServer};

/// The text of 403 where the permission is asked for first.
const FORBIDDEN: &str = "User does not have the permissions required for this action [error-unauthorized]";

/// An operation as the description has it.
pub struct Described {
    pub method: String,
    pub path: String,
    pub permission: Value,
}

impl Described {
    fn needs_an_account(&self) -> bool {
        !self.permission.is_null()
    }

    /// The permissions that are asked for before anything else.
    fn first(&self) -> Vec<&str> {
        if self.permission["checked"] == "first" { any_of(&self.permission) } else { Vec::new() }
    }

    /// What is asked for behind other checks.
    fn late(&self) -> Option<&Value> {
        [&self.permission, &self.permission["then"]].into_iter().find(|rule| rule["checked"] == "late")
    }

    fn is_asked_by(&self, request: &Request) -> bool {
        self.method == request.method.as_str() && self.path == request.route
    }

    /// Sends a body to the operation, with any words in place of the parameters of its path.
    async fn send(&self, actor: &Actor<'_>, body: &str) -> Answer {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let path = self.path.replace(['{', '}'], "");
        let request = actor.request(method, &path).header("Content-Type", "application/json");
        actor.send(request.body(body.to_owned())).await
    }

    pub fn is_of_organizations(&self) -> bool {
        self.path.starts_with("/v1/")
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

pub fn any_of(rule: &Value) -> Vec<&str> {
    rule["anyOf"].as_array().unwrap().iter().map(|permission| permission.as_str().unwrap()).collect()
}

/// Every operation but those of organizations.
async fn described(server: &TestServer) -> Vec<Described> {
    all_described(server).await.into_iter().filter(|operation| !operation.is_of_organizations()).collect()
}

/// Every operation.
pub async fn all_described(server: &TestServer) -> Vec<Described> {
    let nobody = server.anonymous();
    let document = nobody.send(nobody.request(Method::GET, "/openapi.json")).await.ok();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let permission =
                operation.get("x-permission").unwrap_or_else(|| panic!("{method} {path}: no x-permission"));
            let (path, permission) = (path.clone(), permission.clone());
            operations.push(Described { method: method.to_uppercase(), path, permission });
        }
    }
    operations
}

/// Neither unknown nor without the permission; whatever else is said is about what was sent.
#[track_caller]
fn got_in(answer: &Answer, name: &str) {
    assert!(answer.status < 500 && answer.status != 401, "{name}: {} {}", answer.status, answer.text);
    assert!(!answer.text.contains(FORBIDDEN), "{name}: {}", answer.text);
}

async fn nobody_gets_in_where_an_account_is_needed(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let strangers = [server.anonymous(), server.with(admin.id(), "wrong"), server.with(bob.id(), admin.token())];
    for operation in described(server).await {
        for stranger in &strangers {
            for body in ["", "{"] {
                let answer = operation.send(stranger, body).await;
                if operation.needs_an_account() {
                    answer.unauthenticated();
                } else {
                    assert!(answer.status < 500, "{}: {}", operation.name(), answer.text);
                    let is_refused = answer.status == 401 && answer.text.contains("You must be logged in");
                    assert!(!is_refused, "{}", operation.name());
                }
            }
        }
    }
}

/// Ninety days, and one more.
const LONGER_THAN_A_SESSION: i64 = 91 * 24 * 60 * 60 * 1_000;

/// Tokens that were good once: of whoever logged out, was switched off, was deleted, or stayed away for too long. What
/// their holders could do before does not matter, so all of them were administrators.
async fn a_token_that_ended_opens_nothing(server: &TestServer) {
    let root = server.admin().await;
    let mut ended = Vec::new();
    for name in ["revoked", "deactivated", "deleted", "expired"] {
        let actor = server.user_with(name, &["admin"]).await;
        actor.get("me").await.ok();
        ended.push((name, actor));
    }
    ended[0].1.post("logout", json!({})).await.ok();
    root.post("users.setActiveStatus", json!({"userId": ended[1].1.id(), "activeStatus": false})).await.ok();
    root.post("users.delete", json!({"userId": ended[2].1.id()})).await.ok();
    let (expired, ended_by_somebody) = ended.split_last().unwrap();
    opens_nothing(server, ended_by_somebody).await;
    // Only now: what is past its lifetime opens nothing for that reason alone.
    server.clock.advance(LONGER_THAN_A_SESSION);
    opens_nothing(server, std::slice::from_ref(expired)).await;
}

async fn opens_nothing(server: &TestServer, ended: &[(&str, Actor<'_>)]) {
    let mut routes = 0;
    for operation in all_described(server).await.iter().filter(|operation| operation.needs_an_account()) {
        routes += 1;
        for (name, actor) in ended {
            let (method, path) =
                (Method::from_bytes(operation.method.as_bytes()).unwrap(), operation.path.replace(['{', '}'], ""));
            let request = match operation.is_of_organizations() {
                true => server.anonymous().request(method, &path).bearer_auth(actor.token()),
                false => actor.request(method, &path),
            };
            let answer = actor.send(request.header("Content-Type", "application/json").body("{}")).await;
            assert_eq!(answer.status, 401, "{}, {name}: {}", operation.name(), answer.text);
        }
    }
    assert!(routes > 80, "{routes}");
}

async fn an_account_without_roles_gets_in_only_where_no_permission_is_needed(server: &TestServer) {
    server.user_with(MALLORY, &[]).await;
    for operation in described(server).await.iter().filter(|operation| operation.needs_an_account()) {
        // That somebody may not is said before anything about what he sent.
        for body in ["", "{", "{}", "[]"] {
            // Each time anew: some operations end sessions.
            let mallory = server.session_of(MALLORY).await;
            let answer = operation.send(&mallory, body).await;
            if !operation.first().is_empty() {
                answer.forbidden();
            } else if operation.late().is_none() {
                got_in(&answer, &operation.name());
            }
        }
    }
}

async fn one_of_the_permissions_is_enough(server: &TestServer) {
    let mut holders = BTreeSet::new();
    for operation in described(server).await {
        for permission in operation.first() {
            if holders.insert(permission.to_owned()) {
                let role = plant_role(server, permission).await;
                server
                    .store
                    .grant_permission(&PermissionId::from_stored(permission), &role, &server.by())
                    .await
                    .unwrap();
                server.user_with(permission, &[role.as_str()]).await;
            }
            let holder = server.session_of(permission).await;
            got_in(&operation.send(&holder, "{}").await, &format!("{} with {permission}", operation.name()));
        }
    }
    assert!(!holders.is_empty());
}

/// A role of that name that nobody has and that may do nothing.
async fn plant_role(server: &TestServer, name: &str) -> RoleId {
    let definition = RoleDefinition {
        name: format!("only {name}"),
        description: String::new(),
        scope: RoleScope::Users,
        mandatory2fa: false,
    };
    let role = NewRole { id: server.ids.role_id(), definition };
    server.store.create_role(role, &server.by()).await.unwrap().id
}

/// Where the permission is asked for late, the request has to be right up to there. So the conversation of the examples is
/// held, and before an operation's success its permissions are taken from everybody who asks, then given back one at a
/// time: without them the same request of the same person is refused, and each of them is enough for some request.
async fn a_late_check_decides_as_well(server: &TestServer) {
    let late: Vec<_> = described(server).await.into_iter().filter(|operation| operation.late().is_some()).collect();
    // What has not been seen to be enough yet.
    let mut missing: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for operation in &late {
        let permissions = any_of(operation.late().unwrap()).into_iter().map(PermissionId::from_stored);
        missing.insert(operation.name(), permissions.collect());
    }
    let keeper = plant_role(server, "keeper").await;
    // Somebody can always administer permissions, whoever loses them below.
    server.user_with("keeper", &[keeper.as_str()]).await;
    let mut conversation = Conversation::with(server).await;
    for step in steps() {
        let request = conversation.request(&step);
        let operation = late.iter().find(|operation| operation.is_asked_by(&request) && step.status == 200);
        let is_taken = match operation.map(|operation| (operation, missing.get_mut(&operation.name()).unwrap())) {
            Some((operation, missing)) if !missing.is_empty() => {
                probe(&mut conversation, &step, &request, operation, &keeper, missing).await
            }
            _ => false,
        };
        if !is_taken {
            let (_, answer) = conversation.take(&step).await;
            assert_eq!(answer.status, step.status, "{} {}: {}", step.method, step.route, answer.text);
        }
    }
    missing.retain(|_, permissions| !permissions.is_empty());
    assert!(
        missing.is_empty(),
        "the examples have no success of these operations to which the permission alone is enough; either it is not, and \
         the handler should not name it, or an example is missing: {missing:?}"
    );
}

/// Returns whether the step was taken on the way.
async fn probe(
    conversation: &mut Conversation<'_>,
    step: &Step,
    request: &Request,
    operation: &Described,
    keeper: &RoleId,
    missing: &mut BTreeSet<PermissionId>,
) -> bool {
    let (server, name) = (conversation.server, operation.name());
    let rule = operation.late().unwrap();
    let status = rule["refusedWith"].as_u64().unwrap();
    request.send(&conversation.actor(NOBODY).await).await.unauthenticated();
    let role_less = request.send(&conversation.actor(MALLORY).await).await;
    assert_eq!(u64::from(role_less.status), status, "{name}, without any role: {}", role_less.text);
    if request.body.is_some() {
        // Malformed JSON is told before.
        let broken = operation.send(&conversation.actor(MALLORY).await, "{").await;
        assert_eq!(broken.json()["errorType"], "invalid-params", "{name}: {}", broken.text);
    }

    let permissions: Vec<_> = any_of(rule).into_iter().map(PermissionId::from_stored).collect();
    let before = grants(server, &permissions).await;
    let role = server.account(step.actor).await.roles.unwrap_or_default()[0].clone();
    let set = async |granted: Option<&PermissionId>| {
        let roles = |permission: &PermissionId| match granted {
            Some(granted) if granted == permission => vec![keeper.clone(), role.clone()],
            _ => vec![keeper.clone()],
        };
        let grant = |permission: &PermissionId| Grant { permission: permission.clone(), roles: roles(permission) };
        server.store.update_permissions(permissions.iter().map(grant).collect(), &server.by()).await.unwrap();
    };
    set(None).await;
    let refusal = request.send(&conversation.actor(step.actor).await).await;
    assert_eq!(u64::from(refusal.status), status, "{name}, without {permissions:?}: {}", refusal.text);
    let mut is_taken = false;
    for permission in missing.clone() {
        set(Some(&permission)).await;
        let answer = request.send(&conversation.actor(step.actor).await).await;
        got_in(&answer, &name);
        if (answer.status, &answer.text) != (refusal.status, &refusal.text) {
            missing.remove(&permission);
        }
        if answer.status == step.status && !is_taken {
            is_taken = true;
            conversation.learn(step, &answer);
        }
    }
    server.store.update_permissions(before, &server.by()).await.unwrap();
    is_taken
}

async fn grants(server: &TestServer, permissions: &[PermissionId]) -> Vec<Grant> {
    let mut grants = Vec::new();
    for id in permissions {
        let known = server.store.find_permission(id).await.unwrap();
        let known = known.unwrap_or_else(|| panic!("{id:?} is not among the permissions of a new workspace"));
        grants.push(Grant { permission: known.id, roles: known.roles });
    }
    grants
}

async fn routes_and_operations_are_the_same(server: &TestServer) {
    let described: BTreeSet<_> = all_described(server).await.iter().map(Described::name).collect();
    let of_workspace = operations().into_iter().map(|route| (route.method, route.path));
    let of_organizations = organization_operations().into_iter().map(|route| (route.method, route.path));
    let routes: Vec<_> = of_workspace.chain(of_organizations).collect();
    let known: BTreeSet<_> = routes.iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(described, known);
    assert_eq!(routes.len(), known.len(), "no route stands in the table twice");
    // What is described is there, and what is there for another method is not.
    let nobody = server.anonymous();
    for name in &described {
        let (method, route) = name.split_once(' ').unwrap();
        let path = route.replace(['{', '}'], "");
        let answer = nobody.send(nobody.request(Method::from_bytes(method.as_bytes()).unwrap(), &path)).await;
        assert_ne!(answer.status, 404, "{name}");
        let other = nobody.send(nobody.request(Method::PATCH, &path)).await;
        assert_eq!(other.status, if described.contains(&format!("PATCH {route}")) { 401 } else { 404 }, "PATCH {path}");
    }
}

async fn what_all_refusals_look_like_is_in_the_document(server: &TestServer) {
    let nobody = server.anonymous();
    let document = nobody.send(nobody.request(Method::GET, "/openapi.json")).await.ok();
    let bob = server.user("bob").await;
    for (name, answer) in [
        ("Unauthenticated", nobody.get("me").await),
        ("Forbidden", bob.post("roles.delete", json!({})).await),
        ("TooLarge", bob.post_bytes("users.register", Some("application/json"), vec![b' '; 1 << 20]).await),
    ] {
        let response = &document["components"]["responses"][name];
        assert_eq!(response["content"]["application/json"]["example"], answer.json(), "{name}");
    }
}

on_every_store!(
    nobody_gets_in_where_an_account_is_needed,
    a_token_that_ended_opens_nothing,
    an_account_without_roles_gets_in_only_where_no_permission_is_needed,
    one_of_the_permissions_is_enough,
    routes_and_operations_are_the_same,
    what_all_refusals_look_like_is_in_the_document,
);

// As an operator has it set who lets sessions of others be made.
on_every_store!(
    with_a_secret, "CREATE_TOKENS_FOR_USERS" = "true", "CREATE_TOKENS_FOR_USERS_SECRET" = "open sesame";
    a_late_check_decides_as_well,
);
