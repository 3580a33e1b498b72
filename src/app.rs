//! Wires everything together: opens the store the settings name, makes the workspace usable, listens, and stops without
//! failing anybody. Nothing else constructs more than its own part; only `main` and the tests build an [`App`].

mod first_administrator;
mod follower;
mod record;
mod stop;
mod stores;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App as ActixApp, HttpServer, web};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::{Clock, Ids, RandomIds, SystemClock};
use crate::config::{ServerSettings, Settings, TokenSettings};
use crate::http::call::Gate;
use crate::http::connections::{Connections, Patience};
use crate::http::context::{Surroundings, surround};
use crate::http::openapi::Description;
use crate::http::public::{Lifecycle, Phase, Vitals};
use crate::http::routes::routes;
use crate::metrics::Metrics;
use crate::port::Port;
use crate::service::passwords::Passwords;
use crate::service::settings::parse_overrides;
use crate::service::tokens::TokensForUsers;
use crate::service::{ServiceError, Services};
use crate::store::StoreError;
use crate::store::cached::CachedStore;
use first_administrator::{announcement, first_administrator, first_user};
use follower::Follower;
use record::{seal_record, tell_heads};
use stop::{Drain, serve_until};

pub use stores::{DATABASE_FILE, Purpose, open_existing, open_store, sealer};

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
        let passwords =
            if stores::is_off(&sources.switched_off, "no-decoy") { passwords.without_decoy() } else { passwords };
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

fn tokens_for_users(settings: &TokenSettings) -> TokensForUsers {
    match &settings.create_for_users_secret {
        Some(secret) if settings.create_for_users => TokensForUsers::WithSecret(secret.expose().to_owned()),
        _ => TokensForUsers::Off,
    }
}
