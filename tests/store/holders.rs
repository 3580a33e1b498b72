//! Promises of `RoleStore` about who holds a role: usage, giving, taking away, listing, and what must never end.

use mongodb::bson::doc;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::{RoleId, RoomId};
use rolekeeper::domain::permission::ACCESS_PERMISSIONS;
use rolekeeper::domain::role::{ADMIN, Assignee, Assignment, OWNER, Role, RoleScope, RoleUsage, USER};
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::store::{Conflict, Listing, Noun, Page, StoreError};

use crate::fixtures::{ALL, assignment, definition, grant, names, nobody, nowhere, role_id};
use crate::support::stores::{Raw, TestStore};

const NO_ROLE: StoreError = StoreError::NotFound(Noun::Role);
const NO_USER: StoreError = StoreError::NotFound(Noun::User);

fn usage(users: u64, rooms: u64, names: &[&str]) -> RoleUsage {
    RoleUsage { users, rooms, names: names.iter().map(|name| (*name).to_owned()).collect() }
}

async fn usage_of(test: &TestStore, role: &Role) -> RoleUsage {
    test.store.role_usage(&role.id).await.unwrap()
}

fn last_administrator(holders: &[&str]) -> Conflict {
    Conflict::LastAdministrator { holders: holders.iter().map(|name| (*name).to_owned()).collect() }
}

async fn a_role_that_nobody_has_is_free(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    assert_eq!(usage_of(test, &role).await, RoleUsage::default());
}

async fn accounts_of_any_kind_count_active_or_not(test: &TestStore) {
    test.admin("root").await;
    let role = test.role("Deputy", RoleScope::Users).await;
    for (name, kind) in [("person", "user"), ("robot", "bot"), ("gadget", "app")] {
        let user = test.user_with(name, &[&role.id]).await;
        test.plant_kind(&user.id, kind).await;
    }
    let away = test.user_with("away", &[&role.id]).await;
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    assert_eq!(usage_of(test, &role).await, usage(4, 0, &["away", "gadget", "person", "robot"]));
}

async fn rooms_count_once_whatever_the_scope_of_the_role(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let den = test.room("den", &ann, &[&bob]).await;
    let attic = test.room("attic", &ann, &[&bob]).await;
    test.room("cellar", &ann, &[&bob]).await;
    let role = test.role("Deputy", RoleScope::Subscriptions).await;
    for (user, room) in [(&ann, &den), (&bob, &den), (&bob, &attic)] {
        test.assign(&role.id, user, Some(room)).await;
    }
    assert_eq!(usage_of(test, &role).await, usage(0, 2, &["ann", "bob"]));
    test.store.update_role(&role.id, definition("Deputy", RoleScope::Users), &test.later()).await.unwrap();
    assert_eq!(usage_of(test, &role).await, usage(0, 2, &["ann", "bob"]));
}

async fn holders_are_named_accounts_first_each_group_in_order_nobody_twice(test: &TestStore) {
    let (zoe, amy, ben) = (test.user("zoe").await, test.user("amy").await, test.user("ben").await);
    let den = test.room("den", &ben, &[&zoe, &amy]).await;
    let role = test.role("Deputy", RoleScope::Subscriptions).await;
    for user in [&zoe, &amy, &ben] {
        test.assign(&role.id, user, Some(&den)).await;
    }
    test.assign(&role.id, &zoe, None).await;
    assert_eq!(usage_of(test, &role).await, usage(1, 1, &["zoe", "amy", "ben"]));
}

async fn ten_holders_are_named_and_all_are_counted(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Subscriptions).await;
    let host = test.user("host").await;
    for number in (0..12).rev() {
        test.user_with(&format!("holder{number:02}"), &[&role.id]).await;
    }
    let den = test.room("den", &host, &[]).await;
    test.assign(&role.id, &host, Some(&den)).await;
    let expected: Vec<_> = (0..10).map(|number| format!("holder{number:02}")).collect();
    assert_eq!(usage_of(test, &role).await, RoleUsage { users: 12, rooms: 1, names: expected });
}

