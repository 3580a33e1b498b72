//! One command that measures again what Rolekeeper promises; from the server's folder:
//! `cargo run --release --manifest-path benches/Cargo.toml --bin promises`. It starts three MongoDB servers as a replica
//! set and our servers on them, kills, cuts and races them, notes what was acknowledged, and compares. What is promised
//! is in `docs/promises.md`; here is one file for each family of promises, and what they share.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

mod args;
mod caller;
mod cases;
mod guardian;
mod node;
mod picture;
mod proxy;
mod random;
mod replica;
mod report;
mod stage;

use args::Args;
use guardian::Guardian;
use report::Header;
use stage::Stage;

fn main() -> ExitCode {
    match measure(Args::parse()) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("promises: {problem:#}");
            ExitCode::from(2)
        }
    }
}

fn measure(args: Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let guardian = Guardian::start()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run(args, guardian.clone()) => outcome,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped")),
        }
    });
    // Whatever still holds on to a server is not waited for: the guardian ends them all.
    runtime.shutdown_background();
    guardian.end();
    outcome
}

async fn run(args: Args, guardian: std::sync::Arc<Guardian>) -> Result<ExitCode> {
    let header = Header::read(&args);
    println!("{header}");
    let json = args.json.clone();
    let mut stage = Stage::new(args, guardian)?;
    let outcome = cases::run_all(&mut stage).await;
    stage.end().await;
    println!("\n{}", stage.report);
    if let Some(file) = json {
        std::fs::write(file, stage.report.as_json(&header)?)?;
    }
    outcome?;
    Ok(if stage.report.missed() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
