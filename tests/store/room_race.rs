//! Changes of a room that meet: two owners who go at once never leave members without an owner; a role that goes while its
//! holder does is named nowhere; and a room that is deleted while others come in keeps nobody. The control shows that
//! MongoDB needs its locks for the first.

use std::sync::Arc;

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::AuditContext;
use rolekeeper::domain::ids::{RoleId, UserId};
use rolekeeper::domain::role::{ADMIN, MODERATOR, OWNER, RoleScope};
use rolekeeper::domain::room::Room;
use rolekeeper::domain::room_change::Departure;
use rolekeeper::domain::user::User;
use rolekeeper::domain::user_change::Relinquish;
use rolekeeper::store::{Conflict, Noun, Result, Store, StoreError};
use tokio::sync::Barrier;

use crate::fixtures::{assignment, role_id, small_seed};
use crate::support::stores::{Backend, RoleLocks, TestStore, fresh_with};

const ROUNDS: usize = 150;
/// More than it takes to leave a room.
const TRIES: usize = 50;

/// What a runner does to the room of the round.
#[derive(Clone)]
enum Act {
    Remove(User, Departure),
    Add(UserId),
    Assign(RoleId, User),
    DeleteRole(RoleId),
    DeleteUser(UserId),
    DeleteRoom,
    TakeOwnership(User),
}

async fn perform(store: &dyn Store, room: &Room, act: Act, by: &AuditContext) -> Result<()> {
    match act {
        Act::Remove(user, departure) => store.remove_member(&room.id, &user.id, departure, by).await.map(drop),
        Act::Add(user) => store.add_members(&room.id, &[user], by).await.map(drop),
        Act::Assign(role, user) => store.assign_role(&assignment(&role, &user, Some(room)), by).await,
        Act::DeleteRole(role) => delete_once_free(store, &role, by).await,
        Act::DeleteUser(user) => store.delete_user(&user, Relinquish::Confirmed, by).await.map(drop),
        Act::DeleteRoom => store.delete_room(&room.id, by).await,
        Act::TakeOwnership(user) => store.take_room_role(&room.id, &user.id, &role_id(OWNER), by).await,
    }
}

