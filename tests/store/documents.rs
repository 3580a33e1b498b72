//! What MongoDB holds is Rocket.Chat's own: every document we write has exactly the fields that its server writes
//! (contract 6 and 10.4), and none of ours.

use mongodb::bson::{DateTime, Document, doc};
use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::AuditContext;
use rolekeeper::domain::ids::{RoomId, UserId};
use rolekeeper::domain::role::{RoleScope, USER};
use rolekeeper::domain::room::RoomKind;
use rolekeeper::domain::room_change::{Archival, Departure, Kept};
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::user::{Activation, PasswordHash};
use rolekeeper::store::{Conflict, StoreError};

use crate::fixtures::{assignment, grant, role_id, run, small_seed};
use crate::support::stores::{Backend, RoleLocks, TestStore, fresh_with};

const ROLE: &[&str] = &["_id", "_updatedAt", "description", "mandatory2fa", "name", "protected", "scope"];
const PERMISSION: &[&str] = &["_id", "_updatedAt", "roles"];
const ACCOUNT: &[&str] = &[
    "_id",
    "_updatedAt",
    "active",
    "createdAt",
    "emails",
    "lastLogin",
    "name",
    "roles",
    "services",
    "type",
    "username",
];
#[rustfmt::skip]
const ROOM: &[&str] = &[
    "_id", "_updatedAt", "broadcast", "customFields", "default", "encrypted", "fname", "msgs", "name", "ro", "sysMes",
    "t", "ts", "u", "usersCount",
];
#[rustfmt::skip]
const SUBSCRIPTION: &[&str] = &[
    "_id", "_updatedAt", "alert", "fname", "groupMentions", "ls", "name", "open", "rid", "roles", "t", "ts", "u",
    "unread", "userMentions",
];

