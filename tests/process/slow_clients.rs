//! Clients that are slow, endless, silent or very many, on the real server with its limits shortened. Each connection ends
//! by itself, and what it may take of memory is bounded. Nothing is timed: a connection that stays open is read until the
//! test gives up.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rolekeeper::clock::Stopwatch;
use tempfile::TempDir;

use crate::client::Session;
use crate::support::process::{Launch, Process};
use crate::{PASSWORD, data_directory, launch};

/// Between two bytes of a client that drips.
const DRIP: Duration = Duration::from_millis(50);
/// So often a client that drips goes on before the test gives up: a minute.
const MOST_DRIPS: usize = 1_200;
/// So long an endless client sends before the test gives up. Not so much: where nothing else runs, that is gigabytes before
/// the server looks at its connections for the first time.
const LONGEST_FLOOD: Duration = Duration::from_secs(60);

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LOGIN: &str = "POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\n";
const ROLE: &str = "POST /api/v1/roles.create HTTP/1.1\r\nHost: localhost\r\n";

/// A server whose patience is as short as it can be.
fn impatient(directory: &TempDir) -> Process {
    ["HEAD", "BODY", "ANSWER", "KEEP_ALIVE"]
        .iter()
        .fold(launch(directory), |launch, what| launch.env(&format!("ROLEKEEPER_{what}_SECONDS"), "1"))
        .serve()
}

/// One connection, spoken by hand.
struct Wire(TcpStream);

