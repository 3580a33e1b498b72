//! Wires everything together: opens the store the settings name, makes the workspace usable, listens, and stops without
//! failing anybody. Nothing else constructs more than its own part; only `main` and the tests build an [`App`].

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App as ActixApp, HttpServer, web};
use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::clock::{Clock, Ids, RandomIds, SystemClock};
use crate::config::{AdministratorSettings, AuditSettings, ServerSettings, Settings, TokenSettings};
use crate::domain::audit_chain::{SHORTEST_KEY, Sealer};
use crate::http::call::Gate;
use crate::http::connections::{Connections, Patience};
use crate::http::context::{Surroundings, surround};
use crate::http::openapi::Description;
use crate::http::public::{Lifecycle, Phase, Vitals};
use crate::http::routes::routes;
use crate::metrics::Metrics;
use crate::port::Port;
use crate::secret::Secret;
use crate::service::audit::heads;
use crate::service::passwords::Passwords;
use crate::service::registration::FirstUser;
use crate::service::settings::parse_overrides;
use crate::service::tokens::TokensForUsers;
use crate::service::workspace::{AdministratorOutcome, FirstAdministrator};
use crate::service::{ServiceError, Services};
use crate::store::cached::CachedStore;
use crate::store::mongo::{Collections, MongoStore};
use crate::store::sqlite::{Location, SqliteStore};
use crate::store::{CheckStore, Store, StoreError};

/// File name of the embedded store in the data directory.
pub const DATABASE_FILE: &str = "rolekeeper.sqlite3";

/// Scopes whose newest entry is told in the log, at most.
const HEADS_TOLD: usize = 100;

/// How long a server that stops seals the record.
const LAST_SEALING: Duration = Duration::from_secs(5);

/// How long a server that stops waits for the first requests of those who have just come.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

/// How long to wait before following the changes of others again, when that has ended.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a server does not start: one sentence for the operator each, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings of the workspace that their table does not allow.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
    /// The folder of the embedded store cannot be made.
    #[error("the data directory {path} cannot be used: {reason}")]
    DataDirectory {
        /// As configured.
        path: String,
        /// The system's word.
        reason: io::Error,
    },
    /// The key of the record cannot be read, or is too short.
    #[error("the key of the record of changes in {path} cannot be used: {reason}")]
    AuditKey {
        /// As configured.
        path: String,
        /// What is wrong; never anything of the key.
        reason: String,
    },
    /// The store cannot be opened or made usable.
    #[error("{}", sentence(.0))]
    Store(StoreError),
    /// The workspace cannot be made usable.
    #[error("the workspace cannot be prepared: {0}")]
    Workspace(ServiceError),
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Address and port.
        address: String,
        /// The system's word.
        reason: io::Error,
    },
    /// The metrics contradict each other; a defect.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl From<ServiceError> for StartError {
    fn from(error: ServiceError) -> Self {
        Self::Workspace(error)
    }
}

/// A store that refuses says in full what is wrong with it; nothing needs to stand before that.
fn sentence(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(sentence) => sentence.clone(),
        error => error.to_string(),
    }
}

/// Where time, randomness and ids come from.
#[derive(Clone)]
pub struct Sources {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness and ids.
    pub ids: Arc<dyn Ids>,
    /// Guards that this server does without.
    #[cfg(feature = "fault-injection")]
    pub switched_off: String,
}

impl Default for Sources {
    /// The machine's own.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            #[cfg(feature = "fault-injection")]
            switched_off: String::new(),
        }
    }
}

/// A server that listens but does not answer yet.
pub struct App {
    server: Server,
    port: Port,
    drain: Drain,
    lifecycle: Arc<Lifecycle>,
    announcement: Option<String>,
    facts: Arc<CachedStore>,
    follower: Follower,
}

/// Follows what others change in the store, as long as it is kept.
struct Follower(JoinHandle<()>);

impl Follower {
    fn start(store: Arc<dyn Store>) -> Self {
        Self(tokio::spawn(follow(store)))
    }

