//! Every route, one line each: method, path, handler, and what it does in a few words. Who may call it, what it takes and
//! how often is in the handler's signature; [`Operation`] only reads it from there, for the description of the API and
//! for the tests that go through all routes.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, Route, guard, web};

use super::call::change::Changing;
use super::call::organization::Asked;
use super::call::{Guarded, Parameters};
use super::openapi::{show_document, show_page};
use super::organizations::body::{Field, Source};
use super::organizations::rule::Who;
use super::public::{answer_not_found, answer_options, show_health, show_metrics, show_readiness};
use super::requirement::Access;
use super::rocketchat::rooms::{Channels, Groups};
use super::rocketchat::{
    audit as audit_log, login, permissions, register, roles, rooms, settings, tokens, users, workspace,
};
use crate::metrics::RouteMeter;

/// Every operation.
#[rustfmt::skip]
pub fn operations() -> Vec<Operation> {
    vec![
        open("/health", show_health, "Whether the process answers"),
        open("/ready", show_readiness, "Whether requests can be served"),
        open("/metrics", show_metrics, "Counts for Prometheus"),
        open("/openapi.json", show_document, "This description of the API"),
        open("/docs", show_page, "The same, to read"),
        get("/api/info", workspace::show_info, "The version of the API"),
        get("/api/v1/info", workspace::show_api_info, "The version of the API"),
        // Log-in.
        post_without_key("/api/v1/login", login::login, "Log in"),
        post_without_key("/api/v1/logout", login::logout, "End the token of this request"),
        get("/api/v1/logout", login::logout, "End the token of this request"),
        get("/api/v1/me", login::show_me, "One's own account"),
        // Tokens.
        post("/api/v1/users.logout", tokens::logout_user, "End every token of an account"),
        post("/api/v1/users.logoutOtherClients", tokens::logout_other_clients, "End one's other sessions"),
        post("/api/v1/users.removeOtherTokens", tokens::remove_other_tokens, "End one's other tokens"),
        post("/api/v1/users.createToken", tokens::create_token, "Make a session of an account"),
        post("/api/v1/users.generatePersonalAccessToken", tokens::generate_personal_token, "Make a token for a program"),
        get("/api/v1/users.getPersonalAccessTokens", tokens::list_personal_tokens, "One's tokens for programs"),
        post("/api/v1/users.regeneratePersonalAccessToken", tokens::regenerate_personal_token, "Replace a token for a program"),
        post("/api/v1/users.removePersonalAccessToken", tokens::remove_personal_token, "End a token for a program"),
        // Roles.
        get("/api/v1/roles.list", roles::list_roles, "Every role"),
        get("/api/v1/roles.sync", roles::sync_roles, "Roles that changed or went since a time"),
        post("/api/v1/roles.create", roles::create_role, "Create a custom role"),
        post("/api/v1/roles.update", roles::update_role, "Replace the definition of a role"),
        post("/api/v1/roles.delete", roles::delete_role, "Delete a role that nobody holds"),
        post("/api/v1/roles.addUserToRole", roles::assign_role, "Give a role to somebody"),
        post("/api/v1/roles.removeUserFromRole", roles::unassign_role, "Take a role from somebody"),
        get("/api/v1/roles.getUsersInRole", roles::list_holders, "The holders of a role"),
        get("/api/v1/roles.getUsersInPublicRoles", roles::list_public_holders, "The holders of roles with a description"),
        // Permissions.
        get("/api/v1/permissions.listAll", permissions::list_permissions, "Every permission, or those changed since a time"),
        post("/api/v1/permissions.update", permissions::update_permissions, "Replace the roles of some permissions"),
        post("/api/v1/permissions.addRole", permissions::grant_permission, "Grant a permission to a role"),
        post("/api/v1/permissions.removeRole", permissions::revoke_permission, "Revoke a permission from a role"),
        get("/api/v1/audit.roles", audit_log::list_entries, "Who changed what, latest first"),
        // Accounts.
        post_without_key("/api/v1/users.register", register::register, "Make an account for oneself"),
        post("/api/v1/users.create", users::create_user, "Create an account"),
        get("/api/v1/users.info", users::view_user, "An account"),
        get("/api/v1/users.list", users::list_users, "Accounts, page by page"),
        get("/api/v1/users.listByStatus", users::list_users_by_status, "Accounts that are active, or bots, or hold a role"),
        get("/api/v1/users.autocomplete", users::suggest_users, "People whose usernames begin with a text"),
        get("/api/v1/users.checkUsernameAvailability", users::check_username, "Whether a username is free"),
        post("/api/v1/users.update", users::update_user, "Change an account"),
        post("/api/v1/users.updateOwnBasicInfo", users::update_own_account, "Change one's own account"),
        post("/api/v1/users.delete", users::delete_user, "Delete an account with everything that is its own"),
        post("/api/v1/users.deleteOwnAccount", users::delete_own_account, "Delete one's own account"),
        post("/api/v1/users.deactivateIdle", users::deactivate_idle_users, "Deactivate accounts that nobody uses"),
        get("/api/v1/users.getPreferences", users::show_preferences, "What one prefers"),
        post("/api/v1/users.setPreferences", users::set_preferences, "Choose what one prefers"),
        post("/api/v1/users.setActiveStatus", users::set_active_status, "Activate or deactivate an account"),
        // The workspace.
        get("/api/v1/settings.public", settings::list_public_settings, "The settings that everybody may see"),
        get("/api/v1/settings.oauth", workspace::list_oauth_services, "Other ways to log in: none"),
        get("/api/v1/service.configurations", workspace::list_service_configurations, "Other ways to log in: none"),
        get("/api/v1/settings", settings::list_settings, "The settings that the caller may see"),
        get("/api/v1/settings/{id}", settings::view_setting, "A setting"),
        post("/api/v1/settings/{id}", settings::change_setting, "Change a setting"),
        get("/api/v1/pw.getPolicy", settings::show_password_policy, "What is asked of a new password"),
        get("/api/v1/licenses.info", workspace::show_license, "What is on: custom roles"),
        // Rooms.
        post("/api/v1/channels.create", rooms::create::create_channel, "Create a public channel"),
        post("/api/v1/groups.create", rooms::create::create_group, "Create a private group"),
        get("/api/v1/channels.info", rooms::info::view_room::<Channels>, "A channel"),
        get("/api/v1/groups.info", rooms::info::view_room::<Groups>, "A private group"),
        post("/api/v1/channels.addOwner", rooms::roles::add_owner::<Channels>, "Make a member of a channel an owner"),
        post("/api/v1/channels.removeOwner", rooms::roles::remove_owner::<Channels>, "Take the role of an owner of a channel"),
        post("/api/v1/channels.addModerator", rooms::roles::add_moderator::<Channels>, "Make a member of a channel a moderator"),
        post("/api/v1/channels.removeModerator", rooms::roles::remove_moderator::<Channels>, "Take the role of a moderator of a channel"),
        post("/api/v1/channels.addLeader", rooms::roles::add_leader::<Channels>, "Make a member of a channel a leader"),
        post("/api/v1/channels.removeLeader", rooms::roles::remove_leader::<Channels>, "Take the role of a leader of a channel"),
        get("/api/v1/channels.roles", rooms::roles::list_room_roles::<Channels>, "Who has which role in a channel"),
        get("/api/v1/channels.moderators", rooms::roles::list_moderators::<Channels>, "The moderators of a channel"),
        get("/api/v1/channels.members", rooms::members::list_members::<Channels>, "The members of a channel"),
        get("/api/v1/channels.list", rooms::lists::list_channels, "Every channel one may see"),
        get("/api/v1/channels.list.joined", rooms::lists::list_joined_channels, "The channels one is a member of"),
        post("/api/v1/groups.addOwner", rooms::roles::add_owner::<Groups>, "Make a member of a private group an owner"),
        post("/api/v1/groups.removeOwner", rooms::roles::remove_owner::<Groups>, "Take the role of an owner of a private group"),
        post("/api/v1/groups.addModerator", rooms::roles::add_moderator::<Groups>, "Make a member of a private group a moderator"),
        post("/api/v1/groups.removeModerator", rooms::roles::remove_moderator::<Groups>, "Take the role of a moderator of a private group"),
        post("/api/v1/groups.addLeader", rooms::roles::add_leader::<Groups>, "Make a member of a private group a leader"),
        post("/api/v1/groups.removeLeader", rooms::roles::remove_leader::<Groups>, "Take the role of a leader of a private group"),
        get("/api/v1/groups.roles", rooms::roles::list_room_roles::<Groups>, "Who has which role in a private group"),
        get("/api/v1/groups.moderators", rooms::roles::list_moderators::<Groups>, "The moderators of a private group"),
        get("/api/v1/groups.members", rooms::members::list_members::<Groups>, "The members of a private group"),
        get("/api/v1/groups.list", rooms::lists::list_joined_groups, "The private groups one is a member of"),
        get("/api/v1/groups.listAll", rooms::lists::list_all_groups, "Every private group"),
        get("/api/v1/rooms.get", rooms::lists::list_own_rooms, "The rooms one is a member of, or those changed since a time"),
        get("/api/v1/rooms.info", rooms::info::view_any_room, "A room of any kind"),
        get("/api/v1/rooms.membersOrderedByRole", rooms::members::list_ranked_members, "The members of a room, owners first"),
        get("/api/v1/subscriptions.get", rooms::subscriptions::list_own_subscriptions, "One's subscriptions, or those changed since a time"),
        get("/api/v1/subscriptions.getOne", rooms::subscriptions::view_own_subscription, "One's subscription of a room"),
        // Changes of rooms and of who is in them.
        post("/api/v1/channels.invite", rooms::membership::invite::<Channels>, "Make others members of a channel"),
        post("/api/v1/groups.invite", rooms::membership::invite::<Groups>, "Make others members of a private group"),
        post("/api/v1/channels.kick", rooms::membership::kick::<Channels>, "End somebody's membership of a channel"),
        post("/api/v1/groups.kick", rooms::membership::kick::<Groups>, "End somebody's membership of a private group"),
        post("/api/v1/channels.join", rooms::membership::join, "Become a member of a channel"),
        post("/api/v1/channels.leave", rooms::membership::leave::<Channels>, "End one's own membership of a channel"),
        post("/api/v1/groups.leave", rooms::membership::leave::<Groups>, "End one's own membership of a private group"),
        post("/api/v1/channels.delete", rooms::change::delete::<Channels>, "Delete a channel"),
        post("/api/v1/groups.delete", rooms::change::delete::<Groups>, "Delete a private group"),
        post("/api/v1/rooms.leave", rooms::membership::leave_any, "End one's own membership of a room"),
        post("/api/v1/rooms.delete", rooms::change::delete_any, "Delete a room"),
        post("/api/v1/channels.archive", rooms::change::archive::<Channels>, "Archive a channel"),
        post("/api/v1/groups.archive", rooms::change::archive::<Groups>, "Archive a private group"),
        post("/api/v1/channels.unarchive", rooms::change::unarchive::<Channels>, "Put an archived channel to use again"),
        post("/api/v1/groups.unarchive", rooms::change::unarchive::<Groups>, "Put an archived private group to use again"),
        post("/api/v1/channels.rename", rooms::change::rename::<Channels>, "Give a channel another name"),
        post("/api/v1/groups.rename", rooms::change::rename::<Groups>, "Give a private group another name"),
        post("/api/v1/channels.setType", rooms::change::set_type::<Channels>, "Make a channel private"),
        post("/api/v1/groups.setType", rooms::change::set_type::<Groups>, "Make a private group public"),
    ]
}

