//! Promises of `RoomChangeStore`. What they come to when several calls meet is in `room_race`.

use rolekeeper::domain::audit::{AuditContext, Change};
use rolekeeper::domain::ids::{RoleId, UserId};
use rolekeeper::domain::role::{MODERATOR, OWNER, RoleScope};
use rolekeeper::domain::room::{GENERAL, Gone, NewRoom, Room, RoomKind};
use rolekeeper::domain::room_change::{Archival, Departure, Invited, Kept};
use rolekeeper::domain::user::User;
use rolekeeper::store::{Conflict, JoinCode, Noun, Result, StoreError, Unique};

use crate::fixtures::{nobody, nowhere, role_id};
use crate::support::stores::TestStore;

const NO_ROOM: StoreError = StoreError::NotFound(Noun::Room);
const NO_USER: StoreError = StoreError::NotFound(Noun::User);
const TAKEN: StoreError = StoreError::AlreadyExists(Unique::RoomName);

/// Ann's room with Bob in it.
struct Den {
    ann: User,
    bob: User,
    room: Room,
}

async fn den(test: &TestStore) -> Den {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let room = test.room("Den", &ann, &[&bob]).await;
    Den { ann, bob, room }
}

async fn direct(test: &TestStore, ann: &User, bob: &User) -> Room {
    let new = NewRoom { kind: RoomKind::Direct, ..test.new_room("ann-bob", ann, &[bob]) };
    test.store.create_room(new, &test.by()).await.unwrap()
}

/// What `act` gave, after seeing that it is what the store says of the room from then on, and what it put on record.
async fn changed(test: &TestStore, act: impl AsyncFnOnce(&AuditContext) -> Result<Room>) -> (Room, Vec<Change>) {
    let by = test.later();
    let mut room = None;
    let recorded = test.recorded(async || room = Some(act(&by).await.unwrap())).await;
    let room = room.unwrap();
    assert_eq!(test.store.find_room(&room.id).await.unwrap().as_ref(), Some(&room));
    if !recorded.is_empty() {
        assert_eq!(room.updated_at, by.at);
    }
    (room, recorded)
}

async fn add(test: &TestStore, room: &Room, users: &[&User]) -> (Room, Vec<Change>) {
    let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
    changed(test, async |by| test.store.add_members(&room.id, &ids, by).await).await
}

async fn remove(test: &TestStore, room: &Room, user: &User, departure: Departure) -> (Room, Vec<Change>) {
    changed(test, async |by| test.store.remove_member(&room.id, &user.id, departure, by).await).await
}

async fn archive(test: &TestStore, room: &Room, archival: Archival) -> (Room, Vec<Change>) {
    changed(test, async |by| test.store.set_room_archived(&room.id, archival, by).await).await
}

async fn rename(test: &TestStore, room: &Room, name: &str) -> (Room, Vec<Change>) {
    changed(test, async |by| test.store.rename_room(&room.id, name, by).await).await
}

async fn set_kind(test: &TestStore, room: &Room, kind: RoomKind) -> (Room, Vec<Change>) {
    changed(test, async |by| test.store.set_room_kind(&room.id, kind, by).await).await
}

async fn roles(test: &TestStore, room: &Room, user: &User) -> Option<Vec<RoleId>> {
    test.store.find_room_roles(&room.id, &user.id).await.unwrap()
}

/// As [`TestStore::refuses`], and the room and its two people are as before too.
async fn refuses<T: std::fmt::Debug>(
    test: &TestStore,
    den: &Den,
    expected: impl Into<StoreError>,
    act: impl Future<Output = Result<T>>,
) {
    let facts = async || {
        let mut memberships = Vec::new();
        for user in [&den.ann, &den.bob] {
            memberships.push(test.store.list_memberships(&user.id).await.unwrap());
        }
        (test.store.find_room(&den.room.id).await.unwrap(), memberships)
    };
    let before = facts().await;
    test.refuses(expected, act).await;
    assert_eq!(facts().await, before, "a refusal changes nothing");
}

