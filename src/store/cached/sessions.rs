//! Copies of accounts by the hash of a token they were asked for with: a bounded number, the least wanted go first. A
//! token that nobody has is not remembered, so that nobody can fill the memory with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use super::epochs::Epoch;
use super::freshness::Freshness;
use crate::domain::token::TokenHash;
use crate::store::KnownToken;

/// A copy and its mark from before it was read.
struct Copy {
    mark: Epoch,
    known: KnownToken,
}

/// The copies.
pub(super) struct Sessions {
    copies: Cache<TokenHash, Arc<Copy>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Sessions {
    /// About so many at most.
    pub(super) fn new(most: u64) -> Self {
        Self { copies: Cache::new(most), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The copy, where there is one and it counts.
    pub(super) fn at_hand(&self, freshness: &Freshness, hash: &TokenHash) -> Option<KnownToken> {
        let known = self.standing(freshness, hash);
        let counted = if known.is_some() { &self.hits } else { &self.misses };
        counted.fetch_add(1, Ordering::Relaxed);
        known
    }

    fn standing(&self, freshness: &Freshness, hash: &TokenHash) -> Option<KnownToken> {
        if !freshness.is_live() {
            return None;
        }
        let copy = self.copies.get(hash)?;
        if freshness.epochs.account_stands(&copy.known.0.id, copy.mark) {
            return Some(copy.known.clone());
        }
        // Nobody may ever ask for it again.
        self.copies.invalidate(hash);
        None
    }

    /// Keeps what was read after `mark`, unless it is not true any more.
    pub(super) fn keep(&self, freshness: &Freshness, mark: Epoch, known: &KnownToken) {
        if freshness.is_live() && freshness.epochs.account_stands(&known.0.id, mark) {
            self.copies.insert(known.1.hash.clone(), Arc::new(Copy { mark, known: known.clone() }));
        }
    }

    /// How often there was a copy.
    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// How often there was none.
    pub(super) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stopwatch;
    use crate::domain::fact::Fact;
    use crate::domain::ids::UserId;
    use crate::domain::time::Timestamp;
    use crate::domain::token::{Token, TokenKind, TokenText};
    use crate::domain::user::NewUser;
    use crate::store::Listener as _;

    fn known(user: &str, token: &str) -> KnownToken {
        let new = NewUser {
            id: UserId::from_stored(user),
            username: user.to_owned(),
            name: user.to_owned(),
            emails: Vec::new(),
            password: None,
            roles: Vec::new(),
            active: true,
            join_default_rooms: false,
            profile: serde_json::Map::new(),
        };
        let kind = TokenKind::Session { issued_at: None };
        let token = Token { hash: TokenText::new(token).hash(), kind, second_factor: None };
        (Arc::new(new.to_user(Timestamp::EPOCH)), Arc::new(token))
    }

    fn live() -> Freshness {
        let freshness = Freshness::default();
        freshness.caught_up(Stopwatch::start());
        freshness
    }

    #[test]
    fn a_copy_is_used_until_its_account_changes() {
        let (sessions, freshness) = (Sessions::new(10), live());
        let (ann, bob) = (known("ann", "one"), known("bob", "two"));
        for known in [&ann, &bob] {
            sessions.keep(&freshness, freshness.epochs.now(), known);
        }
        assert_eq!(sessions.at_hand(&freshness, &ann.1.hash), Some(ann.clone()));
        freshness.changed(&[Fact::Account(ann.0.id.clone())]);
        assert_eq!(sessions.at_hand(&freshness, &ann.1.hash), None);
        assert_eq!(sessions.at_hand(&freshness, &bob.1.hash), Some(bob.clone()));
        freshness.lost();
        assert_eq!(sessions.at_hand(&freshness, &bob.1.hash), None);
        assert_eq!((sessions.hits(), sessions.misses()), (2, 2));
    }

    #[test]
    fn what_was_read_while_the_account_changed_is_not_kept() {
        let (sessions, freshness) = (Sessions::new(10), live());
        let (ann, mark) = (known("ann", "one"), freshness.epochs.now());
        freshness.changed(&[Fact::Account(ann.0.id.clone())]);
        sessions.keep(&freshness, mark, &ann);
        assert_eq!(sessions.at_hand(&freshness, &ann.1.hash), None);
    }

    #[test]
    fn there_are_never_more_copies_than_were_allowed() {
        let (sessions, freshness) = (Sessions::new(8), live());
        for number in 0..1_000 {
            sessions.keep(&freshness, freshness.epochs.now(), &known("ann", &number.to_string()));
        }
        sessions.copies.run_pending_tasks();
        assert!(sessions.copies.entry_count() <= 8, "{}", sessions.copies.entry_count());
    }
}
