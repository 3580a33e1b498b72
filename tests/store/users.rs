//! Promises of `UserStore`.

use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::RoomId;
use rolekeeper::domain::permission::ACCESS_PERMISSIONS;
use rolekeeper::domain::role::{ADMIN, OWNER, RoleScope, USER};
use rolekeeper::domain::room::GENERAL;
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::user::{Activation, EmailAddress, NewUser, PasswordHash, SoleOwnership};
use rolekeeper::store::{Conflict, Noun, StoreError, Unique, UsernameMatch};
use serde_json::json;

use crate::fixtures::{assignment, grant, nobody, role_id};
use crate::support::stores::TestStore;

const NO_USER: StoreError = StoreError::NotFound(Noun::User);
const NAME_TAKEN: StoreError = StoreError::AlreadyExists(Unique::Username);
const ADDRESS_TAKEN: StoreError = StoreError::AlreadyExists(Unique::EmailAddress);

fn general() -> RoomId {
    RoomId::from_stored(GENERAL)
}

async fn a_created_account_is_what_was_wanted_and_on_record(test: &TestStore) {
    let mut new = test.new_user("Ann", &[&role_id(USER), &role_id("guest")]);
    new.password = Some(PasswordHash::from_stored("$2b$10$hash"));
    new.profile.insert("bio".to_owned(), json!("about Ann"));
    new.profile.insert("customFields".to_owned(), json!({ "desk": "12" }));
    let by = test.later();
    let expected = new.to_user(by.at);
    let recorded = test.recorded(async || {
        assert_eq!(test.store.create_user(new.clone(), &by).await.unwrap(), expected);
    });
    let entry =
        Change::UserCreated { user: new.id.clone(), username: "Ann".to_owned(), roles: expected.roles().to_vec() };
    assert_eq!(recorded.await, [entry]);
    assert_eq!(test.store.find_user(&new.id).await.unwrap(), Some(expected));
    assert_eq!(test.store.find_password(&new.id).await.unwrap(), new.password);
    assert!(test.store.list_memberships(&new.id).await.unwrap().is_empty());
}

async fn an_account_is_found_by_id_username_and_address(test: &TestStore) {
    let ann = test.user("Ann").await;
    assert_eq!(test.store.find_user(&ann.id).await.unwrap(), Some(ann.clone()));
    assert_eq!(test.store.find_user(&nobody()).await.unwrap(), None);
    let by_name = async |name: &str, matching| test.store.find_user_by_username(name, matching).await.unwrap();
    assert_eq!(by_name("Ann", UsernameMatch::Exact).await, Some(ann.clone()));
    assert_eq!(by_name("ann", UsernameMatch::Exact).await, None);
    assert_eq!(by_name("Ann", UsernameMatch::IgnoreCase).await, Some(ann.clone()));
    assert_eq!(by_name("aNN", UsernameMatch::IgnoreCase).await, Some(ann.clone()));
    assert_eq!(by_name("an", UsernameMatch::IgnoreCase).await, None);
    for address in ["Ann@example.org", "ANN@EXAMPLE.ORG"] {
        assert_eq!(test.store.find_user_by_email(address).await.unwrap(), Some(ann.clone()));
    }
    assert_eq!(test.store.find_user_by_email("nobody@example.org").await.unwrap(), None);
}

async fn a_query_operator_or_pattern_is_a_text_like_any_other(test: &TestStore) {
    test.user("ann").await;
    for text in [".*", "a%", "a_n", "$ne", "{\"$ne\":null}", "' OR 1=1 --"] {
        for matching in [UsernameMatch::Exact, UsernameMatch::IgnoreCase] {
            assert_eq!(test.store.find_user_by_username(text, matching).await.unwrap(), None, "{text}");
        }
        assert_eq!(test.store.find_user_by_email(text).await.unwrap(), None, "{text}");
    }
}

async fn a_password_that_is_not_there_is_none(test: &TestStore) {
    let ann = test.user("ann").await;
    assert!(!ann.has_password);
    assert_eq!(test.store.find_password(&ann.id).await.unwrap(), None);
    assert_eq!(test.store.find_password(&nobody()).await.unwrap(), None);
}

