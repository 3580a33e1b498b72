//! What shows that a node is up to date: its heart. A beat is a write of the node's own document that a majority has on
//! its disks; its reply names the election that made the server primary that took it, and the stream of changes brings
//! it back.
//!
//! * *Caught up.* What anybody made durable before a beat was sent stands before the beat in the one sequence of all
//!   writes, and the stream brings them in that order. So when the beat is heard, everything before it was. It has to be
//!   acknowledged too: only the reply says which election it belongs to.
//! * *A new stream.* It begins behind the last write of the moment, which a majority need not have yet; a read of what a
//!   majority has could miss such a write, and the stream never tells of it. Once the first beat is heard the majority
//!   has it. So nothing counts that was read before the stream was opened, nor what was read before that first beat.
//! * *Another primary.* Elections are numbered, and one that was outvoted cannot get a majority to take its beat. So two
//!   beats of one election show that nobody else was primary between them. The driver never goes back to a primary of
//!   an earlier election than one it has seen, hence a read that was sent between the two was answered by that primary.
//!   It read what a majority has, and a beat of that primary had been taken by a majority before, so it missed nothing
//!   that anybody else was told is done. A beat of another election shows that the reads before it may have been
//!   answered by one that was outvoted: they count no more, and nothing is confirmed by it.
//!
//! A linearizable read would show the same of one election, but its answer does not name it: after a change of primary
//! it would vouch, in the name of the new one, for what the old one said.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use tokio::sync::Notify;

use crate::clock::Stopwatch;
use crate::store::feed::Feed;
use crate::store::{Result, StoreError};

/// How long a beat may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How many beats may be under way; older ones are forgotten.
const MOST_UNDER_WAY: usize = 64;

/// Whether the primary is the one of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reign {
    /// It is, and was all the time, as far as the server can tell elections apart.
    Same,
    /// It is not, or it was not all the time.
    Changed,
}

/// A beat that was sent.
struct Beat {
    /// Since before it was sent.
    since: Stopwatch,
    acknowledged: bool,
    heard: bool,
}

#[derive(Default)]
struct State {
    /// Of the latest beat.
    election: Option<ObjectId>,
    under_way: BTreeMap<i64, Beat>,
    /// Whether no beat was heard yet of the stream that is open.
    new_stream: bool,
}

/// The heart of a node.
pub(in crate::store::mongo) struct Heart {
    node: ObjectId,
    last: AtomicI64,
    state: Mutex<State>,
    wanted: Notify,
    asked: AtomicU64,
    answered: tokio::sync::Mutex<(u64, Result<()>)>,
    #[cfg(feature = "fault-injection")]
    pub(super) switches: switches::Switches,
}

impl Default for Heart {
    #[expect(clippy::disallowed_methods, reason = "nodes must differ even where the same ids are injected into all")]
    fn default() -> Self {
        Self {
            node: ObjectId::new(),
            last: AtomicI64::default(),
            state: Mutex::default(),
            wanted: Notify::default(),
            asked: AtomicU64::default(),
            answered: tokio::sync::Mutex::new((0, Ok(()))),
            #[cfg(feature = "fault-injection")]
            switches: switches::Switches::default(),
        }
    }
}

impl Heart {
    /// The id of this node's document.
    pub(super) fn node(&self) -> ObjectId {
        self.node
    }

    /// Waits until somebody wants a beat out of turn.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// The number of a beat that is about to be sent.
    pub(super) fn begin(&self) -> i64 {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let mut state = self.state();
        state.under_way.insert(number, Beat { since: Stopwatch::start(), acknowledged: false, heard: false });
        while state.under_way.len() > MOST_UNDER_WAY {
            state.under_way.pop_first();
        }
        number
    }

    /// A majority has that beat, taken by the primary of that election. A sharded cluster names none: then nothing is
    /// ever caught up with.
    pub(super) fn beaten(&self, number: i64, election: Option<ObjectId>, feed: &Feed) -> Reign {
        // Told while nobody else can: what was caught up with under one primary must not be told after the next.
        let mut state = self.state();
        let Some(election) = election else {
            return Reign::Same;
        };
        let known = state.election.replace(election);
        if known != Some(election) {
            // A reply of an earlier election can come late, and says nothing of the present.
            state.election = state.election.max(known);
            feed.lost();
        }
        if state.election != Some(election) {
            return Reign::Changed;
        }
        if let Some(beat) = state.under_way.get_mut(&number) {
            beat.acknowledged = true;
        }
        state.catch_up(number, feed);
        if known == Some(election) { Reign::Same } else { Reign::Changed }
    }

