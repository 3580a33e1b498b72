//! Promises of `RoomMemberStore`.

use mongodb::bson::{Document, doc};
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::role::{LEADER, MODERATOR, OWNER, RoleScope};
use rolekeeper::domain::room::{
    Gone, Member, MemberFilter, MemberOrder, NewRoom, Room, RoomKind, RoomOrder, RoomSelection, RoomSortKey,
    Subscription,
};
use rolekeeper::domain::time::Timestamp;
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::store::{Conflict, Noun, Page, StoreError};
use serde_json::json;

use crate::fixtures::{ALL, nobody, nowhere, role_id};
use crate::support::stores::{Raw, TestStore};

const BY_NAME: RoomOrder = RoomOrder { by: RoomSortKey::Name, descending: false };
const EVERYBODY: MemberFilter = MemberFilter { text: None, statuses: Vec::new() };

async fn group(test: &TestStore, name: &str, creator: &User, members: &[&User]) -> Room {
    let new = NewRoom { kind: RoomKind::Group, ..test.new_room(name, creator, members) };
    test.store.create_room(new, &test.later()).await.unwrap()
}

/// The names of the rooms of a page, and the total.
async fn listed(test: &TestStore, rooms: &RoomSelection, order: RoomOrder, page: Page) -> (Vec<String>, u64) {
    let listing = test.store.list_rooms(rooms, order, page).await.unwrap();
    (listing.items.into_iter().map(|room| room.name).collect(), listing.total)
}

/// The usernames, in order.
fn members(members: &[Member]) -> Vec<&str> {
    members.iter().filter_map(|member| member.user.username.as_deref()).collect()
}

/// Leaves a document in the trash, as the end of a membership or of a room does.
async fn trash(test: &TestStore, collection: &str, id: &str, room: &str, user: &UserId, at: Timestamp) {
    match &test.raw {
        Raw::Sqlite(store) => {
            let document = json!({"_id": id, "rid": room, "u": {"_id": user}});
            let at = at.as_millis();
            let sql = format!(
                "INSERT INTO trash (collection, id, document, deleted_at) VALUES ('{collection}', '{id}', '{document}', {at})"
            );
            store.run_sql(&sql).await.unwrap();
        }
        Raw::Mongo(database) => {
            let document = doc! {
                "_id": id,
                "rid": room,
                "u": { "_id": user.as_str() },
                "__collection__": collection,
                "_deletedAt": mongodb::bson::DateTime::from_millis(at.as_millis()),
            };
            database.collection::<Document>("rocketchat__trash").insert_one(document).await.unwrap();
        }
    }
}

/// Gives an account another name, and nobody is told.
async fn rename(test: &TestStore, user: &User, name: &str) {
    match &test.raw {
        Raw::Sqlite(store) => {
            store.run_sql(&format!("UPDATE users SET name = '{name}' WHERE id = '{}'", user.id)).await.unwrap();
        }
        Raw::Mongo(database) => {
            let change = doc! { "$set": { "name": name } };
            let users = database.collection::<Document>("users");
            users.update_one(doc! { "_id": user.id.as_str() }, change).await.unwrap();
        }
    }
}

async fn user_of_status(test: &TestStore, username: &str, status: &str) -> User {
    let mut new = test.new_user(username, &[]);
    new.profile.insert("status".to_owned(), status.into());
    test.store.create_user(new, &test.by()).await.unwrap()
}

