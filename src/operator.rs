//! The commands that an operator runs on a store without a server: `doctor`, `recover-admin`, `backup` and `restore`. Here
//! is what they print and how they end; what they do is in `service` and, with files, in `store`; how they are called is
//! in `cli`. What is done with the record is in `record`.

pub mod record;

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::app::{DATABASE_FILE, Sources};
use crate::cli::{BackupArgs, DoctorArgs, RecoverArgs};
use crate::config::{Settings, StoreSettings};
use crate::domain::finding::{Finding, Severity};
use crate::domain::recovery::SecondFactorAfter;
use crate::service::doctor::{Outcome, Report, Summary, Treatment, examine};
use crate::service::passwords::Passwords;
use crate::service::recovery::{Wanted, carry_out, plan};
use crate::store::CheckStore;
use crate::store::sqlite::{self, CopyError, Existing};

/// Findings, or a refusal.
const FOUND: u8 = 1;
/// It could not be done at all.
const IMPOSSIBLE: u8 = 2;

/// Examines a workspace: exit code 0 when it is sound or everything was repaired, 1 with problems left, 2 when it could
/// not be examined to the end.
pub async fn doctor(store: &dyn CheckStore, sources: &Sources, args: &DoctorArgs) -> ExitCode {
    let treatment = if args.fix { Treatment::Repair } else { Treatment::Examine };
    let mut report = |report: Report<'_>| match report {
        Report::Found(finding) if !args.json => println!("{}", line(finding)),
        Report::Ended(_, outcome) if !args.json => {
            if let Some(line) = ended(outcome) {
                println!("{line}");
            }
        }
        Report::Ended(finding, outcome) => println!("{}", object(finding, outcome)),
        Report::Found(_) => {}
    };
    match examine(store, sources.clock.as_ref(), treatment, &mut report).await {
        Ok(summary) => {
            let text = if args.json { json!({ "summary": summary }).to_string() } else { sentence(summary, treatment) };
            println!("{text}");
            ExitCode::from(if summary.left == 0 { 0 } else { FOUND })
        }
        Err(error) => fail(IMPOSSIBLE, format!("the workspace could not be examined to the end: {error}")),
    }
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity() {
        Severity::Problem => "problem",
        Severity::Notice => "notice",
    }
}

fn line(finding: &Finding) -> String {
    match finding.repair() {
        Some(repair) => format!("{}: {finding}; repair: {repair}", severity(finding)),
        None => format!("{}: {finding}; to do: {}", severity(finding), finding.advice()),
    }
}

fn ended(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Found => None,
        Outcome::Repaired => Some("  repaired".to_owned()),
        Outcome::Gone => Some("  gone meanwhile".to_owned()),
        Outcome::Kept(reason) => Some(format!("  not repaired: {reason}")),
    }
}

/// The finding's own fields, and besides them `severity`, `message`, `repair` or `advice`, `outcome`, `reason`.
fn object(finding: &Finding, outcome: &Outcome) -> Value {
    let mut object = json!({ "severity": finding.severity(), "message": finding.to_string() });
    for part in [serde_json::to_value(finding), serde_json::to_value(outcome)] {
        if let (Some(object), Ok(Value::Object(part))) = (object.as_object_mut(), part) {
            object.extend(part);
        }
    }
    match finding.repair() {
        Some(repair) => object["repair"] = repair.into(),
        None => object["advice"] = finding.advice().into(),
    }
    object
}

fn sentence(summary: Summary, treatment: Treatment) -> String {
    let Summary { problems, notices, repaired, left } = summary;
    match treatment {
        _ if problems == 0 && notices == 0 => "the workspace is sound".to_owned(),
        Treatment::Examine => format!("problems: {problems}, notices: {notices}; nothing was changed"),
        Treatment::Repair => {
            format!("problems: {problems}, notices: {notices}; repaired: {repaired}, problems left: {left}")
        }
    }
}

