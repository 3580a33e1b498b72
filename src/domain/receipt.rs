//! Receipts for changes: a client that did not hear how its request ended sends it again under the same key, and gets
//! the answer that it missed. What one is and when it ends is said here; keeping it together with the change is the
//! business of the stores.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::ids::UserId;
use super::time::Timestamp;

/// How long an answer is kept.
pub const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a request may run before another one may take its place. Longer than any store tries anything; the change of
/// a request that lost its place is not kept, so that a wrong guess here delays and never doubles.
pub const RUNNING_MS: i64 = 60 * 1_000;
/// The longest key that a client may choose.
pub const MAX_KEY_BYTES: usize = 255;

/// What a receipt is found by: each account has keys of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceiptKey {
    /// Whose.
    pub user: UserId,
    /// As the client chose it.
    pub key: String,
}

impl ReceiptKey {
    /// Takes a key from outside: visible ASCII, neither empty nor longer than [`MAX_KEY_BYTES`].
    pub fn parse(user: &UserId, key: &str) -> Option<Self> {
        let fits = !key.is_empty() && key.len() <= MAX_KEY_BYTES && key.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self { user: user.clone(), key: key.to_owned() })
    }
}

/// What tells a request from another one: the SHA-256 of all that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a request that consists of these parts.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length in front, so that no part can pass for a piece of its neighbour.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Takes a fingerprint from a store.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An answer as it was given, and is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// The `ETag`.
    pub etag: Option<String>,
    /// The type of the body; `None` when there is none.
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}

/// A request that is running under a key. Only the holder of the ticket can make a change together with its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The key.
    pub key: ReceiptKey,
    /// Tells this run from another one under the same key; fresh.
    pub run: String,
}

/// What is kept under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What was asked.
    pub request: Fingerprint,
    /// Which run.
    pub run: String,
    /// Since when.
    pub started_at: Timestamp,
    /// What came of it; `None` while it runs.
    pub answer: Option<KeptAnswer>,
}

/// What a request finds under its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing that counts: the request takes the place.
    Vacant,
    /// The same request has ended like that.
    Answered(KeptAnswer),
    /// The same request is running.
    Running,
    /// Another request has the key.
    OtherRequest,
}

impl Receipt {
    /// What the receipt means to a request that comes at `now`.
    pub fn judge(&self, request: &Fingerprint, now: Timestamp) -> Found {
        let age = now.as_millis().saturating_sub(self.started_at.as_millis());
        if age >= KEPT_MS {
            return Found::Vacant;
        }
        if self.request != *request {
            return Found::OtherRequest;
        }
        match &self.answer {
            Some(answer) => Found::Answered(answer.clone()),
            None if age >= RUNNING_MS => Found::Vacant,
            None => Found::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(answer: Option<KeptAnswer>) -> Receipt {
        let started_at = Timestamp::from_millis(1_000);
        Receipt { request: Fingerprint::of(&[b"a"]), run: "1".to_owned(), started_at, answer }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000 + millis)
    }

    #[test]
    fn an_answer_is_found_for_a_day_by_the_same_request_alone() {
        let answer = KeptAnswer { status: 204, etag: None, content_type: None, body: String::new() };
        let kept = receipt(Some(answer.clone()));
        let (same, other) = (Fingerprint::of(&[b"a"]), Fingerprint::of(&[b"b"]));
        assert_eq!(kept.judge(&same, at(0)), Found::Answered(answer.clone()));
        assert_eq!(kept.judge(&same, at(KEPT_MS - 1)), Found::Answered(answer));
        assert_eq!(kept.judge(&other, at(KEPT_MS - 1)), Found::OtherRequest);
        assert_eq!([&same, &other].map(|request| kept.judge(request, at(KEPT_MS))), [Found::Vacant, Found::Vacant]);
    }

    #[test]
    fn a_request_runs_until_it_must_have_died() {
        let (running, same) = (receipt(None), Fingerprint::of(&[b"a"]));
        assert_eq!(running.judge(&same, at(RUNNING_MS - 1)), Found::Running);
        assert_eq!(running.judge(&same, at(RUNNING_MS)), Found::Vacant);
        assert_eq!(running.judge(&Fingerprint::of(&[b"b"]), at(RUNNING_MS)), Found::OtherRequest);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Fingerprint::of(&[b"ab", b"c"]), Fingerprint::of(&[b"a", b"bc"]));
        assert_eq!(Fingerprint::of(&[]).as_str().len(), 64);
    }

    #[test]
    fn a_key_is_visible_and_ends_somewhere() {
        let user = UserId::from_stored("u");
        assert!(ReceiptKey::parse(&user, &"k".repeat(MAX_KEY_BYTES)).is_some());
        for bad in ["", "a b", "ä", "a\n", &"k".repeat(MAX_KEY_BYTES + 1)] {
            assert_eq!(ReceiptKey::parse(&user, bad), None, "{bad:?}");
        }
    }
}