async fn a_new_account_joins_the_default_rooms_when_it_wants_to(test: &TestStore) {
    let ann = test.user("ann").await;
    let before = test.store.find_room(&general()).await.unwrap().unwrap().members;
    let joining = NewUser { join_default_rooms: true, ..test.new_user("bob", &[&role_id(USER)]) };
    let bob = test.store.create_user(joining, &test.later()).await.unwrap();
    let memberships = test.store.list_memberships(&bob.id).await.unwrap();
    assert_eq!(memberships.len(), 1);
    assert_eq!((&memberships[0].room, memberships[0].name.as_str()), (&general(), "general"));
    assert_eq!(test.store.find_room_roles(&general(), &bob.id).await.unwrap(), Some(vec![]));
    assert_eq!(test.store.find_room_roles(&general(), &ann.id).await.unwrap(), None);
    assert_eq!(test.store.find_room(&general()).await.unwrap().unwrap().members, before + 1);
}

async fn a_creation_is_refused_for_the_name_then_the_address_then_the_role(test: &TestStore) {
    test.user("Ann").await;
    let unknown = role_id("no-such-role");
    let mut new = test.new_user("aNN", &[&role_id(USER), &unknown]);
    test.refuses(NAME_TAKEN, test.store.create_user(new.clone(), &test.later())).await;
    new.username = "bob".to_owned();
    new.emails = vec![EmailAddress { address: "ANN@Example.org".to_owned(), verified: false }];
    test.refuses(ADDRESS_TAKEN, test.store.create_user(new.clone(), &test.later())).await;
    new.emails[0].address = "bob@example.org".to_owned();
    let refusal = Conflict::UnknownRole(unknown);
    test.refuses(refusal, test.store.create_user(new.clone(), &test.later())).await;
    assert_eq!(test.store.find_user(&new.id).await.unwrap(), None);
}

async fn accounts_without_an_address_do_not_collide(test: &TestStore) {
    for name in ["ann", "bob"] {
        let new = NewUser { emails: vec![], ..test.new_user(name, &[&role_id(USER)]) };
        assert_eq!(test.store.create_user(new, &test.later()).await.unwrap().emails, []);
    }
}

async fn of_creations_with_one_name_or_one_address_exactly_one_succeeds(test: &TestStore) {
    let user = |username: String, address: String| NewUser {
        emails: vec![EmailAddress { address, verified: true }],
        ..test.new_user(&username, &[])
    };
    for round in 0..5 {
        let named = ["sam", "SAM", "Sam", "sAm"].iter().enumerate();
        let named = named.map(|(number, name)| user(format!("{name}{round}"), format!("{round}.{number}@example.org")));
        let addressed = ["a", "A", "a", "A"].iter().enumerate();
        let addressed =
            addressed.map(|(number, local)| user(format!("u{round}-{number}"), format!("{local}{round}@b.org")));
        for (contenders, taken) in [(named.collect::<Vec<_>>(), NAME_TAKEN), (addressed.collect(), ADDRESS_TAKEN)] {
            let calls: Vec<_> = contenders
                .into_iter()
                .map(|user| {
                    let (store, by) = (test.store.clone(), test.by());
                    tokio::spawn(async move { store.create_user(user, &by).await })
                })
                .collect();
            let mut created = 0;
            for call in calls {
                match call.await.unwrap() {
                    Ok(_) => created += 1,
                    Err(refusal) => assert_eq!(refusal, taken),
                }
            }
            assert_eq!(created, 1);
        }
    }
}

async fn the_first_administrator_is_created_while_nobody_is_one(test: &TestStore) {
    test.user("ann").await;
    let new = test.new_user("root", &[&role_id(ADMIN)]);
    let by = test.later();
    let expected = new.to_user(by.at);
    let recorded = test.recorded(async || {
        assert_eq!(test.store.create_first_administrator(new.clone(), &by).await.unwrap(), Some(expected));
    });
    assert!(matches!(&recorded.await[..], [Change::UserCreated { .. }]));
    let second = test.new_user("second", &[&role_id(ADMIN)]);
    let none = test.recorded(async || {
        assert_eq!(test.store.create_first_administrator(second.clone(), &by).await.unwrap(), None);
    });
    assert_eq!(none.await, []);
    assert_eq!(test.store.find_user(&second.id).await.unwrap(), None);
}

