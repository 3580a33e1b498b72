//! Accounts: the table of them and how a new one is made. Changing one is in `user_changes` and `user_deletion`,
//! switching one on or off in `activation`, going through many in `directory`; tokens are in `tokens`.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::query::{Query as _, Tx, bounded, optional_time, parsed, text, to_json};
use super::{activation, holders, roles, rooms};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::UserId;
use crate::domain::role::{ADMIN, caseless_key};
use crate::domain::user::{Activation, KIND_USER, Membership, NewUser, PasswordHash, SecondFactors, User};
use crate::store::{Conflict, Noun, Result, StoreError, Unique, UserStore, UsernameMatch};

/// The columns that [`user`] reads by their places, of `users u`, and what follows them.
macro_rules! select_user {
    ($($rest:literal),+) => {
        concat!(
            "SELECT u.id, u.username, u.name, u.kind, u.active, u.password_bcrypt IS NOT NULL AS has_password, u.totp, \
             u.email_codes, u.created_at, u.updated_at, u.last_login, u.profile, \
             (SELECT json_group_array(role_id ORDER BY position) FROM user_roles WHERE user_id = u.id) AS roles, \
             (SELECT json_group_array(json_object('address', address, 'verified', \
             json(iif(verified, 'true', 'false'))) ORDER BY position) FROM user_emails WHERE user_id = u.id) AS emails \
             FROM users u ",
            $($rest),+
        )
    };
}
pub(super) use select_user;

/// Reads the columns of `select_user!`; on pages of accounts, looking for each by its name takes as long as reading it.
pub(super) fn user(row: &Row<'_>) -> Result<User> {
    Ok(User {
        id: UserId::from_stored(row.get::<_, String>(0)?),
        username: row.get(1)?,
        name: row.get(2)?,
        kind: row.get(3)?,
        active: row.get(4)?,
        has_password: row.get(5)?,
        second_factors: SecondFactors { totp: row.get(6)?, email: row.get(7)? },
        created_at: optional_time(row, 8)?,
        updated_at: optional_time(row, 9)?,
        last_login: optional_time(row, 10)?,
        profile: parsed(row.get_ref(11)?, "profile")?.unwrap_or_default(),
        roles: parsed(row.get_ref(12)?, "roles")?,
        emails: parsed(row.get_ref(13)?, "emails")?.unwrap_or_default(),
    })
}

/// The account with that id.
pub(super) fn find(db: &Connection, id: &UserId) -> Result<Option<User>> {
    db.first(select_user!("WHERE u.id = ?1"), [id.as_str()], user)
}

/// The account with that id, or the refusal that it is not there.
pub(super) fn require(db: &Connection, id: &UserId) -> Result<User> {
    find(db, id)?.ok_or(StoreError::NotFound(Noun::User))
}

/// Refuses when there is no account with that id.
pub(super) fn require_present(db: &Connection, id: &UserId) -> Result<()> {
    if db.exists("SELECT 1 FROM users WHERE id = ?1", [id.as_str()])? {
        return Ok(());
    }
    Err(StoreError::NotFound(Noun::User))
}

/// Refuses when there is no account with that id, or it is switched off.
pub(super) fn require_active(db: &Connection, id: &UserId) -> Result<()> {
    match db.first("SELECT active FROM users WHERE id = ?1", [id.as_str()], |row| Ok(row.get(0)?))? {
        Some(true) => Ok(()),
        Some(false) => Err(Conflict::UserInactive.into()),
        None => Err(StoreError::NotFound(Noun::User)),
    }
}

/// Whose name it is, without regard to case where nobody has it exactly.
pub(super) fn id_of_username(db: &Connection, username: &str) -> Result<Option<UserId>> {
    let id = |row: &Row<'_>| Ok(UserId::from_stored(text(row)?));
    match db.first("SELECT id FROM users WHERE username = ?1", [username], id)? {
        Some(exact) => Ok(Some(exact)),
        None => db.first("SELECT id FROM users WHERE username_key = ?1", [caseless_key(username)], id),
    }
}

/// The account with that username.
pub(super) fn find_by_username(db: &Connection, username: &str, matching: UsernameMatch) -> Result<Option<User>> {
    let exact = db.first(select_user!("WHERE u.username = ?1"), [username], user)?;
    match matching {
        UsernameMatch::Exact => Ok(exact),
        // The key is unique, so it never leaves more than one.
        UsernameMatch::IgnoreCase if exact.is_none() => {
            db.first(select_user!("WHERE u.username_key = ?1"), [caseless_key(username)], user)
        }
        UsernameMatch::IgnoreCase => Ok(exact),
    }
}

fn create(tx: &Tx<'_>, mut new: NewUser) -> Result<User> {
    let mut seen = HashSet::new();
    new.roles.retain(|role| seen.insert(role.clone()));
    insert_new(tx, &new)?;
    let user = new.to_user(tx.by.at);
    tx.record(Change::UserCreated { user: new.id, username: new.username, roles: new.roles })?;
    Ok(user)
}

