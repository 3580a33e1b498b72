//! What a failure of the driver means for a caller: the one mapping of its errors to [`StoreError`]. Sentences for
//! operators are made here from the kind of the failure; the driver's own words may quote the connection string or
//! stored values, so only error codes and their names are passed on.

use mongodb::error::{Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure};

use crate::domain::role::Undeletable;
use crate::store::{Conflict, StoreError, Unique};

/// `DuplicateKey`.
const DUPLICATE_KEY: i32 = 11_000;
/// `WriteConflict`.
const WRITE_CONFLICT: i32 = 112;
/// `LockTimeout`, a snapshot that is too old or not there yet, `NoSuchTransaction`: with these the server ends a
/// transaction that may be begun again.
const ENDED: [i32; 4] = [24, 239, 246, 251];
/// `MaxTimeMSExpired`, `WriteConcernFailed`, `UnsatisfiableWriteConcern`, `NetworkInterfaceExceededTimeLimit`, not
/// (any more) a primary, starting, stopping, unreachable, `ExceededTimeLimit`, an operation, a cursor or a transaction that the server
/// has given up, another operation on the collection itself: a later call may do.
const PASSING: [i32; 25] = [
    50, 64, 100, 202, 10_107, 13_435, 10_058, 11_600, 11_601, 11_602, 13_436, 189, 91, 6, 7, 89, 9_001, 262, 43, 175,
    237, 290, 117, 12_586, 12_587,
];

/// Why the body of a transaction did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The operation is refused; nothing must change.
    Refused(StoreError),
    /// The driver failed; perhaps only this time.
    Driver(Error),
    /// What the attempt was prepared for has changed meanwhile; the same operation must start again.
    Outdated,
}

/// What every step inside a transaction returns.
pub(super) type Step<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<Conflict> for Failure {
    fn from(conflict: Conflict) -> Self {
        Self::Refused(conflict.into())
    }
}

impl From<Undeletable> for Failure {
    fn from(reason: Undeletable) -> Self {
        Self::Refused(reason.into())
    }
}

/// The server's code of a failure, if it is one of the server's.
pub(super) fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        ErrorKind::InsertMany(many) => {
            let write = many.write_errors.as_ref().and_then(|errors| errors.first()).map(|write| write.code);
            write.or_else(|| many.write_concern_error.as_ref().map(|concern| concern.code))
        }
        _ => None,
    }
}

/// Whether another transaction was in the way, so that the whole body may run again.
pub(super) fn is_transient(error: &Error) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR) || code(error) == Some(WRITE_CONFLICT)
}

/// What the server says of a single write of a command that was carried out otherwise, in a transaction.
pub(super) fn write_failure(code: i32) -> Failure {
    if code == DUPLICATE_KEY || code == WRITE_CONFLICT || ENDED.contains(&code) {
        return Failure::Outdated;
    }
    named(code, "").into()
}

/// Whether a commit may or may not have happened.
pub(super) fn is_commit_unknown(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// Whether a unique index refused a write.
pub(super) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

/// Names what is taken when a unique index refused a write; every other failure stays what it is.
pub(super) fn taken(error: Error, uniques: &[(&str, Unique)]) -> Failure {
    if !is_duplicate(&error) {
        return error.into();
    }
    let index = duplicate_index(&error);
    match uniques.iter().find(|(key, _)| index.contains(key)) {
        Some((_, unique)) => StoreError::AlreadyExists(*unique).into(),
        None => error.into(),
    }
}

/// The name of the index in the server's sentence `… index: <name> dup key: …`. What follows is a stored value, which
/// must not decide anything.
fn duplicate_index(error: &Error) -> String {
    let message = match error.kind.as_ref() {
        ErrorKind::Command(command) => command.message.as_str(),
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.message.as_str(),
        ErrorKind::InsertMany(many) => {
            many.write_errors.as_ref().and_then(|errors| errors.first()).map_or("", |write| write.message.as_str())
        }
        _ => "",
    };
    let name = message.split_once(" index: ").map_or("", |(_, rest)| rest);
    name.split_once(" dup key").map_or(name, |(name, _)| name).to_owned()
}

/// The one mapping of the driver's errors.
pub(super) fn store_error(error: Error) -> StoreError {
    if let Some(code) = code(&error) {
        return coded(code, &error);
    }
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. } => unavailable("no primary of the MongoDB replica set answered in time"),
        ErrorKind::Io(io) => StoreError::Unavailable(format!("the connection to MongoDB broke ({})", io.kind())),
        ErrorKind::ConnectionPoolCleared { .. } => unavailable("the connection to MongoDB was given up"),
        ErrorKind::DnsResolve { .. } => unavailable("the host name of the MongoDB server cannot be resolved"),
        ErrorKind::Authentication { .. } => unavailable("MongoDB refuses the user or the password of MONGO_URL"),
        ErrorKind::Shutdown => unavailable("the connection to MongoDB is closed"),
        ErrorKind::Bson(_) | ErrorKind::BsonDeserialization(_) => {
            StoreError::Corrupt("a document of MongoDB is not valid BSON".to_owned())
        }
        ErrorKind::InvalidResponse { .. } => StoreError::Corrupt("an answer of MongoDB cannot be read".to_owned()),
        _ => StoreError::Backend("the MongoDB driver failed".to_owned()),
    }
}