    /// Ends it, and waits until it has let go of the store.
    async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Without it everything is read from the store each time: it is begun again whatever it ended by.
async fn follow(store: Arc<dyn Store>) {
    loop {
        match AssertUnwindSafe(store.follow()).catch_unwind().await {
            Ok(()) => log::warn!("the changes of others are not followed any more; trying again"),
            Err(_) => log::error!("following the changes of others failed; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl App {
    /// Opens the store, seeds it where something is absent, makes the first administrator where there is nobody, and
    /// takes the port.
    ///
    /// # Errors
    /// [`StartError`] with one sentence for the operator.
    pub async fn build(settings: &Settings, sources: Sources) -> Result<Self, StartError> {
        let overrides = overrides(settings)?;
        let port = Port::take(settings.server.bind, settings.server.port);
        let port = port.map_err(|reason| listen_error(&settings.server, reason))?;
        let server_settings = ServerSettings { port: port.number(), ..settings.server.clone() };
        let store = open_store(settings, &sources).await?;
        log::info!("keeping roles in {}", store.describe());
        let facts = Arc::new(CachedStore::new(Arc::clone(&store), settings.cache.sessions.into()));
        let follower = Follower::start(store);
        let passwords = Passwords::new(settings.passwords.bcrypt_cost);
        #[cfg(feature = "fault-injection")]
        let passwords = if is_off(&sources.switched_off, "no-decoy") { passwords.without_decoy() } else { passwords };
        let first_user = first_user(&settings.administrator);
        let services = Services::new(
            Arc::clone(&facts) as _,
            sources.clock.clone(),
            sources.ids.clone(),
            passwords,
            overrides,
            first_user,
        )
        .with_tokens_for_users(tokens_for_users(&settings.tokens))
        .with_restricted_roles(&settings.restricted_roles);
        services.seed().await?;
        tell_heads(facts.as_ref()).await;
        check_restrictions(&services).await?;
        let outcome = services.ensure_administrator(first_administrator(&settings.administrator)).await?;
        let announcement = announcement(&outcome, &settings.administrator.username, &server_settings.root_url());
        let lifecycle = Arc::new(Lifecycle::default());
        let parts = Parts {
            services: Arc::new(services),
            metrics: Arc::new(Metrics::new()?),
            lifecycle: lifecycle.clone(),
            clock: sources.clock,
            ids: sources.ids,
        };
        let server = serve(&port, &server_settings, parts)?;
        let drain = Drain::of(&server_settings);
        Ok(Self { server, port, drain, lifecycle, announcement, facts, follower })
    }

    /// The port it listens on, also when any free one was asked for.
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The facts in memory, for tests that change the store past the server.
    #[cfg(feature = "fault-injection")]
    pub fn facts(&self) -> Arc<CachedStore> {
        Arc::clone(&self.facts)
    }

    /// What to tell the person who started the server, once and nowhere else: it may hold a password.
    pub fn announcement(&mut self) -> Option<String> {
        self.announcement.take()
    }

    /// Answers requests until the process is told to stop (SIGTERM, SIGINT), then finishes what is in flight.
    ///
    /// # Errors
    /// What the operating system says when listening or waiting for signals fails.
    pub async fn run_until_stopped(self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        self.run_until(async move {
            tokio::select! {
                _ = terminate.recv() => log::info!("told to stop"),
                _ = interrupt.recv() => log::info!("interrupted"),
            }
        })
        .await
    }

    /// As [`App::run_until_stopped`], with another reason to stop.
    ///
    /// # Errors
    /// What the operating system says when listening fails.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { server, port, drain, lifecycle, facts, follower, .. } = self;
        lifecycle.enter(Phase::Serving);
        log::info!("serving on port {}", port.number());
        let ended = serve_until(server, &lifecycle, stop, drain.wait(port)).await;
        follower.stop().await;
        seal_record(facts.as_ref()).await;
        log::info!("stopped");
        ended
    }
}

/// Serves until it is told to stop. Then every answer ends its connection, while everybody is served on until `drained`;
/// after that no connection is left whose request nobody has read, and what is under way is finished.
async fn serve_until(
    server: Server,
    lifecycle: &Lifecycle,
    stop: impl Future<Output = ()>,
    drained: impl Future<Output = ()>,
) -> io::Result<()> {
    let handle = server.handle();
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => return ended,
        () = stop => {}
    }
    lifecycle.enter(Phase::Draining);
    tokio::select! {
        ended = &mut server => return ended,
        () = drained => {}
    }
    let (ended, ()) = tokio::join!(server, handle.stop(true));
    ended
}

/// How long a server that was told to stop goes on.
#[derive(Debug, Clone, Copy)]
struct Drain {
    /// With everybody, so that who asks whether it is ready hears of it in time.
    everybody: Duration,
    /// With those who are connected.
    connected: Duration,
}

impl Drain {
    fn of(settings: &ServerSettings) -> Self {
        let patience = Duration::from_secs(settings.shutdown_seconds);
        Self { everybody: Duration::from_secs(settings.drain_seconds), connected: LAST_REQUESTS.min(patience) }
    }

    async fn wait(self, port: Port) {
        if !self.everybody.is_zero() {
            log::info!(
                "serving on for {} s, so that whoever asks hears that this server stops",
                self.everybody.as_secs()
            );
            tokio::time::sleep(self.everybody).await;
        }
        if self.connected.is_zero() {
            return;
        }
        if let Err(error) = port.turn_newcomers_away() {
            log::warn!("who connects at this very moment may be cut off: {error}");
        }
        tokio::time::sleep(self.connected).await;
    }
}

/// What the request threads share.
struct Parts {
    services: Arc<Services>,
    metrics: Arc<Metrics>,
    lifecycle: Arc<Lifecycle>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

fn serve(port: &Port, settings: &ServerSettings, parts: Parts) -> Result<Server, StartError> {
    let gate = Gate::new(parts.services.clone(), settings.root_url(), parts.clock)
        .with_body_timeout(Duration::from_secs(settings.body_seconds));
    let vitals = web::Data::new(Vitals {
        lifecycle: parts.lifecycle.clone(),
        metrics: parts.metrics.clone(),
        services: parts.services,
    });
    let surroundings = Surroundings {
        ids: parts.ids,
        metrics: parts.metrics,
        lifecycle: parts.lifecycle,
        proxies: settings.forwarded_count,
    };
    let description = web::Data::new(Description::new(settings.root_url()));
    let server = HttpServer::new(move || {
        // One of each for every thread: to count the users of what all share, they would take turns with each request.
        let surroundings = Rc::new(surroundings.clone());
        ActixApp::new()
            .app_data(description.clone())
            .app_data(web::Data::new(gate.clone()))
            .app_data(vitals.clone())
            .wrap(from_fn(move |request, next| surround(Rc::clone(&surroundings), request, next)))
            .configure(routes)
    })
    // A long answer leaves in several packets; the last must not wait until the client has confirmed the others.
    .tcp_nodelay(true)
    .client_request_timeout(Duration::from_secs(settings.head_seconds))
    .keep_alive(Duration::from_secs(settings.keep_alive_seconds))
    .on_connect(Connections::watched(patience(settings)))
    .disable_signals()
    .shutdown_timeout(settings.shutdown_seconds);
    let server = match settings.workers {
        Some(workers) => server.workers(workers),
        None => server,
    };
    let server = port.listener().and_then(|listener| server.listen(listener));
    Ok(server.map_err(|reason| listen_error(settings, reason))?.run())
}

const fn patience(settings: &ServerSettings) -> Patience {
    Patience { idle: settings.keep_alive_seconds + settings.head_seconds, answer: settings.answer_seconds }
}

/// The operator's overrides, checked; those without effect here are named once in the log.
///
/// # Errors
/// `StartError::Settings` with every problem.
pub fn overrides(settings: &Settings) -> Result<BTreeMap<&'static str, Value>, StartError> {
    let (overrides, without_effect) = parse_overrides(&settings.workspace).map_err(StartError::Settings)?;
    if !without_effect.is_empty() {
        log::info!("these OVERWRITE_SETTING_ variables have no effect here: {}", without_effect.join(", "));
    }
    Ok(overrides)
}

async fn check_restrictions(services: &Services) -> Result<(), StartError> {
    let unknown = services.unknown_restrictions().await?;
    if !unknown.roles.is_empty() {
        log::warn!("restricted_roles names roles that do not exist: {}", unknown.roles.join(", "));
    }
    if unknown.permissions.is_empty() {
        return Ok(());
    }
    let permissions = unknown.permissions.join(", ");
    let sentence = format!("restricted_roles names permissions that do not exist: {permissions}");
    Err(StartError::Settings(vec![sentence]))
}

fn listen_error(settings: &ServerSettings, reason: io::Error) -> StartError {
    StartError::Listen { address: format!("{}:{}", settings.bind, settings.port), reason }
}

/// The newest entries of the record, so that they can be kept elsewhere: whoever has them knows later whether the end of
/// the record was cut off.
async fn tell_heads(store: &dyn Store) {
    match heads(store, HEADS_TOLD).await {
        Ok(heads) => heads.iter().for_each(|(scope, head)| log::info!("newest entry of the record of {scope}: {head}")),
        Err(error) => log::warn!("the newest entries of the record cannot be told: {error}"),
    }
}

/// Seals what this node has not sealed yet. Without it another node would, or this one at its next start.
async fn seal_record(store: &dyn Store) {
    match tokio::time::timeout(LAST_SEALING, store.seal_audit_entries()).await {
        Ok(Ok(_)) => tell_heads(store).await,
        Ok(Err(error)) => log::warn!("the record was left without its last seals: {error}"),
        Err(_) => log::warn!("the record was left without its last seals: that takes too long"),
    }
}

/// What seals the record, with the operator's key where there is one.
///
/// # Errors
/// `AuditKey`.
pub fn sealer(settings: &AuditSettings) -> Result<Sealer, StartError> {
    let Some(path) = &settings.key_file else { return Ok(Sealer::default()) };
    let refusal = |reason| StartError::AuditKey { path: path.display().to_string(), reason };
    let key = std::fs::read(path).map_err(|reason| refusal(reason.to_string()))?;
    let key = key.strip_suffix(b"\n").unwrap_or(&key);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    Sealer::with_key(key).ok_or_else(|| refusal(format!("it has fewer than {SHORTEST_KEY} bytes")))
}

/// Opens the store that the settings name.
///
/// # Errors
/// `AuditKey`, `DataDirectory`, `Store`.
pub async fn open_store(settings: &Settings, sources: &Sources) -> Result<Arc<dyn Store>, StartError> {
    let (ids, sealer, settings) = (sources.ids.clone(), sealer(&settings.audit)?, &settings.store);
    if let Some(url) = &settings.mongo_url {
        let store = MongoStore::connect(url.expose(), ids).await.map_err(StartError::Store)?;
        #[cfg(feature = "fault-injection")]
        let store = without_guards(store, &sources.switched_off);
        return Ok(Arc::new(store.with_sealer(sealer)));
    }
    let directory = &settings.data_dir;
    std::fs::create_dir_all(directory)
        .map_err(|reason| StartError::DataDirectory { path: directory.display().to_string(), reason })?;
    let store = SqliteStore::open(Location::File(directory.join(DATABASE_FILE)), ids).map_err(StartError::Store)?;
    Ok(Arc::new(store.with_sealer(sealer)))
}

/// What a command without a server means to do with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading alone: nothing is made or written.
    Examine,
    /// Changes, on what is there already.
    Change,
}

/// Opens the store that the settings name, without making the workspace usable, for a command that needs no server.
///
/// # Errors
/// `AuditKey`; `Store` when it is not there or cannot be used.
pub async fn open_existing(
    settings: &Settings,
    sources: &Sources,
    purpose: Purpose,
) -> Result<Box<dyn CheckStore>, StartError> {
    let (ids, sealer, settings) = (sources.ids.clone(), sealer(&settings.audit)?, &settings.store);
    if let Some(url) = &settings.mongo_url {
        let collections = if purpose == Purpose::Change { Collections::Made } else { Collections::AsTheyAre };
        let store = MongoStore::connect_to_check(url.expose(), ids, collections).await.map_err(StartError::Store)?;
        return Ok(Box::new(store.with_sealer(sealer)));
    }
    let path = settings.data_dir.join(DATABASE_FILE);
    // First as it is, also to change it: what is not there is not made.
    let store = SqliteStore::open_to_check(&path, ids.clone()).map_err(StartError::Store)?;
    if purpose == Purpose::Examine {
        return Ok(Box::new(store));
    }
    drop(store);
    let store = SqliteStore::open(Location::File(path), ids).map_err(StartError::Store)?;
    Ok(Box::new(store.with_sealer(sealer)))
}

/// The controls of `benches/src/promises` are servers that keep none of what these guards are for. Only this build has
/// the switch: `no-locks` takes no locks, `deaf` hears nothing of what others change, though it takes itself for up to date,
/// `no-decoy` hashes nothing for a name that nobody has.
#[cfg(feature = "fault-injection")]
fn without_guards(store: MongoStore, switched_off: &str) -> MongoStore {
    store.hold_facts(is_off(switched_off, "deaf"));
    if is_off(switched_off, "no-locks") { store.without_locks() } else { store }
}

#[cfg(feature = "fault-injection")]
fn is_off(switched_off: &str, guard: &str) -> bool {
    switched_off.split(',').any(|switch| switch == guard)
}

const fn first_user(settings: &AdministratorSettings) -> FirstUser {
    if settings.first_user_is_admin { FirstUser::BecomesAdministrator } else { FirstUser::IsOrdinary }
}

fn tokens_for_users(settings: &TokenSettings) -> TokensForUsers {
    match &settings.create_for_users_secret {
        Some(secret) if settings.create_for_users => TokensForUsers::WithSecret(secret.expose().to_owned()),
        _ => TokensForUsers::Off,
    }
}

fn first_administrator(settings: &AdministratorSettings) -> FirstAdministrator {
    FirstAdministrator {
        username: settings.username.clone(),
        name: settings.name.clone(),
        email: settings.email.clone(),
        password: settings.password.as_ref().map(|password: &Secret| password.expose().to_owned()),
    }
}

fn announcement(outcome: &AdministratorOutcome, username: &str, site: &str) -> Option<String> {
    match outcome {
        AdministratorOutcome::Present => None,
        AdministratorOutcome::Created => {
            log::info!("created the administrator {username}");
            None
        }
        AdministratorOutcome::Awaited => {
            log::warn!("nobody is an administrator; the first person who registers becomes one");
            None
        }
        AdministratorOutcome::Missing => {
            log::warn!("nobody is an administrator; start once with ADMIN_PASS set to make {username} one");
            None
        }
        AdministratorOutcome::CreatedWithPassword(password) => {
            log::info!("created the administrator {username}");
            Some(welcome(username, password, site))
        }
    }
}

/// The text for the first start: who to be, and a conversation that works when pasted into a shell.
fn welcome(username: &str, password: &str, site: &str) -> String {
    format!(
        r#"
Rolekeeper is ready at {site}

  administrator: {username}
  password:      {password}

This password is shown once and kept nowhere. To see a role come and go, paste this into a shell:

  API={site}/api/v1
  LOGIN=$(curl -sS $API/login --data-urlencode 'user={username}' --data-urlencode 'password={password}')
  USER_ID=$(echo "$LOGIN" | sed 's/.*"userId":"\([^"]*\)".*/\1/')
  TOKEN=$(echo "$LOGIN" | sed 's/.*"authToken":"\([^"]*\)".*/\1/')
  curl -sS $API/roles.create -H "X-User-Id: $USER_ID" -H "X-Auth-Token: $TOKEN" -d '{{"name":"deputy","description":"Stands in"}}'
  curl -sS $API/roles.delete -H "X-User-Id: $USER_ID" -H "X-Auth-Token: $TOKEN" -d '{{"roleId":"deputy"}}'
"#
    )
}