async fn room_holders_fill_the_names_up_to_ten(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Subscriptions).await;
    let mut expected = Vec::new();
    for number in 0..8 {
        expected.push(format!("zz{number}"));
        test.user_with(&expected[number], &[&role.id]).await;
    }
    let mut members = Vec::new();
    for name in ["d", "b", "a", "c"] {
        members.push(test.user(name).await);
    }
    let den = test.room("den", &members[0], &members.iter().skip(1).collect::<Vec<_>>()).await;
    for member in &members {
        test.assign(&role.id, member, Some(&den)).await;
    }
    expected.extend(["a".to_owned(), "b".to_owned()]);
    assert_eq!(usage_of(test, &role).await, RoleUsage { users: 8, rooms: 1, names: expected });
}

async fn of_a_role_that_does_not_exist_leftovers_are_told(test: &TestStore) {
    let gone = role_id("gone");
    assert_eq!(test.store.role_usage(&gone).await.unwrap(), RoleUsage::default());
    let ann = test.user("ann").await;
    // Only where others write too can anything be left over; the tables of SQLite refuse it.
    if let Raw::Mongo(database) = &test.raw {
        let users = database.collection::<mongodb::bson::Document>("users");
        users.update_one(doc! { "_id": ann.id.as_str() }, doc! { "$push": { "roles": "gone" } }).await.unwrap();
        assert_eq!(test.store.role_usage(&gone).await.unwrap(), usage(1, 0, &["ann"]));
    }
}

async fn a_workspace_role_goes_to_the_user_with_or_without_a_room(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let den = test.room("den", &ann, &[]).await;
    let role = test.role("Deputy", RoleScope::Users).await;
    for (user, room) in [(&ann, Some(&den)), (&bob, None)] {
        let (wanted, by) = (assignment(&role.id, user, room), test.later());
        let recorded = test.recorded(async || test.store.assign_role(&wanted, &by).await.unwrap()).await;
        let expected = Change::RoleAssigned { role: role.id.clone(), user: user.id.clone(), room: None };
        assert_eq!(recorded, [expected]);
        let now = test.reload(user).await;
        assert_eq!((now.roles(), now.updated_at), (&[role_id(USER), role.id.clone()][..], Some(by.at)));
    }
    assert_eq!(test.room_roles(&den, &ann).await, [role_id(OWNER)]);
}

async fn a_room_role_goes_to_the_room_and_leaves_the_user_as_he_is(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let den = test.room("den", &ann, &[&bob]).await;
    let role = test.role("Deputy", RoleScope::Subscriptions).await;
    let (wanted, by) = (assignment(&role.id, &bob, Some(&den)), test.later());
    let recorded = test.recorded(async || test.store.assign_role(&wanted, &by).await.unwrap()).await;
    let expected = Change::RoleAssigned { role: role.id.clone(), user: bob.id.clone(), room: Some(den.id.clone()) };
    assert_eq!(recorded, [expected]);
    assert_eq!(test.room_roles(&den, &bob).await, std::slice::from_ref(&role.id));
    assert_eq!(test.room_roles(&den, &ann).await, [role_id(OWNER)]);
    assert_eq!(test.reload(&bob).await.roles(), [role_id(USER)]);
    let filter = doc! { "rid": den.id.as_str(), "u._id": bob.id.as_str() };
    if let Some(documents) = test.documents("rocketchat_subscription", filter).await {
        assert_eq!(documents[0].get_datetime("_updatedAt").unwrap().timestamp_millis(), by.at.as_millis());
    }
}

async fn a_room_role_without_a_room_goes_to_the_user(test: &TestStore) {
    let ann = test.user("ann").await;
    test.assign(&role_id(OWNER), &ann, None).await;
    assert!(test.reload(&ann).await.holds(&role_id(OWNER)));
}

