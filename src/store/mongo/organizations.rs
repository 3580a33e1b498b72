//! Organizations and their custom roles, in collections of our own. Members and what they hold are in `members`, the
//! record in `organization_record`; what may be done with a role is judged by the domain.
//!
//! Three locks keep apart what touches different documents: that of a custom role (deleting it, giving it), that of an
//! organization (who its owners are, whether it is there to be joined or to get a role) and that of the administration
//! (making somebody an Owner of something new, switching an account off).

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::error::{Step, store_error, taken};
use super::locks::Lock;
use super::organization_documents as shapes;
use super::transaction::{Transaction, transact};
use super::values::number;
use super::{MongoStore, indexes};
use crate::domain::audit::{AuditContext, AuditEntry, Change};
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

/// What the unique index of custom roles keeps apart.
const UNIQUES: [(&str, Unique); 1] = [("nameKey", Unique::OrganizationRoleName)];

#[async_trait]
impl OrganizationStore for MongoStore {
    async fn find_organization(&self, organization: &OrganizationId) -> Result<Option<Organization>> {
        let itself = doc! { "_id": organization.as_str() };
        let found = self.find_one(&self.organizations(), itself, Document::new()).await?;
        found.as_ref().map(shapes::organization).transpose()
    }

    async fn list_organizations(&self, user: &UserId, page: Page) -> Result<Listing<Organization>> {
        let Listing { items: members, total } = self.page_of_members(doc! { "user": user.as_str() }, page).await?;
        let ids: Vec<&str> = members.iter().map(|member| member.organization.as_str()).collect();
        let sort = doc! { "_id": 1 };
        let found = self.find(&self.organizations(), doc! { "_id": { "$in": ids } }, Document::new(), sort).await?;
        Ok(Listing { items: found.iter().map(shapes::organization).collect::<Result<_>>()?, total })
    }

    async fn find_standing(&self, organization: &OrganizationId, user: &UserId) -> Result<Option<Standing>> {
        self.standing_of(organization, user).await
    }

    async fn create_organization(&self, new: NewOrganization, order: &Order) -> Result<Organization> {
        transact!(self, tx => self.create_organization_in(&mut tx, &new, &order.by))
    }

    async fn rename_organization(
        &self,
        organization: &OrganizationId,
        name: &str,
        order: &Order,
    ) -> Result<Organization> {
        transact!(self, tx => self.rename_organization_in(&mut tx, organization, name, order))
    }

    async fn delete_organization(&self, organization: &OrganizationId, order: &Order) -> Result<()> {
        transact!(self, tx => self.delete_organization_in(&mut tx, organization, order))
    }

    async fn list_organization_roles(&self, organization: &OrganizationId) -> Result<Vec<CountedRole>> {
        let custom = doc! { "organization": organization.as_str() };
        let found = self.find(&self.organization_roles(), custom, Document::new(), doc! { "nameKey": 1 }).await?;
        let mut roles: Vec<_> = SYSTEM_ROLES.iter().map(|role| role.to_role()).collect();
        for document in &found {
            roles.push(shapes::role(document)?);
        }
        let counts = self.counts_of_holders(organization).await?;
        let counted = |role: OrganizationRole| {
            let members = counts.get(role.id.as_str()).copied().unwrap_or_default();
            CountedRole { role, members }
        };
        Ok(roles.into_iter().map(counted).collect())
    }

    async fn find_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
    ) -> Result<Option<CountedRole>> {
        let found = match SystemRole::find(role) {
            Some(system) => Some(system.to_role()),
            None => {
                let itself = role_of(organization, role);
                let found = self.find_one(&self.organization_roles(), itself, Document::new()).await?;
                found.as_ref().map(shapes::role).transpose()?
            }
        };
        let Some(role) = found else { return Ok(None) };
        let held = doc! { "organization": organization.as_str(), "roles.role": role.id.as_str() };
        let members = self.organization_members().count_documents(held).await.map_err(store_error)?;
        Ok(Some(CountedRole { role, members }))
    }

    async fn create_organization_role(
        &self,
        organization: &OrganizationId,
        new: NewOrganizationRole,
        order: &Order,
    ) -> Result<CountedRole> {
        transact!(self, tx => self.create_organization_role_in(&mut tx, organization, &new, &order.by))
    }

    async fn update_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        change: &RoleChange,
        order: &Order,
    ) -> Result<CountedRole> {
        transact!(self, tx => self.update_organization_role_in(&mut tx, organization, role, change, order))
    }

    async fn delete_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        order: &Order,
    ) -> Result<()> {
        transact!(self, tx => self.delete_organization_role_in(&mut tx, organization, role, order))
    }

    async fn list_organization_members(
        &self,
        organization: &OrganizationId,
        role: Option<&RoleId>,
        page: Page,
    ) -> Result<Listing<MemberAccount>> {
        self.list_members_of(organization, role, page).await
    }

    async fn assign_organization_role(
        &self,
        organization: &OrganizationId,
        gift: RoleGift,
        order: &Order,
    ) -> Result<RoleAssignment> {
        transact!(self, tx => self.assign_organization_role_in(&mut tx, organization, &gift, &order.by))
    }

    async fn unassign_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        user: &UserId,
        order: &Order,
    ) -> Result<()> {
        transact!(self, tx => self.unassign_organization_role_in(&mut tx, organization, role, user, &order.by))
    }

    async fn add_organization_member(
        &self,
        organization: &OrganizationId,
        new: NewMember,
        order: &Order,
    ) -> Result<MemberAccount> {
        transact!(self, tx => self.add_organization_member_in(&mut tx, organization, &new, &order.by))
    }

    async fn remove_organization_member(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        order: &Order,
    ) -> Result<()> {
        transact!(self, tx => self.remove_organization_member_in(&mut tx, organization, user, &order.by))
    }

    async fn list_organization_record(
        &self,
        organization: &OrganizationId,
        filter: &RecordFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>> {
        self.record_of(organization, filter, page).await
    }
}

