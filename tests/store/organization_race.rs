//! Races in organizations: after any interleaving of deleting a role with giving it, nobody holds a role that is gone;
//! there is always an Owner who can act, and no member without an account; of many with one name one is made. The controls show that MongoDB needs its
//! locks for the first two.

use std::sync::Arc;

use rolekeeper::domain::ids::{OrganizationId, RoleId};
use rolekeeper::domain::system_role::OWNER;
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::domain::user_change::{Relinquish, UserPatch};
use rolekeeper::store::{Conflict, Noun, OrganizationConflict, Result, StoreError, Unique};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::fixtures::{ALL, role_id, small_seed};
use crate::support::clock::START;
use crate::support::stores::{Backend, RoleLocks, TestStore, fresh_with};

const ROUNDS: usize = 300;
const TAKERS: usize = 5;

struct Field {
    test: TestStore,
    place: OrganizationId,
    people: Vec<User>,
}

async fn field(backend: Backend, locks: RoleLocks) -> Field {
    let test = fresh_with(backend, locks).await;
    test.store.seed(small_seed(START), &test.by()).await.unwrap();
    test.admin("root").await;
    let owner = test.user("owner").await;
    let place = test.organization("Acme", &owner).await;
    let mut people = Vec::new();
    for number in 0..TAKERS {
        let person = test.user(&format!("taker{number}")).await;
        test.join(&place, &person).await;
        people.push(person);
    }
    Field { test, place, people }
}

impl Field {
    /// One deletion against as many gifts as there are people; whether the role is gone and still held.
    async fn is_violated_by_round(&self, number: usize) -> bool {
        let role = self.test.custom_role(&self.place, &format!("role {number}")).await.role.id;
        let start = Arc::new(Barrier::new(TAKERS + 1));
        let mut gifts = JoinSet::new();
        if number.is_multiple_of(2) {
            self.spawn_gifts(&mut gifts, &start, &role);
        }
        let (store, order) = (Arc::clone(&self.test.store), self.test.order());
        let (place, deleted, at_start) = (self.place.clone(), role.clone(), Arc::clone(&start));
        let deletion = tokio::spawn(async move {
            at_start.wait().await;
            store.delete_organization_role(&place, &deleted, &order).await
        });
        if !number.is_multiple_of(2) {
            self.spawn_gifts(&mut gifts, &start, &role);
        }
        for outcome in gifts.join_all().await {
            assert!(matches!(outcome, Ok(()) | Err(StoreError::NotFound(Noun::Role))), "{outcome:?}");
        }
        let deleted = match deletion.await.unwrap() {
            Ok(()) => true,
            Err(StoreError::Conflict(Conflict::RoleInUse(_))) => false,
            Err(refusal) => panic!("{refusal:?}"),
        };
        let found = self.test.store.find_organization_role(&self.place, &role).await.unwrap();
        assert_eq!(found.is_none(), deleted, "a deletion that was acknowledged is one");
        let held = self.test.store.list_organization_members(&self.place, Some(&role), ALL).await.unwrap().total > 0;
        deleted && held
    }

    fn spawn_gifts(&self, gifts: &mut JoinSet<Result<()>>, start: &Arc<Barrier>, role: &RoleId) {
        for person in &self.people {
            let (store, order) = (Arc::clone(&self.test.store), self.test.order());
            let (place, gift, start) = (self.place.clone(), self.test.gift(role, person), Arc::clone(start));
            gifts.spawn(async move {
                start.wait().await;
                store.assign_organization_role(&place, gift, &order).await.map(drop)
            });
        }
    }
}

