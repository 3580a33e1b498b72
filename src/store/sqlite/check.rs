//! Searching the tables for what is wrong: one question each, answered in the order of its first column, so that a search
//! can go on where it stopped. The schema rules most of it out, but only for those who ask it to: whoever edits the file
//! by hand has no references checked unless he switches that on. Repairs are in `repair`.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::query::{Query as _, bounded, json, text, to_json};
use super::worker::Workers;
use super::{Location, SqliteStore, holders, open, recovery, repair};
use crate::clock::Ids;
use crate::domain::audit::AuditContext;
use crate::domain::audit_chain::Sealer;
use crate::domain::finding::{Check, Finding, Parent};
use crate::domain::ids::{OrganizationId, RoleId, RoomId, UserId};
use crate::domain::recovery::{Recovery, RecoveryRefusal, RecoveryState, RecoveryStep};
use crate::domain::role::{ADMIN, DEFAULT_ROLES, OWNER};
use crate::domain::system_role::{self, SYSTEM_ROLES};
use crate::domain::user::KIND_APP;
use crate::store::feed::Feed;
use crate::store::{CheckStore, Conflict, Found, Result, StoreError};

impl SqliteStore {
    /// Opens a store that is there, only to read it: nothing is created, upgraded or written.
    ///
    /// # Errors
    /// `Unavailable`, naming the path and the reason, also when there is no file or its schema is not that of this
    /// program.
    pub fn open_to_check(path: &Path, ids: Arc<dyn Ids>) -> Result<Self> {
        let feed = Arc::new(Feed::default());
        let (connection, held) = open::open_to_read(path)?;
        let writer = Workers::start("sqlite-checker", vec![connection], &feed)?;
        let (sealer, location) = (Sealer::default(), Location::File(path.to_owned()));
        Ok(Self { readers: None, writer, ids, sealer, feed, location, _held: Some(held) })
    }
}

#[async_trait]
impl CheckStore for SqliteStore {
    async fn incomplete_roles(&self) -> Result<Vec<Finding>> {
        self.read(|db| {
            let lacking = "SELECT id FROM roles WHERE scope NOT IN ('Users', 'Subscriptions') ORDER BY seq";
            db.all(lacking, (), |row| Ok(Finding::IncompleteRole { role: role(row, 0)?, fields: vec!["scope".into()] }))
        })
        .await
    }

    async fn find(&self, check: Check, after: Option<&str>, limit: u64) -> Result<Found> {
        let after = after.unwrap_or_default().to_owned();
        self.read(move |db| find(db, check, &after, limit)).await
    }

    async fn repair(&self, finding: &Finding, by: &AuditContext) -> Result<bool> {
        let finding = finding.clone();
        self.write(by, move |tx| repair::repair(tx, &finding)).await
    }

    async fn recovery_state(&self, username: &str) -> Result<RecoveryState> {
        let username = username.to_owned();
        self.read(move |db| recovery::state(db, &username)).await
    }

    async fn recover_administrator(
        &self,
        recovery: &Recovery,
        by: &AuditContext,
    ) -> Result<Result<Vec<RecoveryStep>, RecoveryRefusal>> {
        let recovery = recovery.clone();
        self.write(by, move |tx| recovery::recover(tx, &recovery)).await
    }
}

