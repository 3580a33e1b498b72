//! The arguments of `rolekeeper audit`. What they do is in `audit_commands`.

use clap::{Args, Subcommand};

/// What to do with the record of changes.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum AuditCommand {
    /// Look whether any entry was changed, removed, put in or moved: exit code 0 if none was, 1 if so, 2 if that could
    /// not be read
    Verify(Verify),
    /// Write the record to standard output, one JSON object per line
    Export(Export),
}

/// Which chains are looked at, and what must be in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Verify {
    /// One scope alone: "workspace", or the id of an organization
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<String>,
    /// The newest entry as a log or an earlier run has told it; without --scope, that of the workspace. Finds a record
    /// whose end was cut off
    #[arg(long, value_name = "SEQ:HASH")]
    pub expect: Option<String>,
}

/// Which entries are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Export {
    /// One scope alone: "workspace", or the id of an organization
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<String>,
    /// Entries of this time and later, for instance 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Entries of this time and earlier
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
}
