//! Access tokens: their text (seen once, by their owner), their hash (what is stored), and when they end.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use md5::Md5;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::time::Timestamp;

/// Days a session lasts unless the workspace says otherwise (contract 2.2).
pub const DEFAULT_LIFETIME_DAYS: i64 = 90;

/// Characters of a token that its owner is shown again.
const LAST_PART: usize = 6;

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

    /// The end of the text, which its owner recognizes the token by (contract 2.2).
    pub fn last_part(&self) -> String {
        let start = self.0.char_indices().rev().nth(LAST_PART - 1).map_or(0, |(start, _)| start);
        self.0.get(start..).unwrap_or_default().to_owned()
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
    Personal {
        /// Whoever uses it is not asked for a second factor.
        bypass_second_factor: bool,
    },
}

/// A client as Rocket.Chat recognizes it: the MD5 of its user agent and its address as JSON (contract 2.8). Keeps nobody
/// out by itself, so that a weak digest does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a client. What is not known is left out, as JavaScript leaves it out.
    pub fn of(user_agent: Option<&str>, address: Option<&str>) -> Self {
        let known = [("userAgent", user_agent), ("clientAddress", address)];
        let fields: Map<String, Value> =
            known.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
        Self(HEXLOWER.encode(&Md5::digest(Value::Object(fields).to_string().as_bytes())))
    }

    /// Takes a fingerprint from a store.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A second factor that was shown with a token and need not be shown again for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// By which client.
    pub client: Fingerprint,
    /// Until when.
    pub until: Timestamp,
}

/// A token as its owner, and nobody else, sees it in the list of those he made for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    /// As he named it; no two of one account have the same.
    pub name: String,
    /// When it was made; unknown of some old ones.
    pub created_at: Option<Timestamp>,
    /// The end of its text.
    pub last_part: String,
    /// Whoever uses it is not asked for a second factor.
    pub bypass_second_factor: bool,
}

/// A token for programs that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPersonalToken {
    /// What it is looked up by.
    pub hash: TokenHash,
    /// As its owner names it.
    pub name: String,
    /// The end of its text.
    pub last_part: String,
    /// Whoever uses it is not asked for a second factor.
    pub bypass_second_factor: bool,
}

/// Which of the others go when an account keeps one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherTokens {
    /// Those of log-ins.
    Sessions,
    /// Those made for programs as well.
    All,
}

/// A token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is looked up by.
    pub hash: TokenHash,
    /// What it is for.
    pub kind: TokenKind,
    /// The second factor that was shown with it.
    pub second_factor: Option<Remembered>,
}

impl Token {
    /// Whether the second factor that was shown with the token still counts at `now` for that client.
    pub fn remembers(&self, client: &Fingerprint, now: Timestamp) -> bool {
        self.second_factor.as_ref().is_some_and(|shown| now < shown.until && shown.client == *client)
    }

    /// When the token ends; `None` means never.
    pub fn expires_at(&self, lifetime_days: i64) -> Option<Timestamp> {
        match self.kind {
            TokenKind::Session { issued_at } => {
                Some(issued_at.map_or(Timestamp::EPOCH, |at| at.plus_days(lifetime_days)))
            }
            TokenKind::Personal { .. } => None,
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

    fn token(kind: TokenKind) -> Token {
        Token { hash: TokenText::new("t").hash(), kind, second_factor: None }
    }

    #[test]
    fn a_client_has_the_fingerprint_that_rocket_chat_gives_it() {
        // node: crypto.createHash("md5").update(JSON.stringify({userAgent: "curl/8.5.0", clientAddress: "192.0.2.7"}))
        let known = Fingerprint::of(Some("curl/8.5.0"), Some("192.0.2.7"));
        assert_eq!(known.as_str(), "7a0bfe0c345429254a30735fffd8568e");
        assert_eq!(Fingerprint::of(None, Some("192.0.2.7")).as_str(), "21cacfaf482fe52c1d8e084ccf68d5ef");
    }

    #[test]
    fn a_second_factor_is_remembered_of_its_client_until_its_time() {
        let (client, until) = (Fingerprint::of(Some("a"), Some("b")), Timestamp::from_millis(5));
        let kind = TokenKind::Session { issued_at: None };
        let token = Token { second_factor: Some(Remembered { client: client.clone(), until }), ..token(kind) };
        assert!(token.remembers(&client, Timestamp::from_millis(4)));
        assert!(!token.remembers(&client, until));
        assert!(!token.remembers(&Fingerprint::of(Some("a"), None), Timestamp::from_millis(4)));
    }

    #[test]
    fn the_last_part_is_the_end_of_the_text_whatever_its_letters() {
        assert_eq!(TokenText::new("abcdefghij").last_part(), "efghij");
        assert_eq!(TokenText::new("ab").last_part(), "ab");
        assert_eq!(TokenText::new("äöüßéèê").last_part(), "öüßéèê");
    }

    #[test]
    fn a_session_ends_with_its_last_millisecond() {
        let issued = Timestamp::from_millis(1_000);
        let token = token(TokenKind::Session { issued_at: Some(issued) });
        let end = issued.plus_days(90);
        assert!(token.is_live(Timestamp::from_millis(end.as_millis() - 1), 90));
        assert!(!token.is_live(end, 90));
    }

    #[test]
    fn a_personal_token_does_not_end_and_an_undated_session_never_counts() {
        let personal = token(TokenKind::Personal { bypass_second_factor: false });
        assert!(personal.is_live(Timestamp::from_millis(i64::MAX), 90));
        let undated = token(TokenKind::Session { issued_at: None });
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
