//! What the targets share: how arbitrary bytes become the parts of a request. The targets stand in `fuzz_targets/`, one
//! for each family of parsers; each says in its first lines what it holds them to besides "no panic".

use std::fmt::Debug;

use serde_json::Value;

/// Types of content that clients send, by the first byte; the rest is the body. Above them the type itself comes from
/// the input, up to the end of its line.
pub fn typed(data: &[u8]) -> Option<(Option<String>, &[u8])> {
    const TYPES: [&str; 6] = [
        "application/json",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/merge-patch+json",
    ];
    let (first, rest) = data.split_first()?;
    if let Some(known) = TYPES.get(usize::from(*first)) {
        return Some((Some((*known).to_owned()), rest));
    }
    if *first >= 0x80 {
        return Some((None, rest));
    }
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (line, body) = rest.split_at(end);
    Some((Some(String::from_utf8_lossy(line).into_owned()), body.get(1..).unwrap_or_default()))
}

/// Two parts, the second behind the first NUL.
pub fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// How many arrays and objects a value has inside of each other.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// The items of the longest array anywhere in a value.
pub fn longest_list(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(longest_list).max().unwrap_or_default().max(items.len()),
        Value::Object(fields) => fields.values().map(longest_list).max().unwrap_or_default(),
        _ => 0,
    }
}

/// That a refusal is one of what was sent, not of the program.
#[track_caller]
pub fn assert_no_defect<E: Debug>(outcome: Result<(), E>, what: &dyn Debug) {
    if let Err(refusal) = outcome {
        let text = format!("{refusal:?}");
        assert!(!text.contains("Internal("), "{what:?}: {text}");
    }
}
