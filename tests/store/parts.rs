//! Promises about parts of long lists: of `RoleStore` and `UserDirectory`, wherever they are cut, and of the memory in
//! front of them, which must not tell that it is there.

use std::sync::Arc;

use rolekeeper::clock::Stopwatch;
use rolekeeper::domain::fact::Fact;
use rolekeeper::domain::ids::RoleId;
use rolekeeper::domain::role::{ADMIN, OWNER, Role, RoleScope, USER};
use rolekeeper::domain::room::Room;
use rolekeeper::domain::user::User;
use rolekeeper::domain::user_change::{Relinquish, UserPatch};
use rolekeeper::domain::user_list::{UserOrder, UserSort};
use rolekeeper::store::cached::epochs::Epochs;
use rolekeeper::store::cached::pages::{Pages, Source};
use rolekeeper::store::{Listener, Page, Position};

use crate::fixtures::{ALL, assignment, names, role_id, run};
use crate::support::stores::{Backend, Raw, TestStore};

/// In byte order; without regard to case, no two are the same.
const NAMES: [&str; 12] = ["A", "Bb", "Z", "_", "a b", "aa", "b", "c", "zz", "ß", "é", "日本"];

const fn part(offset: u64, count: u64) -> Page {
    Page { offset, count: Some(count) }
}

/// What a part of a whole is.
fn cut(whole: &[User], page: Page) -> Vec<User> {
    let count = page.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap());
    whole.iter().skip(usize::try_from(page.offset).unwrap()).take(count).cloned().collect()
}

/// Numbers in no order, the same ones each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

impl TestStore {
    async fn role_of(&self, id: &str) -> Role {
        self.store.find_role(&role_id(id)).await.unwrap().unwrap()
    }

    /// Takes the username of an account away, as one has none that only wrote from outside.
    async fn plant_without_username(&self, user: &User) {
        match &self.raw {
            Raw::Sqlite(store) => {
                let sql =
                    format!("UPDATE users SET username = NULL, username_key = NULL WHERE id = '{}'", user.id.as_str());
                store.run_sql(&sql).await.unwrap();
            }
            Raw::Mongo(database) => {
                let users = database.collection::<mongodb::bson::Document>("users");
                let unset = mongodb::bson::doc! { "$unset": { "username": "" } };
                users.update_one(mongodb::bson::doc! { "_id": user.id.as_str() }, unset).await.unwrap();
            }
        }
    }

    async fn rename(&self, user: &User, username: &str) {
        let patch = UserPatch { username: Some(username.to_owned()), ..UserPatch::default() };
        self.store.update_user(&user.id, patch, &self.later()).await.unwrap();
    }

    async fn holders(&self, role: &Role, room: Option<&Room>) -> Vec<User> {
        self.store.page_holders(role, room.map(|room| &room.id), None, ALL).await.unwrap()
    }

    /// Holders with all kinds of names, two without one.
    async fn holders_of_all_kinds(&self, role: &RoleId) {
        for name in NAMES {
            self.user_with(name, &[role]).await;
        }
        for name in ["nameless1", "nameless2"] {
            let user = self.user_with(name, &[role]).await;
            self.plant_without_username(&user).await;
        }
    }
}

async fn holders_are_in_byte_order_and_those_without_a_username_come_first(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    test.holders_of_all_kinds(&role.id).await;
    let holders = test.holders(&role, None).await;
    assert_eq!((names(&holders[2..]), holders.len()), (NAMES.to_vec(), NAMES.len() + 2));
    assert!(holders[0].username.is_none() && holders[0].id < holders[1].id);
}

async fn a_part_of_the_holders_is_cut_behind_its_position(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    test.holders_of_all_kinds(&role.id).await;
    test.user("other").await;
    let whole = test.holders(&role, None).await;
    for (at, holder) in whole.iter().enumerate() {
        let Some(position) = Position::of(holder) else { continue };
        for page in [ALL, part(0, 3), part(2, 1), part(1, 0), part(50, 5)] {
            let found = test.store.page_holders(&role, None, Some(&position), page).await.unwrap();
            assert_eq!(found, cut(&whole[at + 1..], page), "{position:?} {page:?}");
        }
    }
}

