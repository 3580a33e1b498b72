//! Promise 19: the time that a refusal to log in takes does not say whether there is an account of that name. Wrong
//! passwords for known names are interleaved with some for names that nobody has, for deactivated accounts and for accounts
//! whose stored password is none that could fit. What is compared is the whole distribution: the probability that any one refusal of a known name
//! took longer than any one of the others (the area under the ROC curve), which is 0.5 when nothing can be told from it.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use rolekeeper_bench::place::Kind;
use serde_json::json;

use crate::caller::{Call, Caller, Who};
use crate::random::Random;
use crate::report::{Control, NO_CONTROL_SERVER};
use crate::stage::{Build, Site, Stage, somebody};

/// Accounts of each kind, so that nothing depends on one of them.
const ACCOUNTS: usize = 8;
/// How far from 0.5 the probability may be: beyond what chance does to so many refusals (about 3.4 and 3.1 standard
/// deviations).
const FULL: (usize, f64) = (200, 0.10);
const SHORT: (usize, f64) = (60, 0.20);
/// From here on it is plain to see.
const PLAIN: f64 = 0.9;

/// Whose name it is; the first is what the others are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Known,
    Nobodys,
    Deactivated,
    Unusable,
}

const KINDS: [Whose; 4] = [Whose::Known, Whose::Nobodys, Whose::Deactivated, Whose::Unusable];

/// Milliseconds of every refusal, by kind.
type Times = [Vec<f64>; KINDS.len()];

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(19) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        let (count, margin) = stage.args.amount(SHORT, FULL);
        let times = measure(stage, kind, Build::Ours, count).await?;
        show(&times);
        let found = [1, 2, 3].map(|other| slower(&times[0], &times[other]));
        let holds = found.iter().all(|probability| (probability - 0.5).abs() <= margin);
        let figure = format!(
            "a known name is slower than an unknown one with p = {:.2}, than a deactivated one with {:.2}, than one \
             without a usable password with {:.2} ({count} each; 0.5 ± {margin:.2})",
            found[0], found[1], found[2]
        );
        let control = control(stage, kind).await?;
        stage.report.add(19, Some(kind), "the time of a refusal does not tell a name", figure, &control, holds);
    }
    Ok(())
}

/// Where nothing is hashed for a name that nobody has, the same test must see it.
async fn control(stage: &mut Stage, kind: Kind) -> Result<Control> {
    if !stage.has_control() {
        return Ok(NO_CONTROL_SERVER);
    }
    let (count, _) = SHORT;
    let times = measure(stage, kind, Build::Without("no-decoy"), count).await?;
    show(&times);
    let probability = slower(&times[0], &times[1]);
    let pairs = count * count;
    let told = (probability * pairs as f64).round() as usize;
    Ok(Control::Found(if probability >= PLAIN { told } else { 0 }, pairs))
}

async fn measure(stage: &mut Stage, kind: Kind, build: Build, count: usize) -> Result<Times> {
    let mut random = stage.random.branch(19);
    let site = stage.site(kind, build, ACCOUNTS as u64).await?;
    let mut caller = site.caller(0)?;
    prepare(&site, &mut caller).await?;
    let mut times = Times::default();
    // The first ones pay for what is not in memory yet.
    for round in 0..count + 4 {
        for at in order(&mut random) {
            let name = name(KINDS[at], round);
            let millis = refuse(&mut caller, &name).await?;
            if round >= 4 {
                times[at].push(millis);
            }
        }
    }
    site.end().await?;
    Ok(times)
}

/// Makes the accounts; those without a usable password are there already.
async fn prepare(site: &Site, caller: &mut Caller) -> Result<()> {
    for number in 0..ACCOUNTS {
        for whose in [Whose::Known, Whose::Deactivated] {
            let username = name(whose, number);
            let body = json!({
                "username": username, "name": username, "email": format!("{username}@example.org"), "password": "right-one"
            });
            let made = caller.done(&site.admin, &Call::post("/api/v1/users.create", body)).await?;
            if whose == Whose::Deactivated {
                let id = made["user"]["_id"].as_str().context("an account without an id")?;
                let body = json!({"userId": id, "activeStatus": false});
                caller.done(&site.admin, &Call::post("/api/v1/users.setActiveStatus", body)).await?;
            }
        }
    }
    Ok(())
}

/// Names of one length; those that nobody has are never asked for twice.
fn name(whose: Whose, round: usize) -> String {
    match whose {
        Whose::Known => format!("known{:04}", round % ACCOUNTS),
        Whose::Deactivated => format!("gone-{:04}", round % ACCOUNTS),
        Whose::Nobodys => format!("nobdy{round:04}"),
        Whose::Unusable => somebody((round % ACCOUNTS) as u64).username,
    }
}

async fn refuse(caller: &mut Caller, name: &str) -> Result<f64> {
    let call = Call::post("/api/v1/login", json!({"user": name, "password": "wrong-one"}));
    let since = Instant::now();
    let reply = caller.answer(&Who::default(), &call).await?;
    let millis = since.elapsed().as_secs_f64() * 1_000.0;
    if reply.status != 401 {
        bail!("a wrong password for {name}: {}", reply.text());
    }
    Ok(millis)
}

/// All kinds, in another order each time.
fn order(random: &mut Random) -> Vec<usize> {
    let mut left: Vec<usize> = (0..KINDS.len()).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        order.push(left.swap_remove(random.below(left.len())));
    }
    order
}

/// The probability that one of the first took longer than one of the second; ties count half.
fn slower(first: &[f64], second: &[f64]) -> f64 {
    let wins = |time: &f64| {
        let over = |other: &f64| if time > other { 1.0 } else { f64::from(u8::from(time == other)) / 2.0 };
        second.iter().map(over).sum::<f64>()
    };
    first.iter().map(wins).sum::<f64>() / (first.len() * second.len()).max(1) as f64
}

fn show(times: &Times) {
    for (whose, times) in KINDS.iter().zip(times) {
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted.get((part * sorted.len() as f64) as usize).copied().unwrap_or_default();
        println!("   {:<12} {:7.2} {:7.2} {:7.2} ms (quartiles)", format!("{whose:?}"), at(0.25), at(0.5), at(0.75));
    }
}

#[test]
fn what_cannot_be_told_apart_is_one_half() {
    let close = |found: f64, expected: f64| (found - expected).abs() < 1e-9;
    assert!(close(slower(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 0.5));
    assert!(close(slower(&[5.0, 6.0], &[1.0, 2.0]), 1.0) && close(slower(&[1.0], &[2.0]), 0.0));
    assert!(close(slower(&[1.0, 4.0], &[2.0, 3.0]), 0.5));
}
