//! The collections and indexes that the other modules rely on, made before the first transaction, because making them
//! inside of one is not safe.
//!
//! The collections are Rocket.Chat's, whose server may make its own indexes before or after us. So every index of ours
//! on them has the key, the options and the name that Rocket.Chat or Meteor gives it, and an index is made only when
//! none with that key and collation is there. A unique index that cannot be made because of duplicates stops the
//! start: an account that cannot be told from another by its name must not be able to log in.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};

use super::error::{code, is_duplicate, store_error};
use crate::store::{Result, StoreError};

/// Accounts.
pub(super) const USERS: &str = "users";
/// Roles.
pub(super) const ROLES: &str = "rocketchat_roles";
/// Permissions.
pub(super) const PERMISSIONS: &str = "rocketchat_permissions";
/// Who is a member of which room.
pub(super) const SUBSCRIPTIONS: &str = "rocketchat_subscription";
/// Rooms.
pub(super) const ROOMS: &str = "rocketchat_room";
/// Settings of the workspace.
pub(super) const SETTINGS: &str = "rocketchat_settings";
/// Copies of what was deleted.
pub(super) const TRASH: &str = "rocketchat__trash";
/// Ours: see `locks`.
pub(super) const LOCKS: &str = "rolekeeper_locks";
/// Ours: the record of changes.
pub(super) const AUDIT: &str = "rolekeeper_audit";
/// Ours: the newest sealed entry of each scope; see `audit_seal`.
pub(super) const AUDIT_HEADS: &str = "rolekeeper_audit_heads";

/// Ours: see `second_factors`.
pub(super) const SECOND_FACTORS: &str = "rolekeeper_second_factors";
/// Ours: see `login_failures`.
pub(super) const LOGIN_FAILURES: &str = "rolekeeper_failed_logins";
/// Ours: organizations.
pub(super) const ORGANIZATIONS: &str = "rolekeeper_organizations";
/// Ours: custom roles of organizations.
pub(super) const ORGANIZATION_ROLES: &str = "rolekeeper_organization_roles";
/// Ours: who is a member of which organization, with which roles.
pub(super) const ORGANIZATION_MEMBERS: &str = "rolekeeper_organization_members";
/// Ours: see `receipts`.
pub(super) const RECEIPTS: &str = "rolekeeper_idempotency";
/// Ours: see `changes::heart`.
pub(super) const NODES: &str = "rolekeeper_nodes";

const ALL: [&str; 17] = [
    USERS,
    ROLES,
    PERMISSIONS,
    SUBSCRIPTIONS,
    ROOMS,
    SETTINGS,
    TRASH,
    LOCKS,
    AUDIT,
    AUDIT_HEADS,
    SECOND_FACTORS,
    LOGIN_FAILURES,
    ORGANIZATIONS,
    ORGANIZATION_ROLES,
    ORGANIZATION_MEMBERS,
    RECEIPTS,
    NODES,
];

/// `NamespaceExists`.
const EXISTS: i32 = 48;
/// `NamespaceNotFound`.
const NOT_FOUND: i32 = 26;
/// 30 days, after which Rocket.Chat empties its trash.
const TRASH_SECONDS: i32 = 30 * 24 * 60 * 60;
/// How long a node is remembered that does not write any more.
const NODE_SECONDS: i32 = 60 * 60;