/// Every operation of the surface of organizations, with the status of its success.
#[rustfmt::skip]
pub fn organization_operations() -> Vec<OrganizationOperation> {
    use super::organizations::{audit, capabilities, members, organizations, roles, users};
    let (read, make, edit, end) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        asked(&read, 200, "/v1/capabilities", capabilities::list_capabilities, "Everything that a role can allow"),
        asked(&read, 200, "/v1/organizations", organizations::list_organizations, "One's own organizations"),
        asked(&make, 201, "/v1/organizations", organizations::create_organization, "Create an organization"),
        asked(&read, 200, "/v1/organizations/{organization_id}", organizations::show_organization, "An organization"),
        asked(&edit, 200, "/v1/organizations/{organization_id}", organizations::rename_organization, "Rename an organization"),
        asked(&end, 204, "/v1/organizations/{organization_id}", organizations::delete_organization, "Delete an organization that has no other member"),
        asked(&read, 200, "/v1/organizations/{organization_id}/roles", roles::list_roles, "Every role of an organization"),
        asked(&make, 201, "/v1/organizations/{organization_id}/roles", roles::create_role, "Create a custom role"),
        asked(&read, 200, "/v1/organizations/{organization_id}/roles/templates", roles::list_templates, "Proposals for custom roles"),
        asked(&read, 200, "/v1/organizations/{organization_id}/roles/{role_id}", roles::show_role, "A role"),
        asked(&edit, 200, "/v1/organizations/{organization_id}/roles/{role_id}", roles::update_role, "Change a custom role"),
        asked(&end, 204, "/v1/organizations/{organization_id}/roles/{role_id}", roles::delete_role, "Delete a custom role that nobody holds"),
        asked(&read, 200, "/v1/organizations/{organization_id}/roles/{role_id}/members", members::list_role_members, "The holders of a role"),
        asked(&make, 201, "/v1/organizations/{organization_id}/roles/{role_id}/members", members::assign_role, "Give a role to a member"),
        asked(&end, 204, "/v1/organizations/{organization_id}/roles/{role_id}/members/{user_id}", members::unassign_role, "Take a role from a member"),
        asked(&read, 200, "/v1/organizations/{organization_id}/users", users::list_users, "The members of an organization"),
        asked(&make, 201, "/v1/organizations/{organization_id}/users/add", users::add_user, "Add an account to an organization"),
        asked(&end, 204, "/v1/organizations/{organization_id}/users/{user_id}", users::remove_user, "Remove a member from an organization"),
        asked(&read, 200, "/v1/organizations/{organization_id}/users/{user_id}/effective-permissions", users::show_effective_permissions, "What a member may do"),
        asked(&read, 200, "/v1/organizations/{organization_id}/audit-log", audit::list_entries, "The record of an organization"),
        asked(&read, 200, "/v1/organizations/{organization_id}/audit-log/export", audit::export_entries, "The record of an organization as a table"),
    ]
}