fn fields(document: &Document) -> Vec<&str> {
    let mut fields: Vec<_> = document.keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

async fn only(test: &TestStore, collection: &str, filter: Document) -> Document {
    let mut documents = test.documents(collection, filter).await.expect("MongoDB");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

#[tokio::test]
async fn roles_in_use_and_in_the_trash() {
    run(Backend::Mongo, async |test: &TestStore| {
        let role = test.role("Deputy", RoleScope::Users).await;
        let by_id = doc! { "_id": role.id.as_str() };
        assert_eq!(fields(&only(test, "rocketchat_roles", by_id.clone()).await), ROLE);
        let by = test.later();
        test.store.delete_role(&role.id, &by).await.unwrap();
        let trashed = only(test, "rocketchat__trash", by_id).await;
        let mut expected = [ROLE, &["__collection__", "_deletedAt"]].concat();
        expected.sort_unstable();
        assert_eq!(fields(&trashed), expected);
        assert_eq!(trashed.get_str("__collection__").unwrap(), "roles");
        assert_eq!(trashed.get_datetime("_deletedAt").unwrap().timestamp_millis(), by.at.as_millis());
    })
    .await;
}

#[tokio::test]
async fn permissions() {
    run(Backend::Mongo, async |test: &TestStore| {
        test.admin("root").await;
        let grants = vec![crate::fixtures::grant("create-c", &[&role_id(USER)])];
        test.store.update_permissions(grants, &test.later()).await.unwrap();
        for permission in test.documents("rocketchat_permissions", doc! {}).await.unwrap() {
            assert_eq!(fields(&permission), PERMISSION);
        }
    })
    .await;
}

#[tokio::test]
async fn accounts_and_their_services() {
    run(Backend::Mongo, async |test: &TestStore| {
        let mut new = test.new_user("ann", &[&role_id(USER)]);
        new.password = Some(PasswordHash::from_stored("$2b$10$hash"));
        let ann = test.store.create_user(new, &test.later()).await.unwrap();
        let hash = TokenText::new("session").hash();
        test.store.add_session_token(&ann.id, &hash, 5, &test.later()).await.unwrap();
        test.assign(&role_id("guest"), &ann, None).await;
        let account = only(test, "users", doc! { "_id": ann.id.as_str() }).await;
        // `__rooms` lists the rooms of a member, where there are any.
        let written: Vec<_> = fields(&account).into_iter().filter(|field| *field != "__rooms").collect();
        assert_eq!(written, ACCOUNT);
        let services = account.get_document("services").unwrap();
        assert_eq!(fields(services), ["password", "resume"]);
        assert_eq!(fields(services.get_document("password").unwrap()), ["bcrypt"]);
        let tokens = services.get_document("resume").unwrap().get_array("loginTokens").unwrap();
        assert_eq!(fields(tokens[0].as_document().unwrap()), ["hashedToken", "when"]);
        assert_eq!(fields(account.get_array("emails").unwrap()[0].as_document().unwrap()), ["address", "verified"]);
    })
    .await;
}

#[tokio::test]
async fn rooms_and_subscriptions() {
    run(Backend::Mongo, async |test: &TestStore| {
        let (ann, bob) = (test.user("ann").await, test.user("bob").await);
        let den = test.room("den", &ann, &[&bob]).await;
        let room = only(test, "rocketchat_room", doc! { "_id": den.id.as_str() }).await;
        assert_eq!(fields(&room), ROOM);
        assert_eq!(fields(room.get_document("u").unwrap()), ["_id", "name", "username"]);
        assert_eq!(room.get_i32("usersCount").unwrap(), 2);
        let of = |user: &rolekeeper::domain::user::User| doc! { "rid": den.id.as_str(), "u._id": user.id.as_str() };
        let owner = only(test, "rocketchat_subscription", of(&ann)).await;
        assert_eq!(fields(&owner), SUBSCRIPTION);
        assert_eq!(fields(owner.get_document("u").unwrap()), ["_id", "name", "username"]);
        let member = only(test, "rocketchat_subscription", of(&bob)).await;
        // A member without roles may have no list of them.
        let expected: Vec<_> = SUBSCRIPTION.iter().copied().filter(|field| *field != "roles").collect();
        assert_eq!(fields(&member).into_iter().filter(|field| *field != "roles").collect::<Vec<_>>(), expected);
        test.assign(&role_id("moderator"), &bob, Some(&den)).await;
        assert_eq!(fields(&only(test, "rocketchat_subscription", of(&bob)).await), SUBSCRIPTION);
    })
    .await;
}

#[tokio::test]
async fn what_others_wrote_into_a_room_is_read_but_for_secrets() {
    run(Backend::Mongo, async |test: &TestStore| {
        let room = doc! {
            "_id": "r", "t": "p", "name": "old", "fname": "Old Room", "topic": "dust", "msgs": 7.0, "archived": true,
            "joinCode": "swordfish", "joinCodeRequired": true, "e2eKeyId": "key", "usersCount": 1, "lm": "odd",
        };
        test.insert("rocketchat_room", room).await;
        let subscription = doc! {
            "_id": "s", "rid": "r", "t": "p", "name": "old", "u": { "_id": "someone", "username": "someone" },
            "f": true, "E2EKey": "secret", "oldRoomKeys": ["secret"], "unread": 2,
        };
        test.insert("rocketchat_subscription", subscription).await;
        let (room, user) = (RoomId::from_stored("r"), UserId::from_stored("someone"));
        let found = test.store.find_room(&room).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.display_name.as_str(), found.archived), ("old", "Old Room", true));
        let details = serde_json::json!({"topic": "dust", "msgs": 7, "joinCodeRequired": true, "lm": "odd"});
        assert_eq!(serde_json::Value::Object(found.details), details);
        let found = test.store.find_subscription(&room, &user).await.unwrap().unwrap();
        assert_eq!(serde_json::Value::Object(found.details), serde_json::json!({"f": true}));
        assert_eq!((found.unread, found.display_name.as_str()), (2, "old"));
    })
    .await;
}

#[tokio::test]
async fn direct_messages_with_a_deactivated_account_are_put_away() {
    run(Backend::Mongo, async |test: &TestStore| {
        test.admin("root").await;
        let (ann, bob) = (test.user("ann").await, test.user("bob").await);
        // What Rocket.Chat writes for a conversation: each one's subscription is named after the other.
        for (id, own, other) in [("of-ann", &ann, "bob"), ("of-bob", &bob, "ann")] {
            let subscription =
                doc! { "_id": id, "rid": "annbob", "t": "d", "name": other, "u": { "_id": own.id.as_str() } };
            test.insert("rocketchat_subscription", subscription).await;
        }
        let archived = async |id: &str| {
            only(test, "rocketchat_subscription", doc! { "_id": id }).await.get_bool("archived").unwrap_or(false)
        };
        test.store.set_user_active(&bob.id, Activation::Deactivate, &test.later()).await.unwrap();
        assert!(archived("of-ann").await);
        assert!(!archived("of-bob").await);
        test.store.set_user_active(&bob.id, Activation::Activate, &test.later()).await.unwrap();
        assert!(!archived("of-ann").await);
    })
    .await;
}

