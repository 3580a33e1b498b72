//! Promises of `TokenStore`.

use mongodb::bson::{DateTime, doc};
use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::token::{
    Fingerprint, NewPersonalToken, OtherTokens, PersonalToken, Remembered, TokenHash, TokenKind, TokenText,
};
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::store::{Conflict, Noun, StoreError, Unique};

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
    assert_eq!(*user, User { last_login: Some(by.at), ..ann });
    assert_eq!((&token.hash, &token.kind), (&hash("one"), &TokenKind::Session { issued_at: Some(by.at) }));
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
    assert!(!user.active);
    assert_eq!(token.kind, TokenKind::Personal { bypass_second_factor: false });
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

fn personal(name: &str, text: &str, bypass: bool) -> NewPersonalToken {
    let text = TokenText::new(text);
    NewPersonalToken {
        hash: text.hash(),
        name: name.to_owned(),
        last_part: text.last_part(),
        bypass_second_factor: bypass,
    }
}

async fn add(test: &TestStore, user: &User, name: &str, text: &str) {
    test.store.add_personal_token(&user.id, personal(name, text, false), PLENTY, &test.later()).await.unwrap();
}

async fn names(test: &TestStore, user: &User) -> Vec<String> {
    let tokens = test.store.list_personal_tokens(&user.id).await.unwrap();
    tokens.into_iter().map(|token| token.name).collect()
}

async fn every_token_ends_at_once_and_whether_there_was_one_is_told(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    log_in(test, &ann, "one", PLENTY).await;
    log_in(test, &bob, "bobs", PLENTY).await;
    add(test, &ann, "ci", "personal").await;
    let by = test.later();
    let recorded = test.recorded(async || {
        assert!(test.store.remove_all_tokens(&ann.id, &by).await.unwrap());
    });
    let ended = Change::TokensEnded { user: ann.id.clone(), kept_own: false, personal: true };
    assert_eq!(recorded.await, [ended]);
    assert_eq!(test.reload(&ann).await.updated_at, Some(by.at));
    let recorded = test.recorded(async || {
        assert!(!test.store.remove_all_tokens(&ann.id, &by).await.unwrap());
        assert!(!test.store.remove_all_tokens(&nobody(), &by).await.unwrap());
    });
    assert_eq!(recorded.await, []);
    assert_eq!(kept(test, &ann, &["one", "personal"]).await, [""; 0]);
    assert_eq!(kept(test, &bob, &["bobs"]).await, ["bobs"]);
}

async fn the_other_tokens_end_and_personal_ones_when_they_are_meant(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    for text in ["one", "two", "three"] {
        log_in(test, &ann, text, PLENTY).await;
    }
    log_in(test, &bob, "bobs", PLENTY).await;
    add(test, &ann, "ci", "personal").await;
    let all = ["one", "two", "three", "personal"];
    for (others, personal, left) in
        [(OtherTokens::Sessions, false, &["two", "personal"][..]), (OtherTokens::All, true, &["two"][..])]
    {
        let by = test.later();
        let recorded = test.recorded(async || {
            assert!(test.store.remove_other_tokens(&ann.id, &hash("two"), others, &by).await.unwrap());
            assert!(!test.store.remove_other_tokens(&ann.id, &hash("two"), others, &by).await.unwrap());
            assert!(!test.store.remove_other_tokens(&nobody(), &hash("two"), others, &by).await.unwrap());
        });
        assert_eq!(recorded.await, [Change::TokensEnded { user: ann.id.clone(), kept_own: true, personal }]);
        assert_eq!(kept(test, &ann, &all).await, left);
    }
    assert_eq!(kept(test, &bob, &["bobs"]).await, ["bobs"]);
}

async fn a_personal_token_is_listed_as_it_was_made_and_found_by_its_hash(test: &TestStore) {
    let ann = test.user("ann").await;
    log_in(test, &ann, "session", PLENTY).await;
    add(test, &ann, "zeta", "first-personal").await;
    let by = test.later();
    let recorded = test.recorded(async || {
        test.store.add_personal_token(&ann.id, personal("alpha", "second-personal", true), PLENTY, &by).await.unwrap();
    });
    let made =
        Change::PersonalTokenCreated { user: ann.id.clone(), name: "alpha".to_owned(), bypass_second_factor: true };
    assert_eq!(recorded.await, [made]);
    let tokens = test.store.list_personal_tokens(&ann.id).await.unwrap();
    assert_eq!(names(test, &ann).await, ["zeta", "alpha"], "in the order in which they were made");
    let expected = PersonalToken {
        name: "alpha".to_owned(),
        created_at: Some(by.at),
        last_part: "rsonal".to_owned(),
        bypass_second_factor: true,
    };
    assert_eq!(tokens[1], expected);
    let (user, token) = test.store.find_token(&ann.id, &hash("second-personal")).await.unwrap().unwrap();
    assert_eq!(token.kind, TokenKind::Personal { bypass_second_factor: true });
    assert_eq!(user.updated_at, Some(by.at));
    assert_eq!(test.store.list_personal_tokens(&nobody()).await.unwrap(), []);
}

