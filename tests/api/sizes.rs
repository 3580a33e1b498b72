//! What is named, described or reasoned ends somewhere, and whatever has a name can be named by it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::TestServer;

const LONGEST: usize = 256;

async fn a_role_that_can_be_made_can_be_deleted_by_its_name(server: &TestServer) {
    let admin = server.admin().await;
    let longest = "r".repeat(LONGEST);
    admin.post("roles.create", json!({"name": longest})).await.ok();
    for name in [format!("{longest}r"), "nul\0name".to_owned(), "two\nlines".to_owned(), "x".repeat(900_000)] {
        let answer = admin.post("roles.create", json!({"name": name})).await;
        answer.refused("The role properties are invalid.", "error-invalid-role-properties");
        let answer = admin.post("roles.update", json!({"roleId": "guest", "name": name})).await;
        answer.refused("The role properties are invalid.", "error-invalid-role-properties");
    }
    let described = json!({"name": "deputy", "description": "d".repeat(4_097)});
    let answer = admin.post("roles.create", described).await;
    answer.refused("The role properties are invalid.", "error-invalid-role-properties");
    admin.post("roles.delete", json!({"roleId": longest})).await.ok();
}

async fn a_name_that_only_looks_new_is_taken(server: &TestServer) {
    let admin = server.admin().await;
    admin.post("roles.create", json!({"name": "Deputy"})).await.ok();
    for name in ["\u{200b}admin", "ad\u{ad}min", "Dep\u{200b}uty", "\u{202e}Deputy", "deputy\u{feff}"] {
        let answer = admin.post("roles.create", json!({"name": name})).await;
        answer.refused("Role name already exists", "error-duplicate-role-names-not-allowed");
    }
}

async fn an_account_has_no_field_without_an_end(server: &TestServer) {
    let admin = server.admin().await;
    let account = |field: &str, value: Value| {
        let mut body = json!({"username": "amy", "name": "Amy", "email": "amy@example.org", "password": "x"});
        body[field] = value;
        body
    };
    let long = "a".repeat(LONGEST + 1);
    for (field, value, shown) in [
        ("username", json!(long), "Username"),
        ("username", json!("a\u{7}"), "Username"),
        ("name", json!(long), "Name"),
        ("email", json!(format!("{long}@example.org")), "Email"),
        ("bio", json!("b".repeat(16_384)), "Custom Fields"),
        ("customFields", json!({"a": "b".repeat(16_384)}), "Custom Fields"),
    ] {
        let details = json!({"method": "insertOrUpdateUser", "field": shown});
        let answer = admin.post("users.create", account(field, value)).await;
        answer.refused_with(&format!("The field {shown} is too long"), "error-input-is-not-a-valid-field", details);
    }
    admin.post("users.create", account("name", json!("a".repeat(LONGEST)))).await.ok();
}

async fn somebody_who_registers_has_none_either(server: &TestServer) {
    let register = async |changes: Value| {
        let mut body = json!({"username": "eve", "name": "Eve", "email": "eve@example.org", "pass": "x"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        server.anonymous().post("users.register", body).await
    };
    let plain = |text: &str| json!({"success": false, "error": text});
    let long = "e".repeat(LONGEST + 1);
    register(json!({"username": long})).await.is(400, plain("The username provided is not valid"));
    register(json!({"name": long})).await.is(400, plain("Name contains invalid characters"));
    let wordy = register(json!({"reason": "r".repeat(2_049)})).await;
    wordy.refused("The field Reason is too long", "error-input-is-not-a-valid-field");
}

async fn a_reason_is_kept_in_any_language_and_cut(server: &TestServer) {
    let admin = server.admin().await;
    let kept = async |reason: &[u8], role: &str| -> Value {
        let request = admin.request(Method::POST, "/api/v1/permissions.addRole").header("X-Audit-Log-Reason", reason);
        admin.send(request.json(&json!({"permissionId": "view-logs", "role": role}))).await.ok();
        serde_json::to_value(&server.store.list_audit_entries(1).await.unwrap()[0]).unwrap()["reason"].clone()
    };
    assert_eq!(kept("Kündigung, 離職".as_bytes(), "bot").await, "Kündigung, 離職");
    let long = kept("ü".repeat(600).as_bytes(), "guest").await;
    assert_eq!(long.as_str().unwrap().chars().count(), 500);
}

on_every_store!(
    a_role_that_can_be_made_can_be_deleted_by_its_name,
    a_name_that_only_looks_new_is_taken,
    an_account_has_no_field_without_an_end,
    somebody_who_registers_has_none_either,
    a_reason_is_kept_in_any_language_and_cut,
);
