//! The examples in the description of the API: one conversation with a real server, which is compared with the files under
//! `src/http/openapi/examples`. With `ROLEKEEPER_RECORD_EXAMPLES=1` in the environment the files are written instead.
//!
//! What is said stands in `steps`. It goes on the embedded store; that the other one answers the same is the business of
//! all the tests beside this one.

pub mod conversation;
pub mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use rolekeeper::http::openapi::examples::{Example, Examples, LONGEST_LIST, key};
use rolekeeper::http::openapi::tag;
use rolekeeper::http::requirement::Access;
use rolekeeper::http::routes::{operations, organization_operations};
use serde_json::Value;

use crate::support::server::{Answer, Start};
use crate::support::stores::Backend;
use conversation::{Conversation, Request};
use steps::{MALLORY, SECRET, Step, organization_steps, steps};

const RECORD: &str = "ROLEKEEPER_RECORD_EXAMPLES";
/// Lines that are kept of an answer that is no JSON.
const LONGEST_TEXT: usize = 2;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/http/openapi/examples")
}

/// The examples by group, as a server gives them.
async fn converse() -> BTreeMap<&'static str, Examples> {
    let mut groups = BTreeMap::new();
    // Each with a server of its own.
    for steps in [steps(), organization_steps()] {
        hold(&steps, &mut groups).await;
    }
    groups
}

async fn hold(steps: &[Step], groups: &mut BTreeMap<&'static str, Examples>) {
    let start = Start::fresh(Backend::SqliteFile).await;
    let start = start.set("CREATE_TOKENS_FOR_USERS", "true").set("CREATE_TOKENS_FOR_USERS_SECRET", SECRET);
    let server = start.go().await;
    let mut conversation = Conversation::with(&server).await;
    for step in steps {
        let request = conversation.request(step);
        let examples =
            groups.entry(tag(request.route)).or_default().entry(key(&request.method, request.route)).or_default();
        if let Some(refusal) = refused_for_who_asks(&conversation, &request, examples).await {
            examples.push(refusal);
        }
        let (request, answer) = conversation.take(step).await;
        assert_eq!(answer.status, step.status, "{} {}: {}", step.method, step.route, answer.text);
        examples.push(example(step, &request, &answer));
    }
    drop(conversation);
    server.assert_sound().await;
    server.finish().await;
}

/// What is answered to somebody without the permission where that is asked for late: the same body is refused with a text
/// of the operation's own.
async fn refused_for_who_asks(
    conversation: &Conversation<'_>,
    request: &Request,
    examples: &[Example],
) -> Option<Example> {
    let Access::Accounts { later: Some(late), .. } = conversation.operation(request)?.access else { return None };
    let title = "Without the permission";
    if examples.iter().any(|example| example.title == title) {
        return None;
    }
    let answer = request.send(&conversation.actor(MALLORY).await).await;
    let step = Step { title, ..steps().swap_remove(0) };
    (answer.status == late.status).then(|| example(&step, request, &answer))
}

fn example(step: &Step, request: &Request, answer: &Answer) -> Example {
    let content_type = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
    let shown = if content_type == "application/json" {
        cut(steady(serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("not JSON: {}", answer.text))))
    } else {
        answer.text.lines().take(LONGEST_TEXT).fold(String::new(), |text, line| text + line + "\n").into()
    };
    Example {
        title: step.title.to_owned(),
        path: request.path_values(),
        query: request.query_values(),
        headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
        body: request.body.clone(),
        status: answer.status,
        content_type,
        answer: Some(shown).filter(|_| step.shows_answer && !answer.text.is_empty()),
    }
}

/// The same on every machine and every day.
fn steady(mut value: Value) -> Value {
    if let Some(lag) = value.get_mut("lagMillis") {
        *lag = 7.into();
    }
    value
}

/// The same with lists that end early.
fn cut(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().take(LONGEST_LIST).map(cut).collect(),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, cut(value))).collect()),
        other => other,
    }
}

fn written(examples: &Examples) -> String {
    serde_json::to_string_pretty(examples).unwrap() + "\n"
}

/// The part of the program that names the files.
fn table_of_files<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut text = "//! The files of examples, as they are compiled into the program. Written by `tests/api/examples`, as the files are.\n\n\
        /// Each file's name and text.\npub(super) const FILES: &[(&str, &str)] = &[\n"
        .to_owned();
    for name in names {
        writeln!(text, "    (\"{name}\", include_str!(\"{name}.json\")),").unwrap();
    }
    text + "];\n"
}

#[tokio::test]
async fn the_examples_are_what_the_server_answers() {
    let groups = converse().await;
    let mut files: Vec<_> = groups.iter().map(|(name, examples)| (format!("{name}.json"), written(examples))).collect();
    files.push(("files.rs".to_owned(), table_of_files(groups.keys().copied())));
    let is_recording = std::env::var_os(RECORD).is_some();
    let mut stale = String::new();
    for (name, text) in &files {
        let path = folder().join(name);
        let known = fs::read_to_string(&path).unwrap_or_default();
        if known == *text {
            continue;
        }
        if is_recording {
            fs::write(path, text).unwrap();
        } else {
            let line = known.lines().zip(text.lines()).take_while(|(known, new)| known == new).count();
            let new = text.lines().nth(line).unwrap_or_default();
            writeln!(stale, "{name}, line {}, is now: {new}", line + 1).unwrap();
        }
    }
    assert!(
        stale.is_empty(),
        "what the server answers is not what is on record under {}:\n{stale}\
         If that is meant, run `{RECORD}=1 cargo test --test api examples` and look at the difference.",
        folder().display()
    );
}

#[test]
fn every_operation_has_an_example_of_a_success() {
    let steps: Vec<_> = steps().into_iter().chain(organization_steps()).collect();
    let covered = |method: &str, path: &str, success: u16| {
        steps.iter().filter(|step| step.status == success).any(|step| {
            let route = step.route.split('?').next().unwrap_or_default();
            let whole = if route.starts_with('/') { route.to_owned() } else { format!("/api/v1/{route}") };
            step.method.as_str() == method && conversation::is_path_of(path, &whole)
        })
    };
    let of_workspace = operations().into_iter().map(|operation| (operation.method, operation.path, 200));
    let of_organizations =
        organization_operations().into_iter().map(|operation| (operation.method, operation.path, operation.success));
    let missing: Vec<_> = of_workspace
        .chain(of_organizations)
        .filter(|(method, path, success)| !covered(method.as_str(), path, *success))
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert!(
        missing.is_empty(),
        "no example of a success for these operations; add a line for each to tests/api/examples/steps.rs, then run \
         `{RECORD}=1 cargo test --test api examples`:\n{}",
        missing.join("\n")
    );
}

#[test]
fn no_two_examples_of_an_operation_have_the_same_title() {
    for (operation, examples) in rolekeeper::http::openapi::examples::recorded() {
        let titles: std::collections::BTreeSet<_> = examples.iter().map(|example| &example.title).collect();
        assert_eq!(titles.len(), examples.len(), "{operation}");
    }
}
