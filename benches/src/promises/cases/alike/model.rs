//! What the contract says, once more and in few words, of roles, holders, permissions, accounts and rooms: it foretells the
//! status and the refusal of nearly every operation, and what some answers list. Of organizations it only keeps what it was
//! told, because an account may not go while it is an organization's last Owner.
//!
//! It shares no line with the server: what both had wrong in the same way would not be seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::names::symbol;
use super::steps::{Asker, Definition, OrganizationStep, RoomStep, Step};

/// A role.
#[derive(Debug, Clone, Deserialize)]
pub struct Role {
    #[serde(rename = "_id")]
    pub id: String,
    pub name: String,
    pub scope: String,
    pub description: String,
    pub protected: bool,
    #[serde(default)]
    pub mandatory2fa: bool,
}

/// A permission.
#[derive(Debug, Clone, Deserialize)]
pub struct Permission {
    #[serde(rename = "_id")]
    pub id: String,
    pub roles: Vec<String>,
}

/// An account.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    #[serde(rename = "_id")]
    pub id: String,
    pub username: String,
    pub active: bool,
    #[serde(default)]
    pub roles: Vec<String>,
    /// It has no token any more.
    #[serde(default)]
    pub mute: bool,
}

/// A room.
#[derive(Debug, Clone)]
pub struct Room {
    pub id: String,
    pub name: String,
    pub group: bool,
    pub archived: bool,
    /// In the order in which they came.
    pub members: Vec<Member>,
}

/// Somebody in a room.
#[derive(Debug, Clone)]
pub struct Member {
    pub user: String,
    pub roles: Vec<String>,
}

/// An organization, as far as it was told of.
#[derive(Debug, Clone)]
pub struct Organization {
    pub id: String,
    pub roles: Vec<String>,
    /// Who is in it, and whether he is an Owner.
    pub members: BTreeMap<String, bool>,
}

/// Everything.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub roles: Vec<Role>,
    pub permissions: Vec<Permission>,
    pub users: Vec<User>,
    pub rooms: Vec<Room>,
    pub organizations: Vec<Organization>,
    /// Roles that were deleted.
    pub gone: Vec<String>,
}

/// What is to be answered.
#[derive(Debug)]
pub struct Expected {
    status: u16,
    error: Option<String>,
    /// Fields of the answer, as far as they are foretold.
    fields: Vec<(&'static str, Value)>,
    /// Whether something changes.
    pub changes: bool,
}

impl Expected {
    fn refused(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: Some(error.into()), fields: Vec::new(), changes: false }
    }

    const fn listed(fields: Vec<(&'static str, Value)>) -> Self {
        Self { status: 200, error: None, fields, changes: false }
    }

    /// In which way an answer is another one.
    pub fn differs_from(&self, status: u16, answer: &Value) -> Option<String> {
        let error = answer.get("error").and_then(Value::as_str);
        if status != self.status || error != self.error.as_deref() {
            return Some(format!("{} {:?}", self.status, self.error));
        }
        let differs = |(name, value): &&(&str, Value)| listed(name, answer) != *value;
        self.fields.iter().find(differs).map(|(name, value)| format!("{name}: {value}"))
    }
}

/// A part of an answer, reduced to what the model knows of it.
fn listed(name: &str, answer: &Value) -> Value {
    let each = |field: &str, show: &dyn Fn(&Value) -> Value| {
        answer[field].as_array().map(|items| items.iter().map(show).collect::<Value>()).unwrap_or_default()
    };
    match name {
        "usernames" => each("users", &|user| user["username"].clone()),
        "public" => each("users", &|user| json!([user["username"], user["roles"]])),
        "roles" => each("roles", &|role| {
            json!([
                role["_id"],
                role["name"],
                role["scope"],
                role["description"],
                role["protected"],
                role["mandatory2fa"]
            ])
        }),
        "update" | "permissions" => each(name, &|permission| json!([permission["_id"], permission["roles"]])),
        "user roles" => answer["user"]["roles"].clone(),
        _ => answer[name].clone(),
    }
}

type Verdict = Result<(), Expected>;

const NOT_ALLOWED: &str = "User does not have the permissions required for this action [error-unauthorized]";
const LOCKOUT: &str = "At least one active user must be able to administer permissions [error-permissions-lockout]";
const NO_ROLE: &str = "This role does not exist [error-invalid-roleId]";
const NO_USER: &str =
    "The required \"userId\" or \"username\" param provided does not match any users [error-invalid-user]";
const NOT_NAMED: &str =
    "The required \"userId\" or \"username\" param was not provided [error-user-param-not-provided]";
const TAKEN: &str = "Role name already exists [error-duplicate-role-names-not-allowed]";
const ACCESS: &str = "Accessing permissions is not allowed [error-action-not-allowed]";
const ASSIGNING_ADMIN: &str = "Assigning admin is not allowed [error-action-not-allowed]";
const ADMIN: &str = "admin";

fn bad(error: impl Into<String>) -> Expected {
    Expected::refused(400, error)
}

fn unless(holds: bool, refusal: Expected) -> Verdict {
    if holds { Ok(()) } else { Err(refusal) }
}

/// The form in which the names of the harness are compared: it has no others than these.
fn key(name: &str) -> String {
    name.replace("u\u{308}", "\u{fc}").replace("U\u{308}", "\u{fc}").to_lowercase().trim().to_owned()
}

impl Model {
    /// Whom a request comes from, while he has a token.
    fn asks(&self, asker: &Asker) -> Option<&User> {
        let id = match asker {
            Asker::Administrator => symbol(0),
            Asker::Account(number) => rolekeeper_bench::population::user_id(*number),
            Asker::Nobody | Asker::WrongToken => return None,
        };
        self.users.iter().find(|user| user.id == id && !user.mute)
    }

