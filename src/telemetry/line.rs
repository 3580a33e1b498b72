//! What a line of the log looks like, for people and for programs. Every request has one, so it is written straight into
//! the text that goes out; where that goes is in `writer`.

use std::borrow::Cow;
use std::fmt::{self, Write};

use log::Record;
use log::kv::{self, VisitSource};
use serde_json::Value;

use crate::config::LogFormat;
use crate::domain::time::Timestamp;

/// Adds one record as one line, line end included. Control characters of what a caller sent appear escaped, so that
/// nobody can end a line and forge the next.
pub fn push_line(line: &mut String, format: LogFormat, time: Timestamp, record: &Record<'_>, request_id: Option<&str>) {
    let written = match format {
        LogFormat::Text => push_text(line, time, record, request_id),
        LogFormat::Json => push_json(line, time, record, request_id),
    };
    // A text takes everything; only a value that fails to show itself ends up here, and the line says as much as it can.
    if written.is_err() {
        line.push('?');
    }
    line.push('\n');
}

fn push_text(line: &mut String, time: Timestamp, record: &Record<'_>, request_id: Option<&str>) -> fmt::Result {
    write!(line, "{time} {:5} ", record.level().as_str())?;
    push_escaped(line, record.target());
    if let Some(id) = request_id {
        push_pair(line, "request_id", id);
    }
    line.push(' ');
    push_escaped(line, &message(record));
    // The collector refuses nothing; a source that fails has given what it could.
    let _ = record.key_values().visit(&mut TextPairs(line));
    Ok(())
}

/// ` key=value`, in quotes where the value could be taken for more than one.
fn push_pair(line: &mut String, key: &str, value: &str) {
    line.push(' ');
    push_escaped(line, key);
    line.push('=');
    let is_plain = !value.is_empty() && !value.chars().any(|c| c.is_whitespace() || c == '"' || c == '=');
    if is_plain {
        push_escaped(line, value);
        return;
    }
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    line.push('"');
    push_escaped(line, &quoted);
    line.push('"');
}

fn push_json(line: &mut String, time: Timestamp, record: &Record<'_>, request_id: Option<&str>) -> fmt::Result {
    write!(line, "{{\"time\":\"{time}\",\"level\":\"{}\",\"target\":", record.level().as_str())?;
    push_json_text(line, record.target());
    if let Some(id) = request_id {
        line.push_str(",\"request_id\":");
        push_json_text(line, id);
    }
    line.push_str(",\"message\":");
    push_json_text(line, &message(record));
    let mut taken = vec![Cow::Borrowed("time"), "level".into(), "target".into(), "message".into()];
    taken.extend(request_id.map(|_| "request_id".into()));
    // As above.
    let _ = record.key_values().visit(&mut JsonPairs { line, taken });
    line.push('}');
    Ok(())
}

/// A text in quotes as JSON has it, without any character that could be acted upon.
fn push_json_text(line: &mut String, text: &str) {
    if text.bytes().all(|byte| is_plain_ascii(byte) && byte != b'"' && byte != b'\\') {
        line.push('"');
        line.push_str(text);
        line.push('"');
        return;
    }
    // Inside JSON the only control characters left are in texts, where \u is an escape of the format itself.
    let quoted = Value::from(text).to_string();
    push_escaped_with(line, &quoted, |line, c| write!(line, "\\u{:04x}", u32::from(c)));
}

fn message<'r>(record: &Record<'r>) -> Cow<'r, str> {
    let message = record.args();
    message.as_str().map_or_else(|| Cow::Owned(message.to_string()), Cow::Borrowed)
}

const fn is_plain_ascii(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Characters that a terminal or a log reader may act upon or take for the end of a line.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_escaped(line: &mut String, text: &str) {
    push_escaped_with(line, text, |line, c| write!(line, "{}", c.escape_default()));
}

fn push_escaped_with(line: &mut String, text: &str, escape: impl Fn(&mut String, char) -> fmt::Result) {
    if text.bytes().all(is_plain_ascii) {
        line.push_str(text);
        return;
    }
    for c in text.chars() {
        if !is_unsafe(c) {
            line.push(c);
        } else if escape(line, c).is_err() {
            line.push('?');
        }
    }
}

struct TextPairs<'l>(&'l mut String);

impl<'kvs> VisitSource<'kvs> for TextPairs<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        match text_or_value(&value) {
            Ok(text) => push_pair(self.0, key.as_str(), &text),
            Err(value) => push_pair(self.0, key.as_str(), &value.to_string()),
        }
        Ok(())
    }
}

