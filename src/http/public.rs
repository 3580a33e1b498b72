//! What needs no account and serves no client of a chat: is the process alive, is it ready, and how is it doing. What
//! version of the API this is stands here as well; who is told it is said in `rocketchat::workspace`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{answer, memory};
use crate::domain::fact::MemoryState;
use crate::metrics::Metrics;
use crate::service::Services;

/// The version of Rocket.Chat's API that is spoken here, as anonymous callers are told it: without the patch level.
pub const API_VERSION: &str = "8.0";
/// The same with the patch level, for those who may see it.
pub const FULL_API_VERSION: &str = "8.0.0";

/// Whether the server takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not yet.
    Starting,
    /// Yes.
    Serving,
    /// Not any more; what is in flight is finished.
    Draining,
}

/// The phase as everybody sees it.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// Goes on to a phase.
    pub fn enter(&self, phase: Phase) {
        let number = match phase {
            Phase::Starting => 0,
            Phase::Serving => 1,
            Phase::Draining => 2,
        };
        self.0.store(number, Ordering::Release);
    }

    /// The present phase.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }
}

/// What the answers below are made of.
pub struct Vitals {
    /// The phase.
    pub lifecycle: Arc<Lifecycle>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// To ask the store.
    pub services: Arc<Services>,
}

/// `GET /health`: the process answers. Nothing else is asked, so that a store that is away never gets it killed.
pub async fn show_health() -> HttpResponse {
    answer::json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /ready`: 200 when requests can be served, else 503 with the reasons. A server that does not know at present what
/// others change is ready: it asks the store each time.
pub async fn show_readiness(vitals: web::Data<Vitals>) -> HttpResponse {
    let mut reasons = Vec::new();
    match vitals.lifecycle.phase() {
        Phase::Starting => reasons.push("the server is starting"),
        Phase::Serving => {}
        Phase::Draining => reasons.push("the server is stopping"),
    }
    if let Err(error) = vitals.services.check_store().await {
        log::warn!("not ready: {error}");
        reasons.push("the store does not answer");
    }
    let memory = vitals.services.memory();
    if memory.is_some_and(|memory| memory.state == MemoryState::Warming) {
        reasons.push("it is not known yet what others change in the store");
    }
    let (status, mut body) = match reasons.is_empty() {
        true => (StatusCode::OK, json!({"status": "ready"})),
        false => (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "not ready", "reasons": reasons})),
    };
    if let (Some(memory), Value::Object(fields)) = (memory, &mut body) {
        fields.extend(memory::readiness(&memory));
    }
    answer::json(status, &body)
}

/// `GET /metrics`: Prometheus' text format.
pub async fn show_metrics(vitals: web::Data<Vitals>) -> HttpResponse {
    match vitals.metrics.render() {
        Ok(mut text) => {
            text.extend(vitals.services.memory().map(|report| memory::metrics(&report)));
            HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
        }
        Err(error) => {
            log::error!("the metrics cannot be rendered: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Any path that is not there, any method that a path does not have, any slash too many (contract 1.8).
pub async fn answer_not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=UTF-8").body("404 Not Found")
}

/// `OPTIONS` of a known path (contract 1.8). No CORS headers: browsers of other origins are kept out by default.
pub async fn answer_options() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=UTF-8").body("OK")
}
