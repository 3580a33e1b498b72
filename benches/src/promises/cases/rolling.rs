//! Promise 16: a clean stop fails nobody. Both servers are restarted by turns under load. A client behaves as a load
//! balancer: it opens a connection for each request, and where none is taken it goes to the other server. Everything else
//! that is no answer counts as failed: a connection that was taken and ended without an answer, an answer with 5xx,
//! nobody who takes the connection.
//!
//! The control kills the servers instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rolekeeper_bench::place::Kind;
use serde_json::json;
use tokio::task::JoinSet;

use crate::caller::{Call, Caller, Outcome, Who};
use crate::report::Control;
use crate::stage::{Build, Site, Stage, create_role, somebody};

const CLIENTS: u64 = 8;
const BETWEEN: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_secs(20);

/// What the clients count together.
#[derive(Debug, Default)]
struct Count {
    sent: AtomicUsize,
    elsewhere: AtomicUsize,
    unanswered: AtomicUsize,
    errors: AtomicUsize,
    nobody: AtomicUsize,
    enough: AtomicBool,
}

impl Count {
    fn failed(&self) -> usize {
        [&self.unanswered, &self.errors, &self.nobody].map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }
}

/// With two servers, which only MongoDB has.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(16) || !stage.args.on(Kind::Mongo) {
        return Ok(());
    }
    let (requests, restarts) = (stage.args.amount(1_000, 10_000), stage.args.amount(4, 20));
    let count = restarted(stage, requests, restarts, true).await?;
    let killed = restarted(stage, 200, stage.args.amount(2, 6), false).await?;
    let control = Control::Found(killed.failed(), killed.sent.load(Ordering::Relaxed));
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let figure = format!(
        "{} failed of {} requests over {restarts} restarts ({} unanswered, {} with 5xx, {} taken by nobody; {} went to the other server)",
        count.failed(),
        of(&count.sent),
        of(&count.unanswered),
        of(&count.errors),
        of(&count.nobody),
        of(&count.elsewhere)
    );
    stage.report.add(16, Some(Kind::Mongo), "a clean stop fails nobody", figure, &control, count.failed() == 0);
    Ok(())
}

async fn restarted(stage: &mut Stage, requests: usize, restarts: usize, cleanly: bool) -> Result<Arc<Count>> {
    let site = Arc::new(stage.site(Kind::Mongo, Build::Ours, CLIENTS).await?);
    let role = create_role(&mut site.caller(0)?, &site.admin, "rolling", "Users").await?;
    let count = Arc::new(Count::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(Arc::clone(&site), number, role.clone(), Arc::clone(&count)));
    }
    let mut done = 0;
    while done < restarts || count.sent.load(Ordering::Relaxed) < requests {
        ensure!(done < restarts * 50, "the clients do not get on");
        let node = site.nodes.get(done % site.nodes.len()).context("no server")?;
        tokio::time::sleep(BETWEEN).await;
        if cleanly {
            node.stop().await?
        } else {
            node.kill().await?
        }
        tokio::time::sleep(BETWEEN / 4).await;
        node.start().await?;
        done += 1;
    }
    tokio::time::sleep(BETWEEN).await;
    count.enough.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let site = Arc::into_inner(site).context("somebody still uses the servers")?;
    site.end().await?;
    Ok(count)
}

/// Reads and changes by turns, each over a connection of its own.
async fn client(site: Arc<Site>, number: u64, role: String, count: Arc<Count>) -> Result<()> {
    let account = somebody(number);
    let mut at = usize::try_from(number)?;
    for round in 0_u32.. {
        if count.enough.load(Ordering::Relaxed) {
            break;
        }
        let body = json!({"username": account.username, "roleId": role});
        let call = match round % 4 {
            0 => Call::post("/api/v1/roles.addUserToRole", body),
            1 => Call::get("/api/v1/me"),
            2 => Call::post("/api/v1/roles.removeUserFromRole", body),
            _ => Call::get("/api/v1/roles.list"),
        };
        at += 1;
        ask(&site, &mut at, &call, &count).await?;
    }
    Ok(())
}

async fn ask(site: &Site, at: &mut usize, call: &Call, count: &Count) -> Result<()> {
    let more = |count: &AtomicUsize| {
        count.fetch_add(1, Ordering::Relaxed);
    };
    more(&count.sent);
    let who: &Who = &site.admin;
    for _ in 0..site.nodes.len() {
        let node = site.nodes.get(*at % site.nodes.len()).context("no server")?;
        match Caller::within(node.address, LIMIT).ask_afresh(who, call).await {
            Outcome::Unsent => {
                more(&count.elsewhere);
                *at += 1;
            }
            Outcome::Unanswered => {
                more(&count.unanswered);
                return Ok(());
            }
            Outcome::Answered(reply) => {
                if reply.status >= 500 {
                    more(&count.errors);
                }
                return Ok(());
            }
        }
    }
    more(&count.nobody);
    Ok(())
}
