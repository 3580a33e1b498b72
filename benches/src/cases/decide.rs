//! The decision itself, in this process: how long it takes and what it allocates; and the same question to a general
//! engine of authorization with its cache warm.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use casbin::{CachedEnforcer, CoreApi as _, DefaultModel, MemoryAdapter, MgmtApi as _};
use rolekeeper::domain::decide::{Restrictions, decide};
use rolekeeper::domain::ids::RoleId;
use rolekeeper::domain::permission::{Permission, default_permissions};
use rolekeeper::domain::time::Timestamp;

use crate::measure::{Round, Side};
use crate::table::{Row, Table, Target};
use crate::world::World;

const CASE: &str = "decide";
const MODEL: &str = "
[request_definition]
r = sub, obj
[policy_definition]
p = sub, obj
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj
";
/// Decisions that are timed together: one alone is quicker than the clock.
const AT_ONCE: u32 = 1_000;

/// Both engines.
pub async fn run(world: &mut World, table: &mut Table) -> Result<()> {
    if !world.args.wants(CASE) {
        return Ok(());
    }
    let permissions = permissions();
    let held = ["user", "custom-13", "custom-14", "admin"].map(RoleId::from_stored);
    let restrictions = Restrictions::default();
    let decide_all = |permissions: &[Permission]| {
        permissions.iter().filter(|permission| decide(Some(permission), &held, &restrictions).is_granted()).count()
    };
    let granted = decide_all(&permissions);
    let mut engine = engine(&permissions, &held).await?;
    anyhow::ensure!(granted == engine_all(&mut engine, &permissions)?, "the two engines decide differently");

    let (mut ours, mut other) = (Vec::new(), Vec::new());
    for _ in 0..world.args.rounds() {
        ours.push(timed(world, permissions.len(), || Ok(decide_all(black_box(&permissions))))?);
        other.push(timed(world, permissions.len(), || engine_all(&mut engine, black_box(&permissions)))?);
    }
    let (ours, other) = (Side::of(&ours), Side::of(&other));
    let load = format!("{} permissions, 15 roles, 4 held", permissions.len());
    // The times are those of a thousand decisions, so that their microseconds are nanoseconds of one.
    let row = Row::new(CASE, &load, "median ns (us of 1000)", ours.p50, Target::AtMost(50.0));
    table.add(row.sides(&ours, &other));
    let ratio = other.p50 / ours.p50;
    table.add(Row::new(CASE, &load, "times as fast as casbin, cached", ratio, Target::Open));
    let allocations = allocation_counter::measure(|| {
        black_box(decide_all(black_box(&permissions)));
    });
    table.add(Row::new(CASE, &load, "allocations", allocations.count_total as f64, Target::AtMost(0.0)));
    Ok(())
}

/// Those that a workspace has, with three more roles on every third.
fn permissions() -> Vec<Permission> {
    let mut permissions: Vec<Permission> = default_permissions(Timestamp::EPOCH).collect();
    for permission in permissions.iter_mut().step_by(3) {
        permission.roles.extend((12..15).map(|number| RoleId::from_stored(format!("custom-{number}"))));
    }
    permissions
}

async fn engine(permissions: &[Permission], held: &[RoleId]) -> Result<CachedEnforcer> {
    let model = DefaultModel::from_str(MODEL).await?;
    let mut engine = CachedEnforcer::new(model, MemoryAdapter::default()).await?;
    for permission in permissions {
        for role in &permission.roles {
            engine.add_policy(vec![role.as_str().to_owned(), permission.id.as_str().to_owned()]).await?;
        }
    }
    for role in held {
        engine.add_grouping_policy(vec!["ann".to_owned(), role.as_str().to_owned()]).await?;
    }
    Ok(engine)
}

fn engine_all(engine: &mut CachedEnforcer, permissions: &[Permission]) -> Result<usize> {
    let mut granted = 0;
    for permission in permissions {
        granted += usize::from(engine.enforce_mut(("ann", permission.id.as_str()))?);
    }
    Ok(granted)
}

/// Times of a thousand decisions.
fn timed(world: &World, decisions: usize, mut all: impl FnMut() -> Result<usize>) -> Result<Round> {
    let repeats = AT_ONCE.div_ceil(u32::try_from(decisions)?.max(1));
    let each = repeats * u32::try_from(decisions)?;
    let (since, mut times) = (Instant::now(), Vec::new());
    while since.elapsed() < world.args.time().min(Duration::from_secs(1)) {
        let started = Instant::now();
        for _ in 0..repeats {
            black_box(all()?);
        }
        // A duration has whole nanoseconds only, which are too coarse for one.
        times.push(started.elapsed() * 1_000 / each);
    }
    let elapsed = times.iter().sum();
    Ok(Round { times, elapsed })
}
