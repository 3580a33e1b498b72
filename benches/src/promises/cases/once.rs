//! Promise 7: a retry happens once. The proxy cuts the connection after the request went through, sometimes before it is
//! dealt with, sometimes when the answer comes; the client asks again with the same `Idempotency-Key` through the other
//! server, and once more. All answers are the same bytes, and there is one effect.
//!
//! The control asks again without a key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rolekeeper_bench::place::Kind;
use serde_json::{Value, json};

use super::lanes;
use crate::caller::{Call, Caller, Outcome, Reply, Who};
use crate::proxy::{Fault, Proxy};
use crate::random::Random;
use crate::report::Control;
use crate::stage::{Build, Site, Stage, create_organization, create_role, somebody};

const LANES: usize = 4;
const KEY: &str = "Idempotency-Key";
const SURFACES: [Surface; 2] = [Surface::Organizations, Surface::Workspace];
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    /// `/v1/organizations`: making an organization, whose name may be taken.
    Organizations,
    /// `/api/v1`: redefining a role; each time it is done is on record, and the answer tells when.
    Workspace,
}

/// What the cuts of a run gave.
#[derive(Debug, Default)]
struct Count {
    double: usize,
    missing: usize,
    different: Vec<String>,
    cut: usize,
}

/// On each store and surface that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(7) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        for surface in SURFACES {
            let cuts = stage.args.amount(80, 5_000);
            let count = retried(stage, kind, surface, cuts, true).await?;
            let of_control = stage.args.amount(20, 100);
            let control = Control::Found(retried(stage, kind, surface, of_control, false).await?.double, of_control);
            for problem in count.different.iter().take(10) {
                println!("   {problem}");
            }
            let Count { double, missing, different, cut } = &count;
            let figure = format!(
                "{double} double effects of {cut} cut replies, {missing} without effect, {} answers that differ",
                different.len()
            );
            let holds = *double + *missing == 0 && different.is_empty() && *cut == cuts;
            let promise = match surface {
                Surface::Organizations => "a retry happens once, /v1/organizations",
                Surface::Workspace => "a retry happens once, /api/v1",
            };
            stage.report.add(7, Some(kind), promise, figure, &control, holds);
        }
    }
    Ok(())
}

async fn retried(stage: &mut Stage, kind: Kind, surface: Surface, cuts: usize, with_key: bool) -> Result<Count> {
    let site = Arc::new(stage.site(kind, Build::Ours, LANES as u64).await?);
    let random = stage.random.branch(7);
    let counts = lanes(LANES, |lane| {
        let (site, random) = (Arc::clone(&site), random.branch(lane as u64));
        async move { Lane::start(&site, surface, lane, with_key).await?.run(cuts / LANES, random).await }
    });
    let mut count = Count::default();
    for part in counts.await? {
        count.cut += part.cut;
        count.different.extend(part.different);
    }
    effects(&site, surface, cuts / LANES, &mut count).await?;
    let site = Arc::into_inner(site).context("somebody still uses the servers")?;
    site.end().await?;
    Ok(count)
}

/// How often each name is there: once.
async fn effects(site: &Site, surface: Surface, each: usize, count: &mut Count) -> Result<()> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    match surface {
        Surface::Organizations => {
            for name in site.source()?.picture().await?.organizations.into_values() {
                *found.entry(name).or_default() += 1;
            }
        }
        Surface::Workspace => {
            for entry in site.source()?.record().await? {
                if let Some(told) = entry["after"]["description"].as_str().filter(|_| entry["action"] == "role_updated")
                {
                    *found.entry(told.to_owned()).or_default() += 1;
                }
            }
        }
    }
    for lane in 0..LANES {
        for number in 0..each {
            match found.get(&name(lane, number)).copied().unwrap_or_default() {
                0 => count.missing += 1,
                1 => {}
                _ => count.double += 1,
            }
        }
    }
    Ok(())
}

fn name(lane: usize, number: usize) -> String {
    format!("retry {lane} {number}")
}

struct Lane {
    number: usize,
    surface: Surface,
    with_key: bool,
    who: Who,
    /// What the lane redefines.
    role: Value,
    proxy: Proxy,
    here: Caller,
    there: Caller,
    through: Caller,
}

impl Lane {
    async fn start(site: &Site, surface: Surface, number: usize, with_key: bool) -> Result<Self> {
        let proxy = Proxy::start(site.nodes.get(number % site.nodes.len()).context("no server")?.address).await?;
        let (mut here, there) = (site.caller(number)?, site.caller(number + 1)?);
        let (who, role) = match surface {
            Surface::Organizations => {
                let who = somebody(number as u64);
                create_organization(&mut here, &who, "warm-up").await?;
                (who, Value::Null)
            }
            Surface::Workspace => {
                let role = create_role(&mut here, &site.admin, &format!("Retried {number}"), "Users").await?;
                (site.admin.clone(), json!({"roleId": role, "name": format!("Retried {number}")}))
            }
        };
        let through = Caller::to(proxy.address);
        Ok(Self { number, surface, with_key, who, role, proxy, here, there, through })
    }

    fn call(&self, number: usize) -> Call {
        let name = name(self.number, number);
        let call = match self.surface {
            Surface::Organizations => Call::post("/v1/organizations", json!({"name": name})),
            Surface::Workspace => {
                let mut role = self.role.clone();
                role["description"] = name.into();
                Call::post("/api/v1/roles.update", role)
            }
        };
        if self.with_key { call.with(KEY, format!("key-{}-{number}", self.number)) } else { call }
    }

    async fn run(mut self, cuts: usize, mut random: Random) -> Result<Count> {
        let mut count = Count::default();
        for number in 0..cuts {
            self.proxy.set(if random.below(3) == 0 { Fault::CutAfterRequest } else { Fault::CutReply });
            let call = self.call(number);
            let first = self.through.ask_afresh(&self.who, &call).await;
            count.cut += usize::from(first == Outcome::Unanswered);
            // Sometimes the retry comes while the first is still under way.
            tokio::time::sleep(random.time(PAUSE)).await;
            let second = until_final(&mut self.there, &self.who, &call).await?;
            let third = until_final(&mut self.here, &self.who, &call).await?;
            if self.with_key && !(second.is_success() && second == third) {
                count.different.push(format!("{second:?} and {third:?}"));
            }
        }
        Ok(count)
    }
}

/// Asks until the answer is not that the same request is under way.
async fn until_final(caller: &mut Caller, who: &Who, call: &Call) -> Result<Reply> {
    for _ in 0..1_000 {
        let reply = caller.answer(who, call).await?;
        if reply.status != 409 || !["PROGRESS", "in-progress"].iter().any(|running| reply.text().contains(running)) {
            return Ok(reply);
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("the first request is under way for ever")
}
