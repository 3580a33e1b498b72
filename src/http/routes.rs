//! Every route, one line each.

use actix_web::http::Method;
use actix_web::{Resource, Route, guard, web};

use super::public::{
    answer_not_found, answer_options, show_api_info, show_health, show_info, show_metrics, show_readiness,
};
use super::rocketchat::{channels, login, permissions, register, roles, users};

/// Tells actix every route.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/health").route(get().to(show_health)))
        .service(resource("/ready").route(get().to(show_readiness)))
        .service(resource("/metrics").route(get().to(show_metrics)))
        .service(resource("/api/info").route(get().to(show_info)))
        .service(resource("/api/v1/info").route(get().to(show_api_info)))
        .service(resource("/api/v1/login").route(post().to(login::login)))
        .service(resource("/api/v1/logout").route(post().to(login::logout)).route(get().to(login::logout)))
        .service(resource("/api/v1/me").route(get().to(login::show_me)))
        .service(resource("/api/v1/roles.list").route(get().to(roles::list_roles)))
        .service(resource("/api/v1/roles.sync").route(get().to(roles::sync_roles)))
        .service(resource("/api/v1/roles.create").route(post().to(roles::create_role)))
        .service(resource("/api/v1/roles.update").route(post().to(roles::update_role)))
        .service(resource("/api/v1/roles.delete").route(post().to(roles::delete_role)))
        .service(resource("/api/v1/roles.addUserToRole").route(post().to(roles::assign_role)))
        .service(resource("/api/v1/roles.removeUserFromRole").route(post().to(roles::unassign_role)))
        .service(resource("/api/v1/roles.getUsersInRole").route(get().to(roles::list_holders)))
        .service(resource("/api/v1/roles.getUsersInPublicRoles").route(get().to(roles::list_public_holders)))
        .service(resource("/api/v1/permissions.listAll").route(get().to(permissions::list_permissions)))
        .service(resource("/api/v1/permissions.update").route(post().to(permissions::update_permissions)))
        .service(resource("/api/v1/permissions.addRole").route(post().to(permissions::grant_permission)))
        .service(resource("/api/v1/permissions.removeRole").route(post().to(permissions::revoke_permission)))
        .service(resource("/api/v1/users.register").route(post().to(register::register)))
        .service(resource("/api/v1/users.create").route(post().to(users::create_user)))
        .service(resource("/api/v1/users.info").route(get().to(users::view_user)))
        .service(resource("/api/v1/users.setActiveStatus").route(post().to(users::set_active_status)))
        .service(resource("/api/v1/channels.create").route(post().to(channels::create_channel)))
        .default_service(web::to(answer_not_found));
}

/// A path. A method it does not have is "not found", as in the original; `OPTIONS` it always has.
fn resource(path: &str) -> Resource {
    web::resource(path)
        .route(web::method(Method::OPTIONS).to(answer_options))
        .default_service(web::to(answer_not_found))
}

/// `GET`, and `HEAD`, which is the same without a body.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn post() -> Route {
    web::post()
}
