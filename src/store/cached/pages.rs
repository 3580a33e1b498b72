//! Long lists of accounts that take the same time wherever they are cut and however long they are: how long each is, and
//! positions in it from which a part can begin, kept as long as nobody comes, goes, or gets another name or role. What was
//! on a part is kept in `parts`. Whether what is kept may be believed at all is decided by whoever holds this; rooms and
//! what they list are not kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::epochs::{Epoch, Epochs};
use super::parts::Parts;
use crate::domain::ids::{RoleId, RoomId};
use crate::domain::role::{Role, RoleScope};
use crate::domain::user::User;
use crate::domain::user_list::{UserOrder, UserSort};
use crate::store::{Listing, Page, Position, Result, Store};

/// The most positions kept, of all lists together; each takes about as much as a username and an id.
const MAX_BOOKMARKS: usize = 4_096;
/// The most lists whose length is kept.
const MAX_TOTALS: usize = 1_024;
/// How far apart bookmarks are left on the way to a part far down, and the most that is passed over without.
const STRIDE: u64 = 10_000;

/// A list that is sorted by username.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum List {
    /// Of all accounts.
    Accounts,
    /// Of those whose own list has the role.
    Holders(RoleId),
}

/// A position and when it was looked up. It is kept under the number of accounts up to it, its own included.
#[derive(Clone)]
struct Bookmark {
    position: Position,
    mark: Epoch,
}

/// How long a list was, and when it was counted. Locked for as long as somebody counts.
type Total = tokio::sync::Mutex<Option<(Epoch, u64)>>;

/// A store, what is known of its changes, and whether that is all of them.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Where lists are read.
    pub store: &'a dyn Store,
    /// Its changes.
    pub epochs: &'a Epochs,
    /// Whether, at this moment, everything that makes a copy untrue is known in time; if not, the store is asked for
    /// everything.
    pub live: &'a (dyn Fn() -> bool + Sync),
}

/// Lengths of lists, positions in them, and parts of them.
#[derive(Default)]
pub struct Pages {
    parts: Parts,
    totals: Mutex<HashMap<List, Arc<Total>>>,
    bookmarks: Mutex<BTreeMap<(List, u64), Bookmark>>,
    /// Held by the one who goes to a part far down; others need not wait for him.
    way: tokio::sync::Mutex<()>,
}

impl Pages {
    /// As `RoleStore::list_holders`.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_holders(
        &self,
        source: Source<'_>,
        role: &Role,
        room: Option<&RoomId>,
        page: Page,
    ) -> Result<Listing<User>> {
        let kept = role.scope == RoleScope::Users;
        if kept && (source.live)() {
            let listed = Listed { pages: self, source, list: List::Holders(role.id.clone()), role: Some(role) };
            let listing = listed.listing(page).await?;
            // Waiting for others who count can take long enough for that to end.
            if (source.live)() {
                return Ok(listing);
            }
        }
        source.store.list_holders(role, room, page).await
    }

    /// As `UserDirectory::list_users`. Only the order of usernames, ascending, has bookmarks: the others change with
    /// every log-in or are seldom gone through.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_users(&self, source: Source<'_>, order: UserOrder, page: Page) -> Result<Listing<User>> {
        if (source.live)() {
            let listed = Listed { pages: self, source, list: List::Accounts, role: None };
            let listing = match order {
                UserOrder { sort: UserSort::Username, descending: false } => listed.listing(page).await?,
                other => listed.listing_in(other, page).await?,
            };
            if (source.live)() {
                return Ok(listing);
            }
        }
        source.store.list_users(order, page).await
    }

    /// How many bookmarks there are.
    pub fn bookmarks(&self) -> usize {
        self.shelf().len()
    }

    fn shelf(&self) -> MutexGuard<'_, BTreeMap<(List, u64), Bookmark>> {
        // Whoever panicked left no half-made bookmark.
        self.bookmarks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn total_of(&self, list: &List, epochs: &Epochs) -> Arc<Total> {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if totals.len() >= MAX_TOTALS && !totals.contains_key(list) {
            let counts = |total: &Total| match total.try_lock() {
                Ok(kept) => kept.is_some_and(|(mark, _)| epochs.holders_stand(mark)),
                Err(_) => true,
            };
            totals.retain(|_, total| counts(total));
            if totals.len() >= MAX_TOTALS {
                totals.clear();
            }
        }
        Arc::clone(totals.entry(list.clone()).or_default())
    }

    /// The last bookmark at or before `offset`, and where it is. Those that do not stand go on the way.
    fn nearest(&self, list: &List, offset: u64, epochs: &Epochs) -> (u64, Option<Bookmark>) {
        let mut shelf = self.shelf();
        loop {
            let before = (list.clone(), 0)..=(list.clone(), offset);
            let Some((key, bookmark)) = shelf.range(before).next_back() else {
                return (0, None);
            };
            if epochs.holders_stand(bookmark.mark) {
                return (key.1, Some(bookmark.clone()));
            }
            let key = key.clone();
            shelf.remove(&key);
        }
    }

    /// Leaves a bookmark behind that account, unless it is out of date already or has no position.
    fn leave(&self, list: &List, offset: u64, last: Option<&User>, mark: Epoch, epochs: &Epochs) {
        let Some(position) = last.and_then(Position::of) else {
            return;
        };
        if !epochs.holders_stand(mark) {
            return;
        }
        let mut shelf = self.shelf();
        if shelf.len() >= MAX_BOOKMARKS {
            // Those on the way to other parts serve more than one.
            shelf.retain(|(_, offset), bookmark| offset % STRIDE == 0 && epochs.holders_stand(bookmark.mark));
            if shelf.len() >= MAX_BOOKMARKS / 2 {
                shelf.clear();
            }
        }
        shelf.insert((list.clone(), offset), Bookmark { position, mark });
    }
}

