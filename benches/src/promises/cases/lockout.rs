//! Promise 4: after every accepted edit somebody who may act can administer permissions. First every permission is edited
//! in every way that could take it from everybody; then pairs of edits, each harmless alone, are sent at the same moment.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rolekeeper_bench::place::Kind;
use serde_json::{Value, json};

use super::Volley;
use crate::caller::{Call, Outcome};
use crate::picture::Picture;
use crate::report::{Control, NO_CONTROL_SERVER, ONE_WRITER};
use crate::stage::{Build, Site, Stage, create_role, somebody};

const PERMISSION: &str = "access-permissions";
/// After this long what was written past a server is known to it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the edits of a run gave.
#[derive(Debug, Default)]
struct Count {
    locked_out: Vec<String>,
    accepted: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Count {
    fn note(&mut self, what: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Answered(reply) if reply.is_success() => self.accepted += 1,
            Outcome::Answered(reply) if matches!(reply.status, 400 | 401 | 403 | 409) => self.refused += 1,
            other => self.wrong.push(format!("{what}: {other:?}")),
        }
    }
}

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(4) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        let site = stage.site(kind, Build::Ours, 2).await?;
        let mut count = Count::default();
        let edits = single_edits(&site, &mut count, stage.args.short).await?;
        site.end().await?;
        let pairs = stage.args.amount(40, 2_000);
        race(stage, kind, Build::Ours, pairs, &mut count).await?;
        let control = match kind {
            Kind::Sqlite => ONE_WRITER,
            Kind::Mongo if stage.has_control() => {
                let (pairs, mut count) = (stage.args.amount(40, 300), Count::default());
                race(stage, kind, Build::Without("no-locks"), pairs, &mut count).await?;
                Control::Found(count.locked_out.len(), pairs)
            }
            Kind::Mongo => NO_CONTROL_SERVER,
        };
        for problem in count.locked_out.iter().chain(&count.wrong).take(10) {
            println!("   {problem}");
        }
        let Count { locked_out, accepted, refused, wrong } = &count;
        let figure = format!(
            "{} times nobody in {edits} edits and {pairs} pairs ({accepted} accepted, {refused} refused), {} wrong answers",
            locked_out.len(),
            wrong.len()
        );
        let holds = locked_out.is_empty() && wrong.is_empty() && *accepted > 0 && *refused > 0;
        stage.report.add(4, Some(kind), "never locked out", figure, &control, holds);
    }
    Ok(())
}

fn replace(permission: &str, roles: &Value) -> Call {
    Call::post("/api/v1/permissions.update", json!({"permissions": [{"_id": permission, "roles": roles}]}))
}

/// Every permission: emptied, given to a role that nobody holds, to one of a deactivated account, taken from `admin`.
async fn single_edits(site: &Site, count: &mut Count, short: bool) -> Result<usize> {
    let (mut caller, source) = (site.caller(0)?, site.source()?);
    let (unheld, asleep) = (
        create_role(&mut caller, &site.admin, "nobody's", "Users").await?,
        create_role(&mut caller, &site.admin, "sleeper's", "Users").await?,
    );
    let sleeper = somebody(0);
    let give = json!({"username": sleeper.username, "roleId": asleep});
    caller.done(&site.admin, &Call::post("/api/v1/roles.addUserToRole", give)).await?;
    let sleep = json!({"userId": sleeper.id, "activeStatus": false});
    caller.done(&site.admin, &Call::post("/api/v1/users.setActiveStatus", sleep)).await?;
    let before = source.picture().await?.permissions;
    let mut edits = 0;
    for (number, (permission, roles)) in before.iter().enumerate() {
        // The short form takes every eighth, and the one that it is about.
        if short && number % 8 != 0 && permission != PERMISSION {
            continue;
        }
        let taken = json!({"permissionId": permission, "role": "admin"});
        let calls = [
            replace(permission, &json!([])),
            replace(permission, &json!([unheld])),
            replace(permission, &json!([asleep, unheld])),
            Call::post("/api/v1/permissions.removeRole", taken),
        ];
        for call in calls {
            let outcome = caller.ask(&site.admin, &call).await;
            count.note(permission, &outcome);
            edits += 1;
            if outcome.is_success() && !source.picture().await?.can_be_administered() {
                count.locked_out.push(format!("{permission}: {call:?}"));
            }
            let back: BTreeSet<&String> = roles.iter().filter(|role| is_known(role)).collect();
            if outcome.is_success() {
                caller.done(&site.admin, &replace(permission, &json!(back))).await?;
            }
        }
    }
    Ok(edits)
}