/// Every index that is needed: its collection and its specification.
fn needed() -> Vec<(&'static str, Document)> {
    let insensitive = doc! { "locale": "en", "strength": 2 };
    vec![
        (USERS, doc! { "key": { "username": 1 }, "name": "username_1", "unique": true, "sparse": true }),
        (USERS, doc! { "key": { "emails.address": 1 }, "name": "emails.address_1", "unique": true, "sparse": true }),
        (
            USERS,
            doc! {
                "key": { "services.resume.loginTokens.hashedToken": 1 },
                "name": "services.resume.loginTokens.hashedToken_1",
                "unique": true,
                "sparse": true,
            },
        ),
        (USERS, doc! { "key": { "roles": 1 }, "name": "roles_1", "sparse": true }),
        (USERS, doc! { "key": { "type": 1 }, "name": "type_1" }),
        (USERS, doc! { "key": { "__rooms": 1 }, "name": "__rooms_1", "sparse": true }),
        // Not Rocket.Chat's: the holders of a role in the order in which they are listed, page by page.
        (USERS, doc! { "key": { "roles": 1, "username": 1, "_id": 1 }, "name": "rolekeeper_roles_username_id" }),
        // Not Rocket.Chat's: accounts in the orders in which they are listed, with the id that a page is made of.
        (USERS, doc! { "key": { "username": 1, "_id": 1 }, "name": "rolekeeper_username_id" }),
        (USERS, doc! { "key": { "name": 1, "_id": 1 }, "name": "rolekeeper_name_id" }),
        (USERS, doc! { "key": { "createdAt": 1, "_id": 1 }, "name": "rolekeeper_createdAt_id" }),
        (USERS, doc! { "key": { "lastLogin": 1, "_id": 1 }, "name": "rolekeeper_lastLogin_id" }),
        // Not Rocket.Chat's: those who can log in and have not for long.
        (
            USERS,
            doc! { "key": { "roles": 1, "active": 1, "lastLogin": 1 }, "name": "rolekeeper_roles_active_lastLogin" },
        ),
        (USERS, doc! { "key": { "username": 1 }, "name": "username_insensitive", "collation": insensitive.clone() }),
        (
            USERS,
            doc! {
                "key": { "emails.address": 1 },
                "name": "emails.address_insensitive",
                "collation": insensitive.clone(),
            },
        ),
        (SUBSCRIPTIONS, doc! { "key": { "rid": 1, "u._id": 1 }, "name": "rid_1_u._id_1", "unique": true }),
        (SUBSCRIPTIONS, doc! { "key": { "rid": 1, "roles": 1 }, "name": "rid_1_roles_1" }),
        // Not Rocket.Chat's: those who hold a role in a room in the order in which they are listed, page by page.
        (
            SUBSCRIPTIONS,
            doc! {
                "key": { "rid": 1, "roles": 1, "u.username": 1, "u._id": 1 },
                "name": "rolekeeper_rid_roles_username_id",
            },
        ),
        (SUBSCRIPTIONS, doc! { "key": { "rid": 1, "u.username": 1 }, "name": "rid_1_u.username_1" }),
        (SUBSCRIPTIONS, doc! { "key": { "roles": 1 }, "name": "roles_1", "sparse": true }),
        (SUBSCRIPTIONS, doc! { "key": { "u._id": 1 }, "name": "u._id_1" }),
        (ROOMS, doc! { "key": { "name": 1 }, "name": "name_1", "unique": true, "sparse": true }),
        // Not Rocket.Chat's: names of rooms without regard to case.
        (ROOMS, doc! { "key": { "name": 1 }, "name": "rolekeeper_name_insensitive", "collation": insensitive }),
        // Not Rocket.Chat's: the rooms of a kind in the orders in which they are listed, page by page.
        (ROOMS, doc! { "key": { "t": 1, "name": 1, "_id": 1 }, "name": "rolekeeper_t_name" }),
        (ROOMS, doc! { "key": { "t": 1, "ts": 1, "_id": 1 }, "name": "rolekeeper_t_ts" }),
        (ROOMS, doc! { "key": { "u._id": 1 }, "name": "u._id_1" }),
        (ROOMS, doc! { "key": { "default": 1 }, "name": "default_1", "sparse": true }),
        (TRASH, doc! { "key": { "__collection__": 1 }, "name": "__collection___1" }),
        (TRASH, doc! { "key": { "__collection__": 1, "_deletedAt": 1 }, "name": "rolekeeper_collection_deletedAt" }),
        // What somebody was a member of.
        (
            TRASH,
            doc! {
                "key": { "u._id": 1, "_deletedAt": 1 },
                "name": "rolekeeper_member_deletedAt",
                "partialFilterExpression": { "__collection__": "subscription" },
            },
        ),
        (TRASH, doc! { "key": { "_deletedAt": 1 }, "name": "_deletedAt_1", "expireAfterSeconds": TRASH_SECONDS }),
        (AUDIT, doc! { "key": { "at": 1, "_id": 1 }, "name": "at_1__id_1" }),
        // What waits for its place in a chain, in the order in which it gets one.
        (
            AUDIT,
            doc! {
                "key": { "sealed": 1, "at": 1, "_id": 1 },
                "name": "sealed_1_at_1__id_1",
                "partialFilterExpression": { "sealed": false },
            },
        ),
        // The chains.
        (
            AUDIT,
            doc! {
                "key": { "chain.scope": 1, "chain.seq": 1 },
                "name": "chain.scope_1_chain.seq_1",
                "unique": true,
                "partialFilterExpression": { "chain.seq": { "$exists": true } },
            },
        ),
        (SECOND_FACTORS, expiring()),
        (LOGIN_FAILURES, doc! { "key": { "account": 1, "at": 1 }, "name": "account_1_at_1" }),
        (LOGIN_FAILURES, doc! { "key": { "address": 1, "at": 1 }, "name": "address_1_at_1" }),
        (LOGIN_FAILURES, expiring()),
        // An organization's part of the record, in order.
        (
            AUDIT,
            doc! {
                "key": { "organization": 1, "at": -1, "_id": -1 },
                "name": "organization_1_at_-1__id_-1",
                "partialFilterExpression": { "organization": { "$exists": true } },
            },
        ),
        (
            ORGANIZATION_ROLES,
            doc! {
                "key": { "organization": 1, "nameKey": 1 },
                "name": "organization_1_nameKey_1",
                "unique": true,
            },
        ),
        (
            ORGANIZATION_MEMBERS,
            doc! { "key": { "organization": 1, "user": 1 }, "name": "organization_1_user_1", "unique": true },
        ),
        (
            ORGANIZATION_MEMBERS,
            doc! {
                "key": { "organization": 1, "roles.role": 1, "user": 1 },
                "name": "organization_1_roles.role_1_user_1",
            },
        ),
        (ORGANIZATION_MEMBERS, doc! { "key": { "user": 1, "organization": 1 }, "name": "user_1_organization_1" }),
        (RECEIPTS, doc! { "key": { "startedAt": 1 }, "name": "startedAt_1" }),
        // Nodes that are gone.
        (NODES, doc! { "key": { "at": 1 }, "name": "at_1", "expireAfterSeconds": NODE_SECONDS }),
    ]
}