/// One list for one asker.
struct Listed<'a> {
    pages: &'a Pages,
    source: Source<'a>,
    list: List,
    /// Whose holders it is about.
    role: Option<&'a Role>,
}

impl Listed<'_> {
    /// The total was counted at one moment and the part read at another: what others change between them may be in one
    /// and not in the other, as it may between the two questions to the store.
    async fn listing(&self, page: Page) -> Result<Listing<User>> {
        let total = self.total().await?;
        let beyond = page.count == Some(0) || page.offset >= total;
        let items = if beyond { Vec::new() } else { self.items(page).await? };
        Ok(Listing { items, total })
    }

    /// All accounts in an order that has no bookmarks.
    async fn listing_in(&self, order: UserOrder, page: Page) -> Result<Listing<User>> {
        let total = self.total().await?;
        let beyond = page.count == Some(0) || page.offset >= total;
        let items = if beyond { Vec::new() } else { self.source.store.page_users(order, page).await? };
        Ok(Listing { items, total })
    }

    /// However many ask at once, one of them counts.
    async fn total(&self) -> Result<u64> {
        let epochs = self.source.epochs;
        let asked = epochs.now();
        let total = self.pages.total_of(&self.list, epochs);
        let mut kept = total.lock().await;
        if let Some((mark, number)) = *kept {
            // A count that knew of every change before the question is new enough, whatever has changed since. Without
            // that, a hundred who wait would count one after the other while accounts come and go.
            if mark >= asked || epochs.holders_stand(mark) {
                return Ok(number);
            }
        }
        let mark = epochs.now();
        let number = match self.role {
            Some(role) => self.source.store.count_holders(role, None).await?,
            None => self.source.store.count_users().await?,
        };
        *kept = Some((mark, number));
        Ok(number)
    }

    async fn items(&self, page: Page) -> Result<Vec<User>> {
        let epochs = self.source.epochs;
        if let Some(items) = self.pages.parts.at_hand(&self.list, page, epochs) {
            return Ok(items);
        }
        // Everything that is put together here was read after this moment, or from where something still stood then.
        let begun = epochs.now();
        self.go_to(page.offset).await?;
        let (at, bookmark) = self.pages.nearest(&self.list, page.offset, epochs);
        let after = bookmark.map(|bookmark| bookmark.position);
        let items = self.after(at, after, page).await?;
        if epochs.holders_stand(begun) {
            self.pages.parts.keep(&self.list, page, begun, &items, epochs);
            return Ok(items);
        }
        // The parts are of different moments; the list is read as it is at one.
        self.read(None, page).await
    }

    /// A page of which `at` accounts up to that position come before. Leaves bookmarks at its beginning and its end.
    async fn after(&self, at: u64, after: Option<Position>, page: Page) -> Result<Vec<User>> {
        let (epochs, mark) = (self.source.epochs, self.source.epochs.now());
        let passed_over = page.offset.saturating_sub(at);
        if passed_over == 0 {
            let items = self.read(after.as_ref(), Page { offset: 0, count: page.count }).await?;
            self.leave_behind(page.offset, &items, mark);
            return Ok(items);
        }
        // The one before the page is read as well: behind it, the same page begins at once the next time.
        let wider = Page { offset: passed_over - 1, count: page.count.map(|count| count.saturating_add(1)) };
        let mut items = self.read(after.as_ref(), wider).await?;
        self.leave_behind(page.offset - 1, &items, mark);
        if !items.is_empty() {
            let before = items.remove(0);
            self.pages.leave(&self.list, page.offset, Some(&before), mark, epochs);
        }
        Ok(items)
    }

    fn leave_behind(&self, offset: u64, items: &[User], mark: Epoch) {
        let end = offset.saturating_add(items.len() as u64);
        self.pages.leave(&self.list, end, items.last(), mark, self.source.epochs);
    }

    /// Leaves bookmarks on the way to a part far down. When somebody is on such a way already, nothing is done: the
    /// part can be read without.
    async fn go_to(&self, offset: u64) -> Result<()> {
        let epochs = self.source.epochs;
        let far = |at: u64| offset.saturating_sub(at) > STRIDE;
        if !far(self.pages.nearest(&self.list, offset, epochs).0) {
            return Ok(());
        }
        let Ok(_way) = self.pages.way.try_lock() else {
            return Ok(());
        };
        loop {
            let mark = epochs.now();
            let (at, bookmark) = self.pages.nearest(&self.list, offset, epochs);
            if !far(at) {
                return Ok(());
            }
            let after = bookmark.map(|bookmark| bookmark.position);
            let next = (at / STRIDE + 1) * STRIDE;
            let last = Page { offset: next - at - 1, count: Some(1) };
            let found = self.read(after.as_ref(), last).await?;
            self.pages.leave(&self.list, next, found.first(), mark, epochs);
            if self.pages.nearest(&self.list, next, epochs).0 != next {
                // The list ends before, has no position there, or changed meanwhile.
                return Ok(());
            }
        }
    }

    async fn read(&self, after: Option<&Position>, page: Page) -> Result<Vec<User>> {
        match (self.role, after) {
            (Some(role), after) => self.source.store.page_holders(role, None, after, page).await,
            (None, Some(after)) => self.source.store.page_users_after(after, page).await,
            (None, None) => self.source.store.page_users(UserOrder::default(), page).await,
        }
    }
}