async fn rooms_are_listed_by_kind_or_member_in_order_page_by_page(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    for (name, members) in [("den", vec![&bob]), ("attic", vec![]), ("Yard", vec![&bob])] {
        test.clock.advance(1_000);
        test.room(name, &ann, &members).await;
    }
    let cave = group(test, "cave", &ann, &[]).await;
    let channels = RoomSelection { kind: RoomKind::Channel, member: None };
    let of = |user: &User| RoomSelection { member: Some(user.id.clone()), ..channels.clone() };
    let all = ["Yard", "attic", "den", "general"].map(str::to_owned);
    assert_eq!(listed(test, &channels, BY_NAME, ALL).await, (all.to_vec(), 4));
    let backwards = RoomOrder { descending: true, ..BY_NAME };
    let mut reversed = all.to_vec();
    reversed.reverse();
    assert_eq!(listed(test, &channels, backwards, ALL).await, (reversed, 4));
    let by_age = RoomOrder { by: RoomSortKey::CreatedAt, descending: false };
    let aged = ["general", "den", "attic", "Yard"].map(str::to_owned);
    assert_eq!(listed(test, &channels, by_age, ALL).await, (aged.to_vec(), 4));
    let youngest = RoomOrder { descending: true, ..by_age };
    let first = Page { offset: 0, count: Some(1) };
    assert_eq!(listed(test, &channels, youngest, first).await, (vec!["Yard".to_owned()], 4));
    let own = ["Yard", "den"].map(str::to_owned);
    for (page, expected) in [
        (ALL, &own[..]),
        (Page { offset: 0, count: Some(1) }, &own[..1]),
        (Page { offset: 1, count: Some(5) }, &own[1..]),
        (Page { offset: 2, count: None }, &[]),
        (Page { offset: 0, count: Some(0) }, &[]),
    ] {
        assert_eq!(listed(test, &of(&bob), BY_NAME, page).await, (expected.to_vec(), 2), "{page:?}");
    }
    let mut aged = own.to_vec();
    aged.reverse();
    assert_eq!(listed(test, &of(&bob), by_age, ALL).await, (aged, 2));
    assert_eq!(listed(test, &of(&bob), youngest, ALL).await, (own.to_vec(), 2));
    assert_eq!(listed(test, &of(&bob), backwards, first).await, (vec!["den".to_owned()], 2));
    let groups = RoomSelection { kind: RoomKind::Group, member: Some(ann.id.clone()) };
    let listing = test.store.list_rooms(&groups, BY_NAME, ALL).await.unwrap();
    assert_eq!((listing.items, listing.total), (vec![cave], 1));
    let strangers = RoomSelection { member: Some(nobody()), ..groups };
    assert_eq!(listed(test, &strangers, BY_NAME, ALL).await, (vec![], 0));
}

async fn ones_rooms_are_those_joined_and_later_those_that_changed_or_went(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let old = test.room("old", &ann, &[&bob]).await;
    let between = test.later().at;
    test.clock.advance(1_000);
    let new = group(test, "new", &bob, &[]).await;
    group(test, "foreign", &ann, &[]).await;
    let mut both = vec![old, new.clone()];
    both.sort_by(|one, other| one.id.cmp(&other.id));
    let mine = test.store.rooms_of(&bob.id, None).await.unwrap();
    assert_eq!((mine.updated, mine.removed), (both, vec![]));
    for (id, user, at) in [("a", &bob, 9_000), ("b", &ann, 9_000), ("c", &bob, -1)] {
        trash(test, "subscription", &format!("sub-{id}"), id, &user.id, between).await;
        trash(test, "room", id, "", &ann.id, Timestamp::from_millis(between.as_millis() + at)).await;
    }
    // His membership ended, and the room is still there.
    trash(test, "subscription", "sub-d", "d", &bob.id, test.later().at).await;
    let mine = test.store.rooms_of(&bob.id, Some(between)).await.unwrap();
    let gone = Gone { id: "a".to_owned(), deleted_at: Timestamp::from_millis(between.as_millis() + 9_000) };
    assert_eq!((mine.updated, mine.removed), (vec![new.clone()], vec![gone]));
    let later = test.store.rooms_of(&bob.id, Some(new.updated_at)).await.unwrap();
    assert_eq!(later.updated, []);
    let nothing = test.store.rooms_of(&nobody(), Some(Timestamp::EPOCH)).await.unwrap();
    assert_eq!((nothing.updated, nothing.removed), (vec![], vec![]));
}