async fn an_administrator_who_cannot_act_is_one_all_the_same(test: &TestStore) {
    let idle = NewUser { active: false, ..test.new_user("idle", &[&role_id(ADMIN)]) };
    test.store.create_user(idle, &test.later()).await.unwrap();
    let new = test.new_user("root", &[&role_id(ADMIN)]);
    assert_eq!(test.store.create_first_administrator(new, &test.later()).await.unwrap(), None);
}

async fn a_first_administrator_is_refused_as_any_account_is(test: &TestStore) {
    test.user("Root").await;
    let taken = test.new_user("root", &[&role_id(ADMIN)]);
    test.refuses(NAME_TAKEN, test.store.create_first_administrator(taken, &test.later())).await;
    let unknown = role_id("no-such-role");
    let new = test.new_user("boss", &[&unknown]);
    let refusal = Conflict::UnknownRole(unknown.clone());
    test.refuses(refusal, test.store.create_first_administrator(new, &test.later())).await;
}

async fn of_first_administrators_at_once_exactly_one_is_created(test: &TestStore) {
    let calls: Vec<_> = (0..6)
        .map(|number| {
            let (store, by) = (test.store.clone(), test.by());
            let user = test.new_user(&format!("root{number}"), &[&role_id(ADMIN)]);
            tokio::spawn(async move { store.create_first_administrator(user, &by).await })
        })
        .collect();
    let mut created = 0;
    for call in calls {
        created += usize::from(call.await.unwrap().unwrap().is_some());
    }
    assert_eq!(created, 1);
}

async fn people_are_counted_up_to_the_limit_and_bots_are_not_people(test: &TestStore) {
    assert_eq!(test.store.count_people(10).await.unwrap(), 0);
    for name in ["a", "b", "c"] {
        test.user(name).await;
    }
    let robot = test.user("robot").await;
    test.plant_kind(&robot.id, "bot").await;
    test.admin("root").await;
    let away = test.user("away").await;
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    for (limit, expected) in [(1, 1), (4, 4), (5, 5), (100, 5)] {
        assert_eq!(test.store.count_people(limit).await.unwrap(), expected);
    }
}

async fn deactivation_ends_every_token_and_keeps_the_roles(test: &TestStore) {
    test.admin("root").await;
    let ann = test.user("ann").await;
    let (session, personal) = (TokenText::new("session").hash(), TokenText::new("personal").hash());
    test.store.add_session_token(&ann.id, &session, 50, &test.later()).await.unwrap();
    test.plant_personal_token(&ann.id, &personal).await;
    let by = test.later();
    let mut after = None;
    let recorded = test.recorded(async || {
        after = Some(test.store.set_user_active(&ann.id, Activation::Deactivate, &by).await.unwrap());
    });
    assert_eq!(recorded.await, [Change::UserDeactivated { user: ann.id.clone(), relinquished: vec![] }]);
    let after = after.unwrap();
    assert_eq!((after.active, after.roles(), after.updated_at), (false, ann.roles(), Some(by.at)));
    assert_eq!(test.reload(&ann).await, after);
    for hash in [&session, &personal] {
        assert_eq!(test.store.find_token(&ann.id, hash).await.unwrap(), None);
        assert_eq!(test.store.find_token_owner(hash).await.unwrap(), None);
    }
    let by = test.later();
    let recorded = test.recorded(async || {
        assert!(test.store.set_user_active(&ann.id, Activation::Activate, &by).await.unwrap().active);
    });
    assert_eq!(recorded.await, [Change::UserActivated { user: ann.id.clone() }]);
    assert_eq!(test.reload(&ann).await.updated_at, Some(by.at));
}

async fn the_state_it_has_already_changes_nothing_but_ends_leftover_tokens(test: &TestStore) {
    test.admin("root").await;
    let ann = test.user("ann").await;
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.later()).await.unwrap();
    let left = TokenText::new("left over").hash();
    test.plant_personal_token(&ann.id, &left).await;
    let before = test.reload(&ann).await;
    let by = test.later();
    let recorded = test.recorded(async || {
        assert_eq!(test.store.set_user_active(&ann.id, Activation::Deactivate, &by).await.unwrap(), before);
    });
    assert_eq!(recorded.await, []);
    assert_eq!(test.store.find_token_owner(&left).await.unwrap(), None);
    assert_eq!(test.reload(&ann).await, before);
    let bob = test.user("bob").await;
    let by = test.later();
    let recorded = test.recorded(async || {
        assert_eq!(test.store.set_user_active(&bob.id, Activation::Activate, &by).await.unwrap(), bob);
    });
    assert_eq!(recorded.await, []);
}

