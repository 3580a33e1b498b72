//! Promise 11: both stores behave alike. The same operations, left to chance and to be repeated by their seed, go to a
//! server on each store and to a small model of our own; every answer is compared byte by byte, but for what a server draws (ids, which
//! are named in the order in which they appear) and for times. In between, everything that the stores hold is compared.
//!
//! What the model says is in [`model`], what is asked in [`steps`], how answers are made comparable in [`names`]. The
//! controls keep one change from one store, alter one letter of an answer, and let the model forget a rule: each must
//! be found.

mod model;
mod names;
mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rolekeeper_bench::place::Kind;
use serde_json::{Value, json};

use self::model::{Expected, Model};
use self::names::Names;
use self::steps::Asker;
use super::lanes;
use crate::caller::{Call, Caller, Outcome, Reply, Who};
use crate::picture::Source;
use crate::random::Random;
use crate::report::Control;
use crate::stage::{Build, Site, Stage, somebody};

/// Accounts besides the administrator.
const ACCOUNTS: u64 = 9;
/// Operations on the same data; then a new workspace begins.
const IN_A_WORLD: usize = 2_500;
/// Every so many operations everything that the stores hold is compared.
const LOOK_EVERY: usize = 100;
/// Workspaces at the same time.
const LANES: usize = 4;
/// Differences that are shown of a run.
const SHOWN: usize = 10;
/// Of a control, when what it does is done.
const LIE_AT: usize = 40;

/// How often, and how long after each other, a server is asked that cannot answer.
const TRIES: usize = 1_800;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What a control does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// One change does not reach the second store; the answer of the first is taken for its own.
    Kept,
    /// One letter of one of its answers is another one.
    Letter,
    /// The model lets a protected role be deleted.
    Rule,
}

const LIES: [Lie; 3] = [Lie::Kept, Lie::Letter, Lie::Rule];

/// What a world gave.
#[derive(Debug, Default)]
struct Outcomes {
    steps: usize,
    granted: usize,
    predicted: usize,
    looks: usize,
    /// Requests that were sent again because a server could not answer just then.
    again: usize,
    differences: Vec<String>,
}

/// Both stores together; nothing is to be compared where only one is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(11) || stage.args.stores().len() < 2 {
        return Ok(());
    }
    let wanted = stage.args.amount(2_000, 100_000);
    let in_a_world = stage.args.amount(500, IN_A_WORLD);
    let mut all = Outcomes::default();
    let mut number = 0;
    while all.steps < wanted && all.differences.len() < SHOWN {
        let count = (wanted - all.steps).div_ceil(in_a_world).min(LANES);
        for outcomes in worlds(stage, number, count, in_a_world, None).await? {
            all.steps += outcomes.steps;
            all.granted += outcomes.granted;
            all.predicted += outcomes.predicted;
            all.looks += outcomes.looks;
            all.again += outcomes.again;
            all.differences.extend(outcomes.differences);
        }
        number += count as u64;
        println!("   {} operations in {number} workspaces, {} differences", all.steps, all.differences.len());
    }
    for difference in all.differences.iter().take(SHOWN) {
        println!("   {difference}");
    }
    let control = controls(stage).await?;
    let Outcomes { steps, granted, predicted, looks, again, differences } = &all;
    let figure = format!(
        "{} differences in {steps} operations ({granted} granted, {predicted} foretold by the model) in {number} workspaces, \
         everything compared {looks} times, {again} sent again after 503",
        differences.len()
    );
    stage.report.add(11, None, "both stores behave alike", figure, &control, differences.is_empty());
    Ok(())
}

/// Each lie must be found.
async fn controls(stage: &mut Stage) -> Result<Control> {
    let mut found = 0;
    for (number, lie) in LIES.into_iter().enumerate() {
        let outcomes = worlds(stage, 1_000_000 + number as u64, 1, 1_000, Some(lie)).await?;
        let differences: Vec<&String> = outcomes.iter().flat_map(|outcomes| &outcomes.differences).collect();
        match differences.first() {
            Some(first) => {
                found += 1;
                let shown: String = first.chars().take(160).collect();
                println!("   control, {lie:?}: {}", shown.replace('\n', " "));
            }
            None => println!("   control, {lie:?}: not found"),
        }
    }
    Ok(Control::Found(if found == LIES.len() { found } else { 0 }, LIES.len()))
}

