//! A wall clock that is set back and forward: nothing that was acknowledged is lost, the record stays whole, and nobody is
//! kept out once the clock is right again. What a window of the rate limiter does is tested where it is, and failures to
//! log in in the stores' suite.

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit_chain::Sealer;
use rolekeeper::service::audit::verify::{Scope, verify};
use serde_json::{Value, json};

use crate::idempotency::{again, keyed};
use crate::support::server::{PASSWORD, TestServer};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Ahead and back, a little and a lot; together less than a session lasts, and at the end as at the beginning.
const STEPS: [i64; 8] = [0, -DAY, 3 * DAY, 1, -30 * DAY, -MINUTE, 40 * DAY, -12 * DAY + MINUTE - 1];

async fn assert_whole(server: &TestServer) {
    server.store.seal_audit_entries().await.unwrap();
    let (sealer, scope) = (Sealer::default(), Scope::default());
    let findings = verify(server.store.as_ref(), &sealer, &scope, server.clock.now(), |_| {}).await.unwrap();
    assert_eq!(findings, 0);
}

fn names(roles: &Value) -> Vec<&str> {
    roles.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect()
}

async fn nothing_is_lost_when_the_clock_jumps(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let before = server.store.list_audit_entries(1_000).await.unwrap().len();
    let earliest = server.clock.now().plus_millis(-60 * DAY);
    let (mut made, mut held) = (Vec::new(), Vec::new());
    for (number, step) in STEPS.into_iter().enumerate() {
        server.clock.advance(step);
        let name = format!("role-{number}");
        let body = json!({"name": name});
        let first = keyed(&admin, &name, "roles.create", &body).await;
        let role = first.ok()["role"].clone();
        let given = json!({"roleId": role["_id"], "username": "bob"});
        admin.post("roles.addUserToRole", given).await.ok();
        // It is the same request a little later, and after the clock was set back.
        again(&first, &keyed(&admin, &name, "roles.create", &body).await);
        server.clock.advance(-5 * MINUTE);
        again(&first, &keyed(&admin, &name, "roles.create", &body).await);
        server.clock.advance(5 * MINUTE);
        made.push(name);
        held.push(role["_id"].clone());
        let me = bob.get("me").await.ok();
        assert!(held.iter().all(|role| me["roles"].as_array().unwrap().contains(role)), "{me}");
        let listed = admin.get("roles.list").await.ok();
        assert!(made.iter().all(|name| names(&listed["roles"]).contains(&name.as_str())), "{listed}");
        let synced = admin.get(&format!("roles.sync?updatedSince={earliest}")).await.ok();
        assert!(made.iter().all(|name| names(&synced["roles"]["update"]).contains(&name.as_str())), "{synced}");
        assert_whole(server).await;
    }
    // In the order of the changes, whatever the clock said.
    let entries = server.store.list_audit_entries(1_000).await.unwrap();
    assert_eq!(entries.len(), before + 2 * STEPS.len());
    admin.post("roles.removeUserFromRole", json!({"roleId": held[3], "username": "bob"})).await.ok();
    admin.post("roles.delete", json!({"roleId": held[3]})).await.ok();
    assert!(!names(&admin.get("roles.list").await.ok()["roles"]).contains(&"role-3"));
}

async fn nobody_is_kept_out_once_the_clock_is_right_again(server: &TestServer) {
    let bob = server.user("bob").await;
    let log_in =
        async |password: &str| server.anonymous().post("login", json!({"user": "bob", "password": password})).await;
    for step in [100 * DAY, -100 * DAY] {
        server.clock.advance(step);
        // A session of then, and failures of then.
        let of_then = server.session_of("bob").await;
        of_then.get("me").await.ok();
        for _ in 0..20 {
            assert_eq!(log_in("wrong").await.status, 401);
        }
        assert_eq!(log_in(PASSWORD).await.status, 401, "too many failures");
        server.clock.advance(-step);
        bob.get("me").await.ok();
        log_in(PASSWORD).await.ok();
        assert_whole(server).await;
    }
    server.clock.advance(100 * DAY);
    bob.get("me").await.unauthenticated();
    server.clock.advance(-100 * DAY);
    bob.get("me").await.ok();
}

on_every_store!(nothing_is_lost_when_the_clock_jumps);

// As an operator has it set who lets guesses at passwords be counted.
on_every_store!(
    with_blocks, "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Enabled" = "true";
    nobody_is_kept_out_once_the_clock_is_right_again,
);