async fn whoever_is_named_is_found_once_and_in_order(test: &TestStore) {
    let (ann, bob, cyd) = (test.user("ann").await, test.user("Bob").await, test.user("cyd").await);
    let found = async |invited: Invited| test.store.find_invited(&invited).await.unwrap();
    let ids = [&cyd.id, &nobody(), &ann.id, &cyd.id].map(Clone::clone).to_vec();
    assert_eq!(found(Invited::Ids(ids)).await, [cyd.id.clone(), ann.id.clone()]);
    let names = ["bOB", "", "nobody", "cyd", "Bob", "ANN", "a%", "a\0"].map(str::to_owned).to_vec();
    assert_eq!(found(Invited::Usernames(names)).await, [bob.id, cyd.id, ann.id]);
    for nothing in [Invited::Ids(vec![]), Invited::Usernames(vec![])] {
        assert!(found(nothing).await.is_empty());
    }
}

async fn new_members_have_no_roles_and_are_on_record_in_the_order_named(test: &TestStore) {
    let Den { bob, room, .. } = den(test).await;
    let (cyd, dan) = (test.user("cyd").await, test.user("dan").await);
    let (room, recorded) = add(test, &room, &[&dan, &bob, &cyd, &dan]).await;
    let users = vec![dan.id.clone(), cyd.id.clone()];
    assert_eq!(recorded, [Change::MembersAdded { room: room.id.clone(), users }]);
    assert_eq!(room.members, 4);
    for user in [&cyd, &dan] {
        assert_eq!(roles(test, &room, user).await, Some(Vec::new()));
        let memberships = test.store.list_memberships(&user.id).await.unwrap();
        assert_eq!((memberships.len(), memberships[0].name.as_str()), (1, "Den"));
    }
}

async fn members_stay_as_they_are_when_they_are_added_again(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    test.assign(&role_id(MODERATOR), &bob, Some(&room)).await;
    let before = test.store.find_room(&room.id).await.unwrap().unwrap();
    for users in [vec![&ann, &bob], vec![]] {
        assert_eq!(add(test, &room, &users).await, (before.clone(), vec![]));
    }
    assert_eq!(roles(test, &room, &ann).await, Some(vec![role_id(OWNER)]));
    assert_eq!(roles(test, &room, &bob).await, Some(vec![role_id(MODERATOR)]));
}

async fn adding_is_refused_for_the_room_then_the_archive_then_the_account(test: &TestStore) {
    let den = den(test).await;
    let cyd = test.user("cyd").await;
    let named = [cyd.id.clone(), nobody()];
    refuses(test, &den, NO_ROOM, test.store.add_members(&nowhere(), &named, &test.later())).await;
    let conversation = direct(test, &den.ann, &den.bob).await;
    refuses(test, &den, NO_ROOM, test.store.add_members(&conversation.id, &named, &test.later())).await;
    refuses(test, &den, NO_USER, test.store.add_members(&den.room.id, &named, &test.later())).await;
    assert_eq!(roles(test, &den.room, &cyd).await, None);
    archive(test, &den.room, Archival::Archived).await;
    let archived = Conflict::RoomArchived;
    refuses(test, &den, archived, test.store.add_members(&den.room.id, &named, &test.later())).await;
}

async fn who_goes_leaves_no_role_in_the_room(test: &TestStore) {
    let Den { bob, room, .. } = den(test).await;
    let scout = test.role("scout", RoleScope::Subscriptions).await;
    for (departure, round) in [(Departure::Left, 1), (Departure::Kicked, 2)] {
        test.assign(&scout.id, &bob, Some(&room)).await;
        test.assign(&role_id(MODERATOR), &bob, Some(&room)).await;
        let (after, recorded) = remove(test, &room, &bob, departure).await;
        let held = vec![scout.id.clone(), role_id(MODERATOR)];
        let (id, user) = (room.id.clone(), bob.id.clone());
        assert_eq!(recorded, [Change::MemberRemoved { room: id, user, departure, roles: held }], "{round}");
        assert_eq!(after.members, 1);
        assert_eq!(roles(test, &room, &bob).await, None);
        assert!(test.store.list_memberships(&bob.id).await.unwrap().is_empty());
        assert!(test.store.role_usage(&scout.id).await.unwrap().is_free());
        let (after, _) = add(test, &room, &[&bob]).await;
        assert_eq!((after.members, roles(test, &room, &bob).await), (2, Some(vec![])), "nothing comes back");
    }
    test.store.delete_role(&scout.id, &test.later()).await.unwrap();
}

