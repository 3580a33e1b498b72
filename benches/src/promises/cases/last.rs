//! Promise 3: a workspace is never without an administrator who may act, and no organization without an Owner. The two who
//! are left remove each other at the same moment, by every way there is.

use anyhow::Result;
use rolekeeper::domain::system_role::OWNER;
use rolekeeper_bench::place::Kind;
use serde_json::json;

use super::{IN_ONE_WORKSPACE, Volley};
use crate::caller::{Call, Outcome, Who};
use crate::picture::Picture;
use crate::report::{Control, NO_CONTROL_SERVER, ONE_WRITER};
use crate::stage::{Build, Site, Stage, create_organization, create_role, somebody};

/// What somebody needs who is no administrator and yet prepares the rounds.
const RIGHTS: [&str; 6] = [
    "access-permissions",
    "assign-roles",
    "assign-admin-role",
    "edit-other-user-info",
    "edit-other-user-active-status",
    "view-full-other-user-info",
];
const WAYS: [Way; 4] = [Way::Unassign, Way::Update, Way::Deactivate, Way::Delete];

#[derive(Debug, Clone, Copy)]
enum Way {
    Unassign,
    Update,
    Deactivate,
    Delete,
}

/// What the rounds of a run gave.
#[derive(Debug, Default)]
struct Count {
    administrators: usize,
    owners: usize,
    /// Rounds in which both were refused or both had gone on.
    refused: usize,
    removed: usize,
    wrong: Vec<String>,
}

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(3) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        let rounds = stage.args.amount(48, 10_000);
        let count = race(stage, kind, Build::Ours, rounds).await?;
        let control = match kind {
            Kind::Sqlite => ONE_WRITER,
            Kind::Mongo if stage.has_control() => {
                let rounds = stage.args.amount(32, 200);
                let count = race(stage, kind, Build::Without("no-locks"), rounds).await?;
                Control::Found(count.administrators + count.owners, rounds)
            }
            Kind::Mongo => NO_CONTROL_SERVER,
        };
        for problem in count.wrong.iter().take(10) {
            println!("   {problem}");
        }
        let Count { administrators, owners, refused, removed, wrong } = &count;
        let figure = format!(
            "{administrators} times no administrator, {owners} times no Owner in {rounds} rounds each ({removed} removed, {refused} refused), {} wrong answers",
            wrong.len()
        );
        let holds = administrators + owners == 0 && wrong.is_empty() && *removed > 0 && *refused > 0;
        stage.report.add(3, Some(kind), "never without an administrator or Owner", figure, &control, holds);
    }
    Ok(())
}

/// The rounds, with the one who prepares them.
struct Rounds<'s> {
    site: &'s Site,
    steward: Who,
    next: u64,
    count: Count,
}

/// All accounts are looked at after each round, and every round takes a new one.
async fn race(stage: &mut Stage, kind: Kind, build: Build, rounds: usize) -> Result<Count> {
    let mut count = Count::default();
    for first in (0..rounds).step_by(IN_ONE_WORKSPACE) {
        let rounds = IN_ONE_WORKSPACE.min(rounds - first);
        // Of two at most one goes for good in a round, but where guards are off both do.
        let site = stage.site(kind, build, 2 * rounds as u64 + 8).await?;
        let steward = make_steward(&site).await?;
        let mut running = Rounds { site: &site, steward, next: 1, count };
        running.administrators(rounds).await?;
        running.owners(rounds).await?;
        count = running.count;
        site.end().await?;
    }
    Ok(count)
}

/// Somebody with those rights, who is no administrator.
async fn make_steward(site: &Site) -> Result<Who> {
    let (mut caller, steward) = (site.caller(0)?, somebody(0));
    let role = create_role(&mut caller, &site.admin, "steward", "Users").await?;
    for permission in RIGHTS {
        let body = json!({"permissionId": permission, "role": role});
        caller.done(&site.admin, &Call::post("/api/v1/permissions.addRole", body)).await?;
    }
    caller.done(&site.admin, &give(&steward, &role)).await?;
    Ok(steward)
}

fn give(who: &Who, role: &str) -> Call {
    Call::post("/api/v1/roles.addUserToRole", json!({"username": who.username, "roleId": role}))
}

