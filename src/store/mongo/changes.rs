//! What other writers do, told to whoever keeps facts in memory: one change stream on the database. How it is known
//! that nothing is missing, and that the primary is still the primary, is in [`heart`]; what is kept, in `store::cached`.
//!
//! The stream is opened as the plain aggregation that it is. The driver could resume a broken one by itself, but when
//! the resuming statement has to be sent twice it forgets where the stream stood and goes on from the present, without
//! a word. Here a stream that breaks has a gap, always: whatever was kept counts no more, and a new one is opened.

mod event;
pub(super) mod heart;

use std::time::Duration;

use futures_util::StreamExt as _;
use mongodb::Cursor;
use mongodb::bson::Document;
use mongodb::options::ReadConcern;

use self::event::{News, news, pipeline};
use super::error::store_error;
use super::{MongoStore, indexes};
use crate::store::{Result, StoreError};

/// How often the heart beats.
const BEAT: Duration = Duration::from_millis(500);
/// How long a stream may be silent, or take to be opened, though the heart beats: a connection that is half dead says
/// nothing for ever.
const SILENCE: Duration = Duration::from_secs(5);
/// How long the server holds an empty answer back. News are sent at once in any case.
const AWAIT: Duration = Duration::from_secs(1);
/// The pause before a stream is opened again, doubling up to the longest while that does not help.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl MongoStore {
    /// Beats, listens and seals the record, none waiting for the others.
    pub(super) async fn follow_changes(&self) {
        tokio::join!(self.keep_beating(), self.keep_listening(), self.keep_sealing());
    }

    async fn keep_beating(&self) {
        let mut ticks = tokio::time::interval(BEAT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ailing = false;
        loop {
            // A stream that was just opened shall not wait for its first beat.
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.heart.wanted() => {}
            }
            match self.beat().await {
                Ok(_) => ailing = false,
                Err(error) if !ailing => {
                    ailing = true;
                    log::warn!("nothing is kept in memory until MongoDB takes writes again: {error}");
                }
                Err(_) => {}
            }
        }
    }

    async fn keep_listening(&self) {
        let mut pause = FIRST_PAUSE;
        let mut ailing = false;
        loop {
            let Err(error) = self.listen(&mut ailing, &mut pause).await;
            self.heart.deaf(&self.feed);
            if !ailing {
                ailing = true;
                log::warn!("nothing is kept in memory until MongoDB tells of changes again: {error}");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells of everything that one stream brings, until it breaks.
    async fn listen(&self, ailing: &mut bool, pause: &mut Duration) -> Result<std::convert::Infallible> {
        let mut stream = in_time(self.open_stream()).await??;
        self.heart.listening(&self.feed);
        loop {
            let event = in_time(stream.next()).await?.ok_or_else(|| broken("the stream of changes ended"))?;
            let event = event.map_err(store_error)?;
            #[cfg(feature = "fault-injection")]
            if self.heart.switches.swallows(&event)? {
                continue;
            }
            match news(&event) {
                News::Changed(facts) => self.feed.changed(&facts),
                News::Beat(number) => {
                    if self.heart.heard(number, &self.feed) {
                        (*ailing, *pause) = (false, FIRST_PAUSE);
                    }
                }
                News::Upheaval => return Err(broken("a collection was dropped or renamed")),
            }
        }
    }

    /// A stream tells only of what a majority has, in the order in which it was written, from the moment on at which it
    /// is opened.
    async fn open_stream(&self) -> Result<Cursor<Document>> {
        let stream = self.database.aggregate(pipeline(self.heart.node()));
        let stream = stream.read_concern(ReadConcern::majority()).max_await_time(AWAIT).comment("rolekeeper changes");
        stream.await.map_err(store_error)
    }

    /// Lets the heart beat once: a write of this node's own document that a majority has on its disks. Whether the
    /// primary that took it is the one that the reads of before were sent to.
    async fn beat(&self) -> Result<heart::Reign> {
        let number = self.heart.begin();
        let reply = self.database.run_command(heart::command(indexes::NODES, self.heart.node(), number));
        let reply = tokio::time::timeout(heart::PATIENCE, reply).await;
        let reply = reply.map_err(|_| broken("MongoDB did not confirm a write on a majority in time"))?;
        let election = heart::election(&reply.map_err(super::unavailable)?)?;
        Ok(self.heart.beaten(number, election, &self.feed))
    }

    /// See [`Store::confirm`](crate::store::Store::confirm); why a beat shows that, is said in [`heart`].
    pub(super) async fn confirm_reign(&self) -> Result<()> {
        let beat = async || match self.beat().await? {
            heart::Reign::Same => Ok(()),
            heart::Reign::Changed => Err(broken("MongoDB has just got another primary")),
        };
        self.heart.shared(beat).await
    }

    /// The first beat, which says whose reads there are to be confirmed later.
    pub(super) async fn first_beat(&self) -> Result<()> {
        self.beat().await.map(drop)
    }

    /// Lets go unheard what other writers do, beats and all, as if the stream had been cut without an error. Once it is
    /// switched off, a new stream is opened.
    #[cfg(feature = "fault-injection")]
    pub fn hold_changes(&self, hold: bool) {
        self.heart.switches.hold(hold);
    }

    /// Lets go unheard what other writers do, though the beats are heard: shows that being up to date rests on both
    /// coming the same way.
    #[cfg(feature = "fault-injection")]
    pub fn hold_facts(&self, hold: bool) {
        self.heart.switches.hold_facts(hold);
    }
}

async fn in_time<T>(step: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(SILENCE, step).await.map_err(|_| broken("the stream of changes is silent"))
}

fn broken(sentence: &str) -> StoreError {
    StoreError::Unavailable(sentence.to_owned())
}
