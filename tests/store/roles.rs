//! Promises of `RoleStore` about roles themselves: listing, names, changes, deletion. Who holds them is in `holders`.

use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::RoleRef;
use rolekeeper::domain::role::{ADMIN, DEFAULT_ROLES, NewRole, RoleDefinition, RoleScope, RoleUsage, USER};
use rolekeeper::domain::time::Timestamp;
use rolekeeper::store::{Conflict, Noun, StoreError, Unique};

use crate::fixtures::{assignment, definition, grant, role_id};
use crate::support::stores::TestStore;

const TAKEN: StoreError = StoreError::AlreadyExists(Unique::RoleName);
const NO_ROLE: StoreError = StoreError::NotFound(Noun::Role);

fn before(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - 1)
}

fn after(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() + 1)
}

async fn roles_are_listed_in_the_order_of_insertion(test: &TestStore) {
    // Neither by name nor by id: the second comes first in both.
    test.role("zebra", RoleScope::Users).await;
    let second = NewRole { id: role_id("000"), definition: definition("ant", RoleScope::Users) };
    test.store.create_role(second, &test.by()).await.unwrap();
    let names: Vec<_> = test.store.list_roles().await.unwrap().into_iter().map(|role| role.name).collect();
    let expected: Vec<_> = DEFAULT_ROLES.iter().map(|role| role.id).chain(["zebra", "ant"]).collect();
    assert_eq!(names, expected);
}

async fn a_role_is_found_by_its_id_alone(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    assert_eq!(test.store.find_role(&role.id).await.unwrap(), Some(role));
    assert_eq!(test.store.find_role(&role_id("Deputy")).await.unwrap(), None);
}

async fn a_reference_is_an_id_first_and_exactly_a_name_then(test: &TestStore) {
    let by_name = test.role("Deputy", RoleScope::Users).await;
    let resolve = async |text: &str| test.store.resolve_role(&RoleRef::parse(text).unwrap()).await.unwrap();
    assert_eq!(resolve("Deputy").await, Some(by_name.clone()));
    assert_eq!(resolve(by_name.id.as_str()).await, Some(by_name));
    assert_eq!(resolve("deputy").await, None);
    assert_eq!(resolve(" Deputy").await, None);
    let namesake = NewRole { id: role_id("Deputy"), definition: definition("Other", RoleScope::Users) };
    let by_id = test.store.create_role(namesake, &test.by()).await.unwrap();
    assert_eq!(resolve("Deputy").await, Some(by_id));
}

async fn changes_count_from_their_millisecond_on_and_removals_after_it(test: &TestStore) {
    let at = test.later().at;
    let kept = test.role("kept", RoleScope::Users).await;
    let gone = test.role("gone", RoleScope::Users).await;
    let changes = test.store.roles_changed_since(at).await.unwrap();
    assert_eq!(changes.updated, vec![kept, gone.clone()]);
    assert!(test.store.roles_changed_since(after(at)).await.unwrap().updated.is_empty());
    let deletion = test.later();
    test.store.delete_role(&gone.id, &deletion).await.unwrap();
    assert!(test.store.roles_changed_since(deletion.at).await.unwrap().removed.is_empty());
    let removed = test.store.roles_changed_since(before(deletion.at)).await.unwrap().removed;
    assert_eq!(removed.len(), 1);
    assert_eq!((&removed[0].role, removed[0].deleted_at), (&gone, deletion.at));
}

async fn removed_roles_come_oldest_first(test: &TestStore) {
    let (first, second) = (test.role("b", RoleScope::Users).await, test.role("a", RoleScope::Users).await);
    test.store.delete_role(&second.id, &test.later()).await.unwrap();
    test.store.delete_role(&first.id, &test.later()).await.unwrap();
    let removed = test.store.roles_changed_since(Timestamp::EPOCH).await.unwrap().removed;
    let ids: Vec<_> = removed.iter().map(|trashed| &trashed.role.id).collect();
    assert_eq!(ids, [&second.id, &first.id]);
}

