//! Promises of `PermissionStore`.

use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::PermissionId;
use rolekeeper::domain::permission::{ACCESS_PERMISSIONS, Permission, TrashedPermission};
use rolekeeper::domain::role::{ADMIN, RoleScope, USER};
use rolekeeper::domain::time::Timestamp;
use rolekeeper::domain::user::Activation;
use rolekeeper::store::Conflict;
use serde_json::json;

use crate::fixtures::{PERMISSIONS, grant, role_id, small_seed};
use crate::support::stores::TestStore;

async fn permissions_are_listed_in_the_order_of_insertion(test: &TestStore) {
    let mut seed = small_seed(test.by().at);
    let first = seed.permissions[0].clone();
    seed.permissions = vec![Permission { id: PermissionId::from_stored("aaa"), ..first }];
    test.store.seed(seed, &test.later()).await.unwrap();
    let ids: Vec<_> = test.store.list_permissions().await.unwrap().into_iter().map(|p| p.id.to_string()).collect();
    let expected: Vec<_> = PERMISSIONS.into_iter().chain(["aaa"]).collect();
    assert_eq!(ids, expected);
}

async fn a_permission_is_found_by_its_id(test: &TestStore) {
    assert_eq!(test.permission("view-logs").await.roles, [role_id(ADMIN)]);
    assert_eq!(test.store.find_permission(&PermissionId::from_stored("View-Logs")).await.unwrap(), None);
}

async fn a_list_is_replaced_as_a_whole_in_the_order_given(test: &TestStore) {
    test.admin("root").await;
    let before = test.permission("create-c").await;
    let by = test.later();
    let grants = vec![grant("create-c", &[&role_id(USER), &role_id(ADMIN)])];
    let mut all = Vec::new();
    let recorded = test.recorded(async || all = test.store.update_permissions(grants, &by).await.unwrap()).await;
    let after = test.permission("create-c").await;
    assert_eq!((&after.roles, after.updated_at), (&vec![role_id(USER), role_id(ADMIN)], by.at));
    assert_eq!(recorded, [Change::PermissionsUpdated { before: vec![before], after: vec![after] }]);
    assert_eq!(all, test.store.list_permissions().await.unwrap());
    assert_eq!(all.len(), PERMISSIONS.len());
}

async fn a_list_may_become_empty(test: &TestStore) {
    test.admin("root").await;
    test.store.update_permissions(vec![grant("view-logs", &[])], &test.later()).await.unwrap();
    assert!(test.permission("view-logs").await.roles.is_empty());
}

async fn what_is_as_wanted_is_left_and_not_on_record(test: &TestStore) {
    test.admin("root").await;
    let before = test.store.list_permissions().await.unwrap();
    let same = grant("view-logs", &[&role_id(ADMIN)]);
    let by = test.later();
    let nothing = test.recorded(async || {
        assert_eq!(test.store.update_permissions(vec![same.clone()], &by).await.unwrap(), before);
        assert_eq!(test.store.update_permissions(vec![], &by).await.unwrap(), before);
    });
    assert_eq!(nothing.await, []);
    let other = grant("create-c", &[&role_id(USER)]);
    let recorded = test.recorded(async || drop(test.store.update_permissions(vec![same, other], &by).await.unwrap()));
    let recorded = recorded.await;
    let [Change::PermissionsUpdated { before: old, after: new }] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!((&old[..], new[0].updated_at), (&before[1..2], by.at));
    assert_eq!(new.len(), 1);
    assert_eq!(test.permission("view-logs").await, before[2]);
}

async fn fields_of_a_setting_stay_when_its_permission_changes(test: &TestStore) {
    test.admin("root").await;
    let mut seed = small_seed(test.by().at);
    let mut permission = seed.permissions[0].clone();
    permission.id = PermissionId::from_stored("change-setting-Site_Name");
    for (field, value) in [("level", json!("settings")), ("settingId", json!("Site_Name")), ("sorter", json!(2))] {
        permission.setting.insert(field.to_owned(), value);
    }
    seed.permissions = vec![permission.clone()];
    test.store.seed(seed, &test.later()).await.unwrap();
    let stored = test.permission("change-setting-Site_Name").await;
    assert_eq!(stored.setting, permission.setting);
    let grants = vec![grant("change-setting-Site_Name", &[&role_id(USER)])];
    test.store.update_permissions(grants, &test.later()).await.unwrap();
    assert_eq!(test.permission("change-setting-Site_Name").await.setting, permission.setting);
}

async fn a_change_is_refused_for_the_permission_then_the_role_then_the_lock_out(test: &TestStore) {
    test.admin("root").await;
    let unknown = role_id("no-such-role");
    let (locking, naming) = (grant(ACCESS_PERMISSIONS, &[]), grant("view-logs", &[&unknown]));
    let absent = grant("no-such-permission", &[]);
    let good = grant("create-c", &[]);
    let all_wrong = vec![good.clone(), locking.clone(), naming.clone(), absent];
    test.refuses(Conflict::UnknownPermission, test.store.update_permissions(all_wrong, &test.later())).await;
    let twice = vec![naming.clone(), good.clone(), good.clone()];
    test.refuses(Conflict::UnknownPermission, test.store.update_permissions(twice, &test.later())).await;
    let wrong_role = vec![locking.clone(), good.clone(), naming];
    let refusal = Conflict::UnknownRole(unknown);
    test.refuses(refusal, test.store.update_permissions(wrong_role, &test.later())).await;
    let locked = vec![good, locking];
    test.refuses(Conflict::PermissionsLockout, test.store.update_permissions(locked, &test.later())).await;
}

