//! How soon a right that was taken away is gone: at once on the server that took it, and on another server of the same
//! workspace, whether our own server took it or somebody wrote to the database.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mongodb::bson::{Document, doc};
use mongodb::options::WriteConcern;
use mongodb::{Collection, Database};
use serde_json::json;

use crate::client::Connection;
use crate::measure::{median, quantile};
use crate::place::Kind;
use crate::population::{Population, token, user_id, username};
use crate::server::Server;
use crate::session::Session;
use crate::table::{Row, Table, Target};
use crate::world::World;

const CASE: &str = "freshness";
const UNLIMITED: [(&str, &str); 1] = [("OVERWRITE_SETTING_API_Enable_Rate_Limiter", "false")];
/// What whoever has the right may ask for; everybody else gets 403.
const ASKED: &str = "roles.getUsersInRole?role=admin";
const PERMISSION: &str = "access-permissions";
/// After this long a right counts as never taken away.
const NEVER: Duration = Duration::from_secs(30);

/// Who takes the right away, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The first server.
    Ours,
    /// A program that writes to the database without waiting for a majority.
    Foreign,
}

struct Scene {
    admin: Session,
    database: Database,
    role: String,
    /// The person's request, on a connection to the first server.
    here: Connection,
    /// And to the other one.
    there: Connection,
    request: Vec<u8>,
}

/// Two servers on one database.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    if !world.args.wants(CASE) || !world.args.stores().contains(&Kind::Mongo) {
        return Ok(());
    }
    let holders = vec![("trusted".to_owned(), 1)];
    let data = world.data(Kind::Mongo, &Population { users: 10, holders, tokens: true }).await?;
    let here = Server::start(&world.program, &data.place, &UNLIMITED).await?;
    let there = Server::start(&world.program, &data.place, &UNLIMITED).await?;
    let admin = Session::log_in(&here).await?;
    let mut scene = Scene {
        here: Connection::open(here.address).await?,
        there: Connection::open(there.address).await?,
        request: Session::of(&here, &user_id(0), &token(0)).get(ASKED),
        role: data.roles.first().context("no role")?.clone(),
        database: data.place.database()?,
        admin,
    };
    let rounds = world.args.amount(50, 300);
    for (writer, load, bound) in
        [(Writer::Ours, "our own writes", 25.0), (Writer::Foreign, "another writer, w:1", 200.0)]
    {
        let (mut times, mut stale) = (Vec::new(), 0);
        for number in 0..rounds {
            let (time, was_stale) = scene.round(writer, number % 2 == 0).await.with_context(|| there.last_lines())?;
            times.push(time);
            stale += u32::from(was_stale);
        }
        let millis = |part| quantile(&times, part) / 1_000.0;
        let load = format!("MongoDB, {load}, {rounds} rounds");
        table.add(Row::new(CASE, &load, "other server, p50 ms", millis(0.5), Target::Open));
        table.add(Row::new(CASE, &load, "other server, p99 ms", millis(0.99), Target::AtMost(bound)));
        let worst = median(vec![millis(1.0)]);
        table.add(Row::new(CASE, &load, "other server, most ms", worst, Target::Open));
        if writer == Writer::Ours {
            table.add(Row::new(CASE, &load, "stale on the same server", f64::from(stale), Target::AtMost(0.0)));
        }
    }
    Ok(())
}

impl Scene {
    /// Gives the right, waits until both servers know, takes it away; how long the other server went on to grant it,
    /// counted to the end of its first refusal, and whether the first server still granted it.
    async fn round(&mut self, writer: Writer, by_role: bool) -> Result<(Duration, bool)> {
        self.set(writer, by_role, true).await?;
        until(&mut self.here, &self.request, 200).await?;
        until(&mut self.there, &self.request, 200).await?;
        self.set(writer, by_role, false).await?;
        let since = Instant::now();
        let stale = writer == Writer::Ours && self.here.exchange(&self.request).await? == 200;
        until(&mut self.there, &self.request, 403).await?;
        let time = since.elapsed();
        until(&mut self.here, &self.request, 403).await?;
        // Both rights back as they were before: the role stays with its holder, the permission without the role.
        self.settle(writer, by_role).await?;
        Ok((time, stale))
    }

    /// Gives or takes, by the person's role or by the permission's list of roles; the other of the two is there.
    async fn set(&self, writer: Writer, by_role: bool, give: bool) -> Result<()> {
        if give {
            self.change_permission(writer, true).await?;
            return if by_role { self.change_role(writer, true).await } else { Ok(()) };
        }
        if by_role { self.change_role(writer, false).await } else { self.change_permission(writer, false).await }
    }

    async fn settle(&self, writer: Writer, by_role: bool) -> Result<()> {
        if by_role {
            self.change_permission(writer, false).await?;
            self.change_role(writer, true).await?;
        }
        Ok(())
    }

    async fn change_role(&self, writer: Writer, give: bool) -> Result<()> {
        let holder = username(0);
        if writer == Writer::Foreign {
            return self.write("users", doc! { "_id": user_id(0) }, give).await;
        }
        let held = self.holds().await?;
        if held == give {
            return Ok(());
        }
        let path = if give { "roles.addUserToRole" } else { "roles.removeUserFromRole" };
        let body = json!({"username": holder, "roleId": self.role});
        self.admin.call("POST", path, Some(&body)).await.map(drop)
    }

    async fn holds(&self) -> Result<bool> {
        let holder = doc! { "_id": user_id(0), "roles": &self.role };
        Ok(self.database.collection::<Document>("users").find_one(holder).await?.is_some())
    }

    async fn change_permission(&self, writer: Writer, give: bool) -> Result<()> {
        if writer == Writer::Foreign {
            return self.write("rocketchat_permissions", doc! { "_id": PERMISSION }, give).await;
        }
        let roles = if give { vec!["admin", self.role.as_str()] } else { vec!["admin"] };
        let body = json!({"permissions": [{"_id": PERMISSION, "roles": roles}]});
        self.admin.call("POST", "permissions.update", Some(&body)).await.map(drop)
    }

    async fn write(&self, collection: &str, document: Document, give: bool) -> Result<()> {
        let change = if give { "$addToSet" } else { "$pull" };
        let collection: Collection<Document> = self.database.collection(collection);
        let change = doc! { change: { "roles": &self.role }, "$currentDate": { "_updatedAt": true } };
        let one = WriteConcern::builder().w(mongodb::options::Acknowledgment::Nodes(1)).build();
        let written = collection.update_one(document, change).write_concern(one).await?;
        ensure!(written.matched_count == 1, "nothing to change");
        Ok(())
    }
}

/// Asks until the answer has that status.
async fn until(connection: &mut Connection, request: &[u8], wanted: u16) -> Result<()> {
    let since = Instant::now();
    loop {
        let status = connection.exchange(request).await?;
        if status == wanted {
            return Ok(());
        }
        ensure!(status == 200 || status == 403, "status {status}");
        if since.elapsed() > NEVER {
            bail!("still {status} instead of {wanted} after {NEVER:?}");
        }
    }
}
