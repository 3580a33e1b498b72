//! Promises of `TokenStore`.

use rolekeeper::domain::audit::Change;
use rolekeeper::domain::token::{TokenHash, TokenKind, TokenText};
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::store::{Conflict, Noun, StoreError};

use crate::fixtures::nobody;
use crate::support::stores::TestStore;

const PLENTY: usize = 50;

fn hash(text: &str) -> TokenHash {
    TokenText::new(text).hash()
}

async fn log_in(test: &TestStore, user: &User, text: &str, keep: usize) {
    test.store.add_session_token(&user.id, &hash(text), keep, &test.later()).await.unwrap();
}

/// Which of the tokens the account still has.
async fn kept<'a>(test: &TestStore, user: &User, texts: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    for text in texts {
        if test.store.find_token(&user.id, &hash(text)).await.unwrap().is_some() {
            kept.push(*text);
        }
    }
    kept
}

async fn a_log_in_adds_a_session_and_its_date_and_nothing_else(test: &TestStore) {
    let ann = test.user("ann").await;
    let by = test.later();
    let recorded = test.recorded(async || {
        test.store.add_session_token(&ann.id, &hash("one"), PLENTY, &by).await.unwrap();
    });
    assert_eq!(recorded.await, [Change::SessionStarted { user: ann.id.clone() }]);
    let (user, token) = test.store.find_token(&ann.id, &hash("one")).await.unwrap().unwrap();
    assert_eq!(user, User { last_login: Some(by.at), ..ann });
    assert_eq!((token.hash, token.kind), (hash("one"), TokenKind::Session { issued_at: Some(by.at) }));
}

async fn a_token_is_found_by_both_or_by_its_hash(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    log_in(test, &ann, "anns", PLENTY).await;
    log_in(test, &bob, "bobs", PLENTY).await;
    assert_eq!(test.store.find_token(&ann.id, &hash("bobs")).await.unwrap(), None);
    assert_eq!(test.store.find_token(&nobody(), &hash("anns")).await.unwrap(), None);
    assert_eq!(test.store.find_token(&ann.id, &hash("other")).await.unwrap(), None);
    assert_eq!(test.store.find_token_owner(&hash("other")).await.unwrap(), None);
    let owner = test.store.find_token_owner(&hash("bobs")).await.unwrap();
    assert_eq!(owner, test.store.find_token(&bob.id, &hash("bobs")).await.unwrap());
    assert_eq!(owner.unwrap().0.id, bob.id);
}

async fn a_token_is_found_of_an_account_that_is_not_active_too(test: &TestStore) {
    test.admin("root").await;
    let ann = test.user("ann").await;
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.later()).await.unwrap();
    test.plant_personal_token(&ann.id, &hash("personal")).await;
    let (user, token) = test.store.find_token(&ann.id, &hash("personal")).await.unwrap().unwrap();
    assert_eq!((user.active, token.kind), (false, TokenKind::Personal));
}

async fn a_token_is_found_however_old(test: &TestStore) {
    let ann = test.user("ann").await;
    log_in(test, &ann, "old", PLENTY).await;
    test.clock.advance(400 * 86_400_000);
    assert!(test.store.find_token_owner(&hash("old")).await.unwrap().is_some());
}

async fn the_newest_sessions_stay(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    log_in(test, &bob, "bobs", 3).await;
    let texts = ["1", "2", "3", "4", "5"];
    for text in texts {
        log_in(test, &ann, text, 3).await;
    }
    assert_eq!(kept(test, &ann, &texts).await, ["3", "4", "5"]);
    log_in(test, &ann, "6", 1).await;
    assert_eq!(kept(test, &ann, &["3", "4", "5", "6"]).await, ["6"]);
    assert_eq!(kept(test, &bob, &["bobs"]).await, ["bobs"]);
}

