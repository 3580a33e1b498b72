//! Changes, against the same statements sent straight through the driver: what the way through the server costs beside
//! the durable write.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::baseline::mongo::Statements as MongoStatements;
use crate::baseline::sqlite::Statements as SqliteStatements;
use crate::baseline::{drive, sqlite};
use crate::client::{Expected, Work, load};
use crate::measure::{Round, Side};
use crate::place::Kind;
use crate::population::{user_id, username};
use crate::table::{Row, Table, Target};
use crate::world::{Data, MEMBERS, Site, World};

const DELETE: &str = "roles.delete";
const ASSIGN: &str = "roles.addUserToRole";
const SUCCESS: Expected = Expected { status: 200, length: Some(r#"{"success":true}"#.len()) };

/// Both changes on every store.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    for kind in world.args.stores() {
        if world.args.wants(DELETE) {
            delete(world, table, kind).await.with_context(|| format!("{DELETE} on {kind}"))?;
        }
        if world.args.wants(ASSIGN) {
            assign(world, table, kind).await.with_context(|| format!("{ASSIGN} on {kind}"))?;
        }
    }
    Ok(())
}

async fn delete(world: &mut World, table: &mut Table, kind: Kind) -> Result<()> {
    let (site, bare) = (world.main(kind).await?, world.bare(kind).await?);
    for (connections, count) in [(1, world.args.amount(20, 200)), (64, world.args.amount(128, 512))] {
        let (mut ours, mut other) = (Vec::new(), Vec::new());
        for round in 0..world.args.rounds() {
            // Whoever comes second finds a warmer machine, or a more tired one.
            if round % 2 == 1 {
                other.push(bare_deletions(&bare, connections, count).await?);
            }
            ours.push(deletions(&site, connections, count).await?);
            if round % 2 == 0 {
                other.push(bare_deletions(&bare, connections, count).await?);
            }
        }
        let (ours, other) = (Side::of(&ours), Side::of(&other));
        let load = format!("{kind}, {connections} conn");
        let throughput = ours.per_second / other.per_second;
        let row = match (connections, kind) {
            (1, _) => Row::new(DELETE, load, "median / statements alone", ours.p50 / other.p50, Target::AtMost(1.25)),
            (_, Kind::Mongo) => {
                Row::new(DELETE, load, "throughput / statements alone", throughput, Target::AtLeast(0.8))
            }
            (_, Kind::Sqlite) => {
                Row::new(DELETE, load, "throughput / one commit each", throughput, Target::AtLeast(4.0))
            }
        };
        table.add(row.sides(&ours, &other).with_memory(site.server.memory()?));
    }
    Ok(())
}

/// Makes roles, which is not timed, and deletes them.
pub async fn deletions(site: &Site, connections: usize, count: usize) -> Result<Round> {
    let roles = site.admin.create_roles((0..count).map(|number| format!("passing-{number}"))).await?;
    let requests: Vec<Vec<u8>> = roles.iter().map(|id| site.admin.post(DELETE, &json!({"roleId": id}))).collect();
    let round = load(site.server.address, connections, Work::Each(requests.into()), SUCCESS).await;
    round.with_context(|| site.server.last_lines())
}

async fn bare_deletions(data: &Arc<Data>, connections: usize, count: usize) -> Result<Round> {
    match data.place.kind() {
        Kind::Mongo => {
            let statements = MongoStatements::new(data.place.database()?);
            let roles = Arc::new(statements.create_roles(count).await?);
            let delete = move |number: usize| {
                let (statements, roles) = (statements.clone(), Arc::clone(&roles));
                async move { statements.delete_role(roles.get(number).context("no role")?).await }
            };
            drive(connections, count, delete).await
        }
        Kind::Sqlite => {
            let mut statements = SqliteStatements::new(data.place.connection()?);
            let deletions = tokio::task::spawn_blocking(move || {
                let roles = statements.create_roles(count)?;
                sqlite::drive(count, |number| statements.delete_role(roles.get(number).context("no role")?))
            });
            deletions.await?
        }
    }
}

async fn assign(world: &mut World, table: &mut Table, kind: Kind) -> Result<()> {
    let (site, bare) = (world.main(kind).await?, world.bare(kind).await?);
    let count = world.args.amount(20, MEMBERS);
    let (mut ours, mut other) = (Vec::new(), Vec::new());
    for number in 0..world.args.rounds() {
        let role = site.admin.create_role(&format!("given-{number}")).await?;
        // As above.
        if number % 2 == 1 {
            other.push(bare_assignments(&bare, usize::try_from(count)?).await?);
        }
        ours.push(assignments(&site, &role, count).await?);
        if number % 2 == 0 {
            other.push(bare_assignments(&bare, usize::try_from(count)?).await?);
        }
        take_back(&site, &role, count).await?;
    }
    let (ours, other) = (Side::of(&ours), Side::of(&other));
    let ratio = ours.p50 / other.p50;
    let row = Row::new(ASSIGN, format!("{kind}, 1 conn"), "median / statements alone", ratio, Target::AtMost(1.25));
    table.add(row.sides(&ours, &other).with_memory(site.server.memory()?));
    Ok(())
}

async fn assignments(site: &Site, role: &str, count: u64) -> Result<Round> {
    let request = |number| site.admin.post(ASSIGN, &json!({"username": username(number), "roleId": role}));
    let requests: Vec<Vec<u8>> = (0..count).map(request).collect();
    let expected = Expected { status: 200, length: None };
    let round = load(site.server.address, 1, Work::Each(requests.into()), expected).await;
    round.with_context(|| site.server.last_lines())
}

/// So that the workspace is the same for every round and every case.
async fn take_back(site: &Site, role: &str, count: u64) -> Result<()> {
    let path = "roles.removeUserFromRole";
    let request = |number| site.admin.post(path, &json!({"username": username(number), "roleId": role}));
    let requests: Vec<Vec<u8>> = (0..count).map(request).collect();
    load(site.server.address, 4, Work::Each(requests.into()), Expected { status: 200, length: None }).await?;
    site.admin.call("POST", DELETE, Some(&json!({"roleId": role}))).await.map(drop)
}

async fn bare_assignments(data: &Arc<Data>, count: usize) -> Result<Round> {
    match data.place.kind() {
        Kind::Mongo => {
            let statements = MongoStatements::new(data.place.database()?);
            let role = Arc::new(statements.create_roles(1).await?.remove(0));
            let assign = move |number: usize| {
                let (statements, role) = (statements.clone(), Arc::clone(&role));
                async move { statements.assign_role(&username(number as u64), &role).await }
            };
            drive(1, count, assign).await
        }
        Kind::Sqlite => {
            let mut statements = SqliteStatements::new(data.place.connection()?);
            let assignments = tokio::task::spawn_blocking(move || {
                let role = statements.create_roles(1)?.remove(0);
                sqlite::drive(count, |number| {
                    let number = number as u64;
                    statements.assign_role(&username(number), &user_id(number), &role)
                })
            });
            assignments.await?
        }
    }
}