/// Makes an account an active administrator: exit code 0 when it is one (again), 1 when that is refused, 2 when it could
/// not be done at all.
pub async fn recover_admin(
    store: &dyn CheckStore,
    sources: &Sources,
    args: &RecoverArgs,
    settings: &Settings,
) -> ExitCode {
    let username = args.username.clone().unwrap_or_else(|| settings.administrator.username.clone());
    let given = match args.password_file.as_deref().map(password_in).transpose() {
        Ok(given) => given,
        Err(sentence) => return fail(IMPOSSIBLE, sentence),
    };
    // An account that is made needs one to log in by.
    let made = args.create && !matches!(store.recovery_state(&username).await, Ok(state) if state.account.is_some());
    let random = (given.is_none() && (args.new_password || made)).then(|| sources.ids.password());
    let second_factor = if args.remove_second_factor { SecondFactorAfter::Removed } else { SecondFactorAfter::Kept };
    let wanted = Wanted { username, create: args.create, password: given.or_else(|| random.clone()), second_factor };
    match recover(store, sources, wanted, &Passwords::new(settings.passwords.bcrypt_cost), random).await {
        Ok(code) => code,
        Err(error) => fail(IMPOSSIBLE, error),
    }
}

/// The first line of a file.
fn password_in(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(format!("{shown} holds no password in its first line")),
    }
}

async fn recover(
    store: &dyn CheckStore,
    sources: &Sources,
    wanted: Wanted,
    passwords: &Passwords,
    random: Option<String>,
) -> crate::service::Result<ExitCode> {
    let username = wanted.username.clone();
    let recovery = wanted.into_recovery(passwords, sources.ids.as_ref()).await?;
    match plan(store, &recovery).await? {
        Err(refusal) => return Ok(fail(FOUND, format!("{username}: {refusal}"))),
        Ok(steps) => steps.iter().for_each(|step| println!("to do: {step}")),
    }
    match carry_out(store, &recovery, sources.clock.as_ref()).await? {
        Err(refusal) => return Ok(fail(FOUND, format!("{username}: {refusal}"))),
        Ok(steps) if steps.is_empty() => println!("{username} is an active administrator already; nothing was changed"),
        Ok(steps) => println!("{username} is an active administrator; steps done: {}", steps.len()),
    }
    if let Some(password) = random {
        println!("password: {password}\nThis password is shown once and kept nowhere.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies the embedded store to a file: exit code 0 when that is done, 1 when it is refused, 2 when it cannot be done.
pub fn backup(store: &StoreSettings, args: &BackupArgs) -> ExitCode {
    if store.mongo_url.is_some() {
        return fail(IMPOSSIBLE, "the store is MongoDB; mongodump copies it, with --oplog as of one moment");
    }
    let existing = if args.force { Existing::IsReplaced } else { Existing::Stays };
    match sqlite::back_up(&store.data_dir.join(DATABASE_FILE), &args.file, existing) {
        Ok(()) => {
            println!("the store is copied to {}", args.file.display());
            ExitCode::SUCCESS
        }
        Err(error) => not_copied(&error),
    }
}

/// Puts a copy in the place of the embedded store: exit codes as of [`backup`].
pub fn restore(store: &StoreSettings, file: &Path, sources: &Sources) -> ExitCode {
    if store.mongo_url.is_some() {
        return fail(IMPOSSIBLE, "the store is MongoDB; mongorestore puts back what mongodump has copied");
    }
    match sqlite::restore(&store.data_dir.join(DATABASE_FILE), file, sources.clock.now()) {
        Ok(kept) => {
            println!("the store is that of {}", file.display());
            if let Some(kept) = kept {
                println!("what it was before is kept in {}", kept.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => not_copied(&error),
    }
}

fn not_copied(error: &CopyError) -> ExitCode {
    let code = if matches!(error, CopyError::Refused(_)) { FOUND } else { IMPOSSIBLE };
    fail(code, error)
}

fn fail(code: u8, why: impl std::fmt::Display) -> ExitCode {
    eprintln!("rolekeeper: {why}");
    ExitCode::from(code)
}
