//! Whether the number of people matters: pages of the holders of a role, and deleting roles, with few and with very many
//! accounts.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};
use serde_json::{Value, json};

use super::writes::deletions;
use super::{Question, amount, ask, in_turns};
use crate::baseline::mongo::Statements as MongoStatements;
use crate::baseline::sqlite::Statements as SqliteStatements;
use crate::baseline::{drive, sqlite};
use crate::client::{Expected, Work, load};
use crate::measure::{Round, Side};
use crate::place::{Kind, Place};
use crate::population::Population;
use crate::table::{Row, Table, Target};
use crate::world::{Site, World};

const PAGES: &str = "roles.getUsersInRole";
const REFUSED: &str = "roles.delete refused at scale";
const DONE: &str = "roles.delete at scale";
const PAGE: u64 = 50;
/// The page that is compared with the first.
const DEEP: u64 = 2_000;
const FEW: u64 = 10_000;
/// Where the pages begin that are asked for once; nobody asks for one of these otherwise.
const UNASKED: usize = 100;

/// Both questions on every store.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    let sizes: &[u64] = world.args.amount(&[FEW, 100_000], &[FEW, 100_000, 1_000_000]);
    if ![PAGES, REFUSED, DONE].iter().any(|case| world.args.wants(case)) {
        return Ok(());
    }
    for kind in world.args.stores() {
        let most = sizes.last().copied().unwrap_or(FEW);
        let holders = |sizes: &[u64]| sizes.iter().map(|size| (format!("held-{size}"), *size)).collect();
        let many = Population { users: most, holders: holders(sizes), tokens: false };
        let many = world.shared(kind, "with many", &many).await?;
        if world.args.wants(PAGES) {
            pages(world, table, &many, sizes).await.with_context(|| format!("{PAGES} on {kind}"))?;
        }
        let few = Population { users: FEW, holders: holders(&[FEW]), tokens: false };
        if world.args.wants(REFUSED) || world.args.wants(DONE) {
            let few = world.shared(kind, "with few", &few).await?;
            let load = format!("{kind}, {} against {}", amount(most), amount(FEW));
            deletes(world, table, &few, &many, &load).await.with_context(|| format!("{DONE} on {kind}"))?;
        }
    }
    Ok(())
}

fn page_path(role: &str, offset: u64) -> String {
    format!("{PAGES}?role={role}&count={PAGE}&offset={offset}")
}

/// Asks for a page of the holders of a role that so many hold.
async fn page(site: &Site, role: &str, holders: u64, offset: u64) -> Result<Question> {
    let (question, body) = ask(site.server.address, site.admin.get(&page_path(role, offset)), 200).await?;
    let answer: Value = serde_json::from_slice(&body)?;
    let users = answer["users"].as_array().map_or(0, Vec::len) as u64;
    ensure!(users == PAGE && answer["total"] == holders, "{users} users of {}", answer["total"]);
    Ok(question)
}

async fn pages(world: &World, table: &mut Table, site: &Arc<Site>, sizes: &[u64]) -> Result<()> {
    let kind = site.data.place.kind();
    let mut first = Vec::new();
    for (size, role) in sizes.iter().zip(&site.data.roles) {
        first.push(page(site, role, *size, 0).await?);
    }
    let sides = in_turns(world, &first.iter().collect::<Vec<_>>(), 1).await?;
    for ((size, side), role) in sizes.iter().zip(&sides).zip(&site.data.roles) {
        let load = format!("{kind}, {} holders, page 1", amount(*size));
        let fewest = sides.first().map_or(f64::NAN, |side| side.p50);
        let row = Row::new(PAGES, &load, "median / that of 10 k", side.p50 / fewest, Target::AtMost(1.5));
        table.add(row.our(side).with_memory(site.server.memory()?));
        let other = Side::of(&bare_pages(world, &site.data.place, role).await?);
        let row = Row::new(PAGES, &load, "median / page alone", side.p50 / other.p50, Target::AtMost(3.0));
        table.add(row.sides(side, &other));
        let anew = Side::of(&unasked_pages(world, site, role).await?);
        let load = format!("{kind}, {} holders, pages asked for once", amount(*size));
        let row = Row::new(PAGES, &load, "median / page alone", anew.p50 / other.p50, Target::Open);
        table.add(row.sides(&anew, &other));
        if kind == Kind::Mongo {
            let examined = examined(&site.data.place.database()?, site, role).await?;
            let bound = Target::AtMost((2 * PAGE + 1) as f64);
            table.add(Row::new(PAGES, &load, "documents examined", examined as f64, bound));
        }
    }
    for ((size, role), first) in sizes.iter().zip(&site.data.roles).zip(&first) {
        let offset = (DEEP - 1) * PAGE;
        if *size < offset + PAGE {
            continue;
        }
        let deep = page(site, role, *size, offset).await?;
        let sides = in_turns(world, &[&deep, first], 1).await?;
        let [deep, first] = sides.as_slice() else { continue };
        let load = format!("{kind}, {} holders, page {DEEP}", amount(*size));
        let row = Row::new(PAGES, load, "median / page 1", deep.p50 / first.p50, Target::AtMost(2.0));
        table.add(row.sides(deep, first));
    }
    Ok(())
}

