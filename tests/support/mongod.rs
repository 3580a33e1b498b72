//! A real MongoDB server for tests: one replica set of one member per test process, shared by its tests, each of which
//! takes a database of its own; and servers that one test has for itself, to kill or to run without a replica set.
//! Where the program comes from is in `wheel`.
//!
//! A server ends with the process that started it, however that ends: it runs under a small shell that holds a pipe of
//! the process as its input and takes the server and its data away when the pipe closes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};

use super::wheel;

/// Names the server to use instead of starting one. Turn its `ttlMonitorEnabled` off: the tests' dates are in the past.
const ADDRESS_VARIABLE: &str = "ROLEKEEPER_TEST_MONGO_URL";
const REPLICA_SET: &str = "rs0";
/// How often to look whether a server is ready, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 1_200;

/// `$1` is the data directory, the rest the server's command line. Obeys `start` and `kill`, says `done` after each, and
/// cleans up when its input ends.
const KEEPER: &str = r#"
directory=$1; shift
server=
while read -r order; do
    case $order in
        start) "$@" >/dev/null 2>&1 </dev/null & server=$! ;;
        kill) kill -9 "$server"; wait "$server" ;;
    esac
    echo done
done
kill -9 "$server"; wait "$server"
rm -rf "$directory"
"#;

/// How a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Options {
    /// A replica set of one member, as Rolekeeper requires.
    ReplicaSet,
    /// Without a replica set, which Rolekeeper refuses.
    Standalone,
}

/// A running server. Dropping it ends it and removes its data.
pub struct Mongod {
    options: Options,
    port: u16,
    directory: PathBuf,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    // Before `process`: the shell ends when this is closed.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    process: Child,
}

impl Mongod {
    /// Starts a server for one test alone and waits until it takes writes.
    pub async fn start(options: Options) -> Self {
        Self::try_start(options).await.unwrap_or_else(|problem| panic!("{problem}"))
    }

    async fn try_start(options: Options) -> Result<Self, String> {
        let mut problem = String::new();
        // The port found free may be taken again before the server binds it.
        for _ in 0..3 {
            let server = Self::spawn(options)?;
            match server.begin().await {
                Ok(()) => return Ok(server),
                Err(error) => problem = format!("{error}\n{}", server.end_of_log()),
            }
        }
        Err(format!("mongod does not start: {problem}"))
    }

    fn spawn(options: Options) -> Result<Self, String> {
        let program = wheel::program()?;
        let port = free_port().map_err(|error| error.to_string())?;
        fs::create_dir_all(wheel::scratch()).map_err(|error| error.to_string())?;
        let directory = tempfile::Builder::new()
            .prefix("mongod-")
            .tempdir_in(wheel::scratch())
            .map_err(|error| error.to_string())?
            // From here on the keeper removes it, even when this process is killed.
            .keep();
        let keeper = Keeper::new(&directory, &command_line(&program, &directory, port, options))?;
        Ok(Self { options, port, directory, keeper: Mutex::new(keeper) })
    }

    async fn begin(&self) -> Result<(), String> {
        self.order("start")?;
        self.wait_until_it_listens().await?;
        let client = Client::with_uri_str(self.direct_url()).await.map_err(in_words)?;
        self.check_that_it_is_ours(&client).await?;
        if self.options == Options::ReplicaSet {
            initiate(&client, self.port).await?;
            wait_for_primary(&client).await?;
        }
        Ok(())
    }

    /// Ends the server at once, as a power failure would; its data stay.
    pub fn kill(&self) {
        self.order("kill").unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Starts the killed server again on the same data and port, and waits until it takes writes.
    pub async fn restart(&self) {
        self.begin().await.unwrap_or_else(|problem| panic!("{problem}\n{}", self.end_of_log()));
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        match self.options {
            Options::ReplicaSet => format!("mongodb://127.0.0.1:{}/{database}?replicaSet={REPLICA_SET}", self.port),
            Options::Standalone => format!("mongodb://127.0.0.1:{}/{database}", self.port),
        }
    }

    fn direct_url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true&serverSelectionTimeoutMS=30000", self.port)
    }

    fn order(&self, order: &str) -> Result<(), String> {
        self.keeper.lock().unwrap().order(order)
    }

    async fn wait_until_it_listens(&self) -> Result<(), String> {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        for _ in 0..LOOKS {
            ticks.tick().await;
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            if self.end_of_log().contains("\"Shutting down\"") || self.end_of_log().contains("Address already in use") {
                return Err("the server gave up".to_owned());
            }
        }
        Err(format!("nothing listens on port {}", self.port))
    }

