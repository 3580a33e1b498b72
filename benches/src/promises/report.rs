//! What came out, one line for each promise and store: said at once, again as a table at the end, and as JSON.

use std::fmt::{self, Display, Formatter};
use std::time::Instant;

use anyhow::Result;
use rolekeeper_bench::circumstances;
use rolekeeper_bench::place::Kind;
use serde::Serialize;

use crate::args::Args;

/// What is to be said of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The figure is what was promised.
    Held,
    /// It is not, or the control proves nothing.
    Missed,
    /// Nothing was measured.
    NotRun,
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Held => "held",
            Self::Missed => "MISSED",
            Self::NotRun => "not run",
        })
    }
}

/// One promise on one store.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its number.
    pub number: u32,
    /// The store, if it matters.
    pub store: String,
    /// What is promised.
    pub promise: String,
    /// What was measured.
    pub figure: String,
    /// What the same test found with the guard off.
    pub control: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// What the test found where the guard is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// So many violations in so many rounds; none would mean that the test proves nothing.
    Found(usize, usize),
    /// None was made, for that reason.
    NotRun(&'static str),
}

/// Why a race on MongoDB has no control.
pub const NO_CONTROL_SERVER: Control = Control::NotRun("not run: no --control-server");
/// Why a race on the embedded store has none.
pub const ONE_WRITER: Control = Control::NotRun("none: one writer, no guard to switch off");

impl Control {
    /// Whether it shows that the test can find something.
    pub const fn convinces(&self) -> bool {
        !matches!(self, Self::Found(0, _))
    }
}

impl Display for Control {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(violations, rounds) => write!(f, "{violations} in {rounds}"),
            Self::NotRun(reason) => f.write_str(reason),
        }
    }
}

/// All lines of a run.
#[derive(Debug)]
pub struct Report {
    lines: Vec<Line>,
    since: Instant,
}

impl Default for Report {
    fn default() -> Self {
        Self { lines: Vec::new(), since: Instant::now() }
    }
}

impl Report {
    /// Adds a line. What is measured holds when `holds` says so and the control finds something.
    pub fn add(
        &mut self,
        number: u32,
        store: Option<Kind>,
        promise: &str,
        figure: String,
        control: &Control,
        holds: bool,
    ) {
        let verdict = if holds && control.convinces() { Verdict::Held } else { Verdict::Missed };
        self.push(Line {
            number,
            store: store.map_or(String::new(), |store| store.to_string()),
            promise: promise.to_owned(),
            figure,
            control: control.to_string(),
            verdict,
        });
    }

    /// Adds a promise that is not measured here.
    pub fn skip(&mut self, number: u32, promise: &str, why: &str) {
        self.push(Line {
            number,
            store: String::new(),
            promise: promise.to_owned(),
            figure: why.to_owned(),
            control: String::new(),
            verdict: Verdict::NotRun,
        });
    }

    fn push(&mut self, line: Line) {
        let Line { number, store, promise, figure, control, verdict } = &line;
        let seconds = self.since.elapsed().as_secs();
        println!("{number:>2} {promise}, {store}: {figure} (control: {control}) {verdict} [{seconds} s]");
        self.lines.push(line);
    }

    /// How many promises were missed.
    pub fn missed(&self) -> usize {
        self.lines.iter().filter(|line| line.verdict == Verdict::Missed).count()
    }

    /// Everything, for programs.
    pub fn as_json(&self, header: &Header) -> Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            header: &'a Header,
            lines: &'a [Line],
        }
        Ok(serde_json::to_string_pretty(&Whole { header, lines: &self.lines })?)
    }
}

const TITLES: [&str; 6] = ["#", "promise", "store", "figure", "control", "verdict"];

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Line> = self.lines.iter().collect();
        sorted.sort_by_key(|line| line.number);
        let mut table = vec![TITLES.map(str::to_owned)];
        table.extend(sorted.iter().map(|line| {
            let Line { number, store, promise, figure, control, verdict } = *line;
            [number.to_string(), promise.clone(), store.clone(), figure.clone(), control.clone(), verdict.to_string()]
        }));
        let width =
            |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..TITLES.len()).map(|column| width(column).unwrap_or(0)).collect();
        for row in &table {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        let held = self.lines.iter().filter(|line| line.verdict == Verdict::Held).count();
        write!(f, "{held} held, {} missed", self.missed())
    }
}

/// Under which circumstances.
#[derive(Debug, Serialize)]
pub struct Header {
    date: String,
    commit: String,
    machine: String,
    kernel: String,
    command: String,
    seed: u64,
}

impl Header {
    /// Asks the system.
    pub fn read(args: &Args) -> Self {
        Self {
            date: circumstances::date(),
            commit: circumstances::commit(),
            machine: circumstances::machine(),
            kernel: circumstances::kernel(),
            command: circumstances::command("promises"),
            seed: args.seed,
        }
    }
}

impl Display for Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "date     {}", self.date)?;
        writeln!(f, "commit   {}", self.commit)?;
        writeln!(f, "machine  {}", self.machine)?;
        writeln!(f, "kernel   {}", self.kernel)?;
        writeln!(f, "command  {}", self.command)?;
        writeln!(f, "seed     {}", self.seed)
    }
}