impl Wire {
    fn to(server: &Process) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(DRIP)).unwrap();
        Self(stream)
    }

    fn that_sent(server: &Process, text: &str) -> Self {
        let mut wire = Self::to(server);
        wire.0.write_all(text.as_bytes()).unwrap();
        wire
    }

    /// The answer to `GET /health`, which fits into one packet.
    fn ask(&mut self) {
        self.0.set_read_timeout(None).unwrap();
        self.0.write_all(HEALTH.as_bytes()).unwrap();
        let mut bytes = [0; 1024];
        let read = self.0.read(&mut bytes).unwrap();
        assert!(bytes[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes[..read]));
        self.0.set_read_timeout(Some(DRIP)).unwrap();
    }

    /// Sends a piece again and again, as fast as the server takes it or, where it waits, a drop at a time, until the
    /// connection has ended; the status of the answer before that, and how much was sent.
    fn drip_until_it_ends(mut self, piece: &[u8]) -> (Option<u16>, usize) {
        let (mut answer, mut sent) = (Vec::new(), 0);
        let mut bytes = [0; 4096];
        for _ in 0..MOST_DRIPS {
            match self.0.read(&mut bytes) {
                Ok(0) => return (status(&answer), sent),
                Ok(read) => answer.extend_from_slice(&bytes[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return (status(&answer), sent),
            }
            match self.0.write(piece) {
                Ok(written) => sent += written,
                // What the server said before it went away may still be there to be read.
                Err(_) => continue,
            }
        }
        panic!("still open after {sent} bytes, having answered {:?}", String::from_utf8_lossy(&answer));
    }

    /// Sends without a pause and without reading until the connection has ended.
    fn flood_until_it_ends(mut self, piece: &[u8]) -> (Option<u16>, usize) {
        let mut sent = 0;
        self.0.set_write_timeout(Some(LONGEST_FLOOD)).unwrap();
        let begin = Stopwatch::start();
        while begin.elapsed() < LONGEST_FLOOD {
            match self.0.write(piece) {
                Ok(written) => sent += written,
                Err(error) => {
                    assert!(error.kind() != ErrorKind::WouldBlock, "the server neither reads nor ends the connection");
                    let (status, _) = self.drip_until_it_ends(b"");
                    return (status, sent);
                }
            }
        }
        panic!("still open after {sent} bytes");
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

/// Pages of memory that the server had at most, in MiB.
fn peak(server: &Process) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Files and sockets that the server has open.
fn open_files(server: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

/// Asks until the server has given back what it had open beyond `before`.
async fn until_given_back(server: &Process, session: &Session, before: usize) {
    for _ in 0..100_000 {
        assert_eq!(session.get_path("/health").await.unwrap().status, 200);
        if open_files(server) <= before {
            return;
        }
    }
    panic!("{} files are open, {before} were", open_files(server));
}

#[test]
fn a_head_that_does_not_arrive_ends_its_connection() {
    let directory = data_directory();
    let server = impatient(&directory);
    for (begin, drop) in [("", ""), ("G", ""), ("GET /health HTTP/1.1\r\nA: ", "b"), ("\r\n", "\r\n")] {
        let (status, _) = Wire::that_sent(&server, begin).drip_until_it_ends(drop.as_bytes());
        assert_eq!(status, Some(408), "{begin:?} {drop:?}");
    }
}

/// The limits of the web server itself hold for the first request of a connection alone.
#[test]
fn neither_does_a_later_head_keep_it_open() {
    let directory = data_directory();
    let server = impatient(&directory);
    for (begin, drop) in [("", ""), ("G", ""), ("GET /health HTTP/1.1\r\nA: ", "b"), ("\r\n", "\r\n")] {
        let mut wire = Wire::to(&server);
        wire.ask();
        wire.0.write_all(begin.as_bytes()).unwrap();
        let (status, _) = wire.drip_until_it_ends(drop.as_bytes());
        assert_eq!(status, None, "{begin:?} {drop:?}");
    }
}

#[test]
fn a_body_that_is_slow_is_not_waited_for() {
    let directory = data_directory();
    let server = impatient(&directory);
    for head in ["Content-Length: 1000000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n"] {
        let drop = if head.starts_with('C') { &b" "[..] } else { b"1\r\n \r\n" };
        let (stopped, _) = Wire::that_sent(&server, &format!("{LOGIN}{head}")).drip_until_it_ends(b"");
        let (dripping, _) = Wire::that_sent(&server, &format!("{LOGIN}{head}")).drip_until_it_ends(drop);
        assert_eq!((stopped, dripping), (Some(408), Some(408)), "{head}");
    }
}

/// Whoever is refused before his body is looked at, or asks for something that has none.
#[test]
fn a_body_that_nobody_reads_does_not_keep_a_connection_open() {
    let directory = data_directory();
    let server = impatient(&directory);
    let nowhere = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\n";
    let health = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
    for (request, expected) in [(ROLE, 401), (nowhere, 404), (health, 200)] {
        for (head, drop) in
            [("Content-Length: 1000000\r\n\r\n", &b" "[..]), ("Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n")]
        {
            let (status, _) = Wire::that_sent(&server, &format!("{request}{head}")).drip_until_it_ends(drop);
            assert_eq!(status, Some(expected), "{request}{head}");
        }
    }
}

#[test]
fn a_body_that_is_announced_as_too_large_is_refused_before_it_comes() {
    let directory = data_directory();
    // The patience is the default's: nothing here waits for it.
    let server = launch(&directory).serve();
    for length in ["1048576", "100000000000", "18446744073709551615"] {
        let wire = Wire::that_sent(&server, &format!("{LOGIN}Content-Length: {length}\r\n\r\n"));
        assert_eq!(wire.drip_until_it_ends(b"").0, Some(413), "{length}");
    }
}

#[test]
fn endless_bodies_and_heads_take_bounded_memory() {
    let directory = data_directory();
    let server = impatient(&directory);
    let before = peak(&server);
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x1_0000, b' ');
    chunk.extend_from_slice(b"\r\n");
    for (begin, piece, expected) in [
        (format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n"), &chunk[..], 413),
        (format!("{ROLE}Transfer-Encoding: chunked\r\n\r\n"), &chunk, 401),
        (format!("{LOGIN}Content-Length: 100000000000\r\n\r\n"), &[b' '; 0x1_0000], 413),
        ("GET /health HTTP/1.1\r\nA: ".to_owned(), &[b'b'; 0x1_0000], 431),
        ("GET /".to_owned(), &[b'b'; 0x1_0000], 431),
        ("GET /health HTTP/1.1\r\n".to_owned(), &b"A: b\r\n".repeat(10_000), 431),
    ] {
        let (status, _) = Wire::that_sent(&server, &begin).flood_until_it_ends(piece);
        // Whoever sends and does not read may lose the answer to a reset.
        assert!(status.is_none_or(|status| status == expected), "{begin:?}: {status:?}");
    }
    let more = peak(&server) - before;
    assert!(more < 32, "{more} MiB more than before");
    Wire::to(&server).ask();
}

#[tokio::test]
async fn an_answer_that_is_not_fetched_is_given_up() {
    let directory = data_directory();
    let server = impatient(&directory);
    let session = Session::at(&server.url());
    assert_eq!(session.get_path("/health").await.unwrap().status, 200);
    let before = open_files(&server);
    let ask = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    let wires: Vec<Wire> = (0..4).map(|_| Wire::that_sent(&server, &ask)).collect();
    for wire in &wires {
        // The first answer has begun to arrive, and stays where it is.
        wire.0.set_read_timeout(None).unwrap();
        assert_eq!(wire.0.peek(&mut [0]).unwrap(), 1);
    }
    until_given_back(&server, &session, before).await;
    drop(wires);
}

/// Half of them have asked something, the other half nothing yet.
#[tokio::test]
async fn ten_thousand_idle_connections_keep_nobody_else_out() {
    let limit = usize::try_from(rlimit::increase_nofile_limit(u64::MAX).unwrap()).unwrap();
    // The server has the same limit and takes two files for each; some are needed besides.
    let count = 10_000.min(limit.saturating_sub(100) / 2);
    if count < 10_000 {
        println!("{count} connections instead of 10000: this machine allows {limit} open files");
    }
    let directory = data_directory();
    let patient = |launch: Launch, what: &str| launch.env(&format!("ROLEKEEPER_{what}_SECONDS"), "3600");
    let server = ["HEAD", "KEEP_ALIVE"].iter().fold(launch(&directory), |launch, what| patient(launch, what)).serve();
    let mut session = Session::at(&server.url());
    session.log_in("admin", PASSWORD).await;
    let (before, memory) = (open_files(&server), peak(&server));

    let mut wires: Vec<Wire> = Vec::with_capacity(count);
    for number in 0..count {
        let mut wire = Wire::to(&server);
        if number % 2 == 0 {
            wire.ask();
        }
        wires.push(wire);
    }
    for _ in 0..100 {
        let roles = session.get("roles.list", &[]).await.unwrap().ok();
        assert!(roles["roles"].as_array().is_some_and(|roles| !roles.is_empty()));
    }
    wires.last_mut().unwrap().ask();
    assert!(open_files(&server) >= before + count, "they are all open");
    let more = peak(&server) - memory;
    println!("{count} idle connections take {more} MiB, {} KiB each", more * 1024 / count as u64);
    assert!(more < 200, "{more} MiB more than before");

    drop(wires);
    until_given_back(&server, &session, before).await;
}
