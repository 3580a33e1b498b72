//! Roles of an organization: list, make, change, delete.

use super::access::Seat;
use super::{name_problem, refused};
use crate::domain::capability::{Capabilities, Capability};
use crate::domain::ids::RoleId;
use crate::domain::organization::{
    CountedRole, MAX_DESCRIPTION_CHARACTERS, NewOrganizationRole, Precondition, RoleChange,
};
use crate::domain::system_role::SystemRole;
use crate::service::error::{Attempt, OrganizationRefusal, Problem};
use crate::service::{Caller, Result, ServiceError, Services};
use crate::store::{Conflict, Noun, Order, StoreError, Unique};

/// The longest list of capabilities that is looked at; there are far fewer of them.
const MAX_KEYS: usize = 100;

/// What a caller says about a role; what is `None` he did not say.
#[derive(Debug, Default)]
pub struct RoleRequest {
    /// Its name.
    pub name: Option<String>,
    /// Its description, or that it has none.
    pub description: Option<Option<String>>,
    /// The keys of all of its capabilities.
    pub capabilities: Option<Vec<String>>,
}

/// Which roles to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleSelection {
    /// System roles and custom ones.
    All,
    /// Custom ones.
    Custom,
}

impl Services {
    /// The roles of the organization, system roles first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_organization_roles(&self, seat: &Seat, which: RoleSelection) -> Result<Vec<CountedRole>> {
        let mut roles = self.store.list_organization_roles(&seat.organization).await?;
        if which == RoleSelection::Custom {
            roles.retain(|counted| !counted.role.is_system());
        }
        Ok(roles)
    }

    /// A role.
    ///
    /// # Errors
    /// `RoleNotFound`.
    pub async fn view_organization_role(&self, seat: &Seat, role: &str) -> Result<CountedRole> {
        let found = self.store.find_organization_role(&seat.organization, &role_id(role)?).await?;
        Ok(found.ok_or_else(|| OrganizationRefusal::RoleNotFound(role.to_owned()))?)
    }

    /// Makes a custom role.
    ///
    /// # Errors
    /// In this order: `Invalid` with everything that is wrong; `Insufficient` for capabilities that the caller does not
    /// have himself; `RoleNameTaken`.
    pub async fn create_organization_role(
        &self,
        caller: &Caller,
        seat: &Seat,
        request: RoleRequest,
    ) -> Result<CountedRole> {
        let change = understood(request)?;
        let (name, capabilities) = (change.name.unwrap_or_default(), change.capabilities.unwrap_or_default());
        check_giving(seat, &capabilities)?;
        let id = RoleId::from_stored(self.fresh("role"));
        let description = change.description.flatten();
        let new = NewOrganizationRole { id, name: name.clone(), description, capabilities };
        let order = Order::plain(self.audit(caller));
        let made = self.store.create_organization_role(&seat.organization, new, &order).await;
        made.map_err(|error| name_taken(error, &name))
    }

    /// Changes a custom role; what the request does not say stays.
    ///
    /// # Errors
    /// In this order: `Invalid` and `Insufficient` as in `create_organization_role`; `RoleNotFound`; `SystemRole`;
    /// `OtherRevision`; `RoleNameTaken`.
    pub async fn update_organization_role(
        &self,
        caller: &Caller,
        seat: &Seat,
        role: &str,
        request: RoleRequest,
        expected: Precondition,
    ) -> Result<CountedRole> {
        let change = understood(request)?;
        if let Some(capabilities) = &change.capabilities {
            check_giving(seat, capabilities)?;
        }
        let (id, order) = (role_id(role)?, self.order(caller, expected));
        let after = self.store.update_organization_role(&seat.organization, &id, &change, &order).await;
        after.map_err(|error| match error {
            StoreError::Conflict(Conflict::RoleProtected) => system_role(&id, Attempt::Update),
            StoreError::NotFound(Noun::Role) => OrganizationRefusal::RoleNotFound(role.to_owned()).into(),
            other => name_taken(other, change.name.as_deref().unwrap_or_default()),
        })
    }

    /// Deletes a custom role that nobody holds.
    ///
    /// # Errors
    /// In this order: `RoleNotFound`; `SystemRole`; `OtherRevision`; `RoleHasMembers`.
    pub async fn delete_organization_role(
        &self,
        caller: &Caller,
        seat: &Seat,
        role: &str,
        expected: Precondition,
    ) -> Result<()> {
        let (id, order) = (role_id(role)?, self.order(caller, expected));
        let gone = self.store.delete_organization_role(&seat.organization, &id, &order).await;
        gone.map_err(|error| match error {
            StoreError::NotFound(Noun::Role) => OrganizationRefusal::RoleNotFound(role.to_owned()).into(),
            StoreError::Conflict(Conflict::RoleProtected) => system_role(&id, Attempt::Delete),
            StoreError::Conflict(Conflict::RoleInUse(usage)) => {
                OrganizationRefusal::RoleHasMembers { role: role.to_owned(), usage }.into()
            }
            other => refused(other),
        })
    }
}

