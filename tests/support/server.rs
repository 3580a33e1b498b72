//! A Rolekeeper of its own for one test: the real server on a free port, on a fresh store, with a clock and ids that the
//! test decides on, and the actors who talk to it. Beside the server stands a second handle on the same store, to plant
//! what no request could and to look at what no answer shows.

use std::io;
use std::sync::Arc;

use mongodb::bson::{Document, doc};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use rolekeeper::app::{App, DATABASE_FILE, Sources, StartError};
use rolekeeper::cli::Flags;
use rolekeeper::clock::{Clock as _, Ids};
use rolekeeper::config::{self, Environment};
use rolekeeper::domain::audit::AuditContext;
use rolekeeper::domain::ids::{RoleId, UserId};
use rolekeeper::domain::role::{ADMIN, USER};
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::totp::{STEP_MS, TotpSecret};
use rolekeeper::domain::user::{EmailAddress, NewUser, PasswordHash, User};
use rolekeeper::store::mongo::MongoStore;
use rolekeeper::store::sqlite::{Location, SqliteStore};
use rolekeeper::store::{Listener, Seed, Store, UsernameMatch};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::clock::{TestClock, TestIds};
use super::stores::{Backend, Raw};
use super::{mongod, profile, wheel};

/// The username of the administrator of every test server.
pub const ROOT: &str = "root";
/// A password and what bcrypt makes of it, so that no test has to wait for hashing.
pub const PASSWORD: &str = "correct horse";
const PASSWORD_HASH: &str = "$2b$10$vW7sUumodNa0b1g2/04E.eRzncdNOcmIL0npA7oR15DrCxWqwI5aC";
/// What an authenticator app and the server share: the key of the examples in RFC 6238.
pub const TOTP_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Off unless a test is about it: the others ask as often as they need to.
const RATE_LIMITER: &str = "OVERWRITE_SETTING_API_Enable_Rate_Limiter";
/// Sessions that a test opens past the server keep as many as the server would.
const KEEP: usize = 50;

/// A store's place that no other test has.
pub enum Place {
    /// The folder of an embedded store; it is removed with the server.
    Folder(TempDir),
    /// The URL of a MongoDB database.
    Database(String),
}

impl Place {
    /// A new one.
    pub async fn fresh(backend: Backend) -> Self {
        match backend {
            Backend::Mongo | Backend::CachedMongo => {
                // Starting the shared server takes seconds and must not hold up the runtime's other tasks.
                Self::Database(tokio::task::spawn_blocking(mongod::fresh_database_url).await.unwrap())
            }
            Backend::SqliteFile | Backend::SqliteMemory | Backend::CachedSqlite => {
                std::fs::create_dir_all(wheel::scratch()).unwrap();
                Self::Folder(tempfile::tempdir_in(wheel::scratch()).unwrap())
            }
        }
    }

    async fn open(&self, ids: Arc<dyn Ids>) -> (Arc<dyn Store>, Raw) {
        match self {
            Self::Folder(folder) => {
                let location = Location::File(folder.path().join(DATABASE_FILE));
                let store = Arc::new(SqliteStore::open(location, ids).unwrap());
                (Arc::clone(&store) as _, Raw::Sqlite(store))
            }
            Self::Database(url) => {
                let store = MongoStore::connect(url, ids).await.unwrap();
                let database = profile::database(url).await;
                profile::watch(&database).await;
                let raw = Raw::Mongo(database);
                (Arc::new(store), raw)
            }
        }
    }
}

/// A server that is about to start.
pub struct Start {
    place: Place,
    clock: Arc<TestClock>,
    ids: Arc<TestIds>,
    environment: Environment,
    with_administrator: bool,
}

/// What is left of a server: its store, and the time and the ids that go on.
pub struct Stopped {
    place: Place,
    clock: Arc<TestClock>,
    ids: Arc<TestIds>,
}