/// Removes a document when its own time has come.
fn expiring() -> Document {
    doc! { "key": { "expiresAt": 1 }, "name": "expiresAt_1", "expireAfterSeconds": 0 }
}

/// Collections that are looked at together; each takes a connection.
const AT_ONCE: usize = 5;

/// Makes what is missing. Several nodes may do so at once.
pub(super) async fn prepare(database: &Database) -> Result<()> {
    let present = present(database).await?;
    let needed = needed();
    // Some at the same time: one after the other, a database that is far away would be waited for that many times.
    let made = ALL.into_iter().map(|collection| {
        let needed = needed.iter().filter(move |(owner, _)| *owner == collection).map(|(_, index)| index);
        prepare_collection(database, collection, !present.contains(collection), needed)
    });
    stream::iter(made).buffer_unordered(AT_ONCE).try_collect().await
}

/// One collection and its indexes. Those that are missing are made one after the other, as the server would do anyway.
async fn prepare_collection(
    database: &Database,
    collection: &str,
    is_missing: bool,
    needed: impl Iterator<Item = &Document>,
) -> Result<()> {
    if is_missing {
        make(database, collection).await?;
    }
    let present = existing(database, collection).await?;
    for index in needed {
        if !present.iter().any(|other| is_same(other, index)) {
            create(database, collection, index).await?;
        }
    }
    Ok(())
}

