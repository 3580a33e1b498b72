//! When something was last known to have changed: one counter that goes on with every change, and for each kind of
//! fact the count at its last one. A copy is marked with the count from *before* it was read; it stands as long as
//! nothing it is made of has changed since. That needs no lock, cannot be outwitted by a read that overlaps a change,
//! and takes the same room whatever the number of accounts.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::fact::Fact;
use crate::domain::ids::UserId;

/// Accounts share a count by chance; a change of one then only makes the others be read again.
const SHARDS: usize = 4_096;

/// A point in the sequence of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

/// The counts.
pub struct Epochs {
    latest: AtomicU64,
    everything: AtomicU64,
    roles: AtomicU64,
    rights: AtomicU64,
    holders: AtomicU64,
    accounts: Box<[AtomicU64]>,
}

impl Default for Epochs {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        let accounts = (0..SHARDS).map(|_| zero()).collect();
        Self { latest: zero(), everything: zero(), roles: zero(), rights: zero(), holders: zero(), accounts }
    }
}

impl Epochs {
    /// The mark of a copy that is about to be read.
    pub fn now(&self) -> Epoch {
        Epoch(self.latest.load(Ordering::SeqCst))
    }

    /// These facts changed.
    pub fn changed(&self, facts: &[Fact]) {
        let epoch = self.next();
        for fact in facts {
            match fact {
                Fact::Roles => self.roles.fetch_max(epoch, Ordering::SeqCst),
                Fact::Rights => self.rights.fetch_max(epoch, Ordering::SeqCst),
                Fact::Holders => self.holders.fetch_max(epoch, Ordering::SeqCst),
                Fact::Account(id) => self.account(id).fetch_max(epoch, Ordering::SeqCst),
            };
        }
    }

    /// Anything may have changed.
    pub fn all_changed(&self) {
        self.everything.fetch_max(self.next(), Ordering::SeqCst);
    }

    /// Whether roles are still as they were.
    pub fn roles_stand(&self, since: Epoch) -> bool {
        self.stands(&self.roles, since)
    }

    /// Whether permissions and settings are still as they were.
    pub fn rights_stand(&self, since: Epoch) -> bool {
        self.stands(&self.rights, since)
    }

    /// Whether nobody has come, gone, got another name or another role.
    pub fn holders_stand(&self, since: Epoch) -> bool {
        self.stands(&self.holders, since)
    }

    /// Whether an account and its tokens are still as they were.
    pub fn account_stands(&self, id: &UserId, since: Epoch) -> bool {
        self.stands(self.account(id), since)
    }

    /// Whether every change was heard of.
    pub fn nothing_was_lost(&self, since: Epoch) -> bool {
        self.everything.load(Ordering::SeqCst) <= since.0
    }

    fn next(&self) -> u64 {
        self.latest.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn stands(&self, last: &AtomicU64, since: Epoch) -> bool {
        last.load(Ordering::SeqCst) <= since.0 && self.nothing_was_lost(since)
    }

    fn account(&self, id: &UserId) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        // The remainder is always in range; the first count stands in for what cannot happen.
        let shard = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        self.accounts.get(shard).unwrap_or(&self.everything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stands_until_what_it_is_made_of_changes() {
        let epochs = Epochs::default();
        let (ann, bob) = (UserId::from_stored("ann"), UserId::from_stored("bob"));
        let before = epochs.now();
        epochs.changed(&[Fact::Account(ann.clone()), Fact::Holders]);
        assert!(epochs.rights_stand(before) && epochs.account_stands(&bob, before));
        assert!(!epochs.account_stands(&ann, before) && !epochs.holders_stand(before));
        assert!(epochs.account_stands(&ann, epochs.now()));
        epochs.changed(&[Fact::Rights]);
        assert!(!epochs.rights_stand(before) && epochs.account_stands(&bob, before));
    }

    #[test]
    fn a_copy_that_was_begun_before_a_change_does_not_stand_after_it() {
        let epochs = Epochs::default();
        let begun = epochs.now();
        epochs.changed(&[Fact::Rights]);
        assert!(!epochs.rights_stand(begun));
    }

    #[test]
    fn nothing_stands_when_anything_may_have_changed() {
        let epochs = Epochs::default();
        let before = epochs.now();
        epochs.all_changed();
        let ann = UserId::from_stored("ann");
        assert!(!epochs.rights_stand(before) && !epochs.holders_stand(before) && !epochs.account_stands(&ann, before));
        let after = epochs.now();
        assert!(epochs.rights_stand(after) && epochs.holders_stand(after) && epochs.account_stands(&ann, after));
    }
}
