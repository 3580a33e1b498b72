//! Organizations and receipts: two more traits of a backend, under the rules of `store`. What an organization is, who
//! may do what in it and what a receipt means is said in `domain`; here is what a backend keeps of them.
//!
//! Every method takes the organization first, and what belongs to another one is not there for it.

use async_trait::async_trait;

use super::{Listing, Page, Result};
use crate::domain::audit::{AuditContext, AuditEntry};
use crate::domain::ids::{OrganizationId, RoleId, UserId};
use crate::domain::organization::{
    CountedRole, MemberAccount, NewMember, NewOrganization, NewOrganizationRole, Organization, Precondition,
    RoleAssignment, RoleChange, RoleGift, Standing,
};
use crate::domain::receipt::{Fingerprint, Found, KeptAnswer, Ticket};
use crate::domain::time::Timestamp;

/// A change with what goes with it.
pub struct Order {
    /// Who makes it.
    pub by: AuditContext,
    /// What it is meant for; counts for changes of an organization or a role that is there.
    pub expected: Precondition,
}

impl Order {
    /// A change without conditions.
    pub fn plain(by: AuditContext) -> Self {
        Self { by, expected: Precondition::None }
    }
}

/// Which entries of an organization's record are wanted; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// The kind of change, for instance `organization_role_created`.
    pub action: Option<String>,
    /// Who made it.
    pub actor: Option<UserId>,
    /// Whom it was about.
    pub user: Option<UserId>,
    /// Which role it was about.
    pub role: Option<RoleId>,
    /// Not earlier.
    pub from: Option<Timestamp>,
    /// Not later.
    pub to: Option<Timestamp>,
    /// Only what stands behind the entry of that time and id.
    pub behind: Option<(Timestamp, String)>,
}

/// Organizations, their roles and their members. "Role" without further words is one of the organization or a system
/// role (`domain::system_role::SYSTEM_ROLES`), which every organization has without it being stored.
#[async_trait]
pub trait OrganizationStore {
    /// The organization.
    async fn find_organization(&self, organization: &OrganizationId) -> Result<Option<Organization>>;

    /// The organizations that somebody is a member of, by their ids.
    async fn list_organizations(&self, user: &UserId, page: Page) -> Result<Listing<Organization>>;

    /// A member's place and what his roles allow together; `None` when he is not a member.
    async fn find_standing(&self, organization: &OrganizationId, user: &UserId) -> Result<Option<Standing>>;

    /// Makes an organization whose first member has the system role Owner. Audit: `OrganizationCreated`.
    ///
    /// # Errors
    /// `NotFound(User)` when the owner does not exist or is deactivated.
    async fn create_organization(&self, new: NewOrganization, order: &Order) -> Result<Organization>;

    /// Gives an organization another name and returns it. The name that it has already changes nothing (no audit
    /// entry). Audit: `OrganizationRenamed`.
    ///
    /// # Errors
    /// In this order: `NotFound(Organization)`; `Organization(OtherRevision)`.
    async fn rename_organization(
        &self,
        organization: &OrganizationId,
        name: &str,
        order: &Order,
    ) -> Result<Organization>;

    /// Deletes an organization with its custom roles and its last membership. Its record stays.
    /// Audit: `OrganizationDeleted`.
    ///
    /// # Errors
    /// In this order: `NotFound(Organization)`; `Organization(OtherRevision)`; `Organization(OtherMembers)` when it has
    /// more than one member, whatever their accounts are.
    async fn delete_organization(&self, organization: &OrganizationId, order: &Order) -> Result<()>;

    /// Every role: the system roles in their order, then the custom ones by `name_key`. Each with the number of its
    /// holders in this organization, deactivated accounts included.
    async fn list_organization_roles(&self, organization: &OrganizationId) -> Result<Vec<CountedRole>>;

    /// A role, counted as in `list_organization_roles`.
    async fn find_organization_role(&self, organization: &OrganizationId, role: &RoleId)
    -> Result<Option<CountedRole>>;

