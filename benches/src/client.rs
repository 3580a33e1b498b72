//! A small HTTP/1.1 client for measuring: connections that stay open, one request at a time on each, bytes prepared
//! before. Each answer's status and length are checked; a wrong one ends the run, for a fast mistake is no result.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::measure::Round;

/// After this long without a byte a server is taken for hung.
const HUNG: Duration = Duration::from_secs(60);

/// What is sent.
#[derive(Clone)]
pub enum Work {
    /// The same request for that long.
    For(Duration, Arc<[u8]>),
    /// Each of these once.
    Each(Arc<[Vec<u8>]>),
}

/// What every answer must be.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The status.
    pub status: u16,
    /// The body's length, where it is always the same.
    pub length: Option<usize>,
}

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    /// The last answer: head, then body.
    answer: Vec<u8>,
    body_at: usize,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(16 * 1024), body_at: 0 })
    }

    /// Sends a request and reads its answer; the status.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let head = loop {
            self.read().await?;
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, length) = parse_head(self.answer.get(..head).unwrap_or_default())?;
        while self.answer.len() < head + length {
            self.read().await?;
        }
        ensure!(self.answer.len() == head + length, "the answer is longer than it says");
        self.body_at = head;
        Ok(status)
    }

    async fn read(&mut self) -> Result<()> {
        let read = tokio::time::timeout(HUNG, self.stream.read_buf(&mut self.answer)).await;
        ensure!(read.context("no answer")?? > 0, "the server closed the connection");
        Ok(())
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        self.answer.get(self.body_at..).unwrap_or_default()
    }

    /// A header of the last answer.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let head = std::str::from_utf8(self.answer.get(..self.body_at)?).ok()?;
        head.lines().skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }

    async fn expect(&mut self, request: &[u8], expected: Expected) -> Result<()> {
        let status = self.exchange(request).await?;
        let length = self.body().len();
        if status == expected.status && expected.length.is_none_or(|wanted| wanted == length) {
            return Ok(());
        }
        let start = String::from_utf8_lossy(self.body()).chars().take(300).collect::<String>();
        bail!("a wrong answer: status {status}, {length} bytes, expected {expected:?}: {start}")
    }
}

/// Status and length of the body.
fn parse_head(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    let length = head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    // Says by its status that there is no body.
    let length = length.or((status == Some(204)).then_some(0));
    status.zip(length).ok_or_else(|| anyhow!("an answer without status or length: {head}"))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Sends `work` over that many connections, on a thread of its own, and measures each exchange.
pub async fn load(address: SocketAddr, connections: usize, work: Work, expected: Expected) -> Result<Round> {
    let measured = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(address, connections, work, expected))
    });
    measured.await?
}

async fn run(address: SocketAddr, connections: usize, work: Work, expected: Expected) -> Result<Round> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Arc::new(Barrier::new(connections + 1));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        if let Work::For(_, request) = &work {
            connection.expect(request, expected).await?;
        }
        let (work, next, start) = (work.clone(), Arc::clone(&next), Arc::clone(&start));
        workers.spawn(async move {
            start.wait().await;
            repeat(&mut connection, &work, &next, expected).await
        });
    }
    start.wait().await;
    let since = Instant::now();
    let mut round = Round::default();
    while let Some(done) = workers.join_next().await {
        round.times.extend(done??);
    }
    round.elapsed = since.elapsed();
    Ok(round)
}

async fn repeat(
    connection: &mut Connection,
    work: &Work,
    next: &AtomicUsize,
    expected: Expected,
) -> Result<Vec<Duration>> {
    let since = Instant::now();
    let mut times = Vec::new();
    loop {
        let request: &[u8] = match work {
            Work::For(time, request) if since.elapsed() < *time => request,
            Work::Each(requests) => match requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                Some(request) => request,
                None => return Ok(times),
            },
            Work::For(..) => return Ok(times),
        };
        let sent = Instant::now();
        connection.expect(request, expected).await?;
        times.push(sent.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_read_from_the_head() {
        let head = b"HTTP/1.1 404 Not Found\r\ncontent-type: x\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(parse_head(head).unwrap(), (404, 12));
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert_eq!(find(head, b"\r\n\r\n"), Some(head.len() - 4));
    }
}
