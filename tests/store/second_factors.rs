//! Promises of `SecondFactorStore`.

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::totp::{BackupCodeHash, TotpSecret};
use rolekeeper::domain::user::User;

use crate::fixtures::nobody;
use crate::support::stores::TestStore;

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const MINUTE: i64 = 60_000;
const MOST: u32 = 3;

async fn count(test: &TestStore, user: &User) -> bool {
    let now = test.later().at;
    test.store.count_second_factor_attempt(&user.id, MOST, 15 * MINUTE, now).await.unwrap()
}

async fn step(test: &TestStore, user: &User, step: i64) -> bool {
    test.store.use_totp_step(&user.id, step, test.later().at).await.unwrap()
}

async fn the_secret_is_found_of_whoever_has_one_that_can_be_read(test: &TestStore) {
    let (ann, bob, eve) = (test.user("ann").await, test.user("bob").await, test.user("eve").await);
    test.plant_authenticator(&ann.id, SECRET, &[]).await;
    test.plant_authenticator(&eve.id, "not base32!", &[]).await;
    let expected = TotpSecret::from_base32(SECRET);
    assert_eq!(test.store.find_totp_secret(&ann.id).await.unwrap(), expected);
    for id in [&bob.id, &eve.id, &nobody()] {
        assert_eq!(test.store.find_totp_secret(id).await.unwrap(), None);
    }
}

async fn a_step_counts_once_and_none_before_it_counts_any_more(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let used = [(10, true), (10, false), (9, false), (11, true), (11, false), (10, false), (20, true)];
    for (number, expected) in used {
        assert_eq!(step(test, &ann, number).await, expected, "{number}");
    }
    assert!(step(test, &bob, 10).await, "each account has its own");
    assert!(count(test, &ann).await);
    test.store.forget_second_factor_attempts(&ann.id).await.unwrap();
    assert!(!step(test, &ann, 20).await, "counting anew forgets no code");
}

async fn of_many_with_one_step_one_wins(test: &TestStore) {
    for round in 0..10 {
        let ann = test.user(&format!("ann{round}")).await;
        let calls = (0..8).map(|_| {
            let (store, id, at) = (test.store.clone(), ann.id.clone(), test.by().at);
            tokio::spawn(async move { store.use_totp_step(&id, 7, at).await.unwrap() })
        });
        let mut won = 0;
        for call in calls.collect::<Vec<_>>() {
            won += u32::from(call.await.unwrap());
        }
        assert_eq!(won, 1);
    }
}

async fn a_backup_code_counts_once_and_is_on_record(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    test.plant_authenticator(&ann.id, SECRET, &["aaaa2222", "bbbb3333"]).await;
    test.plant_authenticator(&bob.id, SECRET, &["aaaa2222"]).await;
    let by = test.later();
    let take = async |user: &User, code: &str| {
        test.store.use_backup_code(&user.id, &BackupCodeHash::of(code), &by).await.unwrap()
    };
    let recorded = test.recorded(async || {
        assert!(!take(&ann, "cccc4444").await);
        assert!(take(&ann, "aaaa2222").await);
        assert!(!take(&ann, "aaaa2222").await);
        assert!(take(&ann, "bbbb3333").await);
        assert!(take(&bob, "aaaa2222").await);
    });
    let used = |user: &User, left| Change::BackupCodeUsed { user: user.id.clone(), left };
    assert_eq!(recorded.await, [used(&ann, 1), used(&ann, 0), used(&bob, 0)]);
    assert_eq!(test.reload(&ann).await.updated_at, Some(by.at));
    let absent = test.store.use_backup_code(&nobody(), &BackupCodeHash::of("aaaa2222"), &by).await;
    assert!(!absent.unwrap());
}

async fn of_many_with_one_backup_code_one_wins(test: &TestStore) {
    for round in 0..10 {
        let ann = test.user(&format!("ann{round}")).await;
        test.plant_authenticator(&ann.id, SECRET, &["aaaa2222"]).await;
        let calls = (0..6).map(|_| {
            let (store, id, by) = (test.store.clone(), ann.id.clone(), test.by());
            tokio::spawn(async move { store.use_backup_code(&id, &BackupCodeHash::of("aaaa2222"), &by).await.unwrap() })
        });
        let mut won = 0;
        for call in calls.collect::<Vec<_>>() {
            won += u32::from(call.await.unwrap());
        }
        assert_eq!(won, 1);
    }
}

async fn attempts_are_counted_up_to_the_limit_within_their_window(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let since = test.clock.now();
    for expected in [true, true, true, false, false] {
        assert_eq!(count(test, &ann).await, expected);
    }
    assert!(count(test, &bob).await, "each account has its own");
    test.clock.set(since.plus_millis(1_000 + 15 * MINUTE - 1_001));
    assert!(!count(test, &ann).await, "the window began with the first of them");
    for expected in [true, true, true, false] {
        assert_eq!(count(test, &ann).await, expected, "and a new one begins when it is over");
    }
}

async fn attempts_begin_anew_when_they_are_forgotten(test: &TestStore) {
    let ann = test.user("ann").await;
    test.store.forget_second_factor_attempts(&ann.id).await.unwrap();
    for _ in 0..3 {
        for expected in [true, true, true, false] {
            assert_eq!(count(test, &ann).await, expected);
        }
        test.store.forget_second_factor_attempts(&ann.id).await.unwrap();
    }
}

async fn many_attempts_at_once_are_no_more_than_the_limit(test: &TestStore) {
    for round in 0..10 {
        let ann = test.user(&format!("ann{round}")).await;
        let calls = (0..12).map(|_| {
            let (store, id, at) = (test.store.clone(), ann.id.clone(), test.by().at);
            tokio::spawn(async move { store.count_second_factor_attempt(&id, MOST, MINUTE, at).await.unwrap() })
        });
        let mut counted = 0;
        for call in calls.collect::<Vec<_>>() {
            counted += u32::from(call.await.unwrap());
        }
        assert_eq!(counted, MOST);
    }
}

async fn counting_leaves_nothing_on_record_and_the_account_as_it_is(test: &TestStore) {
    let ann = test.user("ann").await;
    test.plant_authenticator(&ann.id, SECRET, &[]).await;
    let before = test.reload(&ann).await;
    let recorded = test.recorded(async || {
        assert!(count(test, &ann).await);
        assert!(step(test, &ann, 1).await);
        test.store.forget_second_factor_attempts(&ann.id).await.unwrap();
    });
    assert_eq!(recorded.await, []);
    assert_eq!(test.reload(&ann).await, before);
}

on_every_backend![
    the_secret_is_found_of_whoever_has_one_that_can_be_read,
    a_step_counts_once_and_none_before_it_counts_any_more,
    of_many_with_one_step_one_wins,
    a_backup_code_counts_once_and_is_on_record,
    of_many_with_one_backup_code_one_wins,
    attempts_are_counted_up_to_the_limit_within_their_window,
    attempts_begin_anew_when_they_are_forgotten,
    many_attempts_at_once_are_no_more_than_the_limit,
    counting_leaves_nothing_on_record_and_the_account_as_it_is,
];