impl Start {
    /// On that place. The environment is the test's own; nothing is taken from the process.
    pub fn at(place: Place) -> Self {
        let mut environment: Environment = [
            ("PORT", "0"),
            ("ROOT_URL", "https://chat.example.org/"),
            ("ROLEKEEPER_WORKERS", "2"),
            ("ROLEKEEPER_SHUTDOWN_SECONDS", "0"),
            (RATE_LIMITER, "false"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let (name, value) = match &place {
            Place::Folder(folder) => ("ROLEKEEPER_DATA_DIR", folder.path().display().to_string()),
            Place::Database(url) => ("MONGO_URL", url.clone()),
        };
        environment.insert(name.to_owned(), value);
        Self { place, clock: Arc::default(), ids: Arc::default(), environment, with_administrator: true }
    }

    /// Again on the store of a server that was stopped, as it is.
    pub fn again(stopped: Stopped) -> Self {
        let Stopped { place, clock, ids } = stopped;
        Self { clock, ids, ..Self::at(place).unprepared() }
    }

    /// On a fresh place.
    pub async fn fresh(backend: Backend) -> Self {
        Self::at(Place::fresh(backend).await)
    }

    /// Sets a variable of the server's environment.
    #[must_use]
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.environment.insert(variable.to_owned(), value.to_owned());
        self
    }

    /// Limits rates as the workspace says; without a word of it, as a server outside of the tests does.
    #[must_use]
    pub fn with_rates_of_the_workspace(mut self) -> Self {
        self.environment.remove(RATE_LIMITER);
        self
    }

    /// Leaves the store as it is: whether there is an administrator is the server's business.
    #[must_use]
    pub fn unprepared(mut self) -> Self {
        self.with_administrator = false;
        self
    }

    /// Starts.
    pub async fn go(self) -> TestServer {
        self.try_go().await.unwrap()
    }

    /// Starts, or says why not.
    pub async fn try_go(self) -> Result<TestServer, StartError> {
        let Self { place, clock, ids, environment, with_administrator } = self;
        let mut handle = None;
        if with_administrator {
            let opened = place.open(Arc::clone(&ids) as _).await;
            prepare(opened.0.as_ref(), &clock, &ids).await;
            handle = Some(opened);
        }
        let settings = config::load(&Flags::default(), &environment).unwrap();
        let sources = Sources { clock: Arc::clone(&clock) as _, ids: Arc::clone(&ids) as _, ..Sources::default() };
        let mut app = App::build(&settings, sources).await?;
        let (base, announcement) = (format!("http://127.0.0.1:{}", app.port()), app.announcement());
        app.facts().until_live().await;
        let listener = app.facts().listener();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run_until(async {
            let _ = stopped.await;
        }));
        // What nobody has prepared is opened after the server, which thus finds it as it was.
        let (store, raw) = match handle {
            Some(opened) => opened,
            None => place.open(Arc::clone(&ids) as _).await,
        };
        // What the test does is as good as done by the server: others would be heard of a little later.
        store.report_to(Arc::clone(&listener));
        // A connection per request: a stopping server does not have to wait for idle ones.
        let client = Client::builder().pool_max_idle_per_host(0).no_proxy().build().unwrap();
        Ok(TestServer { base, announcement, client, clock, ids, store, raw, listener, stop, running, place })
    }
}

/// Seeds the store and makes the administrator without the work of hashing a password.
async fn prepare(store: &dyn Store, clock: &TestClock, ids: &TestIds) {
    let by = AuditContext::system(clock.now());
    store.seed(Seed::defaults(clock.now()), &by).await.unwrap();
    store.create_first_administrator(new_user(ids, ROOT, &[ADMIN]), &by).await.unwrap().unwrap();
}

fn new_user(ids: &TestIds, username: &str, roles: &[&str]) -> NewUser {
    NewUser {
        id: ids.user_id(),
        username: username.to_owned(),
        name: format!("The {username}"),
        emails: vec![EmailAddress { address: format!("{username}@example.org"), verified: username == ROOT }],
        password: Some(PasswordHash::from_stored(PASSWORD_HASH)),
        roles: roles.iter().map(|role| RoleId::from_stored(*role)).collect(),
        active: true,
        join_default_rooms: false,
        profile: Map::new(),
    }
}

/// A server that answers.
pub struct TestServer {
    base: String,
    /// What it told the person who started it.
    pub announcement: Option<String>,
    client: Client,
    /// Its time.
    pub clock: Arc<TestClock>,
    /// Its ids.
    pub ids: Arc<TestIds>,
    /// The same store through another handle.
    pub store: Arc<dyn Store>,
    /// The way past the traits.
    pub raw: Raw,
    listener: Arc<dyn Listener>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<()>>,
    pub(super) place: Place,
}

impl TestServer {
    /// Tells it to stop, waits until it has, and gives back what the next start needs.
    pub async fn halt(self) -> Stopped {
        let Self { stop, running, place, client, clock, ids, .. } = self;
        drop(client);
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
        Stopped { place, clock, ids }
    }

    /// Stops it, fails when it had MongoDB do more than its answers needed, and removes what the end of the process would not: a database on a server that stays.
    pub async fn finish(self) {
        let database = match &self.raw {
            Raw::Mongo(database) => Some(database.clone()),
            Raw::Sqlite(_) => None,
        };
        let _stopped = self.halt().await;
        if let Some(database) = database {
            profile::assert_frugal(&database).await;
            database.drop().await.unwrap();
        }
    }

