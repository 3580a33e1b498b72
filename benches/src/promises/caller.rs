//! Requests as a client of a flaky service makes them: each with a limit in time, and three ways to end, which are kept
//! apart because they mean different things: an answer, a request that never left, and a request without an answer,
//! whose effect nobody told of.

use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rolekeeper_bench::client::Connection;
use serde_json::Value;

/// Somebody with a token.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// His account.
    pub id: String,
    /// His username.
    pub username: String,
    /// His token.
    pub token: String,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Call {
    method: &'static str,
    path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
}

impl Call {
    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None, headers: Vec::new() }
    }

    /// A POST.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: "POST", path: path.into(), body: Some(body), headers: Vec::new() }
    }

    /// A PATCH.
    pub fn patch(path: impl Into<String>, body: Value) -> Self {
        Self { method: "PATCH", ..Self::post(path, body) }
    }

    /// A DELETE.
    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: "DELETE", ..Self::get(path) }
    }

    /// With a header besides.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        self.method == "GET"
    }

    /// With other texts in its path and in its body.
    pub fn rewritten(mut self, rewrite: impl Fn(&str) -> String) -> Self {
        self.path = rewrite(&self.path);
        if let Some(body) = &mut self.body {
            rewrite_texts(body, &rewrite);
        }
        self
    }

    /// The bytes that go over the wire.
    fn bytes(&self, who: &Who) -> Vec<u8> {
        let Self { method, path, .. } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: promises\r\n");
        if path.starts_with("/v1/") {
            text += &format!("Authorization: Bearer {}\r\n", who.token);
        } else if !who.token.is_empty() {
            text += &format!("X-User-Id: {}\r\nX-Auth-Token: {}\r\n", who.id, who.token);
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            let body = body.to_string();
            text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        } else {
            text += "\r\n";
        }
        text.into_bytes()
    }
}

fn rewrite_texts(value: &mut Value, rewrite: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = rewrite(text),
        Value::Array(values) => values.iter_mut().for_each(|value| rewrite_texts(value, rewrite)),
        Value::Object(fields) => fields.values_mut().for_each(|value| rewrite_texts(value, rewrite)),
        _ => {}
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
}

impl Reply {
    /// Whether the request was granted.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body, for a message.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        format!("status {}: {}", self.status, text.chars().take(300).collect::<String>())
    }

    /// The success that is expected.
    pub fn ok(self) -> Result<Value> {
        if !self.is_success() {
            bail!("refused: {}", self.text());
        }
        Ok(self.json())
    }
}

impl Debug for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered(Reply),
    /// Nobody took the connection: nothing was sent.
    Unsent,
    /// It was sent, and the connection ended without an answer or nothing came in time.
    Unanswered,
}

impl Outcome {
    /// The answer, if there is one.
    pub fn reply(self) -> Option<Reply> {
        match self {
            Self::Answered(reply) => Some(reply),
            Self::Unsent | Self::Unanswered => None,
        }
    }

    /// Whether it was answered with success.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered(reply) if reply.is_success())
    }
}

/// One client with one connection to one address.
pub struct Caller {
    address: SocketAddr,
    limit: Duration,
    /// The connection, and when it was used last.
    connection: Option<(Connection, Instant)>,
}

/// A server closes connections that nobody uses; nobody else's fault is to be met by chance.
const IDLE: Duration = Duration::from_secs(2);
/// Longer than any answer of a server that is well may take.
const LIMIT: Duration = Duration::from_secs(30);

impl Caller {
    /// To that address; it is connected when it is used.
    pub const fn to(address: SocketAddr) -> Self {
        Self { address, limit: LIMIT, connection: None }
    }

    /// With another limit.
    pub const fn within(address: SocketAddr, limit: Duration) -> Self {
        Self { address, limit, connection: None }
    }

    /// Asks; a connection that is open already is used again.
    pub async fn ask(&mut self, who: &Who, call: &Call) -> Outcome {
        let Ok(outcome) = tokio::time::timeout(self.limit, self.exchange(who, call)).await else {
            self.connection = None;
            return Outcome::Unanswered;
        };
        outcome
    }

    /// Asks over a connection of its own.
    pub async fn ask_afresh(&mut self, who: &Who, call: &Call) -> Outcome {
        self.connection = None;
        let outcome = self.ask(who, call).await;
        self.connection = None;
        outcome
    }

    /// Asks a server that is expected to answer.
    pub async fn answer(&mut self, who: &Who, call: &Call) -> Result<Reply> {
        let reply = self.ask(who, call).await.reply();
        reply.with_context(|| format!("no answer to {} {}", call.method, call.path))
    }

    /// Asks for what is expected to be granted.
    pub async fn done(&mut self, who: &Who, call: &Call) -> Result<Value> {
        let reply = self.answer(who, call).await?;
        reply.ok().with_context(|| format!("{} {}", call.method, call.path))
    }

    async fn exchange(&mut self, who: &Who, call: &Call) -> Outcome {
        let mut connection = match self.connection.take() {
            Some((connection, used)) if used.elapsed() < IDLE => connection,
            _ => match Connection::open(self.address).await {
                Ok(connection) => connection,
                Err(_) => return Outcome::Unsent,
            },
        };
        let Ok(status) = connection.exchange(&call.bytes(who)).await else { return Outcome::Unanswered };
        let header = |name| connection.header(name).map(str::to_owned);
        let (etag, retry_after) = (header("etag"), header("retry-after"));
        let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let reply = Reply { status, body: connection.body().to_vec(), etag, retry_after };
        if !closes {
            self.connection = Some((connection, Instant::now()));
        }
        Outcome::Answered(reply)
    }
}
