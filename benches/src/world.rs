//! Everything that a run has started and the cases share: the program, MongoDB, servers with the data they work on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::args::Args;
use crate::mongod::Mongod;
use crate::place::{Kind, Place};
use crate::population::Population;
use crate::server::{self, Server};
use crate::session::Session;

/// Roles of a workspace that is worth its name, the 12 of the system among them.
const ROLES: usize = 15;
/// Accounts that the cases give roles to.
pub const MEMBERS: u64 = 400;

/// Data, and the ids of the roles of its population.
pub struct Data {
    /// Where.
    pub place: Place,
    /// Ids of the roles, in their order.
    pub roles: Vec<String>,
}

/// A server with its data and its administrator.
pub struct Site {
    /// The administrator, logged in.
    pub admin: Session,
    // Before its data: it ends first.
    /// The server.
    pub server: Server,
    /// What it works on.
    pub data: Data,
}

/// What a run has.
pub struct World {
    /// How it was called.
    pub args: Args,
    /// The server's program.
    pub program: PathBuf,
    // Before MongoDB, which they work on.
    sites: BTreeMap<String, Arc<Site>>,
    stores: BTreeMap<String, Arc<Data>>,
    mongod: Option<Mongod>,
    databases: u32,
}

impl World {
    /// Nothing runs yet.
    pub fn new(args: Args) -> Result<Self> {
        let program = server::program(args.server.as_ref())?;
        Ok(Self { args, program, sites: BTreeMap::new(), stores: BTreeMap::new(), mongod: None, databases: 0 })
    }

    /// MongoDB, started when it is asked for the first time.
    pub async fn mongod(&mut self) -> Result<&Mongod> {
        if self.mongod.is_none() {
            self.mongod = Some(Mongod::start().await.context("MongoDB")?);
        }
        self.mongod.as_ref().context("MongoDB is gone")
    }

    /// A place without data.
    pub async fn place(&mut self, kind: Kind) -> Result<Place> {
        if kind == Kind::Sqlite {
            return Ok(Place::Folder(tempfile::tempdir()?));
        }
        self.databases += 1;
        let name = database(self.databases);
        let mongod = self.mongod().await?;
        Ok(Place::Database { url: mongod.url(&name), database: mongod.client().database(&name) })
    }

    /// Ends the servers and removes what the end of the run would leave behind.
    pub async fn finish(mut self) -> Result<()> {
        self.sites.clear();
        self.stores.clear();
        if let Some(mongod) = self.mongod.filter(Mongod::stays) {
            for number in 1..=self.databases {
                mongod.client().database(&database(number)).drop().await?;
            }
        }
        Ok(())
    }

    /// A workspace as the server makes it, with fifteen roles and that population. No server runs on it afterwards.
    pub async fn data(&mut self, kind: Kind, population: &Population) -> Result<Data> {
        let place = self.place(kind).await?;
        let server = Server::start(&self.program, &place, &[]).await?;
        let admin = Session::log_in(&server).await?;
        let mut roles = Vec::new();
        for (name, _) in &population.holders {
            roles.push(admin.create_role(name).await?);
        }
        for number in admin.roles().await?.len()..ROLES {
            admin.create_role(&format!("custom-{number}")).await?;
        }
        server.stop().await?;
        population.write(&place, &roles).await.context("the population")?;
        Ok(Data { place, roles })
    }

    /// A server on such data.
    pub async fn site(&mut self, kind: Kind, population: &Population) -> Result<Site> {
        let data = self.data(kind, population).await?;
        let server = Server::start(&self.program, &data.place, &[]).await?;
        let admin = Session::log_in(&server).await?;
        Ok(Site { admin, server, data })
    }

    /// The server that most cases share.
    pub async fn main(&mut self, kind: Kind) -> Result<Arc<Site>> {
        self.shared(kind, "main", &Population { users: MEMBERS, ..Population::default() }).await
    }

    /// Data like those of [`World::main`] for the statements of a baseline.
    pub async fn bare(&mut self, kind: Kind) -> Result<Arc<Data>> {
        let key = kind.to_string();
        if let Some(found) = self.stores.get(&key) {
            return Ok(Arc::clone(found));
        }
        let data = self.data(kind, &Population { users: MEMBERS, ..Population::default() }).await?;
        Ok(Arc::clone(self.stores.entry(key).or_insert(Arc::new(data))))
    }

    /// A server that several cases share under a name.
    pub async fn shared(&mut self, kind: Kind, name: &str, population: &Population) -> Result<Arc<Site>> {
        let key = format!("{kind} {name}");
        if let Some(found) = self.sites.get(&key) {
            return Ok(Arc::clone(found));
        }
        println!("preparing {key} ({} accounts)", population.users);
        let site = self.site(kind, population).await?;
        Ok(Arc::clone(self.sites.entry(key).or_insert(Arc::new(site))))
    }
}

/// The name of a database of this run.
fn database(number: u32) -> String {
    format!("rolekeeper_bench_{}_{number}", std::process::id())
}
