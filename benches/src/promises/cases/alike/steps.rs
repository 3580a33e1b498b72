//! What is asked, and by whom: left to chance, from so few names that roles are in use, names are taken and what was deleted
//! comes again; with bodies that nobody should send, and callers who have no right.

use serde_json::{Value, json};

use super::model::Model;
use crate::caller::Call;
use crate::random::Random;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The first administrator, as long as he is one.
    Administrator,
    /// One of the accounts.
    Account(u64),
    /// Without a token.
    Nobody,
    /// With a token that nobody has.
    WrongToken,
}

/// What is asked for. Ids are names of [`super::names`].
#[derive(Debug, Clone)]
pub enum Step {
    /// `roles.create`.
    CreateRole(Definition),
    /// `roles.update`.
    UpdateRole(String, Definition),
    /// `roles.delete`, by id or name.
    DeleteRole(String),
    /// `roles.addUserToRole`.
    Give { username: String, role: Option<String>, room: Option<String> },
    /// `roles.removeUserFromRole`.
    Take { username: String, role: Option<String>, room: Option<String> },
    /// `roles.getUsersInRole`.
    Holders { role: String, room: Option<String>, count: usize, offset: usize },
    /// `roles.getUsersInPublicRoles`.
    PublicHolders,
    /// `roles.list`.
    Roles,
    /// `permissions.listAll`.
    Permissions,
    /// `permissions.update`.
    SetPermissions(Vec<(String, Vec<String>)>),
    /// `permissions.addRole`.
    Grant(String, String),
    /// `permissions.removeRole`.
    Revoke(String, String),
    /// `users.update`.
    UpdateUser { user: String, roles: Option<Vec<String>>, active: Option<bool>, relinquish: bool },
    /// `users.setActiveStatus`.
    SetActive { user: String, active: bool, relinquish: bool },
    /// `users.create`.
    CreateUser { username: String, roles: Option<Vec<String>> },
    /// `users.delete`.
    DeleteUser { username: String, relinquish: bool },
    /// `channels.create`, `groups.create`.
    CreateRoom { group: bool, name: String, members: Vec<String> },
    /// Something with a room that exists or not.
    Room { group: bool, room: String, what: RoomStep },
    /// The surface of organizations.
    Organization(OrganizationStep),
    /// A GET of which only the answers are compared.
    Read(String),
    /// A body that is refused: path, body, the permission that is asked for before it is looked at, the refusal.
    Refused(&'static str, Value, Option<&'static str>, &'static str),
}

/// What is defined of a role; what is `None` is not sent.
#[derive(Debug, Clone)]
pub struct Definition {
    /// `name`.
    pub name: String,
    /// `scope`.
    pub scope: Option<&'static str>,
    /// `description`.
    pub description: Option<&'static str>,
    /// `mandatory2fa`.
    pub mandatory: Option<bool>,
}

/// With a room.
#[derive(Debug, Clone)]
pub enum RoomStep {
    Join,
    Leave,
    Invite(String),
    Kick(String),
    /// `addOwner` and its like: whether given, the role, whose.
    Role(bool, &'static str, String),
    Archive,
    Unarchive,
    Rename(String),
    Delete,
    Members,
    Roles,
}

/// With an organization.
#[derive(Debug, Clone)]
pub enum OrganizationStep {
    Create(String),
    Rename(String, String),
    Delete(String),
    Show(String),
    List,
    Roles(String),
    CreateRole(String, Value),
    UpdateRole(String, String, Value),
    DeleteRole(String, String),
    Holders(String, String),
    Give { organization: String, role: String, user: String },
    Take { organization: String, role: String, user: String },
    Users(String),
    Add(String, String),
    Remove(String, String),
    Effective(String, String),
}

const ROLE_NAMES: [&str; 10] =
    ["Red", "red", "RED ", "Blue", "blue", "green", "Gr\u{fc}n", "GRU\u{308}N", "admin", "Admin"];
const ROOM_NAMES: [&str; 7] = ["one", "One", "two", "three", "general", "not a name", ""];
/// What the operations themselves ask for, and two that they do not; one that is not there.
pub const PERMISSIONS: [&str; 26] = [
    "access-permissions",
    "access-permissions",
    "assign-admin-role",
    "assign-roles",
    "view-other-user-channels",
    "edit-other-user-info",
    "edit-other-user-active-status",
    "manage-moderation-actions",
    "create-user",
    "delete-user",
    "create-c",
    "create-p",
    "delete-c",
    "delete-p",
    "set-owner",
    "set-moderator",
    "set-leader",
    "view-c-room",
    "view-joined-room",
    "view-p-room",
    "leave-c",
    "remove-user",
    "add-user-to-joined-room",
    "add-user-to-any-c-room",
    "create-team",
    "no-such-permission",
];
const EXTRA: [&str; 3] = ["extra.one", "extra.two", "Extra.One"];

/// Bodies that nobody should send (contract 1.5).
fn refused() -> Vec<Step> {
    let access = Some("access-permissions");
    let properties = "The role properties are invalid. [error-invalid-role-properties]";
    vec![
        Step::Refused("roles.delete", json!({}), access, "must have required property 'roleId'"),
        Step::Refused("roles.delete", json!({"roleId": "a", "x": 1}), access, "must NOT have additional properties"),
        Step::Refused("roles.delete", json!({"x": 1}), access, "must have required property 'roleId'"),
        Step::Refused("roles.delete", json!({"roleId": ["a"]}), access, "must be string"),
        Step::Refused("roles.delete", json!({"roleId": {"$ne": ""}}), access, "must be string"),
        Step::Refused("roles.delete", json!({"roleId": 1}), access, "This role does not exist [error-invalid-roleId]"),
        Step::Refused("roles.delete", json!([1]), access, "must be object"),
        Step::Refused("roles.addUserToRole", json!({}), None, "must have required property 'username'"),
        Step::Refused("roles.removeUserFromRole", json!({}), access, "must have required property 'username'"),
        Step::Refused(
            "roles.removeUserFromRole",
            json!({"username": "a", "roleName": "b"}),
            access,
            "must NOT have additional properties",
        ),
        Step::Refused("permissions.update", json!({}), access, "must have required property 'permissions'"),
        Step::Refused("permissions.update", json!({"permissions": "x"}), access, "must be array"),
        Step::Refused("permissions.update", json!({"permissions": [{}]}), access, "must have required property '_id'"),
        Step::Refused(
            "permissions.update",
            json!({"permissions": [{"_id": "a"}]}),
            access,
            "must have required property 'roles'",
        ),
        Step::Refused(
            "permissions.update",
            json!({"permissions": [{"_id": "create-c", "roles": ["x", "x"]}]}),
            access,
            "must NOT have duplicate items (items ## 1 and 0 are identical)",
        ),
        Step::Refused("roles.create", json!({}), None, properties),
        Step::Refused("roles.create", json!({"name": "a", "scope": "Bad"}), None, properties),
        Step::Refused("roles.create", json!({"name": "a", "scope": null}), None, properties),
        Step::Refused("roles.create", json!({"name": "a", "x": 1}), None, properties),
        Step::Refused("roles.create", json!({"name": {"$gt": ""}}), None, properties),
        Step::Refused("roles.update", json!({"name": "a"}), None, properties),
    ]
}

struct Chooser<'a> {
    random: &'a mut Random,
    model: &'a Model,
}

/// The next operation.
pub fn choose(random: &mut Random, model: &Model) -> (Asker, Step) {
    let mut chooser = Chooser { random, model };
    loop {
        let (step, asker) = (chooser.step(), chooser.asker());
        // Accounts that are switched off have no token any more: somebody who has one must be left to ask.
        let ends =
            step.may_unseat() && model.expects(&asker, &step, false).is_some_and(|expected| expected.changes) && {
                let mut after = model.clone();
                after.apply(&asker, &step, &Value::Null);
                !after.somebody_rules()
            };
        if !ends {
            return (asker, step);
        }
    }
}

impl Chooser<'_> {
    fn one_in(&mut self, count: usize) -> bool {
        self.random.below(count) == 0
    }

