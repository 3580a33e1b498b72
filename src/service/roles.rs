//! Roles: list, create, redefine, delete, give and take (contract 4). What must be decided together with the change is
//! decided by the store; what depends on who asks, and in which order, is decided here.

use super::error::{Late, RoleRefusal, UserRefusal};
use super::{Caller, PageRequest, Result, ServiceError, Services};
use crate::domain::audit::AuditContext;
use crate::domain::ids::{RoleId, RoleRef, RoomId, is_nameable};
use crate::domain::permission::{ACCESS_PERMISSIONS, ASSIGN_ADMIN_ROLE, VIEW_OTHER_USER_CHANNELS};
use crate::domain::role::{ADMIN, Assignee, Assignment, NewRole, Place, Role, RoleDefinition, RoleScope, TrashedRole};
use crate::domain::setting::ACCEPT_ROLE_NAMES;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{Changes, Conflict, Listing, Noun, StoreError, Unique, UsernameMatch};

/// The longest description of a role.
const MAX_DESCRIPTION_BYTES: usize = 4_096;

/// A role to give or take, as the caller named everything.
pub struct AssignmentRequest {
    /// Whose.
    pub username: String,
    /// Which role, by id.
    pub role: Option<String>,
    /// In which room.
    pub room: Option<String>,
}

/// One page of the holders of a role.
pub struct Holders {
    /// The page, and how many there are in all.
    pub listing: Listing<User>,
    /// Whether the caller asked by the role's name.
    pub by_name: bool,
}

/// Somebody who holds roles that everybody may know of.
pub struct PublicHolder {
    /// Who.
    pub user: User,
    /// The public ones of his roles.
    pub roles: Vec<RoleId>,
}

impl Services {
    /// Roles changed or deleted since a date, everything when none is given (contract 4.2).
    ///
    /// # Errors
    /// `InvalidUpdatedSince` when the text is no date.
    pub async fn sync_roles(&self, updated_since: Option<&str>) -> Result<Changes<Role, TrashedRole>> {
        let since = match updated_since {
            None => Timestamp::EPOCH,
            Some(text) => Timestamp::parse(text).ok_or(RoleRefusal::InvalidUpdatedSince)?,
        };
        Ok(self.store.roles_changed_since(since).await?)
    }

    /// Makes a custom role (contract 4.4).
    ///
    /// # Errors
    /// In this order: `InvalidProperties`, `AccessNotAllowed`, `NameTaken`.
    pub async fn create_role(&self, caller: &Caller, definition: RoleDefinition) -> Result<Role> {
        check_definition(&definition)?;
        self.require_access(caller, Late::CreateRole).await?;
        let role = NewRole { id: self.ids.role_id(), definition };
        self.store.create_role(role, &self.audit(caller)).await.map_err(name_taken)
    }

    /// Redefines a role (contract 4.5). Never brings back a role that is gone.
    ///
    /// # Errors
    /// In this order: `InvalidProperties`, `AccessNotAllowed`, `NotFound`, `Immutable`, `NameTaken`.
    pub async fn update_role(&self, caller: &Caller, role: &str, wanted: RoleDefinition) -> Result<Role> {
        check_definition(&wanted)?;
        self.require_access(caller, Late::UpdateRole).await?;
        let id = RoleId::parse(role).map_err(|_| RoleRefusal::NotFound)?;
        self.store.update_role(&id, wanted, &self.audit(caller)).await.map_err(|error| match error {
            StoreError::NotFound(Noun::Role) => RoleRefusal::NotFound.into(),
            StoreError::Conflict(Conflict::RoleProtected) => RoleRefusal::Immutable.into(),
            other => name_taken(other),
        })
    }