/// A custom role, if it is that organization's.
fn role_of(place: &OrganizationId, role: &RoleId) -> Document {
    doc! { "_id": role.as_str(), "organization": place.as_str() }
}

/// Refuses a change that is meant for another revision.
fn check_revision(expected: &Precondition, revision: u64) -> Step<()> {
    if expected.holds(revision) {
        return Ok(());
    }
    Err(StoreError::from(OrganizationConflict::OtherRevision(revision)).into())
}

impl MongoStore {
    pub(super) fn organizations(&self) -> Collection<Document> {
        self.database.collection(indexes::ORGANIZATIONS)
    }

    pub(super) fn organization_roles(&self) -> Collection<Document> {
        self.database.collection(indexes::ORGANIZATION_ROLES)
    }

    pub(super) fn organization_members(&self) -> Collection<Document> {
        self.database.collection(indexes::ORGANIZATION_MEMBERS)
    }

    /// How many members hold each role.
    async fn counts_of_holders(&self, place: &OrganizationId) -> Result<HashMap<String, u64>> {
        let pipeline = [
            doc! { "$match": { "organization": place.as_str() } },
            doc! { "$unwind": "$roles" },
            doc! { "$group": { "_id": "$roles.role", "members": { "$sum": 1 } } },
        ];
        let cursor = self.organization_members().aggregate(pipeline).await.map_err(store_error)?;
        let groups: Vec<Document> = cursor.try_collect().await.map_err(store_error)?;
        let count = |group: &Document| {
            let members = number(group, "members").map_or(0, i64::unsigned_abs);
            Some((group.get_str("_id").ok()?.to_owned(), members))
        };
        Ok(groups.iter().filter_map(count).collect())
    }

    /// The organization as the transaction sees it.
    pub(super) async fn organization(&self, tx: &mut Transaction, id: &OrganizationId) -> Step<Organization> {
        match tx.find_one(&self.organizations(), doc! { "_id": id.as_str() }, Document::new()).await? {
            Some(document) => Ok(shapes::organization(&document)?),
            None => Err(StoreError::NotFound(Noun::Organization).into()),
        }
    }

    /// The role, be it one of the system or a custom one, as the transaction sees it.
    pub(super) async fn organization_role(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        id: &RoleId,
    ) -> Step<OrganizationRole> {
        if let Some(system) = SystemRole::find(id) {
            return Ok(system.to_role());
        }
        match tx.find_one(&self.organization_roles(), role_of(place, id), Document::new()).await? {
            Some(document) => Ok(shapes::role(&document)?),
            None => Err(StoreError::NotFound(Noun::Role).into()),
        }
    }

    async fn create_organization_in(
        &self,
        tx: &mut Transaction,
        new: &NewOrganization,
        by: &AuditContext,
    ) -> Step<Organization> {
        self.lock(tx, &Lock::Administration).await?;
        if !self.account(tx, &new.owner.user).await?.active {
            return Err(StoreError::NotFound(Noun::User).into());
        }
        let made = Organization {
            id: new.id.clone(),
            name: new.name.clone(),
            revision: 1,
            created_at: by.at,
            updated_at: by.at,
        };
        let owner = new.owner.clone().into_member(made.id.clone(), OWNER, by.at);
        self.organizations().insert_one(shapes::organization_document(&made)).session(&mut tx.session).await?;
        self.organization_members().insert_one(shapes::member_document(&owner)).session(&mut tx.session).await?;
        let (organization, name) = (made.id.clone(), made.name.clone());
        self.record(tx, by, Change::OrganizationCreated { organization, name, user: owner.user }).await?;
        Ok(made)
    }

