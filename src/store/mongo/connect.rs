//! Opens the connection to MongoDB and refuses deployments on which promises could not be kept, each with one sentence
//! that says what to do. The sentences never quote the connection string: it holds a password.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria, ServerAddress};
use mongodb::{Client, Database};

use super::error::store_error;
use super::transaction::write_concern;
use crate::store::{Result, StoreError};

/// How long a server may take to be found unless the URL says otherwise.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long is spent on finding out why there is no server.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(2);
/// What deployments behind a router are called.
const CLUSTER: &str = "sharded cluster";

/// The client, the database that the URL names, and what to call them in the log.
pub(super) async fn open(url: &str) -> Result<(Client, Database, String)> {
    let mut options = ClientOptions::parse(url).await.map_err(|error| refuse(unparsable(&error)))?;
    let name = options.default_database.clone().filter(|name| !name.is_empty()).ok_or_else(|| {
        refuse("MONGO_URL names no database: add one after the hosts, as in mongodb://127.0.0.1:27017/rocketchat")
    })?;
    options.server_selection_timeout.get_or_insert(SELECTION_TIMEOUT);
    options.app_name.get_or_insert_with(|| "rolekeeper".to_owned());
    let hosts = options.hosts.iter().map(ServerAddress::to_string).collect::<Vec<_>>().join(", ");
    let client = Client::with_options(options.clone()).map_err(store_error)?;
    let database = client.database_with_options(&name, database_options());
    let set = check(&database, options, &hosts).await?;
    Ok((client, database, format!("MongoDB {set} at {hosts}, database {name}")))
}

/// Whether what is called so in the log is a sharded cluster.
pub(super) fn is_cluster(place: &str) -> bool {
    place.strip_prefix("MongoDB ").is_some_and(|place| place.starts_with(CLUSTER))
}

/// Decisions are made on what the primary has; a change is done when a majority has it. Only what a majority has is read,
/// also of others who are content with less: what is taken back after a change of primary is told to nobody, and must
/// never have been kept. Changes of our own are acknowledged when such a read sees them. Transactions read by the same
/// rule: they are not committed before a majority has what they have seen.
fn database_options() -> DatabaseOptions {
    DatabaseOptions::builder()
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .read_concern(ReadConcern::majority())
        .write_concern(write_concern())
        .build()
}

/// What the deployment is, if it is one that can be used.
async fn check(database: &Database, options: ClientOptions, hosts: &str) -> Result<String> {
    let set = match hello(database, nearest()).await {
        Ok(answer) => kind_of(&answer).map_err(refuse)?,
        Err(error) if is_selection(&error) => return Err(refuse(diagnose(options, hosts).await)),
        Err(error) => return Err(store_error(error)),
    };
    match hello(database, ReadPreference::Primary).await {
        Ok(_) => Ok(set),
        Err(error) if is_selection(&error) => {
            Err(refuse(format!("the MongoDB {set} at {hosts} has no writable primary at the moment")))
        }
        Err(error) => Err(store_error(error)),
    }
}

/// Why no server was found. A server that answers but is not what the URL asks for is passed over in silence by the
/// driver; asking the first one directly tells what it is.
async fn diagnose(mut options: ClientOptions, hosts: &str) -> String {
    let wanted = options.repl_set_name.take();
    options.hosts.truncate(1);
    options.direct_connection = Some(true);
    // Saying what it is asks for no log-in, and a wrong password would hide the answer.
    options.credential = None;
    options.server_selection_timeout = Some(DIAGNOSIS_TIMEOUT);
    let answer = match Client::with_options(options) {
        Ok(client) => hello(&client.database("admin"), nearest()).await.ok(),
        Err(_) => None,
    };
    let Some(answer) = answer else {
        return format!(
            "no MongoDB server answers at {hosts}: check that it runs and that MONGO_URL names its host and port"
        );
    };
    match (kind_of(&answer), wanted) {
        (Err(sentence), _) => sentence.to_owned(),
        (Ok(found), Some(wanted)) if found != replica_set(&wanted) => {
            format!(
                "MONGO_URL asks for the replica set {wanted}, but the MongoDB server at {hosts} is part of the {found}"
            )
        }
        (Ok(found), _) => format!(
            "no member of the {found} answers under the name that the others know it by: check that these names can be \
             reached from here, or add directConnection=true to MONGO_URL"
        ),
    }
}

fn nearest() -> ReadPreference {
    ReadPreference::Nearest { options: None }
}

fn is_selection(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::ServerSelection { .. })
}

fn replica_set(name: &str) -> String {
    format!("replica set {name}")
}

async fn hello(database: &Database, preference: ReadPreference) -> std::result::Result<Document, Error> {
    let criteria = SelectionCriteria::ReadPreference(preference);
    database.run_command(doc! { "hello": 1 }).selection_criteria(criteria).await
}

/// What a server says that it is part of, or what to do about it.
fn kind_of(hello: &Document) -> std::result::Result<String, &'static str> {
    if let Ok(set) = hello.get_str("setName") {
        return Ok(replica_set(set));
    }
    if hello.get_str("msg").ok() == Some("isdbgrid") {
        return Ok(CLUSTER.to_owned());
    }
    if hello.get_bool("isreplicaset").unwrap_or(false) {
        return Err("the MongoDB server waits to be initiated: run rs.initiate() in its shell once");
    }
    Err("the MongoDB server is standalone, and transactions need a replica set: start mongod with --replSet rs0, run \
         rs.initiate() in its shell once, and add ?replicaSet=rs0 to MONGO_URL")
}

fn unparsable(error: &Error) -> &'static str {
    match error.kind.as_ref() {
        ErrorKind::DnsResolve { .. } => "the host name in MONGO_URL cannot be resolved",
        _ => {
            "MONGO_URL is not a MongoDB connection string such as mongodb://127.0.0.1:27017/rocketchat?replicaSet=rs0 \
             (characters like @ or / in a password must be percent-encoded)"
        }
    }
}

fn refuse(sentence: impl Into<String>) -> StoreError {
    StoreError::Unavailable(sentence.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standalone_server_is_told_how_to_become_a_replica_set() {
        let sentence = kind_of(&doc! { "isWritablePrimary": true }).unwrap_err();
        assert!(["--replSet rs0", "rs.initiate()", "?replicaSet=rs0"].iter().all(|hint| sentence.contains(hint)));
        assert!(kind_of(&doc! { "isreplicaset": true }).unwrap_err().contains("rs.initiate()"));
    }

    #[test]
    fn members_of_replica_sets_and_routers_are_accepted() {
        assert_eq!(kind_of(&doc! { "setName": "rs0" }).unwrap(), "replica set rs0");
        assert_eq!(kind_of(&doc! { "msg": "isdbgrid" }).unwrap(), "sharded cluster");
        assert!(
            is_cluster("MongoDB sharded cluster at h:1") && !is_cluster("MongoDB replica set sharded cluster at h")
        );
    }
}