async fn a_part_of_all_accounts_is_cut_behind_its_position(test: &TestStore) {
    test.holders_of_all_kinds(&role_id(USER)).await;
    let whole = test.store.page_users(UserOrder::default(), ALL).await.unwrap();
    assert_eq!(names(&whole), NAMES);
    for (at, user) in whole.iter().enumerate() {
        let Some(position) = Position::of(user) else { continue };
        for page in [ALL, part(0, 3), part(2, 1), part(1, 0), part(50, 5)] {
            let found = test.store.page_users_after(&position, page).await.unwrap();
            assert_eq!(found, cut(&whole[at + 1..], page), "{position:?} {page:?}");
        }
    }
}

async fn a_part_of_those_who_hold_a_role_in_a_room_is_cut_behind_its_position(test: &TestStore) {
    let mut members = Vec::new();
    for name in NAMES {
        members.push(test.user(name).await);
    }
    let (all, some) = (members.iter().collect::<Vec<_>>(), members[4..].iter().collect::<Vec<_>>());
    let rooms = [test.room("den", &members[3], &all).await, test.room("attic", &members[5], &some).await];
    let owner = test.role_of(OWNER).await;
    for (member, room) in members.iter().flat_map(|member| rooms.iter().map(move |room| (member, room))) {
        // Whoever is no member of it, or owns it, stays as he is.
        let _ = test.store.assign_role(&assignment(&owner.id, member, Some(room)), &test.later()).await;
    }
    test.rename(&members[0], "xaver").await;
    for room in [Some(&rooms[0]), Some(&rooms[1]), None] {
        let id = room.map(|room| &room.id);
        let whole = test.holders(&owner, room).await;
        let mut sorted = whole.clone();
        sorted.sort_by(|one, other| one.username.cmp(&other.username));
        assert_eq!(whole, sorted);
        assert_eq!(test.store.count_holders(&owner, id).await.unwrap(), whole.len() as u64);
        for (at, holder) in whole.iter().enumerate() {
            let position = Position::of(holder).unwrap();
            for page in [ALL, part(0, 3), part(2, 1)] {
                let found = test.store.page_holders(&owner, id, Some(&position), page).await.unwrap();
                assert_eq!(found, cut(&whole[at + 1..], page), "{position:?} {page:?}");
            }
        }
    }
    assert_eq!(test.holders(&owner, None).await.len(), members.len());
}

async fn nobody_needs_to_be_at_a_position(test: &TestStore) {
    test.admin("adm").await;
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    test.user("cyd").await;
    let (of_ann, of_bob) = (Position::of(&ann).unwrap(), Position::of(&bob).unwrap());
    test.rename(&ann, "zoe").await;
    test.store.delete_user(&bob.id, Relinquish::Confirmed, &test.later()).await.unwrap();
    let role = test.role_of(USER).await;
    for position in [of_ann, of_bob] {
        let holders = test.store.page_holders(&role, None, Some(&position), ALL).await.unwrap();
        assert_eq!(names(&holders), ["cyd", "zoe"]);
        assert_eq!(test.store.page_users_after(&position, ALL).await.unwrap(), holders);
    }
}

async fn parts_joined_end_to_end_are_the_whole(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    test.holders_of_all_kinds(&role.id).await;
    let (whole, all) =
        (test.holders(&role, None).await, test.store.page_users(UserOrder::default(), ALL).await.unwrap());
    for seed in 0..10 {
        let mut dice = Dice(seed);
        let (mut holders, mut users) = (Vec::new(), Vec::new());
        while holders.len() < whole.len() {
            let last = holders.last().and_then(Position::of);
            let page = part(if last.is_some() { 0 } else { holders.len() as u64 }, 1 + dice.below(4));
            holders.extend(test.store.page_holders(&role, None, last.as_ref(), page).await.unwrap());
            users.extend(match last {
                Some(last) => test.store.page_users_after(&last, page).await.unwrap(),
                None => test.store.page_users(UserOrder::default(), page).await.unwrap(),
            });
        }
        assert_eq!((holders, users), (whole.clone(), all.clone()));
    }
}

async fn counts_are_those_of_the_lists_at_the_ends_of_pages(test: &TestStore) {
    let role = test.role("Deputy", RoleScope::Users).await;
    for number in 1..=51 {
        let user = test.user_with(&format!("u{number:02}"), &[&role.id]).await;
        if number % 10 == 0 {
            test.plant_without_username(&user).await;
        }
        if [25, 26, 50, 51].contains(&number) {
            assert_eq!(test.store.count_holders(&role, None).await.unwrap(), number);
            assert_eq!(test.store.count_users().await.unwrap(), number);
        }
    }
}

