//! Promises of `SettingStore`.

use mongodb::bson::{Document, doc};
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::role::RoleScope;
use rolekeeper::domain::setting::{
    DEFAULT_COUNT, DEFAULT_ROLES_OF_NEW_USERS, RATE_LIMITER, REGISTRATION_FORM, REGISTRATION_SECRET, SETTINGS, Setting,
};
use rolekeeper::store::{Conflict, StoreError};
use serde_json::{Value, json};

use crate::fixtures::{role_id, run};
use crate::support::stores::{Backend, TestStore};

async fn a_setting_is_its_stored_value_or_none(test: &TestStore) {
    assert_eq!(test.store.find_setting("Accounts_LoginExpiration").await.unwrap(), None);
    for (id, value) in [("A_Number", json!(30)), ("A_Flag", json!(false)), ("A_Text", json!("a, 'b'"))] {
        test.plant_setting(id, &value.to_string()).await;
        assert_eq!(test.store.find_setting(id).await.unwrap(), Some(value));
    }
}

async fn several_settings_are_found_at_once_and_absent_ones_left_out(test: &TestStore) {
    for (id, value) in [("A_Number", json!(30)), ("A_Flag", json!(false)), ("Not_Asked_For", json!("x"))] {
        test.plant_setting(id, &value.to_string()).await;
    }
    let found = test.store.find_settings(&["A_Flag", "Absent", "A_Number", "A'\"$in"]).await.unwrap();
    let expected = [("A_Flag", json!(false)), ("A_Number", json!(30))].map(|(id, value)| (id.to_owned(), value));
    assert_eq!(found, expected.into());
    assert!(test.store.find_settings(&[]).await.unwrap().is_empty());
}

fn changed(setting: Setting, before: Option<Value>, after: Value) -> Change {
    Change::SettingChanged { setting: setting.id.to_owned(), before, after: Some(after) }
}

async fn value(test: &TestStore, setting: Setting) -> Option<Value> {
    test.store.find_setting(setting.id).await.unwrap()
}

async fn a_value_replaces_the_one_before_and_is_on_record(test: &TestStore) {
    let mut before = None;
    for after in [json!(30), json!(31), json!(30)] {
        let by = test.later();
        let set = async || test.store.set_setting(DEFAULT_COUNT, &after, &by).await.unwrap();
        assert_eq!(test.recorded(set).await, [changed(DEFAULT_COUNT, before, after.clone())]);
        assert_eq!(value(test, DEFAULT_COUNT).await, Some(after.clone()));
        before = Some(after);
    }
}

async fn every_kind_of_value_is_read_back_as_it_was_given(test: &TestStore) {
    for setting in SETTINGS {
        let default = setting.default_value();
        test.store.set_setting(*setting, &default, &test.later()).await.unwrap();
        assert_eq!(value(test, *setting).await, Some(default), "{}", setting.id);
    }
}

async fn the_value_that_is_there_is_left_and_not_on_record(test: &TestStore) {
    test.plant_setting(RATE_LIMITER.id, "false").await;
    let by = test.later();
    let again = async || test.store.set_setting(RATE_LIMITER, &json!(false), &by).await.unwrap();
    assert_eq!(test.recorded(again).await, []);
}

async fn a_secret_is_stored_and_never_on_record(test: &TestStore) {
    for secret in ["open sesame", "open wheat"] {
        let by = test.later();
        let set = async || test.store.set_setting(REGISTRATION_SECRET, &json!(secret), &by).await.unwrap();
        let expected = Change::SettingChanged { setting: REGISTRATION_SECRET.id.to_owned(), before: None, after: None };
        assert_eq!(test.recorded(set).await, [expected]);
        assert_eq!(value(test, REGISTRATION_SECRET).await, Some(json!(secret)));
    }
    assert!(!serde_json::to_string(&test.record().await).unwrap().contains("open"));
}

async fn a_role_that_does_not_exist_is_refused(test: &TestStore) {
    let deputy = test.role("Deputy", RoleScope::Users).await;
    let names = json!(format!("user,{},nobody,nothing", deputy.id));
    let refusal = Conflict::UnknownRole(role_id("nobody"));
    test.refuses(refusal, test.store.set_setting(DEFAULT_ROLES_OF_NEW_USERS, &names, &test.later())).await;
    assert_eq!(value(test, DEFAULT_ROLES_OF_NEW_USERS).await, None);
    // By id alone: a name is none.
    let refusal = Conflict::UnknownRole(role_id("Deputy"));
    test.refuses(refusal, test.store.set_setting(DEFAULT_ROLES_OF_NEW_USERS, &json!("Deputy"), &test.later())).await;
    let names = json!(format!(" user , {},,", deputy.id));
    test.store.set_setting(DEFAULT_ROLES_OF_NEW_USERS, &names, &test.later()).await.unwrap();
    assert_eq!(value(test, DEFAULT_ROLES_OF_NEW_USERS).await, Some(names));
}