#[tokio::test]
async fn memberships_and_rooms_that_ended_are_in_the_trash_as_they_were() {
    run(Backend::Mongo, async |test: &TestStore| {
        let (ann, bob) = (test.user("ann").await, test.user("bob").await);
        let den = test.room("den", &ann, &[&bob]).await;
        test.assign(&role_id("moderator"), &bob, Some(&den)).await;
        let of_bob = doc! { "rid": den.id.as_str(), "u._id": bob.id.as_str() };
        let membership = only(test, "rocketchat_subscription", of_bob.clone()).await;
        let of_ann = doc! { "rid": den.id.as_str(), "u._id": ann.id.as_str() };
        let ownership = only(test, "rocketchat_subscription", of_ann.clone()).await;
        let by = test.later();
        test.store.remove_member(&den.id, &bob.id, Departure::Left, &by).await.unwrap();
        assert_eq!(only(test, "rocketchat__trash", of_bob.clone()).await, trashed(membership, "subscription", &by));
        let room = only(test, "rocketchat_room", doc! { "_id": den.id.as_str() }).await;
        assert_eq!(room.get_i32("usersCount").unwrap(), 1);
        // Rocket.Chat's own index of who is where.
        let bob = only(test, "users", doc! { "_id": bob.id.as_str() }).await;
        assert!(bob.get_array("__rooms").unwrap().is_empty());
        let by = test.later();
        test.store.delete_room(&den.id, &by).await.unwrap();
        let gone = only(test, "rocketchat__trash", doc! { "_id": den.id.as_str() }).await;
        assert_eq!(gone, trashed(room, "room", &by));
        assert_eq!(only(test, "rocketchat__trash", of_ann).await, trashed(ownership, "subscription", &by));
        assert!(test.documents("rocketchat_subscription", doc! { "rid": den.id.as_str() }).await.unwrap().is_empty());
        let locks = doc! { "_id": format!("room:{}", den.id) };
        assert!(test.documents("rolekeeper_locks", locks).await.unwrap().is_empty());
    })
    .await;
}

/// What the trash holds of a document.
fn trashed(mut document: Document, collection: &str, by: &AuditContext) -> Document {
    document.insert("_deletedAt", DateTime::from_millis(by.at.as_millis()));
    document.insert("__collection__", collection);
    document
}

#[tokio::test]
async fn a_room_changes_for_all_its_members() {
    run(Backend::Mongo, async |test: &TestStore| {
        let ann = test.user("ann").await;
        let den = test.room("den", &ann, &[]).await;
        let room = async || only(test, "rocketchat_room", doc! { "_id": den.id.as_str() }).await;
        let membership = async || only(test, "rocketchat_subscription", doc! { "rid": den.id.as_str() }).await;
        for (archival, archived) in [(Archival::Archived, true), (Archival::Open, false)] {
            let by = test.later();
            test.store.set_room_archived(&den.id, archival, &by).await.unwrap();
            assert_eq!(room().await.get_bool("archived").unwrap(), archived);
            let membership = membership().await;
            for (field, expected) in [("archived", archived), ("open", !archived), ("alert", false)] {
                assert_eq!(membership.get_bool(field).unwrap(), expected, "{field}");
            }
            assert_eq!(membership.get_datetime("_updatedAt").unwrap().timestamp_millis(), by.at.as_millis());
        }
        test.store.rename_room(&den.id, "lair", &test.later()).await.unwrap();
        test.store.set_room_kind(&den.id, RoomKind::Group, &test.later()).await.unwrap();
        let (room, membership) = (room().await, membership().await);
        for document in [&room, &membership] {
            let texts = ["name", "fname", "t"].map(|field| document.get_str(field).unwrap());
            assert_eq!(texts, ["lair", "lair", "p"]);
        }
        assert!(!room.contains_key("default"), "a group is nobody's by default");
        let expected: Vec<_> = [ROOM, &["archived"]].concat().into_iter().filter(|field| *field != "default").collect();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(fields(&room), expected);
    })
    .await;
}

