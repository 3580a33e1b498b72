//! Promise 9: a right that was taken away is gone: at once on the server that took it, soon on the other one, whether ours
//! took it or somebody wrote to the database, and within two seconds even when the other server's stream of changes is
//! held back or cut. The proxy stands between that server and MongoDB.
//!
//! The control is a server that takes itself for up to date and hears nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use mongodb::{Collection, Database};
use rolekeeper_bench::measure::quantile;
use rolekeeper_bench::place::Kind;
use serde_json::json;

use crate::caller::{Call, Caller, Outcome, Who};
use crate::node::Node;
use crate::proxy::{Fault, Proxy};
use crate::report::{Control, NO_CONTROL_SERVER};
use crate::stage::{Build, Site, Stage, create_role, somebody};

/// What whoever has the right may ask for; everybody else gets 403.
const ASKED: &str = "/api/v1/roles.getUsersInRole?role=admin";
const PERMISSION: &str = "access-permissions";
const BOUND: Duration = Duration::from_secs(2);
/// After this long a right counts as never taken away.
const NEVER: Duration = Duration::from_secs(6);

/// Who takes the right away, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// A server of ours.
    Ours,
    /// A program that writes to the database without waiting for a majority.
    Foreign,
}

/// What rounds of one kind gave.
#[derive(Debug, Default)]
struct Times {
    /// To the first refusal.
    there: Vec<Duration>,
    /// To the last time that it was asked for and granted.
    granted: Duration,
    stale_here: usize,
    never: usize,
}

impl Times {
    fn millis(&self, part: f64) -> f64 {
        quantile(&self.there, part) / 1_000.0
    }
}

struct Scene<'s> {
    site: &'s Site,
    database: Database,
    role: String,
    here: Caller,
    there: Caller,
    person: Who,
}

/// On MongoDB: the embedded store has one server.
pub async fn run(stage: &mut Stage) -> Result<()> {
    if !stage.args.wants(9) || !stage.args.on(Kind::Mongo) {
        return Ok(());
    }
    let site = stage.site(Kind::Mongo, Build::Ours, 4).await?;
    let control = control(stage, &site).await?;
    let there = site.nodes.get(1).context("no second server")?.address;
    let mut scene = Scene::prepare(&site, there, "trusted").await?;
    let rounds = stage.args.amount(60, 1_000);
    for (writer, promise, bound) in [
        (Writer::Ours, "revocation is visible, our own writes", 25.0),
        (Writer::Foreign, "revocation is visible, another writer's w:1", 200.0),
    ] {
        let times = scene.rounds(writer, rounds, None).await?;
        let figure = format!(
            "{} stale on the same server; the other p50 {:.1} ms, p99 {:.1} ms of {rounds} (at most {bound} ms)",
            times.stale_here,
            times.millis(0.5),
            times.millis(0.99)
        );
        let holds = times.stale_here + times.never == 0 && times.millis(0.99) <= bound;
        stage.report.add(9, Some(Kind::Mongo), promise, figure, &control, holds);
    }
    drop(scene);
    cut_off(stage, &site, &control).await?;
    site.end().await
}

/// A server behind the proxy, which cuts or holds its stream.
async fn cut_off(stage: &mut Stage, site: &Site, control: &Control) -> Result<()> {
    let (proxy, node) = behind_proxy(stage, site, "behind-proxy", "").await?;
    let mut scene = Scene::prepare(site, node.address, "trusted behind the proxy").await?;
    let rounds = stage.args.amount(2, 100);
    for (fault, what) in [
        (Fault::HoldStream, "stream held back"),
        (Fault::CutStream, "stream cut again and again"),
        (Fault::Delay(Duration::from_millis(100)), "everything delayed"),
        (Fault::CutAll, "everything cut"),
    ] {
        let times = scene.rounds(Writer::Ours, rounds, Some((&proxy, fault))).await?;
        let figure = format!(
            "last granted when asked {:.2} s after it in {rounds} rounds (at most {} s), {} times never refused",
            times.granted.as_secs_f64(),
            BOUND.as_secs(),
            times.never
        );
        let holds = times.never == 0 && times.granted <= BOUND;
        let promise = format!("revocation is visible, {what}");
        stage.report.add(9, Some(Kind::Mongo), &promise, figure, control, holds);
    }
    drop(scene);
    node.kill().await
}

/// A server that reaches the primary through a proxy.
async fn behind_proxy(stage: &mut Stage, site: &Site, name: &str, faults: &'static str) -> Result<(Proxy, Arc<Node>)> {
    let replica = stage.replica().await?;
    let proxy = Proxy::start(replica.address(replica.primary().await?)?).await?;
    let database = site.place.database()?;
    let url = format!("mongodb://{}/{}?directConnection=true", proxy.address, database.name());
    let node = stage.another(&url, name, faults).await?;
    Ok((proxy, node))
}