async fn a_role_that_exists_again_is_reported_as_present_only(test: &TestStore) {
    let role = test.role("phoenix", RoleScope::Users).await;
    test.store.delete_role(&role.id, &test.later()).await.unwrap();
    let again = NewRole { id: role.id.clone(), definition: definition("phoenix", RoleScope::Users) };
    test.store.create_role(again, &test.later()).await.unwrap();
    let changes = test.store.roles_changed_since(Timestamp::EPOCH).await.unwrap();
    assert!(changes.removed.is_empty());
    assert!(changes.updated.iter().any(|present| present.id == role.id));
}

async fn a_second_removal_under_an_id_replaces_the_first(test: &TestStore) {
    let role = test.role("phoenix", RoleScope::Users).await;
    test.store.delete_role(&role.id, &test.later()).await.unwrap();
    let again = NewRole { id: role.id.clone(), definition: definition("ash", RoleScope::Users) };
    test.store.create_role(again, &test.later()).await.unwrap();
    let last = test.later();
    test.store.delete_role(&role.id, &last).await.unwrap();
    let removed = test.store.roles_changed_since(Timestamp::EPOCH).await.unwrap().removed;
    assert_eq!(removed.len(), 1);
    assert_eq!((removed[0].role.name.as_str(), removed[0].deleted_at), ("ash", last.at));
}

async fn a_created_role_is_custom_dated_and_on_record(test: &TestStore) {
    let new = test.new_role("Deputy", RoleScope::Subscriptions);
    let expected = new.clone().into_role(test.by().at);
    let recorded = test
        .recorded(async || {
            assert_eq!(test.store.create_role(new, &test.by()).await.unwrap(), expected);
        })
        .await;
    assert!(!expected.protected);
    assert_eq!(recorded, [Change::RoleCreated { role: expected.clone() }]);
    assert_eq!(test.store.find_role(&expected.id).await.unwrap(), Some(expected));
}

async fn a_name_is_taken_in_every_writing_of_it_and_by_ids(test: &TestStore) {
    let role = test.role("Émile", RoleScope::Users).await;
    for name in ["Émile", "ÉMILE", "E\u{301}mile", " émile ", "ADMIN", role.id.as_str()] {
        test.refuses(TAKEN, test.store.create_role(test.new_role(name, RoleScope::Users), &test.later())).await;
    }
    test.role("Emile", RoleScope::Users).await;
}

async fn a_name_is_free_again_once_its_role_is_deleted(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    test.store.delete_role(&role.id, &test.later()).await.unwrap();
    test.role("deputy", RoleScope::Users).await;
}

async fn of_colliding_creations_exactly_one_succeeds(test: &TestStore) {
    for round in 0..5 {
        let names =
            [format!("Team {round}"), format!("TEAM {round}"), format!("team {round}"), format!(" Team {round}")];
        let creations = names.iter().map(|name| {
            let (store, role, by) = (test.store.clone(), test.new_role(name, RoleScope::Users), test.by());
            tokio::spawn(async move { store.create_role(role, &by).await })
        });
        let (mut created, mut record) = (0, 0);
        for creation in creations.collect::<Vec<_>>() {
            match creation.await.unwrap() {
                Ok(_) => created += 1,
                Err(refusal) => assert_eq!(refusal, TAKEN),
            }
        }
        for entry in test.record().await {
            if matches!(&entry.change, Change::RoleCreated { role } if role.name.to_lowercase().contains(&format!("team {round}")))
            {
                record += 1;
            }
        }
        assert_eq!((created, record), (1, 1));
    }
}

