//! What is said in the conversation, one line for each request: who asks, what, the status that must come back, and what
//! it shows. Every operation needs at least one line with a success; what else is typical for it stands beside that.
//!
//! `<name>` in a path or body is what an earlier step kept under that name; the ids of the people are kept from the start.
//! A step must not depend on a step of another group, except on its having been there: groups may grow apart.

mod accounts;
mod organizations;
mod rooms;
mod tokens;
mod workspace;

use reqwest::Method;
use serde_json::{Value, json};

pub use organizations::steps as organization_steps;
pub use tokens::SECRET;

/// The administrator.
pub const ROOT: &str = "root";
/// Somebody with the role `user`.
pub const BOB: &str = "bob";
/// Somebody else with the role `user`.
pub const CAROL: &str = "carol";
/// Somebody without any role.
pub const MALLORY: &str = "mallory";
/// Nobody: a request without credentials.
pub const NOBODY: &str = "";

/// One request of the conversation.
pub struct Step {
    /// Who asks; everybody asks each time in a session of its own.
    pub actor: &'static str,
    /// How.
    pub method: Method,
    /// What, below `/api/v1/` or from the root if it begins with a slash.
    pub route: String,
    /// With which headers, beside those that show who asks.
    pub headers: Vec<(&'static str, &'static str)>,
    /// With which body.
    pub body: Option<Value>,
    /// What must come back.
    pub status: u16,
    /// What it shows, in a few words.
    pub title: &'static str,
    /// What later steps need of the answer: under which name, and where it stands.
    pub kept: Vec<(&'static str, &'static str)>,
    /// Whether the answer is worth showing.
    pub shows_answer: bool,
}

impl Step {
    /// Keeps a text of the answer for later steps.
    fn keep(mut self, name: &'static str, pointer: &'static str) -> Self {
        self.kept.push((name, pointer));
        self
    }

    /// Sends a header.
    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Shows the request alone.
    fn without_answer(mut self) -> Self {
        self.shows_answer = false;
        self
    }
}

fn step(actor: &'static str, method: Method, route: impl Into<String>, status: u16, title: &'static str) -> Step {
    let (route, headers, kept) = (route.into(), Vec::new(), Vec::new());
    Step { actor, method, route, headers, body: None, status, title, kept, shows_answer: true }
}

fn get(actor: &'static str, route: impl Into<String>, status: u16, title: &'static str) -> Step {
    step(actor, Method::GET, route, status, title)
}

fn post(actor: &'static str, route: impl Into<String>, body: Value, status: u16, title: &'static str) -> Step {
    Step { body: Some(body), ..step(actor, Method::POST, route, status, title) }
}

/// The whole conversation, but for that about organizations.
pub fn steps() -> Vec<Step> {
    let groups = [
        server(),
        accounts::steps(),
        tokens::steps(),
        rooms::channels(),
        rooms::groups(),
        roles(),
        permissions(),
        workspace::steps(),
        accounts::farewell(),
    ];
    groups.into_iter().flatten().collect()
}

fn server() -> Vec<Step> {
    vec![
        get(NOBODY, "/health", 200, "The process answers"),
        get(NOBODY, "/ready", 200, "Requests can be served"),
        get(NOBODY, "/metrics", 200, "The beginning of the counts"),
        get(NOBODY, "/openapi.json", 200, "This document").without_answer(),
        get(NOBODY, "/docs", 200, "The page").without_answer(),
        get(NOBODY, "/api/info", 200, "Before anybody has logged in"),
        get(NOBODY, "info", 200, "Before anybody has logged in"),
    ]
}

fn roles() -> Vec<Step> {
    vec![
        get(BOB, "roles.list", 200, "Every role"),
        post(ROOT, "roles.create", json!({"name": "deputy", "description": "Stands in"}), 200, "A role of one's own")
            .keep("deputy", "/role/_id"),
        post(ROOT, "roles.create", json!({"name": "deputy"}), 400, "The name is taken"),
        post(
            ROOT,
            "roles.update",
            json!({"roleId": "<deputy>", "name": "deputy", "description": "Stands in for bob"}),
            200,
            "Describe it anew",
        ),
        post(ROOT, "roles.update", json!({"roleId": "admin", "name": "chief"}), 400, "A protected role keeps its name"),
        post(
            ROOT,
            "roles.addUserToRole",
            json!({"username": "bob", "roleId": "<deputy>"}),
            200,
            "In the whole workspace",
        ),
        post(
            ROOT,
            "roles.addUserToRole",
            json!({"username": "bob", "roleId": "moderator", "roomId": "<team>"}),
            200,
            "In one room",
        ),
        post(ROOT, "roles.addUserToRole", json!({"username": "bob", "roleId": "<deputy>"}), 400, "He has it already"),
        get(ROOT, "roles.getUsersInRole?role=<deputy>", 200, "Who has a role"),
        get(
            ROOT,
            "roles.getUsersInRole?role=moderator&roomId=<team>&count=10&offset=0",
            200,
            "Who has it in a room, by pages",
        ),
        get(ROOT, "roles.getUsersInRole?role=nothing", 400, "No such role"),
        get(BOB, "roles.getUsersInPublicRoles", 200, "Who has a role with a description"),
        post(ROOT, "roles.delete", json!({"roleId": "<deputy>"}), 400, "Somebody holds it"),
        post(
            ROOT,
            "roles.removeUserFromRole",
            json!({"username": "bob", "roleId": "<deputy>"}),
            200,
            "From the whole workspace",
        ),
        post(
            ROOT,
            "roles.removeUserFromRole",
            json!({"username": "bob", "roleId": "moderator", "scope": "<team>"}),
            200,
            "From one room",
        ),
        post(
            ROOT,
            "roles.removeUserFromRole",
            json!({"username": "root", "roleId": "admin"}),
            400,
            "The last administrator stays",
        ),
        post(ROOT, "roles.delete", json!({"roleId": "<deputy>"}), 200, "Nobody holds it"),
        post(ROOT, "roles.delete", json!({"roleId": "admin"}), 400, "A protected role"),
        post(ROOT, "roles.delete", json!({"roleId": "<deputy>"}), 400, "No such role"),
        post(ROOT, "roles.delete", json!({}), 400, "Which role is not said"),
        get(BOB, "roles.sync?updatedSince=2026-01-01T00:00:00.000Z", 200, "What changed and what went"),
    ]
}

fn permissions() -> Vec<Step> {
    vec![
        get(BOB, "permissions.listAll", 200, "Every permission"),
        get(BOB, "permissions.listAll?updatedSince=2030-01-01T00:00:00.000Z", 200, "Those that changed since a time"),
        post(
            ROOT,
            "permissions.update",
            json!({"permissions": [{"_id": "view-logs", "roles": ["admin", "auditor"]}]}),
            400,
            "One role does not exist",
        ),
        post(
            ROOT,
            "permissions.update",
            json!({"permissions": [{"_id": "view-logs", "roles": ["admin", "bot"]}]}),
            200,
            "Replace the roles",
        ),
        post(
            ROOT,
            "permissions.update",
            json!({"permissions": [{"_id": "access-permissions", "roles": ["guest"]}]}),
            400,
            "Nobody could administer any more",
        ),
        post(ROOT, "permissions.addRole", json!({"permissionId": "view-logs", "role": "user"}), 200, "Grant"),
        post(ROOT, "permissions.removeRole", json!({"permissionId": "view-logs", "role": "user"}), 200, "Revoke"),
    ]
}