async fn control(stage: &mut Stage, site: &Site) -> Result<Control> {
    if !stage.has_control() {
        return Ok(NO_CONTROL_SERVER);
    }
    let there = site.nodes.get(1).context("no second server")?.address;
    let mut scene = Scene::prepare(site, there, "trusted by the deaf").await?;
    scene.change_permission(Writer::Ours, true).await?;
    // It learns of the right when it starts, and of nothing that happens later.
    let (_proxy, node) = behind_proxy(stage, site, "deaf", "deaf").await?;
    scene.there = Caller::to(node.address);
    ensure!(until(&mut scene.there, &scene.person, true).await?.is_some(), "the right is not there");
    scene.change_permission(Writer::Ours, false).await?;
    let stale = until(&mut scene.there, &scene.person, false).await?.is_none();
    node.kill().await?;
    Ok(Control::Found(usize::from(stale), 1))
}

impl<'s> Scene<'s> {
    async fn prepare(site: &'s Site, there: SocketAddr, role: &str) -> Result<Self> {
        let mut here = site.caller(0)?;
        let role = create_role(&mut here, &site.admin, role, "Users").await?;
        let mut scene =
            Self { site, database: site.place.database()?, role, here, there: Caller::to(there), person: somebody(0) };
        scene.change_role(Writer::Ours, true).await?;
        Ok(scene)
    }

    /// The right is given, known to both servers, and taken away, by the person's role and by the permission's list in turn.
    async fn rounds(&mut self, writer: Writer, rounds: usize, fault: Option<(&Proxy, Fault)>) -> Result<Times> {
        let mut times = Times::default();
        for number in 0..rounds {
            let by_role = number % 2 == 0;
            self.change_role(writer, true).await?;
            self.change_permission(writer, true).await?;
            let granted = until(&mut self.here, &self.person, true).await?.is_some()
                && until(&mut self.there, &self.person, true).await?.is_some();
            ensure!(granted, "a right that was given is never there");
            if let Some((proxy, fault)) = fault {
                proxy.set(fault);
            }
            if by_role {
                self.change_role(writer, false).await?
            } else {
                self.change_permission(writer, false).await?
            }
            let since = Instant::now();
            if writer == Writer::Ours {
                times.stale_here += usize::from(self.here.ask(&self.person, &Call::get(ASKED)).await.is_success());
            }
            match until(&mut self.there, &self.person, false).await? {
                Some((refused, granted)) => {
                    times.there.push(refused.saturating_duration_since(since));
                    let granted = granted.map_or(Duration::ZERO, |granted| granted.saturating_duration_since(since));
                    times.granted = times.granted.max(granted);
                }
                None => times.never += 1,
            }
            if let Some((proxy, _)) = fault {
                proxy.set(Fault::None);
            }
        }
        Ok(times)
    }

    async fn change_role(&mut self, writer: Writer, give: bool) -> Result<()> {
        if writer == Writer::Foreign {
            return self.write("users", doc! { "_id": &self.person.id }, give).await;
        }
        let path = if give { "/api/v1/roles.addUserToRole" } else { "/api/v1/roles.removeUserFromRole" };
        let body = json!({"username": self.person.username, "roleId": self.role});
        let reply = self.here.answer(&self.site.admin, &Call::post(path, body)).await?;
        // 400: it is so already.
        ensure!(reply.is_success() || reply.status == 400, "{reply:?}");
        Ok(())
    }

    async fn change_permission(&mut self, writer: Writer, give: bool) -> Result<()> {
        if writer == Writer::Foreign {
            return self.write("rocketchat_permissions", doc! { "_id": PERMISSION }, give).await;
        }
        let roles = if give { vec!["admin", self.role.as_str()] } else { vec!["admin"] };
        let body = json!({"permissions": [{"_id": PERMISSION, "roles": roles}]});
        self.here.done(&self.site.admin, &Call::post("/api/v1/permissions.update", body)).await.map(drop)
    }

    async fn write(&self, collection: &str, document: Document, give: bool) -> Result<()> {
        let change = if give { "$addToSet" } else { "$pull" };
        let collection: Collection<Document> = self.database.collection(collection);
        let change = doc! { change: { "roles": &self.role }, "$currentDate": { "_updatedAt": true } };
        let one = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
        let written = collection.update_one(document, change).write_concern(one).await?;
        ensure!(written.matched_count == 1, "nothing to change");
        Ok(())
    }
}

/// Asks until the right is granted, or is not any more: when that answer came, and when what was answered otherwise was asked last; `None`
/// when it never does. A server that does not know at present what holds (503) grants nothing.
async fn until(caller: &mut Caller, who: &Who, granted: bool) -> Result<Option<(Instant, Option<Instant>)>> {
    let (since, mut last) = (Instant::now(), None);
    let patience = if granted { NEVER * 4 } else { NEVER };
    while since.elapsed() < patience {
        let asked = Instant::now();
        match caller.ask(who, &Call::get(ASKED)).await {
            Outcome::Answered(reply) if reply.is_success() == granted => return Ok(Some((Instant::now(), last))),
            Outcome::Answered(reply) if matches!(reply.status, 200 | 403 | 503) => last = Some(asked),
            other => bail!("{other:?}"),
        }
    }
    Ok(None)
}