/// Every question has the parameters `?1`, after which key to go on, `?2`, how many findings are wanted, and `?3`, ids
/// that count as there.
fn find(db: &Connection, check: Check, after: &str, limit: u64) -> Result<Found> {
    match check {
        Check::RolesOfAccounts => search(db, ROLES_OF_ACCOUNTS, after, limit, &built_in(), |row| {
            Ok(Finding::UnknownRolesOfAccount { user: user(row, 0)?, roles: json(row, "roles")? })
        }),
        Check::RolesOfMemberships => search(db, ROLES_OF_MEMBERSHIPS, after, limit, &built_in(), |row| {
            let (room, user) = (room(row, 1)?, user(row, 2)?);
            let roles = json(row, "roles")?;
            Ok(Finding::UnknownRolesOfMembership { subscription: text(row)?, room, user, roles })
        }),
        Check::RolesOfMembers => search(db, ROLES_OF_MEMBERS, after, limit, &of_organizations(), |row| {
            let organization = organization(row, 1)?;
            Ok(Finding::UnknownRolesOfMember { organization, user: user(row, 2)?, roles: json(row, "roles")? })
        }),
        Check::Memberships => search(db, MEMBERSHIPS, after, limit, &[], |row| {
            let missing = if row.get::<_, bool>(3)? { Parent::Account } else { Parent::Room };
            let (room, user) = (room(row, 1)?, user(row, 2)?);
            Ok(Finding::StrayMembership { subscription: text(row)?, room, user, missing })
        }),
        Check::Members => search(db, MEMBERS, after, limit, &[], |row| {
            let missing = if row.get::<_, bool>(3)? { Parent::Account } else { Parent::Organization };
            Ok(Finding::StrayMember { organization: organization(row, 1)?, user: user(row, 2)?, missing })
        }),
        Check::OrganizationRoles => search(db, ORGANIZATION_ROLES, after, limit, &[], |row| {
            Ok(Finding::StrayOrganizationRole { organization: organization(row, 1)?, role: role(row, 0)? })
        }),
        Check::Tokens => {
            search(db, TOKENS, after, limit, &[], |row| Ok(Finding::TokensOfDeactivated { user: user(row, 0)? }))
        }
        // One writer needs none.
        Check::Locks => Ok(Found::default()),
        Check::Usernames => search(db, USERNAMES, after, limit, &[], |row| {
            Ok(Finding::SameUsername { username: text(row)?, users: json(row, "same")? })
        }),
        Check::Addresses => search(db, ADDRESSES, after, limit, &[], |row| {
            Ok(Finding::SameAddress { address: text(row)?, users: json(row, "same")? })
        }),
        Check::RoomNames => search(db, ROOM_NAMES, after, limit, &[], |row| {
            Ok(Finding::SameRoomName { name: text(row)?, rooms: json(row, "same")? })
        }),
        Check::OrganizationRoleNames => search(db, ORGANIZATION_ROLE_NAMES, after, limit, &[], |row| {
            let (organization, name) = (organization(row, 1)?, row.get(2)?);
            Ok(Finding::SameOrganizationRoleName { organization, name, roles: json(row, "same")? })
        }),
        Check::OrganizationOwners => {
            search(db, ORGANIZATION_OWNERS, after, limit, &[system_role::OWNER, KIND_APP], |row| {
                Ok(Finding::OrganizationWithoutOwner { organization: organization(row, 0)? })
            })
        }
        Check::RoomOwners => {
            search(db, ROOM_OWNERS, after, limit, &[OWNER], |row| Ok(Finding::RoomWithoutOwner { room: room(row, 0)? }))
        }
        Check::Administration => administration(db),
    }
}

