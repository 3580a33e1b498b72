//! The command line of the harness and the counts that follow from it.

use std::path::PathBuf;

use clap::Parser;
use rolekeeper_bench::place::Kind;

/// Measures again what Rolekeeper promises: kills, cuts and races servers of this machine, then compares what was
/// acknowledged with what is there.
#[derive(Debug, Clone, Parser)]
#[command(name = "promises", version)]
pub struct Args {
    /// Few rounds of everything: some minutes instead of hours
    #[arg(long)]
    pub short: bool,
    /// Only the promises of these numbers
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub only: Vec<u32>,
    /// Only one of the two stores
    #[arg(long, value_name = "STORE")]
    pub store: Option<Kind>,
    /// The server's program; without it, the release build, which is made if need be
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// The program of the controls, built with `--features fault-injection`; without it, races have no control
    #[arg(long, value_name = "PATH")]
    pub control_server: Option<PathBuf>,
    /// The seed of everything that is left to chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Writes the figures to a file as well
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Args {
    /// One of two amounts.
    pub fn amount<T>(&self, short: T, full: T) -> T {
        if self.short { short } else { full }
    }

    /// Whether a promise is asked for.
    pub fn wants(&self, number: u32) -> bool {
        self.only.is_empty() || self.only.contains(&number)
    }

    /// Whether a store is asked for.
    pub fn on(&self, kind: Kind) -> bool {
        self.store.is_none_or(|store| store == kind)
    }

    /// The stores that are asked for.
    pub fn stores(&self) -> Vec<Kind> {
        [Kind::Sqlite, Kind::Mongo].into_iter().filter(|kind| self.on(*kind)).collect()
    }
}