    /// Sends bytes as they are over a connection of their own, says that no more will come, and returns what came back.
    pub async fn send_raw(&self, bytes: &[u8]) -> String {
        let mut connection = TcpStream::connect(self.base.trim_start_matches("http://")).await.unwrap();
        connection.write_all(bytes).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A server that is done with a connection may also just drop it.
        let _ = connection.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// Where it answers, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The circumstances of a change that the test makes past the server.
    pub fn by(&self) -> AuditContext {
        AuditContext::system(self.clock.now())
    }

    /// Somebody without credentials.
    pub fn anonymous(&self) -> Actor<'_> {
        Actor { server: self, credentials: None }
    }

    /// Somebody with these, right or wrong.
    pub fn with(&self, user_id: &str, token: &str) -> Actor<'_> {
        let credentials = Credentials { user_id: user_id.to_owned(), token: token.to_owned() };
        Actor { server: self, credentials: Some(credentials) }
    }

    /// The administrator in a new session.
    pub async fn admin(&self) -> Actor<'_> {
        self.session_of(ROOT).await
    }

    /// A new account with the role `user`, in a session.
    pub async fn user(&self, username: &str) -> Actor<'_> {
        self.user_with(username, &[USER]).await
    }

    /// A new account with these roles, in a session. Its password is [`PASSWORD`].
    pub async fn user_with(&self, username: &str, roles: &[&str]) -> Actor<'_> {
        self.store.create_user(new_user(&self.ids, username, roles), &self.by()).await.unwrap();
        self.session_of(username).await
    }

    /// The account of that name.
    pub async fn account(&self, username: &str) -> User {
        self.store.find_user_by_username(username, UsernameMatch::Exact).await.unwrap().unwrap()
    }

    /// Tells the server at once that something was changed past the traits.
    pub fn changed_past_it(&self) {
        self.listener.lost();
    }

    /// A new session of an account, opened past the server.
    pub async fn session_of(&self, username: &str) -> Actor<'_> {
        let (user, token) = (self.account(username).await, self.ids.token());
        self.store.add_session_token(&user.id, &token.hash(), KEEP, &self.by()).await.unwrap();
        self.with(user.id.as_str(), token.expose())
    }

    /// Makes an account one of another kind: `bot`, `app`.
    pub async fn plant_kind(&self, user: &str, kind: &str) {
        match &self.raw {
            Raw::Sqlite(store) => {
                store.run_sql(&format!("UPDATE users SET kind = '{kind}' WHERE id = '{user}'")).await.unwrap();
            }
            Raw::Mongo(_) => self.change_user(user, doc! { "$set": { "type": kind } }).await,
        }
    }

    /// Switches codes of an authenticator app on for an account.
    pub async fn plant_totp(&self, user: &str) {
        match &self.raw {
            Raw::Sqlite(store) => {
                store.run_sql(&format!("UPDATE users SET totp = 1 WHERE id = '{user}'")).await.unwrap();
            }
            Raw::Mongo(_) => self.change_user(user, doc! { "$set": { "services.totp": { "enabled": true } } }).await,
        }
    }

    /// Gives an account an authenticator app with [`TOTP_SECRET`], and backup codes.
    pub async fn plant_authenticator(&self, user: &str, backup_codes: &[&str]) {
        self.raw.plant_authenticator(user, TOTP_SECRET, backup_codes).await;
        self.changed_past_it();
    }

    /// What the app of [`TestServer::plant_authenticator`] shows that many steps from now.
    pub fn app_code(&self, steps: i64) -> String {
        let secret = TotpSecret::from_base32(TOTP_SECRET).unwrap();
        secret.code(self.clock.now().as_millis().div_euclid(STEP_MS) + steps)
    }

    /// Switches codes by e-mail on for an account whose address is verified.
    pub async fn plant_email_codes(&self, user: &str) {
        match &self.raw {
            Raw::Sqlite(store) => {
                let sql = format!(
                    "UPDATE users SET email_codes = 1 WHERE id = '{user}'; \
                     UPDATE user_emails SET verified = 1 WHERE user_id = '{user}'"
                );
                store.run_sql(&sql).await.unwrap();
            }
            Raw::Mongo(_) => {
                let on = doc! { "services.email2fa": { "enabled": true }, "emails.0.verified": true };
                self.change_user(user, doc! { "$set": on }).await;
            }
        }
    }

    /// Stores the value of a setting; `json` is JSON text.
    pub async fn plant_setting(&self, id: &str, json: &str) {
        self.raw.plant_setting(id, json).await;
        self.changed_past_it();
    }

    /// Adds a token that its owner made for programs.
    pub async fn plant_personal_token(&self, user: &str) -> TokenText {
        let token = self.ids.token();
        let hash = token.hash();
        let hash = hash.expose();
        match &self.raw {
            Raw::Sqlite(store) => {
                let sql = format!("INSERT INTO login_tokens (hash, user_id, personal) VALUES ('{hash}', '{user}', 1)");
                store.run_sql(&sql).await.unwrap();
            }
            Raw::Mongo(_) => {
                let token = doc! { "hashedToken": hash, "type": "personalAccessToken", "name": "ci" };
                self.change_user(user, doc! { "$push": { "services.resume.loginTokens": token } }).await;
            }
        }
        token
    }

    async fn change_user(&self, user: &str, change: Document) {
        let Raw::Mongo(database) = &self.raw else { panic!("only documents are changed like this") };
        let users = database.collection::<Document>("users");
        assert_eq!(users.update_one(doc! { "_id": user }, change).await.unwrap().matched_count, 1);
        self.changed_past_it();
    }
}

