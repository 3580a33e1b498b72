//! A public server with roles of its own on the same MongoDB: Parse Server, as npm has it, on Node.js. Only when asked
//! for: it is fetched from the package registry.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{ask, in_turns};
use crate::client::{Connection, Expected, Work, load};
use crate::measure::{Round, Side};
use crate::place::{Kind, Place};
use crate::process::{Process, free_address};
use crate::table::{Row, Table, Target};
use crate::world::{Site, World};

const CASE: &str = "Parse Server";
const PROGRAM: &str = include_str!("../../peer/server.mjs");
const MANIFEST: &str = include_str!("../../peer/package.json");
const STARTING: Duration = Duration::from_secs(90);
/// The key that its configuration names for the administration.
const KEY: &str = "key-of-the-bench";

struct Peer {
    address: SocketAddr,
    token: String,
    process: Process,
    _place: Place,
}

/// The same work for both.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    if !world.args.peer || !world.args.wants(CASE) {
        return Ok(());
    }
    let folder = tokio::task::spawn_blocking(install).await??;
    let peer = Peer::start(world, &folder).await?;
    let site = world.main(Kind::Mongo).await?;
    read(world, table, &site, &peer).await.context("reading")?;
    write(world, table, &site, &peer).await.context("writing")?;
    let (ours, theirs) = (site.server.memory()?, peer.process.memory()?);
    let row =
        Row::new(CASE, "MongoDB, after all that", "our peak memory / its", ours.0 / theirs.0, Target::AtMost(0.2));
    table.add(row.with_memory(ours));
    table.add(Row::new(CASE, "MongoDB, after all that", "its peak MiB", theirs.0, Target::Open).with_memory(theirs));
    Ok(())
}

/// Fetches it once.
fn install() -> Result<PathBuf> {
    let folder = Path::new(env!("ROLEKEEPER_BENCH_TARGET")).join("peer");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("server.mjs"), PROGRAM)?;
    let manifest = folder.join("package.json");
    let there = folder.join("node_modules/parse-server").is_dir()
        && fs::read_to_string(&manifest).is_ok_and(|text| text == MANIFEST);
    if !there {
        fs::write(&manifest, MANIFEST)?;
        let flags = ["install", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error"];
        let status = Command::new("npm").args(flags).current_dir(&folder).status().context("npm")?;
        ensure!(status.success(), "npm cannot install Parse Server");
    }
    Ok(folder)
}

