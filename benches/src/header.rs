//! Under which circumstances the figures came about.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use crate::args::Args;

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
            date: said_by("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            commit: commit(),
            machine: machine(),
            kernel: said_by("uname", &["-sr"]),
            command: std::iter::once("rolekeeper-bench".to_owned())
                .chain(std::env::args().skip(1))
                .collect::<Vec<_>>()
                .join(" "),
            rounds: args.rounds(),
            seconds: args.time().as_secs_f64(),
            notes: NOTES,
        })
    }
}

/// The commit, and whether the sources differ from it.
fn commit() -> String {
    let here = env!("CARGO_MANIFEST_DIR");
    let commit = said_by("git", &["-C", here, "rev-parse", "--short=12", "HEAD"]);
    let changed = !said_by("git", &["-C", here, "status", "--porcelain", "--untracked-files=no"]).is_empty();
    if changed { format!("{commit} with changes") } else { commit }
}

fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (model, memory) = (field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"));
    format!("{processors} x {model}, {memory}")
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
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
