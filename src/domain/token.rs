//! Access tokens: their text (seen once, by their owner), their hash (what is stored), and when they end.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::time::Timestamp;

/// Days a session lasts unless the workspace says otherwise (contract 2.2).
pub const DEFAULT_LIFETIME_DAYS: i64 = 90;

/// The text that a client sends. Never stored, logged or shown again.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    /// Takes what a client sent or a generator made.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the answer to its owner alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up: base64 with padding of the SHA-256 of the text (contract 2.1).
    pub fn hash(&self) -> TokenHash {
        TokenHash(STANDARD.encode(Sha256::digest(self.0.as_bytes())))
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// The stored form of a token. Still kept out of logs: whoever has it can look for its owner.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash(String);

impl TokenHash {
    /// Takes a hash from a store.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hash, for the store alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// Made by a log-in; ends when its lifetime is over.
    Session {
        /// When it was issued. A session without the date cannot prove its age and is refused.
        issued_at: Option<Timestamp>,
    },
    /// Made by its owner for programs; ends when he removes it.
    Personal,
}

/// A token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is looked up by.
    pub hash: TokenHash,
    /// What it is for.
    pub kind: TokenKind,
}

impl Token {
    /// When the token ends; `None` means never.
    pub fn expires_at(&self, lifetime_days: i64) -> Option<Timestamp> {
        match self.kind {
            TokenKind::Session { issued_at } => {
                Some(issued_at.map_or(Timestamp::EPOCH, |at| at.plus_days(lifetime_days)))
            }
            TokenKind::Personal => None,
        }
    }

    /// Whether the token still counts at `now`.
    pub fn is_live(&self, now: Timestamp, lifetime_days: i64) -> bool {
        self.expires_at(lifetime_days).is_none_or(|end| now < end)
    }
}

/// The lifetime to use for a setting's value: whole days above zero, else the default (contract 2.2).
pub fn lifetime_days(setting: Option<i64>) -> i64 {
    setting.filter(|days| *days > 0).unwrap_or(DEFAULT_LIFETIME_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_base64_of_sha256() {
        // printf abc | openssl dgst -sha256 -binary | base64
        assert_eq!(TokenText::new("abc").hash().expose(), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn a_session_ends_with_its_last_millisecond() {
        let issued = Timestamp::from_millis(1_000);
        let token = Token { hash: TokenText::new("t").hash(), kind: TokenKind::Session { issued_at: Some(issued) } };
        let end = issued.plus_days(90);
        assert!(token.is_live(Timestamp::from_millis(end.as_millis() - 1), 90));
        assert!(!token.is_live(end, 90));
    }

    #[test]
    fn a_personal_token_does_not_end_and_an_undated_session_never_counts() {
        let hash = TokenText::new("t").hash();
        let personal = Token { hash: hash.clone(), kind: TokenKind::Personal };
        assert!(personal.is_live(Timestamp::from_millis(i64::MAX), 90));
        let undated = Token { hash, kind: TokenKind::Session { issued_at: None } };
        assert!(!undated.is_live(Timestamp::from_millis(1), 90));
    }

    #[test]
    fn a_senseless_lifetime_means_the_default() {
        assert_eq!([None, Some(0), Some(-3), Some(7)].map(lifetime_days), [90, 90, 90, 7]);
    }

    #[test]
    fn neither_form_shows_itself() {
        let text = TokenText::new("secret-secret");
        assert!(!format!("{text:?} {:?}", text.hash()).contains("secret-secret"));
    }
}
