//! How entries of the record are chained, so that nobody changes, removes, inserts or reorders them unseen: each entry of
//! a scope has a number, the digest of the entry before it, and a digest of its own over both and all of its fields.
//! Pure: entries are read and written by `store`, walked by whoever verifies; [`walk`] says what is wrong with them.
//!
//! The digest is SHA-256, or HMAC-SHA-256 where the operator gives a key. Without a key it shows what was changed by
//! somebody who did not go on to make all later entries anew; the newest digest, kept elsewhere, shows that as well. With
//! a key nobody who lacks it can make any entry.

mod canonical;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use walk::{Finding, Problem, Unverifiable, Walk};

use super::time::Timestamp;

/// The scope of everything that is not about one organization.
pub const WORKSPACE: &str = "workspace";
/// The fewest bytes that a key has.
pub const SHORTEST_KEY: usize = 16;
/// What the bytes under a digest begin with: the encoding and its version.
const ENCODING: &str = "rolekeeper-audit-1";

/// The digest of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What stands before the first entry.
    pub const NONE: Self = Self([0; 32]);

    /// As stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The newest entry of a scope. Its text, `<seq>:<hash>`, is what an operator keeps elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the entry; the first one's is 1.
    pub seq: u64,
    /// Its digest.
    pub hash: Hash,
}

impl Head {
    /// Before the first entry.
    pub const START: Self = Self { seq: 0, hash: Hash::NONE };

    /// Reads `<seq>:<hash>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.trim().split_once(':')?;
        Some(Self { seq: seq.parse().ok()?, hash: Hash::parse(hash)? })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// The place of an entry in its chain, stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// [`WORKSPACE`] or the id of an organization.
    pub scope: String,
    /// From 1 on, without gaps.
    pub seq: u64,
    /// The digest of the entry before it.
    pub prev: Hash,
    /// Its own digest.
    pub hash: Hash,
    /// Whether the digest was made with a key.
    pub keyed: bool,
}

impl Seal {
    /// What the next entry follows.
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }
}

/// A sealed entry as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The id that the store finds it by.
    pub id: String,
    /// Its place.
    pub seal: Seal,
    /// All of its fields.
    pub fields: Map<String, Value>,
    /// What the store sees in it that no entry of ours has, in words.
    pub oddity: Option<&'static str>,
}

/// An entry that has no place in a chain yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsealed {
    /// Its id.
    pub id: String,
    /// The scope that it belongs to.
    pub scope: String,
    /// When the change was made; `None` when that cannot be read.
    pub at: Option<Timestamp>,
    /// All of its fields.
    pub fields: Map<String, Value>,
    /// Whether it is marked as one that is to be sealed; one that is not got here past the program.
    pub expected: bool,
}

/// The scope that an entry belongs to by what it says.
pub fn scope_of(fields: &Map<String, Value>) -> &str {
    fields.get("organization").and_then(Value::as_str).unwrap_or(WORKSPACE)
}

/// Makes digests, with the operator's key where there is one. Never shows it.
#[derive(Clone, Default)]
pub struct Sealer {
    key: Option<Arc<[u8]>>,
}

impl Sealer {
    /// With a key; `None` when it is shorter than [`SHORTEST_KEY`].
    pub fn with_key(key: &[u8]) -> Option<Self> {
        (key.len() >= SHORTEST_KEY).then(|| Self { key: Some(key.into()) })
    }

    /// Whether there is a key.
    pub const fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// The place of an entry behind `head`.
    pub fn seal(&self, scope: &str, head: Head, fields: &Map<String, Value>) -> Seal {
        let mut seal = Seal {
            scope: scope.to_owned(),
            seq: head.seq.saturating_add(1),
            prev: head.hash,
            hash: Hash::NONE,
            keyed: self.is_keyed(),
        };
        let bytes = canonical::bytes(&seal, fields);
        seal.hash = self.key.as_deref().map_or_else(|| plain(&bytes), |key| keyed(key, &bytes));
        seal
    }

    /// The digest that an entry with that place and those fields has; `None` when it takes a key, and there is none.
    fn digest(&self, seal: &Seal, fields: &Map<String, Value>) -> Option<Hash> {
        let bytes = canonical::bytes(seal, fields);
        match (&self.key, seal.keyed) {
            (_, false) => Some(plain(&bytes)),
            (Some(key), true) => Some(keyed(key, &bytes)),
            (None, true) => None,
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keyed", &self.is_keyed()).finish()
    }
}

fn plain(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

fn keyed(key: &[u8], bytes: &[u8]) -> Hash {
    // HMAC takes keys of any length; the other branch does not exist.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Hash::NONE;
    };
    mac.update(bytes);
    Hash(mac.finalize().into_bytes().into())
}