async fn an_unknown_account_is_neither_activated_nor_deactivated(test: &TestStore) {
    for activation in [Activation::Activate, Activation::Deactivate, Activation::DeactivateAndRelinquish] {
        test.refuses(NO_USER, test.store.set_user_active(&nobody(), activation, &test.later())).await;
    }
}

async fn deactivation_is_refused_for_the_administrator_then_the_lock_out_then_the_rooms(test: &TestStore) {
    let root = test.admin("root").await;
    let idle = NewUser { active: false, ..test.new_user("idle", &[&role_id(ADMIN)]) };
    test.store.create_user(idle, &test.later()).await.unwrap();
    let token = TokenText::new("session").hash();
    test.store.add_session_token(&root.id, &token, 50, &test.later()).await.unwrap();
    test.room("den", &root, &[]).await;
    let deactivate = async || test.store.set_user_active(&root.id, Activation::Deactivate, &test.by()).await;
    let holders = vec!["idle".to_owned(), "root".to_owned()];
    test.refuses(Conflict::LastAdministrator { holders }, deactivate()).await;
    test.admin("second").await;
    let keeper = test.role("Keeper", RoleScope::Users).await;
    test.assign(&keeper.id, &root, None).await;
    test.store.update_permissions(vec![grant(ACCESS_PERMISSIONS, &[&keeper.id])], &test.later()).await.unwrap();
    test.refuses(Conflict::PermissionsLockout, deactivate()).await;
    test.user_with("other", &[&keeper.id]).await;
    let ownership = SoleOwnership { alone: vec!["den".to_owned()], shared: vec![] };
    test.refuses(Conflict::SoleOwner(ownership), deactivate()).await;
    // Refused three times: he is active and his session lasts.
    assert!(test.reload(&root).await.active);
    assert!(test.store.find_token(&root.id, &token).await.unwrap().is_some());
}

async fn an_inactive_administrator_can_be_deactivated_again(test: &TestStore) {
    let idle = NewUser { active: false, ..test.new_user("idle", &[&role_id(ADMIN)]) };
    let idle = test.store.create_user(idle, &test.later()).await.unwrap();
    let again = test.store.set_user_active(&idle.id, Activation::Deactivate, &test.later()).await.unwrap();
    assert_eq!(again, idle);
}

async fn of_two_administrators_deactivated_at_once_one_stays(test: &TestStore) {
    for round in 0..5 {
        let pair = [test.admin(&format!("a{round}")).await, test.admin(&format!("b{round}")).await];
        if round > 0 {
            for former in 0..round {
                for name in [format!("a{former}"), format!("b{former}")] {
                    let found = test.store.find_user_by_username(&name, UsernameMatch::Exact).await.unwrap().unwrap();
                    test.store.set_user_active(&found.id, Activation::Deactivate, &test.by()).await.unwrap();
                }
            }
        }
        let calls = pair.each_ref().map(|user| {
            let (store, id, by) = (test.store.clone(), user.id.clone(), test.by());
            tokio::spawn(async move { store.set_user_active(&id, Activation::Deactivate, &by).await })
        });
        let mut gone = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => gone += 1,
                Err(StoreError::Conflict(Conflict::LastAdministrator { .. })) => {}
                Err(refusal) => panic!("{refusal:?}"),
            }
        }
        assert_eq!(gone, 1);
    }
}

async fn the_only_owner_stays_unless_he_relinquishes(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    test.room("alone", &ann, &[]).await;
    test.room("shared", &ann, &[&bob]).await;
    let both = test.room("both", &ann, &[&bob]).await;
    test.assign(&role_id(OWNER), &bob, Some(&both)).await;
    let ownership = SoleOwnership { alone: vec!["alone".to_owned()], shared: vec!["shared".to_owned()] };
    let by = test.later();
    let refused = test.store.set_user_active(&ann.id, Activation::Deactivate, &by);
    test.refuses(Conflict::SoleOwner(ownership), refused).await;
    // He is not the only owner of a room that has two.
    test.store.set_user_active(&bob.id, Activation::Deactivate, &test.later()).await.unwrap();
}

