//! How old clients name a role: by its name, under `roleName`, where an id belongs today (contract 12). Off unless the
//! workspace wants it (`Rolekeeper_Accept_Role_Names`), and then every success says that it will not last (RFC 9745).
//!
//! Which role a name means is decided in `service::roles`.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::shape::{Shape, Source, fit};
use crate::http::error::ApiError;
use crate::service::{ServiceError, Services};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// The first day of 2024, before the original's first release that knows ids alone.
const SINCE: HeaderValue = HeaderValue::from_static("@1704067200");

/// Reads a body as it is written today or else, where it has a `roleName`, as old clients write it. What fits neither
/// is refused in today's words.
///
/// # Errors
/// The validator's text.
pub fn accept<T: DeserializeOwned>(today: &Shape, old: &Shape, value: Value) -> Result<T, ApiError> {
    let as_of_old = value.get("roleName").is_some().then(|| fit(old, value.clone(), Source::Body).ok()).flatten();
    let fields = match as_of_old {
        Some(fields) => fields,
        None => fit(today, value, Source::Body).map_err(refused)?,
    };
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| ServiceError::Internal(format!("the declared shape and the type differ: {error}")).into())
}

fn refused(problem: String) -> ApiError {
    ApiError::Shape { source: Source::Body, problem }
}

/// The role that a body names, by id.
pub struct Named {
    /// What is taken for the id.
    pub role: Option<String>,
    /// Whether an old client named it.
    pub by_name: bool,
}

impl Named {
    /// The role of `roleId`, which goes first, or of `roleName`.
    ///
    /// # Errors
    /// Today's refusal of `roleName` where the workspace does not want it.
    pub async fn find(services: &Services, id: Option<&str>, name: Option<&str>) -> Result<Self, ApiError> {
        let Some(name) = name else {
            return Ok(Self { role: id.map(str::to_owned), by_name: false });
        };
        if !services.accepts_role_names().await? {
            return Err(refused("must NOT have additional properties".to_owned()));
        }
        let role = match id.filter(|id| !id.is_empty()) {
            Some(id) => id.to_owned(),
            None => services.id_of_role_named(name).await?,
        };
        Ok(Self { role: Some(role), by_name: true })
    }
}

/// Says in an answer that naming a role like that will not last.
pub fn mark_if(by_name: bool, mut answer: HttpResponse) -> HttpResponse {
    if by_name {
        answer.headers_mut().insert(DEPRECATION, SINCE);
    }
    answer
}
