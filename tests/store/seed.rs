//! Promises of `Store` itself: seeding and readiness.

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::{PermissionId, RoleId, RoomId};
use rolekeeper::domain::role::{NewRole, RoleScope};
use rolekeeper::domain::room::GENERAL;
use rolekeeper::store::Seed;

use crate::fixtures::{definition, role_id, small_seed};
use crate::support::stores::TestStore;

async fn an_empty_workspace_gets_everything_in_the_order_given(test: &TestStore) {
    let seed = Seed::defaults(test.clock.now());
    test.store.seed(seed.clone(), &test.by()).await.unwrap();
    assert_eq!(test.store.list_roles().await.unwrap(), seed.roles);
    assert_eq!(test.store.list_permissions().await.unwrap(), seed.permissions);
    let general = test.store.find_room(&RoomId::from_stored(GENERAL)).await.unwrap();
    assert_eq!(general.as_ref(), Some(&seed.rooms[0]));
    let expected = Change::WorkspaceSeeded {
        roles: seed.roles.into_iter().map(|role| role.id).collect(),
        permissions: seed.permissions.into_iter().map(|permission| permission.id).collect(),
        rooms: seed.rooms.into_iter().map(|room| room.id).collect(),
    };
    let record = test.record().await;
    assert_eq!(record.iter().map(|entry| &entry.change).collect::<Vec<_>>(), [&expected]);
}

async fn a_second_time_nothing_changes_and_nothing_is_on_record(test: &TestStore) {
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    let (roles, permissions) = (test.store.list_roles().await.unwrap(), test.store.list_permissions().await.unwrap());
    let by = test.later();
    let recorded = test.recorded(async || test.store.seed(small_seed(by.at), &by).await.unwrap());
    assert_eq!(recorded.await, []);
    assert_eq!(test.store.list_roles().await.unwrap(), roles);
    assert_eq!(test.store.list_permissions().await.unwrap(), permissions);
}

async fn what_is_there_stays_as_it_is_and_only_what_is_absent_is_inserted(test: &TestStore) {
    let mut part = small_seed(test.clock.now());
    part.roles.truncate(1);
    part.permissions.truncate(1);
    part.roles[0].description = "Ours".to_owned();
    part.permissions[0].roles = vec![role_id("user")];
    part.rooms[0].name = "lobby".to_owned();
    part.rooms[0].display_name = "lobby".to_owned();
    test.store.seed(part.clone(), &test.by()).await.unwrap();
    let by = test.later();
    let whole = small_seed(by.at);
    let recorded = test.recorded(async || test.store.seed(whole.clone(), &by).await.unwrap());
    let expected = Change::WorkspaceSeeded {
        roles: whole.roles[1..].iter().map(|role| role.id.clone()).collect(),
        permissions: whole.permissions[1..].iter().map(|permission| permission.id.clone()).collect(),
        rooms: vec![],
    };
    assert_eq!(recorded.await, [expected]);
    assert_eq!(test.store.list_roles().await.unwrap()[0], part.roles[0]);
    assert_eq!(test.store.list_permissions().await.unwrap()[0], part.permissions[0]);
    let room = test.store.find_room(&part.rooms[0].id).await.unwrap().unwrap();
    assert_eq!(room, part.rooms[0]);
}

async fn a_name_that_is_taken_under_another_id_is_left_to_its_holder(test: &TestStore) {
    let theirs = NewRole { id: RoleId::from_stored("theirs"), definition: definition("Guest", RoleScope::Users) };
    let theirs = test.store.create_role(theirs, &test.by()).await.unwrap();
    let mut room = small_seed(test.clock.now());
    room.roles.clear();
    room.permissions.clear();
    room.rooms[0].id = RoomId::from_stored("their-general");
    room.rooms[0].name = "General".to_owned();
    room.rooms[0].display_name = "General".to_owned();
    test.store.seed(room.clone(), &test.by()).await.unwrap();
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    assert_eq!(test.store.find_role(&role_id("guest")).await.unwrap(), None);
    assert_eq!(test.store.find_role(&theirs.id).await.unwrap(), Some(theirs));
    assert_eq!(test.store.find_room(&RoomId::from_stored(GENERAL)).await.unwrap(), None);
    assert_eq!(test.store.find_room_by_name("general").await.unwrap(), Some(room.rooms.remove(0)));
}

async fn several_nodes_seed_at_once_and_everything_is_there_once(test: &TestStore) {
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let (store, seed, by) = (test.store.clone(), small_seed(test.clock.now()), test.by());
            tokio::spawn(async move { store.seed(seed, &by).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let seed = small_seed(test.clock.now());
    assert_eq!(test.store.list_roles().await.unwrap(), seed.roles);
    assert_eq!(test.store.list_permissions().await.unwrap(), seed.permissions);
    assert_eq!(test.record().await.len(), 1);
}

async fn a_deleted_permission_right_does_not_come_back(test: &TestStore) {
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    test.admin("root").await;
    let id = PermissionId::from_stored("view-logs");
    test.store.update_permissions(vec![crate::fixtures::grant("view-logs", &[])], &test.later()).await.unwrap();
    test.store.seed(small_seed(test.clock.now()), &test.later()).await.unwrap();
    assert!(test.store.find_permission(&id).await.unwrap().unwrap().roles.is_empty());
}

async fn a_store_that_works_answers_and_says_what_it_is(test: &TestStore) {
    test.store.ping().await.unwrap();
    let described = test.store.describe();
    assert!(["SQLite", "MongoDB"].iter().any(|kind| described.contains(kind)), "{described}");
}

on_every_backend![
    empty:
    an_empty_workspace_gets_everything_in_the_order_given,
    a_second_time_nothing_changes_and_nothing_is_on_record,
    what_is_there_stays_as_it_is_and_only_what_is_absent_is_inserted,
    a_name_that_is_taken_under_another_id_is_left_to_its_holder,
    several_nodes_seed_at_once_and_everything_is_there_once,
    a_deleted_permission_right_does_not_come_back,
    a_store_that_works_answers_and_says_what_it_is,
];