    fn asker(&self, id: &str) -> Option<Asker> {
        let accounts = (0..100).map(Asker::Account);
        std::iter::once(Asker::Administrator)
            .chain(accounts)
            .find(|asker| self.asks(asker).is_some_and(|user| user.id == id))
    }

    /// Somebody who has a token and, if anybody has, the right to administer.
    pub fn somebody(&self) -> Option<Asker> {
        let mut users: Vec<&User> = self.users.iter().filter(|user| !user.mute).collect();
        users.sort_by_key(|user| !self.may(user, "access-permissions", None));
        users.iter().find_map(|user| self.asker(&user.id))
    }

    /// Whether anybody with a token may administer.
    pub fn somebody_rules(&self) -> bool {
        self.users
            .iter()
            .any(|user| !user.mute && self.may(user, "access-permissions", None) && self.asker(&user.id).is_some())
    }

    /// The username of an account.
    pub fn username_of(&self, id: &str) -> String {
        self.users.iter().find(|user| user.id == id).map(|user| user.username.clone()).unwrap_or_default()
    }

    fn may(&self, user: &User, permission: &str, room: Option<&Room>) -> bool {
        let Some(permission) = self.permissions.iter().find(|known| known.id == permission) else { return false };
        let in_room = room.and_then(|room| room.members.iter().find(|member| member.user == user.id));
        let in_room = in_room.map(|member| member.roles.as_slice()).unwrap_or_default();
        user.roles.iter().chain(in_room).any(|role| permission.roles.contains(role))
    }

    fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// Without regard to case.
    fn user_named(&self, username: &str) -> Option<&User> {
        let exactly = self.users.iter().find(|user| user.username == username);
        exactly.or_else(|| self.users.iter().find(|user| user.username.to_lowercase() == username.to_lowercase()))
    }

    fn room(&self, id: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.id == id)
    }

    /// Whether somebody could administer if the accounts and the permission were these.
    fn locked_out(users: &[User], roles: &[String]) -> bool {
        !users.iter().any(|user| user.active && user.roles.iter().any(|role| roles.contains(role)))
    }

    fn rulers(&self) -> Vec<String> {
        let access = self.permissions.iter().find(|known| known.id == "access-permissions");
        access.map(|access| access.roles.clone()).unwrap_or_default()
    }

    fn no_administrator(users: &[User]) -> bool {
        !users.iter().any(|user| user.active && user.roles.iter().any(|role| role == ADMIN))
    }

    /// What is to be answered; `None` where the model does not say. `lying` is for a control.
    pub fn expects(&self, asker: &Asker, step: &Step, lying: bool) -> Option<Expected> {
        if matches!(step, Step::Organization(_) | Step::Read(_)) {
            return None;
        }
        if matches!(step, Step::Room { what: RoomStep::Members | RoomStep::Roles, .. }) {
            return None;
        }
        let Some(user) = self.asks(asker) else {
            return Some(Expected::refused(401, "You must be logged in to do this."));
        };
        let granted = |fields| Ok(Expected { changes: true, ..Expected::listed(fields) });
        let verdict = match step {
            Step::CreateRole(definition) => self.may_create_role(user, definition).and_then(|()| granted(Vec::new())),
            Step::UpdateRole(role, definition) => {
                self.may_update_role(user, role, definition).and_then(|()| granted(Vec::new()))
            }
            Step::DeleteRole(role) => self.may_delete_role(user, role, lying).and_then(|()| granted(Vec::new())),
            Step::Give { username, role, room } => {
                self.may_give(user, username, role.as_deref(), room.as_deref()).and_then(|()| granted(Vec::new()))
            }
            Step::Take { username, role, room } => {
                self.may_take(user, username, role.as_deref(), room.as_deref()).and_then(|()| granted(Vec::new()))
            }
            Step::Holders { role, room, count, offset } => {
                self.holders(user, role, room.as_deref(), *count, *offset).map(Expected::listed)
            }
            Step::PublicHolders => Ok(Expected::listed(vec![("public", self.public_holders())])),
            Step::Roles => Ok(Expected::listed(vec![("roles", self.all_roles())])),
            Step::Permissions => Ok(Expected::listed(vec![("update", all_permissions(&self.permissions))])),
            Step::SetPermissions(entries) => self
                .permissions_after(user, entries)
                .and_then(|after| granted(vec![("permissions", all_permissions(&after))])),
            Step::Grant(permission, role) => self.may_grant(user, permission, role).and_then(|()| granted(Vec::new())),
            Step::Revoke(permission, role) => {
                self.may_revoke(user, permission, role).and_then(|()| granted(Vec::new()))
            }
            Step::UpdateUser { user: id, roles, active, relinquish } => self
                .may_update_user(user, id, roles.as_deref(), *active, *relinquish)
                .and_then(|()| granted(Vec::new())),
            Step::SetActive { user: id, active, relinquish } => {
                self.may_switch(user, id, *active, *relinquish).and_then(|()| granted(Vec::new()))
            }
            Step::CreateUser { username, roles } => {
                self.may_create_user(user, username, roles.as_deref()).and_then(|()| granted(Vec::new()))
            }
            Step::DeleteUser { username, relinquish } => {
                self.may_delete_user(user, username, *relinquish).and_then(|()| granted(Vec::new()))
            }
            Step::CreateRoom { group, name, .. } => {
                self.may_create_room(user, *group, name).and_then(|()| granted(Vec::new()))
            }
            Step::Room { group, room, what } => {
                self.may_do_in_room(user, *group, room, what).and_then(|()| granted(Vec::new()))
            }
            Step::Refused(_, _, permission, error) => {
                let allowed = permission.is_none_or(|permission| self.may(user, permission, None));
                unless(allowed, Expected::refused(403, NOT_ALLOWED)).and_then(|()| Err(bad(*error)))
            }
            Step::Organization(_) | Step::Read(_) => return None,
        };
        Some(verdict.unwrap_or_else(|refusal| refusal))
    }

