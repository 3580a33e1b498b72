//! Roles: the table of them and `impl RoleStore`. Who holds one and what must never end is in `holders`; what may be
//! done with one is judged by `domain::role`.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::holders::{self, RoleList};
use super::permissions;
use super::query::{Query as _, Tx, json, time, unreadable};
use super::{settings, users};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, RoleRef, RoomId};
use crate::domain::role::{
    ADMIN, Assignee, Assignment, NewRole, Place, Role, RoleDefinition, RoleScope, RoleUsage, TrashedRole,
    name_collides, name_key,
};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{Changes, Conflict, Noun, Page, Position, Result, RoleStore, StoreError, Unique};

const COLLECTION: &str = "roles";

macro_rules! select_role {
    ($rest:literal) => {
        concat!("SELECT id, name, scope, description, protected, mandatory2fa, updated_at FROM roles ", $rest)
    };
}

fn role(row: &Row<'_>) -> Result<Role> {
    let scope: String = row.get("scope")?;
    Ok(Role {
        id: RoleId::from_stored(row.get::<_, String>("id")?),
        name: row.get("name")?,
        scope: RoleScope::parse(&scope).ok_or_else(|| unreadable("scope"))?,
        description: row.get("description")?,
        protected: row.get("protected")?,
        mandatory2fa: row.get("mandatory2fa")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn find(db: &Connection, id: &RoleId) -> Result<Option<Role>> {
    db.first(select_role!("WHERE id = ?1"), [id.as_str()], role)
}

/// The role with that id, or the refusal that it is not there.
pub(super) fn require(db: &Connection, id: &RoleId) -> Result<Role> {
    find(db, id)?.ok_or(StoreError::NotFound(Noun::Role))
}

/// Refuses the first of the roles that does not exist.
pub(super) fn require_known<'a>(db: &Connection, roles: impl IntoIterator<Item = &'a RoleId>) -> Result<()> {
    for id in roles {
        if !db.exists("SELECT 1 FROM roles WHERE id = ?1", [id.as_str()])? {
            return Err(Conflict::UnknownRole(id.clone()).into());
        }
    }
    Ok(())
}

/// Whether a role, `except` that one, has the name or could be mistaken for it.
pub(super) fn name_is_taken(db: &Connection, name: &str, except: Option<&RoleId>) -> Result<bool> {
    db.any(select_role!("WHERE id = ?1 OR name_key = ?2"), (name, name_key(name)), |row| {
        let other = role(row)?;
        Ok(except != Some(&other.id) && name_collides(name, &other))
    })
}

fn require_free_name(db: &Connection, name: &str, except: Option<&RoleId>) -> Result<()> {
    if name_is_taken(db, name, except)? {
        return Err(StoreError::AlreadyExists(Unique::RoleName));
    }
    Ok(())
}

pub(super) fn insert(db: &Connection, role: &Role) -> Result<()> {
    db.change(
        "INSERT INTO roles (id, name, name_key, scope, description, protected, mandatory2fa, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            role.id.as_str(),
            &role.name,
            name_key(&role.name),
            role.scope.as_str(),
            &role.description,
            role.protected,
            role.mandatory2fa,
            role.updated_at.as_millis(),
        ),
    )
}

fn create(tx: &Tx<'_>, new: NewRole) -> Result<Role> {
    let role = new.into_role(tx.by.at);
    require_free_name(tx.db, &role.name, None)?;
    insert(tx.db, &role)?;
    tx.record(Change::RoleCreated { role: role.clone() })?;
    Ok(role)
}

fn update(tx: &Tx<'_>, id: &RoleId, wanted: RoleDefinition) -> Result<Role> {
    let before = require(tx.db, id)?;
    before.redefinable(&wanted).map_err(|_| Conflict::RoleProtected)?;
    require_free_name(tx.db, &wanted.name, Some(id))?;
    tx.db.change(
        "UPDATE roles SET name = ?2, name_key = ?3, scope = ?4, description = ?5, mandatory2fa = ?6, updated_at = ?7 \
         WHERE id = ?1",
        (
            id.as_str(),
            &wanted.name,
            name_key(&wanted.name),
            wanted.scope.as_str(),
            &wanted.description,
            wanted.mandatory2fa,
            tx.now(),
        ),
    )?;
    let after = require(tx.db, id)?;
    tx.record(Change::RoleUpdated { before, after: after.clone() })?;
    Ok(after)
}

fn delete(tx: &Tx<'_>, id: &RoleId) -> Result<()> {
    let role = require(tx.db, id)?;
    role.deletable(&RoleUsage::default())?;
    // Holders are counted for the refusal alone.
    if holders::is_held(tx.db, id)? {
        role.deletable(&holders::usage(tx.db, id)?)?;
    }
    tx.trash(COLLECTION, id.as_str(), &role)?;
    let permissions = permissions::remove_role(tx, id)?;
    let settings = settings::remove_role(tx, id)?;
    tx.db.change("DELETE FROM roles WHERE id = ?1", [id.as_str()])?;
    tx.record(Change::RoleDeleted { role, permissions, settings })
}

/// The list that the assignment is about, and the room when it is a room's; `None` when the user is not a member.
fn list_of(db: &Connection, role: &Role, assignment: &Assignment) -> Result<Option<(RoleList, Option<RoomId>)>> {
    match role.place(assignment.room.as_ref()) {
        Place::Workspace => Ok(Some((RoleList::OfUser(assignment.user.clone()), None))),
        Place::Room(room) => {
            let list = RoleList::in_room(db, &room, &assignment.user)?;
            Ok(list.map(|list| (list, Some(room))))
        }
    }
}

fn assign(tx: &Tx<'_>, assignment: Assignment) -> Result<()> {
    let role = require(tx.db, &assignment.role)?;
    users::require_present(tx.db, &assignment.user)?;
    let (list, room) = list_of(tx.db, &role, &assignment)?.ok_or(Conflict::NotInRoom)?;
    if list.has(tx.db, &role.id)? {
        return Err(Conflict::RoleAlreadyHeld.into());
    }
    list.add(tx, &role.id)?;
    tx.record(Change::RoleAssigned { role: role.id, user: assignment.user, room })
}

fn unassign(tx: &Tx<'_>, assignment: Assignment) -> Result<()> {
    let role = require(tx.db, &assignment.role)?;
    users::require_present(tx.db, &assignment.user)?;
    let (list, room) = list_of(tx.db, &role, &assignment)?.ok_or(Conflict::RoleNotHeld)?;
    if !list.has(tx.db, &role.id)? {
        return Err(Conflict::RoleNotHeld.into());
    }
    if room.is_none() && role.id.as_str() == ADMIN {
        holders::require_other_administrator(tx.db, &assignment.user)?;
    }
    list.remove(tx, &role.id)?;
    if room.is_none() {
        holders::require_keeper_of_permissions(tx.db)?;
    }
    tx.record(Change::RoleUnassigned { role: role.id, user: assignment.user, room })
}

fn trashed_role(row: &Row<'_>) -> Result<TrashedRole> {
    Ok(TrashedRole { role: json(row, "document")?, deleted_at: time(row, "deleted_at")? })
}

/// Every role, in the order of insertion.
pub(super) fn list(db: &Connection) -> Result<Vec<Role>> {
    db.all(select_role!("ORDER BY seq"), (), role)
}

#[async_trait]
impl RoleStore for SqliteStore {
    async fn list_roles(&self) -> Result<Vec<Role>> {
        self.read(list).await
    }

    async fn find_role(&self, id: &RoleId) -> Result<Option<Role>> {
        let id = id.clone();
        self.read(move |db| find(db, &id)).await
    }

    async fn resolve_role(&self, reference: &RoleRef) -> Result<Option<Role>> {
        let text = reference.as_str().to_owned();
        self.read(move |db| {
            if let Some(role) = find(db, &RoleId::from_stored(text.as_str()))? {
                return Ok(Some(role));
            }
            // The key has the index; the name itself decides.
            db.first(select_role!("WHERE name_key = ?1 AND name = ?2"), (name_key(&text), &text), role)
        })
        .await
    }

    async fn roles_changed_since(&self, since: Timestamp) -> Result<Changes<Role, TrashedRole>> {
        self.read(move |db| {
            let updated = db.all(select_role!("WHERE updated_at >= ?1 ORDER BY seq"), [since.as_millis()], role)?;
            let removed = db.all(
                "SELECT document, deleted_at, MAX(seq) FROM trash WHERE collection = ?1 AND deleted_at > ?2 \
                 AND NOT EXISTS (SELECT 1 FROM roles WHERE roles.id = trash.id) GROUP BY id ORDER BY deleted_at, id",
                (COLLECTION, since.as_millis()),
                trashed_role,
            )?;
            Ok(Changes { updated, removed })
        })
        .await
    }

    async fn create_role(&self, role: NewRole, by: &AuditContext) -> Result<Role> {
        self.write(by, move |tx| create(tx, role)).await
    }

    async fn update_role(&self, id: &RoleId, wanted: RoleDefinition, by: &AuditContext) -> Result<Role> {
        let id = id.clone();
        self.write(by, move |tx| update(tx, &id, wanted)).await
    }

    async fn delete_role(&self, id: &RoleId, by: &AuditContext) -> Result<()> {
        let id = id.clone();
        self.write(by, move |tx| delete(tx, &id)).await
    }

    async fn role_usage(&self, id: &RoleId) -> Result<RoleUsage> {
        let id = id.clone();
        self.read(move |db| holders::usage(db, &id)).await
    }

    async fn assign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()> {
        let assignment = assignment.clone();
        self.write(by, move |tx| assign(tx, assignment)).await
    }

    async fn assign_role_to(&self, assignee: &Assignee, by: &AuditContext) -> Result<()> {
        let assignee = assignee.clone();
        self.write(by, move |tx| {
            let user = users::id_of_username(tx.db, &assignee.username)?;
            assign(tx, assignee.assignment(user.ok_or(StoreError::NotFound(Noun::User))?))
        })
        .await
    }

    async fn unassign_role(&self, assignment: &Assignment, by: &AuditContext) -> Result<()> {
        let assignment = assignment.clone();
        self.write(by, move |tx| unassign(tx, assignment)).await
    }

    async fn count_holders(&self, role: &Role, room: Option<&RoomId>) -> Result<u64> {
        let (role, room) = (role.clone(), room.cloned());
        self.read(move |db| holders::count(db, &role, room.as_ref())).await
    }

    async fn page_holders(
        &self,
        role: &Role,
        room: Option<&RoomId>,
        after: Option<&Position>,
        page: Page,
    ) -> Result<Vec<User>> {
        let (role, room, after) = (role.clone(), room.cloned(), after.cloned());
        self.read(move |db| holders::page(db, &role, room.as_ref(), after, page)).await
    }

    async fn list_holders_of_any(&self, roles: &[RoleId]) -> Result<Vec<User>> {
        let roles = roles.to_vec();
        self.read(move |db| holders::list_of_any(db, &roles)).await
    }
}
