//! Every route, one line each: method, path, handler, and what it does in a few words. Who may call it, what it takes and
//! how often is in the handler's signature; [`Operation`] only reads it from there, for the description of the API and
//! for the tests that go through all routes.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, Route, guard, web};

use super::call::{Guarded, Parameters};
use super::public::{
    answer_not_found, answer_options, show_api_info, show_health, show_info, show_metrics, show_readiness,
};
use super::requirement::Access;
use super::rocketchat::{channels, login, permissions, register, roles, users};

/// Every operation.
#[rustfmt::skip]
pub fn operations() -> Vec<Operation> {
    vec![
        open("/health", show_health, "Whether the process answers"),
        open("/ready", show_readiness, "Whether requests can be served"),
        open("/metrics", show_metrics, "Counts for Prometheus"),
        open("/api/info", show_info, "The version of the API"),
        get("/api/v1/info", show_api_info, "The version of the API"),
        // Log-in.
        post("/api/v1/login", login::login, "Log in"),
        post("/api/v1/logout", login::logout, "End the token of this request"),
        get("/api/v1/logout", login::logout, "End the token of this request"),
        get("/api/v1/me", login::show_me, "One's own account"),
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
        // Accounts.
        post("/api/v1/users.register", register::register, "Make an account for oneself"),
        post("/api/v1/users.create", users::create_user, "Create an account"),
        get("/api/v1/users.info", users::view_user, "An account"),
        post("/api/v1/users.setActiveStatus", users::set_active_status, "Activate or deactivate an account"),
        // Rooms.
        post("/api/v1/channels.create", channels::create_channel, "Create a public channel"),
    ]
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
    route: Route,
}

/// Tells actix every route.
pub fn routes(config: &mut web::ServiceConfig) {
    let mut resources = BTreeMap::new();
    for Operation { path, route, .. } in operations() {
        let known = resources.remove(path).unwrap_or_else(|| resource(path));
        resources.insert(path, known.route(route));
    }
    for resource in resources.into_values() {
        config.service(resource);
    }
    config.default_service(web::to(answer_not_found));
}

/// A path. A method it does not have is "not found", as in the original; `OPTIONS` it always has.
fn resource(path: &str) -> Resource {
    web::resource(path)
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
    Operation { method: Method::GET, path, summary, access: Access::Everybody, parameters: None, route }
}

fn get<F, A>(path: &'static str, handler: F, summary: &'static str) -> Operation
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Guarded + 'static,
{
    guarded::<A>(Method::GET, path, summary, either_get().to(handler))
}

fn post<F, A>(path: &'static str, handler: F, summary: &'static str) -> Operation
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + Guarded + 'static,
{
    guarded::<A>(Method::POST, path, summary, web::post().to(handler))
}

fn guarded<A: Guarded>(method: Method, path: &'static str, summary: &'static str, route: Route) -> Operation {
    Operation { method, path, summary, access: A::ACCESS, parameters: Some(A::PARAMETERS), route }
}
