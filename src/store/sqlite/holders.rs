//! Who holds a role: the two kinds of lists that can have it, everything that names it, and the rules that somebody must
//! be left who holds the rights that matter. Roles themselves are in `roles`.

use rusqlite::Connection;

use super::query::{Query as _, Tx, bounded, text, to_json};
use super::users::{select_user, user};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::permission::ACCESS_PERMISSIONS;
use crate::domain::role::{ADMIN, MAX_NAMED_HOLDERS, Role, RoleScope, RoleUsage};
use crate::domain::user::User;
use crate::store::{Conflict, Listing, Page, Result};

/// A list that roles are put on.
pub(super) enum RoleList {
    /// A user's own.
    OfUser(UserId),
    /// That of a subscription, by its id.
    OfSubscription(String),
}

impl RoleList {
    /// The list of a member of a room; `None` when he is not a member.
    pub(super) fn in_room(db: &Connection, room: &RoomId, user: &UserId) -> Result<Option<Self>> {
        let find = "SELECT id FROM subscriptions WHERE room_id = ?1 AND user_id = ?2";
        Ok(db.first(find, [room.as_str(), user.as_str()], text)?.map(Self::OfSubscription))
    }

    fn owner(&self) -> &str {
        match self {
            Self::OfUser(id) => id.as_str(),
            Self::OfSubscription(id) => id,
        }
    }

    /// The roles on it, in their order.
    pub(super) fn roles(&self, db: &Connection) -> Result<Vec<RoleId>> {
        let sql = match self {
            Self::OfUser(_) => "SELECT role_id FROM user_roles WHERE user_id = ?1 ORDER BY position",
            Self::OfSubscription(_) => {
                "SELECT role_id FROM subscription_roles WHERE subscription_id = ?1 ORDER BY position"
            }
        };
        db.all(sql, [self.owner()], |row| Ok(RoleId::from_stored(text(row)?)))
    }

    /// Whether the role is on it.
    pub(super) fn has(&self, db: &Connection, role: &RoleId) -> Result<bool> {
        let sql = match self {
            Self::OfUser(_) => "SELECT 1 FROM user_roles WHERE user_id = ?1 AND role_id = ?2",
            Self::OfSubscription(_) => "SELECT 1 FROM subscription_roles WHERE subscription_id = ?1 AND role_id = ?2",
        };
        db.exists(sql, [self.owner(), role.as_str()])
    }

    /// Puts the role at the end and marks the list's document as changed.
    pub(super) fn add(&self, tx: &Tx<'_>, role: &RoleId) -> Result<()> {
        let sql = match self {
            Self::OfUser(_) => {
                "INSERT INTO user_roles (user_id, position, role_id) \
                 SELECT ?1, COALESCE(MAX(position) + 1, 0), ?2 FROM user_roles WHERE user_id = ?1"
            }
            Self::OfSubscription(_) => {
                "INSERT INTO subscription_roles (subscription_id, position, role_id) \
                 SELECT ?1, COALESCE(MAX(position) + 1, 0), ?2 FROM subscription_roles WHERE subscription_id = ?1"
            }
        };
        tx.db.change(sql, [self.owner(), role.as_str()])?;
        self.touch(tx)
    }

    /// Takes the role away and marks the list's document as changed.
    pub(super) fn remove(&self, tx: &Tx<'_>, role: &RoleId) -> Result<()> {
        let sql = match self {
            Self::OfUser(_) => "DELETE FROM user_roles WHERE user_id = ?1 AND role_id = ?2",
            Self::OfSubscription(_) => "DELETE FROM subscription_roles WHERE subscription_id = ?1 AND role_id = ?2",
        };
        tx.db.change(sql, [self.owner(), role.as_str()])?;
        self.touch(tx)
    }

    fn touch(&self, tx: &Tx<'_>) -> Result<()> {
        let sql = match self {
            Self::OfUser(_) => "UPDATE users SET updated_at = ?2 WHERE id = ?1",
            Self::OfSubscription(_) => "UPDATE subscriptions SET updated_at = ?2 WHERE id = ?1",
        };
        tx.db.change(sql, (self.owner(), tx.now()))
    }
}

/// Everything that names the role as held.
pub(super) fn usage(db: &Connection, role: &RoleId) -> Result<RoleUsage> {
    let mut names = account_names(db, role)?;
    let missing = MAX_NAMED_HOLDERS.saturating_sub(names.len());
    names.extend(names_in_rooms_only(db, role, missing)?);
    let users = db.count("SELECT COUNT(*) FROM user_roles WHERE role_id = ?1", [role.as_str()])?;
    let rooms = db.count(
        "SELECT COUNT(DISTINCT s.room_id) FROM subscription_roles h JOIN subscriptions s ON s.id = h.subscription_id \
         WHERE h.role_id = ?1",
        [role.as_str()],
    )?;
    Ok(RoleUsage { users, rooms, names })
}

fn account_names(db: &Connection, role: &RoleId) -> Result<Vec<String>> {
    db.all(
        "SELECT u.username FROM user_roles h JOIN users u ON u.id = h.user_id \
         WHERE h.role_id = ?1 AND u.username IS NOT NULL ORDER BY u.username LIMIT ?2",
        (role.as_str(), bounded(MAX_NAMED_HOLDERS as u64)),
        text,
    )
}

