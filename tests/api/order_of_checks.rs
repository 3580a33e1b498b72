//! Who may call what, to be reviewed, and whose credentials count. That the server keeps to it, in the one order of checks
//! that holds of every route, is asked of its own description in `authorization`.

use insta::assert_snapshot;
use rolekeeper::http::requirement::{Access, LateCheck};
use rolekeeper::http::routes::operations;

use crate::support::server::TestServer;

/// Who may call what is reviewed here, beside the code: a handler that asks for less than it should shows as a difference.
#[test]
fn who_may_call_what() {
    let names = |permissions: &[&str]| permissions.join(" or ");
    let lines = operations().into_iter().map(|operation| {
        let who = match operation.access {
            Access::Everybody => "everybody".to_owned(),
            Access::Accounts { any_of: [], later: None } => "every account".to_owned(),
            Access::Accounts { any_of, later: None } => names(any_of),
            Access::Accounts { any_of, later: Some(LateCheck { any_of: late, status }) } => {
                let first = if any_of.is_empty() { "every account".to_owned() } else { names(any_of) };
                format!("{first}; then {}, else {status}", names(late))
            }
        };
        format!("{} {}: {who}", operation.method, operation.path)
    });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

async fn a_token_counts_for_its_owner_alone(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    server.with(bob.id(), admin.token()).get("me").await.unauthenticated();
    server.with(admin.id(), bob.token()).get("me").await.unauthenticated();
    server.with(&format!("{} ", &bob.id()[1..]), bob.token()).get("me").await.unauthenticated();
    server.with(bob.id(), &bob.token()[1..]).get("me").await.unauthenticated();
    server.with("bob", bob.token()).get("me").await.unauthenticated();
    server.with(bob.id(), bob.token()).get("me").await.ok();
}

on_every_store!(a_token_counts_for_its_owner_alone);
