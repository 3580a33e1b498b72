//! `rolekeeper audit`: tells on standard output whether the record of changes is whole, or writes it out. What is looked
//! for is in `domain::audit_chain` and `service::audit::verify`; here are arguments, lines and exit codes.

use std::io::{self, BufWriter, Write as _};

use crate::app::{Purpose, Sources, open_existing, sealer};
use crate::cli::{AuditCommand, Export, Verify};
use crate::config::Settings;
use crate::domain::audit_chain::Head;
use crate::domain::time::Timestamp;
use crate::service::audit::verify::{Part, Scope, Told, export, verify};
use crate::store::CheckStore;

/// What an operator looks at one after the other; of more it is only told how many there are.
const SHOWN: u64 = 1_000;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong.
    Sound,
    /// Something is.
    Findings,
}

/// Does what is asked.
///
/// # Errors
/// One sentence for the operator: an argument that means nothing, a store that cannot be read, a key that is missing.
pub async fn run(command: &AuditCommand, settings: &Settings, sources: &Sources) -> Result<Outcome, String> {
    match command {
        AuditCommand::Verify(arguments) => run_verify(arguments, settings, sources).await,
        AuditCommand::Export(arguments) => run_export(arguments, settings, sources).await,
    }
}

/// The store as it is: nothing is made where there is none.
async fn open(settings: &Settings, sources: &Sources) -> Result<Box<dyn CheckStore>, String> {
    open_existing(settings, sources, Purpose::Examine).await.map_err(|error| error.to_string())
}

async fn run_verify(arguments: &Verify, settings: &Settings, sources: &Sources) -> Result<Outcome, String> {
    let expected = arguments.expect.as_deref().map(|text| {
        Head::parse(text).ok_or_else(|| "--expect must be a number, a colon and 64 hexadecimal digits".to_owned())
    });
    let scope = Scope { name: arguments.scope.clone(), expected: expected.transpose()? };
    let sealer = sealer(&settings.audit).map_err(|error| error.to_string())?;
    let store = open(settings, sources).await?;
    let mut shown = 0;
    let outcome = verify(store.as_ref(), &sealer, &scope, sources.clock.now(), |told| {
        shown += u64::from(matches!(told, Told::Finding(_)));
        if shown <= SHOWN || !matches!(told, Told::Finding(_)) {
            println!("{}", line(&told));
        }
    });
    let findings = outcome.await.map_err(|error| error.to_string())?;
    if findings == 0 {
        println!("the record is sound");
        return Ok(Outcome::Sound);
    }
    println!("findings: {findings}");
    Ok(Outcome::Findings)
}

fn line(told: &Told) -> String {
    match told {
        Told::Finding(finding) => finding.to_string(),
        Told::Chain { scope, entries, head, keyed_from } => {
            let keyed = match keyed_from {
                None => String::new(),
                Some(1) => ", sealed with a key".to_owned(),
                Some(seq) => format!(", sealed with a key from {seq} on"),
            };
            format!("{scope}: {entries} entries{keyed}, newest {head}")
        }
        Told::Waiting { entries, oldest_ms } => {
            format!("{entries} entries are not sealed yet, the oldest for {oldest_ms} ms")
        }
    }
}

async fn run_export(arguments: &Export, settings: &Settings, sources: &Sources) -> Result<Outcome, String> {
    let date = |flag: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(|text| Timestamp::parse(text).ok_or_else(|| format!("{flag} must be a date")));
        parsed.transpose()
    };
    let part = Part {
        scope: arguments.scope.clone(),
        from: date("--from", &arguments.from)?,
        to: date("--to", &arguments.to)?,
    };
    let store = open(settings, sources).await?;
    let mut out = BufWriter::new(io::stdout().lock());
    let exported = export(store.as_ref(), &part, |entry| writeln!(out, "{entry}")).await;
    let written = out.flush().map_err(|error| format!("the output cannot be written: {error}"));
    exported.map_err(|error| error.to_string())?;
    written.map(|()| Outcome::Sound)
}
