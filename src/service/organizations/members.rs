//! Members of an organization: who they are, what they may, bringing them in, taking them out, giving and taking roles.

use super::access::Seat;
use super::roles::{beyond, role_id};
use super::{inner_user_id, outer_user_id, refused};
use crate::domain::ids::UserId;
use crate::domain::organization::{MemberAccount, RoleAssignment, RoleGift, Standing};
use crate::domain::time::Timestamp;
use crate::service::error::OrganizationRefusal;
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Conflict, Listing, Noun, Order, OrganizationConflict, Page, StoreError, Unique, UsernameMatch};

/// How a caller names somebody who is to be added.
#[derive(Debug)]
pub enum NewcomerName {
    /// As this surface calls him.
    Id(String),
    /// As he logs in.
    Username(String),
}

/// What a member may do, all his roles together.
pub struct EffectivePermissions {
    /// The member and his roles.
    pub standing: Standing,
    /// When this was found out.
    pub resolved_at: Timestamp,
}

impl Services {
    /// A page of the members.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_organization_members(&self, seat: &Seat, page: Page) -> Result<Listing<MemberAccount>> {
        Ok(self.store.list_organization_members(&seat.organization, None, page).await?)
    }

    /// A page of the holders of a role.
    ///
    /// # Errors
    /// `RoleNotFound`.
    pub async fn list_role_members(&self, seat: &Seat, role: &str, page: Page) -> Result<Listing<MemberAccount>> {
        let found = self.view_organization_role(seat, role).await?;
        Ok(self.store.list_organization_members(&seat.organization, Some(&found.role.id), page).await?)
    }

    /// What a member may do.
    ///
    /// # Errors
    /// `UserNotFound`.
    pub async fn effective_permissions(&self, seat: &Seat, user: &str) -> Result<EffectivePermissions> {
        let standing = self.store.find_standing(&seat.organization, &user_id(user)?).await?;
        let standing = standing.ok_or_else(|| unknown(user))?;
        Ok(EffectivePermissions { standing, resolved_at: self.clock.now() })
    }

    /// Gives a role to a member.
    ///
    /// # Errors
    /// In this order: `RoleNotFound`; `Insufficient` when the role can do what the caller cannot; `UserNotFound`;
    /// `AlreadyHeld`.
    pub async fn assign_organization_role(
        &self,
        caller: &Caller,
        seat: &Seat,
        role: &str,
        user: &str,
    ) -> Result<RoleAssignment> {
        let role_of_gift = role_id(role)?;
        // A text that is nobody's id is looked for all the same, so that the role is judged first.
        let whom = inner_user_id(user).unwrap_or_else(|| UserId::from_stored(""));
        let within = seat.capabilities().clone();
        let gift = RoleGift { id: self.fresh("urol"), role: role_of_gift, user: whom, within };
        let order = Order::plain(self.audit(caller));
        let given = self.store.assign_organization_role(&seat.organization, gift, &order).await;
        given.map_err(|error| match error {
            StoreError::NotFound(Noun::Role) => OrganizationRefusal::RoleNotFound(role.to_owned()).into(),
            StoreError::NotFound(Noun::Member) => unknown(user),
            StoreError::Conflict(Conflict::RoleAlreadyHeld) => {
                OrganizationRefusal::AlreadyHeld { role: role.to_owned(), user: user.to_owned() }.into()
            }
            StoreError::Conflict(Conflict::Organization(OrganizationConflict::BeyondOneself(missing))) => {
                beyond(missing.iter().map(|capability| capability.key()).collect(), &missing)
            }
            other => refused(other),
        })
    }

    /// Takes a role from a member.
    ///
    /// # Errors
    /// In this order: `RoleNotFound`; `NotHeld`; `LastOwner`.
    pub async fn unassign_organization_role(&self, caller: &Caller, seat: &Seat, role: &str, user: &str) -> Result<()> {
        let id = role_id(role)?;
        let whom = inner_user_id(user).unwrap_or_else(|| UserId::from_stored(""));
        let order = Order::plain(self.audit(caller));
        let taken = self.store.unassign_organization_role(&seat.organization, &id, &whom, &order).await;
        taken.map_err(|error| match error {
            StoreError::NotFound(Noun::Role) => OrganizationRefusal::RoleNotFound(role.to_owned()).into(),
            StoreError::Conflict(Conflict::RoleNotHeld) => {
                OrganizationRefusal::NotHeld { role: role.to_owned(), user: user.to_owned() }.into()
            }
            other => last_owner(other, user),
        })
    }

    /// Makes an account of the workspace a member.
    ///
    /// # Errors
    /// In this order: `UserNotFound`; `AlreadyMember`.
    pub async fn add_organization_member(
        &self,
        caller: &Caller,
        seat: &Seat,
        who: NewcomerName,
    ) -> Result<MemberAccount> {
        let (user, name) = match who {
            NewcomerName::Id(text) => (user_id(&text)?, text),
            NewcomerName::Username(name) => {
                let found = self.store.find_user_by_username(&name, UsernameMatch::IgnoreCase).await?;
                (found.ok_or_else(|| unknown(&name))?.id, name)
            }
        };
        let (new, order) = (self.new_member(user.clone()), Order::plain(self.audit(caller)));
        self.store.add_organization_member(&seat.organization, new, &order).await.map_err(|error| match error {
            StoreError::NotFound(Noun::User) => unknown(&name),
            StoreError::AlreadyExists(Unique::Member) => {
                OrganizationRefusal::AlreadyMember(outer_user_id(&user)).into()
            }
            other => refused(other),
        })
    }

    /// Ends a membership, with all roles that go with it.
    ///
    /// # Errors
    /// In this order: `UserNotFound`; `LastOwner`.
    pub async fn remove_organization_member(&self, caller: &Caller, seat: &Seat, user: &str) -> Result<()> {
        let (whom, order) = (user_id(user)?, Order::plain(self.audit(caller)));
        self.store.remove_organization_member(&seat.organization, &whom, &order).await.map_err(|error| match error {
            StoreError::NotFound(Noun::Member) => unknown(user),
            other => last_owner(other, user),
        })
    }
}

fn unknown(user: &str) -> ServiceError {
    OrganizationRefusal::UserNotFound(user.to_owned()).into()
}

fn user_id(text: &str) -> Result<UserId> {
    inner_user_id(text).ok_or_else(|| unknown(text))
}

fn last_owner(error: StoreError, user: &str) -> ServiceError {
    match error {
        StoreError::Conflict(Conflict::Organization(OrganizationConflict::LastOwner { organization, name })) => {
            OrganizationRefusal::LastOwner { organization, name, user: user.to_owned() }.into()
        }
        other => refused(other),
    }
}