async fn worlds(stage: &mut Stage, first: u64, count: usize, steps: usize, lie: Option<Lie>) -> Result<Vec<Outcomes>> {
    let mut prepared = Vec::new();
    for lane in 0..count {
        let number = first + lane as u64;
        let sqlite = stage.site(Kind::Sqlite, Build::Ours, ACCOUNTS).await?;
        let mongo = stage.site(Kind::Mongo, Build::Ours, ACCOUNTS).await?;
        let title = format!("seed {}, workspace {number}", stage.args.seed);
        // Of its own, so that one promise alone meets the same chances.
        let random = Random::new(stage.args.seed).branch(number);
        prepared.push(std::sync::Mutex::new(Some((sqlite, mongo, title, random))));
    }
    lanes(count, |lane| {
        let taken = prepared.get(lane).and_then(|slot| slot.lock().ok()?.take());
        async move {
            let (sqlite, mongo, title, random) = taken.context("a workspace twice")?;
            let mut world = World::begin([sqlite, mongo], title, random, lie).await?;
            world.live(steps).await?;
            world.end().await
        }
    })
    .await
}

/// A server and what is known of its ids.
struct Party {
    site: Site,
    caller: Caller,
    names: Names,
    asked: usize,
    again: usize,
}

impl Party {
    /// A server that cannot answer just then, because its database elects a primary, is asked again; the key makes sure
    /// that what it did after all is not done twice.
    async fn ask(&mut self, who: &Who, call: &Call) -> Result<Reply> {
        self.asked += 1;
        let call = call.clone().rewritten(|text| self.names.rendered(text));
        let call = if call.is_read() { call } else { call.with("Idempotency-Key", format!("alike-{}", self.asked)) };
        for _ in 0..TRIES {
            match self.caller.ask(who, &call).await {
                // Or is still at what it was asked before.
                Outcome::Answered(reply) if reply.status == 503 || is_running(&reply) => {
                    self.again += 1;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                Outcome::Answered(reply) => return Ok(reply),
                other => bail!("no answer to {call:?}: {other:?}"),
            }
        }
        bail!("503 again and again: {call:?}\n{}", self.log())
    }

    fn log(&self) -> String {
        self.site.nodes.first().map(|node| node.last_lines()).unwrap_or_default()
    }
}

struct World {
    parties: [Party; 2],
    model: Model,
    title: String,
    random: Random,
    lie: Option<Lie>,
    outcomes: Outcomes,
}

impl World {
    async fn begin(sites: [Site; 2], title: String, random: Random, lie: Option<Lie>) -> Result<Self> {
        let mut parties = Vec::new();
        for site in sites {
            let mut names = Names::default();
            for number in 0..ACCOUNTS {
                names.keep(&somebody(number).id);
            }
            names.meet(&site.admin.id);
            parties.push(Party { caller: site.caller(0)?, names, site, asked: 0, again: 0 });
        }
        let Ok(parties) = <[Party; 2]>::try_from(parties) else { bail!("not two stores") };
        let mut world = Self { parties, model: Model::default(), title, random, lie, outcomes: Outcomes::default() };
        world.model.roles = world.begun("/api/v1/roles.list", "roles").await?;
        world.model.permissions = world.begun("/api/v1/permissions.listAll", "update").await?;
        for number in 0..=ACCOUNTS {
            let id = if number == ACCOUNTS { names::symbol(0) } else { somebody(number).id };
            let user = world.begun(&format!("/api/v1/users.info?userId={id}"), "user").await?;
            world.model.users.push(user);
        }
        Ok(world)
    }

    /// What a new workspace has, which is where the model begins.
    async fn begun<T: serde::de::DeserializeOwned>(&mut self, path: &str, field: &str) -> Result<T> {
        let (_, shown) = self.both(&Asker::Administrator, &Call::get(path)).await?;
        let [first, second] = &shown;
        if first != second {
            bail!("{}: a new workspace differs: {path}\n{first}\n{second}", self.title);
        }
        Ok(serde_json::from_value(first[field].clone())?)
    }

    fn who(&self, party: usize, asker: &Asker) -> Who {
        match asker {
            Asker::Administrator => self.parties.get(party).map(|party| party.site.admin.clone()).unwrap_or_default(),
            Asker::Account(number) => somebody(*number),
            Asker::Nobody => Who::default(),
            Asker::WrongToken => Who { token: "no-token-of-anybody".to_owned(), ..somebody(0) },
        }
    }

