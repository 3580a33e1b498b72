//! How SQLite answers the questions that a large workspace asks often: from an index and in its order, without looking
//! at every account and without sorting them.

use rusqlite::{Connection, StatementStatus};

use super::activation::IDLE;
use super::directory::{SELECT_AFTER, SUGGEST, select_page};
use super::holders::{
    COUNT_HOLDERS, COUNT_MEMBERS, LAST_HOLDER, LAST_HOLDER_AFTER, LAST_MEMBER, LAST_MEMBER_AFTER, SELECT_HOLDERS,
    SELECT_HOLDERS_AFTER, SELECT_MEMBERS, SELECT_MEMBERS_AFTER,
};
use super::open::open_memory;
use super::plans::steps;
use super::query::Query as _;
use super::user_changes::RENAME_CREATOR;
use crate::domain::user_list::{UserOrder, UserSort};

/// But for the steps about the roles and addresses of one account, of which there are few.
fn assert_indexed(db: &Connection, sql: &str) {
    let steps = steps(db, sql).unwrap();
    for step in &steps {
        let of_one_account = step.contains("json_group_array") || step.contains("json_each");
        let full = step.starts_with("SCAN") && !step.contains("INDEX") && !step.contains("VIRTUAL");
        let sorts = step.contains("TEMP B-TREE");
        assert!(of_one_account || !(full || sorts), "{sql}\n{steps:#?}");
    }
}

#[test]
fn every_order_of_the_list_of_accounts_is_that_of_an_index() {
    let db = open_memory().unwrap();
    for sort in [UserSort::Username, UserSort::Name, UserSort::CreatedAt, UserSort::LastLogin] {
        for descending in [false, true] {
            assert_indexed(&db, select_page(UserOrder { sort, descending }));
        }
    }
}

#[test]
fn the_holders_of_a_role_come_in_the_order_of_an_index() {
    let db = open_memory().unwrap();
    for sql in
        [COUNT_HOLDERS, SELECT_HOLDERS, SELECT_HOLDERS_AFTER, COUNT_MEMBERS, SELECT_MEMBERS, SELECT_MEMBERS_AFTER]
    {
        assert_indexed(&db, sql);
    }
}

#[test]
fn a_list_that_begins_after_a_place_begins_there_in_its_index() {
    let db = open_memory().unwrap();
    for (sql, begins) in [
        (SELECT_HOLDERS_AFTER, "(role_id=? AND (username,user_id)>(?,?))"),
        (SELECT_MEMBERS_AFTER, "(role_id=? AND room_id=? AND (username,user_id)>(?,?))"),
        (SELECT_AFTER, "(username>?)"),
        (LAST_HOLDER_AFTER, "(role_id=? AND (username,user_id)>(?,?))"),
        (LAST_MEMBER_AFTER, "(role_id=? AND room_id=? AND (username,user_id)>(?,?))"),
    ] {
        assert_indexed(&db, sql);
        let steps = steps(&db, sql).unwrap();
        assert!(steps.first().is_some_and(|step| step.ends_with(begins)), "{sql}\n{steps:#?}");
    }
}

/// To plan the statement of a page takes about as long as to read it.
#[test]
fn a_statement_is_planned_once_whatever_it_is_given() {
    let db = open_memory().unwrap();
    let mut statement = db.prepare(SELECT_HOLDERS).unwrap();
    for limit in [1, 50, -1] {
        assert!(statement.query((None::<&str>, "admin", limit, 0)).unwrap().next().unwrap().is_none());
    }
    assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
}

#[test]
fn whoever_is_passed_over_is_not_read() {
    let db = open_memory().unwrap();
    for sql in [LAST_HOLDER, LAST_HOLDER_AFTER, LAST_MEMBER, LAST_MEMBER_AFTER] {
        assert_indexed(&db, sql);
        let steps = steps(&db, sql).unwrap();
        assert!(steps.iter().all(|step| step.contains("USING COVERING INDEX")), "{sql}\n{steps:#?}");
    }
}

#[test]
fn names_idle_accounts_and_creators_are_looked_up() {
    let db = open_memory().unwrap();
    for sql in [SUGGEST, IDLE, RENAME_CREATOR] {
        assert_indexed(&db, sql);
    }
}

#[test]
fn a_question_without_an_index_would_be_noticed() {
    let db = open_memory().unwrap();
    for sql in ["SELECT * FROM users ORDER BY profile", "SELECT * FROM users WHERE profile = 'x'"] {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_indexed(&db, sql))).is_err());
    }
}

#[test]
fn a_statement_that_reads_all_accounts_or_all_of_something_else_that_grows_is_refused() {
    let db = open_memory().unwrap();
    for sql in [
        "SELECT 1 FROM users WHERE profile = 'x'",
        "SELECT 1 FROM roles JOIN user_roles h ON h.position = roles.seq",
        "SELECT 1 FROM user_roles AS r",
        "DELETE FROM audit WHERE entry = 'x'",
        "UPDATE rooms SET archived = 1",
        "SELECT COUNT(*) FROM organization_members",
    ] {
        let refusal = db.exists(sql, ()).unwrap_err().to_string();
        assert!(refusal.contains("reads a whole table") && refusal.contains(sql), "{refusal}");
    }
    assert_eq!(db.exists("SELECT 1 FROM users WHERE id = 'x'", ()), Ok(false));
    assert_eq!(db.exists("SELECT 1 FROM roles WHERE description = 'x'", ()), Ok(false));
}

/// Whoever deletes a parent looks for its children, which no plan shows.
#[test]
fn every_reference_has_an_index_by_which_children_are_found() {
    let db = open_memory().unwrap();
    let children = "SELECT m.name, f.id, group_concat(f.\"from\") FROM sqlite_schema m, \
                    pragma_foreign_key_list(m.name) f WHERE m.type = 'table' GROUP BY m.name, f.id";
    let mut statement = db.prepare(children).unwrap();
    let mut rows = statement.raw_query();
    let mut references = 0;
    while let Some(row) = rows.next().unwrap() {
        let (table, columns): (String, String) = (row.get(0).unwrap(), row.get(2).unwrap());
        let wanted = columns.split(',').map(|column| format!("{column} = 'x'")).collect::<Vec<_>>().join(" AND ");
        let steps = steps(&db, &format!("SELECT 1 FROM {table} WHERE {wanted}")).unwrap();
        assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{table} {columns}: {steps:?}");
        references += 1;
    }
    assert!(references >= 10, "{references}");
}
