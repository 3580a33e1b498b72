//! How SQLite answers the questions that a large workspace asks often: from an index and in its order, without looking
//! at every account and without sorting them.

use rusqlite::Connection;

use super::activation::IDLE;
use super::directory::{SUGGEST, select_page};
use super::holders::{COUNT_HOLDERS, SELECT_HOLDERS};
use super::open::open_memory;
use super::user_changes::RENAME_CREATOR;
use crate::domain::user_list::{UserOrder, UserSort};

/// The steps of the plan, but for those about the roles and addresses of one account, of which there are few.
fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>("detail").unwrap());
    }
    steps
}

fn assert_indexed(db: &Connection, sql: &str) {
    let steps = plan(db, sql);
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
    assert_indexed(&db, COUNT_HOLDERS);
    assert_indexed(&db, SELECT_HOLDERS);
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
