//! Promises of `UserDirectory`.

use rolekeeper::domain::role::USER;
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::domain::user_list::{SearchTerm, UserFilter, UserOrder, UserSort};
use rolekeeper::store::Page;

use crate::fixtures::{ALL, names, role_id};
use crate::support::stores::TestStore;

const fn by(sort: UserSort, descending: bool) -> UserOrder {
    UserOrder { sort, descending }
}

async fn every_account_is_listed_in_the_order_asked_for(test: &TestStore) {
    test.admin("root").await;
    // Made, logged in and named in three different orders.
    for (username, name) in [("b", "x"), ("C", "z"), ("a", "y")] {
        test.later();
        let mut new = test.new_user(username, &[&role_id(USER)]);
        new.name = name.to_owned();
        test.store.create_user(new, &test.by()).await.unwrap();
    }
    for username in ["a", "b", "C", "root"] {
        let user = test.store.find_user_by_username(username, rolekeeper::store::UsernameMatch::Exact).await;
        let by = test.later();
        let hash = TokenText::new(username).hash();
        test.store.add_session_token(&user.unwrap().unwrap().id, &hash, 5, &by).await.unwrap();
    }
    let robot = test.store.find_user_by_username("b", rolekeeper::store::UsernameMatch::Exact).await.unwrap().unwrap();
    test.plant_kind(&robot.id, "bot").await;
    test.store.set_user_active(&robot.id, Activation::Deactivate, &test.later()).await.unwrap();
    for (sort, expected) in [
        (UserSort::Username, ["C", "a", "b", "root"]),
        (UserSort::Name, ["root", "b", "a", "C"]),
        (UserSort::CreatedAt, ["root", "b", "C", "a"]),
        (UserSort::LastLogin, ["a", "b", "C", "root"]),
    ] {
        let listed = test.store.list_users(by(sort, false), ALL).await.unwrap();
        assert_eq!((names(&listed.items), listed.total), (expected.to_vec(), 4), "{sort:?}");
        let listed = test.store.list_users(by(sort, true), ALL).await.unwrap();
        let mut backwards = expected;
        backwards.reverse();
        assert_eq!(names(&listed.items), backwards, "{sort:?}");
    }
}

async fn a_page_is_cut_from_the_list_and_the_total_is_of_all(test: &TestStore) {
    for number in 0..51 {
        test.user(&format!("u{number:02}")).await;
    }
    let page = async |offset, count| {
        let listed = test.store.list_users(UserOrder::default(), Page { offset, count }).await.unwrap();
        (listed.items.iter().map(|user: &User| user.username.clone().unwrap()).collect::<Vec<_>>(), listed.total)
    };
    for (offset, count, first, length) in [
        (0, Some(25), "u00", 25),
        (25, Some(25), "u25", 25),
        (50, Some(25), "u50", 1),
        (49, None, "u49", 2),
        (0, None, "u00", 51),
    ] {
        let (names, total) = page(offset, count).await;
        assert_eq!((names[0].as_str(), names.len(), total), (first, length, 51));
    }
    assert_eq!(page(51, Some(25)).await, (vec![], 51));
    assert_eq!(page(0, Some(0)).await, (vec![], 51));
}