/// A text that no role can have as id is no role of anybody's.
pub(super) fn role_id(text: &str) -> Result<RoleId> {
    Ok(RoleId::parse(text).map_err(|_| OrganizationRefusal::RoleNotFound(text.to_owned()))?)
}

/// Reads a request, or says everything that is wrong with it.
fn understood(request: RoleRequest) -> Result<RoleChange> {
    let mut problems = Vec::new();
    problems.extend(request.name.as_deref().and_then(name_problem));
    if let Some(Some(description)) = &request.description
        && description.chars().count() > MAX_DESCRIPTION_CHARACTERS
    {
        let most = format!("must have at most {MAX_DESCRIPTION_CHARACTERS} characters");
        problems.push(Problem::new("description", most));
    }
    let capabilities = request.capabilities.map(|keys| known_capabilities(&keys, &mut problems));
    if problems.is_empty() {
        return Ok(RoleChange { name: request.name, description: request.description, capabilities });
    }
    Err(OrganizationRefusal::Invalid(problems).into())
}

fn known_capabilities(keys: &[String], problems: &mut Vec<Problem>) -> Capabilities {
    if keys.is_empty() {
        problems.push(Problem::new("capabilities", "must name at least one capability"));
    }
    if keys.len() > MAX_KEYS {
        problems.push(Problem::new("capabilities", format!("must have at most {MAX_KEYS} items")));
        return Capabilities::default();
    }
    let mut known = Vec::with_capacity(keys.len());
    for (place, key) in keys.iter().enumerate() {
        match Capability::parse(key) {
            Some(capability) => known.push(capability),
            None => problems.push(Problem::new(format!("capabilities[{place}]"), "must be a known capability")),
        }
    }
    known.into_iter().collect()
}

/// Nobody gives a capability that he does not have himself.
fn check_giving(seat: &Seat, wanted: &Capabilities) -> Result<()> {
    let missing = seat.capabilities().lacking(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    Err(beyond(wanted.iter().map(Capability::key).collect(), &missing))
}

/// The refusal to give what one does not have.
pub(super) fn beyond(required: Vec<&'static str>, missing: &[Capability]) -> ServiceError {
    let missing = missing.iter().map(|capability| capability.key()).collect();
    OrganizationRefusal::Insufficient { required, missing }.into()
}

fn system_role(id: &RoleId, attempt: Attempt) -> ServiceError {
    let name = SystemRole::find(id).map_or("", |role| role.name);
    OrganizationRefusal::SystemRole { role: id.to_string(), name, attempt }.into()
}

fn name_taken(error: StoreError, name: &str) -> ServiceError {
    match error {
        StoreError::AlreadyExists(Unique::OrganizationRoleName) => {
            OrganizationRefusal::RoleNameTaken(name.to_owned()).into()
        }
        other => refused(other),
    }
}
