//! Answers of two servers in the same words: an id that a server has drawn is named in the order in which it was seen, a
//! time is only told to be one.

use std::collections::HashMap;

use serde_json::Value;

/// Stands for the time of the newest that was there at the last look.
pub const SINCE: &str = "\u{ab}since\u{bb}";
/// Stands for a millisecond later.
pub const BEYOND: &str = "\u{ab}beyond\u{bb}";
/// Of both before the first look.
const LONG_AGO: &str = "1970-01-01T00:00:00.000Z";
const TIME: &str = "(time)";
const TRACE: &str = "(trace)";

/// The name of the id that was seen as that one.
pub fn symbol(number: usize) -> String {
    format!("\u{ab}{number}\u{bb}")
}

/// What the ids of one server are called.
#[derive(Debug)]
pub struct Names {
    of_ids: HashMap<String, String>,
    ids: HashMap<String, String>,
    seen: usize,
}

impl Default for Names {
    fn default() -> Self {
        let ids = HashMap::from([SINCE, BEYOND].map(|name| (name.to_owned(), LONG_AGO.to_owned())));
        Self { of_ids: HashMap::new(), ids, seen: 0 }
    }
}

impl Names {
    /// An id that is the same everywhere.
    pub fn keep(&mut self, id: &str) {
        self.of_ids.insert(id.to_owned(), id.to_owned());
    }

    /// An id that is new.
    pub fn meet(&mut self, id: &str) -> String {
        let name = symbol(self.seen);
        self.seen += 1;
        self.of_ids.insert(id.to_owned(), name.clone());
        self.ids.insert(name.clone(), id.to_owned());
        name
    }

    /// What an id is called; itself when it is none that was seen.
    pub fn name(&self, id: &str) -> String {
        self.of_ids.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// A text in which names stand for ids, with the ids.
    pub fn rendered(&self, text: &str) -> String {
        let mut rendered = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\u{ab}') {
            let Some((name, behind)) = after.split_once('\u{bb}') else { break };
            let name = format!("\u{ab}{name}\u{bb}");
            rendered += before;
            rendered += self.ids.get(&name).map_or(name.as_str(), String::as_str);
            rest = behind;
        }
        rendered + rest
    }

    /// As many as the other one has seen, for one that missed something.
    pub fn skip_to(&mut self, other: &Self) {
        while self.seen < other.seen {
            let never = format!("never seen {}", self.seen);
            self.meet(&never);
        }
    }

    /// The newest time of everything that was looked at: what changes from now on is newer.
    pub fn looked_at(&mut self, newest: &str) {
        self.ids.insert(SINCE.to_owned(), newest.to_owned());
        self.ids.insert(BEYOND.to_owned(), next_millisecond(newest));
    }

    /// A list that a store keeps in the order of ids, in an order that does not depend on them.
    pub fn sort(&self, value: &mut Value) {
        match value {
            Value::Array(values) => {
                values.iter_mut().for_each(|value| self.sort(value));
                if values.iter().all(Value::is_object) {
                    values.sort_by_cached_key(|value| self.outline(value).to_string());
                }
            }
            Value::Object(fields) => fields.values_mut().for_each(|value| self.sort(value)),
            _ => {}
        }
    }

    /// What can be said of a value without naming what was not seen yet.
    fn outline(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match self.of_ids.get(text) {
                Some(name) => name.as_str().into(),
                None if is_time(text) || is_drawn(text) => "?".into(),
                None => text.strip_prefix("usr_").map_or(text.clone(), |id| self.name(id)).into(),
            },
            Value::Array(values) => values.iter().map(|value| self.outline(value)).collect(),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (name.clone(), self.outline(value))).collect())
            }
            other => other.clone(),
        }
    }

    /// An answer in comparable words.
    pub fn shown(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.word(text).into(),
            Value::Array(values) => values.iter().map(|value| self.shown(value)).collect(),
            Value::Object(fields) => {
                let mut shown = serde_json::Map::new();
                for (name, value) in fields {
                    let value = if name == "trace_id" { TRACE.into() } else { self.shown(value) };
                    shown.insert(name.clone(), value);
                }
                shown.into()
            }
            other => other.clone(),
        }
    }

    fn word(&mut self, text: &str) -> String {
        if let Some(name) = self.of_ids.get(text) {
            return name.clone();
        }
        if let Some(user) = text.strip_prefix("usr_") {
            return format!("usr_{}", self.word(user));
        }
        if is_time(text) {
            return TIME.to_owned();
        }
        // Each server tells of its own address.
        if let Some((_, path)) = text.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once('/')) {
            return format!("(here)/{path}");
        }
        if is_drawn(text) { self.meet(text) } else { text.to_owned() }
    }
}

/// `2026-01-02T03:04:05.678Z`, with or without the fraction.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    shape == "0000-00-00T00:00:00.000Z" || shape == "0000-00-00T00:00:00Z"
}

/// The forms of what a server draws: 24 hexadecimal digits, also behind a prefix, or 17 letters and digits.
fn is_drawn(text: &str) -> bool {
    let is_hexadecimal = |text: &str| text.len() == 24 && text.chars().all(|letter| letter.is_ascii_hexdigit());
    let prefixed = ["org_", "role_", "urol_", "orguser_"].into_iter().find_map(|prefix| text.strip_prefix(prefix));
    if let Some(rest) = prefixed {
        return is_hexadecimal(rest);
    }
    is_hexadecimal(text) || (text.len() == 17 && text.chars().all(|letter| letter.is_ascii_alphanumeric()))
}

/// The newest `_updatedAt` or `_deletedAt` of an answer, if it is newer.
pub fn newest(value: &Value, newest_yet: &mut String) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| newest(value, newest_yet)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(time) if matches!(name.as_str(), "_updatedAt" | "_deletedAt") => {
                        if time > newest_yet.as_str() {
                            time.clone_into(newest_yet);
                        }
                    }
                    _ => newest(value, newest_yet),
                }
            }
        }
        _ => {}
    }
}

/// `roles.sync` tells of what changed at the very time too.
fn next_millisecond(time: &str) -> String {
    rolekeeper::domain::time::Timestamp::parse(time).map_or_else(
        || time.to_owned(),
        |time| rolekeeper::domain::time::Timestamp::from_millis(time.as_millis() + 1).to_string(),
    )
}

#[test]
fn ids_are_named_in_the_order_in_which_they_are_seen() {
    let (mut one, mut other) = (Names::default(), Names::default());
    let answer = |role: &str, at: &str| serde_json::json!({"_id": role, "_updatedAt": at, "name": "kept"});
    let first = one.shown(&answer("0123456789abcdef01234567", "2026-01-02T03:04:05.678Z"));
    let second = other.shown(&answer("fedcba9876543210fedcba98", "2027-01-02T03:04:05.678Z"));
    assert_eq!(first, second);
    assert_eq!(other.rendered("/x?id=\u{ab}0\u{bb}&y"), "/x?id=fedcba9876543210fedcba98&y");
    assert_ne!(one.shown(&answer("0123456789abcdef01234567", "")), other.shown(&answer("abcdef", "")));
}