struct JsonPairs<'l, 'kvs> {
    line: &'l mut String,
    taken: Vec<Cow<'kvs, str>>,
}

impl<'kvs> VisitSource<'kvs> for JsonPairs<'_, 'kvs> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut name = key.to_borrowed_str().map_or_else(|| Cow::Owned(key.as_str().to_owned()), Cow::Borrowed);
        // A pair may not replace a field of the line.
        while self.taken.contains(&name) {
            name.to_mut().push('_');
        }
        self.line.push(',');
        push_json_text(self.line, &name);
        self.line.push(':');
        match text_or_value(&value) {
            Ok(text) => push_json_text(self.line, &text),
            Err(value) => write!(self.line, "{value}").map_err(|_| kv::Error::msg("not a value"))?,
        }
        self.taken.push(name);
        Ok(())
    }
}

/// Numbers and switches stay what they are; everything else is shown as a text.
fn text_or_value<'v>(value: &kv::Value<'v>) -> Result<Cow<'v, str>, Value> {
    if let Some(text) = value.to_borrowed_str() {
        return Ok(Cow::Borrowed(text));
    }
    let number = value.to_u64().map(Value::from).or_else(|| value.to_i64().map(Value::from));
    let plain = number.or_else(|| value.to_bool().map(Value::from)).or_else(|| value.to_f64().map(Value::from));
    plain.map_or_else(|| Ok(Cow::Owned(value.to_string())), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    fn line(format: LogFormat, message: &str, request_id: Option<&str>, pairs: &[(&str, kv::Value<'_>)]) -> String {
        let time = Timestamp::from_millis(1_684_816_671_161);
        let args = format_args!("{message}");
        let record =
            Record::builder().level(Level::Info).target("rolekeeper::http").args(args).key_values(&pairs).build();
        let mut line = String::new();
        push_line(&mut line, format, time, &record, request_id);
        line
    }

    #[test]
    fn a_text_line_reads_from_left_to_right() {
        let pairs = [("status", kv::Value::from(200)), ("route", kv::Value::from("GET /ready"))];
        assert_eq!(
            line(LogFormat::Text, "answered", Some("r1"), &pairs),
            "2023-05-23T04:37:51.161Z INFO  rolekeeper::http request_id=r1 answered status=200 route=\"GET /ready\"\n"
        );
        assert_eq!(
            line(LogFormat::Text, "started", None, &[]),
            "2023-05-23T04:37:51.161Z INFO  rolekeeper::http started\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_in_order() {
        let pairs = [
            ("status", kv::Value::from(200)),
            ("change", kv::Value::from(-1)),
            ("slow", kv::Value::from(false)),
            ("share", kv::Value::from(0.5)),
            ("route", kv::Value::from("GET /ready")),
        ];
        assert_eq!(
            line(LogFormat::Json, "answered", Some("r1"), &pairs),
            concat!(
                r#"{"time":"2023-05-23T04:37:51.161Z","level":"INFO","target":"rolekeeper::http","request_id":"r1","#,
                r#""message":"answered","status":200,"change":-1,"slow":false,"share":0.5,"route":"GET /ready"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn nobody_can_forge_a_line() {
        let evil = "a\r\nb\u{1b}[31m\u{85}\u{2028}\u{202e}c\u{7f}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(format, evil, Some(evil), &[(evil, kv::Value::from(evil))]);
            let body = line.strip_suffix('\n').unwrap();
            // Told one by one rather than by the function that is tested.
            let left = ['\r', '\n', '\u{1b}', '\u{85}', '\u{2028}', '\u{202e}', '\u{7f}'];
            assert!(!body.contains(left), "{body:?}");
        }
    }

    #[test]
    fn an_escaped_json_line_still_says_what_was_said() {
        let evil = "a\r\n\u{85}\u{2028}\"\\c";
        let line = line(LogFormat::Json, evil, None, &[]);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], evil);
    }

    #[test]
    fn nobody_can_forge_a_pair() {
        let text = line(LogFormat::Text, "m", Some("r1 status=200"), &[("name", kv::Value::from("x\" admin=\"yes"))]);
        assert!(text.ends_with("request_id=\"r1 status=200\" m name=\"x\\\" admin=\\\"yes\"\n"), "{text}");
        let json = line(LogFormat::Json, "m", None, &[("message", kv::Value::from("other"))]);
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((read["message"].as_str(), read["message_"].as_str()), (Some("m"), Some("other")));
    }
}
