//! Members of organizations, the roles inside of their documents, and the rule that an organization keeps an Owner who
//! can act. Whatever could take the last one away holds the lock of the organization.

use std::collections::HashMap;

use mongodb::bson::{Document, doc};

use super::error::{Failure, Step, store_error, taken};
use super::indexes::{ORGANIZATION_MEMBERS, USERS};
use super::invariants::acting;
use super::locks::Lock;
use super::organization_documents as shapes;
use super::transaction::Transaction;
use super::values::text;
use super::{MongoStore, documents};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::capability::Capabilities;
use crate::domain::ids::{OrganizationId, RoleId, UserId};
use crate::domain::organization::{
    HeldRole, Member, MemberAccount, NewMember, RoleAssignment, RoleGift, Standing, can_spare_owner,
};
use crate::domain::role::{MAX_NAMED_HOLDERS, RoleUsage};
use crate::domain::system_role::{MEMBER, OWNER, SystemRole};
use crate::domain::user::User;
use crate::store::{Conflict, Listing, Noun, OrganizationConflict, Page, Result, StoreError, Unique};

/// What the unique index of members keeps apart.
const UNIQUES: [(&str, Unique); 1] = [("user", Unique::Member)];

/// The order in which members are listed; either part is fixed in every list.
fn order() -> Document {
    doc! { "user": 1, "organization": 1 }
}

fn member_of(place: &OrganizationId, user: &UserId) -> Document {
    doc! { "organization": place.as_str(), "user": user.as_str() }
}

fn holders_of(place: &OrganizationId, role: &RoleId) -> Document {
    doc! { "organization": place.as_str(), "roles.role": role.as_str() }
}

impl MongoStore {
    /// A member and what his roles allow together.
    pub(super) async fn standing_of(&self, place: &OrganizationId, user: &UserId) -> Result<Option<Standing>> {
        let found = self.find_one(&self.organization_members(), member_of(place, user), Document::new()).await?;
        let Some(member) = found.as_ref().map(shapes::member).transpose()? else { return Ok(None) };
        let (mut capabilities, mut custom) = (Capabilities::default(), Vec::new());
        for held in &member.roles {
            match SystemRole::find(&held.role) {
                Some(system) => capabilities.add(&system.to_role().capabilities),
                None => custom.push(held.role.as_str()),
            }
        }
        if !custom.is_empty() {
            let filter = doc! { "_id": { "$in": custom }, "organization": place.as_str() };
            let found = self.find(&self.organization_roles(), filter, Document::new(), Document::new()).await?;
            for document in &found {
                capabilities.add(&shapes::role(document)?.capabilities);
            }
        }
        Ok(Some(Standing { member, capabilities }))
    }

    /// A page of memberships.
    pub(super) async fn page_of_members(&self, filter: Document, page: Page) -> Result<Listing<Member>> {
        let members = self.organization_members();
        let total = members.count_documents(filter.clone()).await.map_err(store_error)?;
        // A limit of zero would mean none.
        if page.count == Some(0) || page.offset >= total {
            return Ok(Listing { items: Vec::new(), total });
        }
        let limit = page.count.map_or(0, |count| i64::try_from(count).unwrap_or(i64::MAX));
        let find = members.find(filter).sort(order()).skip(page.offset).limit(limit);
        let mut cursor = find.await.map_err(store_error)?;
        let mut items = Vec::new();
        while cursor.advance().await.map_err(store_error)? {
            items.push(shapes::member(&cursor.deserialize_current().map_err(store_error)?)?);
        }
        Ok(Listing { items, total })
    }

    /// Members, or the holders of a role, with their accounts.
    pub(super) async fn list_members_of(
        &self,
        place: &OrganizationId,
        role: Option<&RoleId>,
        page: Page,
    ) -> Result<Listing<MemberAccount>> {
        let filter = match role {
            Some(role) => holders_of(place, role),
            None => doc! { "organization": place.as_str() },
        };
        let Listing { items: members, total } = self.page_of_members(filter, page).await?;
        let ids: Vec<&str> = members.iter().map(|member| member.user.as_str()).collect();
        let filter = doc! { "_id": { "$in": ids } };
        let found = self.find(&self.users(), filter, documents::user_projection(), Document::new()).await?;
        let mut accounts = HashMap::new();
        for document in &found {
            let user = documents::user(document)?;
            accounts.insert(user.id.clone(), user);
        }
        let with_account = |member: Member| {
            let account = accounts.remove(&member.user);
            MemberAccount { member, account }
        };
        Ok(Listing { items: members.into_iter().map(with_account).collect(), total })
    }

