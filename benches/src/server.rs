//! The server under measurement: the release build with its default settings, its log in a file. Requests to it are
//! prepared in `session`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::client::Connection;
use crate::place::Place;
use crate::process::{Process, free_address};

/// The administrator of every server of a run; it is reachable from this machine alone and gone in a minute.
pub const ADMINISTRATOR: (&str, &str) = ("admin", "a-password-of-the-bench");
const STARTING: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_micros(500);
const INFO: &[u8] = b"GET /api/info HTTP/1.1\r\nHost: bench\r\n\r\n";
const READY: &[u8] = b"GET /ready HTTP/1.1\r\nHost: bench\r\n\r\n";

/// Builds the server unless its program is given.
pub fn program(given: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(path) = given {
        return path.canonicalize().with_context(|| format!("{} is not there", path.display()));
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = here.parent().context("the server's sources are not there")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sources.join("target"), PathBuf::from);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked", "--bin", "rolekeeper", "--target-dir"])
        .arg(&target)
        .current_dir(sources)
        .status()?;
    ensure!(status.success(), "the server cannot be built");
    Ok(target.join("release/rolekeeper").canonicalize()?)
}

/// How long a start took.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Until `/api/info` was answered with 200.
    pub answering: Duration,
    /// Until `/ready` was.
    pub ready: Duration,
}

/// A server that is ready.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took to get there.
    pub start: Start,
    process: Process,
    log: TempDir,
}

impl Server {
    /// Starts one on those data, with these variables besides, and waits until it is ready.
    pub async fn start(program: &Path, place: &Place, more: &[(&str, &str)]) -> Result<Self> {
        let (log, address) = (tempfile::tempdir()?, free_address()?);
        let (name, value) = place.environment();
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs([("ADMIN_USERNAME", ADMINISTRATOR.0), ("ADMIN_PASS", ADMINISTRATOR.1)])
            .env("PORT", address.port().to_string())
            .env(name, value)
            .envs(more.iter().copied())
            .current_dir(log.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log.path().join("log"))?);
        let since = Instant::now();
        let mut process = Process::start(&mut command)?;
        let waited = async {
            let answering = wait_for(&mut process, address, INFO, since).await?;
            let ready = wait_for(&mut process, address, READY, since).await?;
            anyhow::Ok(Start { answering, ready })
        };
        match waited.await {
            Ok(start) => Ok(Self { address, start, process, log }),
            Err(problem) => Err(problem.context(last_lines(&log))),
        }
    }

    /// Its memory in MiB: the most that it ever had, and what it has now.
    pub fn memory(&self) -> Result<(f64, f64)> {
        self.process.memory()
    }

    /// The end of its log.
    pub fn last_lines(&self) -> String {
        last_lines(&self.log)
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) -> Result<()> {
        let Self { process, .. } = self;
        tokio::task::spawn_blocking(move || process.stop()).await?
    }
}

async fn wait_for(process: &mut Process, address: SocketAddr, request: &[u8], since: Instant) -> Result<Duration> {
    loop {
        if let Ok(mut connection) = Connection::open(address).await
            && matches!(connection.exchange(request).await, Ok(200))
        {
            return Ok(since.elapsed());
        }
        process.check()?;
        if since.elapsed() > STARTING {
            bail!("the server does not get ready");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn last_lines(log: &TempDir) -> String {
    let text = fs::read_to_string(log.path().join("log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("the server's last lines:\n{}", lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n"))
}
