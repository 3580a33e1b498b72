//! Promises of `CheckStore`: what is wrong is found, what is not is not, and a repair does what it says, once. Everything
//! wrong is planted past the store, because no operation of it would write that.

use mongodb::Database;
use mongodb::bson::{Document, doc};
use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::{AuditContext, Change};
use rolekeeper::domain::finding::{Check, Finding, Parent, Severity};
use rolekeeper::domain::ids::{OrganizationId, PermissionId, RoleId, UserId};
use rolekeeper::domain::permission::ACCESS_PERMISSIONS;
use rolekeeper::domain::role::{ADMIN, MODERATOR, OWNER, RoleScope, USER};
use rolekeeper::domain::room::Room;
use rolekeeper::domain::setting::DEFAULT_ROLES_OF_NEW_USERS;
use rolekeeper::domain::system_role;
use rolekeeper::domain::user::User;
use rolekeeper::service::doctor::{Report, Summary, Treatment, examine};
use rolekeeper::store::{Conflict, Seed, StoreError, Unique};
use rusqlite::Connection;

use crate::fixtures::{nobody, nowhere, role_id};
use crate::support::clock::START;
use crate::support::stores::{Raw, TestStore};

impl TestStore {
    /// Everything that is found, and what came of it in numbers.
    async fn examined(&self, treatment: Treatment) -> (Vec<Finding>, Summary) {
        let mut found = Vec::new();
        let mut keep = |report: Report<'_>| {
            if let Report::Found(finding) = report {
                found.push(finding.clone());
            }
        };
        let summary = examine(self.keeper.as_ref(), self.clock.as_ref(), treatment, &mut keep).await.unwrap();
        (found, summary)
    }

    pub async fn findings(&self) -> Vec<Finding> {
        self.examined(Treatment::Examine).await.0
    }

    /// Asserts that no invariant is broken, but for those of a workspace as small as those of the tests.
    pub async fn assert_sound(&self) {
        let broken = self.findings().await.into_iter().filter(|finding| {
            let small = matches!(finding, Finding::NoAdministrator | Finding::NobodyAdministersPermissions);
            finding.severity() == Severity::Problem && !small
        });
        assert_eq!(broken.collect::<Vec<_>>(), [], "the workspace is sound");
    }

    /// Writes past the store and past the references between its tables, or into its database; whether that was possible:
    /// in memory there is no way past the references.
    async fn plant(&self, sql: &str, documents: impl AsyncFnOnce(&Database)) -> bool {
        match (&self.raw, self.file()) {
            (Raw::Mongo(database), _) => documents(database).await,
            (Raw::Sqlite(_), None) => return false,
            (Raw::Sqlite(_), Some(file)) => {
                let connection = Connection::open(file).unwrap();
                connection.pragma_update(None, "foreign_keys", false).unwrap();
                connection.execute_batch(sql).unwrap();
            }
        }
        true
    }

    /// As [`TestStore::plant`], for what no reference is in the way of.
    async fn plant_anywhere(&self, sql: &str, documents: impl AsyncFnOnce(&Database)) {
        match &self.raw {
            Raw::Sqlite(store) => store.run_sql(sql).await.unwrap(),
            Raw::Mongo(database) => documents(database).await,
        }
    }

    /// Asserts that these findings and no others are there, that repairing them leaves none of those that can be repaired,
    /// each with its entry on record, and that repairing them again does nothing.
    async fn finds_and_repairs(&self, expected: &[Finding]) {
        assert_eq!(without_locks(self.findings().await, expected), expected);
        self.clock.advance(1_000);
        let before = self.record().await.len();
        let (found, summary) = self.examined(Treatment::Repair).await;
        let locks = found.len();
        let found = without_locks(found, expected);
        let locks = (locks - found.len()) as u64;
        assert_eq!(found, expected);
        let repairable: Vec<_> = expected.iter().filter(|finding| finding.repair().is_some()).cloned().collect();
        assert_eq!(summary.repaired - locks, repairable.len() as u64);
        let entries = self.record().await.split_off(before);
        assert!(entries.iter().all(|entry| entry.context == AuditContext::system(self.clock.now())));
        let recorded = entries.into_iter().map(|entry| match entry.change {
            Change::Repaired { repaired } => repaired,
            other => panic!("{other:?}"),
        });
        let on_record = |finding: &&Finding| !matches!(finding, Finding::StrayLock { .. });
        assert_eq!(recorded.collect::<Vec<_>>(), repairable.iter().filter(on_record).cloned().collect::<Vec<_>>());
        let left: Vec<_> = expected.iter().filter(|finding| finding.repair().is_none()).cloned().collect();
        assert_eq!(self.findings().await, left);
        self.refuses_to_repair_again(&repairable).await;
    }

    async fn refuses_to_repair_again(&self, findings: &[Finding]) {
        let before = self.record().await;
        for finding in findings {
            assert!(!self.keeper.repair(finding, &self.later()).await.unwrap(), "{finding}");
        }
        assert_eq!(self.record().await, before);
    }
}