fn coded(code: i32, error: &Error) -> StoreError {
    let name = match error.kind.as_ref() {
        ErrorKind::Command(command) => command.code_name.as_str(),
        _ => "",
    };
    if let ErrorKind::Write(WriteFailure::WriteConcernError(_)) = error.kind.as_ref() {
        return StoreError::Unavailable(format!(
            "MongoDB did not confirm the write on a majority in time (code {code})"
        ));
    }
    if is_transient(error) { cannot_answer_now(code, name) } else { named(code, name) }
}

fn cannot_answer_now(code: i32, name: &str) -> StoreError {
    StoreError::Unavailable(format!("MongoDB cannot answer now (code {code} {name})"))
}

fn named(code: i32, name: &str) -> StoreError {
    match code {
        _ if PASSING.contains(&code) || ENDED.contains(&code) => cannot_answer_now(code, name),
        13 | 18 => {
            StoreError::Unavailable(format!("MongoDB refuses the rights of MONGO_URL's user (code {code} {name})"))
        }
        _ => StoreError::Backend(format!("MongoDB answered with code {code} {name}")),
    }
}

fn unavailable(sentence: &str) -> StoreError {
    StoreError::Unavailable(sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{Document, doc};
    use rstest::rstest;
    use std::io;

    fn command(code: i32, message: &str) -> Error {
        let document = doc! { "code": code, "codeName": "Name", "errmsg": message };
        let command: mongodb::error::CommandError = mongodb::bson::deserialize_from_document(document).unwrap();
        ErrorKind::Command(command).into()
    }

    #[rstest]
    #[case(64)]
    #[case(10_107)]
    #[case(112)]
    #[case(91)]
    #[case(251)]
    #[case(43)]
    fn what_may_pass_is_unavailable(#[case] code: i32) {
        assert!(matches!(store_error(command(code, "")), StoreError::Unavailable(_)));
    }

    #[test]
    fn a_broken_connection_is_unavailable_and_a_senseless_command_is_a_defect() {
        let broken: Error = io::Error::from(io::ErrorKind::ConnectionReset).into();
        assert!(matches!(store_error(broken), StoreError::Unavailable(_)));
        assert!(matches!(store_error(command(9, "FailedToParse")), StoreError::Backend(_)));
    }

    #[test]
    fn a_write_that_was_in_the_way_is_done_again_and_one_that_may_do_later_is_unavailable() {
        for code in [11_000, 112, 24, 246, 251] {
            assert!(matches!(write_failure(code), Failure::Outdated), "{code}");
        }
        for code in [189, 11_602] {
            assert!(matches!(write_failure(code), Failure::Refused(StoreError::Unavailable(_))), "{code}");
        }
        assert!(matches!(write_failure(9), Failure::Refused(StoreError::Backend(_))));
    }

    #[test]
    fn bytes_that_are_no_document_are_corrupt() {
        let error = mongodb::bson::deserialize_from_slice::<Document>(&[1, 2, 3]).unwrap_err();
        assert!(matches!(store_error(error.into()), StoreError::Corrupt(_)));
    }

    #[test]
    fn the_words_of_the_server_stay_inside() {
        let text = store_error(command(9, "mongodb://root:hunter2@db/x")).to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_index_and_not_the_value_says_what_is_taken() {
        let uniques = [("emails.address", Unique::EmailAddress), ("username", Unique::Username)];
        let message = r#"E11000 duplicate key error collection: x.users index: username_1 dup key: { username: "emails.address" }"#;
        let failure = taken(command(11_000, message), &uniques);
        assert!(matches!(failure, Failure::Refused(StoreError::AlreadyExists(Unique::Username))), "{failure:?}");
        let failure =
            taken(command(11_000, "E11000 duplicate key error collection: x.y index: _id_ dup key: {}"), &uniques);
        assert!(matches!(failure, Failure::Driver(_)), "{failure:?}");
    }
}
