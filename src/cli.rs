//! The command line: which command is meant and which settings it names. Nothing runs here; `main` acts on what was
//! parsed, `config` puts the flags over the other layers.

mod audit;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use audit::{AuditCommand, Export, Verify};

/// A role and permission server for chat workspaces.
#[derive(Debug, Parser)]
#[command(name = "rolekeeper", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Settings given on the command line.
    #[command(flatten)]
    pub flags: Flags,
}

impl Cli {
    /// The command that is meant; without one, the server.
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the server (also without a command)
    Serve,
    /// Ask a running server whether it is ready: exit code 0 if it is, 1 if not
    Health {
        /// The server to ask, for instance http://127.0.0.1:3000; without it, the one that the settings describe
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Check the settings and show them without their secrets: exit code 0 if they are valid, 2 if not
    CheckConfig,
    /// Check every invariant of the workspace in the store: exit code 0 if it is sound, 1 if not, 2 if it cannot be checked
    Doctor(DoctorArgs),
    /// Make an account an active administrator again, whether a server runs or not: exit code 0 if it is one, 1 if refused
    RecoverAdmin(RecoverArgs),
    /// Copy the embedded store to a file, whether a server runs or not: exit code 0 if done, 1 if refused, 2 if impossible
    Backup(BackupArgs),
    /// Put a copy that `backup` made in the place of the embedded store, whose file is kept beside: exit codes as of `backup`
    Restore {
        /// The copy
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Verify or write out the record of changes
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print the description of the API (OpenAPI 3.1), as a running server has it under /openapi.json
    Openapi,
}

/// How to examine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct DoctorArgs {
    /// Repair what can be repaired without anybody choosing; without it nothing is changed
    #[arg(long)]
    pub fix: bool,
    /// One JSON object in each line
    #[arg(long)]
    pub json: bool,
}

/// Where to copy to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct BackupArgs {
    /// The file to make, for its owner's eyes alone
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// Whose way back in it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct RecoverArgs {
    /// The account's username; without it, the one of the settings [environment: ADMIN_USERNAME]
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Make the account if there is none
    #[arg(long)]
    pub create: bool,
    /// Give the account a random password, printed once, and end its sessions and tokens
    #[arg(long, conflicts_with = "password_file")]
    pub new_password: bool,
    /// Give the account the password in the first line of this file, and end its sessions and tokens
    #[arg(long, value_name = "PATH")]
    pub password_file: Option<PathBuf>,
    /// Remove the account's second factors
    #[arg(long)]
    pub remove_second_factor: bool,
}

/// The settings that have a flag, and the file that holds the others. Flags win over every other layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Flags {
    /// The settings file (TOML) [environment: ROLEKEEPER_CONFIG]
    #[arg(long, value_name = "PATH", global = true)]
    pub config: Option<PathBuf>,
    /// The address to listen on [environment: ROLEKEEPER_BIND]
    #[arg(long, value_name = "ADDR", global = true)]
    pub bind: Option<IpAddr>,
    /// The port to listen on; 0 for any free one [environment: PORT]
    #[arg(long, value_name = "N", global = true)]
    pub port: Option<u16>,
    /// The folder of the embedded store [environment: ROLEKEEPER_DATA_DIR]
    #[arg(long, value_name = "PATH", global = true)]
    pub data_dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn no_command_means_serve() {
        let cli = Cli::try_parse_from(["rolekeeper", "--port", "0"]).unwrap();
        assert_eq!((cli.command(), cli.flags.port), (Command::Serve, Some(0)));
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        for words in [["rolekeeper", "--data-dir", "d", "serve"], ["rolekeeper", "serve", "--data-dir", "d"]] {
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(cli.flags.data_dir, Some(PathBuf::from("d")));
        }
    }

    #[test]
    fn health_takes_an_address() {
        let cli = Cli::try_parse_from(["rolekeeper", "health", "--url", "http://[::1]:1"]).unwrap();
        assert_eq!(cli.command(), Command::Health { url: Some("http://[::1]:1".to_owned()) });
    }

    #[test]
    fn the_way_back_in_names_an_account_and_at_most_one_password() {
        let words = ["rolekeeper", "recover-admin", "--username", "ann", "--create"];
        let expected = RecoverArgs { username: Some("ann".to_owned()), create: true, ..RecoverArgs::default() };
        assert_eq!(Cli::try_parse_from(words).unwrap().command(), Command::RecoverAdmin(expected));
        let both = [&words[..], &["--new-password", "--password-file", "f"]].concat();
        assert!(Cli::try_parse_from(both).is_err());
    }

    #[test]
    fn what_is_not_understood_ends_with_code_2() {
        for words in [["rolekeeper", "--port=99999"], ["rolekeeper", "--bind=here"], ["rolekeeper", "delete"]] {
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