    /// Deletes the role that has this id or, if none has, this name (contract 4.6).
    ///
    /// # Errors
    /// In this order: `NotFound`, `Undeletable`, `InUse` with who holds it.
    pub async fn delete_role(&self, caller: &Caller, role: &str) -> Result<()> {
        let reference = RoleRef::parse(role).map_err(|_| RoleRefusal::NotFound)?;
        let by = self.audit(caller);
        // An id nearly always, and what has that id is what is meant: only where nothing has, the name is looked for.
        let outcome = match self.store.delete_role(&RoleId::from_stored(reference.as_str()), &by).await {
            Err(StoreError::NotFound(Noun::Role)) => {
                let role = self.store.resolve_role(&reference).await?.ok_or(RoleRefusal::NotFound)?;
                self.store.delete_role(&role.id, &by).await
            }
            outcome => outcome,
        };
        outcome.map_err(|error| match error {
            StoreError::NotFound(Noun::Role) => RoleRefusal::NotFound.into(),
            StoreError::Conflict(Conflict::RoleProtected) => RoleRefusal::Undeletable.into(),
            StoreError::Conflict(Conflict::RoleInUse(usage)) => RoleRefusal::InUse(usage).into(),
            other => other.into(),
        })
    }

    /// Gives a role (contract 4.3). The permission is checked late, as Rocket.Chat does.
    ///
    /// # Errors
    /// In this order: `NotNamed` or `Unknown` (user), `NotNamed` (role), `ToAssignNotFound`, `AlreadyHeld`,
    /// `AccessNotAllowed`, `AssigningAdminNotAllowed`, `NotInRoom`.
    pub async fn assign_role(&self, caller: &Caller, request: AssignmentRequest) -> Result<Role> {
        let room = named_room(request.room.as_deref());
        let role = match self.assignable_at_once(caller, &request).await? {
            Some(role) => role,
            None => self.role_to_assign(caller, &request, room.as_ref()).await?,
        };
        let assignee = Assignee { role: role.id.clone(), username: request.username, room };
        match self.store.assign_role_to(&assignee, &self.audit_of(caller, &role)).await {
            Ok(()) => Ok(role),
            // Without a room nobody "has" a room role (step 4), so giving it again is a success without effect.
            Err(StoreError::Conflict(Conflict::RoleAlreadyHeld)) if is_roomless(&role, &assignee) => Ok(role),
            Err(StoreError::NotFound(Noun::Role)) => Err(RoleRefusal::ToAssignNotFound.into()),
            Err(StoreError::NotFound(Noun::User)) => Err(UserRefusal::Unknown.into()),
            Err(StoreError::Conflict(Conflict::NotInRoom)) => Err(RoleRefusal::NotInRoom.into()),
            Err(StoreError::Conflict(Conflict::RoleAlreadyHeld)) => Err(RoleRefusal::AlreadyHeld.into()),
            Err(other) => Err(other.into()),
        }
    }

    /// Takes a role (contract 4.7).
    ///
    /// # Errors
    /// In this order: `NotNamed` (role), `NoSuchUsername`, `NotFound`, `NotHeld`, `LastAdministrator`,
    /// `PermissionsLockout`.
    pub async fn unassign_role(&self, caller: &Caller, request: AssignmentRequest) -> Result<Role> {
        let id = named_role(request.role.as_deref())?;
        let user = self.store.find_user_by_username(&request.username, UsernameMatch::Exact).await?;
        let user = user.ok_or(UserRefusal::NoSuchUsername)?;
        let id = id.ok_or(RoleRefusal::NotFound)?;
        let role = self.store.find_role(&id).await?.ok_or(RoleRefusal::NotFound)?;
        let room = named_room(request.room.as_deref());
        if !self.holds(&user, &role, room.as_ref()).await? {
            return Err(RoleRefusal::NotHeld.into());
        }
        let assignment = Assignment { role: id, user: user.id, room };
        let taken = self.store.unassign_role(&assignment, &self.audit_of(caller, &role)).await;
        taken.map_err(|error| match error {
            StoreError::NotFound(Noun::Role) => RoleRefusal::NotFound.into(),
            StoreError::NotFound(Noun::User) => UserRefusal::NoSuchUsername.into(),
            StoreError::Conflict(Conflict::RoleNotHeld) => RoleRefusal::NotHeld.into(),
            StoreError::Conflict(Conflict::LastAdministrator { holders }) => {
                RoleRefusal::LastAdministrator { holders }.into()
            }
            other => ServiceError::from(other),
        })?;
        Ok(role)
    }