/// Whether a role may be named in a list: the seed names some of other editions.
fn is_known(role: &str) -> bool {
    rolekeeper::domain::role::DEFAULT_ROLES.iter().any(|known| known.id == role)
}

/// Two can administer permissions, the administrator and a deputy; whatever takes it from one leaves the other.
async fn race(stage: &mut Stage, kind: Kind, build: Build, pairs: usize, count: &mut Count) -> Result<()> {
    let site = stage.site(kind, build, 2).await?;
    let mut random = stage.random.branch(4);
    let (mut caller, source) = (site.caller(0)?, site.source()?);
    let (deputy, steward) = (somebody(0), somebody(1));
    let role = create_role(&mut caller, &site.admin, "deputy", "Users").await?;
    let helper = create_role(&mut caller, &site.admin, "helper", "Users").await?;
    // Prepares the rounds and can itself not administer permissions.
    for permission in ["assign-roles", "edit-other-user-active-status", "edit-other-user-info"] {
        let body = json!({"permissionId": permission, "role": helper});
        caller.done(&site.admin, &Call::post("/api/v1/permissions.addRole", body)).await?;
    }
    let assign = |path: &str, who: &str, role: &str| {
        Call::post(format!("/api/v1/roles.{path}"), json!({"username": who, "roleId": role}))
    };
    caller.done(&site.admin, &assign("addUserToRole", &steward.username, &helper)).await?;
    caller.done(&site.admin, &assign("addUserToRole", &deputy.username, &role)).await?;
    caller.done(&site.admin, &replace(PERMISSION, &json!(["admin", role]))).await?;
    let from_admin = [
        (replace(PERMISSION, &json!([role])), true),
        (Call::post("/api/v1/permissions.removeRole", json!({"permissionId": PERMISSION, "role": "admin"})), true),
    ];
    let from_deputy = [
        (replace(PERMISSION, &json!(["admin"])), true),
        (Call::post("/api/v1/permissions.removeRole", json!({"permissionId": PERMISSION, "role": role})), true),
        (assign("removeUserFromRole", &deputy.username, &role), false),
        (Call::post("/api/v1/users.setActiveStatus", json!({"userId": deputy.id, "activeStatus": false})), false),
        (Call::post("/api/v1/users.update", json!({"userId": deputy.id, "data": {"roles": ["user"]}})), false),
    ];
    for pair in 0..pairs {
        let (Some((one, _)), Some((other, by_admin))) = (random.one_of(&from_admin), random.one_of(&from_deputy))
        else {
            continue;
        };
        let mut volley = Volley::new();
        volley.add(site.caller(pair)?, &site.admin, one.clone());
        volley.add(site.caller(pair + 1)?, if *by_admin { &site.admin } else { &steward }, other.clone());
        for (_, outcome) in volley.fire().await? {
            count.note("a pair", &outcome);
        }
        let picture = source.picture().await?;
        if !picture.can_be_administered() {
            count.locked_out.push(format!("pair {pair}: {one:?} and {other:?}"));
            source.grant(PERMISSION, "admin").await?;
        }
        restore(&site, &picture, &role).await?;
    }
    site.end().await
}

/// As it was before the pair.
async fn restore(site: &Site, picture: &Picture, role: &str) -> Result<()> {
    let (mut caller, deputy) = (site.caller(0)?, somebody(0));
    let account = picture.accounts.get(&deputy.id).cloned().unwrap_or_default();
    if !account.active {
        let wake = json!({"userId": deputy.id, "activeStatus": true});
        caller.done(&site.admin, &Call::post("/api/v1/users.setActiveStatus", wake)).await?;
    }
    if !account.roles.contains(role) {
        let give = json!({"username": deputy.username, "roleId": role});
        caller.done(&site.admin, &Call::post("/api/v1/roles.addUserToRole", give)).await?;
    }
    // Where the administrator cannot, the deputy could; but his token has ended if he ever was deactivated. Then the
    // permission comes back past the servers, which is no part of what is measured.
    let back = replace(PERMISSION, &json!(["admin", role]));
    let has = |role: &str| picture.permissions.get(PERMISSION).is_some_and(|roles| roles.contains(role));
    if !has("admin") && !caller.ask(&deputy, &back).await.is_success() {
        site.source()?.grant(PERMISSION, "admin").await?;
    }
    let since = Instant::now();
    loop {
        let outcome = caller.ask(&site.admin, &back).await;
        if outcome.is_success() {
            return Ok(());
        }
        ensure!(since.elapsed() < PATIENCE, "the permission cannot be restored: {outcome:?}");
    }
}