on_every_backend![
    holders_are_in_byte_order_and_those_without_a_username_come_first,
    a_part_of_the_holders_is_cut_behind_its_position,
    a_part_of_all_accounts_is_cut_behind_its_position,
    a_part_of_those_who_hold_a_role_in_a_room_is_cut_behind_its_position,
    nobody_needs_to_be_at_a_position,
    parts_joined_end_to_end_are_the_whole,
    counts_are_those_of_the_lists_at_the_ends_of_pages,
];

/// What is kept beside a backend, by somebody whom it tells of changes; one that keeps facts itself has told somebody already.
mod kept {
    use super::{
        kept_lists_are_those_of_the_store_whatever_changes, nothing_is_kept_while_not_all_changes_are_known,
        only_changes_of_who_is_where_make_kept_lists_be_read_again,
    };

    on_every_backend![
        bare: kept_lists_are_those_of_the_store_whatever_changes,
        only_changes_of_who_is_where_make_kept_lists_be_read_again,
        nothing_is_kept_while_not_all_changes_are_known,
    ];
}

/// A unique index keeps usernames apart in one of our own; whoever made his database before may have twins.
#[tokio::test]
async fn mongo_tells_twins_apart_by_their_ids() {
    run(Backend::Mongo, async |test: &TestStore| {
        let Raw::Mongo(database) = &test.raw else { panic!("a database") };
        let users = database.collection::<mongodb::bson::Document>("users");
        users.drop_index("username_1").await.unwrap();
        for id in ["c", "a", "d", "b"] {
            users.insert_one(mongodb::bson::doc! { "_id": id, "username": "twin", "roles": [USER] }).await.unwrap();
        }
        let (role, twin) = (test.role_of(USER).await, "twin".to_owned());
        let whole = test.holders(&role, None).await;
        assert_eq!(whole.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        let second = Position { username: twin, id: whole[1].id.clone() };
        assert_eq!(test.store.page_holders(&role, None, Some(&second), ALL).await.unwrap(), whole[2..]);
        assert_eq!(test.store.page_users_after(&second, part(1, 5)).await.unwrap(), whole[3..]);
    })
    .await;
}

/// Learns of the changes of a store.
#[derive(Default)]
struct Changes(Epochs);

impl Listener for Changes {
    fn changed(&self, facts: &[Fact]) {
        self.0.changed(facts);
    }

    fn caught_up(&self, _moment: Stopwatch) {}

    fn lost(&self) {
        self.0.all_changed();
    }
}

/// A store with its lists kept, by somebody who learns of changes.
struct Kept<'a> {
    test: &'a TestStore,
    pages: Pages,
    changes: Arc<Changes>,
    live: bool,
}

impl<'a> Kept<'a> {
    fn new(test: &'a TestStore) -> Self {
        let changes = Arc::new(Changes::default());
        test.store.report_to(Arc::clone(&changes) as Arc<dyn Listener>);
        Self { test, pages: Pages::default(), changes, live: true }
    }

    /// The same, of somebody who is told nothing.
    fn deaf(test: &'a TestStore) -> Self {
        Self { test, pages: Pages::default(), changes: Arc::default(), live: true }
    }

    /// Whether the pages are those of the store.
    async fn are_right(&self, role: &Role, page: Page) -> bool {
        let live = || self.live;
        let source = Source { store: &*self.test.store, epochs: &self.changes.0, live: &live };
        let mut right = self.pages.list_holders(source, role, None, page).await.unwrap()
            == self.test.store.list_holders(role, None, page).await.unwrap();
        for (sort, descending) in [(UserSort::Username, false), (UserSort::Username, true), (UserSort::Name, false)] {
            let order = UserOrder { sort, descending };
            right &= self.pages.list_users(source, order, page).await.unwrap()
                == self.test.store.list_users(order, page).await.unwrap();
        }
        right
    }
}

