//! The record of an organization: who changed what, page by page or all of it piece by piece.

use super::access::Seat;
use crate::domain::audit::AuditEntry;
use crate::service::{Result, Services};
use crate::store::organizations::RecordFilter;
use crate::store::{Listing, Page};

/// Entries that are read at once for an export.
const PIECE: u64 = 500;

impl Services {
    /// A page of the record, latest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_record(&self, seat: &Seat, filter: &RecordFilter, page: Page) -> Result<Listing<AuditEntry>> {
        Ok(self.store.list_organization_record(&seat.organization, filter, page).await?)
    }

    /// The next piece of the record, and the filter for the one behind it; `None` when this was the last.
    ///
    /// # Errors
    /// What the store says.
    pub async fn next_of_record(
        &self,
        seat: &Seat,
        filter: RecordFilter,
    ) -> Result<(Vec<AuditEntry>, Option<RecordFilter>)> {
        let page = Page { offset: 0, count: Some(PIECE) };
        let items = self.store.list_organization_record(&seat.organization, &filter, page).await?.items;
        let last = items.last().filter(|_| items.len() as u64 == PIECE);
        let behind = last.map(|entry| (entry.context.at, entry.id.clone()));
        let next = behind.map(|behind| RecordFilter { behind: Some(behind), ..filter });
        Ok((items, next))
    }
}
