//! Promise 5: `permissions.update` is all or nothing. The server is killed while it replaces the lists of many
//! permissions; whatever moment that was, all of them are afterwards as before, or all are new.
//!
//! The control sends the same lists one by one: then a kill leaves some of each, which shows that kills fall into the
//! time in which lists are written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rolekeeper_bench::place::Kind;
use serde_json::{Value, json};

use crate::caller::{Call, Caller, Outcome};
use crate::picture::Source;
use crate::report::Control;
use crate::stage::{Build, Site, Stage, create_role};

/// How many lists one request replaces.
const LISTS: usize = 60;
const LIMIT: Duration = Duration::from_secs(20);
/// `transactionLifetimeLimitSeconds`, and as long again until MongoDB looks for what is too old.
const STUCK: Duration = Duration::from_secs(120);

/// What the kills of a run gave.
#[derive(Debug, Default)]
struct Count {
    torn: Vec<String>,
    /// Acknowledged and yet not there.
    lost: usize,
    unanswered: usize,
    before: usize,
    after: usize,
}

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(5) {
        return Ok(());
    }
    if stage.args.on(Kind::Mongo) {
        left_open(stage).await?;
    }
    for kind in stage.args.stores() {
        let kills = stage.args.amount(12, 1_000);
        let count = killed(stage, kind, kills, true).await?;
        let of_control = stage.args.amount(6, 50);
        let control = Control::Found(killed(stage, kind, of_control, false).await?.torn.len(), of_control);
        for problem in count.torn.iter().take(10) {
            println!("   {problem}");
        }
        let Count { torn, lost, unanswered, before, after } = &count;
        let figure = format!(
            "{} torn, {lost} lost in {kills} kills during {LISTS} lists ({unanswered} unanswered: {before} as before, {after} new)",
            torn.len()
        );
        stage.report.add(
            5,
            Some(kind),
            "permissions.update is all or nothing",
            figure,
            &control,
            torn.is_empty() && *lost == 0,
        );
    }
    Ok(())
}

/// How long the other server cannot make a change of the same things when one is killed in the middle: the database
/// keeps the transaction that nobody will end until it is too old. Not part of the short form, for it takes minutes.
async fn left_open(stage: &mut Stage) -> Result<()> {
    let rounds = stage.args.amount(0, 5);
    if rounds == 0 {
        return Ok(());
    }
    let site = stage.site(Kind::Mongo, Build::Ours, 0).await?;
    let (node, other) = (site.nodes.first().context("no server")?, site.nodes.get(1).context("no other server")?);
    let marker = create_role(&mut site.caller(0)?, &site.admin, "marker", "Users").await?;
    let all = site.source()?.picture().await?.permissions;
    let names: Vec<String> = all.into_keys().filter(|name| name != "access-permissions").take(LISTS).collect();
    let mut times = Vec::new();
    for _ in 0..rounds {
        let usual = usual_time(&site, &names, &marker, true).await?;
        let mut caller = Caller::within(node.address, LIMIT);
        let marked: [&str; 1] = [&marker];
        let request = change(&mut caller, &site, &names, &marked, true);
        let (_, killed) = tokio::join!(request, async {
            tokio::time::sleep(usual / 2).await;
            node.kill().await
        });
        killed?;
        let since = Instant::now();
        let mut caller = Caller::within(other.address, LIMIT);
        while !change(&mut caller, &site, &names, &marked, true).await.is_success() {
            anyhow::ensure!(since.elapsed() < STUCK * 2, "the change does not succeed any more");
        }
        times.push(since.elapsed());
        node.start().await?;
    }
    let worst = times.iter().max().copied().unwrap_or_default();
    let figure = format!(
        "{:.1} s at most of {rounds} kills (at most {} s: the database's limit for transactions)",
        worst.as_secs_f64(),
        STUCK.as_secs()
    );
    let none = Control::NotRun("none: a time");
    stage.report.add(
        5,
        Some(Kind::Mongo),
        "killed in a change: the other server goes on",
        figure,
        &none,
        worst <= STUCK,
    );
    site.end().await
}