    fn needs(&self, user: &User, permission: &str) -> Verdict {
        unless(self.may(user, permission, None), Expected::refused(403, NOT_ALLOWED))
    }

    fn check_definition(definition: &Definition) -> Verdict {
        let name = &definition.name;
        let nameable = name.len() <= 256 && !name.chars().any(char::is_control);
        unless(nameable, bad("The role properties are invalid. [error-invalid-role-properties]"))
    }

    fn name_is_free(&self, name: &str, own: Option<&str>) -> Verdict {
        let taken = self
            .roles
            .iter()
            .any(|role| own != Some(role.id.as_str()) && (role.id == name || key(&role.name) == key(name)));
        unless(!taken, bad(TAKEN))
    }

    fn may_create_role(&self, user: &User, definition: &Definition) -> Verdict {
        Self::check_definition(definition)?;
        unless(self.may(user, "access-permissions", None), bad(ACCESS))?;
        self.name_is_free(&definition.name, None)
    }

    fn may_update_role(&self, user: &User, id: &str, definition: &Definition) -> Verdict {
        Self::check_definition(definition)?;
        unless(self.may(user, "access-permissions", None), bad(ACCESS))?;
        let role = self.role(id).ok_or_else(|| bad(NO_ROLE))?;
        let same = role.name == definition.name && role.scope == definition.scope.unwrap_or("Users");
        unless(!role.protected || same, bad("Role is protected [error-role-protected]"))?;
        self.name_is_free(&definition.name, Some(id))
    }

    fn may_delete_role(&self, user: &User, named: &str, lying: bool) -> Verdict {
        self.needs(user, "access-permissions")?;
        let role = self.role_by_id_or_name(named).ok_or_else(|| bad(NO_ROLE))?;
        if role.protected {
            return unless(lying, bad("Cannot delete a protected role [error-role-protected]"));
        }
        let held = self.users.iter().any(|user| user.roles.contains(&role.id))
            || self.rooms.iter().flat_map(|room| &room.members).any(|member| member.roles.contains(&role.id));
        unless(!held, bad("Cannot delete role because it's in use [error-role-in-use]"))
    }

    fn role_by_id_or_name(&self, named: &str) -> Option<&Role> {
        self.role(named).or_else(|| self.roles.iter().find(|role| role.name == named && !named.is_empty()))
    }

    /// Whether somebody has a role where it would be given or taken.
    fn has(&self, user: &User, role: &Role, room: Option<&str>) -> bool {
        if role.scope == "Users" {
            return user.roles.contains(&role.id);
        }
        let room = room.and_then(|room| self.room(room));
        room.is_some_and(|room| {
            room.members.iter().any(|member| member.user == user.id && member.roles.contains(&role.id))
        })
    }

    fn may_give(&self, user: &User, username: &str, role: Option<&str>, room: Option<&str>) -> Verdict {
        unless(!username.trim().is_empty(), bad(NOT_NAMED))?;
        let whom = self.user_named(username).ok_or_else(|| bad(NO_USER))?;
        let role = role.filter(|role| !role.is_empty()).ok_or_else(|| bad("error-invalid-role-properties"))?;
        let role = self.role(role).ok_or_else(|| bad("error-role-not-found"))?;
        let room = room.filter(|room| !room.is_empty());
        unless(!self.has(whom, role, room), bad("User already in role [error-user-already-in-role]"))?;
        unless(self.may(user, "access-permissions", None), bad(ACCESS))?;
        unless(role.id != ADMIN || self.may(user, "assign-admin-role", None), bad(ASSIGNING_ADMIN))?;
        let Some(room) = room.filter(|_| role.scope == "Subscriptions") else { return Ok(()) };
        let is_member = self.room(room).is_some_and(|room| room.members.iter().any(|member| member.user == whom.id));
        unless(is_member, bad("User is not part of given room [error-invalid-user]"))
    }

    fn may_take(&self, user: &User, username: &str, role: Option<&str>, room: Option<&str>) -> Verdict {
        self.needs(user, "access-permissions")?;
        let role = role.filter(|role| !role.is_empty()).ok_or_else(|| bad("error-invalid-role-properties"))?;
        let whom = self.users.iter().find(|user| user.username == username);
        let whom = whom.ok_or_else(|| bad("There is no user with this username [error-invalid-user]"))?;
        let role = self.role(role).ok_or_else(|| bad(NO_ROLE))?;
        let room = room.filter(|room| !room.is_empty());
        unless(self.has(whom, role, room), bad("User is not in this role [error-user-not-in-role]"))?;
        if role.scope != "Users" {
            return Ok(());
        }
        let mut after = self.users.clone();
        for user in after.iter_mut().filter(|user| user.id == whom.id) {
            user.roles.retain(|held| held != &role.id);
        }
        let headless = role.id == ADMIN && Self::no_administrator(&after);
        unless(!headless, bad("You need to have at least one admin [error-admin-required]"))?;
        unless(!Self::locked_out(&after, &self.rulers()), bad(LOCKOUT))
    }