    /// Asks both; the replies, and what they say in comparable words.
    async fn both(&mut self, asker: &Asker, call: &Call) -> Result<([Reply; 2], [Value; 2])> {
        let who = [self.who(0, asker), self.who(1, asker)];
        let [first, second] = &mut self.parties;
        let (one, other) = tokio::join!(first.ask(&who[0], call), second.ask(&who[1], call));
        let replies = [one?, other?];
        let show = |names: &mut Names, reply: &Reply| {
            let mut answer = reply.json();
            if is_by_id(call.path()) {
                names.sort(&mut answer);
            }
            names.shown(&answer)
        };
        let shown = [show(&mut first.names, &replies[0]), show(&mut second.names, &replies[1])];
        Ok((replies, shown))
    }

    async fn live(&mut self, steps: usize) -> Result<()> {
        for number in 0..steps {
            if number % LOOK_EVERY == LOOK_EVERY - 1 {
                self.look(number).await?;
            }
            // Where nobody who has a token may do anything, there is nothing more to see.
            if !self.outcomes.differences.is_empty() || !self.model.somebody_rules() {
                break;
            }
            self.step(number).await?;
        }
        self.look(steps).await
    }

    async fn step(&mut self, number: usize) -> Result<()> {
        let (asker, step) = steps::choose(&mut self.random, &self.model);
        let call = step.call();
        let expected = self.model.expects(&asker, &step, self.lie == Some(Lie::Rule) && number >= LIE_AT);
        let (mut replies, mut shown) = if self.lie == Some(Lie::Kept) && number >= LIE_AT && self.is_change(&expected) {
            self.lie = None;
            self.only_first(&asker, &call).await?
        } else {
            self.both(&asker, &call).await?
        };
        if self.lie == Some(Lie::Letter) && number >= LIE_AT && !replies[1].body.is_empty() {
            self.lie = None;
            replies[1].body.push(b' ');
            shown[1] = json!({"other": shown[1]});
        }
        self.outcomes.steps += 1;
        self.outcomes.granted += usize::from(replies[0].is_success());
        self.outcomes.predicted += usize::from(expected.is_some());
        let what = format!("{}, operation {number}, {asker:?}: {call:?}", self.title);
        let tags_differ = call.path().starts_with("/v1/") && replies[0].etag != replies[1].etag;
        // As texts: the order of the fields is part of an answer.
        let written: Vec<String> = shown.iter().map(ToString::to_string).collect();
        if replies[0].status != replies[1].status || written[0] != written[1] || tags_differ {
            let [one, other] = &shown;
            self.differs(format!(
                "{what}\n     SQLite  {} {:?} {one}\n     MongoDB {} {:?} {other}",
                replies[0].status, replies[0].etag, replies[1].status, replies[1].etag
            ));
            if replies.iter().any(|reply| reply.status >= 500) {
                let logs: Vec<String> = self.parties.iter().map(Party::log).collect();
                self.differs(logs.join("\n"));
            }
        } else if replies[0].body.len() != replies[1].body.len() {
            self.differs(format!("{what}\n     the same in other bytes: {:?} {:?}", replies[0], replies[1]));
        }
        let [answer, _] = shown;
        if let Some(expected) = expected
            && let Some(problem) = expected.differs_from(replies[0].status, &answer)
        {
            self.differs(format!("{what}\n     both    {} {answer}\n     model   {problem}", replies[0].status));
        }
        if replies[0].is_success() {
            self.model.apply(&asker, &step, &answer);
        }
        Ok(())
    }

    /// Whether a change of what the model knows is to be expected.
    fn is_change(&self, expected: &Option<Expected>) -> bool {
        expected.as_ref().is_some_and(|expected| expected.changes)
    }

    async fn only_first(&mut self, asker: &Asker, call: &Call) -> Result<([Reply; 2], [Value; 2])> {
        let who = self.who(0, asker);
        let [first, second] = &mut self.parties;
        let reply = first.ask(&who, call).await?;
        let shown = first.names.shown(&reply.json());
        second.names.skip_to(&first.names);
        Ok(([reply.clone(), reply], [shown.clone(), shown]))
    }

    fn differs(&mut self, difference: String) {
        self.outcomes.differences.push(difference);
    }

