//! Two administrators who remove each other at once, by whatever way: one of them stays. The control shows that MongoDB
//! needs its locks for it.

use std::sync::Arc;

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::role::{ADMIN, USER};
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::domain::user_change::{Relinquish, RolesChange, UserPatch};
use rolekeeper::store::{Conflict, Noun, Result, StoreError};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use crate::fixtures::{ALL, role_id, small_seed};
use crate::support::stores::{Backend, RoleLocks, TestStore, fresh_with};

const ROUNDS: usize = 90;

/// How somebody stops being an administrator who can act.
#[derive(Debug, Clone, Copy)]
enum Way {
    Unmake,
    Deactivate,
    Delete,
}

const WAYS: [Way; 3] = [Way::Unmake, Way::Deactivate, Way::Delete];

async fn field(backend: Backend, locks: RoleLocks) -> TestStore {
    let test = fresh_with(backend, locks).await;
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    test
}

fn remove(test: &TestStore, start: &Arc<Barrier>, way: Way, user: &User) -> JoinHandle<Result<()>> {
    let (store, by, start, id) = (Arc::clone(&test.store), test.by(), Arc::clone(start), user.id.clone());
    let unmade = RolesChange { from: user.roles().to_vec(), to: vec![role_id(USER)] };
    tokio::spawn(async move {
        start.wait().await;
        match way {
            Way::Unmake => {
                let patch = UserPatch { roles: Some(unmade), ..UserPatch::default() };
                store.update_user(&id, patch, &by).await.map(drop)
            }
            Way::Deactivate => store.set_user_active(&id, Activation::Deactivate, &by).await.map(drop),
            Way::Delete => store.delete_user(&id, Relinquish::Refuse, &by).await.map(drop),
        }
    })
}

/// How many administrators can act after one round.
async fn round(test: &TestStore, number: usize) -> usize {
    let (one, two) = (test.admin(&format!("one{number}")).await, test.admin(&format!("two{number}")).await);
    let admin = test.store.find_role(&role_id(ADMIN)).await.unwrap().unwrap();
    for former in test.store.list_holders(&admin, None, ALL).await.unwrap().items {
        if former.id != one.id && former.id != two.id {
            test.store.delete_user(&former.id, Relinquish::Refuse, &test.by()).await.unwrap();
        }
    }
    let start = Arc::new(Barrier::new(2));
    let (way, other) = (WAYS[number % 3], WAYS[number / 3 % 3]);
    let calls = [remove(test, &start, way, &two), remove(test, &start, other, &one)];
    let mut done = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => done += 1,
            Err(StoreError::Conflict(Conflict::LastAdministrator { .. }) | StoreError::NotFound(Noun::User)) => {}
            Err(refusal) => panic!("{way:?} and {other:?}: {refusal:?}"),
        }
    }
    assert!(done >= 1, "{way:?} and {other:?} both refused");
    let left = test.store.list_holders(&admin, None, ALL).await.unwrap().items;
    left.iter().filter(|holder| holder.can_act()).count()
}

async fn one_always_stays(backend: Backend) {
    let test = field(backend, RoleLocks::On).await;
    for number in 0..ROUNDS {
        assert_eq!(round(&test, number).await, 1, "round {number}");
    }
    test.assert_sound().await;
    test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_an_administrator() {
    one_always_stays(Backend::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_an_administrator() {
    one_always_stays(Backend::Mongo).await;
}

/// The control: were the rounds too tame to catch anything, the tests above would say nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_without_its_locks_does_not() {
    let test = field(Backend::Mongo, RoleLocks::Off).await;
    for number in 0..ROUNDS {
        if round(&test, number).await == 0 {
            println!("without locks, round {number} left no administrator");
            return test.finish().await;
        }
    }
    panic!("{ROUNDS} rounds without locks, and every one ended well: the rounds prove nothing");
}