    fn holders(
        &self,
        user: &User,
        role: &str,
        room: Option<&str>,
        count: usize,
        offset: usize,
    ) -> Result<Vec<(&'static str, Value)>, Expected> {
        self.needs(user, "access-permissions")?;
        unless(!role.is_empty(), bad("Query param \"role\" is required [error-param-not-provided]"))?;
        let room = room.filter(|room| !room.is_empty());
        let may_see = room.is_none() || self.may(user, "view-other-user-channels", None);
        unless(may_see, bad("Not allowed [error-not-allowed]"))?;
        let role = self.role(role).ok_or_else(|| bad("[error-invalid-roleId]"))?;
        let mut names: BTreeSet<String> = BTreeSet::new();
        if role.scope == "Users" {
            let holders = self.users.iter().filter(|user| user.roles.contains(&role.id));
            names.extend(holders.map(|user| user.username.clone()));
        } else {
            for known in self.rooms.iter().filter(|known| room.is_none_or(|room| known.id == room)) {
                let holders = known.members.iter().filter(|member| member.roles.contains(&role.id));
                names.extend(holders.map(|member| self.username_of(&member.user)));
            }
        }
        let page: Vec<&String> = names.iter().skip(offset).take(count).collect();
        Ok(vec![("total", json!(names.len())), ("usernames", json!(page))])
    }

    fn public_holders(&self) -> Value {
        let public =
            |id: &&String| self.role(id).is_some_and(|role| role.scope == "Users" && !role.description.is_empty());
        let mut holders: Vec<(&String, Vec<&String>)> =
            self.users.iter().map(|user| (&user.username, user.roles.iter().filter(public).collect())).collect();
        holders.retain(|(_, roles)| !roles.is_empty());
        holders.sort();
        json!(holders)
    }

    fn all_roles(&self) -> Value {
        let shown =
            |role: &Role| json!([role.id, role.name, role.scope, role.description, role.protected, role.mandatory2fa]);
        self.roles.iter().map(shown).collect()
    }

    fn permissions_after(&self, user: &User, entries: &[(String, Vec<String>)]) -> Result<Vec<Permission>, Expected> {
        self.needs(user, "access-permissions")?;
        let named: BTreeSet<&String> = entries.iter().map(|(id, _)| id).collect();
        let known = named.iter().all(|id| self.permissions.iter().any(|permission| permission.id == **id));
        unless(known && named.len() == entries.len(), bad("Invalid permission"))?;
        unless(entries.iter().flat_map(|(_, roles)| roles).all(|id| self.role(id).is_some()), bad("Invalid role"))?;
        let mut after = self.permissions.clone();
        for (id, roles) in entries {
            if let Some(permission) = after.iter_mut().find(|permission| &permission.id == id) {
                permission.roles.clone_from(roles);
            }
        }
        let access = after.iter().find(|permission| permission.id == "access-permissions");
        let touched = entries.iter().any(|(id, _)| id == "access-permissions");
        let locked = touched && access.is_some_and(|access| Self::locked_out(&self.users, &access.roles));
        unless(!locked, bad(LOCKOUT))?;
        Ok(after)
    }

    fn may_grant(&self, user: &User, permission: &str, role: &str) -> Verdict {
        self.needs(user, "access-permissions")?;
        let exists = self.permissions.iter().any(|known| known.id == permission);
        unless(exists, bad("Permission does not exist [error-invalid-permission]"))?;
        unless(self.role(role).is_some(), bad("Role does not exist [error-invalid-role]"))
    }

    fn may_revoke(&self, user: &User, permission: &str, role: &str) -> Verdict {
        self.needs(user, "access-permissions")?;
        let exists = self.permissions.iter().any(|known| known.id == permission);
        unless(exists, bad("Permission not found [error-permission-not-found]"))?;
        if permission != "access-permissions" || !self.rulers().iter().any(|known| known == role) {
            return Ok(());
        }
        let after: Vec<String> = self.rulers().into_iter().filter(|known| known != role).collect();
        unless(!Self::locked_out(&self.users, &after), bad(LOCKOUT))
    }

    fn may_update_user(
        &self,
        user: &User,
        id: &str,
        roles: Option<&[String]>,
        active: Option<bool>,
        relinquish: bool,
    ) -> Verdict {
        let others = self.may(user, "edit-other-user-info", None);
        unless(user.id == id || others, bad("Editing user is not allowed [error-action-not-allowed]"))?;
        let unknown = "The field Roles consist invalid role id [error-action-not-allowed]";
        let wanted = roles.unwrap_or_default();
        unless(wanted.iter().all(|role| self.role(role).is_some()), bad(unknown))?;
        let assigns_admin = self.may(user, "assign-admin-role", None);
        unless(!wanted.iter().any(|role| role == ADMIN) || assigns_admin, bad(ASSIGNING_ADMIN))?;
        let held = self.user(id).map(|user| user.roles.clone()).unwrap_or_default();
        let set = |roles: &[String]| roles.iter().cloned().collect::<BTreeSet<String>>();
        let other_roles = roles.filter(|roles| set(roles) != set(&held));
        if let Some(roles) = other_roles {
            let takes_admin = held.iter().any(|role| role == ADMIN) && !roles.iter().any(|role| role == ADMIN);
            unless(!takes_admin || assigns_admin, bad(ASSIGNING_ADMIN))?;
            let assigns = self.may(user, "assign-roles", None);
            unless(assigns, bad("Assign roles is not allowed [error-action-not-allowed]"))?;
        }
        let whom = self.user(id).ok_or_else(|| bad("Invalid user [error-invalid-user]"))?;
        let switches = ["edit-other-user-active-status", "manage-moderation-actions"];
        let may_switch = switches.iter().any(|permission| self.may(user, permission, None));
        unless(active.is_none() || may_switch, bad("Not allowed [error-not-allowed]"))?;
        let mut after = self.users.clone();
        for user in after.iter_mut().filter(|user| user.id == id) {
            user.roles = other_roles.map_or_else(|| user.roles.clone(), <[String]>::to_vec);
            user.active = active.unwrap_or(user.active);
        }
        if other_roles.is_some() || whom.active {
            self.stays_governed(&after)?;
        }
        if whom.active && active == Some(false) { self.may_go(whom, relinquish) } else { Ok(()) }
    }

