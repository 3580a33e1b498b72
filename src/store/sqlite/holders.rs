//! Who holds a role: the two kinds of lists that can have it, everything that names it, and the rules that somebody must
//! be left who holds the rights that matter. Roles themselves are in `roles`.

use rusqlite::{Connection, Row};

use super::query::{Query as _, Tx, bounded, text, to_json};
use super::users::{select_user, user};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::permission::ACCESS_PERMISSIONS;
use crate::domain::role::{ADMIN, MAX_COUNTED_HOLDERS, MAX_NAMED_HOLDERS, Role, RoleScope, RoleUsage};
use crate::domain::user::User;
use crate::store::{Conflict, Page, Position, Result};

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

/// Whether anything names the role as held.
pub(super) fn is_held(db: &Connection, role: &RoleId) -> Result<bool> {
    db.exists(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM user_roles WHERE role_id = ?1) \
         OR EXISTS (SELECT 1 FROM subscription_roles WHERE role_id = ?1)",
        [role.as_str()],
    )
}

/// Everything that names the role as held, as far as so many holders of each kind tell.
pub(super) fn usage(db: &Connection, role: &RoleId) -> Result<RoleUsage> {
    let mut names = account_names(db, role)?;
    let missing = MAX_NAMED_HOLDERS.saturating_sub(names.len());
    names.extend(names_in_rooms_only(db, role, missing)?);
    let most = bounded(MAX_COUNTED_HOLDERS);
    let users =
        db.count("SELECT COUNT(*) FROM (SELECT 1 FROM user_roles WHERE role_id = ?1 LIMIT ?2)", (role.as_str(), most))?;
    let rooms = db.count(
        "SELECT COUNT(DISTINCT room_id) FROM (SELECT room_id FROM subscription_roles WHERE role_id = ?1 LIMIT ?2)",
        (role.as_str(), most),
    )?;
    Ok(RoleUsage { users, rooms, names })
}

fn account_names(db: &Connection, role: &RoleId) -> Result<Vec<String>> {
    db.all(
        "SELECT username FROM user_roles WHERE role_id = ?1 AND username IS NOT NULL ORDER BY username LIMIT ?2",
        (role.as_str(), bounded(MAX_NAMED_HOLDERS as u64)),
        text,
    )
}

fn names_in_rooms_only(db: &Connection, role: &RoleId, limit: usize) -> Result<Vec<String>> {
    db.all(
        "SELECT DISTINCT username FROM (SELECT user_id, username FROM subscription_roles WHERE role_id = ?1 LIMIT ?3) h \
         WHERE username IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM user_roles o WHERE o.role_id = ?1 AND o.user_id = h.user_id) \
         ORDER BY username LIMIT ?2",
        (role.as_str(), bounded(limit as u64), bounded(MAX_COUNTED_HOLDERS)),
        text,
    )
}

// The room is the first parameter of each statement, so that one can leave it out and still count as many as it is given.

/// How many accounts hold a role of the workspace.
pub(super) const COUNT_HOLDERS: &str = "SELECT COUNT(*) FROM user_roles WHERE role_id = ?2";

/// How many members of a room hold a role in it.
pub(super) const COUNT_MEMBERS: &str = "SELECT COUNT(*) FROM subscription_roles WHERE room_id = ?1 AND role_id = ?2";

const COUNT_MEMBERS_ANYWHERE: &str = "SELECT COUNT(DISTINCT user_id) FROM subscription_roles WHERE role_id = ?2";

/// The statement that selects accounts as a list of names says, in its order.
macro_rules! select_listed {
    ($list:literal, $after:literal) => {
        select_user!($list, $after, "ORDER BY h.username, h.user_id LIMIT ?3 OFFSET ?4")
    };
}

/// A page of holders, in the order of an index: no account is read but those on it.
pub(super) const SELECT_HOLDERS: &str =
    select_listed!("JOIN user_roles h ON h.user_id = u.id WHERE h.role_id = ?2 ", "");
/// The same from behind a position.
pub(super) const SELECT_HOLDERS_AFTER: &str = select_listed!(
    "JOIN user_roles h ON h.user_id = u.id WHERE h.role_id = ?2 ",
    "AND (h.username, h.user_id) > (?5, ?6) "
);
/// A page of those who hold a role in a room, likewise.
pub(super) const SELECT_MEMBERS: &str =
    select_listed!("JOIN subscription_roles h ON h.user_id = u.id WHERE h.room_id = ?1 AND h.role_id = ?2 ", "");