async fn a_personal_token_is_refused_for_absence_then_inactivity_then_its_name(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    add(test, &ann, "ci", "one").await;
    add(test, &bob, "ci", "bobs").await;
    let token = || personal("ci", "two", false);
    let taken = StoreError::AlreadyExists(Unique::TokenName);
    test.refuses(taken, test.store.add_personal_token(&ann.id, token(), PLENTY, &test.later())).await;
    add(test, &ann, "CI", "three").await;
    let no_user = StoreError::NotFound(Noun::User);
    test.refuses(no_user, test.store.add_personal_token(&nobody(), token(), PLENTY, &test.later())).await;
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.later()).await.unwrap();
    let inactive = Conflict::UserInactive;
    test.refuses(inactive, test.store.add_personal_token(&ann.id, token(), PLENTY, &test.later())).await;
    assert_eq!(test.store.find_token_owner(&hash("two")).await.unwrap(), None);
}

async fn there_are_no_more_personal_tokens_than_allowed(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    log_in(test, &ann, "session", PLENTY).await;
    add(test, &bob, "ci", "bobs").await;
    add(test, &ann, "ci", "one").await;
    let by = test.later();
    test.store.add_personal_token(&ann.id, personal("cd", "two", false), 2, &by).await.unwrap();
    let too_many = Conflict::TooManyTokens;
    test.refuses(too_many, test.store.add_personal_token(&ann.id, personal("x", "three", false), 2, &by)).await;
    let taken = StoreError::AlreadyExists(Unique::TokenName);
    test.refuses(taken, test.store.add_personal_token(&ann.id, personal("ci", "three", false), 2, &by)).await;
    assert_eq!(names(test, &ann).await, ["ci", "cd"]);
}

async fn of_two_personal_tokens_with_one_name_one_is_made(test: &TestStore) {
    let ann = test.user("ann").await;
    for round in 0..20 {
        let calls = (0..4).map(|number| {
            let (store, id, by) = (test.store.clone(), ann.id.clone(), test.by());
            let token = personal(&format!("name{round}"), &format!("{round}-{number}"), false);
            tokio::spawn(async move { store.add_personal_token(&id, token, PLENTY, &by).await })
        });
        let mut made = 0;
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                Ok(()) => made += 1,
                Err(refusal) => assert_eq!(refusal, StoreError::AlreadyExists(Unique::TokenName)),
            }
        }
        assert_eq!(made, 1);
    }
    assert_eq!(names(test, &ann).await.len(), 20);
}

async fn a_replaced_personal_token_keeps_all_but_its_text_and_its_time(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    test.store.add_personal_token(&ann.id, personal("ci", "old-text", true), PLENTY, &test.later()).await.unwrap();
    add(test, &ann, "other", "other-text").await;
    add(test, &bob, "ci", "bobs").await;
    let shown = Remembered { client: Fingerprint::of(Some("ua"), None), until: test.clock.now().plus_days(1) };
    test.store.remember_second_factor(&ann.id, &hash("old-text"), &shown).await.unwrap();
    let by = test.later();
    let replace = async |user: &UserId, name: &str| {
        test.store.replace_personal_token(user, name, &hash("new-text"), "w-text", &by).await.unwrap()
    };
    let recorded = test.recorded(async || {
        assert!(!replace(&ann.id, "none").await);
        assert!(!replace(&nobody(), "ci").await);
        assert!(replace(&ann.id, "ci").await);
    });
    assert_eq!(recorded.await, [Change::PersonalTokenReplaced { user: ann.id.clone(), name: "ci".to_owned() }]);
    assert_eq!(kept(test, &ann, &["old-text", "new-text", "other-text"]).await, ["new-text", "other-text"]);
    assert_eq!(kept(test, &bob, &["bobs"]).await, ["bobs"]);
    let (_, token) = test.store.find_token(&ann.id, &hash("new-text")).await.unwrap().unwrap();
    assert_eq!(token.kind, TokenKind::Personal { bypass_second_factor: true });
    assert_eq!(token.second_factor, None);
    let listed = test.store.list_personal_tokens(&ann.id).await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].last_part.as_str()), ("ci", "w-text"));
    assert_eq!((listed[0].created_at, listed[0].bypass_second_factor), (Some(by.at), true));
}