async fn killed(stage: &mut Stage, kind: Kind, kills: usize, at_once: bool) -> Result<Count> {
    let site = Arc::new(stage.site(kind, Build::Ours, 0).await?);
    let replica = if kind == Kind::Mongo { Some(stage.replica().await?) } else { None };
    let mut random = stage.random.branch(5 + u64::from(at_once));
    let source = site.source()?;
    let marker = create_role(&mut site.caller(0)?, &site.admin, "marker", "Users").await?;
    let all = source.picture().await?.permissions;
    // Not the one that the next request needs.
    let names: Vec<String> = all.into_keys().filter(|name| name != "access-permissions").take(LISTS).collect();
    // Both states are made by the same request, so that nothing else tells them apart.
    let mut marked = false;
    change(&mut site.caller(0)?, &site, &names, &[], true).await.reply().context("no answer")?.ok()?;
    let usual = usual_time(&site, &names, &marker, at_once).await?;
    // Of none of the lists.
    let other = json!({"_id": "access-permissions", "roles": ["admin"]});
    let mut count = Count::default();
    for number in 0..kills {
        let node = site.nodes.get(number % site.nodes.len()).context("no server")?;
        let roles: &[&str] = if marked { &[] } else { &[&marker] };
        let mut caller = Caller::within(node.address, LIMIT);
        // A server that has just started is slower at first.
        caller.done(&site.admin, &Call::post("/api/v1/permissions.update", json!({"permissions": [other]}))).await?;
        // Every other kill may come later: what is slower than usual is to be met as well, and what was just acknowledged.
        let moment = random.time(if number % 2 == 0 { usual } else { usual * 4 });
        let request = change(&mut caller, &site, &names, roles, at_once);
        let (outcome, killed) = tokio::join!(request, async {
            tokio::time::sleep(moment).await;
            node.kill().await
        });
        killed?;
        if let Some(replica) = &replica {
            // Or the next requests would meet the locks of this one, and none of them would get far enough to be torn.
            replica.end_transactions().await?;
        }
        node.start().await?;
        let is_marked = state(&source, &names, &marker).await?;
        count.unanswered += usize::from(outcome == Outcome::Unanswered);
        match is_marked {
            Some(now) if outcome.is_success() && now == marked => count.lost += 1,
            Some(now) if now == marked => count.before += usize::from(outcome == Outcome::Unanswered),
            Some(_) => count.after += usize::from(outcome == Outcome::Unanswered),
            None => {
                count.torn.push(format!("kill {number}, after {moment:?}: some lists are new, some are not"));
                change(&mut site.caller(number)?, &site, &names, &[], true).await.reply().context("no answer")?.ok()?;
            }
        }
        marked = is_marked.unwrap_or(false);
    }
    let site = Arc::into_inner(site).context("somebody still uses the servers")?;
    site.end().await?;
    Ok(count)
}

/// How long the request takes when nobody is killed, and a bit more: kills fall before, into and after it.
async fn usual_time(site: &Site, names: &[String], marker: &str, at_once: bool) -> Result<Duration> {
    let since = Instant::now();
    // Each of them changes all lists; in the end they are as they were.
    let rounds: [&[&str]; 4] = [&[marker], &[], &[marker], &[]];
    for roles in rounds {
        change(&mut site.caller(0)?, site, names, roles, at_once).await.reply().context("no answer")?.ok()?;
    }
    Ok((since.elapsed() / 4).mul_f64(1.3).max(Duration::from_millis(2)))
}

/// Replaces all lists, with one request or with one for each.
async fn change(caller: &mut Caller, site: &Site, names: &[String], roles: &[&str], at_once: bool) -> Outcome {
    let roles: Vec<&str> = std::iter::once("admin").chain(roles.iter().copied()).collect();
    let lists: Vec<Value> = names.iter().map(|name| json!({"_id": name, "roles": roles})).collect();
    let mut outcome = Outcome::Unsent;
    for part in lists.chunks(if at_once { lists.len() } else { 1 }) {
        outcome =
            caller.ask(&site.admin, &Call::post("/api/v1/permissions.update", json!({"permissions": part}))).await;
        if !outcome.is_success() {
            break;
        }
    }
    outcome
}

/// Whether the lists name the marker; `None` when some do.
async fn state(source: &Source, names: &[String], marker: &str) -> Result<Option<bool>> {
    let permissions = source.picture().await?.permissions;
    let marked = names.iter().filter(|name| permissions.get(*name).is_some_and(|roles| roles.contains(marker))).count();
    Ok(match marked {
        0 => Some(false),
        all if all == names.len() => Some(true),
        _ => None,
    })
}
