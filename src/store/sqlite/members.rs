//! Members of organizations, the roles they hold, and the rule that an organization keeps an Owner who can act.

use rusqlite::{Connection, Row};

use super::organizations::{find_role, require, require_role};
use super::query::{Query as _, Tx, bounded, text, time};
use super::users::{self, select_user};
use crate::domain::audit::Change;
use crate::domain::capability::Capabilities;
use crate::domain::ids::{OrganizationId, RoleId, UserId};
use crate::domain::organization::{
    HeldRole, Member, MemberAccount, NewMember, RoleAssignment, RoleGift, Standing, can_spare_owner,
};
use crate::domain::role::{MAX_NAMED_HOLDERS, RoleUsage};
use crate::domain::system_role::{MEMBER, OWNER};
use crate::domain::user::User;
use crate::store::{Conflict, Listing, Noun, OrganizationConflict, Page, Result, StoreError, Unique};

fn held_role(row: &Row<'_>) -> Result<HeldRole> {
    Ok(HeldRole {
        id: row.get("id")?,
        role: RoleId::from_stored(row.get::<_, String>("role_id")?),
        assigned_at: time(row, "assigned_at")?,
    })
}

fn find(db: &Connection, place: &OrganizationId, user: &UserId) -> Result<Option<Member>> {
    let key = [place.as_str(), user.as_str()];
    let roles = db.all(
        "SELECT id, role_id, assigned_at FROM organization_member_roles \
         WHERE organization_id = ?1 AND user_id = ?2 ORDER BY position",
        key,
        held_role,
    )?;
    let select = "SELECT id, joined_at FROM organization_members WHERE organization_id = ?1 AND user_id = ?2";
    let found = db.first(select, key, |row| Ok((row.get::<_, String>("id")?, time(row, "joined_at")?)))?;
    let (organization, user) = (place.clone(), user.clone());
    Ok(found.map(|(id, joined_at)| Member { id, organization, user, joined_at, roles }))
}

fn require_member(db: &Connection, place: &OrganizationId, user: &UserId) -> Result<Member> {
    find(db, place, user)?.ok_or(StoreError::NotFound(Noun::Member))
}

/// A member and what his roles allow together.
pub(super) fn standing(db: &Connection, place: &OrganizationId, user: &UserId) -> Result<Option<Standing>> {
    let Some(member) = find(db, place, user)? else { return Ok(None) };
    let mut capabilities = Capabilities::default();
    for held in &member.roles {
        if let Some(role) = find_role(db, place, &held.role)? {
            capabilities.add(&role.capabilities);
        }
    }
    Ok(Some(Standing { member, capabilities }))
}

/// How many members there are.
pub(super) fn count(db: &Connection, place: &OrganizationId) -> Result<u64> {
    db.count("SELECT COUNT(*) FROM organization_members WHERE organization_id = ?1", [place.as_str()])
}

/// How many members hold the role.
pub(super) fn count_holders(db: &Connection, place: &OrganizationId, role: &RoleId) -> Result<u64> {
    db.count(
        "SELECT COUNT(*) FROM organization_member_roles WHERE organization_id = ?1 AND role_id = ?2",
        [place.as_str(), role.as_str()],
    )
}

/// Who holds the role.
pub(super) fn usage(db: &Connection, place: &OrganizationId, role: &RoleId) -> Result<RoleUsage> {
    let mut names = db.all(
        "SELECT u.username FROM organization_member_roles h JOIN users u ON u.id = h.user_id \
         WHERE h.organization_id = ?1 AND h.role_id = ?2 AND u.username IS NOT NULL ORDER BY h.user_id LIMIT ?3",
        (place.as_str(), role.as_str(), bounded(MAX_NAMED_HOLDERS as u64)),
        text,
    )?;
    names.sort_unstable();
    Ok(RoleUsage { users: count_holders(db, place, role)?, rooms: 0, names })
}

/// Members, or the holders of a role, by the ids of their accounts.
pub(super) fn list(
    db: &Connection,
    place: &OrganizationId,
    role: Option<&RoleId>,
    page: Page,
) -> Result<Listing<MemberAccount>> {
    let (total, select) = match role {
        None => (
            count(db, place)?,
            "SELECT user_id FROM organization_members WHERE organization_id = ?1 AND ?2 IS NULL \
             ORDER BY user_id LIMIT ?3 OFFSET ?4",
        ),
        Some(role) => (
            count_holders(db, place, role)?,
            "SELECT user_id FROM organization_member_roles WHERE organization_id = ?1 AND role_id = ?2 \
             ORDER BY user_id LIMIT ?3 OFFSET ?4",
        ),
    };
    let (limit, offset) = (page.count.map_or(-1, bounded), bounded(page.offset));
    let users = db.all(select, (place.as_str(), role.map(RoleId::as_str), limit, offset), text)?;
    let items = users.into_iter().map(|user| with_account(db, place, &UserId::from_stored(user)));
    Ok(Listing { items: items.collect::<Result<_>>()?, total })
}

fn with_account(db: &Connection, place: &OrganizationId, user: &UserId) -> Result<MemberAccount> {
    Ok(MemberAccount { member: require_member(db, place, user)?, account: users::find(db, user)? })
}

/// Makes somebody a member as he is.
pub(super) fn insert(tx: &Tx<'_>, member: &Member) -> Result<()> {
    tx.db.change(
        "INSERT INTO organization_members (organization_id, user_id, id, joined_at) VALUES (?1, ?2, ?3, ?4)",
        (member.organization.as_str(), member.user.as_str(), &member.id, member.joined_at.as_millis()),
    )?;
    member.roles.iter().try_for_each(|held| insert_role(tx, &member.organization, &member.user, held))
}