async fn giving_is_refused_for_the_role_then_the_user_then_the_room_then_the_state(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let den = test.room("den", &ann, &[]).await;
    let deputy = test.role("Deputy", RoleScope::Subscriptions).await.id;
    let to = |role, user, room| Assignment { role, user, room };
    let outside = Some(nowhere());
    let cases: [(Assignment, StoreError); 6] = [
        (to(role_id("absent"), nobody(), outside.clone()), NO_ROLE),
        (to(deputy.clone(), nobody(), outside.clone()), NO_USER),
        (to(deputy.clone(), ann.id.clone(), outside), Conflict::NotInRoom.into()),
        (to(deputy.clone(), bob.id.clone(), Some(den.id.clone())), Conflict::NotInRoom.into()),
        (to(role_id(OWNER), ann.id.clone(), Some(den.id.clone())), Conflict::RoleAlreadyHeld.into()),
        (to(role_id(USER), ann.id.clone(), None), Conflict::RoleAlreadyHeld.into()),
    ];
    for (wanted, expected) in cases {
        test.refuses(expected, test.store.assign_role(&wanted, &test.later())).await;
    }
    // Held in one place is not held in the other.
    test.assign(&role_id(OWNER), &ann, None).await;
}

async fn a_role_goes_to_whoever_has_the_name_in_any_case(test: &TestStore) {
    let (ann, other) = (test.user("Ann").await, test.user("bob").await);
    let role = test.role("Deputy", RoleScope::Users).await;
    let to = |role: &RoleId, name: &str, room: Option<RoomId>| Assignee {
        role: role.clone(),
        username: name.to_owned(),
        room,
    };
    let wanted = to(&role.id, "aNN", None);
    let recorded = test.recorded(async || test.store.assign_role_to(&wanted, &test.later()).await.unwrap()).await;
    let expected = Change::RoleAssigned { role: role.id.clone(), user: ann.id.clone(), room: None };
    assert_eq!(recorded, [expected]);
    assert!(test.reload(&ann).await.holds(&role.id));
    assert!(!test.reload(&other).await.holds(&role.id));
    let den = test.room("den", &ann, &[]).await;
    let cases: [(Assignee, StoreError); 4] = [
        (to(&role_id("absent"), "nobody", None), NO_USER),
        (to(&role_id("absent"), "Ann", None), NO_ROLE),
        (to(&role_id(OWNER), "bob", Some(den.id)), Conflict::NotInRoom.into()),
        (to(&role.id, "ann", None), Conflict::RoleAlreadyHeld.into()),
    ];
    for (wanted, expected) in cases {
        test.refuses(expected, test.store.assign_role_to(&wanted, &test.later())).await;
    }
}

async fn a_role_given_several_times_at_once_is_given_once(test: &TestStore) {
    let ann = test.user("ann").await;
    let role = test.role("Deputy", RoleScope::Users).await;
    let wanted = assignment(&role.id, &ann, None);
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let (store, wanted, by) = (test.store.clone(), wanted.clone(), test.by());
            tokio::spawn(async move { store.assign_role(&wanted, &by).await })
        })
        .collect();
    let mut given = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => given += 1,
            Err(refusal) => assert_eq!(refusal, Conflict::RoleAlreadyHeld.into()),
        }
    }
    assert_eq!(given, 1);
    assert_eq!(test.reload(&ann).await.roles(), [role_id(USER), role.id]);
}

async fn taking_a_role_takes_it_from_its_place_alone(test: &TestStore) {
    test.admin("root").await;
    let ann = test.user("ann").await;
    let den = test.room("den", &ann, &[]).await;
    let role = test.role("Deputy", RoleScope::Subscriptions).await;
    test.assign(&role.id, &ann, Some(&den)).await;
    test.assign(&role.id, &ann, None).await;
    let by = test.later();
    let in_room = assignment(&role.id, &ann, Some(&den));
    let recorded = test.recorded(async || test.store.unassign_role(&in_room, &by).await.unwrap()).await;
    let taken = |room: Option<RoomId>| Change::RoleUnassigned { role: role.id.clone(), user: ann.id.clone(), room };
    assert_eq!(recorded, [taken(Some(den.id.clone()))]);
    assert_eq!(test.room_roles(&den, &ann).await, [role_id(OWNER)]);
    assert!(test.reload(&ann).await.holds(&role.id));
    let by = test.later();
    let own = assignment(&role.id, &ann, None);
    let recorded = test.recorded(async || test.store.unassign_role(&own, &by).await.unwrap()).await;
    assert_eq!(recorded, [taken(None)]);
    let now = test.reload(&ann).await;
    assert_eq!((now.roles(), now.updated_at), (&[role_id(USER)][..], Some(by.at)));
}