/// Asks again while somebody holds the role, so that the deletion comes at the very moment when the last holder goes.
async fn delete_once_free(store: &dyn Store, role: &RoleId, by: &AuditContext) -> Result<()> {
    for _ in 0..TRIES {
        match store.delete_role(role, by).await {
            Err(StoreError::Conflict(Conflict::RoleInUse(_))) => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
    store.delete_role(role, by).await
}

struct Field {
    test: TestStore,
    ann: User,
    bob: User,
    cyd: User,
}

async fn field(backend: Backend, locks: RoleLocks) -> Field {
    let test = fresh_with(backend, locks).await;
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    let (ann, bob, cyd) = (test.user("ann").await, test.user("bob").await, test.user("cyd").await);
    Field { test, ann, bob, cyd }
}

impl Field {
    /// All at once; what came of each, in the order given. Who comes last to the start tends to leave it first, so every
    /// other round begins with the last.
    async fn at_once(&self, round: usize, room: &Room, acts: &[Act]) -> Vec<Result<()>> {
        let start = Arc::new(Barrier::new(acts.len()));
        let mut runners = Vec::new();
        for (number, act) in acts.iter().cloned().enumerate() {
            let (start, store, room, by) = (start.clone(), self.test.store.clone(), room.clone(), self.test.by());
            runners.push((number, async move {
                start.wait().await;
                perform(store.as_ref(), &room, act, &by).await
            }));
        }
        if round % 2 == 1 {
            runners.reverse();
        }
        let runners: Vec<_> = runners.into_iter().map(|(number, runner)| (number, tokio::spawn(runner))).collect();
        let mut outcomes = Vec::new();
        for (number, runner) in runners {
            outcomes.push((number, runner.await.unwrap()));
        }
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// A room that Ann and Bob own, with Cyd in it.
    async fn room_of_two(&self, round: usize) -> Room {
        let room = self.test.room(&format!("den {round}"), &self.ann, &[&self.bob, &self.cyd]).await;
        self.test.assign(&role_id(OWNER), &self.bob, Some(&room)).await;
        room
    }

    async fn roles(&self, room: &Room, user: &User) -> Option<Vec<RoleId>> {
        self.test.store.find_room_roles(&room.id, &user.id).await.unwrap()
    }

    async fn owners(&self, room: &Room) -> usize {
        let mut owners = 0;
        for user in [&self.ann, &self.bob, &self.cyd] {
            owners += usize::from(self.roles(room, user).await.is_some_and(|roles| roles.contains(&role_id(OWNER))));
        }
        owners
    }

    async fn members(&self, room: &Room) -> u64 {
        let mut members = 0;
        for user in [&self.ann, &self.bob, &self.cyd] {
            members += u64::from(self.roles(room, user).await.is_some());
        }
        members
    }
}

impl Field {
    /// The two ways in which both owners can go at once: by the same operation, and by two that have only the lock of the
    /// room in common.
    fn departures(&self) -> [[Act; 2]; 2] {
        let leaves = Act::Remove(self.ann.clone(), Departure::Left);
        [
            [leaves.clone(), Act::Remove(self.bob.clone(), Departure::Kicked)],
            [leaves, Act::TakeOwnership(self.bob.clone())],
        ]
    }
}

async fn one_of_two_owners_stays(backend: Backend) {
    let field = field(backend, RoleLocks::On).await;
    let departures = field.departures();
    for round in 0..ROUNDS {
        let room = field.room_of_two(round).await;
        let outcomes = field.at_once(round, &room, &departures[round / 2 % 2]).await;
        let refusals: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert_eq!(refusals, [StoreError::Conflict(Conflict::LastOwner)], "round {round}");
        assert_eq!(field.owners(&room).await, 1, "round {round}");
        let members = field.members(&room).await;
        assert_eq!(field.test.store.find_room(&room.id).await.unwrap().unwrap().members, members, "round {round}");
    }
    field.test.assert_sound().await;
    field.test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_an_owner() {
    one_of_two_owners_stays(Backend::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_an_owner() {
    one_of_two_owners_stays(Backend::Mongo).await;
}

/// The control: were the rounds too tame to catch anything, the tests above would say nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_without_its_locks_keeps_none() {
    let field = field(Backend::Mongo, RoleLocks::Off).await;
    let departures = field.departures();
    for round in 0..ROUNDS {
        let room = field.room_of_two(round).await;
        field.at_once(round, &room, &departures[1]).await;
        if field.owners(&room).await == 0 {
            println!("without locks, round {round} left no owner");
            return field.test.finish().await;
        }
    }
    panic!("{ROUNDS} rounds without locks, and every one ended well: the rounds prove nothing");
}

async fn a_role_and_its_holder_go_together(backend: Backend) {
    let field = field(backend, RoleLocks::On).await;
    let room = field.room_of_two(0).await;
    let mut deleted = 0;
    for round in 0..ROUNDS {
        let role = field.test.role(&format!("role {round}"), RoleScope::Subscriptions).await;
        field.test.store.add_members(&room.id, std::slice::from_ref(&field.cyd.id), &field.test.by()).await.unwrap();
        field.test.assign(&role.id, &field.cyd, Some(&room)).await;
        // Given to another one it stays in use; given to the one who goes it goes with him.
        let getter = if round / 2 % 2 == 0 { &field.bob } else { &field.cyd };
        let acts = [
            Act::DeleteRole(role.id.clone()),
            Act::Remove(field.cyd.clone(), Departure::Left),
            Act::Assign(role.id.clone(), getter.clone()),
        ];
        let outcomes = field.at_once(round, &room, &acts).await;
        assert_eq!(outcomes[1], Ok(()), "round {round}");
        let given = outcomes[2].is_ok();
        match &outcomes[0] {
            Ok(()) => {
                deleted += 1;
                assert!(!given, "round {round}");
                assert!(field.test.store.role_usage(&role.id).await.unwrap().is_free(), "round {round}");
            }
            Err(StoreError::Conflict(Conflict::RoleInUse(_))) => {
                assert_eq!(field.test.store.role_usage(&role.id).await.unwrap().is_free(), !given, "round {round}");
            }
            Err(refusal) => panic!("round {round}: {refusal:?}"),
        }
        assert_eq!(field.roles(&room, &field.cyd).await, None, "round {round}");
    }
    println!("{ROUNDS} rounds: the role was deleted in {deleted}");
    field.test.assert_sound().await;
    field.test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_no_name_of_a_role_that_went_with_its_holder() {
    a_role_and_its_holder_go_together(Backend::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_no_name_of_a_role_that_went_with_its_holder() {
    a_role_and_its_holder_go_together(Backend::Mongo).await;
}

async fn a_deleted_room_keeps_nobody(backend: Backend) {
    let field = field(backend, RoleLocks::On).await;
    let scout = field.test.role("scout", RoleScope::Subscriptions).await;
    let eve = field.test.user("eve").await;
    let (mut added, mut assigned) = (0, 0);
    for round in 0..ROUNDS {
        let room = field.room_of_two(round).await;
        let acts = [
            Act::DeleteRoom,
            Act::Assign(scout.id.clone(), field.bob.clone()),
            Act::Assign(role_id(MODERATOR), field.cyd.clone()),
            Act::Add(eve.id.clone()),
            Act::Remove(field.ann.clone(), Departure::Left),
        ];
        let outcomes = field.at_once(round, &room, &acts).await;
        assert_eq!(outcomes[0], Ok(()), "round {round}");
        assigned += usize::from(outcomes[1].is_ok());
        added += usize::from(outcomes[3].is_ok());
        for refusal in outcomes.into_iter().filter_map(Result::err) {
            let fair = [StoreError::NotFound(Noun::Room), StoreError::Conflict(Conflict::NotInRoom)];
            assert!(fair.contains(&refusal), "round {round}: {refusal:?}");
        }
        assert_eq!(field.test.store.find_room(&room.id).await.unwrap(), None);
        for user in [&field.ann, &field.bob, &field.cyd, &eve] {
            assert_eq!(field.roles(&room, user).await, None, "round {round}");
            assert!(field.test.store.list_memberships(&user.id).await.unwrap().is_empty(), "round {round}");
        }
        assert!(field.test.store.role_usage(&scout.id).await.unwrap().is_free(), "round {round}");
    }
    println!("{ROUNDS} rounds: somebody came in {added} times and got a role {assigned} times before the room went");
    field.test.assert_sound().await;
    field.test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_nobody_in_a_room_that_is_gone() {
    a_deleted_room_keeps_nobody(Backend::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_nobody_in_a_room_that_is_gone() {
    a_deleted_room_keeps_nobody(Backend::Mongo).await;
}

/// One owner's account goes while the other owner leaves or gives the ownership up. The first round after which a room
/// that is there has no owner.
async fn first_room_without_owner(backend: Backend, locks: RoleLocks) -> Option<usize> {
    let field = field(backend, locks).await;
    // Somebody has to be able to administer, or no account may go.
    field.test.assign(&role_id(ADMIN), &field.ann, None).await;
    let mut deleted = 0;
    for round in 0..ROUNDS {
        let dan = field.test.user(&format!("dan{round}")).await;
        let room = field.test.room(&format!("den {round}"), &dan, &[&field.bob, &field.cyd]).await;
        field.test.assign(&role_id(OWNER), &field.bob, Some(&room)).await;
        let leaving = if round % 3 == 0 {
            Act::Remove(field.bob.clone(), Departure::Left)
        } else {
            Act::TakeOwnership(field.bob.clone())
        };
        let outcomes = field.at_once(round, &room, &[Act::DeleteUser(dan.id.clone()), leaving]).await;
        deleted += usize::from(outcomes[0].is_ok());
        if outcomes[0].is_ok() && field.owners(&room).await == 0 {
            field.test.finish().await;
            return Some(round);
        }
    }
    assert!(deleted > 0, "no account went");
    field.test.finish().await;
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_an_owner_when_an_account_goes() {
    assert_eq!(first_room_without_owner(Backend::SqliteFile, RoleLocks::On).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_an_owner_when_an_account_goes() {
    assert_eq!(first_room_without_owner(Backend::Mongo, RoleLocks::On).await, None);
}

/// The control: without the locks the same rounds leave a room to nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_locks_a_room_loses_its_owners_when_an_account_goes() {
    let round = first_room_without_owner(Backend::Mongo, RoleLocks::Off).await;
    assert!(round.is_some(), "{ROUNDS} rounds without locks, and every one ended well: the rounds prove nothing");
}
