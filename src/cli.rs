//! The command line: which command is meant and which settings it names. Nothing runs here; `main` acts on what was
//! parsed, `config` puts the flags over the other layers.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Print the description of the API (OpenAPI 3.1), as a running server has it under /openapi.json
    Openapi,
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
    fn what_is_not_understood_ends_with_code_2() {
        for words in [["rolekeeper", "--port=99999"], ["rolekeeper", "--bind=here"], ["rolekeeper", "delete"]] {
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
