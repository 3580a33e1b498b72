//! The statements of single operations on SQLite, through the driver: one transaction and one commit each, on a file
//! that a server has made, with `synchronous=FULL`. What the server decides between them is left out. Where the server's
//! store changes its statements, these follow: see `src/store/sqlite/roles.rs`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rusqlite::{Connection, OptionalExtension as _, Params, params};
use sha2::{Digest as _, Sha256};

use crate::measure::Round;

/// Whose record it is.
const SCOPE: &str = "workspace";

/// Does each of `count` operations once, one after the other, as the only writer of the file.
pub fn drive(count: usize, mut operation: impl FnMut(usize) -> Result<()>) -> Result<Round> {
    let since = Instant::now();
    let mut round = Round::default();
    for number in 0..count {
        let started = Instant::now();
        operation(number)?;
        round.times.push(started.elapsed());
    }
    round.elapsed = since.elapsed();
    Ok(round)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A file that a server has made ready.
pub struct Statements {
    db: Connection,
    /// Tells the ids of this run apart.
    next: u64,
}

impl Statements {
    /// Of that file.
    pub fn new(db: Connection) -> Self {
        Self { db, next: 0 }
    }

    fn id(&mut self) -> String {
        self.next += 1;
        format!("{:08x}{:016x}", now() & 0xffff_ffff, self.next)
    }

    fn change(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.db.prepare_cached(sql)?.execute(params)?)
    }

    /// Reads every row to its end; how many there are.
    fn read(&self, sql: &str, params: impl Params) -> Result<usize> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut count = 0;
        while rows.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn record(&mut self, action: &str, role: &str, rest: &str) -> Result<()> {
        let id = self.id();
        let entry = format!(
            r#"{{"_id":"{id}","actor":{{"kind":"user","id":"benchbenchbench12","username":"admin"}},"at":{},"request_id":"{id}","address":"127.0.0.1","action":"{action}","role":"{role}",{rest}}}"#,
            now()
        );
        let (number, prev): (i64, Vec<u8>) = self
            .db
            .prepare_cached("SELECT number, hash FROM audit_heads WHERE scope = ?1")?
            .query_row([SCOPE], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .unwrap_or_default();
        // The bytes are not those of the server's chain; nobody verifies this one.
        let hash = Sha256::new().chain_update(&prev).chain_update(&entry).finalize().to_vec();
        self.change(
            "INSERT INTO audit (id, entry, scope, number, prev, hash, keyed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
            params![id, entry, SCOPE, number + 1, prev, hash],
        )?;
        self.change(
            "INSERT INTO audit_heads (scope, number, hash) VALUES (?1, ?2, ?3) \
             ON CONFLICT (scope) DO UPDATE SET number = excluded.number, hash = excluded.hash",
            params![SCOPE, number + 1, hash],
        )?;
        Ok(())
    }

    /// Makes roles; their ids.
    pub fn create_roles(&mut self, count: usize) -> Result<Vec<String>> {
        let ids: Vec<String> = (0..count).map(|_| self.id()).collect();
        let transaction = self.db.unchecked_transaction()?;
        for id in &ids {
            self.change(
                "INSERT INTO roles (id, name, name_key, scope, description, protected, mandatory2fa, updated_at) \
                 VALUES (?1, ?2, ?2, 'Users', '', 0, 0, ?3)",
                params![id, format!("bare-{id}"), now()],
            )?;
        }
        transaction.commit()?;
        Ok(ids)
    }

    fn one_role(&self, role: &str) -> Result<()> {
        let sql = "SELECT id, name, scope, description, protected, mandatory2fa, updated_at FROM roles WHERE id = ?1";
        ensure!(self.read(sql, [role])? == 1, "the role is not there");
        Ok(())
    }

    /// `roles.delete` of a role that nobody holds and nothing names.
    pub fn delete_role(&mut self, role: &str) -> Result<()> {
        self.change("BEGIN IMMEDIATE", ())?;
        self.one_role(role)?;
        self.read(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM user_roles WHERE role_id = ?1) \
             OR EXISTS (SELECT 1 FROM subscription_roles WHERE role_id = ?1)",
            [role],
        )?;
        let document = format!(r#"{{"_id":"{role}","name":"bare-{role}","scope":"Users","description":""}}"#);
        self.change(
            "INSERT INTO trash (collection, id, document, deleted_at) VALUES ('roles', ?1, ?2, ?3)",
            params![role, document, now()],
        )?;
        self.read("SELECT permission_id FROM permission_roles WHERE role_id = ?1", [role])?;
        self.read("SELECT value FROM settings WHERE id = 'Accounts_Registration_Users_Default_Roles'", ())?;
        self.change("DELETE FROM roles WHERE id = ?1", [role])?;
        self.record("role_deleted", role, r#""permissions":[]"#)?;
        self.change("COMMIT", ())?;
        Ok(())
    }

    /// `roles.addUserToRole` for a role of the workspace.
    pub fn assign_role(&mut self, username: &str, user: &str, role: &str) -> Result<()> {
        self.change("BEGIN IMMEDIATE", ())?;
        self.one_role(role)?;
        ensure!(self.read("SELECT id FROM users WHERE username = ?1", [username])? == 1, "nobody has the name");
        ensure!(self.read("SELECT 1 FROM users WHERE id = ?1", [user])? == 1, "no account");
        self.read("SELECT 1 FROM user_roles WHERE user_id = ?1 AND role_id = ?2", [user, role])?;
        self.change(
            "INSERT INTO user_roles (user_id, position, role_id) \
             SELECT ?1, COALESCE(MAX(position) + 1, 0), ?2 FROM user_roles WHERE user_id = ?1",
            [user, role],
        )?;
        self.change("UPDATE users SET updated_at = ?2 WHERE id = ?1", params![user, now()])?;
        self.record("role_assigned", role, &format!(r#""user":"{user}","room":null"#))?;
        self.change("COMMIT", ())?;
        Ok(())
    }

    /// A page of the holders of a role, without their number.
    pub fn page(&self, role: &str, count: u64, offset: u64) -> Result<usize> {
        self.read(
            "SELECT u.id, u.username, u.name, u.kind, u.active, u.created_at, u.updated_at, u.last_login, u.profile, \
             (SELECT json_group_array(role_id ORDER BY position) FROM user_roles WHERE user_id = u.id) AS roles, \
             (SELECT json_group_array(address ORDER BY position) FROM user_emails WHERE user_id = u.id) AS emails \
             FROM user_roles h JOIN users u ON u.id = h.user_id WHERE h.role_id = ?1 \
             ORDER BY h.username, h.user_id LIMIT ?2 OFFSET ?3",
            params![role, i64::try_from(count)?, i64::try_from(offset)?],
        )
    }
}
