//! The rules of a heart, without a server.

use std::sync::{Arc, Mutex};

use super::*;
use crate::domain::fact::Fact;
use crate::store::feed::Listener;

/// What a listener was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    CaughtUp,
    Lost,
}

#[derive(Default)]
struct Notes(Mutex<Vec<Told>>);

impl Listener for Notes {
    fn changed(&self, _: &[Fact]) {}

    fn caught_up(&self, _: Stopwatch) {
        self.0.lock().unwrap().push(Told::CaughtUp);
    }

    fn lost(&self) {
        self.0.lock().unwrap().push(Told::Lost);
    }
}

/// A heart that has beaten once in the second election, and whose stream is open.
fn living() -> (Heart, Feed, Arc<Notes>) {
    let (heart, feed, notes) = (Heart::default(), Feed::default(), Arc::new(Notes::default()));
    let first = heart.begin();
    assert_eq!(heart.beaten(first, Some(of_election(2)), &feed), Reign::Changed);
    heart.listening(&feed);
    let first = heart.begin();
    assert!(heart.heard(first, &feed));
    assert_eq!(heart.beaten(first, Some(of_election(2)), &feed), Reign::Same);
    feed.report_to(Arc::clone(&notes) as _);
    (heart, feed, notes)
}

fn of_election(number: u8) -> ObjectId {
    let mut bytes = [0; 12];
    bytes[11] = number;
    ObjectId::from_bytes(bytes)
}

fn told(notes: &Notes) -> Vec<Told> {
    std::mem::take(&mut notes.0.lock().unwrap())
}

#[test]
fn a_beat_counts_when_it_is_both_acknowledged_and_heard_whatever_comes_first() {
    let (heart, feed, notes) = living();
    let one = heart.begin();
    assert!(heart.heard(one, &feed));
    assert_eq!(told(&notes), []);
    heart.beaten(one, Some(of_election(2)), &feed);
    assert_eq!(told(&notes), [Told::CaughtUp]);
    let two = heart.begin();
    heart.beaten(two, Some(of_election(2)), &feed);
    assert_eq!(told(&notes), []);
    assert!(heart.heard(two, &feed));
    assert_eq!(told(&notes), [Told::CaughtUp]);
    assert!(!heart.heard(two, &feed) && told(&notes).is_empty());
}

#[test]
fn what_was_read_before_the_first_beat_of_a_stream_counts_no_more() {
    let (heart, feed, notes) = living();
    let before = heart.begin();
    heart.listening(&feed);
    assert_eq!(told(&notes), [Told::Lost]);
    heart.beaten(before, Some(of_election(2)), &feed);
    assert!(!heart.heard(before, &feed), "of the time before");
    let first = heart.begin();
    heart.beaten(first, Some(of_election(2)), &feed);
    heart.heard(first, &feed);
    assert_eq!(told(&notes), [Told::Lost, Told::CaughtUp]);
}

#[test]
fn another_election_makes_everything_uncertain_before_anything_is_caught_up_with() {
    let (heart, feed, notes) = living();
    let beat = heart.begin();
    heart.heard(beat, &feed);
    assert_eq!(heart.beaten(beat, Some(of_election(3)), &feed), Reign::Changed);
    assert_eq!(told(&notes), [Told::Lost, Told::CaughtUp]);
    let beat = heart.begin();
    assert_eq!(heart.beaten(beat, Some(of_election(3)), &feed), Reign::Same);
    assert_eq!(told(&notes), []);
}

#[test]
fn a_reply_of_an_earlier_election_confirms_nothing_and_is_not_taken_for_a_new_one() {
    let (heart, feed, notes) = living();
    let late = heart.begin();
    let beat = heart.begin();
    heart.beaten(beat, Some(of_election(3)), &feed);
    assert_eq!(heart.beaten(late, Some(of_election(2)), &feed), Reign::Changed);
    told(&notes);
    heart.heard(late, &feed);
    assert_eq!(told(&notes), []);
    let beat = heart.begin();
    assert_eq!(heart.beaten(beat, Some(of_election(3)), &feed), Reign::Same);
}

#[test]
fn where_elections_have_no_names_nothing_is_caught_up_with() {
    let (heart, feed, notes) = living();
    let beat = heart.begin();
    heart.heard(beat, &feed);
    assert_eq!(heart.beaten(beat, None, &feed), Reign::Same);
    assert_eq!(told(&notes), []);
}

#[test]
fn a_write_that_no_majority_took_is_no_beat() {
    let refused = doc! { "ok": 1, "n": 1, "writeConcernError": { "code": 64 }, "electionId": of_election(1) };
    assert!(matches!(election(&refused), Err(StoreError::Unavailable(_))));
    assert!(matches!(election(&doc! { "ok": 1, "writeErrors": [{}] }), Err(StoreError::Unavailable(_))));
    assert_eq!(election(&doc! { "ok": 1, "electionId": of_election(1) }), Ok(Some(of_election(1))));
}

#[tokio::test]
async fn all_who_ask_share_a_beat_that_begins_after_they_asked() {
    let heart = Heart::default();
    let beats = AtomicU64::default();
    let (running, go) = (Notify::default(), Notify::default());
    let slow = heart.shared(async || {
        beats.fetch_add(1, Ordering::SeqCst);
        running.notify_one();
        go.notified().await;
        Ok(())
    });
    let quick = || {
        heart.shared(async || {
            beats.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    };
    let late = async {
        running.notified().await;
        // These ask while the first beat is under way, which says nothing of what they have read.
        let (mut second, mut third) = (Box::pin(quick()), Box::pin(quick()));
        assert!(futures_util::poll!(&mut second).is_pending() && futures_util::poll!(&mut third).is_pending());
        go.notify_one();
        (second.await, third.await)
    };
    let (first, (second, third)) = tokio::join!(slow, late);
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(beats.load(Ordering::SeqCst), 2);
}
