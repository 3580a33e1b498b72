//! From the start of the process to its first answer, on a store that is there already.

use std::time::Duration;

use anyhow::Result;

use crate::measure::{Round, Side};
use crate::place::Kind;
use crate::population::Population;
use crate::server::Server;
use crate::table::{Row, Table, Target};
use crate::world::World;

const CASE: &str = "start";

/// Several starts on every store.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    if !world.args.wants(CASE) {
        return Ok(());
    }
    for kind in world.args.stores() {
        let data = world.data(kind, &Population { users: 100, ..Population::default() }).await?;
        let mut starts = Vec::new();
        for _ in 0..world.args.amount(3, 11) {
            let server = Server::start(&world.program, &data.place, &[]).await?;
            starts.push(server.start);
            server.stop().await?;
        }
        let bound = Target::AtMost(if kind == Kind::Sqlite { 100.0 } else { 1_000.0 });
        let figures = [
            ("ms to the first answer", starts.iter().map(|start| start.answering).collect::<Vec<Duration>>()),
            ("ms until ready", starts.iter().map(|start| start.ready).collect()),
        ];
        for (figure, times) in figures {
            let side = Side::of(&[Round { elapsed: times.iter().sum(), times }]);
            table.add(Row::new(CASE, kind, figure, side.p50 / 1_000.0, bound).our(&side));
        }
    }
    Ok(())
}