fn search(
    db: &Connection,
    sql: &str,
    after: &str,
    limit: u64,
    known: &[&str],
    read: impl Fn(&Row<'_>) -> Result<Finding>,
) -> Result<Found> {
    let params = (after, bounded(limit), to_json(&known)?);
    let rows = db.all(sql, params, |row| Ok((text(row)?, read(row)?)))?;
    let next = if rows.len() as u64 == limit { rows.last().map(|(key, _)| key.clone()) } else { None };
    Ok(Found { findings: rows.into_iter().map(|(_, finding)| finding).collect(), next })
}

const ROLES_OF_ACCOUNTS: &str = "SELECT h.user_id, json_group_array(h.role_id) AS roles FROM user_roles h \
    WHERE h.user_id > ?1 AND NOT EXISTS (SELECT 1 FROM roles r WHERE r.id = h.role_id) \
    AND h.role_id NOT IN (SELECT value FROM json_each(?3)) GROUP BY h.user_id ORDER BY h.user_id LIMIT ?2";

const ROLES_OF_MEMBERSHIPS: &str = "SELECT h.subscription_id, COALESCE(s.room_id, ''), COALESCE(s.user_id, ''), \
    json_group_array(h.role_id) AS roles FROM subscription_roles h LEFT JOIN subscriptions s ON s.id = h.subscription_id \
    WHERE h.subscription_id > ?1 AND NOT EXISTS (SELECT 1 FROM roles r WHERE r.id = h.role_id) \
    AND h.role_id NOT IN (SELECT value FROM json_each(?3)) GROUP BY h.subscription_id ORDER BY h.subscription_id LIMIT ?2";

const ROLES_OF_MEMBERS: &str = "/* examination */ SELECT h.organization_id || ' ' || h.user_id AS place, h.organization_id, h.user_id, \
    json_group_array(h.role_id) AS roles FROM organization_member_roles h \
    WHERE h.organization_id || ' ' || h.user_id > ?1 AND h.role_id NOT IN (SELECT value FROM json_each(?3)) \
    AND NOT EXISTS (SELECT 1 FROM organization_roles r WHERE r.id = h.role_id AND r.organization_id = h.organization_id) \
    GROUP BY h.organization_id, h.user_id ORDER BY place LIMIT ?2";

const MEMBERSHIPS: &str = "SELECT s.id, s.room_id, s.user_id, EXISTS (SELECT 1 FROM rooms r WHERE r.id = s.room_id) \
    FROM subscriptions s WHERE s.id > ?1 AND json_array_length(?3) = 0 \
    AND (NOT EXISTS (SELECT 1 FROM rooms r WHERE r.id = s.room_id) \
    OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = s.user_id)) ORDER BY s.id LIMIT ?2";

const MEMBERS: &str = "/* examination */ SELECT m.organization_id || ' ' || m.user_id AS place, m.organization_id, m.user_id, \
    EXISTS (SELECT 1 FROM organizations o WHERE o.id = m.organization_id) FROM organization_members m \
    WHERE m.organization_id || ' ' || m.user_id > ?1 AND json_array_length(?3) = 0 \
    AND (NOT EXISTS (SELECT 1 FROM organizations o WHERE o.id = m.organization_id) \
    OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = m.user_id)) ORDER BY place LIMIT ?2";

const ORGANIZATION_ROLES: &str = "SELECT r.id, r.organization_id FROM organization_roles r WHERE r.id > ?1 \
    AND json_array_length(?3) = 0 AND NOT EXISTS (SELECT 1 FROM organizations o WHERE o.id = r.organization_id) \
    ORDER BY r.id LIMIT ?2";

const TOKENS: &str = "SELECT u.id FROM users u WHERE u.id > ?1 AND json_array_length(?3) = 0 AND u.active = 0 \
    AND EXISTS (SELECT 1 FROM login_tokens t WHERE t.user_id = u.id) ORDER BY u.id LIMIT ?2";

// The columns with the keys are unique; what is compared here is what they should have been made of.
const USERNAMES: &str = "/* examination */ SELECT lower(username) AS key, json_group_array(id) AS same FROM users \
    WHERE lower(username) > ?1 AND json_array_length(?3) = 0 GROUP BY key HAVING COUNT(*) > 1 ORDER BY key LIMIT ?2";

const ADDRESSES: &str = "/* examination */ SELECT lower(address) AS key, json_group_array(DISTINCT user_id) AS same FROM user_emails \
    WHERE lower(address) > ?1 AND json_array_length(?3) = 0 GROUP BY key HAVING COUNT(DISTINCT user_id) > 1 \
    ORDER BY key LIMIT ?2";

const ROOM_NAMES: &str = "/* examination */ SELECT lower(name) AS key, json_group_array(id) AS same FROM rooms \
    WHERE lower(name) > ?1 AND json_array_length(?3) = 0 AND kind IN ('c', 'p') \
    GROUP BY key HAVING COUNT(*) > 1 ORDER BY key LIMIT ?2";

const ORGANIZATION_ROLE_NAMES: &str = "/* examination */ SELECT organization_id || ' ' || lower(name) AS key, organization_id, \
    lower(name), json_group_array(id) AS same FROM organization_roles \
    WHERE organization_id || ' ' || lower(name) > ?1 AND json_array_length(?3) = 0 \
    GROUP BY key HAVING COUNT(*) > 1 ORDER BY key LIMIT ?2";

const ORGANIZATION_OWNERS: &str = "SELECT o.id FROM organizations o WHERE o.id > ?1 AND NOT EXISTS ( \
    SELECT 1 FROM organization_member_roles h JOIN users u ON u.id = h.user_id WHERE h.organization_id = o.id \
    AND h.role_id = ?3 ->> 0 AND u.active = 1 AND u.kind <> ?3 ->> 1) ORDER BY o.id LIMIT ?2";

const ROOM_OWNERS: &str = "SELECT r.id FROM rooms r WHERE r.id > ?1 AND r.kind IN ('c', 'p') AND r.creator IS NOT NULL \
    AND EXISTS (SELECT 1 FROM subscriptions s WHERE s.room_id = r.id) AND NOT EXISTS ( \
    SELECT 1 FROM subscriptions s JOIN subscription_roles h ON h.subscription_id = s.id \
    WHERE s.room_id = r.id AND h.role_id = ?3 ->> 0) ORDER BY r.id LIMIT ?2";

fn administration(db: &Connection) -> Result<Found> {
    let mut findings = Vec::new();
    let administrator = "SELECT 1 FROM user_roles h JOIN users u ON u.id = h.user_id \
         WHERE h.role_id = ?1 AND u.active = 1 AND u.kind <> ?2";
    if !db.exists(administrator, (ADMIN, KIND_APP))? {
        findings.push(Finding::NoAdministrator);
    }
    if !is_administered(db)? {
        findings.push(Finding::NobodyAdministersPermissions);
    }
    Ok(Found { findings, next: None })
}

/// Whether somebody who can act can administer permissions.
pub(super) fn is_administered(db: &Connection) -> Result<bool> {
    match holders::require_keeper_of_permissions(db) {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict(Conflict::PermissionsLockout)) => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn built_in() -> [&'static str; DEFAULT_ROLES.len()] {
    DEFAULT_ROLES.map(|role| role.id)
}

fn of_organizations() -> [&'static str; SYSTEM_ROLES.len()] {
    SYSTEM_ROLES.map(|role| role.id)
}

fn user(row: &Row<'_>, column: usize) -> Result<UserId> {
    Ok(UserId::from_stored(row.get::<_, String>(column)?))
}

fn role(row: &Row<'_>, column: usize) -> Result<RoleId> {
    Ok(RoleId::from_stored(row.get::<_, String>(column)?))
}

fn room(row: &Row<'_>, column: usize) -> Result<RoomId> {
    Ok(RoomId::from_stored(row.get::<_, String>(column)?))
}

fn organization(row: &Row<'_>, column: usize) -> Result<OrganizationId> {
    Ok(OrganizationId::from_stored(row.get::<_, String>(column)?))
}
