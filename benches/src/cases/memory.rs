//! What the server takes of memory: doing nothing, under load, and after very many people have shown their tokens.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{amount, ask};
use crate::client::{Expected, Work, load};
use crate::place::Kind;
use crate::population::{Population, token, user_id};
use crate::server::Server;
use crate::session::Session;
use crate::table::{Row, Table, Target};
use crate::world::World;

const CASE: &str = "memory";
const CONNECTIONS: usize = 64;
/// People who are not administrators would be limited to ten requests in a minute.
const UNLIMITED: [(&str, &str); 1] = [("OVERWRITE_SETTING_API_Enable_Rate_Limiter", "false")];
/// How much may come after half of the people have been seen: what is remembered of each is bounded, and full by then.
const GROWTH: f64 = 4.0;
/// So many people that half of them are more than the server remembers by default.
const FILLS: u64 = 40_000;

/// Every store.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    if !world.args.wants(CASE) {
        return Ok(());
    }
    for kind in world.args.stores() {
        measure(world, table, kind).await.with_context(|| kind.to_string())?;
    }
    Ok(())
}

async fn measure(world: &mut World, table: &mut Table, kind: Kind) -> Result<()> {
    let users = world.args.amount(10_000, 100_000);
    let data = world.data(kind, &Population { users, tokens: true, ..Population::default() }).await?;
    let server = Server::start(&world.program, &data.place, &UNLIMITED).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = server.memory()?;
    table.add(Row::new(CASE, format!("{kind}, idle"), "RSS MiB", memory.1, Target::AtMost(20.0)).with_memory(memory));

    let somebody = Session::of(&server, &user_id(0), &token(0));
    let (question, _) = ask(server.address, somebody.get("roles.list"), 200).await?;
    question.repeat(CONNECTIONS, world.args.time()).await.with_context(|| server.last_lines())?;
    let memory = server.memory()?;
    let load = format!("{kind}, {CONNECTIONS} conn");
    table.add(Row::new(CASE, load, "peak MiB", memory.0, Target::AtMost(64.0)).with_memory(memory));

    everybody(&server, 0..users / 2).await?;
    let half = server.memory()?;
    everybody(&server, users / 2..users).await?;
    let memory = server.memory()?;
    let load = format!("{kind}, {} tokens", amount(users));
    table.add(Row::new(CASE, &load, "peak MiB", memory.0, Target::AtMost(64.0)).with_memory(memory));
    let growth = memory.1 - half.1;
    // With fewer the memory of sessions is not full at half.
    let target = if users >= FILLS { Target::AtMost(GROWTH) } else { Target::Open };
    table.add(Row::new(CASE, &load, "MiB more than at half", growth, target).with_memory(memory));
    Ok(())
}

/// Each of these people asks once.
async fn everybody(server: &Server, numbers: std::ops::Range<u64>) -> Result<()> {
    let request = |number| Session::of(server, &user_id(number), &token(number)).get("roles.list");
    let requests: Vec<Vec<u8>> = numbers.map(request).collect();
    let expected = Expected { status: 200, length: None };
    let round = load(server.address, CONNECTIONS, Work::Each(requests.into()), expected).await;
    round.with_context(|| server.last_lines()).map(drop)
}
