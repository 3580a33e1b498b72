//! Promises of `LoginFailureStore`.

use mongodb::bson::Document;
use rolekeeper::clock::Clock as _;
use rolekeeper::domain::login_failure::{AccountKey, FailureCount, Limit, Limits, LoginFailure};

use crate::support::stores::TestStore;

const MINUTE: i64 = 60_000;
const HOME: &str = "192.0.2.1";
const AWAY: &str = "2001:db8::1";
const LIMITS: Limits = Limits {
    account: Some(Limit { attempts: 4, millis: 5 * MINUTE }),
    address: Some(Limit { attempts: 6, millis: 10 * MINUTE }),
};

async fn fail(test: &TestStore, name: &str, address: Option<&str>) {
    let at = test.clock.now();
    let (account, address) = (AccountKey::unknown(name), address.map(str::to_owned));
    let failure = LoginFailure { account, address, at, forget_at: at.plus_millis(10 * MINUTE) };
    test.store.record_login_failure(&failure).await.unwrap();
}

/// Failures of the account, and from the address.
async fn counted(test: &TestStore, name: &str, address: Option<&str>, limits: Limits) -> (u64, u64) {
    let (account, now) = (AccountKey::unknown(name), test.clock.now());
    let FailureCount { account, address } =
        test.store.count_login_failures(&account, address, limits, now).await.unwrap();
    (account, address)
}

async fn failures_are_counted_by_account_and_by_address(test: &TestStore) {
    let recorded = test.recorded(async || {
        for (name, address) in [("ann", Some(HOME)), ("ann", Some(AWAY)), ("bob", Some(HOME)), ("ann", None)] {
            fail(test, name, address).await;
        }
    });
    assert_eq!(recorded.await, []);
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (3, 2));
    assert_eq!(counted(test, "ann", Some(AWAY), LIMITS).await, (3, 1));
    assert_eq!(counted(test, "bob", None, LIMITS).await, (1, 0));
    assert_eq!(counted(test, "eve", Some("192.0.2.9"), LIMITS).await, (0, 0));
    assert_eq!(counted(test, "ann", Some(HOME), Limits { account: None, ..LIMITS }).await, (0, 2));
    assert_eq!(counted(test, "ann", Some(HOME), Limits { address: None, ..LIMITS }).await, (3, 0));
}

async fn nothing_is_counted_further_than_its_limit(test: &TestStore) {
    for _ in 0..10 {
        fail(test, "ann", Some(HOME)).await;
    }
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (4, 6));
}

async fn each_counts_for_as_long_as_its_own_limit_says(test: &TestStore) {
    fail(test, "ann", Some(HOME)).await;
    test.clock.advance(5 * MINUTE - 1);
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (1, 1));
    test.clock.advance(1);
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (0, 1));
    test.clock.advance(5 * MINUTE);
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (0, 0));
}

async fn a_clock_that_was_ahead_keeps_nobody_out_for_as_long_as_that(test: &TestStore) {
    test.clock.advance(24 * 60 * MINUTE);
    fail(test, "ann", Some(HOME)).await;
    test.clock.advance(-5 * MINUTE);
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (1, 1), "another server's clock may be ahead a little");
    test.clock.advance(-1);
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (0, 1));
    test.clock.advance(-24 * 60 * MINUTE);
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (0, 0));
}

async fn what_is_forgotten_is_one_account_from_every_address(test: &TestStore) {
    for (name, address) in [("ann", HOME), ("ann", AWAY), ("bob", HOME)] {
        fail(test, name, Some(address)).await;
    }
    test.store.forget_login_failures(&AccountKey::unknown("ann")).await.unwrap();
    assert_eq!(counted(test, "ann", Some(HOME), LIMITS).await, (0, 1));
    assert_eq!(counted(test, "bob", Some(AWAY), LIMITS).await, (1, 0));
}

/// On MongoDB the server itself removes them by this index; here it only has to be there.
async fn what_need_not_be_kept_goes(test: &TestStore) {
    for _ in 0..5 {
        fail(test, "ann", Some(HOME)).await;
    }
    test.clock.advance(10 * MINUTE);
    fail(test, "bob", Some(HOME)).await;
    let forever = Limits { account: Some(Limit { attempts: 100, millis: 1_000 * MINUTE }), address: None };
    let left = counted(test, "ann", None, forever).await.0;
    match test.documents("rolekeeper_failed_logins", Document::new()).await {
        Some(documents) => {
            assert_eq!((left, documents.len()), (5, 6));
            let expires = documents[0].get_datetime("expiresAt").unwrap();
            assert_eq!(expires.timestamp_millis(), test.clock.now().as_millis());
        }
        None => assert_eq!(left, 0),
    }
}

on_every_backend![
    failures_are_counted_by_account_and_by_address,
    nothing_is_counted_further_than_its_limit,
    each_counts_for_as_long_as_its_own_limit_says,
    a_clock_that_was_ahead_keeps_nobody_out_for_as_long_as_that,
    what_is_forgotten_is_one_account_from_every_address,
    what_need_not_be_kept_goes,
];
