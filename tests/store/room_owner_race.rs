//! Two owners of a room who take the role from each other at the same moment: one of them keeps it, every time. The control
//! decides outside of the operation, as a caller would, and shows that the rounds are wild enough to catch that.

use std::sync::Arc;

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::ids::RoleId;
use rolekeeper::domain::role::OWNER;
use rolekeeper::domain::room::Room;
use rolekeeper::domain::user::User;
use rolekeeper::store::{Conflict, Result, StoreError};
use tokio::sync::Barrier;

use crate::fixtures::{assignment, role_id, small_seed};
use crate::support::stores::{Backend, TestStore, fresh};

const ROUNDS: usize = 150;

/// How an owner goes about it.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// By the operation that decides itself.
    Take,
    /// Looks for another owner first, and then takes the role by an operation that does not ask.
    LookAndUnassign,
}

async fn dismiss(test: &TestStore, way: Way, room: &Room, user: &User, start: &Arc<Barrier>) -> Result<()> {
    let (store, by, start, owner) = (Arc::clone(&test.store), test.by(), Arc::clone(start), role_id(OWNER));
    let (room, user) = (room.clone(), user.clone());
    let task = tokio::spawn(async move {
        start.wait().await;
        if way == Way::Take {
            return store.take_room_role(&room.id, &user.id, &owner, &by).await;
        }
        let owners = store.list_room_role_holders(&room.id, std::slice::from_ref(&owner)).await?;
        if owners.iter().all(|holder| holder.member.id == user.id) {
            return Err(Conflict::LastOwner.into());
        }
        store.unassign_role(&assignment(&owner, &user, Some(&room)), &by).await
    });
    task.await.unwrap()
}

/// How many of the two owners kept the role, and that whoever was refused was the last.
async fn round(test: &TestStore, way: Way, number: usize, ann: &User, bob: &User) -> usize {
    let owner: RoleId = role_id(OWNER);
    let room = test.room(&format!("den{number}"), ann, &[bob]).await;
    test.assign(&owner, bob, Some(&room)).await;
    let start = Arc::new(Barrier::new(2));
    let outcomes = tokio::join!(dismiss(test, way, &room, ann, &start), dismiss(test, way, &room, bob, &start));
    for refusal in [outcomes.0, outcomes.1].into_iter().filter_map(Result::err) {
        assert_eq!(refusal, StoreError::Conflict(Conflict::LastOwner), "round {number}");
    }
    test.store.list_room_role_holders(&room.id, &[owner]).await.unwrap().len()
}

async fn field(backend: Backend) -> (TestStore, User, User) {
    let test = fresh(backend).await;
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    (test, ann, bob)
}

async fn one_owner_stays_in_every_round(backend: Backend) {
    let (test, ann, bob) = field(backend).await;
    for number in 0..ROUNDS {
        assert_eq!(round(&test, Way::Take, number, &ann, &bob).await, 1, "round {number}");
    }
    test.assert_sound().await;
    test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_an_owner() {
    one_owner_stays_in_every_round(Backend::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_an_owner() {
    one_owner_stays_in_every_round(Backend::Mongo).await;
}

/// The control: were the rounds too tame to catch anything, the tests above would say nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_decision_made_outside_of_the_operation_does_not() {
    let (test, ann, bob) = field(Backend::Mongo).await;
    for number in 0..ROUNDS {
        if round(&test, Way::LookAndUnassign, number, &ann, &bob).await == 0 {
            return test.finish().await;
        }
    }
    panic!("{ROUNDS} rounds, and every one ended well: the rounds prove nothing");
}
