//! What the cases act on: servers of ours on fresh data, one on the embedded store or two on the replica set, with an
//! administrator and as many accounts as a case wants.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mongodb::bson::doc;
use rolekeeper_bench::place::{Kind, Place};
use rolekeeper_bench::population::{Population, token, user_id, username};
use rolekeeper_bench::server::{self, ADMINISTRATOR};
use serde_json::json;
use tempfile::TempDir;

use crate::args::Args;
use crate::caller::{Call, Caller, Who};
use crate::guardian::Guardian;
use crate::node::Node;
use crate::picture::Source;
use crate::random::Random;
use crate::replica::Replica;
use crate::report::Report;

/// Clients of the harness send more than the limit of requests allows, and its accounts have no second factor.
const SETTINGS: [(&str, &str); 2] = [
    ("OVERWRITE_SETTING_API_Enable_Rate_Limiter", "false"),
    ("OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_Enabled", "false"),
];
/// Only a build of the controls reads it.
const FAULTS: &str = "ROLEKEEPER_TEST_FAULTS";
/// Elections of the shared replica set, in milliseconds: most cases want another primary, not the default wait for one.
pub const QUICK_ELECTIONS: i32 = 2_000;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Ours as it is.
    Ours,
    /// That of the controls, with these guards switched off.
    Without(&'static str),
}

/// A run.
pub struct Stage {
    /// How it was called.
    pub args: Args,
    /// What came out.
    pub report: Report,
    /// Chance.
    pub random: Random,
    guardian: Arc<Guardian>,
    program: PathBuf,
    control: Option<PathBuf>,
    replica: Option<Arc<Replica>>,
    sites: u32,
}

impl Stage {
    /// Nothing runs yet.
    pub fn new(args: Args, guardian: Arc<Guardian>) -> Result<Self> {
        let program = server::program(args.server.as_ref())?;
        let control = args.control_server.as_ref().map(|path| server::program(Some(path))).transpose()?;
        let random = Random::new(args.seed);
        let report = Report::default();
        Ok(Self { args, report, random, guardian, program, control, replica: None, sites: 0 })
    }

    /// Ends what the run itself has open.
    pub async fn end(&mut self) {
        if let Some(replica) = self.replica.take() {
            replica.leave().await;
        }
    }

    /// Whether there is a server for controls.
    pub const fn has_control(&self) -> bool {
        self.control.is_some()
    }

    /// The replica set, started when it is wanted for the first time.
    pub async fn replica(&mut self) -> Result<Arc<Replica>> {
        if let Some(replica) = &self.replica {
            return Ok(Arc::clone(replica));
        }
        let replica = Replica::start(&self.guardian, QUICK_ELECTIONS).await.context("MongoDB")?;
        Ok(Arc::clone(self.replica.insert(replica)))
    }

    /// Servers on fresh data with that many accounts: one on the embedded store, two on MongoDB.
    pub async fn site(&mut self, kind: Kind, build: Build, users: u64) -> Result<Site> {
        self.sites += 1;
        let name = format!("site-{}", self.sites);
        let place = self.place(kind, &name).await?;
        let (program, faults) = match build {
            Build::Ours => (self.program.clone(), ""),
            Build::Without(guards) => (self.control.clone().context("no server for controls")?, guards),
        };
        let (variable, value) = place.environment();
        let mut environment = SETTINGS.to_vec();
        environment.extend([(variable, value.as_str()), (FAULTS, faults)]);
        let mut nodes = Vec::new();
        for letter in if kind == Kind::Mongo { vec!["a", "b"] } else { vec!["a"] } {
            let node = Node::new(&self.guardian, &format!("{name}-{letter}"), program.clone(), &environment)?;
            nodes.push(Arc::new(node));
        }
        let site = Site { nodes, place, admin: Who::default() };
        site.begin(users).await
    }

    /// Another server on the data of a site, which finds its database at that address.
    pub async fn another(&self, url: &str, name: &str, faults: &'static str) -> Result<Arc<Node>> {
        let program = if faults.is_empty() { Some(&self.program) } else { self.control.as_ref() };
        let program = program.context("no server for controls")?.clone();
        let mut environment = SETTINGS.to_vec();
        environment.extend([("MONGO_URL", url), (FAULTS, faults)]);
        let node = Node::new(&self.guardian, name, program, &environment)?;
        node.start().await?;
        Ok(Arc::new(node))
    }

