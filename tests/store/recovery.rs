//! Promises of `CheckStore` about the way back in for an administrator: one operation, as planned, on record, and nothing
//! more the second time.

use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::PermissionId;
use rolekeeper::domain::permission::ACCESS_PERMISSIONS;
use rolekeeper::domain::recovery::{Recovery, RecoveryRefusal, RecoveryStep, SecondFactorAfter};
use rolekeeper::domain::role::{ADMIN, USER};
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::user::PasswordHash;
use rolekeeper::store::{StoreError, Unique};

use crate::fixtures::role_id;
use crate::support::stores::{Raw, TestStore};
use mongodb::bson::{Document, doc};

fn recovery(username: &str) -> Recovery {
    let second_factor = SecondFactorAfter::Kept;
    Recovery { username: username.to_owned(), create: None, password: None, second_factor }
}

/// Loses the role `admin` and the permission's list, and switches everybody off.
async fn lock_everybody_out(test: &TestStore) {
    match &test.raw {
        Raw::Sqlite(store) => {
            let sql = format!(
                "UPDATE users SET active = 0; DELETE FROM user_roles WHERE role_id = '{ADMIN}'; \
                 DELETE FROM roles WHERE id = '{ADMIN}'; \
                 DELETE FROM permission_roles WHERE permission_id = '{ACCESS_PERMISSIONS}'"
            );
            store.run_sql(&sql).await.unwrap();
        }
        Raw::Mongo(database) => {
            let all = |name: &str| database.collection::<Document>(name);
            let off = doc! { "$set": { "active": false }, "$pull": { "roles": ADMIN } };
            all("users").update_many(doc! {}, off).await.unwrap();
            all("rocketchat_roles").delete_one(doc! { "_id": ADMIN }).await.unwrap();
            let nobody = doc! { "$unset": { "roles": "" } };
            all("rocketchat_permissions").update_one(doc! { "_id": ACCESS_PERMISSIONS }, nobody).await.unwrap();
        }
    }
}

async fn everything_that_is_in_the_way_is_removed_at_once(test: &TestStore) {
    let ann = test.user("ann").await;
    let token = TokenText::new("old").hash();
    test.store.add_session_token(&ann.id, &token, 5, &test.by()).await.unwrap();
    test.plant_authenticator(&ann.id, "JBSWY3DPEHPK3PXP", &["12345678"]).await;
    lock_everybody_out(test).await;
    let password = Some(PasswordHash::from_stored("$2b$new"));
    let wanted = Recovery { password, second_factor: SecondFactorAfter::Removed, ..recovery("ANN") };
    let steps = vec![
        RecoveryStep::RestoreRole,
        RecoveryStep::GrantPermission,
        RecoveryStep::ActivateAccount,
        RecoveryStep::GiveRole,
        RecoveryStep::SetPassword,
        RecoveryStep::RemoveSecondFactor,
    ];
    let state = test.keeper.recovery_state("ANN").await.unwrap();
    assert_eq!(wanted.plan(&state), Ok(steps.clone()));
    let recorded = test
        .recorded(async || {
            let done = test.keeper.recover_administrator(&wanted, &test.by()).await.unwrap();
            assert_eq!(done, Ok(steps.clone()));
        })
        .await;
    let (user, username) = (ann.id.clone(), "ann".to_owned());
    assert_eq!(recorded, [Change::AdministratorRecovered { user, username, steps }]);
    let after = test.reload(&ann).await;
    assert!(after.active && after.has_password);
    assert_eq!(after.roles(), [role_id(USER), role_id(ADMIN)]);
    assert_ne!(after.second_factors.totp, Some(true));
    assert_eq!(test.store.find_totp_secret(&ann.id).await.unwrap(), None);
    assert_eq!(test.store.find_password(&ann.id).await.unwrap().unwrap().expose(), "$2b$new");
    assert_eq!(test.store.find_token_owner(&token).await.unwrap(), None);
    assert_eq!(test.permission(ACCESS_PERMISSIONS).await.roles, [role_id(ADMIN)]);
    assert!(test.store.find_role(&role_id(ADMIN)).await.unwrap().unwrap().protected);
    // Once is enough.
    let again = Recovery { password: None, ..wanted };
    let recorded = test.recorded(async || {
        assert_eq!(test.keeper.recover_administrator(&again, &test.by()).await.unwrap(), Ok(vec![]));
    });
    assert_eq!(recorded.await, []);
    test.assert_sound().await;
}

async fn a_permission_that_is_gone_comes_back(test: &TestStore) {
    test.admin("root").await;
    match &test.raw {
        Raw::Sqlite(store) => {
            store.run_sql(&format!("DELETE FROM permissions WHERE id = '{ACCESS_PERMISSIONS}'")).await.unwrap();
        }
        Raw::Mongo(database) => {
            let permissions = database.collection::<Document>("rocketchat_permissions");
            permissions.delete_one(doc! { "_id": ACCESS_PERMISSIONS }).await.unwrap();
        }
    }
    let done = test.keeper.recover_administrator(&recovery("root"), &test.by()).await.unwrap();
    assert_eq!(done, Ok(vec![RecoveryStep::RestorePermission]));
    let found = test.store.find_permission(&PermissionId::from_stored(ACCESS_PERMISSIONS)).await.unwrap();
    assert_eq!(found.unwrap().roles, [role_id(ADMIN)]);
}

async fn an_account_is_made_where_there_is_none_and_that_is_wanted(test: &TestStore) {
    let missing = test.keeper.recover_administrator(&recovery("root"), &test.by()).await.unwrap();
    assert_eq!(missing, Err(RecoveryRefusal::NoSuchAccount));
    assert_eq!(test.keeper.recovery_state("root").await.unwrap().account, None);
    let new = test.new_user("root", &[&role_id(ADMIN)]);
    let wanted = Recovery { create: Some(new), ..recovery("root") };
    let done = test.keeper.recover_administrator(&wanted, &test.by()).await.unwrap();
    assert_eq!(done, Ok(vec![RecoveryStep::CreateAccount]));
    assert_eq!(test.keeper.recover_administrator(&wanted, &test.by()).await.unwrap(), Ok(vec![]));
    let root = test.keeper.recovery_state("root").await.unwrap().account.unwrap();
    assert!(root.can_act() && root.holds(&role_id(ADMIN)));
}

async fn an_account_with_an_address_of_another_is_not_made(test: &TestStore) {
    test.user("ann").await;
    let mut new = test.new_user("root", &[&role_id(ADMIN)]);
    new.emails[0].address = "ANN@example.org".to_owned();
    let wanted = Recovery { create: Some(new), ..recovery("root") };
    let by = test.by();
    let refused = test.keeper.recover_administrator(&wanted, &by);
    test.refuses(StoreError::AlreadyExists(Unique::EmailAddress), refused).await;
}

async fn an_app_is_refused(test: &TestStore) {
    let app = test.user("helper").await;
    test.plant_kind(&app.id, "app").await;
    let refused = test.keeper.recover_administrator(&recovery("helper"), &test.by()).await.unwrap();
    assert_eq!(refused, Err(RecoveryRefusal::IsApp));
    assert!(!test.reload(&app).await.holds(&role_id(ADMIN)));
}

on_every_backend![
    everything_that_is_in_the_way_is_removed_at_once,
    a_permission_that_is_gone_comes_back,
    an_account_is_made_where_there_is_none_and_that_is_wanted,
    an_account_with_an_address_of_another_is_not_made,
    an_app_is_refused,
];
