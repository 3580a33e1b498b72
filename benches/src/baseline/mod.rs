//! What Rolekeeper is compared with: as little as can do the same work. Nothing here checks who asks or whether he may.

pub mod http;
pub mod mongo;
pub mod sqlite;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::measure::Round;

/// Does each of `count` operations once, that many at a time, and measures each.
pub async fn drive<F, D>(at_once: usize, count: usize, operation: F) -> Result<Round>
where
    F: Fn(usize) -> D + Clone + Send + 'static,
    D: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let since = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (next, operation) = (Arc::clone(&next), operation.clone());
        workers.spawn(async move {
            let mut times: Vec<Duration> = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(times);
                }
                let started = Instant::now();
                operation(number).await?;
                times.push(started.elapsed());
            }
        });
    }
    let mut round = Round::default();
    while let Some(done) = workers.join_next().await {
        round.times.extend(done??);
    }
    round.elapsed = since.elapsed();
    Ok(round)
}