async fn a_deleted_role_goes_from_the_settings_that_name_it(test: &TestStore) {
    test.admin("root").await;
    let (deputy, other) = (test.role("Deputy", RoleScope::Users).await, test.role("Other", RoleScope::Users).await);
    let names = json!(format!("user,{},guest", deputy.id));
    test.store.set_setting(DEFAULT_ROLES_OF_NEW_USERS, &names, &test.later()).await.unwrap();
    test.store.delete_role(&other.id, &test.later()).await.unwrap();
    assert_eq!(value(test, DEFAULT_ROLES_OF_NEW_USERS).await, Some(names));
    let by = test.later();
    let recorded = test.recorded(async || test.store.delete_role(&deputy.id, &by).await.unwrap()).await;
    let settings = vec![DEFAULT_ROLES_OF_NEW_USERS.id.to_owned()];
    assert_eq!(recorded, [Change::RoleDeleted { role: deputy, permissions: vec![], settings }]);
    assert_eq!(value(test, DEFAULT_ROLES_OF_NEW_USERS).await, Some(json!("user,guest")));
}

/// Whichever comes first: a role that is gone is not named, and one that is named is there.
async fn a_setting_never_names_a_role_that_is_gone(test: &TestStore) {
    test.admin("root").await;
    let (mut first, mut second) = (0, 0);
    for round in 0..20 {
        let role = test.role(&format!("role {round}"), RoleScope::Users).await;
        let names = json!(format!("user,{}", role.id));
        let (store, by) = (test.store.clone(), test.by());
        let set = async { store.set_setting(DEFAULT_ROLES_OF_NEW_USERS, &names, &by).await };
        let (set, deleted) = tokio::join!(set, test.store.delete_role(&role.id, &by));
        deleted.unwrap();
        match set {
            Ok(()) => first += 1,
            Err(StoreError::Conflict(Conflict::UnknownRole(_))) => second += 1,
            other => panic!("{other:?}"),
        }
        let stored = value(test, DEFAULT_ROLES_OF_NEW_USERS).await;
        assert!(stored.is_none_or(|stored| stored == json!("user")), "round {round}");
    }
    assert_eq!(first + second, 20);
}

async fn several_nodes_store_a_setting_for_the_first_time_at_once(test: &TestStore) {
    let calls: Vec<_> = (1..=4)
        .map(|number| {
            let (store, by) = (test.store.clone(), test.by());
            tokio::spawn(async move { store.set_setting(DEFAULT_COUNT, &json!(number), &by).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let Some(Change::SettingChanged { after, .. }) = test.record().await.pop().map(|entry| entry.change) else {
        panic!("on record")
    };
    assert_eq!(value(test, DEFAULT_COUNT).await, after);
}

on_every_backend![
    a_setting_is_its_stored_value_or_none,
    several_settings_are_found_at_once_and_absent_ones_left_out,
    a_value_replaces_the_one_before_and_is_on_record,
    every_kind_of_value_is_read_back_as_it_was_given,
    the_value_that_is_there_is_left_and_not_on_record,
    a_secret_is_stored_and_never_on_record,
    a_role_that_does_not_exist_is_refused,
    a_deleted_role_goes_from_the_settings_that_name_it,
    a_setting_never_names_a_role_that_is_gone,
    several_nodes_store_a_setting_for_the_first_time_at_once,
];

async fn document(test: &TestStore, setting: Setting) -> Document {
    let mut found = test.documents("rocketchat_settings", doc! { "_id": setting.id }).await.expect("MongoDB");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[tokio::test]
async fn a_document_of_another_writer_changes_its_value_and_date_alone() {
    run(Backend::Mongo, async |test: &TestStore| {
        let mut theirs = doc! {
            "_id": REGISTRATION_FORM.id, "value": "Public", "type": "select", "i18nLabel": "Form", "sorter": 77, "tab": "x",
        };
        test.insert("rocketchat_settings", theirs.clone()).await;
        let by = test.later();
        test.store.set_setting(REGISTRATION_FORM, &json!("Disabled"), &by).await.unwrap();
        theirs.insert("value", "Disabled");
        theirs.insert("_updatedAt", mongodb::bson::DateTime::from_millis(by.at.as_millis()));
        assert_eq!(document(test, REGISTRATION_FORM).await, theirs);
    })
    .await;
}

#[tokio::test]
async fn a_new_document_has_the_fields_of_the_original() {
    run(Backend::Mongo, async |test: &TestStore| {
        let by = test.later();
        test.store.set_setting(REGISTRATION_FORM, &json!("Disabled"), &by).await.unwrap();
        let mut found = document(test, REGISTRATION_FORM).await;
        let at = mongodb::bson::DateTime::from_millis(by.at.as_millis());
        for field in ["ts", "createdAt", "_updatedAt"] {
            assert_eq!(found.remove(field).unwrap().as_datetime(), Some(&at), "{field}");
        }
        let option = |text: &str| doc! { "key": text, "i18nLabel": text };
        let expected = doc! {
            "_id": "Accounts_RegistrationForm",
            "value": "Disabled",
            "packageValue": "Public",
            "valueSource": "packageValue",
            "type": "select",
            "values": [option("Public"), option("Disabled"), option("Secret URL")],
            "group": "Accounts",
            "section": "Registration",
            "public": true,
            "hidden": false,
            "blocked": false,
            "secret": false,
            "sorter": REGISTRATION_FORM.place() as i32,
            "i18nLabel": "Accounts_RegistrationForm",
            "i18nDescription": "Accounts_RegistrationForm_Description",
            "env": false,
            "enterprise": false,
            "requiredOnWizard": false,
        };
        let sorted = |document: Document| document.into_iter().collect::<std::collections::BTreeMap<_, _>>();
        assert_eq!(sorted(found), sorted(expected));
    })
    .await;
}