/// Makes the collections that are missing.
pub(super) async fn make_collections(database: &Database) -> Result<()> {
    let present = present(database).await?;
    for name in ALL.into_iter().filter(|name| !present.contains(*name)) {
        make(database, name).await?;
    }
    Ok(())
}

async fn present(database: &Database) -> Result<HashSet<String>> {
    Ok(database.list_collection_names().await.map_err(store_error)?.into_iter().collect())
}

async fn make(database: &Database, collection: &str) -> Result<()> {
    match database.create_collection(collection).await {
        Err(error) if code(&error) != Some(EXISTS) => Err(store_error(error)),
        _ => Ok(()),
    }
}

/// The specifications of a collection's indexes, read as they are: a foreign one may hold anything.
async fn existing(database: &Database, collection: &str) -> Result<Vec<Document>> {
    match database.run_cursor_command(doc! { "listIndexes": collection }).await {
        Ok(cursor) => cursor.try_collect().await.map_err(store_error),
        Err(error) if code(&error) == Some(NOT_FOUND) => Ok(Vec::new()),
        Err(error) => Err(store_error(error)),
    }
}

/// Whether two specifications index the same values in the same order. The server tells indexes apart by key and
/// collation; directions may be stored as any numeric type.
fn is_same(one: &Document, other: &Document) -> bool {
    key(one) == key(other) && locale(one) == locale(other)
}

fn key(index: &Document) -> Vec<(String, String)> {
    let Ok(key) = index.get_document("key") else {
        return Vec::new();
    };
    let direction = |value: &Bson| match value {
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) => format!("{number:.0}"),
        other => other.to_string(),
    };
    key.iter().map(|(field, value)| (field.clone(), direction(value))).collect()
}

fn locale(index: &Document) -> &str {
    let collation = index.get_document("collation").ok();
    collation.and_then(|collation| collation.get_str("locale").ok()).unwrap_or("simple")
}

async fn create(database: &Database, collection: &str, index: &Document) -> Result<()> {
    let command = doc! { "createIndexes": collection, "indexes": [index.clone()] };
    let Err(error) = database.run_command(command).await else {
        return Ok(());
    };
    let name = index.get_str("name").unwrap_or_default();
    if is_duplicate(&error) {
        return Err(StoreError::Unavailable(format!(
            "the unique index {name} of {collection} cannot be built because several documents have the same value; \
             resolve the duplicates and start again"
        )));
    }
    match store_error(error) {
        StoreError::Backend(reason) => {
            Err(StoreError::Unavailable(format!("the index {name} of {collection} cannot be built: {reason}")))
        }
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_with_another_collation_is_another_index() {
        let plain = doc! { "key": { "username": 1 } };
        let insensitive = doc! { "key": { "username": 1 }, "collation": { "locale": "en", "strength": 2 } };
        assert!(!is_same(&plain, &insensitive));
    }

    #[test]
    fn name_options_and_the_type_of_the_direction_do_not_matter() {
        let ours = doc! { "key": { "rid": 1, "u._id": 1 }, "name": "a", "unique": true };
        assert!(is_same(&ours, &doc! { "key": { "rid": 1.0, "u._id": 1_i64 }, "name": "b" }));
        assert!(!is_same(&ours, &doc! { "key": { "u._id": 1, "rid": 1 }, "name": "a" }));
        assert!(!is_same(&ours, &doc! { "key": { "rid": 1, "u._id": -1 } }));
    }

    #[test]
    fn no_index_is_needed_twice() {
        let needed = needed();
        for (number, (collection, index)) in needed.iter().enumerate() {
            let twins =
                needed.iter().skip(number + 1).filter(|(other, twin)| other == collection && is_same(index, twin));
            assert_eq!(twins.count(), 0, "{collection} {index}");
        }
    }
}
