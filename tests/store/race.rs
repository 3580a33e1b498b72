//! After any interleaving of deleting a role with giving it away, nothing names a role that is gone. One deletion runs
//! against assignments of all kinds, five hundred times; and the control shows that MongoDB needs its locks for it.

use std::sync::Arc;

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::ids::{PermissionId, RoleId};
use rolekeeper::domain::role::{Assignment, Role, RoleScope};
use rolekeeper::domain::room::Room;
use rolekeeper::domain::user::User;
use rolekeeper::domain::user_change::{RolesChange, UserPatch};
use rolekeeper::store::{Conflict, Noun, Result, StoreError};
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};

use crate::fixtures::{assignment, grant, small_seed};
use crate::support::stores::{Backend, RoleLocks, TestStore, fresh_with};

const ROUNDS: usize = 500;
/// One deletion and nine that give the role away.
const RUNNERS: usize = 10;

/// Who runs against the deletion, the same in every round.
struct Field {
    test: TestStore,
    people: Vec<User>,
    target: User,
    room: Room,
}

async fn field(backend: Backend, locks: RoleLocks) -> Field {
    let test = fresh_with(backend, locks).await;
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    let mut people = vec![test.admin("root").await];
    for name in ["ann", "bob", "cyd", "dan"] {
        people.push(test.user(name).await);
    }
    let members: Vec<_> = people.iter().collect();
    let room = test.room("den", &people[0], &members).await;
    let target = test.user("eve").await;
    Field { test, people, target, room }
}

/// What came of one round.
struct Outcome {
    deleted: bool,
    given: usize,
    /// The role is gone, and something names it.
    violated: bool,
}

impl Field {
    async fn round(&self, number: usize) -> Outcome {
        let role = self.test.role(&format!("role {number}"), scope(number)).await;
        let (deleted, given) = self.race(number, &role).await;
        let exists = self.test.store.find_role(&role.id).await.unwrap().is_some();
        assert_eq!(exists, !deleted, "a deletion that was acknowledged is one");
        Outcome { deleted, given, violated: deleted && self.is_named(&role.id).await }
    }

    async fn is_named(&self, role: &RoleId) -> bool {
        let held = !self.test.store.role_usage(role).await.unwrap().is_free();
        let permissions = self.test.store.list_permissions().await.unwrap();
        held || permissions.iter().any(|permission| permission.roles.contains(role))
    }