async fn taking_is_refused_for_the_role_then_the_user_then_the_state(test: &TestStore) {
    let ann = test.user("ann").await;
    let den = test.room("den", &ann, &[]).await;
    let deputy = test.role("Deputy", RoleScope::Subscriptions).await.id;
    let of = |role, user, room| Assignment { role, user, room };
    let cases: [(Assignment, StoreError); 6] = [
        (of(role_id("absent"), nobody(), None), NO_ROLE),
        (of(deputy.clone(), nobody(), None), NO_USER),
        (of(deputy.clone(), ann.id.clone(), None), Conflict::RoleNotHeld.into()),
        (of(deputy.clone(), ann.id.clone(), Some(den.id.clone())), Conflict::RoleNotHeld.into()),
        (of(deputy, ann.id.clone(), Some(nowhere())), Conflict::RoleNotHeld.into()),
        // Nobody administers here; that he does not have it is still named first.
        (of(role_id(ADMIN), ann.id.clone(), None), Conflict::RoleNotHeld.into()),
    ];
    for (wanted, expected) in cases {
        test.refuses(expected, test.store.unassign_role(&wanted, &test.later())).await;
    }
}

async fn the_last_administrator_who_can_act_keeps_the_role(test: &TestStore) {
    let root = test.admin("root").await;
    let (away, gadget) = (test.admin("away").await, test.admin("gadget").await);
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    test.plant_kind(&gadget.id, "app").await;
    let of_root = assignment(&role_id(ADMIN), &root, None);
    let expected = last_administrator(&["away", "gadget", "root"]);
    test.refuses(expected, test.store.unassign_role(&of_root, &test.later())).await;
    let second = test.admin("second").await;
    test.store.unassign_role(&of_root, &test.later()).await.unwrap();
    let expected = last_administrator(&["away", "gadget", "second"]);
    let of_second = assignment(&role_id(ADMIN), &second, None);
    test.refuses(expected, test.store.unassign_role(&of_second, &test.later())).await;
}

async fn an_administrator_who_cannot_act_may_lose_the_role(test: &TestStore) {
    test.admin("root").await;
    let away = test.admin("away").await;
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    test.store.unassign_role(&assignment(&role_id(ADMIN), &away, None), &test.later()).await.unwrap();
}

async fn a_bot_can_be_the_administrator_who_is_left(test: &TestStore) {
    let (root, robot) = (test.admin("root").await, test.admin("robot").await);
    test.plant_kind(&robot.id, "bot").await;
    test.store.unassign_role(&assignment(&role_id(ADMIN), &root, None), &test.later()).await.unwrap();
}

async fn of_two_administrators_who_resign_at_once_one_stays(test: &TestStore) {
    for round in 0..5 {
        let names = [format!("a{round}"), format!("b{round}")];
        let pair = [test.admin(&names[0]).await, test.admin(&names[1]).await];
        if round > 0 {
            let others = test.store.find_role(&role_id(ADMIN)).await.unwrap().unwrap();
            for other in test.store.list_holders(&others, None, ALL).await.unwrap().items {
                if pair.iter().all(|member| member.id != other.id) {
                    test.store.unassign_role(&assignment(&role_id(ADMIN), &other, None), &test.by()).await.unwrap();
                }
            }
        }
        let calls = pair.each_ref().map(|user| {
            let (store, wanted, by) = (test.store.clone(), assignment(&role_id(ADMIN), user, None), test.by());
            tokio::spawn(async move { store.unassign_role(&wanted, &by).await })
        });
        let mut resigned = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(()) => resigned += 1,
                Err(StoreError::Conflict(Conflict::LastAdministrator { .. })) => {}
                Err(refusal) => panic!("{refusal:?}"),
            }
        }
        assert_eq!(resigned, 1);
    }
}

