//! How a backend tells of changes, so that facts can be kept in memory beside it: its own changes before anybody hears
//! that they are done, those of other writers as it learns of them. What is kept, and when it is believed, is decided
//! in `cached`; how a backend watches other writers, in its own folder.

use std::sync::{Arc, OnceLock};

use crate::clock::Stopwatch;
use crate::domain::fact::Fact;

/// Whoever keeps facts in memory. Called often and by threads that have other things to do: nothing here may block.
pub trait Listener: Send + Sync {
    /// These facts are not what they were. Called when the change is durable, or may be, and before anybody is told so.
    fn changed(&self, facts: &[Fact]);

    /// Whatever anybody made durable before `moment` has been reported.
    fn caught_up(&self, moment: Stopwatch);

    /// Changes may have gone unreported: nothing that was kept up to now counts.
    fn lost(&self);
}

/// Where a backend has its listener, if there is one.
#[derive(Default)]
pub struct Feed(OnceLock<Arc<dyn Listener>>);

impl Feed {
    /// Tells `listener` from now on. Only the first one is ever told.
    pub fn report_to(&self, listener: Arc<dyn Listener>) {
        let _ = self.0.set(listener);
    }

    /// See [`Listener::changed`].
    pub fn changed(&self, facts: &[Fact]) {
        if let Some(listener) = self.0.get().filter(|_| !facts.is_empty()) {
            listener.changed(facts);
        }
    }

    /// See [`Listener::caught_up`].
    pub fn caught_up(&self, moment: Stopwatch) {
        if let Some(listener) = self.0.get() {
            listener.caught_up(moment);
        }
    }

    /// See [`Listener::lost`].
    pub fn lost(&self) {
        if let Some(listener) = self.0.get() {
            listener.lost();
        }
    }
}