/// Operations before may have locked what was then planted to be gone: locks are left out unless a test is about them.
fn without_locks(mut found: Vec<Finding>, expected: &[Finding]) -> Vec<Finding> {
    let is_lock = |finding: &Finding| matches!(finding, Finding::StrayLock { .. });
    if !expected.iter().any(is_lock) {
        found.retain(|finding| !is_lock(finding));
    }
    found
}

/// A workspace with somebody, somewhere, in everything.
struct Workspace {
    root: User,
    ann: User,
    room: Room,
    organization: OrganizationId,
    deputy: RoleId,
}

async fn workspace(test: &TestStore) -> Workspace {
    test.store.seed(Seed::defaults(test.clock.now()), &test.by()).await.unwrap();
    let (root, ann) = (test.admin("root").await, test.user("ann").await);
    let room = test.room("den", &root, &[&ann]).await;
    let deputy = test.role("deputy", RoleScope::Users).await.id;
    test.assign(&deputy, &ann, None).await;
    test.assign(&role_id(MODERATOR), &ann, Some(&room)).await;
    let organization = test.organization("Acme", &root).await;
    Workspace { root, ann, room, organization, deputy }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn change(database: &Database, collection: &str, filter: Document, change: Document) {
    let outcome = database.collection::<Document>(collection).update_one(filter, change).await.unwrap();
    assert_eq!(outcome.matched_count, 1);
}

fn gone() -> Vec<RoleId> {
    vec![role_id("gone")]
}

async fn a_workspace_that_only_the_store_has_written_is_sound(test: &TestStore) {
    workspace(test).await;
    assert_eq!(test.findings().await, []);
}

async fn roles_that_do_not_exist_are_taken_from_accounts(test: &TestStore) {
    let Workspace { ann, .. } = workspace(test).await;
    let ann = test.reload(&ann).await;
    let id = ann.id.as_str();
    let sql = format!("INSERT INTO user_roles (user_id, position, role_id) VALUES ({}, 7, 'gone')", quoted(id));
    let push = doc! { "$push": { "roles": "gone" } };
    if !test.plant(&sql, async |database| change(database, "users", doc! { "_id": id }, push).await).await {
        return;
    }
    test.finds_and_repairs(&[Finding::UnknownRolesOfAccount { user: ann.id.clone(), roles: gone() }]).await;
    let after = test.reload(&ann).await;
    assert_eq!(after.roles, ann.roles);
    assert!(after.updated_at > ann.updated_at);
}

async fn roles_that_do_not_exist_are_taken_from_members_of_rooms(test: &TestStore) {
    let Workspace { ann, room, .. } = workspace(test).await;
    let subscription = subscription_of(test, &room, &ann).await;
    let sql = format!(
        "INSERT INTO subscription_roles (subscription_id, position, role_id) VALUES ({}, 7, 'gone')",
        quoted(&subscription)
    );
    let push = doc! { "$push": { "roles": "gone" } };
    let itself = doc! { "_id": &subscription };
    if !test.plant(&sql, async |database| change(database, "rocketchat_subscription", itself, push).await).await {
        return;
    }
    let (room_id, user) = (room.id.clone(), ann.id.clone());
    test.finds_and_repairs(&[Finding::UnknownRolesOfMembership { subscription, room: room_id, user, roles: gone() }])
        .await;
    assert_eq!(test.room_roles(&room, &ann).await, [role_id(MODERATOR)]);
}

async fn subscription_of(test: &TestStore, room: &Room, user: &User) -> String {
    let found = test.store.find_subscription(&room.id, &user.id).await.unwrap();
    found.unwrap().id
}

async fn roles_that_do_not_exist_are_taken_from_permissions_and_settings(test: &TestStore) {
    workspace(test).await;
    let setting = DEFAULT_ROLES_OF_NEW_USERS.id.to_owned();
    test.plant_setting(&setting, "\"user, gone\"").await;
    let push = doc! { "$push": { "roles": "gone" } };
    test.plant_anywhere("INSERT INTO permission_roles VALUES ('create-c', 99, 'gone')", async |database| {
        change(database, "rocketchat_permissions", doc! { "_id": "create-c" }, push).await;
    })
    .await;
    let before = test.permission("create-c").await;
    let permission = PermissionId::from_stored("create-c");
    test.finds_and_repairs(&[
        Finding::UnknownRolesOfPermission { permission, roles: gone() },
        Finding::UnknownRolesOfSetting { setting: setting.clone(), roles: gone() },
    ])
    .await;
    let after = test.permission("create-c").await;
    assert_eq!(after.roles, before.roles[..before.roles.len() - 1]);
    assert!(after.updated_at > before.updated_at);
    assert_eq!(test.store.find_setting(&setting).await.unwrap(), Some("user".into()));
}

async fn roles_that_do_not_exist_are_taken_from_members_of_organizations(test: &TestStore) {
    let Workspace { root, organization, .. } = workspace(test).await;
    let (place, user) = (organization.as_str(), root.id.as_str());
    let sql = format!(
        "INSERT INTO organization_member_roles VALUES ({}, {}, 7, 'gone', 'urol_x', 0)",
        quoted(place),
        quoted(user)
    );
    let held = doc! { "id": "urol_x", "role": "gone", "assignedAt": mongodb::bson::DateTime::from_millis(0) };
    test.plant_anywhere(&sql, async |database| {
        let push = doc! { "$push": { "roles": held } };
        change(database, "rolekeeper_organization_members", doc! { "organization": place, "user": user }, push).await;
    })
    .await;
    let (organization, user) = (organization.clone(), root.id.clone());
    test.finds_and_repairs(&[Finding::UnknownRolesOfMember { organization, user, roles: gone() }]).await;
}

async fn a_membership_of_a_room_that_is_gone_ends(test: &TestStore) {
    let Workspace { root, ann, room, .. } = workspace(test).await;
    let mut strays = Vec::new();
    for user in [&root, &ann] {
        strays.push((subscription_of(test, &room, user).await, user.id.clone()));
    }
    strays.sort();
    let sql = format!("DELETE FROM rooms WHERE id = {}", quoted(room.id.as_str()));
    let itself = doc! { "_id": room.id.as_str() };
    if !test.plant(&sql, async |database| remove(database, "rocketchat_room", itself).await).await {
        return;
    }
    let stray = |(subscription, user)| Finding::StrayMembership {
        subscription,
        room: room.id.clone(),
        user,
        missing: Parent::Room,
    };
    test.finds_and_repairs(&strays.into_iter().map(stray).collect::<Vec<_>>()).await;
}

async fn memberships_of_an_account_that_is_gone_end(test: &TestStore) {
    let Workspace { ann, room, organization, .. } = workspace(test).await;
    test.join(&organization, &ann).await;
    let subscription = subscription_of(test, &room, &ann).await;
    let id = quoted(ann.id.as_str());
    // What else of the account there is in tables is reached through its rows alone.
    let sql = format!("DELETE FROM users WHERE id = {id}; DELETE FROM user_roles WHERE user_id = {id};");
    let itself = doc! { "_id": ann.id.as_str() };
    if !test.plant(&sql, async |database| remove(database, "users", itself).await).await {
        return;
    }
    let (room_id, user) = (room.id.clone(), ann.id.clone());
    test.finds_and_repairs(&[
        Finding::StrayMembership { subscription, room: room_id, user: user.clone(), missing: Parent::Account },
        Finding::StrayMember { organization, user, missing: Parent::Account },
    ])
    .await;
    assert_eq!(test.store.find_room(&room.id).await.unwrap().unwrap().members, 1);
}

async fn what_belongs_to_an_organization_that_is_gone_goes(test: &TestStore) {
    let Workspace { root, organization, .. } = workspace(test).await;
    let new = test.new_custom_role("clerk");
    let role = test.store.create_organization_role(&organization, new, &test.order()).await.unwrap().role.id;
    let sql = format!("DELETE FROM organizations WHERE id = {}", quoted(organization.as_str()));
    let itself = doc! { "_id": organization.as_str() };
    if !test.plant(&sql, async |database| remove(database, "rolekeeper_organizations", itself).await).await {
        return;
    }
    test.finds_and_repairs(&[
        Finding::StrayMember {
            organization: organization.clone(),
            user: root.id.clone(),
            missing: Parent::Organization,
        },
        Finding::StrayOrganizationRole { organization, role },
    ])
    .await;
}

async fn remove(database: &Database, collection: &str, filter: Document) {
    let outcome = database.collection::<Document>(collection).delete_one(filter).await.unwrap();
    assert_eq!(outcome.deleted_count, 1);
}

async fn tokens_of_a_deactivated_account_end(test: &TestStore) {
    let Workspace { ann, .. } = workspace(test).await;
    let token = rolekeeper::domain::token::TokenText::new("left").hash();
    test.plant_personal_token(&ann.id, &token).await;
    assert_eq!(test.findings().await, [], "the account is active");
    let sql = format!("UPDATE users SET active = 0 WHERE id = {}", quoted(ann.id.as_str()));
    let itself = doc! { "_id": ann.id.as_str() };
    let off = doc! { "$set": { "active": false } };
    test.plant_anywhere(&sql, async |database| change(database, "users", itself, off).await).await;
    test.finds_and_repairs(&[Finding::TokensOfDeactivated { user: ann.id.clone() }]).await;
    assert_eq!(test.store.find_token_owner(&token).await.unwrap(), None);
}

async fn names_that_differ_in_case_alone_are_found_and_left_to_somebody(test: &TestStore) {
    let Workspace { root, ann, room, .. } = workspace(test).await;
    let other = test.room("cave", &root, &[]).await;
    let sql = format!(
        "UPDATE users SET username = 'ANN' WHERE id = {0}; \
         UPDATE user_emails SET address = 'Ann@Example.org' WHERE user_id = {0}; \
         UPDATE rooms SET name = 'Den' WHERE id = {1}",
        quoted(root.id.as_str()),
        quoted(other.id.as_str())
    );
    test.plant_anywhere(&sql, async |database| {
        let account = doc! { "$set": { "username": "ANN", "emails.0.address": "Ann@Example.org" } };
        change(database, "users", doc! { "_id": root.id.as_str() }, account).await;
        let room = doc! { "$set": { "name": "Den" } };
        change(database, "rocketchat_room", doc! { "_id": other.id.as_str() }, room).await;
    })
    .await;
    let found = test.findings().await;
    let [
        Finding::SameUsername { username, users },
        Finding::SameAddress { address, users: owners },
        Finding::SameRoomName { name, rooms },
    ] = &found[..]
    else {
        panic!("{found:?}");
    };
    let sorted = |mut ids: Vec<UserId>| {
        ids.sort();
        ids
    };
    assert_eq!((username.to_lowercase().as_str(), address.to_lowercase().as_str()), ("ann", "ann@example.org"));
    let both = sorted(vec![root.id.clone(), ann.id.clone()]);
    assert_eq!((sorted(users.clone()), sorted(owners.clone())), (both.clone(), both));
    assert_eq!(name.to_lowercase(), "den");
    assert!(rooms.contains(&room.id) && rooms.contains(&other.id) && rooms.len() == 2);
    let (_, summary) = test.examined(Treatment::Repair).await;
    assert_eq!((summary.problems, summary.repaired, summary.left), (3, 0, 3));
    assert_eq!(test.findings().await, found);
}

async fn built_in_roles_and_permissions_come_back(test: &TestStore) {
    workspace(test).await;
    let sql = "DELETE FROM roles WHERE id = 'guest'; DELETE FROM permissions WHERE id = 'view-logs'; \
         UPDATE roles SET name = 'chief', name_key = 'chief', protected = 0 WHERE id = 'leader'";
    test.plant_anywhere(sql, async |database| {
        remove(database, "rocketchat_roles", doc! { "_id": "guest" }).await;
        remove(database, "rocketchat_permissions", doc! { "_id": "view-logs" }).await;
        let renamed = doc! { "$set": { "name": "chief", "protected": false } };
        change(database, "rocketchat_roles", doc! { "_id": "leader" }, renamed).await;
    })
    .await;
    test.finds_and_repairs(&[
        Finding::AlteredRole { role: role_id("leader"), name: "chief".to_owned() },
        Finding::MissingRole { role: role_id("guest") },
        Finding::MissingPermissions { permissions: vec![PermissionId::from_stored("view-logs")] },
    ])
    .await;
    assert_eq!(test.permission("view-logs").await.roles, [role_id(ADMIN)]);
}

async fn a_name_that_is_taken_is_not_given_twice(test: &TestStore) {
    workspace(test).await;
    let renamed = "UPDATE roles SET name = 'leader', name_key = 'leader' WHERE name = 'deputy'";
    let sql = format!("UPDATE roles SET name = 'x', name_key = 'x' WHERE id = 'leader'; {renamed}");
    test.plant_anywhere(&sql, async |database| {
        let name = |name: &str| doc! { "$set": { "name": name } };
        change(database, "rocketchat_roles", doc! { "_id": "leader" }, name("x")).await;
        change(database, "rocketchat_roles", doc! { "name": "deputy" }, name("leader")).await;
    })
    .await;
    let altered = Finding::AlteredRole { role: role_id("leader"), name: "x".to_owned() };
    test.refuses(StoreError::AlreadyExists(Unique::RoleName), test.keeper.repair(&altered, &test.by())).await;
    let found = test.findings().await;
    assert!(matches!(&found[..], [first, Finding::SameRoleName { .. }] if *first == altered), "{found:?}");
}

async fn a_role_gets_the_fields_that_it_lacks(test: &TestStore) {
    let Workspace { deputy, .. } = workspace(test).await;
    let sql = format!("UPDATE roles SET scope = 'Everywhere' WHERE id = {}", quoted(deputy.as_str()));
    let without = doc! { "$unset": { "scope": "", "description": "" } };
    let itself = doc! { "_id": deputy.as_str() };
    test.plant_anywhere(&sql, async |database| change(database, "rocketchat_roles", itself, without).await).await;
    let fields = match &test.raw {
        Raw::Sqlite(_) => vec!["scope".to_owned()],
        Raw::Mongo(_) => vec!["scope".to_owned(), "description".to_owned()],
    };
    let finding = Finding::IncompleteRole { role: deputy.clone(), fields };
    assert_eq!(test.keeper.incomplete_roles().await.unwrap(), std::slice::from_ref(&finding));
    let (_, summary) = test.examined(Treatment::Repair).await;
    assert_eq!((summary.problems, summary.left), (1, 0));
    assert_eq!(test.store.find_role(&deputy).await.unwrap().unwrap().scope, RoleScope::Users);
    assert_eq!(test.keeper.incomplete_roles().await.unwrap(), []);
    test.refuses_to_repair_again(&[finding]).await;
}

async fn a_workspace_without_administrator_is_found(test: &TestStore) {
    let Workspace { root, organization, .. } = workspace(test).await;
    let sql = format!("UPDATE users SET active = 0 WHERE id = {}", quoted(root.id.as_str()));
    let itself = doc! { "_id": root.id.as_str() };
    let off = doc! { "$set": { "active": false } };
    test.plant_anywhere(&sql, async |database| change(database, "users", itself, off).await).await;
    let expected = [
        Finding::OrganizationWithoutOwner { organization },
        Finding::NoAdministrator,
        Finding::NobodyAdministersPermissions,
    ];
    test.finds_and_repairs(&expected).await;
}

async fn a_room_that_lost_its_owner_is_worth_a_notice(test: &TestStore) {
    let Workspace { root, room, .. } = workspace(test).await;
    let subscription = subscription_of(test, &room, &root).await;
    let sql = format!("DELETE FROM subscription_roles WHERE subscription_id = {}", quoted(&subscription));
    let none = doc! { "$set": { "roles": [] } };
    test.plant_anywhere(&sql, async |database| {
        change(database, "rocketchat_subscription", doc! { "_id": &subscription }, none).await;
    })
    .await;
    test.finds_and_repairs(&[Finding::RoomWithoutOwner { room: room.id.clone() }]).await;
    assert_eq!(test.examined(Treatment::Examine).await.1.left, 0, "no problem");
}

async fn what_somebody_administers_permissions_by_is_not_taken(test: &TestStore) {
    let Workspace { root, .. } = workspace(test).await;
    let id = root.id.as_str();
    let sql = format!(
        "INSERT INTO user_roles (user_id, position, role_id) VALUES ({}, 7, 'gone'); \
         DELETE FROM permission_roles WHERE permission_id = '{ACCESS_PERMISSIONS}'; \
         INSERT INTO permission_roles VALUES ('{ACCESS_PERMISSIONS}', 0, 'gone')",
        quoted(id)
    );
    let planted = test.plant(&sql, async |database| {
        change(database, "users", doc! { "_id": id }, doc! { "$push": { "roles": "gone" } }).await;
        let alone = doc! { "$set": { "roles": ["gone"] } };
        change(database, "rocketchat_permissions", doc! { "_id": ACCESS_PERMISSIONS }, alone).await;
    });
    if !planted.await {
        return;
    }
    let (of_account, of_permission) = (
        Finding::UnknownRolesOfAccount { user: root.id.clone(), roles: gone() },
        Finding::UnknownRolesOfPermission { permission: PermissionId::from_stored(ACCESS_PERMISSIONS), roles: gone() },
    );
    assert_eq!(test.findings().await, [of_permission.clone(), of_account.clone()]);
    for finding in [of_account, of_permission] {
        test.refuses(Conflict::PermissionsLockout, test.keeper.repair(&finding, &test.by())).await;
    }
    assert_eq!(test.examined(Treatment::Repair).await.1.left, 2);
}

async fn a_repair_of_what_is_sound_changes_nothing(test: &TestStore) {
    let Workspace { root, ann, room, organization, deputy } = workspace(test).await;
    let subscription = subscription_of(test, &room, &ann).await;
    let (user, room_id) = (ann.id.clone(), room.id.clone());
    let (held, owner) = (vec![deputy.clone(), role_id(USER)], vec![role_id(system_role::OWNER)]);
    let sound = [
        Finding::IncompleteRole { role: deputy.clone(), fields: vec!["scope".to_owned()] },
        Finding::MissingRole { role: role_id(ADMIN) },
        Finding::MissingRole { role: role_id("never-built-in") },
        Finding::AlteredRole { role: role_id(ADMIN), name: "x".to_owned() },
        Finding::AlteredRole { role: deputy.clone(), name: "x".to_owned() },
        Finding::MissingPermissions { permissions: vec![PermissionId::from_stored(ACCESS_PERMISSIONS)] },
        Finding::UnknownRolesOfPermission {
            permission: PermissionId::from_stored(ACCESS_PERMISSIONS),
            roles: vec![role_id(ADMIN)],
        },
        Finding::UnknownRolesOfAccount { user: user.clone(), roles: held },
        Finding::UnknownRolesOfAccount { user: nobody(), roles: gone() },
        Finding::UnknownRolesOfMembership {
            subscription: subscription.clone(),
            room: room_id.clone(),
            user: user.clone(),
            roles: vec![role_id(MODERATOR)],
        },
        Finding::UnknownRolesOfMember { organization: organization.clone(), user: root.id.clone(), roles: owner },
        Finding::StrayMembership { subscription, room: room_id, user: user.clone(), missing: Parent::Room },
        Finding::StrayMembership {
            subscription: "none".to_owned(),
            room: nowhere(),
            user: nobody(),
            missing: Parent::Room,
        },
        Finding::StrayMember { organization, user: root.id.clone(), missing: Parent::Account },
        Finding::TokensOfDeactivated { user },
        Finding::StrayLock { lock: format!("room:{}", room.id) },
        Finding::StrayLock { lock: "administration".to_owned() },
        Finding::NoAdministrator,
    ];
    test.refuses_to_repair_again(&sound).await;
    assert_eq!(test.findings().await, []);
    assert_eq!(test.room_roles(&room, &ann).await, [role_id(MODERATOR)]);
    assert_eq!(test.room_roles(&room, &root).await, [role_id(OWNER)]);
}

async fn a_search_goes_on_where_it_stopped(test: &TestStore) {
    workspace(test).await;
    let mut expected = Vec::new();
    for number in 0..5 {
        let user = test.user(&format!("user{number}")).await;
        test.plant_personal_token(&user.id, &rolekeeper::domain::token::TokenText::new(format!("{number}")).hash())
            .await;
        let sql = format!("UPDATE users SET active = 0 WHERE id = {}", quoted(user.id.as_str()));
        let itself = doc! { "_id": user.id.as_str() };
        let off = doc! { "$set": { "active": false } };
        test.plant_anywhere(&sql, async |database| change(database, "users", itself, off).await).await;
        expected.push(Finding::TokensOfDeactivated { user: user.id });
    }
    expected.sort_by_key(ToString::to_string);
    for limit in [1, 2, 5, 6] {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = test.keeper.find(Check::Tokens, after.as_deref(), limit).await.unwrap();
            assert!(page.findings.len() as u64 <= limit);
            found.extend(page.findings);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{limit} at a time");
    }
}

on_every_backend![
    empty:
    a_workspace_that_only_the_store_has_written_is_sound,
    roles_that_do_not_exist_are_taken_from_accounts,
    roles_that_do_not_exist_are_taken_from_members_of_rooms,
    roles_that_do_not_exist_are_taken_from_permissions_and_settings,
    roles_that_do_not_exist_are_taken_from_members_of_organizations,
    a_membership_of_a_room_that_is_gone_ends,
    memberships_of_an_account_that_is_gone_end,
    what_belongs_to_an_organization_that_is_gone_goes,
    tokens_of_a_deactivated_account_end,
    names_that_differ_in_case_alone_are_found_and_left_to_somebody,
    built_in_roles_and_permissions_come_back,
    a_name_that_is_taken_is_not_given_twice,
    a_role_gets_the_fields_that_it_lacks,
    a_workspace_without_administrator_is_found,
    a_room_that_lost_its_owner_is_worth_a_notice,
    what_somebody_administers_permissions_by_is_not_taken,
    a_repair_of_what_is_sound_changes_nothing,
    a_search_goes_on_where_it_stopped,
];

/// What only documents can be.
mod of_rocket_chat {
    use super::*;
    use crate::fixtures::run_on_empty;
    use crate::support::stores::Backend;

    async fn what_rocket_chat_writes_is_sound(test: &TestStore) {
        let Workspace { ann, .. } = workspace(test).await;
        let at = mongodb::bson::DateTime::from_millis(START.as_millis());
        for account in [
            doc! { "_id": "rocket.cat", "username": "rocket.cat", "type": "bot", "active": true, "roles": ["bot"], "avatarOrigin": "local" },
            doc! { "_id": "some-app.id", "username": "some-app", "type": "app", "active": true, "roles": ["app"], "appId": "x" },
            doc! { "_id": "no-roles", "username": "no-roles", "type": "user", "active": true },
            doc! { "_id": "null-roles", "username": "null-roles", "type": "user", "active": true, "roles": null },
            doc! { "_id": "no-name-1", "type": "user", "active": true, "roles": ["user"], "emails": null },
            doc! { "_id": "no-name-2", "type": "user", "active": false, "roles": ["user"], "services": { "resume": { "loginTokens": [] } } },
            doc! { "_id": "federated", "username": "@fed:example.org", "federated": true, "roles": ["federated-external"] },
        ] {
            test.insert("users", account).await;
        }
        let rooms = [("direct", "d"), ("livechat", "l"), ("voip", "v"), ("discussion", "p")];
        for (id, kind) in rooms {
            let mut room =
                doc! { "_id": id, "t": kind, "ts": at, "usersCount": 1, "msgs": 4, "v": { "_id": "visitor" } };
            if kind == "p" {
                room.extend(doc! { "name": "discussion", "prid": "GENERAL", "u": { "_id": ann.id.as_str() } });
            }
            test.insert("rocketchat_room", room).await;
            let mut subscription =
                doc! { "_id": format!("s-{id}"), "rid": id, "t": kind, "u": { "_id": ann.id.as_str() }, "ts": at };
            if kind == "p" {
                subscription.insert("roles", ["owner"].to_vec());
            }
            if kind == "l" {
                subscription.insert("roles", mongodb::bson::Bson::Null);
            }
            test.insert("rocketchat_subscription", subscription).await;
        }
        test.insert("rocketchat_permissions", doc! { "_id": "of-an-app", "_updatedAt": at }).await;
        let monitor = doc! { "_id": "can-audit", "roles": ["admin", "auditor"], "_updatedAt": at };
        test.insert("rocketchat_permissions", monitor).await;
        // As a role was before there were ids of their own.
        let old = doc! { "_id": "old", "name": "old", "scope": "Users", "description": "", "protected": false };
        test.insert("rocketchat_roles", old).await;
        assert_eq!(test.findings().await, []);
    }

    #[tokio::test]
    async fn is_sound() {
        run_on_empty(Backend::Mongo, what_rocket_chat_writes_is_sound).await;
    }

    async fn locks_of_what_is_gone_are_removed(test: &TestStore) {
        let Workspace { ann, room, deputy, organization, .. } = workspace(test).await;
        let mut expected = Vec::new();
        for (kind, there) in [
            ("role", deputy.as_str()),
            ("room", room.id.as_str()),
            ("account", ann.id.as_str()),
            ("organization", organization.as_str()),
        ] {
            let locks = test.documents("rolekeeper_locks", doc! { "_id": format!("{kind}:{there}") }).await.unwrap();
            if locks.is_empty() {
                test.insert("rolekeeper_locks", doc! { "_id": format!("{kind}:{there}") }).await;
            }
            let lock = format!("{kind}:with:colon");
            test.insert("rolekeeper_locks", doc! { "_id": &lock, "taken": 3_i64 }).await;
            expected.push(Finding::StrayLock { lock });
        }
        test.finds_and_repairs(&expected).await;
    }

    #[tokio::test]
    async fn locks_go_with_what_they_are_of() {
        run_on_empty(Backend::Mongo, locks_of_what_is_gone_are_removed).await;
    }
}
