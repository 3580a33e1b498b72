//! What operations and their groups are called: both follow from the path, so that nobody has to think of names and no
//! generated client changes when a route is added.

use std::collections::BTreeSet;

use actix_web::http::Method;

const API: &str = "/api/v1/";
const ORGANIZATIONS: &str = "/v1/";

/// Groups of operations in the order of the document, each with what it is about. One that is not listed comes behind.
pub(super) const TAGS: &[(&str, &str)] = &[
    ("session", "Log in, log out, and who one is."),
    ("roles", "Roles: what there is, who holds them, giving and taking them."),
    ("permissions", "What each role may do."),
    ("audit", "Who changed what."),
    ("users", "Accounts."),
    ("channels", "Public rooms and the roles in them."),
    ("groups", "Private rooms and the roles in them."),
    ("rooms", "Rooms of every kind."),
    ("subscriptions", "Who is in which room."),
    ("settings", "What the workspace is set to."),
    ("organizations", "Organizations, and what their roles can allow."),
    ("organization-roles", "The roles of an organization: what there is, who holds them, giving and taking them."),
    ("organization-members", "Who belongs to an organization, and what he may do there."),
    ("organization-audit-log", "What was changed in an organization, by whom."),
    ("workspace", "What clients ask of a workspace before they do anything else."),
    ("server", "The server itself: is it alive, is it ready, how is it doing."),
];

/// The group that a path belongs to: the word before the first dot or slash under `/api/v1`, of organizations what
/// stands behind the organization.
pub fn tag(path: &'static str) -> &'static str {
    if let Some(route) = path.strip_prefix(ORGANIZATIONS) {
        return match route.split('/').nth(2) {
            Some("roles") => "organization-roles",
            Some("users") => "organization-members",
            Some("audit-log") => "organization-audit-log",
            _ => "organizations",
        };
    }
    let Some(route) = path.strip_prefix(API) else { return "server" };
    match route.split(['.', '/']).next().unwrap_or(route) {
        "login" | "logout" | "me" => "session",
        "info" | "licenses" | "pw" | "service" => "workspace",
        word => word,
    }
}

/// The names of operations: `roles.delete` is `rolesDelete`, `settings/{id}` is `settingsById`. Where a path has several
/// methods, the first one in the table has the plain name. Under `/v1` only `GET` has it, and of the parameters only the
/// one at the end is named: `organizationsRolesByIdDelete`.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn of(&mut self, method: &Method, path: &str) -> String {
        if let Some(route) = path.strip_prefix(ORGANIZATIONS) {
            let name = of_organizations(method, route);
            self.0.insert(name.clone());
            return name;
        }
        let plain = camel_case(path.strip_prefix(API).unwrap_or(path));
        if self.0.insert(plain.clone()) {
            return plain;
        }
        let name = plain + &capitalized(&method.as_str().to_lowercase());
        self.0.insert(name.clone());
        name
    }
}

fn of_organizations(method: &Method, route: &str) -> String {
    let words: Vec<_> = route.split('/').filter(|word| !word.starts_with('{')).collect();
    let end = if route.ends_with('}') { "ById" } else { "" };
    let verb = if *method == Method::GET { String::new() } else { capitalized(&method.as_str().to_lowercase()) };
    camel_case(&words.join("/")) + end + &verb
}

fn camel_case(path: &str) -> String {
    let path = path.replace('{', "by/");
    let mut words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &capitalized(word))
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_from_the_path() {
        let mut names = Names::default();
        for (method, path, name) in [
            (Method::POST, "/api/v1/roles.addUserToRole", "rolesAddUserToRole"),
            (Method::POST, "/api/v1/logout", "logout"),
            (Method::GET, "/api/v1/logout", "logoutGet"),
            (Method::GET, "/api/v1/settings/{id}", "settingsById"),
            (Method::POST, "/api/v1/settings/{id}", "settingsByIdPost"),
            (Method::GET, "/api/v1/info", "info"),
            (Method::GET, "/api/info", "apiInfo"),
            (Method::GET, "/openapi.json", "openapiJson"),
            (Method::POST, "/v1/organizations", "organizationsPost"),
            (Method::GET, "/v1/organizations", "organizations"),
            (Method::GET, "/v1/organizations/{organization_id}", "organizationsById"),
            (Method::DELETE, "/v1/organizations/{organization_id}/roles/{role_id}", "organizationsRolesByIdDelete"),
            (Method::GET, "/v1/organizations/{organization_id}/audit-log/export", "organizationsAuditLogExport"),
        ] {
            assert_eq!(names.of(&method, path), name);
        }
    }

    #[test]
    fn a_group_follows_from_the_path() {
        for (path, group) in [
            ("/api/v1/roles.list", "roles"),
            ("/api/v1/settings", "settings"),
            ("/api/v1/settings/{id}", "settings"),
            ("/api/v1/me", "session"),
            ("/health", "server"),
            ("/api/info", "server"),
            ("/v1/capabilities", "organizations"),
            ("/v1/organizations/{organization_id}", "organizations"),
            ("/v1/organizations/{organization_id}/roles/{role_id}/members", "organization-roles"),
            ("/v1/organizations/{organization_id}/users/add", "organization-members"),
            ("/v1/organizations/{organization_id}/audit-log", "organization-audit-log"),
        ] {
            assert_eq!(tag(path), group);
        }
    }
}