#[tokio::test]
async fn a_discussion_keeps_its_name_and_shows_another() {
    run(Backend::Mongo, async |test: &TestStore| {
        let ann = test.user("ann").await;
        let talk = test.room("GyGmvXQCZHMMHn9g5", &ann, &[]).await;
        test.change_document("rocketchat_room", talk.id.as_str(), doc! { "$set": { "prid": "GENERAL" } }).await;
        test.store.rename_room(&talk.id, "lunch", &test.later()).await.unwrap();
        for (collection, filter) in [
            ("rocketchat_room", doc! { "_id": talk.id.as_str() }),
            ("rocketchat_subscription", doc! { "rid": talk.id.as_str() }),
        ] {
            let document = only(test, collection, filter).await;
            assert_eq!(["name", "fname"].map(|field| document.get_str(field).unwrap()), ["GyGmvXQCZHMMHn9g5", "lunch"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_room_of_a_team_or_of_other_servers_is_not_deleted() {
    run(Backend::Mongo, async |test: &TestStore| {
        let ann = test.user("ann").await;
        for (field, kept) in [("teamMain", Kept::TeamMain), ("federated", Kept::Federated)] {
            let room = test.room(field, &ann, &[]).await;
            test.change_document("rocketchat_room", room.id.as_str(), doc! { "$set": { field: true } }).await;
            let refused = Conflict::RoomKept(kept);
            test.refuses(refused, test.store.delete_room(&room.id, &test.later())).await;
            assert!(test.store.find_room(&room.id).await.unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn more_members_than_one_question_takes_go_with_their_room() {
    run(Backend::Mongo, async |test: &TestStore| {
        let ann = test.user("ann").await;
        let den = test.room("den", &ann, &[]).await;
        for number in 0..2_100 {
            let member = doc! { "_id": format!("u{number}"), "username": format!("user{number}") };
            let membership = doc! { "_id": format!("s{number}"), "rid": den.id.as_str(), "t": "c", "u": member };
            test.insert("rocketchat_subscription", membership).await;
        }
        test.store.delete_room(&den.id, &test.later()).await.unwrap();
        assert!(test.documents("rocketchat_subscription", doc! {}).await.unwrap().is_empty());
        let trashed = doc! { "__collection__": "subscription", "rid": den.id.as_str() };
        assert_eq!(test.documents("rocketchat__trash", trashed).await.unwrap().len(), 2_101);
    })
    .await;
}

#[tokio::test]
async fn a_role_that_goes_takes_its_lock_with_it() {
    run(Backend::Mongo, async |test: &TestStore| {
        let ann = test.admin("ann").await;
        let locked = doc! { "_id": { "$regex": "^role:" } };
        for number in 0..3 {
            let role = test.role(&format!("deputy {number}"), RoleScope::Users).await;
            test.store.assign_role(&assignment(&role.id, &ann, None), &test.later()).await.unwrap();
            test.store.delete_role(&role.id, &test.later()).await.unwrap_err();
            assert_eq!(test.documents("rolekeeper_locks", locked.clone()).await.unwrap().len(), 1);
            test.store.unassign_role(&assignment(&role.id, &ann, None), &test.later()).await.unwrap();
            test.store.delete_role(&role.id, &test.later()).await.unwrap();
            assert_eq!(test.documents("rolekeeper_locks", locked.clone()).await.unwrap().len(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_role_that_somebody_else_made_is_locked_and_deleted_all_the_same() {
    run(Backend::Mongo, async |test: &TestStore| {
        let ann = test.user("ann").await;
        // Neither has a lock's document yet, and the second has the id of a role that is protected elsewhere.
        test.change_document("rocketchat_roles", "guest", doc! { "$set": { "protected": false } }).await;
        let theirs = doc! { "_id": "theirs", "name": "Theirs", "scope": "Users", "protected": false };
        test.insert("rocketchat_roles", theirs).await;
        for role in [role_id("theirs"), role_id("guest")] {
            test.store.delete_role(&role, &test.later()).await.unwrap();
            let gone = test.store.assign_role(&assignment(&role, &ann, None), &test.later()).await;
            assert!(gone.is_err());
        }
        assert!(test.documents("rolekeeper_locks", doc! { "_id": { "$regex": "^role:" } }).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_cluster_is_asked_one_question_after_another() {
    let test = fresh_with(Backend::Mongo, RoleLocks::OnAsIfSharded).await;
    test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
    let (role, ann) = (test.role("deputy", RoleScope::Users).await, test.admin("ann").await);
    test.store.update_permissions(vec![grant("view-logs", &[&role.id])], &test.by()).await.unwrap();
    test.store.assign_role(&assignment(&role.id, &ann, None), &test.by()).await.unwrap();
    let refused = test.store.delete_role(&role.id, &test.by()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(Conflict::RoleInUse(_))), "{refused:?}");
    test.store.unassign_role(&assignment(&role.id, &ann, None), &test.by()).await.unwrap();
    test.store.delete_role(&role.id, &test.later()).await.unwrap();
    let permissions = test.store.list_permissions().await.unwrap();
    assert!(permissions.iter().all(|permission| !permission.roles.contains(&role.id)));
    test.finish().await;
}