    /// The stream brought that beat; whether it is one of those under way.
    pub(super) fn heard(&self, number: i64, feed: &Feed) -> bool {
        let mut state = self.state();
        let Some(beat) = state.under_way.get_mut(&number) else {
            return false;
        };
        beat.heard = true;
        state.catch_up(number, feed);
        true
    }

    /// A stream was opened.
    pub(super) fn listening(&self, feed: &Feed) {
        let mut state = self.state();
        state.new_stream = true;
        // Some of them are in the gap.
        state.under_way.clear();
        feed.lost();
        self.wanted.notify_one();
    }

    /// The stream broke.
    pub(super) fn deaf(&self, feed: &Feed) {
        let mut state = self.state();
        state.under_way.clear();
        feed.lost();
    }

    /// Lets all who ask share a beat that is begun after they asked.
    pub(super) async fn shared(&self, beat: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        let place = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut answered = self.answered.lock().await;
        if answered.0 < place {
            let last = self.asked.load(Ordering::SeqCst);
            *answered = (last, beat().await);
        }
        answered.1.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells that everything before a beat was reported, once the beat is both acknowledged and heard.
    fn catch_up(&mut self, number: i64, feed: &Feed) {
        let Some(beat) = self.under_way.get(&number).filter(|beat| beat.acknowledged && beat.heard) else {
            return;
        };
        let since = beat.since;
        // Earlier ones could only say less.
        self.under_way = self.under_way.split_off(&(number + 1));
        if std::mem::take(&mut self.new_stream) {
            feed.lost();
        }
        feed.caught_up(since);
    }
}

/// The write that is a beat. The server dates it, so that the document of a node that is gone can be swept away.
pub(super) fn command(collection: &str, node: ObjectId, number: i64) -> Document {
    let change = doc! { "$set": { "beat": number }, "$currentDate": { "at": true } };
    let millis = i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
    doc! {
        "update": collection,
        "updates": [{ "q": { "_id": node }, "u": change, "upsert": true }],
        "writeConcern": { "w": "majority", "j": true, "wtimeout": millis },
    }
}

/// The election that made the server primary that replied so, if it says that; an error when the write was not taken
/// by a majority.
pub(super) fn election(reply: &Document) -> Result<Option<ObjectId>> {
    if reply.contains_key("writeErrors") || reply.contains_key("writeConcernError") {
        return Err(StoreError::Unavailable("MongoDB did not confirm a write on a majority".to_owned()));
    }
    Ok(reply.get_object_id("electionId").ok())
}

#[cfg(feature = "fault-injection")]
mod switches {
    use std::sync::atomic::{AtomicBool, Ordering};

    use mongodb::bson::Document;

    use crate::store::mongo::indexes;
    use crate::store::{Result, StoreError};

    /// What a stream leaves out.
    #[derive(Default)]
    pub(in crate::store::mongo::changes) struct Switches {
        everything: AtomicBool,
        facts: AtomicBool,
        missed: AtomicBool,
    }

    impl Switches {
        pub(in crate::store::mongo::changes) fn hold(&self, hold: bool) {
            self.everything.store(hold, Ordering::SeqCst);
        }

        pub(in crate::store::mongo::changes) fn hold_facts(&self, hold: bool) {
            self.facts.store(hold, Ordering::SeqCst);
        }

        /// Whether this event goes unheard; an error when others did and the switch is off again.
        pub(in crate::store::mongo::changes) fn swallows(&self, event: &Document) -> Result<bool> {
            if self.everything.load(Ordering::SeqCst) {
                self.missed.store(true, Ordering::SeqCst);
                return Ok(true);
            }
            if self.missed.swap(false, Ordering::SeqCst) {
                return Err(StoreError::Unavailable("changes were held back".to_owned()));
            }
            let place = event.get_document("ns").and_then(|place| place.get_str("coll"));
            Ok(self.facts.load(Ordering::SeqCst) && place.ok() != Some(indexes::NODES))
        }
    }
}

#[cfg(test)]
mod tests;
