//! When a copy counts: what changed since it was made, and how long ago the moment is up to which everything that other
//! writers did is known. This is what a backend reports to; the copies themselves are kept elsewhere, so that the backend
//! does not hold what holds it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::epochs::Epochs;
use crate::clock::Stopwatch;
use crate::domain::fact::{Fact, MemoryState};
use crate::store::feed::Listener;

/// How long copies are used after the last moment up to which everything is known. No grant that another server took away
/// is honoured for longer.
pub const LIVE: Duration = Duration::from_secs(2);

/// What is known of changes.
pub struct Freshness {
    /// What changed, and when.
    pub epochs: Epochs,
    begun: Stopwatch,
    /// Up to when everything is known, in nanoseconds from the beginning; 0 while nothing is.
    known_until: AtomicU64,
    caught_up: Notify,
}

impl Default for Freshness {
    fn default() -> Self {
        let begun = Stopwatch::start();
        Self { epochs: Epochs::default(), begun, known_until: AtomicU64::new(0), caught_up: Notify::new() }
    }
}

impl Freshness {
    /// Whether copies are used. To be asked before whether one of them stands: what was reported up to here is then seen.
    pub fn is_live(&self) -> bool {
        self.lag().is_some_and(|lag| lag < LIVE)
    }

    /// How long ago the moment is up to which everything is known.
    pub fn lag(&self) -> Option<Duration> {
        let until = self.known_until.load(Ordering::SeqCst);
        (until > 0).then(|| self.begun.elapsed().saturating_sub(Duration::from_nanos(until)))
    }

    /// Which state that is. Where nothing is ever known of others (a sharded cluster), warming is over all the same.
    pub fn state(&self) -> MemoryState {
        match self.lag() {
            None if self.begun.elapsed() < LIVE => MemoryState::Warming,
            Some(lag) if lag < LIVE => MemoryState::Live,
            None | Some(_) => MemoryState::Fallback,
        }
    }

    /// Waits until copies are used.
    pub async fn until_live(&self) {
        loop {
            let mut notified = std::pin::pin!(self.caught_up.notified());
            notified.as_mut().enable();
            if self.is_live() {
                return;
            }
            notified.await;
        }
    }
}

impl Listener for Freshness {
    fn changed(&self, facts: &[Fact]) {
        self.epochs.changed(facts);
    }

    fn caught_up(&self, moment: Stopwatch) {
        let Some(until) = moment.since(self.begun) else { return };
        let nanos = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.known_until.fetch_max(nanos.max(1), Ordering::SeqCst);
        self.caught_up.notify_waiters();
    }

    fn lost(&self) {
        self.epochs.all_changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_before_somebody_has_caught_up() {
        let freshness = Freshness::default();
        assert_eq!((freshness.state(), freshness.lag()), (MemoryState::Warming, None));
        freshness.caught_up(Stopwatch::start());
        assert_eq!(freshness.state(), MemoryState::Live);
    }

    #[test]
    fn a_moment_before_the_beginning_says_nothing() {
        let before = Stopwatch::start();
        let freshness = Freshness::default();
        freshness.caught_up(before);
        assert_eq!(freshness.state(), MemoryState::Warming);
    }

    #[test]
    fn what_is_known_does_not_go_back() {
        let freshness = Freshness::default();
        let (earlier, later) = (Stopwatch::start(), Stopwatch::start());
        freshness.caught_up(later);
        let until = freshness.known_until.load(Ordering::SeqCst);
        freshness.caught_up(earlier);
        assert_eq!(freshness.known_until.load(Ordering::SeqCst), until);
    }
}
