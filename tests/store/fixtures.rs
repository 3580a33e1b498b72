//! What the tests are written with: people, roles and rooms in one line each, the record of changes, and the assertion
//! that a refusal left everything as it was.

use std::fmt::Debug;

use rolekeeper::clock::{Clock as _, Ids as _};
use rolekeeper::domain::audit::{AuditEntry, Change};
use rolekeeper::domain::ids::{PermissionId, RoleId, RoomId, UserId};
use rolekeeper::domain::permission::{ACCESS_PERMISSIONS, Grant, Permission};
use rolekeeper::domain::role::{ADMIN, Assignment, NewRole, Role, RoleDefinition, RoleScope, USER};
use rolekeeper::domain::room::{NewRoom, Room, RoomKind};
use rolekeeper::domain::time::Timestamp;
use rolekeeper::domain::user::{EmailAddress, NewUser, User};
use rolekeeper::store::{Page, Result, Seed, StoreError};

use crate::support::stores::{Backend, TestStore, fresh};

/// Everything, from the start.
pub const ALL: Page = Page { offset: 0, count: None };
/// The permissions of [`small_seed`], in its order.
pub const PERMISSIONS: [&str; 3] = [ACCESS_PERMISSIONS, "create-c", "view-logs"];

/// Runs a test on an empty store.
pub async fn run_on_empty(backend: Backend, body: impl AsyncFn(&TestStore)) {
    let test = fresh(backend).await;
    body(&test).await;
    test.finish().await;
}

/// Runs a test on a store with the default roles, three permissions and one default room.
pub async fn run(backend: Backend, body: impl AsyncFn(&TestStore)) {
    let seeded = async |test: &TestStore| {
        test.store.seed(small_seed(test.clock.now()), &test.by()).await.unwrap();
        test.clock.advance(1_000);
        body(test).await;
    };
    run_on_empty(backend, seeded).await;
}

/// The default roles and room, and few permissions, because a test makes its own.
pub fn small_seed(at: Timestamp) -> Seed {
    let mut seed = Seed::defaults(at);
    seed.permissions.retain(|permission| PERMISSIONS.contains(&permission.id.as_str()));
    seed.permissions.sort_by_key(|permission| permission.id.clone());
    seed
}

pub fn role_id(text: &str) -> RoleId {
    RoleId::from_stored(text)
}

pub fn nobody() -> UserId {
    UserId::from_stored("nobodyNobodyNob23")
}

pub fn nowhere() -> RoomId {
    RoomId::from_stored("no-such-room")
}

pub fn definition(name: &str, scope: RoleScope) -> RoleDefinition {
    RoleDefinition { name: name.to_owned(), description: format!("about {name}"), scope, mandatory2fa: false }
}

pub fn assignment(role: &RoleId, user: &User, room: Option<&Room>) -> Assignment {
    Assignment { role: role.clone(), user: user.id.clone(), room: room.map(|room| room.id.clone()) }
}

pub fn grant(permission: &str, roles: &[&RoleId]) -> Grant {
    Grant { permission: PermissionId::from_stored(permission), roles: roles.iter().copied().cloned().collect() }
}

/// The usernames, in order.
pub fn names(users: &[User]) -> Vec<&str> {
    users.iter().filter_map(|user| user.username.as_deref()).collect()
}

/// What a refusal must not have touched.
#[derive(Debug, PartialEq)]
struct Facts {
    roles: Vec<Role>,
    holders: Vec<Vec<User>>,
    permissions: Vec<Permission>,
    trash: usize,
    record: Vec<AuditEntry>,
}

impl TestStore {
    pub fn new_role(&self, name: &str, scope: RoleScope) -> NewRole {
        NewRole { id: self.ids.role_id(), definition: definition(name, scope) }
    }

    pub async fn role(&self, name: &str, scope: RoleScope) -> Role {
        self.store.create_role(self.new_role(name, scope), &self.by()).await.unwrap()
    }