    fn stays_governed(&self, after: &[User]) -> Verdict {
        let headless = "Leaving the app without an active admin is not allowed [error-action-not-allowed]";
        unless(!Self::no_administrator(after), bad(headless))?;
        unless(!Self::locked_out(after, &self.rulers()), bad(LOCKOUT))
    }

    /// What else hangs on an account that is switched off.
    fn may_go(&self, user: &User, relinquish: bool) -> Verdict {
        self.leaves_owners(user)?;
        unless(relinquish || self.sole_owned(&user.id).is_empty(), bad("[user-last-owner]"))
    }

    fn leaves_owners(&self, user: &User) -> Verdict {
        let last = |organization: &Organization| {
            let owns = |(id, owner): (&String, &bool)| {
                *owner && *id != user.id && self.user(id).is_some_and(|user| user.active)
            };
            organization.members.get(&user.id) == Some(&true) && !organization.members.iter().any(owns)
        };
        let text = "You need to have at least one active owner of the organization [error-organization-last-owner]";
        unless(!self.organizations.iter().any(last), bad(text))
    }

    /// Rooms that nobody else owns.
    fn sole_owned(&self, user: &str) -> Vec<String> {
        let owns = |member: &&Member| member.roles.iter().any(|role| role == "owner");
        let sole = |room: &&Room| {
            let mut owners = room.members.iter().filter(owns);
            owners.next().is_some_and(|owner| owner.user == user) && owners.next().is_none()
        };
        self.rooms.iter().filter(sole).map(|room| room.id.clone()).collect()
    }

    fn may_switch(&self, user: &User, id: &str, active: bool, relinquish: bool) -> Verdict {
        let switches = ["edit-other-user-active-status", "manage-moderation-actions"];
        let allowed = switches.iter().any(|permission| self.may(user, permission, None));
        unless(allowed, Expected::refused(403, NOT_ALLOWED))?;
        let whom = self.user(id).ok_or_else(|| bad("Invalid user [error-invalid-user]"))?;
        if active || !whom.active {
            return Ok(());
        }
        self.stays_governed(&self.without(id))?;
        self.may_go(whom, relinquish)
    }

    fn without(&self, id: &str) -> Vec<User> {
        self.users.iter().filter(|user| user.id != id).cloned().collect()
    }

    fn may_create_user(&self, user: &User, username: &str, roles: Option<&[String]>) -> Verdict {
        let allowed = self.may(user, "create-user", None);
        unless(allowed, bad("Adding user is not allowed [error-action-not-allowed]"))?;
        let wanted = roles.unwrap_or_default();
        let unknown = "The field Roles consist invalid role id [error-action-not-allowed]";
        unless(wanted.iter().all(|role| self.role(role).is_some()), bad(unknown))?;
        let assigns_admin = self.may(user, "assign-admin-role", None);
        unless(!wanted.iter().any(|role| role == ADMIN) || assigns_admin, bad(ASSIGNING_ADMIN))?;
        let free = self.user_named(username).is_none();
        unless(free, bad(format!("{username} is already in use :( [error-field-unavailable]")))
    }

    fn may_delete_user(&self, user: &User, username: &str, relinquish: bool) -> Verdict {
        self.needs(user, "delete-user")?;
        unless(!username.trim().is_empty(), bad(NOT_NAMED))?;
        let whom = self.user_named(username).ok_or_else(|| bad(NO_USER))?;
        if whom.active {
            self.stays_governed(&self.without(&whom.id))?;
            self.leaves_owners(whom)?;
        }
        unless(relinquish || self.sole_owned(&whom.id).is_empty(), bad("[user-last-owner]"))
    }

    fn room_name_is_free(&self, name: &str, own: Option<&str>) -> Verdict {
        let valid =
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        unless(valid, bad(format!("{name} is not a valid room name. [error-invalid-room-name]")))?;
        let same = |other: &str| other.to_lowercase() == name.to_lowercase();
        let taken = same("general") || self.rooms.iter().any(|room| own != Some(room.id.as_str()) && same(&room.name));
        unless(!taken, bad(format!("A channel with name '{name}' exists [error-duplicate-channel-name]")))
    }

    fn may_create_room(&self, user: &User, group: bool, name: &str) -> Verdict {
        let allowed = self.may(user, if group { "create-p" } else { "create-c" }, None);
        let refusal = || Expected::refused(403, "unauthorized");
        let required = if group { "Body param \"name\" is required" } else { "Param \"name\" is required" };
        if group {
            unless(!name.is_empty(), bad(required))?;
        }
        unless(allowed, refusal())?;
        unless(!name.is_empty(), bad(required))?;
        self.room_name_is_free(name, None)
    }

    /// Whether somebody may look into a room.
    fn may_see(&self, user: &User, room: &Room) -> bool {
        let is_member = room.members.iter().any(|member| member.user == user.id);
        if room.group {
            return is_member && self.may(user, "view-p-room", None);
        }
        self.may(user, "view-c-room", None) || is_member && self.may(user, "view-joined-room", None)
    }

