//! Counts requests per client address and route in windows of a fixed length, each of which begins with its first
//! request (contract 3). Whether somebody is limited at all, and to what, is said by `service::rates`; when in the
//! course of a request this is asked stands in `http::call`.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::service::rates::Quota;

/// Windows kept at most, some 20 MB; beyond that the oldest go, so that whoever has many addresses takes no memory.
const MAX_WINDOWS: usize = 100_000;
/// Windows that are over and are dropped with each request. More than one, so that dropping outruns adding.
const DROPPED_AT_ONCE: usize = 4;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What is counted apart from each other.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The method.
    pub method: &'static str,
    /// The pattern of the route.
    pub route: &'static str,
}

/// How a client stands on a route, this request counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests within a window.
    pub limit: u32,
    /// How many are left.
    pub remaining: u32,
    /// When they are all there again.
    pub reset: Timestamp,
    /// Seconds to wait, when this request was one too many.
    pub wait: Option<u32>,
}

impl Standing {
    /// Says it in the headers of an answer.
    pub fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.limit.into());
        headers.insert(REMAINING, self.remaining.into());
        headers.insert(RESET, self.reset.as_millis().into());
    }
}

/// All windows of this process. Other nodes on the same workspace count for themselves, as in the original.
pub struct RateLimiter {
    clock: Arc<dyn Clock>,
    windows: Mutex<Windows>,
}

impl RateLimiter {
    /// With no request counted yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, windows: Mutex::new(Windows::with_capacity(MAX_WINDOWS)) }
    }

    /// Counts a request. One too many counts as well but does not make the window longer.
    pub fn count(&self, key: Key, quota: Quota) -> Standing {
        // Nothing below can panic half-way; a poisoned lock would only say that something else did.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked for under the lock: a request that overtakes another one must not find itself before its window.
        windows.count(key, quota, self.clock.now())
    }
}

struct Window {
    start: Timestamp,
    used: u32,
    /// Tells the window from an earlier one of the same key.
    number: u64,
}

impl Window {
    fn end(&self, quota: Quota) -> Timestamp {
        Timestamp::from_millis(self.start.as_millis().saturating_add(quota.millis))
    }

    /// Whether its time is over. One that begins in the future (the clock was set back) is: it would otherwise keep its
    /// client waiting for as long as the clock was wrong.
    fn is_over(&self, quota: Quota, now: Timestamp) -> bool {
        now >= self.end(quota) || now < self.start
    }
}

struct Windows {
    by_key: HashMap<Arc<Key>, Window>,
    /// Every window in the order of its beginning, which is the order of the ends as well: all are equally long. A key
    /// whose window was replaced stands here twice until the first is dropped, so this queue is what must be bounded.
    by_age: VecDeque<(u64, Arc<Key>)>,
    most: usize,
    begun: u64,
}

impl Windows {
    fn with_capacity(most: usize) -> Self {
        Self { by_key: HashMap::new(), by_age: VecDeque::new(), most, begun: 0 }
    }

    fn count(&mut self, key: Key, quota: Quota, now: Timestamp) -> Standing {
        self.drop_some_that_are_over(quota, now);
        let running = self.by_key.get_mut(&key).filter(|window| !window.is_over(quota, now));
        let (used, end) = match running {
            Some(window) => {
                window.used = window.used.saturating_add(1);
                (window.used, window.end(quota))
            }
            None => (1, self.begin(key, now).end(quota)),
        };
        let wait = (used > quota.calls).then(|| seconds_until(end, now));
        Standing { limit: quota.calls, remaining: quota.calls.saturating_sub(used), reset: end, wait }
    }

    /// A window with one request in it.
    fn begin(&mut self, key: Key, now: Timestamp) -> &Window {
        while self.by_age.len() >= self.most {
            self.drop_oldest();
        }
        self.begun += 1;
        let key = Arc::new(key);
        self.by_age.push_back((self.begun, Arc::clone(&key)));
        let window = Window { start: now, used: 1, number: self.begun };
        self.by_key.entry(key).insert_entry(window).into_mut()
    }

