//! The record of the workspace for whoever administers it: who changed what, latest first. Whether it is whole is found
//! out in [`verify`]; the record of one organization is in `service::organizations`.

pub mod verify;

use data_encoding::BASE64URL_NOPAD;

use super::{Result, Services};
use crate::domain::audit::{Actor, AuditEntry, Effect};
use crate::domain::audit_chain::Head;
use crate::domain::time::Timestamp;
use crate::store::{Period, Store};

/// Entries that one request looks at, at most. Who asks for what is rare gets a shorter answer, and a cursor to go on.
const LOOKED_AT: u64 = 5_000;
/// Entries that are read at once to find those that are wanted.
const PIECE: u64 = 500;
/// Entries of an answer, unless it is said, and at most.
const DEFAULT_COUNT: u64 = 50;
const MOST: u64 = 100;

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of that kind.
    pub action: Option<String>,
    /// Made by somebody with that id or username.
    pub actor: Option<String>,
    /// About something with that id.
    pub target: Option<String>,
    /// About that role.
    pub role: Option<String>,
    /// Of this time and later.
    pub from: Option<Timestamp>,
    /// Of this time and earlier.
    pub to: Option<Timestamp>,
}

impl Wanted {
    /// Whether every entry of the time is wanted, so that no more need be read than are shown.
    const fn is_all_of_the_time(&self) -> bool {
        self.action.is_none() && self.actor.is_none() && self.target.is_none() && self.role.is_none()
    }

    fn fits(&self, entry: &AuditEntry, effect: &Effect) -> bool {
        let is = |wanted: &Option<String>, fits: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(fits);
        let actor = |wanted: &str| match &entry.context.actor {
            Actor::User { id, username } => id.as_str() == wanted || username == wanted,
            Actor::System => wanted == "system",
        };
        is(&self.action, &|action| effect.action == action)
            && is(&self.actor, &actor)
            && is(&self.target, &|id| effect.concerns(id))
            && is(&self.role, &|id| effect.concerns_role(id))
    }
}

/// A part of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Entries, latest first, with what each change did.
    pub entries: Vec<(AuditEntry, Effect)>,
    /// Where to go on; `None` when there is nothing more.
    pub cursor: Option<Cursor>,
}

/// A place in the record, behind an entry; stays right whatever is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    at: Timestamp,
    id: String,
}

impl Cursor {
    fn behind(entry: &AuditEntry) -> Self {
        Self { at: entry.context.at, id: entry.id.clone() }
    }

    /// As a client keeps it.
    pub fn text(&self) -> String {
        BASE64URL_NOPAD.encode(format!("{}.{}", self.at.as_millis(), self.id).as_bytes())
    }

    /// What [`Cursor::text`] gave; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
        let (millis, id) = text.split_once('.')?;
        Some(Self { at: Timestamp::from_millis(millis.parse().ok()?), id: id.to_owned() })
    }
}

impl Services {
    /// The entries that are wanted, latest first, behind `cursor`; `count` is how many at most.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_audit(&self, wanted: &Wanted, count: Option<f64>, cursor: Option<Cursor>) -> Result<AuditPage> {
        let count = count.filter(|count| *count >= 1.0).map_or(DEFAULT_COUNT, |count| super::bounded(count, i64::MAX));
        // One more tells whether there are any behind them.
        let at_once = if wanted.is_all_of_the_time() { count.min(MOST) + 1 } else { PIECE };
        let count = usize::try_from(count.min(MOST)).unwrap_or_default();
        let mut period = Period { from: wanted.from, to: wanted.to, behind: None };
        let (mut entries, mut last, mut looked_at) = (Vec::new(), cursor, 0);
        while looked_at < LOOKED_AT {
            period.behind = last.as_ref().map(|cursor| (cursor.at, cursor.id.clone()));
            let piece = self.store.page_audit_entries(&period, at_once).await?;
            let is_end = (piece.len() as u64) < at_once;
            looked_at += at_once;
            for entry in piece {
                if entries.len() == count {
                    return Ok(AuditPage { entries, cursor: last });
                }
                last = Some(Cursor::behind(&entry));
                let effect = entry.change.effect();
                if wanted.fits(&entry, &effect) {
                    entries.push((entry, effect));
                }
            }
            if is_end {
                return Ok(AuditPage { entries, cursor: None });
            }
        }
        Ok(AuditPage { entries, cursor: last })
    }
}

/// The newest sealed entry of each scope, of the first `most` of them by name, the workspace among them.
///
/// # Errors
/// What the store says.
pub async fn heads(store: &dyn Store, most: usize) -> Result<Vec<(String, Head)>> {
    let (mut heads, mut after) = (Vec::new(), String::new());
    let workspace = crate::domain::audit_chain::WORKSPACE;
    if let Some(head) = store.find_audit_head(workspace).await? {
        heads.push((workspace.to_owned(), head));
    }
    while heads.len() < most
        && let Some(scope) = store.next_audit_scope(&after).await?
    {
        after.clone_from(&scope);
        if scope != workspace
            && let Some(head) = store.find_audit_head(&scope).await?
        {
            heads.push((scope, head));
        }
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let cursor = Cursor { at: Timestamp::from_millis(-5), id: "0123".to_owned() };
        assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        for bad in ["", "x", "////", "MTIz", "eC4x"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