    /// How many members hold the role, as the transaction sees it.
    pub(super) async fn count_holders_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        role: &RoleId,
    ) -> Step<u64> {
        Ok(self.organization_members().count_documents(holders_of(place, role)).session(&mut tx.session).await?)
    }

    /// Who holds the role, as the transaction sees it.
    pub(super) async fn usage_of_organization_role(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        role: &RoleId,
    ) -> Step<RoleUsage> {
        let most = i64::try_from(MAX_NAMED_HOLDERS).unwrap_or(i64::MAX);
        let members = self.organization_members();
        let first = tx.find(&members, holders_of(place, role), doc! { "user": 1 }, order(), most).await?;
        if first.is_empty() {
            return Ok(RoleUsage::default());
        }
        let ids: Vec<&str> = first.iter().filter_map(|member| member.get_str("user").ok()).collect();
        let named = doc! { "_id": { "$in": ids } };
        let sort = doc! { "username": 1 };
        let found = tx.find(&self.users(), named, doc! { "username": 1 }, sort, 0).await?;
        let names = found.iter().filter_map(|user| text(user, "username")).collect();
        Ok(RoleUsage { users: self.count_holders_in(tx, place, role).await?, rooms: 0, names })
    }

    async fn member_in(&self, tx: &mut Transaction, place: &OrganizationId, user: &UserId) -> Step<Option<Member>> {
        let found = tx.find_one(&self.organization_members(), member_of(place, user), Document::new()).await?;
        Ok(found.as_ref().map(shapes::member).transpose()?)
    }

    pub(super) async fn assign_organization_role_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        gift: &RoleGift,
        by: &AuditContext,
    ) -> Step<RoleAssignment> {
        if SystemRole::find(&gift.role).is_none() {
            self.lock(tx, &Lock::Role(gift.role.clone())).await?;
        }
        if gift.role.as_str() == OWNER {
            self.lock(tx, &Lock::Account(gift.user.clone())).await?;
        }
        let role = self.organization_role(tx, place, &gift.role).await?;
        let beyond = gift.within.lacking(&role.capabilities);
        if !beyond.is_empty() {
            return Err(StoreError::from(OrganizationConflict::BeyondOneself(beyond)).into());
        }
        let Some(member) = self.member_in(tx, place, &gift.user).await? else {
            return Err(StoreError::NotFound(Noun::Member).into());
        };
        if member.holds(role.id.as_str()) {
            return Err(Conflict::RoleAlreadyHeld.into());
        }
        let held = HeldRole { id: gift.id.clone(), role: role.id, assigned_at: by.at };
        let change = doc! { "$push": { "roles": shapes::held_document(&held) } };
        self.organization_members().update_one(member_of(place, &gift.user), change).session(&mut tx.session).await?;
        let (role, user) = (held.role.clone(), gift.user.clone());
        let change = Change::OrganizationRoleAssigned { organization: place.clone(), role, user: user.clone() };
        self.record(tx, by, change).await?;
        let HeldRole { id, role, assigned_at } = held;
        Ok(RoleAssignment { id, organization: place.clone(), user, role, assigned_at })
    }

    pub(super) async fn unassign_organization_role_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        role: &RoleId,
        user: &UserId,
        by: &AuditContext,
    ) -> Step<()> {
        if role.as_str() == OWNER {
            self.lock(tx, &Lock::Organization(place.clone())).await?;
        }
        self.organization_role(tx, place, role).await?;
        if !self.member_in(tx, place, user).await?.is_some_and(|member| member.holds(role.as_str())) {
            return Err(Conflict::RoleNotHeld.into());
        }
        if role.as_str() == OWNER {
            self.require_other_owner(tx, place, user).await?;
        }
        let change = doc! { "$pull": { "roles": { "role": role.as_str() } } };
        self.organization_members().update_one(member_of(place, user), change).session(&mut tx.session).await?;
        let (organization, role, user) = (place.clone(), role.clone(), user.clone());
        self.record(tx, by, Change::OrganizationRoleUnassigned { organization, role, user }).await
    }

    pub(super) async fn add_organization_member_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        new: &NewMember,
        by: &AuditContext,
    ) -> Step<MemberAccount> {
        self.lock(tx, &Lock::Account(new.user.clone())).await?;
        self.lock(tx, &Lock::Organization(place.clone())).await?;
        self.organization(tx, place).await?;
        let account = self.account(tx, &new.user).await?;
        if self.member_in(tx, place, &new.user).await?.is_some() {
            return Err(StoreError::AlreadyExists(Unique::Member).into());
        }
        let member = new.clone().into_member(place.clone(), MEMBER, by.at);
        let members = self.organization_members();
        let written = members.insert_one(shapes::member_document(&member)).session(&mut tx.session).await;
        written.map_err(|error| taken(error, &UNIQUES))?;
        let change = Change::OrganizationMemberAdded { organization: place.clone(), user: member.user.clone() };
        self.record(tx, by, change).await?;
        Ok(MemberAccount { member, account: Some(account) })
    }

    pub(super) async fn remove_organization_member_in(
        &self,
        tx: &mut Transaction,
        place: &OrganizationId,
        user: &UserId,
        by: &AuditContext,
    ) -> Step<()> {
        self.lock(tx, &Lock::Organization(place.clone())).await?;
        let Some(member) = self.member_in(tx, place, user).await? else {
            return Err(StoreError::NotFound(Noun::Member).into());
        };
        if member.holds(OWNER) {
            self.require_other_owner(tx, place, user).await?;
        }
        self.organization_members().delete_one(member_of(place, user)).session(&mut tx.session).await?;
        let (organization, user) = (place.clone(), user.clone());
        let roles = member.roles.into_iter().map(|held| held.role).collect();
        self.record(tx, by, Change::OrganizationMemberRemoved { organization, user, roles }).await
    }

    /// Refuses when the organization, whose lock is held, would be left without an Owner who can act.
    async fn require_other_owner(&self, tx: &mut Transaction, place: &OrganizationId, user: &UserId) -> Step<()> {
        let owners = holders_of(place, &RoleId::from_stored(OWNER));
        let owners = tx.find(&self.organization_members(), owners, doc! { "user": 1 }, order(), 0).await?;
        let ids: Vec<&str> = owners.iter().filter_map(|member| member.get_str("user").ok()).collect();
        let filter = doc! { "_id": { "$in": ids } };
        let found = tx.find(&self.users(), filter, documents::user_projection(), Document::new(), 0).await?;
        let owners = found.iter().map(documents::user).collect::<Result<Vec<User>>>()?;
        if can_spare_owner(user, &owners) {
            return Ok(());
        }
        let organization = self.organization(tx, place).await?;
        let (organization, name) = (organization.id, organization.name);
        Err(StoreError::from(OrganizationConflict::LastOwner { organization, name }).into())
    }

    /// Ends every membership of an account that goes, whose lock is held; for the record of each organization.
    pub(super) async fn leave_organizations(&self, tx: &mut Transaction, user: &UserId, by: &AuditContext) -> Step<()> {
        let own = doc! { "user": user.as_str() };
        let found = tx.find(&self.organization_members(), own.clone(), Document::new(), order(), 0).await?;
        for member in found.iter().map(shapes::member).collect::<Result<Vec<Member>>>()? {
            let roles = member.roles.into_iter().map(|held| held.role).collect();
            let (organization, user) = (member.organization, member.user);
            self.record(tx, by, Change::OrganizationMemberRemoved { organization, user, roles }).await?;
        }
        self.organization_members().delete_many(own).session(&mut tx.session).await?;
        self.drop_lock(tx, &Lock::Account(user.clone())).await
    }

    /// Takes the locks that an account needs to be switched off or to go: its own, so that meanwhile it joins no
    /// organization and comes to own none, and those of the organizations that it owns, as far as can be seen before the
    /// transaction; [`MongoStore::require_other_owners`] notices when that was out of date.
    pub(super) async fn lock_owned_organizations(&self, tx: &mut Transaction, user: &UserId) -> Step<()> {
        self.lock(tx, &Lock::Account(user.clone())).await?;
        let projection = doc! { "organization": 1 };
        let owned = self.find(&self.organization_members(), owned_by(user), projection, order()).await?;
        for member in &owned {
            if let Some(place) = text(member, "organization") {
                self.lock(tx, &Lock::Organization(OrganizationId::from_stored(place))).await?;
            }
        }
        Ok(())
    }

    /// Refuses when any organization would be left without an Owner who can act, were the account gone or switched
    /// off.
    pub(super) async fn require_other_owners(&self, tx: &mut Transaction, user: &UserId) -> Step<()> {
        let (projection, oldest_first) = (doc! { "organization": 1 }, doc! { "joinedAt": 1, "organization": 1 });
        let owned = tx.find(&self.organization_members(), owned_by(user), projection, oldest_first, 0).await?;
        for member in &owned {
            let place = OrganizationId::from_stored(text(member, "organization").unwrap_or_default());
            if !tx.holds(&Lock::Organization(place.clone())) {
                return Err(Failure::Outdated);
            }
            self.require_other_owner(tx, &place, user).await?;
        }
        Ok(())
    }
}

