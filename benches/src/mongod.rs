//! A MongoDB server for the run: a replica set of one member with default settings, on data that go with the run. An
//! address in the environment is used instead. Where the program comes from is in `wheel`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

use crate::process::{Process, free_address};
use crate::wheel;

/// Names a server to use instead of starting one; the tests' variable.
const ADDRESS_VARIABLE: &str = "ROLEKEEPER_TEST_MONGO_URL";
const STARTING: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where MongoDB is.
pub struct Mongod {
    /// URL without a database: what is before it and what is behind.
    before: String,
    behind: String,
    /// For the statements of baselines and for loading data.
    client: Client,
    // Before its data: it ends first.
    process: Option<Process>,
    _data: Option<TempDir>,
}

impl Mongod {
    /// Starts one, or takes that of the environment.
    pub async fn start() -> Result<Self> {
        if let Ok(address) = std::env::var(ADDRESS_VARIABLE)
            && !address.is_empty()
        {
            let (before, behind) = split(&address);
            let client = Client::with_uri_str(format!("{before}/{behind}")).await?;
            return Ok(Self { before, behind, client, process: None, _data: None });
        }
        let program = tokio::task::spawn_blocking(wheel::program).await?.map_err(|problem| anyhow!(problem))?;
        let data = tempfile::tempdir()?;
        let address = free_address()?;
        let mut process = Process::start(&mut command_line(&program, data.path(), address.port()))?;
        initiate(&mut process, address.port()).await?;
        let (before, behind) = (format!("mongodb://{address}"), "?replicaSet=rs0".to_owned());
        let client = Client::with_uri_str(format!("{before}/{behind}")).await?;
        Ok(Self { before, behind, client, process: Some(process), _data: Some(data) })
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.before, self.behind)
    }

    /// Whether it goes on when the run is over.
    pub fn stays(&self) -> bool {
        self.process.is_none()
    }

    /// A client, as the driver makes it by default.
    pub fn client(&self) -> Client {
        self.client.clone()
    }
}

fn command_line(program: &Path, data: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--dbpath"]);
    command.arg(data).arg("--logpath").arg(data.join("mongod.log"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Makes it a replica set and waits until it takes writes.
async fn initiate(process: &mut Process, port: u16) -> Result<()> {
    let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=30000");
    let admin = Client::with_uri_str(uri).await?.database("admin");
    let members = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": format!("127.0.0.1:{port}") }] };
    admin.run_command(doc! { "replSetInitiate": members }).await?;
    let since = Instant::now();
    loop {
        process.check()?;
        let hello: Document = admin.run_command(doc! { "hello": 1 }).await?;
        if hello.get_bool("isWritablePrimary").unwrap_or(false) {
            return Ok(());
        }
        if since.elapsed() > STARTING {
            bail!("mongod does not become a primary");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A URL without its database.
fn split(url: &str) -> (String, String) {
    let (base, options) = url.split_once('?').map_or((url, String::new()), |(base, rest)| (base, format!("?{rest}")));
    let hosts_from = base.find("://").map_or(0, |at| at + 3);
    let hosts = base.get(hosts_from..).unwrap_or_default();
    let hosts_to = hosts.find('/').map_or(base.len(), |at| hosts_from + at);
    (base.get(..hosts_to).unwrap_or(base).to_owned(), options)
}

#[test]
fn a_url_is_split_around_its_database() {
    let parts = |before: &str, behind: &str| (before.to_owned(), behind.to_owned());
    assert_eq!(split("mongodb://h:1,i:2/old?replicaSet=r"), parts("mongodb://h:1,i:2", "?replicaSet=r"));
    assert_eq!(split("mongodb://u:p@h"), parts("mongodb://u:p@h", ""));
}