/// The same from behind a position.
pub(super) const SELECT_MEMBERS_AFTER: &str = select_listed!(
    "JOIN subscription_roles h ON h.user_id = u.id WHERE h.room_id = ?1 AND h.role_id = ?2 ",
    "AND (h.username, h.user_id) > (?5, ?6) "
);
const SELECT_MEMBERS_ANYWHERE: &str = select_listed!(
    "JOIN (SELECT DISTINCT user_id, username FROM subscription_roles WHERE role_id = ?2) h ON h.user_id = u.id ",
    ""
);
const SELECT_MEMBERS_ANYWHERE_AFTER: &str = select_listed!(
    "JOIN (SELECT DISTINCT user_id, username FROM subscription_roles WHERE role_id = ?2) h ON h.user_id = u.id ",
    "WHERE (h.username, h.user_id) > (?5, ?6) "
);

// The last of those that are passed over, looked up in an index alone: to find the account of each takes ten times as long.

/// Of the holders of a role.
pub(super) const LAST_HOLDER: &str = "SELECT username, user_id FROM user_roles WHERE role_id = ?2 \
     ORDER BY username, user_id LIMIT 1 OFFSET ?3";
/// Of those behind a position.
pub(super) const LAST_HOLDER_AFTER: &str = "SELECT username, user_id FROM user_roles WHERE role_id = ?2 \
     AND (username, user_id) > (?4, ?5) ORDER BY username, user_id LIMIT 1 OFFSET ?3";
/// Of those who hold a role in a room.
pub(super) const LAST_MEMBER: &str = "SELECT username, user_id FROM subscription_roles WHERE room_id = ?1 \
     AND role_id = ?2 ORDER BY username, user_id LIMIT 1 OFFSET ?3";
/// Of those behind a position.
pub(super) const LAST_MEMBER_AFTER: &str = "SELECT username, user_id FROM subscription_roles WHERE room_id = ?1 \
     AND role_id = ?2 AND (username, user_id) > (?4, ?5) ORDER BY username, user_id LIMIT 1 OFFSET ?3";

/// How many accounts hold the role where its scope says.
pub(super) fn count(db: &Connection, role: &Role, room: Option<&RoomId>) -> Result<u64> {
    let sql = match (role.scope, room) {
        (RoleScope::Users, _) => COUNT_HOLDERS,
        (RoleScope::Subscriptions, Some(_)) => COUNT_MEMBERS,
        (RoleScope::Subscriptions, None) => COUNT_MEMBERS_ANYWHERE,
    };
    db.count(sql, (room.map(RoomId::as_str), role.id.as_str()))
}

/// Accounts that hold the role where its scope says, sorted by username.
pub(super) fn page(
    db: &Connection,
    role: &Role,
    room: Option<&RoomId>,
    after: Option<Position>,
    page: Page,
) -> Result<Vec<User>> {
    let (from_start, from_position) = match (role.scope, room) {
        (RoleScope::Users, _) => (SELECT_HOLDERS, SELECT_HOLDERS_AFTER),
        (RoleScope::Subscriptions, Some(_)) => (SELECT_MEMBERS, SELECT_MEMBERS_AFTER),
        (RoleScope::Subscriptions, None) => (SELECT_MEMBERS_ANYWHERE, SELECT_MEMBERS_ANYWHERE_AFTER),
    };
    let (after, offset) = match passed_over(db, role, room, after.as_ref(), page.offset)? {
        Some(last) => (Some(last), 0),
        None => (after, page.offset),
    };
    let (room, role) = (room.map(RoomId::as_str), role.id.as_str());
    let (limit, offset) = (page.count.map_or(-1, bounded), bounded(offset));
    match after {
        None => db.all(from_start, (room, role, limit, offset), user),
        Some(position) => {
            let Position { username, id } = position;
            db.all(from_position, (room, role, limit, offset, username, id.as_str()), user)
        }
    }
}

/// The position of the last of those that are passed over; `None` when there is none, or he has no position.
fn passed_over(
    db: &Connection,
    role: &Role,
    room: Option<&RoomId>,
    after: Option<&Position>,
    offset: u64,
) -> Result<Option<Position>> {
    let (from_start, from_position) = match (role.scope, room) {
        (RoleScope::Users, _) => (LAST_HOLDER, LAST_HOLDER_AFTER),
        (RoleScope::Subscriptions, Some(_)) => (LAST_MEMBER, LAST_MEMBER_AFTER),
        (RoleScope::Subscriptions, None) => return Ok(None),
    };
    let Some(before) = offset.checked_sub(1).map(bounded) else {
        return Ok(None);
    };
    let (room, role) = (room.map(RoomId::as_str), role.id.as_str());
    let read = |row: &Row<'_>| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?));
    let last = match after {
        None => db.first(from_start, (room, role, before), read)?,
        Some(position) => {
            db.first(from_position, (room, role, before, &position.username, position.id.as_str()), read)?
        }
    };
    let Some((Some(username), id)) = last else {
        return Ok(None);
    };
    Ok(Some(Position { username, id: UserId::from_stored(id) }))
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