async fn no_round_leaves_a_holder_of_a_role_that_is_gone(backend: Backend) {
    let field = field(backend, RoleLocks::On).await;
    for number in 0..ROUNDS {
        assert!(!field.is_violated_by_round(number).await, "round {number}");
    }
    field.test.assert_sound().await;
    field.test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_file_keeps_roles_and_members_together() {
    no_round_leaves_a_holder_of_a_role_that_is_gone(Backend::SqliteFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_keeps_roles_and_members_together() {
    no_round_leaves_a_holder_of_a_role_that_is_gone(Backend::Mongo).await;
}

/// The control: were the rounds too tame to catch anything, the tests above would say nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_without_its_locks_does_not() {
    let field = field(Backend::Mongo, RoleLocks::Off).await;
    for number in 0..ROUNDS {
        if field.is_violated_by_round(number).await {
            println!("without locks, round {number} left a holder of a role that is gone");
            return field.test.finish().await;
        }
    }
    panic!("{ROUNDS} rounds without locks, and every one ended well: the rounds prove nothing");
}

/// The control of [`of_two_owners_one_stays`].
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_without_its_locks_loses_the_last_owner() {
    let Field { test, people, .. } = field(Backend::Mongo, RoleLocks::Off).await;
    let owner = role_id(OWNER);
    for round in 0..ROUNDS {
        let place = test.organization(&format!("org {round}"), &people[0]).await;
        test.join(&place, &people[1]).await;
        test.give(&place, &owner, &people[1]).await;
        let start = Arc::new(Barrier::new(2));
        let mut ends = JoinSet::new();
        for user in &people[..2] {
            let (store, order, owner) = (Arc::clone(&test.store), test.order(), owner.clone());
            let (place, user, start) = (place.clone(), user.id.clone(), Arc::clone(&start));
            ends.spawn(async move {
                start.wait().await;
                store.unassign_organization_role(&place, &owner, &user, &order).await
            });
        }
        if ends.join_all().await.iter().all(Result::is_ok) {
            println!("without locks, round {round} left an organization without an Owner");
            return test.finish().await;
        }
    }
    panic!("{ROUNDS} rounds without locks, and every one ended well: the rounds prove nothing");
}

/// Two owners end each other's ownership at the same moment, each time by another pair of ways.
async fn of_two_owners_one_stays(test: &TestStore) {
    const WAYS: usize = 5;
    test.admin("root").await;
    for round in 0..WAYS * WAYS {
        let (ann, bob) = (test.user(&format!("ann{round}")).await, test.user(&format!("bob{round}")).await);
        let place = test.organization(&format!("org {round}"), &ann).await;
        test.join(&place, &bob).await;
        test.give(&place, &role_id(OWNER), &bob).await;
        let start = Arc::new(Barrier::new(2));
        let mut ways = JoinSet::new();
        for (user, way) in [(&ann, round % WAYS), (&bob, round / WAYS)] {
            let (store, by, order) = (Arc::clone(&test.store), test.by(), test.order());
            let (place, user, start) = (place.clone(), user.id.clone(), Arc::clone(&start));
            let off = UserPatch { activation: Some(Activation::Deactivate), ..UserPatch::default() };
            ways.spawn(async move {
                start.wait().await;
                match way {
                    0 => store.unassign_organization_role(&place, &role_id(OWNER), &user, &order).await,
                    1 => store.remove_organization_member(&place, &user, &order).await,
                    2 => store.set_user_active(&user, Activation::Deactivate, &by).await.map(drop),
                    3 => store.update_user(&user, off, &by).await.map(drop),
                    _ => store.delete_user(&user, Relinquish::Refuse, &by).await.map(drop),
                }
            });
        }
        let outcomes = ways.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "round {round}: {outcomes:?}");
        let refusal = outcomes.into_iter().find_map(Result::err).unwrap();
        let last = StoreError::Conflict(Conflict::Organization(OrganizationConflict::LastOwner {
            organization: place.clone(),
            name: format!("org {round}"),
        }));
        assert_eq!(refusal, last, "round {round}");
        assert!(has_acting_owner(test, &place).await, "round {round}");
    }
}

async fn has_acting_owner(test: &TestStore, place: &OrganizationId) -> bool {
    let owners = test.store.list_organization_members(place, Some(&role_id(OWNER)), ALL).await.unwrap();
    owners.items.iter().any(|owner| owner.account.as_ref().is_some_and(User::can_act))
}

/// Somebody becomes an Owner while his account is switched off or deleted, and the other Owner counts on him.
async fn nobody_comes_to_own_what_he_cannot_act_for(test: &TestStore) {
    test.admin("root").await;
    for round in 0..16 {
        let (ann, bob) = (test.user(&format!("ann{round}")).await, test.user(&format!("bob{round}")).await);
        let place = test.organization(&format!("org {round}"), &ann).await;
        test.join(&place, &bob).await;
        let start = Arc::new(Barrier::new(2));
        let (store, by, id, at_start) = (Arc::clone(&test.store), test.by(), bob.id.clone(), Arc::clone(&start));
        let ending = tokio::spawn(async move {
            at_start.wait().await;
            match round % 2 {
                0 => store.set_user_active(&id, Activation::Deactivate, &by).await.map(drop),
                _ => store.delete_user(&id, Relinquish::Refuse, &by).await.map(drop),
            }
        });
        start.wait().await;
        let given = test.store.assign_organization_role(&place, test.gift(&role_id(OWNER), &bob), &test.order()).await;
        let left = test.store.unassign_organization_role(&place, &role_id(OWNER), &ann.id, &test.order()).await;
        let ended = ending.await.unwrap();
        assert!(has_acting_owner(test, &place).await, "round {round}: {given:?}, {left:?}, {ended:?}");
    }
}

/// Somebody joins while his account goes; whether he is a member without an account then.
async fn is_left_behind_in_round(test: &TestStore, place: &OrganizationId, round: usize) -> bool {
    let bob = test.user(&format!("bob{round}")).await;
    let start = Arc::new(Barrier::new(2));
    let (store, by, id, at_start) = (Arc::clone(&test.store), test.by(), bob.id.clone(), Arc::clone(&start));
    let deletion = tokio::spawn(async move {
        at_start.wait().await;
        store.delete_user(&id, Relinquish::Refuse, &by).await
    });
    start.wait().await;
    let joined = test.store.add_organization_member(place, test.new_member(&bob.id), &test.order()).await;
    assert!(matches!(joined, Ok(_) | Err(StoreError::NotFound(Noun::User))), "{joined:?}");
    deletion.await.unwrap().unwrap();
    test.store.list_organization_members(place, None, ALL).await.unwrap().total > 1
}

async fn nobody_is_a_member_without_an_account(test: &TestStore) {
    let ann = test.user("ann").await;
    test.admin("root").await;
    let place = test.organization("Acme", &ann).await;
    for round in 0..32 {
        assert!(!is_left_behind_in_round(test, &place, round).await, "round {round}");
    }
}

/// The control of [`nobody_is_a_member_without_an_account`].
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mongo_without_its_locks_keeps_members_without_accounts() {
    let test = fresh_with(Backend::Mongo, RoleLocks::Off).await;
    test.store.seed(small_seed(START), &test.by()).await.unwrap();
    test.admin("root").await;
    let ann = test.user("ann").await;
    let place = test.organization("Acme", &ann).await;
    for round in 0..ROUNDS {
        if is_left_behind_in_round(&test, &place, round).await {
            println!("without locks, round {round} left a member without an account");
            return test.finish().await;
        }
    }
    panic!("{ROUNDS} rounds without locks, and every one ended well: the rounds prove nothing");
}

async fn of_many_with_the_same_name_one_is_made(test: &TestStore) {
    let ann = test.user("ann").await;
    let place = test.organization("Acme", &ann).await;
    for round in 0..10 {
        let start = Arc::new(Barrier::new(6));
        let mut makes = JoinSet::new();
        for name in ["Name", "name", "NAME", " name", "Name", "ｎame"] {
            let (store, order) = (Arc::clone(&test.store), test.order());
            let new = test.new_custom_role(&format!("{name}{round}"));
            let (place, start) = (place.clone(), Arc::clone(&start));
            makes.spawn(async move {
                start.wait().await;
                store.create_organization_role(&place, new, &order).await.map(drop)
            });
        }
        let outcomes = makes.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for refusal in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(refusal, StoreError::AlreadyExists(Unique::OrganizationRoleName));
        }
    }
}

on_every_backend![
    of_two_owners_one_stays,
    nobody_comes_to_own_what_he_cannot_act_for,
    nobody_is_a_member_without_an_account,
    of_many_with_the_same_name_one_is_made,
];