async fn accounts_are_found_by_all_that_is_asked_of_them(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob) = (test.user("ann").await, test.user_with("bob", &[&role_id("guest")]).await);
    let robot = test.user("robot").await;
    test.plant_kind(&robot.id, "bot").await;
    let token = TokenText::new("x").hash();
    test.store.add_session_token(&ann.id, &token, 5, &test.later()).await.unwrap();
    test.store.set_user_active(&bob.id, Activation::Deactivate, &test.later()).await.unwrap();
    let found = async |filter: UserFilter| {
        let listed = test.store.find_users(&filter, UserOrder::default(), ALL).await.unwrap();
        assert_eq!(listed.total as usize, listed.items.len());
        listed.items.into_iter().filter_map(|user| user.username).collect::<Vec<_>>()
    };
    let any = UserFilter::default;
    assert_eq!(found(any()).await, ["ann", "bob", "robot", "root"]);
    assert_eq!(found(UserFilter { active: Some(true), ..any() }).await, ["ann", "robot", "root"]);
    assert_eq!(found(UserFilter { active: Some(false), ..any() }).await, ["bob"]);
    assert_eq!(found(UserFilter { has_logged_in: Some(true), ..any() }).await, ["ann"]);
    assert_eq!(found(UserFilter { has_logged_in: Some(false), ..any() }).await, ["bob", "robot", "root"]);
    assert_eq!(found(UserFilter { kind: Some("bot".to_owned()), ..any() }).await, ["robot"]);
    let roles = vec![role_id("guest"), role_id("admin")];
    assert_eq!(found(UserFilter { roles: roles.clone(), ..any() }).await, ["bob", "root"]);
    assert_eq!(found(UserFilter { roles, active: Some(true), ..any() }).await, ["root"]);
    let term = |text: &str, in_addresses| UserFilter {
        term: Some(SearchTerm { text: text.to_owned(), in_addresses }),
        ..any()
    };
    assert_eq!(found(term("OB", false)).await, ["bob", "robot"]);
    assert_eq!(found(term("name OF r", false)).await, ["robot", "root"]);
    assert_eq!(found(term("ann@EX", true)).await, ["ann"]);
    assert_eq!(found(term("ann@ex", false)).await, [""; 0]);
    for literal in [".*", "^a", "a%", "_nn", "$ne", "(", "[", "\\"] {
        assert_eq!(found(term(literal, true)).await, [""; 0], "{literal}");
    }
    let page = Page { offset: 1, count: Some(2) };
    let listed = test.store.find_users(&any(), by(UserSort::Username, true), page).await.unwrap();
    assert_eq!((names(&listed.items), listed.total), (vec!["robot", "bob"], 4));
}

async fn those_whose_usernames_begin_so_are_suggested(test: &TestStore) {
    test.admin("root").await;
    for name in ["ann", "Anna", "anna.b", "bob", "an-other", "zann"] {
        test.user(name).await;
    }
    let away = test.user("ann-away").await;
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    let suggested = async |prefix: &str, except: &[String], limit| {
        let found = test.store.suggest_users(prefix, except, None, limit).await.unwrap();
        let mut found: Vec<_> = found.into_iter().filter_map(|user| user.username).collect();
        found.sort();
        found
    };
    assert_eq!(suggested("ANN", &[], 10).await, ["Anna", "ann", "anna.b"]);
    assert_eq!(suggested("ann", &["ann".to_owned()], 10).await, ["Anna", "anna.b"]);
    assert_eq!(suggested("", &[], 2).await.len(), 2);
    assert_eq!(suggested("", &[], 100).await.len(), 7);
    for literal in [".*", "a.n", "^a", "a%", "_nn", "$ne", "{\"$ne\":1}", "\u{ffff}"] {
        assert_eq!(suggested(literal, &[], 10).await, [""; 0], "{literal:?}");
    }
}

async fn those_who_share_a_room_can_be_asked_for_alone(test: &TestStore) {
    let (ann, amy, ada) = (test.user("ann").await, test.user("amy").await, test.user("ada").await);
    test.room("den", &ann, &[&amy]).await;
    test.room("attic", &ada, &[]).await;
    let near = async |user: &User| {
        let found = test.store.suggest_users("a", &[], Some(&user.id), 10).await.unwrap();
        found.into_iter().filter_map(|user| user.username).collect::<Vec<_>>()
    };
    assert_eq!(near(&ann).await, ["amy", "ann"]);
    assert_eq!(near(&ada).await, ["ada"]);
    let loner = test.user("aaron").await;
    assert_eq!(near(&loner).await, [""; 0]);
}

on_every_backend![
    every_account_is_listed_in_the_order_asked_for,
    a_page_is_cut_from_the_list_and_the_total_is_of_all,
    accounts_are_found_by_all_that_is_asked_of_them,
    those_whose_usernames_begin_so_are_suggested,
    those_who_share_a_room_can_be_asked_for_alone,
];
