//! What is measured, one file for each question. Every case prepares its data, takes turns between the two sides, and
//! adds its figures with their targets to the table.

mod decide;
mod freshness;
mod memory;
mod peer;
mod reads;
mod scale;
mod start;
mod writes;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::client::{Connection, Expected, Work, load};
use crate::measure::{Round, Side};
use crate::table::Table;
use crate::world::World;

/// Every case that is asked for. The order is from the quickest to the one that needs the most data.
pub async fn run_all(world: &mut World, table: &mut Table) -> Result<()> {
    decide::run(world, table).await.context("decide")?;
    start::run(world, table).await.context("start")?;
    reads::run(world, table).await.context("reads")?;
    writes::run(world, table).await.context("writes")?;
    freshness::run(world, table).await.context("freshness")?;
    memory::run(world, table).await.context("memory")?;
    scale::run(world, table).await.context("scale")?;
    peer::run(world, table).await.context("peer")
}

/// A request and what its answer must be.
#[derive(Debug, Clone)]
pub struct Question {
    address: SocketAddr,
    request: Vec<u8>,
    expected: Expected,
}

/// Asks once; what came is what must come from then on.
async fn ask(address: SocketAddr, request: Vec<u8>, status: u16) -> Result<(Question, Vec<u8>)> {
    let mut connection = Connection::open(address).await?;
    let found = connection.exchange(&request).await?;
    let body = connection.body().to_vec();
    anyhow::ensure!(found == status, "status {found} instead of {status}: {}", String::from_utf8_lossy(&body));
    Ok((Question { address, request, expected: Expected { status, length: Some(body.len()) } }, body))
}

impl Question {
    /// The same to another server, which answers the same.
    fn to(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// For that long, over that many connections.
    async fn repeat(&self, connections: usize, time: Duration) -> Result<Round> {
        load(self.address, connections, Work::For(time, self.request.as_slice().into()), self.expected).await
    }
}

/// Several questions in turns, in the other order every other round; a side for each.
async fn in_turns(world: &World, questions: &[&Question], connections: usize) -> Result<Vec<Side>> {
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); questions.len()];
    for number in 0..world.args.rounds() {
        let mut turn: Vec<_> = questions.iter().zip(&mut rounds).collect();
        if number % 2 == 1 {
            turn.reverse();
        }
        for (question, rounds) in turn {
            rounds.push(question.repeat(connections, world.args.time()).await?);
        }
    }
    Ok(rounds.iter().map(|rounds| Side::of(rounds)).collect())
}

/// A number of accounts as people write it.
fn amount(number: u64) -> String {
    match number {
        number if number % 1_000_000 == 0 => format!("{} M", number / 1_000_000),
        number if number % 1_000 == 0 => format!("{} k", number / 1_000),
        number => number.to_string(),
    }
}
