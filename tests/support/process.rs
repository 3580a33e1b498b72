//! The real program as a process of its own: started with a clean environment, its two outputs read line by line, its
//! port learnt from what it says. A process ends with the value that stands for it. Talking to it is left to the suites.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// After this long a process that says nothing of what is waited for is taken for hung. Nothing waits it out otherwise.
const HUNG: Duration = Duration::from_secs(90);

const RATE_LIMITER: &str = "OVERWRITE_SETTING_API_Enable_Rate_Limiter";

/// How to start the program.
#[derive(Clone)]
pub struct Launch {
    arguments: Vec<OsString>,
    environment: BTreeMap<String, OsString>,
    /// What a shell does before it becomes the program.
    before: Option<&'static str>,
}

impl Launch {
    /// With an empty environment: nothing of the machine that runs the tests reaches the program.
    pub fn new() -> Self {
        Self { arguments: Vec::new(), environment: BTreeMap::new(), before: None }
    }

    /// A server on a free port whose embedded store is in `directory`. Rates are not limited.
    pub fn on_sqlite(directory: &Path) -> Self {
        Self::new().env("PORT", "0").env("ROLEKEEPER_DATA_DIR", directory).env(RATE_LIMITER, "false")
    }

    /// A server on a free port on that MongoDB. Rates are not limited.
    pub fn on_mongo(url: &str) -> Self {
        Self::new().env("PORT", "0").env("MONGO_URL", url).env(RATE_LIMITER, "false")
    }

    /// Limits rates, as the program does unless it is told otherwise.
    pub fn with_limited_rates(mut self) -> Self {
        self.environment.remove(RATE_LIMITER);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Has a shell do something first, with effects that a process inherits.
    pub fn after(mut self, script: &'static str) -> Self {
        self.before = Some(script);
        self
    }

    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_rolekeeper");
        let Some(before) = self.before else { return Command::new(program) };
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!(r#"{before}; exec "$0" "$@""#), program]);
        shell
    }

    fn spawn(&self) -> Running {
        let mut child = self
            .command()
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Starts it as a server and waits until it says that it serves; its log must be at `info` or finer.
    pub fn serve(&self) -> Process {
        let running = self.spawn();
        let Some(line) = running.stderr.wait_for(|line| line.contains(SERVING)) else {
            panic!("the server does not start:\n{}", running.stderr.text());
        };
        let port = port_in(&line).unwrap_or_else(|| panic!("no port in {line:?}"));
        Process { running, port }
    }

    /// Runs it to its end. A program that turns into a server instead fails the test.
    pub fn run(&self) -> Ended {
        let mut running = self.spawn();
        let served = running.stderr.wait_for(|line| line.contains(SERVING));
        assert!(served.is_none(), "it serves:\n{}", running.stderr.text());
        running.wait()
    }
}

const SERVING: &str = "serving on port ";

fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(SERVING)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok()
}

/// How a process ended and everything it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit code or signal.
    pub status: ExitStatus,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Ended {
    /// The exit code; none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Running {
    /// Both outputs end with the process, because it has no children.
    fn wait(&mut self) -> Ended {
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        Ended { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that runs.
pub struct Process {
    running: Running,
    port: u16,
}

impl Process {
    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens, as the beginning of a URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// Sends it a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        let pid = self.running.child.id().to_string();
        // The shell's own: the program of that name is not everywhere.
        let status = Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, name, &pid]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) -> Ended {
        self.running.child.kill().unwrap();
        self.running.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Ended {
        self.running.wait()
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for a line of the log.
    pub fn wait_for_log(&self, wanted: &str) -> String {
        let line = self.running.stderr.wait_for(|line| line.contains(wanted));
        line.unwrap_or_else(|| panic!("it ended without saying {wanted:?}:\n{}", self.running.stderr.text()))
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.running.stderr.text()
    }

    /// Waits for a line on standard output and returns everything printed up to then.
    pub fn wait_for_print(&self, wanted: &str) -> String {
        let line = self.running.stdout.wait_for(|line| line.contains(wanted));
        assert!(line.is_some(), "it ended without printing {wanted:?}:\n{}", self.running.stdout.text());
        self.printed()
    }

    /// What it has printed to standard output so far.
    pub fn printed(&self) -> String {
        self.running.stdout.text()
    }
}

/// One output, read by a thread.
struct Output {
    lines: Arc<Lines>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Lines {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    fn of(source: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Lines::default());
        let for_reader = Arc::clone(&lines);
        let reader = std::thread::spawn(move || for_reader.read(source));
        Self { lines, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.lines.state.lock().unwrap().lines.concat()
    }

    /// The first line of which `wanted` holds, or none when the output ends without it.
    fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut state = self.lines.state.lock().unwrap();
        let mut seen = 0;
        loop {
            if let Some(line) = state.lines[seen..].iter().find(|line| wanted(line)) {
                return Some(line.clone());
            }
            seen = state.lines.len();
            if state.ended {
                return None;
            }
            let (next, waited) = self.lines.news.wait_timeout(state, HUNG).unwrap();
            assert!(!waited.timed_out(), "nothing is said any more:\n{}", next.lines.concat());
            state = next;
        }
    }

    fn finish(&mut self) -> String {
        self.wait_for(|_| false);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}

impl Lines {
    fn read(&self, source: impl Read) {
        let mut source = BufReader::new(source);
        loop {
            let mut bytes = Vec::new();
            let read = source.read_until(b'\n', &mut bytes).unwrap_or(0);
            let mut state = self.state.lock().unwrap();
            state.lines.extend((read > 0).then(|| String::from_utf8_lossy(&bytes).into_owned()));
            state.ended = read == 0;
            self.news.notify_all();
            if state.ended {
                return;
            }
        }
    }
}

#[test]
fn the_port_is_read_from_both_forms_of_a_line() {
    assert_eq!(port_in("INFO rolekeeper::app serving on port 4711\n"), Some(4711));
    assert_eq!(port_in(r#"{"message":"serving on port 80"}"#), Some(80));
    assert_eq!(port_in("serving on port "), None);
}
