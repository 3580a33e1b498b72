//! Parts of long lists as they were read lately, with the accounts on them: what somebody looks at who looks at the same
//! list again. Bounded by the number of accounts, the least wanted parts go first. Where a part begins and how long its
//! list is has its place in `pages`.

use std::sync::Arc;

use moka::sync::Cache;

use super::epochs::{Epoch, Epochs};
use super::pages::List;
use crate::domain::user::User;
use crate::store::Page;

/// The most accounts kept, of all parts together; one that is on two parts counts twice.
const MAX_ACCOUNTS: u64 = 2_048;
/// The longest part that is kept; whoever asks for more seldom asks again.
const LONGEST: usize = 100;

/// A part and its mark from before it was read.
struct Part {
    mark: Epoch,
    accounts: Vec<User>,
}

/// The parts.
pub(super) struct Parts {
    kept: Cache<(List, Page), Arc<Part>>,
}

impl Default for Parts {
    fn default() -> Self {
        let accounts =
            |_: &(List, Page), part: &Arc<Part>| u32::try_from(part.accounts.len()).unwrap_or(u32::MAX).max(1);
        Self { kept: Cache::builder().max_capacity(MAX_ACCOUNTS).weigher(accounts).build() }
    }
}

impl Part {
    /// Whether the same accounts are on it, each as it was.
    fn stands(&self, epochs: &Epochs) -> bool {
        epochs.holders_stand(self.mark) && self.accounts.iter().all(|user| epochs.account_stands(&user.id, self.mark))
    }
}

impl Parts {
    /// The accounts on that part, where they are known and as they were.
    pub(super) fn at_hand(&self, list: &List, page: Page, epochs: &Epochs) -> Option<Vec<User>> {
        let key = (list.clone(), page);
        let part = self.kept.get(&key)?;
        if part.stands(epochs) {
            return Some(part.accounts.clone());
        }
        // Its accounts have changed, and nobody may ever ask for it again.
        self.kept.invalidate(&key);
        None
    }

    /// Keeps what was read after `mark`, unless it is too long or not true any more.
    pub(super) fn keep(&self, list: &List, page: Page, mark: Epoch, accounts: &[User], epochs: &Epochs) {
        if accounts.len() > LONGEST {
            return;
        }
        let part = Part { mark, accounts: accounts.to_vec() };
        if part.stands(epochs) {
            self.kept.insert((list.clone(), page), Arc::new(part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fact::Fact;
    use crate::domain::ids::UserId;
    use crate::domain::time::Timestamp;
    use crate::domain::user::NewUser;

    const FIRST: Page = Page { offset: 0, count: Some(50) };

    fn users(count: usize) -> Vec<User> {
        let user = |number: usize| {
            let new = NewUser {
                id: UserId::from_stored(format!("id-{number}")),
                username: number.to_string(),
                name: String::new(),
                emails: Vec::new(),
                password: None,
                roles: Vec::new(),
                active: true,
                join_default_rooms: false,
                profile: serde_json::Map::new(),
            };
            new.to_user(Timestamp::EPOCH)
        };
        (0..count).map(user).collect()
    }

    #[test]
    fn a_part_is_used_until_an_account_on_it_changes() {
        let (parts, epochs, accounts) = (Parts::default(), Epochs::default(), users(2));
        parts.keep(&List::Accounts, FIRST, epochs.now(), &accounts, &epochs);
        epochs.changed(&[Fact::Account(UserId::from_stored("somebody else"))]);
        assert_eq!(parts.at_hand(&List::Accounts, FIRST, &epochs), Some(accounts.clone()));
        assert_eq!(parts.at_hand(&List::Accounts, Page { offset: 1, ..FIRST }, &epochs), None);
        epochs.changed(&[Fact::Account(accounts[1].id.clone())]);
        assert_eq!(parts.at_hand(&List::Accounts, FIRST, &epochs), None);
    }

    #[test]
    fn a_part_is_used_until_somebody_comes_or_goes_or_that_may_be() {
        let (parts, epochs, accounts) = (Parts::default(), Epochs::default(), users(2));
        for change in [&|| epochs.changed(&[Fact::Holders]), &|| epochs.all_changed()] as [&dyn Fn(); 2] {
            parts.keep(&List::Accounts, FIRST, epochs.now(), &accounts, &epochs);
            assert!(parts.at_hand(&List::Accounts, FIRST, &epochs).is_some());
            change();
            assert_eq!(parts.at_hand(&List::Accounts, FIRST, &epochs), None);
        }
    }

    #[test]
    fn what_was_read_while_an_account_changed_is_not_kept() {
        let (parts, epochs, accounts) = (Parts::default(), Epochs::default(), users(1));
        let mark = epochs.now();
        epochs.changed(&[Fact::Account(accounts[0].id.clone())]);
        parts.keep(&List::Accounts, FIRST, mark, &accounts, &epochs);
        assert_eq!(parts.at_hand(&List::Accounts, FIRST, &epochs), None);
    }

    #[test]
    fn there_are_never_more_accounts_than_the_bound() {
        let (parts, epochs) = (Parts::default(), Epochs::default());
        parts.keep(&List::Accounts, FIRST, epochs.now(), &users(LONGEST + 1), &epochs);
        assert_eq!(parts.at_hand(&List::Accounts, FIRST, &epochs), None);
        let accounts = users(LONGEST);
        for offset in 0..200 {
            parts.keep(&List::Accounts, Page { offset, ..FIRST }, epochs.now(), &accounts, &epochs);
        }
        parts.kept.run_pending_tasks();
        assert!(parts.kept.weighted_size() <= MAX_ACCOUNTS, "{}", parts.kept.weighted_size());
    }
}