    /// The circumstances of a change after which the caller is shown the role.
    fn audit_of(&self, caller: &Caller, role: &Role) -> AuditContext {
        let role = role.clone();
        self.audit(caller).answered_with(move |(): &()| role.clone())
    }

    /// Whether old clients may name a role by its name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn accepts_role_names(&self) -> Result<bool> {
        self.boolean(ACCEPT_ROLE_NAMES).await
    }

    /// The id of the role with that id or else that name. A name that no role has is given back as it is: it is refused
    /// where an unknown id would be.
    ///
    /// # Errors
    /// What the store says.
    pub async fn id_of_role_named(&self, name: &str) -> Result<String> {
        let Ok(reference) = RoleRef::parse(name) else { return Ok(name.to_owned()) };
        let role = self.store.resolve_role(&reference).await?;
        Ok(role.map_or_else(|| name.to_owned(), |role| role.id.as_str().to_owned()))
    }

    /// Who holds a role (contract 4.8), which old clients may name by its name.
    ///
    /// # Errors
    /// In this order: `OfHoldersNotNamed`, `HoldersInRoomNotAllowed`, `OfHoldersNotFound`.
    pub async fn list_holders(
        &self,
        caller: &Caller,
        role: &str,
        room: Option<&str>,
        page: PageRequest,
    ) -> Result<Holders> {
        if role.is_empty() {
            return Err(RoleRefusal::OfHoldersNotNamed.into());
        }
        let room = room.filter(|room| !room.is_empty());
        if room.is_some() && !self.is_allowed(caller, VIEW_OTHER_USER_CHANNELS).await? {
            return Err(RoleRefusal::HoldersInRoomNotAllowed.into());
        }
        let id = RoleId::parse(role).map_err(|_| RoleRefusal::OfHoldersNotFound)?;
        let reference = RoleRef::parse(role).map_err(|_| RoleRefusal::OfHoldersNotFound)?;
        let role = match self.store.find_role(&id).await? {
            None if self.accepts_role_names().await? => self.store.resolve_role(&reference).await?,
            found => found,
        };
        let role = role.ok_or(RoleRefusal::OfHoldersNotFound)?;
        let page = self.page(page).await?;
        let listing = match room.map(RoomId::parse) {
            Some(Err(_)) => Listing { items: Vec::new(), total: 0 },
            Some(Ok(room)) => self.store.list_holders(&role, Some(&room), page).await?,
            None => self.store.list_holders(&role, None, page).await?,
        };
        Ok(Holders { listing, by_name: role.id != id })
    }

    /// Everybody who holds a public role, sorted by username, and which of them (contract 4.9).
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_public_holders(&self) -> Result<Vec<PublicHolder>> {
        let mut public = self.store.list_roles().await?;
        public.retain(Role::is_public);
        let public: Vec<RoleId> = public.into_iter().map(|role| role.id).collect();
        let holders = self.store.list_holders_of_any(&public).await?;
        let with_roles = |user: User| {
            let roles = user.roles().iter().filter(|role| public.contains(role)).cloned().collect();
            PublicHolder { user, roles }
        };
        Ok(holders.into_iter().map(with_roles).collect())
    }

    pub(super) async fn require_access(&self, caller: &Caller, late: Late) -> Result<()> {
        if self.is_allowed(caller, ACCESS_PERMISSIONS).await? {
            return Ok(());
        }
        Err(RoleRefusal::AccessNotAllowed(late).into())
    }

    /// Giving `admin` away takes a right of its own.
    pub(super) async fn require_assigning_admin(&self, caller: &Caller, roles: &[RoleId], late: Late) -> Result<()> {
        let admin = roles.iter().any(|role| role.as_str() == ADMIN);
        if admin && !self.is_allowed(caller, ASSIGN_ADMIN_ROLE).await? {
            return Err(RoleRefusal::AssigningAdminNotAllowed(late).into());
        }
        Ok(())
    }

    /// The role to give, where nothing is left to be refused but what the store refuses in the same order: the caller may,
    /// and everything is named.
    async fn assignable_at_once(&self, caller: &Caller, request: &AssignmentRequest) -> Result<Option<Role>> {
        let named = request.role.as_deref().and_then(|role| RoleId::parse(role).ok());
        let Some(id) = named.filter(|_| !request.username.trim().is_empty()) else { return Ok(None) };
        let needed = [ACCESS_PERMISSIONS, ASSIGN_ADMIN_ROLE];
        let needed = if id.as_str() == ADMIN { &needed[..] } else { &needed[..1] };
        for permission in needed {
            if !self.is_allowed(caller, permission).await? {
                return Ok(None);
            }
        }
        Ok(self.store.find_role(&id).await?)
    }

    /// The role to give, after everything that is checked before, in the order of the contract.
    async fn role_to_assign(
        &self,
        caller: &Caller,
        request: &AssignmentRequest,
        room: Option<&RoomId>,
    ) -> Result<Role> {
        let user = self.named_user(&request.username).await?;
        let id = named_role(request.role.as_deref())?.ok_or(RoleRefusal::ToAssignNotFound)?;
        let role = self.store.find_role(&id).await?.ok_or(RoleRefusal::ToAssignNotFound)?;
        if self.holds(&user, &role, room).await? {
            return Err(RoleRefusal::AlreadyHeld.into());
        }
        self.require_access(caller, Late::AssignRole).await?;
        self.require_assigning_admin(caller, std::slice::from_ref(&role.id), Late::AssignRole).await?;
        Ok(role)
    }

    async fn named_user(&self, username: &str) -> Result<User> {
        if username.trim().is_empty() {
            return Err(UserRefusal::NotNamed.into());
        }
        let user = self.store.find_user_by_username(username, UsernameMatch::IgnoreCase).await?;
        Ok(user.ok_or(UserRefusal::Unknown)?)
    }

    /// Whether the user has the role (contract 8.4): a room role counts only in the room that is asked about.
    async fn holds(&self, user: &User, role: &Role, room: Option<&RoomId>) -> Result<bool> {
        match role.place(room) {
            Place::Workspace => Ok(role.scope == RoleScope::Users && user.holds(&role.id)),
            Place::Room(room) => {
                let roles = self.store.find_room_roles(&room, &user.id).await?;
                Ok(roles.is_some_and(|roles| roles.contains(&role.id)))
            }
        }
    }
}