async fn somebody_who_can_act_must_be_left_to_administer_permissions(test: &TestStore) {
    test.admin("root").await;
    let keeper = test.role("Keeper", RoleScope::Subscriptions).await;
    let ann = test.user("ann").await;
    let away = test.user_with("away", &[&keeper.id]).await;
    test.assign(&keeper.id, &ann, None).await;
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    let den = test.room("den", &ann, &[]).await;
    // In a room it does not count.
    test.assign(&keeper.id, &ann, Some(&den)).await;
    test.store.update_permissions(vec![grant(ACCESS_PERMISSIONS, &[&keeper.id])], &test.later()).await.unwrap();
    let own = assignment(&keeper.id, &ann, None);
    test.refuses(Conflict::PermissionsLockout, test.store.unassign_role(&own, &test.later())).await;
    // Out of the room it may go, and so may any other role.
    test.store.unassign_role(&assignment(&keeper.id, &ann, Some(&den)), &test.later()).await.unwrap();
    test.store.unassign_role(&assignment(&role_id(USER), &ann, None), &test.later()).await.unwrap();
    test.user_with("ben", &[&keeper.id]).await;
    test.store.unassign_role(&own, &test.later()).await.unwrap();
}

async fn the_last_administrator_is_named_before_the_lock_out(test: &TestStore) {
    let root = test.admin("root").await;
    let of_root = assignment(&role_id(ADMIN), &root, None);
    let expected = last_administrator(&["root"]);
    test.refuses(expected, test.store.unassign_role(&of_root, &test.later())).await;
}

async fn listed(test: &TestStore, role: &str, room: Option<&RoomId>, page: Page) -> Listing<User> {
    let role = test.store.find_role(&role_id(role)).await.unwrap().unwrap();
    test.store.list_holders(&role, room, page).await.unwrap()
}

async fn holders_of_a_workspace_role_are_listed_by_username_byte_by_byte(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    let mut expected = Vec::new();
    for name in ["b", "a", "_c", "aa", "Z"] {
        expected.push(test.user_with(name, &[&role.id]).await);
    }
    test.user("other").await;
    expected.sort_by(|one, other| one.username.cmp(&other.username));
    let listing = listed(test, role.id.as_str(), None, ALL).await;
    assert_eq!(names(&listing.items), ["Z", "_c", "a", "aa", "b"]);
    assert_eq!(listing, Listing { total: 5, items: expected });
    // A room does not matter to a role of the workspace.
    assert_eq!(listed(test, role.id.as_str(), Some(&nowhere()), ALL).await.total, 5);
}

async fn a_page_is_a_window_and_the_total_is_of_the_whole(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    for number in 0..26 {
        test.user_with(&format!("u{number:02}"), &[&role.id]).await;
    }
    let cases: [(u64, Option<u64>, &[&str]); 6] = [
        (0, Some(2), &["u00", "u01"]),
        (24, Some(5), &["u24", "u25"]),
        (25, None, &["u25"]),
        (26, Some(5), &[]),
        (u64::MAX, Some(u64::MAX), &[]),
        (3, Some(0), &[]),
    ];
    for (offset, count, expected) in cases {
        let listing = listed(test, role.id.as_str(), None, Page { offset, count }).await;
        assert_eq!((names(&listing.items), listing.total), (expected.to_vec(), 26), "{offset} {count:?}");
    }
    assert_eq!(listed(test, role.id.as_str(), None, ALL).await.items.len(), 26);
}

