//! One server of ours that can be killed, stopped and started again at the same address and on the same data.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rolekeeper_bench::server::ADMINISTRATOR;
use tokio::sync::Mutex;

use crate::caller::{Call, Caller, Who};
use crate::guardian::{Guardian, Running};

const STARTING: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A server and what it takes to start it again.
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    program: PathBuf,
    environment: Vec<(String, String)>,
    log: PathBuf,
    running: Mutex<Option<Running>>,
    guardian: Arc<Guardian>,
}

impl Node {
    /// A server that does not run yet.
    pub fn new(guardian: &Arc<Guardian>, name: &str, program: PathBuf, environment: &[(&str, &str)]) -> Result<Self> {
        let address = guardian.address()?;
        let log = guardian.folder(name)?.join("log");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        Ok(Self { address, program, environment, log, running: Mutex::new(None), guardian: Arc::clone(guardian) })
    }

    /// Starts it and waits until it is ready. One that gives up is started again, as a supervisor would.
    pub async fn start(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        let since = Instant::now();
        let mut process = self.launch()?;
        let mut caller = Caller::within(self.address, Duration::from_secs(20));
        while !caller.ask_afresh(&Who::default(), &Call::get("/ready")).await.is_success() {
            if since.elapsed() > STARTING {
                bail!("the server does not get ready; its last lines:\n{}", self.last_lines());
            }
            if process.has_ended() {
                tokio::time::sleep(Duration::from_millis(200)).await;
                process = self.launch()?;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        *running = Some(process);
        Ok(())
    }

    fn launch(&self) -> Result<Running> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs([("ADMIN_USERNAME", ADMINISTRATOR.0), ("ADMIN_PASS", ADMINISTRATOR.1)])
            .env("PORT", self.address.port().to_string())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.log.parent().context("no folder")?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.guardian.run(&mut command)
    }

    /// Ends it at once: SIGKILL.
    pub async fn kill(&self) -> Result<()> {
        self.running.lock().await.take().context("it does not run")?.kill()
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(&self) -> Result<()> {
        let mut process = self.running.lock().await.take().context("it does not run")?;
        process.ask_to_stop()?;
        let status = process.wait().await?;
        if !status.success() {
            bail!("a stop that ends with {status}:\n{}", self.last_lines());
        }
        Ok(())
    }

    /// The end of its log.
    pub fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
    }

    /// How many lines of its log say that something panicked.
    pub fn panics(&self) -> usize {
        fs::read_to_string(&self.log).unwrap_or_default().lines().filter(|line| line.contains("panicked")).count()
    }
}