    /// The room of the kind, that the caller may know of, and that is in use where it must be.
    fn found(&self, user: &User, group: bool, id: &str, in_use: bool) -> Result<&Room, Expected> {
        let noun = if group { "group" } else { "channel" };
        let text = format!(
            "The required \"roomId\" or \"roomName\" param provided does not match any {noun} [error-room-not-found]"
        );
        let room = self.room(id).filter(|room| room.group == group).ok_or_else(|| bad(text.clone()))?;
        unless(!group || self.may_see(user, room), bad(text))?;
        let noun = if group { "private group" } else { "channel" };
        let archived = format!("The {noun}, {}, is archived [error-room-archived]", room.name);
        unless(!in_use || !room.archived, bad(archived))?;
        Ok(room)
    }

    fn may_do_in_room(&self, user: &User, group: bool, id: &str, what: &RoomStep) -> Verdict {
        let not_allowed = || bad("Not allowed [error-not-allowed]");
        let is_member = |room: &Room, user: &User| room.members.iter().any(|member| member.user == user.id);
        match what {
            RoomStep::Join => {
                let room = self.found(user, false, id, true)?;
                unless(self.may_see(user, room), not_allowed())
            }
            RoomStep::Leave => {
                let room = self.found(user, group, id, true)?;
                unless(self.may(user, if group { "leave-p" } else { "leave-c" }, None), not_allowed())?;
                unless(is_member(room, user), bad("You are not in this room [error-user-not-in-room]"))?;
                self.may_depart(room, user)
            }
            RoomStep::Invite(username) => {
                let to_any = if group { "add-user-to-any-p-room" } else { "add-user-to-any-c-room" };
                let room = if group && self.may(user, to_any, None) {
                    self.room(id).filter(|room| room.group && !room.archived)
                } else {
                    None
                };
                let room = match room {
                    Some(room) => room,
                    None => self.found(user, group, id, true)?,
                };
                let somebody = self.user_named(username).filter(|_| !username.trim().is_empty());
                unless(somebody.is_some(), bad("invalid-user-invite-list"))?;
                let as_member = is_member(room, user) && self.may(user, "add-user-to-joined-room", Some(room));
                unless(as_member || self.may(user, to_any, None), not_allowed())
            }
            RoomStep::Kick(username) => {
                let room = self.found(user, group, id, true)?;
                let whom = self.named_in_body(username)?;
                unless(self.may(user, "remove-user", Some(room)), not_allowed())?;
                let from_any = if group { "kick-user-from-any-p-room" } else { "kick-user-from-any-c-room" };
                let text = "The required \"roomId\" or \"roomName\" param provided does not match any group [error-room-not-found]";
                unless(self.may(user, from_any, None) || self.may_see(user, room), bad(text))?;
                unless(is_member(room, whom), bad("User is not in this room [error-user-not-in-room]"))?;
                self.may_depart(room, whom)
            }
            RoomStep::Role(give, role, username) => {
                let room = self.found(user, group, id, true)?;
                let whom = self.named_in_body(username)?;
                unless(self.may(user, &format!("set-{role}"), Some(room)), not_allowed())?;
                self.may_change_role(room, whom, *give, role)
            }
            RoomStep::Archive => {
                let room = self.found(user, group, id, true)?;
                let allowed = self.may(user, "archive-room", Some(room));
                unless(allowed, bad("Not authorized [error-not-authorized]"))
            }
            RoomStep::Unarchive => {
                let room = self.found(user, group, id, false)?;
                unless(group || room.archived, bad(format!("The channel, {}, is not archived", room.name)))?;
                let allowed = self.may(user, "unarchive-room", Some(room));
                unless(allowed, bad("Not authorized [error-not-authorized]"))
            }
            RoomStep::Rename(name) => {
                unless(!name.trim().is_empty(), bad("The bodyParam \"name\" is required"))?;
                let room = self.found(user, group, id, true)?;
                let same = "The channel name is the same as what it would be renamed to.";
                unless(group || room.name != *name, bad(same))?;
                let allowed = self.may(user, "edit-room", Some(room));
                unless(allowed, bad("Editing room is not allowed [error-action-not-allowed]"))?;
                if room.name == *name { Ok(()) } else { self.room_name_is_free(name, Some(id)) }
            }
            RoomStep::Delete => {
                let room = self.found(user, group, id, false)?;
                unless(self.may(user, if group { "delete-p" } else { "delete-c" }, Some(room)), not_allowed())
            }
            RoomStep::Members | RoomStep::Roles => Ok(()),
        }
    }

    fn named_in_body(&self, username: &str) -> Result<&User, Expected> {
        unless(!username.trim().is_empty(), bad(NOT_NAMED))?;
        self.user_named(username).ok_or_else(|| bad(NO_USER))
    }

    fn may_depart(&self, room: &Room, user: &User) -> Verdict {
        let text = "You are the last owner. Please set new owner before leaving the room. [error-you-are-last-owner]";
        unless(!self.sole_owned(&user.id).contains(&room.id), bad(text))
    }

    fn may_change_role(&self, room: &Room, user: &User, give: bool, role: &str) -> Verdict {
        let article = if role == "owner" {
            "an owner"
        } else if role == "leader" {
            "a leader"
        } else {
            "a moderator"
        };
        let outside = match give || role == "leader" {
            true => "User is not in this room [error-user-not-in-room]",
            false => "Invalid room [error-invalid-room]",
        };
        let member = room.members.iter().find(|member| member.user == user.id).ok_or_else(|| bad(outside))?;
        let holds = member.roles.iter().any(|held| held == role);
        if give {
            return unless(!holds, bad(format!("User is already {article} [error-user-already-{role}]")));
        }
        unless(holds, bad(format!("User is not {article} [error-user-not-{role}]")))?;
        let last = role == "owner" && self.sole_owned(&user.id).contains(&room.id);
        let text = "This is the last owner. Please set a new owner before removing this one. [error-remove-last-owner]";
        unless(!last, bad(text))
    }