/// A name that could not be used to name the role, or a description without end, is no definition.
fn check_definition(definition: &RoleDefinition) -> Result<()> {
    if is_nameable(&definition.name) && definition.description.len() <= MAX_DESCRIPTION_BYTES {
        return Ok(());
    }
    Err(RoleRefusal::InvalidProperties.into())
}

/// The role a body names: `NotNamed` without one, `None` for a text that no role can have as id.
fn named_role(role: Option<&str>) -> Result<Option<RoleId>> {
    let role = role.filter(|role| !role.is_empty()).ok_or(RoleRefusal::NotNamed)?;
    Ok(RoleId::parse(role).ok())
}

/// The room a body names. A text that no room can have as id stands for a room without members.
fn named_room(room: Option<&str>) -> Option<RoomId> {
    let room = room.filter(|room| !room.is_empty())?;
    Some(RoomId::parse(room).unwrap_or_else(|_| RoomId::from_stored("")))
}

fn is_roomless(role: &Role, assignee: &Assignee) -> bool {
    role.scope == RoleScope::Subscriptions && assignee.room.is_none()
}

fn name_taken(error: StoreError) -> ServiceError {
    match error {
        StoreError::AlreadyExists(Unique::RoleName) => RoleRefusal::NameTaken.into(),
        other => other.into(),
    }
}