    /// Compares everything that the stores hold, read past the servers, with each other and with the model, and what
    /// changed since the last look.
    async fn look(&mut self, number: usize) -> Result<()> {
        self.outcomes.looks += 1;
        let mut held = Vec::new();
        for party in &self.parties {
            held.push(holdings(&party.site.source()?, &party.names).await?);
        }
        let model = self.model.holdings();
        let what = format!("{}, before operation {number}", self.title);
        let (one, other) = (held.first().context("no store")?.clone(), held.get(1).context("no store")?.clone());
        for (part, value) in &one {
            if other.get(part) != Some(value) {
                let other = other.get(part).cloned().unwrap_or_default();
                self.differs(format!(
                    "{what}: the stores hold other {part}\n     SQLite  {value}\n     MongoDB {other}"
                ));
            }
            if let Some(expected) = model.get(part).filter(|expected| *expected != value) {
                self.differs(format!("{what}: they hold other {part}\n     both    {value}\n     model   {expected}"));
            }
        }
        self.look_at_times(&what).await
    }

    /// The same roles and permissions changed since the last look.
    async fn look_at_times(&mut self, what: &str) -> Result<()> {
        let asker = self.model.somebody().context("nobody is left")?;
        for (path, since) in [("/api/v1/roles.sync", names::BEYOND), ("/api/v1/permissions.listAll", names::SINCE)] {
            let since = Call::get(format!("{path}?updatedSince={since}"));
            let (_, shown) = self.both(&asker, &since).await?;
            if shown[0] != shown[1] {
                self.differs(format!(
                    "{what}: {path} tells of other changes since the last look\n     SQLite  {}\n     MongoDB {}",
                    shown[0], shown[1]
                ));
            }
        }
        let who = [self.who(0, &asker), self.who(1, &asker)];
        for (party, who) in self.parties.iter_mut().zip(who) {
            let mut newest = String::new();
            for path in ["/api/v1/roles.sync", "/api/v1/permissions.listAll"] {
                let reply = party.ask(&who, &Call::get(path)).await?;
                names::newest(&reply.json(), &mut newest);
            }
            party.names.looked_at(&newest);
        }
        Ok(())
    }

    async fn end(self) -> Result<Outcomes> {
        let mut outcomes = self.outcomes;
        for party in self.parties {
            let panics = party.site.panics();
            if panics > 0 {
                outcomes.differences.push(format!("{}: {panics} panics", self.title));
            }
            outcomes.again += party.again;
            party.site.end().await?;
        }
        Ok(outcomes)
    }
}

/// Whether the same request, sent before, is not answered yet.
fn is_running(reply: &Reply) -> bool {
    let body = reply.json();
    reply.status == 409
        && (body["errorType"] == "error-idempotency-key-in-progress" || body["error"]["code"] == "REQUEST_IN_PROGRESS")
}

/// Whether an answer lists in the order of ids, which each server draws for itself.
fn is_by_id(path: &str) -> bool {
    let of_people = path.ends_with("/users") || path.ends_with("/members") || path == "/v1/organizations";
    path.starts_with("/v1/") && of_people || path.contains("subscriptions.get")
}

/// A picture in comparable words, by part.
async fn holdings(source: &Source, names: &Names) -> Result<BTreeMap<&'static str, Value>> {
    let picture = source.picture().await?;
    let named = |id: &str| names.name(id);
    let sorted = |mut values: Vec<Value>| {
        values.sort_by_key(Value::to_string);
        Value::Array(values)
    };
    let roles = sorted(picture.roles.iter().map(|(id, name)| json!([named(id), name])).collect());
    let mut accounts = Vec::new();
    for (id, account) in &picture.accounts {
        let held = sorted(account.roles.iter().map(|role| named(role).into()).collect());
        accounts.push(json!([named(id), account.active, held]));
    }
    let mut permissions = Vec::new();
    for (id, roles) in &picture.permissions {
        permissions.push(json!([id, sorted(roles.iter().map(|role| named(role).into()).collect())]));
    }
    let in_rooms = sorted(picture.in_rooms.iter().map(|role| named(role).into()).collect());
    let organizations = sorted(picture.organizations.iter().map(|(id, name)| json!([named(id), name])).collect());
    let their_roles = sorted(picture.organization_roles.iter().map(|(id, name)| json!([named(id), name])).collect());
    let holders = picture.organization_holders.iter();
    let holders = sorted(holders.map(|(one, other, role)| json!([named(one), named(other), named(role)])).collect());
    Ok(BTreeMap::from([
        ("roles", roles),
        ("accounts", sorted(accounts)),
        ("permissions", sorted(permissions)),
        ("roles in rooms", in_rooms),
        ("organizations", organizations),
        ("roles of organizations", their_roles),
        ("holders in organizations", holders),
    ]))
}