    /// Makes a custom role. Audit: `OrganizationRoleCreated`.
    ///
    /// # Errors
    /// In this order: `NotFound(Organization)`; `AlreadyExists(OrganizationRoleName)` when a system role or another
    /// custom role of the organization has a name of the same key. Concurrent calls with the same name: exactly one
    /// succeeds. Other organizations do not matter.
    async fn create_organization_role(
        &self,
        organization: &OrganizationId,
        new: NewOrganizationRole,
        order: &Order,
    ) -> Result<CountedRole>;

    /// Changes a custom role and returns it; what the change does not name stays. A change after which nothing differs
    /// changes nothing (no audit entry, same revision). Audit: `OrganizationRoleUpdated`.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; `Conflict(RoleProtected)` for a system role; `Organization(OtherRevision)`;
    /// `AlreadyExists(OrganizationRoleName)` as in `create_organization_role`.
    async fn update_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        change: &RoleChange,
        order: &Order,
    ) -> Result<CountedRole>;

    /// Deletes a custom role. Decided against concurrent assignments: after any interleaving with
    /// `assign_organization_role` nobody holds a role that is gone. Audit: `OrganizationRoleDeleted`.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; by `OrganizationRole::deletable` `Conflict(RoleProtected)`;
    /// `Organization(OtherRevision)`; `Conflict(RoleInUse)` with all its holders as `users`, deactivated accounts
    /// included, and the usernames of up to ten of them in alphabetical order.
    async fn delete_organization_role(&self, organization: &OrganizationId, role: &RoleId, order: &Order)
    -> Result<()>;

    /// Members, all of them or the holders of a role, by the ids of their accounts.
    async fn list_organization_members(
        &self,
        organization: &OrganizationId,
        role: Option<&RoleId>,
        page: Page,
    ) -> Result<Listing<MemberAccount>>;

    /// Gives a role to a member. Audit: `OrganizationRoleAssigned`.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; `Organization(BeyondOneself)` when the role, as it is at that moment, can do
    /// more than the gift is within; `NotFound(Member)`; `Conflict(RoleAlreadyHeld)`.
    async fn assign_organization_role(
        &self,
        organization: &OrganizationId,
        gift: RoleGift,
        order: &Order,
    ) -> Result<RoleAssignment>;

    /// Takes a role from a member. Audit: `OrganizationRoleUnassigned`.
    ///
    /// # Errors
    /// In this order: `NotFound(Role)`; `Conflict(RoleNotHeld)`, also of somebody who is not a member;
    /// `Organization(LastOwner)` by `can_spare_owner` when the role is Owner.
    async fn unassign_organization_role(
        &self,
        organization: &OrganizationId,
        role: &RoleId,
        user: &UserId,
        order: &Order,
    ) -> Result<()>;

    /// Makes somebody a member with the system role Member. Audit: `OrganizationMemberAdded`.
    ///
    /// # Errors
    /// In this order: `NotFound(Organization)`; `NotFound(User)`; `AlreadyExists(Member)`.
    async fn add_organization_member(
        &self,
        organization: &OrganizationId,
        new: NewMember,
        order: &Order,
    ) -> Result<MemberAccount>;

    /// Ends a membership with all its roles. Audit: `OrganizationMemberRemoved`.
    ///
    /// # Errors
    /// In this order: `NotFound(Member)`; `Organization(LastOwner)` as in `unassign_organization_role`.
    async fn remove_organization_member(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        order: &Order,
    ) -> Result<()>;

    /// The record of an organization, latest first: by time, then by id, both downwards. The record of one that is gone
    /// is still there.
    async fn list_organization_record(
        &self,
        organization: &OrganizationId,
        filter: &RecordFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>>;
}

/// Receipts (`domain::receipt`).
#[async_trait]
pub trait ReceiptStore {
    /// What a request finds under its key at `now`, by `Receipt::judge`; when that is `Vacant`, the place is now taken by
    /// it under the ticket. Concurrent calls: at most one finds the place vacant. Receipts whose time is over may go.
    async fn take_receipt(&self, ticket: &Ticket, request: &Fingerprint, now: Timestamp) -> Result<Found>;

    /// Keeps the answer to a request that changed nothing. Does nothing when the ticket does not count any more.
    async fn keep_answer(&self, ticket: &Ticket, answer: &KeptAnswer) -> Result<()>;

    /// Gives the place up, unless an answer is kept there or the ticket does not count any more.
    async fn drop_receipt(&self, ticket: &Ticket) -> Result<()>;
}
