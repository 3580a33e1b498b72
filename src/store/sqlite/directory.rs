//! Going through accounts: pages of all of them and the few whose names begin like something, each from an index.

use async_trait::async_trait;

use super::SqliteStore;
use super::query::{Query as _, bounded, to_json};
use super::users::{select_user, user};
use crate::domain::ids::UserId;
use crate::domain::role::caseless_key;
use crate::domain::user::User;
use crate::domain::user_list::{UserFilter, UserOrder, UserSort};
use crate::store::{Listing, Page, Position, Result, UserDirectory};

/// Sorts behind every name that begins with what stands before it.
const LAST: char = '\u{10ffff}';

const COUNT: &str = "SELECT COUNT(*) FROM users";

/// Accounts whose names begin like something. The plus keeps SQLite from the index of those who are active, which are
/// nearly all.
pub(super) const SUGGEST: &str = select_user!(
    "WHERE u.username_key >= ?1 AND u.username_key < ?2 AND +u.active = 1 \
     AND u.username NOT IN (SELECT value FROM json_each(?3)) AND (?4 IS NULL OR EXISTS (SELECT 1 FROM subscriptions a \
     JOIN subscriptions b ON b.room_id = a.room_id WHERE a.user_id = ?4 AND b.user_id = u.id)) \
     ORDER BY u.username_key LIMIT ?5"
);

/// What accounts must be to be found; every account may have to be looked at. SQLite folds the case of names only as far
/// as ASCII goes; usernames and addresses have keys.
macro_rules! found {
    ($head:expr, $order:literal) => {
        concat!(
            $head,
            "WHERE (?1 IS NULL OR u.active = ?1) AND (?2 IS NULL OR (u.last_login IS NOT NULL) = ?2) \
             AND (?3 IS NULL OR u.kind = ?3) AND (?4 IS NULL OR EXISTS (SELECT 1 FROM user_roles h \
             WHERE h.user_id = u.id AND h.role_id IN (SELECT value FROM json_each(?4)))) \
             AND (?5 IS NULL OR instr(u.username_key, ?5) OR instr(lower(u.name), ?5) OR (?6 AND EXISTS \
             (SELECT 1 FROM user_emails e WHERE e.user_id = u.id AND instr(e.address_key, ?5)))) ",
            $order
        )
    };
}

const COUNT_FOUND: &str = found!("SELECT COUNT(*) FROM users u ", "");
const FOUND_ASCENDING: &str = found!(
    select_user!(""),
    "ORDER BY CASE ?7 WHEN 0 THEN u.username WHEN 1 THEN u.name WHEN 2 THEN u.created_at ELSE u.last_login END, u.seq \
     LIMIT ?8 OFFSET ?9"
);
const FOUND_DESCENDING: &str = found!(
    select_user!(""),
    "ORDER BY CASE ?7 WHEN 0 THEN u.username WHEN 1 THEN u.name WHEN 2 THEN u.created_at ELSE u.last_login END DESC, \
     u.seq DESC LIMIT ?8 OFFSET ?9"
);

/// One page in an order. What is passed over is passed over in the index.
pub(super) const fn select_page(order: UserOrder) -> &'static str {
    match (order.sort, order.descending) {
        (UserSort::Username, false) => select_user!("ORDER BY u.username, u.seq LIMIT ?1 OFFSET ?2"),
        (UserSort::Username, true) => select_user!("ORDER BY u.username DESC, u.seq DESC LIMIT ?1 OFFSET ?2"),
        (UserSort::Name, false) => select_user!("ORDER BY u.name, u.seq LIMIT ?1 OFFSET ?2"),
        (UserSort::Name, true) => select_user!("ORDER BY u.name DESC, u.seq DESC LIMIT ?1 OFFSET ?2"),
        (UserSort::CreatedAt, false) => select_user!("ORDER BY u.created_at, u.seq LIMIT ?1 OFFSET ?2"),
        (UserSort::CreatedAt, true) => select_user!("ORDER BY u.created_at DESC, u.seq DESC LIMIT ?1 OFFSET ?2"),
        (UserSort::LastLogin, false) => select_user!("ORDER BY u.last_login, u.seq LIMIT ?1 OFFSET ?2"),
        (UserSort::LastLogin, true) => select_user!("ORDER BY u.last_login DESC, u.seq DESC LIMIT ?1 OFFSET ?2"),
    }
}

/// One page of those behind a position in the order of usernames, of which no two are the same.
pub(super) const SELECT_AFTER: &str =
    select_user!("WHERE (u.username, u.id) > (?3, ?4) ORDER BY u.username, u.seq LIMIT ?1 OFFSET ?2");

/// What `LIMIT` and `OFFSET` are for a page.
fn window(page: Page) -> (i64, i64) {
    (page.count.map_or(-1, bounded), bounded(page.offset))
}

#[async_trait]
impl UserDirectory for SqliteStore {
    async fn count_users(&self) -> Result<u64> {
        self.read(move |db| db.count(COUNT, ())).await
    }

    async fn page_users(&self, order: UserOrder, page: Page) -> Result<Vec<User>> {
        self.read(move |db| db.all(select_page(order), window(page), user)).await
    }

    async fn page_users_after(&self, after: &Position, page: Page) -> Result<Vec<User>> {
        let (Position { username, id }, (limit, offset)) = (after.clone(), window(page));
        self.read(move |db| db.all(SELECT_AFTER, (limit, offset, username, id.as_str()), user)).await
    }

    async fn find_users(&self, filter: &UserFilter, order: UserOrder, page: Page) -> Result<Listing<User>> {
        let UserFilter { active, has_logged_in, kind, roles, term } = filter.clone();
        let roles = if roles.is_empty() { None } else { Some(to_json(&roles)?) };
        let key = term.as_ref().map(|term| caseless_key(&term.text));
        let in_addresses = term.is_some_and(|term| term.in_addresses);
        let column = match order.sort {
            UserSort::Username => 0,
            UserSort::Name => 1,
            UserSort::CreatedAt => 2,
            UserSort::LastLogin => 3,
        };
        let select = if order.descending { FOUND_DESCENDING } else { FOUND_ASCENDING };
        let (limit, offset) = window(page);
        self.read(move |db| {
            let found = (active, has_logged_in, kind, roles, key, in_addresses);
            let total = db.count(COUNT_FOUND, found.clone())?;
            let (active, has_logged_in, kind, roles, key, in_addresses) = found;
            let window = (active, has_logged_in, kind, roles, key, in_addresses, column, limit, offset);
            Ok(Listing { items: db.all(select, window, user)?, total })
        })
        .await
    }

    async fn suggest_users(
        &self,
        prefix: &str,
        except: &[String],
        sharing_rooms_with: Option<&UserId>,
        limit: u64,
    ) -> Result<Vec<User>> {
        let prefix = caseless_key(prefix);
        let (end, except) = (format!("{prefix}{LAST}"), to_json(&except)?);
        let near = sharing_rooms_with.map(|user| user.as_str().to_owned());
        self.read(move |db| db.all(SUGGEST, (prefix, end, except, near, bounded(limit)), user)).await
    }
}
