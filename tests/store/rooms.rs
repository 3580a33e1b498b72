//! Promises of `RoomStore`.

use rolekeeper::domain::audit::Change;
use rolekeeper::domain::role::{OWNER, RoleScope};
use rolekeeper::domain::room::{GENERAL_NAME, NewRoom, RoomKind, UserSummary};
use rolekeeper::store::{Noun, StoreError, Unique};
use serde_json::json;

use crate::fixtures::{nobody, nowhere, role_id};
use crate::support::stores::TestStore;

const TAKEN: StoreError = StoreError::AlreadyExists(Unique::RoomName);

async fn a_created_room_has_its_creator_as_owner_and_members_without_roles(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let mut new = test.new_room("Den", &ann, &[&bob]);
    new.read_only = true;
    new.custom_fields.insert("floor".to_owned(), json!(3));
    let by = test.later();
    let mut created = None;
    let recorded = test.recorded(async || {
        created = Some(test.store.create_room(new.clone(), &by).await.unwrap());
    });
    let owner = Some(ann.id.clone());
    let expected = Change::RoomCreated { room: new.id.clone(), name: "Den".to_owned(), owner, members: 2 };
    assert_eq!(recorded.await, [expected]);
    let room = created.unwrap();
    let creator = UserSummary { id: ann.id.clone(), username: "ann".to_owned(), name: ann.name.clone() };
    assert_eq!((&room.id, room.name.as_str(), room.kind), (&new.id, "Den", RoomKind::Channel));
    assert_eq!((room.creator.as_ref(), room.members), (Some(&creator), 2));
    assert_eq!((room.is_default, room.read_only, &room.custom_fields), (false, true, &new.custom_fields));
    assert_eq!((room.created_at, room.updated_at), (by.at, by.at));
    assert_eq!(test.room_roles(&room, &ann).await, [role_id(OWNER)]);
    assert!(test.room_roles(&room, &bob).await.is_empty());
    assert_eq!(test.store.find_room(&room.id).await.unwrap(), Some(room));
}

async fn unknown_members_are_passed_over_and_each_counts_once(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let mut new = test.new_room("den", &ann, &[&bob, &ann, &bob]);
    new.members.push("nobody".to_owned());
    let room = test.store.create_room(new, &test.later()).await.unwrap();
    assert_eq!(room.members, 2);
    assert_eq!(test.room_roles(&room, &ann).await, [role_id(OWNER)]);
    assert!(test.room_roles(&room, &bob).await.is_empty());
}

async fn a_creator_who_stays_outside_leaves_no_owner(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let new = NewRoom { exclude_creator: true, ..test.new_room("den", &ann, &[&bob]) };
    let by = test.later();
    let mut created = None;
    let recorded = test.recorded(async || {
        created = Some(test.store.create_room(new, &by).await.unwrap());
    });
    let recorded = recorded.await;
    let room = created.unwrap();
    assert!(matches!(&recorded[..], [Change::RoomCreated { owner: None, members: 1, .. }]), "{recorded:?}");
    assert_eq!(test.store.find_room_roles(&room.id, &ann.id).await.unwrap(), None);
    assert!(test.store.role_usage(&role_id(OWNER)).await.unwrap().is_free());
}

async fn a_creation_is_refused_for_the_creator_then_the_name(test: &TestStore) {
    let ann = test.user("ann").await;
    test.room("Den", &ann, &[]).await;
    let taken = test.new_room("dEN", &ann, &[]);
    let unknown = NewRoom { creator: nobody(), ..taken.clone() };
    let no_user = StoreError::NotFound(Noun::User);
    test.refuses(no_user, test.store.create_room(unknown, &test.later())).await;
    let as_group = NewRoom { kind: RoomKind::Group, ..taken.clone() };
    for room in [taken, as_group] {
        let id = room.id.clone();
        test.refuses(TAKEN, test.store.create_room(room, &test.later())).await;
        assert_eq!(test.store.find_room(&id).await.unwrap(), None);
    }
    let general = test.new_room("General", &ann, &[]);
    test.refuses(TAKEN, test.store.create_room(general, &test.later())).await;
}

async fn of_creations_with_one_name_exactly_one_succeeds(test: &TestStore) {
    let ann = test.user("ann").await;
    for round in 0..5 {
        let calls: Vec<_> = ["den", "DEN", "Den", "den"]
            .map(|name| {
                let room = test.new_room(&format!("{name}{round}"), &ann, &[]);
                let (store, by) = (test.store.clone(), test.by());
                tokio::spawn(async move { store.create_room(room, &by).await })
            })
            .into();
        let mut created = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => created += 1,
                Err(refusal) => assert_eq!(refusal, TAKEN),
            }
        }
        assert_eq!(created, 1);
        assert_eq!(test.store.list_memberships(&ann.id).await.unwrap().len(), round + 1);
    }
}

async fn a_room_is_found_by_its_id_and_a_channel_or_group_by_its_name(test: &TestStore) {
    let ann = test.user("ann").await;
    let den = test.room("Den", &ann, &[]).await;
    let group = NewRoom { kind: RoomKind::Group, ..test.new_room("Attic", &ann, &[]) };
    let attic = test.store.create_room(group, &test.later()).await.unwrap();
    let by_name = async |name: &str| test.store.find_room_by_name(name).await.unwrap();
    for name in ["Den", "dEN"] {
        assert_eq!(by_name(name).await, Some(den.clone()));
    }
    assert_eq!(by_name("ATTIC").await, Some(attic.clone()));
    assert_eq!(test.store.find_room(&attic.id).await.unwrap(), Some(attic));
    assert_eq!(by_name("De").await, None);
    assert_eq!(by_name(den.id.as_str()).await, None);
    assert_eq!(test.store.find_room(&nowhere()).await.unwrap(), None);
    assert!(by_name(GENERAL_NAME).await.unwrap().is_default);
}

async fn a_direct_room_is_not_found_by_a_name(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let direct = NewRoom { kind: RoomKind::Direct, ..test.new_room("ann-bob", &ann, &[&bob]) };
    let direct = test.store.create_room(direct, &test.later()).await.unwrap();
    assert_eq!(test.store.find_room_by_name("ann-bob").await.unwrap(), None);
    assert_eq!(test.store.find_room(&direct.id).await.unwrap().unwrap().kind, RoomKind::Direct);
    test.room("ann-bob", &ann, &[]).await;
}

async fn the_roles_of_a_member_are_in_the_order_in_which_he_got_them(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let den = test.room("den", &ann, &[]).await;
    assert_eq!(test.store.find_room_roles(&den.id, &bob.id).await.unwrap(), None);
    assert_eq!(test.store.find_room_roles(&nowhere(), &ann.id).await.unwrap(), None);
    assert_eq!(test.store.find_room_roles(&den.id, &nobody()).await.unwrap(), None);
    let late = test.role("aaa", RoleScope::Subscriptions).await;
    test.assign(&late.id, &ann, Some(&den)).await;
    assert_eq!(test.room_roles(&den, &ann).await, [role_id(OWNER), late.id]);
}

on_every_backend![
    a_created_room_has_its_creator_as_owner_and_members_without_roles,
    unknown_members_are_passed_over_and_each_counts_once,
    a_creator_who_stays_outside_leaves_no_owner,
    a_creation_is_refused_for_the_creator_then_the_name,
    of_creations_with_one_name_exactly_one_succeeds,
    a_room_is_found_by_its_id_and_a_channel_or_group_by_its_name,
    a_direct_room_is_not_found_by_a_name,
    the_roles_of_a_member_are_in_the_order_in_which_he_got_them,
];
