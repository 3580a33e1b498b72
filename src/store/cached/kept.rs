//! One copy of something that is read as a whole. Whoever finds it out of date reads it for all who wait; nobody is given
//! what was read before he asked, unless it is known to be true still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::epochs::{Epoch, Epochs};
use super::freshness::Freshness;
use crate::store::Result;

/// A copy and its mark from before it was read.
struct Copy<T> {
    mark: Epoch,
    value: Arc<T>,
}

/// What came of reading, and who may share it: those up to that number had asked when the reading began.
struct Load<T> {
    covers: u64,
    outcome: Result<Arc<T>>,
}

/// The copy, and the queue of those who wait for another one.
pub(super) struct Kept<T> {
    /// Whether a copy with a mark is still true.
    stands: fn(&Epochs, Epoch) -> bool,
    copy: ArcSwapOption<Copy<T>>,
    asked: AtomicU64,
    loads: AtomicU64,
    latest: Mutex<Option<Load<T>>>,
    /// When somebody did without the copy last.
    missed: std::sync::Mutex<Option<Epoch>>,
}

impl<T> Kept<T> {
    /// Of something that is true for as long as `stands` says.
    pub(super) fn new(stands: fn(&Epochs, Epoch) -> bool) -> Self {
        let (asked, loads) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            stands,
            copy: ArcSwapOption::empty(),
            asked,
            loads,
            latest: Mutex::new(None),
            missed: std::sync::Mutex::default(),
        }
    }

    /// The copy, where it counts.
    pub(super) fn at_hand(&self, freshness: &Freshness) -> Option<Arc<T>> {
        if !freshness.is_live() {
            return None;
        }
        let copy = self.copy.load();
        let copy = copy.as_ref()?;
        (self.stands)(&freshness.epochs, copy.mark).then(|| Arc::clone(&copy.value))
    }

    /// What `read` gives, with the mark from before it read, or gave to somebody after this caller had asked.
    pub(super) async fn load(
        &self,
        freshness: &Freshness,
        read: impl Future<Output = Result<(Epoch, Arc<T>)>> + Send,
    ) -> Result<Arc<T>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut latest = self.latest.lock().await;
        if let Some(load) = latest.as_ref().filter(|load| load.covers >= number) {
            return load.outcome.clone();
        }
        if let Some(value) = self.at_hand(freshness) {
            return Ok(value);
        }
        let covers = self.asked.load(Ordering::SeqCst);
        self.loads.fetch_add(1, Ordering::Relaxed);
        let outcome = read.await.map(|(mark, value)| {
            self.copy.store(Some(Arc::new(Copy { mark, value: Arc::clone(&value) })));
            value
        });
        *latest = Some(Load { covers, outcome: outcome.clone() });
        outcome
    }

    /// Whether somebody who needs a part of it only shall have the whole read: when another one did without before, and
    /// nothing has changed since. Who makes and deletes one after the other does not want all to be read after each.
    pub(super) fn is_missed_again(&self, freshness: &Freshness) -> bool {
        let now = freshness.epochs.now();
        let before = self.missed.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_some_and(|before| (self.stands)(&freshness.epochs, before))
    }

    /// How often they were read.
    pub(super) fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stopwatch;
    use crate::domain::fact::Fact;
    use crate::store::{Listener as _, Rights, StoreError};
    use std::collections::BTreeMap;
    use tokio::sync::oneshot;

    fn kept() -> Kept<Rights> {
        Kept::new(Epochs::rights_stand)
    }

    fn rights(number: i64) -> Arc<Rights> {
        let settings = BTreeMap::from([("number".to_owned(), number.into())]);
        Arc::new(Rights::new(Vec::new(), settings))
    }

    async fn load(kept: &Kept<Rights>, freshness: &Freshness, number: i64) -> Result<Arc<Rights>> {
        kept.load(freshness, async { Ok((freshness.epochs.now(), rights(number))) }).await
    }

    fn live() -> Freshness {
        let freshness = Freshness::default();
        freshness.caught_up(Stopwatch::start());
        freshness
    }

    #[tokio::test]
    async fn a_copy_is_used_until_something_changes() {
        let (kept, freshness) = (kept(), live());
        assert_eq!(kept.at_hand(&freshness), None);
        load(&kept, &freshness, 1).await.unwrap();
        assert_eq!(kept.at_hand(&freshness), Some(rights(1)));
        freshness.changed(&[Fact::Holders, Fact::Roles]);
        assert_eq!(kept.at_hand(&freshness), Some(rights(1)));
        freshness.changed(&[Fact::Rights]);
        assert_eq!(kept.at_hand(&freshness), None);
        load(&kept, &freshness, 2).await.unwrap();
        assert_eq!(kept.at_hand(&freshness), Some(rights(2)));
        freshness.lost();
        assert_eq!(kept.at_hand(&freshness), None);
        assert_eq!(kept.loads(), 2);
    }

    #[tokio::test]
    async fn what_was_read_while_something_changed_is_given_once_and_not_kept() {
        let (kept, freshness) = (kept(), live());
        let read = async {
            let mark = freshness.epochs.now();
            freshness.changed(&[Fact::Rights]);
            Ok((mark, rights(1)))
        };
        assert_eq!(kept.load(&freshness, read).await, Ok(rights(1)));
        assert_eq!(kept.at_hand(&freshness), None);
    }

    #[tokio::test]
    async fn without_knowing_what_others_do_every_question_is_asked() {
        let (kept, freshness) = (kept(), Freshness::default());
        for number in 1..4 {
            assert_eq!(load(&kept, &freshness, number).await, Ok(rights(number)));
            assert_eq!(kept.at_hand(&freshness), None);
        }
    }

    #[tokio::test]
    async fn who_waits_shares_only_what_was_begun_after_he_asked() {
        for known in [Freshness::default(), live()] {
            let (kept, freshness) = (Arc::new(kept()), Arc::new(known));
            let (begin, begun) = oneshot::channel();
            let (go_on, wait) = oneshot::channel();
            let first = {
                let (kept, freshness) = (Arc::clone(&kept), Arc::clone(&freshness));
                tokio::spawn(async move {
                    let read = async {
                        let mark = freshness.epochs.now();
                        begin.send(()).unwrap();
                        wait.await.unwrap();
                        Ok((mark, rights(1)))
                    };
                    kept.load(&freshness, read).await
                })
            };
            begun.await.unwrap();
            // What is being read may be without this.
            freshness.changed(&[Fact::Rights]);
            let mut others = Vec::new();
            for _ in 0..3 {
                let (kept, freshness) = (Arc::clone(&kept), Arc::clone(&freshness));
                others.push(tokio::spawn(async move { load(&kept, &freshness, 2).await }));
            }
            while kept.asked.load(Ordering::SeqCst) < 4 {
                tokio::task::yield_now().await;
            }
            go_on.send(()).unwrap();
            assert_eq!(first.await.unwrap(), Ok(rights(1)));
            for other in others {
                assert_eq!(other.await.unwrap(), Ok(rights(2)));
            }
            assert_eq!(kept.loads(), 2, "those who waited shared one");
        }
    }

    #[tokio::test]
    async fn a_failure_is_shared_and_not_kept() {
        let (kept, freshness) = (kept(), live());
        let away = StoreError::Unavailable("away".to_owned());
        assert_eq!(kept.load(&freshness, async { Err(away.clone()) }).await, Err(away));
        assert_eq!(load(&kept, &freshness, 1).await, Ok(rights(1)));
    }

    #[test]
    fn the_whole_is_worth_reading_when_it_is_missed_twice_without_a_change() {
        let (kept, freshness) = (kept(), live());
        assert!(!kept.is_missed_again(&freshness));
        freshness.changed(&[Fact::Rights]);
        assert!(!kept.is_missed_again(&freshness));
        assert!(kept.is_missed_again(&freshness));
    }
}
