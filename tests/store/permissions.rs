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

const NAME: &str = "change-setting-Site_Name";
const GROUP: &str = "change-setting-General";

/// A permission of a setting and that of its group, and one whose group is not there.
async fn setting_permissions(test: &TestStore) {
    test.admin("root").await;
    let first = small_seed(test.by().at).permissions[0].clone();
    let permission = |id: &str, group: Option<&str>| {
        let mut permission = Permission { id: PermissionId::from_stored(id), roles: vec![], ..first.clone() };
        permission.setting.insert("level".to_owned(), json!("settings"));
        if let Some(group) = group {
            permission.setting.insert("groupPermissionId".to_owned(), json!(group));
        }
        permission
    };
    let mut seed = small_seed(test.by().at);
    seed.permissions = vec![permission(NAME, Some(GROUP)), permission(GROUP, None), permission("lone", Some("absent"))];
    test.store.seed(seed, &test.later()).await.unwrap();
}

fn permission_id(id: &str) -> PermissionId {
    PermissionId::from_stored(id)
}

async fn a_role_that_gets_a_permission_comes_last_and_one_that_loses_it_goes(test: &TestStore) {
    test.admin("root").await;
    let id = permission_id("view-logs");
    let before = test.permission("view-logs").await;
    let by = test.later();
    let granted = test.recorded(async || test.store.grant_permission(&id, &role_id(USER), &by).await.unwrap()).await;
    let after = test.permission("view-logs").await;
    assert_eq!((&after.roles, after.updated_at), (&vec![role_id(ADMIN), role_id(USER)], by.at));
    assert_eq!(granted, [Change::PermissionsUpdated { before: vec![before], after: vec![after.clone()] }]);
    let by = test.later();
    let revoked = test.recorded(async || test.store.revoke_permission(&id, &role_id(ADMIN), &by).await.unwrap()).await;
    let last = test.permission("view-logs").await;
    assert_eq!((&last.roles, last.updated_at), (&vec![role_id(USER)], by.at));
    assert_eq!(revoked, [Change::PermissionsUpdated { before: vec![after], after: vec![last] }]);
}

async fn what_a_role_has_or_has_not_is_left_and_not_on_record(test: &TestStore) {
    test.admin("root").await;
    let before = test.store.list_permissions().await.unwrap();
    let id = permission_id("view-logs");
    let by = test.later();
    let nothing = test.recorded(async || {
        test.store.grant_permission(&id, &role_id(ADMIN), &by).await.unwrap();
        test.store.revoke_permission(&id, &role_id(USER), &by).await.unwrap();
        test.store.revoke_permission(&id, &role_id("no-such-role"), &by).await.unwrap();
    });
    assert_eq!(nothing.await, []);
    assert_eq!(test.store.list_permissions().await.unwrap(), before);
}

async fn the_permission_of_the_group_follows(test: &TestStore) {
    setting_permissions(test).await;
    let user = role_id(USER);
    let id = permission_id(NAME);
    let recorded = test.recorded(async || test.store.grant_permission(&id, &user, &test.by()).await.unwrap()).await;
    let [Change::PermissionsUpdated { after, .. }] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(after[..], [test.permission(NAME).await, test.permission(GROUP).await]);
    assert!(after.iter().all(|permission| permission.roles == [role_id(USER)]));
    // Where one list is as wanted already, the other still follows.
    test.store.revoke_permission(&permission_id(GROUP), &user, &test.by()).await.unwrap();
    assert_eq!(test.permission(NAME).await.roles, [role_id(USER)]);
    test.store.grant_permission(&id, &user, &test.by()).await.unwrap();
    assert_eq!(test.permission(GROUP).await.roles, [role_id(USER)]);
    test.store.revoke_permission(&id, &user, &test.by()).await.unwrap();
    assert!(test.permission(NAME).await.roles.is_empty() && test.permission(GROUP).await.roles.is_empty());
    let lone = permission_id("lone");
    test.store.grant_permission(&lone, &user, &test.by()).await.unwrap();
    assert_eq!(test.permission("lone").await.roles, [user]);
}

async fn one_role_is_refused_for_the_permission_then_the_role_then_the_lock_out(test: &TestStore) {
    test.admin("root").await;
    let (absent, unknown) = (permission_id("no-such-permission"), role_id("no-such-role"));
    let (access, logs) = (permission_id(ACCESS_PERMISSIONS), permission_id("view-logs"));
    let by = test.later();
    test.refuses(Conflict::UnknownPermission, test.store.grant_permission(&absent, &unknown, &by)).await;
    test.refuses(Conflict::UnknownPermission, test.store.revoke_permission(&absent, &unknown, &by)).await;
    let refusal = Conflict::UnknownRole(unknown.clone());
    test.refuses(refusal, test.store.grant_permission(&logs, &unknown, &by)).await;
    let admin = role_id(ADMIN);
    test.refuses(Conflict::PermissionsLockout, test.store.revoke_permission(&access, &admin, &by)).await;
    let keeper = test.role("Keeper", RoleScope::Users).await.id;
    test.store.grant_permission(&access, &keeper, &test.later()).await.unwrap();
    test.refuses(Conflict::PermissionsLockout, test.store.revoke_permission(&access, &admin, &test.later())).await;
    test.user_with("ann", &[&keeper]).await;
    test.store.revoke_permission(&access, &admin, &test.later()).await.unwrap();
    assert_eq!(test.permission(ACCESS_PERMISSIONS).await.roles, [keeper]);
}

async fn the_group_cannot_lock_everybody_out_either(test: &TestStore) {
    test.admin("root").await;
    let mut seed = small_seed(test.by().at);
    let mut permission = seed.permissions[0].clone();
    permission.id = permission_id("odd");
    permission.setting.insert("groupPermissionId".to_owned(), json!(ACCESS_PERMISSIONS));
    seed.permissions = vec![permission];
    test.store.seed(seed, &test.later()).await.unwrap();
    let (odd, admin, by) = (permission_id("odd"), role_id(ADMIN), test.by());
    test.refuses(Conflict::PermissionsLockout, test.store.revoke_permission(&odd, &admin, &by)).await;
}

async fn roles_that_get_a_permission_at_once_all_have_it(test: &TestStore) {
    test.admin("root").await;
    let mut calls = Vec::new();
    for role in ["user", "bot", "guest", "app"] {
        let (store, by) = (test.store.clone(), test.by());
        calls.push(tokio::spawn(async move {
            store.grant_permission(&permission_id("view-logs"), &role_id(role), &by).await
        }));
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let mut roles = test.permission("view-logs").await.roles;
    roles.sort();
    assert_eq!(roles, ["admin", "app", "bot", "guest", "user"].map(role_id));
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
    a_role_that_gets_a_permission_comes_last_and_one_that_loses_it_goes,
    what_a_role_has_or_has_not_is_left_and_not_on_record,
    the_permission_of_the_group_follows,
    one_role_is_refused_for_the_permission_then_the_role_then_the_lock_out,
    the_group_cannot_lock_everybody_out_either,
    roles_that_get_a_permission_at_once_all_have_it,
];
