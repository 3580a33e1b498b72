//! Facts in memory: that every change is seen at once, whatever it is, and that nothing is answered from memory while it
//! is not known what others do. That it keeps the contract otherwise is shown by every other test here, which runs on it
//! as well.

use std::sync::Arc;

use rolekeeper::clock::Stopwatch;
use rolekeeper::domain::fact::MemoryState;
use rolekeeper::domain::ids::{PermissionId, RoleRef};
use rolekeeper::domain::role::{ADMIN, RoleScope};
use rolekeeper::domain::setting::LOGIN_EXPIRATION;
use rolekeeper::domain::token::{Fingerprint, OtherTokens, Remembered, TokenText};
use rolekeeper::domain::user::Activation;
use rolekeeper::store::cached::CachedStore;
use rolekeeper::store::mongo::MongoStore;
use rolekeeper::store::sqlite::{Location, SqliteStore};
use rolekeeper::store::{RoleStore as _, Store};
use serde_json::json;

use crate::fixtures::{assignment, definition, grant, role_id, small_seed};
use crate::support::clock::TestIds;
use crate::support::server::Place;
use crate::support::stores::{Backend, TestStore, fresh};

/// Reads everything that is kept, twice: the second time it comes from memory.
async fn warm(test: &TestStore) {
    for _ in 0..2 {
        test.store.rights().await.unwrap();
        test.store.list_roles().await.unwrap();
    }
    assert!(test.store.rights_at_hand().is_some());
}

async fn every_change_of_rights_is_seen_at_once(test: &TestStore) {
    warm(test).await;
    let role = test.role("deputy", RoleScope::Users).await;
    assert_eq!(test.store.find_role(&role.id).await.unwrap(), Some(role.clone()));
    let by_name = RoleRef::parse("stand-in").unwrap();
    assert_eq!(test.store.resolve_role(&by_name).await.unwrap(), None);
    let renamed = definition("stand-in", RoleScope::Users);
    let renamed = test.store.update_role(&role.id, renamed, &test.by()).await.unwrap();
    assert_eq!(test.store.resolve_role(&by_name).await.unwrap(), Some(renamed));
    let id = PermissionId::from_stored("view-logs");
    test.store.grant_permission(&id, &role.id, &test.by()).await.unwrap();
    assert!(test.permission("view-logs").await.roles.contains(&role.id));
    test.store.revoke_permission(&id, &role.id, &test.by()).await.unwrap();
    assert!(!test.permission("view-logs").await.roles.contains(&role.id));
    test.store.update_permissions(vec![grant("view-logs", &[&role.id])], &test.by()).await.unwrap();
    assert_eq!(test.permission("view-logs").await.roles, std::slice::from_ref(&role.id));
    test.store.delete_role(&role.id, &test.by()).await.unwrap();
    assert_eq!(test.store.find_role(&role.id).await.unwrap(), None);
    assert!(test.permission("view-logs").await.roles.is_empty());
    test.store.set_setting(LOGIN_EXPIRATION, &json!(7), &test.by()).await.unwrap();
    assert_eq!(test.store.find_setting(LOGIN_EXPIRATION.id).await.unwrap(), Some(json!(7)));
    assert_eq!(test.store.rights().await.unwrap().setting(LOGIN_EXPIRATION), Some(&json!(7)));
}

async fn every_change_of_an_account_is_seen_at_once(test: &TestStore) {
    let (role, ann) = (test.role("deputy", RoleScope::Users).await, test.user("ann").await);
    test.admin("root").await;
    let hashes = ["one", "two"].map(|text| TokenText::new(text).hash());
    for hash in &hashes {
        test.store.add_session_token(&ann.id, hash, 50, &test.by()).await.unwrap();
    }
    let known = async || test.store.find_token(&ann.id, &hashes[0]).await.unwrap();
    // Not on the second question necessarily: MongoDB tells of the log-in once more, and what is told of is read again.
    let mut questions = 0;
    while test.store.memory().unwrap().hits == 0 {
        assert!(!known().await.unwrap().0.holds(&role.id));
        questions += 1;
        assert!(questions < 10_000, "it never was in memory");
    }
    test.assign(&role.id, &ann, None).await;
    assert!(known().await.unwrap().0.holds(&role.id));
    test.store.unassign_role(&assignment(&role.id, &ann, None), &test.by()).await.unwrap();
    assert!(!known().await.unwrap().0.holds(&role.id));
    let shown = Remembered { client: Fingerprint::of(Some("x"), None), until: test.by().at };
    test.store.remember_second_factor(&ann.id, &hashes[0], &shown).await.unwrap();
    assert_eq!(known().await.unwrap().1.second_factor, Some(shown));
    assert!(test.store.find_token_owner(&hashes[1]).await.unwrap().is_some());
    let others = OtherTokens::Sessions;
    assert!(test.store.remove_other_tokens(&ann.id, &hashes[0], others, &test.by()).await.unwrap());
    assert_eq!(test.store.find_token_owner(&hashes[1]).await.unwrap(), None);
    assert!(known().await.is_some());
    assert!(test.store.remove_token(&ann.id, &hashes[0], &test.by()).await.unwrap());
    assert_eq!(known().await, None);
    test.store.add_session_token(&ann.id, &hashes[0], 50, &test.by()).await.unwrap();
    assert!(known().await.is_some());
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.by()).await.unwrap();
    assert_eq!(known().await, None);
}

