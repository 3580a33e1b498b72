//! Promises 6 and 12: what was acknowledged survives, and the record has one entry for each change that happened. Writers
//! take roles through their lives, made, assigned, unassigned, deleted, while primaries and servers are killed; every
//! second role stops half-way, so that there is something to lose. Afterwards all of it is compared with the store.
//!
//! The control is a writer that is content with `w: 1`: of what was acknowledged to him, something is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Collection};
use rolekeeper_bench::place::Kind;
use serde_json::{Value, json};

use super::lanes;
use crate::caller::{Call, Caller, Outcome, Who};
use crate::picture::Picture;
use crate::random::Random;
use crate::replica::Replica;
use crate::report::Control;
use crate::stage::{Site, Stage, somebody};

const WRITERS: u64 = 6;
/// Writers of the control.
const CARELESS: usize = 4;
/// Longer than a server tries.
const LIMIT: Duration = Duration::from_secs(25);
const AHEAD: Duration = Duration::from_millis(100);
const BETWEEN_KILLS: Duration = Duration::from_millis(700);

/// The steps of a role's life, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Nothing,
    Made,
    Assigned,
    Unassigned,
    Deleted,
}

/// What a writer knows of one role.
#[derive(Debug, Clone)]
struct Life {
    name: String,
    owner: String,
    id: Option<String>,
    tried: Step,
    told: Step,
}

/// What all writers share.
#[derive(Default)]
struct Shared {
    acknowledged: AtomicUsize,
    enough: AtomicBool,
}

struct Writer {
    callers: Vec<Caller>,
    at: usize,
    admin: Who,
    account: Who,
    number: u64,
    lives: Vec<Life>,
    wrong: Vec<String>,
    shared: Arc<Shared>,
}

impl Writer {
    async fn work(mut self) -> Result<Self> {
        for number in 0_u64.. {
            if self.shared.enough.load(Ordering::Relaxed) {
                break;
            }
            let last = if number % 2 == 0 { Step::Deleted } else { Step::Assigned };
            let name = format!("life-{}-{number}", self.number);
            self.lives.push(Life {
                name,
                owner: self.account.id.clone(),
                id: None,
                tried: Step::Nothing,
                told: Step::Nothing,
            });
            if self.live(last).await.is_none() {
                // As the next client would find another server.
                self.at += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(self)
    }

    async fn live(&mut self, last: Step) -> Option<()> {
        let name = self.lives.last()?.name.clone();
        let made = self.step(Step::Made, "roles.create", json!({"name": name})).await?;
        let id = made["role"]["_id"].as_str()?.to_owned();
        self.lives.last_mut()?.id = Some(id.clone());
        let holding = json!({"username": self.account.username, "roleId": id});
        self.step(Step::Assigned, "roles.addUserToRole", holding.clone()).await?;
        if last == Step::Assigned {
            return Some(());
        }
        self.step(Step::Unassigned, "roles.removeUserFromRole", holding).await?;
        self.step(Step::Deleted, "roles.delete", json!({"roleId": id})).await?;
        Some(())
    }

    /// `None` when nobody told of success: it may have happened or not, and the role is left as it is.
    async fn step(&mut self, step: Step, method: &str, body: Value) -> Option<Value> {
        self.lives.last_mut()?.tried = step;
        let callers = self.callers.len();
        let caller = self.callers.get_mut(self.at % callers)?;
        let call = Call::post(format!("/api/v1/{method}"), body);
        match caller.ask(&self.admin, &call).await {
            Outcome::Answered(reply) if reply.is_success() => {
                self.lives.last_mut()?.told = step;
                self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
                Some(reply.json())
            }
            Outcome::Answered(reply) => {
                if reply.status != 503 || reply.retry_after.is_none() {
                    self.wrong.push(format!("{method}: {}", reply.text()));
                }
                None
            }
            Outcome::Unsent => {
                // Nothing went out, so nothing was tried.
                self.lives.last_mut()?.tried = self.lives.last()?.told;
                None
            }
            Outcome::Unanswered => None,
        }
    }
}

/// What the comparison found.
#[derive(Debug, Default)]
struct Found {
    lost: Vec<String>,
    torn: Vec<String>,
    uncertain: usize,
    happened: usize,
    entries: usize,
    wrong_entries: Vec<String>,
}

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(6) && !stage.args.wants(12) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        on(stage, kind).await.with_context(|| kind.to_string())?;
    }
    Ok(())
}