    fn of<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        self.random.one_of(of).cloned()
    }

    fn asker(&mut self) -> Asker {
        match self.random.below(100) {
            0..=2 => Asker::Nobody,
            3..=4 => Asker::WrongToken,
            // Who rules, or most is refused.
            5..=64 => self.model.somebody().unwrap_or(Asker::Administrator),
            65..=69 => Asker::Administrator,
            _ => Asker::Account(self.random.below(6) as u64),
        }
    }

    fn role(&mut self) -> String {
        let custom: Vec<String> =
            self.model.roles.iter().filter(|role| !role.protected).map(|role| role.id.clone()).collect();
        match self.random.below(20) {
            0 => "no-such-role".to_owned(),
            1 => self.of(&self.model.gone).unwrap_or_else(|| "never-a-role".to_owned()),
            2..=5 => self.of(&["admin", "user", "bot", "guest", "livechat-agent"]).unwrap_or("user").to_owned(),
            6..=8 => self.of(&["owner", "moderator", "leader"]).unwrap_or("owner").to_owned(),
            _ => self.of(&custom).unwrap_or_else(|| "admin".to_owned()),
        }
    }

    fn named_role(&mut self) -> Option<String> {
        match self.random.below(40) {
            0 => None,
            1 => Some(String::new()),
            _ => Some(self.role()),
        }
    }

    fn user(&mut self) -> String {
        if self.one_in(30) {
            return "no-such-user".to_owned();
        }
        let ids: Vec<String> = self.model.users.iter().map(|user| user.id.clone()).collect();
        self.of(&ids).unwrap_or_default()
    }

    fn username(&mut self) -> String {
        match self.random.below(40) {
            0 => "no.such.user".to_owned(),
            1 => "  ".to_owned(),
            2 => self.known_username().to_uppercase(),
            _ => self.known_username(),
        }
    }

    fn known_username(&mut self) -> String {
        let names: Vec<String> = self.model.users.iter().map(|user| user.username.clone()).collect();
        self.of(&names).unwrap_or_default()
    }

    fn room(&mut self) -> (bool, String) {
        let rooms: Vec<(bool, String)> = self.model.rooms.iter().map(|room| (room.group, room.id.clone())).collect();
        match self.of(&rooms).filter(|_| !self.one_in(15)) {
            // By the words of the other kind now and then.
            Some((group, id)) => (group ^ self.one_in(15), id),
            None => (self.one_in(2), "no-such-room".to_owned()),
        }
    }

    fn some_room(&mut self) -> Option<String> {
        if self.one_in(2) {
            return None;
        }
        Some(if self.one_in(20) { String::new() } else { self.room().1 })
    }

    fn roles(&mut self) -> Vec<String> {
        let count = self.random.below(4);
        let mut roles: Vec<String> = Vec::new();
        for _ in 0..count {
            // Mostly such as exist, or nearly every list would be refused.
            let role = if self.one_in(12) { self.role() } else { self.existing_role() };
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        roles
    }

    fn existing_role(&mut self) -> String {
        let ids: Vec<String> = self.model.roles.iter().map(|role| role.id.clone()).collect();
        let picked = self.of(&ids).unwrap_or_default();
        if self.one_in(3) { "admin".to_owned() } else { picked }
    }

    fn definition(&mut self) -> Definition {
        let name = match self.random.below(24) {
            0 => String::new(),
            1 => "x".repeat(257),
            2 => "bad\nname".to_owned(),
            _ => self.of(&ROLE_NAMES).unwrap_or("Red").to_owned(),
        };
        Definition {
            name,
            scope: self.of(&[None, Some("Users"), Some("Users"), Some("Subscriptions")]).flatten(),
            description: self.of(&[None, None, Some(""), Some("Shown to all")]).flatten(),
            mandatory: self.of(&[None, None, Some(true), Some(false)]).flatten(),
        }
    }

    fn permission(&mut self) -> String {
        self.of(&PERMISSIONS).unwrap_or("create-c").to_owned()
    }

    fn step(&mut self) -> Step {
        match self.random.below(1_000) {
            0..=89 => Step::CreateRole(self.definition()),
            90..=139 => {
                let role = self.role();
                let mut definition = self.definition();
                if let Some(same) =
                    self.model.roles.iter().find(|known| known.id == role).filter(|_| self.random.below(2) == 0)
                {
                    definition.name.clone_from(&same.name);
                }
                Step::UpdateRole(role, definition)
            }
            140..=199 => {
                let role = self.role();
                let by_name =
                    self.model.roles.iter().find(|known| known.id == role).filter(|_| self.random.below(8) == 0);
                Step::DeleteRole(by_name.map_or(role, |role| role.name.clone()))
            }
            200..=299 => {
                let username = self.username();
                Step::Give { username, role: self.named_role(), room: self.some_room() }
            }
            300..=379 => self.take(),
            380..=429 => {
                let (count, offset) = (self.of(&[50, 50, 1, 2]), self.of(&[0, 0, 0, 1, 100]));
                let role = if self.one_in(30) { String::new() } else { self.role() };
                let (count, offset) = (count.unwrap_or(50), offset.unwrap_or(0));
                Step::Holders { role, room: self.some_room(), count, offset }
            }
            430..=439 => Step::PublicHolders,
            440..=449 => Step::Roles,
            450..=459 => Step::Permissions,
            460..=519 => {
                let count = 1 + self.random.below(3);
                Step::SetPermissions((0..count).map(|_| (self.permission(), self.roles())).collect())
            }
            520..=549 => Step::Grant(self.permission(), self.role()),
            550..=579 => Step::Revoke(self.permission(), self.role()),
            580..=619 => {
                let user = self.user();
                let roles = (!self.one_in(5)).then(|| self.roles());
                let active = self.one_in(6).then(|| !self.one_in(2));
                Step::UpdateUser { user, roles, active, relinquish: self.one_in(2) }
            }
            620..=644 => {
                let user = self.user();
                // Who is switched off has no token any more: rarely, or nobody is left to ask.
                let inactive = self.model.users.iter().any(|known| known.id == user && !known.active);
                let rarely = self.one_in(6);
                Step::SetActive { user, active: inactive || !rarely, relinquish: self.one_in(2) }
            }
            645..=654 => {
                let username = self.of(&EXTRA).unwrap_or("extra.one").to_owned();
                let roles = self.one_in(2).then(|| self.roles());
                Step::CreateUser { username, roles }
            }
            655..=664 => {
                let username =
                    if self.one_in(4) { self.username() } else { self.of(&EXTRA).unwrap_or_default().to_owned() };
                Step::DeleteUser { username, relinquish: self.one_in(2) }
            }
            665..=704 => {
                let name = self.of(&ROOM_NAMES).unwrap_or("one").to_owned();
                let count = self.random.below(3);
                let members = (0..count).map(|_| self.known_username()).collect();
                Step::CreateRoom { group: self.one_in(2), name, members }
            }
            705..=859 => {
                let (group, room) = self.room();
                Step::Room { group, room, what: self.with_room() }
            }
            860..=939 => Step::Organization(self.with_organization()),
            940..=969 => Step::Read(self.read()),
            _ => self.of(&refused()).unwrap_or(Step::Roles),
        }
    }

    /// Mostly something that somebody has.
    fn take(&mut self) -> Step {
        let mut held: Vec<(String, String, Option<String>)> = Vec::new();
        for user in &self.model.users {
            held.extend(user.roles.iter().map(|role| (user.username.clone(), role.clone(), None)));
        }
        for room in &self.model.rooms {
            for member in &room.members {
                let username = self.model.username_of(&member.user);
                held.extend(member.roles.iter().map(|role| (username.clone(), role.clone(), Some(room.id.clone()))));
            }
        }
        match self.of(&held).filter(|_| !self.one_in(3)) {
            Some((username, role, room)) => Step::Take { username, role: Some(role), room },
            None => {
                let username = self.username();
                Step::Take { username, role: self.named_role(), room: self.some_room() }
            }
        }
    }

    fn with_room(&mut self) -> RoomStep {
        match self.random.below(24) {
            0..=3 => RoomStep::Join,
            4..=5 => RoomStep::Leave,
            6..=8 => RoomStep::Invite(self.username()),
            9..=10 => RoomStep::Kick(self.username()),
            11..=16 => {
                let role = self.of(&["owner", "moderator", "leader"]).unwrap_or("owner");
                let give = !self.one_in(3);
                RoomStep::Role(give, role, self.username())
            }
            17 => RoomStep::Archive,
            18..=19 => RoomStep::Unarchive,
            20 => RoomStep::Rename(self.of(&ROOM_NAMES).unwrap_or("two").to_owned()),
            21 => RoomStep::Delete,
            22 => RoomStep::Members,
            _ => RoomStep::Roles,
        }
    }

    fn with_organization(&mut self) -> OrganizationStep {
        let ids: Vec<String> = self.model.organizations.iter().map(|known| known.id.clone()).collect();
        let Some(organization) = self.of(&ids).filter(|_| !self.one_in(12)) else {
            return match self.random.below(4) {
                0 => OrganizationStep::Show("org_000000000000000000000000".to_owned()),
                1 => OrganizationStep::List,
                _ => OrganizationStep::Create(self.of(&["North", "South", ""]).unwrap_or("North").to_owned()),
            };
        };
        let (user, role) = (format!("usr_{}", self.user()), self.role_of(&organization));
        match self.random.below(24) {
            0 => OrganizationStep::Rename(organization, "East".to_owned()),
            1 => OrganizationStep::Delete(organization),
            2 => OrganizationStep::Show(organization),
            3 => OrganizationStep::Roles(organization),
            4..=6 => OrganizationStep::CreateRole(organization, self.organization_role()),
            7..=8 => OrganizationStep::UpdateRole(organization, role, self.organization_role()),
            9..=10 => OrganizationStep::DeleteRole(organization, role),
            11 => OrganizationStep::Holders(organization, role),
            12..=14 => OrganizationStep::Give { organization, role, user },
            15..=16 => OrganizationStep::Take { organization, role, user },
            17 => OrganizationStep::Users(organization),
            18..=20 => OrganizationStep::Add(organization, user),
            21..=22 => OrganizationStep::Remove(organization, user),
            _ => OrganizationStep::Effective(organization, user),
        }
    }

    fn role_of(&mut self, organization: &str) -> String {
        let known = self.model.organizations.iter().find(|known| known.id == organization);
        let mut roles = known.map(|known| known.roles.clone()).unwrap_or_default();
        roles.extend(["owner", "admin", "member", "no-such-role"].map(|role| {
            rolekeeper::domain::system_role::SYSTEM_ROLES
                .iter()
                .find(|known| known.id.to_lowercase().contains(role))
                .map_or(role, |known| known.id)
                .to_owned()
        }));
        self.of(&roles).unwrap_or_default()
    }

    fn organization_role(&mut self) -> Value {
        let name = self.of(&["Red", "red", "Blue", "Owner", "Gr\u{fc}n", ""]).unwrap_or("Red");
        let all = ["invite_users", "manage_roles", "assign_roles", "manage_billing", "remove_users", "no_such_thing"];
        let count = self.random.below(4);
        let capabilities: Vec<&str> = (0..count)
            .map(|_| if self.one_in(15) { 5 } else { self.random.below(5) })
            .filter_map(|at| all.get(at).copied())
            .collect();
        json!({"name": name, "capabilities": capabilities})
    }

    fn read(&mut self) -> String {
        let user = self.user();
        let (_, room) = self.room();
        let path = match self.random.below(10) {
            0 => "me".to_owned(),
            1 => format!("users.info?userId={user}&includeUserRooms=true"),
            2 => "users.list?count=100".to_owned(),
            3 => "channels.list".to_owned(),
            4 => "groups.listAll".to_owned(),
            5 => format!("rooms.info?roomId={room}"),
            6 => format!("rooms.membersOrderedByRole?roomId={room}"),
            7 => "channels.list.joined".to_owned(),
            8 => "subscriptions.get".to_owned(),
            _ => format!("users.listByStatus?status=active&roles={}", self.role()),
        };
        format!("/api/v1/{path}")
    }
}

