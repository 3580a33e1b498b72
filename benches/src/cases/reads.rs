//! What everybody asks all the time, against a bare server that answers the same bytes.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{ask, in_turns};
use crate::baseline::http::BareServer;
use crate::place::Kind;
use crate::table::{Row, Table, Target};
use crate::world::World;

/// Name, address, and the least ratio of throughput at each number of connections.
type Case = (&'static str, &'static str, &'static [(usize, Target)]);

const CASES: [Case; 3] = [
    ("roles.list", "roles.list", &[(1, Target::AtLeast(0.90)), (8, Target::Open), (64, Target::AtLeast(0.80))]),
    ("users.info of oneself", "users.info?username=admin", &[(64, Target::AtLeast(0.80))]),
    ("permissions.listAll", "permissions.listAll", &[(64, Target::AtLeast(0.80))]),
];

/// Every read on every store.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    for kind in world.args.stores() {
        for case in CASES.into_iter().filter(|(name, ..)| world.args.wants(name)).collect::<Vec<_>>() {
            compare(world, table, kind, case).await.with_context(|| format!("{} on {kind}", case.0))?;
        }
    }
    Ok(())
}

async fn compare(world: &mut World, table: &mut Table, kind: Kind, (name, path, loads): Case) -> Result<()> {
    let site = world.main(kind).await?;
    let (ours, body) = ask(site.server.address, site.admin.get(path), 200).await?;
    check(name, &body)?;
    let bare = BareServer::start(&body, "application/json")?;
    let other = ours.to(bare.address);
    for (connections, target) in loads {
        let sides = in_turns(world, &[&ours, &other], *connections).await.with_context(|| site.server.last_lines())?;
        let [ours, other] = sides.as_slice() else { continue };
        let load = format!("{kind}, {connections} conn");
        let ratio = ours.per_second / other.per_second;
        let row = Row::new(name, load, "throughput / bare server", ratio, *target);
        table.add(row.sides(ours, other).with_memory(site.server.memory()?));
    }
    Ok(())
}

fn check(name: &str, body: &[u8]) -> Result<()> {
    let answer: Value = serde_json::from_slice(body)?;
    let length = |list: &str| answer[list].as_array().map_or(0, Vec::len);
    let fits = match name {
        "roles.list" => length("roles") == 15,
        "permissions.listAll" => length("update") > 100,
        _ => answer["user"]["username"] == "admin",
    };
    anyhow::ensure!(fits, "another answer than expected: {answer}");
    Ok(())
}