async fn a_departure_is_refused_for_the_room_the_archive_the_membership_and_the_last_owner(test: &TestStore) {
    let den = den(test).await;
    let cyd = test.user("cyd").await;
    let (nowhere, nobody) = (nowhere(), nobody());
    for departure in [Departure::Left, Departure::Kicked] {
        let by = test.later();
        let remove = async |room, user| test.store.remove_member(room, user, departure, &by).await;
        refuses(test, &den, NO_ROOM, remove(&nowhere, &den.ann.id)).await;
        for stranger in [&cyd.id, &nobody] {
            refuses(test, &den, Conflict::NotInRoom, remove(&den.room.id, stranger)).await;
        }
        refuses(test, &den, Conflict::LastOwner, remove(&den.room.id, &den.ann.id)).await;
    }
    let conversation = direct(test, &den.ann, &den.bob).await;
    let by = test.later();
    let out_of_it = test.store.remove_member(&conversation.id, &den.bob.id, Departure::Left, &by);
    refuses(test, &den, NO_ROOM, out_of_it).await;
    archive(test, &den.room, Archival::Archived).await;
    let by = test.later();
    for user in [&cyd, &den.bob, &den.ann] {
        let removal = test.store.remove_member(&den.room.id, &user.id, Departure::Left, &by);
        refuses(test, &den, Conflict::RoomArchived, removal).await;
    }
}

async fn the_last_owner_stays_even_alone_and_goes_beside_another(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    test.assign(&role_id(OWNER), &bob, Some(&room)).await;
    let (room, _) = remove(test, &room, &ann, Departure::Left).await;
    assert_eq!((room.members, roles(test, &room, &bob).await), (1, Some(vec![role_id(OWNER)])));
    let by = test.later();
    test.refuses(Conflict::LastOwner, test.store.remove_member(&room.id, &bob.id, Departure::Left, &by)).await;
}

async fn an_owner_elsewhere_is_no_owner_here(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    test.room("attic", &bob, &[&ann]).await;
    let by = test.later();
    test.refuses(Conflict::LastOwner, test.store.remove_member(&room.id, &ann.id, Departure::Left, &by)).await;
    remove(test, &room, &bob, Departure::Left).await;
}

async fn a_deleted_room_leaves_no_membership_no_role_and_no_name(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    let attic = test.room("attic", &ann, &[&bob]).await;
    let scout = test.role("scout", RoleScope::Subscriptions).await;
    test.assign(&scout.id, &bob, Some(&room)).await;
    let by = test.later();
    let recorded = test.recorded(async || test.store.delete_room(&room.id, &by).await.unwrap()).await;
    let (id, name) = (room.id.clone(), "Den".to_owned());
    assert_eq!(recorded, [Change::RoomDeleted { room: id, name, kind: RoomKind::Channel, members: 2 }]);
    assert_eq!(test.store.find_room(&room.id).await.unwrap(), None);
    assert_eq!(test.store.find_room_by_name("Den").await.unwrap(), None);
    assert!(test.store.role_usage(&scout.id).await.unwrap().is_free());
    for user in [&ann, &bob] {
        assert_eq!(roles(test, &room, user).await, None);
        let left = test.store.list_memberships(&user.id).await.unwrap();
        assert_eq!(left.iter().map(|membership| &membership.room).collect::<Vec<_>>(), [&attic.id]);
    }
    assert_eq!(test.store.find_room(&attic.id).await.unwrap(), Some(attic));
    test.room("dEN", &bob, &[]).await;
}