impl Step {
    /// Whether somebody could lose the right to administer, or all his rights.
    const fn may_unseat(&self) -> bool {
        matches!(
            self,
            Self::SetPermissions(_)
                | Self::Revoke(..)
                | Self::Take { .. }
                | Self::UpdateUser { .. }
                | Self::SetActive { .. }
                | Self::DeleteUser { .. }
        )
    }

    /// The request.
    pub fn call(&self) -> Call {
        let post = |path: &str, body: Value| Call::post(format!("/api/v1/{path}"), body);
        match self {
            Self::CreateRole(definition) => post("roles.create", definition.body(json!({}))),
            Self::UpdateRole(role, definition) => post("roles.update", definition.body(json!({"roleId": role}))),
            Self::DeleteRole(role) => post("roles.delete", json!({"roleId": role})),
            Self::Give { username, role, room } => {
                let mut body = json!({"username": username});
                put(&mut body, "roleId", role.as_deref());
                put(&mut body, "roomId", room.as_deref());
                post("roles.addUserToRole", body)
            }
            Self::Take { username, role, room } => {
                let mut body = json!({"username": username});
                put(&mut body, "roleId", role.as_deref());
                put(&mut body, "scope", room.as_deref());
                post("roles.removeUserFromRole", body)
            }
            Self::Holders { role, room, count, offset } => {
                let room = room.as_ref().map(|room| format!("&roomId={room}")).unwrap_or_default();
                Call::get(format!("/api/v1/roles.getUsersInRole?role={role}{room}&count={count}&offset={offset}"))
            }
            Self::PublicHolders => Call::get("/api/v1/roles.getUsersInPublicRoles"),
            Self::Roles => Call::get("/api/v1/roles.list"),
            Self::Permissions => Call::get("/api/v1/permissions.listAll"),
            Self::SetPermissions(entries) => {
                let entries: Vec<Value> =
                    entries.iter().map(|(id, roles)| json!({"_id": id, "roles": roles})).collect();
                post("permissions.update", json!({"permissions": entries}))
            }
            Self::Grant(permission, role) => {
                post("permissions.addRole", json!({"permissionId": permission, "role": role}))
            }
            Self::Revoke(permission, role) => {
                post("permissions.removeRole", json!({"permissionId": permission, "role": role}))
            }
            Self::UpdateUser { user, roles, active, relinquish } => {
                let mut data = json!({});
                if let Some(roles) = roles {
                    data["roles"] = json!(roles);
                }
                if let Some(active) = active {
                    data["active"] = json!(active);
                }
                post("users.update", json!({"userId": user, "data": data, "confirmRelinquish": relinquish}))
            }
            Self::SetActive { user, active, relinquish } => {
                let body = json!({"userId": user, "activeStatus": active, "confirmRelinquish": relinquish});
                post("users.setActiveStatus", body)
            }
            Self::CreateUser { username, roles } => {
                let email = format!("{}@example.org", username.to_lowercase());
                let mut body = json!({
                    "username": username, "email": email, "name": "Extra", "password": "correct horse battery",
                    "joinDefaultChannels": false,
                });
                if let Some(roles) = roles {
                    body["roles"] = json!(roles);
                }
                post("users.create", body)
            }
            Self::DeleteUser { username, relinquish } => {
                post("users.delete", json!({"username": username, "confirmRelinquish": relinquish}))
            }
            Self::CreateRoom { group, name, members } => {
                post(&format!("{}.create", family(*group)), json!({"name": name, "members": members}))
            }
            Self::Room { group, room, what } => what.call(family(*group), room),
            Self::Organization(what) => what.call(),
            Self::Read(path) => Call::get(path.clone()),
            Self::Refused(path, body, ..) => post(path, body.clone()),
        }
    }
}