/// Pages that nobody has asked for before, each beginning behind the first account of the one before it.
async fn unasked_pages(world: &World, site: &Site, role: &str) -> Result<Vec<Round>> {
    let (mut rounds, count) = (Vec::new(), world.args.amount(50, 300));
    for number in 0..world.args.rounds() {
        let offsets = (0..count).map(|one| UNASKED + number * count + one);
        let requests: Vec<_> = offsets.map(|offset| site.admin.get(&page_path(role, offset as u64))).collect();
        let expected = Expected { status: 200, length: None };
        rounds.push(load(site.server.address, 1, Work::Each(requests.into()), expected).await?);
    }
    Ok(rounds)
}

/// The page's own query, over the index that it needs.
async fn bare_pages(world: &World, place: &Place, role: &str) -> Result<Vec<Round>> {
    let (mut rounds, count) = (Vec::new(), world.args.amount(50, 300));
    for _ in 0..world.args.rounds() {
        let role = role.to_owned();
        let round = match place.kind() {
            Kind::Mongo => {
                let statements = MongoStatements::new(place.database()?);
                let read = move |_| {
                    let (statements, role) = (statements.clone(), role.clone());
                    async move { whole(statements.page(&role, PAGE as i64, 0).await?) }
                };
                drive(1, count, read).await?
            }
            Kind::Sqlite => {
                let statements = SqliteStatements::new(place.connection()?);
                let pages = move || sqlite::drive(count, |_| whole(statements.page(&role, PAGE, 0)?));
                tokio::task::spawn_blocking(pages).await??
            }
        };
        rounds.push(round);
    }
    Ok(rounds)
}

fn whole(users: usize) -> Result<()> {
    ensure!(users as u64 == PAGE, "a page of {users} users");
    Ok(())
}

/// How many documents MongoDB looks at for a page near the beginning that nobody has asked for, by its profiler.
async fn examined(database: &Database, site: &Site, role: &str) -> Result<i64> {
    database.run_command(doc! { "profile": 2 }).await?;
    let asked = page(site, role, total(database, role).await?, 1).await;
    database.run_command(doc! { "profile": 0 }).await?;
    asked?;
    let profile: Collection<Document> = database.collection("system.profile");
    let ours = doc! { "appName": "rolekeeper", "ns": format!("{}.users", database.name()) };
    let sum = doc! { "$group": { "_id": null, "sum": { "$sum": { "$toLong": "$docsExamined" } } } };
    let mut found = profile.aggregate([doc! { "$match": ours }, sum]).await?;
    let examined = if found.advance().await? { number(&found.deserialize_current()?) } else { 0 };
    profile.drop().await?;
    Ok(examined)
}

/// A sum, in whatever type it came.
fn number(found: &Document) -> i64 {
    found.get_i64("sum").ok().or_else(|| found.get_i32("sum").ok().map(i64::from)).unwrap_or(0)
}

async fn total(database: &Database, role: &str) -> Result<u64> {
    Ok(database.collection::<Document>("users").count_documents(doc! { "roles": role }).await?)
}

async fn deletes(world: &World, table: &mut Table, few: &Site, many: &Site, load: &str) -> Result<()> {
    if world.args.wants(REFUSED) {
        let refused = async |site: &Site| {
            let role = site.data.roles.last().context("no role")?;
            let request = site.admin.post("roles.delete", &json!({"roleId": role}));
            ask(site.server.address, request, 400).await.map(|(question, _)| question)
        };
        let sides = in_turns(world, &[&refused(many).await?, &refused(few).await?], 1).await?;
        add(table, REFUSED, load, &sides);
    }
    if world.args.wants(DONE) {
        let count = world.args.amount(20, 200);
        let (mut ours, mut other) = (Vec::new(), Vec::new());
        for _ in 0..world.args.rounds() {
            ours.push(deletions(many, 1, count).await?);
            other.push(deletions(few, 1, count).await?);
        }
        add(table, DONE, load, &[Side::of(&ours), Side::of(&other)]);
    }
    Ok(())
}

fn add(table: &mut Table, case: &str, load: &str, sides: &[Side]) {
    if let [many, few] = sides {
        let row = Row::new(case, load, "median / that of 10 k", many.p50 / few.p50, Target::AtMost(1.5));
        table.add(row.sides(many, few));
    }
}
