//! Time and ids that a test decides on. Two runs of a test see the same dates and the same ids, so that whole answers
//! can be kept as snapshots.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rolekeeper::clock::{Clock, Ids};
use rolekeeper::domain::time::Timestamp;

/// Where every test's time starts: 2026-01-02T03:04:05.678Z.
pub const START: Timestamp = Timestamp::from_millis(1_767_323_045_678);

/// A clock that stands still until it is moved.
pub struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(START.as_millis()))
    }
}

impl TestClock {
    /// Moves the time on (or back) and returns the new one.
    pub fn advance(&self, millis: i64) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(millis, Ordering::SeqCst) + millis)
    }

    /// Makes it that time.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Ids that count: 1, 2, 3, written with the digits of the alphabet that is asked for. Short texts, which nobody takes
/// for ids, keep the last digits.
#[derive(Default)]
pub struct TestIds(AtomicU64);

impl TestIds {
    /// Counts on from another number, so that what was made before does not show in what is made now.
    pub fn continue_at(&self, number: u64) {
        self.0.store(number, Ordering::SeqCst);
    }
}

impl Ids for TestIds {
    fn text(&self, alphabet: &[u8], length: usize) -> String {
        written(self.0.fetch_add(1, Ordering::SeqCst) + 1, alphabet, length)
    }
}

/// The last `length` digits of `number` with `alphabet` as digits.
fn written(mut number: u64, alphabet: &[u8], length: usize) -> String {
    let base = alphabet.len() as u64;
    let mut digits = Vec::with_capacity(length);
    for _ in 0..length {
        digits.push(char::from(alphabet[(number % base) as usize]));
        number /= base;
    }
    digits.into_iter().rev().collect()
}

#[test]
fn the_fixed_date_is_the_one_it_says() {
    assert_eq!(START.to_string(), "2026-01-02T03:04:05.678Z");
}

#[test]
fn ids_count_and_have_the_right_length() {
    let ids = TestIds::default();
    assert_eq!(ids.object_id(), "000000000000000000000001");
    assert_eq!(ids.object_id(), "000000000000000000000002");
    assert_eq!(ids.user_id().as_str().len(), 17);
    assert_ne!(ids.token().expose(), ids.token().expose());
    assert_eq!(written(1_234, b"0123456789", 3), "234");
}