fn put(body: &mut Value, field: &str, value: Option<&str>) {
    if let Some(value) = value {
        body[field] = value.into();
    }
}

const fn family(group: bool) -> &'static str {
    if group { "groups" } else { "channels" }
}

impl Definition {
    fn body(&self, mut body: Value) -> Value {
        body["name"] = self.name.as_str().into();
        put(&mut body, "scope", self.scope);
        put(&mut body, "description", self.description);
        if let Some(mandatory) = self.mandatory {
            body["mandatory2fa"] = mandatory.into();
        }
        body
    }
}

impl RoomStep {
    fn call(&self, family: &str, room: &str) -> Call {
        let post = |operation: &str, more: Value| {
            let mut body = json!({"roomId": room});
            if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
                body.extend(more);
            }
            Call::post(format!("/api/v1/{family}.{operation}"), body)
        };
        match self {
            Self::Join => Call::post("/api/v1/channels.join", json!({"roomId": room})),
            Self::Leave => post("leave", json!({})),
            Self::Invite(username) => post("invite", json!({"username": username})),
            Self::Kick(username) => post("kick", json!({"username": username})),
            Self::Role(give, role, username) => {
                let mut letters = role.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
                let verb = if *give { "add" } else { "remove" };
                post(&format!("{verb}{first}{}", letters.as_str()), json!({"username": username}))
            }
            Self::Archive => post("archive", json!({})),
            Self::Unarchive => post("unarchive", json!({})),
            Self::Rename(name) => post("rename", json!({"name": name})),
            Self::Delete => post("delete", json!({})),
            Self::Members => Call::get(format!("/api/v1/{family}.members?roomId={room}")),
            Self::Roles => Call::get(format!("/api/v1/{family}.roles?roomId={room}")),
        }
    }
}

