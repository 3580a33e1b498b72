//! Stopping: what is under way is finished, what comes later is told to go elsewhere, and the exit code says that all
//! is well. Requests are kept under way by clients that have not sent all of them yet.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use actix_web::web;
use rolekeeper::clock::Stopwatch;
use rolekeeper::http::public::{Lifecycle, Phase, Vitals, show_readiness};
use rolekeeper::metrics::Metrics;
use rolekeeper::service::Services;
use rolekeeper::service::passwords::Passwords;
use rolekeeper::service::registration::FirstUser;
use rolekeeper::store::cached::CachedStore;
use serde_json::{Value, json};

use crate::client::Session;
use crate::support::process::Process;
use crate::support::stores::{self, Backend, TestStore};
use crate::{PASSWORD, data_directory, launch};

/// One connection, spoken by hand so that a request can be sent in parts.
struct Line(BufReader<TcpStream>);

impl Line {
    fn to(server: &Process) -> Self {
        Self(BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).unwrap()))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Status, headers in lower case, body.
    fn answer(&mut self) -> (u16, String, Value) {
        let mut status = String::new();
        self.0.read_line(&mut status).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && !head.eq("\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "cut short after {status:?} {head:?}");
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        let code = status.split(' ').nth(1).unwrap().parse().unwrap();
        (code, head, serde_json::from_slice(&body).unwrap())
    }

    fn ask(&mut self, path: &str) -> (u16, String, Value) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.answer()
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0) | Err(_))
    }
}

fn log_in() -> (String, String) {
    let body = json!({"user": "admin", "password": PASSWORD}).to_string();
    let length = body.len();
    let head = "POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    (format!("{head}\r\nContent-Length: {length}\r\n\r\n{}", &body[..5]), body[5..].to_owned())
}

/// Waits until that many requests besides the asking one are being worked on.
async fn until_in_flight(session: &Session, count: usize) {
    let wanted = format!("rolekeeper_http_requests_in_flight {}\n", count + 1);
    while !session.metrics().await.contains(&wanted) {
        tokio::task::yield_now().await;
    }
}

