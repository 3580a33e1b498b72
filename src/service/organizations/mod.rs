//! Organizations (contract of their surface): the organizations themselves and what all use cases of this family share.
//! Who may come as far as a use case is decided in `access`; roles, members and the record have files of their own.

pub mod access;
pub mod members;
pub mod record;
pub mod roles;

use super::error::{OrganizationRefusal, Problem};
use super::{Caller, Result, ServiceError, Services};
use crate::domain::ids::{OrganizationId, UserId};
use crate::domain::organization::{MAX_NAME_CHARACTERS, NewMember, NewOrganization, Organization, Precondition};
use crate::domain::time::Timestamp;
use crate::store::{Conflict, Noun, Order, OrganizationConflict, StoreError};
use access::Seat;

pub use crate::store::organizations::RecordFilter;
pub use crate::store::{Listing, Page};

/// What the ids of accounts begin with on this surface; the rest is the workspace's own id.
const USER_PREFIX: &str = "usr_";

impl Services {
    /// The present time, for answers that name it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes an organization; the caller becomes its first Owner.
    ///
    /// # Errors
    /// `Invalid` for a name that is none.
    pub async fn create_organization(&self, caller: &Caller, name: String) -> Result<Organization> {
        check_name(&name)?;
        let id = OrganizationId::from_stored(self.fresh("org"));
        let new = NewOrganization { id, name, owner: self.new_member(caller.user.id.clone()) };
        self.store.create_organization(new, &Order::plain(self.audit(caller))).await.map_err(|error| match error {
            // Deleted or deactivated since he showed his token.
            StoreError::NotFound(Noun::User) => OrganizationRefusal::TokenInvalid.into(),
            other => refused(other),
        })
    }

    /// The organizations that the caller is in.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_organizations(&self, caller: &Caller, page: Page) -> Result<Listing<Organization>> {
        Ok(self.store.list_organizations(&caller.user.id, page).await?)
    }

    /// The organization.
    ///
    /// # Errors
    /// `NotFound` when it went since the caller came in.
    pub async fn view_organization(&self, seat: &Seat) -> Result<Organization> {
        let found = self.store.find_organization(&seat.organization).await?;
        Ok(found.ok_or(OrganizationRefusal::NotFound)?)
    }

    /// Gives the organization another name, if one is given.
    ///
    /// # Errors
    /// In this order: `Invalid`, `NotFound`, `OtherRevision`.
    pub async fn rename_organization(
        &self,
        caller: &Caller,
        seat: &Seat,
        name: Option<String>,
        expected: Precondition,
    ) -> Result<Organization> {
        let name = match name {
            Some(name) => name,
            None => self.view_organization(seat).await?.name,
        };
        check_name(&name)?;
        let order = self.order(caller, expected);
        self.store.rename_organization(&seat.organization, &name, &order).await.map_err(refused)
    }

    /// Deletes the organization when the caller is its only member.
    ///
    /// # Errors
    /// In this order: `NotFound`, `OtherRevision`, `HasMembers`.
    pub async fn delete_organization(&self, caller: &Caller, seat: &Seat, expected: Precondition) -> Result<()> {
        let order = self.order(caller, expected);
        self.store.delete_organization(&seat.organization, &order).await.map_err(|error| match error {
            StoreError::Conflict(Conflict::Organization(OrganizationConflict::OtherMembers(members))) => {
                OrganizationRefusal::HasMembers { organization: seat.organization.clone(), members }.into()
            }
            other => refused(other),
        })
    }

    /// A change that is meant for a certain revision.
    fn order(&self, caller: &Caller, expected: Precondition) -> Order {
        Order { by: self.audit(caller), expected }
    }

    /// A fresh id of that kind.
    fn fresh(&self, kind: &str) -> String {
        format!("{kind}_{}", self.ids.object_id())
    }

    fn new_member(&self, user: UserId) -> NewMember {
        NewMember { id: self.fresh("orguser"), user, assignment: self.fresh("urol") }
    }
}

/// What this surface calls an account.
pub fn outer_user_id(user: &UserId) -> String {
    format!("{USER_PREFIX}{user}")
}

/// The account that this surface calls so, if it can be one.
pub fn inner_user_id(text: &str) -> Option<UserId> {
    UserId::parse(text.strip_prefix(USER_PREFIX)?).ok()
}

fn check_name(name: &str) -> Result<()> {
    match name_problem(name) {
        Some(problem) => Err(OrganizationRefusal::Invalid(vec![problem]).into()),
        None => Ok(()),
    }
}

/// What is wrong with a name of an organization or a role. A name that shows nothing cannot be told from another one.
fn name_problem(name: &str) -> Option<Problem> {
    let length = name.chars().count();
    if length > MAX_NAME_CHARACTERS {
        return Some(Problem::new("name", format!("must have at most {MAX_NAME_CHARACTERS} characters")));
    }
    if name.chars().any(char::is_control) {
        return Some(Problem::new("name", "must not contain control characters"));
    }
    crate::domain::role::name_key(name).is_empty().then(|| Problem::new("name", "must not be empty"))
}

/// What a store says in every use case of this family alike.
fn refused(error: StoreError) -> ServiceError {
    match error {
        StoreError::NotFound(Noun::Organization) => OrganizationRefusal::NotFound.into(),
        StoreError::Conflict(Conflict::Organization(OrganizationConflict::OtherRevision(revision))) => {
            OrganizationRefusal::OtherRevision(revision).into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_accounts_change_their_prefix_and_nothing_else() {
        let user = UserId::from_stored("abc_usr_");
        assert_eq!(inner_user_id(&outer_user_id(&user)), Some(user));
        for none in ["", "abc", "usr_", "USR_abc", "usr_a\0"] {
            assert_eq!(inner_user_id(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_name_shows_something_and_ends_somewhere() {
        for good in ["a", &"ä".repeat(100), " Acme & Söhne "] {
            assert_eq!(name_problem(good), None, "{good}");
        }
        for bad in ["", "  ", "\u{200b}", "a\nb", &"ä".repeat(101)] {
            assert!(name_problem(bad).is_some(), "{bad:?}");
        }
    }
}
