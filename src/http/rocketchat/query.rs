//! Query texts as `qs` reads them, the reader behind Rocket.Chat's API: repeated keys become arrays and brackets nest
//! (contract 1.7). Everything at the end of a path is text; numbers and booleans are made in [`super::shape`].

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// An array of a query holds at most this many values.
const MAX_VALUES: usize = 500;
/// A query holds at most this many pairs.
const MAX_PAIRS: usize = 1000;
/// Brackets nest this deep; the rest of a longer key is taken as it stands.
const MAX_BRACKETS: usize = 5;

/// Keys that every JavaScript object already has; `qs` passes over a pair that names one, and so do we.
const INHERITED: [&str; 12] = [
    "__proto__",
    "constructor",
    "toString",
    "toLocaleString",
    "valueOf",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
];

/// Why a query could not be read. The texts are for logs; the client reads `Invalid query parameters` (contract 1.5).
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum QueryProblem {
    /// More than 500 values in one array, an index beyond them, or more than 1000 pairs.
    #[error("The query holds too many values")]
    TooManyValues,
    /// Percent signs that do not spell UTF-8.
    #[error("The query is not valid UTF-8")]
    Malformed,
}

/// A value while it grows. Lists are kept by index: `a[499]` must not cost 500 places.
enum Node {
    Text(String),
    List(BTreeMap<usize, Node>),
    Table(BTreeMap<String, Node>),
}

/// One step of a key's path.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// `[]`
    Append,
    /// What stands in brackets; a whole number is the place in a list.
    Bracketed(&'a str),
    /// What is a name whatever it looks like.
    Name(&'a str),
}

/// Reads the part of an address behind the question mark, without it.
///
/// # Errors
/// See [`QueryProblem`].
pub fn parse_query(query: &str) -> Result<Map<String, Value>, QueryProblem> {
    if let Some(plain) = parse_plain_pair(query) {
        return Ok(plain);
    }
    let mut root = BTreeMap::new();
    for (key, value) in collect_pairs(query)? {
        let Some(path) = split_key(&key) else { continue };
        merge_entries(&mut root, nest(&path, value)?.into_entries())?;
    }
    Ok(root.into_iter().map(|(key, node)| (key, node.into_value())).collect())
}

/// Nothing, or one pair in which no character means anything: what most requests have, read without looking for more.
fn parse_plain_pair(query: &str) -> Option<Map<String, Value>> {
    if query.bytes().any(|byte| matches!(byte, b'&' | b'%' | b'+' | b'[' | b']')) {
        return None;
    }
    let (key, value) = query.split_once('=').unwrap_or((query, ""));
    let counts = !key.is_empty() && !INHERITED.contains(&key);
    Some(counts.then(|| (key.to_owned(), value.into())).into_iter().collect())
}

/// The pairs in order of first appearance, the values of a repeated key gathered into one list.
fn collect_pairs(query: &str) -> Result<Vec<(String, Node)>, QueryProblem> {
    let mut pairs: Vec<(String, Node)> = Vec::new();
    let mut places = BTreeMap::new();
    let query = query.replace("%5B", "[").replace("%5b", "[").replace("%5D", "]").replace("%5d", "]");
    for (count, part) in query.split('&').enumerate() {
        if count >= MAX_PAIRS {
            return Err(QueryProblem::TooManyValues);
        }
        let (key, value) = split_pair(part);
        let (key, value) = (decode(key)?, decode(value)?);
        if let Some(&place) = places.get(&key) {
            let (_, known): &mut (String, Node) = &mut pairs[place];
            append(known, Node::Text(value))?;
        } else if !key.is_empty() {
            places.insert(key.clone(), pairs.len());
            pairs.push((key, Node::Text(value)));
        }
    }
    Ok(pairs)
}

/// A closing bracket before the equals sign ends the key even if another equals sign came earlier.
fn split_pair(part: &str) -> (&str, &str) {
    let end = part.find("]=").map(|bracket| bracket + 1).or_else(|| part.find('='));
    end.map_or((part, ""), |end| (&part[..end], &part[end + 1..]))
}

fn decode(text: &str) -> Result<String, QueryProblem> {
    let spaced = text.replace('+', " ");
    if !has_only_whole_escapes(&spaced) {
        return Ok(spaced);
    }
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| QueryProblem::Malformed)?;
    Ok(decoded.into_owned())
}

/// One stray percent sign and `qs` leaves the whole text as it is.
fn has_only_whole_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

/// `a[b][]` becomes `a`, `b`, append; `None` if one of them is a name that is passed over.
fn split_key(key: &str) -> Option<Vec<Step<'_>>> {
    let (name, mut rest) = key.split_at(key.find('[').unwrap_or(key.len()));
    let mut path = Vec::new();
    if !name.is_empty() {
        path.push(Step::Name(name));
    }
    let mut brackets = 0;
    while !rest.is_empty() {
        let end = if brackets < MAX_BRACKETS { closing_bracket(rest) } else { None };
        let Some(end) = end else {
            // Too deep or never closed: what is left is one name, brackets included.
            path.push(Step::Name(rest));
            break;
        };
        path.push(if end == 1 { Step::Append } else { Step::Bracketed(&rest[1..end]) });
        brackets += 1;
        let after = &rest[end + 1..];
        rest = after.find('[').map_or("", |next| &after[next..]);
    }
    let passed_over =
        |step: &Step<'_>| matches!(step, Step::Name(name) | Step::Bracketed(name) if INHERITED.contains(name));
    (!path.iter().any(passed_over)).then_some(path)
}