/// A route of organizations with what its handler says of it.
pub struct OrganizationOperation {
    /// How it is called.
    pub method: Method,
    /// Its address, parameters of the path in braces.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// The status of a success.
    pub success: u16,
    /// Who may call it.
    pub who: Who,
    /// What it takes.
    pub fields: &'static [Field],
    /// Where from.
    pub source: Source,
    /// Makes the handler's own type of what was sent, for `fuzz/`.
    #[cfg(feature = "fuzzing")]
    pub accepts: fn(Option<&str>, &[u8]) -> crate::service::Result<()>,
    route: Route,
}

fn asked<F, A>(
    method: &Method,
    success: u16,
    path: &'static str,
    handler: F,
    summary: &'static str,
) -> OrganizationOperation
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Asked + 'static,
{
    let route = if *method == Method::GET { either_get() } else { web::method(method.clone()) };
    let (who, fields, source) = (A::WHO, A::FIELDS, A::SOURCE);
    OrganizationOperation {
        method: method.clone(),
        path,
        summary,
        success,
        who,
        fields,
        source,
        #[cfg(feature = "fuzzing")]
        accepts: A::ACCEPTS,
        route: route.to(handler),
    }
}

/// A route with what its handler says of it.
pub struct Operation {
    /// How it is called.
    pub method: Method,
    /// Its address, parameters of the path in braces.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it takes.
    pub parameters: Option<Parameters>,
    /// Whether it takes an `Idempotency-Key`.
    pub takes_key: bool,
    route: Route,
}