async fn ones_subscriptions_are_all_and_later_those_that_changed_or_ended(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let old = test.room("old", &ann, &[&bob]).await;
    let between = test.later().at;
    test.clock.advance(1_000);
    let new = group(test, "new", &bob, &[&ann]).await;
    let rooms = |subscriptions: &[Subscription]| {
        subscriptions.iter().map(|subscription| subscription.room.clone()).collect::<Vec<_>>()
    };
    let mine = test.store.subscriptions_of(&bob.id, None).await.unwrap();
    assert!(mine.updated.is_sorted_by_key(|subscription| subscription.id.clone()));
    let mut joined = rooms(&mine.updated);
    joined.sort();
    let mut expected = vec![old.id.clone(), new.id.clone()];
    expected.sort();
    assert_eq!((joined, mine.removed), (expected, vec![]));
    let after = Timestamp::from_millis(between.as_millis() + 1);
    trash(test, "subscription", "ended", "x", &bob.id, after).await;
    trash(test, "subscription", "earlier", "x", &bob.id, between).await;
    trash(test, "subscription", "foreign", "x", &ann.id, after).await;
    let mine = test.store.subscriptions_of(&bob.id, Some(between)).await.unwrap();
    assert_eq!(rooms(&mine.updated), [new.id]);
    assert_eq!(mine.removed, [Gone { id: "ended".to_owned(), deleted_at: after }]);
    // A role in a room is a change of the subscription.
    test.clock.advance(1_000);
    let before = test.later().at;
    test.clock.advance(1_000);
    test.assign(&role_id(LEADER), &bob, Some(&old)).await;
    let mine = test.store.subscriptions_of(&bob.id, Some(before)).await.unwrap();
    assert_eq!(rooms(&mine.updated), [old.id]);
}

async fn a_member_has_a_subscription_and_nobody_else(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let den = test.room("Den", &ann, &[]).await;
    let found = test.store.find_subscription(&den.id, &ann.id).await.unwrap().unwrap();
    assert_eq!((&found.room, found.kind.as_str(), found.name.as_str()), (&den.id, "c", "Den"));
    assert_eq!((found.display_name.as_str(), found.unread), ("Den", 0));
    assert_eq!((&found.member, &found.roles), (&den.creator.clone().unwrap(), &vec![role_id(OWNER)]));
    assert_eq!((found.joined_at, found.updated_at), (den.created_at, den.created_at));
    let at = den.created_at.to_string();
    let details = json!({"open": true, "alert": false, "userMentions": 0, "groupMentions": 0, "ls": at});
    assert_eq!(serde_json::Value::Object(found.details), details);
    for (room, user) in [(&den.id, &bob.id), (&nowhere(), &ann.id), (&den.id, &nobody())] {
        assert_eq!(test.store.find_subscription(room, user).await.unwrap(), None);
    }
}

async fn members_are_sorted_by_username_active_or_not_page_by_page(test: &TestStore) {
    let (cyd, ann, bob) = (test.user("cyd").await, test.user("ann").await, test.user("Bob").await);
    test.admin("root").await;
    let den = test.room("den", &cyd, &[&ann, &bob]).await;
    test.room("other", &cyd, &[]).await;
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.later()).await.unwrap();
    for (page, expected) in [
        (ALL, &["Bob", "ann", "cyd"][..]),
        (Page { offset: 1, count: Some(1) }, &["ann"]),
        (Page { offset: 2, count: Some(9) }, &["cyd"]),
        (Page { offset: 3, count: None }, &[]),
        (Page { offset: 0, count: Some(0) }, &[]),
    ] {
        let listing = test.store.list_members(&den.id, &EVERYBODY, MemberOrder::Username, page).await.unwrap();
        assert_eq!((members(&listing.items), listing.total), (expected.to_vec(), 3), "{page:?}");
    }
    let listing = test.store.list_members(&den.id, &EVERYBODY, MemberOrder::Username, ALL).await.unwrap();
    assert_eq!(listing.items[1].user, test.reload(&ann).await);
    assert_eq!(test.store.list_members(&nowhere(), &EVERYBODY, MemberOrder::Username, ALL).await.unwrap().total, 0);
}

