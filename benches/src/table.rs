//! What came out, line by line, each with its target and a verdict: for people and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::header::Header;
use crate::measure::Side;

/// What a figure must be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "is", content = "bound", rename_all = "snake_case")]
pub enum Target {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
    /// Nothing is promised; shown for what it is.
    Open,
}

impl Target {
    fn met_by(self, value: f64) -> Option<bool> {
        self.nearly_met_by(value, 1.0)
    }

    /// Whether it is met but for a factor.
    fn nearly_met_by(self, value: f64, factor: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(value * factor >= bound),
            Self::AtMost(bound) => Some(value <= bound * factor),
            Self::Open => None,
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, ">= {}", short(*bound)),
            Self::AtMost(bound) => write!(f, "<= {}", short(*bound)),
            Self::Open => f.write_str("-"),
        }
    }
}

/// One figure with its target.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was done, for instance `roles.list`.
    pub case: String,
    /// Where: the store, the number of connections, the amount of data.
    pub load: String,
    /// What the figure is, with its unit.
    pub figure: String,
    /// The figure.
    pub value: f64,
    /// What it must be.
    pub target: Target,
    /// Rolekeeper's side of the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Side>,
    /// The other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Side>,
    /// The server's memory after this, in MiB: the most so far, and now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<(f64, f64)>,
    /// Whether the target is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
}

impl Row {
    /// A figure.
    pub fn new(case: &str, load: impl Display, figure: &str, value: f64, target: Target) -> Self {
        let (case, load, figure) = (case.to_owned(), load.to_string(), figure.to_owned());
        Self { case, load, figure, value, target, ours: None, other: None, memory: None, met: target.met_by(value) }
    }

    /// Adds what it was computed from.
    pub fn sides(mut self, ours: &Side, other: &Side) -> Self {
        self.other = Some(other.clone());
        self.our(ours)
    }

    /// Adds what it was computed from when there is no other side.
    pub fn our(mut self, ours: &Side) -> Self {
        self.ours = Some(ours.clone());
        self
    }

    /// Adds the memory of the server that was measured.
    pub fn with_memory(mut self, memory: (f64, f64)) -> Self {
        self.memory = Some(memory);
        self
    }

    fn cells(&self) -> Vec<String> {
        let side = |side: Option<&Side>| match side {
            Some(side) => vec![
                short(side.p50),
                short(side.p99),
                short(side.per_second),
                format!("{}..{}", short(side.slowest), short(side.fastest)),
            ],
            None => vec![String::new(); 4],
        };
        let mut cells = vec![self.case.clone(), self.load.clone()];
        cells.extend(side(self.ours.as_ref()));
        cells.extend(side(self.other.as_ref()));
        let memory = self.memory.map_or(String::new(), |(most, now)| format!("{}/{}", short(most), short(now)));
        cells.extend([memory, self.figure.clone(), short(self.value), self.target.to_string()]);
        cells.push(match self.met {
            Some(true) => "ok".to_owned(),
            Some(false) => "MISSED".to_owned(),
            None => String::new(),
        });
        cells
    }
}

const TITLES: [&str; 15] = [
    "case",
    "load",
    "p50 us",
    "p99 us",
    "per s",
    "min..max",
    "other p50",
    "p99",
    "per s",
    "min..max",
    "peak/RSS MiB",
    "figure",
    "value",
    "target",
    "verdict",
];

/// All figures of a run.
#[derive(Debug, Serialize)]
pub struct Table {
    header: Header,
    rows: Vec<Row>,
}

impl Table {
    /// Without a figure yet.
    pub fn new(header: Header) -> Self {
        Self { header, rows: Vec::new() }
    }

    /// Adds a figure and says it at once.
    pub fn add(&mut self, row: Row) {
        let verdict = match row.met {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        };
        let Row { case, load, figure, value, target, .. } = &row;
        println!("{case}, {load}: {figure} {} ({target}) {verdict}", short(*value));
        self.rows.push(row);
    }

    /// How many targets are missed by more than that factor.
    pub fn missed(&self, factor: f64) -> usize {
        self.rows.iter().filter(|row| row.target.nearly_met_by(row.value, factor) == Some(false)).count()
    }

    /// Everything, for programs.
    ///
    /// # Errors
    /// Of the serializer.
    pub fn as_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut lines = vec![TITLES.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 | 1 | 11 | 13 | 14 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        let met = self.rows.iter().filter(|row| row.met == Some(true)).count();
        write!(f, "{met} targets met, {} missed", self.missed(1.0))
    }
}

/// A number with about three digits.
pub fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