async fn what_ended_is_in_the_trash(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    let membership = async |user: &User| {
        test.store.find_subscription(&room.id, &user.id).await.unwrap().map(|subscription| subscription.id)
    };
    let gone = async |user: &User, since| {
        let subscriptions = test.store.subscriptions_of(&user.id, Some(since)).await.unwrap().removed;
        let rooms = test.store.rooms_of(&user.id, Some(since)).await.unwrap().removed;
        (subscriptions, rooms)
    };
    let since = test.by().at;
    let (of_ann, of_bob) = (membership(&ann).await.unwrap(), membership(&bob).await.unwrap());
    let left = test.later();
    test.store.remove_member(&room.id, &bob.id, Departure::Left, &left).await.unwrap();
    let ended = Gone { id: of_bob, deleted_at: left.at };
    assert_eq!(gone(&bob, since).await, (vec![ended.clone()], vec![]));
    let deleted = test.later();
    test.store.delete_room(&room.id, &deleted).await.unwrap();
    let closed = Gone { id: room.id.as_str().to_owned(), deleted_at: deleted.at };
    assert_eq!(gone(&bob, since).await, (vec![ended], vec![closed.clone()]));
    let ended = Gone { id: of_ann, deleted_at: deleted.at };
    assert_eq!(gone(&ann, since).await, (vec![ended], vec![closed]));
}

async fn rooms_of_many_and_of_nobody_and_archived_ones_are_deleted(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    archive(test, &room, Archival::Archived).await;
    test.store.delete_room(&room.id, &test.later()).await.unwrap();
    let empty = NewRoom { exclude_creator: true, ..test.new_room("empty", &ann, &[]) };
    let empty = test.store.create_room(empty, &test.later()).await.unwrap();
    test.store.delete_room(&empty.id, &test.later()).await.unwrap();
    let group = NewRoom { kind: RoomKind::Group, ..test.new_room("crowd", &ann, &[&bob]) };
    let crowd = test.store.create_room(group, &test.later()).await.unwrap();
    test.store.delete_room(&crowd.id, &test.later()).await.unwrap();
    assert!(test.store.list_memberships(&ann.id).await.unwrap().is_empty());
}

async fn deleting_is_refused_for_what_is_not_there_and_for_a_default_room(test: &TestStore) {
    let den = den(test).await;
    let conversation = direct(test, &den.ann, &den.bob).await;
    for unknown in [&nowhere(), &conversation.id] {
        refuses(test, &den, NO_ROOM, test.store.delete_room(unknown, &test.later())).await;
    }
    let general = rolekeeper::domain::ids::RoomId::from_stored(GENERAL);
    let kept = Conflict::RoomKept(Kept::Default);
    refuses(test, &den, kept, test.store.delete_room(&general, &test.later())).await;
    assert!(test.store.find_room(&general).await.unwrap().is_some());
    test.store.delete_room(&den.room.id, &test.later()).await.unwrap();
    test.refuses(NO_ROOM, test.store.delete_room(&den.room.id, &test.later())).await;
}

async fn a_room_is_archived_and_opened_again_and_neither_twice(test: &TestStore) {
    let Den { ann, room, .. } = den(test).await;
    let id = room.id.clone();
    for (archival, change) in [
        (Archival::Archived, Change::RoomArchived { room: id.clone() }),
        (Archival::Open, Change::RoomUnarchived { room: id }),
    ] {
        let (after, recorded) = archive(test, &room, archival).await;
        assert_eq!((after.archived, recorded), (archival == Archival::Archived, vec![change]));
        assert_eq!(archive(test, &room, archival).await, (after, vec![]), "it is like that already");
    }
    assert_eq!(roles(test, &room, &ann).await, Some(vec![role_id(OWNER)]));
}

