//! Requests as somebody who is logged in: the bytes of each, and calls whose answers are read instead of timed.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::client::{Connection, Expected, Work, load};
use crate::server::{ADMINISTRATOR, Server};

/// An account with its token, at a server.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where.
    pub address: SocketAddr,
    /// The account.
    pub user: String,
    token: String,
}

impl Session {
    /// Logs the administrator in.
    pub async fn log_in(server: &Server) -> Result<Self> {
        let nobody = Self { address: server.address, user: String::new(), token: String::new() };
        let credentials = json!({"user": ADMINISTRATOR.0, "password": ADMINISTRATOR.1});
        let answer = nobody.call("POST", "login", Some(&credentials)).await?;
        let field = |name: &str| answer["data"][name].as_str().map(str::to_owned);
        let (user, token) = field("userId").zip(field("authToken")).context("the log-in gave no token")?;
        Ok(Self { address: server.address, user, token })
    }

    /// As an account whose token is known.
    pub fn of(server: &Server, user: &str, token: &str) -> Self {
        Self { address: server.address, user: user.to_owned(), token: token.to_owned() }
    }

    /// The bytes of a request to `/api/v1/`.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let Self { user, token, .. } = self;
        let identity =
            if user.is_empty() { String::new() } else { format!("X-User-Id: {user}\r\nX-Auth-Token: {token}\r\n") };
        let content = body.map_or(String::new(), |body| {
            let body = body.to_string();
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        });
        let end = if content.is_empty() { "\r\n" } else { "" };
        format!("{method} /api/v1/{path} HTTP/1.1\r\nHost: bench\r\n{identity}{content}{end}").into_bytes()
    }

    /// The bytes of a GET.
    pub fn get(&self, path: &str) -> Vec<u8> {
        self.request("GET", path, None)
    }

    /// The bytes of a POST.
    pub fn post(&self, path: &str, body: &Value) -> Vec<u8> {
        self.request("POST", path, Some(body))
    }

    /// Asks once and reads the answer, which must be a success.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut connection = Connection::open(self.address).await?;
        let status = connection.exchange(&self.request(method, path, body)).await?;
        let text = String::from_utf8_lossy(connection.body()).into_owned();
        ensure!(status == 200, "{method} {path}: status {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Makes a role; its id.
    pub async fn create_role(&self, name: &str) -> Result<String> {
        let answer = self.call("POST", "roles.create", Some(&json!({"name": name}))).await?;
        Ok(answer["role"]["_id"].as_str().context("a role without an id")?.to_owned())
    }

    /// Makes many roles at once; their ids.
    pub async fn create_roles(&self, names: impl Iterator<Item = String>) -> Result<Vec<String>> {
        let names: Vec<String> = names.collect();
        let requests: Vec<Vec<u8>> =
            names.iter().map(|name| self.post("roles.create", &json!({"name": name}))).collect();
        load(self.address, 8, Work::Each(requests.into()), Expected { status: 200, length: None }).await?;
        let roles = self.roles().await?;
        let id = |name: &String| roles.iter().find(|(_, other)| other == name).map(|(id, _)| id.clone());
        names.iter().map(|name| id(name).with_context(|| format!("the role {name} is not there"))).collect()
    }

    /// Id and name of every role.
    pub async fn roles(&self) -> Result<Vec<(String, String)>> {
        let answer = self.call("GET", "roles.list", None).await?;
        let roles = answer["roles"].as_array().context("no list of roles")?;
        let text = |role: &Value, field: &str| role[field].as_str().unwrap_or_default().to_owned();
        Ok(roles.iter().map(|role| (text(role, "_id"), text(role, "name"))).collect())
    }
}