    /// What `rolekeeper audit verify` says of a site's record; `None` where the program has no such command.
    pub fn verify_record(&self, site: &Site) -> Result<Option<bool>> {
        let run = |arguments: &[&str]| {
            let (variable, value) = site.place.environment();
            Command::new(&self.program).env_clear().env(variable, value).args(arguments).output()
        };
        if !String::from_utf8_lossy(&run(&["--help"])?.stdout).contains("audit") {
            return Ok(None);
        }
        let output = run(&["audit", "verify"])?;
        if !output.status.success() {
            println!("   {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        Ok(Some(output.status.success()))
    }

    async fn place(&mut self, kind: Kind, name: &str) -> Result<Place> {
        if kind == Kind::Sqlite {
            return Ok(Place::Folder(TempDir::with_prefix_in(name, self.guardian.root())?));
        }
        let replica = self.replica().await?;
        let name = name.replace('-', "_");
        Ok(Place::Database { url: replica.url(&name), database: replica.client().database(&name) })
    }
}

/// Servers with their data.
pub struct Site {
    /// The servers.
    pub nodes: Vec<Arc<Node>>,
    /// Their data.
    pub place: Place,
    /// The administrator.
    pub admin: Who,
}

impl Site {
    async fn begin(mut self, users: u64) -> Result<Self> {
        let first = Arc::clone(self.nodes.first().context("no server")?);
        first.start().await?;
        if users > 0 {
            first.stop().await?;
            Population { users, holders: Vec::new(), tokens: true }.write(&self.place, &[]).await?;
            first.start().await?;
        }
        self.admin = log_in(&first).await?;
        for other in self.nodes.iter().skip(1) {
            other.start().await?;
        }
        Ok(self)
    }

    /// A client of one of the servers; any number will do.
    pub fn caller(&self, number: usize) -> Result<Caller> {
        let at = number % self.nodes.len().max(1);
        Ok(Caller::to(self.nodes.get(at).context("no server")?.address))
    }

    /// Where to look past the servers.
    pub fn source(&self) -> Result<Source> {
        Source::of(&self.place)
    }

    /// What the logs say of panics.
    pub fn panics(&self) -> usize {
        self.nodes.iter().map(|node| node.panics()).sum()
    }

    /// Ends the servers.
    pub async fn end(self) -> Result<()> {
        for node in &self.nodes {
            node.kill().await?;
        }
        if let Place::Database { database, .. } = &self.place {
            // What a killed server has left open would be waited for.
            let _ = database.client().database("admin").run_command(doc! { "killAllSessions": [] }).await;
            database.drop().await?;
        }
        Ok(())
    }
}

/// One of the accounts that a case asked for.
pub fn somebody(number: u64) -> Who {
    Who { id: user_id(number), username: username(number), token: token(number) }
}

async fn log_in(node: &Node) -> Result<Who> {
    let credentials = json!({"user": ADMINISTRATOR.0, "password": ADMINISTRATOR.1});
    let mut caller = Caller::to(node.address);
    let answer = caller.done(&Who::default(), &Call::post("/api/v1/login", credentials)).await?;
    let field = |name: &str| answer["data"][name].as_str().map(str::to_owned);
    let (id, token) = field("userId").zip(field("authToken")).context("the log-in gave no token")?;
    Ok(Who { id, username: ADMINISTRATOR.0.to_owned(), token })
}

/// Makes a role of the workspace; its id.
pub async fn create_role(caller: &mut Caller, who: &Who, name: &str, scope: &str) -> Result<String> {
    let body = json!({"name": name, "scope": scope});
    let answer = caller.done(who, &Call::post("/api/v1/roles.create", body)).await?;
    Ok(answer["role"]["_id"].as_str().context("a role without an id")?.to_owned())
}

/// Makes an organization; its path.
pub async fn create_organization(caller: &mut Caller, who: &Who, name: &str) -> Result<String> {
    let answer = caller.done(who, &Call::post("/v1/organizations", json!({"name": name}))).await?;
    Ok(format!("/v1/organizations/{}", answer["id"].as_str().context("an organization without an id")?))
}