fn names_in_rooms_only(db: &Connection, role: &RoleId, limit: usize) -> Result<Vec<String>> {
    db.all(
        "SELECT DISTINCT u.username FROM subscription_roles h JOIN subscriptions s ON s.id = h.subscription_id \
         JOIN users u ON u.id = s.user_id WHERE h.role_id = ?1 AND u.username IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM user_roles o WHERE o.role_id = ?1 AND o.user_id = u.id) \
         ORDER BY u.username LIMIT ?2",
        (role.as_str(), bounded(limit as u64)),
        text,
    )
}

/// How many accounts hold a role of the workspace.
pub(super) const COUNT_HOLDERS: &str = "SELECT COUNT(*) FROM user_roles WHERE role_id = ?2";

/// A page of them, in the order of an index: no account is read but those on it.
pub(super) const SELECT_HOLDERS: &str = select_user!(
    "JOIN user_roles h ON h.user_id = u.id WHERE h.role_id = ?2 ORDER BY h.username, h.user_id LIMIT ?3 OFFSET ?4"
);

/// Accounts that hold the role where its scope says, sorted by username.
pub(super) fn list(db: &Connection, role: &Role, room: Option<&RoomId>, page: Page) -> Result<Listing<User>> {
    // The room is the first parameter so that a statement can leave it out and still count as many as it is given.
    // The page is cut before accounts are read in full: a role can have very many holders.
    let (count, select) = match (role.scope, room) {
        (RoleScope::Users, _) => (COUNT_HOLDERS, SELECT_HOLDERS),
        (RoleScope::Subscriptions, Some(_)) => (
            "SELECT COUNT(*) FROM subscriptions s JOIN subscription_roles h ON h.subscription_id = s.id \
             WHERE s.room_id = ?1 AND h.role_id = ?2",
            select_user!(
                "WHERE u.id IN (SELECT p.id FROM subscriptions s \
                 JOIN subscription_roles h ON h.subscription_id = s.id JOIN users p ON p.id = s.user_id \
                 WHERE s.room_id = ?1 AND h.role_id = ?2 ORDER BY p.username, p.id LIMIT ?3 OFFSET ?4) \
                 ORDER BY u.username, u.id"
            ),
        ),
        (RoleScope::Subscriptions, None) => (
            "SELECT COUNT(DISTINCT s.user_id) FROM subscription_roles h JOIN subscriptions s ON s.id = h.subscription_id \
             WHERE h.role_id = ?2",
            select_user!(
                "WHERE u.id IN (SELECT DISTINCT p.id FROM subscription_roles h \
                 JOIN subscriptions s ON s.id = h.subscription_id JOIN users p ON p.id = s.user_id \
                 WHERE h.role_id = ?2 ORDER BY p.username, p.id LIMIT ?3 OFFSET ?4) ORDER BY u.username, u.id"
            ),
        ),
    };
    let room = room.map(RoomId::as_str);
    let total = db.count(count, (room, role.id.as_str()))?;
    let (limit, offset) = (page.count.map_or(-1, bounded), bounded(page.offset));
    let items = db.all(select, (room, role.id.as_str(), limit, offset), user)?;
    Ok(Listing { items, total })
}

/// Accounts whose own list has any of the roles, sorted by username.
pub(super) fn list_of_any(db: &Connection, roles: &[RoleId]) -> Result<Vec<User>> {
    db.all(
        select_user!(
            "WHERE u.id IN (SELECT user_id FROM user_roles WHERE role_id IN (SELECT value FROM json_each(?1))) \
             ORDER BY u.username, u.id"
        ),
        [to_json(&roles)?],
        user,
    )
}

/// Refuses when nobody but `user` could act as administrator.
pub(super) fn require_other_administrator(db: &Connection, user: &UserId) -> Result<()> {
    let admin = RoleId::from_stored(ADMIN);
    if !any_holder(db, &admin, |holder| holder.can_act() && holder.id != *user)? {
        return Err(Conflict::LastAdministrator { holders: account_names(db, &admin)? }.into());
    }
    Ok(())
}

/// Refuses when, as things are inside this transaction, nobody who can act could administer permissions.
pub(super) fn require_keeper_of_permissions(db: &Connection) -> Result<()> {
    require_keeper(db, User::can_act)
}

/// Refuses when nobody but `user` who can act could administer permissions.
pub(super) fn require_other_keeper_of_permissions(db: &Connection, user: &UserId) -> Result<()> {
    require_keeper(db, |holder| holder.can_act() && holder.id != *user)
}

fn require_keeper(db: &Connection, fits: impl Fn(&User) -> bool) -> Result<()> {
    for role in super::permissions::roles_of(db, ACCESS_PERMISSIONS)? {
        if any_holder(db, &role, &fits)? {
            return Ok(());
        }
    }
    Err(Conflict::PermissionsLockout.into())
}

fn any_holder(db: &Connection, role: &RoleId, wanted: impl Fn(&User) -> bool) -> Result<bool> {
    db.any(select_user!("JOIN user_roles h ON h.user_id = u.id WHERE h.role_id = ?1"), [role.as_str()], |row| {
        Ok(wanted(&user(row)?))
    })
}
