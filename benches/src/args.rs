//! The command line and what follows from it: how long, how often, how many. Nothing is measured here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::place::Kind;

/// Measures Rolekeeper against bare baselines on this machine.
#[derive(Debug, Parser)]
#[command(name = "rolekeeper-bench", version)]
pub struct Args {
    /// What to run instead of the measurements.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The server's program; without it, the release build, which is made if need be
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Writes the figures to a file as well
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Two short rounds and small amounts of data: whether everything works, not how fast it is
    #[arg(long)]
    pub short: bool,
    /// Only the cases whose names contain one of these
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only one of the two stores
    #[arg(long, value_name = "STORE")]
    pub store: Option<Kind>,
    /// Rounds of each measurement
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// Seconds of each half of a round
    #[arg(long, value_name = "N")]
    pub seconds: Option<f64>,
    /// Compares with Parse Server as well, which npm fetches
    #[arg(long)]
    pub peer: bool,
    /// Exit code 1 when a target is missed by more than this factor; on a busy machine even a good ratio is off by a bit
    #[arg(long, value_name = "FACTOR", num_args = 0..=1, default_missing_value = "1")]
    pub strict: Option<f64>,
}

/// What this program is to itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves the bytes of standard input at every address, with nothing in between
    #[command(hide = true)]
    BareServer {
        /// Threads that answer.
        #[arg(long)]
        workers: usize,
        /// `Content-Type` of the answers.
        #[arg(long)]
        type_of_content: String,
    },
}

impl Args {
    /// Rounds of each measurement.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.short { 2 } else { 5 }).max(1)
    }

    /// How long each half of a round lasts.
    pub fn time(&self) -> Duration {
        let seconds = self.seconds.unwrap_or(if self.short { 0.4 } else { 4.0 });
        Duration::from_secs_f64(seconds.clamp(0.05, 600.0))
    }

    /// One of two amounts.
    pub fn amount<T>(&self, short: T, full: T) -> T {
        if self.short { short } else { full }
    }

    /// Whether a case is asked for.
    pub fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| case.contains(part.as_str()))
    }

    /// The stores to measure.
    pub fn stores(&self) -> Vec<Kind> {
        self.store.map_or_else(|| vec![Kind::Sqlite, Kind::Mongo], |store| vec![store])
    }
}
