//! Promise 1: a role is deleted or named, never both. One deletion races with assignments of every kind, sent at the same
//! moment through both servers; afterwards nothing anywhere names a role that is gone.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rolekeeper_bench::place::Kind;
use serde_json::json;

use super::{Volley, lanes};
use crate::caller::{Call, Outcome, Who};
use crate::report::{Control, NO_CONTROL_SERVER, ONE_WRITER};
use crate::stage::{Build, Site, Stage, create_organization, create_role, somebody};

const LANES: usize = 4;
const TAKERS: usize = 4;
/// What a role can be named by.
const WAYS: [Way; 5] = [Way::Account, Way::Room, Way::Organization, Way::Permission, Way::Everything];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Account,
    Room,
    Organization,
    Permission,
    /// An account's update, a room, a permission's list and the setting of default roles.
    Everything,
}

/// How the rounds of a run ended.
#[derive(Debug, Default)]
struct Count {
    deleted: usize,
    kept: usize,
    wrong: Vec<String>,
}

/// On each store that is asked for.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(1) {
        return Ok(());
    }
    for kind in stage.args.stores() {
        let rounds = stage.args.amount(120, 10_000);
        let (orphans, count) = race(stage, kind, Build::Ours, rounds).await?;
        let control = match kind {
            Kind::Sqlite => ONE_WRITER,
            Kind::Mongo if stage.has_control() => {
                let rounds = stage.args.amount(60, 500);
                let (orphans, _) = race(stage, kind, Build::Without("no-locks"), rounds).await?;
                Control::Found(orphans.len(), rounds)
            }
            Kind::Mongo => NO_CONTROL_SERVER,
        };
        for problem in orphans.iter().chain(&count.wrong).take(10) {
            println!("   {problem}");
        }
        let Count { deleted, kept, wrong } = &count;
        let figure = format!(
            "{} orphans in {rounds} rounds ({deleted} deleted, {kept} kept), {} wrong answers",
            orphans.len(),
            wrong.len()
        );
        // A race that always ends in the same way is none.
        let holds = orphans.is_empty() && wrong.is_empty() && *deleted > 0 && *kept > 0;
        stage.report.add(1, Some(kind), "a role is deleted or named, never both", figure, &control, holds);
    }
    Ok(())
}

async fn race(stage: &mut Stage, kind: Kind, build: Build, rounds: usize) -> Result<(Vec<String>, Count)> {
    let site = Arc::new(stage.site(kind, build, (LANES * TAKERS) as u64).await?);
    let counts = lanes(LANES, |lane| {
        let site = Arc::clone(&site);
        async move { Lane::prepare(&site, lane).await?.run(&site, rounds.div_ceil(LANES)).await }
    });
    let mut count = Count::default();
    for part in counts.await? {
        count.deleted += part.deleted;
        count.kept += part.kept;
        count.wrong.extend(part.wrong);
    }
    let seeded = |role: &str| rolekeeper::domain::role::DEFAULT_ROLES.iter().any(|known| known.id == role);
    let of_other_editions = |role: &str| role.contains('-') || matches!(role, "app" | "anonymous" | "bot" | "guest");
    let orphans = site.source()?.picture().await?.orphans(|role| !seeded(role) && !of_other_editions(role));
    let site = Arc::into_inner(site).context("somebody still uses the servers")?;
    site.end().await?;
    Ok((orphans, count))
}

/// A part of the rounds, with accounts, a room and an organization of its own.
struct Lane {
    number: usize,
    room: String,
    organization: String,
    people: Vec<Who>,
}

impl Lane {
    async fn prepare(site: &Site, number: usize) -> Result<Self> {
        let mut caller = site.caller(number)?;
        let people: Vec<Who> = (0..TAKERS).map(|taker| somebody((number * TAKERS + taker) as u64)).collect();
        let names: Vec<&str> = people.iter().map(|who| who.username.as_str()).collect();
        let room = json!({"name": format!("room-{number}"), "members": names});
        let room = caller.done(&site.admin, &Call::post("/api/v1/channels.create", room)).await?;
        let room = room["channel"]["_id"].as_str().context("a room without an id")?.to_owned();
        let organization = create_organization(&mut caller, &site.admin, &format!("lane {number}")).await?;
        for person in &people {
            let body = json!({"username": person.username});
            caller.done(&site.admin, &Call::post(format!("{organization}/users/add"), body)).await?;
        }
        Ok(Self { number, room, organization, people })
    }

