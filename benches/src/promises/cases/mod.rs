//! The promises, one file for each family. Every case prepares servers and data of its own, does its worst, compares what
//! was acknowledged with what is there, and adds its line to the report.

mod alike;
mod failover;
mod last;
mod lockout;
mod login_timing;
mod names;
mod once;
mod orphans;
mod revisions;
mod rolling;
mod survive;
mod torn;
mod visible;

use std::future::Future;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::caller::{Call, Caller, Outcome, Who};
use crate::stage::Stage;

/// Rounds before another workspace goes on, where each leaves roles or accounts behind and something looks at all of them:
/// in one workspace every round would take longer than the one before.
const IN_ONE_WORKSPACE: usize = 500;

/// Every promise that is asked for, in the order of what would be worst to lose.
pub async fn run_all(stage: &mut Stage) -> Result<()> {
    survive::run(stage).await.context("6, what was acknowledged survives")?;
    failover::run(stage).await.context("8, fail-over")?;
    orphans::run(stage).await.context("1, no orphans")?;
    names::run(stage).await.context("2, unique names")?;
    last::run(stage).await.context("3, the last administrator")?;
    lockout::run(stage).await.context("4, never locked out")?;
    torn::run(stage).await.context("5, all or nothing")?;
    once::run(stage).await.context("7, a retry happens once")?;
    visible::run(stage).await.context("9, revocation is visible")?;
    revisions::run(stage).await.context("10, If-Match")?;
    alike::run(stage).await.context("11, both stores behave alike")?;
    rolling::run(stage).await.context("16, rolling restart")?;
    login_timing::run(stage).await.context("19, the time of a refusal")?;
    if stage.args.wants(17) {
        stage.report.skip(
            17,
            "rate limits are exact",
            "in the test suite, with an injected clock: tests/api/rate_limit.rs",
        );
    }
    Ok(())
}

/// Requests that are to be sent at the same moment, each by its client.
pub struct Volley {
    asked: Vec<(Caller, Who, Call)>,
}

impl Volley {
    /// Without any yet.
    pub const fn new() -> Self {
        Self { asked: Vec::new() }
    }

    /// One more.
    pub fn add(&mut self, caller: Caller, who: &Who, call: Call) {
        self.asked.push((caller, who.clone(), call));
    }

    /// Sends all of them at once; how they ended, in the order in which they were added, and the clients for the next time.
    pub async fn fire(self) -> Result<Vec<(Caller, Outcome)>> {
        let start = Arc::new(Barrier::new(self.asked.len()));
        let mut tasks = Vec::new();
        for (mut caller, who, call) in self.asked {
            let start = Arc::clone(&start);
            tasks.push(tokio::spawn(async move {
                start.wait().await;
                let outcome = caller.ask(&who, &call).await;
                (caller, outcome)
            }));
        }
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await?);
        }
        Ok(outcomes)
    }
}

/// Does the same in several lanes at once, each with a number, and adds up what they give.
pub async fn lanes<F, T>(count: usize, lane: impl Fn(usize) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(lane(number));
    }
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result??);
    }
    Ok(results)
}