async fn a_redefinition_replaces_all_that_is_defined_and_keeps_the_rest(test: &TestStore) {
    let before = test.role("Deputy", RoleScope::Users).await;
    let wanted = RoleDefinition {
        name: "Proxy".to_owned(),
        description: String::new(),
        scope: RoleScope::Subscriptions,
        mandatory2fa: true,
    };
    let by = test.later();
    let mut returned = None;
    let recorded =
        test.recorded(async || returned = Some(test.store.update_role(&before.id, wanted, &by).await.unwrap())).await;
    let after = returned.unwrap();
    assert_eq!((&after.id, after.protected, after.updated_at), (&before.id, false, by.at));
    assert_eq!((after.name.as_str(), after.description.as_str()), ("Proxy", ""));
    assert_eq!((after.scope, after.mandatory2fa), (RoleScope::Subscriptions, Some(true)));
    assert_eq!(recorded, [Change::RoleUpdated { before, after: after.clone() }]);
    assert_eq!(test.store.find_role(&after.id).await.unwrap(), Some(after));
}

async fn a_protected_role_stays_protected_and_keeps_its_name_and_scope(test: &TestStore) {
    let admin = role_id(ADMIN);
    let described = test.store.update_role(&admin, definition(ADMIN, RoleScope::Users), &test.later()).await.unwrap();
    assert!(described.protected);
    assert_eq!(described.description, "about admin");
    let moved = definition(ADMIN, RoleScope::Subscriptions);
    test.refuses(Conflict::RoleProtected, test.store.update_role(&admin, moved, &test.later())).await;
}

async fn a_redefinition_is_refused_for_absence_then_protection_then_the_name(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    let taken = definition("USER", RoleScope::Users);
    let absent = role_id("absent");
    test.refuses(NO_ROLE, test.store.update_role(&absent, taken.clone(), &test.later())).await;
    let admin = role_id(ADMIN);
    test.refuses(Conflict::RoleProtected, test.store.update_role(&admin, taken.clone(), &test.later())).await;
    test.refuses(TAKEN, test.store.update_role(&role.id, taken, &test.later())).await;
    let other = test.role("Other", RoleScope::Users).await;
    let an_id = definition(other.id.as_str(), RoleScope::Users);
    test.refuses(TAKEN, test.store.update_role(&role.id, an_id, &test.later())).await;
}

async fn a_role_does_not_collide_with_itself(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    for name in ["DEPUTY", role.id.as_str(), "Deputy"] {
        let renamed =
            test.store.update_role(&role.id, definition(name, RoleScope::Users), &test.later()).await.unwrap();
        assert_eq!(renamed.name, name);
    }
}

async fn a_renamed_role_leaves_its_old_name_free(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    test.store.update_role(&role.id, definition("Proxy", RoleScope::Users), &test.later()).await.unwrap();
    test.role("deputy", RoleScope::Users).await;
    test.refuses(TAKEN, test.store.create_role(test.new_role("PROXY", RoleScope::Users), &test.later())).await;
}

async fn a_role_that_is_gone_is_never_created_again_by_a_redefinition(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    test.store.delete_role(&role.id, &test.later()).await.unwrap();
    let wanted = definition("Deputy", RoleScope::Users);
    test.refuses(NO_ROLE, test.store.update_role(&role.id, wanted, &test.later())).await;
    assert_eq!(test.store.find_role(&role.id).await.unwrap(), None);
}

async fn a_deleted_role_is_gone_also_from_the_permissions_that_had_it(test: &TestStore) {
    test.admin("root").await;
    let role = test.role("Deputy", RoleScope::Users).await;
    let grants = vec![grant("create-c", &[&role_id(ADMIN), &role.id, &role_id(USER)])];
    test.store.update_permissions(grants, &test.later()).await.unwrap();
    let untouched = test.permission("view-logs").await;
    let by = test.later();
    let recorded = test.recorded(async || test.store.delete_role(&role.id, &by).await.unwrap()).await;
    assert_eq!(test.store.find_role(&role.id).await.unwrap(), None);
    let cleaned = test.permission("create-c").await;
    assert_eq!(cleaned.roles, [role_id(ADMIN), role_id(USER)]);
    assert_eq!(cleaned.updated_at, by.at);
    assert_eq!(test.permission("view-logs").await, untouched);
    assert_eq!(recorded, [Change::RoleDeleted { role, permissions: vec![cleaned.id], settings: vec![] }]);
}