async fn a_relinquished_room_goes_to_the_active_member_of_longest_standing(test: &TestStore) {
    test.admin("root").await;
    let (ann, away, bob) = (test.user("ann").await, test.user("away").await, test.user("bob").await);
    let shared = test.room("shared", &ann, &[&away, &bob]).await;
    let late = test.user("aaa").await;
    let alone = test.room("alone", &ann, &[]).await;
    let deserted = test.room("deserted", &ann, &[&away]).await;
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    let by = test.later();
    let activation = Activation::DeactivateAndRelinquish;
    let recorded = test.recorded(async || {
        assert!(!test.store.set_user_active(&ann.id, activation, &by).await.unwrap().active);
    });
    assert_eq!(
        recorded.await,
        [Change::UserDeactivated { user: ann.id.clone(), relinquished: vec![shared.id.clone()] }]
    );
    assert!(test.room_roles(&shared, &bob).await.contains(&role_id(OWNER)));
    assert!(!test.room_roles(&shared, &away).await.contains(&role_id(OWNER)));
    assert_eq!(test.room_roles(&alone, &ann).await, [role_id(OWNER)]);
    assert_eq!(test.room_roles(&deserted, &ann).await, [role_id(OWNER)]);
    assert!(test.room_roles(&deserted, &away).await.is_empty());
    assert_eq!(test.store.find_room_roles(&shared.id, &late.id).await.unwrap(), None);
}

async fn memberships_are_listed_by_the_name_of_the_room(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    for name in ["zoo", "attic", "den"] {
        test.room(name, &ann, &[]).await;
    }
    let mine = test.room("midway", &bob, &[&ann]).await;
    let memberships = test.store.list_memberships(&ann.id).await.unwrap();
    let listed: Vec<_> = memberships.iter().map(|membership| membership.name.as_str()).collect();
    assert_eq!(listed, ["attic", "den", "midway", "zoo"]);
    assert_eq!((&memberships[2].room, memberships[2].roles.len()), (&mine.id, 0));
    assert_eq!((memberships[0].roles.as_slice(), memberships[0].kind.as_str()), (&[role_id(OWNER)][..], "c"));
    assert_eq!(memberships[0].unread, 0);
    assert!(test.store.list_memberships(&nobody()).await.unwrap().is_empty());
}

async fn no_profile_field_is_lost_by_other_changes(test: &TestStore) {
    test.admin("root").await;
    let mut new = test.new_user("ann", &[&role_id(USER)]);
    new.profile.insert("nickname".to_owned(), json!("Annie"));
    let ann = test.store.create_user(new, &test.later()).await.unwrap();
    test.assign(&role_id("guest"), &ann, None).await;
    test.store.unassign_role(&assignment(&role_id("guest"), &ann, None), &test.later()).await.unwrap();
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.later()).await.unwrap();
    let now = test.reload(&ann).await;
    assert_eq!((&now.profile, &now.emails, now.roles()), (&ann.profile, &ann.emails, ann.roles()));
}

on_every_backend![
    a_created_account_is_what_was_wanted_and_on_record,
    an_account_is_found_by_id_username_and_address,
    a_query_operator_or_pattern_is_a_text_like_any_other,
    a_password_that_is_not_there_is_none,
    a_new_account_joins_the_default_rooms_when_it_wants_to,
    a_creation_is_refused_for_the_name_then_the_address_then_the_role,
    accounts_without_an_address_do_not_collide,
    of_creations_with_one_name_or_one_address_exactly_one_succeeds,
    the_first_administrator_is_created_while_nobody_is_one,
    an_administrator_who_cannot_act_is_one_all_the_same,
    a_first_administrator_is_refused_as_any_account_is,
    of_first_administrators_at_once_exactly_one_is_created,
    people_are_counted_up_to_the_limit_and_bots_are_not_people,
    deactivation_ends_every_token_and_keeps_the_roles,
    the_state_it_has_already_changes_nothing_but_ends_leftover_tokens,
    an_unknown_account_is_neither_activated_nor_deactivated,
    deactivation_is_refused_for_the_administrator_then_the_lock_out_then_the_rooms,
    an_inactive_administrator_can_be_deactivated_again,
    of_two_administrators_deactivated_at_once_one_stays,
    the_only_owner_stays_unless_he_relinquishes,
    a_relinquished_room_goes_to_the_active_member_of_longest_standing,
    memberships_are_listed_by_the_name_of_the_room,
    no_profile_field_is_lost_by_other_changes,
];