/// One change of who holds the role, who there is, what somebody is called, or what else is shown of him.
async fn change(test: &TestStore, role: &Role, dice: &mut Dice, number: usize) {
    let users = test.store.page_users(UserOrder::default(), ALL).await.unwrap();
    let others = users.iter().filter(|user| user.username.is_some() && !user.holds(&role_id(ADMIN)));
    let named: Vec<&User> = others.collect();
    let someone = named[usize::try_from(dice.below(named.len() as u64)).unwrap()];
    let name = format!("{}{number}", ["m", "A", "é", "z"][usize::try_from(dice.below(4)).unwrap()]);
    let held = assignment(&role.id, someone, None);
    match dice.below(7) {
        0 => drop(test.user_with(&name, &[&role.id]).await),
        1 => test.rename(someone, &name).await,
        3 => {
            let patch = UserPatch { name: Some(name), ..UserPatch::default() };
            test.store.update_user(&someone.id, patch, &test.later()).await.unwrap();
        }
        4 => {
            let hash = rolekeeper::domain::token::TokenText::new(name).hash();
            test.store.add_session_token(&someone.id, &hash, 5, &test.later()).await.unwrap();
        }
        2 if named.len() > 5 => {
            test.store.delete_user(&someone.id, Relinquish::Confirmed, &test.later()).await.unwrap();
        }
        // Who has it loses it, who has it not gets it.
        _ if someone.holds(&role.id) => test.store.unassign_role(&held, &test.later()).await.unwrap(),
        _ => test.store.assign_role(&held, &test.later()).await.unwrap(),
    }
}

async fn kept_lists_are_those_of_the_store_whatever_changes(test: &TestStore) {
    test.admin("root").await;
    let role = test.role("Deputy", RoleScope::Users).await;
    test.holders_of_all_kinds(&role.id).await;
    let (kept, deaf, mut dice) = (Kept::new(test), Kept::deaf(test), Dice(7));
    let mut wrong = 0;
    for number in 0..40 {
        change(test, &role, &mut dice, number).await;
        for _ in 0..3 {
            let page = part(dice.below(18), 1 + dice.below(6));
            assert!(kept.are_right(&role, page).await, "{number} {page:?}");
            // Once more, from what is kept of it now.
            assert!(kept.are_right(&role, page).await, "{number} {page:?} again");
            wrong += u32::from(!deaf.are_right(&role, page).await);
        }
    }
    assert!(kept.pages.bookmarks() > 0);
    assert!(wrong > 0, "who is told nothing must be wrong, or nothing was kept");
}

async fn only_changes_of_who_is_where_make_kept_lists_be_read_again(test: &TestStore) {
    test.admin("root").await;
    let role = test.role("Deputy", RoleScope::Users).await;
    let ann = test.user_with("ann", &[&role.id]).await;
    let bob = test.user("bob").await;
    let kept = Kept::new(test);
    let stands = || kept.changes.0.now();
    let before = stands();
    let hash = rolekeeper::domain::token::TokenText::new("x").hash();
    test.store.add_session_token(&ann.id, &hash, 5, &test.later()).await.unwrap();
    let patch = UserPatch { name: Some("Anna".to_owned()), ..UserPatch::default() };
    test.store.update_user(&ann.id, patch, &test.later()).await.unwrap();
    let off = rolekeeper::domain::user::Activation::Deactivate;
    test.store.set_user_active(&bob.id, off, &test.later()).await.unwrap();
    assert!(kept.changes.0.holders_stand(before) && !kept.changes.0.account_stands(&ann.id, before));
    for number in 0..4 {
        let before = stands();
        match number {
            0 => test.rename(&ann, "anna").await,
            1 => test.assign(&role.id, &bob, None).await,
            2 => test.store.unassign_role(&assignment(&role.id, &bob, None), &test.later()).await.unwrap(),
            _ => drop(test.user("cyd").await),
        }
        assert!(!kept.changes.0.holders_stand(before), "{number}");
    }
}

async fn nothing_is_kept_while_not_all_changes_are_known(test: &TestStore) {
    test.admin("root").await;
    let role = test.role("Deputy", RoleScope::Users).await;
    test.holders_of_all_kinds(&role.id).await;
    let kept = Kept { live: false, ..Kept::deaf(test) };
    let mut dice = Dice(9);
    for number in 0..5 {
        change(test, &role, &mut dice, number).await;
        assert!(kept.are_right(&role, part(3, 4)).await);
    }
    assert_eq!(kept.pages.bookmarks(), 0);
}