    pub fn new_user(&self, username: &str, roles: &[&RoleId]) -> NewUser {
        NewUser {
            id: self.ids.user_id(),
            username: username.to_owned(),
            name: format!("Name of {username}"),
            emails: vec![EmailAddress { address: format!("{username}@example.org"), verified: true }],
            password: None,
            roles: roles.iter().copied().cloned().collect(),
            active: true,
            join_default_rooms: false,
            profile: serde_json::Map::new(),
        }
    }

    pub async fn user_with(&self, username: &str, roles: &[&RoleId]) -> User {
        self.store.create_user(self.new_user(username, roles), &self.by()).await.unwrap()
    }

    pub async fn user(&self, username: &str) -> User {
        self.user_with(username, &[&role_id(USER)]).await
    }

    pub async fn admin(&self, username: &str) -> User {
        self.user_with(username, &[&role_id(ADMIN)]).await
    }

    pub fn new_room(&self, name: &str, creator: &User, members: &[&User]) -> NewRoom {
        NewRoom {
            id: self.ids.room_id(),
            name: name.to_owned(),
            kind: RoomKind::Channel,
            creator: creator.id.clone(),
            members: members.iter().filter_map(|user| user.username.clone()).collect(),
            exclude_creator: false,
            read_only: false,
            custom_fields: serde_json::Map::new(),
            details: serde_json::Map::new(),
        }
    }

    pub async fn room(&self, name: &str, creator: &User, members: &[&User]) -> Room {
        self.store.create_room(self.new_room(name, creator, members), &self.by()).await.unwrap()
    }

    pub async fn assign(&self, role: &RoleId, user: &User, room: Option<&Room>) {
        self.store.assign_role(&assignment(role, user, room), &self.by()).await.unwrap();
    }

    /// The account as it is now.
    pub async fn reload(&self, user: &User) -> User {
        self.store.find_user(&user.id).await.unwrap().unwrap()
    }

    pub async fn permission(&self, id: &str) -> Permission {
        self.store.find_permission(&PermissionId::from_stored(id)).await.unwrap().unwrap()
    }

    /// The roles of a member in a room.
    pub async fn room_roles(&self, room: &Room, user: &User) -> Vec<RoleId> {
        self.store.find_room_roles(&room.id, &user.id).await.unwrap().unwrap()
    }

    /// The whole record, oldest first.
    pub async fn record(&self) -> Vec<AuditEntry> {
        let mut entries = self.store.list_audit_entries(10_000).await.unwrap();
        entries.reverse();
        entries
    }

    /// What `act` put on record; every entry has the circumstances of [`TestStore::by`].
    pub async fn recorded(&self, act: impl AsyncFnOnce()) -> Vec<Change> {
        let before = self.record().await.len();
        act().await;
        let entries = self.record().await.split_off(before);
        assert!(entries.iter().all(|entry| entry.context == self.by()), "{entries:?}");
        entries.into_iter().map(|entry| entry.change).collect()
    }

    async fn facts(&self) -> Facts {
        let roles = self.store.list_roles().await.unwrap();
        let mut holders = Vec::new();
        for role in &roles {
            holders.push(self.store.list_holders(role, None, ALL).await.unwrap().items);
        }
        let permissions = self.store.list_permissions().await.unwrap();
        let trash = self.store.roles_changed_since(Timestamp::EPOCH).await.unwrap().removed.len();
        Facts { roles, holders, permissions, trash, record: self.record().await }
    }

    /// Asserts that `act` is refused like that, and that everything is as before.
    pub async fn refuses<T: Debug>(&self, expected: impl Into<StoreError>, act: impl Future<Output = Result<T>>) {
        let before = self.facts().await;
        let refusal = act.await.expect_err("must be refused");
        assert_eq!(refusal, expected.into());
        assert_eq!(self.facts().await, before, "a refusal changes nothing");
    }
}