    /// Whether another server was quicker to take the port.
    async fn check_that_it_is_ours(&self, client: &Client) -> Result<(), String> {
        let answer = admin(client, doc! { "getCmdLineOpts": 1 }).await?;
        let storage = answer.get_document("parsed").and_then(|parsed| parsed.get_document("storage"));
        let path = storage.and_then(|storage| storage.get_str("dbPath")).unwrap_or_default();
        if Path::new(path) == self.directory { Ok(()) } else { Err("another server has the port".to_owned()) }
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Keeper {
    fn new(directory: &Path, command_line: &[String]) -> Result<Self, String> {
        let mut process = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(directory)
            .args(command_line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is for the tests; the keeper cleans up when they have ended.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("sh has no output")?);
        Ok(Self { orders, answers, process })
    }

    fn order(&mut self, order: &str) -> Result<(), String> {
        let mut orders = self.orders.as_ref().ok_or("the keeper is gone")?;
        writeln!(orders, "{order}").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(|error| error.to_string())?;
        if answer.trim() == "done" { Ok(()) } else { Err("the keeper of mongod does not answer".to_owned()) }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn command_line(program: &Path, directory: &Path, port: u16, options: Options) -> Vec<String> {
    let mut line = vec![program.display().to_string()];
    line.extend(["--dbpath".to_owned(), directory.display().to_string()]);
    line.extend(["--logpath".to_owned(), directory.join("log").display().to_string()]);
    line.extend(["--port".to_owned(), port.to_string()]);
    let fixed = [
        "--bind_ip 127.0.0.1 --nounixsocket --quiet --wiredTigerCacheSizeGB 0.5",
        "--setParameter diagnosticDataCollectionEnabled=false",
        // Lets a test have the server fail in a way that it asks for.
        "--setParameter enableTestCommands=1",
        // The tests' dates are in the past: what they put into the trash would be swept away under them.
        "--setParameter ttlMonitorEnabled=false",
        // Each test drops its database. Kept for readers of the past, as is usual, their files would stay open for five
        // minutes, and those of a whole suite are more than a process may have open.
        "--setParameter minSnapshotHistoryWindowInSeconds=0 --syncdelay 5",
        "--wiredTigerEngineConfigString file_manager=(close_idle_time=5,close_scan_interval=2,close_handle_minimum=100)",
    ];
    line.extend(fixed.iter().flat_map(|part| part.split(' ')).map(str::to_owned));
    if options == Options::ReplicaSet {
        line.extend(["--replSet", REPLICA_SET, "--oplogSize", "128"].map(str::to_owned));
    }
    line
}

async fn admin(client: &Client, command: Document) -> Result<Document, String> {
    client.database("admin").run_command(command).await.map_err(in_words)
}

/// Makes it a replica set, unless it is one since before it was killed.
async fn initiate(client: &Client, port: u16) -> Result<(), String> {
    let host = format!("127.0.0.1:{port}");
    let members = doc! { "_id": REPLICA_SET, "members": [{ "_id": 0, "host": host }] };
    match admin(client, doc! { "replSetInitiate": members }).await {
        Err(problem) if !problem.contains("already initialized") => Err(problem),
        _ => Ok(()),
    }
}

async fn wait_for_primary(client: &Client) -> Result<(), String> {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    for _ in 0..LOOKS {
        ticks.tick().await;
        let hello = admin(client, doc! { "hello": 1 }).await?;
        if hello.get_bool("isWritablePrimary").unwrap_or(false) {
            return Ok(());
        }
    }
    Err("the replica set has no primary".to_owned())
}

fn in_words(error: mongodb::error::Error) -> String {
    error.to_string()
}

/// The URL of a database that no other test has, on the server that the tests of this process share.
pub fn fresh_database_url() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    url_of(&format!("rolekeeper_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst)))
}

/// The URL of that database on the same server.
pub fn url_of(database: &str) -> String {
    match std::env::var(ADDRESS_VARIABLE) {
        Ok(address) if !address.is_empty() => with_database(&address, database),
        _ => shared().url(database),
    }
}

/// `url` with another database name; its options stay.
fn with_database(url: &str, database: &str) -> String {
    let (base, options) = url.split_once('?').map_or((url, None), |(base, options)| (base, Some(options)));
    let hosts_from = base.find("://").map_or(0, |at| at + 3);
    let hosts_to = base[hosts_from..].find('/').map_or(base.len(), |at| hosts_from + at);
    let options = options.map_or(String::new(), |options| format!("?{options}"));
    format!("{}/{database}{options}", &base[..hosts_to])
}

/// Starts on a thread with a runtime of its own: the runtime of the test that comes first ends with that test.
fn shared() -> &'static Mongod {
    static SHARED: OnceLock<Result<Mongod, String>> = OnceLock::new();
    let server = SHARED.get_or_init(|| {
        let starting = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(Mongod::try_start(Options::ReplicaSet))
        });
        starting.join().unwrap_or_else(|_| Err("mongod does not start".to_owned()))
    });
    server.as_ref().unwrap_or_else(|problem| panic!("{problem}"))
}

#[test]
fn a_url_keeps_all_but_its_database() {
    assert_eq!(with_database("mongodb://h:1,i:2/old?replicaSet=r", "new"), "mongodb://h:1,i:2/new?replicaSet=r");
    assert_eq!(with_database("mongodb://h", "new"), "mongodb://h/new");
    assert_eq!(with_database("mongodb://u:p@h/?a=b", "new"), "mongodb://u:p@h/new?a=b");
}