    fn drop_some_that_are_over(&mut self, quota: Quota, now: Timestamp) {
        for _ in 0..DROPPED_AT_ONCE {
            let Some((number, key)) = self.by_age.front() else { return };
            let window = self.by_key.get(key).filter(|window| window.number == *number);
            if window.is_some_and(|window| !window.is_over(quota, now)) {
                return;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((number, key)) = self.by_age.pop_front() else { return };
        if self.by_key.get(&key).is_some_and(|window| window.number == number) {
            self.by_key.remove(&key);
        }
    }
}

/// Rounded up: after that many seconds the next request is let through.
fn seconds_until(end: Timestamp, now: Timestamp) -> u32 {
    let millis = end.as_millis().saturating_sub(now.as_millis()).max(0);
    u32::try_from(millis.saturating_add(999) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const QUOTA: Quota = Quota { calls: 3, millis: 1_000 };

    fn key(client: u32) -> Key {
        Key { client: Some(Ipv4Addr::from_bits(client).into()), method: "GET", route: "/" }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_window_begins_with_its_first_request_and_ends_after_its_length() {
        let mut windows = Windows::with_capacity(10);
        let mut ask = |now| {
            let standing = windows.count(key(1), QUOTA, at(now));
            (standing.remaining, standing.reset.as_millis(), standing.wait)
        };
        assert_eq!(ask(500), (2, 1_500, None));
        assert_eq!(ask(900), (1, 1_500, None));
        assert_eq!(ask(1_498), (0, 1_500, None));
        assert_eq!(ask(500), (0, 1_500, Some(1)));
        assert_eq!(ask(1_499), (0, 1_500, Some(1)));
        assert_eq!(ask(1_500), (2, 2_500, None));
        assert_eq!(ask(9_000), (2, 10_000, None));
        assert_eq!(ask(4_000), (2, 5_000, None), "a clock that was set back holds nobody up");
    }

    #[test]
    fn waiting_is_told_in_whole_seconds_rounded_up() {
        for (millis, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (60_000, 60), (i64::MAX, u32::MAX)] {
            assert_eq!(seconds_until(at(millis), at(0)), seconds, "{millis}");
        }
        assert_eq!(seconds_until(at(0), at(5)), 0);
    }

    #[test]
    fn a_new_quota_holds_at_once() {
        let mut windows = Windows::with_capacity(10);
        for _ in 0..4 {
            windows.count(key(1), QUOTA, at(0));
        }
        let more = windows.count(key(1), Quota { calls: 9, millis: 2_000 }, at(10));
        assert_eq!((more.remaining, more.reset, more.wait), (4, at(2_000), None));
        let shorter = windows.count(key(1), Quota { calls: 3, millis: 10 }, at(10));
        assert_eq!((shorter.remaining, shorter.reset), (2, at(20)));
    }

    #[test]
    fn many_addresses_take_no_more_than_their_share_and_the_oldest_windows_go() {
        let mut windows = Windows::with_capacity(100);
        for client in 0..10_000 {
            windows.count(key(client), QUOTA, at(0));
            assert!(windows.by_key.len() <= 100 && windows.by_age.len() <= 100);
        }
        assert_eq!(windows.count(key(9_901), QUOTA, at(0)).remaining, 1, "still known");
        assert_eq!(windows.count(key(1), QUOTA, at(0)).remaining, 2, "forgotten");
    }

    #[test]
    fn windows_that_are_over_go_by_and_by() {
        let mut windows = Windows::with_capacity(1_000);
        for client in 0..400 {
            windows.count(key(client), QUOTA, at(0));
        }
        for _ in 0..100 {
            windows.count(key(7), QUOTA, at(1_000));
        }
        assert_eq!((windows.by_key.len(), windows.by_age.len()), (1, 1));
        // The one that is left is the new one, with all that was counted.
        assert_eq!(windows.count(key(7), QUOTA, at(1_500)).wait, Some(1));
    }

    #[test]
    fn one_client_that_stays_takes_one_place() {
        let mut windows = Windows::with_capacity(1_000);
        for round in 0..5_000 {
            windows.count(key(1), QUOTA, at(round * 1_000));
        }
        assert_eq!((windows.by_key.len(), windows.by_age.len()), (1, 1));
    }
}