fn remove(way: Way, who: &Who) -> Call {
    match way {
        Way::Unassign => {
            Call::post("/api/v1/roles.removeUserFromRole", json!({"username": who.username, "roleId": "admin"}))
        }
        Way::Update => Call::post("/api/v1/users.update", json!({"userId": who.id, "data": {"roles": ["user"]}})),
        Way::Deactivate => {
            Call::post("/api/v1/users.setActiveStatus", json!({"userId": who.id, "activeStatus": false}))
        }
        Way::Delete => Call::post("/api/v1/users.delete", json!({"userId": who.id})),
    }
}

impl Rounds<'_> {
    fn somebody_new(&mut self) -> Who {
        self.next += 1;
        somebody(self.next - 1)
    }

    async fn picture(&self) -> Result<Picture> {
        self.site.source()?.picture().await
    }

    fn note(&mut self, what: &str, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match outcome {
                Outcome::Answered(reply) if reply.is_success() => self.count.removed += 1,
                Outcome::Answered(reply) if matches!(reply.status, 400..=422) => self.count.refused += 1,
                other => self.count.wrong.push(format!("{what}: {other:?}")),
            }
        }
    }

    async fn administrators(&mut self, rounds: usize) -> Result<()> {
        let mut caller = self.site.caller(0)?;
        let mut one = self.somebody_new();
        caller.done(&self.steward, &give(&one, "admin")).await?;
        let first = self.site.admin.clone();
        caller.done(&self.steward, &remove(Way::Unassign, &first)).await?;
        for round in 0..rounds {
            let two = self.somebody_new();
            caller.done(&self.steward, &give(&two, "admin")).await?;
            let way = |number: usize| WAYS.get(number % WAYS.len()).copied().unwrap_or(Way::Unassign);
            let (way, other) = (way(round), way(round / WAYS.len()));
            let mut volley = Volley::new();
            volley.add(self.site.caller(round)?, &one, remove(way, &two));
            volley.add(self.site.caller(round + 1)?, &two, remove(other, &one));
            let outcomes: Vec<Outcome> = volley.fire().await?.into_iter().map(|(_, outcome)| outcome).collect();
            self.note(&format!("{way:?} and {other:?}"), &outcomes);
            let picture = self.picture().await?;
            let acts = |who: &Who| {
                picture.accounts.get(&who.id).is_some_and(|account| account.active && account.roles.contains("admin"))
            };
            match (acts(&one), acts(&two)) {
                (true, true) => {
                    caller.done(&self.steward, &remove(Way::Unassign, &two)).await?;
                }
                (true, false) => {}
                (false, true) => one = two,
                (false, false) => {
                    self.count.administrators += usize::from(picture.active_holders("admin") == 0);
                    one = self.somebody_new();
                    caller.done(&self.steward, &give(&one, "admin")).await?;
                }
            }
        }
        // For the organizations that follow.
        caller.done(&self.steward, &give(&self.site.admin, "admin")).await.map(drop)
    }

    async fn owners(&mut self, rounds: usize) -> Result<()> {
        let mut caller = self.site.caller(1)?;
        let (one, two) = (somebody(2 * rounds as u64 + 6), somebody(2 * rounds as u64 + 7));
        for round in 0..rounds {
            let organization = create_organization(&mut caller, &one, &format!("owners {round}")).await?;
            let id = |who: &Who| format!("usr_{}", who.id);
            let body = json!({"user_id": id(&two)});
            caller.done(&one, &Call::post(format!("{organization}/users/add"), body.clone())).await?;
            caller.done(&one, &Call::post(format!("{organization}/roles/{OWNER}/members"), body)).await?;
            // The role or the membership goes; each his own or the other's.
            let go = |who: &Who, membership: bool| match membership {
                true => Call::delete(format!("{organization}/users/{}", id(who))),
                false => Call::delete(format!("{organization}/roles/{OWNER}/members/{}", id(who))),
            };
            let (first, second) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
            let mut volley = Volley::new();
            volley.add(self.site.caller(round)?, &one, go(first, round % 3 == 0));
            volley.add(self.site.caller(round + 1)?, &two, go(second, round % 4 < 2));
            let outcomes: Vec<Outcome> = volley.fire().await?.into_iter().map(|(_, outcome)| outcome).collect();
            self.note("Owners", &outcomes);
        }
        let picture = self.picture().await?;
        for (organization, name) in &picture.organizations {
            let owned = picture.organization_holders.iter().any(|(place, account, role)| {
                place == organization
                    && role == OWNER
                    && picture.accounts.get(account).is_some_and(|account| account.active)
            });
            if !owned && name.starts_with("owners ") {
                self.count.owners += 1;
            }
        }
        Ok(())
    }
}