async fn a_token_is_only_that_of_its_owner(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let hash = TokenText::new("anns").hash();
    test.store.add_session_token(&ann.id, &hash, 50, &test.by()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(test.store.find_token_owner(&hash).await.unwrap().unwrap().0.id, ann.id);
        assert!(test.store.find_token(&ann.id, &hash).await.unwrap().is_some());
        assert_eq!(test.store.find_token(&bob.id, &hash).await.unwrap(), None);
    }
}

on_every_backend!(a_token_is_only_that_of_its_owner);

mod on_sqlite {
    use super::*;

    #[tokio::test]
    async fn every_change_of_rights() {
        crate::fixtures::run(Backend::CachedSqlite, every_change_of_rights_is_seen_at_once).await;
    }

    #[tokio::test]
    async fn every_change_of_an_account() {
        crate::fixtures::run(Backend::CachedSqlite, every_change_of_an_account_is_seen_at_once).await;
    }
}

mod on_mongo {
    use super::*;

    #[tokio::test]
    async fn every_change_of_rights() {
        crate::fixtures::run(Backend::CachedMongo, every_change_of_rights_is_seen_at_once).await;
    }

    #[tokio::test]
    async fn every_change_of_an_account() {
        crate::fixtures::run(Backend::CachedMongo, every_change_of_an_account_is_seen_at_once).await;
    }
}

/// The same store through two handles, of which one has its facts kept; nobody follows what the other one does.
async fn what_another_server_changes_is_seen_while_nobody_follows(ours: Arc<dyn Store>, theirs: Arc<dyn Store>) {
    let test = fresh(Backend::SqliteMemory).await;
    theirs.seed(small_seed(test.by().at), &test.by()).await.unwrap();
    let cached = CachedStore::new(ours, 10);
    assert_eq!(cached.memory().unwrap().state, MemoryState::Warming);
    let id = PermissionId::from_stored("view-logs");
    let before = cached.rights().await.unwrap();
    assert!(before.permission(&id).unwrap().roles.contains(&role_id(ADMIN)));
    theirs.update_permissions(vec![grant("view-logs", &[])], &test.by()).await.unwrap();
    assert!(cached.rights().await.unwrap().permission(&id).unwrap().roles.is_empty());
    assert_eq!((cached.rights_at_hand(), cached.memory().unwrap().hits), (None, 0));
    // Somebody who knows better may use what was read since.
    cached.listener().caught_up(Stopwatch::start());
    assert!(cached.rights_at_hand().is_some());
    cached.listener().lost();
    assert_eq!(cached.rights_at_hand(), None);
    assert_eq!(cached.list_roles().await.unwrap(), theirs.list_roles().await.unwrap());
}

#[tokio::test]
async fn what_another_server_changes_on_sqlite_is_seen_while_nobody_follows() {
    let Place::Folder(folder) = Place::fresh(Backend::SqliteFile).await else { panic!("a file is in a folder") };
    let open = || {
        let location = Location::File(folder.path().join("rolekeeper.db"));
        Arc::new(SqliteStore::open(location, Arc::new(TestIds::default())).unwrap())
    };
    what_another_server_changes_is_seen_while_nobody_follows(open(), open()).await;
}

#[tokio::test]
async fn what_another_server_changes_on_mongo_is_seen_while_nobody_follows() {
    let Place::Database(url) = Place::fresh(Backend::Mongo).await else { panic!("a database has a URL") };
    let open = async || Arc::new(MongoStore::connect(&url, Arc::new(TestIds::default())).await.unwrap());
    let ours = open().await;
    let database = ours.database();
    what_another_server_changes_is_seen_while_nobody_follows(ours, open().await).await;
    database.drop().await.unwrap();
}
