//! Two organizations of the same people: nothing of the one is there for any method that is asked in the name of the
//! other.

use rolekeeper::domain::capability::Capability;
use rolekeeper::domain::organization::RoleChange;
use rolekeeper::domain::system_role::MEMBER;
use rolekeeper::store::organizations::RecordFilter;
use rolekeeper::store::{Conflict, Noun, StoreError};

use crate::fixtures::{ALL, role_id};
use crate::support::stores::TestStore;

async fn nothing_of_one_organization_is_there_for_another(test: &TestStore) {
    let (ann, bob, eve) = (test.user("ann").await, test.user("bob").await, test.user("eve").await);
    let (ours, theirs) = (test.organization("Ours", &ann).await, test.organization("Theirs", &eve).await);
    // Bob is in both, and holds a role of each.
    for place in [&ours, &theirs] {
        test.join(place, &bob).await;
    }
    let (our_role, their_role) =
        (test.custom_role(&ours, "Role").await.role, test.custom_role(&theirs, "Role").await.role);
    test.give(&ours, &our_role.id, &bob).await;
    let spare = test.custom_role(&theirs, "Spare").await.role;

    assert_eq!(test.store.find_organization_role(&theirs, &our_role.id).await.unwrap(), None);
    let listed = test.store.list_organization_roles(&theirs).await.unwrap();
    assert!(listed.iter().all(|counted| counted.role.id != our_role.id));
    let members = listed.iter().map(|counted| (counted.role.name.as_str(), counted.members));
    let expected = [("Owner", 1), ("Admin", 0), ("Member", 1), ("Department Manager", 0), ("Knowledge Manager", 0)];
    assert_eq!(members.take(5).collect::<Vec<_>>(), expected);
    let standing = test.store.find_standing(&theirs, &bob.id).await.unwrap().unwrap();
    assert!(!standing.capabilities.allow(Capability::InviteUsers));
    assert_eq!(standing.member.roles.len(), 1);
    assert_eq!(test.store.find_standing(&theirs, &ann.id).await.unwrap(), None);
    assert_eq!(test.store.list_organization_members(&theirs, Some(&our_role.id), ALL).await.unwrap().total, 0);
    let people = test.store.list_organization_members(&theirs, None, ALL).await.unwrap();
    assert!(people.items.iter().all(|item| item.member.organization == theirs && item.member.user != ann.id));

    let (no_role, order) = (StoreError::NotFound(Noun::Role), test.order());
    let change = RoleChange { name: Some("Stolen".to_owned()), ..RoleChange::default() };
    let counted = test.order();
    test.refuses(no_role.clone(), test.store.update_organization_role(&theirs, &our_role.id, &change, &counted)).await;
    test.refuses(no_role.clone(), test.store.delete_organization_role(&theirs, &our_role.id, &order)).await;
    let given = test.order();
    let gift = test.gift(&our_role.id, &bob);
    test.refuses(no_role.clone(), test.store.assign_organization_role(&theirs, gift, &given)).await;
    let gift = test.gift(&spare.id, &ann);
    let stranger = test.store.assign_organization_role(&theirs, gift, &given);
    test.refuses(StoreError::NotFound(Noun::Member), stranger).await;
    test.refuses(no_role, test.store.unassign_organization_role(&theirs, &our_role.id, &bob.id, &order)).await;
    let member = role_id(MEMBER);
    let elsewhere = test.store.unassign_organization_role(&theirs, &member, &ann.id, &order);
    test.refuses(Conflict::RoleNotHeld, elsewhere).await;
    let missing = StoreError::NotFound(Noun::Member);
    test.refuses(missing, test.store.remove_organization_member(&theirs, &ann.id, &order)).await;

    // Leaving the one is not leaving the other, and what is held there stays.
    test.store.remove_organization_member(&theirs, &bob.id, &test.order()).await.unwrap();
    assert_eq!(test.store.find_organization_role(&ours, &our_role.id).await.unwrap().unwrap().members, 1);
    test.store.delete_organization_role(&theirs, &their_role.id, &test.order()).await.unwrap();
    test.store.delete_organization(&theirs, &test.order()).await.unwrap();
    assert_eq!(test.store.find_organization_role(&ours, &our_role.id).await.unwrap().unwrap().role, our_role);
    assert_eq!(test.store.list_organization_members(&ours, None, ALL).await.unwrap().total, 2);

    let record = test.store.list_organization_record(&theirs, &RecordFilter::default(), ALL).await.unwrap();
    for entry in &record.items {
        assert_eq!(serde_json::to_value(entry).unwrap()["organization"], theirs.as_str());
    }
    assert_eq!(record.total, 7);
}

on_every_backend![nothing_of_one_organization_is_there_for_another];