async fn a_deletion_is_refused_for_absence_then_protection_then_use(test: &TestStore) {
    let user = test.user("ann").await;
    test.refuses(NO_ROLE, test.store.delete_role(&role_id("absent"), &test.later())).await;
    test.refuses(Conflict::RoleProtected, test.store.delete_role(&role_id(USER), &test.later())).await;
    let role = test.role("Deputy", RoleScope::Users).await;
    test.assign(&role.id, &user, None).await;
    let usage = RoleUsage { users: 1, rooms: 0, names: vec!["ann".to_owned()] };
    assert_eq!(test.store.role_usage(&role.id).await.unwrap(), usage);
    test.refuses(Conflict::RoleInUse(usage), test.store.delete_role(&role.id, &test.later())).await;
}

async fn a_role_that_is_held_elsewhere_than_its_scope_says_is_in_use(test: &TestStore) {
    let user = test.user("ann").await;
    let room = test.room("den", &user, &[]).await;
    let role = test.role("Deputy", RoleScope::Subscriptions).await;
    test.assign(&role.id, &user, Some(&room)).await;
    test.store.update_role(&role.id, definition("Deputy", RoleScope::Users), &test.later()).await.unwrap();
    let usage = RoleUsage { users: 0, rooms: 1, names: vec!["ann".to_owned()] };
    test.refuses(Conflict::RoleInUse(usage), test.store.delete_role(&role.id, &test.later())).await;
    assert_eq!(test.room_roles(&room, &user).await.last(), Some(&role.id));
}

async fn a_role_may_go_once_its_last_holder_has_lost_it(test: &TestStore) {
    test.admin("root").await;
    let user = test.user("ann").await;
    let role = test.role("Deputy", RoleScope::Users).await;
    test.assign(&role.id, &user, None).await;
    test.store.unassign_role(&assignment(&role.id, &user, None), &test.later()).await.unwrap();
    test.store.delete_role(&role.id, &test.later()).await.unwrap();
    test.refuses(NO_ROLE, test.store.delete_role(&role.id, &test.later())).await;
}

async fn of_deletions_at_once_exactly_one_succeeds(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    let deletions: Vec<_> = (0..4)
        .map(|_| {
            let (store, id, by) = (test.store.clone(), role.id.clone(), test.by());
            tokio::spawn(async move { store.delete_role(&id, &by).await })
        })
        .collect();
    let mut deleted = 0;
    for deletion in deletions {
        match deletion.await.unwrap() {
            Ok(()) => deleted += 1,
            Err(refusal) => assert_eq!(refusal, NO_ROLE),
        }
    }
    assert_eq!(deleted, 1);
}

on_every_backend![
    roles_are_listed_in_the_order_of_insertion,
    a_role_is_found_by_its_id_alone,
    a_reference_is_an_id_first_and_exactly_a_name_then,
    changes_count_from_their_millisecond_on_and_removals_after_it,
    removed_roles_come_oldest_first,
    a_role_that_exists_again_is_reported_as_present_only,
    a_second_removal_under_an_id_replaces_the_first,
    a_created_role_is_custom_dated_and_on_record,
    a_name_is_taken_in_every_writing_of_it_and_by_ids,
    a_name_is_free_again_once_its_role_is_deleted,
    of_colliding_creations_exactly_one_succeeds,
    a_redefinition_replaces_all_that_is_defined_and_keeps_the_rest,
    a_protected_role_stays_protected_and_keeps_its_name_and_scope,
    a_redefinition_is_refused_for_absence_then_protection_then_the_name,
    a_role_does_not_collide_with_itself,
    a_renamed_role_leaves_its_old_name_free,
    a_role_that_is_gone_is_never_created_again_by_a_redefinition,
    a_deleted_role_is_gone_also_from_the_permissions_that_had_it,
    a_deletion_is_refused_for_absence_then_protection_then_use,
    a_role_that_is_held_elsewhere_than_its_scope_says_is_in_use,
    a_role_may_go_once_its_last_holder_has_lost_it,
    of_deletions_at_once_exactly_one_succeeds,
];
