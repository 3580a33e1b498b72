//! Organizations and their custom roles: the tables of them, and `impl OrganizationStore`. Members and what they hold
//! are in `members`, the record in `organization_record`; what may be done with a role is judged by the domain.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::query::{Query as _, Tx, bounded, json, time, to_json};
use super::{SqliteStore, members, organization_record, users};
use crate::domain::audit::{AuditEntry, Change};
use crate::domain::ids::{OrganizationId, RoleId, UserId};
use crate::domain::organization::{
    CountedRole, MemberAccount, NewMember, NewOrganization, NewOrganizationRole, Organization, OrganizationRole,
    Precondition, RoleAssignment, RoleChange, RoleGift, Standing,
};
use crate::domain::role::{RoleUsage, name_key};
use crate::domain::system_role::{OWNER, SYSTEM_ROLES, SystemRole};
use crate::store::organizations::RecordFilter;
use crate::store::{
    Conflict, Listing, Noun, Order, OrganizationConflict, OrganizationStore, Page, Result, StoreError, Unique,
};

macro_rules! select_organization {
    ($rest:literal) => {
        concat!("SELECT o.id, o.name, o.revision, o.created_at, o.updated_at FROM organizations o ", $rest)
    };
}

macro_rules! select_role {
    ($rest:literal) => {
        concat!(
            "SELECT organization_id, id, name, description, capabilities, revision, created_at, updated_at \
             FROM organization_roles ",
            $rest
        )
    };
}