    async fn run(self, site: &Site, rounds: usize) -> Result<Count> {
        let mut count = Count::default();
        for round in 0..rounds {
            let way = WAYS.get(round % WAYS.len()).copied().unwrap_or(Way::Account);
            let outcomes = self.round(site, round, way).await?;
            let (deletion, others) = outcomes.split_first().context("no deletion")?;
            match deletion {
                Outcome::Answered(reply) if reply.is_success() => count.deleted += 1,
                Outcome::Answered(reply) if matches!(reply.status, 400 | 409) => count.kept += 1,
                other => count.wrong.push(format!("{way:?}, deletion: {other:?}")),
            }
            for other in others {
                let is_expected =
                    matches!(other, Outcome::Answered(reply) if matches!(reply.status, 200 | 201 | 400 | 404));
                if !is_expected {
                    count.wrong.push(format!("{way:?}: {other:?}"));
                }
            }
        }
        Ok(count)
    }

    /// The deletion first, then the others.
    async fn round(&self, site: &Site, round: usize, way: Way) -> Result<Vec<Outcome>> {
        let Self { organization, people, .. } = self;
        let mut caller = site.caller(round)?;
        let name = format!("race-{}-{round}", self.number);
        let mut volley = Volley::new();
        if way == Way::Organization {
            let body = json!({"name": name, "capabilities": ["invite_users"]});
            let made = caller.done(&site.admin, &Call::post(format!("{organization}/roles"), body)).await?;
            let path = format!("{organization}/roles/{}", made["id"].as_str().context("a role without an id")?);
            volley.add(site.caller(round)?, &site.admin, Call::delete(path.clone()));
            for (number, person) in people.iter().enumerate() {
                let body = json!({"user_id": format!("usr_{}", person.id)});
                volley.add(site.caller(round + 1 + number)?, &site.admin, Call::post(format!("{path}/members"), body));
            }
        } else {
            let scope = if way == Way::Room { "Subscriptions" } else { "Users" };
            let role = create_role(&mut caller, &site.admin, &name, scope).await?;
            let deletion = Call::post("/api/v1/roles.delete", json!({"roleId": role}));
            volley.add(site.caller(round)?, &site.admin, deletion);
            for (number, call) in self.takes(way, &role).into_iter().enumerate() {
                volley.add(site.caller(round + 1 + number)?, &site.admin, call);
            }
        }
        Ok(volley.fire().await?.into_iter().map(|(_, outcome)| outcome).collect())
    }

    fn takes(&self, way: Way, role: &str) -> Vec<Call> {
        let give = |who: &Who| json!({"username": who.username, "roleId": role});
        let in_room = |who: &Who| json!({"username": who.username, "roleId": role, "roomId": self.room});
        let permissions = ["view-logs", "mail-messages", "manage-emoji", "manage-sounds"];
        let grant = |permission: &str| {
            Call::post("/api/v1/permissions.addRole", json!({"permissionId": permission, "role": role}))
        };
        let assign = |body| Call::post("/api/v1/roles.addUserToRole", body);
        let people = self.people.iter();
        match way {
            Way::Account => people.map(|who| assign(give(who))).collect(),
            Way::Room => people.map(|who| assign(in_room(who))).collect(),
            Way::Permission => permissions.map(grant).to_vec(),
            Way::Organization | Way::Everything => {
                let update = people.take(1).map(|who| {
                    let data = json!({"userId": who.id, "data": {"roles": ["user", role]}});
                    Call::post("/api/v1/users.update", data)
                });
                let list = json!({"permissions": [{"_id": "view-statistics", "roles": ["admin", role]}]});
                let setting = Call::post(
                    "/api/v1/settings/Accounts_Registration_Users_Default_Roles",
                    json!({"value": format!("user,{role}")}),
                );
                update
                    .chain([Call::post("/api/v1/permissions.update", list), grant("manage-assets"), setting])
                    .collect()
            }
        }
    }
}
