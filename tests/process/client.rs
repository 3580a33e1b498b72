//! Talks to a server as a client of the Rocket.Chat surface does. Nothing here judges an answer but the few helpers
//! that say so.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

/// An answer that takes longer does not come; far above anything the server may take.
const NO_ANSWER: Duration = Duration::from_secs(60);

/// Somebody who may be logged in.
#[derive(Clone)]
pub struct Session {
    client: Client,
    base: String,
    /// Id and token.
    pub login: Option<(String, String)>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// `X-Request-Id`.
    pub request_id: String,
    /// `Retry-After`, if there is one.
    pub retry_after: Option<String>,
    /// The body, `null` when it is not JSON.
    pub body: Value,
}

impl Reply {
    async fn of(response: Response) -> reqwest::Result<Self> {
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (request_id, retry_after) = (header("x-request-id").unwrap_or_default(), header("retry-after"));
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Self { status, request_id, retry_after, body })
    }

    /// The body of a success; fails the test otherwise.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// Asserts that the store could not answer, said as this surface says it, with the time after which to try again.
    pub fn assert_unavailable(&self) {
        assert_eq!(self.status, 503, "{self:?}");
        assert_eq!(self.body["success"], json!(false), "{self:?}");
        assert!(self.body["error"].is_string(), "{self:?}");
        let seconds = self.retry_after.as_ref().map(|text| text.parse::<u32>());
        assert!(matches!(seconds, Some(Ok(1..))), "{self:?}");
    }
}

impl Session {
    /// Nobody yet, at the server that `base` names, such as `http://127.0.0.1:3000`.
    pub fn at(base: &str) -> Self {
        Self::with_limit(base, NO_ANSWER)
    }

    /// As [`Session::at`], for which an answer after `limit` is none.
    pub fn with_limit(base: &str, limit: Duration) -> Self {
        let client = Client::builder().no_proxy().timeout(limit).build().unwrap();
        Self { client, base: base.to_owned(), login: None }
    }

    /// The same person at another server (or the same one after its port changed).
    pub fn moved_to(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// Logs in; fails the test when that is refused.
    pub async fn log_in(&mut self, username: &str, password: &str) {
        let body = json!({"user": username, "password": password});
        let data = self.post("login", &body).await.unwrap().ok()["data"].take();
        let text = |key: &str| data[key].as_str().unwrap().to_owned();
        self.login = Some((text("userId"), text("authToken")));
    }

    /// Asks for a path from the root, such as `/ready`.
    pub async fn get_path(&self, path: &str) -> reqwest::Result<Reply> {
        Reply::of(self.signed(self.client.get(format!("{}{path}", self.base))).send().await?).await
    }

    /// Calls a method that reads.
    pub async fn get(&self, method: &str, query: &[(&str, &str)]) -> reqwest::Result<Reply> {
        let request = self.client.get(format!("{}/api/v1/{method}", self.base)).query(query);
        Reply::of(self.signed(request).send().await?).await
    }

    /// Calls a method that changes something.
    pub async fn post(&self, method: &str, body: &Value) -> reqwest::Result<Reply> {
        let request = self.client.post(format!("{}/api/v1/{method}", self.base)).json(body);
        Reply::of(self.signed(request).send().await?).await
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> String {
        self.client.get(format!("{}/metrics", self.base)).send().await.unwrap().text().await.unwrap()
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.login {
            Some((user, token)) => request.header("X-User-Id", user).header("X-Auth-Token", token),
            None => request,
        }
    }
}
