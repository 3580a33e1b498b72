//! Examining a workspace: every finding one by one, repaired where that is wanted and nobody has to choose. Works on a
//! store alone, without a server; how the findings are shown is the business of whoever asks.

use serde::Serialize;

use crate::clock::Clock;
use crate::domain::audit::AuditContext;
use crate::domain::finding::{Check, Finding, Severity, of_rights};
use crate::store::{CheckStore, Conflict, Result, Seed, StoreError, Unique};

/// Findings that are held in memory at once.
const PAGE: u64 = 500;

/// Whether findings are repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Nothing changes.
    Examine,
    /// What can be repaired without anybody choosing is.
    Repair,
}

/// What came of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "snake_case")]
pub enum Outcome {
    /// It holds, and nothing was done.
    Found,
    /// It was repaired.
    Repaired,
    /// It does not hold any more: somebody else was faster.
    Gone,
    /// It stays, because its repair would break another rule.
    Kept(&'static str),
}

/// A finding on its way to whoever asked.
#[derive(Debug)]
pub enum Report<'a> {
    /// Something was found; before anything is done about it.
    Found(&'a Finding),
    /// What came of it.
    Ended(&'a Finding, &'a Outcome),
}

/// Everything in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Invariants that did not hold.
    pub problems: u64,
    /// What is only worth knowing.
    pub notices: u64,
    /// How many of either were repaired, or were gone before that.
    pub repaired: u64,
    /// Problems that stay.
    pub left: u64,
}

impl Summary {
    fn count(&mut self, finding: &Finding, outcome: &Outcome) {
        let done = matches!(outcome, Outcome::Repaired | Outcome::Gone);
        self.repaired += u64::from(done);
        match finding.severity() {
            Severity::Problem => {
                self.problems += 1;
                self.left += u64::from(!done);
            }
            Severity::Notice => self.notices += 1,
        }
    }
}

struct Examination<'a, S: ?Sized> {
    store: &'a S,
    clock: &'a dyn Clock,
    treatment: Treatment,
    report: &'a mut (dyn FnMut(Report<'_>) + Send),
    summary: Summary,
}

/// Examines everything, and repairs it where that is wanted. Each finding is reported before and after.
///
/// # Errors
/// What the store says; what was repaired until then stays so.
pub async fn examine(
    store: &dyn CheckStore,
    clock: &dyn Clock,
    treatment: Treatment,
    report: &mut (dyn FnMut(Report<'_>) + Send),
) -> Result<Summary> {
    let mut examination = Examination { store, clock, treatment, report, summary: Summary::default() };
    // First: what comes after it reads roles.
    let incomplete = store.incomplete_roles().await?;
    examination.treat(incomplete).await?;
    let (roles, rights) = (store.roles().await?, store.rights().await?);
    let expected = Seed::defaults(clock.now()).permissions.into_iter();
    let of_rights = of_rights(roles.all(), rights.permissions(), rights.settings(), expected);
    examination.treat(of_rights).await?;
    for check in Check::ALL {
        examination.search(check).await?;
    }
    Ok(examination.summary)
}

impl<S: CheckStore + ?Sized> Examination<'_, S> {
    async fn search(&mut self, check: Check) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let found = self.store.find(check, after.as_deref(), PAGE).await?;
            self.treat(found.findings).await?;
            match found.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn treat(&mut self, findings: Vec<Finding>) -> Result<()> {
        for finding in findings {
            (self.report)(Report::Found(&finding));
            let outcome = match self.treatment {
                Treatment::Repair if finding.repair().is_some() => self.repair(&finding).await?,
                _ => Outcome::Found,
            };
            self.summary.count(&finding, &outcome);
            (self.report)(Report::Ended(&finding, &outcome));
        }
        Ok(())
    }

    async fn repair(&self, finding: &Finding) -> Result<Outcome> {
        match self.store.repair(finding, &AuditContext::system(self.clock.now())).await {
            Ok(true) => Ok(Outcome::Repaired),
            Ok(false) => Ok(Outcome::Gone),
            Err(StoreError::Conflict(Conflict::PermissionsLockout)) => {
                Ok(Outcome::Kept("afterwards nobody active could administer permissions"))
            }
            Err(StoreError::AlreadyExists(Unique::RoleName)) => {
                Ok(Outcome::Kept("another role has its name; rename that one first"))
            }
            Err(failure) => Err(failure),
        }
    }
}
