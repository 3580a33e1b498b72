//! Promise 2: names of roles are unique, however they are written. Sixteen clients want one name at the same moment, in
//! different letters that mean the same, by making a role or by renaming one; exactly one of them gets it.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context as _, Result};
use rolekeeper::domain::role::name_key;
use rolekeeper_bench::place::Kind;
use serde_json::json;

use super::{IN_ONE_WORKSPACE, Volley};
use crate::caller::{Call, Outcome};
use crate::picture::Picture;
use crate::report::{Control, NO_CONTROL_SERVER, ONE_WRITER};
use crate::stage::{Build, Site, Stage, create_organization, create_role};

const CLIENTS: usize = 16;
/// Of them, those who rename a role of their own.
const RENAMERS: usize = 4;

/// What the rounds of a run gave.
#[derive(Debug, Default)]
struct Count {
    duplicates: usize,
    /// Rounds in which not exactly one client had success.
    uneven: usize,
    wrong: Vec<String>,
}

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(2) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        let rounds = stage.args.amount(30, 10_000);
        let count = race(stage, kind, Build::Ours, rounds).await?;
        let control = match kind {
            Kind::Sqlite => ONE_WRITER,
            Kind::Mongo if stage.has_control() => {
                let rounds = stage.args.amount(12, 200);
                let count = race(stage, kind, Build::Without("no-locks"), rounds).await?;
                Control::Found(count.duplicates, rounds)
            }
            Kind::Mongo => NO_CONTROL_SERVER,
        };
        for problem in count.wrong.iter().take(10) {
            println!("   {problem}");
        }
        let Count { duplicates, uneven, wrong } = &count;
        let figure = format!(
            "{duplicates} duplicates in {rounds} rounds of {CLIENTS} clients, {uneven} without exactly one success, {} wrong answers",
            wrong.len()
        );
        let holds = *duplicates + *uneven == 0 && wrong.is_empty();
        stage.report.add(2, Some(kind), "names of roles are unique", figure, &control, holds);
    }
    Ok(())
}

/// Every round leaves roles behind, which each change of roles has read again.
async fn race(stage: &mut Stage, kind: Kind, build: Build, rounds: usize) -> Result<Count> {
    let mut count = Count::default();
    for first in (0..rounds).step_by(IN_ONE_WORKSPACE) {
        let last = rounds.min(first + IN_ONE_WORKSPACE);
        race_in_one_workspace(stage, kind, build, first..last, &mut count).await?;
    }
    Ok(count)
}

async fn race_in_one_workspace(
    stage: &mut Stage,
    kind: Kind,
    build: Build,
    rounds: Range<usize>,
    count: &mut Count,
) -> Result<()> {
    let site = stage.site(kind, build, 0).await?;
    let mut caller = site.caller(0)?;
    let organization = create_organization(&mut caller, &site.admin, "names").await?;
    for round in rounds {
        // In every third one an organization's.
        let outcomes = if round % 3 == 2 {
            in_organization(&site, round, &organization).await?
        } else {
            in_workspace(&site, round).await?
        };
        let successes = outcomes.iter().filter(|outcome| outcome.is_success()).count();
        count.uneven += usize::from(successes != 1);
        let refused = |outcome: &&Outcome| !matches!(outcome, Outcome::Answered(reply) if reply.status < 500);
        count.wrong.extend(outcomes.iter().filter(refused).map(|outcome| format!("round {round}: {outcome:?}")));
    }
    count.duplicates += duplicates(&site.source()?.picture().await?);
    site.end().await
}

async fn in_workspace(site: &Site, round: usize) -> Result<Vec<Outcome>> {
    let mut caller = site.caller(round)?;
    let mut volley = Volley::new();
    for client in 0..CLIENTS {
        let name = variant(round, client);
        let call = if client < RENAMERS {
            // Whoever has a role of another name gives it this one.
            let other = format!("other {round}/{client}");
            let role = create_role(&mut caller, &site.admin, &other, "Users").await?;
            Call::post("/api/v1/roles.update", json!({"roleId": role, "name": name}))
        } else {
            Call::post("/api/v1/roles.create", json!({"name": name}))
        };
        volley.add(site.caller(client)?, &site.admin, call);
    }
    Ok(volley.fire().await?.into_iter().map(|(_, outcome)| outcome).collect())
}

async fn in_organization(site: &Site, round: usize, organization: &str) -> Result<Vec<Outcome>> {
    let mut caller = site.caller(round)?;
    let path = format!("{organization}/roles");
    let mut volley = Volley::new();
    for client in 0..CLIENTS {
        let name = variant(round, client);
        let call = if client < RENAMERS {
            let other = json!({"name": format!("other {round} {client}"), "capabilities": ["invite_users"]});
            let made = caller.done(&site.admin, &Call::post(path.clone(), other)).await?;
            let id = made["id"].as_str().context("a role without an id")?;
            Call::patch(format!("{path}/{id}"), json!({"name": name}))
        } else {
            Call::post(path.clone(), json!({"name": name, "capabilities": ["invite_users"]}))
        };
        volley.add(site.caller(client)?, &site.admin, call);
    }
    Ok(volley.fire().await?.into_iter().map(|(_, outcome)| outcome).collect())
}

/// The same name in other letters: capitals, letters of full width, a letter and its accent as one sign or two, the
/// ligature, a space of no width.
fn variant(round: usize, client: usize) -> String {
    let words = match client % 8 {
        0 => "Caf\u{e9} office",
        1 => "caf\u{e9} office",
        2 => "CAFE\u{301} OFFICE",
        3 => "cafe\u{301} office",
        4 => "\u{ff23}af\u{e9} office",
        5 => "Caf\u{e9} of\u{fb01}ce",
        6 => "Caf\u{e9}\u{200b} office",
        _ => "CAF\u{c9} O\u{ff26}FICE",
    };
    format!("{words} {round}")
}

/// How many roles have a name that another one of the same place has.
fn duplicates(picture: &Picture) -> usize {
    let extra = |names: &BTreeMap<String, String>| {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for name in names.values() {
            *seen.entry(name_key(name)).or_default() += 1;
        }
        seen.values().map(|count| count - 1).sum::<usize>()
    };
    extra(&picture.roles) + extra(&picture.organization_roles)
}

#[test]
fn all_variants_are_one_name() {
    let keys: std::collections::BTreeSet<String> = (0..CLIENTS).map(|client| name_key(&variant(7, client))).collect();
    assert_eq!(keys.len(), 1);
}
