//! What MongoDB holds is Rocket.Chat's own: every document we write has exactly the fields that its server writes
//! (contract 6 and 10.4), and none of ours.

use mongodb::bson::{Document, doc};
use rolekeeper::domain::role::{RoleScope, USER};
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::user::{Activation, PasswordHash};

use crate::fixtures::role_id;
use crate::fixtures::run;
use crate::support::stores::{Backend, TestStore};

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
