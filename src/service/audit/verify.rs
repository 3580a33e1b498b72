//! Whether the record is whole: walks every chain from its first entry to its last, and looks at what is in no chain. And
//! the record as it is, entry by entry, for whoever wants to keep it elsewhere. Both take a store and no account: they are
//! for operators.

use std::io;

use futures_util::TryStreamExt as _;
use serde_json::{Map, Value, json};

use crate::domain::audit_chain::{Finding, Head, Problem, Sealer, Unverifiable, WORKSPACE, Walk};
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// How long an entry may wait for its place in a chain, in milliseconds.
const PATIENCE_MS: i64 = 60_000;

/// Why it cannot be said whether the record is whole, or not all of it be written out.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The key is missing.
    #[error("{0}")]
    Unverifiable(#[from] Unverifiable),
    /// What was read cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// What is to be looked at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// One scope; without it, all.
    pub name: Option<String>,
    /// A head that was kept elsewhere, of that scope or of the workspace.
    pub expected: Option<Head>,
}

/// What is told on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something is wrong.
    Finding(Finding),
    /// A chain was walked to its end.
    Chain {
        /// Its scope.
        scope: String,
        /// How many entries it has.
        entries: u64,
        /// The newest.
        head: Head,
        /// The first that was sealed with a key.
        keyed_from: Option<u64>,
    },
    /// So many entries wait for their places, the oldest for so many milliseconds.
    Waiting {
        /// How many.
        entries: u64,
        /// How long.
        oldest_ms: i64,
    },
}

/// Walks, and tells what it finds; returns how much is wrong.
///
/// # Errors
/// [`AuditError`]: what was told until then holds.
pub async fn verify(
    store: &dyn Store,
    sealer: &Sealer,
    wanted: &Scope,
    now: Timestamp,
    mut tell: impl FnMut(Told),
) -> Result<u64, AuditError> {
    let mut findings = 0;
    let mut tell = |told: Told| {
        findings += u64::from(matches!(told, Told::Finding(_)));
        tell(told);
    };
    let expects = |scope: &str| wanted.expected.filter(|_| wanted.name.as_deref().unwrap_or(WORKSPACE) == scope);
    match &wanted.name {
        Some(scope) => walk(store, sealer, scope, expects(scope), &mut tell).await?,
        None => {
            let (mut after, mut seen_workspace) = (String::new(), false);
            while let Some(scope) = store.next_audit_scope(&after).await? {
                seen_workspace |= scope == WORKSPACE;
                walk(store, sealer, &scope, expects(&scope), &mut tell).await?;
                after = scope;
            }
            if !seen_workspace {
                walk(store, sealer, WORKSPACE, expects(WORKSPACE), &mut tell).await?;
            }
        }
    }
    look_for_unsealed(store, wanted.name.as_deref(), now, &mut tell).await?;
    Ok(findings)
}

async fn walk(
    store: &dyn Store,
    sealer: &Sealer,
    scope: &str,
    expected: Option<Head>,
    tell: &mut impl FnMut(Told),
) -> Result<(), AuditError> {
    // Read before: what it names must be there. Read again afterwards: the chain may have grown meanwhile.
    let noted = store.find_audit_head(scope).await?;
    let mut walk = Walk::new(sealer, scope, noted.into_iter().chain(expected).collect());
    let mut links = store.audit_links(scope);
    while let Some(link) = links.try_next().await? {
        walk.step(&link)?.into_iter().for_each(|finding| tell(Told::Finding(finding)));
    }
    let noted = store.find_audit_head(scope).await?;
    let (entries, head, keyed_from) = (walk.entries(), walk.last(), walk.keyed_from());
    walk.end(noted).into_iter().for_each(|finding| tell(Told::Finding(finding)));
    tell(Told::Chain { scope: scope.to_owned(), entries, head, keyed_from });
    Ok(())
}

async fn look_for_unsealed(
    store: &dyn Store,
    scope: Option<&str>,
    now: Timestamp,
    tell: &mut impl FnMut(Told),
) -> Result<(), AuditError> {
    let (mut waiting, mut oldest) = (0, 0);
    let mut found = store.unsealed_audit_entries();
    while let Some(entry) = found.try_next().await? {
        if scope.is_some_and(|scope| scope != entry.scope) {
            continue;
        }
        let age = entry.at.map_or(i64::MAX, |at| now.as_millis().saturating_sub(at.as_millis()));
        let problem = if !entry.expected {
            Problem::Unchained
        } else if age > PATIENCE_MS {
            Problem::Unsealed(age)
        } else {
            (waiting, oldest) = (waiting + 1, age.max(oldest));
            continue;
        };
        tell(Told::Finding(Finding { scope: entry.scope, seq: 0, id: Some(entry.id), problem }));
    }
    if waiting > 0 {
        tell(Told::Waiting { entries: waiting, oldest_ms: oldest });
    }
    Ok(())
}

/// Which part of the record is to be written out.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// One scope; without it, all.
    pub scope: Option<String>,
    /// Entries of this time and later.
    pub from: Option<Timestamp>,
    /// Entries of this time and earlier.
    pub to: Option<Timestamp>,
}

impl Part {
    fn has(&self, fields: &Map<String, Value>) -> bool {
        let at = fields.get("at").and_then(Value::as_str).and_then(Timestamp::parse);
        // What has no time that can be read must not get lost.
        at.is_none_or(|at| self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to))
    }
}

/// Hands every entry of that part to `write`, each with its place, chain by chain in its order; those without a place
/// come last.
///
/// # Errors
/// [`AuditError`]; nothing comes after it.
pub async fn export(
    store: &dyn Store,
    part: &Part,
    mut write: impl FnMut(&Value) -> io::Result<()>,
) -> Result<(), AuditError> {
    let mut next = match &part.scope {
        Some(scope) => Some(scope.clone()),
        None => store.next_audit_scope("").await?,
    };
    while let Some(scope) = next {
        let mut links = store.audit_links(&scope);
        while let Some(link) = links.try_next().await? {
            if part.has(&link.fields) {
                let seal = link.seal;
                let (prev, hash) = (seal.prev.to_string(), seal.hash.to_string());
                let place =
                    json!({"scope": seal.scope, "seq": seal.seq, "prev": prev, "hash": hash, "keyed": seal.keyed});
                write(&with(place, link.fields))?;
            }
        }
        next = if part.scope.is_some() { None } else { store.next_audit_scope(&scope).await? };
    }
    let mut unsealed = store.unsealed_audit_entries();
    while let Some(entry) = unsealed.try_next().await? {
        if part.scope.as_ref().is_none_or(|scope| *scope == entry.scope) && part.has(&entry.fields) {
            write(&with(json!({"scope": entry.scope}), entry.fields))?;
        }
    }
    Ok(())
}

fn with(mut place: Value, entry: Map<String, Value>) -> Value {
    if let Value::Object(place) = &mut place {
        place.insert("entry".to_owned(), Value::Object(entry));
    }
    place
}
