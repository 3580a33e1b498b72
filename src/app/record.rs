//! What a server says and does about the record of changes when it starts and stops. How entries are chained is in
//! `domain::audit_chain`.

use std::time::Duration;

use crate::service::audit::heads;
use crate::store::Store;

/// Scopes whose newest entry is told in the log, at most.
const HEADS_TOLD: usize = 100;

/// How long a server that stops seals the record.
const LAST_SEALING: Duration = Duration::from_secs(5);

/// The newest entries of the record, so that they can be kept elsewhere: whoever has them knows later whether the end of
/// the record was cut off.
pub(super) async fn tell_heads(store: &dyn Store) {
    match heads(store, HEADS_TOLD).await {
        Ok(heads) => heads.iter().for_each(|(scope, head)| log::info!("newest entry of the record of {scope}: {head}")),
        Err(error) => log::warn!("the newest entries of the record cannot be told: {error}"),
    }
}

/// Seals what this node has not sealed yet. Without it another node would, or this one at its next start.
pub(super) async fn seal_record(store: &dyn Store) {
    match tokio::time::timeout(LAST_SEALING, store.seal_audit_entries()).await {
        Ok(Ok(_)) => tell_heads(store).await,
        Ok(Err(error)) => log::warn!("the record was left without its last seals: {error}"),
        Err(_) => log::warn!("the record was left without its last seals: that takes too long"),
    }
}