/// Accounts but for those that are the last Owner of an organization who can act.
pub(super) fn but_for_last_owners() -> [Document; 2] {
    let acting = vec![doc! { "$match": acting() }, doc! { "$project": { "_id": 1 } }];
    let other_owners = vec![
        doc! { "$match": { "roles.role": OWNER, "$expr": { "$ne": ["$user", "$$account"] } } },
        doc! { "$lookup": {
            "from": USERS, "localField": "user", "foreignField": "_id", "pipeline": acting, "as": "accounts",
        } },
        doc! { "$match": { "accounts.0": { "$exists": true } } },
        doc! { "$limit": 1 },
    ];
    let owned_alone = vec![
        doc! { "$match": { "roles.role": OWNER } },
        doc! { "$lookup": {
            "from": ORGANIZATION_MEMBERS,
            "localField": "organization",
            "foreignField": "organization",
            "let": { "account": "$user" },
            "pipeline": other_owners,
            "as": "others",
        } },
        doc! { "$match": { "others": [] } },
        doc! { "$limit": 1 },
    ];
    [
        doc! { "$lookup": {
            "from": ORGANIZATION_MEMBERS,
            "localField": "_id",
            "foreignField": "user",
            "pipeline": owned_alone,
            "as": "alone",
        } },
        doc! { "$match": { "alone": [] } },
    ]
}

fn owned_by(user: &UserId) -> Document {
    doc! { "user": user.as_str(), "roles.role": OWNER }
}