/// What clients ask for again and again, to be found first. None has a parameter in its path.
const ASKED_MOST: [&str; 8] = [
    "/api/v1/me",
    "/api/v1/roles.list",
    "/api/v1/permissions.listAll",
    "/api/v1/users.info",
    "/api/v1/roles.getUsersInRole",
    "/api/v1/users.list",
    "/api/v1/subscriptions.get",
    "/api/v1/rooms.get",
];

/// Tells actix every route.
pub fn routes(config: &mut web::ServiceConfig) {
    let mut resources = BTreeMap::new();
    let of_organizations = organization_operations().into_iter().map(|operation| (operation.path, operation.route));
    let of_workspace = operations().into_iter().map(|operation| (operation.path, operation.route));
    // In the order of their addresses, in which a word comes before a parameter in its place.
    for (path, route) in of_workspace.chain(of_organizations) {
        let known = resources.remove(path).unwrap_or_else(|| resource(path));
        resources.insert(path, known.route(route));
    }
    // actix compares one address after the other; no two of those without parameters fit the same request.
    for path in ASKED_MOST {
        if let Some(resource) = resources.remove(path) {
            config.service(resource);
        }
    }
    for resource in resources.into_values() {
        config.service(resource);
    }
    config.default_service(web::to(answer_not_found));
}