/// Inserts an account, whose roles are each there once, with its places in rooms; puts nothing on record.
pub(super) fn insert_new(tx: &Tx<'_>, new: &NewUser) -> Result<()> {
    require_free_username(tx.db, &new.username)?;
    require_free_addresses(tx.db, new)?;
    roles::require_known(tx.db, &new.roles)?;
    let user = new.to_user(tx.by.at);
    insert(tx, &user, new.password.as_ref())?;
    if new.join_default_rooms {
        rooms::join_defaults(tx, &user.id)?;
    }
    Ok(())
}

fn require_free_username(db: &Connection, username: &str) -> Result<()> {
    if db.exists("SELECT 1 FROM users WHERE username_key = ?1", [caseless_key(username)])? {
        return Err(StoreError::AlreadyExists(Unique::Username));
    }
    Ok(())
}

fn require_free_addresses(db: &Connection, new: &NewUser) -> Result<()> {
    let mut seen = HashSet::new();
    for email in &new.emails {
        let key = caseless_key(&email.address);
        let taken = db.exists("SELECT 1 FROM user_emails WHERE address_key = ?1", [&key])?;
        if taken || !seen.insert(key) {
            return Err(StoreError::AlreadyExists(Unique::EmailAddress));
        }
    }
    Ok(())
}

fn insert(tx: &Tx<'_>, user: &User, password: Option<&PasswordHash>) -> Result<()> {
    tx.db.change(
        "INSERT INTO users (id, username, username_key, name, kind, active, password_bcrypt, totp, email_codes, \
         created_at, updated_at, last_login, profile) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        (
            user.id.as_str(),
            &user.username,
            user.username.as_deref().map(caseless_key),
            &user.name,
            &user.kind,
            user.active,
            password.map(PasswordHash::expose),
            user.second_factors.totp,
            user.second_factors.email,
            user.created_at.map(|at| at.as_millis()),
            user.updated_at.map(|at| at.as_millis()),
            user.last_login.map(|at| at.as_millis()),
            to_json(&user.profile)?,
        ),
    )?;
    insert_emails(tx.db, user)?;
    let list = holders::RoleList::OfUser(user.id.clone());
    user.roles().iter().try_for_each(|role| list.add(tx, role))
}

/// Writes the addresses of an account that has none in the table.
pub(super) fn insert_emails(db: &Connection, user: &User) -> Result<()> {
    for (position, email) in user.emails.iter().enumerate() {
        db.change(
            "INSERT INTO user_emails (user_id, position, address, address_key, verified) VALUES (?1, ?2, ?3, ?4, ?5)",
            (user.id.as_str(), position as i64, &email.address, caseless_key(&email.address), email.verified),
        )?;
    }
    Ok(())
}

fn create_first_administrator(tx: &Tx<'_>, new: NewUser) -> Result<Option<User>> {
    if tx.db.exists("SELECT 1 FROM user_roles WHERE role_id = ?1", [ADMIN])? {
        return Ok(None);
    }
    create(tx, new).map(Some)
}

#[async_trait]
impl UserStore for SqliteStore {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>> {
        let id = id.clone();
        self.read(move |db| find(db, &id)).await
    }

    async fn find_user_by_username(&self, username: &str, matching: UsernameMatch) -> Result<Option<User>> {
        let username = username.to_owned();
        self.read(move |db| find_by_username(db, &username, matching)).await
    }

    async fn find_user_by_email(&self, address: &str) -> Result<Option<User>> {
        let key = caseless_key(address);
        let select = select_user!("WHERE u.id = (SELECT user_id FROM user_emails WHERE address_key = ?1)");
        self.read(move |db| db.first(select, [key], user)).await
    }

    async fn find_password(&self, id: &UserId) -> Result<Option<PasswordHash>> {
        let id = id.clone();
        let select = "SELECT password_bcrypt FROM users WHERE id = ?1 AND password_bcrypt IS NOT NULL";
        self.read(move |db| Ok(db.first(select, [id.as_str()], text)?.map(PasswordHash::from_stored))).await
    }

    async fn create_user(&self, user: NewUser, by: &AuditContext) -> Result<User> {
        self.write(by, move |tx| create(tx, user)).await
    }

    async fn create_first_administrator(&self, user: NewUser, by: &AuditContext) -> Result<Option<User>> {
        self.write(by, move |tx| create_first_administrator(tx, user)).await
    }

    async fn count_people(&self, limit: u64) -> Result<u64> {
        let count = "SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE kind = ?1 LIMIT ?2)";
        self.read(move |db| db.count(count, (KIND_USER, bounded(limit)))).await
    }

    async fn set_user_active(&self, id: &UserId, activation: Activation, by: &AuditContext) -> Result<User> {
        let id = id.clone();
        self.write(by, move |tx| activation::set_active(tx, &id, activation)).await
    }

    async fn list_memberships(&self, id: &UserId) -> Result<Vec<Membership>> {
        let id = id.clone();
        self.read(move |db| rooms::memberships(db, &id)).await
    }
}
