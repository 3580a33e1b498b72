//! Three MongoDB servers of this machine as one replica set, small ones, each of which can be killed and started again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};
use rolekeeper_bench::wheel;
use tokio::sync::Mutex;

use crate::guardian::{Guardian, Running};

const MEMBERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What MongoDB does when nothing is said.
pub const DEFAULT_ELECTIONS: i32 = 10_000;

struct Member {
    address: SocketAddr,
    folder: PathBuf,
    running: Mutex<Option<Running>>,
    direct: Client,
}

/// The replica set.
pub struct Replica {
    members: Vec<Member>,
    program: PathBuf,
    guardian: Arc<Guardian>,
    client: Client,
}

impl Replica {
    /// Starts it, with that election timeout in milliseconds.
    pub async fn start(guardian: &Arc<Guardian>, elections: i32) -> Result<Arc<Self>> {
        let program = tokio::task::spawn_blocking(wheel::program).await?.map_err(|problem| anyhow!(problem))?;
        let mut members = Vec::new();
        for number in 0..MEMBERS {
            let (address, folder) = (guardian.address()?, guardian.folder(&format!("mongod-{number}"))?);
            let url = format!("mongodb://{address}/?directConnection=true&serverSelectionTimeoutMS=400");
            let direct = Client::with_uri_str(url).await?;
            members.push(Member { address, folder, running: Mutex::new(None), direct });
        }
        let client = Client::with_uri_str(url_of(&members, "")).await?;
        let replica = Self { members, program, guardian: Arc::clone(guardian), client };
        for number in 0..MEMBERS {
            replica.launch(number).await?;
        }
        replica.initiate(elections).await?;
        replica.until_whole().await?;
        Ok(Arc::new(replica))
    }

    async fn initiate(&self, elections: i32) -> Result<()> {
        let hosts = self.members.iter().zip(0_i32..);
        let members: Vec<Document> =
            hosts.map(|(member, number)| doc! { "_id": number, "host": member.address.to_string() }).collect();
        let settings = doc! { "electionTimeoutMillis": elections };
        let config = doc! { "_id": "rs0", "members": members, "settings": settings };
        let since = Instant::now();
        loop {
            match self.admin(0)?.run_command(doc! { "replSetInitiate": config.clone() }).await {
                Ok(_) => return Ok(()),
                Err(problem) if since.elapsed() > PATIENCE => return Err(problem.into()),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        url_of(&self.members, database)
    }

    /// A client that finds the primary.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where a member listens.
    pub fn address(&self, member: usize) -> Result<SocketAddr> {
        Ok(self.member(member)?.address)
    }

    fn member(&self, number: usize) -> Result<&Member> {
        self.members.get(number).context("no such member")
    }

    fn admin(&self, number: usize) -> Result<Database> {
        Ok(self.member(number)?.direct.database("admin"))
    }

    /// Starts a member again on its data; [`Replica::until_whole`] says when it has caught up.
    pub async fn launch(&self, number: usize) -> Result<()> {
        let member = self.member(number)?;
        let process = self.guardian.run(&mut command_line(&self.program, &member.folder, member.address.port()))?;
        *member.running.lock().await = Some(process);
        Ok(())
    }

    /// Ends a member at once.
    pub async fn kill(&self, number: usize) -> Result<()> {
        self.member(number)?.running.lock().await.take().context("it does not run")?.kill()
    }

    /// Ends the primary at once, after the others have stood still for that long: what it took meanwhile, nobody else has.
    pub async fn kill_ahead(&self, lead: Duration) -> Result<usize> {
        let (primary, others) = (self.primary().await?, self.secondaries().await?);
        for other in &others {
            self.pause(*other, true).await?;
        }
        tokio::time::sleep(lead).await;
        let killed = self.kill(primary).await;
        for other in &others {
            self.pause(*other, false).await?;
        }
        killed.map(|()| primary)
    }

    async fn pause(&self, number: usize, pause: bool) -> Result<()> {
        self.member(number)?.running.lock().await.as_ref().context("it does not run")?.pause(pause)
    }

    /// Which member takes writes, once one does.
    pub async fn primary(&self) -> Result<usize> {
        let since = Instant::now();
        loop {
            for number in 0..MEMBERS {
                if self.is_primary(number).await? {
                    return Ok(number);
                }
            }
            if since.elapsed() > PATIENCE {
                bail!("nobody becomes the primary");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Which members are not the primary.
    pub async fn secondaries(&self) -> Result<Vec<usize>> {
        let primary = self.primary().await?;
        Ok((0..MEMBERS).filter(|number| *number != primary).collect())
    }

    async fn is_primary(&self, number: usize) -> Result<bool> {
        if self.member(number)?.running.lock().await.is_none() {
            return Ok(false);
        }
        let hello = self.admin(number)?.run_command(doc! { "hello": 1 }).await;
        Ok(hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)))
    }

    /// Waits until one member is the primary and the others follow it.
    pub async fn until_whole(&self) -> Result<()> {
        let since = Instant::now();
        loop {
            let primary = self.primary().await?;
            let status = self.admin(primary)?.run_command(doc! { "replSetGetStatus": 1 }).await;
            if status.is_ok_and(|status| is_whole(&status)) {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                bail!("the replica set does not get whole");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends every transaction that is open. One that a killed server has left stays for a minute otherwise, and whoever
    /// wants to change the same waits for it.
    pub async fn end_transactions(&self) -> Result<()> {
        self.admin(self.primary().await?)?.run_command(doc! { "killAllSessions": [] }).await?;
        Ok(())
    }

    /// Lets go of every connection of ours.
    pub async fn leave(&self) {
        for member in &self.members {
            member.direct.clone().shutdown().immediate(true).await;
        }
        self.client.clone().shutdown().immediate(true).await;
    }

    /// Sets after how many milliseconds of silence the others choose another primary.
    pub async fn set_elections(&self, millis: i32) -> Result<()> {
        let admin = self.admin(self.primary().await?)?;
        let answer = admin.run_command(doc! { "replSetGetConfig": 1 }).await?;
        let mut config = answer.get_document("config")?.clone();
        let version = match config.get("version") {
            Some(Bson::Int32(version)) => i64::from(*version),
            Some(Bson::Int64(version)) => *version,
            _ => bail!("a configuration without a version"),
        };
        config.insert("version", version + 1);
        config.get_document_mut("settings")?.insert("electionTimeoutMillis", millis);
        admin.run_command(doc! { "replSetReconfig": config }).await?;
        self.until_whole().await
    }
}

fn is_whole(status: &Document) -> bool {
    let members = status.get_array("members").map(Vec::as_slice).unwrap_or_default();
    let states = members.iter().filter_map(Bson::as_document).filter_map(|member| member.get_i32("state").ok());
    // A primary and secondaries; nobody who starts, recovers or is away.
    states.filter(|state| matches!(state, 1 | 2)).count() == MEMBERS
}

fn url_of(members: &[Member], database: &str) -> String {
    let hosts: Vec<String> = members.iter().map(|member| member.address.to_string()).collect();
    format!("mongodb://{}/{database}?replicaSet=rs0", hosts.join(","))
}

fn command_line(program: &Path, folder: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"]);
    // Nobody reads the diagnosis.
    command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
    command.arg("--dbpath").arg(folder).arg("--logappend").arg("--logpath").arg(folder.join("mongod.log"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
