//! Odd documents of workspaces that are older than the rules.

use serde_json::Value;

use super::*;
use crate::domain::room::RoomKind;
use crate::store::StoreError;
use mongodb::bson::DateTime;

#[test]
fn a_role_with_nothing_but_an_id_is_a_plain_unprotected_role() {
    let found = role(&doc! { "_id": "old" }).unwrap();
    let expected = Role {
        id: RoleId::from_stored("old"),
        name: "old".to_owned(),
        scope: RoleScope::Users,
        description: String::new(),
        protected: false,
        mandatory2fa: None,
        updated_at: Timestamp::EPOCH,
    };
    assert_eq!(found, expected);
}

#[test]
fn odd_optional_fields_take_their_defaults() {
    let found = role(&doc! { "_id": "r", "scope": "Galaxy", "description": 5, "protected": "yes" }).unwrap();
    assert_eq!((found.scope, found.description.as_str(), found.protected), (RoleScope::Users, "", false));
    let found =
        user(&doc! { "_id": "u", "emails": [5, { "verified": true }, { "address": "a@b" }], "roles": ["x", 1] });
    let found = found.unwrap();
    assert_eq!(found.emails, [EmailAddress { address: "a@b".to_owned(), verified: false }]);
    assert_eq!(found.roles, Some(vec![RoleId::from_stored("x")]));
}

#[test]
fn an_id_that_is_no_text_is_corrupt() {
    let odd = doc! { "_id": 5 };
    assert!(matches!(role(&odd), Err(StoreError::Corrupt(_))));
    assert!(matches!(user(&odd), Err(StoreError::Corrupt(_))));
    assert!(matches!(permission(&odd), Err(StoreError::Corrupt(_))));
    assert!(matches!(room(&odd), Err(StoreError::Corrupt(_))));
}

#[test]
fn an_account_without_kind_is_a_person_without_state_inactive_without_list_without_roles() {
    let found = user(&doc! { "_id": "u" }).unwrap();
    assert_eq!((found.kind.as_str(), found.active, found.roles, found.has_password), (KIND_USER, false, None, false));
}

#[test]
fn a_profile_holds_what_the_api_sends_and_nothing_secret() {
    let stored = doc! {
        "_id": "u",
        "bio": "b",
        "utcOffset": 2.0,
        "services": { "password": { "bcrypt": "hash" }, "totp": { "enabled": true, "secret": "s" } },
        "inviteToken": "t",
        "banners": { "b": { "at": DateTime::from_millis(0) } },
    };
    let found = user(&stored).unwrap();
    assert_eq!(found.second_factors, SecondFactors { totp: Some(true), email: None });
    let profile = Value::Object(found.profile);
    let expected =
        serde_json::json!({ "bio": "b", "utcOffset": 2, "banners": { "b": { "at": "1970-01-01T00:00:00.000Z" } } });
    assert_eq!(profile, expected);
}

#[test]
fn a_permission_keeps_the_fields_of_its_setting() {
    let stored = doc! { "_id": "change-setting-X", "roles": ["admin"], "level": "settings", "sorter": 3 };
    let found = permission(&stored).unwrap();
    assert_eq!(Value::Object(found.setting.clone()), serde_json::json!({ "level": "settings", "sorter": 3 }));
    assert_eq!(permission(&permission_document(&found)).unwrap(), found);
}

#[test]
fn rooms_of_other_kinds_are_none_of_ours_and_direct_rooms_need_no_name() {
    assert_eq!(room(&doc! { "_id": "l", "t": "l" }).unwrap(), None);
    let direct = room(&doc! { "_id": "d", "t": "d" }).unwrap().unwrap();
    assert_eq!((direct.name.as_str(), direct.kind, direct.members), ("d", RoomKind::Direct, 0));
}

#[test]
fn a_token_without_its_date_is_an_undated_session() {
    let hash = TokenHash::from_stored("h");
    let undated = token(&doc! { "matchingToken": [{ "when": "yesterday" }] }, &hash);
    assert_eq!(undated.map(|token| token.kind), Some(TokenKind::Session { issued_at: None }));
    let personal = token(&doc! { "matchingToken": [{ "type": "personalAccessToken" }] }, &hash);
    assert_eq!(personal.map(|token| token.kind), Some(TokenKind::Personal { bypass_second_factor: false }));
    assert_eq!(token(&doc! { "matchingToken": [] }, &hash), None);
}

#[test]
fn the_hash_of_a_password_is_never_asked_for() {
    let projection = user_projection();
    assert!(!projection.contains_key("services") && !projection.contains_key("services.password.bcrypt"));
}
