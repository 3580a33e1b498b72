//! Receipts for changes: a client that did not hear how its request ended sends it again under the same key, and gets
//! the answer that it missed. What one is and when it ends is said here; keeping it together with the change is the
//! business of the stores.

use std::any::{Any, type_name};
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// As [`ReceiptKey::parse`], where what is asked may hold a password: the key is part of the request's fingerprint
    /// then, and is not kept itself, so that whoever reads a store cannot try passwords against fingerprints.
    pub fn sealed(user: &UserId, key: &str) -> Option<Self> {
        let Self { user, key } = Self::parse(user, key)?;
        Some(Self { user, key: Fingerprint::of(&[b"sealed", key.as_bytes()]).0 })
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

/// Makes the answer of what came of a change, if that is of the type that was expected.
type RenderAny = dyn Fn(&dyn Any) -> Option<KeptAnswer> + Send + Sync;

/// A receipt that goes along with whoever asks for a change, and is written in the transaction that puts the change on
/// record. Clones are the same receipt.
#[derive(Clone)]
pub struct Pending {
    /// The right to write it.
    pub ticket: Ticket,
    render: Arc<RenderAny>,
    expected: &'static str,
    written: Arc<AtomicBool>,
}

impl Pending {
    /// A receipt whose answer `render` makes of a `T`; `None` when it cannot be made.
    pub fn new<T: 'static>(ticket: Ticket, render: impl Fn(&T) -> Option<KeptAnswer> + Send + Sync + 'static) -> Self {
        let render = Arc::new(move |outcome: &dyn Any| outcome.downcast_ref().and_then(&render));
        Self { ticket, render, expected: type_name::<T>(), written: Arc::default() }
    }

    /// A receipt with this answer, whatever comes of the change.
    pub fn of(ticket: Ticket, answer: KeptAnswer) -> Self {
        let render = Arc::new(move |_: &dyn Any| Some(answer.clone()));
        Self { ticket, render, expected: "anything", written: Arc::default() }
    }

    /// The same receipt, where what comes of the change is a `U` and `make` makes of it what the answer is made of.
    #[must_use]
    pub fn made_by<U: 'static, T: 'static>(self, make: impl Fn(&U) -> T + Send + Sync + 'static) -> Self {
        let Self { ticket, render, written, .. } = self;
        let render = Arc::new(move |outcome: &dyn Any| outcome.downcast_ref().and_then(|made| render(&make(made))));
        Self { ticket, render, expected: type_name::<U>(), written }
    }

    /// The answer to keep, now that this came of the change; nothing else can be made of it (a defect, in words for the
    /// log).
    ///
    /// # Errors
    /// What was expected instead.
    pub fn answer<T: 'static>(&self, outcome: &T) -> Result<KeptAnswer, String> {
        let answer = (self.render)(outcome);
        self.written.store(answer.is_some(), Ordering::Release);
        answer.ok_or_else(|| format!("no answer is made of {}, but of {}", type_name::<T>(), self.expected))
    }

    /// What was made of an attempt that came to nothing does not count.
    pub fn forget(&self) {
        self.written.store(false, Ordering::Release);
    }

    /// Whether an answer was made of the change. Before the change is known to be durable it says nothing.
    pub fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.ticket).finish()
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.ticket == other.ticket
    }
}

impl Eq for Pending {}

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
    fn a_pending_receipt_is_made_of_what_it_expects_and_of_nothing_else() {
        let ticket = Ticket { key: ReceiptKey::parse(&UserId::from_stored("u"), "k").unwrap(), run: "1".to_owned() };
        let answer = |text: &String| KeptAnswer { status: 200, etag: None, content_type: None, body: text.clone() };
        let of_text = Pending::new(ticket, move |text: &String| Some(answer(text)));
        assert!(of_text.answer(&7_u64).is_err() && !of_text.is_written());
        let of_number = of_text.clone().made_by(|number: &u64| number.to_string());
        assert!(of_number.answer(&"7".to_owned()).is_err() && !of_text.is_written());
        assert_eq!(of_number.answer(&7_u64).unwrap().body, "7");
        assert!(of_text.is_written());
        of_number.forget();
        assert!(!of_text.is_written());
    }

    #[test]
    fn a_sealed_key_does_not_show_what_it_was() {
        let user = UserId::from_stored("u");
        let sealed = ReceiptKey::sealed(&user, "k").unwrap();
        assert_eq!(Some(&sealed), ReceiptKey::sealed(&user, "k").as_ref());
        assert_ne!(Some(&sealed), ReceiptKey::sealed(&user, "l").as_ref());
        assert!(sealed.key.len() == 64 && ReceiptKey::sealed(&user, "").is_none());
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