fn organization(row: &Row<'_>) -> Result<Organization> {
    Ok(Organization {
        id: OrganizationId::from_stored(row.get::<_, String>("id")?),
        name: row.get("name")?,
        revision: revision(row)?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn custom_role(row: &Row<'_>) -> Result<OrganizationRole> {
    Ok(OrganizationRole {
        id: RoleId::from_stored(row.get::<_, String>("id")?),
        organization: Some(OrganizationId::from_stored(row.get::<_, String>("organization_id")?)),
        name: row.get("name")?,
        description: row.get("description")?,
        capabilities: json(row, "capabilities")?,
        revision: revision(row)?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn revision(row: &Row<'_>) -> Result<u64> {
    Ok(row.get::<_, i64>("revision")?.unsigned_abs())
}

pub(super) fn find(db: &Connection, id: &OrganizationId) -> Result<Option<Organization>> {
    db.first(select_organization!("WHERE o.id = ?1"), [id.as_str()], organization)
}

pub(super) fn require(db: &Connection, id: &OrganizationId) -> Result<Organization> {
    find(db, id)?.ok_or(StoreError::NotFound(Noun::Organization))
}

fn list_of(db: &Connection, user: &UserId, page: Page) -> Result<Listing<Organization>> {
    let total = db.count("SELECT COUNT(*) FROM organization_members WHERE user_id = ?1", [user.as_str()])?;
    let items = db.all(
        select_organization!(
            "JOIN organization_members m ON m.organization_id = o.id WHERE m.user_id = ?1 \
             ORDER BY m.organization_id LIMIT ?2 OFFSET ?3"
        ),
        (user.as_str(), page.count.map_or(-1, bounded), bounded(page.offset)),
        organization,
    )?;
    Ok(Listing { items, total })
}

/// Refuses a change that is meant for another revision.
fn check_revision(expected: &Precondition, revision: u64) -> Result<()> {
    if expected.holds(revision) { Ok(()) } else { Err(OrganizationConflict::OtherRevision(revision).into()) }
}

fn create(tx: &Tx<'_>, new: NewOrganization) -> Result<Organization> {
    if !users::require(tx.db, &new.owner.user)?.active {
        return Err(StoreError::NotFound(Noun::User));
    }
    let made = Organization { id: new.id, name: new.name, revision: 1, created_at: tx.by.at, updated_at: tx.by.at };
    tx.db.change(
        "INSERT INTO organizations (id, name, revision, created_at, updated_at) VALUES (?1, ?2, 1, ?3, ?3)",
        (made.id.as_str(), &made.name, tx.now()),
    )?;
    let owner = new.owner.into_member(made.id.clone(), OWNER, tx.by.at);
    members::insert(tx, &owner)?;
    tx.record(Change::OrganizationCreated {
        organization: made.id.clone(),
        name: made.name.clone(),
        user: owner.user,
    })?;
    Ok(made)
}

fn rename(tx: &Tx<'_>, id: &OrganizationId, name: String, expected: &Precondition) -> Result<Organization> {
    let before = require(tx.db, id)?;
    check_revision(expected, before.revision)?;
    if before.name == name {
        return Ok(before);
    }
    tx.db.change(
        "UPDATE organizations SET name = ?2, revision = revision + 1, updated_at = ?3 WHERE id = ?1",
        (id.as_str(), &name, tx.now()),
    )?;
    tx.record(Change::OrganizationRenamed { organization: id.clone(), before: before.name, after: name })?;
    require(tx.db, id)
}

fn delete(tx: &Tx<'_>, id: &OrganizationId, expected: &Precondition) -> Result<()> {
    let before = require(tx.db, id)?;
    check_revision(expected, before.revision)?;
    let members = members::count(tx.db, id)?;
    if members > 1 {
        return Err(OrganizationConflict::OtherMembers(members).into());
    }
    tx.db.change("DELETE FROM organizations WHERE id = ?1", [id.as_str()])?;
    tx.record(Change::OrganizationDeleted { organization: id.clone(), name: before.name })
}

/// The role, be it one of the system or a custom one of that organization.
pub(super) fn find_role(db: &Connection, place: &OrganizationId, id: &RoleId) -> Result<Option<OrganizationRole>> {
    if let Some(role) = SystemRole::find(id) {
        return Ok(Some(role.to_role()));
    }
    db.first(select_role!("WHERE id = ?1 AND organization_id = ?2"), [id.as_str(), place.as_str()], custom_role)
}

pub(super) fn require_role(db: &Connection, place: &OrganizationId, id: &RoleId) -> Result<OrganizationRole> {
    find_role(db, place, id)?.ok_or(StoreError::NotFound(Noun::Role))
}

fn counted(db: &Connection, place: &OrganizationId, role: OrganizationRole) -> Result<CountedRole> {
    let members = members::count_holders(db, place, &role.id)?;
    Ok(CountedRole { role, members })
}

fn list_roles(db: &Connection, place: &OrganizationId) -> Result<Vec<CountedRole>> {
    let mut roles: Vec<_> = SYSTEM_ROLES.iter().map(|role| role.to_role()).collect();
    roles.extend(db.all(
        select_role!("WHERE organization_id = ?1 ORDER BY name_key"),
        [place.as_str()],
        custom_role,
    )?);
    roles.into_iter().map(|role| counted(db, place, role)).collect()
}

fn require_free_name(db: &Connection, place: &OrganizationId, name: &str, but: Option<&RoleId>) -> Result<()> {
    let find = "SELECT 1 FROM organization_roles WHERE organization_id = ?1 AND name_key = ?2 AND id IS NOT ?3";
    let taken = db.exists(find, (place.as_str(), name_key(name), but.map(RoleId::as_str)))?;
    if taken || SystemRole::is_named(name) {
        return Err(StoreError::AlreadyExists(Unique::OrganizationRoleName));
    }
    Ok(())
}

fn create_role(tx: &Tx<'_>, place: &OrganizationId, new: NewOrganizationRole) -> Result<CountedRole> {
    require(tx.db, place)?;
    require_free_name(tx.db, place, &new.name, None)?;
    let role = new.into_role(place.clone(), tx.by.at);
    tx.db.change(
        "INSERT INTO organization_roles (organization_id, id, name, name_key, description, capabilities, revision, \
         created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        (
            place.as_str(),
            role.id.as_str(),
            &role.name,
            name_key(&role.name),
            &role.description,
            to_json(&role.capabilities)?,
            bounded(role.revision),
            tx.now(),
        ),
    )?;
    tx.record(Change::OrganizationRoleCreated {
        organization: place.clone(),
        role: role.id.clone(),
        after: role.clone(),
    })?;
    Ok(CountedRole { role, members: 0 })
}

fn update_role(
    tx: &Tx<'_>,
    place: &OrganizationId,
    id: &RoleId,
    change: &RoleChange,
    expected: &Precondition,
) -> Result<CountedRole> {
    let before = require_role(tx.db, place, id)?;
    if before.is_system() {
        return Err(Conflict::RoleProtected.into());
    }
    check_revision(expected, before.revision)?;
    let Some(after) = before.changed(change, tx.by.at) else {
        return counted(tx.db, place, before);
    };
    require_free_name(tx.db, place, &after.name, Some(id))?;
    tx.db.change(
        "UPDATE organization_roles SET name = ?2, name_key = ?3, description = ?4, capabilities = ?5, revision = ?6, \
         updated_at = ?7 WHERE id = ?1",
        (
            id.as_str(),
            &after.name,
            name_key(&after.name),
            &after.description,
            to_json(&after.capabilities)?,
            bounded(after.revision),
            tx.now(),
        ),
    )?;
    tx.record(Change::OrganizationRoleUpdated {
        organization: place.clone(),
        role: id.clone(),
        before,
        after: after.clone(),
    })?;
    counted(tx.db, place, after)
}

fn delete_role(tx: &Tx<'_>, place: &OrganizationId, id: &RoleId, expected: &Precondition) -> Result<()> {
    let role = require_role(tx.db, place, id)?;
    role.deletable(&RoleUsage::default())?;
    check_revision(expected, role.revision)?;
    role.deletable(&members::usage(tx.db, place, id)?)?;
    tx.db.change("DELETE FROM organization_roles WHERE id = ?1", [id.as_str()])?;
    tx.record(Change::OrganizationRoleDeleted { organization: place.clone(), role: id.clone(), before: role })
}

impl SqliteStore {
    async fn carry_out<T, F>(&self, order: &Order, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>, &Precondition) -> Result<T> + Clone + Send + 'static,
    {
        let expected = order.expected.clone();
        self.write(&order.by, move |tx| work(tx, &expected)).await
    }
}

#[async_trait]
impl OrganizationStore for SqliteStore {
    async fn find_organization(&self, organization: &OrganizationId) -> Result<Option<Organization>> {
        let id = organization.clone();
        self.read(move |db| find(db, &id)).await
    }

    async fn list_organizations(&self, user: &UserId, page: Page) -> Result<Listing<Organization>> {
        let user = user.clone();
        self.read(move |db| list_of(db, &user, page)).await
    }

    async fn find_standing(&self, organization: &OrganizationId, user: &UserId) -> Result<Option<Standing>> {
        let (place, user) = (organization.clone(), user.clone());
        self.read(move |db| members::standing(db, &place, &user)).await
    }

    async fn create_organization(&self, new: NewOrganization, order: &Order) -> Result<Organization> {
        self.carry_out(order, move |tx, _| create(tx, new)).await
    }

    async fn rename_organization(
        &self,
        organization: &OrganizationId,
        name: &str,
        order: &Order,
    ) -> Result<Organization> {
        let (id, name) = (organization.clone(), name.to_owned());
        self.carry_out(order, move |tx, expected| rename(tx, &id, name, expected)).await
    }

    async fn delete_organization(&self, organization: &OrganizationId, order: &Order) -> Result<()> {
        let id = organization.clone();
        self.carry_out(order, move |tx, expected| delete(tx, &id, expected)).await
    }

    async fn list_organization_roles(&self, organization: &OrganizationId) -> Result<Vec<CountedRole>> {
        let place = organization.clone();
        self.read(move |db| list_roles(db, &place)).await
    }

    async fn find_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
    ) -> Result<Option<CountedRole>> {
        let (place, id) = (organization.clone(), role.clone());
        self.read(move |db| find_role(db, &place, &id)?.map(|role| counted(db, &place, role)).transpose()).await
    }

    async fn create_organization_role(
        &self,
        organization: &OrganizationId,
        new: NewOrganizationRole,
        order: &Order,
    ) -> Result<CountedRole> {
        let place = organization.clone();
        self.carry_out(order, move |tx, _| create_role(tx, &place, new)).await
    }

    async fn update_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        change: &RoleChange,
        order: &Order,
    ) -> Result<CountedRole> {
        let (place, id, change) = (organization.clone(), role.clone(), change.clone());
        self.carry_out(order, move |tx, expected| update_role(tx, &place, &id, &change, expected)).await
    }

    async fn delete_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        order: &Order,
    ) -> Result<()> {
        let (place, id) = (organization.clone(), role.clone());
        self.carry_out(order, move |tx, expected| delete_role(tx, &place, &id, expected)).await
    }

    async fn list_organization_members(
        &self,
        organization: &OrganizationId,
        role: Option<&RoleId>,
        page: Page,
    ) -> Result<Listing<MemberAccount>> {
        let (place, role) = (organization.clone(), role.cloned());
        self.read(move |db| members::list(db, &place, role.as_ref(), page)).await
    }

    async fn assign_organization_role(
        &self,
        organization: &OrganizationId,
        gift: RoleGift,
        order: &Order,
    ) -> Result<RoleAssignment> {
        let place = organization.clone();
        self.carry_out(order, move |tx, _| members::assign(tx, place, gift)).await
    }

    async fn unassign_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        user: &UserId,
        order: &Order,
    ) -> Result<()> {
        let (place, role, user) = (organization.clone(), role.clone(), user.clone());
        self.carry_out(order, move |tx, _| members::unassign(tx, place, role, user)).await
    }

    async fn add_organization_member(
        &self,
        organization: &OrganizationId,
        new: NewMember,
        order: &Order,
    ) -> Result<MemberAccount> {
        let place = organization.clone();
        self.carry_out(order, move |tx, _| members::add(tx, &place, new)).await
    }

    async fn remove_organization_member(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        order: &Order,
    ) -> Result<()> {
        let (place, user) = (organization.clone(), user.clone());
        self.carry_out(order, move |tx, _| members::remove(tx, place, user)).await
    }

    async fn list_organization_record(
        &self,
        organization: &OrganizationId,
        filter: &RecordFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>> {
        let (place, filter) = (organization.clone(), filter.clone());
        self.read(move |db| organization_record::list(db, &place, &filter, page)).await
    }
}