async fn members_are_filtered_by_a_text_and_a_status(test: &TestStore) {
    let mut people = Vec::new();
    for (name, status) in [("ann", "online"), ("bob", "away"), ("Hannah", "online"), ("a.n", "offline")] {
        people.push(user_of_status(test, name, status).await);
    }
    let den = test.room("den", &people[0], &people.iter().collect::<Vec<_>>()).await;
    let filtered = async |text: Option<&str>, statuses: &[&str], page: Page| {
        let statuses = statuses.iter().map(|status| (*status).to_owned()).collect();
        let filter = MemberFilter { text: text.map(str::to_owned), statuses };
        let listing = test.store.list_members(&den.id, &filter, MemberOrder::Username, page).await.unwrap();
        (members(&listing.items).join(" "), listing.total)
    };
    let case = |text: &str, total: u64| (text.to_owned(), total);
    assert_eq!(filtered(Some("ANN"), &[], ALL).await, case("Hannah ann", 2));
    assert_eq!(filtered(Some("name of b"), &[], ALL).await, case("bob", 1));
    // Not a pattern.
    assert_eq!(filtered(Some("a.n"), &[], ALL).await, case("a.n", 1));
    assert_eq!(filtered(Some(".*"), &[], ALL).await, case("", 0));
    assert_eq!(filtered(Some("ann"), &[], Page { offset: 1, count: Some(1) }).await, case("ann", 2));
    assert_eq!(filtered(None, &["online"], ALL).await, case("Hannah ann", 2));
    assert_eq!(filtered(None, &["away", "offline"], ALL).await, case("a.n bob", 2));
    assert_eq!(filtered(None, &["online"], Page { offset: 1, count: Some(1) }).await, case("ann", 2));
    assert_eq!(filtered(None, &["busy"], ALL).await, case("", 0));
    assert_eq!(filtered(Some("ha"), &["online"], ALL).await, case("Hannah", 1));
}

async fn members_are_sorted_by_the_highest_of_their_roles(test: &TestStore) {
    let mut people = Vec::new();
    for (name, status) in [("ann", "online"), ("bob", "away"), ("cyd", "online"), ("dan", "online"), ("eve", "online")]
    {
        people.push(user_of_status(test, name, status).await);
    }
    let den = test.room("den", &people[4], &people.iter().collect::<Vec<_>>()).await;
    let custom = test.role("steward", RoleScope::Subscriptions).await;
    for (role, person) in
        [(LEADER, 0), (MODERATOR, 3), (LEADER, 3), (MODERATOR, 2), (OWNER, 2), (custom.id.as_str(), 1)]
    {
        test.assign(&role_id(role), &people[person], Some(&den)).await;
    }
    let ranked = async |filter: &MemberFilter, page: Page| {
        test.store.list_members(&den.id, filter, MemberOrder::Rank, page).await.unwrap()
    };
    let all = ranked(&EVERYBODY, ALL).await;
    assert_eq!((members(&all.items), all.total), (vec!["cyd", "eve", "dan", "ann", "bob"], 5));
    assert_eq!(all.items[0].roles, [role_id(MODERATOR), role_id(OWNER)]);
    assert_eq!(all.items[4].roles, [custom.id]);
    let some = ranked(&EVERYBODY, Page { offset: 1, count: Some(2) }).await;
    assert_eq!((members(&some.items), some.total), (vec!["eve", "dan"], 5));
    let online = MemberFilter { statuses: vec!["online".to_owned()], text: Some("E".to_owned()) };
    // Everybody is called "Name of ..." here.
    let some = ranked(&online, Page { offset: 2, count: Some(2) }).await;
    assert_eq!((members(&some.items), some.total), (vec!["dan", "ann"], 4));
}