async fn on(stage: &mut Stage, kind: Kind) -> Result<()> {
    let site = stage.site(kind, crate::stage::Build::Ours, WRITERS).await?;
    let replica = if kind == Kind::Mongo { Some(stage.replica().await?) } else { None };
    let shared = Arc::new(Shared::default());
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let callers = site.nodes.iter().map(|node| Caller::within(node.address, LIMIT)).collect();
        let at = usize::try_from(number)?;
        let (admin, shared, account) = (site.admin.clone(), Arc::clone(&shared), somebody(number));
        let writer = Writer { callers, at, admin, account, number, lives: Vec::new(), wrong: Vec::new(), shared };
        writers.push(tokio::spawn(writer.work()));
    }
    let careless = replica.as_ref().map(|replica| tokio::spawn(careless(replica.client(), Arc::clone(&shared))));
    let (kills, least) = (stage.args.amount(2, 50), stage.args.amount(200, 20_000));
    let chaos = chaos(&site, replica.as_deref(), kills, stage.random.branch(6)).await;
    let since = tokio::time::Instant::now();
    while chaos.is_ok() && shared.acknowledged.load(Ordering::Relaxed) < least {
        if since.elapsed() > Duration::from_secs(3_600) {
            bail!("the writers do not get on");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shared.enough.store(true, Ordering::Relaxed);
    let (mut lives, mut wrong) = (Vec::new(), Vec::new());
    for writer in writers {
        let writer = writer.await??;
        lives.extend(writer.lives);
        wrong.extend(writer.wrong);
    }
    let control = match careless {
        Some(careless) => match careless.await?? {
            // How many there are is chance; of many kills some find one.
            Control::Found(0, _) if stage.args.short => Control::NotRun("0: too few kills to say"),
            found => found,
        },
        None => Control::NotRun("none: what a killed process has written stays"),
    };
    chaos?;
    // What was under way when its client gave up has come to its end by now.
    tokio::time::sleep(Duration::from_secs(stage.args.amount(2, 12))).await;
    let found = compare(&site.source()?.picture().await?, &site.source()?.record().await?, &lives);
    let verified = stage.verify_record(&site)?;
    let acknowledged = shared.acknowledged.load(Ordering::Relaxed);
    tell(stage, kind, &Outcomes { kills, acknowledged, found, wrong, control, panics: site.panics(), verified });
    site.end().await
}

/// Everything that the lines say.
struct Outcomes {
    kills: usize,
    acknowledged: usize,
    found: Found,
    wrong: Vec<String>,
    control: Control,
    panics: usize,
    verified: Option<bool>,
}

fn tell(stage: &mut Stage, kind: Kind, outcomes: &Outcomes) {
    let Outcomes { kills, acknowledged, found, wrong, control, panics, verified } = outcomes;
    for problem in found.lost.iter().chain(&found.torn).chain(&found.wrong_entries).chain(wrong.iter()).take(20) {
        println!("   {problem}");
    }
    let (lost, torn, strange) = (found.lost.len(), found.torn.len(), wrong.len());
    let killed =
        if kind == Kind::Mongo { format!("{kills} primaries, {kills} servers") } else { format!("{kills} servers") };
    if stage.args.wants(6) {
        let figure = format!(
            "{lost} lost of {acknowledged}, {torn} half-done of {} without an answer, {strange} wrong answers, {panics} panics; killed {killed}",
            found.uncertain
        );
        let holds = lost + torn + strange + *panics == 0;
        stage.report.add(6, Some(kind), "what was acknowledged survives", figure, control, holds);
    }
    if stage.args.wants(12) {
        let figure = format!(
            "{} entries, {acknowledged} acknowledged + {} without an answer that happened, {} wrong; the chain {}",
            found.entries,
            found.happened,
            found.wrong_entries.len(),
            match verified {
                Some(true) => "is whole",
                Some(false) => "is broken",
                None => "is not there yet",
            }
        );
        let complete = found.wrong_entries.is_empty() && found.entries == acknowledged + found.happened;
        let holds = complete && *verified != Some(false);
        let control = Control::NotRun("none: counted under the kills of promise 6");
        stage.report.add(12, Some(kind), "every change is on record once", figure, &control, holds);
    }
}

/// Kills primaries and servers by turns, and starts each again.
async fn chaos(site: &Site, replica: Option<&Replica>, kills: usize, mut random: Random) -> Result<()> {
    for number in 0..kills {
        if let Some(replica) = replica {
            tokio::time::sleep(BETWEEN_KILLS + random.time(BETWEEN_KILLS)).await;
            // Every other time it is ahead of the members that outlive it.
            let primary = replica.kill_ahead(AHEAD * u32::from(number % 2 == 0)).await?;
            let next = replica.primary().await?;
            anyhow::ensure!(next != primary, "the dead member is the primary");
            replica.launch(primary).await?;
            replica.until_whole().await?;
        }
        tokio::time::sleep(BETWEEN_KILLS + random.time(BETWEEN_KILLS)).await;
        let node = site.nodes.get(number % site.nodes.len()).context("no server")?;
        node.kill().await?;
        tokio::time::sleep(random.time(Duration::from_millis(300))).await;
        node.start().await?;
    }
    tokio::time::sleep(BETWEEN_KILLS).await;
    Ok(())
}

/// Writes whose acknowledgement means that one server has them; how many of them are gone in the end.
async fn careless(client: Client, shared: Arc<Shared>) -> Result<Control> {
    let written = lanes(CARELESS, |lane| {
        careless_one(client.clone(), i64::try_from(lane).unwrap_or_default(), Arc::clone(&shared))
    });
    let told: BTreeSet<i64> = written.await?.into_iter().flatten().collect();
    let options = CollectionOptions::builder().read_concern(ReadConcern::majority()).build();
    let collection: Collection<Document> = client.database("careless").collection_with_options("writes", options);
    let mut found = collection.find(doc! {}).await?;
    let mut kept = BTreeSet::new();
    while found.advance().await? {
        kept.insert(found.deserialize_current()?.get_i64("_id")?);
    }
    client.database("careless").drop().await?;
    Ok(Control::Found(told.difference(&kept).count(), told.len()))
}

/// One of these writers; what was acknowledged to him.
async fn careless_one(client: Client, lane: i64, shared: Arc<Shared>) -> Result<BTreeSet<i64>> {
    let one = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
    let options = CollectionOptions::builder().write_concern(one).build();
    let collection: Collection<Document> = client.database("careless").collection_with_options("writes", options);
    let mut told = BTreeSet::new();
    for number in (lane..).step_by(CARELESS) {
        if shared.enough.load(Ordering::Relaxed) {
            break;
        }
        match tokio::time::timeout(LIMIT, collection.insert_one(doc! { "_id": number })).await {
            Ok(Ok(_)) => drop(told.insert(number)),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    Ok(told)
}

fn compare(picture: &Picture, record: &[Value], lives: &[Life]) -> Found {
    let mut found = Found::default();
    let ids: BTreeMap<&str, &str> = picture.roles.iter().map(|(id, name)| (name.as_str(), id.as_str())).collect();
    let mut recorded: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let names: BTreeMap<&str, &str> =
        lives.iter().filter_map(|life| Some((life.id.as_deref()?, life.name.as_str()))).collect();
    let unknown_names: BTreeMap<&str, &str> = ids.iter().map(|(name, id)| (*id, *name)).collect();
    for entry in record {
        let action = entry["action"].as_str().unwrap_or_default();
        // The whole role where it was made or removed, else its id.
        let role = entry["role"]["name"].as_str();
        let by_id = || entry["role"].as_str().and_then(|id| names.get(id).or_else(|| unknown_names.get(id)).copied());
        if let Some(name) = role.or_else(by_id).filter(|name| name.starts_with("life-")) {
            *recorded.entry((action, name)).or_default() += 1;
            found.entries += 1;
        }
    }
    for life in lives {
        judge(life, picture, &ids, &recorded, &mut found);
    }
    found.torn.extend(picture.orphans(|_| true).into_iter().filter(|orphan| !orphan.starts_with("permission")));
    found
}

/// One role: what is there must lie between what was told and what was tried.
fn judge(
    life: &Life,
    picture: &Picture,
    ids: &BTreeMap<&str, &str>,
    recorded: &BTreeMap<(&str, &str), usize>,
    found: &mut Found,
) {
    let there = ids.get(life.name.as_str()).copied();
    if let (Some(there), Some(id)) = (there, life.id.as_deref())
        && there != id
    {
        found.torn.push(format!("{}: another role has its name", life.name));
    }
    let held =
        there.is_some_and(|id| picture.accounts.get(&life.owner).is_some_and(|account| account.roles.contains(id)));
    let state = match (there, held) {
        (Some(_), true) => Step::Assigned,
        // Made, or assigned and unassigned again: what was tried says which.
        (Some(_), false) if life.tried >= Step::Unassigned => Step::Unassigned,
        (Some(_), false) => Step::Made,
        (None, _) if life.tried == Step::Deleted => Step::Deleted,
        (None, _) => Step::Nothing,
    };
    let uncertain = life.tried > life.told;
    found.uncertain += usize::from(uncertain);
    found.happened += usize::from(uncertain && state == life.tried);
    if state < life.told {
        found.lost.push(format!("{}: {:?} was acknowledged, found {state:?}", life.name, life.told));
    } else if state > life.tried {
        found.torn.push(format!("{}: {state:?}, though only {:?} was tried", life.name, life.tried));
    }
    let steps = [
        (Step::Made, "role_created"),
        (Step::Assigned, "role_assigned"),
        (Step::Unassigned, "role_unassigned"),
        (Step::Deleted, "role_deleted"),
    ];
    for (step, action) in steps {
        let entries = recorded.get(&(action, life.name.as_str())).copied().unwrap_or_default();
        let expected = usize::from(step <= state);
        if entries != expected {
            found.wrong_entries.push(format!("{}: {entries} entries {action}, not {expected}", life.name));
        }
    }
}