async fn members_do_not_see_an_archived_room_and_see_it_as_before_when_it_is_opened(test: &TestStore) {
    let Den { bob, room, .. } = den(test).await;
    let seen = async || test.store.find_subscription(&room.id, &bob.id).await.unwrap().unwrap().details;
    let before = seen().await;
    assert_eq!((before.get("open"), before.get("archived")), (Some(&true.into()), None));
    archive(test, &room, Archival::Archived).await;
    let archived = seen().await;
    assert_eq!((archived.get("open"), archived.get("archived")), (Some(&false.into()), Some(&true.into())));
    archive(test, &room, Archival::Open).await;
    assert_eq!(seen().await, before);
}

async fn archiving_is_refused_for_what_is_not_there(test: &TestStore) {
    let den = den(test).await;
    let conversation = direct(test, &den.ann, &den.bob).await;
    for unknown in [&nowhere(), &conversation.id] {
        for archival in [Archival::Archived, Archival::Open] {
            refuses(test, &den, NO_ROOM, test.store.set_room_archived(unknown, archival, &test.later())).await;
        }
    }
}

async fn a_new_name_is_the_name_for_every_member(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    let (after, recorded) = rename(test, &room, "Lair").await;
    let (before, id) = ("Den".to_owned(), room.id.clone());
    assert_eq!(recorded, [Change::RoomRenamed { room: id, before, after: "Lair".to_owned() }]);
    assert_eq!((after.name.as_str(), after.display_name.as_str()), ("Lair", "Lair"));
    for user in [&ann, &bob] {
        assert_eq!(test.store.list_memberships(&user.id).await.unwrap()[0].name, "Lair");
    }
    assert_eq!(test.store.find_room_by_name("lair").await.unwrap(), Some(after.clone()));
    assert_eq!(test.store.find_room_by_name("Den").await.unwrap(), None);
    assert_eq!(rename(test, &room, "Lair").await, (after, vec![]), "the very same name");
    let (after, recorded) = rename(test, &room, "LAIR").await;
    assert_eq!((after.name.as_str(), recorded.len()), ("LAIR", 1), "another case is another name");
    test.room("Den", &bob, &[]).await;
}

async fn renaming_is_refused_for_the_room_then_the_archive_then_the_name(test: &TestStore) {
    let den = den(test).await;
    let group = NewRoom { kind: RoomKind::Group, ..test.new_room("Attic", &den.bob, &[]) };
    test.store.create_room(group, &test.by()).await.unwrap();
    let conversation = direct(test, &den.ann, &den.bob).await;
    for unknown in [&nowhere(), &conversation.id] {
        refuses(test, &den, NO_ROOM, test.store.rename_room(unknown, "Attic", &test.later())).await;
    }
    for taken in ["Attic", "aTTIC", "General"] {
        refuses(test, &den, TAKEN, test.store.rename_room(&den.room.id, taken, &test.later())).await;
    }
    archive(test, &den.room, Archival::Archived).await;
    let archived = Conflict::RoomArchived;
    refuses(test, &den, archived, test.store.rename_room(&den.room.id, "Attic", &test.later())).await;
}

async fn of_renamings_to_one_name_exactly_one_succeeds(test: &TestStore) {
    let ann = test.user("ann").await;
    for round in 0..5 {
        let mut calls = Vec::new();
        for (number, name) in ["den", "DEN", "Den"].into_iter().enumerate() {
            let room = test.room(&format!("room-{round}-{number}"), &ann, &[]).await;
            let (store, by, name) = (test.store.clone(), test.by(), format!("{name}{round}"));
            calls.push(tokio::spawn(async move { store.rename_room(&room.id, &name, &by).await }));
        }
        let mut renamed = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => renamed += 1,
                Err(refusal) => assert_eq!(refusal, TAKEN),
            }
        }
        assert_eq!(renamed, 1);
    }
}

