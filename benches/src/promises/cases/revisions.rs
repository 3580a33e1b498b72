//! Promise 10: with `If-Match` no update is lost. Several clients edit one revision at the same moment through both
//! servers; exactly one of them has success, the others are told that there is a newer one.
//!
//! The control edits without `If-Match`: of several successes, all but one are lost.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Volley;
use crate::caller::{Call, Caller, Outcome};
use crate::report::Control;
use crate::stage::{Build, Site, Stage, create_organization};

const CLIENTS: usize = 6;

/// What the rounds of a run gave.
#[derive(Debug, Default)]
struct Count {
    lost: usize,
    rounds_without: usize,
    wrong: Vec<String>,
}

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(10) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        let site = stage.site(kind, Build::Ours, 0).await?;
        let rounds = stage.args.amount(60, 10_000 / CLIENTS);
        let count = edit(&site, rounds, true).await?;
        let of_control = stage.args.amount(10, 50);
        let control = Control::Found(edit(&site, of_control, false).await?.lost, of_control * CLIENTS);
        site.end().await?;
        for problem in count.wrong.iter().take(10) {
            println!("   {problem}");
        }
        let Count { lost, rounds_without, wrong } = &count;
        let figure = format!(
            "{lost} lost of {} edits, {rounds_without} of {rounds} revisions without a success, {} wrong answers",
            rounds * CLIENTS,
            wrong.len()
        );
        let holds = *lost + *rounds_without == 0 && wrong.is_empty();
        stage.report.add(10, Some(kind), "no lost update with If-Match", figure, &control, holds);
    }
    Ok(())
}

async fn edit(site: &Site, rounds: usize, matching: bool) -> Result<Count> {
    let mut caller = site.caller(0)?;
    let organization = create_organization(&mut caller, &site.admin, "revisions").await?;
    let body = json!({"name": "edited", "capabilities": ["invite_users"]});
    let made = caller.done(&site.admin, &Call::post(format!("{organization}/roles"), body)).await?;
    let path = format!("{organization}/roles/{}", made["id"].as_str().context("a role without an id")?);
    let mut count = Count::default();
    let mut callers: Vec<Caller> = (0..CLIENTS).map(|client| site.caller(client)).collect::<Result<_>>()?;
    for round in 0..rounds {
        let now = caller.answer(&site.admin, &Call::get(path.clone())).await?;
        let tag = now.etag.context("a role without a revision")?;
        let mut volley = Volley::new();
        for (client, caller) in callers.drain(..).enumerate() {
            let call = Call::patch(path.clone(), json!({"description": format!("edit {round}/{client}")}));
            let call = if matching { call.with("If-Match", tag.clone()) } else { call };
            volley.add(caller, &site.admin, call);
        }
        let mut successes = 0;
        for (caller, outcome) in volley.fire().await? {
            callers.push(caller);
            match outcome {
                Outcome::Answered(reply) if reply.is_success() => successes += 1,
                Outcome::Answered(reply) if reply.status == 412 => {}
                other => count.wrong.push(format!("round {round}: {other:?}")),
            }
        }
        count.lost += usize::from(successes > 0) * (successes.max(1) - 1);
        count.rounds_without += usize::from(successes == 0);
    }
    Ok(count)
}