async fn a_removed_personal_token_is_gone_and_the_others_stay(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    log_in(test, &ann, "session", PLENTY).await;
    add(test, &ann, "ci", "one").await;
    add(test, &ann, "cd", "two").await;
    add(test, &bob, "ci", "bobs").await;
    let by = test.later();
    let recorded = test.recorded(async || {
        assert!(test.store.remove_personal_token(&ann.id, "ci", &by).await.unwrap());
        assert!(!test.store.remove_personal_token(&ann.id, "ci", &by).await.unwrap());
        assert!(!test.store.remove_personal_token(&nobody(), "ci", &by).await.unwrap());
    });
    assert_eq!(recorded.await, [Change::PersonalTokenRemoved { user: ann.id.clone(), name: "ci".to_owned() }]);
    assert_eq!(kept(test, &ann, &["session", "one", "two"]).await, ["session", "two"]);
    assert_eq!(kept(test, &bob, &["bobs"]).await, ["bobs"]);
}

async fn a_second_factor_is_noted_with_its_token_alone_and_nothing_else_changes(test: &TestStore) {
    let ann = test.user("ann").await;
    log_in(test, &ann, "one", PLENTY).await;
    log_in(test, &ann, "two", PLENTY).await;
    let before = test.reload(&ann).await;
    let first = Remembered { client: Fingerprint::of(Some("a"), None), until: test.clock.now().plus_days(1) };
    let second = Remembered { client: Fingerprint::of(Some("b"), None), until: test.clock.now().plus_days(2) };
    let recorded = test.recorded(async || {
        for shown in [&first, &second] {
            test.store.remember_second_factor(&ann.id, &hash("one"), shown).await.unwrap();
        }
        test.store.remember_second_factor(&ann.id, &hash("gone"), &first).await.unwrap();
        test.store.remember_second_factor(&nobody(), &hash("two"), &first).await.unwrap();
    });
    assert_eq!(recorded.await, []);
    let noted = async |text: &str| test.store.find_token_owner(&hash(text)).await.unwrap().unwrap();
    assert_eq!(noted("one").await.1.second_factor.clone(), Some(second));
    assert_eq!(noted("two").await.1.second_factor.clone(), None);
    assert_eq!(test.reload(&ann).await, before);
}

/// On a backend whose documents another server reads.
async fn tokens_have_the_form_in_which_another_server_reads_them(test: &TestStore) {
    let ann = test.user("ann").await;
    test.store.add_personal_token(&ann.id, personal("ci", "personal", true), PLENTY, &test.later()).await.unwrap();
    let made = DateTime::from_millis(test.clock.now().as_millis());
    let until = test.clock.now().plus_days(1);
    let shown = Remembered { client: Fingerprint::of(Some("a"), None), until };
    test.store.remember_second_factor(&ann.id, &hash("personal"), &shown).await.unwrap();
    let Some(documents) = test.documents("users", doc! { "_id": ann.id.as_str() }).await else { return };
    let resume = documents[0].get_document("services").unwrap().get_document("resume").unwrap();
    let expected = doc! {
        "hashedToken": hash("personal").expose(),
        "type": "personalAccessToken",
        "createdAt": made,
        "lastTokenPart": "rsonal",
        "name": "ci",
        "bypassTwoFactor": true,
        "twoFactorAuthorizedHash": shown.client.as_str(),
        "twoFactorAuthorizedUntil": DateTime::from_millis(until.as_millis()),
    };
    assert_eq!(resume, &doc! { "loginTokens": [expected] });
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
    every_token_ends_at_once_and_whether_there_was_one_is_told,
    the_other_tokens_end_and_personal_ones_when_they_are_meant,
    a_personal_token_is_listed_as_it_was_made_and_found_by_its_hash,
    a_personal_token_is_refused_for_absence_then_inactivity_then_its_name,
    there_are_no_more_personal_tokens_than_allowed,
    of_two_personal_tokens_with_one_name_one_is_made,
    a_replaced_personal_token_keeps_all_but_its_text_and_its_time,
    a_removed_personal_token_is_gone_and_the_others_stay,
    a_second_factor_is_noted_with_its_token_alone_and_nothing_else_changes,
    tokens_have_the_form_in_which_another_server_reads_them,
];