struct Credentials {
    user_id: String,
    token: String,
}

/// Somebody who sends requests, with or without credentials.
pub struct Actor<'s> {
    server: &'s TestServer,
    credentials: Option<Credentials>,
}

impl Actor<'_> {
    /// Who, by id.
    pub fn id(&self) -> &str {
        &self.credentials().user_id
    }

    /// Who, as the store knows it.
    pub fn user_id(&self) -> UserId {
        UserId::from_stored(self.id())
    }

    /// The token of the session.
    pub fn token(&self) -> &str {
        &self.credentials().token
    }

    /// The token, of somebody who has one.
    pub fn known_token(&self) -> Option<&str> {
        self.credentials.as_ref().map(|credentials| credentials.token.as_str())
    }

    fn credentials(&self) -> &Credentials {
        self.credentials.as_ref().expect("somebody with credentials")
    }

    /// `GET /api/v1/<route>`; a query is part of the route.
    pub async fn get(&self, route: &str) -> Answer {
        self.send(self.request(Method::GET, &api(route))).await
    }

    /// `POST /api/v1/<route>` with a JSON body.
    pub async fn post(&self, route: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, &api(route)).json(&body)).await
    }

    /// `POST /api/v1/<route>` with these bytes under that content type, or under none.
    pub async fn post_bytes(&self, route: &str, content_type: Option<&str>, bytes: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(Method::POST, &api(route)).body(bytes.into());
        self.send(match content_type {
            Some(content_type) => request.header("Content-Type", content_type),
            None => request,
        })
        .await
    }

    /// A request with the actor's credentials, to finish by hand.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.server.client.request(method, format!("{}{path}", self.server.base));
        match &self.credentials {
            Some(Credentials { user_id, token }) => request.header("X-User-Id", user_id).header("X-Auth-Token", token),
            None => request,
        }
    }

    /// Sends it and reads the whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }
}

fn api(route: &str) -> String {
    format!("/api/v1/{route}")
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }

    /// A header, empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// Asserts status and whole body.
    #[track_caller]
    pub fn is(&self, status: u16, body: Value) {
        assert_eq!((self.status, self.json()), (status, body));
    }

    /// Asserts 400 with `"<reason> [<code>]"`, the code as `errorType`, and nothing else.
    #[track_caller]
    pub fn refused(&self, reason: &str, code: &str) {
        let text = format!("{reason} [{code}]");
        self.is(400, serde_json::json!({"success": false, "error": text.trim_start(), "errorType": code}));
    }

    /// As [`Answer::refused`], with details.
    #[track_caller]
    pub fn refused_with(&self, reason: &str, code: &str, details: Value) {
        let text = format!("{reason} [{code}]");
        let text = text.trim_start();
        self.is(400, serde_json::json!({"success": false, "error": text, "errorType": code, "details": details}));
    }

    /// Asserts the refusal of a body that does not fit.
    #[track_caller]
    pub fn invalid_params(&self, text: &str) {
        self.is(400, serde_json::json!({"success": false, "errorType": "invalid-params", "error": text}));
    }

    /// Asserts the refusal of a query that does not fit.
    #[track_caller]
    pub fn invalid_query(&self, text: &str) {
        self.is(400, serde_json::json!({"success": false, "errorType": "error-invalid-params", "error": text}));
    }

    /// Asserts that nobody was recognized.
    #[track_caller]
    pub fn unauthenticated(&self) {
        let text = "You must be logged in to do this.";
        self.is(401, serde_json::json!({"success": false, "error": text, "status": "error", "message": text}));
    }

    /// Asserts that the permission of the endpoint was missing.
    #[track_caller]
    pub fn forbidden(&self) {
        let text = "User does not have the permissions required for this action [error-unauthorized]";
        self.is(403, serde_json::json!({"success": false, "error": text}));
    }
}

/// A body without the ids that the server made: they depend on how many a store used for itself before.
#[must_use]
pub fn without_made_ids(mut body: Value) -> Value {
    hide_made_ids(&mut body);
    body
}

fn hide_made_ids(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(id) if name == "_id" && matches!(id.len(), 17 | 24) => "[id]".clone_into(id),
                    value => hide_made_ids(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_made_ids),
        _ => {}
    }
}
