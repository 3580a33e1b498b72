//! The only source of time, randomness and new ids. Everything else asks an injected [`Clock`] or [`Ids`], so that a
//! test decides what "now" is and which id comes next; `clippy.toml` forbids the direct calls.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenText;

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present time, to the millisecond.
    fn now(&self) -> Timestamp;
}

/// Where ids and secrets come from.
pub trait Ids: Send + Sync {
    /// `length` characters, each equally likely any of `alphabet` (ASCII, at most 256 characters).
    fn text(&self, alphabet: &[u8], length: usize) -> String;

    /// 24 lower-case hexadecimal digits: the id of a role, a room, a subscription, an audit entry.
    fn object_id(&self) -> String {
        self.text(HEX, 24)
    }

    /// The same for a request. It is no secret; it only must not be used twice.
    fn request_id(&self) -> String {
        self.object_id()
    }

    /// A fresh role id.
    fn role_id(&self) -> RoleId {
        RoleId::from_stored(self.object_id())
    }

    /// A fresh room id.
    fn room_id(&self) -> RoomId {
        RoomId::from_stored(self.object_id())
    }

    /// 17 characters without look-alikes, as Rocket.Chat's own user ids.
    fn user_id(&self) -> UserId {
        UserId::from_stored(self.text(UNMISTAKABLE, 17))
    }

    /// A fresh access token: 43 characters of `A-Za-z0-9-_`, 256 bits.
    fn token(&self) -> TokenText {
        TokenText::new(self.text(BASE64_URL, 43))
    }

    /// A password for the first administrator: 20 characters without look-alikes, over 110 bits.
    fn password(&self) -> String {
        self.text(UNMISTAKABLE, 20)
    }
}

const HEX: &[u8] = b"0123456789abcdef";
const UNMISTAKABLE: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";
const BASE64_URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    #[expect(clippy::expect_used, reason = "without random numbers there are no safe tokens; nothing may go on")]
    fn text(&self, alphabet: &[u8], length: usize) -> String {
        // Rejecting the uneven rest keeps every character equally likely.
        let even = 256 - 256 % alphabet.len();
        let mut text = String::with_capacity(length);
        let mut bytes = [0_u8; 64];
        while text.len() < length {
            getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
            let usable = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < even);
            text.extend(usable.map(|byte| char::from(alphabet[byte % alphabet.len()])).take(length - text.len()));
        }
        text
    }

    fn request_id(&self) -> String {
        let bytes =
            REQUEST_BYTES.try_with(|bytes| bytes.borrow_mut().next()).unwrap_or_else(|_| Reserve::default().next());
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(HEX[usize::from(digit)])).collect()
    }
}

thread_local! {
    /// Random bytes for ids of requests, each used once. To ask the operating system for each request costs more than
    /// the rest of what is done around it; for secrets it is asked each time.
    static REQUEST_BYTES: RefCell<Reserve> = RefCell::new(Reserve::default());
}

const REQUEST_ID_BYTES: usize = 12;

/// Random bytes that were not used yet.
struct Reserve {
    bytes: [u8; 64 * REQUEST_ID_BYTES],
    used: usize,
}

impl Default for Reserve {
    fn default() -> Self {
        let bytes = [0; 64 * REQUEST_ID_BYTES];
        Self { bytes, used: bytes.len() }
    }
}

impl Reserve {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    #[expect(clippy::expect_used, reason = "as for every other id")]
    fn next(&mut self) -> [u8; REQUEST_ID_BYTES] {
        if self.used >= self.bytes.len() {
            getrandom::fill(&mut self.bytes).expect("the operating system gives random numbers");
            self.used = 0;
        }
        let mut id = [0; REQUEST_ID_BYTES];
        id.copy_from_slice(&self.bytes[self.used..self.used + REQUEST_ID_BYTES]);
        self.used += REQUEST_ID_BYTES;
        id
    }
}

/// Measures how long something took, by a clock that nobody sets. Bounds of patience rest on it, nothing that is stored.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// How long after that one this was started; `None` when it was started before it.
    pub fn since(self, other: Self) -> Option<Duration> {
        self.0.checked_duration_since(other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_have_the_shape_that_clients_know() {
        let ids = RandomIds;
        assert_eq!(ids.user_id().as_str().len(), 17);
        assert_eq!(ids.object_id().len(), 24);
        assert!(ids.object_id().bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
        let token = ids.token();
        assert_eq!(token.expose().len(), 43);
        assert!(token.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }

    #[test]
    fn requests_have_ids_of_their_own_on_every_thread() {
        let some = || (0..1_000).map(|_| RandomIds.request_id()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(some)).collect();
        let ids: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 4_000);
        let is_hex = |id: &String| id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(ids.iter().all(|id| id.len() == 24 && is_hex(id)));
    }

    #[test]
    fn a_thousand_tokens_are_a_thousand_different_tokens() {
        let tokens: HashSet<_> = (0..1_000).map(|_| RandomIds.token().expose().to_owned()).collect();
        assert_eq!(tokens.len(), 1_000);
    }
}