impl OrganizationStep {
    fn call(&self) -> Call {
        let at = |organization: &str, rest: &str| format!("/v1/organizations/{organization}{rest}");
        match self {
            Self::Create(name) => Call::post("/v1/organizations", json!({"name": name})),
            Self::Rename(id, name) => Call::patch(at(id, ""), json!({"name": name})),
            Self::Delete(id) => Call::delete(at(id, "")),
            Self::Show(id) => Call::get(at(id, "")),
            Self::List => Call::get("/v1/organizations"),
            Self::Roles(id) => Call::get(at(id, "/roles?include_global=true")),
            Self::CreateRole(id, body) => Call::post(at(id, "/roles"), body.clone()),
            Self::UpdateRole(id, role, body) => Call::patch(at(id, &format!("/roles/{role}")), body.clone()),
            Self::DeleteRole(id, role) => Call::delete(at(id, &format!("/roles/{role}"))),
            Self::Holders(id, role) => Call::get(at(id, &format!("/roles/{role}/members"))),
            Self::Give { organization, role, user } => {
                Call::post(at(organization, &format!("/roles/{role}/members")), json!({"user_id": user}))
            }
            Self::Take { organization, role, user } => {
                Call::delete(at(organization, &format!("/roles/{role}/members/{user}")))
            }
            Self::Users(id) => Call::get(at(id, "/users")),
            Self::Add(id, user) => Call::post(at(id, "/users/add"), json!({"user_id": user})),
            Self::Remove(id, user) => Call::delete(at(id, &format!("/users/{user}"))),
            Self::Effective(id, user) => Call::get(at(id, &format!("/users/{user}/effective-permissions"))),
        }
    }
}
