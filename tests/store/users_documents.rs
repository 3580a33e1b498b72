//! What changing and deleting an account does to the documents of a Rocket.Chat workspace: nothing of theirs is lost or
//! written again, and nothing of ours is added.

use mongodb::bson::{Bson, DateTime, Document, doc};
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::user::{PasswordHash, User};
use rolekeeper::domain::user_change::{Relinquish, UserPatch};
use serde_json::json;

use crate::fixtures::run;
use crate::support::stores::{Backend, TestStore};

async fn only(test: &TestStore, collection: &str, filter: Document) -> Document {
    let mut documents = test.documents(collection, filter).await.expect("MongoDB");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// What Rocket.Chat writes for a conversation of two: each one's subscription is named after the other.
async fn plant_direct_room(test: &TestStore, one: &User, other: &User) {
    let names = |user: &User| user.username.clone().unwrap();
    let room = doc! {
        "_id": "pair", "t": "d", "usernames": [names(one), names(other)], "uids": [one.id.as_str(), other.id.as_str()],
        "usersCount": 2,
    };
    test.insert("rocketchat_room", room).await;
    for (id, own, theirs) in [("of-one", one, other), ("of-other", other, one)] {
        let subscription = doc! {
            "_id": id, "rid": "pair", "t": "d", "name": names(theirs), "fname": theirs.name.clone(),
            "u": { "_id": own.id.as_str(), "username": names(own) },
        };
        test.insert("rocketchat_subscription", subscription).await;
    }
}

#[tokio::test]
async fn an_update_writes_what_differs_and_nothing_else() {
    run(Backend::Mongo, async |test: &TestStore| {
        test.admin("root").await;
        let at = DateTime::from_millis(1_000);
        let foreign = doc! {
            "_id": "foreignForeign123", "username": "eve", "name": "Eve", "type": "user", "active": true,
            "roles": ["user"], "emails": [{ "address": "eve@example.org", "verified": true, "hint": 1 }],
            "customFields": { "since": at, "team": "blue" }, "settings": { "preferences": { "theirs": at } },
            "services": { "password": { "bcrypt": "$2b$10$old", "reset": { "token": "t" } }, "saml": { "x": at } },
            "unknown": { "at": at, "list": [1, 2.5] }, "__rooms": ["GENERAL"],
        };
        test.insert("users", foreign.clone()).await;
        let id = UserId::from_stored("foreignForeign123");
        let eve = test.store.find_user(&id).await.unwrap().unwrap();
        let patch = UserPatch {
            name: Some("Eva".to_owned()),
            custom_fields: json!({"team": "red"}).as_object().cloned().unwrap(),
            preferences: json!({"hideRoles": true}).as_object().cloned().unwrap(),
            password: Some(PasswordHash::from_stored("$2b$10$new")),
            ..UserPatch::default()
        };
        let by = test.later();
        test.store.update_user(&eve.id, patch, &by).await.unwrap();
        let mut expected = foreign;
        expected.insert("name", "Eva");
        expected.insert("_updatedAt", DateTime::from_millis(by.at.as_millis()));
        expected.insert("customFields", doc! { "since": at, "team": "red" });
        expected.insert("settings", doc! { "preferences": { "theirs": at, "hideRoles": true } });
        expected.insert("services", doc! { "password": { "bcrypt": "$2b$10$new" }, "saml": { "x": at } });
        let mut stored = only(test, "users", doc! { "_id": eve.id.as_str() }).await;
        for document in [&mut stored, &mut expected] {
            let mut fields: Vec<_> = std::mem::take(document).into_iter().collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            *document = fields.into_iter().collect();
        }
        assert_eq!(stored, expected);
    })
    .await;
}

#[tokio::test]
async fn a_new_name_reaches_the_others_of_direct_rooms() {
    run(Backend::Mongo, async |test: &TestStore| {
        let (ann, bob) = (test.user("ann").await, test.user("bob").await);
        plant_direct_room(test, &ann, &bob).await;
        let patch =
            UserPatch { username: Some("anna".to_owned()), name: Some("Anna".to_owned()), ..UserPatch::default() };
        test.store.update_user(&ann.id, patch, &test.later()).await.unwrap();
        let other = only(test, "rocketchat_subscription", doc! { "_id": "of-other" }).await;
        assert_eq!((other.get_str("name").unwrap(), other.get_str("fname").unwrap()), ("anna", "Anna"));
        let own = only(test, "rocketchat_subscription", doc! { "_id": "of-one" }).await;
        assert_eq!(own.get_str("name").unwrap(), "bob");
        assert_eq!(own.get_document("u").unwrap().get_str("username").unwrap(), "anna");
        let room = only(test, "rocketchat_room", doc! { "_id": "pair" }).await;
        assert_eq!(room.get_array("usernames").unwrap(), &[Bson::from("anna"), Bson::from("bob")]);
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_is_in_the_trash_as_it_was() {
    run(Backend::Mongo, async |test: &TestStore| {
        test.admin("root").await;
        let (ann, bob) = (test.user("ann").await, test.user("bob").await);
        plant_direct_room(test, &ann, &bob).await;
        let den = test.room("den", &bob, &[&ann]).await;
        let alone = test.room("alone", &ann, &[]).await;
        let before = only(test, "users", doc! { "_id": ann.id.as_str() }).await;
        let by = test.later();
        test.store.delete_user(&ann.id, Relinquish::Confirmed, &by).await.unwrap();
        let deleted_at = DateTime::from_millis(by.at.as_millis());
        let mut expected = before;
        expected.insert("_deletedAt", deleted_at);
        expected.insert("__collection__", "users");
        assert_eq!(only(test, "rocketchat__trash", doc! { "_id": ann.id.as_str() }).await, expected);
        let count = async |collection: &str| {
            let filter = doc! { "__collection__": collection, "_deletedAt": deleted_at };
            test.documents("rocketchat__trash", filter).await.unwrap().len()
        };
        // Both of the pair, the one in the den and the one in the room of her own.
        assert_eq!((count("subscription").await, count("room").await), (4, 2));
        for room in ["pair", alone.id.as_str()] {
            assert_eq!(test.documents("rocketchat_room", doc! { "_id": room }).await.unwrap(), [] as [Document; 0]);
            assert_eq!(test.documents("rocketchat_subscription", doc! { "rid": room }).await.unwrap().len(), 0);
        }
        let den = only(test, "rocketchat_room", doc! { "_id": den.id.as_str() }).await;
        assert_eq!(den.get_i32("usersCount").unwrap(), 1);
        assert_eq!(test.documents("users", doc! { "__rooms": "pair" }).await.unwrap().len(), 0);
    })
    .await;
}