async fn personal_tokens_are_not_counted_and_stay(test: &TestStore) {
    let ann = test.user("ann").await;
    test.plant_personal_token(&ann.id, &hash("p1")).await;
    test.plant_personal_token(&ann.id, &hash("p2")).await;
    for text in ["1", "2", "3"] {
        log_in(test, &ann, text, 2).await;
    }
    assert_eq!(kept(test, &ann, &["p1", "p2", "1", "2", "3"]).await, ["p1", "p2", "2", "3"]);
}

async fn a_log_in_is_refused_for_absence_then_for_inactivity(test: &TestStore) {
    test.admin("root").await;
    let ann = test.user("ann").await;
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.later()).await.unwrap();
    let (no_user, token) = (StoreError::NotFound(Noun::User), hash("one"));
    test.refuses(no_user, test.store.add_session_token(&nobody(), &token, PLENTY, &test.later())).await;
    let inactive = Conflict::UserInactive;
    test.refuses(inactive, test.store.add_session_token(&ann.id, &token, PLENTY, &test.later())).await;
    assert_eq!(test.store.find_token_owner(&token).await.unwrap(), None);
    assert_eq!(test.reload(&ann).await.last_login, None);
}

async fn no_session_survives_a_deactivation_that_runs_at_the_same_time(test: &TestStore) {
    test.admin("root").await;
    for round in 0..20 {
        let ann = test.user(&format!("ann{round}")).await;
        let texts = ["1", "2", "3"].map(|number| format!("{round}-{number}"));
        let mut calls = Vec::new();
        for text in &texts {
            let (store, id, token, by) = (test.store.clone(), ann.id.clone(), hash(text), test.by());
            calls.push(tokio::spawn(async move { store.add_session_token(&id, &token, PLENTY, &by).await }));
        }
        let (store, id, by) = (test.store.clone(), ann.id.clone(), test.by());
        calls
            .push(tokio::spawn(async move { store.set_user_active(&id, Activation::Deactivate, &by).await.map(drop) }));
        for call in calls {
            match call.await.unwrap() {
                Ok(()) | Err(StoreError::Conflict(Conflict::UserInactive)) => {}
                Err(refusal) => panic!("{refusal:?}"),
            }
        }
        for text in &texts {
            assert_eq!(test.store.find_token_owner(&hash(text)).await.unwrap(), None);
        }
    }
}

async fn ending_a_session_ends_that_one_and_says_whether_it_was_there(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    log_in(test, &ann, "one", PLENTY).await;
    log_in(test, &ann, "two", PLENTY).await;
    log_in(test, &bob, "bobs", PLENTY).await;
    let by = test.later();
    let recorded = test.recorded(async || {
        assert!(test.store.remove_token(&ann.id, &hash("one"), &by).await.unwrap());
    });
    assert_eq!(recorded.await, [Change::SessionEnded { user: ann.id.clone() }]);
    let recorded = test.recorded(async || {
        assert!(!test.store.remove_token(&ann.id, &hash("one"), &by).await.unwrap());
        assert!(!test.store.remove_token(&ann.id, &hash("bobs"), &by).await.unwrap());
        assert!(!test.store.remove_token(&nobody(), &hash("two"), &by).await.unwrap());
    });
    assert_eq!(recorded.await, []);
    assert_eq!(kept(test, &ann, &["one", "two"]).await, ["two"]);
    assert_eq!(kept(test, &bob, &["bobs"]).await, ["bobs"]);
}

on_every_backend![
    a_log_in_adds_a_session_and_its_date_and_nothing_else,
    a_token_is_found_by_both_or_by_its_hash,
    a_token_is_found_of_an_account_that_is_not_active_too,
    a_token_is_found_however_old,
    the_newest_sessions_stay,
    personal_tokens_are_not_counted_and_stay,
    a_log_in_is_refused_for_absence_then_for_inactivity,
    no_session_survives_a_deactivation_that_runs_at_the_same_time,
    ending_a_session_ends_that_one_and_says_whether_it_was_there,
];
