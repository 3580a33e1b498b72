//! Opens the store that the settings name, for the server and for the commands that need none.

use std::sync::Arc;

use super::{Sources, StartError};
use crate::config::{AuditSettings, Settings};
use crate::domain::audit_chain::{SHORTEST_KEY, Sealer};
use crate::store::mongo::{Collections, MongoStore};
use crate::store::sqlite::{Location, SqliteStore};
use crate::store::{CheckStore, Store};

/// File name of the embedded store in the data directory.
pub const DATABASE_FILE: &str = "rolekeeper.sqlite3";

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
pub(super) fn is_off(switched_off: &str, guard: &str) -> bool {
    switched_off.split(',').any(|switch| switch == guard)
}