async fn holders_of_a_room_role_are_those_of_the_room_or_of_any_each_once(test: &TestStore) {
    let (zoe, amy, ben) = (test.user("zoe").await, test.user("amy").await, test.user("ben").await);
    let den = test.room("den", &zoe, &[&amy]).await;
    let attic = test.room("attic", &zoe, &[]).await;
    test.room("cellar", &amy, &[&ben]).await;
    // On his own list it does not make him an owner of anything.
    test.assign(&role_id(OWNER), &ben, None).await;
    let in_any = listed(test, OWNER, None, ALL).await;
    assert_eq!((names(&in_any.items), in_any.total), (vec!["amy", "zoe"], 2));
    let in_den = listed(test, OWNER, Some(&den.id), ALL).await;
    assert_eq!((names(&in_den.items), in_den.total), (vec!["zoe"], 1));
    test.assign(&role_id(OWNER), &amy, Some(&den)).await;
    let second = listed(test, OWNER, Some(&den.id), Page { offset: 1, count: Some(1) }).await;
    assert_eq!((names(&second.items), second.total), (vec!["zoe"], 2));
    assert_eq!(names(&listed(test, OWNER, Some(&attic.id), ALL).await.items), ["zoe"]);
    assert_eq!(listed(test, OWNER, Some(&nowhere()), ALL).await, Listing { items: vec![], total: 0 });
}

async fn holders_of_any_of_some_roles_are_listed_once_by_username(test: &TestStore) {
    test.admin("root").await;
    let (one, two) = (test.role("One", RoleScope::Users).await.id, test.role("Two", RoleScope::Users).await.id);
    let in_rooms = test.role("Three", RoleScope::Subscriptions).await.id;
    let mut expected = Vec::new();
    for (name, roles) in [("b", vec![&two, &one]), ("Z", vec![&one]), ("a", vec![&two])] {
        expected.push(test.user_with(name, &roles).await);
    }
    let ann = test.user("ann").await;
    let den = test.room("den", &ann, &[]).await;
    test.assign(&in_rooms, &ann, Some(&den)).await;
    // An account that is switched off still holds what it holds.
    expected[2] = test.store.set_user_active(&expected[2].id, Activation::Deactivate, &test.later()).await.unwrap();
    expected.sort_by(|one, other| one.username.cmp(&other.username));
    let any = [one.clone(), two, in_rooms, role_id("absent")];
    let listed = test.store.list_holders_of_any(&any).await.unwrap();
    assert_eq!(names(&listed), ["Z", "a", "b"]);
    assert_eq!(listed, expected);
    assert_eq!(names(&test.store.list_holders_of_any(&[one]).await.unwrap()), ["Z", "b"]);
    assert_eq!(test.store.list_holders_of_any(&[]).await.unwrap(), []);
}

on_every_backend![
    a_role_that_nobody_has_is_free,
    accounts_of_any_kind_count_active_or_not,
    rooms_count_once_whatever_the_scope_of_the_role,
    holders_are_named_accounts_first_each_group_in_order_nobody_twice,
    ten_holders_are_named_and_all_are_counted,
    room_holders_fill_the_names_up_to_ten,
    of_a_role_that_does_not_exist_leftovers_are_told,
    a_workspace_role_goes_to_the_user_with_or_without_a_room,
    a_room_role_goes_to_the_room_and_leaves_the_user_as_he_is,
    a_room_role_without_a_room_goes_to_the_user,
    giving_is_refused_for_the_role_then_the_user_then_the_room_then_the_state,
    a_role_goes_to_whoever_has_the_name_in_any_case,
    a_role_given_several_times_at_once_is_given_once,
    taking_a_role_takes_it_from_its_place_alone,
    taking_is_refused_for_the_role_then_the_user_then_the_state,
    the_last_administrator_who_can_act_keeps_the_role,
    an_administrator_who_cannot_act_may_lose_the_role,
    a_bot_can_be_the_administrator_who_is_left,
    of_two_administrators_who_resign_at_once_one_stays,
    somebody_who_can_act_must_be_left_to_administer_permissions,
    the_last_administrator_is_named_before_the_lock_out,
    holders_of_a_workspace_role_are_listed_by_username_byte_by_byte,
    a_page_is_a_window_and_the_total_is_of_the_whole,
    holders_of_a_room_role_are_those_of_the_room_or_of_any_each_once,
    holders_of_any_of_some_roles_are_listed_once_by_username,
];