/// Where the bracket that opens `text` is closed again.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut level = 0_usize;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => level += 1,
            b']' if level == 1 => return Some(place),
            b']' => level -= 1,
            _ => {}
        }
    }
    None
}

/// Wraps a value into the lists and tables of its path.
fn nest(path: &[Step<'_>], value: Node) -> Result<Node, QueryProblem> {
    let mut node = value;
    for step in path.iter().rev() {
        node = match (step, node) {
            (Step::Append, Node::List(items)) => Node::List(items),
            (Step::Append, node) => Node::List(BTreeMap::from([(0, node)])),
            (Step::Name(name), node) => Node::Table(BTreeMap::from([((*name).to_owned(), node)])),
            (Step::Bracketed(name), node) => match place_in_list(name) {
                Some(place) if place >= MAX_VALUES => return Err(QueryProblem::TooManyValues),
                Some(place) => Node::List(BTreeMap::from([(place, node)])),
                None => Node::Table(BTreeMap::from([((*name).to_owned(), node)])),
            },
        };
    }
    Ok(node)
}

/// `7`, but neither `07` nor `+7`.
fn place_in_list(name: &str) -> Option<usize> {
    name.parse().ok().filter(|place: &usize| place.to_string() == name)
}

fn end_of(items: &BTreeMap<usize, Node>) -> usize {
    items.last_key_value().map_or(0, |(last, _)| last + 1)
}

/// Adds one more value of a repeated key.
fn append(known: &mut Node, value: Node) -> Result<(), QueryProblem> {
    if let Node::List(items) = known {
        if items.len() >= MAX_VALUES {
            return Err(QueryProblem::TooManyValues);
        }
        items.insert(end_of(items), value);
        return Ok(());
    }
    let first = std::mem::replace(known, Node::List(BTreeMap::new()));
    *known = pair(first, value);
    Ok(())
}

fn pair(first: Node, second: Node) -> Node {
    Node::List(BTreeMap::from([(0, first), (1, second)]))
}

/// Two values that claim the same place, the earlier one first.
fn merge(target: Node, source: Node) -> Result<Node, QueryProblem> {
    match (target, source) {
        (target, Node::Text(text)) if text.is_empty() => Ok(target),
        (mut target @ Node::List(_), text @ Node::Text(_)) => append(&mut target, text).map(|()| target),
        (Node::Text(text), Node::List(items)) => put_first(text, items),
        (target, text @ Node::Text(_)) => Ok(pair(target, text)),
        (text @ Node::Text(_), table) => Ok(pair(text, table)),
        (Node::List(target), Node::List(source)) => merge_lists(target, source),
        (target, source) => {
            let mut entries = target.into_entries();
            merge_entries(&mut entries, source.into_entries())?;
            Ok(Node::Table(entries))
        }
    }
}

fn put_first(text: String, items: BTreeMap<usize, Node>) -> Result<Node, QueryProblem> {
    if end_of(&items) >= MAX_VALUES {
        return Err(QueryProblem::TooManyValues);
    }
    let shifted = items.into_iter().map(|(place, item)| (place + 1, item));
    Ok(Node::List(std::iter::once((0, Node::Text(text))).chain(shifted).collect()))
}

fn merge_lists(mut target: BTreeMap<usize, Node>, source: BTreeMap<usize, Node>) -> Result<Node, QueryProblem> {
    for (place, item) in source {
        match target.remove(&place) {
            None => {
                target.insert(place, item);
            }
            Some(known) if known.is_text() || item.is_text() => {
                target.insert(place, known);
                target.insert(end_of(&target), item);
            }
            Some(known) => {
                target.insert(place, merge(known, item)?);
            }
        }
    }
    if target.len() > MAX_VALUES {
        return Err(QueryProblem::TooManyValues);
    }
    Ok(Node::List(target))
}

fn merge_entries(target: &mut BTreeMap<String, Node>, source: BTreeMap<String, Node>) -> Result<(), QueryProblem> {
    for (key, value) in source {
        let merged = match target.remove(&key) {
            Some(known) => merge(known, value)?,
            None => value,
        };
        target.insert(key, merged);
    }
    Ok(())
}

impl Node {
    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// As a table; the places of a list become keys. A text has none.
    fn into_entries(self) -> BTreeMap<String, Self> {
        match self {
            Self::Text(_) => BTreeMap::new(),
            Self::List(items) => items.into_iter().map(|(place, item)| (place.to_string(), item)).collect(),
            Self::Table(entries) => entries,
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text),
            Self::List(items) => items.into_values().map(Self::into_value).collect(),
            Self::Table(entries) => entries.into_iter().map(|(key, node)| (key, node.into_value())).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