/// A path. A method it does not have is "not found", as in the original; `OPTIONS` it always has.
fn resource(path: &'static str) -> Resource {
    web::resource(path)
        .app_data(RouteMeter::new(path))
        .route(web::method(Method::OPTIONS).to(answer_options))
        .default_service(web::to(answer_not_found))
}

/// `GET`, and `HEAD`, which is the same without a body.
fn either_get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A `GET` that no check stands before.
fn open<F, A>(path: &'static str, handler: F, summary: &'static str) -> Operation
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + 'static,
{
    let route = either_get().to(handler);
    Operation {
        method: Method::GET,
        path,
        summary,
        access: Access::Everybody,
        parameters: None,
        takes_key: false,
        route,
    }
}

fn get<F, A>(path: &'static str, handler: F, summary: &'static str) -> Operation
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Guarded + 'static,
{
    guarded::<A>(Method::GET, path, summary, either_get().to(handler))
}

/// Whatever changes something, and so may come again under a key.
fn post<F, A>(path: &'static str, handler: F, summary: &'static str) -> Operation
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Guarded + Changing + 'static,
{
    Operation { takes_key: true, ..guarded::<A>(Method::POST, path, summary, web::post().to(handler)) }
}

/// What begins or ends a session or makes an account of one's own: nobody to bind a key to is there before, or after. A
/// key is not looked at.
fn post_without_key<F, A>(path: &'static str, handler: F, summary: &'static str) -> Operation
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Guarded + 'static,
{
    guarded::<A>(Method::POST, path, summary, web::post().to(handler))
}

fn guarded<A: Guarded>(method: Method, path: &'static str, summary: &'static str, route: Route) -> Operation {
    Operation { method, path, summary, access: A::ACCESS, parameters: Some(A::PARAMETERS), takes_key: false, route }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_every_path_are_those_that_its_handler_takes() {
        for Operation { path, parameters, .. } in operations() {
            let in_braces = |part: &'static str| part.strip_prefix('{')?.strip_suffix('}');
            let named: Vec<_> = path.split('/').filter_map(in_braces).collect();
            assert_eq!(named, parameters.map_or(&[][..], |parameters| parameters.path), "{path}");
        }
    }

    #[test]
    fn what_is_found_first_is_there_and_hides_nothing() {
        let known: Vec<_> = operations().into_iter().map(|operation| operation.path).collect();
        for path in ASKED_MOST {
            assert!(known.contains(&path) && !path.contains('{'), "{path}");
        }
    }
}
