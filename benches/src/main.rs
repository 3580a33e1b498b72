//! One command that measures what Rolekeeper promises about speed and size; from the server's folder:
//! `cargo run --release --manifest-path benches/Cargo.toml`. It starts everything itself on this machine, the server and
//! what it is compared with, takes turns between the two, and prints a table with a verdict for each target. What is
//! measured is in `cases`, what it is compared with in `baseline`; how a request is timed is in the library's `client`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use rolekeeper_bench::{circumstances, client, measure, mongod, place, population, process, server, session};

mod args;
mod baseline;
mod cases;
mod header;
mod table;
mod world;

use args::{Args, Command};
use table::Table;
use world::World;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.command {
        Some(Command::BareServer { workers, type_of_content }) => baseline::http::serve(*workers, type_of_content),
        None => measure_all(args),
    };
    match outcome {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("rolekeeper-bench: {problem:#}");
            ExitCode::from(2)
        }
    }
}

fn measure_all(args: Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run(args) => outcome,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped")),
        }
    });
    // A load that is under way is not waited for; its servers are gone already.
    runtime.shutdown_background();
    outcome
}

async fn run(args: Args) -> Result<ExitCode> {
    let header = header::Header::read(&args)?;
    println!("{header}");
    let mut table = Table::new(header);
    let mut world = World::new(args)?;
    cases::run_all(&mut world, &mut table).await?;
    println!("\n{table}");
    if let Some(file) = &world.args.json {
        std::fs::write(file, table.as_json()?)?;
    }
    let failed = world.args.strict.is_some_and(|factor| table.missed(factor) > 0);
    world.finish().await?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