    /// What a step that was granted changes.
    pub fn apply(&mut self, asker: &Asker, step: &Step, answer: &Value) {
        let caller = self.asks(asker).map(|user| user.id.clone()).unwrap_or_default();
        let id = |noun: &str| answer[noun]["_id"].as_str().unwrap_or_default().to_owned();
        match step {
            Step::CreateRole(definition) => self.roles.push(defined(id("role"), definition)),
            Step::UpdateRole(id, definition) => {
                if let Some(role) = self.roles.iter_mut().find(|role| role.id == *id) {
                    *role = Role { protected: role.protected, ..defined(id.clone(), definition) };
                }
            }
            Step::DeleteRole(named) => {
                let Some(id) = self.role_by_id_or_name(named).map(|role| role.id.clone()) else { return };
                self.roles.retain(|role| role.id != id);
                self.permissions.iter_mut().for_each(|permission| permission.roles.retain(|role| *role != id));
                self.gone.push(id);
            }
            Step::Give { username, role: Some(role), room } => self.give(username, role, room.as_deref()),
            Step::Take { username, role: Some(role), room } => self.take(username, role, room.as_deref()),
            Step::SetPermissions(entries) => {
                for (id, roles) in entries {
                    let found = self.permissions.iter_mut().find(|permission| permission.id == *id);
                    found.into_iter().for_each(|permission| permission.roles.clone_from(roles));
                }
            }
            Step::Grant(id, role) => {
                let found = self.permissions.iter_mut().find(|permission| permission.id == *id);
                if let Some(permission) = found.filter(|permission| !permission.roles.contains(role)) {
                    permission.roles.push(role.clone());
                }
            }
            Step::Revoke(id, role) => {
                let found = self.permissions.iter_mut().find(|permission| permission.id == *id);
                found.into_iter().for_each(|permission| permission.roles.retain(|held| held != role));
            }
            Step::UpdateUser { user, roles, active, .. } => {
                if let Some(roles) = roles {
                    let set = |roles: &[String]| roles.iter().cloned().collect::<BTreeSet<String>>();
                    let found = self.users.iter_mut().find(|known| known.id == *user);
                    found
                        .into_iter()
                        .filter(|user| set(&user.roles) != set(roles))
                        .for_each(|user| user.roles.clone_from(roles));
                }
                active.iter().for_each(|active| self.switch(user, *active));
            }
            Step::SetActive { user, active, .. } => self.switch(user, *active),
            Step::CreateUser { username, roles } => {
                let roles = roles.clone().unwrap_or_else(|| vec!["user".to_owned()]);
                self.users.push(User { id: id("user"), username: username.clone(), active: true, roles, mute: true });
            }
            Step::DeleteUser { username, .. } => self.delete_user(username),
            Step::CreateRoom { group, name, members } => {
                let noun = if *group { "group" } else { "channel" };
                let mut room =
                    Room { id: id(noun), name: name.clone(), group: *group, archived: false, members: Vec::new() };
                room.members.push(Member { user: caller, roles: vec!["owner".to_owned()] });
                self.rooms.push(room);
                for username in members {
                    let at = self.rooms.len() - 1;
                    self.join(at, username);
                }
            }
            Step::Room { room, what, .. } => self.apply_in_room(&caller, room, what),
            Step::Organization(what) => self.follow(&caller, what, answer),
            _ => {}
        }
    }

    fn give(&mut self, username: &str, role: &str, room: Option<&str>) {
        let Some(user) = self.user_named(username).map(|user| user.id.clone()) else { return };
        let of_rooms = self.role(role).is_some_and(|role| role.scope == "Subscriptions");
        let held = match room.filter(|room| of_rooms && !room.is_empty()) {
            Some(room) => {
                let members = self.rooms.iter_mut().find(|known| known.id == room).map(|room| &mut room.members);
                members
                    .and_then(|members| members.iter_mut().find(|member| member.user == user))
                    .map(|member| &mut member.roles)
            }
            None => self.users.iter_mut().find(|known| known.id == user).map(|user| &mut user.roles),
        };
        if let Some(held) = held.filter(|held| !held.iter().any(|known| known == role)) {
            held.push(role.to_owned());
        }
    }

    fn take(&mut self, username: &str, role: &str, room: Option<&str>) {
        let Some(user) = self.users.iter().find(|user| user.username == username).map(|user| user.id.clone()) else {
            return;
        };
        if self.role(role).is_some_and(|role| role.scope == "Users") {
            let found = self.users.iter_mut().find(|known| known.id == user);
            found.into_iter().for_each(|user| user.roles.retain(|held| held != role));
            return;
        }
        for room in self.rooms.iter_mut().filter(|known| Some(known.id.as_str()) == room) {
            let members = room.members.iter_mut().filter(|member| member.user == user);
            members.for_each(|member| member.roles.retain(|held| held != role));
        }
    }

    fn switch(&mut self, id: &str, active: bool) {
        let Some(user) = self.users.iter_mut().find(|user| user.id == id) else { return };
        let goes = user.active && !active;
        user.active = active;
        user.mute |= !active;
        if goes {
            self.relinquish(id);
        }
    }

    /// Each room that nobody else owns goes to whoever of the active has been in it longest.
    fn relinquish(&mut self, id: &str) {
        let rooms = self.sole_owned(id);
        for room in self.rooms.iter_mut().filter(|room| rooms.contains(&room.id)) {
            let users = &self.users;
            let is_heir = |member: &&mut Member| {
                member.user != id && users.iter().any(|user| user.id == member.user && user.active)
            };
            if let Some(heir) = room.members.iter_mut().find(is_heir) {
                heir.roles.push("owner".to_owned());
            }
        }
    }

