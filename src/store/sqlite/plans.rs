//! What no statement of this backend does: read a whole table that grows with the workspace. Where tests run, every
//! text is judged by SQLite's own plan before it is used for the first time, and one that reads too much fails its
//! operation and with it the test, whichever that is. A released binary does not contain this.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use rusqlite::Connection;

use crate::store::{Result, StoreError};

/// What may be read as a whole: tables that a workspace has few rows in, and what is no table.
const SMALL: [&str; 5] = ["roles", "permissions", "settings", "json_each", "CONSTANT"];

/// Statements that may read a whole table, each known by a part of its text, with the reason.
const EXCEPTIONS: [(&str, &str); 7] = [
    ("SELECT COUNT(*) FROM users", "the total of all accounts is part of the answer"),
    ("instr(u.username_key, ?5)", "no index finds a text in the middle of a name; only administrators ask"),
    ("FROM users u ORDER BY u.", "goes along an index, no further than the page; see plan_tests"),
    ("FROM subscription_roles WHERE role_id = ?1 LIMIT", "goes through the first holders, however many there are"),
    ("(SELECT DISTINCT user_id, username FROM subscription_roles", "whoever holds a role in any room is listed once"),
    ("FROM audit ORDER BY seq DESC LIMIT ?1", "goes along the key, no further than the page"),
    ("/* examination */", "looks at everything there is, because that is what the operator asked for; no request does"),
];

/// The texts that were found good, in the whole process: a plan depends on the schema alone, and that is one.
static GOOD: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Refuses a statement that reads a whole table which grows.
///
/// # Errors
/// `Backend` with the statement and the step of its plan.
pub(super) fn require_bounded(db: &Connection, sql: &str) -> Result<()> {
    // A test that asks for a plan itself has its own opinion of it.
    if sql.starts_with("EXPLAIN ") || GOOD.lock().unwrap_or_else(PoisonError::into_inner).contains(sql) {
        return Ok(());
    }
    if let Some(step) = steps(db, sql)?.into_iter().find(|step| reads_all(step) && !excepted(sql)) {
        return Err(StoreError::Backend(format!("a statement reads a whole table ({step}): {sql}")));
    }
    GOOD.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned());
    Ok(())
}

/// The steps of SQLite's plan.
pub(super) fn steps(db: &Connection, sql: &str) -> Result<Vec<String>> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(row.get("detail")?);
    }
    Ok(steps)
}

/// A table stands in the plan under the name that the statement gives it, so only that of a small one is let through.
/// In parentheses stands what the statement itself has found.
fn reads_all(step: &str) -> bool {
    let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
    scanned.is_some_and(|name| !name.starts_with('(') && !SMALL.contains(&name))
}

fn excepted(sql: &str) -> bool {
    EXCEPTIONS.iter().any(|(part, _)| sql.contains(part))
}