async fn a_room_becomes_a_group_and_a_channel_again_for_every_member(test: &TestStore) {
    let Den { ann, bob, room } = den(test).await;
    for (before, after) in [(RoomKind::Channel, RoomKind::Group), (RoomKind::Group, RoomKind::Channel)] {
        let (changed, recorded) = set_kind(test, &room, after).await;
        assert_eq!(recorded, [Change::RoomKindChanged { room: room.id.clone(), before, after }]);
        assert_eq!(changed.kind, after);
        for user in [&ann, &bob] {
            assert_eq!(test.store.list_memberships(&user.id).await.unwrap()[0].kind, after.as_str());
        }
        assert_eq!(set_kind(test, &room, after).await, (changed, vec![]), "it is like that already");
    }
    assert_eq!(roles(test, &room, &ann).await, Some(vec![role_id(OWNER)]));
}

async fn new_accounts_do_not_join_a_default_room_that_became_a_group(test: &TestStore) {
    let general = test.store.find_room_by_name(GENERAL).await.unwrap().unwrap();
    for kind in [RoomKind::Group, RoomKind::Channel] {
        assert!(!set_kind(test, &general, kind).await.0.is_default);
    }
    let mut eve = test.new_user("eve", &[]);
    eve.join_default_rooms = true;
    let eve = test.store.create_user(eve, &test.later()).await.unwrap();
    assert!(test.store.list_memberships(&eve.id).await.unwrap().is_empty());
}

async fn changing_the_kind_is_refused_for_the_room_then_the_archive(test: &TestStore) {
    let den = den(test).await;
    let conversation = direct(test, &den.ann, &den.bob).await;
    for unknown in [&nowhere(), &conversation.id] {
        refuses(test, &den, NO_ROOM, test.store.set_room_kind(unknown, RoomKind::Group, &test.later())).await;
    }
    archive(test, &den.room, Archival::Archived).await;
    let archived = Conflict::RoomArchived;
    refuses(test, &den, archived, test.store.set_room_kind(&den.room.id, RoomKind::Group, &test.later())).await;
}

async fn a_room_that_asks_for_a_code_opens_to_that_code_alone(test: &TestStore) {
    let Den { room, .. } = den(test).await;
    let check = async |code: &str| test.store.check_join_code(&room.id, code).await.unwrap();
    assert_eq!(check("sesame").await, JoinCode::NotAsked);
    assert_eq!(test.store.check_join_code(&nowhere(), "").await.unwrap(), JoinCode::NotAsked);
    test.plant_join_code(&room.id, "sesame").await;
    assert_eq!(check("sesame").await, JoinCode::Right);
    for wrong in ["", "Sesame", "sesame "] {
        assert_eq!(check(wrong).await, JoinCode::Wrong, "{wrong:?}");
    }
}

on_every_backend![
    whoever_is_named_is_found_once_and_in_order,
    new_members_have_no_roles_and_are_on_record_in_the_order_named,
    members_stay_as_they_are_when_they_are_added_again,
    adding_is_refused_for_the_room_then_the_archive_then_the_account,
    who_goes_leaves_no_role_in_the_room,
    a_departure_is_refused_for_the_room_the_archive_the_membership_and_the_last_owner,
    the_last_owner_stays_even_alone_and_goes_beside_another,
    an_owner_elsewhere_is_no_owner_here,
    a_deleted_room_leaves_no_membership_no_role_and_no_name,
    what_ended_is_in_the_trash,
    rooms_of_many_and_of_nobody_and_archived_ones_are_deleted,
    deleting_is_refused_for_what_is_not_there_and_for_a_default_room,
    a_room_is_archived_and_opened_again_and_neither_twice,
    members_do_not_see_an_archived_room_and_see_it_as_before_when_it_is_opened,
    archiving_is_refused_for_what_is_not_there,
    a_new_name_is_the_name_for_every_member,
    renaming_is_refused_for_the_room_then_the_archive_then_the_name,
    of_renamings_to_one_name_exactly_one_succeeds,
    a_room_becomes_a_group_and_a_channel_again_for_every_member,
    new_accounts_do_not_join_a_default_room_that_became_a_group,
    changing_the_kind_is_refused_for_the_room_then_the_archive,
    a_room_that_asks_for_a_code_opens_to_that_code_alone,
];