impl Peer {
    async fn start(world: &mut World, folder: &Path) -> Result<Self> {
        let (place, address) = (world.place(Kind::Mongo).await?, free_address()?);
        let (_, url) = place.environment();
        let mut command = Command::new("node");
        command
            .arg("server.mjs")
            .current_dir(folder)
            .env("NODE_ENV", "production")
            .envs([("PEER_DATABASE", url.as_str()), ("PEER_KEY", KEY)])
            .env("PEER_PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("log"))?)
            .stderr(File::create(folder.join("errors"))?);
        let mut process = Process::start(&mut command)?;
        let since = Instant::now();
        while !is_up(address).await {
            process.check()?;
            if since.elapsed() > STARTING {
                bail!("it does not start; see {}", folder.join("errors").display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut peer = Self { address, token: String::new(), process, _place: place };
        let somebody = json!({"username": "somebody", "password": "a-password-of-the-bench"});
        let answer = peer.call("POST", "users", Some(&somebody), false).await?;
        peer.token = answer["sessionToken"].as_str().context("no session")?.to_owned();
        for number in 0..15 {
            peer.call("POST", "roles", Some(&role(&format!("role-{number}"))), true).await?;
        }
        Ok(peer)
    }

    /// A request as the administration, or as somebody who is logged in.
    fn request(&self, method: &str, path: &str, body: Option<&Value>, administration: bool) -> Vec<u8> {
        let who = if administration {
            format!("X-Parse-Master-Key: {KEY}")
        } else if self.token.is_empty() {
            "X-Parse-Revocable-Session: 1".to_owned()
        } else {
            format!("X-Parse-Session-Token: {}", self.token)
        };
        let body = body.map_or(String::new(), Value::to_string);
        let content = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        let head =
            format!("{method} /parse/{path} HTTP/1.1\r\nHost: bench\r\nX-Parse-Application-Id: bench\r\n{who}\r\n");
        format!("{head}{content}\r\n{body}").into_bytes()
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>, administration: bool) -> Result<Value> {
        let mut connection = Connection::open(self.address).await?;
        let status = connection.exchange(&self.request(method, path, body, administration)).await?;
        let text = String::from_utf8_lossy(connection.body()).into_owned();
        ensure!(status == 200 || status == 201, "{method} {path}: status {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

async fn is_up(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    let request = b"GET /parse/health HTTP/1.1\r\nHost: bench\r\nX-Parse-Application-Id: bench\r\n\r\n";
    matches!(connection.exchange(request).await, Ok(200))
}

fn role(name: &str) -> Value {
    json!({"name": name, "ACL": {"*": {"read": true}}})
}

async fn read(world: &World, table: &mut Table, site: &Site, peer: &Peer) -> Result<()> {
    let (ours, _) = ask(site.server.address, site.admin.get("roles.list"), 200).await?;
    let (theirs, body) = ask(peer.address, peer.request("GET", "roles", None, false), 200).await?;
    let answer: Value = serde_json::from_slice(&body)?;
    ensure!(answer["results"].as_array().map_or(0, Vec::len) == 15, "not 15 roles: {answer}");
    let sides = in_turns(world, &[&ours, &theirs], 64).await?;
    if let [ours, theirs] = sides.as_slice() {
        let ratio = ours.per_second / theirs.per_second;
        let row = Row::new(CASE, "MongoDB, roles, 64 conn", "times as many reads", ratio, Target::AtLeast(50.0));
        table.add(row.sides(ours, theirs));
    }
    Ok(())
}

async fn write(world: &World, table: &mut Table, site: &Site, peer: &Peer) -> Result<()> {
    let count = world.args.amount(20, 200);
    let mut sides: [Vec<Round>; 4] = Default::default();
    for number in 0..world.args.rounds() {
        let names: Vec<String> = (0..count).map(|role| format!("fleeting-{number}-{role}")).collect();
        let create = |name: &String| site.admin.post("roles.create", &json!({"name": name}));
        let made = once(site.server.address, names.iter().map(create).collect(), 200).await?;
        let roles = site.admin.roles().await?;
        let ids = roles.iter().filter(|(_, name)| name.starts_with("fleeting-")).map(|(id, _)| id);
        let delete = |id: &String| site.admin.post("roles.delete", &json!({"roleId": id}));
        let gone = once(site.server.address, ids.map(delete).collect(), 200).await?;
        let create = |name: &String| peer.request("POST", "roles", Some(&role(name)), true);
        let made_there = once(peer.address, names.iter().map(create).collect(), 201).await?;
        let answer = peer.call("GET", "roles?limit=1000", None, true).await?;
        let fleeting = answer["results"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|role| role["name"].as_str().is_some_and(|name| name.starts_with("fleeting-")));
        let ids: Vec<&str> = fleeting.filter_map(|role| role["objectId"].as_str()).collect();
        ensure!(ids.len() == names.len(), "{} roles instead of {}", ids.len(), names.len());
        let delete = |id: &&str| peer.request("DELETE", &format!("roles/{id}"), None, true);
        let gone_there = once(peer.address, ids.iter().map(delete).collect(), 200).await?;
        for (side, round) in sides.iter_mut().zip([made, made_there, gone, gone_there]) {
            side.push(round);
        }
    }
    let [made, made_there, gone, gone_there] = sides.map(|rounds| Side::of(&rounds));
    for (load, ours, theirs) in [("create a role", made, made_there), ("delete a role", gone, gone_there)] {
        let load = format!("MongoDB, {load}, 1 conn");
        let row = Row::new(CASE, load, "our median / its", ours.p50 / theirs.p50, Target::AtMost(1.0));
        table.add(row.sides(&ours, &theirs));
    }
    Ok(())
}

async fn once(address: SocketAddr, requests: Vec<Vec<u8>>, status: u16) -> Result<Round> {
    load(address, 1, Work::Each(requests.into()), Expected { status, length: None }).await
}
