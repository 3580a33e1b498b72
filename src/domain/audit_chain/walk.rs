//! What is wrong with a chain, found entry by entry from the first to the last, in memory that does not grow with it.

use std::fmt;

use super::{Head, Link, Sealer, scope_of};

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which chain.
    pub scope: String,
    /// At which number.
    pub seq: u64,
    /// In which entry, where there is one.
    pub id: Option<String>,
    /// What.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.scope, self.seq, self.id.as_deref().unwrap_or("-"), self.problem)
    }
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The digest is not that of the entry.
    Changed,
    /// The entry does not name the digest of the one before it.
    Unlinked,
    /// Entries are missing: as many, up to the one before this.
    Missing(u64),
    /// The number is given to more than one entry, or stands behind a larger one.
    Repeated,
    /// The entry says that it belongs to another scope.
    Misplaced,
    /// The entry is kept under an id that is not its own.
    Renamed,
    /// Sealed without a key, behind entries that were sealed with one or although there is one now.
    Unkeyed,
    /// The store sees something in it that no entry of ours has.
    Odd(&'static str),
    /// The store's own note of the newest entry is gone, or names an earlier or another one.
    Head(Option<Head>),
    /// A head that the operator kept is not in the chain.
    NotAsExpected(Head),
    /// For longer than it may take, an entry has not been sealed: so many milliseconds.
    Unsealed(i64),
    /// An entry that is not in any chain and does not wait to be.
    Unchained,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("the entry was changed, or made by somebody else (its digest is another)"),
            Self::Unlinked => f.write_str("the entry does not follow the one before it: one of them was put in"),
            Self::Missing(1) => f.write_str("the entry before this one was removed"),
            Self::Missing(count) => write!(f, "the {count} entries before this one were removed"),
            Self::Repeated => f.write_str("another entry has this number: one of them was put in"),
            Self::Misplaced => f.write_str("the entry belongs to another scope"),
            Self::Renamed => f.write_str("the entry is kept under an id that is not its own"),
            Self::Unkeyed => f.write_str("the entry was sealed without the key"),
            Self::Odd(what) => f.write_str(what),
            Self::Head(Some(head)) => write!(f, "the newest entry is this one, and the store's note of it says {head}"),
            Self::Head(None) => f.write_str("the store's note of the newest entry is gone"),
            Self::NotAsExpected(head) => write!(f, "the entry {head} is not there: it was cut off or remade"),
            Self::Unsealed(millis) => write!(f, "the entry has not been sealed for {} seconds", millis / 1_000),
            Self::Unchained => f.write_str("the entry is in no chain: it was put in"),
        }
    }
}

/// An entry was sealed with a key that is not there, so that nothing can be said about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the entry {seq} of {scope} was sealed with a key: name its file with ROLEKEEPER_AUDIT_KEY_FILE")]
pub struct Unverifiable {
    scope: String,
    seq: u64,
}

/// A walk along one chain.
#[derive(Debug)]
pub struct Walk<'a> {
    sealer: &'a Sealer,
    scope: &'a str,
    /// The newest entry that was seen.
    last: Head,
    entries: u64,
    /// The number of the first entry with a key.
    keyed_from: Option<u64>,
    last_is_keyed: bool,
    /// What is to be found on the way.
    expected: Vec<Head>,
}

impl<'a> Walk<'a> {
    /// Before the first entry. `expected` are heads of earlier days, the store's own note among them.
    pub const fn new(sealer: &'a Sealer, scope: &'a str, expected: Vec<Head>) -> Self {
        let (last, keyed_from) = (Head::START, None);
        Self { sealer, scope, last, entries: 0, keyed_from, last_is_keyed: false, expected }
    }

    /// The newest entry that was seen.
    pub const fn last(&self) -> Head {
        self.last
    }

    /// How many entries were seen.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The number of the first entry that was sealed with a key.
    pub const fn keyed_from(&self) -> Option<u64> {
        self.keyed_from
    }

    /// Looks at the next entry, by number.
    ///
    /// # Errors
    /// [`Unverifiable`] when it was sealed with a key, and there is none.
    pub fn step(&mut self, link: &Link) -> Result<Vec<Finding>, Unverifiable> {
        let seal = &link.seal;
        let unverifiable = || Unverifiable { scope: self.scope.to_owned(), seq: seal.seq };
        let digest = self.sealer.digest(seal, &link.fields).ok_or_else(unverifiable)?;
        let mut problems = Vec::new();
        let next = self.last.seq.saturating_add(1);
        if seal.seq < next {
            problems.push(Problem::Repeated);
        } else if seal.seq > next {
            problems.push(Problem::Missing(seal.seq - next));
        } else if seal.prev != self.last.hash {
            problems.push(Problem::Unlinked);
        }
        if digest != seal.hash {
            problems.push(Problem::Changed);
        }
        if seal.scope != self.scope || scope_of(&link.fields) != self.scope {
            problems.push(Problem::Misplaced);
        }
        if link.fields.get("_id").and_then(|id| id.as_str()) != Some(link.id.as_str()) {
            problems.push(Problem::Renamed);
        }
        if !seal.keyed && self.keyed_from.is_some() {
            problems.push(Problem::Unkeyed);
        }
        problems.extend(link.oddity.map(Problem::Odd));
        self.note(link);
        let finding = |problem| self.finding(seal.seq, Some(link.id.clone()), problem);
        Ok(problems.into_iter().map(finding).collect())
    }

    fn note(&mut self, link: &Link) {
        let seal = &link.seal;
        self.entries += 1;
        if seal.seq > self.last.seq {
            self.last = seal.head();
        }
        self.last_is_keyed = seal.keyed;
        if seal.keyed && self.keyed_from.is_none() {
            self.keyed_from = Some(seal.seq);
        }
        self.expected.retain(|head| *head != seal.head());
    }

    /// Ends it: what was expected and did not come. `noted` is the store's note of the newest entry, read after the
    /// last one.
    pub fn end(self, noted: Option<Head>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let goes_on = |head: Head| head.seq < self.last.seq || (head.seq == self.last.seq && head != self.last);
        if noted.map_or(self.entries > 0, goes_on) {
            findings.push(self.finding(self.last.seq, None, Problem::Head(noted)));
        }
        for head in self.expected.iter().filter(|head| **head != Head::START) {
            findings.push(self.finding(head.seq, None, Problem::NotAsExpected(*head)));
        }
        if self.sealer.is_keyed() && self.entries > 0 && !self.last_is_keyed && self.keyed_from.is_none() {
            findings.push(self.finding(self.last.seq, None, Problem::Unkeyed));
        }
        findings
    }

    fn finding(&self, seq: u64, id: Option<String>, problem: Problem) -> Finding {
        Finding { scope: self.scope.to_owned(), seq, id, problem }
    }
}
