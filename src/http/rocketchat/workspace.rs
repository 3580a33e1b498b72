//! What clients ask of a server before anything else: which version it is, which of the original's editions it stands in
//! for, and how else than by a password one can log in.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::{Field, Shape, Source};
use crate::domain::permission::GET_SERVER_INFO;
use crate::http::answer::{Answer, success};
use crate::http::call::{Call, Input, Visit};
use crate::http::public::{API_VERSION, FULL_API_VERSION};
use crate::http::requirement::AnyUser;
use crate::service::rates::Rate;

/// The oldest clients that speak this version of the API.
const OLDEST_DESKTOP_CLIENT: &str = "3.9.6";
const OLDEST_MOBILE_CLIENT: &str = "4.39.0";

/// What the original sells by licence and is free here.
const MODULES: [&str; 1] = ["custom-roles"];

/// What a licence of the original can limit; nothing is limited here.
const LIMITS: [&str; 6] =
    ["activeUsers", "guestUsers", "roomsPerGuest", "privateApps", "marketplaceApps", "monthlyActiveContacts"];

/// No parameters, and no limit: for addresses that belong to no version of the API.
#[derive(Debug, Deserialize)]
pub struct Unlimited {}

impl Input for Unlimited {
    const SHAPE: Shape = Shape::open(&[]);
    const SOURCE: Source = Source::Query;
    const RATE: Rate = Rate::Unlimited;
}

/// `GET /api/info`: which API this is, for clients that choose by version.
pub async fn show_info(visit: Visit<Unlimited>) -> Answer {
    info(&visit).await
}

/// `GET /api/v1/info`: the same, limited in its rate like everything under `/api/v1`.
pub async fn show_api_info(visit: Visit) -> Answer {
    info(&visit).await
}

/// The exact version is for those alone who may see what exactly the server is: to everybody else it would only say
/// which faults to try.
async fn info<I>(visit: &Visit<I>) -> Answer {
    let detailed = match &visit.caller {
        Some(caller) => visit.services().is_allowed(caller, GET_SERVER_INFO).await?,
        None => false,
    };
    let clients = json!({"desktop": OLDEST_DESKTOP_CLIENT, "mobile": OLDEST_MOBILE_CLIENT});
    if !detailed {
        return Ok(success(json!({"version": API_VERSION, "minimumClientVersions": clients})));
    }
    Ok(success(json!({
        "version": FULL_API_VERSION,
        "info": server_info(),
        "minimumClientVersions": clients,
    })))
}

/// In the form that clients declare. What it says of a build of the original there is not, and is left empty.
fn server_info() -> Value {
    json!({
        "version": FULL_API_VERSION,
        "build": {
            "date": "",
            "nodeVersion": "",
            "arch": "",
            "platform": "",
            "osRelease": "",
            "totalMemory": 0,
            "freeMemory": 0,
            "cpus": 0,
        },
        "commit": {},
        "marketplaceApiVersion": "",
        "rolekeeper": env!("CARGO_PKG_VERSION"),
    })
}

/// Parameters of `licenses.info`. How much of each limit is used is not counted where nothing is limited.
#[derive(Debug, Deserialize)]
pub struct LicenseInfo {}

impl Input for LicenseInfo {
    const SHAPE: Shape = Shape::closed(&[Field::boolean("loadValues")]);
    const SOURCE: Source = Source::Query;
}

/// `GET licenses.info`: custom roles are on, and nothing is limited or prevented.
pub async fn show_license(_call: Call<AnyUser, LicenseInfo>) -> Answer {
    let each =
        |value: Value| -> Map<_, _> { LIMITS.iter().map(|limit| ((*limit).to_owned(), value.clone())).collect() };
    let license = json!({
        "activeModules": MODULES,
        "externalModules": [],
        "preventedActions": each(false.into()),
        "limits": each(json!({"max": -1})),
        "tags": [],
        "trial": false,
        "hasValidLicense": true,
    });
    Ok(success(json!({"license": license})))
}

/// `GET settings.oauth`: one logs in by password here, or with a token.
pub async fn list_oauth_services(_visit: Visit) -> Answer {
    Ok(success(json!({"services": []})))
}

/// `GET service.configurations`: as [`list_oauth_services`].
pub async fn list_service_configurations(_visit: Visit) -> Answer {
    Ok(success(json!({"configurations": []})))
}
