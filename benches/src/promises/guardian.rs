//! Every program of a run ends with the run, however that ends: a small shell, outside of the terminal's group, knows them
//! and the run's folder, and takes both away once the pipe to it closes. Only what was started here is ever killed, by
//! its number.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

/// `$1` is the run's folder. Reads `start PID` and `end PID`, and cleans up when its input ends.
const SHELL: &str = r#"
trap '' INT TERM HUP
pids=' '
while read -r order pid; do
    case $order in
        start) pids="$pids$pid " ;;
        end) pids="${pids%% $pid *} ${pids#* $pid }" ;;
    esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
[ -z "$pids" ] || sleep 0.2
rm -rf "$1"
"#;
/// Below what a system gives to clients.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const STOPPING: Duration = Duration::from_secs(60);

/// Runs at the same time begin at different ports.
fn first_port() -> u16 {
    PORTS.start + u16::try_from(std::process::id() % 1_000).unwrap_or_default() * 11
}

/// Watches over the programs and the folder of a run.
pub struct Guardian {
    // Before the shell: it ends when this is closed.
    orders: Mutex<Option<ChildStdin>>,
    shell: Mutex<Child>,
    folder: PathBuf,
    next_port: AtomicU16,
}

impl Guardian {
    /// Makes the folder and starts the shell.
    pub fn start() -> Result<Arc<Self>> {
        let folder = TempDir::with_prefix("rolekeeper-promises-")?.keep();
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, "guardian"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start a shell")?;
        let orders = shell.stdin.take();
        Ok(Arc::new(Self {
            orders: Mutex::new(orders),
            shell: Mutex::new(shell),
            folder,
            next_port: AtomicU16::new(first_port()),
        }))
    }

    /// A folder of that name for a program's data, made when it is missing.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// An address for a server. Each is given once, and the system gives its port to no client: it stays free while the
    /// server is down.
    pub fn address(&self) -> Result<SocketAddr> {
        for _ in 0..PORTS.len() {
            let port = self.next_port.fetch_add(1, Ordering::Relaxed);
            if port + 1 >= PORTS.end {
                self.next_port.store(PORTS.start, Ordering::Relaxed);
            }
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        bail!("no port is free")
    }

    /// The folder of the run.
    pub fn root(&self) -> &Path {
        &self.folder
    }

    /// Starts a program.
    pub fn run(self: &Arc<Self>, command: &mut Command) -> Result<Running> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        self.tell("start", child.id())?;
        Ok(Running { child, guardian: Arc::clone(self), ended: false })
    }

    fn tell(&self, order: &str, pid: u32) -> Result<()> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = orders.as_mut().context("the guardian is gone")?;
        writeln!(orders, "{order} {pid}").context("the guardian is gone")
    }
}

impl Guardian {
    /// Ends everything and waits until it has.
    pub fn end(&self) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.shell.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program that runs, or ran.
pub struct Running {
    child: Child,
    guardian: Arc<Guardian>,
    ended: bool,
}

impl Running {
    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.ended || matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it at once, as a crash would: SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        self.child.kill()?;
        self.child.wait()?;
        self.ended = true;
        self.guardian.tell("end", self.child.id())
    }

    /// Asks it to end: SIGTERM.
    pub fn ask_to_stop(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Lets it do nothing until it is told to go on: SIGSTOP, SIGCONT.
    pub fn pause(&self, pause: bool) -> Result<()> {
        self.signal(if pause { "STOP" } else { "CONT" })
    }

    fn signal(&self, name: &str) -> Result<()> {
        ensure!(!self.ended, "it has ended before");
        let pid = self.child.id().to_string();
        let status = Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, name, &pid]).status()?;
        ensure!(status.success(), "it cannot be sent a signal");
        Ok(())
    }

    /// Waits until it has ended, at most that long that a stop may take.
    pub async fn wait(&mut self) -> Result<std::process::ExitStatus> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                self.guardian.tell("end", self.child.id())?;
                return Ok(status);
            }
            if since.elapsed() > STOPPING {
                bail!("it does not end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
