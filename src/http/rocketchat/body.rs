//! From bytes to a JSON value, whatever content type a client names (contract 1.7), and from a query text to one. What an
//! endpoint accepts of that value is declared and checked in [`super::shape`]; no field has a meaning here.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

pub use super::query::{QueryProblem, parse_query};

/// A body of this many bytes or more is refused with 413.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Arrays and objects nested deeper than this are refused, so that no reader further in has to fear recursion.
pub const MAX_DEPTH: usize = 64;

/// Why a body could not be read. The texts are for the client and never repeat what it sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BodyProblem {
    /// [`MAX_BODY_BYTES`] or more.
    #[error("The request body must be smaller than 1 MiB")]
    TooLarge,
    /// Bytes that are not text, as they are or behind percent signs.
    #[error("The request body is not valid UTF-8")]
    NotUtf8,
    /// Text that should be JSON and is not; both counted from 1 (column 0: the end of the line before).
    #[error("The request body is not valid JSON (line {line}, column {column})")]
    Malformed {
        /// The line of the first mistake.
        line: usize,
        /// The column of the first mistake.
        column: usize,
    },
    /// More than [`MAX_DEPTH`] levels.
    #[error("The request body is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// Reads a request body: always an array or an object, which is what [`super::shape::fit`] takes.
///
/// * JSON: arrays and objects as they are, other values `{}`; a text, as Rocket.Chat does, an object with odd keys.
/// * A form: one text per key, the last one sent; `a[$ne]` is a key like any other, never an object.
/// * `multipart/form-data`: `{}`.
/// * Any other type or none: JSON if it starts with `{`, as does a form (curl's default), else an object with an odd key.
/// * Blank: `{}`.
///
/// # Errors
/// See [`BodyProblem`]. Malformed JSON is told, unlike in Rocket.Chat, which takes it for `{}`.
pub fn parse_body(content_type: Option<&str>, bytes: &[u8]) -> Result<Value, BodyProblem> {
    if bytes.len() >= MAX_BODY_BYTES {
        return Err(BodyProblem::TooLarge);
    }
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let declared = Declared::from(content_type.as_str());
    if declared == Declared::Multipart {
        return Ok(empty());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| BodyProblem::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(empty());
    }
    match declared {
        Declared::Json => parse_json(text),
        _ if text.trim_start().starts_with('{') => parse_json(text),
        Declared::Form => parse_form(text),
        _ => Ok(spread(text)),
    }
}

/// What a content type announces; parameters such as the charset play no part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    Json,
    Form,
    Multipart,
    Other,
}

impl From<&str> for Declared {
    fn from(content_type: &str) -> Self {
        if content_type.contains("application/json") {
            return Self::Json;
        }
        if content_type.contains("application/x-www-form-urlencoded") {
            return Self::Form;
        }
        if content_type.contains("multipart/form-data") {
            return Self::Multipart;
        }
        Self::Other
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// Rocket.Chat spreads a bare text into an object of its characters. Every schema refuses that at the first odd key, so
/// one is enough.
fn spread(text: &str) -> Value {
    text.chars().next().map_or_else(empty, |first| {
        let mut map = Map::new();
        map.insert("0".to_owned(), Value::String(first.to_string()));
        Value::Object(map)
    })
}

fn parse_json(text: &str) -> Result<Value, BodyProblem> {
    // Asked first: the parser's own limit is a syntax error like any other, and this one has a name.
    if exceeds_depth(text) {
        return Err(BodyProblem::TooDeep);
    }
    let value = serde_json::from_str(text)
        .map_err(|error| BodyProblem::Malformed { line: error.line(), column: error.column() })?;
    Ok(match value {
        Value::Object(_) | Value::Array(_) => value,
        Value::String(text) => spread(&text),
        Value::Null | Value::Bool(_) | Value::Number(_) => empty(),
    })
}

/// Counts open brackets outside of strings; needs no valid JSON and no recursion.
fn exceeds_depth(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

fn parse_form(text: &str) -> Result<Value, BodyProblem> {
    let mut map = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        map.insert(decode_form(key)?, Value::String(decode_form(value)?));
    }
    Ok(Value::Object(map))
}

fn decode_form(text: &str) -> Result<String, BodyProblem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| BodyProblem::NotUtf8)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests;
