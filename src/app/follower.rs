//! Follows what others change in the store, as long as the server runs. What is done with what it hears is decided in
//! `store::cached`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

use crate::store::Store;

/// How long to wait before following the changes of others again, when that has ended.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows what others change in the store, as long as it is kept.
pub(super) struct Follower(JoinHandle<()>);

impl Follower {
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        Self(tokio::spawn(follow(store)))
    }

    /// Ends it, and waits until it has let go of the store.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Without it everything is read from the store each time: it is begun again whatever it ended by.
async fn follow(store: Arc<dyn Store>) {
    loop {
        match AssertUnwindSafe(store.follow()).catch_unwind().await {
            Ok(()) => log::warn!("the changes of others are not followed any more; trying again"),
            Err(_) => log::error!("following the changes of others failed; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
