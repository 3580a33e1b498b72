//! Promises of `AuditStore`, and of the record as a whole. What each operation records is tested with the operation.

use std::collections::HashSet;

use rolekeeper::domain::audit::{Actor, AuditContext, Change};
use rolekeeper::domain::role::RoleScope;
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::user::{NewUser, PasswordHash};

use crate::support::clock::START;
use crate::support::stores::TestStore;

async fn an_empty_workspace_has_no_record(test: &TestStore) {
    assert_eq!(test.store.list_audit_entries(10).await.unwrap(), []);
}

async fn the_latest_comes_first_by_the_order_of_the_changes_not_by_their_dates(test: &TestStore) {
    let names = ["one", "two", "three", "four"];
    for name in names {
        // Somebody sets the clock back.
        test.clock.advance(-5_000);
        test.role(name, RoleScope::Users).await;
    }
    let named = async |limit| {
        let entries = test.store.list_audit_entries(limit).await.unwrap();
        let name = |change: &Change| match change {
            Change::RoleCreated { role } => role.name.clone(),
            other => panic!("{other:?}"),
        };
        entries.iter().map(|entry| name(&entry.change)).collect::<Vec<_>>()
    };
    assert_eq!(named(100).await, ["four", "three", "two", "one"]);
    assert_eq!(named(2).await, ["four", "three"]);
    assert!(named(0).await.is_empty());
}

async fn the_circumstances_are_kept_as_given(test: &TestStore) {
    let full = AuditContext { reason: Some("ticket 7 — \"done\"".to_owned()), ..test.by() };
    let system = AuditContext::system(START);
    assert_eq!(system.actor, Actor::System);
    for (number, by) in [full, system].into_iter().enumerate() {
        let new = test.new_role(&format!("role {number}"), RoleScope::Users);
        test.store.create_role(new, &by).await.unwrap();
        assert_eq!(test.store.list_audit_entries(1).await.unwrap()[0].context, by);
    }
}

async fn every_entry_has_an_id_of_its_own(test: &TestStore) {
    for number in 0..5 {
        test.role(&format!("role {number}"), RoleScope::Users).await;
    }
    let entries = test.store.list_audit_entries(100).await.unwrap();
    let ids: HashSet<_> = entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.iter().all(|id| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
}

async fn no_secret_is_on_record(test: &TestStore) {
    let (password, token) = ("$2b$10$very-secret-password", TokenText::new("very-secret-token"));
    let new = NewUser { password: Some(PasswordHash::from_stored(password)), ..test.new_user("ann", &[]) };
    let ann = test.store.create_user(new, &test.by()).await.unwrap();
    test.store.add_session_token(&ann.id, &token.hash(), 5, &test.by()).await.unwrap();
    test.store.remove_token(&ann.id, &token.hash(), &test.by()).await.unwrap();
    let record = serde_json::to_string(&test.record().await).unwrap();
    assert!(record.contains("session_started"));
    for secret in [password, token.expose(), token.hash().expose()] {
        assert!(!record.contains(secret));
    }
}

on_every_backend![
    empty:
    an_empty_workspace_has_no_record,
    the_latest_comes_first_by_the_order_of_the_changes_not_by_their_dates,
    the_circumstances_are_kept_as_given,
    every_entry_has_an_id_of_its_own,
    no_secret_is_on_record,
];
