//! What accounts have to do with organizations: the last Owner stays on every way on which an account is switched off or
//! goes, and whoever goes leaves nothing behind. The ways inside of organizations are in `organizations`.

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::OrganizationId;
use rolekeeper::domain::role::USER;
use rolekeeper::domain::system_role::{MEMBER, OWNER};
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::domain::user_change::{IdleAccounts, Relinquish, UserPatch};
use rolekeeper::store::organizations::RecordFilter;
use rolekeeper::store::{Conflict, OrganizationConflict, StoreError};

use crate::fixtures::{ALL, nobody, role_id};
use crate::support::stores::TestStore;

fn last_owner(organization: &OrganizationId, name: &str) -> StoreError {
    OrganizationConflict::LastOwner { organization: organization.clone(), name: name.to_owned() }.into()
}

fn switched(activation: Activation) -> UserPatch {
    UserPatch { activation: Some(activation), ..UserPatch::default() }
}

impl TestStore {
    /// Every way to switch an account off or to delete it, but for the idle ones, is refused with that.
    async fn cannot_spare(&self, user: &User, refusal: &StoreError) {
        let (store, by) = (&self.store, &self.by());
        for off in [Activation::Deactivate, Activation::DeactivateAndRelinquish] {
            self.refuses(refusal.clone(), store.set_user_active(&user.id, off, by)).await;
            self.refuses(refusal.clone(), store.update_user(&user.id, switched(off), by)).await;
        }
        for relinquish in [Relinquish::Refuse, Relinquish::Confirmed] {
            self.refuses(refusal.clone(), store.delete_user(&user.id, relinquish, by)).await;
        }
    }

    async fn is_active(&self, user: &User) -> bool {
        self.store.find_user(&user.id).await.unwrap().unwrap().active
    }
}

async fn the_account_of_the_last_owner_stays(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob, cyd) = (test.user("ann").await, test.user("bob").await, test.user("cyd").await);
    let id = test.organization("Acme", &ann).await;
    let last = last_owner(&id, "Acme");
    // Before rooms are looked at.
    test.room("den", &ann, &[]).await;
    test.cannot_spare(&ann, &last).await;
    // Changes that leave the account as it is are no matter.
    let named = UserPatch { name: Some("Ann".to_owned()), ..switched(Activation::Activate) };
    test.store.update_user(&ann.id, named, &test.by()).await.unwrap();
    // Owners who cannot act do not count.
    for user in [&bob, &cyd] {
        test.join(&id, user).await;
        test.give(&id, &role_id(OWNER), user).await;
    }
    let off = switched(Activation::Deactivate);
    test.store.update_user(&bob.id, off, &test.by()).await.unwrap();
    test.plant_kind(&cyd.id, "app").await;
    test.cannot_spare(&ann, &last).await;
    // And are no loss.
    test.store.delete_user(&bob.id, Relinquish::Refuse, &test.by()).await.unwrap();
    test.store.delete_user(&cyd.id, Relinquish::Refuse, &test.by()).await.unwrap();
    let dan = test.user("dan").await;
    test.join(&id, &dan).await;
    test.give(&id, &role_id(OWNER), &dan).await;
    test.store.delete_user(&ann.id, Relinquish::Confirmed, &test.by()).await.unwrap();
    test.cannot_spare(&dan, &last).await;
}

/// Ids are made by chance: an order of them would name another organization on each store.
async fn of_several_organizations_the_one_joined_first_is_named(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let places = [test.organization("East", &bob).await, test.organization("North", &bob).await];
    for place in places.iter().rev() {
        test.later();
        test.join(place, &ann).await;
        test.give(place, &role_id(OWNER), &ann).await;
        test.store.remove_organization_member(place, &bob.id, &test.order()).await.unwrap();
    }
    test.cannot_spare(&ann, &last_owner(&places[1], "North")).await;
}