async fn holders_in_a_room_are_sorted_by_username_and_called_as_they_are_now(test: &TestStore) {
    let (cyd, ann, bob) = (test.user("cyd").await, test.user("ann").await, test.user("bob").await);
    let den = test.room("den", &cyd, &[&ann, &bob]).await;
    let other = test.room("other", &ann, &[]).await;
    for role in [MODERATOR, LEADER] {
        test.assign(&role_id(role), &ann, Some(&den)).await;
    }
    rename(test, &ann, "Anna").await;
    let roles = [OWNER, MODERATOR, LEADER].map(role_id);
    let holders = test.store.list_room_role_holders(&den.id, &roles).await.unwrap();
    let found: Vec<_> = holders.iter().map(|it| (it.member.username.as_str(), it.member.name.as_deref())).collect();
    assert_eq!(found, [("ann", Some("Anna")), ("cyd", Some("Name of cyd"))]);
    assert_eq!(holders[0].roles, [role_id(MODERATOR), role_id(LEADER)]);
    let owners = test.store.list_room_role_holders(&other.id, &roles[..1]).await.unwrap();
    assert_eq!(owners.iter().map(|holder| holder.member.username.as_str()).collect::<Vec<_>>(), ["ann"]);
    assert_eq!(test.store.list_room_role_holders(&den.id, &[]).await.unwrap(), []);
}

async fn a_role_is_taken_from_a_member_and_on_record(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let den = test.room("den", &ann, &[&bob]).await;
    test.assign(&role_id(OWNER), &bob, Some(&den)).await;
    test.assign(&role_id(MODERATOR), &ann, Some(&den)).await;
    let by = test.later();
    let recorded = test.recorded(async || {
        test.store.take_room_role(&den.id, &ann.id, &role_id(OWNER), &by).await.unwrap();
    });
    let expected = Change::RoleUnassigned { role: role_id(OWNER), user: ann.id.clone(), room: Some(den.id.clone()) };
    assert_eq!(recorded.await, [expected]);
    assert_eq!(test.room_roles(&den, &ann).await, [role_id(MODERATOR)]);
    assert_eq!(test.store.find_subscription(&den.id, &ann.id).await.unwrap().unwrap().updated_at, by.at);
    // Only owners are needed.
    test.store.take_room_role(&den.id, &ann.id, &role_id(MODERATOR), &by).await.unwrap();
    assert!(test.room_roles(&den, &ann).await.is_empty());
}

async fn taking_a_role_is_refused_in_order_and_for_the_last_owner(test: &TestStore) {
    let (ann, bob, eve) = (test.user("ann").await, test.user("bob").await, test.user("eve").await);
    test.admin("root").await;
    let den = test.room("den", &ann, &[&bob]).await;
    let take =
        async |user: &UserId, role: &str| test.store.take_room_role(&den.id, user, &role_id(role), &test.later()).await;
    test.refuses(StoreError::NotFound(Noun::Role), take(&nobody(), "nothing")).await;
    test.refuses(StoreError::NotFound(Noun::User), take(&nobody(), OWNER)).await;
    test.refuses(Conflict::NotInRoom, take(&eve.id, OWNER)).await;
    test.refuses(Conflict::RoleNotHeld, take(&bob.id, OWNER)).await;
    test.refuses(Conflict::LastOwner, take(&ann.id, OWNER)).await;
    let custom = test.role("steward", RoleScope::Subscriptions).await;
    test.assign(&custom.id, &ann, Some(&den)).await;
    take(&ann.id, custom.id.as_str()).await.unwrap();
    // Another owner is one, active or not.
    test.assign(&role_id(OWNER), &bob, Some(&den)).await;
    test.store.set_user_active(&bob.id, Activation::Deactivate, &test.later()).await.unwrap();
    take(&ann.id, OWNER).await.unwrap();
    test.refuses(Conflict::LastOwner, take(&bob.id, OWNER)).await;
}

on_every_backend![
    rooms_are_listed_by_kind_or_member_in_order_page_by_page,
    ones_rooms_are_those_joined_and_later_those_that_changed_or_went,
    ones_subscriptions_are_all_and_later_those_that_changed_or_ended,
    a_member_has_a_subscription_and_nobody_else,
    members_are_sorted_by_username_active_or_not_page_by_page,
    members_are_filtered_by_a_text_and_a_status,
    members_are_sorted_by_the_highest_of_their_roles,
    holders_in_a_room_are_sorted_by_username_and_called_as_they_are_now,
    a_role_is_taken_from_a_member_and_on_record,
    taking_a_role_is_refused_in_order_and_for_the_last_owner,
];
