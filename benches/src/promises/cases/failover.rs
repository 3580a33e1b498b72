//! Promise 8: how long nobody can write when the primary is killed, and what happens when the majority is lost: changes
//! are refused with 503 and `Retry-After` in time, reads that decide on rights are refused once nobody knows any more
//! what holds, and everything comes back by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rolekeeper_bench::measure::quantile;
use rolekeeper_bench::place::Kind;
use serde_json::json;

use super::lanes;
use crate::caller::{Call, Caller, Outcome, Who};
use crate::replica::{DEFAULT_ELECTIONS, Replica};
use crate::report::Control;
use crate::stage::{Build, QUICK_ELECTIONS, Site, Stage, create_role, somebody};

const CLIENTS: usize = 6;
const LIMIT: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(20);
/// How long what is kept in memory counts without being confirmed.
const BOUND: Duration = Duration::from_secs(2);
/// A server tries a change for ten seconds, and its last attempt may take as long again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(25);

/// On MongoDB: the embedded store has nobody to fail over to.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(8) || !stage.args.on(Kind::Mongo) {
        return Ok(());
    }
    let site = Arc::new(stage.site(Kind::Mongo, Build::Ours, CLIENTS as u64).await?);
    let replica = stage.replica().await?;
    let role = create_role(&mut site.caller(0)?, &site.admin, "fail-over", "Users").await?;
    for (elections, bound, rounds) in
        [(QUICK_ELECTIONS, 4.0, stage.args.amount(2, 20)), (DEFAULT_ELECTIONS, 12.0, stage.args.amount(1, 20))]
    {
        replica.set_elections(elections).await?;
        let mut gaps = Vec::new();
        for _ in 0..rounds {
            gaps.push(gap(&site, &replica, &role).await?);
        }
        let seconds = |part| quantile(&gaps, part) / 1e6;
        let (p50, p95) = (seconds(0.5), seconds(0.95));
        let figure = format!("p50 {p50:.1} s, p95 {p95:.1} s of {rounds} kills (at most {bound} s)");
        let promise = format!("kill of the primary to the first success, elections {} s", elections / 1_000);
        stage.report.add(8, Some(Kind::Mongo), &promise, figure, &Control::NotRun("none: a time"), p95 <= bound);
    }
    let lost = majority_lost(&site, &replica, &role).await;
    replica.set_elections(QUICK_ELECTIONS).await?;
    lost?.tell(stage);
    let site = Arc::into_inner(site).context("somebody still uses the servers")?;
    site.end().await
}

/// Gives or takes a role: a change that can be made at any time and again.
fn change(role: &str, account: &Who, give: bool) -> Call {
    let path = if give { "/api/v1/roles.addUserToRole" } else { "/api/v1/roles.removeUserFromRole" };
    Call::post(path, json!({"username": account.username, "roleId": role}))
}

/// From the kill to the first success of a change that was sent after it.
async fn gap(site: &Arc<Site>, replica: &Replica, role: &str) -> Result<Duration> {
    replica.until_whole().await?;
    let primary = replica.primary().await?;
    replica.kill(primary).await?;
    let since = Instant::now();
    let waits = lanes(CLIENTS, |number| {
        let (site, role) = (Arc::clone(site), role.to_owned());
        async move {
            // One after the other, so that one of them soon meets the new primary.
            tokio::time::sleep(PAUSE * u32::try_from(number)?).await;
            let mut caller =
                Caller::within(site.nodes.get(number % site.nodes.len()).context("no server")?.address, LIMIT);
            let account = somebody(number as u64);
            for round in 0_u32.. {
                let outcome = caller.ask(&site.admin, &change(&role, &account, round % 2 == 0)).await;
                // 400: the change before did happen, though nobody said so.
                if matches!(&outcome, Outcome::Answered(reply) if reply.is_success() || reply.status == 400) {
                    break;
                }
                anyhow::ensure!(since.elapsed() < LIMIT * 2, "no change succeeds any more: {outcome:?}");
                tokio::time::sleep(PAUSE).await;
            }
            Ok(since.elapsed())
        }
    });
    let waits = waits.await?;
    replica.launch(primary).await?;
    replica.until_whole().await?;
    // Whoever is left with the role gives it back.
    for number in 0..CLIENTS {
        let answer = site.caller(0)?.answer(&site.admin, &change(role, &somebody(number as u64), false)).await?;
        anyhow::ensure!(answer.is_success() || answer.status == 400, "{}", answer.text());
    }
    waits.into_iter().min().context("nobody waited")
}

/// What happened while two of three members were gone.
#[derive(Debug, Default)]
struct Lost {
    refused: usize,
    wrong: Vec<String>,
    longest: Duration,
    granted_late: usize,
    last_grant: Duration,
    reads_refused: usize,
    recovery: Duration,
}

