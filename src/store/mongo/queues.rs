//! Where the operations of this node that want the same lock stand in line, so that they take turns instead of
//! running into each other and waiting out their pauses. Only a matter of speed: what keeps rivals apart, on this node
//! and on others, are the lock documents of `locks`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Locks share a queue by chance; this many make it rare.
const QUEUES: usize = 4_096;
/// How long one waits. Longer than as many operations take as there are connections; not for ever, because two operations
/// that want each other's second lock would wait for nothing.
const TURN: Duration = Duration::from_secs(1);

/// All queues of a store.
pub(super) struct Queues(Vec<Arc<Mutex<()>>>);

/// The head of a queue, until it is dropped.
pub(super) struct Turn {
    queue: usize,
    _head: OwnedMutexGuard<()>,
}

impl Default for Queues {
    fn default() -> Self {
        Self((0..QUEUES).map(|_| Arc::default()).collect())
    }
}

impl Queues {
    /// The number of a lock's queue. Who wants several locks at once stands in line in this order, so that no two want each
    /// other's.
    pub(super) fn number(&self, key: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.0.len() as u64).unwrap_or_default()
    }

    /// Waits for the turn of whoever has `turns` already; `None` when he has this one, or waited long enough.
    pub(super) async fn wait(&self, key: &str, turns: &[Turn]) -> Option<Turn> {
        let queue = self.number(key);
        if turns.iter().any(|turn| turn.queue == queue) {
            return None;
        }
        let head = Arc::clone(self.0.get(queue)?).lock_owned();
        let head = tokio::time::timeout(TURN, head).await.ok()?;
        Some(Turn { queue, _head: head })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_is_at_the_head_until_it_leaves() {
        let queues = Queues::default();
        let first = queues.wait("role:a", &[]).await.unwrap();
        assert!(queues.wait("role:a", &[]).await.is_none());
        drop(first);
        assert!(queues.wait("role:a", &[]).await.is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_himself() {
        let queues = Queues::default();
        let turns = vec![queues.wait("role:a", &[]).await.unwrap()];
        assert!(queues.wait("role:a", &turns).await.is_none());
    }
}
