//! Arguments, logging, settings, server, exit code: 0 when stopped as asked, 1 when something failed while running,
//! 2 when it could not start as configured.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser as _;
use rolekeeper::app::{App, Purpose, Sources, StartError, open_existing, overrides};
use rolekeeper::cli::{AuditCommand, Cli, Command};
use rolekeeper::config::{self, Settings};
use rolekeeper::http::openapi;
use rolekeeper::operator::record::{self, Outcome};
use rolekeeper::store::CheckStore;
use rolekeeper::{health, operator, telemetry};

const FAILED: u8 = 1;
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let environment: BTreeMap<_, _> = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
    let settings = match config::load(&cli.flags, &environment) {
        Ok(settings) => settings,
        Err(problems) => return fail(MISCONFIGURED, problems),
    };
    match cli.command() {
        Command::Serve => {
            let code = serve(&settings);
            // Only now has the last of the other threads said what it had to say.
            telemetry::flush();
            code
        }
        Command::Health { url } => match health::check(&url.unwrap_or_else(|| settings.server.local_url())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILED, error),
        },
        Command::CheckConfig => match overrides(&settings) {
            Ok(_) => {
                println!("configuration is valid\n{}", settings.describe());
                ExitCode::SUCCESS
            }
            Err(error) => fail(MISCONFIGURED, error),
        },
        Command::Doctor(args) => {
            let purpose = if args.fix { Purpose::Change } else { Purpose::Examine };
            on_store(&settings, purpose, async |store, sources| operator::doctor(store, sources, &args).await)
        }
        Command::RecoverAdmin(args) => on_store(&settings, Purpose::Change, async |store, sources| {
            operator::recover_admin(store, sources, &args, &settings).await
        }),
        Command::Backup(args) => operator::backup(&settings.store, &args),
        Command::Restore { file } => operator::restore(&settings.store, &file, &Sources::default()),
        Command::Audit(command) => audit(&command, &settings),
        Command::Openapi => {
            println!("{:#}", openapi::document(&settings.server.root_url()));
            ExitCode::SUCCESS
        }
    }
}

/// Runs a command on the store that the settings name, without a server.
#[tokio::main]
async fn on_store(
    settings: &Settings,
    purpose: Purpose,
    command: impl AsyncFnOnce(&dyn CheckStore, &Sources) -> ExitCode,
) -> ExitCode {
    let sources = Sources::default();
    match open_existing(settings, &sources, purpose).await {
        Ok(store) => command(store.as_ref(), &sources).await,
        Err(error) => fail(MISCONFIGURED, error),
    }
}

#[tokio::main]
async fn serve(settings: &Settings) -> ExitCode {
    if let Err(error) = telemetry::init(settings.log.format, &settings.log.filter) {
        return fail(FAILED, error);
    }
    // A connection takes two files. What a shell allows at first is a fraction of what the machine does; where that cannot
    // be raised, the server has fewer.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let sources = Sources::default();
    #[cfg(feature = "fault-injection")]
    let sources = Sources { switched_off: std::env::var("ROLEKEEPER_TEST_FAULTS").unwrap_or_default(), ..sources };
    let mut app = match App::build(settings, sources).await {
        Ok(app) => app,
        Err(error @ StartError::Metrics(_)) => return fail(FAILED, error),
        Err(error) => return fail(MISCONFIGURED, error),
    };
    if let Some(text) = app.announcement() {
        println!("{text}");
    }
    match app.run_until_stopped().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, error),
    }
}

#[tokio::main]
async fn audit(command: &AuditCommand, settings: &Settings) -> ExitCode {
    match record::run(command, settings, &Sources::default()).await {
        Ok(Outcome::Sound) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(FAILED),
        Err(error) => fail(MISCONFIGURED, error),
    }
}

fn fail(code: u8, why: impl std::fmt::Display) -> ExitCode {
    // What led to it stands before it.
    telemetry::flush();
    eprintln!("rolekeeper: {why}");
    ExitCode::from(code)
}