    async fn rename_organization_in(
        &self,
        tx: &mut Transaction,
        id: &OrganizationId,
        name: &str,
        order: &Order,
    ) -> Step<Organization> {
        let before = self.organization(tx, id).await?;
        check_revision(&order.expected, before.revision)?;
        if before.name == name {
            return Ok(before);
        }
        let by = &order.by;
        let after =
            Organization { name: name.to_owned(), revision: before.revision + 1, updated_at: by.at, ..before.clone() };
        let itself = doc! { "_id": id.as_str() };
        self.organizations()
            .replace_one(itself, shapes::organization_document(&after))
            .session(&mut tx.session)
            .await?;
        let change =
            Change::OrganizationRenamed { organization: id.clone(), before: before.name, after: name.to_owned() };
        self.record(tx, by, change).await?;
        Ok(after)
    }

    async fn delete_organization_in(&self, tx: &mut Transaction, id: &OrganizationId, order: &Order) -> Step<()> {
        self.lock(tx, &Lock::Organization(id.clone())).await?;
        let before = self.organization(tx, id).await?;
        check_revision(&order.expected, before.revision)?;
        let of_it = doc! { "organization": id.as_str() };
        let members = self.organization_members().count_documents(of_it.clone()).session(&mut tx.session).await?;
        if members > 1 {
            return Err(StoreError::from(OrganizationConflict::OtherMembers(members)).into());
        }
        self.organization_members().delete_many(of_it.clone()).session(&mut tx.session).await?;
        self.organization_roles().delete_many(of_it).session(&mut tx.session).await?;
        self.organizations().delete_one(doc! { "_id": id.as_str() }).session(&mut tx.session).await?;
        self.drop_lock(tx, &Lock::Organization(id.clone())).await?;
        let change = Change::OrganizationDeleted { organization: id.clone(), name: before.name };
        self.record(tx, &order.by, change).await
    }

    /// Refuses a name that a system role or another custom role of the organization has.
    async fn require_free_role_name(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        name: &str,
        but: Option<&RoleId>,
    ) -> Step<()> {
        let mut named = doc! { "organization": place.as_str(), "nameKey": name_key(name) };
        if let Some(but) = but {
            named.insert("_id", doc! { "$ne": but.as_str() });
        }
        if SystemRole::is_named(name) || tx.exists(&self.organization_roles(), named).await? {
            return Err(StoreError::AlreadyExists(Unique::OrganizationRoleName).into());
        }
        Ok(())
    }

    async fn create_organization_role_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        new: &NewOrganizationRole,
        by: &AuditContext,
    ) -> Step<CountedRole> {
        self.lock(tx, &Lock::Organization(place.clone())).await?;
        self.organization(tx, place).await?;
        self.require_free_role_name(tx, place, &new.name, None).await?;
        let role = new.clone().into_role(place.clone(), by.at);
        let written = self.organization_roles().insert_one(shapes::role_document(&role)).session(&mut tx.session).await;
        written.map_err(|error| taken(error, &UNIQUES))?;
        let change =
            Change::OrganizationRoleCreated { organization: place.clone(), role: role.id.clone(), after: role.clone() };
        self.record(tx, by, change).await?;
        Ok(CountedRole { role, members: 0 })
    }

    async fn update_organization_role_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        id: &RoleId,
        change: &RoleChange,
        order: &Order,
    ) -> Step<CountedRole> {
        let before = self.organization_role(tx, place, id).await?;
        if before.is_system() {
            return Err(Conflict::RoleProtected.into());
        }
        check_revision(&order.expected, before.revision)?;
        let members = self.count_holders_in(tx, place, id).await?;
        let Some(after) = before.changed(change, order.by.at) else {
            return Ok(CountedRole { role: before, members });
        };
        self.require_free_role_name(tx, place, &after.name, Some(id)).await?;
        let written = self
            .organization_roles()
            .replace_one(role_of(place, id), shapes::role_document(&after))
            .session(&mut tx.session)
            .await;
        written.map_err(|error| taken(error, &UNIQUES))?;
        let (organization, role) = (place.clone(), id.clone());
        let change = Change::OrganizationRoleUpdated { organization, role, before, after: after.clone() };
        self.record(tx, &order.by, change).await?;
        Ok(CountedRole { role: after, members })
    }

    async fn delete_organization_role_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        id: &RoleId,
        order: &Order,
    ) -> Step<()> {
        let lock = Lock::Role(id.clone());
        self.lock(tx, &lock).await?;
        let role = self.organization_role(tx, place, id).await?;
        role.deletable(&RoleUsage::default())?;
        check_revision(&order.expected, role.revision)?;
        role.deletable(&self.usage_of_organization_role(tx, place, id).await?)?;
        self.organization_roles().delete_one(role_of(place, id)).session(&mut tx.session).await?;
        self.drop_lock(tx, &lock).await?;
        let (organization, role_id) = (place.clone(), id.clone());
        let change = Change::OrganizationRoleDeleted { organization, role: role_id, before: role };
        self.record(tx, &order.by, change).await
    }
}
