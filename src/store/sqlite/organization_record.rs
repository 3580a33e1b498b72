//! The record of an organization: the entries of the one record that name it, found by the index `audit_organization`.
//! Writing entries is in `audit`.

use rusqlite::{Connection, Params};

use super::query::{Query as _, bounded, json};
use crate::domain::audit::AuditEntry;
use crate::domain::ids::{OrganizationId, RoleId, UserId};
use crate::domain::time::Timestamp;
use crate::store::organizations::RecordFilter;
use crate::store::{Listing, Page, Result};

/// What is asked for, in the very words of the index.
macro_rules! wanted {
    ($start:literal, $end:literal) => {
        concat!(
            $start,
            " FROM audit WHERE json_extract(entry, '$.organization') = ?1 \
             AND json_extract(entry, '$.at') >= ?2 AND json_extract(entry, '$.at') <= ?3 \
             AND (?4 IS NULL OR json_extract(entry, '$.action') = ?4) \
             AND (?5 IS NULL OR json_extract(entry, '$.actor.id') = ?5) \
             AND (?6 IS NULL OR json_extract(entry, '$.user') = ?6) \
             AND (?7 IS NULL OR json_extract(entry, '$.role') = ?7) \
             AND (?8 IS NULL OR json_extract(entry, '$.at') < ?8 \
             OR (json_extract(entry, '$.at') = ?8 AND id < ?9)) ",
            $end
        )
    };
}

const LIST: &str = wanted!("SELECT entry", "ORDER BY json_extract(entry, '$.at') DESC, id DESC LIMIT ?10 OFFSET ?11");

/// Dates are compared as the texts that they are stored as; these stand before and behind all of them.
const EARLIEST: &str = "0";
const LATEST: &str = "9999-99";

/// The entries that fit, latest first.
pub(super) fn list(
    db: &Connection,
    place: &OrganizationId,
    filter: &RecordFilter,
    page: Page,
) -> Result<Listing<AuditEntry>> {
    let total = db.count(wanted!("SELECT COUNT(*)", "AND ?10 IS NULL AND ?11 IS NULL"), params(place, filter, None))?;
    let items = db.all(LIST, params(place, filter, Some(page)), |row| json(row, "entry"))?;
    Ok(Listing { items, total })
}

fn params(place: &OrganizationId, filter: &RecordFilter, page: Option<Page>) -> impl Params {
    let date =
        |date: Option<Timestamp>, otherwise: &str| date.map_or_else(|| otherwise.to_owned(), |at| at.to_string());
    (
        place.as_str().to_owned(),
        date(filter.from, EARLIEST),
        date(filter.to, LATEST),
        filter.action.clone(),
        filter.actor.as_ref().map(|id: &UserId| id.as_str().to_owned()),
        filter.user.as_ref().map(|id| id.as_str().to_owned()),
        filter.role.as_ref().map(|id: &RoleId| id.as_str().to_owned()),
        filter.behind.as_ref().map(|(at, _)| at.to_string()),
        filter.behind.as_ref().map(|(_, id)| id.clone()),
        page.map(|page| page.count.map_or(-1, bounded)),
        page.map(|page| bounded(page.offset)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::open::open_memory;

    /// However long the record of everybody is, that of an organization is read from its own place, already in order.
    #[test]
    fn the_index_finds_the_entries_and_has_them_in_order() {
        let db = open_memory().unwrap();
        let (place, filter) = (OrganizationId::from_stored("org_1"), RecordFilter::default());
        let params = params(&place, &filter, Some(Page { offset: 0, count: Some(10) }));
        let plan = db.all(&format!("EXPLAIN QUERY PLAN {LIST}"), params, |row| Ok(row.get::<_, String>("detail")?));
        let steps = plan.unwrap();
        assert_eq!(steps, ["SEARCH audit USING INDEX audit_organization (<expr>=? AND <expr>>? AND <expr><?)"]);
    }
}