impl Lost {
    fn tell(&self, stage: &mut Stage) {
        for problem in self.wrong.iter().take(10) {
            println!("   {problem}");
        }
        let none = Control::NotRun("none: what is refused is counted");
        let figure = format!(
            "{} changes, each 503 with Retry-After within {:.1} s (at most {} s), {} answered otherwise",
            self.refused,
            self.longest.as_secs_f64(),
            WRITE_TIMEOUT.as_secs(),
            self.wrong.len()
        );
        let holds = self.refused > 0 && self.wrong.is_empty() && self.longest <= WRITE_TIMEOUT;
        stage.report.add(8, Some(Kind::Mongo), "majority lost: changes are refused in time", figure, &none, holds);
        let figure = format!(
            "{} granted later than {} s after it (the last after {:.2} s), {} refused with 503",
            self.granted_late,
            BOUND.as_secs(),
            self.last_grant.as_secs_f64(),
            self.reads_refused
        );
        let holds = self.granted_late == 0 && self.reads_refused > 0;
        stage.report.add(8, Some(Kind::Mongo), "majority lost: rights fail closed", figure, &none, holds);
        let figure = format!("{:.1} s after the members are back, nothing restarted", self.recovery.as_secs_f64());
        stage.report.add(8, Some(Kind::Mongo), "majority back: recovery by itself", figure, &none, true);
    }
}

async fn majority_lost(site: &Arc<Site>, replica: &Replica, role: &str) -> Result<Lost> {
    let secondaries = replica.secondaries().await?;
    for member in &secondaries {
        replica.kill(*member).await?;
    }
    let since = Instant::now();
    let mut lost = Lost::default();
    let reads = lanes(2, |number| {
        let site = Arc::clone(site);
        async move { reads(&site, number, since).await }
    });
    let writes = lanes(4, |number| {
        let (site, role) = (Arc::clone(site), role.to_owned());
        async move { writes(&site, number, &role, since).await }
    });
    let (reads, writes) = tokio::try_join!(reads, writes)?;
    for part in reads.into_iter().chain(writes) {
        lost.refused += part.refused;
        lost.reads_refused += part.reads_refused;
        lost.granted_late += part.granted_late;
        lost.last_grant = lost.last_grant.max(part.last_grant);
        lost.longest = lost.longest.max(part.longest);
        lost.wrong.extend(part.wrong);
    }
    for member in secondaries {
        replica.launch(member).await?;
    }
    let since = Instant::now();
    let mut caller = Caller::within(site.nodes.first().context("no server")?.address, LIMIT);
    loop {
        let outcome = caller.ask(&site.admin, &change(role, &somebody(0), true)).await;
        if matches!(&outcome, Outcome::Answered(reply) if reply.is_success() || reply.status == 400) {
            break;
        }
        anyhow::ensure!(since.elapsed() < LIMIT * 3, "it does not recover: {outcome:?}");
        tokio::time::sleep(PAUSE).await;
    }
    lost.recovery = since.elapsed();
    replica.until_whole().await?;
    Ok(lost)
}

const WITHOUT_MAJORITY: Duration = Duration::from_secs(14);

/// Asks all the time for what takes a right; what is granted too late is counted from when it was asked for.
async fn reads(site: &Site, number: usize, since: Instant) -> Result<Lost> {
    let mut lost = Lost::default();
    let mut caller = Caller::within(site.nodes.get(number).context("no server")?.address, LIMIT);
    while since.elapsed() < WITHOUT_MAJORITY {
        let asked = since.elapsed();
        match caller.ask(&site.admin, &Call::get("/api/v1/roles.getUsersInRole?role=admin")).await {
            Outcome::Answered(reply) if reply.is_success() => {
                lost.last_grant = lost.last_grant.max(asked);
                lost.granted_late += usize::from(asked > BOUND);
            }
            Outcome::Answered(reply) if reply.status == 503 => lost.reads_refused += 1,
            other => lost.wrong.push(format!("a read after {asked:?}: {other:?}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(lost)
}

async fn writes(site: &Site, number: usize, role: &str, since: Instant) -> Result<Lost> {
    let mut lost = Lost::default();
    let address = site.nodes.get(number % site.nodes.len()).context("no server")?.address;
    let mut caller = Caller::within(address, LIMIT);
    while since.elapsed() < WITHOUT_MAJORITY {
        let asked = Instant::now();
        let outcome = caller.ask(&site.admin, &change(role, &somebody(number as u64), true)).await;
        lost.longest = lost.longest.max(asked.elapsed());
        match outcome {
            Outcome::Answered(reply) if reply.status == 503 && reply.retry_after.is_some() => lost.refused += 1,
            other => lost.wrong.push(format!("a change: {other:?}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(lost)
}