fn insert_role(tx: &Tx<'_>, place: &OrganizationId, user: &UserId, held: &HeldRole) -> Result<()> {
    tx.db.change(
        "INSERT INTO organization_member_roles (organization_id, user_id, position, role_id, id, assigned_at) \
         SELECT ?1, ?2, COALESCE(MAX(position) + 1, 0), ?3, ?4, ?5 FROM organization_member_roles \
         WHERE organization_id = ?1 AND user_id = ?2",
        (place.as_str(), user.as_str(), held.role.as_str(), &held.id, held.assigned_at.as_millis()),
    )
}

/// Gives a role.
pub(super) fn assign(tx: &Tx<'_>, place: OrganizationId, gift: RoleGift) -> Result<RoleAssignment> {
    let role = require_role(tx.db, &place, &gift.role)?;
    let beyond = gift.within.lacking(&role.capabilities);
    if !beyond.is_empty() {
        return Err(OrganizationConflict::BeyondOneself(beyond).into());
    }
    if require_member(tx.db, &place, &gift.user)?.holds(role.id.as_str()) {
        return Err(Conflict::RoleAlreadyHeld.into());
    }
    let held = HeldRole { id: gift.id, role: role.id, assigned_at: tx.by.at };
    insert_role(tx, &place, &gift.user, &held)?;
    let (role, user) = (held.role.clone(), gift.user.clone());
    tx.record(Change::OrganizationRoleAssigned { organization: place.clone(), role, user })?;
    let HeldRole { id, role, assigned_at } = held;
    Ok(RoleAssignment { id, organization: place, user: gift.user, role, assigned_at })
}

/// Takes a role.
pub(super) fn unassign(tx: &Tx<'_>, place: OrganizationId, role: RoleId, user: UserId) -> Result<()> {
    let role = require_role(tx.db, &place, &role)?.id;
    if !find(tx.db, &place, &user)?.is_some_and(|member| member.holds(role.as_str())) {
        return Err(Conflict::RoleNotHeld.into());
    }
    if role.as_str() == OWNER {
        require_other_owner(tx.db, &place, &user)?;
    }
    tx.db.change(
        "DELETE FROM organization_member_roles WHERE organization_id = ?1 AND role_id = ?2 AND user_id = ?3",
        [place.as_str(), role.as_str(), user.as_str()],
    )?;
    tx.record(Change::OrganizationRoleUnassigned { organization: place, role, user })
}

/// Makes somebody a member.
pub(super) fn add(tx: &Tx<'_>, place: &OrganizationId, new: NewMember) -> Result<MemberAccount> {
    require(tx.db, place)?;
    let account = users::require(tx.db, &new.user)?;
    if find(tx.db, place, &new.user)?.is_some() {
        return Err(StoreError::AlreadyExists(Unique::Member));
    }
    let member = new.into_member(place.clone(), MEMBER, tx.by.at);
    insert(tx, &member)?;
    tx.record(Change::OrganizationMemberAdded { organization: place.clone(), user: member.user.clone() })?;
    Ok(MemberAccount { member, account: Some(account) })
}

/// Ends a membership.
pub(super) fn remove(tx: &Tx<'_>, place: OrganizationId, user: UserId) -> Result<()> {
    let member = require_member(tx.db, &place, &user)?;
    if member.holds(OWNER) {
        require_other_owner(tx.db, &place, &user)?;
    }
    end(tx, member)
}

/// Ends every membership of an account that goes, for the record of each organization.
pub(super) fn leave_all(tx: &Tx<'_>, user: &UserId) -> Result<()> {
    let places = tx.db.all(
        "SELECT organization_id FROM organization_members WHERE user_id = ?1 ORDER BY organization_id",
        [user.as_str()],
        text,
    )?;
    places.into_iter().try_for_each(|place| end(tx, require_member(tx.db, &OrganizationId::from_stored(place), user)?))
}

fn end(tx: &Tx<'_>, member: Member) -> Result<()> {
    let Member { organization, user, roles, .. } = member;
    tx.db.change(
        "DELETE FROM organization_members WHERE organization_id = ?1 AND user_id = ?2",
        [organization.as_str(), user.as_str()],
    )?;
    let roles = roles.into_iter().map(|held| held.role).collect();
    tx.record(Change::OrganizationMemberRemoved { organization, user, roles })
}

/// Refuses when the organization would be left without an Owner who can act.
fn require_other_owner(db: &Connection, place: &OrganizationId, user: &UserId) -> Result<()> {
    let owners: Vec<User> = db.all(
        select_user!(
            "JOIN organization_member_roles h ON h.user_id = u.id WHERE h.organization_id = ?1 AND h.role_id = ?2"
        ),
        [place.as_str(), OWNER],
        users::user,
    )?;
    if can_spare_owner(user, &owners) {
        return Ok(());
    }
    let name = require(db, place)?.name;
    Err(OrganizationConflict::LastOwner { organization: place.clone(), name }.into())
}

/// Refuses when any organization would be left without an Owner who can act, were the account gone or switched off.
pub(super) fn require_other_owners(db: &Connection, user: &UserId) -> Result<()> {
    let owned = db.all(
        "SELECT m.organization_id FROM organization_members m WHERE m.user_id = ?1 AND EXISTS \
         (SELECT 1 FROM organization_member_roles h WHERE h.organization_id = m.organization_id AND h.role_id = ?2 \
         AND h.user_id = m.user_id) ORDER BY m.joined_at, m.organization_id",
        [user.as_str(), OWNER],
        text,
    )?;
    owned.into_iter().try_for_each(|place| require_other_owner(db, &OrganizationId::from_stored(place), user))
}