    /// Whether the deletion won, and how many of the others did.
    async fn race(&self, number: usize, role: &Role) -> (bool, usize) {
        let start = Arc::new(Barrier::new(RUNNERS));
        // Who comes last to the start tends to leave it first: every other pair of rounds favours the deletion.
        let (deletion, others) = if number % 4 < 2 {
            let deletion = self.delete(&start, role);
            (deletion, self.give(&start, number, role))
        } else {
            let others = self.give(&start, number, role);
            (self.delete(&start, role), others)
        };
        let outcomes = others.join_all().await;
        let given = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        for refusal in outcomes.into_iter().filter_map(Result::err) {
            assert!(is_fair(&refusal, &role.id), "{refusal:?}");
        }
        match deletion.await.unwrap() {
            Ok(()) => (true, given),
            Err(StoreError::Conflict(Conflict::RoleInUse(_))) => (false, given),
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    fn delete(&self, start: &Arc<Barrier>, role: &Role) -> JoinHandle<Result<()>> {
        let (store, by, id) = (Arc::clone(&self.test.store), self.test.by(), role.id.clone());
        let start = Arc::clone(start);
        tokio::spawn(async move {
            start.wait().await;
            store.delete_role(&id, &by).await
        })
    }

    fn give(&self, start: &Arc<Barrier>, number: usize, role: &Role) -> JoinSet<Result<()>> {
        let mut others = JoinSet::new();
        for person in &self.people[1..] {
            self.assign_in(&mut others, start, assignment(&role.id, person, None));
        }
        self.assign_in(&mut others, start, assignment(&role.id, &self.people[1], Some(&self.room)));
        self.grant_in(&mut others, start, role);
        self.grant_one_in(&mut others, start, role);
        self.create_holder_in(&mut others, start, number, role);
        self.update_in(&mut others, start, role);
        others
    }

    fn assign_in(&self, others: &mut JoinSet<Result<()>>, start: &Arc<Barrier>, assignment: Assignment) {
        let (store, by, start) = (Arc::clone(&self.test.store), self.test.by(), Arc::clone(start));
        others.spawn(async move {
            start.wait().await;
            store.assign_role(&assignment, &by).await
        });
    }

    fn grant_in(&self, others: &mut JoinSet<Result<()>>, start: &Arc<Barrier>, role: &Role) {
        let (store, by, start) = (Arc::clone(&self.test.store), self.test.by(), Arc::clone(start));
        let grants = vec![grant("view-logs", &[&role.id])];
        others.spawn(async move {
            start.wait().await;
            store.update_permissions(grants, &by).await.map(drop)
        });
    }

    fn grant_one_in(&self, others: &mut JoinSet<Result<()>>, start: &Arc<Barrier>, role: &Role) {
        let (store, by, start) = (Arc::clone(&self.test.store), self.test.by(), Arc::clone(start));
        let role = role.id.clone();
        others.spawn(async move {
            start.wait().await;
            store.grant_permission(&PermissionId::from_stored("create-c"), &role, &by).await
        });
    }

    /// Somebody whom nobody else gives anything gets the role as the only one he has; what he held before is what he got
    /// in the last round that did not delete it.
    fn update_in(&self, others: &mut JoinSet<Result<()>>, start: &Arc<Barrier>, role: &Role) {
        let (store, by, start) = (Arc::clone(&self.test.store), self.test.by(), Arc::clone(start));
        let (target, to) = (self.target.id.clone(), vec![role.id.clone()]);
        others.spawn(async move {
            let from = store.find_user(&target).await.unwrap().unwrap().roles().to_vec();
            start.wait().await;
            let patch = UserPatch { roles: Some(RolesChange { from, to }), ..UserPatch::default() };
            store.update_user(&target, patch, &by).await.map(drop)
        });
    }

    fn create_holder_in(&self, others: &mut JoinSet<Result<()>>, start: &Arc<Barrier>, number: usize, role: &Role) {
        let (store, by, start) = (Arc::clone(&self.test.store), self.test.by(), Arc::clone(start));
        let user = self.test.new_user(&format!("new{number}"), &[&role.id]);
        others.spawn(async move {
            start.wait().await;
            store.create_user(user, &by).await.map(drop)
        });
    }
}

/// Both kinds of roles, in turn.
fn scope(number: usize) -> RoleScope {
    if number.is_multiple_of(2) { RoleScope::Users } else { RoleScope::Subscriptions }
}

/// Whether a runner may be told that: the role is gone, or another runner gave the same person the same role.
fn is_fair(refusal: &StoreError, role: &RoleId) -> bool {
    match refusal {
        StoreError::NotFound(Noun::Role) | StoreError::Conflict(Conflict::RoleAlreadyHeld) => true,
        StoreError::Conflict(Conflict::UnknownRole(unknown)) => unknown == role,
        _ => false,
    }
}

async fn no_round_leaves_a_name_of_a_role_that_is_gone(backend: Backend) {
    let field = field(backend, RoleLocks::On).await;
    let (mut deleted, mut given) = (0, 0);
    for number in 0..ROUNDS {
        let outcome = field.round(number).await;
        assert!(!outcome.violated, "round {number}");
        deleted += usize::from(outcome.deleted);
        given += outcome.given;
    }
    println!("{ROUNDS} rounds: the role was deleted in {deleted}, and given {given} times");
    field.test.assert_sound().await;
    field.test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_roles_and_holders_together() {
    no_round_leaves_a_name_of_a_role_that_is_gone(Backend::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_roles_and_holders_together() {
    no_round_leaves_a_name_of_a_role_that_is_gone(Backend::Mongo).await;
}

/// The control: were the rounds too tame to catch anything, the tests above would say nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_without_its_locks_does_not() {
    let field = field(Backend::Mongo, RoleLocks::Off).await;
    for number in 0..ROUNDS {
        if field.round(number).await.violated {
            println!("without locks, round {number} left the name of a role that is gone");
            return field.test.finish().await;
        }
    }
    panic!("{ROUNDS} rounds without locks, and every one ended well: the rounds prove nothing");
}