async fn nobody_locks_everybody_out_with_a_role_that_only_idle_accounts_hold(test: &TestStore) {
    test.admin("root").await;
    let keeper = test.role("Keeper", RoleScope::Subscriptions).await;
    let (away, gadget) = (test.user_with("away", &[&keeper.id]).await, test.user_with("gadget", &[&keeper.id]).await);
    test.store.set_user_active(&away.id, Activation::Deactivate, &test.later()).await.unwrap();
    test.plant_kind(&gadget.id, "app").await;
    let ann = test.user("ann").await;
    let den = test.room("den", &ann, &[]).await;
    // In a room it does not count.
    test.assign(&keeper.id, &ann, Some(&den)).await;
    let wanted = vec![grant(ACCESS_PERMISSIONS, &[&keeper.id])];
    let by = test.later();
    test.refuses(Conflict::PermissionsLockout, test.store.update_permissions(wanted.clone(), &by)).await;
    test.assign(&keeper.id, &ann, None).await;
    test.store.update_permissions(wanted, &test.later()).await.unwrap();
}

async fn other_permissions_change_even_where_nobody_administers(test: &TestStore) {
    // There is no administrator yet.
    let grants = vec![grant("create-c", &[]), grant(ACCESS_PERMISSIONS, &[&role_id(ADMIN)])];
    test.store.update_permissions(grants, &test.later()).await.unwrap();
    assert!(test.permission("create-c").await.roles.is_empty());
}

async fn of_two_changes_that_would_lock_out_together_one_is_refused(test: &TestStore) {
    let root = test.admin("root").await;
    test.admin("second").await;
    let keeper = test.role("Keeper", RoleScope::Users).await;
    for round in 0..5 {
        let name = format!("ann{round}");
        let ann = test.user_with(&name, &[&keeper.id]).await;
        let reset = vec![grant(ACCESS_PERMISSIONS, &[&role_id(ADMIN)])];
        test.store.update_permissions(reset, &test.by()).await.unwrap();
        let (store, by) = (test.store.clone(), test.by());
        let wanted = vec![grant(ACCESS_PERMISSIONS, &[&keeper.id])];
        let change = tokio::spawn(async move { store.update_permissions(wanted, &by).await.map(drop) });
        let (store, by) = (test.store.clone(), test.by());
        let taken = crate::fixtures::assignment(&keeper.id, &ann, None);
        let taking = tokio::spawn(async move { store.unassign_role(&taken, &by).await });
        let outcomes = [change.await.unwrap(), taking.await.unwrap()];
        let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert_eq!(refused, [Conflict::PermissionsLockout.into()]);
        // Whoever won, somebody is left; the next round begins without this holder.
        test.store.update_permissions(vec![grant(ACCESS_PERMISSIONS, &[&role_id(ADMIN)])], &test.by()).await.unwrap();
        if test.reload(&ann).await.holds(&keeper.id) {
            test.store.unassign_role(&crate::fixtures::assignment(&keeper.id, &ann, None), &test.by()).await.unwrap();
        }
    }
    assert!(test.reload(&root).await.holds(&role_id(ADMIN)));
}

async fn changes_count_after_their_millisecond(test: &TestStore) {
    test.admin("root").await;
    let by = test.later();
    test.store.update_permissions(vec![grant("create-c", &[])], &by).await.unwrap();
    let gone = PermissionId::from_stored("change-setting-Gone");
    test.plant_trashed_permission(&gone, by.at).await;
    let at = test.store.permissions_changed_since(by.at).await.unwrap();
    assert!(at.updated.is_empty() && at.removed.is_empty(), "{at:?}");
    let before = Timestamp::from_millis(by.at.as_millis() - 1);
    let changes = test.store.permissions_changed_since(before).await.unwrap();
    assert_eq!(changes.updated, [test.permission("create-c").await]);
    assert_eq!(changes.removed, [TrashedPermission { id: gone, deleted_at: by.at }]);
    let all = test.store.permissions_changed_since(Timestamp::EPOCH).await.unwrap();
    assert_eq!(all.updated.len(), PERMISSIONS.len());
}

async fn a_trashed_role_is_no_trashed_permission(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    test.store.delete_role(&role.id, &test.later()).await.unwrap();
    test.plant_trashed_permission(&PermissionId::from_stored("gone"), test.by().at).await;
    assert_eq!(test.store.permissions_changed_since(Timestamp::EPOCH).await.unwrap().removed.len(), 1);
    assert_eq!(test.store.roles_changed_since(Timestamp::EPOCH).await.unwrap().removed.len(), 1);
}

on_every_backend![
    permissions_are_listed_in_the_order_of_insertion,
    a_permission_is_found_by_its_id,
    a_list_is_replaced_as_a_whole_in_the_order_given,
    a_list_may_become_empty,
    what_is_as_wanted_is_left_and_not_on_record,
    fields_of_a_setting_stay_when_its_permission_changes,
    a_change_is_refused_for_the_permission_then_the_role_then_the_lock_out,
    nobody_locks_everybody_out_with_a_role_that_only_idle_accounts_hold,
    other_permissions_change_even_where_nobody_administers,
    of_two_changes_that_would_lock_out_together_one_is_refused,
    changes_count_after_their_millisecond,
    a_trashed_role_is_no_trashed_permission,
];
