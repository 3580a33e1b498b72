//! Under which circumstances the figures came about.

use std::fmt::{self, Display, Formatter};

use anyhow::Result;
use serde::Serialize;

use crate::args::Args;
use crate::circumstances;

/// Machine, program, command.
#[derive(Debug, Serialize)]
pub struct Header {
    date: String,
    commit: String,
    machine: String,
    kernel: String,
    command: String,
    rounds: usize,
    seconds: f64,
    notes: [&'static str; 4],
}

const NOTES: [&str; 4] = [
    "everything runs on this machine, the client included, and takes turns: ours, the other, ours, the other",
    "the server runs with its default settings and writes its log (level info) to a file",
    "SQLite: WAL, synchronous=FULL. MongoDB: one member, journal, default settings; writes w:majority, j:true",
    "p50, p99, per second: medians over the rounds; min..max: operations in a second of the slowest and fastest round",
];

impl Header {
    /// Asks the system.
    pub fn read(args: &Args) -> Result<Self> {
        Ok(Self {
            date: circumstances::date(),
            commit: circumstances::commit(),
            machine: circumstances::machine(),
            kernel: circumstances::kernel(),
            command: circumstances::command("rolekeeper-bench"),
            rounds: args.rounds(),
            seconds: args.time().as_secs_f64(),
            notes: NOTES,
        })
    }
}

impl Display for Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "date     {}", self.date)?;
        writeln!(f, "commit   {}", self.commit)?;
        writeln!(f, "machine  {}", self.machine)?;
        writeln!(f, "kernel   {}", self.kernel)?;
        writeln!(f, "command  {}", self.command)?;
        writeln!(f, "rounds   {} of {} s for each side", self.rounds, self.seconds)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "         {note}"))
    }
}