async fn administrators_are_asked_about_before_owners(test: &TestStore) {
    let root = test.admin("root").await;
    test.organization("Acme", &root).await;
    let refusal = test.store.delete_user(&root.id, Relinquish::Refuse, &test.by()).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Conflict(Conflict::LastAdministrator { .. })), "{refusal:?}");
    test.cannot_spare(&root, &refusal).await;
}

async fn a_deleted_account_leaves_its_organizations(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let mut places = vec![test.organization("Acme", &ann).await, test.organization("Other", &ann).await];
    places.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    for place in &places {
        test.join(place, &bob).await;
    }
    let role = test.custom_role(&places[0], "Recruiter").await.role.id;
    test.give(&places[0], &role, &bob).await;
    let deletion = async || drop(test.store.delete_user(&bob.id, Relinquish::Refuse, &test.by()).await.unwrap());
    let recorded = test.recorded(deletion).await;
    let left = |place: &OrganizationId, roles: &[&str]| Change::OrganizationMemberRemoved {
        organization: place.clone(),
        user: bob.id.clone(),
        roles: roles.iter().map(|role| role_id(role)).collect(),
    };
    assert_eq!(recorded[..2], [left(&places[0], &[MEMBER, role.as_str()]), left(&places[1], &[MEMBER])]);
    assert!(matches!(recorded[2..], [Change::UserDeleted { .. }]), "{recorded:?}");
    for place in &places {
        assert_eq!(test.store.find_standing(place, &bob.id).await.unwrap(), None);
        assert_eq!(test.store.list_organization_members(place, None, ALL).await.unwrap().total, 1);
        let about_bob = RecordFilter { user: Some(bob.id.clone()), ..RecordFilter::default() };
        let record = test.store.list_organization_record(place, &about_bob, ALL).await.unwrap().items;
        assert!(matches!(record[0].change, Change::OrganizationMemberRemoved { .. }), "{record:?}");
    }
    assert_eq!(test.store.find_organization_role(&places[0], &role).await.unwrap().unwrap().members, 0);
    test.store.delete_organization_role(&places[0], &role, &test.order()).await.unwrap();
    test.store.delete_organization(&places[0], &test.order()).await.unwrap();
}

async fn last_owners_stay_though_idle_and_are_in_nobodys_way(test: &TestStore) {
    test.admin("root").await;
    let mut people = Vec::new();
    for number in 0..9 {
        let name = format!("idle{number}");
        let user = test.user(&name).await;
        test.later();
        test.session(&user, &name).await;
        people.push(user);
    }
    // Four own something alone, two own something together, and one with somebody who cannot act.
    for owner in &people[..4] {
        test.organization("Alone", owner).await;
    }
    let shared = test.organization("Shared", &people[4]).await;
    test.join(&shared, &people[5]).await;
    test.give(&shared, &role_id(OWNER), &people[5]).await;
    let half = test.organization("Half", &people[6]).await;
    test.join(&half, &people[7]).await;
    test.give(&half, &role_id(OWNER), &people[7]).await;
    test.store.set_user_active(&people[7].id, Activation::Deactivate, &test.by()).await.unwrap();
    let idle = IdleAccounts { role: role_id(USER), since: test.clock.now(), except: nobody() };
    let mut counts = Vec::new();
    while counts.last() != Some(&0) {
        counts.push(test.store.deactivate_idle_users(&idle, 1, &test.later()).await.unwrap());
    }
    assert_eq!(counts, [1, 1, 0]);
    let mut active = Vec::new();
    for user in &people {
        active.push(test.is_active(user).await);
    }
    assert_eq!(active, [true, true, true, true, false, true, true, false, false]);
}

on_every_backend![
    the_account_of_the_last_owner_stays,
    of_several_organizations_the_one_joined_first_is_named,
    administrators_are_asked_about_before_owners,
    a_deleted_account_leaves_its_organizations,
    last_owners_stay_though_idle_and_are_in_nobodys_way,
];