/// Starts log-ins, sends the signal while the server waits for their last bytes, and expects each to succeed.
async fn stops_cleanly(signal: &str, said: &str) {
    let directory = data_directory();
    let server = launch(&directory).env("ROLEKEEPER_SHUTDOWN_SECONDS", "60").serve();
    let mut open = Line::to(&server);
    assert_eq!(open.ask("/ready").0, 200);
    let (first_part, last_part) = log_in();
    let mut lines: Vec<Line> = (0..4).map(|_| Line::to(&server)).collect();
    lines.iter_mut().for_each(|line| line.send(&first_part));
    until_in_flight(&Session::at(&server.url()), lines.len()).await;

    server.signal(signal);
    server.wait_for_log(said);
    lines.iter_mut().for_each(|line| line.send(&last_part));
    for line in &mut lines {
        let (status, head, body) = line.answer();
        assert_eq!((status, &body["status"]), (200, &json!("success")), "{head}{body}");
        assert!(line.is_closed(), "the connection stays open");
    }
    let ended = server.wait();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("stopped"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_termination_finishes_what_is_under_way() {
    stops_cleanly("TERM", "told to stop").await;
}

#[tokio::test]
async fn an_interruption_finishes_what_is_under_way() {
    stops_cleanly("INT", "interrupted").await;
}

#[tokio::test]
async fn a_stopping_server_takes_no_more_requests() {
    let directory = data_directory();
    let server = launch(&directory).env("ROLEKEEPER_SHUTDOWN_SECONDS", "60").serve();
    let mut open = Line::to(&server);
    assert_eq!(open.ask("/ready").0, 200);
    let (first_part, last_part) = log_in();
    let mut under_way = Line::to(&server);
    under_way.send(&first_part);
    until_in_flight(&Session::at(&server.url()), 1).await;
    server.signal("TERM");
    assert!(open.is_closed(), "a connection without a request stays open");
    under_way.send(&last_part);
    assert_eq!(under_way.answer().0, 200);
    assert_eq!(server.wait().code(), Some(0));
}

/// Who is in front of the server asks now and then whether it is ready; until he has heard, he goes on sending newcomers.
#[tokio::test]
async fn a_draining_server_serves_on_and_says_that_it_is_not_ready() {
    let directory = data_directory();
    let server = launch(&directory).env("ROLEKEEPER_DRAIN_SECONDS", "3600").serve();
    let mut open = Line::to(&server);
    assert_eq!(open.ask("/ready").0, 200);
    server.signal("TERM");
    server.wait_for_log("serving on for 3600 s");

    for line in [&mut open, &mut Line::to(&server)] {
        let (status, head, body) = line.ask("/ready");
        assert_eq!((status, &body["reasons"]), (503, &json!(["the server is stopping"])));
        assert!(head.contains("connection: close"), "{head}");
        assert!(line.is_closed(), "the connection stays open");
    }
    let mut newcomer = Line::to(&server);
    let (first_part, last_part) = log_in();
    newcomer.send(&(first_part + &last_part));
    assert_eq!(newcomer.answer().0, 200);
}

/// From outside it can hardly be seen: a server that stops closes its idle connections and takes no new ones.
#[tokio::test]
async fn readiness_follows_the_life_of_the_server() {
    let TestStore { store, clock, ids, .. } = stores::fresh(Backend::SqliteMemory).await;
    let services =
        Arc::new(Services::new(store, clock, ids, Passwords::new(10), BTreeMap::new(), FirstUser::IsOrdinary));
    let (lifecycle, metrics) = (Arc::new(Lifecycle::default()), Arc::new(Metrics::new().unwrap()));
    let vitals = web::Data::new(Vitals { lifecycle: Arc::clone(&lifecycle), metrics, services });
    for (phase, status, body) in [
        (Phase::Starting, 503, json!({"status": "not ready", "reasons": ["the server is starting"]})),
        (Phase::Serving, 200, json!({"status": "ready"})),
        (Phase::Draining, 503, json!({"status": "not ready", "reasons": ["the server is stopping"]})),
    ] {
        lifecycle.enter(phase);
        let answer = show_readiness(vitals.clone()).await;
        assert_eq!(answer.status().as_u16(), status);
        let bytes = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), body);
    }
}

/// Whoever is asked before he knows what others change would have to ask for everything himself.
#[tokio::test]
async fn a_server_is_ready_once_it_knows_what_others_change() {
    let TestStore { store, clock, ids, .. } = stores::fresh(Backend::SqliteMemory).await;
    let cached = Arc::new(CachedStore::new(store, 10));
    let (services, passwords) = (Arc::clone(&cached), Passwords::new(10));
    let services = Services::new(services, clock, ids, passwords, BTreeMap::new(), FirstUser::IsOrdinary);
    let lifecycle = Arc::new(Lifecycle::default());
    lifecycle.enter(Phase::Serving);
    let vitals =
        web::Data::new(Vitals { lifecycle, metrics: Arc::new(Metrics::new().unwrap()), services: Arc::new(services) });
    let ask = async || {
        let answer = show_readiness(vitals.clone()).await;
        let status = answer.status().as_u16();
        let bytes = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let reasons = ["it is not known yet what others change in the store"];
    assert_eq!(ask().await, (503, json!({"status": "not ready", "reasons": reasons, "facts": "warming"})));
    cached.listener().caught_up(Stopwatch::start());
    let (status, body) = ask().await;
    assert_eq!((status, &body["facts"]), (200, &json!("live")));
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_does_not_hold_the_server_up() {
    let directory = data_directory();
    let server = launch(&directory).env("ROLEKEEPER_SHUTDOWN_SECONDS", "1").serve();
    let mut under_way = Line::to(&server);
    under_way.send(&log_in().0);
    until_in_flight(&Session::at(&server.url()), 1).await;
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