    fn delete_user(&mut self, username: &str) {
        let Some(id) = self.user_named(username).map(|user| user.id.clone()) else { return };
        let owned = self.sole_owned(&id);
        self.relinquish(&id);
        let still = self.sole_owned(&id);
        self.rooms.retain(|room| !(owned.contains(&room.id) && still.contains(&room.id)));
        self.rooms.iter_mut().for_each(|room| room.members.retain(|member| member.user != id));
        self.organizations.iter_mut().for_each(|organization| {
            organization.members.remove(&id);
        });
        self.users.retain(|user| user.id != id);
    }

    fn join(&mut self, at: usize, username: &str) {
        let Some(user) = self.user_named(username).map(|user| user.id.clone()) else { return };
        if let Some(room) = self.rooms.get_mut(at).filter(|room| room.members.iter().all(|member| member.user != user))
        {
            room.members.push(Member { user, roles: Vec::new() });
        }
    }

    fn apply_in_room(&mut self, caller: &str, id: &str, what: &RoomStep) {
        let Some(at) = self.rooms.iter().position(|room| room.id == id) else { return };
        let whom = match what {
            RoomStep::Kick(username) | RoomStep::Role(_, _, username) => {
                self.user_named(username).map(|user| user.id.clone())
            }
            _ => Some(caller.to_owned()),
        };
        let (Some(whom), username) = (whom, self.username_of(caller)) else { return };
        match what {
            RoomStep::Join => self.join(at, &username),
            RoomStep::Invite(username) => self.join(at, username),
            RoomStep::Delete => drop(self.rooms.remove(at)),
            other => {
                let Some(room) = self.rooms.get_mut(at) else { return };
                match other {
                    RoomStep::Leave | RoomStep::Kick(_) => room.members.retain(|member| member.user != whom),
                    RoomStep::Role(give, role, _) => {
                        for member in room.members.iter_mut().filter(|member| member.user == whom) {
                            member.roles.retain(|held| held != role);
                            if *give {
                                member.roles.push((*role).to_owned());
                            }
                        }
                    }
                    RoomStep::Archive => room.archived = true,
                    RoomStep::Unarchive => room.archived = false,
                    RoomStep::Rename(name) => room.name.clone_from(name),
                    _ => {}
                }
            }
        }
    }

    /// Keeps what happened in organizations.
    fn follow(&mut self, caller: &str, step: &OrganizationStep, answer: &Value) {
        const OWNER: &str = rolekeeper::domain::system_role::OWNER;
        let id = answer["id"].as_str().unwrap_or_default().to_owned();
        let account = |user: &str| user.trim_start_matches("usr_").to_owned();
        if let OrganizationStep::Create(_) = step {
            let members = BTreeMap::from([(caller.to_owned(), true)]);
            self.organizations.push(Organization { id, roles: Vec::new(), members });
            return;
        }
        if let OrganizationStep::Delete(id) = step {
            self.organizations.retain(|organization| organization.id != *id);
            return;
        }
        let (OrganizationStep::CreateRole(of, _)
        | OrganizationStep::DeleteRole(of, _)
        | OrganizationStep::Add(of, _)
        | OrganizationStep::Remove(of, _)
        | OrganizationStep::Give { organization: of, .. }
        | OrganizationStep::Take { organization: of, .. }) = step
        else {
            return;
        };
        let Some(organization) = self.organizations.iter_mut().find(|known| known.id == *of) else { return };
        match step {
            OrganizationStep::CreateRole(..) => organization.roles.push(id),
            OrganizationStep::DeleteRole(_, role) => organization.roles.retain(|known| known != role),
            OrganizationStep::Add(_, user) => {
                organization.members.insert(account(user), false);
            }
            OrganizationStep::Remove(_, user) => {
                organization.members.remove(&account(user));
            }
            OrganizationStep::Give { role, user, .. } if role == OWNER => {
                organization.members.insert(account(user), true);
            }
            OrganizationStep::Take { role, user, .. } if role == OWNER => {
                organization.members.insert(account(user), false);
            }
            _ => {}
        }
    }

    /// As far as the model knows it, in the words in which the stores are compared.
    pub fn holdings(&self) -> BTreeMap<&'static str, Value> {
        let sorted = |mut values: Vec<Value>| {
            values.sort_by_key(Value::to_string);
            Value::Array(values)
        };
        let names = |roles: &[String]| sorted(roles.iter().map(|role| role.as_str().into()).collect());
        let roles = self.roles.iter().map(|role| json!([role.id, role.name])).collect();
        let accounts = self.users.iter().map(|user| json!([user.id, user.active, names(&user.roles)])).collect();
        let permissions = self.permissions.iter().map(|known| json!([known.id, names(&known.roles)])).collect();
        let members = self.rooms.iter().flat_map(|room| &room.members);
        let in_rooms: BTreeSet<String> = members.flat_map(|member| member.roles.iter().cloned()).collect();
        BTreeMap::from([
            ("roles", sorted(roles)),
            ("accounts", sorted(accounts)),
            ("permissions", sorted(permissions)),
            ("roles in rooms", names(&in_rooms.into_iter().collect::<Vec<_>>())),
        ])
    }
}

fn defined(id: String, definition: &Definition) -> Role {
    Role {
        id,
        name: definition.name.clone(),
        scope: definition.scope.unwrap_or("Users").to_owned(),
        description: definition.description.unwrap_or_default().to_owned(),
        protected: false,
        mandatory2fa: definition.mandatory.unwrap_or(false),
    }
}

fn all_permissions(permissions: &[Permission]) -> Value {
    permissions.iter().map(|permission| json!([permission.id, permission.roles])).collect()
}
